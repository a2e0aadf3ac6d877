//! Which types the planner's operators take, and the refusal of others.
//!
//! Must not know: kernels, rows. Invariant: a refusal depends on the name and the types of the arguments alone. Source: the
//! families of operands in the operator table of Pinot's multi-stage engine.

use common::{ColumnType, DataType, ErrorCode};
use datafusion::error::Result;
use functions::scalar::Argument;

use crate::error::MultiStageError;

/// Functions of one number.
const OF_NUMBERS: [&str; 20] = [
    "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "cot", "degrees", "exp", "floor", "ln",
    "log", "log10", "power", "radians", "sign", "sin", "sqrt", "tan",
];

/// Functions whose first argument is an array.
const OF_ARRAYS: [&str; 12] = [
    "arrayaverage",
    "arraylength",
    "arraymax",
    "arraymin",
    "arraysum",
    "arraysumint",
    "arraysumlong",
    "arraytomv",
    "cardinality",
    "mapvalue",
    "vectordims",
    "vectornorm",
];

/// Functions of geometries.
const OF_BYTES: [&str; 11] = [
    "starea",
    "stasbinary",
    "stasgeojson",
    "stastext",
    "stcontains",
    "stdistance",
    "stequals",
    "stgeogfromwkb",
    "stgeometrytype",
    "stgeomfromwkb",
    "stwithin",
];

fn refused(name: &str, arguments: &[Argument]) -> datafusion::error::DataFusionError {
    let types: Vec<String> = arguments
        .iter()
        .map(|a| format!("<{}>", a.column_type))
        .collect();
    let name = match name {
        "$concat" => "||".to_owned(),
        other => other.trim_start_matches('$').to_uppercase(),
    };
    MultiStageError::invalid(format!(
        "Cannot apply '{name}' to arguments of type '{name}({})'",
        types.join(", ")
    ))
    .into()
}

fn no_number(found: ColumnType) -> bool {
    found.multi || matches!(found.data_type, DataType::Boolean | DataType::Bytes)
}

pub(crate) fn is_bytes(argument: &Argument) -> bool {
    argument.column_type == ColumnType::sv(DataType::Bytes)
}

/// True for BYTES beside another type than that of NULL.
fn bytes_beside_others(arguments: &[Argument]) -> bool {
    let known = |a: &&Argument| a.column_type.data_type != DataType::Unknown;
    let mut known = arguments.iter().filter(known).map(is_bytes);
    known
        .next()
        .is_some_and(|first| known.any(|next| next != first))
}

fn no_array(argument: &Argument) -> bool {
    !argument.column_type.multi && argument.column_type.data_type != DataType::Unknown
}

/// Refuses a call of a scalar function.
pub(crate) fn scalar(name: &str, arguments: &[Argument]) -> Result<()> {
    let any = |test: fn(&Argument) -> bool| arguments.iter().any(test);
    let at = |index: usize| arguments.get(index).map(|a| a.column_type);
    let wrong = match name {
        // Elements are tested by ARRAY_TO_MV.
        "regexplike" => at(0).is_some_and(|t| t.multi),
        "like" => at(0).is_some_and(|t| t.multi) || any(is_bytes),
        "trim" => any(is_bytes),
        "$concat" => bytes_beside_others(arguments),
        "nullif" => {
            let text = at(1) == Some(ColumnType::sv(DataType::String));
            arguments.first().is_some_and(is_bytes) && text
        }
        "truncate" => any(|a| no_number(a.column_type)),
        _ if OF_NUMBERS.contains(&name) => any(|a| no_number(a.column_type)),
        _ if OF_ARRAYS.contains(&name) => arguments.first().is_some_and(no_array),
        "cosinedistance" | "innerproduct" | "l1distance" | "l2distance" => {
            arguments.iter().take(2).any(no_array)
        }
        _ if OF_BYTES.contains(&name) => {
            any(|a| a.literal.is_none() && a.column_type == ColumnType::sv(DataType::String))
        }
        "$mod" | "mod" => any(|a| a.column_type.data_type == DataType::Timestamp),
        "extract" => at(1).is_some_and(|t| t.data_type == DataType::String || no_number(t)),
        "timestampadd" => at(2).is_some_and(no_time),
        "timestampdiff" => arguments.iter().skip(1).any(|a| no_time(a.column_type)),
        "coalesce" => {
            let stored = |a: &Argument| {
                matches!(
                    a.column_type.data_type,
                    DataType::Timestamp | DataType::Boolean
                )
            };
            let mixed = arguments.iter().any(stored);
            (mixed && any(|a| a.column_type.data_type.is_numeric()))
                || bytes_beside_others(arguments)
        }
        _ => false,
    };
    if wrong {
        return Err(refused(name, arguments));
    }
    Ok(())
}

/// True for what is no DATETIME to the planner; LONG counts as one.
fn no_time(found: ColumnType) -> bool {
    found.multi
        || !matches!(
            found.data_type,
            DataType::Timestamp | DataType::Long | DataType::Unknown
        )
}

/// Refuses a call of an aggregate.
pub(crate) fn aggregate(name: &str, arguments: &[Argument]) -> Result<()> {
    let Some(first) = arguments.first().map(|a| a.column_type) else {
        return Ok(());
    };
    let whole = matches!(
        first.data_type,
        DataType::Int | DataType::Long | DataType::Unknown
    );
    let wrong = match name {
        "countmv"
        | "minmv"
        | "maxmv"
        | "summv"
        | "avgmv"
        | "minmaxrangemv"
        | "distinctcountmv"
        | "distinctsummv"
        | "distinctavgmv"
        | "distinctcountbitmapmv"
        | "percentilemv"
        | "percentileestmv"
        | "percentilerawestmv"
        | "sumarraylong"
        | "sumarraydouble" => arguments.first().is_some_and(no_array),
        "minlong" | "maxlong" | "sumlong" => {
            !whole && (first.multi || first.data_type != DataType::String)
        }
        "sumint" => first.multi || !(whole || first.data_type == DataType::String),
        "minstring" | "maxstring" => first.multi,
        "distinctsum" | "distinctavg" => {
            !first.multi && matches!(first.data_type, DataType::Boolean | DataType::Bytes)
        }
        "stddevpop" | "stddevsamp" | "varpop" | "varsamp" | "covarpop" | "covarsamp" => {
            arguments.iter().any(|a| no_number(a.column_type))
        }
        _ => false,
    };
    if wrong {
        return Err(refused(name, arguments));
    }
    if name == "percentile" && first.multi {
        return Err(MultiStageError::new(
            ErrorCode::Unknown,
            "PERCENTILE of an array has no type: use PERCENTILEMV",
        )
        .into());
    }
    Ok(())
}
