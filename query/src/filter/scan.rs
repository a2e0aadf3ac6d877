//! Running a compiled filter over some rows: a block, or a list that an index made.
//!
//! Must not know: how the filter was compiled. Invariant: `keep(node, true)` leaves rows where the node is true,
//! `keep(node, false)` rows where it is false; a row that is unknown is in neither.

use std::ops::Range;

use common::Values;
use functions::scalar::EvalContext;
use roaring::RoaringBitmap;
use segment::{Column, Docs, IdSet};

use super::{Mask, Node};
use crate::QueryError;
use crate::expr::without_made_nulls;
use crate::plan::{BoundTest, Matcher};
use crate::project::{Projection, SegmentColumns, Source};

/// Below one candidate in this many rows, candidates are read one by one.
const SPARSE: usize = 8;
/// The same where all rows can be compared as they are packed, many at once.
const SPARSE_PACKED: usize = 64;
/// Ids of a set that most likely are few runs, which packed ids can be compared with.
const FEW_IDS: u32 = 16;

/// Where at most one row in so many is missing, a bitmap is read run by run.
const DENSE: u64 = 8;
/// Rows of a bitmap that are read at a time.
const MANY: usize = 256;

/// The rows that are asked about. A mask has one bit for each, by its position among them.
pub(super) struct Run<'r> {
    pub(super) columns: &'r SegmentColumns<'r>,
    pub(super) context: &'r EvalContext,
    pub(super) rows: Docs<'r>,
    pub(super) scanned: &'r mut u64,
}

/// Rows that are left to look at, where they are few.
struct Candidates {
    positions: Vec<u32>,
    docs: Vec<u32>,
}

impl Run<'_> {
    pub(super) fn keep(
        &mut self,
        node: &Node<'_>,
        wanted: bool,
        mask: &mut Mask,
    ) -> Result<(), QueryError> {
        if mask.is_empty() {
            return Ok(());
        }
        match node {
            Node::Constant(value) => {
                if *value != wanted {
                    *mask = Mask::none(mask.rows());
                }
            }
            Node::Docs(docs) => {
                let found = self.in_range(docs);
                apply(mask, &found, wanted);
            }
            Node::Bitmap(bitmap) => {
                let found = self.in_bitmap(bitmap);
                apply(mask, &found, wanted);
            }
            Node::Not(child) if wanted => self.keep(child, false, mask)?,
            Node::Not(_) => {
                // Pinot's NOT knows no nulls of its own: it is false wherever it is not true.
                let mut holds = mask.clone();
                self.keep(node, true, &mut holds)?;
                mask.subtract(&holds);
            }
            Node::And(children) if wanted => {
                for child in children {
                    self.keep(child, true, mask)?;
                }
            }
            Node::Or(children) if !wanted => {
                for child in children {
                    self.keep_part(child, false, mask)?;
                }
            }
            Node::And(children) | Node::Or(children) => self.any(children, wanted, mask)?,
            Node::Known { node, nulls } => {
                mask.subtract(&self.in_bitmap(nulls));
                self.keep(node, wanted, mask)?;
            }
            Node::Ids {
                column,
                ids,
                negated,
                ..
            } => self.scan_ids(*column, ids, *negated != wanted, mask),
            Node::Pair(pair) => {
                let sparse = self.sparse(mask);
                let docs = self.read(sparse.as_ref());
                let (rows, found) = (docs.len() as u64, pair.matching(&docs));
                *self.scanned += rows;
                spread(sparse.as_ref(), &found, wanted, mask);
            }
            Node::Values(test) => self.scan_values(test, wanted, mask)?,
        }
        Ok(())
    }

    /// A part of AND or OR. Pinot's AND and OR know no nulls of their own where they are parts: they are false wherever they
    /// are not true.
    fn keep_part(
        &mut self,
        node: &Node<'_>,
        wanted: bool,
        mask: &mut Mask,
    ) -> Result<(), QueryError> {
        if wanted || !matches!(node, Node::And(_) | Node::Or(_)) {
            return self.keep(node, wanted, mask);
        }
        let mut holds = mask.clone();
        self.keep(node, true, &mut holds)?;
        mask.subtract(&holds);
        Ok(())
    }

    /// Rows for which any child is `wanted`.
    fn any(
        &mut self,
        children: &[Node<'_>],
        wanted: bool,
        mask: &mut Mask,
    ) -> Result<(), QueryError> {
        let mut found = Mask::none(mask.rows());
        let mut left = mask.clone();
        for child in children {
            let mut candidate = left.clone();
            self.keep_part(child, wanted, &mut candidate)?;
            left.subtract(&candidate);
            found.or(&candidate);
        }
        *mask = found;
        Ok(())
    }

    fn in_range(&self, docs: &Range<u32>) -> Mask {
        let mut found = Mask::none(self.rows.len());
        let (start, end) = match &self.rows {
            Docs::Range(rows) => {
                let at = |doc: u32| (doc.clamp(rows.start, rows.end) - rows.start) as usize;
                (at(docs.start), at(docs.end))
            }
            Docs::List(rows) => {
                let before = |end: u32| rows.partition_point(|doc| *doc < end);
                (before(docs.start), before(docs.end))
            }
        };
        found.set_range(start..end);
        found
    }

    fn in_bitmap(&self, bitmap: &RoaringBitmap) -> Mask {
        match &self.rows {
            Docs::Range(rows) => block_of(bitmap, rows),
            Docs::List(rows) => Mask::fill(rows.len(), |row| bitmap.contains(rows[row])),
        }
    }

    /// The candidates where they are few; otherwise all rows are read.
    fn sparse(&self, mask: &Mask) -> Option<Candidates> {
        let count = mask.count();
        if count * SPARSE >= mask.rows() {
            return None;
        }
        let mut positions = Vec::with_capacity(count);
        mask.collect_into(0, &mut positions);
        let docs = match &self.rows {
            Docs::Range(rows) => positions.iter().map(|at| rows.start + at).collect(),
            Docs::List(rows) => positions.iter().map(|at| rows[*at as usize]).collect(),
        };
        Some(Candidates { positions, docs })
    }

    /// The rows to read.
    fn read<'c>(&'c self, sparse: Option<&'c Candidates>) -> Docs<'c> {
        sparse.map_or(self.rows.clone(), |candidates| Docs::List(&candidates.docs))
    }

    fn scan_ids(&mut self, column: &dyn Column, ids: &IdSet, wanted: bool, mask: &mut Mask) {
        let below = if ids.len() <= FEW_IDS || matches!(ids, IdSet::Run(_)) {
            SPARSE_PACKED
        } else {
            SPARSE
        };
        if let Docs::Range(rows) = &self.rows
            && mask.count() * below >= mask.rows()
        {
            let mut words = Vec::with_capacity(mask.rows().div_ceil(64));
            if column.match_ids(rows.clone(), ids, &mut words) {
                *self.scanned += rows.len() as u64;
                return apply(mask, &Mask::from_words(words, mask.rows()), wanted);
            }
        }
        let sparse = self.sparse(mask);
        let docs = self.read(sparse.as_ref());
        let rows = docs.len();
        let found = if column.column_type().multi {
            let (mut offsets, mut values) = (Vec::new(), Vec::new());
            column.id_lists(docs, &mut offsets, &mut values);
            *self.scanned += values.len() as u64;
            Mask::fill(rows, |row| {
                let of_row = &values[offsets[row] as usize..offsets[row + 1] as usize];
                of_row.iter().any(|id| ids.contains(*id))
            })
        } else {
            let mut values = Vec::with_capacity(rows);
            column.ids(docs, &mut values);
            *self.scanned += rows as u64;
            single_ids(&values, ids)
        };
        spread(sparse.as_ref(), &found, wanted, mask);
    }

    /// The rows of a block that a range of whole numbers accepts, straight from packed numbers. Nulls that count were
    /// taken out before.
    fn packed(&self, test: &BoundTest) -> Option<Mask> {
        let (Matcher::Integers(low, high), Some(index)) = (&test.matcher, test.expr.as_column())
        else {
            return None;
        };
        let Source::Stored { column, .. } = &self.columns.sources[index] else {
            return None;
        };
        if self.columns.handled_nulls(index).is_some() {
            return None;
        }
        let Docs::Range(rows) = &self.rows else {
            return None;
        };
        let mut words = Vec::with_capacity(rows.len().div_ceil(64));
        column
            .match_longs(rows.clone(), *low, *high, &mut words)
            .then(|| Mask::from_words(words, rows.len()))
    }

    fn scan_values(
        &mut self,
        test: &BoundTest,
        wanted: bool,
        mask: &mut Mask,
    ) -> Result<(), QueryError> {
        if mask.count() * SPARSE_PACKED >= mask.rows()
            && let Some(found) = self.packed(test)
        {
            *self.scanned += self.rows.len() as u64;
            apply(mask, &found, wanted != test.negated);
            return Ok(());
        }
        let sparse = self.sparse(mask);
        let docs = self.read(sparse.as_ref());
        let rows = docs.len();
        let mut projection = Projection::new(self.columns, docs);
        let block = test.expr.evaluate(&mut projection, self.context)?;
        let block = match test.placed {
            true => without_made_nulls(&test.expr, block),
            false => block,
        };
        let entries = match block.values() {
            Values::Array(array) => array.items.len(),
            _ => rows,
        };
        *self.scanned += entries as u64;
        let values = block.values();
        let found = match values {
            Values::Array(array) => Mask::fill(rows, |row| {
                let any = array
                    .range(block.at(row))
                    .any(|item| test.matcher.matches_at(&array.items, item));
                any != test.negated
            }),
            _ => Mask::fill(rows, |row| {
                test.matcher.matches_at(values, block.at(row)) != test.negated
            }),
        };
        // Nulls of an expression are unknown: in neither answer.
        let unknown = block
            .nulls()
            .is_some()
            .then(|| Mask::fill(rows, |row| block.is_null(row)));
        if let Some(unknown) = &unknown {
            spread(sparse.as_ref(), unknown, false, mask);
        }
        spread(sparse.as_ref(), &found, wanted, mask);
        Ok(())
    }
}

/// The rows of a block that a bitmap holds. How many they are says whether they are taken whole, run by run or one by one.
fn block_of(bitmap: &RoaringBitmap, rows: &Range<u32>) -> Mask {
    let (count, all) = (bitmap.range_cardinality(rows.clone()), rows.len() as u64);
    if count == all {
        return Mask::all(rows.len());
    }
    let mut found = Mask::none(rows.len());
    if count == 0 {
        return found;
    }
    let mut docs = bitmap.range(rows.clone());
    if (all - count) * DENSE <= all {
        while let Some(run) = docs.next_range() {
            found.set_range(
                (run.start() - rows.start) as usize..(run.end() - rows.start) as usize + 1,
            );
        }
        return found;
    }
    let mut some = [0; MANY];
    loop {
        let next = docs.next_many(&mut some);
        for doc in &*next {
            found.set((doc - rows.start) as usize);
        }
        if next.len() < MANY {
            return found;
        }
    }
}

/// Applies an answer that was given for the candidates only, or for all rows.
fn spread(sparse: Option<&Candidates>, found: &Mask, wanted: bool, mask: &mut Mask) {
    let Some(candidates) = sparse else {
        return apply(mask, found, wanted);
    };
    let mut spread = Mask::none(mask.rows());
    for (answer, position) in candidates.positions.iter().enumerate() {
        // A candidate that an earlier answer took out stays out.
        let row = *position as usize;
        if found.contains(answer) == wanted && mask.contains(row) {
            spread.set(row);
        }
    }
    *mask = spread;
}

fn apply(mask: &mut Mask, found: &Mask, wanted: bool) {
    if wanted {
        mask.and(found)
    } else {
        mask.subtract(found)
    }
}

fn single_ids(values: &[u32], ids: &IdSet) -> Mask {
    match ids {
        IdSet::Run(run) => {
            let (start, length) = (run.start, run.end - run.start);
            Mask::fill(values.len(), |row| values[row].wrapping_sub(start) < length)
        }
        IdSet::Bits { words, .. } => Mask::fill(values.len(), |row| {
            let id = values[row];
            words
                .get((id / 64) as usize)
                .is_some_and(|w| w >> (id % 64) & 1 == 1)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_a_bitmap_has_its_rows_however_many() {
        let few: RoaringBitmap = (0..100_000).step_by(37).collect();
        let half: RoaringBitmap = (0..100_000).filter(|doc| doc * 7 % 11 < 6).collect();
        let most: RoaringBitmap = (0..100_000).filter(|doc| doc % 29 != 3).collect();
        let all: RoaringBitmap = (0..100_000).collect();
        for bitmap in [few, half, most, all, RoaringBitmap::new()] {
            for rows in [
                0..8192,
                60_000..68_192,
                65_536..65_600,
                99_000..100_000,
                99_990..100_100,
            ] {
                let expected =
                    Mask::fill(rows.len(), |row| bitmap.contains(rows.start + row as u32));
                assert_eq!(block_of(&bitmap, &rows), expected);
            }
        }
    }
}
