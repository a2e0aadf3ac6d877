//! One replica for each segment of a query.
//!
//! Must not know: plans. Invariant: every kept segment is either given to exactly one server or named as unavailable.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::{RoutedSegment, RoutedTable, Selector};
use super::{Pruner, Server};

/// Segments this young may be missing without a word while all their servers live: they are about to load them.
const NEW_SEGMENT_MS: i64 = 5 * 60 * 1000;

/// Segments by server.
#[derive(Default)]
pub(crate) struct Choice {
    /// Each server with its segments.
    pub(crate) shares: Vec<(Arc<Server>, Vec<String>)>,
    /// Segments that no live server has.
    pub(crate) unavailable: Vec<String>,
    /// Segments that cannot hold a matching row.
    pub(crate) pruned: u64,
}

impl Choice {
    /// The segments that servers are asked for.
    pub(crate) fn names(&self) -> Vec<String> {
        let shares = self.shares.iter();
        shares.flat_map(|(_, names)| names).cloned().collect()
    }
}

/// What decides between replicas.
pub(crate) struct Chooser<'a> {
    /// Counts up with each query.
    pub(crate) turn: u64,
    /// Now, milliseconds.
    pub(crate) now_ms: i64,
    /// Servers that did not answer this query.
    pub(crate) avoided: &'a [String],
    /// The option `useFixedReplica`.
    pub(crate) fixed: bool,
}

impl Chooser<'_> {
    /// Chooses for the segments that `pruner` and `wanted` keep.
    pub(crate) fn choose(
        &self,
        table: &RoutedTable,
        pruner: &Pruner,
        wanted: impl Fn(&str) -> bool,
    ) -> Choice {
        let mut choice = Choice::default();
        let mut shares: Vec<Vec<String>> = vec![Vec::new(); table.servers.len()];
        let groups = match table.selector {
            Selector::StrictReplicaGroup => self.by_partition(table),
            _ => BTreeMap::new(),
        };
        let turn = if self.fixed { 0 } else { self.turn };
        let mut seen = 0_u64;
        for segment in table.segments.iter().filter(|s| wanted(&s.name)) {
            if !pruner.keeps(segment) {
                choice.pruned += 1;
                continue;
            }
            let step = match table.selector {
                Selector::Balanced if !self.fixed => turn.wrapping_add(seen),
                _ => turn,
            };
            seen += 1;
            let server = groups
                .get(&key_of(segment))
                .copied()
                .filter(|s| segment.candidates.contains(s))
                .or_else(|| self.pick(table, &segment.candidates, step))
                .or_else(|| self.leaving(table, segment));
            match server {
                Some(server) => shares[server as usize].push(segment.name.clone()),
                None if segment.awaited
                    && segment.candidates.is_empty()
                    && self.now_ms - segment.created_ms < NEW_SEGMENT_MS => {}
                None => choice.unavailable.push(segment.name.clone()),
            }
        }
        choice.shares = table
            .servers
            .iter()
            .zip(shares)
            .filter(|(_, segments)| !segments.is_empty())
            .map(|(server, segments)| (Arc::clone(server), segments))
            .collect();
        choice
    }

    fn avoids(&self, table: &RoutedTable, server: u32) -> bool {
        let server = &table.servers[server as usize];
        self.avoided.iter().any(|id| *id == server.instance.id)
    }

    fn pick(&self, table: &RoutedTable, candidates: &[u32], step: u64) -> Option<u32> {
        if self.avoided.is_empty() {
            let count = candidates.len() as u64;
            return (count > 0).then(|| candidates[(step % count) as usize]);
        }
        let left: Vec<u32> = candidates
            .iter()
            .copied()
            .filter(|s| !self.avoids(table, *s))
            .collect();
        (!left.is_empty()).then(|| left[(step % left.len() as u64) as usize])
    }

    /// A server that goes on answering while it leaves, where nobody else has the segment yet.
    fn leaving(&self, table: &RoutedTable, segment: &RoutedSegment) -> Option<u32> {
        let mut gone = segment.gone.iter().copied();
        gone.find(|s| table.servers[*s as usize].leaves() && !self.avoids(table, *s))
    }

    /// For each partition one server, which has all of its segments where any has.
    fn by_partition(&self, table: &RoutedTable) -> BTreeMap<Option<u32>, u32> {
        let mut counts: BTreeMap<Option<u32>, BTreeMap<u32, usize>> = BTreeMap::new();
        for segment in &table.segments {
            let of = counts.entry(key_of(segment)).or_default();
            for server in &segment.candidates {
                if !self.avoids(table, *server) {
                    *of.entry(*server).or_default() += 1;
                }
            }
        }
        counts
            .into_iter()
            .filter_map(|(key, of)| {
                let most = of.values().copied().max()?;
                let best: Vec<u32> = of
                    .into_iter()
                    .filter(|(_, n)| *n == most)
                    .map(|(s, _)| s)
                    .collect();
                let turn = if self.fixed { 0 } else { self.turn };
                Some((key, best[(turn % best.len() as u64) as usize]))
            })
            .collect()
    }
}

fn key_of(segment: &RoutedSegment) -> Option<u32> {
    segment.partition
}
