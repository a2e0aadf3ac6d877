//! The keys of one stream partition: where the row of each is, and which rows of each segment count.
//!
//! Must not know: streams, the controller. Invariant: at every published view a key has one row that counts at most, and exactly one
//! unless it is deleted; rows that are not published are in no view.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::{Schema, Value};
use parking_lot::{Mutex, MutexGuard};
use roaring::RoaringBitmap;
use segment::{MutableSegment, SealedSegment, Segment};

use super::bits::Bits;
use super::key_index::{KeyIndex, Place};
use super::place_of;
use super::plan::KeyPlan;
use super::records::{Rank, Record, compare, given, merged, number_of};
use super::snapshot::{self, Saved};
use crate::segments::Held;

/// The rows that count, by segment.
pub(crate) type View = HashMap<Arc<str>, Arc<RoaringBitmap>>;

/// What a sealed segment is to the one of its name before it.
pub(crate) enum Replaces<'a> {
    /// The same rows; the row before of each, where the order is another.
    Same(Option<&'a [u32]>),
    /// Possibly other rows.
    Other,
}

/// A segment of the partition.
pub(super) struct Slot {
    pub(super) name: Arc<str>,
    pub(super) sequence: u32,
    pub(super) held: Held,
    /// Newest rows of their keys, deletions among them.
    pub(super) valid: Arc<RoaringBitmap>,
    /// What was kept on disk last.
    saved: Option<Arc<RoaringBitmap>>,
    /// Those that are no deletions; only where the table has them.
    pub(super) shown: Option<Arc<RoaringBitmap>>,
    /// Both while all its rows are taken in at once.
    fresh: Option<Bits>,
}

impl Slot {
    /// Its rows are about to come all at once; `counting`: each counts until it is taken back.
    pub(super) fn open(&mut self, rows: u32, counting: bool) {
        self.fresh = Some(Bits::new(rows, self.shown.is_some(), counting));
    }

    /// A row of those is a deletion.
    pub(super) fn hide(&mut self, doc: u32) {
        if let Some(fresh) = &mut self.fresh {
            fresh.hide(doc);
        }
    }

    /// They have come.
    pub(super) fn close(&mut self) {
        if let Some(bits) = self.fresh.take() {
            (self.valid, self.shown) = bits.into_bitmaps();
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The key's first.
    First,
    /// Newer than the row that was there.
    Newer(Place),
    /// Older than the row that is there.
    Older,
}

/// The state behind the lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: KeyIndex,
    pub(super) slots: Vec<Option<Slot>>,
    /// Lists of values that ranks are, where they are no single numbers.
    pub(super) ranks: Vec<Box<[Value]>>,
    /// The greatest rank that was seen, as a number.
    largest: Option<f64>,
    /// What an earlier process kept of segments that are to come.
    kept: HashMap<String, Arc<RoaringBitmap>>,
}

/// The keys of a partition.
#[derive(Default)]
pub(crate) struct Partition {
    /// Sealed segments that wait for the state: who gets it takes in all of them.
    arriving: Mutex<Vec<Arc<SealedSegment>>>,
    state: Mutex<State>,
    view: ArcSwap<View>,
}

impl Partition {
    /// What queries read by.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A sealed segment is to come in with whatever else waits.
    pub(super) fn arrive(&self, sealed: &Arc<SealedSegment>) {
        self.arriving.lock().push(Arc::clone(sealed));
    }

    /// What waits; of two of one name the later.
    pub(super) fn arrived(&self) -> Vec<Arc<SealedSegment>> {
        let mut arrived: Vec<Arc<SealedSegment>> = Vec::new();
        for sealed in self.arriving.lock().drain(..) {
            arrived.retain(|before| before.name() != sealed.name());
            arrived.push(sealed);
        }
        arrived
    }

    /// Shows the state to queries.
    pub(super) fn show(&self, state: &State) {
        let slots = state.slots.iter().flatten();
        let view = slots.map(|slot| {
            let rows = slot.shown.as_ref().unwrap_or(&slot.valid);
            (Arc::clone(&slot.name), Arc::clone(rows))
        });
        self.view.store(Arc::new(view.collect()));
    }

    /// Number of keys, and the bytes that they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.keys.len(), state.keys.memory_bytes())
    }

    /// Rows of a segment that count, deletions among them where `with_deleted`.
    pub(crate) fn valid(&self, segment: &str, with_deleted: bool) -> Option<Arc<RoaringBitmap>> {
        let state = self.state.lock();
        let slot = state.slots.iter().flatten().find(|s| *s.name == *segment)?;
        let shown = slot.shown.as_ref().filter(|_| !with_deleted);
        Some(Arc::clone(shown.unwrap_or(&slot.valid)))
    }
}

impl State {
    pub(super) fn slot_of(&self, name: &str) -> Option<u32> {
        let found = |slot: &Option<Slot>| slot.as_ref().is_some_and(|s| *s.name == *name);
        self.slots.iter().position(found).map(|at| at as u32)
    }

    /// The slot of a growing segment, where it is this very one that answers.
    pub(super) fn slot_of_growing(&self, segment: &Arc<MutableSegment>) -> Option<u32> {
        let slot = self.slot_of(segment.name())?;
        let known = self.slots.get(slot as usize).and_then(Option::as_ref)?;
        match &known.held {
            Held::Growing(growing) if Arc::ptr_eq(growing, segment) => Some(slot),
            _ => None,
        }
    }

    pub(super) fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn new_slot(&mut self, plan: &KeyPlan, name: &str, sequence: u32, held: Held) -> u32 {
        let slot = Slot {
            name: Arc::from(name),
            sequence,
            held,
            valid: Arc::default(),
            saved: None,
            shown: plan.delete.is_some().then(Arc::default),
            fresh: None,
        };
        match self.slots.iter().position(Option::is_none) {
            Some(free) => {
                self.slots[free] = Some(slot);
                free as u32
            }
            None => {
                self.slots.push(Some(slot));
                self.slots.len() as u32 - 1
            }
        }
    }

    /// Takes a growing segment in, in the place of one of that name.
    pub(super) fn begin(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        sequence: u32,
        segment: &Arc<MutableSegment>,
    ) {
        if let Some(slot) = self.slot_of(segment.name()) {
            // Consumed again from its start: what its rows replaced counts again until then.
            self.slots[slot as usize] = None;
            self.rebuild(plan, schema);
        }
        self.expire(plan);
        self.new_slot(
            plan,
            segment.name(),
            sequence,
            Held::Growing(Arc::clone(segment)),
        );
    }

    /// Takes sealed segments in: those that are new here all at once.
    pub(super) fn put_all(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        arrived: &[Arc<SealedSegment>],
    ) {
        let mut new: Vec<(u32, &Arc<SealedSegment>)> = Vec::new();
        for sealed in arrived {
            match self.slot_of(sealed.name()) {
                Some(slot) => self.replace(plan, schema, (slot, sealed), &Replaces::Other),
                None => new.push((place_of(sealed.name()).1, sealed)),
            }
        }
        new.sort_by_key(|(sequence, _)| *sequence);
        let later = |(sequence, _): &(u32, _)| {
            let mut slots = self.slots.iter().flatten();
            slots.any(|slot| slot.sequence > *sequence)
        };
        // Ranks of several columns depend on the order of the rows.
        let in_between = plan.comparison.len() > 1 && new.iter().any(later);
        let mut slots = Vec::new();
        for (sequence, sealed) in new {
            let held = Held::Sealed(Arc::clone(sealed));
            let slot = self.new_slot(plan, sealed.name(), sequence, held);
            slots.push((slot, self.kept.remove(sealed.name())));
        }
        if in_between {
            self.rebuild(plan, schema);
        } else {
            self.index(plan, schema, &slots);
        }
    }

    /// Takes a sealed segment in, in the place of the one of its name.
    pub(super) fn put(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        sealed: &Arc<SealedSegment>,
        replaces: &Replaces<'_>,
    ) {
        match self.slot_of(sealed.name()) {
            Some(slot) => self.replace(plan, schema, (slot, sealed), replaces),
            None => self.put_all(plan, schema, std::slice::from_ref(sealed)),
        }
    }

    fn replace(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        (slot, sealed): (u32, &Arc<SealedSegment>),
        replaces: &Replaces<'_>,
    ) {
        if let Some(slot) = self.slot_mut(slot) {
            slot.held = Held::Sealed(Arc::clone(sealed));
        }
        match replaces {
            Replaces::Same(None) => {}
            Replaces::Same(Some(order)) => self.reorder(slot, order),
            Replaces::Other => self.rebuild(plan, schema),
        }
    }

    /// Rows stand in another order now.
    fn reorder(&mut self, slot: u32, order: &[u32]) {
        let last = order.iter().max().map_or(0, |last| *last as usize + 1);
        let mut now = vec![u32::MAX; last];
        for (at, before) in order.iter().enumerate() {
            now[*before as usize] = at as u32;
        }
        let moved = |doc: u32| {
            now.get(doc as usize)
                .copied()
                .filter(|doc| *doc != u32::MAX)
        };
        self.keys.retain(|place| {
            if place.slot == slot
                && let Some(doc) = moved(place.doc())
            {
                *place = Place::new(slot, doc, place.is_deleted(), place.rank);
            }
            true
        });
        if let Some(slot) = self.slot_mut(slot) {
            slot.valid = Arc::new(slot.valid.iter().filter_map(moved).collect());
            if let Some(shown) = &mut slot.shown {
                *shown = Arc::new(shown.iter().filter_map(moved).collect());
            }
        }
    }

    /// Forgets a segment. What a growing one replaced counts again; keys of a sealed one are gone with it.
    pub(super) fn remove(&mut self, plan: &KeyPlan, schema: &Schema, name: &str) {
        let Some(at) = self.slot_of(name) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::take) else {
            return;
        };
        if slot.held.sealed().is_none() {
            self.rebuild(plan, schema);
        } else {
            self.keys.retain(|place| place.slot != at);
        }
    }

    /// What becomes of a row beside the one that its key has, and the key's place where that changes.
    pub(super) fn decided(
        &mut self,
        plan: &KeyPlan,
        at: (u32, u32),
        record: Record,
        known: Option<Place>,
    ) -> (Outcome, Option<Place>) {
        self.see(plan, &record.rank);
        if plan.is_dedup() {
            self.first_of(plan, at, record, known)
        } else {
            self.newest_of(at, record, known)
        }
    }

    /// A key that is known stays where it is, unless it is so old that it counts as forgotten.
    fn first_of(
        &mut self,
        plan: &KeyPlan,
        (slot, doc): (u32, u32),
        record: Record,
        known: Option<Place>,
    ) -> (Outcome, Option<Place>) {
        if known.is_some_and(|place| !self.is_expired(plan, &Rank::Number(place.rank))) {
            return (Outcome::Older, None);
        }
        let rank = self.keep_rank(record.rank, None);
        (Outcome::First, Some(Place::new(slot, doc, false, rank)))
    }

    fn newest_of(
        &mut self,
        (slot, doc): (u32, u32),
        record: Record,
        known: Option<Place>,
    ) -> (Outcome, Option<Place>) {
        let outcome = match known {
            None => Outcome::First,
            Some(place) => match self.against(&record.rank, place) {
                Ordering::Less => Outcome::Older,
                Ordering::Equal if !self.is_behind(place, slot, doc) => Outcome::Older,
                _ => Outcome::Newer(place),
            },
        };
        let old = match outcome {
            Outcome::Older => {
                self.outdone(slot, doc);
                return (outcome, None);
            }
            Outcome::First => None,
            Outcome::Newer(place) => {
                self.clear(place.slot, place.doc());
                Some(place)
            }
        };
        let rank = self.keep_rank(record.rank, old);
        self.set(slot, doc, record.deleted);
        (outcome, Some(Place::new(slot, doc, record.deleted, rank)))
    }

    /// Takes a row in: in an upsert table the newer row of its key counts, in a dedup table the first.
    pub(super) fn settle(
        &mut self,
        plan: &KeyPlan,
        slot: u32,
        doc: u32,
        record: Record,
    ) -> Outcome {
        let (key, known) = (record.key, self.keys.get(record.key));
        let (outcome, place) = self.decided(plan, (slot, doc), record, known);
        if let Some(place) = place {
            self.keys.insert(key, place);
        }
        outcome
    }

    /// Has what is known of the keys of the rows to come near, a few at a time.
    pub(super) fn look_ahead(&self, keys: &[u128], row: usize) {
        const AHEAD: usize = 32;
        if row.is_multiple_of(AHEAD) {
            let end = keys.len().min(row + AHEAD);
            self.keys.touch(keys.get(row..end).unwrap_or_default());
        }
    }

    fn against(&self, rank: &Rank, place: Place) -> Ordering {
        match rank {
            Rank::Number(rank) => rank.cmp(&place.rank),
            Rank::Values(values) => self
                .ranks
                .get(place.rank as usize)
                .map_or(Ordering::Greater, |old| compare(values, old)),
        }
    }

    /// True where a place comes before a row in the stream.
    fn is_behind(&self, place: Place, slot: u32, doc: u32) -> bool {
        let sequence = |slot: u32| {
            let slot = self.slots.get(slot as usize).and_then(Option::as_ref);
            slot.map_or(0, |slot| slot.sequence)
        };
        (sequence(place.slot), place.doc()) <= (sequence(slot), doc)
    }

    fn keep_rank(&mut self, rank: Rank, old: Option<Place>) -> i64 {
        let values = match rank {
            Rank::Number(number) => return number,
            Rank::Values(values) => values,
        };
        if let Some(place) = old
            && let Some(kept) = self.ranks.get_mut(place.rank as usize)
        {
            *kept = if given(&values) == 1 {
                merged(&values, kept)
            } else {
                values
            };
            return place.rank;
        }
        self.ranks.push(values);
        self.ranks.len() as i64 - 1
    }

    pub(super) fn set(&mut self, slot: u32, doc: u32, deleted: bool) {
        let Some(slot) = self.slot_mut(slot) else {
            return;
        };
        if let Some(fresh) = &mut slot.fresh {
            return fresh.set(doc, deleted);
        }
        Arc::make_mut(&mut slot.valid).insert(doc);
        if let Some(shown) = &mut slot.shown
            && !deleted
        {
            Arc::make_mut(shown).insert(doc);
        }
    }

    /// A row that is taken in with all others of its segment does not count.
    fn outdone(&mut self, slot: u32, doc: u32) {
        let fresh = self.slot_mut(slot).and_then(|slot| slot.fresh.as_mut());
        if let Some(fresh) = fresh {
            fresh.clear(doc);
        }
    }

    fn clear(&mut self, slot: u32, doc: u32) {
        let Some(slot) = self.slot_mut(slot) else {
            return;
        };
        if let Some(fresh) = &mut slot.fresh {
            return fresh.clear(doc);
        }
        Arc::make_mut(&mut slot.valid).remove(doc);
        if let Some(shown) = &mut slot.shown {
            Arc::make_mut(shown).remove(doc);
        }
    }

    fn see(&mut self, plan: &KeyPlan, rank: &Rank) {
        if let (Rank::Number(rank), [column]) = (rank, plan.comparison.as_slice())
            && (plan.metadata_ttl > 0.0 || plan.deleted_ttl > 0.0)
        {
            let seen = number_of(*rank, column.data_type);
            self.largest = Some(self.largest.map_or(seen, |largest| largest.max(seen)));
        }
    }

    pub(super) fn is_expired(&self, plan: &KeyPlan, rank: &Rank) -> bool {
        match (rank, plan.comparison.as_slice(), self.largest) {
            (Rank::Number(rank), [column], Some(largest)) if plan.metadata_ttl > 0.0 => {
                number_of(*rank, column.data_type) < largest - plan.metadata_ttl
            }
            _ => false,
        }
    }

    /// Takes over what an earlier process kept of a segment that is to come.
    pub(super) fn remember(&mut self, segment: &str, saved: Saved) {
        self.largest = Some(self.largest.map_or(saved.largest, |l| l.max(saved.largest)));
        self.kept.insert(segment.to_owned(), Arc::new(saved.valid));
    }

    /// Keeps on disk which rows of sealed segments count, where that changed.
    pub(super) fn save(&mut self, folder: &Path) {
        let Some(largest) = self.largest else {
            return;
        };
        for slot in self.slots.iter_mut().flatten() {
            let known = slot.saved.as_ref();
            if slot.held.sealed().is_none() || known.is_some_and(|k| Arc::ptr_eq(k, &slot.valid)) {
                continue;
            }
            let path = snapshot::path_of(folder, &slot.name);
            match snapshot::save(&path, largest, &slot.valid) {
                Ok(()) => slot.saved = Some(Arc::clone(&slot.valid)),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "cannot keep which rows count");
                }
            }
        }
    }

    /// Forgets keys that are too old. Their rows go on counting, except deletions.
    pub(super) fn expire(&mut self, plan: &KeyPlan) {
        let (Some(largest), [column]) = (self.largest, plan.comparison.as_slice()) else {
            return;
        };
        let is_old =
            |rank: i64, ttl: f64| ttl > 0.0 && number_of(rank, column.data_type) < largest - ttl;
        let mut buried = Vec::new();
        self.keys.retain(|place| {
            if is_old(place.rank, plan.metadata_ttl) {
                return false;
            }
            let dead = place.is_deleted() && is_old(place.rank, plan.deleted_ttl);
            if dead {
                buried.push((place.slot, place.doc()));
            }
            !dead
        });
        for (slot, doc) in buried {
            self.clear(slot, doc);
        }
    }
}
