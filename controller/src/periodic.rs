//! What the controller does by itself: liveness, stream validation, retention.
//!
//! Must not know: HTTP. Invariant: each round looks at the state afresh, so that a missed round costs time and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::TableType;
use common::time_format::{TimeFormatError, TimeUnit, parse_period};
use proto::controller_service::{SegmentRecord, SegmentStatus};

use crate::core::Core;
use crate::error::ControllerError;
use crate::job_retention;
use crate::lineage;
use crate::realtime::{self, From};
use crate::records::TableRecord;
use crate::service::mark_gone;
use crate::state::Change;

/// An instance that says nothing for so long is taken as gone, milliseconds.
pub(crate) const SILENCE_MS: i64 = 10_000;
/// An instance that is gone for so long and holds no segment is forgotten, milliseconds.
const FORGOTTEN_AFTER_MS: i64 = 3_600_000;
const STALE_EVERY: Duration = Duration::from_secs(60);
const LIVENESS_EVERY: Duration = Duration::from_secs(1);
const TROUBLE_EVERY: Duration = Duration::from_secs(2);
const STREAMS_EVERY: Duration = Duration::from_secs(5);
/// How long after its creation, and after each look, a table's stream is looked at again for new partitions, milliseconds.
const STREAM_LOOK_MS: i64 = 60_000;
/// How long deleted segments are kept where their table does not say, milliseconds.
const DELETED_KEPT_MS: i64 = 7 * 24 * 3_600_000;
const RETENTION_EVERY: Duration = Duration::from_secs(3600);

/// Names of the periodic tasks, as `GET /periodictask/names` gives them.
pub(crate) const NAMES: &[&str] = &[
    "SegmentRelocator",
    "PinotTaskManager",
    "SegmentStatusChecker",
    "TenantRebalanceChecker",
    "OfflineSegmentValidationManager",
    "StaleInstancesCleanupTask",
    "TaskMetricsEmitter",
    "RebalanceChecker",
    "RealtimeConsumerMonitor",
    "RetentionManager",
    "BrokerResourceValidationManager",
    "ResourceUtilizationChecker",
    "ResponseStoreCleaner",
    "RealtimeSegmentValidationManager",
];

/// Starts the loops; they end with the core's task group.
pub(crate) fn start(core: &Arc<Core>) {
    every(
        core,
        LIVENESS_EVERY,
        |core| async move { liveness(&core).await },
    );
    every(core, TROUBLE_EVERY, |core| async move {
        validate_streams(&core, Which::Troubled).await
    });
    every(core, STREAMS_EVERY, |core| async move {
        validate_streams(&core, Which::Due).await
    });
    every(core, STALE_EVERY, |core| async move {
        forget_stale(&core, FORGOTTEN_AFTER_MS).await
    });
    every(core, RETENTION_EVERY, |core| async move {
        retention(&core, None).await
    });
}

/// Runs one task now, for one table or all; false where the name is none.
pub(crate) async fn run(
    core: &Core,
    name: &str,
    table: Option<&str>,
) -> Result<bool, ControllerError> {
    match name {
        "RealtimeSegmentValidationManager" => validate_streams(core, Which::Named(table)).await?,
        "RetentionManager" => retention(core, table).await?,
        "StaleInstancesCleanupTask" => forget_stale(core, FORGOTTEN_AFTER_MS).await?,
        name => return Ok(NAMES.contains(&name)),
    }
    Ok(true)
}

fn every<F>(core: &Arc<Core>, period: Duration, round: impl Fn(Arc<Core>) -> F + Send + 'static)
where
    F: Future<Output = Result<(), ControllerError>> + Send + 'static,
{
    // A weak reference: the loop must not keep alive the core that owns it.
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        loop {
            tokio::time::sleep(period).await;
            let Some(core) = weak.upgrade() else { return };
            if !core.leads() {
                continue;
            }
            if let Err(error) = round(core).await {
                tracing::warn!(%error, "a periodic task failed and will run again");
            }
        }
    });
}

pub(crate) async fn liveness(core: &Core) -> Result<(), ControllerError> {
    let now = core.now_ms();
    let silent: Vec<String> = {
        let heard = core.heard_ms.lock();
        core.read(|state| {
            let silence = |id: &String| now.saturating_sub(heard.get(id).copied().unwrap_or(0));
            state
                .instances
                .values()
                .filter(|i| i.live && (core.seat.is_some() || i.role != "controller"))
                .filter(|i| silence(&i.id) > SILENCE_MS)
                .map(|i| i.id.clone())
                .collect()
        })
    };
    for id in silent {
        tracing::warn!(instance = id, "instance fell silent");
        mark_gone(core, &id).await?;
    }
    Ok(())
}

/// Forgets instances that are gone for long and hold nothing: each start on any free port leaves one behind.
async fn forget_stale(core: &Core, after_ms: i64) -> Result<(), ControllerError> {
    let now = core.now_ms();
    let gone = core.read(|state| {
        let dead = state.instances.values().filter(|i| !i.live);
        dead.map(|i| i.id.clone()).collect::<BTreeSet<String>>()
    });
    let old: Vec<String> = {
        let mut since = core.gone_ms.lock();
        since.retain(|id, _| gone.contains(id));
        let old = gone.iter().filter(|id| {
            let seen = *since.entry((*id).clone()).or_insert(now);
            now.saturating_sub(seen) >= after_ms
        });
        old.cloned().collect()
    };
    if old.is_empty() {
        return Ok(());
    }
    core.change(|state| {
        let unused = old.iter().filter(|id| {
            let dead = state.instances.get(*id).is_some_and(|i| !i.live);
            dead && !state.tables.values().any(|t| t.concerns(id))
        });
        let changes: Vec<Change> = unused.cloned().map(Change::InstanceGone).collect();
        Ok((changes, ()))
    })
    .await
}

/// Tables whose streams are looked at.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// Those that cannot take rows now.
    Troubled,
    /// Those that were not looked at for a while.
    Due,
    /// One, or all.
    Named(Option<&'a str>),
}

/// Finds new partitions and partitions that nobody consumes.
async fn validate_streams(core: &Core, which: Which<'_>) -> Result<(), ControllerError> {
    let now = core.now_ms();
    let looked = core.looked_ms.lock().clone();
    let due = |record: &TableRecord| {
        let last = looked.get(&record.name).copied().unwrap_or(0);
        now.saturating_sub(last.max(record.created_ms)) >= STREAM_LOOK_MS
    };
    let tables: Vec<(String, bool)> = core.read(|state| {
        state
            .tables
            .values()
            .filter(|t| t.record.config.table_type == TableType::Realtime)
            .filter(|t| match which {
                Which::Troubled => t.record.ingestion_error.is_some(),
                Which::Due => due(&t.record),
                Which::Named(table) => {
                    table.is_none_or(|name| name == t.record.name || name == t.record.raw_name())
                }
            })
            .map(|t| (t.record.name.clone(), t.segments.is_empty()))
            .collect()
    });
    for (name, empty) in tables {
        let from = if empty {
            From::Configured
        } else {
            From::LastConsumed
        };
        core.looked_ms.lock().insert(name.clone(), now);
        realtime::repair(core, &name, from).await?;
    }
    Ok(())
}

/// Drops segments that are older than their table keeps them.
async fn retention(core: &Core, table: Option<&str>) -> Result<(), ControllerError> {
    let now = core.now_ms();
    let limits: Vec<(String, i64)> = core.read(|state| {
        let tables = state.tables.values().filter(|t| {
            table.is_none_or(|name| name == t.record.name || name == t.record.raw_name())
        });
        tables
            .filter_map(|t| {
                Some((
                    t.record.name.clone(),
                    now.saturating_sub(kept_ms(&t.record)?),
                ))
            })
            .collect()
    });
    for (table, limit) in limits {
        let old = |s: &SegmentRecord| {
            s.status != SegmentStatus::InProgress && s.end_time_ms.is_some_and(|end| end < limit)
        };
        delete_segments(core, &table, None, old).await?;
    }
    lineage::sweep(core, |_| false).await?;
    core.deep_store.sweep(now).await?;
    let jobs = core.read(|state| job_retention::due(&state.jobs, now));
    if !jobs.is_empty() {
        core.change(|_| Ok((jobs.into_iter().map(Change::JobGone).collect(), ())))
            .await?;
    }
    Ok(())
}

/// How long a table keeps segments, milliseconds.
fn kept_ms(record: &TableRecord) -> Option<i64> {
    let segments = &record.config.segments_config;
    let refreshed = segments
        .extra
        .get("segmentPushType")
        .and_then(serde_json::Value::as_str);
    if refreshed.is_some_and(|t| t.eq_ignore_ascii_case("REFRESH")) {
        return None;
    }
    let value: i64 = segments.retention_time_value.as_deref()?.parse().ok()?;
    let unit: TimeUnit = segments
        .retention_time_unit
        .as_deref()?
        .to_ascii_uppercase()
        .parse()
        .ok()?;
    Some(unit.to_millis(value)).filter(|ms| *ms > 0)
}

/// How long the deep store keeps deleted segments of a table, milliseconds: seven days where its config says nothing, as in Pinot.
pub(crate) fn deleted_kept_ms(record: &TableRecord) -> i64 {
    let given = record
        .config
        .segments_config
        .extra
        .get("deletedSegmentsRetentionPeriod")
        .and_then(serde_json::Value::as_str);
    given
        .and_then(|text| deleted_period(text.trim()).ok())
        .unwrap_or(DELETED_KEPT_MS)
}

/// How long a text says that deleted segments are kept, milliseconds: `7d`; Pinot writes `-1d` for not at all.
///
/// # Errors
/// Where it is no period.
pub(crate) fn deleted_period(text: &str) -> Result<i64, TimeFormatError> {
    if text == "-1d" {
        return Ok(0);
    }
    parse_period(text)
}

/// Drops the chosen segments from the state, then from the deep store, where their files stay so long, or as long as the table says; how
/// many there were.
pub(crate) async fn delete_segments(
    core: &Core,
    table: &str,
    kept_ms: Option<i64>,
    chosen: impl Fn(&SegmentRecord) -> bool,
) -> Result<usize, ControllerError> {
    let found: Option<(i64, Vec<(String, String)>)> = core.with_table(table, |t| {
        let kept_ms = kept_ms.unwrap_or_else(|| deleted_kept_ms(&t.record));
        let records = t.segments.values().map(|s| &s.record);
        let chosen = records.filter(|r| chosen(r));
        let named = chosen.map(|r| (r.name.clone(), r.download_uri.clone()));
        (kept_ms, named.collect())
    });
    let Some((kept_ms, segments)) = found.filter(|(_, segments)| !segments.is_empty()) else {
        return Ok(0);
    };
    core.change(|_| {
        let gone = segments
            .iter()
            .map(|(name, _)| Change::SegmentGone(table.to_owned(), name.clone()))
            .collect();
        Ok((gone, ()))
    })
    .await?;
    for (_, uri) in segments
        .iter()
        .filter(|(_, uri)| uri.starts_with(core.deep_store.base()))
    {
        core.discard(uri, kept_ms).await?;
    }
    Ok(segments.len())
}

#[cfg(test)]
mod tests {
    use proto::controller_service::Instance;

    use super::{DELETED_KEPT_MS, deleted_kept_ms, forget_stale};
    use crate::records::TableRecord;
    use crate::start::{Controller, ControllerSettings};

    #[tokio::test]
    async fn who_is_gone_for_long_is_forgotten() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let mut settings = ControllerSettings::new(folder.path().to_owned());
        (settings.port, settings.bind) = (0, "127.0.0.1".to_owned());
        let controller = Controller::start(settings).await?;
        let core = controller.core();
        for id in ["Server_h_1", "Server_h_2"] {
            let one = Instance {
                id: id.to_owned(),
                role: "server".to_owned(),
                host: "h".to_owned(),
                port: 1,
                admin_port: 2,
                tags: Vec::new(),
                live: true,
                enabled: true,
            };
            controller.service.register(one).await?;
        }
        controller.service.leave("Server_h_1").await?;
        let known = || {
            core.read(|s| {
                s.instances
                    .keys()
                    .filter(|i| i.starts_with("Server"))
                    .count()
            })
        };
        forget_stale(core, 60_000).await?;
        assert_eq!(known(), 2);
        forget_stale(core, 0).await?;
        assert_eq!(known(), 1);
        controller.shutdown().await;
        Ok(())
    }

    #[test]
    fn deleted_segments_stay_as_long_as_the_table_says() -> Result<(), serde_json::Error> {
        let kept = |segments: serde_json::Value| {
            let record = serde_json::json!({
                "name": "t_OFFLINE", "form": {}, "created_ms": 0, "modified_ms": 0, "enabled": true,
                "config": {"tableName": "t_OFFLINE", "tableType": "OFFLINE", "segmentsConfig": segments},
            });
            serde_json::from_value::<TableRecord>(record).map(|record| deleted_kept_ms(&record))
        };
        let period = |text: &str| kept(serde_json::json!({"deletedSegmentsRetentionPeriod": text}));
        assert_eq!(kept(serde_json::json!({}))?, DELETED_KEPT_MS);
        assert_eq!(period("12h")?, 12 * 3_600_000);
        assert_eq!((period("0d")?, period("-1d")?), (0, 0));
        Ok(())
    }
}
