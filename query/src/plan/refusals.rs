//! What Pinot's single-stage engine refuses of expressions over columns, although the function itself could answer.
//!
//! Must not know: rows. Invariant: the code is 700 where Pinot refuses while it sets up a function, and 200 where the first
//! row fails.

use common::cast::parse_double;
use common::{BigDecimal, ColumnType, DataType, Value};
use functions::FunctionError;
use functions::scalar::{BoundScalar, Param, single_params};

use super::output_type;
use crate::QueryError;
use crate::expr::{BoundExpr, is_condition};

/// Functions that are transforms of their own: they refuse an array while they are set up. All others are called with what a
/// row has, and fail there.
const OWN_TRANSFORMS: &[&str] = &[
    "abs",
    "acos",
    "add",
    "asin",
    "atan",
    "atan2",
    "cast",
    "ceil",
    "ceiling",
    "cos",
    "cosh",
    "cot",
    "datetimeconvert",
    "datetrunc",
    "day",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "degrees",
    "div",
    "divide",
    "dow",
    "doy",
    "exp",
    "extract",
    "floor",
    "greatest",
    "hour",
    "least",
    "ln",
    "log",
    "log10",
    "log2",
    "millisecond",
    "minus",
    "minute",
    "mod",
    "month",
    "monthofyear",
    "mult",
    "plus",
    "pow",
    "power",
    "quarter",
    "radians",
    "regexpextract",
    "round",
    "rounddecimal",
    "second",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "sub",
    "tan",
    "tanh",
    "timeconvert",
    "times",
    "truncate",
    "week",
    "weekofyear",
    "year",
    "yearofweek",
    "yow",
];

/// The error of a call that no overload takes.
pub(super) fn of_binding(error: QueryError) -> QueryError {
    let QueryError::Function(FunctionError::NoOverload { name, arguments }) = &error else {
        return error;
    };
    let count = arguments.split(", ").count();
    let arrays = arguments.contains("_ARRAY") && single_params(name, count).is_some();
    if arrays && !OWN_TRANSFORMS.contains(&name.as_str()) && !name.starts_with("st") {
        return QueryError::execution(format!(
            "{name} cannot be called with a row's values of type: [{arguments}]"
        ));
    }
    error
}

/// Refuses what Pinot refuses of a bound expression.
pub(super) fn check(expr: &BoundExpr) -> Result<(), QueryError> {
    let BoundExpr::Call { function, args } = expr else {
        return Ok(());
    };
    args.iter().try_for_each(check)?;
    let name = function
        .function()
        .names
        .first()
        .copied()
        .unwrap_or_default();
    let literal = |expr: &BoundExpr| matches!(expr, BoundExpr::Literal(..));
    let first = args.first();
    match name {
        "arraytomv" => {
            return Err(QueryError::validation(format!(
                "Unsupported function: {name}"
            )));
        }
        "case" => answers_of_one_kind(args)?,
        "in" | "notin" => members(name, args)?,
        "nullif" => {
            return Err(QueryError::execution(
                "nullIf over columns has no type: Cannot convert ColumnDataType: OBJECT to DataType",
            ));
        }
        "jsonextractkey" | "jsonextractscalar"
            if first.is_some_and(|arg| arg.column_type().multi) =>
        {
            return Err(QueryError::validation(format!(
                "The first argument of {name} transform function must be a single-valued column or a transform function"
            )));
        }
        "cast" => {
            known_type(args.get(1))?;
            let bytes = function.returns() == ColumnType::sv(DataType::Bytes);
            if bytes && !first.is_some_and(literal) {
                return Err(QueryError::execution("Cannot read SV BYTES as BYTES"));
            }
        }
        _ => {}
    }
    if args.iter().any(is_text_array) {
        return Err(QueryError::execution(
            "Unsupported PinotDataType: STRING_ARRAY",
        ));
    }
    takes_arrays(name, function, args)
}

/// Refuses what only the multi-stage engine knows as a type.
fn known_type(to: Option<&BoundExpr>) -> Result<(), QueryError> {
    let Some(BoundExpr::Literal(Value::String(name), _)) = to else {
        return Ok(());
    };
    let meant = match name.as_str() {
        "CHAR" => DataType::String,
        "REAL" => DataType::Float,
        _ => return Ok(()),
    };
    Err(QueryError::validation(format!(
        "Unable to cast expression to type - {name}: {meant} is meant"
    )))
}

/// What a value is looked up among is read in the type that it is stored in.
fn members(name: &str, args: &[BoundExpr]) -> Result<(), QueryError> {
    let Some((value, listed)) = args.split_first() else {
        return Ok(());
    };
    let refused = |why: String| {
        let what = "Caught exception while initializing transform function";
        Err(QueryError::validation(format!("{what}: {name}: {why}")))
    };
    if listed.iter().any(|item| item.column_type().multi) {
        return refused("expected single values to look for, found an array".to_owned());
    }
    let literals: Option<Vec<&Value>> = listed
        .iter()
        .map(|item| match item {
            BoundExpr::Literal(value, _) => Some(value),
            _ => None,
        })
        .collect();
    let stored = output_type(value).data_type.stored();
    let wrong = literals
        .into_iter()
        .flatten()
        .filter(|literal| !literal.is_null())
        .map(Value::to_text)
        .find(|text| !is_read_as(text, stored));
    wrong.map_or(Ok(()), |text| {
        refused(format!("expected a value of type {stored}, found `{text}`"))
    })
}

/// True for a text that Java reads as a type.
fn is_read_as(text: &str, stored: DataType) -> bool {
    match stored {
        DataType::Int => text.parse::<i32>().is_ok(),
        DataType::Long => text.parse::<i64>().is_ok(),
        DataType::Float | DataType::Double => parse_double(text.trim()).is_some(),
        DataType::BigDecimal => text.parse::<BigDecimal>().is_ok(),
        DataType::Bytes => {
            text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        _ => true,
    }
}

/// Aggregations that look at the type of what they read before they read it; all others read a value of any type.
const TYPED: &[&str] = &[
    "anyvalue",
    "avgvalueintegersumtuplesketch",
    "booland",
    "boolor",
    "covarpop",
    "covarsamp",
    "distinctavg",
    "distinctcount",
    "distinctcountbitmap",
    "distinctcountcpcsketch",
    "distinctcounthll",
    "distinctcounthllplus",
    "distinctcountrawcpcsketch",
    "distinctcountrawhll",
    "distinctcountrawhllplus",
    "distinctcountrawintegersumtuplesketch",
    "distinctcountrawthetasketch",
    "distinctcountrawull",
    "distinctcountsmarthll",
    "distinctcountsmarthllplus",
    "distinctcountsmartull",
    "distinctcountthetasketch",
    "distinctcounttuplesketch",
    "distinctcountull",
    "distinctsum",
    "fasthll",
    "frequentlongssketch",
    "histogram",
    "idset",
    "kurtosis",
    "mode",
    "percentilesmarttdigest",
    "segmentpartitioneddistinctcount",
    "skewness",
    "stddevpop",
    "stddevsamp",
    "sumarraydouble",
    "sumarraylong",
    "sumprecision",
    "sumvaluesintegersumtuplesketch",
    "varpop",
    "varsamp",
];

/// Refuses aggregations of NULL alone. Where rows are grouped the simplest read it as any other value.
pub(super) fn check_null(name: &str, args: &[BoundExpr], grouped: bool) -> Result<(), QueryError> {
    let unknown = |arg: &BoundExpr| arg.column_type().data_type == DataType::Unknown;
    if !args.iter().any(unknown) {
        return Ok(());
    }
    let what = format!("Cannot compute {name} for non-numeric type: UNKNOWN");
    match name {
        "sum" | "sum0" | "min" | "max" if !grouped => Err(QueryError::validation(what)),
        name if TYPED.contains(&name) => Err(QueryError::execution(what)),
        _ => Ok(()),
    }
}

/// Answers of a CASE are of one type, or numbers; a BOOLEAN is no INT, and a TIMESTAMP no LONG. Literal texts are read as
/// whatever the others are.
fn answers_of_one_kind(args: &[BoundExpr]) -> Result<(), QueryError> {
    let answers = args.iter().enumerate().filter(|(at, answer)| {
        let text = matches!(answer, BoundExpr::Literal(Value::String(_), _));
        !is_condition(*at, args.len()) && !text
    });
    let mut so_far: Option<DataType> = None;
    for (_, answer) in answers {
        let next = output_type(answer).data_type;
        if next == DataType::Unknown {
            continue;
        }
        let known = so_far.unwrap_or(next);
        if known != next && !(known.is_numeric() && next.is_numeric()) {
            return Err(QueryError::validation(format!(
                "Cannot upcast from {known} to {next}"
            )));
        }
        so_far = Some(known);
    }
    Ok(())
}

/// A literal array of texts, which only a query of literals alone can answer.
pub(super) fn is_text_array(expr: &BoundExpr) -> bool {
    matches!(
        expr,
        BoundExpr::Literal(Value::Array(DataType::String, _), _)
    )
}

/// A parameter that is an array is not satisfied by a column of single values.
fn takes_arrays(name: &str, function: &BoundScalar, args: &[BoundExpr]) -> Result<(), QueryError> {
    let single = args.iter().enumerate().find(|(index, arg)| {
        let array = matches!(function.param(*index), Some(Param::Is(to)) if to.multi);
        array && !arg.column_type().multi && !matches!(arg, BoundExpr::Literal(..))
    });
    match single {
        Some((index, arg)) => Err(QueryError::execution(format!(
            "{name} expects an array as argument {}, not a value of type {}",
            index + 1,
            arg.column_type()
        ))),
        None => Ok(()),
    }
}

/// Refuses aggregations whose argument is an array where they read single values, or the other way round.
pub(super) fn check_aggregation(name: &str, args: &[BoundExpr]) -> Result<(), QueryError> {
    let Some(argument) = args.first().map(BoundExpr::column_type) else {
        return Ok(());
    };
    let elements = matches!(name, "avgmv" | "distinctcountbitmapmv")
        || (name.starts_with("percentile") && name.ends_with("mv"));
    let values = matches!(name, "distinctcountcpcsketch" | "mode" | "sumprecision");
    let numeric = matches!(
        argument.data_type,
        DataType::Int | DataType::Long | DataType::Float | DataType::Double | DataType::BigDecimal
    );
    if (elements && !argument.multi) || (values && argument.multi) {
        return Err(QueryError::execution(format!(
            "{name} cannot read values of type {argument}"
        )));
    }
    if matches!(name, "minstring" | "maxstring") && numeric {
        return Err(QueryError::validation(format!(
            "Cannot compute {} for numeric column: {}",
            name.to_uppercase(),
            argument.data_type
        )));
    }
    Ok(())
}
