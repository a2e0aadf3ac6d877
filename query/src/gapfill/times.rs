//! The buckets of time that GAPFILL fills.
//!
//! Must not know: rows. Invariant: there are at most [`MOST`] buckets; divisions cut off toward zero, as Pinot's do.

use common::time_format::{DateTimeFormat, Granularity};
use common::{DataType, Value};
use functions::datetime::Converter;
use sql::gapfill::Gapfill;

use crate::QueryError;

/// Buckets of one query.
const MOST: i64 = 1_000_000;

/// The times of a query's buckets.
pub(super) struct Times {
    converter: Converter,
    /// First bucket, milliseconds.
    start: i64,
    /// Milliseconds of a bucket.
    pub(super) step: i64,
    count: i64,
    /// Buckets that an outer aggregation takes together.
    pub(super) together: i64,
}

fn granularity(text: &str) -> Result<(Granularity, i64), QueryError> {
    let wrong = || QueryError::validation(format!("`{text}` is no granularity of GAPFILL"));
    let granularity: Granularity = text.parse().map_err(|_| wrong())?;
    let millis = granularity.unit.to_millis(granularity.size);
    if millis <= 0 {
        return Err(wrong());
    }
    Ok((granularity, millis))
}

impl Times {
    pub(super) fn new(gapfill: &Gapfill) -> Result<Self, QueryError> {
        let format: DateTimeFormat = gapfill
            .format
            .parse()
            .map_err(|error| QueryError::validation(format!("GAPFILL: {error}")))?;
        let converter = Converter::new(&format)?;
        let (bucket, step) = granularity(&gapfill.bucket)?;
        let (_, outer_step) = granularity(&gapfill.result_bucket)?;
        let end_of = |text: &str| -> Result<i64, QueryError> {
            Ok(converter.millis_of_text(text)? / bucket.size * bucket.size)
        };
        let start = end_of(&gapfill.start)?;
        let count = end_of(&gapfill.end)?.saturating_sub(start) / step;
        if count > MOST {
            return Err(QueryError::execution(format!(
                "GAPFILL over {count} buckets: expected at most {MOST}"
            )));
        }
        Ok(Self {
            converter,
            start,
            step,
            count: count.max(0),
            together: (outer_step / step).max(1),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// The start of every bucket.
    pub(super) fn starts(&self) -> impl Iterator<Item = i64> + use<> {
        let (start, step) = (self.start, self.step);
        (0..self.count).map(move |bucket| start.saturating_add(bucket.saturating_mul(step)))
    }

    pub(super) fn bucket_of(&self, millis: i64) -> i64 {
        millis.saturating_sub(self.start) / self.step
    }

    pub(super) fn of(&self, value: &Value) -> Result<i64, QueryError> {
        Ok(self.converter.millis_of(value)?)
    }

    pub(super) fn shown(&self, millis: i64, data_type: DataType) -> Value {
        let mut out = String::new();
        self.converter.print(&mut out, millis);
        match data_type {
            DataType::Int | DataType::Long => {
                Value::String(out).cast(data_type).unwrap_or_default()
            }
            _ => Value::String(out),
        }
    }
}
