//! An outer aggregation over gapfilled rows, per group of buckets.
//!
//! Must not know: how rows are filled. Invariant: groups come in the order of their first row.

use common::{Block, Value};
use functions::Groups;
use functions::aggregate::{self, AggregateCall, AggregateFunction, Dialect};
use functions::scalar::Argument;
use sql::gapfill::Outer;
use sql::{Expr, text};

use super::{Filler, Row, RowFilter};
use crate::{QueryError, ResultTable};

type Bound = (Box<dyn AggregateFunction>, Vec<usize>);

/// An aggregation over columns of the rows, and the columns it reads.
pub(super) fn bound(expr: &Expr, table: &ResultTable) -> Result<Bound, QueryError> {
    bind(expr, &table.names, &table.types)
}

fn bind(expr: &Expr, names: &[String], types: &[common::ColumnType]) -> Result<Bound, QueryError> {
    let Expr::Call(call) = expr else {
        return Err(QueryError::validation("expected an aggregation"));
    };
    let mut arguments = Vec::new();
    let mut positions = Vec::new();
    for arg in &call.args {
        let (column_type, literal, at) = match arg {
            Expr::Star => continue,
            Expr::Literal(value) => (value.column_type(), Some(value.clone()), 0),
            column => {
                let name = text::expression(column);
                let at = names.iter().position(|n| *n == name);
                let at = at.ok_or_else(|| {
                    QueryError::validation(format!("`{name}` is no column of the gapfilled rows"))
                })?;
                (types[at], None, at)
            }
        };
        positions.push(at);
        arguments.push(Argument {
            column_type,
            literal,
        });
    }
    let function = aggregate::bind(&AggregateCall {
        name: &call.name,
        arguments: &arguments,
        null_handling: false,
        dialect: Dialect::SingleStage,
    })?;
    let read = function
        .inputs()
        .into_iter()
        .filter_map(|input| positions.get(input).copied())
        .collect();
    Ok((function, read))
}

/// The outer result's rows.
pub(super) fn rows(
    mut filler: Filler<'_>,
    outer: &Outer,
    rows: Vec<Row>,
) -> Result<Vec<Row>, QueryError> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let having = having(&filler, outer)?;
    let mut found = filler.sorted_in(rows)?;
    let (mut out, mut together) = (Vec::new(), Vec::new());
    let mut first = None;
    let starts: Vec<i64> = filler.times.starts().collect();
    for (bucket, (time, rows)) in starts.into_iter().zip(found.drain(..)).enumerate() {
        let start = *first.get_or_insert(time);
        together.extend(filler.bucket(time, rows)?);
        if (bucket as i64 + 1) % filler.times.together != 0 {
            continue;
        }
        first = None;
        let shown = filler.shown_time(start);
        for row in &mut together {
            let row: &mut Row = row;
            row[filler.time] = shown.clone();
        }
        for row in grouped(&filler, outer, &std::mem::take(&mut together))? {
            if having.as_ref().map_or(Ok(true), |h| h.passes(&row))? {
                out.push(row);
            }
            if out.len() >= outer.limit {
                return Ok(out);
            }
        }
    }
    Ok(out)
}

fn having(filler: &Filler<'_>, outer: &Outer) -> Result<Option<RowFilter>, QueryError> {
    let Some(having) = &outer.having else {
        return Ok(None);
    };
    let names: Vec<String> = outer
        .select
        .iter()
        .map(|item| match &item.alias {
            Some(alias) if !item.expr.is_aggregation() => alias.clone(),
            _ => text::expression(&item.expr),
        })
        .collect();
    let types = outer
        .select
        .iter()
        .map(|item| {
            if item.expr.is_aggregation() {
                bind(&item.expr, &filler.names, &filler.types).map(|(f, _)| f.returns())
            } else {
                let at = filler.position(&text::expression(&item.expr))?;
                Ok(filler.types[at])
            }
        })
        .collect::<Result<Vec<_>, QueryError>>()?;
    RowFilter::new(having, &names, &types, &filler.context).map(Some)
}

/// One row a group.
fn grouped(filler: &Filler<'_>, outer: &Outer, rows: &[Row]) -> Result<Vec<Row>, QueryError> {
    let keys = outer
        .group_by
        .iter()
        .map(|key| filler.position(&text::expression(key)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut firsts: Vec<usize> = Vec::new();
    let mut known = std::collections::HashMap::new();
    let mut groups = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let key: Vec<String> = keys.iter().map(|k| row[*k].to_text()).collect();
        let group = *known.entry(key).or_insert_with(|| {
            firsts.push(at);
            firsts.len() as u32 - 1
        });
        groups.push(group);
    }
    let columns = outer
        .select
        .iter()
        .map(|item| {
            if !item.expr.is_aggregation() {
                let at = filler.position(&text::expression(&item.expr))?;
                return Ok(firsts.iter().map(|row| rows[*row][at].clone()).collect());
            }
            let (function, read) = bind(&item.expr, &filler.names, &filler.types)?;
            let inputs: Vec<Block> = read
                .into_iter()
                .map(|at| {
                    let values: Vec<Value> = rows.iter().map(|row| row[at].clone()).collect();
                    Block::from_values(filler.types[at], &values)
                })
                .collect();
            let mut states = function.grouped();
            states.grow(firsts.len());
            states.update(Groups::Each(&groups), &inputs)?;
            Ok((0..firsts.len())
                .map(|group| states.finish(group))
                .collect())
        })
        .collect::<Result<Vec<Vec<Value>>, QueryError>>()?;
    Ok((0..firsts.len())
        .map(|group| columns.iter().map(|column| column[group].clone()).collect())
        .collect())
}
