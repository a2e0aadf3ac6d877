//! GAPFILL: rows of time buckets completed per series, and what an outer query makes of them.
//!
//! Must not know: servers; the inner result is there already. Invariant: rows come bucket by bucket, in each the found ones
//! before the filled ones; limits are those of Pinot, which count a bucket's series whether filled or not.

mod aggregate;
mod order;
mod running;
mod times;

use std::collections::HashMap;

use common::{Block, ColumnType, DataType, Value};
use functions::scalar::{EvalContext, Role};
use sql::gapfill::{Fill, Gapfill, Outer};
use sql::{Expr, Filter, text};

use crate::expr::BoundExpr;
use crate::plan::BoundFilter;
use crate::reduce::{Columns, passing};
use crate::{QueryError, ResultTable};

use times::Times;

type Row = Vec<Value>;

/// Completes the answer of the inner query.
///
/// # Errors
/// Where a column is not in it, a format is none, or an outer expression refuses a value.
pub fn fill(
    gapfill: &Gapfill,
    table: ResultTable,
    context: &EvalContext,
) -> Result<ResultTable, QueryError> {
    let filler = Filler::new(gapfill, &table, context)?;
    let Some(outer) = &gapfill.outer else {
        let rows = filler.rows(table.rows.clone())?;
        return Ok(ResultTable { rows, ..table });
    };
    let aggregates = outer.aggregates();
    let rows = if !aggregates {
        let sources = outer
            .select
            .iter()
            .map(|item| filler.position(&source(&item.expr)))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = filler.rows(table.rows.clone())?;
        rows.into_iter()
            .map(|row| sources.iter().map(|at| row[*at].clone()).collect())
            .collect()
    } else if let Some(answers) = running::plan(gapfill, outer, &filler)? {
        running::rows(&filler, outer, &answers, &table.rows)?
    } else {
        aggregate::rows(filler, outer, table.rows.clone())?
    };
    shown(outer, &table, gapfill, rows, aggregates)
}

/// The text of the column that a selected expression reads.
fn source(expr: &Expr) -> String {
    match expr {
        Expr::Call(call) if call.name == "gapfill" && !call.args.is_empty() => {
            text::expression(&call.args[0])
        }
        other => text::expression(other),
    }
}

/// The outer result. Pinot gives every column of it that is no aggregation the time column's type.
fn shown(
    outer: &Outer,
    table: &ResultTable,
    gapfill: &Gapfill,
    rows: Vec<Row>,
    aggregates: bool,
) -> Result<ResultTable, QueryError> {
    let time = position(table, &gapfill.time)?;
    let types = outer
        .select
        .iter()
        .map(|item| match &item.expr {
            expr if aggregates && expr.is_aggregation() => {
                aggregate::bound(expr, table).map(|(function, _)| function.returns())
            }
            _ => Ok(table.types[time]),
        })
        .collect::<Result<_, _>>()?;
    Ok(ResultTable {
        names: outer.select.iter().map(sql::gapfill::name).collect(),
        types,
        rows,
    })
}

fn position(table: &ResultTable, name: &str) -> Result<usize, QueryError> {
    table.names.iter().position(|n| n == name).ok_or_else(|| {
        QueryError::validation(format!(
            "GAPFILL column '{name}' is not present in the SELECT list: {}",
            table.names.join(", ")
        ))
    })
}

/// A filter over rows with known columns.
struct RowFilter {
    filter: BoundFilter,
    types: Vec<ColumnType>,
    context: EvalContext,
}

impl RowFilter {
    fn new(
        filter: &Filter,
        names: &[String],
        types: &[ColumnType],
        context: &EvalContext,
    ) -> Result<Self, QueryError> {
        let mut column = |name: &str| {
            let at = names.iter().position(|n| n == name);
            at.map(|at| (at, types[at])).ok_or_else(|| {
                QueryError::validation(format!("`{name}` is no column of the gapfilled rows"))
            })
        };
        let filter = BoundFilter::bind_over(filter, crate::plan::Literals::Lenient, &mut |expr| {
            // An aggregation is the column that it was selected as.
            let name = text::expression(expr);
            if expr.is_aggregation() {
                return column(&name).map(|(at, column_type)| BoundExpr::Column(at, column_type));
            }
            BoundExpr::bind(expr, Role::Scalar, &mut column)
        })?;
        Ok(Self {
            filter,
            types: types.to_vec(),
            context: context.clone(),
        })
    }

    fn passes(&self, row: &[Value]) -> Result<bool, QueryError> {
        let blocks = row
            .iter()
            .zip(&self.types)
            .map(|(value, column_type)| {
                Block::from_values(*column_type, std::slice::from_ref(value))
            })
            .collect();
        let mut columns = Columns { blocks, rows: 1 };
        Ok(!passing(&self.filter, &mut columns, &self.context)?.is_empty())
    }
}

/// What is known of the rows and their buckets.
struct Filler<'a> {
    gapfill: &'a Gapfill,
    names: Vec<String>,
    types: Vec<ColumnType>,
    times: Times,
    time: usize,
    /// Columns that make a series, in their order.
    series: Vec<usize>,
    filter: Option<RowFilter>,
    context: EvalContext,
    limit: usize,
    previous: HashMap<Vec<String>, Row>,
    keys: Vec<Row>,
}

impl<'a> Filler<'a> {
    fn new(
        gapfill: &'a Gapfill,
        table: &ResultTable,
        context: &EvalContext,
    ) -> Result<Self, QueryError> {
        let mut series = gapfill
            .series
            .iter()
            .map(|name| position(table, name))
            .collect::<Result<Vec<_>, _>>()?;
        series.sort_unstable();
        series.dedup();
        let filter = gapfill.outer.as_ref().and_then(|o| o.filter.as_ref());
        Ok(Self {
            gapfill,
            times: Times::new(gapfill)?,
            time: position(table, &gapfill.time)?,
            series,
            filter: filter
                .map(|f| RowFilter::new(f, &table.names, &table.types, context))
                .transpose()?,
            names: table.names.clone(),
            types: table.types.clone(),
            context: context.clone(),
            limit: gapfill.fill_limit,
            previous: HashMap::new(),
            keys: Vec::new(),
        })
    }

    fn position(&self, name: &str) -> Result<usize, QueryError> {
        self.names.iter().position(|n| n == name).ok_or_else(|| {
            QueryError::validation(format!("`{name}` is no column of the gapfilled rows"))
        })
    }

    fn key(&self, row: &[Value]) -> Vec<String> {
        self.series.iter().map(|at| row[*at].to_text()).collect()
    }

    fn passes(&self, row: &[Value]) -> Result<bool, QueryError> {
        self.filter.as_ref().map_or(Ok(true), |f| f.passes(row))
    }

    fn time_of(&self, row: &[Value]) -> Result<i64, QueryError> {
        self.times.of(&row[self.time])
    }

    /// A time as the time column has it.
    fn shown_time(&self, millis: i64) -> Value {
        self.times.shown(millis, self.types[self.time].data_type)
    }

    /// Every row of every bucket.
    fn rows(mut self, rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
        if rows.is_empty() {
            return Ok(rows);
        }
        let mut out = Vec::new();
        let mut found = self.sorted_in(rows)?;
        for (time, rows) in self.times.starts().zip(found.drain(..)) {
            out.extend(self.bucket(time, rows)?);
        }
        Ok(out)
    }

    /// Puts rows into their buckets; of rows before the first bucket each series keeps the last.
    fn sorted_in(&mut self, rows: Vec<Row>) -> Result<Vec<Vec<Row>>, QueryError> {
        let mut found: Vec<Vec<Row>> = vec![Vec::new(); self.times.count()];
        let mut before: HashMap<Vec<String>, i64> = HashMap::new();
        let mut known = std::collections::HashSet::new();
        for row in rows {
            let time = self.time_of(&row)?;
            let bucket = self.times.bucket_of(time);
            if bucket >= found.len() as i64 {
                continue;
            }
            let key = self.key(&row);
            if known.insert(key.clone()) {
                self.keys
                    .push(self.series.iter().map(|at| row[*at].clone()).collect());
            }
            match usize::try_from(bucket) {
                Ok(bucket) => found[bucket].push(row),
                Err(_) => {
                    if before.get(&key).is_none_or(|last| time > *last) {
                        before.insert(key.clone(), time);
                        self.previous.insert(key, row);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The rows of one bucket.
    fn bucket(&mut self, time: i64, rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
        let mut out = Vec::new();
        let mut there = std::collections::HashSet::new();
        for row in rows {
            let of_row = self.time_of(&row)?;
            if of_row > time {
                break;
            }
            if of_row < time {
                continue;
            }
            if self.passes(&row)? {
                if out.len() >= self.limit {
                    self.limit = 0;
                    break;
                }
                out.push(row.clone());
            }
            let key = self.key(&row);
            there.insert(key.clone());
            self.previous.insert(key, row);
        }
        for at in order::of(&self.keys) {
            let key: Vec<String> = self.keys[at].iter().map(Value::to_text).collect();
            if there.contains(&key) {
                continue;
            }
            let row = self.filled(time, &self.keys[at], &key);
            if self.passes(&row)? {
                if out.len() >= self.limit {
                    break;
                }
                out.push(row);
            }
        }
        self.limit = self.limit.saturating_sub(self.keys.len());
        Ok(out)
    }

    fn filled(&self, time: i64, series: &[Value], key: &[String]) -> Row {
        let mut values = series.iter();
        (0..self.types.len())
            .map(|at| {
                if at == self.time {
                    return self.shown_time(time);
                }
                if self.series.contains(&at) {
                    return values.next().cloned().unwrap_or_default();
                }
                let previous = match self.gapfill.fills.get(&self.names[at]) {
                    Some(Fill::Previous) => self.previous.get(key),
                    _ => None,
                };
                previous.map_or_else(|| nothing(self.types[at]), |row| row[at].clone())
            })
            .collect()
    }
}

/// What a type has where nothing was found.
fn nothing(column_type: ColumnType) -> Value {
    if column_type.multi {
        return Value::Array(column_type.data_type, Vec::new());
    }
    match column_type.data_type {
        DataType::String | DataType::Json | DataType::Bytes => Value::String(String::new()),
        other => Value::Int(0).cast(other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
