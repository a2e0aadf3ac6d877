//! What rows are sorted and partitioned by, as columns.
//!
//! The optimiser that comes behind tells orders by what it knows of expressions, and knows none that compares a function's value: it
//! would not find the order that it made itself. Must not know: leaves. Invariant: the same rows and columns in the same order.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Sort, Window};

use crate::expressions;

/// The plan with keys that are computed in a list below its sorts and windows.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn computed(plan: LogicalPlan) -> Result<LogicalPlan> {
    with(plan, "$key", |node, keys| match node {
        LogicalPlan::Sort(sort) => sorted(sort, keys, Keys::over),
        LogicalPlan::Window(window) => windowed(window, keys),
        _ => Ok(None),
    })
}

/// The same for sorts alone: what is behind it reads the keys where rows are read, as it reads a list.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn of_sorts(plan: LogicalPlan) -> Result<LogicalPlan> {
    with(plan, "$order", |node, keys| match node {
        LogicalPlan::Sort(sort) => sorted(sort, keys, Keys::within),
        _ => Ok(None),
    })
}

fn with(
    plan: LogicalPlan,
    named: &'static str,
    made: impl Fn(&LogicalPlan, &mut Keys) -> Result<Option<LogicalPlan>>,
) -> Result<LogicalPlan> {
    let mut keys = Keys {
        computed: Vec::new(),
        named,
        next: 0,
    };
    plan.transform_down(|node| {
        let made = made(&node, &mut keys)?;
        keys.next += keys.computed.len();
        keys.computed.clear();
        Ok(made.map_or_else(|| Transformed::no(node), Transformed::yes))
    })
    .data()
}

/// The keys of one list.
struct Keys {
    computed: Vec<Expr>,
    /// What their names begin with: those of two passes may stand in one list.
    named: &'static str,
    /// The number in the first one's name.
    next: usize,
}

impl Keys {
    /// The column that holds a key: the key itself where it is one, or the same in every row.
    fn column(&mut self, key: Expr) -> Expr {
        if matches!(key, Expr::Column(_)) || !key.any_column_refs() {
            return key;
        }
        let known = self.computed.iter().position(|known| *known == key);
        let at = known.unwrap_or_else(|| {
            self.computed.push(key);
            self.computed.len() - 1
        });
        Expr::Column(Column::new_unqualified(self.name(at)))
    }

    fn name(&self, at: usize) -> String {
        format!("{}{}", self.named, self.next + at)
    }

    /// The rows with the keys beside their columns.
    fn over(&self, rows: &LogicalPlan) -> Result<LogicalPlan> {
        let computed = self.computed.iter().enumerate();
        let computed = computed.map(|(at, key)| key.clone().alias(self.name(at)));
        let exprs = columns(rows).chain(computed).collect();
        let list = Projection::try_new(exprs, Arc::new(rows.clone()))?;
        Ok(LogicalPlan::Projection(list))
    }

    /// The same in the list that the rows come from, if they do: what it names is computed as it is for the list.
    fn within(&self, rows: &LogicalPlan) -> Result<LogicalPlan> {
        let LogicalPlan::Projection(list) = rows else {
            return self.over(rows);
        };
        if list.expr.iter().any(Expr::is_volatile) {
            return self.over(rows);
        }
        let written: Vec<Expr> = list.expr.iter().cloned().map(Expr::unalias).collect();
        let computed = self.computed.iter().enumerate().map(|(at, key)| {
            let below = expressions::rewritten(key.clone(), rows, &written)?;
            Ok(below.alias(self.name(at)))
        });
        let exprs: Result<Vec<Expr>> = list.expr.iter().cloned().map(Ok).chain(computed).collect();
        let list = Projection::try_new(exprs?, Arc::clone(&list.input))?;
        Ok(LogicalPlan::Projection(list))
    }
}

fn columns(plan: &LogicalPlan) -> impl Iterator<Item = Expr> {
    plan.schema().columns().into_iter().map(Expr::Column)
}

/// What has the keys as well, with the columns that it had before.
fn without_keys(made: LogicalPlan, before: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let list = Projection::try_new(columns(before).collect(), Arc::new(made))?;
    Ok(Some(LogicalPlan::Projection(list)))
}

fn sorted(
    sort: &Sort,
    keys: &mut Keys,
    below: impl Fn(&Keys, &LogicalPlan) -> Result<LogicalPlan>,
) -> Result<Option<LogicalPlan>> {
    let exprs = sort.expr.iter().cloned().map(|mut key| {
        key.expr = keys.column(key.expr);
        key
    });
    let expr = exprs.collect();
    if keys.computed.is_empty() {
        return Ok(None);
    }
    let made = LogicalPlan::Sort(Sort {
        expr,
        input: Arc::new(below(keys, &sort.input)?),
        fetch: sort.fetch,
    });
    without_keys(made, &sort.input)
}

/// The windows of one SELECT, which are over the same rows.
fn windowed(top: &Window, keys: &mut Keys) -> Result<Option<LogicalPlan>> {
    let (mut windows, mut rows) = (vec![by_columns(top, keys)?], &top.input);
    while let LogicalPlan::Window(window) = rows.as_ref() {
        let above = keys.computed.iter().flat_map(Expr::column_refs);
        if !above
            .into_iter()
            .all(|c| window.input.schema().has_column(c))
        {
            break;
        }
        windows.push(by_columns(window, keys)?);
        rows = &window.input;
    }
    if keys.computed.is_empty() {
        return Ok(None);
    }
    let mut made = keys.over(rows)?;
    for exprs in windows.into_iter().rev() {
        made = LogicalPlan::Window(Window::try_new(exprs, Arc::new(made))?);
    }
    without_keys(made, &LogicalPlan::Window(top.clone()))
}

/// The windows' functions under the names that they have.
fn by_columns(window: &Window, keys: &mut Keys) -> Result<Vec<Expr>> {
    let saved = NamePreserver::new_for_projection();
    let exprs = window.window_expr.iter().map(|expr| {
        let name = saved.save(expr);
        let made = expr.clone().transform_down(|inner| {
            let Expr::WindowFunction(mut function) = inner else {
                return Ok(Transformed::no(inner));
            };
            let params = &mut function.params;
            let partitions = std::mem::take(&mut params.partition_by).into_iter();
            params.partition_by = partitions.map(|key| keys.column(key)).collect();
            for key in &mut params.order_by {
                key.expr = keys.column(key.expr.clone());
            }
            Ok(Transformed::yes(Expr::WindowFunction(function)))
        })?;
        Ok(name.restore(made.data))
    });
    exprs.collect()
}
