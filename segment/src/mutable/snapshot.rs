//! A snapshot of a mutable segment: its rows are fixed, its memory is shared with the writer.
//!
//! Must not know: batches. Invariant: nothing above the published counts is ever read.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use common::{ArrayVec, ColumnType, Value, Values};
use hashbrown::HashMap;
use roaring::RoaringBitmap;

use super::dictionary::GrowingDictionary;
use super::extremes::{Extremes, GrowingRange};
use super::hash_table::Table;
use super::postings::{GrowingInverted, Postings};
use super::store::Store;
use super::terms::{self, TermsShared};
use crate::buffer::chunks::Chunks;
use crate::index::{Announced, Unbuilt};
use crate::{Column, ColumnStats, Dictionary, Docs, IndexReader, Segment};

/// How a column keeps its values.
pub(crate) enum Encoded {
    Dictionary {
        store: Store,
        table: Arc<ArcSwap<Table>>,
        ids: Arc<Chunks<u32>>,
        postings: Option<Arc<Postings>>,
    },
    Raw(Store),
}

/// What the readers of a column share with its writer.
pub(crate) struct ColumnShared {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) encoded: Encoded,
    pub(crate) announced: Vec<Announced>,
    /// Indexes of terms, which are kept.
    pub(crate) terms: Vec<Arc<TermsShared>>,
    /// Of a range index.
    pub(crate) extremes: Option<Extremes>,
    pub(crate) offsets: Option<Arc<Chunks<u32>>>,
    pub(crate) nulls: Option<Arc<Chunks<u32>>>,
}

/// Counts of a column at a publish.
pub(crate) struct PublishedColumn {
    pub(crate) dictionary_len: u32,
    pub(crate) entries: u32,
    pub(crate) nulls: u32,
    pub(crate) max_entries: u32,
    pub(crate) min_max: Option<(Value, Value)>,
    /// Counts of the hidden columns of terms.
    pub(crate) terms: Vec<PublishedColumn>,
}

/// The dictionary of a column as of a publish.
fn growing_dictionary(
    shared: &ColumnShared,
    published: &PublishedColumn,
) -> Option<GrowingDictionary> {
    let Encoded::Dictionary { store, table, .. } = &shared.encoded else {
        return None;
    };
    Some(GrowingDictionary {
        store: store.clone(),
        table: Arc::clone(table),
        len: published.dictionary_len,
        data_type: shared.column_type.data_type,
    })
}

/// The inverted index of a column as of a publish.
pub(crate) fn growing_index(
    shared: &ColumnShared,
    rows: u32,
    published: &PublishedColumn,
) -> Option<GrowingInverted> {
    let Encoded::Dictionary {
        ids,
        postings: Some(postings),
        ..
    } = &shared.encoded
    else {
        return None;
    };
    Some(GrowingInverted {
        postings: Arc::clone(postings),
        dictionary: growing_dictionary(shared, published)?,
        ids: Arc::clone(ids),
        offsets: shared.offsets.clone(),
        rows,
        entries: published.entries,
    })
}

/// A column of a snapshot.
struct SnapshotColumn {
    shared: Arc<ColumnShared>,
    rows: u32,
    published: PublishedColumnView,
    dictionary: Option<GrowingDictionary>,
    nulls: OnceLock<Option<Arc<RoaringBitmap>>>,
    indexes: Vec<Arc<dyn IndexReader>>,
}

struct PublishedColumnView {
    entries: u32,
    nulls: u32,
    stats: ColumnStats,
}

impl SnapshotColumn {
    fn new(shared: &Arc<ColumnShared>, rows: u32, published: &PublishedColumn) -> Self {
        let mut indexes: Vec<Arc<dyn IndexReader>> = Vec::new();
        for (terms, published) in shared.terms.iter().zip(&published.terms) {
            indexes.extend(terms::reader(terms, rows, published));
        }
        for announced in &shared.announced {
            if indexes.iter().all(|index| index.id() != announced.0) {
                indexes.push(Arc::new(Unbuilt(announced.clone())));
            }
        }
        let dictionary = growing_dictionary(shared, published);
        if let Some(extremes) = &shared.extremes {
            indexes.push(Arc::new(GrowingRange::new(extremes, shared, rows)));
        }
        if let Some(index) = growing_index(shared, rows, published) {
            indexes.push(Arc::new(index));
        }
        let (min, max) = published.min_max.clone().unzip();
        Self {
            shared: Arc::clone(shared),
            rows,
            published: PublishedColumnView {
                entries: published.entries,
                nulls: published.nulls,
                stats: ColumnStats {
                    sum: None,
                    cardinality: dictionary.as_ref().map(|d| d.len),
                    min,
                    max,
                    sorted: false,
                    total_entries: u64::from(published.entries),
                    max_entries: published.max_entries,
                    partitions: None,
                },
            },
            dictionary,
            nulls: OnceLock::new(),
            indexes,
        }
    }

    fn row_range(&self, row: u32) -> std::ops::Range<u32> {
        let Some(offsets) = &self.shared.offsets else {
            return row..row + 1;
        };
        let start = if row == 0 {
            0
        } else {
            offsets.get(row as usize - 1)
        };
        start..offsets.get(row as usize).min(self.published.entries)
    }

    /// Positions of the entries of rows: a range where the rows are one, else a list; with the offsets of the rows.
    fn entries(&self, docs: &Docs<'_>, offsets: &mut Vec<u32>) -> Entries {
        offsets.clear();
        offsets.push(0);
        let mut total = 0;
        match docs {
            Docs::Range(range) if range.is_empty() => Entries::Range(0..0),
            Docs::Range(range) => {
                let first = self.row_range(range.start).start;
                for row in range.clone() {
                    offsets.push(self.row_range(row).end - first);
                }
                Entries::Range(first..first + offsets.last().copied().unwrap_or(0))
            }
            Docs::List(list) => {
                let mut positions = Vec::new();
                for row in *list {
                    let range = self.row_range(*row);
                    total += range.len() as u32;
                    positions.extend(range);
                    offsets.push(total);
                }
                Entries::List(positions)
            }
        }
    }

    fn gather_ids(&self, docs: &Docs<'_>, out: &mut Vec<u32>) {
        out.clear();
        let Encoded::Dictionary { ids, .. } = &self.shared.encoded else {
            return;
        };
        out.reserve(docs.len());
        match docs {
            Docs::Range(range) => {
                ids.for_range(range.start as usize..range.end as usize, |piece| {
                    out.extend_from_slice(piece);
                })
            }
            Docs::List(list) => ids.for_list(list, |id| out.push(id)),
        }
    }

    fn gather_values(&self, docs: &Docs<'_>) -> Values {
        match &self.shared.encoded {
            Encoded::Dictionary { store, .. } => {
                let mut ids = Vec::new();
                self.gather_ids(docs, &mut ids);
                store.decode(&ids)
            }
            Encoded::Raw(store) => store.gather(docs),
        }
    }
}

enum Entries {
    Range(std::ops::Range<u32>),
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

impl Column for SnapshotColumn {
    fn column_type(&self) -> ColumnType {
        self.shared.column_type
    }

    fn stats(&self) -> ColumnStats {
        self.published.stats.clone()
    }

    fn dictionary(&self) -> Option<&dyn Dictionary> {
        self.dictionary.as_ref().map(|d| d as &dyn Dictionary)
    }

    fn ids(&self, docs: Docs<'_>, out: &mut Vec<u32>) {
        self.gather_ids(&docs, out);
    }

    fn id_lists(&self, docs: Docs<'_>, offsets: &mut Vec<u32>, out: &mut Vec<u32>) {
        let entries = self.entries(&docs, offsets);
        self.gather_ids(&entries.docs(), out);
    }

    fn values(&self, docs: Docs<'_>) -> Values {
        if self.shared.offsets.is_none() {
            return self.gather_values(&docs);
        }
        let mut offsets = Vec::with_capacity(docs.len() + 1);
        let entries = self.entries(&docs, &mut offsets);
        Values::Array(ArrayVec {
            offsets,
            items: Box::new(self.gather_values(&entries.docs())),
        })
    }

    fn nulls(&self) -> Option<Arc<RoaringBitmap>> {
        let rows = self.shared.nulls.as_ref()?;
        self.nulls
            .get_or_init(|| {
                let mut bitmap = RoaringBitmap::new();
                rows.for_range(0..self.published.nulls as usize, |piece| {
                    bitmap.extend(piece.iter().copied().filter(|row| *row < self.rows));
                });
                (!bitmap.is_empty()).then(|| Arc::new(bitmap))
            })
            .clone()
    }

    fn indexes(&self) -> &[Arc<dyn IndexReader>] {
        &self.indexes
    }
}

/// What one publish makes visible.
pub(crate) struct Published {
    pub(crate) rows: u32,
    pub(crate) last_indexed_ms: Option<i64>,
    pub(crate) time_range_ms: Option<(i64, i64)>,
    /// Rows that count, where not all do.
    pub(crate) valid: Option<Arc<RoaringBitmap>>,
    pub(crate) columns: Vec<PublishedColumn>,
}

/// The snapshot.
pub(crate) struct Snapshot {
    name: Arc<str>,
    rows: u32,
    last_indexed_ms: Option<i64>,
    time_range_ms: Option<(i64, i64)>,
    valid: Option<Arc<RoaringBitmap>>,
    columns: Vec<SnapshotColumn>,
    positions: Arc<HashMap<String, usize>>,
}

impl Snapshot {
    pub(crate) fn new(
        name: Arc<str>,
        shared: &[Arc<ColumnShared>],
        positions: Arc<HashMap<String, usize>>,
        published: &Published,
    ) -> Self {
        Self {
            name,
            rows: published.rows,
            last_indexed_ms: published.last_indexed_ms,
            time_range_ms: published.time_range_ms,
            valid: published.valid.clone(),
            columns: shared
                .iter()
                .zip(&published.columns)
                .map(|(shared, column)| SnapshotColumn::new(shared, published.rows, column))
                .collect(),
            positions,
        }
    }
}

impl Segment for Snapshot {
    fn name(&self) -> &str {
        &self.name
    }

    fn doc_count(&self) -> u32 {
        self.rows
    }

    fn valid_docs(&self) -> Option<Arc<RoaringBitmap>> {
        self.valid.clone()
    }

    fn column(&self, name: &str) -> Option<&dyn Column> {
        let column = self.columns.get(*self.positions.get(name)?)?;
        Some(column)
    }

    fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.shared.name.clone()).collect()
    }

    fn time_range_ms(&self) -> Option<(i64, i64)> {
        self.time_range_ms
    }

    fn is_consuming(&self) -> bool {
        true
    }

    fn last_indexed_ms(&self) -> Option<i64> {
        self.last_indexed_ms
    }
}
