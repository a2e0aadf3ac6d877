//! Counters of a query, under the names of Pinot's response.
//!
//! Must not know: JSON. Invariant: merging is addition, except for the freshness, which is the oldest.

use common::QueryException;
use serde::{Deserialize, Serialize};

/// Counters of one server or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of Pinot's response")]
pub struct QueryStats {
    pub num_docs_scanned: u64,
    pub total_docs: u64,
    pub num_entries_scanned_in_filter: u64,
    pub num_entries_scanned_post_filter: u64,
    pub num_segments_queried: u64,
    pub num_segments_processed: u64,
    pub num_segments_matched: u64,
    pub num_consuming_segments_queried: u64,
    pub num_consuming_segments_processed: u64,
    pub num_consuming_segments_matched: u64,
    pub num_segments_pruned_by_server: u64,
    pub num_segments_pruned_by_value: u64,
    pub num_segments_pruned_by_limit: u64,
    pub num_segments_pruned_invalid: u64,
    pub min_consuming_freshness_ms: Option<i64>,
    pub num_groups_limit_reached: bool,
    pub groups_trimmed: bool,
    pub thread_cpu_time_ns: u64,
    /// What went wrong beside the answer, segments that are missing say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<QueryException>,
}

impl QueryStats {
    /// Adds another part.
    pub fn add(&mut self, other: &Self) {
        self.num_docs_scanned += other.num_docs_scanned;
        self.total_docs += other.total_docs;
        self.num_entries_scanned_in_filter += other.num_entries_scanned_in_filter;
        self.num_entries_scanned_post_filter += other.num_entries_scanned_post_filter;
        self.num_segments_queried += other.num_segments_queried;
        self.num_segments_processed += other.num_segments_processed;
        self.num_segments_matched += other.num_segments_matched;
        self.num_consuming_segments_queried += other.num_consuming_segments_queried;
        self.num_consuming_segments_processed += other.num_consuming_segments_processed;
        self.num_consuming_segments_matched += other.num_consuming_segments_matched;
        self.num_segments_pruned_by_server += other.num_segments_pruned_by_server;
        self.num_segments_pruned_by_value += other.num_segments_pruned_by_value;
        self.num_segments_pruned_by_limit += other.num_segments_pruned_by_limit;
        self.num_segments_pruned_invalid += other.num_segments_pruned_invalid;
        self.min_consuming_freshness_ms = match (
            self.min_consuming_freshness_ms,
            other.min_consuming_freshness_ms,
        ) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.num_groups_limit_reached |= other.num_groups_limit_reached;
        self.groups_trimmed |= other.groups_trimmed;
        self.thread_cpu_time_ns += other.thread_cpu_time_ns;
        self.exceptions.extend(other.exceptions.iter().cloned());
    }
}
