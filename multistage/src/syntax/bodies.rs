//! Bodies of queries that are written as text.
//!
//! Must not know: tables, types. Invariant: a name has one column, whatever characters it has.

use common::ErrorCode;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};

use crate::error::MultiStageError;

/// A list of columns.
pub(super) fn columns(names: &[String]) -> String {
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    names.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The body of a query.
///
/// # Errors
/// Where the text is no query.
pub(super) fn body_of(sql: &str) -> Result<SetExpr, MultiStageError> {
    match sql::parse::syntax(sql)? {
        Statement::Query(query) => Ok(*query.body),
        _ => Err(MultiStageError::new(ErrorCode::QueryPlanning, sql)),
    }
}
