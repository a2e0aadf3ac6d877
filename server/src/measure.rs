//! Figures of parts that no request reaches by themselves, for benchmarks.
//!
//! Must not know: servers. Invariant: what is measured is what servers use.

use std::time::{Duration, Instant};

use crate::upsert::{KeyIndex, Piles, Place};

/// Figures of an index of keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyFigures {
    /// Bytes that it takes.
    pub bytes: usize,
    /// Time in which every key was put in, as a start does that finds them in segments.
    pub built: Duration,
    /// Time of one look-up of a key that is there.
    pub look_up: Duration,
}

const LOOK_UPS: u64 = 1_000_000;

/// Builds an index of so many keys; it is kept until `look` has looked.
pub fn keys(count: u64, look: impl FnOnce()) -> KeyFigures {
    let key = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
    let begin = Instant::now();
    let mut index = KeyIndex::default();
    let mut piles = Piles::new(usize::try_from(count).unwrap_or(usize::MAX));
    for n in 0..count {
        let place = Place::new((n >> 20) as u32, n as u32, false, n as i64);
        piles.put(key(n), place);
        if piles.is_full() || n + 1 == count {
            piles.take(|rows| index.extend(rows));
        }
    }
    let built = begin.elapsed();
    let begin = Instant::now();
    let asked = LOOK_UPS.min(count).max(1);
    let found = (0..asked)
        .filter(|n| index.get(key(n.wrapping_mul(count / asked))).is_some())
        .count();
    let look_up = begin.elapsed() / u32::try_from(found.max(1)).unwrap_or(u32::MAX);
    look();
    KeyFigures {
        bytes: index.memory_bytes(),
        built,
        look_up,
    }
}
