//! One segment: its metadata, its file.
//!
//! Must not know: how it came here. Invariant: a consuming segment's metadata says nothing of rows and times, as in Pinot.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, State as Extract};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::get;
use proto::controller_service::SegmentRecord;
use segment::{SealedSegment, Segment};
use serde_json::{Map, Value as Json, json};

use super::{Answer, State, answer, not_found, table};
use crate::query_service::Queries;
use crate::segments::Held;
use crate::tables::Table;

pub(crate) fn routes() -> Router<Arc<Queries>> {
    Router::new()
        .route("/tables/{table}/segments/metadata", get(every))
        .route("/tables/{table}/segments/{segment}/metadata", get(one))
        .route("/segments/{table}/{segment}", get(download))
}

/// The columns that a request names, each by `columns=`; `*` names all.
pub(crate) struct Columns(Vec<String>);

impl<S: Sync> FromRequestParts<S> for Columns {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        let named = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("columns="))
            .flat_map(|names| names.split(','))
            .filter(|name| !name.is_empty())
            .map(|name| if name == "%2A" { "*" } else { name }.to_owned());
        Ok(Self(named.collect()))
    }
}

impl Columns {
    pub(crate) fn wants(&self, column: &str) -> bool {
        self.0.iter().any(|name| name == "*" || name == column)
    }
}

async fn one(
    Extract(queries): State,
    Path((name, segment)): Path<(String, String)>,
    columns: Columns,
) -> Answer {
    let table = table(&queries, &name)?;
    let held = table
        .segments
        .get(&segment)
        .ok_or_else(|| not_found(format!("Segment {segment} of table {name} is not found")))?;
    Ok(answer(&metadata(&table, &segment, &held, &columns)))
}

async fn every(Extract(queries): State, Path(name): Path<String>, columns: Columns) -> Answer {
    let table = table(&queries, &name)?;
    let all: Map<String, Json> = table
        .segments
        .all()
        .iter()
        .map(|(segment, held)| (segment.clone(), metadata(&table, segment, held, &columns)))
        .collect();
    Ok(answer(&Json::Object(all)))
}

async fn download(
    Extract(queries): State,
    Path((name, segment)): Path<(String, String)>,
) -> Answer {
    let table = table(&queries, &name)?;
    let missing = || not_found(format!("Segment {segment} of table {name} is not found"));
    let held = table.segments.get(&segment).ok_or_else(missing)?;
    let sealed = held.sealed().ok_or_else(missing)?;
    let bytes = tokio::fs::read(sealed.path())
        .await
        .map_err(|_| missing())?;
    let named = format!("attachment; filename={segment}");
    Ok(([(header::CONTENT_DISPOSITION, named)], bytes).into_response())
}

fn readable(ms: i64) -> Json {
    chrono::DateTime::from_timestamp_millis(ms).map_or(Json::Null, |at| {
        Json::String(at.format("%Y-%m-%dT%H:%M:%S:%3f UTC").to_string())
    })
}

fn metadata(table: &Table, name: &str, held: &Held, columns: &Columns) -> Json {
    let view = table.view();
    let record = view.segments.get(name);
    match held {
        Held::Sealed(sealed) => sealed_form(sealed, record, &view.schema.name, columns),
        Held::Growing(_) => growing_form(name, held, record, &view.schema.name, columns),
    }
}

fn growing_form(
    name: &str,
    held: &Held,
    record: Option<&SegmentRecord>,
    schema: &str,
    columns: &Columns,
) -> Json {
    let created = record.map_or(0, |r| r.created_ms);
    let snapshot = held.snapshot();
    let names = snapshot.column_names();
    json!({
        "segmentName": name,
        "schemaName": schema,
        "crc": i64::MIN,
        "creationTimeMillis": created,
        "creationTimeReadable": readable(created),
        "timeColumn": null,
        "timeUnit": null,
        "timeGranularitySec": null,
        "startTimeMillis": null,
        "startTimeReadable": null,
        "endTimeMillis": null,
        "endTimeReadable": null,
        "segmentVersion": null,
        "creatorName": null,
        "totalDocs": 0,
        "custom": {},
        "startOffset": null,
        "endOffset": null,
        "indexes": indexes_form(snapshot.as_ref(), &names, columns),
        "star-tree-index": null,
    })
}

fn sealed_form(
    sealed: &SealedSegment,
    record: Option<&SegmentRecord>,
    schema: &str,
    columns: &Columns,
) -> Json {
    let metadata = sealed.metadata();
    let (start, end) = metadata.time_range_ms.unzip();
    let offset = |key: &str| {
        let text = metadata.custom.get(key);
        text.map_or(Json::Null, |offset| Json::String(offset.clone()))
    };
    let at = |ms: Option<i64>| ms.map_or(Json::Null, readable);
    let names: Vec<String> = metadata.columns.iter().map(|c| c.name.clone()).collect();
    let shown: Vec<Json> = metadata
        .columns
        .iter()
        .filter(|column| columns.wants(&column.name))
        .map(column_form)
        .collect();
    let mut out = json!({
        "segmentName": metadata.name,
        "schemaName": schema,
        "crc": record.map_or(crate::load::known_crc(sealed), |r| r.crc),
        "creationTimeMillis": metadata.created_ms,
        "creationTimeReadable": readable(metadata.created_ms),
        "timeColumn": metadata.time_column,
        "timeUnit": metadata.time_column.as_ref().map(|_| "MILLISECONDS"),
        "timeGranularitySec": metadata.time_column.as_ref().map(|_| 0),
        "startTimeMillis": start,
        "startTimeReadable": at(start),
        "endTimeMillis": end,
        "endTimeReadable": at(end),
        "segmentVersion": "v3",
        "creatorName": null,
        "totalDocs": metadata.rows,
        "custom": {},
        "startOffset": offset("segment.realtime.startOffset"),
        "endOffset": offset("segment.realtime.endOffset"),
    });
    if let Some(out) = out.as_object_mut() {
        if !shown.is_empty() {
            out.insert("columns".to_owned(), Json::Array(shown));
        }
        out.insert("indexes".to_owned(), indexes_form(sealed, &names, columns));
        out.insert("star-tree-index".to_owned(), Json::Null);
    }
    out
}

fn column_form(column: &segment::ColumnMetadata) -> Json {
    json!({
        "columnName": column.name,
        "dataType": column.data_type.name(),
        "fieldType": column.role,
        "singleValue": !column.multi,
        "cardinality": column.cardinality,
        "totalNumberOfEntries": column.entries,
        "maxNumberOfMultiValues": column.max_entries,
        "sorted": column.sorted,
        "hasDictionary": column.cardinality.is_some(),
        "bitsPerElement": column.bits,
        "columnMaxLength": column.longest_bytes,
        "minValue": column.min,
        "maxValue": column.max,
        "partitionFunction": column.partitions.as_ref().map(|p| &p.function),
        "partitions": column.partitions.as_ref().map(|p| &p.present),
    })
}

/// Names of the indexes as REST shows them, and as segments know them.
const INDEXES: &[(&str, &str)] = &[
    ("bloom-filter", "bloom_filter"),
    ("dictionary", ""),
    ("forward-index", ""),
    ("inverted-index", "inverted_index"),
    ("null-value-vector-reader", ""),
    ("range-index", "range_index"),
    ("json-index", "json_index"),
    ("h3-index", "h3_index"),
    ("fst-index", "fst_index"),
    ("text-index", "text_index"),
];

/// The id under which a table counts an index.
pub(crate) fn index_id(name: &str) -> &'static str {
    INDEX_IDS
        .iter()
        .find(|(shown, _)| *shown == name)
        .map_or("other", |(_, id)| *id)
}

/// Names of the indexes in a segment's metadata, and their ids in a table's counts.
const INDEX_IDS: &[(&str, &str)] = &[
    ("bloom-filter", "bloom_filter"),
    ("dictionary", "dictionary"),
    ("forward-index", "forward_index"),
    ("inverted-index", "inverted_index"),
    ("null-value-vector-reader", "nullvalue_vector"),
    ("range-index", "range_index"),
    ("json-index", "json_index"),
    ("h3-index", "h3_index"),
    ("fst-index", "fst_index"),
    ("text-index", "text_index"),
];

/// Which indexes a column has.
pub(crate) fn column_indexes(segment: &dyn Segment, column: &str) -> Vec<(&'static str, bool)> {
    let Some(column) = segment.column(column) else {
        return Vec::new();
    };
    let has = |name: &str, id: &str| match name {
        "dictionary" => column.dictionary().is_some(),
        "forward-index" => true,
        "null-value-vector-reader" => column.nulls().is_some(),
        "inverted-index" if column.stats().sorted && column.dictionary().is_some() => true,
        _ => column.indexes().iter().any(|index| index.id() == id),
    };
    INDEXES
        .iter()
        .map(|(name, id)| (*name, has(name, id)))
        .collect()
}

fn indexes_form(segment: &dyn Segment, names: &[String], columns: &Columns) -> Json {
    let mut out = Map::new();
    for name in names.iter().filter(|name| columns.wants(name)) {
        let present = column_indexes(segment, name);
        let form: Map<String, Json> = present
            .into_iter()
            .map(|(index, has)| (index.to_owned(), json!(if has { "YES" } else { "NO" })))
            .collect();
        out.insert(name.clone(), Json::Object(form));
    }
    Json::Object(out)
}
