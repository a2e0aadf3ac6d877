//! `UpsertCompactMergeTask`: neighbouring small segments of a partition become one, without the rows that were replaced.
//!
//! The rows stand under the name of the last of them, so that its place in the partition decides between versions of a key as before.
//! Must not know: how servers know. Invariant: as of the compaction; the others go when every replica has the last one.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::upsert_compaction::{Counted, counted, kind_of};
use super::{Keep, Rewrite, TaskType, View, Work};
use crate::error::ControllerError;

pub(super) struct UpsertCompactMerge;

#[async_trait]
impl TaskType for UpsertCompactMerge {
    fn name(&self) -> &'static str {
        "UpsertCompactMergeTask"
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        let limit = view
            .now_ms
            .saturating_sub(view.period("bufferTimePeriod", "2d")?);
        let limits = Limits {
            rows: view
                .number("maxNumRecordsPerSegment", 5_000_000)?
                .min(view.number("maxNumRecordsPerTask", 50_000_000)?),
            most: view.number("maxNumSegmentsPerTask", 10)?,
            least: view.number("minNumSegmentsPerTask", 2)?.max(2),
        };
        let kind = kind_of(view);
        let places: BTreeMap<&str, (u32, u32)> = view
            .sealed()
            .filter_map(|s| Some((s.name.as_str(), (s.partition?, s.sequence?))))
            .collect();
        let mut partitions: BTreeMap<u32, BTreeMap<u32, Counted>> = BTreeMap::new();
        for segment in counted(view, &kind).await? {
            if let Some((partition, sequence)) = places.get(segment.name.as_str())
                && segment.end_ms <= limit
            {
                let partition = partitions.entry(*partition).or_default();
                partition.insert(*sequence, segment);
            }
        }
        let runs = partitions
            .into_values()
            .flat_map(|of| runs(of.into_values().collect(), &limits));
        let works = runs.filter_map(|run| {
            Some(Work::Rewrite(Rewrite {
                keep: Keep::Valid {
                    server: run.first()?.server.clone(),
                    kind: kind.clone(),
                },
                segments: run.into_iter().map(|s| (s.name, s.crc)).collect(),
            }))
        });
        Ok(works.collect())
    }
}

struct Limits {
    rows: u64,
    most: u64,
    least: u64,
}

/// Runs of segments of one server's word that fit into one segment, in their order.
fn runs(segments: Vec<Counted>, limits: &Limits) -> Vec<Vec<Counted>> {
    let (mut runs, mut run, mut rows): (Vec<Vec<Counted>>, Vec<Counted>, u64) =
        (Vec::new(), Vec::new(), 0);
    for segment in segments {
        let fits = rows + segment.valid <= limits.rows
            && (run.len() as u64) < limits.most
            && run
                .first()
                .is_none_or(|first| first.server == segment.server);
        if !fits {
            runs.push(std::mem::take(&mut run));
            rows = 0;
        }
        rows += segment.valid;
        run.push(segment);
    }
    runs.push(run);
    runs.retain(|run| run.len() as u64 >= limits.least);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u32, valid: u64) -> Counted {
        Counted {
            name: number.to_string(),
            crc: 0,
            end_ms: 0,
            total: valid,
            valid,
            server: "s".to_owned(),
        }
    }

    #[test]
    fn runs_fit_their_limits() {
        let limits = Limits {
            rows: 100,
            most: 3,
            least: 2,
        };
        let sizes = [10, 20, 90, 95, 5, 1, 1, 1, 1];
        let all = (0..).zip(sizes).map(|(n, size)| segment(n, size)).collect();
        let runs: Vec<Vec<String>> = runs(all, &limits)
            .into_iter()
            .map(|run| run.into_iter().map(|s| s.name).collect())
            .collect();
        assert_eq!(runs, [vec!["0", "1"], vec!["3", "4"], vec!["5", "6", "7"]]);
    }
}
