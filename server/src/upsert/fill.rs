//! Rows of whole segments on their way into the index: of a start, of a segment that comes from elsewhere, of one that changed.
//!
//! Must not know: streams, files. Invariant: the state is what taking in row after row would have made of it.

use std::sync::Arc;

use common::Schema;
use roaring::RoaringBitmap;

use super::dealt::{KeyedPlace, Piles};
use super::key_index::{KeyIndex, Place};
use super::partition::State;
use super::plan::KeyPlan;
use super::records::{Rank, Record, Records};

/// Rows that are read from a segment at a time.
const BLOCK: u32 = 1 << 16;

impl State {
    /// Works everything out afresh from the segments that are here.
    pub(super) fn rebuild(&mut self, plan: &KeyPlan, schema: &Schema) {
        self.keys = KeyIndex::default();
        self.ranks = Vec::new();
        let mut order = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            let before = std::mem::take(&mut slot.valid);
            order.push((slot.sequence, (at as u32, Some(before))));
            slot.shown = plan.delete.is_some().then(Arc::default);
        }
        order.sort_by_key(|(sequence, (at, _))| (*sequence, *at));
        let slots: Vec<_> = order.into_iter().map(|(_, slot)| slot).collect();
        self.index(plan, schema, &slots);
    }

    /// Adds the rows of segments, in their order. Rows that are too old for the index keep what was known before.
    pub(super) fn index(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        slots: &[(u32, Option<Arc<RoaringBitmap>>)],
    ) {
        let mut rows = 0;
        for (slot, _) in slots {
            let slot = self.slot_mut(*slot);
            rows += slot.map_or(0, |slot| slot.held.snapshot().doc_count() as usize);
        }
        let mut piles = Piles::new(rows);
        for (slot, before) in slots {
            self.index_segment(plan, schema, (*slot, before.as_deref()), &mut piles);
        }
        self.index_ordered(plan, &mut piles);
        for (slot, _) in slots {
            if let Some(slot) = self.slot_mut(*slot) {
                slot.close();
            }
        }
    }

    fn index_segment(
        &mut self,
        plan: &KeyPlan,
        schema: &Schema,
        (at, before): (u32, Option<&RoaringBitmap>),
        piles: &mut Piles,
    ) {
        let Some(segment) = self.slot_mut(at).map(|slot| slot.held.snapshot()) else {
            return;
        };
        // Where keys are forgotten, what is forgotten depends on the rows before.
        let in_any_order = plan.metadata_ttl <= 0.0;
        let (mut start, docs) = (0, segment.doc_count());
        while start < docs {
            let end = docs.min(start.saturating_add(BLOCK));
            let records = Records::of_segment(plan, schema, segment.as_ref(), start..end);
            let Some(records) = records else { return };
            let by_number = in_any_order && records.have_numbers();
            if start == 0 && in_any_order {
                // Rows that come by their keys count until another does: what is to be noted is the few that do not.
                if let Some(slot) = self.slot_mut(at) {
                    slot.open(docs, by_number && !plan.is_dedup());
                }
            }
            if by_number {
                self.deal(&records, (at, start), piles);
            } else {
                for row in 0..records.rows() {
                    let record = records.get(row);
                    self.index_row(plan, (at, start + row as u32), record, before);
                }
            }
            start = end;
            if piles.is_full() {
                self.index_ordered(plan, piles);
            }
        }
    }

    fn deal(&mut self, records: &Records<'_>, (at, start): (u32, u32), piles: &mut Piles) {
        let mut slot = self.slot_mut(at);
        for row in 0..records.rows() {
            let (doc, deleted) = (start + row as u32, records.is_deleted(row));
            if deleted && let Some(slot) = &mut slot {
                slot.hide(doc);
            }
            if let Some(rank) = records.number(row) {
                let place = Place::new(at, doc, deleted, rank);
                piles.put(records.keys()[row], place);
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
    fn index_ordered(&mut self, plan: &KeyPlan, piles: &mut Piles) {
        let mut new: Vec<KeyedPlace> = Vec::new();
        piles.take(|rows| {
            for (key, at) in rows {
                self.index_keyed(plan, *key, *at, &mut new);
            }
            self.keys.extend(&new);
            new.clear();
        });
    }

    fn index_keyed(&mut self, plan: &KeyPlan, key: u128, at: Place, new: &mut Vec<KeyedPlace>) {
        let of_new = new.last().filter(|(last, _)| *last == key);
        let is_new = of_new.is_some();
        let known = of_new.map_or_else(|| self.keys.get(key), |(_, place)| Some(*place));
        let record = Record {
            key,
            rank: Rank::Number(at.rank),
            deleted: at.is_deleted(),
        };
        let decided = self.decided(plan, (at.slot, at.doc()), record, known);
        let Some(place) = decided.1 else {
            return;
        };
        match (new.last_mut(), known) {
            (Some((_, last)), _) if is_new => *last = place,
            (_, None) => new.push((key, place)),
            (_, Some(_)) => self.keys.insert(key, place),
        }
    }
}
