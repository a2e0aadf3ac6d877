//! `/segments`: lists, metadata, download, deletion.
//!
//! Must not know: the segment format. Invariant: metadata values are text, as Pinot keeps them.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use common::TableType;
use common::ids::{split_type, with_type};
use proto::controller_service::{SegmentRecord, SegmentStatus};
use serde_json::{Map, Value as Json, json as object};

use super::answer::{flag, retention, table_type};
use super::jobs::holder;
use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::periodic::delete_segments;
use crate::records::SegmentEntry;
use crate::server_fan_out::ask_servers;

pub(crate) fn routes() -> Router<std::sync::Arc<Core>> {
    Router::new()
        .route("/segments/{table}", get(list).delete(remove_all))
        .route("/segments/{table}/delete", post(remove_listed))
        .route("/segments/{table}/servers", get(servers))
        .route("/segments/{table}/metadata", get(all_metadata))
        .route("/segments/{table}/zkmetadata", get(zk_metadata))
        .route("/segments/{table}/crc", get(crc))
        .route("/segments/{table}/select", get(list))
        .route("/segments/{table}/{segment}", get(download).delete(remove))
        .route("/segments/{table}/{segment}/metadata", get(metadata))
}

fn unknown(table: &str) -> Refusal {
    Refusal::not_found(format!("Table '{table}' not found."))
}

/// Sides of a table, or the refusal that names what was looked for.
fn sides(core: &Core, table: &str, only: Option<TableType>) -> Result<Vec<String>, Refusal> {
    let found = named(core, table, only);
    if found.is_empty() {
        return Err(match only {
            Some(only) => unknown(&with_type(split_type(table).0, only)),
            None => unknown(table),
        });
    }
    Ok(found)
}

async fn list(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let found = sides(&core, &table, table_type(&parameters, "type")?)?;
    let number = |key: &str| parameters.get(key).and_then(|t| t.parse::<i64>().ok());
    let (start, end) = (number("startTimestamp"), number("endTimestamp"));
    let whole = flag(&parameters, "excludeOverlapping", false);
    let skip_hidden = flag(&parameters, "excludeReplacedSegments", false);
    let chosen = |s: &SegmentEntry| {
        if start.is_none() && end.is_none() {
            return true;
        }
        let (from, to) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
        match (s.record.start_time_ms, s.record.end_time_ms) {
            (Some(first), Some(last)) if whole => first >= from && last < to,
            (Some(first), Some(last)) => last >= from && first < to,
            _ => false,
        }
    };
    let mut out = Vec::new();
    for name in found {
        let side = split_type(&name)
            .1
            .map(|t| t.to_string())
            .unwrap_or_default();
        let names: Vec<String> = core
            .with_table(&name, |t| {
                let hidden = if skip_hidden {
                    t.record.hidden()
                } else {
                    Vec::new()
                };
                let segments = t.segments.iter().filter(|(name, _)| !hidden.contains(name));
                segments
                    .filter(|(_, s)| chosen(s))
                    .map(|(name, _)| name.clone())
                    .collect()
            })
            .unwrap_or_default();
        out.push(object!({side: names}));
    }
    Ok(json(&Json::Array(out)))
}

async fn servers(State(core): Shared, Path(table): Path<String>, parameters: Parameters) -> Answer {
    let mut out = Vec::new();
    for name in sides(&core, &table, table_type(&parameters, "type")?)? {
        let mut map = std::collections::BTreeMap::<String, Vec<String>>::new();
        core.with_table(&name, |t| {
            for (segment, entry) in &t.segments {
                for server in entry.ideal.keys() {
                    map.entry(server.clone()).or_default().push(segment.clone());
                }
            }
        });
        let counts: Map<String, Json> = map
            .iter()
            .map(|(server, list)| (server.clone(), Json::from(list.len())))
            .collect();
        out.push(object!({
            "tableName": name,
            "serverToSegmentsMap": map,
            "serverToSegmentsCountMap": counts,
        }));
    }
    Ok(json(&Json::Array(out)))
}

/// What the metadata store holds of a segment, in Pinot's keys.
fn kept(core: &Core, table: &str, segment: &SegmentEntry) -> Map<String, Json> {
    let record = &segment.record;
    let mut out = Map::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), Json::from(value));
        }
    };
    let realtime = record.partition.is_some() && record.start_offset.is_some();
    let sealed = record.status != SegmentStatus::InProgress;
    put("segment.creation.time", Some(record.created_ms.to_string()));
    if realtime {
        put(
            "segment.flush.threshold.size",
            record.flush_rows.map(|r| r.to_string()),
        );
        put(
            "segment.realtime.numReplicas",
            Some(segment.ideal.len().max(1).to_string()),
        );
        put("segment.realtime.startOffset", record.start_offset.clone());
        put("segment.realtime.endOffset", record.end_offset.clone());
        let word = if sealed { "DONE" } else { "IN_PROGRESS" };
        put("segment.realtime.status", Some(word.to_owned()));
    } else {
        put("segment.push.time", Some(record.pushed_ms.to_string()));
    }
    if sealed {
        let raw = split_type(table).0;
        let url = format!(
            "http://{}:{}/segments/{raw}/{}",
            core.host, core.port, record.name
        );
        put(
            "segment.start.time",
            record.start_time_ms.map(|t| t.to_string()),
        );
        put(
            "segment.end.time",
            record.end_time_ms.map(|t| t.to_string()),
        );
        put(
            "segment.time.unit",
            record.start_time_ms.map(|_| "MILLISECONDS".to_owned()),
        );
        put("segment.total.docs", Some(record.total_docs.to_string()));
        put("segment.size.in.bytes", Some(record.size_bytes.to_string()));
        put("segment.index.version", Some("v3".to_owned()));
        put("segment.crc", Some(record.crc.to_string()));
        put("segment.data.crc", Some(record.crc.to_string()));
        put("segment.download.url", Some(url));
    }
    out
}

async fn zk_metadata(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let mut out = Map::new();
    for name in sides(&core, &table, table_type(&parameters, "type")?)? {
        let segments = core
            .with_table(&name, |t| t.segments.clone())
            .unwrap_or_default();
        for (segment, entry) in segments {
            out.insert(segment, Json::Object(kept(&core, &name, &entry)));
        }
    }
    Ok(json(&Json::Object(out)))
}

async fn metadata(
    State(core): Shared,
    Path((table, segment)): Path<(String, String)>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Answer {
    let name = holder(&core, &table, &segment)?;
    let entry = core
        .with_table(&name, |t| t.segments.get(&segment).cloned())
        .flatten();
    let Some(entry) = entry else {
        return Err(unknown(&table));
    };
    let mut out = kept(&core, &name, &entry);
    if let Some(query) = query.filter(|q| q.contains("columns=")) {
        let servers = entry.ideal.keys().take(1).cloned().collect();
        let path = format!("/tables/{name}/segments/{segment}/metadata?{query}");
        for (_, answer) in ask_servers(&core, &servers, &path).await {
            let Ok(Json::Object(answer)) = answer else {
                continue;
            };
            for (key, value) in answer {
                if matches!(key.as_str(), "columns" | "indexes" | "star-tree-index") {
                    out.insert(key, value);
                }
            }
        }
    }
    Ok(json(&Json::Object(out)))
}

async fn all_metadata(
    State(core): Shared,
    Path(table): Path<String>,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Answer {
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    let mut out = Map::new();
    for name in sides(&core, &table, None)? {
        let segments = core
            .with_table(&name, |t| t.segments.clone())
            .unwrap_or_default();
        let asked = segments.iter().map(|(segment, entry)| {
            let servers = entry.ideal.keys().take(1).cloned().collect();
            let path = format!("/tables/{name}/segments/{segment}/metadata{query}");
            let core = &core;
            async move { (segment.clone(), ask_servers(core, &servers, &path).await) }
        });
        for (segment, answers) in futures::future::join_all(asked).await {
            if let Some(answer) = answers.into_iter().find_map(|(_, a)| a.ok()) {
                out.insert(segment, answer);
            }
        }
    }
    Ok(json(&Json::Object(out)))
}

async fn crc(State(core): Shared, Path(table): Path<String>) -> Answer {
    if split_type(&table).1 == Some(TableType::Realtime) {
        return Err(Refusal::new(
            403,
            format!("Table name: {table} does not match table type: OFFLINE"),
        ));
    }
    let mut out = Map::new();
    for name in sides(&core, &table, Some(TableType::Offline))? {
        core.with_table(&name, |t| {
            for (segment, entry) in &t.segments {
                out.insert(segment.clone(), Json::from(entry.record.crc.to_string()));
            }
        });
    }
    Ok(json(&Json::Object(out)))
}

async fn download(State(core): Shared, Path((table, segment)): Path<(String, String)>) -> Answer {
    let missing = || {
        Refusal::not_found(format!(
            "Segment {segment} or table {table} not found in deep store"
        ))
    };
    let name = holder(&core, &table, &segment).map_err(|_| missing())?;
    let uri = core
        .with_table(&name, |t| {
            t.segments
                .get(&segment)
                .map(|s| s.record.download_uri.clone())
        })
        .flatten()
        .filter(|uri| !uri.is_empty())
        .ok_or_else(missing)?;
    let bytes = core.deep_store.get(&uri).await.map_err(|_| missing())?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{segment}\""),
        ),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}

async fn remove(
    State(core): Shared,
    Path((table, segment)): Path<(String, String)>,
    parameters: Parameters,
) -> Answer {
    let name = holder(&core, &table, &segment)?;
    let kept_ms = retention(&parameters)?;
    delete_segments(&core, &name, kept_ms, |s| s.name == segment).await?;
    Ok(status("Segment deleted"))
}

async fn remove_all(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
) -> Answer {
    let named_segments: Option<Vec<&str>> = parameters
        .get("segments")
        .filter(|s| !s.is_empty())
        .map(|s| s.split(',').map(str::trim).collect());
    let only = table_type(&parameters, "type")?;
    if only.is_none() && split_type(&table).1.is_none() {
        return Err(Refusal::invalid("Table type must not be null"));
    }
    let kept_ms = retention(&parameters)?;
    for name in sides(&core, &table, only)? {
        let chosen = |s: &SegmentRecord| {
            let named = named_segments.as_ref();
            named.is_none_or(|n| n.contains(&s.name.as_str()))
        };
        delete_segments(&core, &name, kept_ms, chosen).await?;
    }
    Ok(status(format!("All segments of table {table} deleted")))
}

async fn remove_listed(
    State(core): Shared,
    Path(table): Path<String>,
    parameters: Parameters,
    axum::Json(listed): axum::Json<Vec<String>>,
) -> Answer {
    let kept_ms = retention(&parameters)?;
    for name in sides(&core, &table, None)? {
        delete_segments(&core, &name, kept_ms, |s| listed.contains(&s.name)).await?;
    }
    Ok(status("Segments deleted"))
}
