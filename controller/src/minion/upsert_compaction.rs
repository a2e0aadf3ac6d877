//! `UpsertCompactionTask`: segments of an upsert table lose the rows that newer ones replaced.
//!
//! Must not know: how servers know. Invariant: only segments whose replicas all agree are touched.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value as Json;

use super::{Keep, Rewrite, TaskType, View, Work};
use crate::error::ControllerError;
use crate::server_fan_out::{ask_servers, servers_with};

pub(super) struct UpsertCompaction;

/// How many rows of a segment count, as all of its replicas say.
pub(super) struct Counted {
    pub(super) name: String,
    pub(super) crc: u32,
    pub(super) end_ms: i64,
    pub(super) total: u64,
    pub(super) valid: u64,
    /// A server that says so.
    pub(super) server: String,
}

#[async_trait]
impl TaskType for UpsertCompaction {
    fn name(&self) -> &'static str {
        "UpsertCompactionTask"
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        let limit = view
            .now_ms
            .saturating_sub(view.period("bufferTimePeriod", "7d")?);
        let percent = view.number("invalidRecordsThresholdPercent", 0)?;
        let count = view.number("invalidRecordsThresholdCount", 1)?;
        let kind = kind_of(view);
        let (mut works, mut empty) = (Vec::new(), Vec::new());
        let mut counted = counted(view, &kind).await?;
        counted.sort_by_key(|c| std::cmp::Reverse(c.total - c.valid));
        for segment in counted.into_iter().filter(|c| c.end_ms <= limit) {
            let invalid = segment.total - segment.valid;
            if segment.valid == 0 && segment.total > 0 {
                empty.push(segment.name);
            } else if invalid >= count.max(1) && invalid * 100 > percent * segment.total {
                works.push(Work::Rewrite(Rewrite {
                    segments: vec![(segment.name, segment.crc)],
                    keep: Keep::Valid {
                        server: segment.server,
                        kind: kind.clone(),
                    },
                }));
            }
        }
        if !empty.is_empty() {
            works.insert(0, Work::Drop(empty));
        }
        Ok(works)
    }
}

/// What makes a row count, as the table's settings say.
pub(super) fn kind_of(view: &View<'_>) -> String {
    view.get("validDocIdsType").unwrap_or("SNAPSHOT").to_owned()
}

/// Sealed segments with the rows that count, those whose replicas agree.
pub(super) async fn counted(view: &View<'_>, kind: &str) -> Result<Vec<Counted>, ControllerError> {
    if !view.is_upsert() {
        return Err(view.ill("it has no upsert, and this task is for upsert tables alone"));
    }
    let servers = servers_with(view.core, &view.table);
    let path = format!(
        "/tables/{}/validDocIdsMetadata?validDocIdsType={kind}",
        view.table
    );
    let mut said: BTreeMap<String, Vec<(String, u64, u64, String)>> = BTreeMap::new();
    for (server, answer) in ask_servers(view.core, &servers, &path).await {
        let answer = answer.map_err(|error| ControllerError::internal("ask servers", error))?;
        for segment in answer.as_array().into_iter().flatten() {
            let number = |key: &str| segment.get(key).and_then(Json::as_u64).unwrap_or_default();
            let text = |key: &str| segment.get(key).and_then(Json::as_str).unwrap_or_default();
            let numbers = (number("totalDocs"), number("totalValidDocs"));
            let crc = text("segmentCrc").to_owned();
            said.entry(text("segmentName").to_owned())
                .or_default()
                .push((crc, numbers.0, numbers.1, server.clone()));
        }
    }
    let replicas = view.core.with_table(&view.table, |t| {
        let replicas = t
            .segments
            .iter()
            .map(|(name, s)| (name.clone(), s.ideal.len()));
        replicas.collect::<BTreeMap<_, _>>()
    });
    let replicas = replicas.unwrap_or_default();
    let agreed = view.sealed().filter_map(|record| {
        let all = said.get(&record.name)?;
        let (crc, total, valid, server) = all.first()?;
        let agree = all.len() == replicas.get(&record.name).copied().unwrap_or_default()
            && *crc == record.crc.to_string()
            && all
                .iter()
                .all(|(c, t, v, _)| c == crc && t == total && v == valid);
        agree.then(|| Counted {
            name: record.name.clone(),
            crc: record.crc,
            end_ms: record.end_time_ms.unwrap_or(record.pushed_ms),
            total: *total,
            valid: *valid,
            server: server.clone(),
        })
    });
    Ok(agreed.collect())
}
