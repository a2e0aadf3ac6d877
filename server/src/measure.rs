//! Figures of parts that no request reaches by themselves, for benchmarks.
//!
//! Must not know: servers. Invariant: what is measured is what servers use.

use std::time::{Duration, Instant};

use crate::upsert::{DEALT_ROWS, DealtRow, KeyIndex, Place, dealt};

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
    let mut gathered = Vec::new();
    for n in 0..count {
        gathered.push(DealtRow {
            key: key(n),
            rank: n as i64,
            doc: n as u32,
            deleted: false,
        });
        if gathered.len() == DEALT_ROWS || n + 1 == count {
            let place = |row: &DealtRow| Place::new(row.doc >> 20, row.doc, false, row.rank);
            let rows = dealt(&gathered);
            let new: Vec<_> = rows.iter().map(|row| (row.key, place(row))).collect();
            index.extend(&new);
            gathered.clear();
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
