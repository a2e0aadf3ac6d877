//! From a file of rows or a segment file to a segment of a table.
//!
//! Must not know: HTTP. Invariant: a segment is added to its table only once the deep store has it whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::clock::Clock;
use common::table_config::StreamConfig;
use common::time_format::TimeUnit;
use common::{Schema, TableConfig, Value};
use ingest::batch::pinot::PinotSegment;
use ingest::batch::{self, Records};
use proto::controller_service::{SegmentRecord, SegmentStatus};
use segment::build::{BuildSettings, seal};
use segment::{MutableSegment, SealedSegment, Segment};

use crate::core::Core;
use crate::error::ControllerError;
use crate::service;

/// Rows a batch on their way into a segment.
const BATCH_ROWS: usize = 10_000;

/// What a client says of a file: `inputFormat`, `recordReader.prop.*`, `segmentNameGenerator.*`.
#[derive(Debug, Clone, Default)]
pub(crate) struct BatchConfig(pub(crate) StreamConfig);

impl BatchConfig {
    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    }

    fn reader_properties(&self) -> StreamConfig {
        let properties = self.0.iter().filter_map(|(key, value)| {
            Some((
                key.strip_prefix("recordReader.prop.")?.to_owned(),
                value.clone(),
            ))
        });
        properties.collect()
    }
}

/// Builds a segment of a file's rows and adds it; the segment's name.
pub(crate) async fn ingest_file(
    core: &Core,
    table: &str,
    content: Bytes,
    config: BatchConfig,
) -> Result<String, ControllerError> {
    build(core, table, config, move |format, properties| {
        let format = format.ok_or_else(|| {
            ill("`inputFormat` is missing, expected json, csv, avro, parquet or orc")
        })?;
        batch::open(format, content, properties).map_err(ill)
    })
    .await
}

/// Builds a segment of the rows of one that Pinot built and adds it under its name; table and name.
pub(crate) async fn ingest_archive(
    core: &Core,
    table: impl FnOnce(&str) -> String,
    content: Bytes,
) -> Result<(String, String), ControllerError> {
    let opened = tokio::task::spawn_blocking(move || PinotSegment::open(&content))
        .await
        .map_err(|error| ControllerError::internal("unpack a segment", error))?;
    let segment = opened
        .map_err(|error| ControllerError::Invalid(format!("Cannot read the segment: {error}")))?;
    let table = table(&segment.table);
    let fixed = [
        ("segmentNameGenerator.type", "fixed".to_owned()),
        (
            "segmentNameGenerator.configs.segment.name",
            segment.name.clone(),
        ),
    ];
    let config = BatchConfig(fixed.map(|(k, v)| (k.to_owned(), v)).into());
    let records = segment.into_records();
    let name = build(core, &table, config, move |_, _| Ok(records)).await?;
    Ok((table, name))
}

/// What opens the records of a file, of its format and the reader's properties.
type Open = dyn FnOnce(Option<&str>, &StreamConfig) -> Result<Records, ControllerError> + Send;

/// Builds a segment of records and adds it.
async fn build(
    core: &Core,
    table: &str,
    config: BatchConfig,
    open: impl FnOnce(Option<&str>, &StreamConfig) -> Result<Records, ControllerError> + Send + 'static,
) -> Result<String, ControllerError> {
    let (table_config, schema) = core
        .read(|state| {
            let entry = state.table(table)?;
            Some((entry.record.config.clone(), state.schema_of(table)?.clone()))
        })
        .ok_or_else(|| ControllerError::NotFound(format!("Table {table} does not exist")))?;
    let taken: Vec<String> = core
        .with_table(table, |t| t.segments.keys().cloned().collect())
        .unwrap_or_default();
    let (mut schema, mut table_config) = (schema, table_config);
    common::timestamp_index::add_columns(&mut schema, &mut table_config);
    let job = Build {
        schema,
        table: table_config,
        config,
        taken,
        clock: Arc::clone(&core.clock),
        path: scratch(core)?,
    };
    let path = job.path.clone();
    let open: Box<Open> = Box::new(open);
    let built = tokio::task::spawn_blocking(move || job.run(open))
        .await
        .map_err(|error| ControllerError::internal("build a segment", error))?;
    let added = match built {
        Ok(()) => add_file(core, table, &path).await,
        Err(error) => Err(error),
    };
    // What could not be removed is overwritten by nobody and costs space only.
    let _ = tokio::fs::remove_file(&path).await;
    added
}

/// A folder of its own in the controller's folder, gone with this.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// # Errors
    /// Where it cannot be made.
    pub(crate) fn new(core: &Core) -> Result<Self, ControllerError> {
        let folder = scratch(core)?;
        std::fs::create_dir_all(&folder).map_err(|error| {
            ControllerError::internal(format!("make folder `{}`", folder.display()), error)
        })?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed costs space only.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file name of its own in the controller's folder.
pub(crate) fn scratch(core: &Core) -> Result<PathBuf, ControllerError> {
    let folder = core.data_dir.join("scratch");
    std::fs::create_dir_all(&folder).map_err(|error| {
        ControllerError::internal(format!("make folder `{}`", folder.display()), error)
    })?;
    Ok(folder.join(uuid::Uuid::new_v4().to_string()))
}

/// Uploads a segment file and adds it to a table; the segment's name.
pub(crate) async fn add_file(
    core: &Core,
    table: &str,
    path: &Path,
) -> Result<String, ControllerError> {
    let record = uploaded(core, table, path).await?;
    let name = record.name.clone();
    service::add_segment(core, table, record).await?;
    Ok(name)
}

/// Uploads a segment file; its record.
pub(crate) async fn uploaded(
    core: &Core,
    table: &str,
    path: &Path,
) -> Result<SegmentRecord, ControllerError> {
    let now_ms = core.now_ms();
    let file = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || SealedSegment::open(&file))
        .await
        .map_err(|error| ControllerError::internal("open a segment", error))?;
    let sealed = opened
        .map_err(|error| ControllerError::Invalid(format!("Cannot read the segment: {error}")))?;
    let record = record_of(core, table, &sealed, now_ms);
    core.deep_store.put_file(&record.download_uri, path).await?;
    Ok(record)
}

fn record_of(core: &Core, table: &str, sealed: &SealedSegment, now_ms: i64) -> SegmentRecord {
    let metadata = sealed.metadata();
    let partitions = metadata.columns.iter().filter_map(|column| {
        let p = column.partitions.as_ref()?;
        Some((
            column.name.clone(),
            (p.function.clone(), p.count, p.present.clone()),
        ))
    });
    // A name of its own in the deep store: servers may still read what it replaces.
    let file = format!("{}.{:08x}", metadata.name, sealed.crc());
    SegmentRecord {
        name: metadata.name.clone(),
        status: SegmentStatus::Uploaded,
        partition: None,
        sequence: None,
        start_offset: None,
        end_offset: None,
        download_uri: core.deep_store.uri(table, &file),
        crc: sealed.crc(),
        total_docs: u64::from(metadata.rows),
        size_bytes: sealed.size_bytes(),
        start_time_ms: metadata.time_range_ms.map(|r| r.0),
        end_time_ms: metadata.time_range_ms.map(|r| r.1),
        created_ms: metadata.created_ms,
        pushed_ms: now_ms,
        flush_rows: None,
        partitions: partitions.collect(),
    }
}

/// The building of one segment, on a thread of its own.
struct Build {
    schema: Schema,
    table: TableConfig,
    config: BatchConfig,
    taken: Vec<String>,
    clock: Arc<dyn Clock>,
    path: PathBuf,
}

fn ill(error: impl std::fmt::Display) -> ControllerError {
    ControllerError::Invalid(format!("Cannot ingest the file: {error}"))
}

impl Build {
    fn run(self, open: Box<Open>) -> Result<(), ControllerError> {
        let properties = self.config.reader_properties();
        let records = open(self.config.get("inputFormat"), &properties)?;
        let clock = Arc::clone(&self.clock);
        let rows = batch::FileRows::new(records, &self.schema, &self.table, clock, BATCH_ROWS)
            .map_err(ill)?;
        let (mut writer, mutable) =
            MutableSegment::collecting("batch", &self.schema, &self.table).map_err(ill)?;
        for batch in rows {
            writer.append(&batch.map_err(ill)?).map_err(ill)?;
        }
        let now_ms = self.clock.now_ms();
        writer.publish(now_ms);
        let snapshot = mutable.snapshot();
        let settings = BuildSettings {
            name: self.name(&*snapshot, now_ms),
            created_ms: now_ms,
            ..BuildSettings::default()
        };
        seal(&*snapshot, &self.schema, &self.table, &settings, &self.path).map_err(ill)?;
        Ok(())
    }

    /// The segment's name, with the end that the caller wants.
    fn name(&self, rows: &dyn Segment, now_ms: i64) -> String {
        let Some(end) = self.config.get("segmentName.end") else {
            return self.own_name(rows, Some(now_ms));
        };
        format!("{}{end}", self.own_name(rows, None))
    }

    /// A name that the table does not have yet where a number is given, unless the client fixed one.
    fn own_name(&self, rows: &dyn Segment, number: Option<i64>) -> String {
        let fixed = self.config.get("segmentNameGenerator.configs.segment.name");
        let kind = self
            .config
            .get("segmentNameGenerator.type")
            .unwrap_or("simple");
        if let ("fixed", Some(name)) = (kind, fixed) {
            return name.to_owned();
        }
        let raw = self.table.raw_name();
        let prefix = self
            .config
            .get("segmentNameGenerator.configs.segment.name.prefix")
            .unwrap_or(raw);
        let times = if kind.eq_ignore_ascii_case("normalizedDate") {
            rows.time_range_ms()
                .map(|(first, last)| (date(first), date(last)))
        } else {
            self.time_values(rows)
        };
        let stem = match times {
            Some((first, last)) => format!("{prefix}_{first}_{last}"),
            None => prefix.to_owned(),
        };
        let asked = self.config.get("segmentNameGenerator.configs.sequenceId");
        if let Some(asked) = asked.or_else(|| self.config.get("sequenceId")) {
            return format!("{stem}_{asked}");
        }
        let Some(number) = number else {
            return stem;
        };
        (number..)
            .map(|number| format!("{stem}_{number}"))
            .find(|name| !self.taken.contains(name))
            .unwrap_or(stem)
    }

    /// Smallest and largest value of the time column, fit for a file name.
    fn time_values(&self, rows: &dyn Segment) -> Option<(String, String)> {
        let column = self.table.segments_config.time_column_name.as_deref()?;
        let stats = rows.column(column)?.stats();
        let text = |value: &Value| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.as_i64()?.to_string(),
            };
            let fits = |c: char| {
                if c.is_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            };
            Some(text.chars().map(fits).collect::<String>())
        };
        Some((text(stats.min.as_ref()?)?, text(stats.max.as_ref()?)?))
    }
}

fn date(at_ms: i64) -> String {
    let day = at_ms.div_euclid(TimeUnit::Days.to_millis(1));
    chrono::DateTime::from_timestamp(day.saturating_mul(86_400), 0)
        .unwrap_or_default()
        .format("%Y-%m-%d")
        .to_string()
}
