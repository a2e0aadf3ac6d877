//! The segments of a table that answer queries, swapped as one set.
//!
//! Must not know: why segments come and go. Invariant: a query pins one version of the set, so that it meets a segment either
//! growing or sealed, never both and never neither.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use segment::{MutableSegment, SealedSegment, Segment};

/// A segment that answers.
#[derive(Clone)]
pub(crate) enum Held {
    /// From a file.
    Sealed(Arc<SealedSegment>),
    /// In memory, taking rows or about to be sealed.
    Growing(Arc<MutableSegment>),
}

impl Held {
    /// What queries read.
    #[must_use]
    pub(crate) fn snapshot(&self) -> Arc<dyn Segment> {
        match self {
            Self::Sealed(sealed) => Arc::clone(sealed) as Arc<dyn Segment>,
            Self::Growing(growing) => growing.snapshot(),
        }
    }

    /// Rows.
    #[must_use]
    pub(crate) fn doc_count(&self) -> u64 {
        match self {
            Self::Sealed(sealed) => u64::from(sealed.doc_count()),
            Self::Growing(growing) => u64::from(growing.doc_count()),
        }
    }

    /// The sealed segment, if it is one.
    #[must_use]
    /// Bytes of memory where it grows; what is sealed is mapped.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Growing(segment) => segment.memory_bytes() as u64,
            Self::Sealed(_) => 0,
        }
    }

    pub(crate) fn sealed(&self) -> Option<&Arc<SealedSegment>> {
        match self {
            Self::Sealed(sealed) => Some(sealed),
            Self::Growing(_) => None,
        }
    }
}

/// What a query reads, and what it asked for in vain.
pub(crate) struct Pinned {
    /// Snapshots, in the order asked for.
    pub(crate) segments: Vec<Arc<dyn Segment>>,
    /// Names that are not here.
    pub(crate) missing: Vec<String>,
}

/// A version of the set.
pub(crate) type SegmentMap = BTreeMap<String, Held>;

/// The set.
#[derive(Default)]
pub(crate) struct SegmentSet(ArcSwap<SegmentMap>);

impl SegmentSet {
    /// The current version.
    #[must_use]
    pub(crate) fn all(&self) -> Arc<SegmentMap> {
        self.0.load_full()
    }

    /// One segment.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<Held> {
        self.0.load().get(name).cloned()
    }

    /// Publishes a segment, in the place of one of that name.
    pub(crate) fn put(&self, name: &str, held: &Held) {
        self.0.rcu(|map| {
            let mut map = SegmentMap::clone(map);
            map.insert(name.to_owned(), held.clone());
            map
        });
    }

    /// Takes a segment away; queries that pinned it go on.
    pub(crate) fn remove(&self, name: &str) {
        self.0.rcu(|map| {
            let mut map = SegmentMap::clone(map);
            map.remove(name);
            map
        });
    }

    /// Pins the segments of these names in one version of the set.
    #[must_use]
    pub(crate) fn pin(&self, names: &[String]) -> Pinned {
        let map = self.all();
        let mut pinned = Pinned {
            segments: Vec::with_capacity(names.len()),
            missing: Vec::new(),
        };
        for name in names {
            match map.get(name) {
                Some(held) => pinned.segments.push(held.snapshot()),
                None => pinned.missing.push(name.clone()),
            }
        }
        pinned
    }
}
