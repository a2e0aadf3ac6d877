//! Whether who asks may read what is asked for, and which rows of it.
//!
//! Must not know: headers, passwords. Invariant: a query of a table that is not the principal's ends before any server hears of it.

use common::{ErrorCode, QueryException};
use sql::Statement;

use super::{Core, Job, Stop};

fn denied(tables: &[&str]) -> Stop {
    QueryException::new(
        ErrorCode::AccessDenied,
        format!(
            "Permission denied. Reason: no access to table(s): {}",
            tables.join(", ")
        ),
    )
    .into()
}

/// What is added to the filter of a query of that table.
pub(super) fn row_filter(job: &Job, table: &str) -> Option<String> {
    let filters = job.input.principal.as_ref()?.row_filters(table);
    let all: Vec<String> = filters.iter().map(|f| format!("({f})")).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

impl Core {
    /// Refuses a table that is not the principal's.
    pub(super) fn check_table(&self, job: &Job, table: &str) -> Result<(), Stop> {
        match &job.input.principal {
            Some(principal) if !principal.may_touch(table) => Err(denied(&[table])),
            _ => Ok(()),
        }
    }

    /// Refuses a statement of the multi-stage engine that names a table that is not the principal's. Its leaves are queries of their own,
    /// with the filters over rows that hold for the principal.
    pub(super) fn check_relations(
        &self,
        job: &Job,
        statement: &Statement,
        database: Option<&str>,
    ) -> Result<(), Stop> {
        let Some(principal) = &job.input.principal else {
            return Ok(());
        };
        if !principal.is_limited_to_tables() {
            return Ok(());
        }
        // What cannot be read cannot be judged; the engine would refuse it too.
        let Ok(syntax) = sql::parse::single_stage_syntax(&statement.sql) else {
            return Err(denied(&["unknown"]));
        };
        let mut names = Vec::new();
        let _ = sqlparser::ast::visit_relations(&syntax, |relation| {
            names.push(relation.to_string().replace(['"', '`'], ""));
            std::ops::ControlFlow::<()>::Continue(())
        });
        let routing = self.routing.load();
        for name in &names {
            // A name that is no table is one of the statement's own, WITH.
            let found = routing.resolve(name, database);
            let Some(table) = found.sides().next() else {
                continue;
            };
            let raw = table.raw_name();
            if !principal.may_touch(raw) {
                return Err(denied(&[raw]));
            }
        }
        Ok(())
    }
}
