//! A statement that answers the columns of another one, and no row.
//!
//! Must not know: types. Invariant: a text that cannot be changed safely gives `None`, and is asked as it is.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, LimitClause, SetExpr, Statement, Value, VisitMut, VisitorMut};

struct LimitZero;

impl VisitorMut for LimitZero {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut sqlparser::ast::Query) -> ControlFlow<()> {
        if !matches!(
            *query.body,
            SetExpr::Select(_) | SetExpr::SetOperation { .. }
        ) {
            return ControlFlow::Break(());
        }
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(Expr::Value(Value::Number("0".to_owned(), false).into())),
            offset: None,
            limit_by: Vec::new(),
        });
        // The outermost one only.
        ControlFlow::Break(())
    }
}

/// The statement with `LIMIT 0`.
pub(crate) fn without_rows(sql: &str) -> Option<String> {
    let mut statements = sql::parse::statements(sql).ok()?;
    let [statement @ Statement::Query(_)] = statements.as_mut_slice() else {
        return None;
    };
    let _ = statement.visit(&mut LimitZero);
    let text = statement.to_string();
    text.ends_with("LIMIT 0").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::without_rows;

    #[test]
    fn the_outermost_limit_is_nought() {
        assert_eq!(
            without_rows("SELECT a FROM (SELECT a FROM t LIMIT 5) LIMIT 10, 3").as_deref(),
            Some("SELECT a FROM (SELECT a FROM t LIMIT 5) LIMIT 0")
        );
        assert_eq!(without_rows("SHOW TABLES"), None);
        assert_eq!(without_rows("SELECT 'open"), None);
    }
}
