//! What memory gives: bytes a second that threads read at most, the physical limit of a scan.
//!
//! `cargo run --release -p benches --bin bandwidth -- [--threads 2] [--mib 512]`. Print it beside the scan queries of `lineorder run`: bytes
//! that a query touches (rows times the bits of its columns) over its time is what it drew of this. Must not know: segments.
//! Invariant: the memory is far larger than every cache, and every byte is read once a round.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;

/// Rounds; the best one counts.
const ROUNDS: usize = 7;

/// Bandwidth of reads.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Memory that is read.
    #[arg(long, default_value_t = 512)]
    mib: usize,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let words = options.mib * (1 << 20) / 8;
    let memory: Vec<u64> = (0..words as u64).collect();
    for threads in 1..=options.threads.max(1) {
        let best = (0..ROUNDS)
            .map(|_| round(&memory, threads))
            .fold(f64::INFINITY, f64::min);
        let rate = (words * 8) as f64 / best / 1e9;
        writeln!(
            std::io::stdout(),
            "{threads} thread(s): {rate:.1} GB/s, {:.1} ms for {} MiB",
            best * 1000.0,
            options.mib
        )?;
    }
    Ok(())
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
