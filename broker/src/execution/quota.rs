//! `quota.maxQueriesPerSecond` of a table: queries of the last second are counted.
//!
//! Must not know: results. Invariant: a refused query does not count; what is remembered of a table is one number a tenth of a second.

use std::collections::HashMap;

use common::{ErrorCode, QueryException};
use parking_lot::Mutex;
use serde_json::Value as Json;

use super::compile::Compiled;
use super::{Core, Job, Stop};

const PARTS: usize = 10;
const PART_MS: i64 = 100;

/// Queries of one table, by tenths of a second.
#[derive(Default)]
struct Window {
    counts: [u64; PARTS],
    /// Number of the newest tenth since the epoch.
    newest: i64,
}

impl Window {
    /// Counts a query; false where that many came within a second already.
    fn enter(&mut self, now_ms: i64, most: f64) -> bool {
        let part = now_ms.div_euclid(PART_MS);
        let gone = part.saturating_sub(self.newest).clamp(0, PARTS as i64);
        for step in 0..gone {
            let at = part.saturating_sub(step).rem_euclid(PARTS as i64) as usize;
            if let Some(count) = self.counts.get_mut(at) {
                *count = 0;
            }
        }
        self.newest = self.newest.max(part);
        if self.counts.iter().sum::<u64>() as f64 >= most {
            return false;
        }
        if let Some(count) = self.counts.get_mut(part.rem_euclid(PARTS as i64) as usize) {
            *count += 1;
        }
        true
    }
}

/// Every table that has a quota.
#[derive(Default)]
pub(crate) struct Quotas(Mutex<HashMap<String, Window>>);

/// The quota of a config, a number or a text.
fn quota_of(config: &common::TableConfig) -> Option<f64> {
    let given = config.extra.get("quota")?.get("maxQueriesPerSecond")?;
    match given {
        Json::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
    .filter(|most: &f64| *most > 0.0)
}

impl Core {
    /// Refuses a query whose table had as many in the last second as its quota allows. Each of several brokers allows its part.
    /// A table that a query reads in many leaves counts once.
    pub(super) fn check_quota(&self, job: &Job, compiled: &Compiled) -> Result<(), Stop> {
        if let Some(paid) = &job.paid
            && !paid.lock().insert(compiled.table.clone())
        {
            return Ok(());
        }
        let quotas = compiled
            .sides
            .iter()
            .filter_map(|side| quota_of(&side.table.view.config));
        let Some(most) = quotas.reduce(f64::min) else {
            return Ok(());
        };
        let brokers = self.routing.load().live_brokers().max(1);
        let most = (most / brokers as f64).max(1.0);
        let mut windows = self.quotas.0.lock();
        let window = windows.entry(compiled.table.clone()).or_default();
        if window.enter(job.now_ms, most) {
            return Ok(());
        }
        drop(windows);
        self.metrics.quota_exceeded.add(1);
        Err(QueryException::new(
            ErrorCode::TooManyRequests,
            format!(
                "Request {} exceeds query quota for table: {}",
                job.request_id, compiled.table
            ),
        )
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn a_second_holds_so_many() {
        let mut window = Window::default();
        for at in 0..3 {
            assert!(window.enter(1_000_000 + at * 200, 3.0));
        }
        assert!(!window.enter(1_000_900, 3.0));
        assert!(window.enter(1_001_050, 3.0));
        assert!(!window.enter(1_001_060, 3.0));
        assert!(window.enter(1_009_000, 3.0));
    }
}
