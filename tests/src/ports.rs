//! Ports for processes that a test starts, stops and starts again.
//!
//! Must not know: who listens. Invariant: no port lies where the system takes those of outgoing connections from; such a port could
//! be somebody's own between the end of a process and its next start.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below the 32768 at which Linux begins with ports of outgoing connections, and above the services that people run.
const FIRST: u16 = 12_000;
const COUNT: u16 = 16_000;

/// A port that nobody listens on now, and that no later call in this process gives again.
///
/// # Errors
/// Where every port is taken.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at once begin in different places.
    let begin = (std::process::id().wrapping_mul(331) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (begin + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("every port from {FIRST} to {} is taken", FIRST + COUNT - 1)
}
