//! The tables of the catalog, out of the tables of the caller.
//!
//! Must not know: SQL. Invariant: a table has the columns of its line below, in their order; a cell that nobody gives is nought, false or null.

use std::collections::BTreeSet;
use std::sync::Arc;

use common::schema::FieldSpec;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Int16Array, Int32Array, Int64Array, RecordBatch,
    StringArray, UInt32Array,
};
use datafusion::error::Result;

use super::describe::{MORE_TYPES, type_name};
use super::empty::EMPTY;
use super::{Facts, oid_of};
use crate::postgres::kind::{BASES, Base, Kind};
use crate::postgres::settings::VERSION;
use crate::source::{DEFAULT_NAMESPACE, Table};

/// A cell.
#[derive(Clone)]
enum Cell {
    Text(String),
    Whole(i64),
    Truth(bool),
}

type Row = Vec<(&'static str, Cell)>;

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

fn whole(value: impl Into<i64>) -> Cell {
    Cell::Whole(value.into())
}

const OWNER: i64 = 10;
const PG_CATALOG: i64 = 11;
const PUBLIC: i64 = 2200;
const INFORMATION_SCHEMA: i64 = 13_000;
const HEAP: i64 = 2;

/// Tables that have rows: schema, name, columns with a letter of their type (o id, 2, 4 and 8 bytes of whole numbers, f fraction, b truth,
/// t text), and who fills them.
type Filled = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Facts) -> Vec<Row>,
);

const FILLED: &[Filled] = &[
    (
        "pg_catalog",
        "pg_namespace",
        "oid:o nspname:t nspowner:o nspacl:t",
        namespaces,
    ),
    (
        "pg_catalog",
        "pg_class",
        "oid:o relname:t relnamespace:o reltype:o reloftype:o relowner:o relam:o relfilenode:o reltablespace:o relpages:4 \
         reltuples:f relallvisible:4 reltoastrelid:o relhasindex:b relisshared:b relpersistence:t relkind:t relnatts:2 relchecks:2 \
         relhasrules:b relhastriggers:b relhassubclass:b relrowsecurity:b relforcerowsecurity:b relispopulated:b relreplident:t \
         relispartition:b relrewrite:o relfrozenxid:8 relminmxid:8 relacl:t reloptions:t relpartbound:t xmin:8",
        classes,
    ),
    (
        "pg_catalog",
        "pg_attribute",
        "attrelid:o attname:t atttypid:o attstattarget:4 attlen:2 attnum:2 attndims:4 attcacheoff:4 atttypmod:4 attbyval:b \
         attalign:t attstorage:t attcompression:t attnotnull:b atthasdef:b atthasmissing:b attidentity:t attgenerated:t \
         attisdropped:b attislocal:b attinhcount:4 attcollation:o attacl:t attoptions:t attfdwoptions:t attmissingval:t",
        attributes,
    ),
    (
        "pg_catalog",
        "pg_type",
        "oid:o typname:t typnamespace:o typowner:o typlen:2 typbyval:b typtype:t typcategory:t typispreferred:b typisdefined:b \
         typdelim:t typrelid:o typsubscript:t typelem:o typarray:o typinput:t typoutput:t typreceive:t typsend:t typmodin:t \
         typmodout:t typanalyze:t typalign:t typstorage:t typnotnull:b typbasetype:o typtypmod:4 typndims:4 typcollation:o \
         typdefaultbin:t typdefault:t typacl:t",
        types,
    ),
    (
        "pg_catalog",
        "pg_database",
        "oid:o datname:t datdba:o encoding:4 datlocprovider:t datistemplate:b datallowconn:b datconnlimit:4 datfrozenxid:8 \
         datminmxid:8 dattablespace:o datcollate:t datctype:t daticulocale:t datcollversion:t datacl:t datlastsysoid:o",
        databases,
    ),
    (
        "pg_catalog",
        "pg_roles",
        "oid:o rolname:t rolsuper:b rolinherit:b rolcreaterole:b rolcreatedb:b rolcanlogin:b rolreplication:b rolconnlimit:4 \
         rolpassword:t rolvaliduntil:t rolbypassrls:b rolconfig:t",
        roles,
    ),
    (
        "pg_catalog",
        "pg_user",
        "usename:t usesysid:o usecreatedb:b usesuper:b userepl:b usebypassrls:b passwd:t valuntil:t useconfig:t",
        users,
    ),
    (
        "pg_catalog",
        "pg_am",
        "oid:o amname:t amhandler:t amtype:t",
        access_methods,
    ),
    (
        "pg_catalog",
        "pg_settings",
        "name:t setting:t unit:t category:t short_desc:t extra_desc:t context:t vartype:t source:t min_val:t max_val:t enumvals:t \
         boot_val:t reset_val:t sourcefile:t sourceline:4 pending_restart:b",
        parameters,
    ),
    (
        "pg_catalog",
        "pg_tables",
        "schemaname:t tablename:t tableowner:t tablespace:t hasindexes:b hasrules:b hastriggers:b rowsecurity:b",
        listed_tables,
    ),
    (
        "information_schema",
        "schemata",
        "catalog_name:t schema_name:t schema_owner:t default_character_set_catalog:t default_character_set_schema:t \
         default_character_set_name:t sql_path:t",
        schemata,
    ),
    (
        "information_schema",
        "tables",
        "table_catalog:t table_schema:t table_name:t table_type:t self_referencing_column_name:t reference_generation:t \
         user_defined_type_catalog:t user_defined_type_schema:t user_defined_type_name:t is_insertable_into:t is_typed:t \
         commit_action:t",
        tables,
    ),
    (
        "information_schema",
        "columns",
        "table_catalog:t table_schema:t table_name:t column_name:t ordinal_position:4 column_default:t is_nullable:t data_type:t \
         character_maximum_length:4 character_octet_length:4 numeric_precision:4 numeric_precision_radix:4 numeric_scale:4 \
         datetime_precision:4 interval_type:t interval_precision:4 character_set_catalog:t character_set_schema:t \
         character_set_name:t collation_catalog:t collation_schema:t collation_name:t domain_catalog:t domain_schema:t \
         domain_name:t udt_catalog:t udt_schema:t udt_name:t scope_catalog:t scope_schema:t scope_name:t \
         maximum_cardinality:4 dtd_identifier:t is_self_referencing:t is_identity:t identity_generation:t identity_start:t \
         identity_increment:t identity_maximum:t identity_minimum:t identity_cycle:t is_generated:t generation_expression:t \
         is_updatable:t",
        columns,
    ),
];

/// The tables of one schema of the catalog.
pub(super) fn of_schema(schema: &str, facts: &Facts) -> Result<Vec<(&'static str, RecordBatch)>> {
    let filled = FILLED
        .iter()
        .filter(|(of, ..)| *of == schema)
        .map(|(_, name, columns, rows)| Ok((*name, batch(columns, &rows(facts))?)));
    let empty = EMPTY
        .iter()
        .filter(|(of, ..)| *of == schema)
        .map(|(_, name, columns)| Ok((*name, batch(columns, &[])?)));
    filled.chain(empty).collect()
}

fn batch(columns: &str, rows: &[Row]) -> Result<RecordBatch> {
    let arrays = columns.split_whitespace().map(|column| {
        let (name, letter) = column.split_once(':').unwrap_or((column, "t"));
        let cells = rows
            .iter()
            .map(|row| row.iter().find(|(n, _)| *n == name).map(|(_, cell)| cell));
        (name, array(letter, cells), true)
    });
    Ok(RecordBatch::try_from_iter_with_nullable(arrays)?)
}

fn array<'a>(letter: &str, cells: impl Iterator<Item = Option<&'a Cell>>) -> ArrayRef {
    let number = |cell: Option<&Cell>| match cell {
        Some(Cell::Whole(value)) => *value,
        _ => 0,
    };
    match letter {
        "o" => Arc::new(UInt32Array::from_iter_values(
            cells.map(|c| u32::try_from(number(c)).unwrap_or(0)),
        )),
        "2" => Arc::new(Int16Array::from_iter_values(
            cells.map(|c| i16::try_from(number(c)).unwrap_or(0)),
        )),
        "4" => Arc::new(
            cells
                .map(|c| c.map(|_| i32::try_from(number(c)).unwrap_or(0)))
                .collect::<Int32Array>(),
        ),
        "8" => Arc::new(Int64Array::from_iter_values(cells.map(number))),
        "f" => Arc::new(Float32Array::from_iter_values(
            cells.map(|c| number(c) as f32),
        )),
        "b" => Arc::new(
            cells
                .map(|c| Some(matches!(c, Some(Cell::Truth(true)))))
                .collect::<BooleanArray>(),
        ),
        _ => Arc::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Text(value)) => Some(value.clone()),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
    }
}

fn namespace_oid(name: &str) -> i64 {
    if name == DEFAULT_NAMESPACE {
        PUBLIC
    } else {
        oid_of("schema", name).into()
    }
}

fn namespaces_of(facts: &Facts) -> BTreeSet<&str> {
    let own = facts.tables.iter().map(Table::namespace);
    own.chain([DEFAULT_NAMESPACE]).collect()
}

fn namespaces(facts: &Facts) -> Vec<Row> {
    let built_in = [
        ("pg_catalog", PG_CATALOG),
        ("information_schema", INFORMATION_SCHEMA),
    ];
    let own = namespaces_of(facts)
        .into_iter()
        .map(|name| (name, namespace_oid(name)));
    let row = |(name, oid): (&str, i64)| {
        vec![
            ("oid", whole(oid)),
            ("nspname", text(name)),
            ("nspowner", whole(OWNER)),
        ]
    };
    built_in.into_iter().chain(own).map(row).collect()
}

fn classes(facts: &Facts) -> Vec<Row> {
    let row = |table: &Table| {
        vec![
            ("oid", whole(oid_of("table", &table.name))),
            ("relname", text(table.plain_name())),
            ("relnamespace", whole(namespace_oid(table.namespace()))),
            ("relowner", whole(OWNER)),
            ("relam", whole(HEAP)),
            ("reltuples", whole(-1)),
            ("relpersistence", text("p")),
            ("relkind", text("r")),
            (
                "relnatts",
                whole(i64::try_from(table.schema.fields.len()).unwrap_or(0)),
            ),
            ("relispopulated", Cell::Truth(true)),
            ("relreplident", text("d")),
        ]
    };
    facts.tables.iter().map(row).collect()
}

/// The columns of all tables, with their number from 1.
fn fields(facts: &Facts) -> impl Iterator<Item = (&Table, i64, &FieldSpec)> {
    facts.tables.iter().flat_map(|table| {
        let numbered = (1_i64..).zip(&table.schema.fields);
        numbered.map(move |(number, (_, field))| (table, number, field))
    })
}

fn attributes(facts: &Facts) -> Vec<Row> {
    let row = |(table, number, field): (&Table, i64, &FieldSpec)| {
        let kind = Kind::from(field.column_type());
        vec![
            ("attrelid", whole(oid_of("table", &table.name))),
            ("attname", text(&field.name)),
            ("atttypid", whole(kind.oid())),
            ("attlen", whole(kind.size())),
            ("attnum", whole(number)),
            ("attndims", whole(i64::from(kind.array))),
            ("attcacheoff", whole(-1)),
            ("atttypmod", whole(-1)),
            ("attstattarget", whole(-1)),
            ("attalign", text("i")),
            ("attstorage", text("p")),
            ("attcompression", text("")),
            ("attnotnull", Cell::Truth(field.not_null)),
            ("attidentity", text("")),
            ("attgenerated", text("")),
            ("attislocal", Cell::Truth(true)),
        ]
    };
    fields(facts).map(row).collect()
}

fn category(base: Base) -> &'static str {
    match base {
        Base::Bool => "B",
        Base::Text => "S",
        Base::Timestamp => "D",
        Base::Json | Base::Bytes => "U",
        _ => "N",
    }
}

fn type_row(oid: u32, name: &str, size: i64, of_category: &str, element: u32, array: u32) -> Row {
    vec![
        ("oid", whole(oid)),
        ("typname", text(name)),
        ("typnamespace", whole(PG_CATALOG)),
        ("typowner", whole(OWNER)),
        ("typlen", whole(size)),
        ("typbyval", Cell::Truth((1..=8).contains(&size))),
        ("typtype", text(if of_category == "P" { "p" } else { "b" })),
        ("typcategory", text(of_category)),
        ("typisdefined", Cell::Truth(true)),
        ("typdelim", text(",")),
        ("typelem", whole(element)),
        ("typarray", whole(array)),
        (
            "typinput",
            text(if element == 0 {
                format!("{name}in")
            } else {
                "array_in".to_owned()
            }),
        ),
        (
            "typoutput",
            text(if element == 0 {
                format!("{name}out")
            } else {
                "array_out".to_owned()
            }),
        ),
        (
            "typreceive",
            text(if element == 0 {
                format!("{name}recv")
            } else {
                "array_recv".to_owned()
            }),
        ),
        ("typsend", text(format!("{name}send"))),
        ("typalign", text("i")),
        ("typstorage", text("p")),
        ("typtypmod", whole(-1)),
    ]
}

fn types(_: &Facts) -> Vec<Row> {
    let mut rows = Vec::new();
    for (base, name, oid, array, size) in BASES {
        rows.push(type_row(
            *oid,
            name,
            i64::from(*size),
            category(*base),
            0,
            *array,
        ));
        rows.push(type_row(*array, &format!("_{name}"), -1, "A", *oid, 0));
    }
    let more = MORE_TYPES
        .iter()
        .map(|(name, oid, category)| type_row(*oid, name, -1, category, 0, 0));
    rows.extend(more);
    rows
}

fn databases(facts: &Facts) -> Vec<Row> {
    vec![vec![
        ("oid", whole(oid_of("database", &facts.database))),
        ("datname", text(&facts.database)),
        ("datdba", whole(OWNER)),
        ("encoding", whole(6)),
        ("datlocprovider", text("c")),
        ("datallowconn", Cell::Truth(true)),
        ("datconnlimit", whole(-1)),
        ("datcollate", text("C")),
        ("datctype", text("C")),
    ]]
}

fn roles(facts: &Facts) -> Vec<Row> {
    vec![vec![
        ("oid", whole(OWNER)),
        ("rolname", text(&facts.user)),
        ("rolinherit", Cell::Truth(true)),
        ("rolcanlogin", Cell::Truth(true)),
        ("rolconnlimit", whole(-1)),
    ]]
}

fn users(facts: &Facts) -> Vec<Row> {
    vec![vec![
        ("usename", text(&facts.user)),
        ("usesysid", whole(OWNER)),
    ]]
}

fn access_methods(_: &Facts) -> Vec<Row> {
    vec![vec![
        ("oid", whole(HEAP)),
        ("amname", text("heap")),
        ("amtype", text("t")),
    ]]
}

fn parameters(facts: &Facts) -> Vec<Row> {
    let row = |(name, value): &(String, String)| {
        vec![
            ("name", text(name)),
            ("setting", text(value)),
            ("vartype", text("string")),
        ]
    };
    let told = facts.parameters.iter().map(row);
    told.chain([vec![
        ("name", text("server")),
        ("setting", text(format!("touriga {VERSION}"))),
    ]])
    .collect()
}

fn listed_tables(facts: &Facts) -> Vec<Row> {
    let row = |table: &Table| {
        vec![
            ("schemaname", text(table.namespace())),
            ("tablename", text(table.plain_name())),
            ("tableowner", text(&facts.user)),
        ]
    };
    facts.tables.iter().map(row).collect()
}

fn schemata(facts: &Facts) -> Vec<Row> {
    let all = ["pg_catalog", "information_schema"]
        .into_iter()
        .chain(namespaces_of(facts));
    let row = |name: &str| {
        vec![
            ("catalog_name", text(&facts.database)),
            ("schema_name", text(name)),
            ("schema_owner", text(&facts.user)),
        ]
    };
    all.map(row).collect()
}

fn tables(facts: &Facts) -> Vec<Row> {
    let row = |table: &Table| {
        vec![
            ("table_catalog", text(&facts.database)),
            ("table_schema", text(table.namespace())),
            ("table_name", text(table.plain_name())),
            ("table_type", text("BASE TABLE")),
            ("is_insertable_into", text("NO")),
            ("is_typed", text("NO")),
        ]
    };
    facts.tables.iter().map(row).collect()
}

fn columns(facts: &Facts) -> Vec<Row> {
    let row = |(table, number, field): (&Table, i64, &FieldSpec)| {
        let kind = Kind::from(field.column_type());
        let base = BASES
            .iter()
            .find(|b| b.0 == kind.base)
            .map_or("text", |b| b.1);
        let (shown, own) = if kind.array {
            ("ARRAY".to_owned(), format!("_{base}"))
        } else {
            (type_name(kind.oid()), base.to_owned())
        };
        vec![
            ("table_catalog", text(&facts.database)),
            ("table_schema", text(table.namespace())),
            ("table_name", text(table.plain_name())),
            ("column_name", text(&field.name)),
            ("ordinal_position", whole(number)),
            (
                "is_nullable",
                text(if field.not_null { "NO" } else { "YES" }),
            ),
            ("data_type", text(shown)),
            ("udt_catalog", text(&facts.database)),
            ("udt_schema", text("pg_catalog")),
            ("udt_name", text(own)),
            ("dtd_identifier", text(number.to_string())),
            ("is_self_referencing", text("NO")),
            ("is_identity", text("NO")),
            ("is_generated", text("NEVER")),
            ("is_updatable", text("NO")),
        ]
    };
    fields(facts).map(row).collect()
}
