//! Posting lists that grow with their column: each entry links to the previous one with the same id.
//!
//! Four bytes an entry and eight an id. A reader starts at the head of an id, skips what is newer than its snapshot and
//! walks back; where an answer would be a large part of all entries, scanning the ids is faster and is done instead.
//! Must not know: values. Invariant: links point backwards only.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::dictionary::GrowingDictionary;
use crate::buffer::chunks::Chunks;
use crate::buffer::slots::Slots;
use crate::index::collect::{RowCollector, at_least_one, complement};
use crate::index::ids_of;
use crate::{Answer, IdSet, IndexReader, Predicate};

/// Shared by the writer and the readers.
pub(crate) struct Postings {
    /// Per id: last entry plus one.
    heads: Slots,
    /// Per entry: previous entry of the same id plus one.
    links: Slots,
    /// Per id: entries so far.
    counts: Slots,
}

impl Postings {
    pub(crate) fn new() -> Self {
        Self {
            heads: Slots::new(),
            links: Slots::new(),
            counts: Slots::new(),
        }
    }

    /// Adds consecutive entries, from the writer only.
    pub(crate) fn extend(&self, first_entry: u32, ids: &[u32]) {
        for (entry, id) in (first_entry..).zip(ids) {
            // The link is set before the head that leads to it.
            self.links.replace(entry, self.heads.get(*id));
            self.heads.replace(*id, entry + 1);
            self.counts.replace(*id, self.counts.get(*id) + 1);
        }
    }
}

/// The inverted index of a snapshot.
pub(crate) struct GrowingInverted {
    pub(crate) postings: Arc<Postings>,
    pub(crate) dictionary: GrowingDictionary,
    pub(crate) ids: Arc<Chunks<u32>>,
    /// Ends of rows among the entries, for a multi-value column.
    pub(crate) offsets: Option<Arc<Chunks<u32>>>,
    pub(crate) rows: u32,
    pub(crate) entries: u32,
}

impl GrowingInverted {
    fn count(&self, ids: &IdSet) -> u32 {
        let mut count = 0_u32;
        for id in ids.iter() {
            count = count.saturating_add(self.postings.counts.get(id));
            if count >= self.entries {
                return self.entries;
            }
        }
        count
    }

    /// Calls `f` for the entries of an id, last first.
    fn walk(&self, id: u32, mut f: impl FnMut(u32)) {
        let mut next = self.postings.heads.get(id);
        while next > 0 {
            if next <= self.entries {
                f(next - 1);
            }
            next = self.postings.links.get(next - 1);
        }
    }

    fn scan(&self, ids: &IdSet, mut f: impl FnMut(u32)) {
        let mut entry = 0_u32;
        self.ids.for_range(0..self.entries as usize, |piece| {
            for id in piece {
                if ids.contains(*id) {
                    f(entry);
                }
                entry += 1;
            }
        });
    }

    fn row_of(&self, entry: u32) -> u32 {
        let Some(ends) = &self.offsets else {
            return entry;
        };
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if ends.get(middle as usize) <= entry {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The rows of ids.
    pub(crate) fn docs(&self, ids: &IdSet) -> RoaringBitmap {
        let count = self.count(ids);
        let mut rows = RowCollector::new(self.rows, u64::from(count));
        if count > self.entries / 8 {
            self.scan(ids, |entry| rows.add(self.row_of(entry)));
        } else {
            for id in ids.iter() {
                self.walk(id, |entry| rows.add(self.row_of(entry)));
            }
        }
        rows.finish()
    }
}

impl IndexReader for GrowingInverted {
    fn id(&self) -> &'static str {
        "inverted_index"
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        let (ids, negated) = ids_of(&self.dictionary, predicate)?;
        let count = self.count(&ids).min(self.rows);
        Some(if negated {
            at_least_one(self.rows, count)
        } else {
            count
        })
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        let (ids, negated) = ids_of(&self.dictionary, predicate)?;
        let rows = self.docs(&ids);
        Some(Answer::Exact(if negated {
            complement(self.rows, rows)
        } else {
            rows
        }))
    }
}
