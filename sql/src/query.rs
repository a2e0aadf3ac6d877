//! A parsed single-stage query.
//!
//! Must not know: types, schemas. Invariant: after [`crate::parse::query`] aliases and ordinals are resolved and literal
//! calls folded; `limit` and `offset` are always set.

use crate::{Expr, Filter, Options};

/// One item of SELECT.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectItem {
    /// Expression.
    pub expr: Expr,
    /// `AS alias`.
    pub alias: Option<String>,
}

/// One item of ORDER BY.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderBy {
    /// Expression.
    pub expr: Expr,
    /// Direction.
    pub ascending: bool,
    /// `NULLS FIRST` or `NULLS LAST` where written.
    pub nulls_first: Option<bool>,
}

impl OrderBy {
    /// Where nulls go: as written, else last ascending and first descending.
    #[must_use]
    pub fn puts_nulls_first(&self) -> bool {
        self.nulls_first.unwrap_or(!self.ascending)
    }
}

/// A query over one table, or over none (literals only).
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Table as written, perhaps with type or database; `None` without FROM.
    pub table: Option<String>,
    /// SELECT list; a star stands for all columns until it is resolved.
    pub select: Vec<SelectItem>,
    /// SELECT DISTINCT, or GROUP BY without aggregation.
    pub distinct: bool,
    /// WHERE.
    pub filter: Option<Filter>,
    /// GROUP BY.
    pub group_by: Vec<Expr>,
    /// HAVING.
    pub having: Option<Filter>,
    /// ORDER BY.
    pub order_by: Vec<OrderBy>,
    /// LIMIT; 10 where absent.
    pub limit: usize,
    /// OFFSET.
    pub offset: usize,
    /// SET, OPTION and the request's options.
    pub options: Options,
    /// EXPLAIN PLAN FOR.
    pub explain: bool,
}

impl Query {
    /// True where rows are aggregated.
    #[must_use]
    pub fn is_aggregation(&self) -> bool {
        self.select.iter().any(|item| item.expr.has_aggregation())
            || self.having.as_ref().is_some_and(Filter::has_aggregation)
            || self
                .order_by
                .iter()
                .any(|order| order.expr.has_aggregation())
    }
}
