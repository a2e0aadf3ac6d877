//! The range index of a growing column of numbers: the smallest and the largest value of each block of rows.
//!
//! A range takes the blocks that lie inside of it whole, passes over those outside and reads the others: few, where values come
//! nearly in order, as times do. Where most blocks would be read it does not answer, and the column is scanned.
//! Must not know: how the column is encoded beyond reading its numbers. Invariant: exact; a block is visible once it is full.

use std::ops::Range;
use std::sync::Arc;

use common::Values;
use roaring::RoaringBitmap;

use super::snapshot::{ColumnShared, Encoded};
use super::store::Store;
use crate::bounds::{Limits, RankRange};
use crate::buffer::chunks::{Appender, Chunks};
use crate::number::{Number, with_number};
use crate::plan::ColumnPlan;
use crate::{Answer, Bound, IndexReader, Predicate};

/// Rows of a block.
const BLOCK: u32 = 1024;
/// It answers where at most one row in this many is read, or so few blocks.
const SHARE: u32 = 4;
const FEW_BLOCKS: u32 = 4;

/// What readers share with the writer: ranks by block.
#[derive(Clone)]
pub(crate) struct Extremes {
    lows: Arc<Chunks<u64>>,
    highs: Arc<Chunks<u64>>,
}

/// The writer.
pub(crate) struct ExtremesWriter {
    lows: Appender<u64>,
    highs: Appender<u64>,
    low: u64,
    high: u64,
    filled: usize,
}

impl ExtremesWriter {
    /// For a column of single numbers that a range index is configured for.
    pub(crate) fn new(plan: &ColumnPlan) -> Option<Self> {
        let numeric =
            with_number!(plan.column_type.data_type.stored(), T => T::WIDTH > 0, _ => false);
        (plan.ranged && numeric && !plan.column_type.multi).then(|| Self {
            lows: Appender::new(),
            highs: Appender::new(),
            low: u64::MAX,
            high: 0,
            filled: 0,
        })
    }

    pub(crate) fn shared(&self) -> Extremes {
        Extremes {
            lows: self.lows.reader(),
            highs: self.highs.reader(),
        }
    }

    /// Adds the values of further rows.
    pub(crate) fn append(&mut self, values: &Values) {
        match values {
            Values::Int(v) => self.extend(v),
            Values::Long(v) => self.extend(v),
            Values::Float(v) => self.extend(v),
            Values::Double(v) => self.extend(v),
            _ => debug_assert!(false, "values without ranks"),
        }
    }

    fn extend<T: Number>(&mut self, mut values: &[T]) {
        while !values.is_empty() {
            let room = BLOCK as usize - self.filled;
            let (block, rest) = values.split_at(room.min(values.len()));
            for value in block {
                let rank = value.rank();
                self.low = self.low.min(rank);
                self.high = self.high.max(rank);
            }
            self.filled += block.len();
            if self.filled == BLOCK as usize {
                self.lows.push(self.low);
                self.highs.push(self.high);
                (self.low, self.high, self.filled) = (u64::MAX, 0, 0);
            }
            values = rest;
        }
    }

    pub(crate) fn publish(&mut self) {
        self.lows.publish();
        self.highs.publish();
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.lows.len() * 16
    }
}

/// The range index of a snapshot.
pub(crate) struct GrowingRange {
    extremes: Extremes,
    column: Arc<ColumnShared>,
    rows: u32,
}

/// How the rows of a block lie to a range.
enum Lies {
    Inside,
    Outside,
    Across,
}

impl GrowingRange {
    pub(crate) fn new(extremes: &Extremes, column: &Arc<ColumnShared>, rows: u32) -> Self {
        Self {
            extremes: extremes.clone(),
            column: Arc::clone(column),
            rows,
        }
    }

    /// The ranks that a predicate accepts, `Some(None)` where there are none; `None` for another predicate.
    fn ranks(&self, predicate: &Predicate) -> Option<Option<RankRange>> {
        let own;
        let (lower, upper) = match predicate {
            Predicate::Range { lower, upper } => (lower, upper),
            Predicate::Eq(value) => {
                own = Bound::Included(value.clone());
                (&own, &own)
            }
            _ => return None,
        };
        let limits = Limits { lower, upper };
        let stored = self.column.column_type.data_type.stored();
        Some(with_number!(stored, T => limits.numbers::<T>(), _ => return None))
    }

    /// Calls `f` for each block; the last rows, which fill none, lie across.
    fn blocks(&self, range: RankRange, mut f: impl FnMut(Range<u32>, Lies)) {
        for start in (0..self.rows).step_by(BLOCK as usize) {
            let block = (start / BLOCK) as usize;
            let rows = start..self.rows.min(start.saturating_add(BLOCK));
            if rows.len() < BLOCK as usize {
                f(rows, Lies::Across);
                return;
            }
            let (low, high) = (
                self.extremes.lows.get(block),
                self.extremes.highs.get(block),
            );
            let lies = if high < range.first || low > range.last {
                Lies::Outside
            } else if range.first <= low && high <= range.last {
                Lies::Inside
            } else {
                Lies::Across
            };
            f(rows, lies);
        }
    }

    /// Rows inside, and rows to read.
    fn counts(&self, range: RankRange) -> (u32, u32) {
        let (mut inside, mut across) = (0, 0);
        self.blocks(range, |rows, lies| match lies {
            Lies::Inside => inside += rows.len() as u32,
            Lies::Across => across += rows.len() as u32,
            Lies::Outside => {}
        });
        (inside, across)
    }

    fn read(&self, rows: Range<u32>, range: RankRange, found: &mut RoaringBitmap) {
        fn tested<T: Number>(
            mut row: u32,
            range: RankRange,
            values: impl FnOnce(&mut dyn FnMut(T)),
            found: &mut RoaringBitmap,
        ) {
            values(&mut |value| {
                if range.contains(value) {
                    found.insert(row);
                }
                row += 1;
            });
        }
        fn numbers<T: Number>(
            values: &Chunks<T>,
            ids: Option<&Chunks<u32>>,
            rows: Range<u32>,
            range: RankRange,
            found: &mut RoaringBitmap,
        ) {
            let span = rows.start as usize..rows.end as usize;
            let each = |f: &mut dyn FnMut(T)| match ids {
                None => values.for_range(span, |piece| piece.iter().for_each(|value| f(*value))),
                Some(ids) => ids.for_range(span, |piece| values.for_any(piece, &mut *f)),
            };
            tested(rows.start, range, each, found);
        }
        let (store, ids) = match &self.column.encoded {
            Encoded::Raw(store) => (store, None),
            Encoded::Dictionary { store, ids, .. } => (store, Some(&**ids)),
        };
        match store {
            Store::Int(values) => numbers(values, ids, rows, range, found),
            Store::Long(values) => numbers(values, ids, rows, range, found),
            Store::Float(values) => numbers(values, ids, rows, range, found),
            Store::Double(values) => numbers(values, ids, rows, range, found),
            Store::Var(..) => {}
        }
    }
}

impl IndexReader for GrowingRange {
    fn id(&self) -> &'static str {
        "range_index"
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        let Some(range) = self.ranks(predicate)? else {
            return Some(0);
        };
        let (inside, across) = self.counts(range);
        let few = across <= (self.rows / SHARE).max(BLOCK * FEW_BLOCKS);
        few.then_some(inside + across)
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        let mut found = RoaringBitmap::new();
        if let Some(range) = self.ranks(predicate)? {
            self.blocks(range, |rows, lies| match lies {
                Lies::Inside => {
                    found.insert_range(rows);
                }
                Lies::Across => self.read(rows, range, &mut found),
                Lies::Outside => {}
            });
        }
        Some(Answer::Exact(found))
    }
}

#[cfg(test)]
mod tests {
    use common::{DataType, Schema, TableConfig, Value};
    use serde_json::json;

    use crate::{Answer, Bound, MutableSegment, Predicate, RowBatch, Segment};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn segment(
        raw: bool,
        times: impl Iterator<Item = i64>,
    ) -> Result<std::sync::Arc<dyn Segment>, Box<dyn std::error::Error>> {
        let schema: Schema = serde_json::from_value(json!({
            "schemaName": "t",
            "dateTimeFieldSpecs": [{"name": "ts", "dataType": DataType::Long.name(),
                "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]
        }))?;
        let raw: &[&str] = if raw { &["ts"] } else { &[] };
        let config: TableConfig = serde_json::from_value(json!({
            "tableName": "t", "tableType": "REALTIME", "segmentsConfig": {"timeColumnName": "ts"},
            "tableIndexConfig": {"rangeIndexColumns": ["ts"], "noDictionaryColumns": raw}
        }))?;
        let (mut writer, segment) = MutableSegment::create("s", &schema, &config)?;
        let mut batch = RowBatch::new(&schema)?;
        for time in times {
            batch.columns_mut()[0].push(&Value::Long(time));
        }
        writer.append(&batch)?;
        writer.publish(0);
        Ok(segment.snapshot())
    }

    fn range(from: i64, to: i64) -> Predicate {
        Predicate::Range {
            lower: Bound::Included(Value::Long(from)),
            upper: Bound::Excluded(Value::Long(to)),
        }
    }

    #[test]
    fn times_nearly_in_order_are_found_by_blocks() -> Outcome {
        for raw in [false, true] {
            // Each row up to 30 behind its place.
            let time = |row: i64| row * 10 - row * 7 % 300;
            let segment = segment(raw, (0..50_000).map(time))?;
            let column = segment.column("ts").ok_or("no column")?;
            let index = column
                .indexes()
                .iter()
                .find(|index| index.id() == "range_index");
            let index = index.ok_or("no index")?;
            for (from, to) in [
                (100_000, 130_000),
                (499_000, 600_000),
                (-5, 7),
                (7, 7),
                (900_000, 1_000_000),
            ] {
                let predicate = range(from, to);
                let expected: Vec<u32> = (0..50_000_u32)
                    .filter(|row| (from..to).contains(&time(i64::from(*row))))
                    .collect();
                let estimate = index.estimate(&predicate).ok_or("no estimate")?;
                assert!(
                    estimate as usize >= expected.len() && estimate < 10_000,
                    "{estimate}"
                );
                let Some(Answer::Exact(found)) = index.matching(&predicate) else {
                    return Err("no answer".into());
                };
                assert_eq!(found.iter().collect::<Vec<_>>(), expected);
            }
        }
        Ok(())
    }

    #[test]
    fn values_without_order_are_left_to_the_scan() -> Outcome {
        let segment = segment(true, (0..50_000).map(|row| row * 7919 % 50_000))?;
        let column = segment.column("ts").ok_or("no column")?;
        let predicate = range(100, 30_000);
        assert!(
            column
                .indexes()
                .iter()
                .all(|index| index.estimate(&predicate).is_none())
        );
        Ok(())
    }
}
