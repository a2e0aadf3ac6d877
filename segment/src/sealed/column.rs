//! A column of a sealed segment.
//!
//! Must not know: the file's layout beyond its own buffers. Invariant: rows and entries are clipped to what there is.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use common::{ArrayVec, ColumnType, Values};
use roaring::RoaringBitmap;

use super::dictionary::SealedDictionary;
use super::forward::{Forward, u32_at};
use crate::buffer::map::Region;
use crate::{Column, ColumnStats, Dictionary, Docs, IdSet, IndexReader};

/// A mapped column.
pub(crate) struct SealedColumn {
    pub(crate) column_type: ColumnType,
    pub(crate) stats: ColumnStats,
    pub(crate) rows: u32,
    pub(crate) entries: u32,
    pub(crate) forward: Forward,
    pub(crate) row_ends: Option<Region>,
    pub(crate) dictionary: Option<Arc<SealedDictionary>>,
    pub(crate) null_bytes: Region,
    pub(crate) nulls: OnceLock<Option<Arc<RoaringBitmap>>>,
    pub(crate) indexes: Vec<Arc<dyn IndexReader>>,
}

/// Entries of some rows.
enum Entries {
    Range(Range<u32>),
    List(Vec<u32>),
}

impl Entries {
    fn docs(&self) -> Docs<'_> {
        match self {
            Self::Range(range) => Docs::Range(range.clone()),
            Self::List(list) => Docs::List(list),
        }
    }
}

/// The entries of a row by the ends of all rows; damaged ends give a shorter range.
pub(crate) fn row_entries(ends: &[u8], row: u32, entries: u32) -> Range<u32> {
    let row = row as usize;
    let start = if row == 0 { 0 } else { u32_at(ends, row - 1) }.min(entries);
    start..u32_at(ends, row).clamp(start, entries)
}

impl SealedColumn {
    /// The entries of rows, and their offsets.
    fn entries(&self, ends: &[u8], docs: &Docs<'_>, offsets: &mut Vec<u32>) -> Entries {
        offsets.clear();
        offsets.push(0);
        match docs {
            Docs::Range(range) if range.is_empty() => Entries::Range(0..0),
            Docs::Range(range) => {
                let first = row_entries(ends, range.start, self.entries).start;
                let mut last = first;
                for row in range.clone() {
                    last = u32_at(ends, row as usize).clamp(last, self.entries);
                    offsets.push(last - first);
                }
                Entries::Range(first..last)
            }
            Docs::List(list) => {
                let mut positions = Vec::new();
                for row in *list {
                    positions.extend(row_entries(ends, *row, self.entries));
                    offsets.push(positions.len() as u32);
                }
                Entries::List(positions)
            }
        }
    }

    fn gather(&self, entries: &Docs<'_>) -> Values {
        match &self.dictionary {
            Some(dictionary) => {
                let mut ids = Vec::new();
                self.forward.ids(entries, &mut ids);
                dictionary.decode(&ids)
            }
            None => self.forward.values(entries),
        }
    }
}

impl Column for SealedColumn {
    fn column_type(&self) -> ColumnType {
        self.column_type
    }

    fn stats(&self) -> ColumnStats {
        self.stats.clone()
    }

    fn dictionary(&self) -> Option<&dyn Dictionary> {
        self.dictionary.as_deref().map(|d| d as &dyn Dictionary)
    }

    fn ids(&self, docs: Docs<'_>, out: &mut Vec<u32>) {
        out.clear();
        self.forward.ids(&docs, out);
    }

    fn id_lists(&self, docs: Docs<'_>, offsets: &mut Vec<u32>, out: &mut Vec<u32>) {
        out.clear();
        let ends = self.row_ends.as_deref().unwrap_or(&[]);
        let entries = self.entries(ends, &docs, offsets);
        self.forward.ids(&entries.docs(), out);
    }

    fn values(&self, docs: Docs<'_>) -> Values {
        let Some(ends) = &self.row_ends else {
            return self.gather(&docs);
        };
        let mut offsets = Vec::with_capacity(docs.len() + 1);
        let entries = self.entries(ends, &docs, &mut offsets);
        Values::Array(ArrayVec {
            offsets,
            items: Box::new(self.gather(&entries.docs())),
        })
    }

    fn nulls(&self) -> Option<Arc<RoaringBitmap>> {
        if self.null_bytes.is_empty() {
            return None;
        }
        self.nulls
            .get_or_init(|| {
                RoaringBitmap::deserialize_from(&*self.null_bytes)
                    .inspect_err(|error| tracing::error!(%error, "null bitmap cannot be read"))
                    .ok()
                    .map(|mut nulls| {
                        nulls.remove_range(self.rows..);
                        Arc::new(nulls)
                    })
            })
            .clone()
    }

    fn sorted_docs(&self, ids: Range<u32>) -> Option<Range<u32>> {
        let Forward::Runs { ends, cardinality } = &self.forward else {
            return None;
        };
        let end_of = |id: u32| match id.min(*cardinality) {
            0 => 0,
            id => u32_at(ends, id as usize - 1).min(self.entries),
        };
        let start = end_of(ids.start);
        Some(start..end_of(ids.end).max(start))
    }

    fn match_ids(&self, rows: Range<u32>, ids: &IdSet, out: &mut Vec<u64>) -> bool {
        out.clear();
        self.row_ends.is_none() && self.forward.match_ids(rows, ids, out)
    }

    fn match_longs(&self, rows: Range<u32>, low: i64, high: i64, out: &mut Vec<u64>) -> bool {
        out.clear();
        match &self.forward {
            Forward::Packed(numbers, _) if self.row_ends.is_none() => {
                numbers.matching(rows, low, high, out);
                true
            }
            _ => false,
        }
    }

    fn sorted_longs(&self, low: i64, high: i64) -> Option<Range<u32>> {
        match &self.forward {
            Forward::Packed(numbers, _) if self.stats.sorted => Some(numbers.sorted(low, high)),
            _ => None,
        }
    }

    fn longs(&self, docs: &Docs<'_>, out: &mut Vec<i64>) -> bool {
        out.clear();
        match &self.forward {
            Forward::Packed(numbers, _) if self.row_ends.is_none() => {
                numbers.append(docs, out, |v| v);
                true
            }
            _ => crate::reader::widened(self.values(docs.clone()), out),
        }
    }

    fn indexes(&self) -> &[Arc<dyn IndexReader>] {
        &self.indexes
    }
}
