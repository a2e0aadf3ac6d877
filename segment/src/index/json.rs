//! The JSON index: for every key of the flattened documents, and every key with its value, the rows that have it.
//!
//! Must not know: the columns beside. Invariant: it names every row that can match; conditions that tie several keys to one
//! record, positions and patterns are checked on the documents themselves.

use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use functions::json::{Candidates, JsonMatch, flatten};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use super::terms::{TermRows, Terms, TermsBuilder};
use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::{Answer, IndexReader, Predicate};

/// The kind.
pub(crate) struct JsonIndex;

/// Between a key and its value; a key alone ends before it.
const SEPARATOR: char = '\0';

impl IndexType for JsonIndex {
    fn id(&self) -> &'static str {
        "json_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, _raw: bool) -> Option<Json> {
        let indexing = &table.table_index_config;
        let by_config = indexing.json_index_configs.contains_key(&field.name);
        let textual = matches!(
            field.data_type,
            DataType::String | DataType::Json | DataType::Map
        );
        let asked = by_config || wanted(&indexing.json_index_columns, table, field, "json");
        (textual && field.single_value_field && asked).then_some(Json::Null)
    }

    fn build(&self, column: &ColumnSource<'_>, _settings: &Json, out: &mut Vec<u8>) -> bool {
        let Values::Text(values) = column.values else {
            return false;
        };
        let mut terms = TermsBuilder::default();
        let mut add = |row: u32, text: &str| {
            terms_of(text, &mut |term| terms.add(term.as_bytes(), row));
        };
        match column.ids {
            None => (0..)
                .zip(values.iter())
                .for_each(|(row, text)| add(row, text)),
            Some(ids) => {
                for (row, id) in (0..).zip(ids) {
                    add(row, values.get(*id as usize));
                }
            }
        }
        terms.write(out)
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let terms = Terms::open(&bytes, column.rows).ok_or("its terms are cut off")?;
        Ok(Arc::new(JsonReader {
            terms,
            rows: column.rows,
        }))
    }
}

/// Calls `f` with the terms of a document.
pub(crate) fn terms_of(text: &str, f: &mut dyn FnMut(String)) {
    for record in flatten(text) {
        for (key, value) in record {
            f(with_value(&key, &value));
            f(key);
        }
    }
}

fn with_value(key: &str, value: &str) -> String {
    let mut term = String::with_capacity(key.len() + value.len() + 1);
    term.push_str(key);
    term.push(SEPARATOR);
    term.push_str(value);
    term
}

/// The index over terms wherever they are.
pub(crate) struct JsonReader<T> {
    pub(crate) terms: T,
    pub(crate) rows: u32,
}

impl<T: TermRows> JsonReader<T> {
    /// The rows that can match; `None` where that is all of them.
    fn rows(&self, candidates: &Candidates) -> Option<RoaringBitmap> {
        match candidates {
            Candidates::All => None,
            Candidates::Key(key) => Some(self.terms.rows(key.as_bytes())),
            Candidates::Values(key, values) => Some(
                values
                    .iter()
                    .map(|value| self.terms.rows(with_value(key, value).as_bytes()))
                    .fold(RoaringBitmap::new(), |all, one| all | one),
            ),
            Candidates::And(all) => all
                .iter()
                .filter_map(|one| self.rows(one))
                .reduce(|a, b| a & b),
            Candidates::Or(any) => any
                .iter()
                .map(|one| self.rows(one))
                .try_fold(RoaringBitmap::new(), |all, one| Some(all | one?)),
        }
    }
}

impl<T: TermRows> IndexReader for JsonReader<T> {
    fn id(&self) -> &'static str {
        JsonIndex.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        match predicate {
            Predicate::JsonMatch(_) => Some(self.rows),
            _ => None,
        }
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        let Predicate::JsonMatch(condition) = predicate else {
            return None;
        };
        let parsed = JsonMatch::parse(condition).ok()?;
        self.rows(&parsed.candidates()).map(Answer::AtMost)
    }
}
