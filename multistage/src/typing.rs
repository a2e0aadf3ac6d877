//! Pinot's types for literals and comparisons, put into a plan before the engine's own coercion sees it.
//!
//! Must not know: tables. Invariant: names of outputs stay; an integer literal is INT where it fits; both sides of a
//! comparison have one type.

use std::sync::Arc;

use common::{ColumnType, DataType, ErrorCode, Value};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, InList, ScalarFunction,
};
use datafusion::logical_expr::planner::RawBinaryExpr;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union, Values,
    WindowFunctionDefinition, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::error::MultiStageError;
use crate::literal_calls::{folded, whole_seconds};
use crate::meeting::{Side, meeting};
use crate::planned_type::is_operator;
use crate::scalar;
use crate::types::{column_type, scalar_of, value_of};
use crate::{
    choices, decimal_rows, defaults, expressions, large_literals, ranges, summed_texts,
    text_choices, unions,
};

/// Types a plan.
///
/// # Errors
/// Where two types have nothing in common.
pub(crate) fn typed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let done = plan.transform_up(|node| {
        if matches!(node, LogicalPlan::Limit(_)) {
            return Ok(Transformed::no(node));
        }
        if let LogicalPlan::Values(values) = node {
            return Ok(Transformed::yes(typed_values(values)?));
        }
        let node = with_subqueries(node)?;
        let node = match node {
            LogicalPlan::Join(join) => LogicalPlan::Join(unions::sides_alike(join)?),
            other => other,
        };
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(&DFSchema::try_from_qualified_schema(
                scan.table_name.clone(),
                &scan.source.schema(),
            )?);
        }
        let changed = expressions::mapped(node, |expr| {
            expr.transform_up(|inner| {
                Ok(Transformed::yes(counted(
                    expression(inner, &schema)?,
                    &schema,
                )?))
            })
        })?;
        let typed = match changed.data {
            LogicalPlan::Union(union) => {
                let union = unions::alike(union)?;
                LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)
            }
            other => other.recompute_schema()?,
        };
        Ok(Transformed::yes(typed))
    })?;
    Ok(done.data)
}

/// A node whose inputs are typed, with its subqueries typed over their columns.
fn with_subqueries(node: LogicalPlan) -> Result<LogicalPlan> {
    let outer = merge_schema(&node.inputs());
    let done = node.map_subqueries(|subquery| {
        let subquery = outer_columns(subquery, &outer)?;
        Ok(Transformed::yes(typed(subquery)?))
    })?;
    Ok(done.data)
}

/// A subquery whose columns of the plan around it have the types that they have there now.
fn outer_columns(subquery: LogicalPlan, outer: &DFSchema) -> Result<LogicalPlan> {
    let retyped = |expr: Expr| {
        expr.transform(|inner| {
            Ok(match inner {
                Expr::OuterReferenceColumn(_, column) if outer.has_column(&column) => {
                    let field = outer.field_from_column(&column)?;
                    Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column))
                }
                other => Transformed::no(other),
            })
        })
    };
    let done = subquery.transform_down_with_subqueries(|node| {
        let mut node = node.map_expressions(retyped)?;
        if let LogicalPlan::Subquery(subquery) = &mut node.data {
            for column in &mut subquery.outer_ref_columns {
                *column = retyped(column.clone())?.data;
            }
        }
        Ok(node)
    })?;
    Ok(done.data)
}

fn typed_values(values: Values) -> Result<LogicalPlan> {
    let nothing = DFSchema::empty();
    let rows = values
        .values
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|expr| {
                    // A null was cast to the type that its column's numbers had before they were typed.
                    let expr = match expr {
                        Expr::Cast(cast) if expressions::is_null(&cast.expr) => *cast.expr,
                        other => other,
                    };
                    let typed = expr
                        .transform_up(|inner| Ok(Transformed::yes(expression(inner, &nothing)?)))?;
                    Ok(typed.data)
                })
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<Vec<_>>>()?;
    LogicalPlanBuilder::values(rows)?.build()
}

/// A comparison that is being planned, with both sides in one type; `None` for another operator.
///
/// # Errors
/// Where the types have nothing in common.
pub(crate) fn compared(raw: &RawBinaryExpr, schema: &DFSchema) -> Result<Option<Expr>> {
    let op = match raw.op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::Spaceship => Operator::IsNotDistinctFrom,
        _ => return Ok(None),
    };
    let plain = BinaryExpr::new(Box::new(raw.left.clone()), op, Box::new(raw.right.clone()));
    if Expr::BinaryExpr(plain.clone()).get_type(schema).is_ok() {
        // It is typed with the plan, as the same expressions elsewhere are: in HAVING they have to be found among the groups.
        return Ok(Some(Expr::BinaryExpr(plain)));
    }
    let side = |expr: &Expr| {
        let typed = expr
            .clone()
            .transform_up(|inner| Ok(Transformed::yes(expression(inner, schema)?)))?;
        Ok::<_, DataFusionError>(Box::new(typed.data))
    };
    let (left, right) = (side(&raw.left)?, side(&raw.right)?);
    if left.get_type(schema).is_err() || right.get_type(schema).is_err() {
        return Ok(None);
    }
    comparison(BinaryExpr::new(left, op, right), schema).map(Some)
}

pub(crate) fn expression(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => lit(value),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), metadata),
        },
        // Larger integers keep the low 64 bits.
        Expr::Literal(ScalarValue::UInt64(Some(value)), _) => lit(value.cast_signed()),
        Expr::Cast(cast) => large_literals::read(&cast).unwrap_or(Expr::Cast(cast)),
        Expr::Negative(inner) => negated(*inner),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
            let left = Box::new(text_choices::widened(
                *left,
                std::iter::once(right.as_ref()),
            )?);
            let right = Box::new(text_choices::widened(
                *right,
                std::iter::once(left.as_ref()),
            )?);
            comparison(BinaryExpr::new(left, op, right), schema)?
        }
        Expr::InList(InList {
            expr,
            list,
            negated,
        }) => {
            let expr = Box::new(text_choices::widened(*expr, list.iter())?);
            in_list(InList::new(expr, list, negated), schema)?
        }
        Expr::Between(between) => between_of(between, schema)?,
        Expr::Case(case) => choices::typed(case, schema)?,
        Expr::ScalarFunction(function) => {
            match formatted(&function).or_else(|| same_whole(&function, schema)) {
                Some(inner) => inner,
                None => {
                    let function = numbers_of_texts(function, schema)?;
                    let function = settled_truth(texts_taken(function, schema)?);
                    let function = beyond_long(function, schema);
                    let capital = names_truth(&function, schema);
                    let answer = rounded_whole(folded(function, schema)?, schema)?;
                    if capital {
                        capitals(answer, schema)?
                    } else {
                        answer
                    }
                }
            }
        }
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            params.args = summed_texts::typed(&func, params.args, schema)?;
            Expr::AggregateFunction(AggregateFunction { func, params })
        }
        Expr::WindowFunction(window) => {
            let mut window = defaults::typed(*window, schema)?;
            if let WindowFunctionDefinition::AggregateUDF(func) = &window.fun {
                window.params.args = summed_texts::typed(func, window.params.args, schema)?;
            }
            Expr::WindowFunction(Box::new(decimal_rows::framed(window, schema)?))
        }
        Expr::IsNull(inner) => Expr::IsNull(uncast(inner)),
        Expr::IsNotNull(inner) => Expr::IsNotNull(uncast(inner)),
        other => other,
    })
}

/// A rank or a number of a row, which is never negative to the engine below, as a LONG; any other expression as it is.
fn counted(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let unsigned = match &expr {
        Expr::Column(column) => *schema.field_from_column(column)?.data_type() == ArrowType::UInt64,
        _ => false,
    };
    Ok(match unsigned {
        true => Expr::Cast(Cast::new(Box::new(expr), ArrowType::Int64)),
        false => expr,
    })
}

/// A whole number that is cast to the type it has: the planner drops the cast, and segments keep the fraction of a quotient.
fn same_whole(cast: &ScalarFunction, schema: &DFSchema) -> Option<Expr> {
    let [value @ (Expr::ScalarFunction(_) | Expr::Case(_)), _] = cast.args.as_slice() else {
        return None;
    };
    if cast.func.name() != "cast" {
        return None;
    }
    let to = Expr::ScalarFunction(cast.clone()).get_type(schema).ok()?;
    let whole = matches!(to, ArrowType::Int32 | ArrowType::Int64);
    (whole && answered_type(value, schema)? == to).then(|| value.clone())
}

/// The type of an expression; of a CASE only where all its answers have it, for others are coerced later.
pub(crate) fn answered_type(expr: &Expr, schema: &DFSchema) -> Option<ArrowType> {
    let Expr::Case(case) = expr else {
        return expr.get_type(schema).ok();
    };
    let answers = case.when_then_expr.iter().map(|(_, then)| then);
    let mut answers = answers
        .chain(&case.else_expr)
        .filter(|answer| !expressions::is_null(answer))
        .map(|answer| answered_type(answer, schema));
    let first = answers.next()??;
    answers
        .all(|answer| answer.as_ref() == Some(&first))
        .then_some(first)
}

/// An exact decimal (a fraction that is written out, beside whole numbers) rounded up or down is a LONG.
fn rounded_whole(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let exact = match &expr {
        Expr::ScalarFunction(call) if matches!(call.func.name(), "ceil" | "floor") => call
            .args
            .first()
            .is_some_and(|arg| matches!(arg, Expr::ScalarFunction(_)) && is_exact(arg, schema)),
        _ => false,
    };
    if exact {
        cast(expr, ColumnType::sv(DataType::Long))
    } else {
        Ok(expr)
    }
}

/// Arithmetic with rounded exact decimals: their sums and differences with INT alone stay within a LONG's digits, all else
/// goes back to DOUBLE.
fn beyond_long(mut function: ScalarFunction, schema: &DFSchema) -> ScalarFunction {
    let rounded = |arg: &Expr| match arg {
        Expr::ScalarFunction(cast) if cast.func.name() == "cast" => match cast.args.first() {
            Some(Expr::ScalarFunction(inner)) if matches!(inner.func.name(), "ceil" | "floor") => {
                let exact = inner.args.first().is_some_and(|arg| is_exact(arg, schema));
                exact.then(|| inner.clone())
            }
            _ => None,
        },
        _ => None,
    };
    let small = |arg: &Expr| match rounded(arg) {
        Some(inner) => inner.args.iter().all(|arg| !has_long(arg, schema)),
        None => matches!(arg.get_type(schema), Ok(ArrowType::Int32)),
    };
    let stays = match function.func.name() {
        "$plus" | "$minus" => function.args.iter().all(small),
        "$times" | "$divide" => false,
        _ => true,
    };
    if !stays {
        for arg in &mut function.args {
            if let Some(inner) = rounded(arg) {
                *arg = Expr::ScalarFunction(inner);
            }
        }
    }
    function
}

/// True where a part of exact arithmetic is a LONG.
fn has_long(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::ScalarFunction(call) if is_exact(expr, schema) => {
            call.args.iter().any(|arg| has_long(arg, schema))
        }
        _ => matches!(expr.get_type(schema), Ok(ArrowType::Int64)),
    }
}

/// True for arithmetic of whole numbers and literals, of which one at least has a fraction.
pub(crate) fn is_exact(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => value.is_finite(),
        Expr::ScalarFunction(call) if is_operator(call.func.name()) => {
            let whole = |arg: &Expr| {
                matches!(
                    arg.get_type(schema),
                    Ok(ArrowType::Int32 | ArrowType::Int64)
                )
            };
            call.args.iter().any(|arg| is_exact(arg, schema))
                && call
                    .args
                    .iter()
                    .all(|arg| whole(arg) || is_exact(arg, schema))
        }
        _ => false,
    }
}

/// What is null is so before it is cast.
fn uncast(mut inner: Box<Expr>) -> Box<Expr> {
    while let Expr::ScalarFunction(function) = &mut *inner
        && function.func.name() == "cast"
        && !function.args.is_empty()
    {
        inner = Box::new(function.args.swap_remove(0));
    }
    inner
}

/// `jsonFormat` of a function whose answer is an object: its JSON text, not a text within JSON.
fn formatted(function: &ScalarFunction) -> Option<Expr> {
    const OBJECTS: [&str; 7] = [
        "jsonpath",
        "jsonpatharray",
        "jsonpatharraydefaultempty",
        "jsonstringtoarray",
        "jsonstringtomap",
        "jsonstringtolistormap",
        "jsonkeyvaluearraytomap",
    ];
    let [Expr::ScalarFunction(inner)] = function.args.as_slice() else {
        return None;
    };
    let formats = function.func.name() == "jsonformat" && OBJECTS.contains(&inner.func.name());
    formats.then(|| Expr::ScalarFunction(inner.clone()))
}

/// A cast of a condition that no value meets is one of FALSE, of one that all meet one of TRUE.
fn settled_truth(mut function: ScalarFunction) -> ScalarFunction {
    if function.func.name() == "cast"
        && let Some(truth) = function.args.first_mut()
        && let Some(value) = ranges::decided(truth)
    {
        *truth = lit(value);
    }
    function
}

/// True for a BOOLEAN without a column that is cast to a text: the planner writes it TRUE or FALSE.
fn names_truth(cast: &ScalarFunction, schema: &DFSchema) -> bool {
    let [truth, Expr::Literal(ScalarValue::Utf8(Some(to)), _)] = cast.args.as_slice() else {
        return false;
    };
    cast.func.name() == "cast"
        && matches!(to.to_uppercase().as_str(), "STRING" | "VARCHAR" | "CHAR")
        && matches!(truth.get_type(schema), Ok(ArrowType::Boolean))
        && !truth.is_volatile()
        && !truth
            .exists(|inner| Ok(!is_constant_part(inner)))
            .unwrap_or(true)
}

/// True for what neither reads a row nor asks another query.
fn is_constant_part(expr: &Expr) -> bool {
    !matches!(
        expr,
        Expr::Column(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
    )
}

fn capitals(text: Expr, schema: &DFSchema) -> Result<Expr> {
    let upper = scalar::find("upper", 0)
        .ok_or_else(|| MultiStageError::invalid("there is no function `upper`"))?;
    folded(ScalarFunction::new_udf(upper, vec![text]), schema)
}

/// BOOLEAN and TIMESTAMP become texts by CAST where a function takes texts; LIKE takes every column as one.
fn texts_taken(mut function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    let name = function.func.name().to_owned();
    if name == "cast" {
        return Ok(function);
    }
    let types = function
        .args
        .iter()
        .map(|arg| arg.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    for (at, found) in types.into_iter().enumerate() {
        let found = column_type(&found);
        let cast_to_text = match found.data_type {
            _ if found.multi => false,
            DataType::Boolean | DataType::Timestamp => {
                scalar::takes_text(&name, function.args.len(), at)
            }
            // Their hexadecimal digits.
            DataType::Bytes => name == "regexplike" && at == 0,
            number => {
                matches!(name.as_str(), "like" | "regexplike") && at == 0 && number.is_numeric()
            }
        };
        if cast_to_text {
            let text = ColumnType::sv(DataType::String);
            function.args[at] = expression(cast(function.args[at].clone(), text)?, schema)?;
        }
    }
    Ok(function)
}

/// A text beside a whole number in a sum, a difference, a product or a quotient is cast to that number's type.
fn numbers_of_texts(mut function: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    if !is_operator(function.func.name()) {
        return Ok(function);
    }
    let [left, right] = function.args.as_mut_slice() else {
        return Ok(function);
    };
    let text = ColumnType::sv(DataType::String);
    let types = (
        column_type(&left.get_type(schema)?),
        column_type(&right.get_type(schema)?),
    );
    let whole = |found: ColumnType| found.data_type.is_integer() && !found.multi;
    let (side, to) = match types {
        (found, to) if found == text && whole(to) => (left, to),
        (to, found) if found == text && whole(to) => (right, to),
        _ => return Ok(function),
    };
    *side = expression(cast(side.clone(), to)?, schema)?;
    Ok(function)
}

fn negated(inner: Expr) -> Expr {
    match inner {
        Expr::Literal(ScalarValue::Int32(Some(v)), _) => match v.checked_neg() {
            Some(v) => lit(v),
            None => lit(-i64::from(v)),
        },
        Expr::Literal(ScalarValue::Int64(Some(v)), _) => {
            let v = v.wrapping_neg();
            i32::try_from(v).map_or_else(|_| lit(v), lit)
        }
        Expr::Literal(ScalarValue::Float64(Some(v)), _) => lit(-v),
        other => Expr::Negative(Box::new(other)),
    }
}

/// True for a comparison.
pub(crate) fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn comparison(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    arrays_beside_texts(&left, &right, schema)?;
    arrays_beside_texts(&right, &left, schema)?;
    let (left, right) = flags_compared(*left, op, *right, schema)?;
    let left = texts_of_bytes(left, &right, schema)?;
    let right = texts_of_bytes(right, &left, schema)?;
    let target = meeting(&Side::of(&left, schema)?, &Side::of(&right, schema)?)?.found;
    let left = converted(left, &target, schema)?;
    let right = converted(right, &target, schema)?;
    Ok(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        op,
        Box::new(right),
    )))
}

/// A literal text beside an array of numbers is cast to the array's type while planning, and there is no such cast.
fn arrays_beside_texts(array: &Expr, text: &Expr, schema: &DFSchema) -> Result<()> {
    let (array, literal) = (
        column_type(&array.get_type(schema)?),
        matches!(text, Expr::Literal(ScalarValue::Utf8(Some(_)), _)),
    );
    if array.multi && array.data_type.is_numeric() && literal {
        return Err(MultiStageError::new(
            ErrorCode::QueryPlanning,
            format!("Error optimizing query: `{text}` has no form of type {array}"),
        )
        .into());
    }
    Ok(())
}

/// A BOOLEAN beside a number: equal or not alone; a literal is true where it is 1, a column makes a number of the other.
fn flags_compared(
    left: Expr,
    op: Operator,
    right: Expr,
    schema: &DFSchema,
) -> Result<(Expr, Expr)> {
    let (a, b) = (
        column_type(&left.get_type(schema)?),
        column_type(&right.get_type(schema)?),
    );
    let number = |found: ColumnType| !found.multi && found.data_type.is_numeric();
    let flag = |found: ColumnType| !found.multi && found.data_type == DataType::Boolean;
    if !((flag(a) && number(b)) || (number(a) && flag(b))) {
        return Ok((left, right));
    }
    let equality = matches!(
        op,
        Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
    );
    if !equality {
        return Err(MultiStageError::invalid(format!(
            "Cannot apply '{op}' to arguments of type '<{a}> {op} <{b}>'"
        ))
        .into());
    }
    Ok((flag_beside(left, b)?, flag_beside(right, a)?))
}

/// One side of such a comparison.
fn flag_beside(side: Expr, other: ColumnType) -> Result<Expr> {
    if other.data_type == DataType::Boolean {
        if let Expr::Literal(scalar, _) = &side
            && let Some(value) = value_of(scalar)
        {
            return Ok(lit(value.as_f64() == Some(1.0)));
        }
        return Ok(side);
    }
    let whole = matches!(other.data_type, DataType::Int | DataType::Long);
    if whole || matches!(side, Expr::Literal(..)) {
        return Ok(side);
    }
    cast(side, ColumnType::sv(DataType::Int))
}

/// Bytes written as a literal beside a text are their hexadecimal digits.
fn texts_of_bytes(side: Expr, other: &Expr, schema: &DFSchema) -> Result<Expr> {
    match &side {
        Expr::Literal(ScalarValue::Binary(Some(bytes)), _)
            if other.get_type(schema)? == ArrowType::Utf8 =>
        {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(lit(digits))
        }
        _ => Ok(side),
    }
}

fn in_list(mut list: InList, schema: &DFSchema) -> Result<Expr> {
    if list
        .list
        .iter()
        .any(|item| is_same_literal(&list.expr, item))
    {
        // Found before the others are read.
        return Ok(lit(!list.negated));
    }
    let target = list.expr.get_type(schema)?;
    for item in &mut list.list {
        arrays_beside_texts(&list.expr, item, schema)?;
        if target == ArrowType::Int32 && matches!(item, Expr::Literal(ScalarValue::Utf8(_), _)) {
            // A text must be a number of the column's own type.
            *item = converted(item.clone(), &target, schema)?;
        }
    }
    let types = list
        .list
        .iter()
        .map(|item| item.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    let texts = types.contains(&ArrowType::Utf8);
    let time = column_type(&target) == ColumnType::sv(DataType::Timestamp);
    if time && texts && types.iter().any(ArrowType::is_numeric) {
        // Compared as texts, of which a time never is one.
        return Ok(lit(list.negated));
    }
    let mut met = Side {
        found: target,
        exact: is_exact(&list.expr, schema),
    };
    for item in &list.list {
        let side = Side::of(item, schema)?;
        same_kind(&met.found, &side.found)?;
        met = meeting(&met, &side)?;
    }
    let target = met.found;
    let expr = converted(*list.expr, &target, schema)?;
    let items = list
        .list
        .into_iter()
        .map(|item| converted(item, &target, schema))
        .collect::<Result<_>>()?;
    Ok(Expr::InList(InList::new(
        Box::new(expr),
        items,
        list.negated,
    )))
}

fn is_same_literal(one: &Expr, other: &Expr) -> bool {
    match (one, other) {
        (Expr::Literal(one, _), Expr::Literal(other, _)) => !one.is_null() && one == other,
        _ => false,
    }
}

fn between_of(between: Between, schema: &DFSchema) -> Result<Expr> {
    let mut met = Side::of(&between.expr, schema)?;
    for bound in [&between.low, &between.high] {
        let side = Side::of(bound, schema)?;
        same_kind(&met.found, &side.found)?;
        met = meeting(&met, &side)?;
    }
    let target = met.found;
    Ok(Expr::Between(Between::new(
        Box::new(converted(*between.expr, &target, schema)?),
        between.negated,
        Box::new(converted(*between.low, &target, schema)?),
        Box::new(converted(*between.high, &target, schema)?),
    )))
}

/// Refuses a time or a BOOLEAN beside a number where the planner does: IN and BETWEEN.
fn same_kind(left: &ArrowType, right: &ArrowType) -> Result<()> {
    let (a, b) = (column_type(left).data_type, column_type(right).data_type);
    let mixed = |x: DataType, y: DataType| {
        matches!(x, DataType::Timestamp | DataType::Boolean) && y.is_numeric()
    };
    if mixed(a, b) || mixed(b, a) {
        return Err(MultiStageError::invalid(format!(
            "Values passed to IN or BETWEEN must have compatible types, found {a} and {b}"
        ))
        .into());
    }
    Ok(())
}

/// An expression in a type: a literal at once, a number by widening, anything else by CAST.
pub(crate) fn converted(expr: Expr, target: &ArrowType, schema: &DFSchema) -> Result<Expr> {
    let from = expr.get_type(schema)?;
    if from == *target || from == ArrowType::Null {
        return Ok(expr);
    }
    let to = column_type(target);
    let exact = large_literals::all_digits(&expr).filter(|_| to.data_type == DataType::BigDecimal);
    if let Expr::Literal(scalar, _) = &expr
        && let Some(value) = exact
            .map(|digits| Value::String(digits.to_owned()))
            .or_else(|| value_of(scalar))
    {
        let cast = value
            .cast(to.data_type)
            .map_err(|error| MultiStageError::new(ErrorCode::QueryPlanning, error.to_string()))?;
        if let Some(scalar) = scalar_of(&cast, to) {
            let text = matches!(value, Value::String(_));
            let scalar = if text { whole_seconds(scalar) } else { scalar };
            return Ok(Expr::Literal(scalar, None));
        }
    }
    // A leaf says a FLOAT by CAST: it would go on with the digits of a DOUBLE.
    let widens = from.is_numeric() && target.is_numeric() && *target != ArrowType::Float32;
    if widens {
        return Ok(Expr::Cast(Cast::new(Box::new(expr), target.clone())));
    }
    cast(expr, to)
}

/// `CAST(expr AS to)` by Pinot's rules.
pub(crate) fn cast(expr: Expr, to: ColumnType) -> Result<Expr> {
    let function = scalar::find("cast", 0)
        .ok_or_else(|| MultiStageError::invalid("there is no function `cast`"))?;
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(
        function,
        vec![expr, lit(to.data_type.name())],
    )))
}
