//! The rules that schemas and table configs must keep, one set of rules a file, with Pinot's words.
//!
//! Must not know: stores, HTTP. Invariant: a rule looks at plain data and gives the message of what is broken.

pub(crate) mod change;
pub(crate) mod dimension;
pub(crate) mod hybrid;
pub(crate) mod indexes;
pub(crate) mod ingestion;
pub(crate) mod schema;
pub(crate) mod shape;
pub(crate) mod star_tree;
pub(crate) mod streams;
pub(crate) mod table;
mod tasks;
pub(crate) mod upsert;

/// What a rule says.
pub(crate) type Verdict = Result<(), String>;

/// A rule as an expression: the message where the condition holds.
pub(crate) fn refuse(condition: bool, message: impl FnOnce() -> String) -> Verdict {
    if condition { Err(message()) } else { Ok(()) }
}
