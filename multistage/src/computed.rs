//! Expressions over one leaf's columns that stand above a window or a join, as its keys or beside a subquery, computed where the
//! rows are read.
//!
//! Pinot's planner moves them there, and a segment keeps the fraction of every quotient within an expression, where operators
//! above cut each one: `53 / 4 * 9` is 119 at a leaf and 117 above it. Must not know: kernels, the text of leaves. Invariant: the same columns under
//! the same names; what moves reads the columns of one leaf alone.

use std::sync::Arc;

use common::DataType;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Join, LogicalPlan, Projection, Window,
};

use crate::leaf;
use crate::planned_type::is_operator;
use crate::types::column_type;

/// Moves what stands above windows and joins.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn moved(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut names = 0;
    plan.transform_up_with_subqueries(|node| {
        Ok(match &node {
            LogicalPlan::Window(window) => changed(below_window(window, &mut names)?, node),
            LogicalPlan::Join(join) => changed(keys_below(join, &mut names)?, node),
            LogicalPlan::Projection(projection) => {
                changed(below_projection(projection, &mut names)?, node)
            }
            LogicalPlan::Aggregate(aggregate) => {
                changed(below_aggregate(aggregate, &mut names)?, node)
            }
            _ => Transformed::no(node),
        })
    })
    .data()
}

fn changed(made: Option<LogicalPlan>, node: LogicalPlan) -> Transformed<LogicalPlan> {
    made.map_or_else(|| Transformed::no(node), Transformed::yes)
}

fn below_projection(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    for shape in [below_join, beside_subquery, below_condition, beside_window] {
        if let Some(made) = shape(projection, names)? {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

/// A leaf with further columns.
struct Below<'a> {
    leaf: &'a LogicalPlan,
    computed: Vec<Expr>,
}

impl<'a> Below<'a> {
    fn new(plan: &'a LogicalPlan) -> Option<Self> {
        leaf::reads(plan).then(|| Self {
            leaf: plan,
            computed: Vec::new(),
        })
    }

    /// True where an expression reads this leaf alone.
    fn has(&self, expr: &Expr) -> bool {
        let columns = expr.column_refs();
        let mut columns = columns.iter();
        columns.len() > 0 && columns.all(|column| self.leaf.schema().has_column(column))
    }

    /// True for an expression over this leaf that is worth a column of its own.
    fn takes(&self, expr: &Expr) -> bool {
        !matches!(expr, Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_))
            && !expr.is_volatile()
            && self.has(expr)
    }

    /// The column that stands for an expression from now on.
    fn column(&mut self, expr: Expr, names: &mut usize) -> Expr {
        let name = format!("$computed{names}");
        *names += 1;
        self.computed.push(expr.alias(name.as_str()));
        Expr::Column(Column::new_unqualified(name))
    }

    /// The leaf with what was moved; `None` where no leaf can say it.
    fn plan(self) -> Result<Option<LogicalPlan>> {
        if self.computed.is_empty() {
            return Ok(Some(self.leaf.clone()));
        }
        let mut exprs = columns(self.leaf);
        exprs.extend(self.computed);
        let made = Projection::try_new(exprs, Arc::new(self.leaf.clone()))?;
        let made = LogicalPlan::Projection(made);
        Ok(leaf::reads(&made).then_some(made))
    }

    /// The same; `None` where nothing was moved too.
    fn moved(self) -> Result<Option<LogicalPlan>> {
        if self.computed.is_empty() {
            return Ok(None);
        }
        self.plan()
    }
}

fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = plan.schema().columns();
    columns.into_iter().map(Expr::Column).collect()
}

fn below_window(window: &Window, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let Some(mut below) = Below::new(&window.input) else {
        return Ok(None);
    };
    let saved = NamePreserver::new_for_projection();
    let mut exprs = Vec::with_capacity(window.window_expr.len());
    for expr in &window.window_expr {
        let name = saved.save(expr);
        let expr = expr.clone().transform_down(|inner| match inner {
            Expr::WindowFunction(_) => {
                let parts = inner.map_children(|part| {
                    Ok(match below.takes(&part) {
                        true => Transformed::yes(below.column(part, names)),
                        false => Transformed::no(part),
                    })
                })?;
                Ok(Transformed::new(
                    parts.data,
                    parts.transformed,
                    TreeNodeRecursion::Jump,
                ))
            }
            other => Ok(Transformed::no(other)),
        })?;
        exprs.push(name.restore(expr.data));
    }
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let made = LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?);
    without_computed(&window.schema, made).map(Some)
}

/// A plan with the columns that it had before some were computed below it.
fn without_computed(schema: &DFSchema, plan: LogicalPlan) -> Result<LogicalPlan> {
    let kept = schema.columns().into_iter().map(Expr::Column);
    let kept = Projection::try_new(kept.collect(), Arc::new(plan))?;
    Ok(LogicalPlan::Projection(kept))
}

/// The leaf below windows, and projections that only pass columns on.
fn windowed(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::Window(window) if leaf::reads(&window.input) => Some(&window.input),
        LogicalPlan::Window(window) => windowed(&window.input),
        LogicalPlan::Projection(projection) if passes_on(projection) => windowed(&projection.input),
        _ => None,
    }
}

fn passes_on(projection: &Projection) -> bool {
    let mut exprs = projection.expr.iter();
    exprs.all(|expr| matches!(expr, Expr::Column(_)))
}

/// The same over another leaf, with its further columns.
fn over_leaf(plan: &LogicalPlan, below: &LogicalPlan, further: &[Expr]) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Window(window) => {
            let input = match leaf::reads(&window.input) {
                true => below.clone(),
                false => over_leaf(&window.input, below, further)?,
            };
            let exprs = window.window_expr.clone();
            LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?)
        }
        LogicalPlan::Projection(projection) => {
            let input = over_leaf(&projection.input, below, further)?;
            let exprs = projection.expr.iter().chain(further).cloned().collect();
            LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?)
        }
        other => other.clone(),
    })
}

/// The same beside windows over a leaf.
fn beside_window(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let Some(mut below) = windowed(&projection.input).and_then(Below::new) else {
        return Ok(None);
    };
    let exprs = replaced(&projection.expr, vec![&mut below], names)?;
    let names = below
        .computed
        .iter()
        .map(|expr| expr.schema_name().to_string());
    let further: Vec<Expr> = names
        .map(|name| Expr::Column(Column::new_unqualified(name)))
        .collect();
    let Some(leaf) = below.moved()? else {
        return Ok(None);
    };
    let input = over_leaf(&projection.input, &leaf, &further)?;
    let made = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Some(LogicalPlan::Projection(made)))
}

/// A join by columns, where its keys are expressions.
fn keys_below(join: &Join, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    if join
        .on
        .iter()
        .all(|(left, right)| is_column(left) && is_column(right))
    {
        return Ok(None);
    }
    let mut on = join.on.clone();
    let mut side = |input: &Arc<LogicalPlan>, at: fn(&mut (Expr, Expr)) -> &mut Expr| {
        let Some(mut below) = Below::new(input) else {
            return Ok(Some(Arc::clone(input)));
        };
        for key in on.iter_mut().map(at) {
            if below.takes(key) && !asks(key) {
                *key = below.column(key.clone(), names);
            }
        }
        Ok::<_, DataFusionError>(below.plan()?.map(Arc::new))
    };
    let left = side(&join.left, |(left, _)| left)?;
    let right = side(&join.right, |(_, right)| right)?;
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    if on == join.on {
        return Ok(None);
    }
    let by_columns = Join::try_new(
        left,
        right,
        on,
        join.filter.clone(),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    without_computed(&join.schema, LogicalPlan::Join(by_columns)).map(Some)
}

fn below_join(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Join(join) = projection.input.as_ref() else {
        return Ok(None);
    };
    // A side that a join fills with nulls computes nothing for these rows.
    let left = matches!(join.join_type, JoinType::Inner | JoinType::Left);
    let right = matches!(join.join_type, JoinType::Inner | JoinType::Right);
    let mut left = Some(&join.left)
        .filter(|_| left)
        .and_then(|side| Below::new(side));
    let mut right = Some(&join.right)
        .filter(|_| right)
        .and_then(|side| Below::new(side));
    let sides = left.iter_mut().chain(right.iter_mut());
    let exprs = replaced(&projection.expr, sides.collect(), names)?;
    let any = left
        .iter()
        .chain(&right)
        .any(|side| !side.computed.is_empty());
    if !any {
        return Ok(None);
    }
    let plan = |side: Option<Below<'_>>, whole: &Arc<LogicalPlan>| match side {
        Some(side) => side.plan(),
        None => Ok(Some(whole.as_ref().clone())),
    };
    let (Some(left), Some(right)) = (plan(left, &join.left)?, plan(right, &join.right)?) else {
        return Ok(None);
    };
    let expressions = projection.input.expressions();
    let joined = projection
        .input
        .with_new_exprs(expressions, vec![left, right])?;
    let made = Projection::try_new(exprs, Arc::new(joined))?;
    Ok(Some(LogicalPlan::Projection(made)))
}

/// The same where a list has a subquery beside its leaf's columns.
fn beside_subquery(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let Some(mut below) = Below::new(&projection.input) else {
        return Ok(None);
    };
    if !projection.expr.iter().any(asks) {
        return Ok(None);
    }
    let exprs = replaced(&projection.expr, vec![&mut below], names)?;
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let made = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Some(LogicalPlan::Projection(made)))
}

/// The same below a condition with a subquery, for the condition too.
fn below_condition(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let Some((filter, mut below)) = asking(&projection.input) else {
        return Ok(None);
    };
    let exprs = replaced(&projection.expr, vec![&mut below], names)?;
    let Some(filter) = filtered(filter, below, names)? else {
        return Ok(None);
    };
    let made = Projection::try_new(exprs, Arc::new(filter))?;
    Ok(Some(LogicalPlan::Projection(made)))
}

/// A condition with a subquery over a leaf.
fn asking(plan: &LogicalPlan) -> Option<(&Filter, Below<'_>)> {
    match plan {
        LogicalPlan::Filter(filter) if asks(&filter.predicate) => {
            Some((filter, Below::new(&filter.input)?))
        }
        _ => None,
    }
}

/// Such a condition with what moves below computed there; `None` where nothing moves.
fn filtered(
    filter: &Filter,
    mut below: Below<'_>,
    names: &mut usize,
) -> Result<Option<LogicalPlan>> {
    let predicate = with_columns(filter.predicate.clone(), &mut [&mut below], names)?;
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let filter = Filter::try_new(predicate, Arc::new(input))?;
    Ok(Some(LogicalPlan::Filter(filter)))
}

/// The same of a condition with a subquery whose rows are aggregated.
fn below_aggregate(aggregate: &Aggregate, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let Some((filter, below)) = asking(&aggregate.input) else {
        return Ok(None);
    };
    let Some(filter) = filtered(filter, below, names)? else {
        return Ok(None);
    };
    let (groups, calls) = (aggregate.group_expr.clone(), aggregate.aggr_expr.clone());
    let made = Aggregate::try_new(Arc::new(filter), groups, calls)?;
    Ok(Some(LogicalPlan::Aggregate(made)))
}

/// A list with columns in the places of what moves below.
fn replaced(
    exprs: &[Expr],
    mut sides: Vec<&mut Below<'_>>,
    names: &mut usize,
) -> Result<Vec<Expr>> {
    let saved = NamePreserver::new_for_projection();
    let mut out = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let name = saved.save(expr);
        out.push(name.restore(with_columns(expr.clone(), &mut sides, names)?));
    }
    Ok(out)
}

fn with_columns(expr: Expr, sides: &mut [&mut Below<'_>], names: &mut usize) -> Result<Expr> {
    let moved = expr.transform_down(|inner| {
        let side = sides.iter_mut().find(|side| side.has(&inner));
        Ok(match side {
            Some(side) if keeps_fractions(&inner, side.leaf) => {
                Transformed::new(side.column(inner, names), true, TreeNodeRecursion::Jump)
            }
            _ => Transformed::no(inner),
        })
    });
    moved.data()
}

/// True where an expression asks another query.
fn asks(expr: &Expr) -> bool {
    expr.exists(|inner| {
        Ok(matches!(
            inner,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)
        ))
    })
    .unwrap_or(true)
}

fn is_arithmetic(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if is_operator(call.func.name()))
}

/// True for a call with arithmetic of whole numbers or FLOATs somewhere within, or with a part of an address, and for such arithmetic
/// that is widened to be compared.
fn keeps_fractions(expr: &Expr, leaf: &LogicalPlan) -> bool {
    let narrow = |inner: &Expr| {
        is_arithmetic(inner)
            && matches!(
                inner.get_type(leaf.schema()),
                Ok(ArrowType::Int32 | ArrowType::Int64 | ArrowType::Float32)
            )
    };
    if let Expr::Cast(widened) = expr {
        let double = *widened.field.data_type() == ArrowType::Float64;
        return double && narrow(&widened.expr);
    }
    let Expr::ScalarFunction(call) = expr else {
        return false;
    };
    let within = |arg: &Expr| {
        arg.exists(|inner| Ok(narrow(inner) || is_part_of_address(inner)))
            .unwrap_or(false)
    };
    let decimal = |arg: &Expr| {
        let found = arg.get_type(leaf.schema()).map(|found| column_type(&found));
        found.is_ok_and(|found| found.data_type == DataType::BigDecimal)
    };
    // A leaf refuses logarithms of BIG_DECIMAL.
    let logarithm = matches!(call.func.name(), "ln" | "log10" | "log2" | "exp" | "sqrt");
    let moves = is_part_of_address(expr)
        || call.args.iter().any(within)
        || (logarithm && call.args.iter().any(decimal));
    moves && !expr.is_volatile() && !asks(expr)
}

/// True for what a leaf answers an empty text for, and operators above it null: a part of a text that is no address.
fn is_part_of_address(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call)
        if matches!(call.func.name(), "urlprotocol" | "urldomain" | "urlquerystring"))
}
