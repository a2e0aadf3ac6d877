//! IN and EXISTS of a subquery in a list, an order, a window or an aggregation: a join marks the rows that they are true of.
//!
//! The optimiser joins those of a WHERE alone. Must not know: leaves. Invariant: the same rows, columns and names; IN of a null is
//! null, and what has no join stays to be refused.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Case, Expr, Filter, LogicalPlan, Projection, Sort, Window, lit,
};
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;

use crate::computed::{under_names_of, without_computed};
use crate::run;

/// The plan with joins in the place of such subqueries.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn joined(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let made = match &node {
            LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(asks) => {
                Some(above_list(aggregate)?)
            }
            LogicalPlan::Projection(projection) if projection.expr.iter().any(asks) => {
                Some(LogicalPlan::Projection(marked(projection)?))
            }
            LogicalPlan::Window(window) if window.window_expr.iter().any(asks) => {
                Some(windowed(window)?)
            }
            LogicalPlan::Sort(sort) if sort.expr.iter().any(|key| asks(&key.expr)) => {
                Some(sorted(sort)?)
            }
            _ => None,
        };
        Ok(made.map_or_else(|| Transformed::no(node), Transformed::yes))
    })
    .data()
}

fn is_asked(expr: &Expr) -> bool {
    matches!(expr, Expr::InSubquery(_) | Expr::Exists(_))
}

fn asks(expr: &Expr) -> bool {
    expr.exists(|inner| Ok(is_asked(inner))).unwrap_or(false)
}

/// The columns of rows, and those that are asked of them.
struct List(Vec<Expr>);

impl List {
    fn of(rows: &LogicalPlan) -> Self {
        let columns = rows.schema().columns();
        Self(columns.into_iter().map(Expr::Column).collect())
    }

    /// Has a column stand for an expression that asks.
    fn take(&mut self, expr: &mut Expr) {
        if asks(expr) {
            let name = format!("$asked{}", self.0.len());
            let column = Expr::Column(Column::new_unqualified(name.as_str()));
            self.0
                .push(std::mem::replace(expr, column).alias(name.as_str()));
        }
    }

    fn over(self, rows: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
        let list = Projection::try_new(self.0, Arc::clone(rows))?;
        Ok(Arc::new(LogicalPlan::Projection(marked(&list)?)))
    }
}

/// An order by what a list has.
fn sorted(sort: &Sort) -> Result<LogicalPlan> {
    let mut list = List::of(&sort.input);
    let columns = list.0.clone();
    let mut expr = sort.expr.clone();
    expr.iter_mut().for_each(|key| list.take(&mut key.expr));
    let made = LogicalPlan::Sort(Sort {
        expr,
        input: list.over(&sort.input)?,
        fetch: sort.fetch,
    });
    let made = Projection::try_new(columns, Arc::new(made))?;
    Ok(LogicalPlan::Projection(made))
}

/// Windows over a list that has what they ask.
fn windowed(window: &Window) -> Result<LogicalPlan> {
    let saved = NamePreserver::new_for_projection();
    let mut list = List::of(&window.input);
    let exprs = window.window_expr.iter().map(|expr| {
        let name = saved.save(expr);
        let made = expr.clone().transform_down(|inner| match inner {
            Expr::WindowFunction(mut function) => {
                let params = &mut function.params;
                let keys = params.order_by.iter_mut().map(|key| &mut key.expr);
                let parts = params.args.iter_mut().chain(&mut params.partition_by);
                parts.chain(keys).for_each(|part| list.take(part));
                let function = Expr::WindowFunction(function);
                Ok(Transformed::new(function, true, TreeNodeRecursion::Jump))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(name.restore(made.data))
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let made = Window::try_new(exprs, list.over(&window.input)?)?;
    without_computed(&window.schema, LogicalPlan::Window(made))
}

/// An aggregation of a list that has what it asks.
fn above_list(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let mut list = List::of(&aggregate.input);
    let calls = aggregate.aggr_expr.iter().map(|call| {
        let done = call.clone().transform_down(|inner| match inner {
            Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
                params.args.iter_mut().for_each(|arg| list.take(arg));
                if let Some(filter) = &mut params.filter {
                    list.take(filter);
                }
                let call = Expr::AggregateFunction(AggregateFunction { func, params });
                Ok(Transformed::new(call, true, TreeNodeRecursion::Jump))
            }
            other => Ok(Transformed::no(other)),
        });
        done.data()
    });
    let calls = calls.collect::<Result<Vec<_>>>()?;
    let rows = list.over(&aggregate.input)?;
    let made = Aggregate::try_new(rows, aggregate.group_expr.clone(), calls)?;
    under_names_of(aggregate, made)
}

/// A list over rows that are marked.
fn marked(list: &Projection) -> Result<Projection> {
    let saved = NamePreserver::new_for_projection();
    let mut rows = list.input.as_ref().clone();
    let mut exprs = Vec::with_capacity(list.expr.len());
    for expr in &list.expr {
        let name = saved.save(expr);
        let told = expr.clone().transform_down(|inner| {
            if !is_asked(&inner) {
                return Ok(Transformed::no(inner));
            }
            let told = told(inner, &mut rows)?;
            Ok(Transformed::new(told, true, TreeNodeRecursion::Jump))
        })?;
        exprs.push(name.restore(told.data));
    }
    Projection::try_new(exprs, Arc::new(rows))
}

/// What a subquery tells of each row, which is marked now.
fn told(asked: Expr, rows: &mut LogicalPlan) -> Result<Expr> {
    let (plain, tested, negated) = match asked.clone() {
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) => {
            let tested = expr.as_ref().clone();
            let plain = InSubquery::new(expr, subquery, false);
            (Expr::InSubquery(plain), Some(tested), negated)
        }
        Expr::Exists(Exists { subquery, negated }) => {
            (Expr::Exists(Exists::new(subquery, false)), None, negated)
        }
        other => return Ok(other),
    };
    let Some((marked, mark)) = with_mark(rows, plain)? else {
        return Ok(asked);
    };
    *rows = marked;
    let told = match tested {
        Some(tested) => {
            let unknown = lit(ScalarValue::Boolean(None));
            let cases = [(mark, lit(true)), (tested.is_null(), unknown)];
            let cases = cases.map(|(when, then)| (Box::new(when), Box::new(then)));
            Expr::Case(Case::new(None, cases.into(), Some(Box::new(lit(false)))))
        }
        None => mark,
    };
    Ok(match negated {
        true => !told,
        false => told,
    })
}

/// The rows with a mark, and the mark; `None` where a subquery looks outside in another way than joins can.
fn with_mark(rows: &LogicalPlan, asked: Expr) -> Result<Option<(LogicalPlan, Expr)>> {
    // Beside another condition the optimiser's rule marks rows instead of leaving some out.
    let beside = Filter::try_new(asked.or(lit(false)), Arc::new(rows.clone()))?;
    let rule = DecorrelatePredicateSubquery::new();
    let mut made = rule
        .rewrite(LogicalPlan::Filter(beside), run::session())?
        .data;
    loop {
        made = match made {
            LogicalPlan::Projection(list) => Arc::unwrap_or_clone(list.input),
            LogicalPlan::Filter(filter) => {
                let Expr::BinaryExpr(BinaryExpr { left, .. }) = filter.predicate else {
                    return Ok(None);
                };
                let joined = !asks(&left);
                return Ok(joined.then(|| (Arc::unwrap_or_clone(filter.input), *left)));
            }
            _ => return Ok(None),
        };
    }
}
