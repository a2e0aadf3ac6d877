//! The types that Pinot's planner gives to results of functions, where they are not the kernels' own.
//!
//! Must not know: kernels. Invariant: a type depends on the name and the types of the arguments alone. Source: Pinot's
//! operator table of the multi-stage engine.

use common::{ColumnType, DataType, Value};
use datafusion::error::Result;
use functions::scalar::Argument;

use crate::error::MultiStageError;
use crate::operands::is_bytes;

/// The planned type of a call whose kernel answers `computed`.
pub(crate) fn planned(
    name: &str,
    arguments: &[Argument],
    computed: ColumnType,
) -> Result<ColumnType> {
    let first = arguments.first();
    Ok(match name {
        name if is_arithmetic(name) => arithmetic(name, arguments)?,
        "$mod" | "mod" => remainder(name, arguments)?,
        "upper" | "lower" if first.is_some_and(is_unknown) => ColumnType::sv(DataType::Unknown),
        "abs" | "sign" | "ceil" | "floor" | "truncate" if first.is_some_and(is_time) => {
            ColumnType::sv(DataType::Long)
        }
        "abs" | "sign" | "truncate" | "ceil" | "ceiling" | "floor" => {
            same_as(first).unwrap_or(computed)
        }
        "coalesce" => {
            one_kind(arguments)?;
            match mixes_decimals(arguments) {
                true => ColumnType::sv(DataType::Double),
                false => computed,
            }
        }
        // Texts all the same: nothing but a function of them in the same stage may read them.
        "substring" if first.is_some_and(is_bytes) => ColumnType::sv(DataType::Bytes),
        "$concat" if arguments.iter().any(is_bytes) => ColumnType::sv(DataType::Bytes),
        "arraytomv" => first.map_or(computed, |a| ColumnType::sv(a.column_type.data_type)),
        "datetimeconvert" if to_times(arguments) => ColumnType::sv(DataType::Long),
        "dateadd" | "datediff" if !computed.multi => ColumnType::sv(DataType::Long),
        "extract" | "timestampdiff" if !computed.multi => {
            times(name, arguments)?;
            let diff = name != "extract";
            ColumnType::sv(if diff { DataType::Int } else { DataType::Long })
        }
        "timestampadd" if !computed.multi => ColumnType::sv(DataType::Timestamp),
        "year" | "quarter" | "monthofyear" | "month" | "weekofyear" | "week" | "yearofweek"
        | "yow" | "dayofyear" | "doy" | "dayofmonth" | "day" | "dayofweek" | "dow" | "hour"
        | "minute" | "second" | "millisecond" | "datetrunc"
            if !computed.multi =>
        {
            zoned(name, arguments)?;
            ColumnType::sv(DataType::Long)
        }
        "fromdatetime" | "now" if !computed.multi => ColumnType::sv(DataType::Timestamp),
        _ => computed,
    })
}

/// True for a sum, a difference, a product or a quotient.
pub(crate) fn is_arithmetic(name: &str) -> bool {
    let function = matches!(name, "plus" | "minus" | "times" | "add" | "sub" | "mult");
    function || is_operator(name)
}

/// The same written as an operator.
pub(crate) fn is_operator(name: &str) -> bool {
    matches!(name, "$plus" | "$minus" | "$times" | "$divide")
}

fn is_unknown(argument: &Argument) -> bool {
    argument.column_type == ColumnType::sv(DataType::Unknown)
}

/// True for BIG_DECIMAL beside DOUBLE or FLOAT.
fn mixes_decimals(arguments: &[Argument]) -> bool {
    let any = |wanted: &[DataType]| {
        let mut types = arguments.iter().map(|argument| argument.column_type);
        types.any(|found| !found.multi && wanted.contains(&found.data_type))
    };
    any(&[DataType::BigDecimal]) && any(&[DataType::Double, DataType::Float])
}

fn is_time(argument: &Argument) -> bool {
    argument.column_type == ColumnType::sv(DataType::Timestamp)
}

/// True for a conversion to times, which are numbers to the planner.
fn to_times(arguments: &[Argument]) -> bool {
    let format = arguments.get(2).and_then(|a| a.literal.as_ref());
    let format = format.and_then(Value::as_str).unwrap_or_default();
    let single = arguments.first().is_some_and(|a| !a.column_type.multi);
    single
        && format
            .rsplit(':')
            .next()
            .is_some_and(|f| f.eq_ignore_ascii_case("TIMESTAMP"))
}

/// Refuses numbers that are no time: LONG alone counts as one.
fn times(name: &str, arguments: &[Argument]) -> Result<()> {
    let number = |t: DataType| t.is_numeric() && t != DataType::Long;
    match arguments
        .iter()
        .skip(1)
        .find(|a| number(a.column_type.data_type))
    {
        Some(argument) => Err(MultiStageError::invalid(format!(
            "Cannot apply '{}' to an argument of type '<{}>': expected a TIMESTAMP",
            name.to_uppercase(),
            argument.column_type
        ))
        .into()),
        None => Ok(()),
    }
}

/// Beside a time zone, a literal that is no LONG is no time.
fn zoned(name: &str, arguments: &[Argument]) -> Result<()> {
    match arguments {
        [first, _] if matches!(first.literal, Some(Value::Int(_))) && name != "datetrunc" => {
            Err(MultiStageError::invalid(format!(
                "Cannot apply '{}' to arguments of type '<INTEGER>, <CHAR>'",
                name.to_uppercase()
            ))
            .into())
        }
        _ => Ok(()),
    }
}

fn same_as(argument: Option<&Argument>) -> Option<ColumnType> {
    let found = argument?.column_type;
    let kept = found.data_type.is_numeric() || found.data_type == DataType::Unknown;
    (kept && !found.multi).then_some(found)
}

/// Refuses texts beside numbers.
fn one_kind(arguments: &[Argument]) -> Result<()> {
    let any = |test: fn(DataType) -> bool| arguments.iter().any(|a| test(a.column_type.data_type));
    if any(|t| t == DataType::String) && any(DataType::is_numeric) {
        let types: Vec<String> = arguments
            .iter()
            .map(|a| a.column_type.to_string())
            .collect();
        return Err(MultiStageError::invalid(format!(
            "Cannot infer return type for COALESCE; operand types: [{}]",
            types.join(", ")
        ))
        .into());
    }
    Ok(())
}

/// Refuses a cast that the planner knows to be none.
pub(crate) fn castable(arguments: &[Argument]) -> Result<()> {
    let [from, to] = arguments else {
        return Ok(());
    };
    let Some(name) = to.literal.as_ref().and_then(Value::as_str) else {
        return Ok(());
    };
    let upper = name.to_uppercase();
    let source = from.column_type;
    let number = |name: &str| {
        matches!(
            name,
            "DOUBLE" | "FLOAT" | "REAL" | "BIG_DECIMAL" | "DECIMAL" | "NUMERIC"
        )
    };
    let whole = |name: &str| matches!(name, "INT" | "INTEGER" | "LONG" | "BIGINT");
    let refused = match (source.data_type, upper.as_str()) {
        // `CAST(x AS FLOAT ARRAY)`, of arrays alone.
        _ if upper.ends_with(" ARRAY") => !source.multi,
        _ if source.multi || upper.ends_with("_ARRAY") => true,
        (_, "JSON") => true,
        (DataType::Unknown, _) => false,
        (DataType::Bytes, "BYTES" | "VARBINARY") => false,
        (_, "BYTES" | "VARBINARY") => true,
        // A TIMESTAMP fails where a row comes.
        (DataType::Bytes, to) => number(to) || whole(to) || to == "BOOLEAN",
        (DataType::Boolean, to) => number(to) || to == "TIMESTAMP",
        (DataType::Timestamp, "BOOLEAN") => true,
        _ => false,
    };
    if refused {
        return Err(MultiStageError::invalid(format!(
            "Cast function cannot convert value of type {source} to type {upper}"
        ))
        .into());
    }
    Ok(())
}

/// The types of numbers among the operands; a text counts as a number of the others' type.
fn operands(name: &str, arguments: &[Argument]) -> Result<Vec<DataType>> {
    let mut types = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let found = argument.column_type;
        match found.data_type {
            _ if found.multi => return Err(refused(name, arguments)),
            DataType::Unknown | DataType::String => {}
            numeric if numeric.is_numeric() || numeric == DataType::Timestamp => {
                types.push(numeric);
            }
            _ => return Err(refused(name, arguments)),
        }
    }
    Ok(types)
}

/// INT op INT is INT, the wider integer otherwise, FLOAT with an integer FLOAT, anything else DOUBLE.
fn arithmetic(name: &str, arguments: &[Argument]) -> Result<ColumnType> {
    let types = operands(name, arguments)?;
    if types.is_empty() && has_text(arguments) {
        return Ok(ColumnType::sv(DataType::Double));
    }
    let sum = matches!(name, "$plus" | "$minus" | "plus" | "minus" | "add" | "sub");
    if sum && !arguments.is_empty() && arguments.iter().all(is_time) {
        return Ok(ColumnType::sv(DataType::Timestamp));
    }
    let any = |wanted: &[DataType]| types.iter().any(|t| wanted.contains(t));
    let timed_text = any(&[DataType::Timestamp]) && has_text(arguments);
    Ok(ColumnType::sv(
        if any(&[DataType::Double, DataType::BigDecimal]) || timed_text {
            DataType::Double
        } else if any(&[DataType::Float]) {
            DataType::Float
        } else if any(&[DataType::Long, DataType::Timestamp]) {
            DataType::Long
        } else {
            DataType::Int
        },
    ))
}

fn has_text(arguments: &[Argument]) -> bool {
    let mut types = arguments.iter().map(|a| a.column_type.data_type);
    types.any(|found| found == DataType::String)
}

/// The divisor's type among integers, else DOUBLE.
fn remainder(name: &str, arguments: &[Argument]) -> Result<ColumnType> {
    let types = operands(name, arguments)?;
    let integer = |t: &DataType| t.is_integer() || *t == DataType::Timestamp;
    let whole = types.iter().all(integer) && !has_text(arguments);
    Ok(ColumnType::sv(match types.last() {
        Some(DataType::Int) if whole => DataType::Int,
        Some(_) if whole => DataType::Long,
        _ => DataType::Double,
    }))
}

fn refused(name: &str, arguments: &[Argument]) -> datafusion::error::DataFusionError {
    let symbol = match name {
        "$plus" | "plus" | "add" => "+",
        "$minus" | "minus" | "sub" => "-",
        "$times" | "times" | "mult" => "*",
        "$divide" => "/",
        other => other.trim_start_matches('$'),
    };
    let types: Vec<String> = arguments
        .iter()
        .map(|a| format!("<{}>", a.column_type))
        .collect();
    MultiStageError::invalid(format!(
        "Cannot apply '{symbol}' to arguments of type '{}'",
        types.join(&format!(" {symbol} "))
    ))
    .into()
}
