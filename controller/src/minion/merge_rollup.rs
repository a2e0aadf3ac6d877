//! `MergeRollupTask`: small segments of an OFFLINE table become few, bucket of time by bucket of time, level above level.
//!
//! Must not know: servers. Invariant: a bucket of a level is merged after its time is over, and after the level below has passed it.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use common::TableType;
use ingest::aggregation::RollUp;
use proto::controller_service::SegmentRecord;

use super::merge::Merge;
use super::output::{Mode, Shape};
use super::{TaskType, View, Work};
use crate::error::ControllerError;

pub(super) struct MergeRollup;

const NAME: &str = "MergeRollupTask";

struct Level {
    name: String,
    bucket_ms: i64,
    buffer_ms: i64,
}

#[async_trait]
impl TaskType for MergeRollup {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        if view.config.table_type != TableType::Offline {
            return Err(view.ill("only segments of OFFLINE tables are merged"));
        }
        if view.config.segments_config.time_column_name.is_none() {
            return Err(view.ill("`timeColumnName` is missing, rows cannot be told apart by time"));
        }
        let levels = levels(view)?;
        let mut works = Vec::new();
        for (at, level) in levels.iter().enumerate() {
            let below = at.checked_sub(1).and_then(|at| levels.get(at));
            let above: BTreeSet<String> = levels[at..].iter().map(|l| prefix_of(&l.name)).collect();
            let most = view.number(&format!("{}.maxNumParallelBuckets", level.name), 1)?;
            let buckets = buckets(view, level, below, &above);
            for (start, inputs) in buckets
                .into_iter()
                .take(usize::try_from(most.max(1)).unwrap_or(1))
            {
                works.extend(merges(view, level, start, inputs)?);
            }
        }
        Ok(works)
    }
}

/// The largest multiple of a length that is not beyond a time.
pub(super) fn round_down(ms: i64, length: i64) -> i64 {
    ms - ms.rem_euclid(length.max(1))
}

fn prefix_of(level: &str) -> String {
    format!("merged_{level}_")
}

/// Levels, the one of the shortest buckets first.
fn levels(view: &View<'_>) -> Result<Vec<Level>, ControllerError> {
    let names: BTreeSet<&str> = view
        .settings
        .keys()
        .filter_map(|key| key.strip_suffix(".bucketTimePeriod"))
        .collect();
    if names.is_empty() {
        return Err(
            view.ill("no level is configured, expected `1day.bucketTimePeriod` and the like")
        );
    }
    let mut levels = names
        .into_iter()
        .map(|name| {
            Ok(Level {
                name: name.to_owned(),
                bucket_ms: view
                    .period(&format!("{name}.bucketTimePeriod"), "1d")?
                    .max(1),
                buffer_ms: view.period(&format!("{name}.bufferTimePeriod"), "1d")?,
            })
        })
        .collect::<Result<Vec<_>, ControllerError>>()?;
    levels.sort_by_key(|l| l.bucket_ms);
    Ok(levels)
}

/// Buckets that can be merged now with the segments in them, oldest first.
fn buckets<'v>(
    view: &'v View<'_>,
    level: &Level,
    below: Option<&Level>,
    done: &BTreeSet<String>,
) -> BTreeMap<i64, Vec<&'v SegmentRecord>> {
    let limit = view.now_ms.saturating_sub(level.buffer_ms);
    let mut unready = BTreeSet::new();
    let mut buckets: BTreeMap<i64, Vec<&SegmentRecord>> = BTreeMap::new();
    for segment in view.sealed() {
        let merged = done.iter().any(|prefix| segment.name.starts_with(prefix));
        let (false, Some(first), Some(last)) = (merged, segment.start_time_ms, segment.end_time_ms)
        else {
            continue;
        };
        // A segment of several buckets is split; it waits for the end of the last.
        let end = round_down(last, level.bucket_ms).saturating_add(level.bucket_ms);
        let start = round_down(first, level.bucket_ms);
        if below.is_some_and(|below| !segment.name.starts_with(&prefix_of(&below.name))) {
            unready.extend([start, end.saturating_sub(level.bucket_ms)]);
        } else if end <= limit {
            buckets.entry(start).or_default().push(segment);
        }
    }
    buckets.retain(|start, _| !unready.contains(start));
    buckets
}

/// The merges of a bucket: segments of different partitions stay apart.
fn merges(
    view: &View<'_>,
    level: &Level,
    start: i64,
    inputs: Vec<&SegmentRecord>,
) -> Result<Vec<Work>, ControllerError> {
    let key = |name: &str| format!("{}.{name}", level.name);
    let rows = view.number(&key("maxNumRecordsPerSegment"), 5_000_000)?;
    let most = view.number(&key("maxNumRecordsPerTask"), 50_000_000)?;
    let round = key("roundBucketTimePeriod");
    let shape = Shape {
        mode: mode_of(view, &format!("{}.", level.name))?,
        window: None,
        bucket_ms: Some(level.bucket_ms),
        round_ms: match view.get(&round) {
            Some(_) => Some(view.period(&round, "1d")?.max(1)),
            None => None,
        },
        erased: view
            .get(&key("eraseDimensionValues"))
            .map(|names| names.split(',').map(|n| n.trim().to_owned()).collect())
            .unwrap_or_default(),
        rows_per_segment: u32::try_from(rows).unwrap_or(u32::MAX).max(1),
    };
    let mut groups: Vec<Vec<&SegmentRecord>> = Vec::new();
    for segment in inputs {
        let fits = |group: &&mut Vec<&SegmentRecord>| {
            let docs: u64 = group.iter().map(|s| s.total_docs).sum();
            group
                .first()
                .is_some_and(|first| first.partitions == segment.partitions)
                && docs + segment.total_docs <= most
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(segment),
            None => groups.push(vec![segment]),
        }
    }
    let count = groups.len();
    let works = groups.into_iter().enumerate().map(|(at, group)| {
        Work::Merge(Merge {
            inputs: group.iter().map(|s| s.name.clone()).collect(),
            target: view.table.clone(),
            replaces: true,
            shape: shape.clone(),
            prefix: prefix_of(&level.name),
            // The last of them passes the bucket.
            mark: (at + 1 == count)
                .then(|| (level.name.clone(), start.saturating_add(level.bucket_ms))),
        })
    });
    Ok(works.collect())
}

/// What becomes of equal rows, as `mergeType` and `<metric>.aggregationType` say.
pub(super) fn mode_of(view: &View<'_>, prefix: &str) -> Result<Mode, ControllerError> {
    let word = view.get(&format!("{prefix}mergeType")).unwrap_or("CONCAT");
    match word.to_ascii_uppercase().as_str() {
        "CONCAT" => return Ok(Mode::Concat),
        "DEDUP" => return Ok(Mode::Dedup),
        "ROLLUP" => {}
        _ => {
            return Err(view.ill(format!(
                "`mergeType` is `{word}`, expected CONCAT, ROLLUP or DEDUP"
            )));
        }
    }
    let mut named = BTreeMap::new();
    for (key, how) in &view.settings {
        let Some(metric) = key.strip_suffix(".aggregationType") else {
            continue;
        };
        let roll_up = match how.trim().to_ascii_lowercase().as_str() {
            "sum" => RollUp::Sum,
            "min" => RollUp::Min,
            "max" => RollUp::Max,
            "distinctcounthll" | "distinctcountrawhll" => RollUp::Hll(8),
            "distinctcounthllplus" | "distinctcountrawhllplus" => RollUp::HllPlus(14),
            other => {
                return Err(view.ill(format!(
                    "`{key}` is `{other}`, expected sum, min, max, distinctCountHLL or distinctCountHLLPlus"
                )));
            }
        };
        named.insert(metric.to_owned(), roll_up);
    }
    Ok(Mode::RollUp(named))
}
