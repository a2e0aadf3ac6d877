//! Schemas, tables and what the server can do, as Flight SQL tells them.
//!
//! Must not know: calls. Invariant: only tables of the caller's are told.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::error::Result;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, SqlInfo,
};

use crate::arrow_table;
use crate::source::{DEFAULT_NAMESPACE, Table};

/// The only catalog.
const CATALOG: &str = "touriga";
/// The only kind of table.
const KIND: &str = "TABLE";

/// What the server can do.
pub(super) static ABILITIES: LazyLock<Option<SqlInfoData>> = LazyLock::new(|| {
    let mut told = SqlInfoDataBuilder::new();
    told.append(SqlInfo::FlightSqlServerName, "Touriga");
    told.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    told.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    told.append(SqlInfo::FlightSqlServerReadOnly, true);
    told.append(SqlInfo::FlightSqlServerSql, true);
    told.append(SqlInfo::FlightSqlServerSubstrait, false);
    told.append(SqlInfo::FlightSqlServerTransaction, 0_i32);
    told.append(SqlInfo::FlightSqlServerCancel, false);
    told.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    told.build().ok()
});

/// Kinds of types that clients may create: none.
pub(super) static TYPES: LazyLock<Option<XdbcTypeInfoData>> =
    LazyLock::new(|| XdbcTypeInfoDataBuilder::new().build().ok());

pub(super) fn catalogs(query: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut told = query.into_builder();
    told.append(CATALOG);
    told.build()
}

pub(super) fn schemas(query: CommandGetDbSchemas, tables: &[Table]) -> Result<RecordBatch> {
    let mut told = query.into_builder();
    let mut names: Vec<&str> = tables
        .iter()
        .map(Table::namespace)
        .chain([DEFAULT_NAMESPACE])
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        told.append(CATALOG, name);
    }
    told.build()
}

pub(super) fn tables(query: CommandGetTables, tables: &[Table]) -> Result<RecordBatch> {
    let mut told = query.into_builder();
    for table in tables {
        told.append(
            CATALOG,
            table.namespace(),
            table.plain_name(),
            KIND,
            &columns(table),
        )?;
    }
    told.build()
}

fn columns(table: &Table) -> Schema {
    let fields = &table.schema.fields;
    let names: Vec<String> = fields.iter().map(|(_, f)| f.name.clone()).collect();
    let types: Vec<_> = fields.iter().map(|(_, f)| f.column_type()).collect();
    arrow_table::schema(&names, &types)
}

pub(super) fn kinds(query: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut told = query.into_builder();
    told.append(KIND);
    told.build()
}
