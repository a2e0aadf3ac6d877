//! Whether a sealed segment is as schema and table config want it now.
//!
//! Must not know: who reloads. Invariant: a segment that was just built is current.

use common::{Schema, TableConfig};

use crate::format::footer::Encoding;
use crate::{SealedSegment, index};

/// True where a rebuild would change nothing but the file: every column is there, with the indexes that are wanted.
#[must_use]
pub fn is_current(segment: &SealedSegment, schema: &Schema, table: &TableConfig) -> bool {
    schema.fields.iter().all(|(_, field)| {
        let columns = &segment.metadata().columns;
        let Some(column) = columns.iter().find(|column| column.name == field.name) else {
            return false;
        };
        let raw = column.cardinality.is_none();
        index::TYPES.iter().all(|kind| {
            // A sorted column answers from its runs.
            let spared = column.encoding == Encoding::Sorted && kind.id() == "inverted_index";
            let wanted = kind.configure(table, field, raw).is_some() && !spared;
            wanted == column.indexes.iter().any(|id| id == kind.id())
        })
    })
}
