//! Tables about the cluster itself: `system.segments`, `system.tables`, `system.ingestion`, `system.instances`, `system.queries`,
//! `system.metrics`.
//!
//! Must not know: segments' contents. Invariant: nobody sees a row about a table that is not theirs; a table of the user's wins over
//! one of these of the same name.

mod engine;
mod tables;

use std::ops::ControlFlow;

use common::{ErrorCode, QueryException};
use sql::Statement;

use crate::execution::{Core, Job, Stop};
use crate::response::BrokerResponse;

/// What the names begin with.
const SCHEMA: &str = "system.";

/// The names of these tables that a statement reads; `None` where it reads others, or nothing.
fn named(core: &Core, statement: &Statement) -> Option<Vec<String>> {
    if !statement.sql.to_lowercase().contains(SCHEMA) || statement.explain {
        return None;
    }
    let syntax = sql::parse::statements(&statement.sql).ok()?;
    let mut names = Vec::new();
    let _ = sqlparser::ast::visit_relations(&syntax, |relation| {
        let name = relation.to_string().replace(['"', '`'], "").to_lowercase();
        names.push(name);
        ControlFlow::<()>::Continue(())
    });
    let routing = core.routing.load();
    let own = |name: &&String| {
        let known = name
            .strip_prefix(SCHEMA)
            .is_some_and(|name| tables::ALL.contains(&name));
        known && routing.resolve(name, None).sides().next().is_none()
    };
    let found: Vec<String> = names.iter().filter(own).cloned().collect();
    (!found.is_empty()).then_some(found)
}

/// Answers a statement about the cluster; `None` where it is about something else.
pub(crate) async fn answer(
    core: &Core,
    job: &Job,
    statement: &Statement,
) -> Option<Result<BrokerResponse, Stop>> {
    let names = named(core, statement)?;
    let principal = job.input.principal.as_deref();
    let mut contents = Vec::new();
    for name in names {
        let plain = name.strip_prefix(SCHEMA).unwrap_or(&name);
        if let Some(rows) = tables::rows(core, plain, principal) {
            contents.push((plain.to_owned(), rows));
        }
    }
    let answered = engine::run("system", contents, &statement.sql).await;
    Some(match answered {
        Ok(table) => Ok(BrokerResponse {
            table: Some(table),
            tables_queried: vec!["system".to_owned()],
            ..BrokerResponse::default()
        }),
        Err(error) => {
            let why = format!("a query of system tables cannot be answered: {error}");
            Err(QueryException::new(ErrorCode::QueryExecution, why).into())
        }
    })
}
