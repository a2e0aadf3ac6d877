//! Optional indexes of sealed segments: one file and one row in [`TYPES`] each.
//!
//! Must not know: who asks. Invariant: an index answers what a full scan would, or says that it cannot.

pub(crate) mod bloom;
pub(crate) mod collect;
pub(crate) mod h3;
pub(crate) mod inverted;
pub(crate) mod json;
pub(crate) mod prefix;
pub(crate) mod range;
pub mod star_tree;
pub(crate) mod terms;
pub mod text;
pub(crate) mod vector;

use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use crate::buffer::map::Region;
use crate::{Dictionary, IdSet, IndexReader, Predicate};

/// A kind of index.
pub(crate) trait IndexType: Send + Sync {
    /// Under which it is stored and shown.
    fn id(&self) -> &'static str;

    /// Its settings for a column, `None` where it is not wanted or the column cannot have it.
    fn configure(&self, table: &TableConfig, field: &FieldSpec, raw: bool) -> Option<Json>;

    /// Appends its bytes; false where there is nothing to build.
    fn build(&self, column: &ColumnSource<'_>, settings: &Json, out: &mut Vec<u8>) -> bool;

    /// Opens its bytes without reading them all.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String>;
}

/// Every kind of index, in the order in which a column's are asked.
pub(crate) static TYPES: &[&dyn IndexType] = &[
    &bloom::Bloom,
    &inverted::Inverted,
    &range::RangeIndex,
    &json::JsonIndex,
    &text::TextIndex,
    &vector::VectorIndex,
    &prefix::Prefix::EXACT,
    &prefix::Prefix::ANY_CASE,
    &h3::H3Index,
];

/// The kind of an id.
pub(crate) fn by_id(id: &str) -> Option<&'static dyn IndexType> {
    TYPES.iter().copied().find(|kind| kind.id() == id)
}

/// An index that a growing segment is asked for but does not keep: rows are tested one by one.
pub(crate) struct Unbuilt(pub(crate) Announced);

/// The id and the settings of an index that a growing segment announces.
pub(crate) type Announced = (&'static str, Json);

impl IndexReader for Unbuilt {
    fn id(&self) -> &'static str {
        self.0.0
    }

    fn among(&self, predicate: &Predicate, values: &Values) -> Option<RoaringBitmap> {
        let Predicate::Nearest { target, top_k } = predicate else {
            return None;
        };
        Some(vector::among(values, &self.0.1, target, *top_k))
    }

    fn estimate(&self, _predicate: &Predicate) -> Option<u32> {
        None
    }

    fn matching(&self, _predicate: &Predicate) -> Option<crate::Answer> {
        None
    }
}

/// The indexes without which a query is refused, as a growing segment announces them.
pub(crate) fn unbuilt(table: &TableConfig, field: &FieldSpec) -> Vec<Announced> {
    let needed: [&dyn IndexType; 3] = [&json::JsonIndex, &text::TextIndex, &vector::VectorIndex];
    let needed = needed.into_iter();
    needed
        .filter_map(|kind| Some((kind.id(), kind.configure(table, field, false)?)))
        .collect()
}

/// True where a range index is configured.
pub(crate) fn ranged(table: &TableConfig, field: &FieldSpec, raw: bool) -> bool {
    range::RangeIndex.configure(table, field, raw).is_some()
}

/// What an index is built from.
pub(crate) struct ColumnSource<'a> {
    /// Type of a value.
    pub(crate) data_type: DataType,
    /// Sorted distinct values of a column with dictionary, else the values of all entries.
    pub(crate) values: &'a Values,
    /// Ids of all entries, where there is a dictionary.
    pub(crate) ids: Option<&'a [u32]>,
    /// End of each row among the entries, for a multi-value column.
    pub(crate) row_ends: Option<&'a [u32]>,
}

/// What an open index may use of its column.
pub(crate) struct ColumnContext {
    pub(crate) data_type: DataType,
    pub(crate) rows: u32,
    pub(crate) entries: u32,
    pub(crate) dictionary: Option<Arc<dyn Dictionary>>,
    pub(crate) row_ends: Option<Region>,
}

/// True where the config asks for an index by one of its lists or a field config.
pub(crate) fn wanted(list: &[String], table: &TableConfig, field: &FieldSpec, id: &str) -> bool {
    list.contains(&field.name)
        || table
            .field_config(&field.name)
            .is_some_and(|config| config.asks_for(id))
}

/// A predicate as dictionary ids: the set, and whether the rows without them are wanted. `None` where it has no such form.
#[must_use]
pub fn ids_of(dictionary: &dyn Dictionary, predicate: &Predicate) -> Option<(IdSet, bool)> {
    let cardinality = dictionary.len();
    let one = |value| {
        let id = dictionary.find(value);
        id.map_or_else(IdSet::none, |id| IdSet::Run(id..id + 1))
    };
    let many = |values: &[common::Value]| {
        let ids: Vec<u32> = values.iter().filter_map(|v| dictionary.find(v)).collect();
        IdSet::from_ids(cardinality, &ids)
    };
    Some(match predicate {
        Predicate::Ids(ids) => (ids.clone(), false),
        Predicate::Eq(value) => (one(value), false),
        Predicate::NotEq(value) => (one(value), true),
        Predicate::In(values) => (many(values), false),
        Predicate::NotIn(values) => (many(values), true),
        Predicate::Range { lower, upper } => (dictionary.range(lower, upper), false),
        Predicate::RegexpLike { .. }
        | Predicate::JsonMatch(_)
        | Predicate::TextMatch(_)
        | Predicate::Nearest { .. }
        | Predicate::Distance { .. }
        | Predicate::Within { .. } => {
            return None;
        }
    })
}
