//! Figures of a process and of a list of measured times.
//!
//! Must not know: what was measured. Invariant: CPU time counts every thread, also those that have ended.

use anyhow::{Context, Result};

/// Clock ticks of `/proc` in a second; fixed by the kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU, user and system, that a process has used.
///
/// # Errors
/// Where the process is gone.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name of the program may hold blanks: count from behind it.
    let (_, rest) = text
        .rsplit_once(')')
        .context("`/proc/PID/stat` has another form")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || {
        fields
            .next()
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or_default()
    };
    Ok((next() + next()) / TICKS_PER_SECOND)
}

/// A line of `/proc/PID/status` in MiB: `VmRSS` (now), `VmHWM` (the most so far).
///
/// # Errors
/// Where the process is gone.
pub fn memory_mib(pid: u32, line: &str) -> Result<f64> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let found = text
        .lines()
        .find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("no line `{line}`"))? / 1024.0)
}

/// The value below which that share of the values is; 0 of none.
#[must_use]
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share).ceil() as usize;
    values
        .get(at.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, memory_mib, percentile};

    #[test]
    fn this_process_has_figures() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).is_ok_and(|s| s >= 0.0));
        assert!(memory_mib(pid, "VmRSS").is_ok_and(|m| m > 0.1));
    }

    #[test]
    fn percentiles_are_values() {
        let mut values = [3.0, 1.0, 2.0];
        assert!((percentile(&mut values, 0.5) - 2.0).abs() < 1e-9);
        assert!((percentile(&mut values, 0.99) - 3.0).abs() < 1e-9);
    }
}
