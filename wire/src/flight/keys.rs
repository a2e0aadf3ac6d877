//! Keys of tables, as Flight SQL tells them: there are none.
//!
//! Must not know: tables. Invariant: the columns are those that the protocol demands.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};

use super::answers::{Answer, of_batch};

/// Columns of primary keys.
pub(super) fn keys() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let named = |name: &str| Field::new(name, DataType::Utf8, false);
    Schema::new(vec![
        text("catalog_name"),
        text("db_schema_name"),
        named("table_name"),
        named("column_name"),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name"),
    ])
}

/// Columns of keys of other tables.
pub(super) fn foreign_keys() -> Schema {
    let text = |name: String, null: bool| Field::new(name, DataType::Utf8, null);
    let mut fields = Vec::new();
    for side in ["pk", "fk"] {
        fields.push(text(format!("{side}_catalog_name"), true));
        fields.push(text(format!("{side}_db_schema_name"), true));
        fields.push(text(format!("{side}_table_name"), false));
        fields.push(text(format!("{side}_column_name"), false));
    }
    fields.push(Field::new("key_sequence", DataType::Int32, false));
    fields.push(text("fk_key_name".to_owned(), true));
    fields.push(text("pk_key_name".to_owned(), true));
    fields.push(Field::new("update_rule", DataType::UInt8, false));
    fields.push(Field::new("delete_rule", DataType::UInt8, false));
    Schema::new(fields)
}

/// An answer without rows.
pub(super) fn nothing(schema: Schema) -> Answer {
    of_batch(RecordBatch::new_empty(Arc::new(schema)))
}
