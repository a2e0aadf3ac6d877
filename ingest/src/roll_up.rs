//! Rows with equal dimensions and times become one, in a segment that grows.
//!
//! A row that takes another in stands at the end of the segment, and the one before it counts no more; the segment is packed when too many
//! of its rows do not count. Must not know: streams, queries. Invariant: every published state holds each combination once.

use std::collections::HashMap;
use std::sync::Arc;

use common::{DataType, FieldRole, Schema, TableConfig, Value};
use roaring::RoaringBitmap;
use segment::{Docs, MutableSegment, RowBatch, Segment, SegmentError, SegmentWriter, key_of};

use crate::aggregation::{RollUp, aggregated_columns};
use crate::error::ConfigError;

/// Rows that do not count and are tolerated whatever the size.
const TOLERATED: u64 = 8192;
const BLOCK: usize = 4096;

struct Measure {
    column: usize,
    name: String,
    data_type: DataType,
    how: RollUp,
}

/// The rows of a growing segment by what they are not aggregated by.
pub struct RolledUp {
    keys: Vec<usize>,
    measures: Vec<Measure>,
    places: HashMap<u128, u32>,
    valid: RoaringBitmap,
}

/// A row to be.
struct Merged {
    row: u32,
    key: u128,
    values: Vec<Value>,
    before: Option<u32>,
}

impl RolledUp {
    /// Where a table aggregates while it consumes.
    ///
    /// # Errors
    /// Where a function cannot be rolled up in its column.
    pub fn while_consuming(
        schema: &Schema,
        config: &TableConfig,
    ) -> Result<Option<Self>, ConfigError> {
        let configured = aggregated_columns(config)?;
        let metrics = config.table_index_config.aggregate_metrics;
        if configured.is_empty() && !metrics {
            return Ok(None);
        }
        Ok(Some(Self::new(schema, |role, name| {
            let named = configured.iter().find(|a| a.column == name);
            named
                .map(|aggregated| aggregated.roll_up)
                .or_else(|| (metrics && role == FieldRole::Metric).then_some(RollUp::Sum))
        })))
    }

    /// No rows yet; `how` says of each column how its values meet, `None` where rows that differ in it stay apart.
    pub fn new(schema: &Schema, how: impl Fn(FieldRole, &str) -> Option<RollUp>) -> Self {
        let (mut keys, mut measures) = (Vec::new(), Vec::new());
        for (at, (role, field)) in schema.fields.iter().enumerate() {
            match how(*role, &field.name) {
                None => keys.push(at),
                Some(how) => measures.push(Measure {
                    column: at,
                    name: field.name.clone(),
                    data_type: field.data_type,
                    how,
                }),
            }
        }
        Self {
            keys,
            measures,
            places: HashMap::new(),
            valid: RoaringBitmap::new(),
        }
    }

    /// Rows that count.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.valid.len()
    }

    /// True without a row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.valid.is_empty()
    }

    /// Adds a batch to the segment and publishes it.
    ///
    /// # Errors
    /// Where the batch does not fit the segment, or the segment is full.
    pub fn add(
        &mut self,
        writer: &mut SegmentWriter,
        batch: &mut RowBatch,
        now_ms: i64,
    ) -> Result<(), SegmentError> {
        writer.check(batch)?;
        let mut merged = self.merge(batch);
        self.take_over(writer.segment(), &mut merged);
        let mut out = batch.clone();
        out.clear();
        for (at, (to, from)) in out
            .columns_mut()
            .iter_mut()
            .zip(batch.columns())
            .enumerate()
        {
            let measure = self.measures.iter().position(|m| m.column == at);
            for row in &merged {
                match measure.and_then(|measure| row.values.get(measure)) {
                    Some(value) => to.push(value),
                    None => to.push_from(from, row.row),
                }
            }
        }
        let base = writer.rows();
        writer.append(&out)?;
        for (doc, row) in (base..).zip(&merged) {
            if let Some(before) = row.before {
                self.valid.remove(before);
            }
            self.valid.insert(doc);
            self.places.insert(row.key, doc);
        }
        writer.publish_valid(now_ms, Some(Arc::new(self.valid.clone())));
        Ok(())
    }

    /// The rows of a batch, those with equal keys as one.
    fn merge(&self, batch: &RowBatch) -> Vec<Merged> {
        let mut merged: Vec<Merged> = Vec::new();
        let mut known: HashMap<u128, usize> = HashMap::new();
        let mut scratch = Vec::new();
        let columns = batch.columns();
        for row in 0..batch.rows() {
            let keys = self.keys.iter().filter_map(|at| columns.get(*at));
            let key = key_of(keys.map(|column| &column.values), row, &mut scratch);
            let values = self.measures.iter().map(|measure| {
                let column = columns.get(measure.column);
                column.map_or(Value::Null, |c| c.values.get(row, measure.data_type))
            });
            match known.get(&key).and_then(|at| merged.get_mut(*at)) {
                Some(earlier) => {
                    let measures = self.measures.iter();
                    for ((held, new), measure) in
                        earlier.values.iter_mut().zip(values).zip(measures)
                    {
                        *held = meet(measure.how, held, &new);
                    }
                }
                None => {
                    known.insert(key, merged.len());
                    merged.push(Merged {
                        row: row as u32,
                        key,
                        values: values.collect(),
                        before: self.places.get(&key).copied(),
                    });
                }
            }
        }
        merged
    }

    /// Adds what rows of the segment hold already.
    fn take_over(&self, segment: &MutableSegment, merged: &mut [Merged]) {
        let mut before: Vec<(u32, usize)> = merged
            .iter()
            .enumerate()
            .filter_map(|(at, row)| Some((row.before?, at)))
            .collect();
        before.sort_unstable();
        let docs: Vec<u32> = before.iter().map(|(doc, _)| *doc).collect();
        let snapshot = segment.snapshot();
        for (number, measure) in self.measures.iter().enumerate() {
            let Some(column) = snapshot.column(&measure.name) else {
                continue;
            };
            let values = column.values(Docs::List(&docs));
            for (at, (_, row)) in before.iter().enumerate() {
                let old = values.get(at, measure.data_type);
                let held = merged.get_mut(*row).and_then(|m| m.values.get_mut(number));
                if let Some(held) = held {
                    *held = meet(measure.how, &old, held);
                }
            }
        }
    }

    /// True where most rows of the segment do not count.
    #[must_use]
    pub fn is_loose(&self, rows: u32) -> bool {
        u64::from(rows) > self.len() * 2 + TOLERATED
    }

    /// The same rows in a new segment, without those that do not count.
    ///
    /// # Errors
    /// Where the new segment cannot be made.
    pub fn pack(
        &mut self,
        writer: &SegmentWriter,
        schema: &Schema,
        config: &TableConfig,
        now_ms: i64,
    ) -> Result<SegmentWriter, SegmentError> {
        let from = writer.segment().snapshot();
        let (mut packed, _) = MutableSegment::create(from.name(), schema, config)?;
        let docs: Vec<u32> = self.valid.iter().collect();
        for docs in docs.chunks(BLOCK) {
            packed.append(&rows_of(from.as_ref(), schema, docs)?)?;
        }
        let now = |doc: u32| self.valid.rank(doc).saturating_sub(1) as u32;
        let places = self.places.iter().map(|(key, doc)| (*key, now(*doc)));
        self.places = places.collect();
        self.valid = RoaringBitmap::new();
        self.valid.insert_range(0..packed.rows());
        packed.publish_valid(now_ms, Some(Arc::new(self.valid.clone())));
        Ok(packed)
    }
}

/// Rows of a segment as a batch; columns that the segment lacks are null.
///
/// # Errors
/// Where a default null value does not fit its column.
pub fn rows_of(
    from: &dyn Segment,
    schema: &Schema,
    docs: &[u32],
) -> Result<RowBatch, SegmentError> {
    let mut batch = RowBatch::new(schema)?;
    for ((_, field), to) in schema.fields.iter().zip(batch.columns_mut()) {
        let Some(column) = from.column(&field.name) else {
            docs.iter().for_each(|_| to.push_null());
            continue;
        };
        to.values = column.values(Docs::List(docs));
        if let Some(nulls) = column.nulls() {
            let null = (0..).zip(docs).filter(|(_, doc)| nulls.contains(**doc));
            to.nulls = null.map(|(row, _)| row).collect();
        }
    }
    Ok(batch)
}

fn meet(how: RollUp, old: &Value, new: &Value) -> Value {
    if let (Value::Bytes(a), Value::Bytes(b)) = (old, new) {
        let merged = how.merge_sketches(a, b);
        return merged.map_or_else(|| old.clone(), Value::Bytes);
    }
    match how {
        RollUp::Sum => old.plus(new),
        RollUp::Min if old.total_cmp(new).is_le() => old.clone(),
        RollUp::Max if old.total_cmp(new).is_ge() => old.clone(),
        RollUp::Min | RollUp::Max | RollUp::Hll(_) | RollUp::HllPlus(_) => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_dimensions_become_one_row_and_the_segment_stays_small()
    -> Result<(), Box<dyn std::error::Error>> {
        let schema: Schema = serde_json::from_value(json!({
            "schemaName": "t",
            "dimensionFieldSpecs": [{"name": "d", "dataType": "STRING"}],
            "metricFieldSpecs": [{"name": "m", "dataType": "LONG"}],
        }))?;
        let config: TableConfig = serde_json::from_value(json!({
            "tableName": "t_REALTIME", "tableType": "REALTIME",
            "tableIndexConfig": {"aggregateMetrics": true},
        }))?;
        let mut rows = RolledUp::while_consuming(&schema, &config)?.ok_or("no aggregation")?;
        let (mut writer, _) = MutableSegment::create("s", &schema, &config)?;
        for _ in 0..2000 {
            let mut batch = RowBatch::new(&schema)?;
            for n in 0..20 {
                let values = [Value::String(format!("d{}", n % 10)), Value::Long(n)];
                for (column, value) in batch.columns_mut().iter_mut().zip(&values) {
                    column.push(value);
                }
            }
            rows.add(&mut writer, &mut batch, 0)?;
            if rows.is_loose(writer.rows()) {
                writer = rows.pack(&writer, &schema, &config, 0)?;
            }
        }
        assert_eq!(rows.len(), 10);
        assert!(writer.rows() < 10_000);
        let snapshot = writer.segment().snapshot();
        let valid: Vec<u32> = snapshot.valid_docs().unwrap_or_default().iter().collect();
        let column = snapshot.column("m").ok_or("no column")?;
        let values = column.values(Docs::List(&valid));
        let total: i64 = (0..10)
            .filter_map(|at| values.get(at, DataType::Long).as_i64())
            .sum();
        assert_eq!(total, 2000 * 190);
        Ok(())
    }
}
