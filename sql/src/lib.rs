//! Pinot's SQL, single stage: text to [`Query`], rewritten as Pinot rewrites it, with names as Pinot shows them.
//!
//! Must not know: segments, servers, the time of day (folding gets it). Types are bound later, against the schema.
//! Invariant: equal text gives an equal query; every refusal says where and what was expected.

pub mod error;
pub mod expr;
pub mod filter;
pub mod gapfill;
pub mod parse;
pub mod query;
pub mod rewrite;
pub mod statement;
pub mod subquery;
pub mod text;

pub use error::SqlError;
pub use expr::{Call, Expr};
pub use filter::{Filter, Test};
pub use query::{OrderBy, Query, SelectItem};
pub use statement::{Options, Statement};
