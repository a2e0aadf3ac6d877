//! `aggregationConfigs`: which source field feeds an aggregated column, and what one row contributes.
//!
//! Rows are not rolled up here; who keeps them does, with [`RollUp`]. Must not know: batches.
//! Invariant: the contribution of a row without the source field changes nothing in the aggregate.

use common::table_config::TableConfig;
use functions::sketch::hyperloglog::HyperLogLog;
use functions::sketch::hyperloglog_plus::HyperLogLogPlus;
use functions::sketch::{Counter, Item};

use crate::error::ConfigError;
use crate::record::{Field, Record};

/// How two values of an aggregated column become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RollUp {
    /// Added (SUM, COUNT).
    Sum,
    /// The smaller (MIN).
    Min,
    /// The greater (MAX).
    Max,
    /// HyperLogLogs merged (DISTINCTCOUNTHLL), of `2^log2m` registers.
    Hll(u8),
    /// HyperLogLog++ merged (DISTINCTCOUNTHLLPLUS), of that precision.
    HllPlus(u8),
}

impl RollUp {
    /// Two serialised sketches as one; `None` where this is no sketch, or one of them is none.
    #[must_use]
    pub fn merge_sketches(self, old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hll(size) => merged::<HyperLogLog>(old, new, size),
            Self::HllPlus(size) => merged::<HyperLogLogPlus>(old, new, size),
            Self::Sum | Self::Min | Self::Max => None,
        }
    }
}

fn merged<S: Counter>(old: &[u8], new: &[u8], size: u8) -> Option<Vec<u8>> {
    let mut sketch = S::read(old, size)?;
    sketch.absorb(S::read(new, size)?).then(|| sketch.save())
}

/// The sketch of one value; bytes that are a sketch already are taken as they are.
fn sketch_of<S: Counter>(field: Option<&Field>, size: u8) -> Field {
    let mut sketch = S::sized(size);
    match field {
        None | Some(Field::Null) => {}
        Some(Field::Bytes(bytes)) if S::read(bytes, size).is_some() => {
            return Field::Bytes(bytes.clone());
        }
        Some(Field::Int(v)) => sketch.offer(Item::Int(*v)),
        Some(Field::Long(v) | Field::Timestamp(v)) => sketch.offer(Item::Long(*v)),
        Some(Field::Bool(v)) => sketch.offer(Item::Int((*v).into())),
        Some(Field::Float(v)) => sketch.offer(Item::Float(*v)),
        Some(Field::Double(v)) => sketch.offer(Item::Double(*v)),
        Some(Field::Bytes(bytes)) => sketch.offer(Item::Bytes(bytes)),
        Some(other) => sketch.offer(Item::Text(&other.to_text())),
    }
    Field::Bytes(sketch.save())
}

/// An aggregated column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregated {
    /// The column.
    pub column: String,
    /// The field it is made of; `None` for COUNT(*).
    pub source: Option<String>,
    /// How values meet.
    pub roll_up: RollUp,
}

/// The aggregated columns of a table.
///
/// # Errors
/// Where a function cannot be rolled up in its column.
pub fn aggregated_columns(table: &TableConfig) -> Result<Vec<Aggregated>, ConfigError> {
    let Some(ingestion) = &table.ingestion_config else {
        return Ok(Vec::new());
    };
    ingestion
        .aggregation_configs
        .iter()
        .map(|config| {
            let text = config.aggregation_function.trim();
            let invalid = || ConfigError::Invalid(format!("Invalid aggregation function '{text}'"));
            let (name, rest) = text.split_once('(').ok_or_else(invalid)?;
            let mut arguments = rest.strip_suffix(')').ok_or_else(invalid)?.split(',');
            let argument = arguments.next().unwrap_or("").trim().trim_matches('"');
            let size = arguments.next().and_then(|size| size.trim().parse().ok());
            let name = functions::canonical_name(name.trim());
            let roll_up = match name.as_str() {
                "count" | "sum" | "sumprecision" => RollUp::Sum,
                "min" => RollUp::Min,
                "max" => RollUp::Max,
                "distinctcounthll" => RollUp::Hll(size.unwrap_or(8)),
                "distinctcounthllplus" => RollUp::HllPlus(size.unwrap_or(14)),
                _ => {
                    return Err(ConfigError::Invalid(format!(
                        "Invalid aggregation function name: {name}"
                    )));
                }
            };
            Ok(Aggregated {
                column: config.column_name.clone(),
                source: (name != "count").then(|| argument.to_owned()),
                roll_up,
            })
        })
        .collect()
}

impl Aggregated {
    /// What a record contributes.
    #[must_use]
    pub fn contribution(&self, record: &Record) -> Field {
        let Some(source) = &self.source else {
            return Field::Int(1);
        };
        match (record.get(source), self.roll_up) {
            (field, RollUp::Hll(size)) => sketch_of::<HyperLogLog>(field, size),
            (field, RollUp::HllPlus(size)) => sketch_of::<HyperLogLogPlus>(field, size),
            (Some(field), _) if !field.is_null() => field.clone(),
            (_, RollUp::Sum) => Field::Int(0),
            (_, RollUp::Min) => Field::Double(f64::INFINITY),
            (_, RollUp::Max) => Field::Double(f64::NEG_INFINITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sketches_of_values_merge() {
        let how = RollUp::Hll(8);
        let column = Aggregated {
            column: "d".to_owned(),
            source: Some("s".to_owned()),
            roll_up: how,
        };
        let mut all = Vec::new();
        for value in 0..50 {
            let mut record = Record::new();
            record.set("s", Field::Text(format!("v{}", value % 20)));
            let Field::Bytes(one) = column.contribution(&record) else {
                continue;
            };
            all = if all.is_empty() {
                one
            } else {
                how.merge_sketches(&all, &one).unwrap_or_default()
            };
        }
        let sketch = HyperLogLog::from_bytes(&all);
        assert!(sketch.is_some_and(|s| (18..=22).contains(&s.cardinality())));
    }
}
