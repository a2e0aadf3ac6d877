//! The heart of the controller: the state, the one way to change it, and who is told.
//!
//! Must not know: HTTP. Invariants: one change at a time; a change is durable before it is seen or answered; the network is
//! never awaited while a change is decided.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Access, DeepStore, MetadataStore, Settings, TaskGroup};
use common::clock::Clock;
use parking_lot::{Mutex, RwLock};
use proto::controller_service::{ClusterView, DEEP_STORE_URI};
use tokio::sync::watch;

use crate::completion::Completions;
use crate::error::ControllerError;
use crate::minion::Minion;
use crate::publish::Publishers;
use crate::rebalances::Rebalances;
use crate::records::keys;
use crate::state::{Change, State, TableEntry};
use crate::streams::StreamMetadata;

/// How long a watcher waits at most.
const WATCH_WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Core {
    pub(crate) cluster_name: String,
    pub(crate) instance_id: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) data_dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    /// When this process began, milliseconds.
    pub(crate) started_ms: i64,
    pub(crate) deep_store: DeepStore,
    /// What is said of stores of objects.
    pub(crate) storage: Settings,
    pub(crate) streams: Arc<dyn StreamMetadata>,
    /// For brokers and servers: it carries who this process is.
    pub(crate) peers: reqwest::Client,
    pub(crate) access: Arc<Access>,
    pub(crate) tasks: TaskGroup,
    /// Brokers of the Kafka that the cluster was started with.
    pub(crate) kafka: Option<String>,
    pub(crate) publishers: Publishers,
    /// Rows with an idempotency key that are being taken.
    pub(crate) rows_under_way: Mutex<HashSet<String>>,
    pub(crate) completions: Mutex<Completions>,
    pub(crate) rebalances: Rebalances,
    pub(crate) minion: Minion,
    /// When each instance was last heard of, milliseconds.
    pub(crate) heard_ms: Mutex<HashMap<String, i64>>,
    /// When each table's stream was looked at last for new partitions, milliseconds.
    pub(crate) looked_ms: Mutex<HashMap<String, i64>>,
    store: Arc<dyn MetadataStore>,
    state: Arc<RwLock<State>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    version: watch::Sender<u64>,
}

/// What [`Core::open`] needs.
pub(crate) struct Parts {
    pub(crate) cluster_name: String,
    pub(crate) instance_id: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) data_dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deep_store: DeepStore,
    /// What is said of stores of objects.
    pub(crate) storage: Settings,
    pub(crate) streams: Arc<dyn StreamMetadata>,
    pub(crate) kafka: Option<String>,
    pub(crate) access: Arc<Access>,
    pub(crate) store: Arc<dyn MetadataStore>,
}

impl Core {
    /// Reads the state that the store holds.
    pub(crate) async fn open(parts: Parts) -> Result<Self, ControllerError> {
        let now = parts.clock.now_ms();
        let state = load(parts.store.as_ref(), now).await?;
        let heard = state.instances.keys().map(|id| (id.clone(), now)).collect();
        let peers = client(parts.access.own_header())?;
        Ok(Self {
            cluster_name: parts.cluster_name,
            instance_id: parts.instance_id,
            host: parts.host,
            port: parts.port,
            data_dir: parts.data_dir,
            clock: parts.clock,
            started_ms: now,
            deep_store: parts.deep_store,
            storage: parts.storage,
            streams: parts.streams,
            peers,
            access: parts.access,
            tasks: TaskGroup::new(),
            kafka: parts.kafka,
            publishers: Publishers::default(),
            rows_under_way: Mutex::default(),
            completions: Mutex::default(),
            rebalances: Rebalances::default(),
            minion: Minion::default(),
            heard_ms: Mutex::new(heard),
            looked_ms: Mutex::default(),
            store: parts.store,
            version: watch::channel(state.version).0,
            state: Arc::new(RwLock::new(state)),
            turn: Arc::default(),
        })
    }

    /// Lets go of the store; a change that is under way ends before.
    pub(crate) async fn close(&self) {
        let _turn = self.turn.lock().await;
        self.store.close();
    }

    /// Deletes a segment from the deep store, or keeps it aside for so long.
    pub(crate) async fn discard(&self, uri: &str, kept_ms: i64) -> Result<(), ControllerError> {
        if kept_ms > 0 {
            let until = self.now_ms().saturating_add(kept_ms);
            self.deep_store.set_aside(uri, until).await?;
        } else {
            self.deep_store.delete(uri).await?;
        }
        Ok(())
    }

    /// Now, milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read())
    }

    /// Looks at one table.
    pub(crate) fn with_table<T>(
        &self,
        name: &str,
        look: impl FnOnce(&TableEntry) -> T,
    ) -> Option<T> {
        self.state.read().table(name).map(look)
    }

    /// Decides changes from the state, makes them durable, applies them and wakes the watchers. What is being written is applied even
    /// where the caller goes away meanwhile: a state behind its store would decide the same thing twice.
    pub(crate) async fn change<T>(
        &self,
        decide: impl FnOnce(&State) -> Result<(Vec<Change>, T), ControllerError> + Send,
    ) -> Result<T, ControllerError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (changes, answer) = decide(&self.state.read())?;
        if changes.is_empty() {
            return Ok(answer);
        }
        let mut writes = Vec::with_capacity(changes.len());
        for change in &changes {
            change.writes(&mut writes)?;
        }
        let store = Arc::clone(&self.store);
        let (state, version) = (Arc::clone(&self.state), self.version.clone());
        let written = tokio::spawn(async move {
            let _turn = turn;
            store.write(writes).await?;
            let mut state = state.write();
            state.apply(changes);
            version.send_replace(state.version);
            Ok::<_, ControllerError>(())
        });
        written
            .await
            .map_err(|error| ControllerError::internal("wait for a change", error))??;
        Ok(answer)
    }

    /// Waits for news of an instance's interest.
    pub(crate) async fn watch(&self, instance_id: &str, version: u64) -> ClusterView {
        let mut versions = self.version.subscribe();
        let wait = async {
            loop {
                versions.borrow_and_update();
                let view = self.read(|state| state.view_since(instance_id, version));
                if let Some(view) = view {
                    return view;
                }
                if versions.changed().await.is_err() {
                    return self.unchanged(version);
                }
            }
        };
        let mut view = match tokio::time::timeout(WATCH_WAIT, wait).await {
            Ok(view) => view,
            Err(_) => self.unchanged(version),
        };
        let deep_store = self.deep_store.base().to_owned();
        view.configs.insert(DEEP_STORE_URI.to_owned(), deep_store);
        view
    }

    /// The answer of a watch that saw nothing: the same version, so that nothing between is skipped.
    fn unchanged(&self, version: u64) -> ClusterView {
        self.read(|state| ClusterView {
            version,
            instances: state.instances.values().cloned().collect(),
            tables: Vec::new(),
            removed: Vec::new(),
            configs: state.configs.clone(),
        })
    }
}

/// An HTTP client that shows a header to everyone it asks.
fn client(header: Option<&str>) -> Result<reqwest::Client, ControllerError> {
    let mut builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(3));
    if let Some(header) = header {
        let mut value = reqwest::header::HeaderValue::from_str(header)
            .map_err(|error| ControllerError::internal("use the token of this process", error))?;
        value.set_sensitive(true);
        let shown = std::iter::once((reqwest::header::AUTHORIZATION, value));
        builder = builder.default_headers(shown.collect());
    }
    builder
        .build()
        .map_err(|error| ControllerError::internal("make an HTTP client", error))
}

async fn load(store: &dyn MetadataStore, now_ms: i64) -> Result<State, ControllerError> {
    // Versions go on growing over restarts as long as fewer than a million changes are made a second.
    let start = u64::try_from(now_ms)
        .unwrap_or_default()
        .saturating_mul(1000);
    let mut state = State::starting_at(start);
    let mut changes = Vec::new();
    for (_, found) in store.list(keys::SCHEMAS).await? {
        changes.push(Change::Schema(Box::new(read(&found.value)?)));
    }
    for (_, found) in store.list(keys::TABLES).await? {
        changes.push(Change::Table(Box::new(read(&found.value)?)));
    }
    for (key, found) in store.list(keys::SEGMENTS).await? {
        let rest = key.strip_prefix(keys::SEGMENTS).unwrap_or_default();
        let table = rest.split('/').next().unwrap_or_default().to_owned();
        changes.push(Change::Segment(table, Box::new(read(&found.value)?)));
    }
    for (_, found) in store.list(keys::INSTANCES).await? {
        changes.push(Change::Instance(read(&found.value)?));
    }
    for (key, found) in store.list(keys::CONFIGS).await? {
        let name = key
            .strip_prefix(keys::CONFIGS)
            .unwrap_or_default()
            .to_owned();
        changes.push(Change::Config(
            name,
            String::from_utf8_lossy(&found.value).into_owned(),
        ));
    }
    for (_, found) in store.list(keys::WATERMARKS).await? {
        changes.push(Change::Watermark(read(&found.value)?));
    }
    for (_, found) in store.list(keys::JOBS).await? {
        changes.push(Change::Job(read(&found.value)?));
    }
    state.apply(changes);
    for (key, _) in store.list(keys::REMOVED).await? {
        state.remember_removed(key.strip_prefix(keys::REMOVED).unwrap_or_default());
    }
    Ok(state)
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ControllerError> {
    serde_json::from_slice(bytes).map_err(|error| ControllerError::internal("read a record", error))
}
