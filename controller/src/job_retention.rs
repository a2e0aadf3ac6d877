//! Which jobs are forgotten: reloads and their like, and idempotency keys of rows.
//!
//! Must not know: where jobs are kept. Invariant: what is younger than a day is forgotten only where there are too many.

use std::collections::BTreeMap;

use crate::records::JobRecord;
use crate::{rebalances, rows};

const DAY_MS: i64 = 86_400_000;
/// Keys of rows are known for so long.
const KEYS_FOR_MS: i64 = 7 * DAY_MS;
/// Keys of rows at most; the oldest go first.
const KEYS: usize = 100_000;
/// Other jobs are shown for so long, and so many of them.
const JOBS_FOR_MS: i64 = 30 * DAY_MS;
const JOBS: usize = 10_000;

/// Ids of jobs that are to go.
pub(crate) fn due(jobs: &BTreeMap<String, JobRecord>, now_ms: i64) -> Vec<String> {
    let mut gone = surplus(jobs, now_ms, true, KEYS_FOR_MS, KEYS);
    gone.extend(surplus(jobs, now_ms, false, JOBS_FOR_MS, JOBS));
    gone
}

fn surplus(
    jobs: &BTreeMap<String, JobRecord>,
    now_ms: i64,
    of_rows: bool,
    kept_ms: i64,
    most: usize,
) -> Vec<String> {
    let mut all: Vec<&JobRecord> = jobs
        .values()
        .filter(|job| (job.kind == rows::KIND) == of_rows && !rebalances::is_open(job))
        .collect();
    all.sort_by_key(|job| std::cmp::Reverse(job.submitted_ms));
    let limit = now_ms.saturating_sub(kept_ms);
    let old = all
        .iter()
        .position(|job| job.submitted_ms < limit)
        .unwrap_or(all.len());
    let gone = all.get(old.min(most)..).unwrap_or_default();
    gone.iter().map(|job| job.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_and_too_many_go() {
        let job = |number: i64, kind: &str| JobRecord {
            id: format!("{kind}{number}"),
            kind: kind.to_owned(),
            table: "t".to_owned(),
            segments: Vec::new(),
            submitted_ms: number * DAY_MS,
            generation: 0,
            rebalance: None,
        };
        let all = (0..20).flat_map(|n| [job(n, rows::KIND), job(n, "RELOAD_SEGMENT")]);
        let jobs: BTreeMap<String, JobRecord> = all.map(|job| (job.id.clone(), job)).collect();
        let gone = due(&jobs, 20 * DAY_MS);
        assert_eq!(gone.len(), 13);
        assert!(gone.contains(&format!("{}12", rows::KIND)));
        assert_eq!(surplus(&jobs, 20 * DAY_MS, false, KEYS_FOR_MS, 2).len(), 18);
    }
}
