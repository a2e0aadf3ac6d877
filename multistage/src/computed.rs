//! Expressions over one leaf's columns that stand above a window, a union or a join, as its keys or beside a subquery, computed
//! where the rows are read.
//!
//! Pinot's planner moves them there, and a segment keeps the fraction of every quotient within an expression, where operators
//! above cut each one: `53 / 4 * 9` is 119 at a leaf and 117 above it. A null that an expression makes is zero or an empty text
//! at a leaf without null handling, and null above it; a null of a column is one at a leaf, and its default value above it.
//! Must not know: kernels, the text of leaves, how a plan takes further columns. Invariant: the same columns under the same names;
//! what moves reads the columns of one leaf alone.

pub(crate) mod conditions;
pub(crate) mod filters;
mod further;
pub(crate) mod windows;

use std::sync::Arc;

use common::DataType;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Join, LogicalPlan, Projection, Window,
};

use crate::expressions::is_null;
use crate::leaf;
use crate::planned_type::is_operator;
use crate::types::column_type;
pub(crate) use further::{has_columns, is_null_of_nulls};

/// Moves what stands above windows, unions and joins.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn moved(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut names = 0;
    plan.transform_up_with_subqueries(|node| {
        let made = match &node {
            LogicalPlan::Window(window) => below_window(window, &mut names)?,
            LogicalPlan::Join(join) => keys_below(join, &mut names)?,
            LogicalPlan::Filter(filter) => below_condition(filter, &mut names)?,
            LogicalPlan::Projection(projection) => below_projection(projection, &mut names)?,
            LogicalPlan::Aggregate(aggregate) => below_aggregate(aggregate, &mut names)?,
            _ => None,
        };
        Ok(made.map_or_else(|| Transformed::no(node), Transformed::yes))
    })
    .data()
}

/// A plan with further columns at its leaves.
struct Below<'a> {
    plan: &'a LogicalPlan,
    computed: Vec<Expr>,
}

impl<'a> Below<'a> {
    fn new(plan: &'a LogicalPlan) -> Self {
        Self {
            plan,
            computed: Vec::new(),
        }
    }

    /// The column that stands for an expression from now on.
    fn column(&mut self, expr: Expr, names: &mut usize) -> Expr {
        let name = format!("$computed{names}");
        *names += 1;
        self.computed.push(expr.alias(name.as_str()));
        Expr::Column(Column::new_unqualified(name))
    }

    /// The plan with what was moved; `None` where no leaf can say it, or nothing was.
    fn moved(self) -> Result<Option<LogicalPlan>> {
        if self.computed.is_empty() {
            return Ok(None);
        }
        further::with(self.plan, self.computed)
    }

    /// The expression with columns in the places of what moves.
    fn without_moved(&mut self, expr: Expr, names: &mut usize) -> Result<Expr> {
        let moved = expr.transform_down(|inner| {
            let moves = further::reaches(self.plan, &inner)
                && (moves(&inner, self.plan.schema()) || further::moves_written(self.plan, &inner));
            Ok(match moves {
                true => Transformed::new(self.column(inner, names), true, TreeNodeRecursion::Jump),
                false => Transformed::no(inner),
            })
        });
        moved.data()
    }

    /// A list of them, under the names that they have.
    fn named(&mut self, exprs: &[Expr], names: &mut usize) -> Result<Vec<Expr>> {
        let saved = NamePreserver::new_for_projection();
        let mut out = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let name = saved.save(expr);
            out.push(name.restore(self.without_moved(expr.clone(), names)?));
        }
        Ok(out)
    }
}

/// True for an expression over a leaf's columns that is worth a column of its own.
fn is_computed(expr: &Expr, leaf: &LogicalPlan) -> bool {
    !matches!(expr, Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_))
        && !expr.is_volatile()
        && further::has_columns(leaf, expr)
}

fn below_projection(projection: &Projection, names: &mut usize) -> Result<Option<LogicalPlan>> {
    // Beside a subquery a leaf does not compute its list.
    if leaf::reads(&projection.input) && !projection.expr.iter().any(asks) {
        return Ok(None);
    }
    let mut below = Below::new(&projection.input);
    let exprs = below.named(&projection.expr, names)?;
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let made = Projection::try_new(exprs, Arc::new(input))?;
    Ok(Some(LogicalPlan::Projection(made)))
}

/// The same in a condition with a subquery.
fn below_condition(filter: &Filter, names: &mut usize) -> Result<Option<LogicalPlan>> {
    if !asks(&filter.predicate) {
        return Ok(None);
    }
    let mut below = Below::new(&filter.input);
    let predicate = below.without_moved(filter.predicate.clone(), names)?;
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let made = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?);
    without_computed(filter.input.schema(), made).map(Some)
}

/// The same in groups and in what is aggregated.
fn below_aggregate(aggregate: &Aggregate, names: &mut usize) -> Result<Option<LogicalPlan>> {
    if leaf::reads(&aggregate.input) {
        return over_choices(aggregate);
    }
    let mut below = Below::new(&aggregate.input);
    let mut without = |exprs: &[Expr]| {
        let exprs = exprs.iter().cloned();
        exprs
            .map(|expr| below.without_moved(expr, names))
            .collect::<Result<Vec<_>>>()
    };
    let (groups, calls) = (
        without(&aggregate.group_expr)?,
        without(&aggregate.aggr_expr)?,
    );
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let made = Aggregate::try_new(Arc::new(input), groups, calls)?;
    under_names_of(aggregate, made).map(Some)
}

/// An aggregation of what a subquery chooses (`COUNT(x)` over `CASE WHEN c THEN y END AS x`), of the choice itself: a leaf leaves out
/// what is not chosen.
fn over_choices(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let Some((input, exprs)) = further::listed(&aggregate.input) else {
        return Ok(None);
    };
    let inlined = |above: &[Expr]| further::by_place(above, aggregate.input.schema(), &exprs);
    let (groups, calls) = (
        inlined(&aggregate.group_expr)?,
        inlined(&aggregate.aggr_expr)?,
    );
    let chooses = |call: &Expr| match call.clone().unalias() {
        Expr::AggregateFunction(call) => call.params.args.iter().any(makes_null),
        _ => false,
    };
    if !calls.iter().any(chooses) {
        return Ok(None);
    }
    let made = Aggregate::try_new(Arc::new(input.clone()), groups, calls)?;
    under_names_of(aggregate, made).map(Some)
}

/// An aggregation under the names of the one that it stands for.
pub(crate) fn under_names_of(aggregate: &Aggregate, made: Aggregate) -> Result<LogicalPlan> {
    let columns = made.schema.columns().into_iter().map(Expr::Column);
    let named = aggregate.schema.iter().zip(columns);
    let exprs = named.map(|((qualifier, field), column)| {
        column.alias_qualified(qualifier.cloned(), field.name().as_str())
    });
    let exprs = exprs.collect();
    let made = Projection::try_new(exprs, Arc::new(LogicalPlan::Aggregate(made)))?;
    Ok(LogicalPlan::Projection(made))
}

fn below_window(window: &Window, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let mut below = Below::new(&window.input);
    let exprs = match leaf::reads(&window.input) {
        true => over_leaf(window, &mut below, names)?,
        false => below.named(&window.window_expr, names)?,
    };
    let Some(input) = below.moved()? else {
        return Ok(None);
    };
    let made = LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?);
    without_computed(&window.schema, made).map(Some)
}

/// Windows over a leaf, which computes every expression within them.
fn over_leaf(window: &Window, below: &mut Below<'_>, names: &mut usize) -> Result<Vec<Expr>> {
    let saved = NamePreserver::new_for_projection();
    let mut exprs = Vec::with_capacity(window.window_expr.len());
    for expr in &window.window_expr {
        let name = saved.save(expr);
        let expr = expr.clone().transform_down(|inner| match inner {
            Expr::WindowFunction(_) => {
                let parts = inner.map_children(|part| {
                    Ok(match is_computed(&part, &window.input) {
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
    Ok(exprs)
}

/// A plan with the columns that it had before some were computed below it.
pub(crate) fn without_computed(schema: &DFSchema, plan: LogicalPlan) -> Result<LogicalPlan> {
    let kept = schema.columns().into_iter().map(Expr::Column);
    let kept = Projection::try_new(kept.collect(), Arc::new(plan))?;
    Ok(LogicalPlan::Projection(kept))
}

/// A join by columns, where its keys are expressions, or its condition tells what a leaf does.
fn keys_below(join: &Join, names: &mut usize) -> Result<Option<LogicalPlan>> {
    let mut on = join.on.clone();
    let mut filter = join.filter.clone();
    let mut side = |input: &Arc<LogicalPlan>, at: fn(&mut (Expr, Expr)) -> &mut Expr| {
        if !leaf::reads(input) {
            return Ok(Some(Arc::clone(input)));
        }
        let mut below = Below::new(input);
        for key in on.iter_mut().map(at) {
            if is_computed(key, input) && !asks(key) {
                *key = below.column(key.clone(), names);
            }
        }
        if let Some(condition) = filter.take() {
            filter = Some(below.without_moved(condition, names)?);
        }
        if below.computed.is_empty() {
            return Ok(Some(Arc::clone(input)));
        }
        Ok::<_, DataFusionError>(below.moved()?.map(Arc::new))
    };
    let left = side(&join.left, |(left, _)| left)?;
    let right = side(&join.right, |(_, right)| right)?;
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    if on == join.on && filter == join.filter {
        return Ok(None);
    }
    let by_columns = Join::try_new(
        left,
        right,
        on,
        filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    without_computed(&join.schema, LogicalPlan::Join(by_columns)).map(Some)
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

/// A DOUBLE to a leaf, whatever its sides are: so are its texts.
fn is_remainder(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == "mod")
}

/// True for what a leaf answers otherwise than an operator above it.
pub(crate) fn moves(expr: &Expr, schema: &DFSchema) -> bool {
    (keeps_fractions(expr, schema) || knows_nulls(expr)) && !expr.is_volatile() && !asks(expr)
}

/// True for an expression of rows in which a null may be made, or is told from the default value that is all that stands for it above
/// a leaf. A cast of one is above it.
fn knows_nulls(expr: &Expr) -> bool {
    let mut of_rows = !matches!(expr, Expr::Alias(_) | Expr::Cast(_));
    let mut found = false;
    let walked = expr.apply(|inner| {
        of_rows &= !matches!(inner, Expr::AggregateFunction(_) | Expr::WindowFunction(_));
        found |= makes_null(inner) || tests_null(inner);
        Ok(match of_rows {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    });
    walked.is_ok() && of_rows && found
}

fn tests_null(expr: &Expr) -> bool {
    match expr {
        Expr::IsNull(_) | Expr::IsNotNull(_) => true,
        Expr::ScalarFunction(call) => call.func.name() == "coalesce",
        _ => false,
    }
}

/// A CASE without an answer, and NULLIF.
fn makes_null(expr: &Expr) -> bool {
    match expr {
        Expr::Case(case) => {
            let mut answers = case.when_then_expr.iter().map(|(_, then)| then);
            let otherwise = case.else_expr.as_ref();
            otherwise.is_none_or(|answer| is_null(answer)) || answers.any(|answer| is_null(answer))
        }
        Expr::ScalarFunction(call) => call.func.name() == "nullif",
        _ => false,
    }
}

/// True for arithmetic of whole numbers, which a leaf keeps beyond their range too, for a call or a comparison with it, a remainder or
/// arithmetic of FLOATs somewhere within, or with a part of an address, and for such arithmetic that is widened to be compared.
fn keeps_fractions(expr: &Expr, schema: &DFSchema) -> bool {
    let narrow = |inner: &Expr| {
        is_arithmetic(inner)
            && matches!(
                inner.get_type(schema),
                Ok(ArrowType::Int32 | ArrowType::Int64 | ArrowType::Float32)
            )
    };
    if let Expr::Cast(widened) = expr {
        let double = *widened.field.data_type() == ArrowType::Float64;
        return double && narrow(&widened.expr);
    }
    let within = |arg: &Expr| {
        arg.exists(|inner| Ok(narrow(inner) || is_remainder(inner) || is_part_of_address(inner)))
            .unwrap_or(false)
    };
    let decimal = |arg: &Expr| {
        let found = arg.get_type(schema).map(|found| column_type(&found));
        found.is_ok_and(|found| found.data_type == DataType::BigDecimal)
    };
    let call = match expr {
        Expr::ScalarFunction(call) => call,
        Expr::Case(case) => {
            let parts = case.when_then_expr.iter();
            let parts = parts.flat_map(|(when, then)| [when, then]);
            return parts.chain(&case.else_expr).any(|part| within(part));
        }
        Expr::BinaryExpr(test) if test.op.supports_propagation() => {
            return within(&test.left) || within(&test.right);
        }
        Expr::InList(list) => return within(&list.expr),
        Expr::Between(between) => return within(&between.expr),
        _ => return false,
    };
    // A leaf refuses logarithms of BIG_DECIMAL.
    let logarithm = matches!(call.func.name(), "ln" | "log10" | "log2" | "exp" | "sqrt");
    is_part_of_address(expr)
        || (narrow(expr) && expr.get_type(schema).is_ok_and(|found| found.is_integer()))
        || narrows(call, schema)
        || call.args.iter().any(within)
        || (logarithm && call.args.iter().any(decimal))
}

/// True for a LONG that a function answers as an INT: a leaf cuts off what is beyond.
fn narrows(call: &ScalarFunction, schema: &DFSchema) -> bool {
    let [value @ Expr::ScalarFunction(_), _] = call.args.as_slice() else {
        return false;
    };
    call.func.name() == "cast" && matches!(value.get_type(schema), Ok(ArrowType::Int64))
}

/// True for what a leaf answers an empty text for, and operators above it null: a part of a text that is no address.
fn is_part_of_address(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call)
        if matches!(call.func.name(), "urlprotocol" | "urldomain" | "urlquerystring"))
}
