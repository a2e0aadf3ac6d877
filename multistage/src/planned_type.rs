//! The types that Pinot's planner gives to results of functions, where they are not the kernels' own.
//!
//! Must not know: kernels. Invariant: a type depends on the name and the types of the arguments alone. Source: Pinot's
//! operator table of the multi-stage engine.

use common::{ColumnType, DataType};
use datafusion::error::Result;
use functions::scalar::Argument;

use crate::error::MultiStageError;

/// The planned type of a call whose kernel answers `computed`.
pub(crate) fn planned(
    name: &str,
    arguments: &[Argument],
    computed: ColumnType,
) -> Result<ColumnType> {
    Ok(match name {
        "plus" | "minus" | "times" | "divide" | "mod" | "add" | "sub" | "mult" | "div" => {
            arithmetic(name, arguments)?
        }
        "year" | "quarter" | "monthofyear" | "month" | "weekofyear" | "week" | "yearofweek"
        | "yow" | "dayofyear" | "doy" | "dayofmonth" | "day" | "dayofweek" | "dow" | "hour"
        | "minute" | "second" | "millisecond" | "datetrunc" | "extract"
            if !computed.multi =>
        {
            ColumnType::sv(DataType::Long)
        }
        "fromdatetime" | "now" if !computed.multi => ColumnType::sv(DataType::Timestamp),
        _ => computed,
    })
}

/// INT op INT is INT, the wider integer otherwise; anything else is DOUBLE, BIG_DECIMAL with itself or an integer.
fn arithmetic(name: &str, arguments: &[Argument]) -> Result<ColumnType> {
    let types: Vec<DataType> = arguments.iter().map(|a| a.column_type.data_type).collect();
    if arguments.iter().any(|a| a.column_type.multi) {
        return Err(refused(name, arguments));
    }
    let known = || types.iter().copied().filter(|t| *t != DataType::Unknown);
    if known().any(|t| !t.is_numeric()) && !known().all(|t| t == DataType::Timestamp) {
        let sides = known()
            .filter(|t| !t.is_numeric() && *t != DataType::Timestamp)
            .count();
        if sides > 0 {
            return Err(refused(name, arguments));
        }
    }
    let all = |wanted: &[DataType]| known().all(|t| wanted.contains(&t));
    Ok(ColumnType::sv(if all(&[DataType::Int]) {
        DataType::Int
    } else if all(&[DataType::Int, DataType::Long, DataType::Timestamp]) {
        DataType::Long
    } else if all(&[DataType::Float]) {
        DataType::Float
    } else if all(&[DataType::BigDecimal]) {
        DataType::BigDecimal
    } else {
        DataType::Double
    }))
}

fn refused(name: &str, arguments: &[Argument]) -> datafusion::error::DataFusionError {
    let symbol = match name {
        "plus" | "add" => "+",
        "minus" | "sub" => "-",
        "times" | "mult" => "*",
        "divide" | "div" => "/",
        other => other,
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
