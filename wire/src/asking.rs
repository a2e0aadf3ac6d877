//! A statement as it is asked: without the schema that clients put in front of names, and for the engine that can answer it.
//!
//! Must not know: protocols. Invariant: what a session says about the engine is kept.

use crate::source::{Ask, DEFAULT_NAMESPACE, Table};
use crate::syntax;

/// Query options as requests carry them, `name=value;name=value`.
pub(crate) fn options(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

/// The statement to ask.
pub(crate) fn ask(
    sql: &str,
    mut options: Vec<(String, String)>,
    database: &str,
    tables: &[Table],
    id: String,
) -> Ask {
    let sql = syntax::with_lists(&syntax::without_namespace(sql, DEFAULT_NAMESPACE));
    let sql = syntax::without_literal_casts(&sql);
    let says = options
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(syntax::ENGINE_OPTION));
    if !says && syntax::needs_multi_stage(&sql) {
        options.push((syntax::ENGINE_OPTION.to_owned(), "true".to_owned()));
    }
    // Clients name a database because they must; one that has no table is none.
    let known = tables
        .iter()
        .any(|t| t.name.contains('.') && t.namespace().eq_ignore_ascii_case(database));
    Ask {
        sql,
        options,
        database: known.then(|| database.to_owned()),
        id,
    }
}
