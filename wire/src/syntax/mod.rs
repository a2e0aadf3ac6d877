//! What the protocols need to know of a statement's text before it is asked.
//!
//! Must not know: protocols, tables. Invariant: a text that cannot be read is handed on as it came; whoever answers says what is wrong.

mod any_list;
mod casts;
mod engine;
mod placeholders;
mod probe;
mod scan;
mod split;

pub(crate) use any_list::with_lists;
pub(crate) use casts::without_literal_casts;
pub(crate) use engine::{ENGINE_OPTION, needs_multi_stage};
pub(crate) use placeholders::{Mark, count, filled};
pub(crate) use probe::without_rows;
pub(crate) use scan::without_namespace;
pub(crate) use split::{first_word, statements};
