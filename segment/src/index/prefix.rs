//! The indexes for patterns (`fst`, `ifst`): the ids of a text dictionary in the order of their bytes, or of their letters
//! without case, so that an anchored pattern looks only at values that begin as it does.
//!
//! | part | content |
//! |---|---|
//! | ids | `u32` each, as many as values |
//!
//! Must not know: rows. Invariant: every value that matches is among the candidates; the pattern itself runs on those alone.

use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use functions::pattern::prefixes;
use serde_json::Value as Json;

use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::{Answer, Dictionary, IndexReader, Predicate};

/// The kinds.
pub(crate) struct Prefix {
    id: &'static str,
    config: &'static str,
    any_case: bool,
}

impl Prefix {
    /// `fst`.
    pub(crate) const EXACT: Self = Self {
        id: "fst_index",
        config: "fst",
        any_case: false,
    };
    /// `ifst`.
    pub(crate) const ANY_CASE: Self = Self {
        id: "ifst_index",
        config: "ifst",
        any_case: true,
    };
}

/// A character without its case. Texts that begin alike still do so afterwards, whatever this answers.
fn folded(text: &str, any_case: bool) -> String {
    if !any_case {
        return text.to_owned();
    }
    let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
    text.chars().map(lower).collect()
}

impl IndexType for Prefix {
    fn id(&self) -> &'static str {
        self.id
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, raw: bool) -> Option<Json> {
        let textual = field.data_type == DataType::String && field.single_value_field;
        (textual && !raw && wanted(&[], table, field, self.config)).then_some(Json::Null)
    }

    fn build(&self, column: &ColumnSource<'_>, _settings: &Json, out: &mut Vec<u8>) -> bool {
        let (Values::Text(values), Some(_)) = (column.values, column.ids) else {
            return false;
        };
        let keys: Vec<String> = values.iter().map(|v| folded(v, self.any_case)).collect();
        let mut ids: Vec<u32> = (0..keys.len() as u32).collect();
        ids.sort_by(|a, b| keys[*a as usize].cmp(&keys[*b as usize]));
        ids.iter().for_each(|id| out.extend(id.to_le_bytes()));
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let dictionary = column.dictionary.clone().ok_or("no dictionary")?;
        let expected = u64::from(dictionary.len()) * 4;
        if bytes.len() as u64 != expected {
            return Err(format!("{} bytes, expected {expected}", bytes.len()));
        }
        Ok(Arc::new(PrefixReader {
            id: self.id,
            any_case: self.any_case,
            ids: bytes,
            dictionary,
        }))
    }
}

struct PrefixReader {
    id: &'static str,
    any_case: bool,
    ids: Region,
    dictionary: Arc<dyn Dictionary>,
}

impl PrefixReader {
    fn id_at(&self, at: usize) -> u32 {
        let chunk = self
            .ids
            .get(at * 4..)
            .and_then(|rest| rest.first_chunk::<4>());
        let id = chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk));
        id.min(self.dictionary.len().saturating_sub(1))
    }

    fn key_at(&self, at: usize) -> String {
        let value = self.dictionary.value(self.id_at(at));
        folded(value.as_str().unwrap_or_default(), self.any_case)
    }

    /// The first place whose key does not pass the test; all that pass it come before.
    fn partition(&self, from: usize, before: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (from, self.dictionary.len() as usize);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(&self.key_at(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl IndexReader for PrefixReader {
    fn id(&self) -> &'static str {
        self.id
    }

    fn estimate(&self, _predicate: &Predicate) -> Option<u32> {
        None
    }

    fn matching(&self, _predicate: &Predicate) -> Option<Answer> {
        None
    }

    fn candidates(&self, predicate: &Predicate) -> Option<Vec<u32>> {
        let Predicate::RegexpLike {
            pattern,
            ignore_case,
        } = predicate
        else {
            return None;
        };
        let mut wanted: Vec<String> = prefixes(pattern, *ignore_case)?
            .iter()
            .map(|prefix| folded(prefix, self.any_case))
            .collect();
        wanted.sort_unstable();
        wanted.dedup_by(|later, kept| later.starts_with(kept.as_str()));
        let mut found = Vec::new();
        for prefix in &wanted {
            let first = self.partition(0, |key| key < prefix.as_str());
            let end = self.partition(first, |key| key.starts_with(prefix.as_str()));
            found.extend((first..end).map(|at| self.id_at(at)));
        }
        Some(found)
    }
}
