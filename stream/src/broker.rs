//! What all connections share: topics, groups, the address that clients are told, producer ids.
//! Must not know: the wire protocol. Invariant: locks are held for look-ups only, never over a wait.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::groups::Groups;
use crate::topics::Topics;

/// The one node of this broker.
pub(crate) const NODE_ID: i32 = 1;

/// The broker behind the connections.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) auto_create: bool,
    pub(crate) default_partitions: i32,
    next_producer_id: AtomicI64,
}

impl Broker {
    /// Puts the parts together.
    pub(crate) fn new(
        (host, port): (String, u16),
        topics: Topics,
        groups: Groups,
        auto_create: bool,
        default_partitions: i32,
    ) -> Broker {
        // Ids of an earlier run must not come back: its batches are remembered by them.
        let next_producer_id = AtomicI64::new(now_millis().wrapping_shl(16) & i64::MAX);
        Broker {
            host,
            port,
            topics,
            groups,
            auto_create,
            default_partitions,
            next_producer_id,
        }
    }

    /// An id that no producer had before.
    pub(crate) fn new_producer_id(&self) -> i64 {
        self.next_producer_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> i64 {
    millis_of(SystemTime::now())
}

/// A time as milliseconds since 1970.
pub(crate) fn millis_of(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
