//! What a server holds of its tables.
//!
//! Must not know: loading. Invariant: consuming segments count no bytes and no rows here, as in Pinot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Path, Query, State as Extract};
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use segment::Segment;
use serde_json::{Map, Value as Json, json};

use super::segments::{Columns, column_indexes, index_id};
use super::{Answer, Refusal, State, answer, not_found, table};
use crate::consume::{Consuming, Phase};
use crate::query_service::Queries;
use crate::reload;
use crate::tables::Table;

pub(crate) fn routes() -> Router<Arc<Queries>> {
    Router::new()
        .route("/tables", get(all))
        .route("/tables/{table}/segments", get(segments))
        .route("/tables/{table}/segments/crc", get(checksums))
        .route("/tables/{table}/size", get(size))
        .route("/table/{table}/size", get(size))
        .route("/tables/{table}/metadata", get(metadata))
        .route("/tables/{table}/validDocIdsMetadata", get(valid_docs))
        .route(
            "/segments/{table}/{segment}/validDocIdsBitmap",
            get(valid_bitmap),
        )
        .route("/controllerJob/reloadStatus/{table}", get(reload_status))
        .route("/tables/{table}/indexes", get(indexes))
        .route("/tables/{table}/allSegmentsLoaded", get(loaded))
        .route("/tables/{table}/segments/needReload", get(need_reload))
        .route("/tables/{table}/consumingSegmentsInfo", get(consuming))
}

async fn all(Extract(queries): State) -> Answer {
    let names: Vec<String> = queries
        .shared
        .tables
        .all()
        .iter()
        .map(|t| t.name.clone())
        .collect();
    Ok(answer(&json!({"tables": names})))
}

async fn segments(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let names: Vec<String> = table.segments.all().keys().cloned().collect();
    Ok(answer(&json!({"segments": names})))
}

async fn checksums(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let held = table.segments.all();
    let sealed = held
        .iter()
        .filter_map(|(name, held)| Some((name.clone(), held.sealed()?)));
    let crcs: Map<String, Json> = sealed
        .map(|(name, sealed)| (name, json!(crate::load::known_crc(sealed).to_string())))
        .collect();
    Ok(answer(&Json::Object(crcs)))
}

async fn size(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let held = table.segments.all();
    let sizes: Vec<(&String, u64)> = held
        .iter()
        .filter_map(|(name, held)| Some((name, held.sealed()?.size_bytes())))
        .collect();
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    let segments: Vec<Json> = sizes
        .iter()
        .map(|(name, size)| json!({"segmentName": name, "diskSizeInBytes": size}))
        .collect();
    Ok(answer(&json!({
        "tableName": table.name,
        "diskSizeInBytes": total,
        "segments": segments,
    })))
}

async fn metadata(Extract(queries): State, Path(name): Path<String>, columns: Columns) -> Answer {
    let table = table(&queries, &name)?;
    let held = table.segments.all();
    let (mut bytes, mut rows) = (0, 0);
    let mut longest: BTreeMap<String, f64> = BTreeMap::new();
    let mut cardinality: BTreeMap<String, f64> = BTreeMap::new();
    let mut most: BTreeMap<String, f64> = BTreeMap::new();
    for sealed in held.values().filter_map(|h| h.sealed()) {
        bytes += sealed.size_bytes();
        rows += u64::from(sealed.doc_count());
        for column in &sealed.metadata().columns {
            if !columns.wants(&column.name) {
                continue;
            }
            let keep = |map: &mut BTreeMap<String, f64>, value: u32| {
                let entry = map.entry(column.name.clone()).or_default();
                *entry = entry.max(f64::from(value));
            };
            keep(&mut longest, column.longest_bytes);
            keep(&mut cardinality, column.cardinality.unwrap_or(0));
            if column.multi {
                keep(&mut most, column.max_entries);
            }
        }
    }
    Ok(answer(&json!({
        "tableName": table.name,
        "diskSizeInBytes": bytes,
        "numSegments": held.len(),
        "numRows": rows,
        "columnLengthMap": longest,
        "columnCardinalityMap": cardinality,
        "maxNumMultiValuesMap": most,
        "columnIndexSizeMap": {},
        "upsertPartitionToServerPrimaryKeyCountMap": key_counts(&table, &queries.shared.instance_id),
    })))
}

/// Number of keys, by partition and server.
fn key_counts(table: &Table, instance_id: &str) -> Json {
    let sizes = table.keys.iter().flat_map(|keys| keys.sizes());
    let counts = sizes.map(|(partition, keys, _)| {
        let of_server = json!({instance_id: keys});
        (partition.to_string(), of_server)
    });
    Json::Object(counts.collect())
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidDocs {
    segment_names: Option<String>,
    valid_doc_ids_type: Option<String>,
}

/// How many rows of each sealed segment of an upsert table count.
async fn valid_docs(
    Extract(queries): State,
    Path(name): Path<String>,
    Query(wanted): Query<ValidDocs>,
) -> Answer {
    let table = table(&queries, &name)?;
    let kind = wanted.valid_doc_ids_type.as_deref().unwrap_or("SNAPSHOT");
    let with_deleted = kind != "IN_MEMORY_WITH_DELETE";
    let names = wanted.segment_names.as_deref();
    let listed =
        |segment: &str| names.is_none_or(|names| names.split(',').any(|name| name == segment));
    let mut out = Vec::new();
    let held = table.segments.all();
    for (segment, sealed) in held.iter().filter_map(|(n, h)| Some((n, h.sealed()?))) {
        let Some(keys) = table.keys.as_ref().filter(|_| listed(segment)) else {
            continue;
        };
        let partition = keys.partition(crate::upsert::place_of(segment).0);
        let Some(valid) = partition.valid(segment, with_deleted) else {
            continue;
        };
        let total = u64::from(sealed.doc_count());
        out.push(json!({
            "segmentName": segment,
            "totalDocs": total,
            "totalValidDocs": valid.len(),
            "totalInvalidDocs": total.saturating_sub(valid.len()),
            "segmentCrc": crate::load::known_crc(sealed).to_string(),
            "validDocIdsType": kind,
            "segmentSizeInBytes": sealed.size_bytes(),
            "segmentCreationTimeMillis": sealed.metadata().created_ms,
            "serverStatus": "GOOD",
            "instanceId": queries.shared.instance_id,
        }));
    }
    Ok(answer(&Json::Array(out)))
}

/// Which rows of a sealed segment of an upsert table count.
async fn valid_bitmap(
    Extract(queries): State,
    Path((name, segment)): Path<(String, String)>,
    Query(wanted): Query<ValidDocs>,
) -> Answer {
    let table = table(&queries, &name)?;
    let kind = wanted.valid_doc_ids_type.as_deref().unwrap_or("SNAPSHOT");
    let held = table.segments.get(&segment);
    let sealed = held.as_ref().and_then(|held| held.sealed());
    let valid = table.keys.as_ref().and_then(|keys| {
        let partition = keys.partition(crate::upsert::place_of(&segment).0);
        partition.valid(&segment, kind != "IN_MEMORY_WITH_DELETE")
    });
    let (Some(sealed), Some(valid)) = (sealed, valid) else {
        let why = format!("no rows of segment {segment} of {name} are told apart here");
        return Err(not_found(why));
    };
    let mut bytes = Vec::new();
    if let Err(error) = valid.serialize_into(&mut bytes) {
        return Err(Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        ));
    }
    Ok(answer(&json!({
        "segmentName": segment,
        "segmentCrc": crate::load::known_crc(sealed).to_string(),
        "validDocIdsType": kind,
        "bitmap": BASE64_STANDARD.encode(bytes),
        "instanceId": queries.shared.instance_id,
        "serverStatus": "GOOD",
    })))
}

#[derive(serde::Deserialize)]
struct Reload {
    generation: Option<u64>,
}

/// Whether a reload that was asked for is done.
async fn reload_status(
    Extract(queries): State,
    Path(name): Path<String>,
    Query(reload): Query<Reload>,
) -> Answer {
    let table = table(&queries, &name)?;
    let done = table.reload_done.load(Ordering::SeqCst);
    let wanted = reload.generation.unwrap_or(u64::MAX);
    Ok(answer(&json!({"done": done >= wanted, "generation": done})))
}

async fn indexes(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let held = table.segments.all();
    let mut counts: BTreeMap<String, BTreeMap<&'static str, u64>> = BTreeMap::new();
    let mut sealed_count = 0;
    for sealed in held.values().filter_map(|h| h.sealed()) {
        sealed_count += 1;
        for column in &sealed.metadata().columns {
            let of_column = counts.entry(column.name.clone()).or_default();
            for (index, present) in column_indexes(sealed.as_ref(), &column.name) {
                *of_column.entry(index_id(index)).or_default() += u64::from(present);
            }
        }
    }
    Ok(answer(&json!({
        "totalOnlineSegments": sealed_count,
        "columnToIndexesCount": counts,
    })))
}

async fn loaded(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let mut complaints = Vec::new();
    table.complaints(&queries.shared.instance_id, &mut complaints);
    Ok(answer(&json!({
        "tableName": table.name,
        "isAllSegmentsLoaded": complaints.is_empty(),
    })))
}

async fn need_reload(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let held = table.segments.all();
    let needed = held
        .values()
        .filter_map(|h| h.sealed())
        .any(|sealed| reload::is_needed(&table, sealed));
    Ok(answer(&json!({
        "needReload": needed,
        "instanceId": queries.shared.instance_id,
    })))
}

async fn consuming(Extract(queries): State, Path(name): Path<String>) -> Answer {
    let table = table(&queries, &name)?;
    let mut consumers: Vec<Arc<Consuming>> = table.consumers.lock().values().cloned().collect();
    consumers.sort_by(|a, b| a.segment.cmp(&b.segment));
    let now_ms = queries.shared.now_ms();
    // The stream is asked for its end, and that may take a while.
    let infos = tokio::task::spawn_blocking(move || {
        let infos = consumers.iter().map(|consumer| info(consumer, now_ms));
        Json::Array(infos.collect())
    });
    Ok(answer(&infos.await.unwrap_or_else(|_| json!([]))))
}

fn info(consumer: &Consuming, now_ms: i64) -> Json {
    let partition = consumer.stream_partition().to_string();
    let position = consumer.position();
    let upstream = consumer.connector().range(consumer.stream_partition());
    let upstream = upstream.ok().map(|(_, high)| high.0);
    let lag = upstream.map_or_else(
        || "UNKNOWN".to_owned(),
        |high| high.saturating_sub(position).max(0).to_string(),
    );
    let newest = consumer.last_message_ms.load(Ordering::Relaxed);
    let age = if newest > 0 {
        now_ms.saturating_sub(newest).max(0).to_string()
    } else {
        "UNKNOWN".to_owned()
    };
    let one = |value: String| json!({partition.clone(): value});
    let latest = upstream.map_or_else(|| json!({}), |high| one(high.to_string()));
    let (phase, why) = consumer.phase();
    let mut out = json!({
        "segmentName": consumer.segment,
        "consumerState": if phase == Phase::Failing { "NOT_CONSUMING" } else { "CONSUMING" },
        "lastConsumedTimestamp": consumer.last_consumed_ms.load(Ordering::Relaxed),
        "partitionToOffsetMap": one(position.to_string()),
        "partitionOffsetInfo": {
            "currentOffsets": one(position.to_string()),
            "latestUpstreamOffsets": latest,
            "recordsLag": one(lag),
            "availabilityLagMs": one(age),
        },
    });
    if let (Some(why), Some(out)) = (why, out.as_object_mut()) {
        out.insert("problem".to_owned(), Json::String(why));
    }
    out
}
