//! Random tables and the suites that every form of a segment and every index passes.
//!
//! Must not know: one implementation from another. Invariant: everything follows from a seed.

pub mod damage;
mod predicates;

use std::path::Path;

use common::{BigDecimal, ColumnType, DataType, Schema, TableConfig, Value};

use crate::build::{BuildSettings, Built, seal};
use crate::{Column, Docs, MutableSegment, RowBatch, Segment};

pub use predicates::indexes_agree;

/// A small generator of pseudo-random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    #[allow(
        clippy::should_implement_trait,
        reason = "a generator without an end is no iterator"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// A table with single- and multi-value columns of every type, with dictionary (`d_`), raw (`r_`) and as metrics (`m_`).
#[derive(Debug, Clone)]
pub struct Table {
    /// Schema.
    pub schema: Schema,
    /// Config.
    pub config: TableConfig,
    /// Rows in schema order.
    pub rows: Vec<Vec<Value>>,
}

const TYPES: [DataType; 9] = [
    DataType::Int,
    DataType::Long,
    DataType::Float,
    DataType::Double,
    DataType::BigDecimal,
    DataType::Boolean,
    DataType::Timestamp,
    DataType::String,
    DataType::Bytes,
];

fn column_names() -> (Vec<serde_json::Value>, Vec<String>) {
    let (mut fields, mut raw) = (Vec::new(), Vec::new());
    for data_type in TYPES {
        for (prefix, single) in [
            ("d_sv", true),
            ("r_sv", true),
            ("d_mv", false),
            ("r_mv", false),
        ] {
            if !single && data_type == DataType::BigDecimal {
                continue;
            }
            let name = format!("{prefix}_{}", data_type.name().to_lowercase());
            if prefix.starts_with('r') {
                raw.push(name.clone());
            }
            fields.push(serde_json::json!({
                "name": name, "dataType": data_type.name(), "singleValueField": single
            }));
        }
    }
    (fields, raw)
}

/// A random value of a type, out of about `variety` different ones.
pub fn random_value(random: &mut Random, data_type: DataType, variety: u64) -> Value {
    let n = random.below(variety) as i64 - variety as i64 / 2;
    match data_type {
        DataType::Int => Value::Int(n as i32),
        DataType::Long => Value::Long(n * 1_000_000_007),
        DataType::Float => Value::Float(n as f32 / 4.0),
        DataType::Double => Value::Double(n as f64 / 3.0),
        DataType::BigDecimal => Value::BigDecimal(BigDecimal::new(n.into(), 2)),
        DataType::Boolean => Value::Boolean(n % 2 == 0),
        DataType::Timestamp => Value::Timestamp(1_700_000_000_000 + n * 1000),
        DataType::Bytes => Value::Bytes(n.to_be_bytes()[(n & 3) as usize..].to_vec()),
        _ => Value::String(format!("{}é{n}", "x".repeat((n & 7) as usize))),
    }
}

impl Table {
    /// A random table of that many rows.
    #[must_use]
    pub fn random(seed: u64, rows: usize, settings: serde_json::Value) -> Option<Self> {
        let mut random = Random(seed);
        let (fields, raw) = column_names();
        let schema: Schema = serde_json::from_value(serde_json::json!({
            "schemaName": "t",
            "dimensionFieldSpecs": fields,
            "metricFieldSpecs": [
                {"name": "m_int", "dataType": "INT"}, {"name": "m_double", "dataType": "DOUBLE"},
                {"name": "m_long", "dataType": "LONG"}],
            "dateTimeFieldSpecs": [
                {"name": "ts", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]
        }))
        .ok()?;
        let mut indexing =
            serde_json::json!({"noDictionaryColumns": raw, "nullHandlingEnabled": true});
        if let (Some(into), Some(from)) = (indexing.as_object_mut(), settings.as_object()) {
            into.extend(from.clone());
        }
        let config: TableConfig = serde_json::from_value(serde_json::json!({
            "tableName": "t_OFFLINE", "tableType": "OFFLINE",
            "segmentsConfig": {"timeColumnName": "ts"},
            "tableIndexConfig": indexing
        }))
        .ok()?;
        let variety = 1 + random.below(2 * rows as u64 + 10);
        let rows = (0..rows)
            .map(|_| {
                let columns = schema.fields.iter();
                columns
                    .map(|(_, field)| random_cell(&mut random, field.column_type(), variety))
                    .collect()
            })
            .collect();
        Some(Self {
            schema,
            config,
            rows,
        })
    }

    /// The rows in batches of at most `size`.
    #[must_use]
    pub fn batches(&self, size: usize) -> Vec<RowBatch> {
        let Ok(mut batch) = RowBatch::new(&self.schema) else {
            return Vec::new();
        };
        self.rows
            .chunks(size.max(1))
            .map(|rows| {
                batch.clear();
                for row in rows {
                    for (column, value) in batch.columns_mut().iter_mut().zip(row) {
                        column.push(value);
                    }
                }
                batch.clone()
            })
            .collect()
    }

    /// The rows in a mutable segment.
    ///
    /// # Errors
    /// Where a batch does not fit, which is a defect.
    pub fn mutable(&self) -> crate::error::Result<std::sync::Arc<MutableSegment>> {
        let (mut writer, segment) = MutableSegment::create("t__0__0", &self.schema, &self.config)?;
        for (at, batch) in self.batches(97).iter().enumerate() {
            writer.append(batch)?;
            writer.publish(at as i64);
        }
        Ok(segment)
    }

    /// The rows as a sealed file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn seal(&self, source: &dyn Segment, path: &Path) -> crate::error::Result<Built> {
        let settings = BuildSettings {
            name: "t_0".to_owned(),
            created_ms: 1,
            ..BuildSettings::default()
        };
        seal(source, &self.schema, &self.config, &settings, path)
    }

    /// What a row of a column reads as: the default where it is null.
    #[must_use]
    pub fn stored(&self, row: usize, column: usize) -> Value {
        let value = &self.rows[row][column];
        if !value.is_null() {
            return value.clone();
        }
        let (role, field) = &self.schema.fields[column];
        let default = field.null_value(*role).unwrap_or_default();
        if field.single_value_field {
            default
        } else {
            Value::Array(field.data_type, vec![default])
        }
    }
}

fn random_cell(random: &mut Random, column_type: ColumnType, variety: u64) -> Value {
    if random.below(10) == 0 {
        return Value::Null;
    }
    if !column_type.multi {
        return random_value(random, column_type.data_type, variety);
    }
    let items = (0..1 + random.below(4))
        .map(|_| random_value(random, column_type.data_type, variety))
        .collect();
    Value::Array(column_type.data_type, items)
}

/// Checks that a segment reads as the rows it was made from, in the order given.
///
/// # Errors
/// The first difference.
pub fn reads_as(segment: &dyn Segment, table: &Table, order: &[usize]) -> Result<(), String> {
    if segment.doc_count() as usize != order.len() {
        return Err(format!(
            "{} rows, expected {}",
            segment.doc_count(),
            order.len()
        ));
    }
    for (at, (_, field)) in table.schema.fields.iter().enumerate() {
        let column = segment
            .column(&field.name)
            .ok_or_else(|| format!("no column {}", field.name))?;
        let expected: Vec<Value> = order.iter().map(|row| table.stored(*row, at)).collect();
        let nulls: Vec<u32> = (0..)
            .zip(order)
            .filter(|(_, row)| table.rows[**row][at].is_null())
            .map(|(doc, _)| doc)
            .collect();
        column_reads_as(column, &expected, &nulls).map_err(|e| format!("{}: {e}", field.name))?;
    }
    Ok(())
}

fn column_reads_as(column: &dyn Column, expected: &[Value], nulls: &[u32]) -> Result<(), String> {
    let rows = expected.len() as u32;
    let data_type = column.column_type().data_type;
    let lists: [Vec<u32>; 3] = [
        (0..rows).step_by(7).collect(),
        (rows / 3..rows * 2 / 3).collect(),
        (0..rows).collect(),
    ];
    let mut requests = vec![
        Docs::Range(0..rows),
        Docs::Range(rows / 5..rows * 3 / 4),
        Docs::Range(0..0),
    ];
    requests.extend(lists.iter().map(|list| Docs::List(list)));
    for docs in requests {
        let mut wanted = Vec::new();
        docs.for_each(|doc| wanted.push(&expected[doc as usize]));
        let values = column.values(docs.clone());
        if values.len() != wanted.len() {
            return Err(format!("{} values for {} rows", values.len(), wanted.len()));
        }
        for (at, value) in wanted.iter().enumerate() {
            if values.get(at, data_type) != **value {
                return Err(format!(
                    "row {at} of {docs:?}: {:?}, expected {value:?}",
                    values.get(at, data_type)
                ));
            }
        }
        if let Some(dictionary) = column.dictionary() {
            let (mut offsets, mut ids) = (Vec::new(), Vec::new());
            if column.column_type().multi {
                column.id_lists(docs.clone(), &mut offsets, &mut ids);
            } else {
                column.ids(docs.clone(), &mut ids);
                offsets = (0..=ids.len() as u32).collect();
            }
            for (at, value) in wanted.iter().enumerate() {
                let range = offsets[at] as usize..offsets[at + 1] as usize;
                let items: Vec<Value> = ids[range].iter().map(|id| dictionary.value(*id)).collect();
                let same = match value {
                    Value::Array(_, wanted) => items == *wanted,
                    value => items.len() == 1 && items[0] == **value,
                };
                if !same
                    || !items
                        .iter()
                        .zip(ids.get(offsets[at] as usize..).unwrap_or(&[]))
                        .all(|(item, id)| dictionary.find(item) == Some(*id))
                {
                    return Err(format!(
                        "ids of row {at} of {docs:?}: {items:?}, expected {value:?}"
                    ));
                }
            }
        }
    }
    let found: Vec<u32> = column.nulls().map_or_else(Vec::new, |n| n.iter().collect());
    if found != nulls {
        return Err(format!("nulls {found:?}, expected {nulls:?}"));
    }
    stats_fit(column, expected)
}

fn stats_fit(column: &dyn Column, expected: &[Value]) -> Result<(), String> {
    let mut all: Vec<&Value> = Vec::new();
    for value in expected {
        match value {
            Value::Array(_, items) => all.extend(items),
            value => all.push(value),
        }
    }
    let entries = all.len() as u64;
    all.sort_by(|a, b| a.total_cmp(b));
    all.dedup();
    let stats = column.stats();
    if stats.min.as_ref() != all.first().copied() || stats.max.as_ref() != all.last().copied() {
        return Err(format!(
            "range {:?} to {:?}, expected {:?} to {:?}",
            stats.min,
            stats.max,
            all.first(),
            all.last()
        ));
    }
    if stats.cardinality.is_some_and(|c| c as usize != all.len()) || stats.total_entries != entries
    {
        return Err(format!(
            "{stats:?}, expected {} distinct of {entries}",
            all.len()
        ));
    }
    Ok(())
}
