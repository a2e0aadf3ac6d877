//! Names with structure: tables with type, realtime segments, instances.
//!
//! Must not know: where anything is stored. Invariant: `parse(x.to_string()) == x`.

use std::fmt;

use crate::TableType;

/// `name_OFFLINE` or `name_REALTIME` from a raw name.
#[must_use]
pub fn with_type(raw: &str, table_type: TableType) -> String {
    format!("{raw}_{table_type}")
}

/// Splits `name_OFFLINE` into the raw name and its type; a raw name has none.
#[must_use]
pub fn split_type(name: &str) -> (&str, Option<TableType>) {
    if let Some(raw) = name.strip_suffix("_OFFLINE") {
        (raw, Some(TableType::Offline))
    } else if let Some(raw) = name.strip_suffix("_REALTIME") {
        (raw, Some(TableType::Realtime))
    } else {
        (name, None)
    }
}

/// The name of a realtime segment: `table__partition__sequence__20240501T0930Z`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RealtimeSegmentName {
    /// Raw table name.
    pub table: String,
    /// Stream partition (topic index times 10000 plus partition).
    pub partition: u32,
    /// Counts up within the partition.
    pub sequence: u32,
    /// Creation time as `yyyyMMdd'T'HHmm'Z'`, UTC.
    pub created: String,
}

impl RealtimeSegmentName {
    /// Makes a name from a creation time in milliseconds.
    #[must_use]
    pub fn new(table: &str, partition: u32, sequence: u32, created_ms: i64) -> Self {
        let created = chrono::DateTime::from_timestamp_millis(created_ms).unwrap_or_default();
        Self {
            table: table.to_owned(),
            partition,
            sequence,
            created: created.format("%Y%m%dT%H%MZ").to_string(),
        }
    }

    /// Takes a name apart; `None` where it is not a realtime segment's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split("__");
        let (table, partition, sequence, created) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            table: table.to_owned(),
            partition: partition.parse().ok()?,
            sequence: sequence.parse().ok()?,
            created: created.to_owned(),
        })
    }
}

impl fmt::Display for RealtimeSegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}__{}__{}__{}",
            self.table, self.partition, self.sequence, self.created
        )
    }
}

/// `Broker_<host>_<port>`, `Server_<host>_<port>`, `Controller_<host>_<port>`.
#[must_use]
pub fn instance_id(role: &str, host: &str, port: u16) -> String {
    format!("{role}_{host}_{port}")
}
