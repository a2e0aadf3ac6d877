//! The columns of set operations in one type, where the engine below would choose another than Pinot's planner.
//!
//! Must not know: values. Invariant: names of columns stay.

use std::sync::Arc;

use common::{ColumnType, DataType};
use datafusion::common::{JoinType, NullEquality, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, LogicalPlanBuilder, Union};

use crate::types::column_type;
use crate::typing;

/// A union with the columns of all parts in one type.
///
/// # Errors
/// Where a part cannot be planned anew.
pub(crate) fn alike(mut union: Union) -> Result<Union> {
    let wanted = wanted(&union.inputs);
    if wanted.iter().any(Option::is_some) {
        for input in &mut union.inputs {
            *input = Arc::new(cast_to(input, &wanted)?);
        }
    }
    Ok(union)
}

/// The same of INTERSECT and EXCEPT, which are joins by all columns; what is distinct is so in the common type.
///
/// # Errors
/// Where a side cannot be planned anew.
pub(crate) fn sides_alike(mut join: Join) -> Result<Join> {
    let kept = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti);
    let nulls_meet = join.null_equality == NullEquality::NullEqualsNull;
    if !kept || !nulls_meet || join.on.len() != join.left.schema().fields().len() {
        return Ok(join);
    }
    let sides = [Arc::clone(&join.left), Arc::clone(&join.right)];
    let mut wanted = wanted(&sides);
    for (at, wanted) in wanted.iter_mut().enumerate() {
        let types = sides.each_ref().map(|side| type_at(side, at));
        if let [Some(one), Some(other)] = types
            && wanted.is_none()
        {
            *wanted = wider(one, other).or_else(|| text_beside_number(one, other));
        }
    }
    if wanted.iter().any(Option::is_some) {
        join.left = Arc::new(match join.left.as_ref() {
            LogicalPlan::Distinct(Distinct::All(rows)) => {
                LogicalPlan::Distinct(Distinct::All(Arc::new(cast_to(rows, &wanted)?)))
            }
            _ => cast_to(&join.left, &wanted)?,
        });
        join.right = Arc::new(cast_to(&join.right, &wanted)?);
    }
    Ok(join)
}

fn type_at(input: &LogicalPlan, at: usize) -> Option<ColumnType> {
    let field = input.schema().fields().get(at)?;
    Some(column_type(field.data_type()))
}

/// Beside a text a number is one too.
fn text_beside_number(one: ColumnType, other: ColumnType) -> Option<DataType> {
    let single = !one.multi && !other.multi;
    let sides = [(one, other), (other, one)];
    let met = sides
        .iter()
        .any(|(text, number)| text.data_type == DataType::String && number.data_type.is_numeric());
    (single && met).then_some(DataType::String)
}

/// The wider of two numbers.
fn wider(one: ColumnType, other: ColumnType) -> Option<DataType> {
    const WIDTHS: [DataType; 4] = [
        DataType::Int,
        DataType::Long,
        DataType::Float,
        DataType::Double,
    ];
    let width = |found: ColumnType| {
        let at = WIDTHS.iter().position(|wide| *wide == found.data_type);
        at.filter(|_| !found.multi)
    };
    let (one, other) = (width(one)?, width(other)?);
    (one != other).then(|| WIDTHS[one.max(other)])
}

/// The types that columns take where the engine below would choose others: whole numbers are BIG_DECIMAL where they stand beside
/// it, BIG_DECIMAL are DOUBLE beside that, BYTES beside texts are their hexadecimal digits, times beside texts are written
/// out, and whole numbers beside times are milliseconds.
fn wanted(inputs: &[Arc<LogicalPlan>]) -> Vec<Option<DataType>> {
    let width = inputs
        .first()
        .map_or(0, |first| first.schema().fields().len());
    let mut wanted: Vec<Option<DataType>> = Vec::with_capacity(width);
    for at in 0..width {
        let types: Vec<ColumnType> = inputs
            .iter()
            .filter_map(|input| type_at(input, at))
            .collect();
        let any = |test: fn(DataType) -> bool| types.iter().any(|t| test(t.data_type));
        let numbers = types.iter().all(|t| !t.multi && t.data_type.is_numeric());
        let decimal = any(|t| t == DataType::BigDecimal);
        let mixed = numbers && decimal && !types.windows(2).all(|pair| pair[0] == pair[1]);
        let floating = types.iter().zip(inputs).any(|(found, input)| {
            let floats = matches!(found.data_type, DataType::Double | DataType::Float);
            floats && !is_decimal_literal(input, at)
        });
        let number = mixed.then_some(if floating {
            DataType::Double
        } else {
            DataType::BigDecimal
        });
        let single = types.iter().all(|t| !t.multi);
        let texts = any(|t| t == DataType::String)
            && any(|t| matches!(t, DataType::Bytes | DataType::Timestamp));
        let times = any(|t| t == DataType::Timestamp)
            && any(DataType::is_integer)
            && types
                .iter()
                .all(|t| t.data_type == DataType::Timestamp || t.data_type.is_integer());
        let other = match (texts, times) {
            (true, _) => Some(DataType::String),
            (_, true) => Some(DataType::Timestamp),
            _ => None,
        };
        wanted.push(number.or(other.filter(|_| single)));
    }
    wanted
}

/// True for a column that is a literal with a fraction: an exact decimal to the planner.
fn is_decimal_literal(input: &LogicalPlan, at: usize) -> bool {
    let LogicalPlan::Projection(projection) = input else {
        return false;
    };
    // A whole number is what a function folded to.
    projection.expr.get(at).is_some_and(|expr| {
        matches!(expr.clone().unalias(), Expr::Literal(ScalarValue::Float64(Some(value)), _)
            if value.fract() != 0.0)
    })
}

/// A plan with columns in other types, under their names.
fn cast_to(input: &Arc<LogicalPlan>, wanted: &[Option<DataType>]) -> Result<LogicalPlan> {
    let columns = input.schema().columns().into_iter().zip(wanted);
    let fields = input.schema().fields();
    let selected = columns.zip(fields).map(|((column, wanted), field)| {
        let own = column_type(field.data_type()).data_type;
        Ok(match wanted {
            Some(target) if own != *target => {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                let cast = typing::cast(Expr::Column(column), ColumnType::sv(*target))?;
                cast.alias_qualified(relation, name)
            }
            _ => Expr::Column(column),
        })
    });
    let selected = selected.collect::<Result<Vec<Expr>>>()?;
    LogicalPlanBuilder::from(input.as_ref().clone())
        .project(selected)?
        .build()
}
