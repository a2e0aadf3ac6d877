//! Running a compiled filter over one block.
//!
//! Must not know: how the filter was compiled. Invariant: `keep(node, true)` leaves rows where the node is true,
//! `keep(node, false)` rows where it is false; a row that is unknown is in neither.

use std::ops::Range;

use common::Values;
use functions::scalar::EvalContext;
use segment::{Column, Docs, IdSet};

use super::{Mask, Node};
use crate::QueryError;
use crate::plan::{BoundTest, Matcher};
use crate::project::{Projection, SegmentColumns, Source};

/// Below one candidate in this many rows, candidates are read one by one.
const SPARSE: usize = 8;

/// One block.
pub(super) struct Run<'r> {
    pub(super) columns: &'r SegmentColumns<'r>,
    pub(super) context: &'r EvalContext,
    pub(super) rows: Range<u32>,
    pub(super) scanned: &'r mut u64,
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
                let found = self.range_mask(docs, mask.rows());
                apply(mask, &found, wanted);
            }
            Node::Bitmap(bitmap) => {
                let mut found = Mask::none(mask.rows());
                for doc in bitmap.range(self.rows.clone()) {
                    found.set((doc - self.rows.start) as usize);
                }
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
                let mut unknown = Mask::none(mask.rows());
                for doc in nulls.range(self.rows.clone()) {
                    unknown.set((doc - self.rows.start) as usize);
                }
                mask.subtract(&unknown);
                self.keep(node, wanted, mask)?;
            }
            Node::Ids {
                column,
                ids,
                negated,
                ..
            } => self.scan_ids(*column, ids, *negated != wanted, mask),
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

    fn range_mask(&self, docs: &Range<u32>, rows: usize) -> Mask {
        let mut found = Mask::none(rows);
        let start = docs.start.clamp(self.rows.start, self.rows.end) - self.rows.start;
        let end = docs.end.clamp(self.rows.start, self.rows.end) - self.rows.start;
        found.set_range(start as usize..end as usize);
        found
    }

    /// The candidates where they are few; otherwise the whole block is read.
    fn sparse(&self, mask: &Mask) -> Option<Vec<u32>> {
        let count = mask.count();
        (count * SPARSE < mask.rows()).then(|| {
            let mut docs = Vec::with_capacity(count);
            mask.collect_into(self.rows.start, &mut docs);
            docs
        })
    }

    fn scan_ids(&mut self, column: &dyn Column, ids: &IdSet, wanted: bool, mask: &mut Mask) {
        let sparse = self.sparse(mask);
        let mut words = Vec::with_capacity(mask.rows().div_ceil(64));
        if sparse.is_none() && column.match_ids(self.rows.clone(), ids, &mut words) {
            *self.scanned += self.rows.len() as u64;
            return apply(mask, &Mask::from_words(words, mask.rows()), wanted);
        }
        let docs = sparse
            .as_ref()
            .map_or(Docs::Range(self.rows.clone()), |list| Docs::List(list));
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
        self.spread(sparse.as_deref(), &found, wanted, mask);
    }

    /// The rows of the block that a range of whole numbers accepts, straight from packed numbers. Nulls that count were
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
        let mut words = Vec::with_capacity(self.rows.len().div_ceil(64));
        column
            .match_longs(self.rows.clone(), *low, *high, &mut words)
            .then(|| Mask::from_words(words, self.rows.len()))
    }

    fn scan_values(
        &mut self,
        test: &BoundTest,
        wanted: bool,
        mask: &mut Mask,
    ) -> Result<(), QueryError> {
        let sparse = self.sparse(mask);
        if sparse.is_none()
            && let Some(found) = self.packed(test)
        {
            *self.scanned += self.rows.len() as u64;
            apply(mask, &found, wanted != test.negated);
            return Ok(());
        }
        let docs = sparse
            .as_ref()
            .map_or(Docs::Range(self.rows.clone()), |list| Docs::List(list));
        let rows = docs.len();
        let mut projection = Projection::new(self.columns, docs);
        let block = test.expr.evaluate(&mut projection, self.context)?;
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
            self.spread(sparse.as_deref(), unknown, false, mask);
        }
        self.spread(sparse.as_deref(), &found, wanted, mask);
        Ok(())
    }

    /// Applies an answer that was given for the listed candidates only, or for the whole block.
    fn spread(&self, sparse: Option<&[u32]>, found: &Mask, wanted: bool, mask: &mut Mask) {
        let Some(docs) = sparse else {
            return apply(mask, found, wanted);
        };
        let mut spread = Mask::none(mask.rows());
        for (position, doc) in docs.iter().enumerate() {
            // A candidate that an earlier answer took out stays out.
            let row = (doc - self.rows.start) as usize;
            if found.contains(position) == wanted && mask.contains(row) {
                spread.set(row);
            }
        }
        *mask = spread;
    }
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
