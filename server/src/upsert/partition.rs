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

use super::dealt::{self, DealtRow};
use super::key_index::{KeyIndex, Place};
use super::plan::KeyPlan;
use super::records::{Rank, Record, Records, compare, given, merged, number_of};
use super::snapshot::{self, Saved};
use crate::segments::Held;

/// Rows that are read from a segment at a time.
const BLOCK: u32 = 1 << 16;

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
    sequence: u32,
    pub(super) held: Held,
    /// Newest rows of their keys, deletions among them.
    valid: Arc<RoaringBitmap>,
    /// What was kept on disk last.
    saved: Option<Arc<RoaringBitmap>>,
    /// Those that are no deletions; only where the table has them.
    shown: Option<Arc<RoaringBitmap>>,
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
    keys: KeyIndex,
    pub(super) slots: Vec<Option<Slot>>,
    /// Lists of values that ranks are, where they are no single numbers.
    ranks: Vec<Box<[Value]>>,
    /// The greatest rank that was seen, as a number.
    largest: Option<f64>,
    /// What an earlier process kept of segments that are to come.
    kept: HashMap<String, RoaringBitmap>,
}

/// The keys of a partition.
#[derive(Default)]
pub(crate) struct Partition {
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

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
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

    /// Takes a sealed segment in.
    pub(super) fn put(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        sequence: u32,
        sealed: &Arc<SealedSegment>,
        replaces: &Replaces<'_>,
    ) {
        let held = Held::Sealed(Arc::clone(sealed));
        let Some(slot) = self.slot_of(sealed.name()) else {
            let later = |s: &Slot| s.sequence > sequence;
            let in_between = self.slots.iter().flatten().any(later);
            let slot = self.new_slot(plan, sealed.name(), sequence, held);
            if in_between && plan.comparison.len() > 1 {
                // Ranks of several columns depend on the order of the rows.
                self.rebuild(plan, schema);
            } else {
                let kept = self.kept.remove(sealed.name());
                self.index(plan, schema, slot, kept.as_ref());
            }
            return;
        };
        if let Some(slot) = self.slot_mut(slot) {
            slot.held = held;
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

    /// Works everything out afresh from the segments that are here.
    fn rebuild(&mut self, plan: &KeyPlan, schema: &Schema) {
        self.keys = KeyIndex::default();
        self.ranks = Vec::new();
        let mut order: Vec<(u32, u32, Arc<RoaringBitmap>)> = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            order.push((slot.sequence, at as u32, std::mem::take(&mut slot.valid)));
            slot.shown = plan.delete.is_some().then(Arc::default);
        }
        order.sort_by_key(|(sequence, at, _)| (*sequence, *at));
        for (_, slot, before) in order {
            self.index(plan, schema, slot, Some(&before));
        }
    }

    /// Adds the rows of a segment. Rows that are too old for the index keep what was known `before`.
    fn index(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        slot: u32,
        before: Option<&RoaringBitmap>,
    ) {
        let Some(Some(held)) = self.slots.get(slot as usize) else {
            return;
        };
        let segment = held.held.snapshot();
        let (mut start, docs) = (0, segment.doc_count());
        // Where keys are forgotten, what is forgotten depends on the rows before.
        let in_any_order = plan.metadata_ttl <= 0.0;
        let mut gathered = Vec::new();
        while start < docs {
            let end = docs.min(start.saturating_add(BLOCK));
            let records = Records::of_segment(plan, schema, segment.as_ref(), start..end);
            let Some(mut records) = records else { return };
            for row in 0..records.rows() {
                let (record, doc) = (records.get(row), start + row as u32);
                match record.rank {
                    Rank::Number(rank) if in_any_order => gathered.push(DealtRow {
                        key: record.key,
                        rank,
                        doc,
                        deleted: record.deleted,
                    }),
                    _ => self.index_row(plan, (slot, doc), record, before),
                }
            }
            start = end;
            if gathered.len() >= dealt::ROWS || start == docs {
                self.index_ordered(plan, slot, &dealt::dealt(&gathered));
                gathered.clear();
            }
        }
    }

    fn index_row(
        &mut self,
        plan: &KeyPlan,
        (slot, doc): (u32, u32),
        record: Record,
        before: Option<&RoaringBitmap>,
    ) {
        if let Some(before) = before
            && self.is_expired(plan, &record.rank)
        {
            if before.contains(doc) {
                self.set(slot, doc, record.deleted);
            }
        } else {
            self.settle(plan, slot, doc, record);
        }
    }

    /// Rows in the order of their keys: what is not known yet is gathered, and comes in at once.
    fn index_ordered(&mut self, plan: &KeyPlan, slot: u32, rows: &[DealtRow]) {
        let mut new: Vec<(u128, Place)> = Vec::new();
        for row in rows {
            let of_new = new.last().filter(|(key, _)| *key == row.key);
            let is_new = of_new.is_some();
            let known = of_new.map_or_else(|| self.keys.get(row.key), |(_, place)| Some(*place));
            let record = Record {
                key: row.key,
                rank: Rank::Number(row.rank),
                deleted: row.deleted,
            };
            let Some(place) = self.decided(plan, (slot, row.doc), record, known).1 else {
                continue;
            };
            match (new.last_mut(), known) {
                (Some((_, last)), _) if is_new => *last = place,
                (_, None) => new.push((row.key, place)),
                (_, Some(_)) => self.keys.insert(row.key, place),
            }
        }
        self.keys.extend(&new);
    }

    /// What becomes of a row beside the one that its key has, and the key's place where that changes.
    fn decided(
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
            Outcome::Older => return (outcome, None),
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

    fn set(&mut self, slot: u32, doc: u32, deleted: bool) {
        let Some(slot) = self.slot_mut(slot) else {
            return;
        };
        Arc::make_mut(&mut slot.valid).insert(doc);
        if let Some(shown) = &mut slot.shown
            && !deleted
        {
            Arc::make_mut(shown).insert(doc);
        }
    }

    fn clear(&mut self, slot: u32, doc: u32) {
        let Some(slot) = self.slot_mut(slot) else {
            return;
        };
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

    fn is_expired(&self, plan: &KeyPlan, rank: &Rank) -> bool {
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
        self.kept.insert(segment.to_owned(), saved.valid);
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
