//! A quantile digest over whole numbers: counts in a binary tree of ranges, small ranges kept, sparse ones joined.
//!
//! Must not know: percentiles of fractions. Invariant: a rank is off by at most `MAX_ERROR` of the count; the same values in
//! any order and any parts answer within it.

use std::collections::BTreeMap;

const MAX_ERROR: f64 = 0.05;
/// Nodes beyond which sparse ones are joined.
const MOST_NODES: usize = 4096;

/// A digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuantileDigest {
    count: u64,
    /// (level, value without its lowest `level` bits) to count; values are shifted to keep their order unsigned.
    nodes: BTreeMap<(u8, u64), u64>,
}

impl QuantileDigest {
    /// Adds a value.
    pub fn add(&mut self, value: i64) {
        self.add_node(0, (value as u64) ^ (1 << 63), 1);
        self.count += 1;
    }

    fn add_node(&mut self, level: u8, bits: u64, count: u64) {
        *self.nodes.entry((level, bits)).or_insert(0) += count;
        if self.nodes.len() > MOST_NODES {
            self.compress();
        }
    }

    fn compress(&mut self) {
        // The error of a rank is at most 64 levels of ranges that each hold no more than this.
        let least = (self.count as f64 * MAX_ERROR / 64.0) as u64;
        for level in 0..63_u8 {
            let low = (level, 0)..(level + 1, 0);
            let light: Vec<(u64, u64)> = self
                .nodes
                .range(low)
                .filter(|(_, n)| **n <= least)
                .map(|((_, b), n)| (*b, *n))
                .collect();
            for (bits, n) in light {
                self.nodes.remove(&(level, bits));
                *self.nodes.entry((level + 1, bits >> 1)).or_insert(0) += n;
            }
            if self.nodes.len() <= MOST_NODES / 2 {
                return;
            }
        }
    }

    /// Adds another digest.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        for ((level, bits), n) in other.nodes {
            self.add_node(level, bits, n);
        }
    }

    /// The value at a quantile from 0 to 1; `None` of nothing.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<i64> {
        let mut ranges: Vec<(u64, u64)> = self
            .nodes
            .iter()
            .map(|((level, bits), n)| {
                let low = bits << level;
                (low | ((1_u64 << level) - 1), *n)
            })
            .collect();
        ranges.sort_unstable();
        let rank = (quantile * self.count as f64) as u64;
        let mut before = 0;
        let found = ranges.iter().find(|(_, n)| {
            before += n;
            before > rank
        });
        found
            .or(ranges.last())
            .map(|(high, _)| (*high ^ (1 << 63)) as i64)
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Serialised form: count, number of nodes, then level, bits and count of each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.count.to_be_bytes().to_vec();
        out.extend((self.nodes.len() as u32).to_be_bytes());
        for ((level, bits), n) in &self.nodes {
            out.push(*level);
            out.extend(bits.to_be_bytes());
            out.extend(n.to_be_bytes());
        }
        out
    }

    /// Reads the serialised form.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(12)?;
        let eight = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        let count = eight(&head[..8])?;
        let len = u32::from_be_bytes(head[8..].try_into().ok()?) as usize;
        if body.len() != len.checked_mul(17)? {
            return None;
        }
        let mut nodes = BTreeMap::new();
        for node in body.chunks_exact(17) {
            if node[0] > 63 {
                return None;
            }
            nodes.insert((node[0], eight(&node[1..9])?), eight(&node[9..])?);
        }
        Some(Self { count, nodes })
    }

    /// Bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.nodes.len() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_near() {
        let mut digest = QuantileDigest::default();
        (0..100_000).for_each(|v| digest.add(v));
        for quantile in [0.01, 0.5, 0.9, 0.99] {
            let found = digest.quantile(quantile).unwrap_or(-1) as f64;
            assert!((found - quantile * 100_000.0).abs() < 1500.0, "{found}");
        }
        assert_eq!(QuantileDigest::from_bytes(&digest.to_bytes()), Some(digest));
    }
}
