//! `RealtimeToOfflineSegmentsTask`: a window of a REALTIME table's rows after the other moves into its OFFLINE table.
//!
//! Must not know: servers. Invariant: a window is moved once all of its rows are in sealed segments; the watermark moves with it.

use async_trait::async_trait;
use common::TableType;
use common::ids::with_type;
use proto::controller_service::{SegmentRecord, SegmentStatus};

use super::merge::Merge;
use super::merge_rollup::{mode_of, round_down};
use super::output::Shape;
use super::{TaskType, View, Work};
use crate::error::ControllerError;

pub(super) struct RealtimeToOffline;

const NAME: &str = "RealtimeToOfflineSegmentsTask";

#[async_trait]
impl TaskType for RealtimeToOffline {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        let target = with_type(view.config.raw_name(), TableType::Offline);
        check(view, &target)?;
        let bucket = view.period("bucketTimePeriod", "1d")?.max(1);
        let buffer = view.period("bufferTimePeriod", "2d")?;
        let first = view.sealed().filter_map(|s| s.start_time_ms).min();
        let mark = view.watermark(NAME, "");
        let Some(mut start) = mark.or(first.map(|ms| round_down(ms, bucket))) else {
            return Ok(Vec::new());
        };
        loop {
            let window = (start, start.saturating_add(bucket));
            if window.1 > view.now_ms.saturating_sub(buffer) || !is_complete(view, window) {
                return Ok(Vec::new());
            }
            let inputs: Vec<String> = view
                .sealed()
                .filter(|s| overlaps(s, window))
                .map(|s| s.name.clone())
                .collect();
            if inputs.is_empty() {
                start = window.1;
                continue;
            }
            return Ok(vec![Work::Merge(Merge {
                inputs,
                target,
                replaces: false,
                shape: Shape {
                    mode: mode_of(view, "")?,
                    window: Some(window),
                    bucket_ms: None,
                    round_ms: match view.get("roundBucketTimePeriod") {
                        Some(_) => Some(view.period("roundBucketTimePeriod", "1d")?.max(1)),
                        None => None,
                    },
                    erased: Vec::new(),
                    rows_per_segment: u32::try_from(
                        view.number("maxNumRecordsPerSegment", 5_000_000)?,
                    )
                    .unwrap_or(u32::MAX)
                    .max(1),
                },
                prefix: String::new(),
                mark: Some((String::new(), window.1)),
            })]);
        }
    }
}

fn check(view: &View<'_>, target: &str) -> Result<(), ControllerError> {
    if view.config.table_type != TableType::Realtime || view.is_upsert() {
        return Err(view.ill("only REALTIME tables without upsert move to OFFLINE tables"));
    }
    if view.config.segments_config.time_column_name.is_none() {
        return Err(view.ill("`timeColumnName` is missing, rows cannot be told apart by time"));
    }
    if view.core.with_table(target, |_| ()).is_none() {
        return Err(view.ill(format!("there is no table {target} to move rows to")));
    }
    Ok(())
}

fn overlaps(segment: &SegmentRecord, (from, to): (i64, i64)) -> bool {
    match (segment.start_time_ms, segment.end_time_ms) {
        (Some(first), Some(last)) => first < to && last >= from,
        _ => segment.total_docs > 0,
    }
}

/// True where every partition that is consumed has sealed a segment that ends beyond the window.
fn is_complete(view: &View<'_>, window: (i64, i64)) -> bool {
    let consuming = view
        .segments
        .iter()
        .filter(|s| s.status == SegmentStatus::InProgress);
    consuming.filter_map(|s| s.partition).all(|partition| {
        let last = view
            .sealed()
            .filter(|s| s.partition == Some(partition))
            .max_by_key(|s| s.sequence);
        last.and_then(|s| s.end_time_ms)
            .is_some_and(|end| end >= window.1)
    })
}
