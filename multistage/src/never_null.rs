//! What the planner takes for never null, whatever its rows are, and sums of CASE that are sums behind a filter.
//!
//! Must not know: tables. Invariant: applies only where nulls are told apart; everything else keeps its answer. Source: return
//! types without null in Pinot's operator table, and the rule that makes `SUM(CASE WHEN c THEN x ELSE 0 END)` a `SUM(x)
//! FILTER (WHERE c)`.

use common::{ColumnType, DataType};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::utils::{merge_schema, split_conjunction};
use datafusion::logical_expr::{Expr, ExprSchemable, JoinType, LogicalPlan, Operator, lit};

use crate::aggregate::{self, PinotAggregate};
use crate::catalog::Table;
use crate::computed::filters;
use crate::types::column_type;
use crate::{expressions, ranges, scalar, typing};

/// Functions whose type says nothing of null.
const NEVER: [&str; 28] = [
    "arrayaverage",
    "arraylength",
    "arraymax",
    "arraymin",
    "arraysum",
    "arraysumint",
    "arraysumlong",
    "cardinality",
    "cosinedistance",
    "datetimeconvert",
    "datetrunc",
    "geotoh3",
    "griddistance",
    "inidset",
    "innerproduct",
    "jsonextractindex",
    "jsonextractscalar",
    "l1distance",
    "l2distance",
    "starea",
    "stastext",
    "stcontains",
    "stdistance",
    "stequals",
    "stwithin",
    "timeconvert",
    "vectordims",
    "vectornorm",
];

/// A plan in which such tests and counts are settled: where nulls are not told apart, as `nulls` says, what fills outer joins is counted
/// alone.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn settled(plan: LogicalPlan, nulls: bool) -> Result<LogicalPlan> {
    if !nulls && !fills(&plan) {
        return Ok(plan);
    }
    let done = plan.transform_up_with_subqueries(|node| {
        let below = Below::new(&node);
        expressions::retyped(node, |expr| {
            expr.transform_up(|inner| {
                Ok(match nulls {
                    true => settled_expression(inner, &below),
                    false => counted(inner, &below),
                })
            })
        })
    })?;
    Ok(done.data)
}

/// A plan in which a truth value that columns without nulls leave no choice is written as the planner writes its literals. Tests of
/// null are settled so where nulls are told apart, as `nulls` says.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn named(plan: LogicalPlan, nulls: bool) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        if !node.inputs().iter().all(|input| is_table(input)) || is_nullable(&node) {
            return Ok(Transformed::no(node));
        }
        let below = Below::new(&node);
        expressions::retyped(node, |expr| {
            expr.transform_up(|inner| {
                Ok(match below.truth_as_text(&inner, nulls) {
                    Some(text) => Transformed::yes(lit(text)),
                    None => Transformed::no(inner),
                })
            })
        })
    })?;
    Ok(done.data)
}

/// A plan in which a choice whose first branch is taken by every row is that branch, in the type that the choice has: what is not
/// null to the planner is cast to what may be. Tests of null are settled so where nulls are told apart, as `nulls` says; where they
/// are not, `COALESCE(x, ..)` beside a column x that is not null to the planner is the column.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn chosen(plan: LogicalPlan, nulls: bool) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        let below = Below::new(&node);
        let table = !below.nullable && node.inputs().iter().all(|input| is_table(input));
        let tests = nulls && !below.nullable && filters::outer_sides(&node) == 0;
        expressions::retyped(node, |expr| {
            expr.transform_up(|inner| {
                let branch = match &inner {
                    Expr::Case(case) => below.first_branch(case, tests)?,
                    Expr::BinaryExpr(test) if table && !nulls => below.with_itself(test),
                    _ => None,
                };
                Ok(branch.map_or_else(|| Transformed::no(inner), Transformed::yes))
            })
        })
    })?;
    Ok(done.data)
}

/// What a node's expressions stand over.
struct Below {
    schema: DFSchema,
    /// True where rows come straight from one table.
    table: bool,
    /// True where the planner takes columns for nullable.
    nullable: bool,
}

impl Below {
    fn new(node: &LogicalPlan) -> Self {
        let straight =
            |node: &LogicalPlan| node.inputs().first().is_some_and(|input| of_table(input));
        Self {
            schema: merge_schema(&node.inputs()),
            table: matches!(node, LogicalPlan::Aggregate(_)) && straight(node),
            nullable: is_nullable(node),
        }
    }

    fn is_of(&self, expr: &Expr, types: &[DataType]) -> bool {
        let found = expr.get_type(&self.schema).map(|found| column_type(&found));
        found.is_ok_and(|found| !found.multi && types.contains(&found.data_type))
    }

    fn is_long(&self, expr: &Expr) -> bool {
        self.is_of(expr, &[DataType::Int, DataType::Long])
    }

    /// The text of a decided condition that is cast to one.
    fn truth_as_text(&self, expr: &Expr, nulls: bool) -> Option<&'static str> {
        let Expr::ScalarFunction(cast) = expr else {
            return None;
        };
        let [condition, _] = cast.args.as_slice() else {
            return None;
        };
        let computed = condition
            .exists(|inner| {
                let test = matches!(inner, Expr::IsNull(_) | Expr::IsNotNull(_));
                let call = matches!(
                    inner,
                    Expr::ScalarFunction(_) | Expr::Case(_) | Expr::AggregateFunction(_)
                );
                Ok(call || (test && !nulls))
            })
            .unwrap_or(true);
        if computed || cast.func.name() != "cast" || !self.is_of(expr, &[DataType::String]) {
            return None;
        }
        let truth = self.decided(condition)?;
        Some(if truth { "TRUE" } else { "FALSE" })
    }

    /// The branch that every row takes of a choice without ELSE whose answers have one type, cast to it.
    fn first_branch(&self, case: &Case, tests: bool) -> Result<Option<Expr>> {
        if case.expr.is_some() || case.else_expr.is_some() {
            return Ok(None);
        }
        for (when, then) in &case.when_then_expr {
            match literals_compared(when).or_else(|| self.decided_if(when, tests)) {
                Some(false) => {}
                Some(true) => {
                    let whole = Expr::Case(case.clone());
                    let to = typing::answered_type(&whole, &self.schema);
                    let to = to.map(|to| typing::cast(then.as_ref().clone(), column_type(&to)));
                    return to.transpose();
                }
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What a condition without unknown parts is; where tests of null are not settled, only one without them.
    fn decided_if(&self, condition: &Expr, tests: bool) -> Option<bool> {
        let open = condition
            .exists(|inner| {
                let tested = matches!(inner, Expr::IsNull(_) | Expr::IsNotNull(_));
                let unknown = matches!(inner, Expr::Literal(value, _) if value.is_null());
                Ok((tested && !tests) || unknown)
            })
            .unwrap_or(true);
        (!open).then(|| self.decided(condition)).flatten()
    }

    /// A comparison of a column with `COALESCE(x, ..)` of it and its type is one with itself.
    fn with_itself(&self, test: &BinaryExpr) -> Option<Expr> {
        let chosen = |side: &Expr| match side {
            Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
                call.args.first().cloned()
            }
            _ => None,
        };
        let of = |side: &Expr| {
            let found = side.get_type(&self.schema).ok()?;
            Some(column_type(&found))
        };
        let same = |column: &Expr, other: &Expr| {
            let found: Option<ColumnType> = of(column);
            let alike = found == of(other) && found.is_some_and(|found| !found.multi);
            matches!(column, Expr::Column(_)) && alike && chosen(other).as_ref() == Some(column)
        };
        let column = match (&*test.left, &*test.right) {
            (left, right) if same(left, right) => &test.left,
            (left, right) if same(right, left) => &test.right,
            _ => return None,
        };
        Some(Expr::BinaryExpr(BinaryExpr::new(
            column.clone(),
            test.op,
            column.clone(),
        )))
    }

    /// What a condition is where no column is null to the planner.
    fn decided(&self, condition: &Expr) -> Option<bool> {
        ranges::decided(condition).or_else(|| self.decided_by_parts(condition))
    }

    fn decided_by_parts(&self, condition: &Expr) -> Option<bool> {
        match condition {
            Expr::Literal(ScalarValue::Boolean(value), _) => Some(value.unwrap_or(false)),
            Expr::IsNull(_) if !self.nullable => Some(false),
            Expr::IsNotNull(_) if !self.nullable => Some(true),
            Expr::Not(inner) => self.decided(inner).map(|value| !value),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let sides = [self.decided(left), self.decided(right)];
                let deciding = match op {
                    Operator::Eq if left == right && !self.nullable && !left.is_volatile() => {
                        return Some(true);
                    }
                    Operator::And => false,
                    Operator::Or => true,
                    _ => return None,
                };
                if sides.contains(&Some(deciding)) {
                    return Some(deciding);
                }
                (!sides.contains(&None)).then_some(!deciding)
            }
            _ => None,
        }
    }
}

/// What two literals of one type are to each other.
fn literals_compared(condition: &Expr) -> Option<bool> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
        return None;
    };
    let (Expr::Literal(left, _), Expr::Literal(right, _)) = (&**left, &**right) else {
        return None;
    };
    let order = left.partial_cmp(right)?;
    Some(match op {
        Operator::Eq => order.is_eq(),
        Operator::NotEq => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::LtEq => order.is_le(),
        Operator::Gt => order.is_gt(),
        Operator::GtEq => order.is_ge(),
        _ => return None,
    })
}

/// True where a join fills a side with nulls.
fn fills(plan: &LogicalPlan) -> bool {
    let outer = [JoinType::Left, JoinType::Right, JoinType::Full];
    plan.exists(|node| {
        Ok(matches!(node, LogicalPlan::Join(join) if outer.contains(&join.join_type)))
    })
    .unwrap_or(true)
}

/// True where a table below takes columns for nullable.
fn is_nullable(plan: &LogicalPlan) -> bool {
    plan.exists(|node| {
        let LogicalPlan::TableScan(scan) = node else {
            return Ok(false);
        };
        Ok(Table::of(scan).is_none_or(|table| table.nullable))
    })
    .unwrap_or(true)
}

/// An expression whose operands are settled.
fn settled_expression(expr: Expr, below: &Below) -> Transformed<Expr> {
    match expr {
        Expr::IsNull(tested) if is_never(&tested) => Transformed::yes(lit(false)),
        Expr::IsNotNull(tested) if is_never(&tested) => Transformed::yes(lit(true)),
        // A test that is never unknown.
        Expr::IsTrue(tested) | Expr::IsNotFalse(tested) if is_settled(&tested) => {
            Transformed::yes(*tested)
        }
        Expr::IsFalse(tested) | Expr::IsNotTrue(tested) if is_settled(&tested) => {
            Transformed::yes(Expr::Not(tested))
        }
        Expr::ScalarFunction(call) if coalesces(&call) => {
            Transformed::yes(call.args.into_iter().next().unwrap_or_else(|| lit(0)))
        }
        Expr::AggregateFunction(call) => match aggregated(&call, below) {
            Some(expr) => Transformed::yes(expr),
            None => Transformed::no(Expr::AggregateFunction(call)),
        },
        other => Transformed::no(other),
    }
}

/// An expression whose count or average is of all rows, where its argument is never null to the planner.
fn counted(expr: Expr, below: &Below) -> Transformed<Expr> {
    let made = match &expr {
        Expr::AggregateFunction(call) if call.params.args.first().is_some_and(is_never) => {
            aggregated(call, below)
        }
        _ => None,
    };
    made.map_or_else(|| Transformed::no(expr), Transformed::yes)
}

/// True where rows come straight from one table.
fn of_table(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Filter(filter) => !joins_inner(&filter.predicate) && of_table(&filter.input),
        LogicalPlan::Projection(projection) => of_table(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => of_table(&alias.input),
        LogicalPlan::Limit(limit) => of_table(&limit.input),
        LogicalPlan::Sort(sort) => of_table(&sort.input),
        _ => false,
    }
}

/// True for a condition with a part that the planner makes an inner or a semi join: a subquery that rows must match.
fn joins_inner(condition: &Expr) -> bool {
    split_conjunction(condition)
        .into_iter()
        .any(|part| match part {
            Expr::InSubquery(found) => !found.negated,
            Expr::Exists(found) => !found.negated,
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let scalar = |side: &Expr| matches!(side, Expr::ScalarSubquery(_));
                typing::compares(*op) && (scalar(left) || scalar(right))
            }
            _ => false,
        })
}

/// True for rows of one table as they are.
fn is_table(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::Filter(filter) => is_table(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_table(&alias.input),
        _ => false,
    }
}

/// True for an expression that is never null to the planner.
pub(crate) fn is_never(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_never(&alias.expr),
        Expr::Cast(cast) => is_never(&cast.expr),
        Expr::ScalarFunction(call) if NEVER.contains(&call.func.name()) => true,
        // Every other function is null where an argument is, and nowhere else.
        Expr::ScalarFunction(call) => {
            let literal = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if !value.is_null());
            call.func.name() != "nullif"
                && call.args.iter().any(is_never)
                && call.args.iter().all(|arg| literal(arg) || is_never(arg))
        }
        _ => false,
    }
}

/// True for comparisons of what is never null to the planner.
fn is_settled(expr: &Expr) -> bool {
    let known =
        |side: &Expr| matches!(side, Expr::Literal(value, _) if !value.is_null()) || is_never(side);
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => is_settled(left) && is_settled(right),
            _ => op.supports_propagation() && known(left) && known(right),
        },
        Expr::Between(between) => {
            known(&between.expr) && known(&between.low) && known(&between.high)
        }
        Expr::InList(list) => known(&list.expr) && list.list.iter().all(known),
        Expr::Not(inner) => is_settled(inner),
        _ => false,
    }
}

fn coalesces(call: &ScalarFunction) -> bool {
    call.func.name() == "coalesce" && call.args.first().is_some_and(is_never)
}

/// An aggregate that means something else.
fn aggregated(call: &AggregateFunction, below: &Below) -> Option<Expr> {
    let inner: &dyn std::any::Any = call.func.inner().as_ref();
    let found = inner.downcast_ref::<PinotAggregate>()?;
    let [argument] = call.params.args.as_slice() else {
        return None;
    };
    match found.function.as_str() {
        "count" if is_never(argument) => made("count", vec![lit(1)], call.params.filter.clone()),
        // The sum of what is there by the number of all rows.
        "avg" if is_never(argument) => {
            let coalesce = scalar::find("coalesce", 0)?;
            let whole = [DataType::Int, DataType::Long, DataType::BigDecimal];
            let zero = match below.is_of(argument, &whole) {
                true => lit(0_i64),
                false => lit(0.0),
            };
            let filled = ScalarFunction::new_udf(coalesce, vec![argument.clone(), zero]);
            made(
                "avg",
                vec![Expr::ScalarFunction(filled)],
                call.params.filter.clone(),
            )
        }
        "sum" if below.table => {
            let (condition, value) = filtered(argument, below)?;
            let condition = match &call.params.filter {
                Some(filter) => filter.as_ref().clone().and(condition),
                None => condition,
            };
            made("sum", vec![value], Some(Box::new(condition)))
        }
        _ => None,
    }
}

fn made(name: &str, arguments: Vec<Expr>, filter: Option<Box<Expr>>) -> Option<Expr> {
    let generic = aggregate::find(name, false)?;
    let (function, arguments) = aggregate::of_call(&generic, arguments)?;
    Some(Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        arguments,
        false,
        filter,
        Vec::new(),
        None,
    )))
}

/// Condition and value of `CASE WHEN c THEN x ELSE 0 END` over whole numbers, where x is not 1.
fn filtered(expr: &Expr, below: &Below) -> Option<(Expr, Expr)> {
    let Expr::Case(Case {
        expr: None,
        when_then_expr,
        else_expr: Some(otherwise),
    }) = expr
    else {
        return None;
    };
    let [(when, then)] = when_then_expr.as_slice() else {
        return None;
    };
    if below.decided(when) == Some(false) {
        return None;
    }
    let zero = matches!(
        otherwise.as_ref(),
        Expr::Literal(ScalarValue::Int32(Some(0)) | ScalarValue::Int64(Some(0)), _)
    );
    let one = matches!(
        then.as_ref(),
        Expr::Literal(ScalarValue::Int32(Some(1)) | ScalarValue::Int64(Some(1)), _)
    );
    (zero && !one && below.is_long(then)).then(|| (when.as_ref().clone(), then.as_ref().clone()))
}
