//! COUNT, SUM, AVG, MIN and MAX of whole numbers in one pass: without keys, or by keys with dictionaries.
//!
//! Keys are combined to one number a row, which is the place of the row's group in plain arrays; what leaves is the same
//! groups and states as of the general way. Must not know: how rows were found.
//! Invariant: it answers bit by bit as the general way does, or is not made.

mod group;
mod number;
mod packed;
mod tree;

use common::{Block, BytesVec, DataType, Values};
use functions::{Grouped, Groups};
use segment::{Docs, Segment};

use crate::QueryError;
use crate::expr::BoundExpr;
use crate::group_by::GroupTable;
use crate::merge::Partial;
use crate::plan::{Plan, PlanAggregation, Shape};
use crate::project::{BLOCK_ROWS, SegmentColumns};
use crate::scan::Scan;
use group::{GroupKeys, Places};
use number::{EXACT, Number, Slots, Span};
use packed::Packed;
pub(crate) use tree::Source;

/// Rows that are aggregated at a time, so that their values stay in the fastest cache.
const PIECE: usize = 2048;

/// What is computed of a group.
enum Measure {
    Count,
    Sum(Number),
    Average(Number),
    Least(Number),
    Greatest(Number),
}

/// True where one pass over rows of a segment answers a plan.
pub(crate) fn fits(plan: &Plan, segment: &dyn Segment, rows: usize) -> bool {
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return false;
    };
    let columns = SegmentColumns::open(segment, &plan.columns, plan.null_handling, "");
    Kernel::new(keys, aggregations, &columns, rows, plan.group_limit).is_some()
}

/// One pass over the rows of a task.
pub(crate) struct Kernel<'a> {
    keys: GroupKeys<'a>,
    slots: Slots<'a>,
    measures: Vec<Measure>,
    /// How many rows each record stands for, where records are no rows.
    weights: Option<Number>,
    /// One accumulator a place for each measure; none for COUNT.
    totals: Vec<Vec<i64>>,
    /// Rows of each place.
    counts: Vec<i64>,
    /// Rows and sums in one word, where groups are few.
    packed: Option<Packed>,
}

impl<'a> Kernel<'a> {
    /// Prepares the pass over at most `rows` rows; `None` where the general way has to go.
    pub(crate) fn new(
        keys: &[BoundExpr],
        aggregations: &[PlanAggregation],
        columns: &'a SegmentColumns<'a>,
        rows: usize,
        group_limit: usize,
    ) -> Option<Self> {
        if columns.null_handling() || aggregations.iter().any(|a| a.filter.is_some()) {
            return None;
        }
        let keys = GroupKeys::new(keys, columns, rows, group_limit)?;
        let mut slots = Slots::default();
        let measures = aggregations
            .iter()
            .map(|aggregation| measure(aggregation, &mut slots, columns, rows))
            .collect::<Option<Vec<_>>>()?;
        let (measures, spans): (Vec<Measure>, Vec<Option<Span>>) = measures.into_iter().unzip();
        let sums = spans.into_iter().enumerate();
        let sums = sums.filter_map(|(at, span)| Some((at, span?)));
        let packed = keys.few().and_then(|places| Packed::new(places, sums));
        let mut kernel = Self::with(keys, slots, measures, None);
        kernel.packed = packed;
        Some(kernel)
    }

    fn with(
        keys: GroupKeys<'a>,
        slots: Slots<'a>,
        measures: Vec<Measure>,
        weights: Option<Number>,
    ) -> Self {
        let totals = measures.iter().map(|_| Vec::new()).collect();
        Self {
            keys,
            slots,
            measures,
            weights,
            totals,
            counts: Vec::new(),
            packed: None,
        }
    }

    /// Runs over listed records.
    pub(crate) fn run_list(
        mut self,
        records: &[u32],
        aggregations: &[PlanAggregation],
    ) -> Result<Partial, QueryError> {
        for piece in records.chunks(BLOCK_ROWS) {
            let docs = Docs::List(piece);
            if self.slots.load(&docs) {
                self.add(&docs);
            }
        }
        self.finish(aggregations)
    }

    /// Runs over the rows that pass the filter.
    pub(crate) fn run(
        mut self,
        scan: &mut Scan<'_>,
        aggregations: &[PlanAggregation],
    ) -> Result<Partial, QueryError> {
        scan.for_each_block(|_, docs| {
            let read = match docs {
                Docs::Range(rows) => rows.clone().step_by(PIECE).all(|from| {
                    self.load_and_add(&Docs::Range(from..rows.end.min(from + PIECE as u32)))
                }),
                Docs::List(rows) => rows
                    .chunks(PIECE)
                    .all(|piece| self.load_and_add(&Docs::List(piece))),
            };
            if read {
                Ok(true)
            } else {
                Err(QueryError::execution(
                    "a column of whole numbers cannot be read",
                ))
            }
        })?;
        let bytes = (self.totals.len() + 1) * self.counts.len() * 8;
        scan.account("groups", bytes)?;
        self.finish(aggregations)
    }

    fn load_and_add(&mut self, docs: &Docs<'_>) -> bool {
        let read = self.slots.load(docs);
        if read {
            self.add(docs);
        }
        read
    }

    fn add(&mut self, docs: &Docs<'_>) {
        let rows = docs.len();
        self.keys.locate(docs);
        let places = self.keys.places();
        let room = self.keys.room();
        grow(&mut self.counts, room, 0);
        let mut packed = self.packed.as_mut().filter(|_| rows <= PIECE);
        match (places, &self.weights) {
            (Places::Each(_), None) if packed.is_some() => {}
            (places, Some(weights)) => self.slots.with(weights, rows, |weights| {
                add_up(&mut self.counts, places, weights);
            }),
            (Places::One, None) => self.counts[0] += rows as i64,
            (Places::Each(places), None) => {
                places.iter().for_each(|p| self.counts[*p as usize] += 1);
            }
        }
        if let Some(packed) = &mut packed {
            packed.begin(rows);
        }
        for (at, (measure, totals)) in self.measures.iter().zip(&mut self.totals).enumerate() {
            match measure {
                Measure::Count => {}
                Measure::Sum(number) | Measure::Average(number) => {
                    grow(totals, room, 0);
                    let packed = packed.as_mut().filter(|packed| packed.has(at));
                    self.slots.with(number, rows, |values| match packed {
                        Some(packed) => packed.put(at, values),
                        None => add_up(totals, places, values),
                    });
                }
                Measure::Least(number) => {
                    grow(totals, room, i64::MAX);
                    self.slots.with(number, rows, |values| {
                        pick(totals, places, values, i64::min)
                    });
                }
                Measure::Greatest(number) => {
                    grow(totals, room, i64::MIN);
                    self.slots.with(number, rows, |values| {
                        pick(totals, places, values, i64::max)
                    });
                }
            }
        }
        if let (Some(packed), Places::Each(places)) = (packed, places) {
            packed.settle(places, &mut self.counts, &mut self.totals);
        }
    }

    fn finish(mut self, aggregations: &[PlanAggregation]) -> Result<Partial, QueryError> {
        if let Some(packed) = &mut self.packed {
            packed.take_apart(&mut self.counts, &mut self.totals);
        }
        self.keys.fold_lanes(&mut self.counts, |a, b| a + b);
        for (measure, totals) in self.measures.iter().zip(&mut self.totals) {
            if !totals.is_empty() {
                let fold: fn(i64, i64) -> i64 = match measure {
                    Measure::Least(_) => i64::min,
                    Measure::Greatest(_) => i64::max,
                    _ => |a, b| a + b,
                };
                self.keys.fold_lanes(totals, fold);
            }
        }
        let without_keys = self.keys.is_empty();
        let present: Vec<u32> = (0..self.counts.len() as u32)
            .filter(|place| self.counts[*place as usize] > 0)
            .collect();
        let groups = if without_keys { 1 } else { present.len() };
        let mut states: Vec<Box<dyn Grouped>> =
            aggregations.iter().map(|a| a.function.grouped()).collect();
        let numbers: Vec<u32> = (0..present.len() as u32).collect();
        for ((state, measure), totals) in states.iter_mut().zip(&self.measures).zip(&self.totals) {
            state.grow(groups);
            if present.is_empty() {
                continue;
            }
            let of = |place: &u32| (totals[*place as usize], self.counts[*place as usize]);
            match measure {
                Measure::Count => {
                    for (group, place) in present.iter().enumerate() {
                        state.count_rows(group, self.counts[*place as usize]);
                    }
                }
                Measure::Average(_) => {
                    let pairs = average_pairs(present.iter().map(of));
                    state.update(Groups::Each(&numbers), &[pairs])?;
                }
                _ => {
                    let values = present.iter().map(|p| of(p).0 as f64).collect();
                    let block = Block::new(DataType::Double, Values::Double(values));
                    state.update(Groups::Each(&numbers), &[block])?;
                }
            }
        }
        let blocks = self.keys.decode(&present);
        let table = GroupTable::from_distinct(blocks, groups, states);
        Ok(Partial::Groups(table.with_repeats(self.keys.repeats())))
    }
}

/// Sums and counts in the form in which AVG takes whole parts.
pub(crate) fn average_pairs(parts: impl Iterator<Item = (i64, i64)>) -> Block {
    let mut pairs = BytesVec::default();
    for (sum, count) in parts {
        pairs.buffer().extend((sum as f64).to_be_bytes());
        pairs.buffer().extend(count.to_be_bytes());
        pairs.end_value();
    }
    Block::new(DataType::Bytes, Values::Bytes(pairs))
}

fn grow(values: &mut Vec<i64>, room: usize, empty: i64) {
    if values.len() < room {
        if values.is_empty() && empty == 0 {
            // Zeroed memory comes page by page as it is touched.
            *values = vec![0; room];
        } else {
            values.resize(room, empty);
        }
    }
}

fn add_up(totals: &mut [i64], places: Places<'_>, values: &[i64]) {
    match places {
        Places::One => totals[0] += values.iter().sum::<i64>(),
        Places::Each(places) => {
            for (place, value) in places.iter().zip(values) {
                totals[*place as usize] += value;
            }
        }
    }
}

fn pick(totals: &mut [i64], places: Places<'_>, values: &[i64], better: fn(i64, i64) -> i64) {
    match places {
        Places::One => {
            let best = values.iter().copied().reduce(better);
            totals[0] = best.map_or(totals[0], |best| better(totals[0], best));
        }
        Places::Each(places) => {
            for (place, value) in places.iter().zip(values) {
                let total = &mut totals[*place as usize];
                *total = better(*total, *value);
            }
        }
    }
}

/// What an aggregation computes, with the span of what it adds up.
fn measure<'a>(
    aggregation: &PlanAggregation,
    slots: &mut Slots<'a>,
    columns: &'a SegmentColumns<'a>,
    rows: usize,
) -> Option<(Measure, Option<Span>)> {
    let sql::Expr::Call(call) = &aggregation.expr else {
        return None;
    };
    match (call.name.as_str(), aggregation.inputs.as_slice()) {
        ("count", []) => Some((Measure::Count, None)),
        (name, [input]) => {
            let (number, span) = slots.number(input, columns)?;
            Some(match name {
                "sum" => (Measure::Sum(summable(number, span, rows)?), Some(span)),
                "avg" => (Measure::Average(summable(number, span, rows)?), Some(span)),
                "min" => (Measure::Least(number), None),
                "max" => (Measure::Greatest(number), None),
                _ => return None,
            })
        }
        _ => None,
    }
}

fn summable(number: Number, span: Span, rows: usize) -> Option<Number> {
    (span.magnitude() * rows.max(1) as i128 <= EXACT).then_some(number)
}
