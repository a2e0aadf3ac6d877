//! SQL of any text: statements, options, both grammars, the rewrites of the single-stage engine, and single expressions.
//!
//! Must not know: tables. Invariant: a text is understood or refused; nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sql::statement::{Options, Statement};

/// A fixed time of day: equal text, equal query.
const NOW_MS: i64 = 1_700_000_000_000;

fuzz_target!(|text: &str| {
    let _ = sql::parse::syntax(text);
    let _ = sql::parse::expression_text(text);
    let _ = sql::parse::condition(text);
    if let Ok(statement) = Statement::split(text, &Options::default())
        && let Ok(query) = sql::parse::query(&statement, NOW_MS)
    {
        let _ = sql::rewrite::apply(query, NOW_MS);
    }
});
