//! The last step, at the broker: HAVING, expressions over aggregations, ORDER BY, OFFSET, LIMIT.
//!
//! Must not know: servers. Invariant: the result has the names and types of the plan.

use common::{Block, ColumnType, DataType, Value};
use functions::scalar::EvalContext;
use sql::{Call, Expr};

use crate::QueryError;
use crate::expr::{BoundExpr, Rows};
use crate::group_by::GroupTable;
use crate::merge::Partial;
use crate::order::RowOrder;
use crate::plan::{BoundFilter, Plan, Shape};

/// A final result.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultTable {
    /// Column names.
    pub names: Vec<String>,
    /// Column types.
    pub types: Vec<ColumnType>,
    /// Rows.
    pub rows: Vec<Vec<Value>>,
}

/// Columns that are already there.
pub(crate) struct Columns {
    /// One a column.
    pub(crate) blocks: Vec<Block>,
    /// Number of rows.
    pub(crate) rows: usize,
}

impl Columns {
    /// Some of the rows, in that order.
    fn taken(&self, order: &[u32]) -> Self {
        Self {
            blocks: self.blocks.iter().map(|block| block.take(order)).collect(),
            rows: order.len(),
        }
    }
}

impl Rows for Columns {
    fn rows(&self) -> usize {
        self.rows
    }

    fn column(&mut self, index: usize, _nulls: bool) -> Result<Block, QueryError> {
        Ok(self.blocks[index].clone())
    }
}

/// Makes the final result.
///
/// # Errors
/// Where an expression over aggregations refuses a value.
pub fn reduce(plan: &Plan, partial: Partial) -> Result<ResultTable, QueryError> {
    let Columns { blocks, rows } = reduced(plan, partial)?;
    let rows: Vec<Vec<Value>> = (0..rows)
        .map(|row| blocks.iter().map(|block| block.value(row)).collect())
        .collect();
    Ok(ResultTable {
        names: plan.names.clone(),
        types: types_of(plan, rows.is_empty()),
        rows,
    })
}

/// Makes the final result as columns, without a value of its own for every cell; the table beside them has no rows.
///
/// # Errors
/// As [`reduce`].
pub fn reduce_columns(
    plan: &Plan,
    partial: Partial,
) -> Result<(ResultTable, Vec<Block>), QueryError> {
    let Columns { blocks, rows } = reduced(plan, partial)?;
    let table = ResultTable {
        names: plan.names.clone(),
        types: types_of(plan, rows == 0),
        rows: Vec::new(),
    };
    Ok((table, blocks))
}

fn types_of(plan: &Plan, empty: bool) -> Vec<ColumnType> {
    if empty {
        plan.types_without_groups()
    } else {
        plan.types.clone()
    }
}

fn reduced(plan: &Plan, partial: Partial) -> Result<Columns, QueryError> {
    match (&plan.shape, partial) {
        (
            Shape::Selection { .. },
            Partial::Rows {
                columns,
                keys,
                count,
            },
        ) => Ok(selected(plan, columns, &keys, count)),
        (Shape::Distinct { .. }, Partial::Groups(table)) => distinct(plan, table),
        (
            Shape::Aggregation {
                keys,
                outputs,
                having,
                ..
            },
            Partial::Groups(table),
        ) => aggregated(plan, table, keys.is_empty(), outputs, having.as_ref()),
        _ => Err(QueryError::execution(
            "the result does not belong to the query",
        )),
    }
}

fn selected(plan: &Plan, columns: Vec<Block>, keys: &[Block], count: usize) -> Columns {
    let whole = plan.order_by.is_empty() && plan.offset == 0 && plan.limit >= count;
    if whole {
        return Columns {
            blocks: columns,
            rows: count,
        };
    }
    Columns {
        blocks: columns,
        rows: count,
    }
    .taken(&positions(plan, keys, count))
}

/// Rows in order, without those that OFFSET skips and LIMIT cuts.
fn positions(plan: &Plan, keys: &[Block], count: usize) -> Vec<u32> {
    let wanted = plan.offset.saturating_add(plan.limit);
    let order: Vec<u32> = if plan.order_by.is_empty() {
        (0..count.min(wanted) as u32).collect()
    } else {
        RowOrder::new(keys, &plan.order_by).first(count, wanted)
    };
    order
        .into_iter()
        .skip(plan.offset)
        .take(plan.limit)
        .collect()
}

fn order_keys(plan: &Plan, columns: &mut Columns) -> Result<Vec<Block>, QueryError> {
    plan.order_by
        .iter()
        .map(|o| {
            let block = o.expr.evaluate(columns, &plan.context)?;
            match o.expr.as_column() {
                Some(at) if is_decimal_text(plan, at) => {
                    Ok(block.cast(ColumnType::sv(DataType::BigDecimal))?)
                }
                _ => Ok(block),
            }
        })
        .collect()
}

/// True for an exact sum, which is shown as a text and ordered as a number.
fn is_decimal_text(plan: &Plan, at: usize) -> bool {
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return false;
    };
    let found = at
        .checked_sub(keys.len())
        .and_then(|at| aggregations.get(at));
    found.is_some_and(|found| {
        let sums = |call: &Call| call.name == "sumprecision";
        let named = match &found.expr {
            Expr::Call(call) if call.name == "filter" => {
                matches!(call.args.first(), Some(Expr::Call(inner)) if sums(inner))
            }
            Expr::Call(call) => sums(call),
            _ => false,
        };
        named && found.returns.data_type == DataType::String
    })
}

fn distinct(plan: &Plan, table: GroupTable) -> Result<Columns, QueryError> {
    let rows = table.len();
    let (blocks, _) = table.into_parts();
    let mut columns = Columns { blocks, rows };
    let keys = order_keys(plan, &mut columns)?;
    Ok(columns.taken(&positions(plan, &keys, rows)))
}

fn aggregated(
    plan: &Plan,
    mut table: GroupTable,
    no_keys: bool,
    outputs: &[BoundExpr],
    having: Option<&BoundFilter>,
) -> Result<Columns, QueryError> {
    if no_keys && table.is_empty() {
        // An aggregation over nothing still has its one row.
        table.add(&[], 0);
    }
    let mut columns = finished(plan, table, no_keys);
    if let Some(having) = having {
        let kept: Vec<u32> = passing(having, &mut columns, &plan.context)?;
        columns = columns.taken(&kept);
    }
    let keys = order_keys(plan, &mut columns)?;
    let order = positions(plan, &keys, columns.rows);
    let mut columns = columns.taken(&order);
    let blocks = outputs
        .iter()
        .zip(&plan.types)
        .map(|(output, shown)| {
            let block = output.evaluate(&mut columns, &plan.context)?;
            match shown.data_type {
                DataType::Object => untyped(block),
                _ => Ok(block),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Columns {
        blocks,
        rows: columns.rows,
    })
}

/// Values of a column of type OBJECT: nothing says how a time or a BIG_DECIMAL is written, so they are plain numbers.
fn untyped(block: Block) -> Result<Block, QueryError> {
    let plain = match block.column_type().data_type {
        DataType::Timestamp => DataType::Long,
        DataType::BigDecimal => DataType::Double,
        _ => return Ok(block),
    };
    Ok(block.cast(ColumnType::sv(plain))?)
}

/// Keys and answers of all groups.
fn finished(plan: &Plan, table: GroupTable, no_keys: bool) -> Columns {
    let rows = table.len();
    let (mut blocks, states) = table.into_parts();
    if let Shape::Aggregation { aggregations, .. } = &plan.shape {
        for (state, aggregation) in states.iter().zip(aggregations) {
            blocks.push(state.answers(aggregation.returns, !no_keys));
        }
    }
    Columns { blocks, rows }
}

/// The rows that pass a filter.
pub(crate) fn passing(
    filter: &BoundFilter,
    columns: &mut Columns,
    context: &EvalContext,
) -> Result<Vec<u32>, QueryError> {
    let truth = truth(filter, columns, context)?;
    Ok((0..columns.rows as u32)
        .filter(|row| truth[*row as usize] == Some(true))
        .collect())
}

/// For each row: true, false or unknown.
fn truth(
    filter: &BoundFilter,
    columns: &mut Columns,
    context: &EvalContext,
) -> Result<Vec<Option<bool>>, QueryError> {
    let rows = columns.rows;
    Ok(match filter {
        BoundFilter::Constant(value) => vec![Some(*value); rows],
        BoundFilter::Refused(error) => return Err(error.clone()),
        BoundFilter::Not(child) => truth(child, columns, context)?
            .into_iter()
            .map(|t| t.map(|v| !v))
            .collect(),
        BoundFilter::And(children) | BoundFilter::Or(children) => {
            let absorbing = matches!(filter, BoundFilter::Or(_));
            let mut out = vec![Some(!absorbing); rows];
            for child in children {
                for (mine, theirs) in out.iter_mut().zip(truth(child, columns, context)?) {
                    *mine = match (*mine, theirs) {
                        (Some(a), _) if a == absorbing => Some(absorbing),
                        (_, Some(b)) if b == absorbing => Some(absorbing),
                        (None, _) | (_, None) => None,
                        _ => Some(!absorbing),
                    };
                }
            }
            out
        }
        BoundFilter::IsNull(expr, wanted) => {
            let block = expr.evaluate(columns, context)?;
            (0..rows)
                .map(|row| Some(block.is_null(row) == *wanted))
                .collect()
        }
        BoundFilter::Test(test) => {
            let block = test.expr.evaluate(columns, context)?;
            (0..rows)
                .map(|row| match block.value(row) {
                    Value::Null => None,
                    Value::Array(_, items) => {
                        Some(items.iter().any(|i| test.matcher.matches(i)) != test.negated)
                    }
                    value => Some(test.matcher.matches(&value) != test.negated),
                })
                .collect()
        }
    })
}
