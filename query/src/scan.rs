//! The rows of one task that pass the filter, some at a time.
//!
//! Must not know: what is done with the rows. Invariant: each row that passes is handed on once, in ascending order, at most
//! [`BLOCK_ROWS`] at a time; rows of a list may lie in any number of blocks.

use std::ops::Range;

use roaring::RoaringBitmap;
use segment::Docs;

use crate::QueryError;
use crate::filter::SegmentFilter;
use crate::limits::Limits;
use crate::plan::Plan;
use crate::project::{BLOCK_ROWS, SegmentColumns};
use crate::stats::QueryStats;

/// Rows of an index that are looked at first: a small LIMIT needs no more.
const FIRST_LISTED: usize = 256;
/// Rows of blocks with few matches that are handed on together: what is done for each handful costs as much as for so many.
const GATHERED: usize = 2048;

/// A walk over some rows of a segment.
pub(crate) struct Scan<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) columns: &'a SegmentColumns<'a>,
    pub(crate) filter: &'a SegmentFilter<'a>,
    pub(crate) rows: Range<u32>,
    pub(crate) limits: &'a Limits,
    pub(crate) stats: QueryStats,
}

impl<'a> Scan<'a> {
    /// Some rows of a segment.
    pub(crate) fn new(
        plan: &'a Plan,
        columns: &'a SegmentColumns<'a>,
        filter: &'a SegmentFilter<'a>,
        rows: Range<u32>,
        limits: &'a Limits,
    ) -> Self {
        Self {
            plan,
            columns,
            filter,
            rows,
            limits,
            stats: QueryStats::default(),
        }
    }
}

impl Scan<'_> {
    /// Calls `f` with the matching rows until it answers false.
    pub(crate) fn for_each_block(
        &mut self,
        f: impl FnMut(&mut Self, Docs<'_>) -> Result<bool, QueryError>,
    ) -> Result<(), QueryError> {
        self.for_batches(GATHERED, f)
    }

    /// As [`Self::for_each_block`], for a caller that may soon have enough: no block is searched before the rows of the one
    /// before it were handed on.
    pub(crate) fn until_enough(
        &mut self,
        f: impl FnMut(&mut Self, Docs<'_>) -> Result<bool, QueryError>,
    ) -> Result<(), QueryError> {
        self.for_batches(1, f)
    }

    /// As [`Self::for_each_block`], with at least so many rows at a time where there are enough, but for whole blocks.
    pub(crate) fn for_batches(
        &mut self,
        gathered: usize,
        f: impl FnMut(&mut Self, Docs<'_>) -> Result<bool, QueryError>,
    ) -> Result<(), QueryError> {
        if self.filter.matches_nothing() {
            return Ok(());
        }
        match self.filter.listed() {
            Some(found) => self.for_each_listed(found, f),
            None => self.for_each_range(gathered, f),
        }
    }

    /// Walks the rows that an index found.
    fn for_each_listed(
        &mut self,
        found: &RoaringBitmap,
        mut f: impl FnMut(&mut Self, Docs<'_>) -> Result<bool, QueryError>,
    ) -> Result<(), QueryError> {
        let filter = self.filter;
        let mut walk = found.range(self.rows.clone());
        let mut list = vec![0; FIRST_LISTED];
        loop {
            self.limits.check()?;
            let rows = walk.next_many(&mut list);
            if rows.is_empty() {
                return Ok(());
            }
            let mask = filter.among_listed(
                Docs::List(rows),
                &mut self.stats.num_entries_scanned_in_filter,
            )?;
            let kept: Vec<u32>;
            let rows = if mask.is_full() {
                &*rows
            } else {
                let mut positions = Vec::new();
                mask.collect_into(0, &mut positions);
                kept = positions.iter().map(|at| rows[*at as usize]).collect();
                &kept
            };
            if !self.hand_on(Docs::List(rows), &mut f)? {
                return Ok(());
            }
            list.resize(BLOCK_ROWS, 0);
        }
    }

    /// Looks at all rows that the filter leaves possible, block by block.
    fn for_each_range(
        &mut self,
        gathered: usize,
        mut f: impl FnMut(&mut Self, Docs<'_>) -> Result<bool, QueryError>,
    ) -> Result<(), QueryError> {
        let bounds = self.filter.bounds();
        let mut start = self
            .rows
            .start
            .max(bounds.start / BLOCK_ROWS as u32 * BLOCK_ROWS as u32);
        let end = self.rows.end.min(bounds.end);
        let mut list = Vec::new();
        while start < end {
            self.limits.check()?;
            let block = start..(start + BLOCK_ROWS as u32).min(self.rows.end);
            start = block.end;
            let mask = if self.filter.matches_all() {
                None
            } else {
                let scanned = &mut self.stats.num_entries_scanned_in_filter;
                let mask = self.filter.among(Docs::Range(block.clone()), scanned)?;
                Some(mask).filter(|mask| !mask.is_full())
            };
            let found = mask.as_ref().map_or(BLOCK_ROWS, |mask| mask.count());
            if list.len() + found > BLOCK_ROWS {
                if !self.hand_on(Docs::List(&list), &mut f)? {
                    return Ok(());
                }
                list.clear();
            }
            let more = match mask {
                None => self.hand_on(Docs::Range(block), &mut f)?,
                Some(mask) => {
                    mask.collect_into(block.start, &mut list);
                    if list.len() < gathered {
                        continue;
                    }
                    let more = self.hand_on(Docs::List(&list), &mut f)?;
                    list.clear();
                    more
                }
            };
            if !more {
                return Ok(());
            }
        }
        self.hand_on(Docs::List(&list), &mut f)?;
        Ok(())
    }

    fn hand_on(
        &mut self,
        docs: Docs<'_>,
        f: &mut impl FnMut(&mut Self, Docs<'_>) -> Result<bool, QueryError>,
    ) -> Result<bool, QueryError> {
        if docs.is_empty() {
            return Ok(true);
        }
        self.stats.num_docs_scanned += docs.len() as u64;
        f(self, docs)
    }

    /// Accounts what a result holds once it is there.
    pub(crate) fn account(&self, what: &'static str, bytes: usize) -> Result<(), QueryError> {
        self.limits.account(what, 0, bytes)?;
        self.limits.account(what, bytes, 0)
    }
}
