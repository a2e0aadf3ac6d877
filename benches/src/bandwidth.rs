//! Bytes a second that threads read out of memory at most: the physical limit of a scan.
//!
//! Must not know: segments. Invariant: every byte is read once a round; memory far larger than every cache is for the caller to ask for.

use std::hint::black_box;
use std::time::Instant;

/// Rounds; the best one counts.
const ROUNDS: usize = 7;

/// The bytes a second at which so many threads read so much memory together.
#[must_use]
pub fn read_rate(mib: usize, threads: usize) -> f64 {
    let words = mib * (1 << 20) / 8;
    let memory: Vec<u64> = (0..words as u64).collect();
    let best = (0..ROUNDS)
        .map(|_| round(&memory, threads))
        .fold(f64::INFINITY, f64::min);
    (words * 8) as f64 / best
}

/// Seconds in which so many threads read all of it.
fn round(memory: &[u64], threads: usize) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in memory.chunks(memory.len().div_ceil(threads).max(1)) {
            scope.spawn(move || {
                // Eight sums, so that no addition waits for the one before it.
                let mut sums = [0_u64; 8];
                for eight in part.chunks_exact(8) {
                    for (sum, word) in sums.iter_mut().zip(eight) {
                        *sum = sum.wrapping_add(*word);
                    }
                }
                black_box(sums)
            });
        }
    });
    start.elapsed().as_secs_f64()
}
