//! How long all roles in one process take from the start to the first answered query, and what they hold idle.
//!
//! `cargo run --release -p benches --bin start -- [--runs 10]`, after `cargo build --release --workspace --bin touriga`.
//! Must not know: internals. Invariant: every run has a fresh folder; memory is read three seconds after the answer.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use benches::figures::{memory_mib, percentile};
use benches::process::{Touriga, beside};
use clap::Parser;

/// Start-up time and idle memory.
#[derive(Parser)]
struct Options {
    /// How often.
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// The binary; the one beside this one where not given.
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let binary = options.binary.map_or_else(beside, Ok)?;
    let (mut millis, mut mib) = (Vec::new(), Vec::new());
    let mut out = std::io::stdout();
    for run in 1..=options.runs {
        let process = Touriga::start(&binary)?;
        let first = process.first_answer().await?.as_secs_f64() * 1000.0;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let held = memory_mib(process.pid(), "VmRSS")?;
        writeln!(
            out,
            "run {run}: first answer after {first:.0} ms, idle {held:.1} MiB"
        )?;
        millis.push(first);
        mib.push(held);
    }
    writeln!(
        out,
        "first answer ms p50 {:.0} max {:.0}; idle MiB p50 {:.1} max {:.1}",
        percentile(&mut millis, 0.5),
        percentile(&mut millis, 1.0),
        percentile(&mut mib, 0.5),
        percentile(&mut mib, 1.0)
    )?;
    Ok(())
}
