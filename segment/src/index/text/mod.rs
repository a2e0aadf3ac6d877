//! The text index: the words of each value with their rows, for queries in Lucene's syntax.
//!
//! Must not know: the columns beside. Invariant: it names every row that can match; phrases and what no list of words
//! answers are checked on the values themselves.

pub mod query;
pub mod words;

use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use self::query::{Clause, TextQuery};
use super::terms::{TermRows, Terms, TermsBuilder};
use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::{Answer, IndexReader, Predicate};

/// The kind.
pub(crate) struct TextIndex;

impl IndexType for TextIndex {
    fn id(&self) -> &'static str {
        "text_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, _raw: bool) -> Option<Json> {
        let asked = wanted(&[], table, field, "text");
        (field.data_type == DataType::String && asked).then_some(Json::Null)
    }

    fn build(&self, column: &ColumnSource<'_>, _settings: &Json, out: &mut Vec<u8>) -> bool {
        let Values::Text(values) = column.values else {
            return false;
        };
        let mut terms = TermsBuilder::default();
        let entries = column.ids.map_or(values.len(), <[u32]>::len);
        let mut row = 0_u32;
        for entry in 0..entries {
            if let Some(ends) = column.row_ends {
                while ends
                    .get(row as usize)
                    .is_some_and(|end| *end as usize <= entry)
                {
                    row += 1;
                }
            } else {
                row = entry as u32;
            }
            let at = column.ids.map_or(entry, |ids| ids[entry] as usize);
            for word in words::of(values.get(at)) {
                terms.add(word.as_bytes(), row);
            }
        }
        terms.write(out)
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let terms = Terms::open(&bytes, column.rows).ok_or("its terms are cut off")?;
        Ok(Arc::new(TextReader {
            terms,
            rows: column.rows,
        }))
    }
}

/// The index over terms wherever they are.
pub(crate) struct TextReader<T> {
    pub(crate) terms: T,
    pub(crate) rows: u32,
}

impl<T: TermRows> TextReader<T> {
    /// The rows that can match; `None` where that may be any.
    fn rows(&self, clause: &Clause) -> Option<RoaringBitmap> {
        match clause {
            Clause::Word(word) => Some(self.terms.rows(word.as_bytes())),
            Clause::Phrase(words, _) => words
                .iter()
                .map(|word| self.terms.rows(word.as_bytes()))
                .reduce(|a, b| a & b)
                .or_else(|| Some(RoaringBitmap::new())),
            Clause::Prefix(prefix) => Some(self.terms.rows_with(prefix.as_bytes(), &|_| true)),
            Clause::Pattern(_) | Clause::Fuzzy(..) => Some(self.terms.rows_with(b"", &|term| {
                std::str::from_utf8(term).is_ok_and(|word| clause.accepts_word(word))
            })),
            Clause::Everything => None,
            Clause::Bool {
                must,
                should,
                must_not: _,
            } => {
                let required = must.iter().filter_map(|one| self.rows(one));
                if let Some(all) = required.reduce(|a, b| a & b) {
                    return Some(all);
                }
                if !must.is_empty() {
                    return None;
                }
                should
                    .iter()
                    .map(|one| self.rows(one))
                    .try_fold(RoaringBitmap::new(), |all, one| Some(all | one?))
            }
        }
    }
}

impl<T: TermRows> IndexReader for TextReader<T> {
    fn id(&self) -> &'static str {
        TextIndex.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        match predicate {
            Predicate::TextMatch(_) => Some(self.rows),
            _ => None,
        }
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        let Predicate::TextMatch(text) = predicate else {
            return None;
        };
        let parsed = TextQuery::parse(text).ok()?;
        self.rows(parsed.root()).map(Answer::AtMost)
    }
}
