//! Functions of Postgres' that clients call to learn about the catalog and the session.
//!
//! Must not know: queries. Invariant: a function of the table below takes any arguments, and never fails: what it cannot tell is null.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType as Arrow;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::describe::{MORE_TYPES, type_name};
use super::{Facts, oid_of};
use crate::postgres::kind::BASES;
use crate::postgres::settings::VERSION;

/// What a function says of its arguments.
type Says = fn(&Facts, &[ScalarValue]) -> ScalarValue;

fn text(value: impl Into<String>) -> ScalarValue {
    ScalarValue::Utf8(Some(value.into()))
}

fn no_text(_: &Facts, _: &[ScalarValue]) -> ScalarValue {
    ScalarValue::Utf8(None)
}

fn yes(_: &Facts, _: &[ScalarValue]) -> ScalarValue {
    ScalarValue::Boolean(Some(true))
}

fn no(_: &Facts, _: &[ScalarValue]) -> ScalarValue {
    ScalarValue::Boolean(Some(false))
}

fn nought(_: &Facts, _: &[ScalarValue]) -> ScalarValue {
    ScalarValue::Int64(Some(0))
}

fn user(facts: &Facts, _: &[ScalarValue]) -> ScalarValue {
    text(&facts.user)
}

fn database(facts: &Facts, _: &[ScalarValue]) -> ScalarValue {
    text(&facts.database)
}

fn said(arguments: &[ScalarValue], at: usize) -> Option<String> {
    arguments
        .get(at)
        .filter(|v| !v.is_null())
        .map(ToString::to_string)
}

fn number(arguments: &[ScalarValue]) -> Option<u32> {
    said(arguments, 0)?.parse().ok()
}

fn version(_: &Facts, _: &[ScalarValue]) -> ScalarValue {
    text(format!(
        "PostgreSQL {VERSION} (Touriga {})",
        env!("CARGO_PKG_VERSION")
    ))
}

fn named_type(_: &Facts, arguments: &[ScalarValue]) -> ScalarValue {
    ScalarValue::Utf8(number(arguments).map(type_name))
}

fn to_regtype(_: &Facts, arguments: &[ScalarValue]) -> ScalarValue {
    let name = said(arguments, 0).unwrap_or_default();
    let base = BASES
        .iter()
        .find(|b| b.1 == name || type_name(b.2) == name)
        .map(|b| b.2);
    let more = || MORE_TYPES.iter().find(|t| t.0 == name).map(|t| t.1);
    ScalarValue::UInt32(base.or_else(more))
}

fn to_regclass(facts: &Facts, arguments: &[ScalarValue]) -> ScalarValue {
    let name = said(arguments, 0).unwrap_or_default().replace('"', "");
    let plain = name.strip_prefix("public.").unwrap_or(&name);
    let table = facts
        .tables
        .iter()
        .find(|t| t.name.eq_ignore_ascii_case(plain));
    let own = || {
        let last = plain.rsplit('.').next().unwrap_or_default();
        last.starts_with("pg_").then(|| oid_of("pg_catalog", last))
    };
    ScalarValue::UInt32(table.map(|t| oid_of("table", &t.name)).or_else(own))
}

fn regclass_name(facts: &Facts, arguments: &[ScalarValue]) -> ScalarValue {
    let found = number(arguments).and_then(|oid| {
        facts
            .tables
            .iter()
            .find(|t| oid_of("table", &t.name) == oid)
    });
    ScalarValue::Utf8(found.map(|t| t.name.clone()).or_else(|| said(arguments, 0)))
}

fn quoted_name(_: &Facts, arguments: &[ScalarValue]) -> ScalarValue {
    ScalarValue::Utf8(said(arguments, 0).map(|name| {
        let plain = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain {
            name
        } else {
            format!("\"{}\"", name.replace('"', "\"\""))
        }
    }))
}

fn parameter(facts: &Facts, arguments: &[ScalarValue]) -> ScalarValue {
    let name = said(arguments, 0).unwrap_or_default();
    let found = facts
        .parameters
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(&name));
    ScalarValue::Utf8(found.map(|(_, value)| value.clone()))
}

/// Name, type, and what it says.
const FUNCTIONS: &[(&str, Arrow, Says)] = &[
    ("version", Arrow::Utf8, version),
    ("current_schema", Arrow::Utf8, |_, _| text("public")),
    ("current_schemas", Arrow::Utf8, |_, _| {
        text("{pg_catalog,public}")
    }),
    ("current_database", Arrow::Utf8, database),
    ("current_catalog", Arrow::Utf8, database),
    ("current_user", Arrow::Utf8, user),
    ("session_user", Arrow::Utf8, user),
    ("current_role", Arrow::Utf8, user),
    ("user", Arrow::Utf8, user),
    ("pg_get_userbyid", Arrow::Utf8, user),
    ("pg_backend_pid", Arrow::Int32, |facts, _| {
        ScalarValue::Int32(Some(facts.pid))
    }),
    ("current_setting", Arrow::Utf8, parameter),
    ("set_config", Arrow::Utf8, |_, arguments| {
        ScalarValue::Utf8(said(arguments, 1))
    }),
    ("format_type", Arrow::Utf8, named_type),
    ("to_regtype", Arrow::UInt32, to_regtype),
    ("to_regclass", Arrow::UInt32, to_regclass),
    ("regclass_name", Arrow::Utf8, regclass_name),
    ("quote_ident", Arrow::Utf8, quoted_name),
    ("pg_encoding_to_char", Arrow::Utf8, |_, _| text("UTF8")),
    ("pg_client_encoding", Arrow::Utf8, |_, _| text("UTF8")),
    ("pg_char_to_encoding", Arrow::Int32, |_, _| {
        ScalarValue::Int32(Some(6))
    }),
    ("pg_table_is_visible", Arrow::Boolean, yes),
    ("pg_type_is_visible", Arrow::Boolean, yes),
    ("pg_function_is_visible", Arrow::Boolean, yes),
    ("pg_operator_is_visible", Arrow::Boolean, yes),
    ("has_table_privilege", Arrow::Boolean, yes),
    ("has_schema_privilege", Arrow::Boolean, yes),
    ("has_database_privilege", Arrow::Boolean, yes),
    ("has_column_privilege", Arrow::Boolean, yes),
    ("has_any_column_privilege", Arrow::Boolean, yes),
    ("has_function_privilege", Arrow::Boolean, yes),
    ("has_sequence_privilege", Arrow::Boolean, yes),
    ("pg_has_role", Arrow::Boolean, yes),
    ("pg_is_in_recovery", Arrow::Boolean, no),
    ("pg_is_other_temp_schema", Arrow::Boolean, no),
    ("pg_relation_is_publishable", Arrow::Boolean, no),
    ("pg_my_temp_schema", Arrow::Int64, nought),
    ("pg_relation_size", Arrow::Int64, nought),
    ("pg_table_size", Arrow::Int64, nought),
    ("pg_total_relation_size", Arrow::Int64, nought),
    ("pg_indexes_size", Arrow::Int64, nought),
    ("pg_database_size", Arrow::Int64, nought),
    ("txid_current", Arrow::Int64, nought),
    ("pg_stat_get_numscans", Arrow::Int64, nought),
    ("pg_size_pretty", Arrow::Utf8, |_, _| text("0 bytes")),
    ("pg_get_expr", Arrow::Utf8, no_text),
    ("pg_get_constraintdef", Arrow::Utf8, no_text),
    ("pg_get_indexdef", Arrow::Utf8, no_text),
    ("pg_get_viewdef", Arrow::Utf8, no_text),
    ("pg_get_ruledef", Arrow::Utf8, no_text),
    ("pg_get_triggerdef", Arrow::Utf8, no_text),
    ("pg_get_partkeydef", Arrow::Utf8, no_text),
    ("pg_get_statisticsobjdef_columns", Arrow::Utf8, no_text),
    ("pg_get_serial_sequence", Arrow::Utf8, no_text),
    ("pg_get_function_result", Arrow::Utf8, no_text),
    ("pg_get_function_arguments", Arrow::Utf8, no_text),
    ("pg_get_function_identity_arguments", Arrow::Utf8, no_text),
    ("pg_tablespace_location", Arrow::Utf8, no_text),
    ("pg_postmaster_start_time", Arrow::Utf8, no_text),
    ("obj_description", Arrow::Utf8, no_text),
    ("col_description", Arrow::Utf8, no_text),
    ("shobj_description", Arrow::Utf8, no_text),
    ("array_to_string", Arrow::Utf8, no_text),
    ("array_length", Arrow::Utf8, no_text),
    ("array_upper", Arrow::Utf8, no_text),
    ("array_lower", Arrow::Utf8, no_text),
    ("cardinality", Arrow::Utf8, no_text),
    ("inet_server_addr", Arrow::Utf8, no_text),
    ("inet_server_port", Arrow::Utf8, no_text),
    ("inet_client_addr", Arrow::Utf8, no_text),
    ("age", Arrow::Utf8, no_text),
    ("json_build_object", Arrow::Utf8, no_text),
];

/// Functions of the catalog that other statements call too, with other meanings.
const SHARED: &[&str] = &[
    "array_to_string",
    "array_length",
    "cardinality",
    "age",
    "user",
];

/// Whether a function is one of the catalog's alone.
pub(super) fn is_one(name: &str) -> bool {
    !SHARED.contains(&name) && FUNCTIONS.iter().any(|(known, _, _)| *known == name)
}

struct Told {
    name: &'static str,
    returns: Arrow,
    says: Says,
    facts: Arc<Facts>,
    signature: Signature,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Told {}

impl std::hash::Hash for Told {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Told {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[Arrow]) -> Result<Arrow> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_single = arguments
            .args
            .iter()
            .all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let count = if all_single { 1 } else { arguments.number_rows };
        let arrays = arguments
            .args
            .iter()
            .map(|a| a.to_array(count))
            .collect::<Result<Vec<_>>>()?;
        let mut told = Vec::with_capacity(count);
        for row in 0..count {
            let values = arrays
                .iter()
                .map(|array| ScalarValue::try_from_array(array, row))
                .collect::<Result<Vec<_>>>()?;
            told.push((self.says)(&self.facts, &values));
        }
        match told.pop() {
            Some(one) if all_single => Ok(ColumnarValue::Scalar(one)),
            Some(last) => {
                told.push(last);
                Ok(ColumnarValue::Array(ScalarValue::iter_to_array(told)?))
            }
            None => Ok(ColumnarValue::Array(
                datafusion::arrow::array::new_empty_array(&self.returns),
            )),
        }
    }
}

/// The functions, telling of these facts.
pub(super) fn all(facts: &Arc<Facts>) -> impl Iterator<Item = ScalarUDF> {
    FUNCTIONS.iter().map(move |(name, returns, says)| {
        ScalarUDF::from(Told {
            name,
            returns: returns.clone(),
            says: *says,
            facts: Arc::clone(facts),
            signature: Signature::one_of(
                vec![
                    datafusion::logical_expr::TypeSignature::Nullary,
                    datafusion::logical_expr::TypeSignature::VariadicAny,
                ],
                Volatility::Stable,
            ),
        })
    })
}
