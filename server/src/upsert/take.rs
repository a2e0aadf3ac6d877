//! Rows on their way into a growing segment: which of them come in, and as what.
//!
//! Must not know: streams. Invariant: the index and the segment change together, before any query sees either.

use std::collections::HashMap;
use std::sync::Arc;

use common::{FieldRole, FieldSpec, Schema, Value, Values};
use segment::{Docs, RowBatch, Segment, SegmentError, SegmentWriter};

use super::key_index::Place;
use super::partial::{Strategy, default_of};
use super::partition::{Outcome, Partition, State};
use super::plan::{KeyPlan, Mode};
use super::records::{Rank, Records, given};

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Rows that came in.
    pub(crate) rows: usize,
    /// Rows that were dropped because another row of their key is there.
    pub(crate) dropped: usize,
    /// Rows without exactly one of several comparison values.
    pub(crate) refused: usize,
}

/// Where rows go.
pub(crate) struct Target<'a> {
    pub(crate) plan: &'a KeyPlan,
    pub(crate) schema: &'a Schema,
    pub(crate) writer: &'a mut SegmentWriter,
    pub(crate) now_ms: i64,
}

impl Partition {
    /// Adds a batch to a growing segment and publishes it.
    pub(crate) fn take(
        &self,
        target: Target<'_>,
        batch: &mut RowBatch,
    ) -> Result<Taken, SegmentError> {
        target.writer.check(batch)?;
        let mut state = self.lock();
        let Some(slot) = state.slot_of_growing(target.writer.segment()) else {
            // The segment was taken away while its consumer ends: its rows must not outdo others any more.
            batch.clear();
            return Ok(Taken::default());
        };
        let mut decided = match &target.plan.mode {
            Mode::Partial(strategies, default) => {
                let merge = Merge {
                    strategies,
                    default: *default,
                };
                merged(&mut state, &target, slot, batch, &merge)
            }
            Mode::Full | Mode::Dedup => whole(&mut state, &target, slot, batch),
        };
        if let Some(merged) = decided.merged.take() {
            *batch = merged;
        } else if decided.kept.len() < batch.rows() {
            batch.keep(&decided.kept);
        }
        flag(&target, batch, &decided.late);
        let taken = Taken {
            rows: batch.rows(),
            ..decided.taken
        };
        target.writer.append(batch)?;
        target.writer.publish(target.now_ms);
        if !target.plan.is_dedup() {
            self.show(&state);
        }
        Ok(taken)
    }
}

/// What is decided about the rows of a batch.
#[derive(Default)]
struct Decided {
    kept: Vec<u32>,
    /// Of each row that is kept, whether it came too late.
    late: Vec<bool>,
    /// The rows that come in, where they are not those that came.
    merged: Option<RowBatch>,
    taken: Taken,
}

/// True where a row of a table with several comparison columns does not have exactly one of them.
fn is_refused(rank: &Rank) -> bool {
    matches!(rank, Rank::Values(values) if values.len() > 1 && given(values) != 1)
}

fn whole(state: &mut State, target: &Target<'_>, slot: u32, batch: &RowBatch) -> Decided {
    let mut decided = Decided::default();
    let plan = target.plan;
    let Some(records) = Records::of_batch(plan, target.schema, batch) else {
        return decided;
    };
    let base = target.writer.rows();
    for row in 0..records.rows() {
        state.look_ahead(records.keys(), row);
        let record = records.get(row);
        let doc = base + decided.kept.len() as u32;
        let late = if plan.is_dedup() {
            if state.settle(plan, slot, doc, record) != Outcome::First {
                decided.taken.dropped += 1;
                continue;
            }
            false
        } else {
            if is_refused(&record.rank) {
                decided.taken.refused += 1;
                continue;
            }
            let late = state.settle(plan, slot, doc, record) == Outcome::Older;
            if late && plan.drop_out_of_order {
                decided.taken.dropped += 1;
                continue;
            }
            late
        };
        decided.kept.push(row as u32);
        decided.late.push(late);
    }
    decided
}

struct Merge<'a> {
    strategies: &'a HashMap<String, Strategy>,
    default: Strategy,
}

fn merged(
    state: &mut State,
    target: &Target<'_>,
    slot: u32,
    batch: &RowBatch,
    merge: &Merge<'_>,
) -> Decided {
    let mut decided = Decided::default();
    let plan = target.plan;
    let Some(records) = Records::of_batch(plan, target.schema, batch) else {
        return decided;
    };
    let mut out = batch.clone();
    out.clear();
    let mut before = Before {
        base: target.writer.rows(),
        slot,
        done: 0,
        segments: HashMap::new(),
    };
    for row in 0..records.rows() {
        state.look_ahead(records.keys(), row);
        let record = records.get(row);
        if is_refused(&record.rank) {
            decided.taken.refused += 1;
            continue;
        }
        let doc = before.base + out.rows() as u32;
        let deleted = record.deleted;
        let outcome = state.settle(plan, slot, doc, record);
        let late = outcome == Outcome::Older;
        if late && plan.drop_out_of_order {
            decided.taken.dropped += 1;
            continue;
        }
        let old = match outcome {
            Outcome::Newer(place) if !deleted && !place.is_deleted() => Some(place),
            _ => None,
        };
        before.done = out.rows();
        for at in 0..out.columns().len() {
            let value = match (old, target.schema.fields.get(at)) {
                (Some(old), Some(field)) if !plan.key.iter().any(|k| k.name == field.1.name) => {
                    let old = before.value(state, &out, old, at, field);
                    let incoming = batch.columns().get(at);
                    incoming.map(|c| meet(plan, merge, field, c, row as u32, old))
                }
                _ => None,
            };
            let (Some(column), Some(from)) =
                (out.columns_mut().get_mut(at), batch.columns().get(at))
            else {
                continue;
            };
            match value {
                Some(value) => column.push(&value),
                None => column.push_from(from, row as u32),
            }
        }
        decided.late.push(late);
    }
    decided.merged = Some(out);
    decided
}

fn meet(
    plan: &KeyPlan,
    merge: &Merge<'_>,
    (_, field): &(FieldRole, FieldSpec),
    incoming: &segment::BatchColumn,
    row: u32,
    old: Value,
) -> Value {
    let new = if incoming.is_null(row) {
        Value::Null
    } else {
        incoming.values.get(row as usize, field.data_type)
    };
    let strategy = if plan.comparison.iter().any(|c| c.name == field.name) {
        Strategy::Overwrite
    } else {
        let named = merge.strategies.get(&field.name);
        named.copied().unwrap_or(merge.default)
    };
    let multi = field.column_type().multi;
    let default = default_of(incoming.default_value(), field.data_type, multi);
    strategy.merge(old, new, &default)
}

/// Reads rows that keys have now.
struct Before {
    base: u32,
    slot: u32,
    /// Rows of the batch that are complete.
    done: usize,
    segments: HashMap<u32, Arc<dyn Segment>>,
}

impl Before {
    fn value(
        &mut self,
        state: &State,
        out: &RowBatch,
        place: Place,
        at: usize,
        (_, field): &(FieldRole, FieldSpec),
    ) -> Value {
        let doc = place.doc();
        if place.slot == self.slot && doc >= self.base {
            // Among the rows that come in with this batch.
            let row = doc - self.base;
            return match out.columns().get(at) {
                Some(column) if (row as usize) < self.done && !column.is_null(row) => {
                    column.values.get(row as usize, field.data_type)
                }
                _ => Value::Null,
            };
        }
        let slot = state.slots.get(place.slot as usize);
        let Some(slot) = slot.and_then(Option::as_ref) else {
            return Value::Null;
        };
        let segment = self
            .segments
            .entry(place.slot)
            .or_insert_with(|| slot.held.snapshot());
        let Some(column) = segment.column(&field.name) else {
            return Value::Null;
        };
        if column.nulls().is_some_and(|nulls| nulls.contains(doc)) {
            return Value::Null;
        }
        let values = column.values(Docs::List(&[doc]));
        if values.is_empty() {
            return Value::Null;
        }
        values.get(0, field.data_type)
    }
}

/// Says of each row whether it came too late, where the table has a column for it.
fn flag(target: &Target<'_>, batch: &mut RowBatch, late: &[bool]) {
    let Some(name) = &target.plan.out_of_order else {
        return;
    };
    let fields = &target.schema.fields;
    let at = fields.iter().position(|(_, field)| field.name == *name);
    if let Some(column) = at.and_then(|at| batch.columns_mut().get_mut(at)) {
        column.nulls.clear();
        column.values = Values::Int(late.iter().map(|late| i32::from(*late)).collect());
    }
}
