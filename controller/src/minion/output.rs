//! Rows on their way into new segments: apart by time bucket, rounded, rolled up, cut at a number of rows.
//!
//! Must not know: where segments come from and go to. Invariant: a row is in exactly one output, or in a roll-up of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{FieldRole, Schema, TableConfig, Value};
use ingest::aggregation::RollUp;
use ingest::roll_up::{RolledUp, rows_of};
use roaring::RoaringBitmap;
use segment::build::{BuildSettings, seal};
use segment::time::TimeReader;
use segment::{MutableSegment, RowBatch, Segment, SegmentError, SegmentWriter};
use serde::{Deserialize, Serialize};

/// Rows that are moved at a time.
const BLOCK: u32 = 8192;

/// What becomes of equal rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// They stay.
    Concat,
    /// One of them stays.
    Dedup,
    /// Rows of equal dimensions and times become one; metrics are added unless they are named here.
    RollUp(BTreeMap<String, RollUp>),
}

/// How rows are put together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) mode: Mode,
    /// Rows with a time in here, milliseconds, the end excluded; all where `None`.
    pub(crate) window: Option<(i64, i64)>,
    /// Rows of different spans of this length lie in different segments, milliseconds.
    pub(crate) bucket_ms: Option<i64>,
    /// Times are cut down to a multiple of this, milliseconds.
    pub(crate) round_ms: Option<i64>,
    /// Dimensions that lose their value.
    pub(crate) erased: Vec<String>,
    /// Rows of a segment at most.
    pub(crate) rows_per_segment: u32,
}

/// A segment that was written.
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) rows: u32,
}

/// How segments are named, and where their files go.
pub(crate) struct Naming<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) now_ms: i64,
}

struct Open {
    writer: SegmentWriter,
    rolled: Option<RolledUp>,
}

impl Open {
    fn rows(&self) -> u64 {
        self.rolled
            .as_ref()
            .map_or(u64::from(self.writer.rows()), RolledUp::len)
    }
}

/// The outputs of one merge.
pub(crate) struct Outputs<'a> {
    schema: &'a Schema,
    config: &'a TableConfig,
    shape: &'a Shape,
    naming: Naming<'a>,
    time: Option<(usize, TimeReader)>,
    erased: Vec<usize>,
    open: BTreeMap<i64, Open>,
    written: Vec<Written>,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(
        schema: &'a Schema,
        config: &'a TableConfig,
        shape: &'a Shape,
        naming: Naming<'a>,
    ) -> Self {
        let position = |name: &str| schema.fields.iter().position(|(_, f)| f.name == name);
        let time = config.segments_config.time_column_name.as_deref();
        let time = time.and_then(|name| {
            let at = position(name)?;
            let format = schema.fields[at].1.format.as_deref();
            Some((at, TimeReader::new(format)))
        });
        Self {
            schema,
            config,
            shape,
            naming,
            time,
            erased: shape.erased.iter().filter_map(|n| position(n)).collect(),
            open: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    /// Takes the rows of a segment, those that count and are kept.
    pub(crate) fn add(
        &mut self,
        source: &dyn Segment,
        keep: Option<&RoaringBitmap>,
    ) -> Result<(), SegmentError> {
        let docs = source.doc_count();
        let mut start = 0;
        while start < docs {
            let end = docs.min(start.saturating_add(BLOCK));
            let wanted: Vec<u32> = (start..end)
                .filter(|doc| keep.is_none_or(|keep| keep.contains(*doc)))
                .collect();
            let mut batch = rows_of(source, self.schema, &wanted)?;
            self.erase(&mut batch);
            self.share_out(&mut batch)?;
            start = end;
        }
        Ok(())
    }

    fn erase(&self, batch: &mut RowBatch) {
        let rows = batch.rows();
        for at in &self.erased {
            let Some(column) = batch.columns_mut().get_mut(*at) else {
                continue;
            };
            column.values.truncate(0);
            column.nulls.clear();
            (0..rows).for_each(|_| column.push_null());
        }
    }

    /// Gives each row to the output of its bucket, cut to the window.
    fn share_out(&mut self, batch: &mut RowBatch) -> Result<(), SegmentError> {
        let Some((at, reader)) = self.time.clone() else {
            return self.append(0, batch);
        };
        let data_type = self.schema.fields[at].1.data_type;
        let (mut buckets, mut rounded) = (BTreeMap::<i64, Vec<u32>>::new(), Vec::new());
        for row in 0..batch.rows() {
            let value = batch.columns()[at].values.get(row, data_type);
            let millis = reader.millis(&value);
            let inside = |(from, to): (i64, i64)| millis.is_some_and(|ms| from <= ms && ms < to);
            if self.shape.window.is_some_and(|window| !inside(window)) {
                rounded.push(value);
                continue;
            }
            let start = |length: Option<i64>, ms: i64| length.map_or(0, |l| ms - ms.rem_euclid(l));
            let bucket = millis.map_or(0, |ms| start(self.shape.bucket_ms, ms));
            buckets.entry(bucket).or_default().push(row as u32);
            let cut = self
                .shape
                .round_ms
                .zip(millis)
                .and_then(|(length, ms)| reader.value(start(Some(length), ms), &value));
            rounded.push(cut.unwrap_or(value));
        }
        if self.shape.round_ms.is_some() {
            replace(batch, at, &rounded);
        }
        for (bucket, rows) in buckets {
            let mut part = batch.clone();
            part.keep(&rows);
            self.append(bucket, &mut part)?;
        }
        Ok(())
    }

    fn append(&mut self, bucket: i64, batch: &mut RowBatch) -> Result<(), SegmentError> {
        if batch.rows() == 0 {
            return Ok(());
        }
        if !self.open.contains_key(&bucket) {
            let fresh = self.fresh()?;
            self.open.insert(bucket, fresh);
        }
        let Some(open) = self.open.get_mut(&bucket) else {
            return Ok(());
        };
        match &mut open.rolled {
            None => open.writer.append(batch)?,
            Some(rolled) => {
                rolled.add(&mut open.writer, batch, 0)?;
                if rolled.is_loose(open.writer.rows()) {
                    open.writer = rolled.pack(&open.writer, self.schema, self.config, 0)?;
                }
            }
        }
        if open.rows() >= u64::from(self.shape.rows_per_segment) {
            self.close(bucket)?;
        }
        Ok(())
    }

    fn fresh(&self) -> Result<Open, SegmentError> {
        let (writer, _) = MutableSegment::create("merged", self.schema, self.config)?;
        let rolled = match &self.shape.mode {
            Mode::Concat => None,
            Mode::Dedup => Some(RolledUp::new(self.schema, |_, _| None)),
            Mode::RollUp(named) => Some(RolledUp::new(self.schema, |role, name| {
                (role == FieldRole::Metric).then(|| named.get(name).copied().unwrap_or(RollUp::Sum))
            })),
        };
        Ok(Open { writer, rolled })
    }

    fn close(&mut self, bucket: i64) -> Result<(), SegmentError> {
        let Some(mut open) = self.open.remove(&bucket) else {
            return Ok(());
        };
        if open.rolled.is_none() {
            open.writer.publish(self.naming.now_ms);
        }
        let snapshot = open.writer.segment().snapshot();
        let name = self.name(snapshot.as_ref());
        let path = self.naming.folder.join(&name);
        let settings = BuildSettings {
            name: name.clone(),
            created_ms: self.naming.now_ms,
            keep: snapshot.valid_docs().map(|valid| valid.as_ref().clone()),
            ..BuildSettings::default()
        };
        let built = seal(
            snapshot.as_ref(),
            self.schema,
            self.config,
            &settings,
            &path,
        )?;
        self.written.push(Written {
            name,
            path,
            rows: built.metadata.rows,
        });
        Ok(())
    }

    /// `prefix table_first_last_time_number`, times in milliseconds.
    fn name(&self, rows: &dyn Segment) -> String {
        let raw = self.config.raw_name();
        let times = rows.time_range_ms();
        let times = times.map_or_else(String::new, |(first, last)| format!("_{first}_{last}"));
        format!(
            "{}{raw}{times}_{}_{}",
            self.naming.prefix,
            self.naming.now_ms,
            self.written.len()
        )
    }

    /// Writes what is open.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>, SegmentError> {
        let buckets: Vec<i64> = self.open.keys().copied().collect();
        for bucket in buckets {
            self.close(bucket)?;
        }
        Ok(self.written)
    }
}

/// Puts other values into a column; its nulls stay.
fn replace(batch: &mut RowBatch, at: usize, values: &[Value]) {
    let Some(column) = batch.columns_mut().get_mut(at) else {
        return;
    };
    let nulls = std::mem::take(&mut column.nulls);
    column.values.truncate(0);
    values.iter().for_each(|value| column.values.push(value));
    column.nulls = nulls;
}

/// Rows of a segment without those that do not count, as schema and config want them now, in one file under its name.
pub(crate) fn rewritten(
    source: &dyn Segment,
    schema: &Schema,
    config: &TableConfig,
    keep: Option<RoaringBitmap>,
    path: &Path,
    now_ms: i64,
) -> Result<u32, SegmentError> {
    let settings = BuildSettings {
        name: source.name().to_owned(),
        created_ms: now_ms,
        keep,
        ..BuildSettings::default()
    };
    Ok(seal(source, schema, config, &settings, path)?.metadata.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment::SealedSegment;
    use serde_json::json;
    use std::sync::Arc;

    fn table() -> (Schema, TableConfig) {
        let schema = serde_json::from_value(json!({
            "schemaName": "t",
            "dimensionFieldSpecs": [{"name": "d", "dataType": "STRING"}],
            "metricFieldSpecs": [{"name": "m", "dataType": "LONG"}],
            "dateTimeFieldSpecs": [
                {"name": "at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:DAYS"}
            ],
        }));
        let config = serde_json::from_value(json!({
            "tableName": "t_OFFLINE", "tableType": "OFFLINE",
            "segmentsConfig": {"timeColumnName": "at"},
        }));
        (schema.unwrap(), config.unwrap())
    }

    /// 1,000 rows over ten hours, `d` of five values.
    fn source(schema: &Schema, config: &TableConfig) -> Arc<dyn Segment> {
        let (mut writer, segment) = MutableSegment::create("s", schema, config).unwrap();
        let mut batch = RowBatch::new(schema).unwrap();
        for n in 0..1000_i64 {
            for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
                column.push(&match field.name.as_str() {
                    "d" => Value::String(format!("d{}", n % 5)),
                    "m" => Value::Long(n),
                    _ => Value::Long(n * 36_000),
                });
            }
        }
        writer.append(&batch).unwrap();
        writer.publish(0);
        segment.snapshot()
    }

    fn outputs(shape: &Shape) -> Vec<(u32, i64)> {
        let (schema, config) = table();
        let folder = tempfile::tempdir().unwrap();
        let naming = Naming {
            prefix: "p_",
            folder: folder.path(),
            now_ms: 7,
        };
        let source = source(&schema, &config);
        let mut outputs = Outputs::new(&schema, &config, shape, naming);
        outputs.add(source.as_ref(), None).unwrap();
        let written = outputs.finish().unwrap();
        let sums = written.iter().map(|w| {
            let sealed = SealedSegment::open(&w.path).unwrap();
            let sum = sealed.column("m").unwrap().stats().sum.unwrap_or_default();
            (w.rows, sum as i64)
        });
        sums.collect()
    }

    fn shape(mode: Mode) -> Shape {
        Shape {
            mode,
            window: None,
            bucket_ms: Some(3_600_000),
            round_ms: None,
            erased: Vec::new(),
            rows_per_segment: 1_000_000,
        }
    }

    #[test]
    fn rows_go_to_their_buckets() {
        let all = outputs(&shape(Mode::Concat));
        assert_eq!(all.len(), 10);
        assert!(all.iter().all(|(rows, _)| *rows == 100));
        assert_eq!(all.iter().map(|(_, sum)| sum).sum::<i64>(), 499_500);
    }

    #[test]
    fn rolled_up_rows_keep_their_sums() {
        let mut rolled = shape(Mode::RollUp(BTreeMap::new()));
        rolled.round_ms = Some(3_600_000);
        let all = outputs(&rolled);
        assert!(all.iter().all(|(rows, _)| *rows == 5));
        assert_eq!(all.iter().map(|(_, sum)| sum).sum::<i64>(), 499_500);
    }

    #[test]
    fn a_window_lets_only_its_rows_through() {
        let mut one = shape(Mode::Concat);
        one.window = Some((3_600_000, 7_200_000));
        let all = outputs(&one);
        assert_eq!(all, [(100, (100..200).sum())]);
    }

    #[test]
    fn equal_rows_become_one() {
        let mut one = shape(Mode::Dedup);
        one.erased = vec!["d".to_owned()];
        assert_eq!(
            outputs(&one).iter().map(|(rows, _)| rows).sum::<u32>(),
            1000
        );
    }
}
