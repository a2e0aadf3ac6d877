//! Which engine a statement needs, where the session does not say.
//!
//! Must not know: tables. Invariant: what one scan with its groups can answer stays with the engine of the first resort.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};

/// The query option that decides it.
pub(crate) const ENGINE_OPTION: &str = "useMultistageEngine";

struct BeyondOneTable;

impl Visitor for BeyondOneTable {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let beyond = query.with.is_some() || !matches!(*query.body, SetExpr::Select(_));
        if beyond {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        match select.from.as_slice() {
            [] => ControlFlow::Continue(()),
            [one] if one.joins.is_empty() && matches!(one.relation, TableFactor::Table { .. }) => {
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                ControlFlow::Break(())
            }
            Expr::Function(function) if function.over.is_some() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether a statement joins, nests, or has windows or set operations; false where it cannot be read.
pub(crate) fn needs_multi_stage(sql: &str) -> bool {
    let Ok(statements) = sql::parse::statements(sql) else {
        return false;
    };
    let [statement @ Statement::Query(_)] = statements.as_slice() else {
        return false;
    };
    let text = sql.to_ascii_lowercase();
    // Pinot's own form of a nested query, which only the other engine knows.
    !text.contains("gapfill(") && statement.visit(&mut BeyondOneTable).is_break()
}

#[cfg(test)]
mod tests {
    use super::needs_multi_stage;

    #[test]
    fn one_table_needs_one_stage() {
        for one in [
            "SELECT 1",
            "SELECT a, COUNT(*) FROM t GROUP BY a LIMIT 3",
            "not sql",
        ] {
            assert!(!needs_multi_stage(one), "{one}");
        }
        for more in [
            "SELECT * FROM a JOIN b ON a.x = b.x",
            "SELECT * FROM (SELECT a FROM t)",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "SELECT 1 UNION SELECT 2",
            "SELECT a FROM t WHERE a IN (SELECT b FROM u)",
            "SELECT ROW_NUMBER() OVER (ORDER BY a) FROM t",
        ] {
            assert!(needs_multi_stage(more), "{more}");
        }
    }
}
