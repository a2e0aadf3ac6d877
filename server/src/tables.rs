//! The tables of a server: what the cluster says of each, what is held and consumed for it.
//!
//! Must not know: how segments are loaded or consumed. Invariant: a table that is gone publishes nothing any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use common::table_config::StreamConfig;
use ingest::stream::StreamConnector;
use parking_lot::{Mutex, RwLock};
use proto::controller_service::{ReplicaState, TableView};
use segment::{MutableSegment, SealedSegment};

use crate::consume::{Consuming, Parked};
use crate::metrics::TableMetrics;
use crate::row_errors::RowErrors;
use crate::segments::{Held, Pinned, SegmentSet};
use crate::upsert::{Keys, Replaces};

/// What reaches a stream, with the map that it was made of.
pub(crate) type Connector = (StreamConfig, Arc<dyn StreamConnector>);

/// A table.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    view: ArcSwap<TableView>,
    pub(crate) segments: SegmentSet,
    /// Where rows of one key are, for tables with upsert or dedup.
    pub(crate) keys: Option<Keys>,
    pub(crate) errors: RowErrors,
    pub(crate) metrics: TableMetrics,
    /// Consumers by segment.
    pub(crate) consumers: Mutex<HashMap<String, Arc<Consuming>>>,
    /// Stream readers between two segments, by partition.
    pub(crate) parked: Mutex<HashMap<u32, Parked>>,
    /// Connectors by topic number.
    pub(crate) connectors: Mutex<HashMap<usize, Connector>>,
    /// Growing segments that hold rows beyond their agreed end, until they were read again.
    pub(crate) overshot: Mutex<HashSet<String>>,
    /// Segments that are being loaded.
    pub(crate) loading: Mutex<HashSet<String>>,
    /// Segments that were consumed to their end and are not to be consumed again, whatever an older view says.
    pub(crate) finished: Mutex<HashSet<String>>,
    /// The last reload request that was followed.
    pub(crate) reloaded: AtomicU64,
    /// The last reload request after which everything was rebuilt.
    pub(crate) reload_done: AtomicU64,
    gone: AtomicBool,
}

impl Table {
    pub(crate) fn new(view: TableView, data_dir: &Path) -> Self {
        let folder = data_dir.join(&view.name);
        Self {
            keys: Keys::new(&view.schema, &view.config, &folder),
            folder,
            name: view.name.clone(),
            reloaded: AtomicU64::new(view.reload_generation),
            reload_done: AtomicU64::new(view.reload_generation),
            view: ArcSwap::from_pointee(view),
            segments: SegmentSet::default(),
            errors: RowErrors::default(),
            metrics: TableMetrics::default(),
            consumers: Mutex::default(),
            parked: Mutex::default(),
            connectors: Mutex::default(),
            overshot: Mutex::default(),
            loading: Mutex::default(),
            finished: Mutex::default(),
            gone: AtomicBool::new(false),
        }
    }

    /// What the cluster said last.
    pub(crate) fn view(&self) -> Arc<TableView> {
        self.view.load_full()
    }

    pub(crate) fn set_view(&self, view: TableView) {
        if let Some(keys) = &self.keys {
            keys.follow(&view.schema, &view.config);
        }
        self.view.store(Arc::new(view));
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    pub(crate) fn mark_gone(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// Where the file of a segment is.
    pub(crate) fn path(&self, segment: &str) -> PathBuf {
        self.folder.join(segment)
    }

    /// The state that the cluster wants this server's replica of a segment to be in.
    pub(crate) fn wanted(&self, instance_id: &str, segment: &str) -> Option<ReplicaState> {
        let view = self.view.load();
        view.ideal.get(segment)?.get(instance_id).copied()
    }

    /// Lets a growing segment answer.
    pub(crate) fn begin(&self, growing: &Arc<MutableSegment>) {
        match &self.keys {
            Some(keys) => keys.begin(&self.view.load().schema, &self.segments, growing),
            None => {
                let held = Held::Growing(Arc::clone(growing));
                self.segments.put(growing.name(), &held);
            }
        }
    }

    /// Lets a sealed segment answer, in the place of whatever answers under its name.
    pub(crate) fn put(&self, sealed: &Arc<SealedSegment>, replaces: &Replaces<'_>) {
        match &self.keys {
            Some(keys) => keys.put(&self.view.load().schema, &self.segments, sealed, replaces),
            None => {
                let held = Held::Sealed(Arc::clone(sealed));
                self.segments
                    .put(segment::Segment::name(sealed.as_ref()), &held);
            }
        }
    }

    /// Takes a segment away; queries that pinned it go on.
    pub(crate) fn take_away(&self, name: &str) {
        match &self.keys {
            Some(keys) => keys.remove(&self.view.load().schema, &self.segments, name),
            None => self.segments.remove(name),
        }
    }

    /// Pins segments for a query, each with the rows that count; all rows count where `every_row`.
    pub(crate) fn pin(&self, names: &[String], every_row: bool) -> Pinned {
        match &self.keys {
            Some(keys) if !every_row => keys.pin(&self.segments, names),
            _ => self.segments.pin(names),
        }
    }

    /// What stands between this table and readiness.
    pub(crate) fn complaints(&self, instance_id: &str, out: &mut Vec<String>) {
        let view = self.view();
        let held = self.segments.all();
        let consumers = self.consumers.lock();
        for (segment, replicas) in &view.ideal {
            match replicas.get(instance_id) {
                Some(ReplicaState::Online) if !held.contains_key(segment) => {
                    out.push(format!(
                        "segment `{segment}` of `{}` is not loaded",
                        self.name
                    ));
                }
                Some(ReplicaState::Consuming)
                    if consumers.get(segment).is_none_or(|c| !c.is_caught_up())
                        && held.get(segment).is_none_or(|h| h.sealed().is_none()) =>
                {
                    out.push(format!(
                        "segment `{segment}` of `{}` has not caught up with its stream",
                        self.name
                    ));
                }
                _ => {}
            }
        }
    }
}

/// Tables by name with type.
#[derive(Default)]
pub(crate) struct Tables(RwLock<BTreeMap<String, Arc<Table>>>);

impl Tables {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Table>> {
        self.0.read().get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Table>> {
        self.0.read().values().cloned().collect()
    }

    pub(crate) fn insert(&self, table: Arc<Table>) {
        self.0.write().insert(table.name.clone(), table);
    }

    pub(crate) fn remove(&self, name: &str) -> Option<Arc<Table>> {
        self.0.write().remove(name)
    }
}
