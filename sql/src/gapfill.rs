//! GAPFILL: a query around one that servers answer, whose rows are completed bucket by bucket of time.
//!
//! `SELECT GAPFILL(t, format, start, end, bucket[, result bucket], FILL(column, how).., TIMESERIESON(columns..)), .. FROM (..)`.
//! Must not know: rows. Invariant: [`Gapfill::inner`] has neither GAPFILL nor a subquery in it.

use std::collections::HashMap;

use common::Value;
use sqlparser::ast;

use crate::parse::{self, MULTI_STAGE_HINT};
use crate::query::SelectItem;
use crate::{Expr, Filter, Query, SqlError, Statement, text};

/// What a missing bucket gets in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// The type's zero.
    Default,
    /// The value of the bucket before.
    Previous,
}

/// A query with GAPFILL, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Gapfill {
    /// The query that servers answer, as text.
    pub inner: String,
    /// Column of the inner result that holds the time.
    pub time: String,
    /// Its format.
    pub format: String,
    /// First time, in that format.
    pub start: String,
    /// First time no more.
    pub end: String,
    /// Granularity of the buckets that are filled.
    pub bucket: String,
    /// Granularity of the buckets that an outer aggregation has.
    pub result_bucket: String,
    /// How columns are filled; others get their type's zero.
    pub fills: HashMap<String, Fill>,
    /// Columns that make a series.
    pub series: Vec<String>,
    /// Most rows that are filled in.
    pub fill_limit: usize,
    /// Where inner rows are not passed on as they are: what is made of them.
    pub outer: Option<Outer>,
    /// True where the inner query aggregates.
    pub inner_aggregates: bool,
}

/// What an outer query makes of the filled rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Outer {
    /// Columns and aggregations of them.
    pub select: Vec<SelectItem>,
    /// WHERE, on filled rows.
    pub filter: Option<Filter>,
    /// GROUP BY.
    pub group_by: Vec<Expr>,
    /// HAVING.
    pub having: Option<Filter>,
    /// LIMIT.
    pub limit: usize,
}

impl Outer {
    /// True where rows are aggregated.
    #[must_use]
    pub fn aggregates(&self) -> bool {
        self.select.iter().any(|item| item.expr.has_aggregation())
    }
}

/// The name of a selected column.
#[must_use]
pub fn name(item: &SelectItem) -> String {
    let plain = call(&item.expr).map_or(&item.expr, |args| &args[0]);
    item.alias
        .clone()
        .unwrap_or_else(|| text::expression(plain))
}

/// Takes a statement with GAPFILL apart; `None` where it has none.
///
/// # Errors
/// Where the text is no SQL, or breaks a rule of GAPFILL.
pub fn split(statement: &Statement) -> Result<Option<Gapfill>, SqlError> {
    if !statement.sql.to_ascii_lowercase().contains("gapfill") {
        return Ok(None);
    }
    let ast::Statement::Query(outermost) = parse::single_stage_syntax(&statement.sql)? else {
        return Ok(None);
    };
    let mut asts = vec![*outermost];
    while let Some(inner) = asts.last_mut().and_then(take_derived) {
        asts.push(inner);
    }
    let levels = asts
        .iter()
        .map(parse::level)
        .collect::<Result<Vec<Query>, _>>()?;
    let filled = |query: &Query| query.select.iter().any(|item| call(&item.expr).is_some());
    let Some(at) = levels.iter().take(2).position(filled) else {
        return Ok(None);
    };
    if levels.len() > at + 2 {
        return Err(refused("a subquery below the one that GAPFILL reads"));
    }
    let Some(last) = asts.last_mut() else {
        return Ok(None);
    };
    let on_table = at + 1 == levels.len();
    if on_table {
        strip(last);
    }
    assemble(&levels, at, last.to_string()).map(Some)
}

fn refused(what: &str) -> SqlError {
    SqlError::Parse(format!("{MULTI_STAGE_HINT}: {what}"))
}

/// Takes the subquery out of FROM.
fn take_derived(query: &mut ast::Query) -> Option<ast::Query> {
    let ast::SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let [only] = select.from.as_slice() else {
        return None;
    };
    let ast::TableFactor::Derived { subquery, .. } = &only.relation else {
        return None;
    };
    if !only.joins.is_empty() {
        return None;
    }
    let inner = subquery.as_ref().clone();
    select.from.clear();
    Some(inner)
}

/// Puts the time column in the place of GAPFILL, in SELECT and ORDER BY.
fn strip(query: &mut ast::Query) {
    let first = |expr: &mut ast::Expr| {
        if let ast::Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("gapfill")
            && let ast::FunctionArguments::List(list) = &function.args
            && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(time))) =
                list.args.first()
        {
            *expr = time.clone();
        }
    };
    if let Some(ast::OrderBy {
        kind: ast::OrderByKind::Expressions(keys),
        ..
    }) = &mut query.order_by
    {
        keys.iter_mut().for_each(|key| first(&mut key.expr));
    }
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        for item in &mut select.projection {
            if let ast::SelectItem::UnnamedExpr(expr)
            | ast::SelectItem::ExprWithAlias { expr, .. } = item
            {
                first(expr);
            }
        }
    }
}

fn call(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Call(call) if call.name == "gapfill" && !call.args.is_empty() => Some(&call.args),
        _ => None,
    }
}

fn assemble(levels: &[Query], at: usize, inner: String) -> Result<Gapfill, SqlError> {
    let level = &levels[at];
    let source = levels.get(at + 1);
    let item = level.select.iter().find(|item| call(&item.expr).is_some());
    let (Some(item), Some(args)) = (item, item.and_then(|item| call(&item.expr))) else {
        return Err(refused("GAPFILL"));
    };
    let rule = |message: &str| SqlError::Validation(message.to_owned());
    if args.len() < 6 {
        return Err(rule("Gapfill does not have correct number of arguments."));
    }
    let literal = |index: usize, message: &str| {
        let value = args[index].as_literal().map(Value::to_text);
        value.ok_or_else(|| rule(message))
    };
    let bucket = literal(
        4,
        "The fifth argument of Gapfill should be time bucket size.",
    )?;
    let series = companions(args, "timeserieson").next();
    let series = series.ok_or_else(|| rule("The TimeSeriesOn expressions should be specified."))?;
    if source.is_none() && level.is_aggregation() {
        return Err(rule(
            "Aggregation and Gapfill can not be in the same sql statement.",
        ));
    }
    let outermost = &levels[0];
    // Over a table the time column has the name that SELECT gives it.
    let time = if source.is_some() {
        text::expression(&args[0])
    } else {
        name(item)
    };
    let as_they_are = at == 0 && source.is_none();
    Ok(Gapfill {
        inner,
        time,
        format: literal(1, "The second argument of Gapfill should be TimeFormatter.")?,
        start: literal(2, "The third argument of Gapfill should be start time.")?,
        end: literal(3, "The fourth argument of Gapfill should be end time.")?,
        result_bucket: args[5]
            .as_literal()
            .map_or_else(|| bucket.clone(), Value::to_text),
        bucket,
        fills: fills(args)?,
        series: series.iter().map(text::expression).collect(),
        fill_limit: level.limit,
        outer: (!as_they_are).then(|| Outer {
            select: outermost.select.clone(),
            filter: outermost.filter.clone(),
            group_by: outermost.group_by.clone(),
            having: outermost.having.clone(),
            limit: outermost.limit,
        }),
        inner_aggregates: source.is_some(),
    })
}

fn companions<'a>(args: &'a [Expr], name: &'a str) -> impl Iterator<Item = &'a [Expr]> {
    args.iter().skip(5).filter_map(move |arg| match arg {
        Expr::Call(call) if call.name == name => Some(call.args.as_slice()),
        _ => None,
    })
}

fn fills(args: &[Expr]) -> Result<HashMap<String, Fill>, SqlError> {
    companions(args, "fill")
        .map(|fill| {
            let [column, how] = fill else {
                return Err(SqlError::Validation(
                    "FILL expects a column and how to fill it".to_owned(),
                ));
            };
            let fill = match how.as_literal().and_then(Value::as_str) {
                Some("FILL_DEFAULT_VALUE") => Fill::Default,
                Some("FILL_PREVIOUS_VALUE") => Fill::Previous,
                _ => {
                    return Err(SqlError::Validation(format!(
                        "`{}` is no way to fill: expected FILL_DEFAULT_VALUE or FILL_PREVIOUS_VALUE",
                        text::expression(how)
                    )));
                }
            };
            Ok((text::expression(column), fill))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    fn of(sql: &str) -> Result<Option<Gapfill>, SqlError> {
        split(&Statement::split(sql, &Options::default())?)
    }

    #[test]
    fn three_levels_are_taken_apart() -> Result<(), SqlError> {
        let sql = "SELECT d, SUM(n) AS s FROM (SELECT GAPFILL(d, '1:DAYS:EPOCH', '1', '9', '1:DAYS', \
                   FILL(n, 'FILL_PREVIOUS_VALUE'), TIMESERIESON(k)) AS d, k, n FROM (SELECT d, k, COUNT(*) AS n FROM t \
                   GROUP BY d, k LIMIT 7) LIMIT 50) GROUP BY d LIMIT 20";
        let gapfill = of(sql)?.ok_or_else(|| refused("none"))?;
        assert_eq!(
            gapfill.inner,
            "SELECT d, k, COUNT(*) AS n FROM t GROUP BY d, k LIMIT 7"
        );
        assert_eq!((gapfill.time.as_str(), gapfill.fill_limit), ("d", 50));
        assert_eq!(gapfill.fills.get("n"), Some(&Fill::Previous));
        assert_eq!(gapfill.series, ["k"]);
        let outer = gapfill.outer.ok_or_else(|| refused("none"))?;
        assert!(outer.aggregates() && outer.limit == 20);
        Ok(())
    }

    #[test]
    fn a_table_is_read_without_it() -> Result<(), SqlError> {
        let sql = "SELECT GAPFILL(t, '1:HOURS:EPOCH', '1', '9', '1:HOURS', TIMESERIESON(k)), k FROM x ORDER BY t";
        let gapfill = of(sql)?.ok_or_else(|| refused("none"))?;
        assert_eq!(gapfill.inner, "SELECT t, k FROM x ORDER BY t");
        assert!(gapfill.outer.is_none());
        assert_eq!(of("SELECT gapfill FROM x")?, None);
        assert!(of("SELECT GAPFILL(t) FROM x").is_err());
        Ok(())
    }
}
