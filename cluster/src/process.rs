//! Figures of this process for `/metrics`: memory, CPU time, open files, as Prometheus' clients name them and as Pinot's board asks.
//!
//! Must not know: roles. Invariant: what the system does not tell is left out, never guessed.

use std::fmt::Write;

/// Clock ticks of `/proc` in a second; fixed by the kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes of a line of `/proc/self/status`.
fn memory(status: &str, line: &str) -> Option<u64> {
    let found = status
        .lines()
        .find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    let kib: u64 = found.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// Bytes of memory: all that is resident, what was allocated, and what is mapped from files.
#[must_use]
pub fn memory_bytes() -> Option<(u64, u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some((
        memory(&status, "VmRSS")?,
        memory(&status, "RssAnon")?,
        memory(&status, "RssFile")?,
    ))
}

fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// Everything in Prometheus' text form.
#[must_use]
pub fn metrics() -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    if let Some((resident, allocated, mapped)) = memory_bytes() {
        let _ = writeln!(out, "jvm_memory_bytes_used{{area=\"heap\"}} {resident}");
        let _ = writeln!(out, "jvm_memory_bytes_used{{area=\"nonheap\"}} 0");
        let _ = writeln!(out, "process_resident_memory_bytes {resident}");
        let _ = writeln!(out, "process_allocated_memory_bytes {allocated}");
        let _ = writeln!(out, "process_mapped_memory_bytes {mapped}");
    }
    if let Some(seconds) = cpu_seconds() {
        let _ = writeln!(out, "process_cpu_seconds_total {seconds}");
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        let _ = writeln!(out, "process_open_fds {}", files.count());
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_process_is_told() {
        let text = super::metrics();
        assert!(text.lines().count() >= 3 || !std::path::Path::new("/proc/self/status").exists());
        assert!(text.lines().all(|line| {
            line.split(' ')
                .next_back()
                .is_some_and(|n| n.parse::<f64>().is_ok())
        }));
    }
}
