//! What memory gives: bytes a second that threads read at most, the physical limit of a scan.
//!
//! `cargo run --release -p benches --bin bandwidth -- [--threads 2] [--mib 512]`. `lineorder run` prints what queries draw of it.
//! Must not know: segments. Invariant: see the library's module.

use std::io::Write as _;

use anyhow::Result;
use clap::Parser;

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
    for threads in 1..=options.threads.max(1) {
        let rate = benches::bandwidth::read_rate(options.mib, threads);
        writeln!(
            std::io::stdout(),
            "{threads} thread(s): {:.1} GB/s",
            rate / 1e9
        )?;
    }
    Ok(())
}
