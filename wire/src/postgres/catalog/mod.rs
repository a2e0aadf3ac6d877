//! `pg_catalog` and `information_schema`: what clients ask to learn which tables and columns there are.
//!
//! Must not know: connections, rows of tables. Invariant: it tells of the tables that the caller may read, and of no other; nothing can be
//! written.

mod asked;
mod describe;
mod emptiness;
mod empty;
mod engine;
mod functions;
mod rewrite;
mod tables;

use crate::source::Table;

pub(crate) use asked::{Asked, asked};
pub(crate) use engine::answer;

/// What the catalog tells about.
#[derive(Clone)]
pub(crate) struct Facts {
    /// The tables.
    pub(crate) tables: Vec<Table>,
    /// The database that the client named.
    pub(crate) database: String,
    /// The caller's name.
    pub(crate) user: String,
    /// Number of the session.
    pub(crate) pid: i32,
    /// Parameters of the session.
    pub(crate) parameters: Vec<(String, String)>,
}

/// The id of what has a name; of tables always the same one.
pub(crate) fn oid_of(kind: &str, name: &str) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in kind.bytes().chain([0]).chain(name.bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    // Above those that are built in, and a whole number of 32 bits with sign.
    16_384 + (hash & 0x3fff_ffff)
}
