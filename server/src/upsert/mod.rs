//! Upsert and dedup of a table: the keys of its partitions, and the views of them that queries are pinned to.
//!
//! Must not know: streams, the controller. Invariant: a query that pins segments meets every key exactly once, while rows arrive and
//! while segments seal, load, reload and go.

mod bits;
mod dealt;
mod fill;
mod key_index;
mod mask;
mod partial;
mod partition;
mod plan;
mod records;
pub(crate) mod snapshot;
mod take;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::{Schema, TableConfig};
use parking_lot::RwLock;
use segment::{MutableSegment, SealedSegment, Segment};

use crate::segments::{Held, Pinned, SegmentSet};
pub(crate) use dealt::Piles;
pub(crate) use key_index::{KeyIndex, Place};
use mask::Masked;
use partition::State;
pub(crate) use partition::{Partition, Replaces};
pub(crate) use plan::{KeyPlan, Mode};
pub(crate) use take::{Taken, Target};

/// The keys of a table.
pub(crate) struct Keys {
    plan: ArcSwap<KeyPlan>,
    folder: PathBuf,
    partitions: RwLock<HashMap<u32, Arc<Partition>>>,
    /// Held for writing while a segment of the set and the view of its rows are exchanged together.
    swap: RwLock<()>,
}

/// Partition and sequence of a segment, out of its name `table__partition__sequence__time`; zeros for a pushed one.
pub(crate) fn place_of(segment: &str) -> (u32, u32) {
    let mut parts = segment.rsplitn(4, "__");
    let (_, sequence, partition) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|text| text.parse::<u32>().ok());
    match (number(partition), number(sequence), parts.next()) {
        (Some(partition), Some(sequence), Some(_)) => (partition, sequence),
        _ => (0, 0),
    }
}

impl Keys {
    /// The keys of a table that has upsert or dedup.
    pub(crate) fn new(schema: &Schema, config: &TableConfig, folder: &Path) -> Option<Self> {
        Some(Self {
            plan: ArcSwap::from_pointee(KeyPlan::new(schema, config)?),
            folder: folder.to_owned(),
            partitions: RwLock::default(),
            swap: RwLock::default(),
        })
    }

    /// Follows a changed config, as far as it may change.
    pub(crate) fn follow(&self, schema: &Schema, config: &TableConfig) {
        if let Some(plan) = KeyPlan::new(schema, config)
            && **self.plan.load() != plan
        {
            self.plan.store(Arc::new(plan));
        }
    }

    /// The settings.
    pub(crate) fn plan(&self) -> Arc<KeyPlan> {
        self.plan.load_full()
    }

    /// The keys of a partition.
    pub(crate) fn partition(&self, partition: u32) -> Arc<Partition> {
        if let Some(found) = self.partitions.read().get(&partition) {
            return Arc::clone(found);
        }
        Arc::clone(self.partitions.write().entry(partition).or_default())
    }

    /// Partitions with the number of their keys and the bytes that those take.
    pub(crate) fn sizes(&self) -> Vec<(u32, usize, usize)> {
        let partitions = self.partitions.read();
        let sizes = partitions.iter().map(|(number, partition)| {
            let (keys, bytes) = partition.size();
            (*number, keys, bytes)
        });
        sizes.collect()
    }

    /// Lets a growing segment answer.
    pub(crate) fn begin(
        &self,
        schema: &Schema,
        segments: &SegmentSet,
        growing: &Arc<MutableSegment>,
    ) {
        let (partition, sequence) = place_of(growing.name());
        let partition = self.partition(partition);
        let mut state = partition.lock();
        let plan = self.plan();
        state.begin(&plan, schema, sequence, growing);
        if plan.metadata_ttl > 0.0 && !plan.is_dedup() {
            state.save(&self.folder);
        }
        let _swap = self.swap.write();
        segments.put(growing.name(), &Held::Growing(Arc::clone(growing)));
        partition.show(&state);
    }

    /// Lets a sealed segment answer, in the place of whatever answers under its name. Segments that arrive while the keys of their
    /// partition are busy come in together: an index that is filled once takes a fraction of the time.
    pub(crate) fn put(
        &self,
        schema: &Schema,
        segments: &SegmentSet,
        sealed: &Arc<SealedSegment>,
        replaces: &Replaces<'_>,
    ) {
        let partition = self.partition(place_of(sealed.name()).0);
        let plan = self.plan();
        if let Replaces::Same(_) = replaces {
            let mut state = partition.lock();
            self.recall(&plan, &mut state, sealed);
            state.put(&plan, schema, sealed, replaces);
            return self.answer(&partition, &state, segments, std::slice::from_ref(sealed));
        }
        partition.arrive(sealed);
        let mut state = partition.lock();
        let arrived = partition.arrived();
        for sealed in &arrived {
            self.recall(&plan, &mut state, sealed);
        }
        state.put_all(&plan, schema, &arrived);
        self.answer(&partition, &state, segments, &arrived);
    }

    /// What an earlier process kept of a segment that is new here.
    fn recall(&self, plan: &KeyPlan, state: &mut State, sealed: &SealedSegment) {
        if plan.metadata_ttl > 0.0
            && state.slot_of(sealed.name()).is_none()
            && let Some(saved) = snapshot::load(&snapshot::path_of(&self.folder, sealed.name()))
        {
            state.remember(sealed.name(), saved);
        }
    }

    fn answer(
        &self,
        partition: &Partition,
        state: &State,
        segments: &SegmentSet,
        arrived: &[Arc<SealedSegment>],
    ) {
        if arrived.is_empty() {
            return;
        }
        let _swap = self.swap.write();
        for sealed in arrived {
            segments.put(sealed.name(), &Held::Sealed(Arc::clone(sealed)));
        }
        partition.show(state);
    }

    /// Takes a segment away.
    pub(crate) fn remove(&self, schema: &Schema, segments: &SegmentSet, name: &str) {
        let partition = self.partition(place_of(name).0);
        let mut state = partition.lock();
        state.remove(&self.plan(), schema, name);
        let _swap = self.swap.write();
        segments.remove(name);
        partition.show(&state);
    }

    /// Pins segments with the rows of them that count. Younger segments of a partition than those asked for come along: rows that replaced
    /// rows of the others may be there, and the broker may not know them yet.
    pub(crate) fn pin(&self, segments: &SegmentSet, names: &[String]) -> Pinned {
        if self.plan().is_dedup() {
            return segments.pin(names);
        }
        let _swap = self.swap.read();
        let mut newest: HashMap<u32, u32> = HashMap::new();
        for name in names {
            let (partition, sequence) = place_of(name);
            let known = newest.entry(partition).or_insert(sequence);
            *known = sequence.max(*known);
        }
        // Views before rows: rows that a view does not know yet do not count.
        let views: HashMap<u32, _> = newest
            .keys()
            .map(|partition| (*partition, self.partition(*partition).view()))
            .collect();
        let younger = |name: &&String| {
            let (partition, sequence) = place_of(name);
            newest
                .get(&partition)
                .is_some_and(|known| sequence > *known)
        };
        let mut wanted = names.to_vec();
        wanted.extend(segments.all().keys().filter(younger).cloned());
        let mut pinned = segments.pin(&wanted);
        for segment in &mut pinned.segments {
            let name = segment.name().to_owned();
            let view = views.get(&place_of(&name).0);
            let valid = view
                .and_then(|view| view.get(name.as_str()))
                .map(Arc::clone);
            *segment = Arc::new(Masked {
                inner: Arc::clone(segment) as Arc<dyn Segment>,
                valid: valid.unwrap_or_default(),
            });
        }
        pinned
    }
}
