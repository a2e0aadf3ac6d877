//! Several controllers over one store in memory: one leads, the others pass on, and a leader that is cut off is replaced.
//!
//! Must not know: internals of the controller. Invariant: only REST and the service are used, as others use them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::serve::ListenerExt;
use cluster::metadata_store::{Followed, Revisions, Term};
use cluster::{MemoryStore, MetadataStore, SharedStore, StoreError, Versioned, Write};
use controller::{Controller, ControllerHandle, ControllerSettings};
use proto::controller_service::{
    ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, Instance, ReplicaReport,
    SegmentRecord,
};
use proto::grpc::GrpcController;
use proto::{ControllerService, Controllers, ServiceError};
use serde_json::{Value as Json, json};

mod survive;

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The way of one controller to the store, which can be cut.
struct Way {
    store: Arc<MemoryStore>,
    cut: AtomicBool,
}

impl Way {
    fn there(&self) -> Result<&MemoryStore, StoreError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(StoreError::Internal {
                doing: "reach the store".to_owned(),
                source: "cut off".into(),
            });
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl MetadataStore for Way {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.there()?.get(key).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        self.there()?.list(prefix).await
    }
    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.there()?.write(batch).await
    }
    fn watch(&self, prefix: &str) -> Revisions {
        self.store.watch(prefix)
    }
}

#[async_trait]
impl SharedStore for Way {
    async fn take_seat(&self, holder: &str) -> Result<Option<Term>, StoreError> {
        self.there()?.take_seat(holder).await
    }
    async fn keep_seat(&self, term: &Term) -> Result<bool, StoreError> {
        self.there()?.keep_seat(term).await
    }
    async fn leave_seat(&self, term: &Term) -> Result<(), StoreError> {
        self.there()?.leave_seat(term).await
    }
    async fn write_in(&self, term: &Term, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.there()?.write_in(term, batch).await
    }
    async fn follow(&self) -> Result<Followed, StoreError> {
        self.there()?.follow().await
    }
    fn seat_ms(&self) -> u64 {
        self.store.seat_ms()
    }
}

struct One {
    handle: ControllerHandle,
    way: Arc<Way>,
    url: String,
}

struct Three {
    all: Vec<One>,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Three {
    async fn start() -> Fallible<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(MemoryStore::default());
        let mut all = Vec::new();
        for n in 0..3 {
            let way = Arc::new(Way {
                store: Arc::clone(&store),
                cut: AtomicBool::new(false),
            });
            let mut settings = ControllerSettings::new(folder.path().join(n.to_string()));
            settings.bind = "127.0.0.1".to_owned();
            settings.port = 0;
            settings.deep_store_uri = Some(folder.path().join("deep").display().to_string());
            settings.shared_store = Some(Arc::<Way>::clone(&way));
            let handle = Controller::start(settings).await?;
            let url = format!("http://127.0.0.1:{}", handle.port);
            all.push(One { handle, way, url });
        }
        let http = reqwest::Client::new();
        Ok(Self { all, http, folder })
    }

    async fn get(&self, url: &str) -> Fallible<(u16, Json)> {
        let answer = self.http.get(url).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    async fn post(&self, url: &str, body: &Json) -> Fallible<u16> {
        let answer = self.http.post(url).json(body).send().await?;
        Ok(answer.status().as_u16())
    }

    async fn end(self) {
        for one in self.all {
            one.handle.shutdown().await;
        }
    }

    /// Index of the one that leads; all that can reach the store agree.
    async fn leader(&self) -> Fallible<usize> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let mut told = Vec::new();
            for one in self
                .all
                .iter()
                .filter(|o| !o.way.cut.load(Ordering::SeqCst))
            {
                let (_, answer) = self.get(&format!("{}/leader/tables", one.url)).await?;
                let entry = &answer["leadControllerEntryMap"]["leadControllerResource_0"];
                told.push(entry["leadControllerId"].as_str().map(str::to_owned));
            }
            let port = |o: &One| format!("_{}", o.handle.port);
            // Until its seat is free again the others name one that is cut off.
            let leads = |o: &One| {
                let mut ids = told.iter().flatten();
                let reaches = !o.way.cut.load(Ordering::SeqCst);
                reaches && ids.len_is(told.len()) && ids.all(|id| id.ends_with(&port(o)))
            };
            let found = self.all.iter().position(leads);
            if let Some(found) = found {
                return Ok(found);
            }
            if Instant::now() > until {
                return Err(format!("no leader: {told:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether an iterator has so many elements left.
trait LenIs {
    fn len_is(&self, expected: usize) -> bool;
}

impl<I: Iterator + Clone> LenIs for I {
    fn len_is(&self, expected: usize) -> bool {
        self.clone().count() == expected
    }
}

fn schema(name: &str) -> Json {
    json!({"schemaName": name, "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}]})
}

fn server() -> Instance {
    Instance {
        id: "Server_h_1".to_owned(),
        role: "server".to_owned(),
        host: "h".to_owned(),
        port: 1,
        admin_port: 2,
        tags: Vec::new(),
        live: false,
        enabled: false,
    }
}

/// A leader that goes in order leaves the seat at once; what is read needs no leader.
async fn leaves_in_order(mut three: Three, leader: usize) -> Fallible {
    let leaving = three.all.remove(leader);
    leaving.handle.shutdown().await;
    for one in &three.all {
        let (status, names) = three.get(&format!("{}/schemas", one.url)).await?;
        assert_eq!((status, names), (200, json!(["one", "two"])));
    }
    let third = three.leader().await?;
    let url = three.all[third].url.clone();
    assert_eq!(
        three
            .post(&format!("{url}/schemas"), &schema("three"))
            .await?,
        200
    );
    for one in three.all {
        one.handle.shutdown().await;
    }
    drop(three.folder);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_decides_and_is_replaced() -> Fallible {
    let three = Three::start().await?;
    let first = three.leader().await?;
    // A follower takes what the leader decides, and shows it.
    let follower = three.all[(first + 1) % 3].url.clone();
    let (url, one) = (format!("{follower}/schemas"), schema("one"));
    assert_eq!(three.post(&url, &one).await?, 200);
    for one in &three.all {
        let (status, names) = three.get(&format!("{}/schemas", one.url)).await?;
        assert_eq!((status, names), (200, json!(["one"])));
    }
    // Whoever does not lead says so to servers, who ask the next one.
    let alone = GrpcController::connect(&follower, None)?;
    assert!(matches!(
        alone.register(server()).await,
        Err(ServiceError::Unreachable(_))
    ));
    let mut clients: Vec<Arc<dyn ControllerService>> = Vec::new();
    for one in &three.all {
        clients.push(Arc::new(GrpcController::connect(&one.url, None)?));
    }
    let clients = Controllers::new(clients);
    clients.register(server()).await?;
    let before = clients.watch("Server_h_1", 0).await?;
    // In its own process a follower reaches the leader.
    let inside = Arc::clone(&three.all[(first + 1) % 3].handle.service);
    inside.heartbeat("Server_h_1").await?;

    // A leader that cannot reach the store any more leads no more, and what it passes on is done.
    three.all[first].way.cut.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let second = three.leader().await?;
    assert_ne!(first, second);
    let deposed = three.all[first].url.clone();
    let late = GrpcController::connect(&deposed, None)?;
    assert!(late.heartbeat("Server_h_1").await.is_err());
    assert_eq!(
        three
            .post(&format!("{deposed}/schemas"), &schema("lost"))
            .await?,
        503
    );
    let leader = three.all[second].url.clone();
    assert_eq!(
        three
            .post(&format!("{leader}/schemas"), &schema("two"))
            .await?,
        200
    );
    clients.heartbeat("Server_h_1").await?;
    let after = clients.watch("Server_h_1", before.version).await?;
    assert!(after.version >= before.version + 1_000_000);
    assert!(
        after
            .instances
            .iter()
            .any(|i| i.id == "Server_h_1" && i.live)
    );
    eprintln!("replaced after {} ms", began.elapsed().as_millis());

    // Back again it follows.
    three.all[first].way.cut.store(false, Ordering::SeqCst);
    assert_eq!(three.leader().await?, second);
    let (_, names) = three.get(&format!("{deposed}/schemas")).await?;
    assert_eq!(names, json!(["one", "two"]));

    leaves_in_order(three, second).await
}

#[tokio::test]
async fn a_deep_store_of_its_own_is_refused() -> Fallible {
    let folder = tempfile::tempdir()?;
    let mut settings = ControllerSettings::new(folder.path().to_owned());
    settings.port = 0;
    settings.shared_store = Some(Arc::new(MemoryStore::default()));
    let refused = Controller::start(settings).await.err().ok_or("started")?;
    assert!(refused.to_string().contains("deep store"), "{refused}");
    Ok(())
}

/// A leader that counts what it hears.
#[derive(Default)]
struct Heard(AtomicUsize);

fn not_here<T>() -> Result<T, ServiceError> {
    Err(ServiceError::Refused("not asked here".to_owned()))
}

#[async_trait]
impl ControllerService for Heard {
    async fn register(&self, _: Instance) -> Result<(), ServiceError> {
        Ok(())
    }
    async fn heartbeat(&self, _: &str) -> Result<(), ServiceError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn watch(&self, _: &str, _: u64) -> Result<ClusterView, ServiceError> {
        not_here()
    }
    async fn report(&self, _: &str, _: Vec<ReplicaReport>) -> Result<(), ServiceError> {
        not_here()
    }
    async fn segment_consumed(
        &self,
        _: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        not_here()
    }
    async fn commit_start(&self, _: CompletionRequest) -> Result<CompletionAnswer, ServiceError> {
        not_here()
    }
    async fn commit_end(&self, _: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
        not_here()
    }
    async fn stopped_consuming(&self, _: CompletionRequest) -> Result<(), ServiceError> {
        not_here()
    }
    async fn add_segment(&self, _: &str, _: SegmentRecord) -> Result<(), ServiceError> {
        not_here()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_keeps_one_connection() -> Fallible {
    let heard = Arc::new(Heard::default());
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let counted = Arc::clone(&connections);
    let listener = listener.tap_io(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let service = proto::grpc::controller_server(Arc::<Heard>::clone(&heard));
    let router = axum::Router::new().route_service(proto::grpc::CONTROLLER_PATH, service);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });

    let folder = tempfile::tempdir()?;
    let store = Arc::new(MemoryStore::default());
    let holder = json!({"id": "Controller_other_1", "url": url}).to_string();
    let term = store.take_seat(&holder).await?.ok_or("the seat is taken")?;
    let mut settings = ControllerSettings::new(folder.path().to_owned());
    (settings.port, settings.bind) = (0, "127.0.0.1".to_owned());
    settings.deep_store_uri = Some(folder.path().join("deep").display().to_string());
    settings.shared_store = Some(Arc::<MemoryStore>::clone(&store));
    let follower = Controller::start(settings).await?;
    let until = Instant::now() + Duration::from_secs(30);
    while heard.0.load(Ordering::SeqCst) < 2 {
        assert!(Instant::now() < until, "no two heartbeats");
        assert!(store.keep_seat(&term).await?);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    follower.shutdown().await;
    serving.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_news_is_answered_at_the_end() -> Fallible {
    let folder = tempfile::tempdir()?;
    let mut settings = ControllerSettings::new(folder.path().to_owned());
    (settings.port, settings.bind) = (0, "127.0.0.1".to_owned());
    settings.last_requests = Duration::from_millis(100);
    let alone = Controller::start(settings).await?;
    let client = GrpcController::connect(&format!("http://127.0.0.1:{}", alone.port), None)?;
    let before = client.watch("Broker_h_1", 0).await?.version;
    let waiting = tokio::spawn(async move { client.watch("Broker_h_1", before).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    let began = Instant::now();
    alone.shutdown().await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(waiting.await??.version, before);
    Ok(())
}
