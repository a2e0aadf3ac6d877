//! Sizes and other figures of tables that servers know.
//!
//! Must not know: the segment format. Invariant: what no server reported is -1.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use common::TableType;
use common::ids::{split_type, with_type};
use serde_json::{Map, Value as Json, json as object};

use super::answer::table_type;
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json};
use crate::core::Core;
use crate::server_fan_out::{ask_servers, servers_with};

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/tables/{table}/size", get(size))
        .route("/tables/{table}/metadata", get(metadata))
        .route("/tables/{table}/aggregateMetadata", get(metadata))
        .route("/tables/{table}/indexes", get(indexes))
        .route("/tables/{table}/validDocIdsMetadata", get(valid_docs))
}

async fn size(State(core): Shared, Path(table): Path<String>) -> Answer {
    let raw = split_type(&table).0;
    let found = named(&core, &table, None);
    if found.is_empty() {
        return Err(Refusal::not_found(format!("Table {table} not found")));
    }
    let mut total = [-1_i64; 3];
    let mut sides = Vec::new();
    for (key, side) in [
        ("offlineSegments", TableType::Offline),
        ("realtimeSegments", TableType::Realtime),
    ] {
        let name = with_type(raw, side);
        let form = if found.contains(&name) {
            let (form, figures) = side_size(&core, &name).await;
            for (sum, figure) in total.iter_mut().zip(figures) {
                if figure > 0 {
                    *sum = (*sum).max(0).saturating_add(figure);
                }
            }
            form
        } else {
            Json::Null
        };
        sides.push((key, form));
    }
    let mut out = Map::new();
    out.insert("tableName".to_owned(), Json::from(table.clone()));
    for (key, figure) in FIGURES.iter().zip(total) {
        out.insert((*key).to_owned(), Json::from(figure));
    }
    for (key, form) in sides {
        out.insert(key.to_owned(), form);
    }
    Ok(json(&Json::Object(out)))
}

const FIGURES: [&str; 3] = [
    "reportedSizeInBytes",
    "estimatedSizeInBytes",
    "reportedSizePerReplicaInBytes",
];

/// One side of a table: its form, and reported, estimated and per-replica bytes.
async fn side_size(core: &Core, name: &str) -> (Json, [i64; 3]) {
    let servers = servers_with(core, name);
    let answers = ask_servers(core, &servers, &format!("/tables/{name}/size")).await;
    let mut reported = BTreeMap::<(String, String), i64>::new();
    for (server, answer) in answers {
        let Ok(answer) = answer else { continue };
        for segment in answer
            .get("segments")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let segment_name = segment
                .get("segmentName")
                .and_then(Json::as_str)
                .unwrap_or_default();
            let bytes = segment
                .get("diskSizeInBytes")
                .and_then(Json::as_i64)
                .unwrap_or(-1);
            reported.insert((segment_name.to_owned(), server.clone()), bytes);
        }
    }
    let ideal: Vec<(String, Vec<String>)> = core
        .with_table(name, |t| {
            let segments = t.segments.iter();
            segments
                .map(|(n, s)| (n.clone(), s.ideal.keys().cloned().collect()))
                .collect()
        })
        .unwrap_or_default();
    let mut segments = Map::new();
    let mut missing = 0_i64;
    let mut sums = [0_i64; 3];
    for (segment, servers) in &ideal {
        let (form, figures) = segment_size(segment, servers, &reported);
        missing += i64::from(figures[0] < 0);
        for (sum, figure) in sums.iter_mut().zip(figures) {
            *sum = sum.saturating_add(figure.max(0));
        }
        segments.insert(segment.clone(), form);
    }
    if !ideal.is_empty() && usize::try_from(missing) == Ok(ideal.len()) {
        sums = [-1; 3];
    }
    let form = object!({
        "reportedSizeInBytes": sums[0],
        "estimatedSizeInBytes": sums[1],
        "missingSegments": missing,
        "reportedSizePerReplicaInBytes": sums[2],
        "segments": segments,
    });
    (form, sums)
}

fn segment_size(
    segment: &str,
    servers: &[String],
    reported: &BTreeMap<(String, String), i64>,
) -> (Json, [i64; 3]) {
    let mut infos = Map::new();
    let (mut sum, mut largest, mut silent) = (0_i64, -1_i64, 0_i64);
    for server in servers {
        let key = (segment.to_owned(), server.clone());
        let bytes = reported.get(&key).copied().unwrap_or(-1);
        if bytes < 0 {
            silent += 1;
        } else {
            sum = sum.saturating_add(bytes);
            largest = largest.max(bytes);
        }
        let info = object!({"segmentName": segment, "diskSizeInBytes": bytes});
        infos.insert(server.clone(), info);
    }
    let figures = if largest < 0 {
        [-1; 3]
    } else {
        [
            sum,
            sum.saturating_add(silent.saturating_mul(largest)),
            largest,
        ]
    };
    let form = object!({
        "reportedSizeInBytes": figures[0],
        "estimatedSizeInBytes": figures[1],
        "maxReportedSizePerReplicaInBytes": figures[2],
        "serverInfo": infos,
    });
    (form, figures)
}

async fn metadata(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    RawQuery(query): RawQuery,
) -> Answer {
    let only = table_type(&parameters, "type")?;
    if only == Some(TableType::Realtime) {
        return Err(Refusal::new(
            501,
            "Table type : REALTIME not yet supported.",
        ));
    }
    let found = named(&core, &table, only);
    let name = found
        .first()
        .ok_or_else(|| Refusal::not_found(format!("Table '{table}' not found.")))?;
    let (segments, rows, bytes) = core
        .with_table(name, |t| {
            let records = || t.segments.values().map(|s| &s.record);
            let rows: u64 = records().map(|r| r.total_docs).sum();
            let bytes: u64 = records().map(|r| r.size_bytes).sum();
            (t.segments.len(), rows, bytes)
        })
        .unwrap_or_default();
    let mut out = Map::new();
    for key in [
        "columnLengthMap",
        "columnCardinalityMap",
        "maxNumMultiValuesMap",
        "columnIndexSizeMap",
    ] {
        out.insert(key.to_owned(), object!({}));
    }
    if let Some(query) = query.filter(|q| q.contains("columns=")) {
        let servers = servers_with(&core, name);
        let path = format!("/tables/{name}/metadata?{query}");
        for (_, answer) in ask_servers(&core, &servers, &path).await {
            let Ok(Json::Object(answer)) = answer else {
                continue;
            };
            for (key, value) in answer {
                if let (Some(Json::Object(into)), Json::Object(from)) = (out.get_mut(&key), value) {
                    into.extend(from);
                }
            }
        }
    }
    let mut whole = Map::new();
    whole.insert("tableName".to_owned(), Json::from(name.clone()));
    whole.insert("diskSizeInBytes".to_owned(), Json::from(bytes));
    whole.insert("numSegments".to_owned(), Json::from(segments));
    whole.insert("numRows".to_owned(), Json::from(rows));
    whole.extend(out);
    whole.insert(
        "upsertPartitionToServerPrimaryKeyCountMap".to_owned(),
        object!({}),
    );
    Ok(json(&Json::Object(whole)))
}

/// Adds counts of counts, key by key.
fn add_counts(into: &mut Map<String, Json>, from: &Map<String, Json>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Json::Object(deeper)), Json::Object(value)) => add_counts(deeper, value),
            (Some(sum), value) => {
                let total = sum.as_i64().unwrap_or_default() + value.as_i64().unwrap_or_default();
                *sum = Json::from(total);
            }
            (None, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

async fn indexes(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = named(&core, &table, table_type(&parameters, "type")?);
    let name = found
        .first()
        .ok_or_else(|| Refusal::not_found(format!("Table '{table}' not found.")))?;
    let servers = servers_with(&core, name);
    let mut sum = Map::new();
    sum.insert("totalOnlineSegments".to_owned(), Json::from(0));
    sum.insert("columnToIndexesCount".to_owned(), object!({}));
    for (_, answer) in ask_servers(&core, &servers, &format!("/tables/{name}/indexes")).await {
        let Ok(Json::Object(mut answer)) = answer else {
            continue;
        };
        let segments = answer
            .remove("totalSegmentCount")
            .or_else(|| answer.remove("totalOnlineSegments"));
        answer.retain(|key, _| key == "columnToIndexesCount");
        answer.insert(
            "totalOnlineSegments".to_owned(),
            segments.unwrap_or_else(|| Json::from(0)),
        );
        add_counts(&mut sum, &answer);
    }
    Ok(json(&Json::Object(sum)))
}

async fn valid_docs(
    State(core): Shared,
    Path(table): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let found = named(&core, &table, None);
    let name = found
        .first()
        .ok_or_else(|| Refusal::not_found(format!("Table '{table}' not found.")))?;
    let servers = servers_with(&core, name);
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    let mut out = Map::new();
    for (_, answer) in ask_servers(
        &core,
        &servers,
        &format!("/tables/{name}/validDocIdsMetadata{query}"),
    )
    .await
    {
        for item in answer
            .ok()
            .as_ref()
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let segment = item
                .get("segmentName")
                .and_then(Json::as_str)
                .unwrap_or_default();
            if let Json::Array(list) = out.entry(segment.to_owned()).or_insert_with(|| object!([]))
            {
                list.push(item.clone());
            }
        }
    }
    Ok(json(&Json::Object(out)))
}
