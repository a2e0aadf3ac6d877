//! The heart of the controller: the state, the one way to change it, and who is told.
//!
//! Must not know: HTTP. Invariants: one change at a time; a change is durable before it is seen or answered; the network is
//! never awaited while a change is decided.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::{Access, DeepStore, Dial, MetadataStore, Settings, TaskGroup};
use common::clock::Clock;
use parking_lot::{Mutex, RwLock};
use proto::controller_service::{CLUSTER_ID, ClusterView, DEEP_STORE_URI};
use tokio::sync::watch;

use crate::completion::Completions;
use crate::error::ControllerError;
use crate::leadership::Seat;
use crate::minion::Minion;
use crate::publish::Publishers;
use crate::rebalances::Rebalances;
use crate::records::keys;
use crate::state::{Change, State, TableEntry};
use crate::stored;
use crate::streams::StreamMetadata;

/// How long a watcher waits at most.
const WATCH_WAIT: Duration = Duration::from_secs(10);
/// How long one waits while this process ends.
const LEAVE_WAIT: Duration = Duration::from_millis(50);

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
    /// For the controller that leads: it carries who asks.
    pub(crate) controllers: reqwest::Client,
    /// How other roles are reached.
    pub(crate) dial: Dial,
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
    /// Since when each instance is known to be gone, milliseconds.
    pub(crate) gone_ms: Mutex<HashMap<String, i64>>,
    /// When each table's stream was looked at last for new partitions, milliseconds.
    pub(crate) looked_ms: Mutex<HashMap<String, i64>>,
    /// The part in the leadership, where there are several controllers.
    pub(crate) seat: Option<Arc<Seat>>,
    store: Arc<dyn MetadataStore>,
    state: Arc<RwLock<State>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    version: watch::Sender<u64>,
    /// Set when this process ends: who waits for news is sent away.
    leaving: AtomicBool,
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
    pub(crate) dial: Dial,
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) seat: Option<Arc<Seat>>,
}

/// Versions go on growing over restarts as long as fewer than a million changes are made a second.
fn first_version(now_ms: i64) -> u64 {
    u64::try_from(now_ms)
        .unwrap_or_default()
        .saturating_mul(1000)
}

impl Core {
    /// Reads the state that the store holds; one of several controllers reads it when it stands by.
    pub(crate) async fn open(parts: Parts) -> Result<Self, ControllerError> {
        let now = parts.clock.now_ms();
        let entries = match &parts.seat {
            None => {
                if parts.store.get(keys::CLUSTER_ID).await?.is_none() {
                    parts.store.write(vec![stored::new_cluster_id()]).await?;
                }
                parts.store.list("").await?
            }
            Some(_) => Vec::new(),
        };
        let state = stored::state_of(&entries, first_version(now))?;
        let heard = state.instances.keys().map(|id| (id.clone(), now)).collect();
        let peers = client(parts.dial.http(), parts.access.own_header())?;
        let controllers = client(parts.dial.http(), None)?;
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
            controllers,
            dial: parts.dial,
            access: parts.access,
            tasks: TaskGroup::new(),
            kafka: parts.kafka,
            publishers: Publishers::default(),
            rows_under_way: Mutex::default(),
            completions: Mutex::default(),
            rebalances: Rebalances::default(),
            minion: Minion::default(),
            heard_ms: Mutex::new(heard),
            gone_ms: Mutex::default(),
            looked_ms: Mutex::default(),
            seat: parts.seat,
            store: parts.store,
            version: watch::channel(state.version).0,
            state: Arc::new(RwLock::new(state)),
            turn: Arc::default(),
            leaving: AtomicBool::new(false),
        })
    }

    /// Lets go of the seat and of the store; a change that is under way ends before.
    pub(crate) async fn close(&self) {
        if let Some(seat) = &self.seat {
            seat.leave().await;
        }
        let _turn = self.turn.lock().await;
        self.store.close();
    }

    /// Sends away who waits for news: this process ends.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
        self.version.send_modify(|_| {});
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
        let (store, seat) = (Arc::clone(&self.store), self.seat.clone());
        let (state, version) = (Arc::clone(&self.state), self.version.clone());
        let written = tokio::spawn(async move {
            let _turn = turn;
            match &seat {
                None => store.write(writes).await?,
                Some(seat) => seat.write(writes).await?,
            };
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

    /// The number of the term in which this controller decides; `None` while another one does. Where there is but one controller it
    /// always does.
    pub(crate) fn term(&self) -> Option<u64> {
        match &self.seat {
            None => Some(0),
            Some(seat) => seat.term().map(|term| term.number),
        }
    }

    /// Whether this controller decides.
    pub(crate) fn leads(&self) -> bool {
        self.term().is_some()
    }

    /// Where versions of the state begin now.
    pub(crate) fn first_version(&self) -> u64 {
        first_version(self.now_ms())
    }

    /// Holds up every change.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Puts another state in place of this one.
    pub(crate) fn replace(&self, state: State) {
        *self.state.write() = state;
    }

    /// Applies what another controller has written.
    pub(crate) fn follow(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.state.write().apply(changes);
        }
    }

    /// Begins to decide, over that state: what an earlier leader had in mind counts no more, and everybody is heard afresh.
    pub(crate) fn take_over(&self, state: State) {
        let now = self.now_ms();
        let version = state.version;
        let heard = state.instances.keys().map(|id| (id.clone(), now)).collect();
        *self.heard_ms.lock() = heard;
        self.completions.lock().clear();
        self.looked_ms.lock().clear();
        self.replace(state);
        self.version.send_replace(version);
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
                if self.leaving.load(Ordering::Acquire) {
                    // Who asks again by the same connection is not to do so in a whirl.
                    tokio::time::sleep(LEAVE_WAIT).await;
                    return self.unchanged(version);
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
        let id = self.read(|state| state.cluster_id.clone());
        view.configs.insert(CLUSTER_ID.to_owned(), id);
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
fn client(
    mut builder: reqwest::ClientBuilder,
    header: Option<&str>,
) -> Result<reqwest::Client, ControllerError> {
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
