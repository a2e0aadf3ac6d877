//! Whether a statement asks the catalog.
//!
//! Must not know: answers. Invariant: a statement that names a table of the caller's is never the catalog's.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Visit, Visitor};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::functions;
use crate::source::Table;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The catalog.
    Catalog,
    /// Whoever has the rows.
    Rows,
    /// Whoever has the rows, and the catalog where that one does not understand.
    RowsFirst,
}

#[derive(Default)]
struct Seen {
    relations: Vec<String>,
    functions: Vec<String>,
}

impl Visitor for Seen {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &sqlparser::ast::ObjectName) -> ControlFlow<()> {
        self.relations
            .push(relation.to_string().replace('"', "").to_lowercase());
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            let name = function.name.to_string().replace('"', "").to_lowercase();
            let last = name.rsplit('.').next().unwrap_or_default();
            self.functions.push(last.to_owned());
        }
        ControlFlow::Continue(())
    }
}

/// Who answers a statement.
pub(crate) fn asked(sql: &str, tables: &[Table]) -> Asked {
    let lower = sql.to_lowercase();
    let says = lower.contains("pg_") || lower.contains("information_schema");
    let Ok(statements) = Parser::parse_sql(&PostgreSqlDialect {}, sql) else {
        return if lower.contains("pg_catalog.") {
            Asked::Catalog
        } else {
            Asked::Rows
        };
    };
    let mut seen = Seen::default();
    let _ = statements.visit(&mut seen);
    if seen.relations.is_empty() {
        let known = |name: &String| functions::is_one(name);
        return if seen.functions.iter().any(known) || lower.contains("::reg") {
            Asked::Catalog
        } else {
            Asked::RowsFirst
        };
    }
    let of_catalog = |name: &String| {
        let own = tables.iter().any(|t| t.name.eq_ignore_ascii_case(name));
        !own && (name.contains("pg_catalog.")
            || name.contains("information_schema.")
            || name.starts_with("pg_"))
    };
    if says && seen.relations.iter().any(of_catalog) {
        Asked::Catalog
    } else {
        Asked::Rows
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn the_catalog_is_told_from_tables() {
        for sql in [
            "SELECT relname FROM pg_class",
            "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default",
            "select table_name from information_schema.tables",
            "select pg_catalog.version()",
            "select current_schema()",
            "SELECT 't'::regclass::oid",
        ] {
            assert_eq!(asked(sql, &[]), Asked::Catalog, "{sql}");
        }
        assert_eq!(asked("SELECT 1", &[]), Asked::RowsFirst);
        assert_eq!(asked("SELECT COUNT(*) FROM t", &[]), Asked::Rows);
        assert_eq!(asked("SELEC", &[]), Asked::Rows);
    }
}
