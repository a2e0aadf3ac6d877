//! UNNEST in a plan: arrays beside their rows become a row for each of their elements.
//!
//! A marked projection over nothing, alone or as the right side of a join that gives its arrays, becomes the engine's unnest.
//! Must not know: syntax. Invariant: the columns of the marked projection, in its order and with its names, behind those of the
//! left side; arrays of different lengths go side by side, and the shorter gives nulls.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType as ArrowType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, NullHandling, TableReference, UnnestOptions};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::MultiStageError;
use crate::types::{arrow_type, column_type};

/// The function that marks an array; it has the type of an element.
pub(crate) const ELEMENT: &str = "$element";
/// The function that marks the place of an element in its arrays, from 1.
pub(crate) const ORDINAL: &str = "$ordinal";

/// The function that gives the places of all elements.
pub(crate) const ORDINALS: &str = "$ordinals";

/// Rewrites every marked projection.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn unnested(plan: LogicalPlan) -> Result<LogicalPlan> {
    let joined = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => match marked(&join.right) {
            Some(items) => Ok(Transformed::yes(beside(&join, &items)?)),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    })?;
    let alone = joined
        .data
        .transform_down_with_subqueries(|node| match node {
            LogicalPlan::Projection(projection) if has_mark(&projection.expr) => {
                let names = projection.schema.columns();
                let items: Vec<Expr> = projection.expr.clone();
                let input = projection.input.as_ref().clone();
                let rows = elements(input, &items, false)?;
                let outputs = names.into_iter().enumerate().map(|(at, name)| {
                    Expr::Column(Column::new_unqualified(place(at)))
                        .alias_qualified(name.relation, name.name)
                });
                Ok(Transformed::yes(rows.project(outputs)?.build()?))
            }
            other => Ok(Transformed::no(other)),
        })?;
    Ok(alone.data)
}

/// The name of an array while it is unnested.
fn place(at: usize) -> String {
    format!("$element{at}")
}

fn mark(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::Alias(alias) => mark(&alias.expr),
        Expr::ScalarFunction(function) if matches!(function.func.name(), ELEMENT | ORDINAL) => {
            Some(function)
        }
        _ => None,
    }
}

fn has_mark(exprs: &[Expr]) -> bool {
    exprs.iter().any(|expr| mark(expr).is_some())
}

/// The marked list that a join's right side is, below names and the wrapper of a lateral query.
fn marked(plan: &LogicalPlan) -> Option<Vec<Expr>> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => marked(&alias.input),
        LogicalPlan::Subquery(subquery) => marked(&subquery.subquery),
        LogicalPlan::Projection(Projection { expr, input, .. }) => {
            if has_mark(expr) {
                return Some(expr.clone());
            }
            // New names for the same columns.
            let renames = expr
                .iter()
                .all(|e| matches!(e.clone().unalias(), Expr::Column(_)));
            marked(input).filter(|items| renames && items.len() == expr.len())
        }
        _ => None,
    }
}

/// Rows with their elements in the columns [`place`] behind the input's.
fn elements(input: LogicalPlan, items: &[Expr], keeps: bool) -> Result<LogicalPlanBuilder> {
    let mut list: Vec<Expr> = input
        .schema()
        .columns()
        .into_iter()
        .map(Expr::Column)
        .collect();
    let mut places = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let function = mark(item).ok_or_else(|| {
            MultiStageError::invalid("UNNEST gives nothing but elements and their places")
        })?;
        let args = function.args.iter().cloned().map(own);
        let args = args.collect::<Result<Vec<Expr>>>()?;
        let array = match (function.func.name(), args.as_slice()) {
            (ELEMENT, [array]) => array.clone(),
            _ => Expr::ScalarFunction(ScalarFunction::new_udf(
                Arc::new(ScalarUDF::from(Ordinals::new())),
                args,
            )),
        };
        list.push(array.alias(place(at)));
        places.push(Column::new_unqualified(place(at)));
    }
    let null_handling = if keeps {
        NullHandling::PreserveAndExpandEmpty
    } else {
        NullHandling::Drop
    };
    LogicalPlanBuilder::from(input)
        .project(list)?
        .unnest_columns_with_options(
            places,
            UnnestOptions {
                null_handling,
                ..UnnestOptions::default()
            },
        )
}

/// A reference to the left side as one of its columns.
fn own(expr: Expr) -> Result<Expr> {
    let done = expr.transform_up(|inner| match inner {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(done.data)
}

fn beside(join: &Join, items: &[Expr]) -> Result<LogicalPlan> {
    let keeps = join.join_type == JoinType::Left;
    let rows = elements(join.left.as_ref().clone(), items, keeps)?;
    let left = join.left.schema().columns().into_iter().map(Expr::Column);
    let right = join.right.schema().columns();
    let right = right.into_iter().enumerate().map(|(at, name)| {
        let relation: Option<TableReference> = name.relation;
        Expr::Column(Column::new_unqualified(place(at))).alias_qualified(relation, name.name)
    });
    let mut rows = rows.project(left.chain(right).collect::<Vec<_>>())?;
    let always = |filter: &Expr| {
        let text = filter.to_string();
        text.eq_ignore_ascii_case("Boolean(true)") || text.eq_ignore_ascii_case("true")
    };
    let mut conditions: Vec<Expr> = join
        .on
        .iter()
        .map(|(left, right)| left.clone().eq(right.clone()))
        .collect();
    conditions.extend(join.filter.clone().filter(|filter| !always(filter)));
    for condition in conditions {
        if keeps {
            return Err(MultiStageError::invalid(format!(
                "`LEFT JOIN UNNEST(..) ON {condition}`: the only condition that is supported is TRUE"
            ))
            .into());
        }
        rows = rows.filter(condition)?;
    }
    rows.build()
}

/// `$ordinals(array, ..)`: the places 1, 2, .. of the longest.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ordinals {
    signature: Signature,
}

/// `$ordinals` as one of the engine's functions.
pub(crate) fn ordinals() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Ordinals::new()))
}

impl Ordinals {
    fn new() -> Self {
        Self {
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

fn list_of_int() -> ArrowType {
    ArrowType::List(Arc::new(Field::new_list_field(ArrowType::Int32, true)))
}

impl ScalarUDFImpl for Ordinals {
    fn name(&self) -> &str {
        ORDINALS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(list_of_int())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut values = Vec::new();
        let mut lengths = Vec::with_capacity(rows);
        for row in 0..rows {
            let longest = arrays.iter().map(|array| length(array, row)).max();
            let longest = longest.unwrap_or(0);
            values.extend(1..=longest);
            lengths.push(usize::try_from(longest).unwrap_or(0));
        }
        let list = ListArray::try_new(
            Arc::new(Field::new_list_field(ArrowType::Int32, true)),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(Int32Array::from(values)),
            None,
        )?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

fn length(array: &ArrayRef, row: usize) -> i32 {
    if !column_type(array.data_type()).multi
        || array.data_type() != &arrow_type(column_type(array.data_type()))
        || array.is_null(row)
    {
        return 0;
    }
    array.as_list::<i32>().value_length(row)
}
