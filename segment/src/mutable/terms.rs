//! JSON and text indexes that grow with their column: the terms of each row as a hidden column of several values, with posting
//! lists.
//!
//! Must not know: queries. Invariant: what a row adds is visible exactly when the row is; an index that would hold too many terms
//! says that it cannot answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::schema::FieldRole;
use common::{ArrayVec, ColumnType, DataType, TextVec, Value, Values};
use roaring::RoaringBitmap;

use super::MAX_ENTRIES;
use super::column::ColumnWriter;
use super::postings::GrowingInverted;
use super::snapshot::{ColumnShared, PublishedColumn, growing_index};
use crate::format::codec::Codec;
use crate::index::json::JsonReader;
use crate::index::terms::TermRows;
use crate::index::text::TextReader;
use crate::index::{json, text};
use crate::plan::ColumnPlan;
use crate::rows::BatchColumn;
use crate::{Dictionary, IndexReader};

/// What readers share with the writer.
pub(crate) struct TermsShared {
    id: &'static str,
    column: Arc<ColumnShared>,
    complete: AtomicBool,
}

/// The writer.
pub(crate) struct TermsWriter {
    column: Box<ColumnWriter>,
    shared: Arc<TermsShared>,
}

impl TermsWriter {
    /// For an index of that id; `None` where it does not consist of terms.
    pub(crate) fn new(id: &'static str) -> Option<Self> {
        if !matches!(id, "json_index" | "text_index") {
            return None;
        }
        let column = Box::new(ColumnWriter::new(&ColumnPlan {
            name: id.to_owned(),
            column_type: ColumnType::mv(DataType::String),
            role: FieldRole::Dimension,
            raw: false,
            codec: Codec::PassThrough,
            nullable: false,
            default: Value::Array(DataType::String, Vec::new()),
            inverted: true,
            ranged: false,
            announced: Vec::new(),
            may_drop_dictionary: false,
            partition: None,
        }));
        let shared = Arc::new(TermsShared {
            id,
            column: column.shared(),
            complete: AtomicBool::new(true),
        });
        Some(Self { column, shared })
    }

    pub(crate) fn shared(&self) -> Arc<TermsShared> {
        Arc::clone(&self.shared)
    }

    /// Adds the terms of a batch's rows; `first_row` is the number of rows before it.
    pub(crate) fn append(&mut self, values: &Values, first_row: u32) {
        if !self.shared.complete.load(Ordering::Relaxed) {
            return;
        }
        let (mut offsets, mut items) = (vec![0_u32], TextVec::default());
        let mut terms = Vec::new();
        for row in 0..values.len() {
            terms.clear();
            self.terms_of(values, row, &mut terms);
            terms.sort_unstable();
            terms.dedup();
            terms.iter().for_each(|term| items.push(term));
            offsets.push(items.len() as u32);
        }
        if self.column.entries() + items.len() > MAX_ENTRIES {
            self.shared.complete.store(false, Ordering::Release);
            return;
        }
        let items = Box::new(Values::Text(items));
        let batch = BatchColumn::of(Values::Array(ArrayVec { offsets, items }));
        self.column.append(&batch, first_row);
    }

    fn terms_of(&self, values: &Values, row: usize, out: &mut Vec<String>) {
        let add = |text: &str, out: &mut Vec<String>| match self.shared.id {
            "json_index" => json::terms_of(text, &mut |term| out.push(term)),
            _ => out.extend(text::words::of(text)),
        };
        match values {
            Values::Text(texts) => add(texts.get(row), out),
            Values::Array(array) => {
                if let Values::Text(texts) = &*array.items {
                    array.range(row).for_each(|at| add(texts.get(at), out));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn publish(&mut self) -> PublishedColumn {
        self.column.publish()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.column.memory_bytes()
    }
}

/// The index as of a publish; `None` where it stopped to grow.
pub(crate) fn reader(
    shared: &Arc<TermsShared>,
    rows: u32,
    published: &PublishedColumn,
) -> Option<Arc<dyn IndexReader>> {
    if !shared.complete.load(Ordering::Acquire) {
        return None;
    }
    let terms = GrowingTerms(growing_index(&shared.column, rows, published)?);
    Some(match shared.id {
        "json_index" => Arc::new(JsonReader { terms, rows }),
        _ => Arc::new(TextReader { terms, rows }),
    })
}

/// Terms of a snapshot.
struct GrowingTerms(GrowingInverted);

impl TermRows for GrowingTerms {
    fn rows(&self, term: &[u8]) -> RoaringBitmap {
        let found = std::str::from_utf8(term)
            .ok()
            .and_then(|term| self.0.dictionary.find(&Value::String(term.to_owned())));
        found.map_or_else(RoaringBitmap::new, |id| {
            self.0.docs(&crate::IdSet::Run(id..id + 1))
        })
    }

    fn rows_with(&self, prefix: &[u8], test: &dyn Fn(&[u8]) -> bool) -> RoaringBitmap {
        let ids = self.0.dictionary.matching_text(&mut |term| {
            term.as_bytes().starts_with(prefix) && test(term.as_bytes())
        });
        self.0.docs(&ids)
    }
}
