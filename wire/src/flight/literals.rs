//! Bound values as literals of a statement.
//!
//! Must not know: statements. Invariant: a value becomes one literal, and a quote inside of it stays inside.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::DateTime;

/// The values of the first row.
pub(super) fn of_row(batch: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    batch
        .columns()
        .iter()
        .map(|column| literal(column))
        .collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn literal(column: &dyn Array) -> Result<String, ArrowError> {
    if column.is_empty() || column.is_null(0) {
        return Ok("NULL".to_owned());
    }
    let kind = column.data_type();
    if matches!(
        kind,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
    ) {
        let column = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
        let millis = column.as_primitive::<TimestampMillisecondType>().value(0);
        let moment = DateTime::from_timestamp_millis(millis).ok_or_else(|| {
            ArrowError::CastError(format!("{millis} ms is no moment that can be written"))
        })?;
        return Ok(quoted(
            &moment
                .naive_utc()
                .format("%Y-%m-%d %H:%M:%S%.3f")
                .to_string(),
        ));
    }
    let text = ArrayFormatter::try_new(column, &FormatOptions::default())?
        .value(0)
        .try_to_string()?;
    let plain = kind.is_numeric() || matches!(kind, DataType::Boolean);
    Ok(if plain { text } else { quoted(&text) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };

    use super::*;

    #[test]
    fn values_become_literals() -> Result<(), ArrowError> {
        let columns: [ArrayRef; 5] = [
            Arc::new(Int64Array::from(vec![-7])),
            Arc::new(Float64Array::from(vec![0.5])),
            Arc::new(StringArray::from(vec!["it's"])),
            Arc::new(BooleanArray::from(vec![None])),
            Arc::new(TimestampMicrosecondArray::from(vec![1_500_000])),
        ];
        let all = columns
            .iter()
            .map(|c| literal(c))
            .collect::<Result<Vec<_>, _>>()?;
        assert_eq!(
            all,
            ["-7", "0.5", "'it''s'", "NULL", "'1970-01-01 00:00:01.500'"]
        );
        Ok(())
    }
}
