//! The order of inner joins: the pair with the fewest rows first, the smaller side where the hash table is built.
//!
//! Must not know: servers. Invariant: the same rows and columns, in whatever order of joins.

mod semi;

use std::collections::{BTreeSet, HashMap};

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator, Projection};

use crate::catalog::Table;
use crate::statistics::{TableFigures, Wanted};

pub(crate) type Figures = HashMap<String, TableFigures>;

/// Rows of a relation of which nothing is known.
const UNKNOWN_ROWS: f64 = 1000.0;

/// The tables that inner joins join, and the columns by which they do; empty where there is nothing to order.
pub(crate) fn wanted(plan: &LogicalPlan) -> Wanted {
    let mut wanted = Wanted::new();
    let _ = plan.apply_with_subqueries(|node| {
        let LogicalPlan::Join(join) = node else {
            return Ok(TreeNodeRecursion::Continue);
        };
        let semi = join.join_type == JoinType::LeftSemi;
        for (left, right) in join.on.iter().filter(|_| semi || is_plain(join)) {
            for (side, key) in [(&join.left, left), (&join.right, right)] {
                if let Some((table, column)) = origin(side, key) {
                    let columns = wanted.entry(table).or_default();
                    // Of a semi join rows alone are asked.
                    columns.extend((!semi).then_some(column));
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    wanted
}

/// Orders every tree of inner joins.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn ordered(plan: LogicalPlan, figures: &Figures) -> Result<LogicalPlan> {
    if figures.is_empty() {
        return Ok(plan);
    }
    let done = plan.transform_down_with_subqueries(|node| match &node {
        LogicalPlan::Join(join) if is_plain(join) => match rebuilt(&node, figures)? {
            // What lies below was ordered with it.
            Some(plan) => Ok(Transformed::new(plan, true, TreeNodeRecursion::Jump)),
            None => Ok(Transformed::no(node)),
        },
        LogicalPlan::Join(join) if join.join_type == JoinType::LeftSemi => {
            match semi::lowered(&node, join, figures)? {
                Some(plan) => {
                    let plan = ordered(plan, figures)?;
                    Ok(Transformed::new(plan, true, TreeNodeRecursion::Jump))
                }
                None => Ok(Transformed::no(node)),
            }
        }
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(done.data)
}

fn is_plain(join: &Join) -> bool {
    join.join_type == JoinType::Inner
        && !join.null_aware
        && join.null_equality == NullEquality::NullEqualsNothing
}

/// A tree of inner joins taken apart.
#[derive(Default)]
struct Parts {
    relations: Vec<LogicalPlan>,
    on: Vec<(Expr, Expr)>,
    filters: Vec<Expr>,
}

fn take_apart(plan: &LogicalPlan, parts: &mut Parts) {
    match plan {
        LogicalPlan::Join(join) if is_plain(join) => {
            take_apart(&join.left, parts);
            take_apart(&join.right, parts);
            parts.on.extend(join.on.iter().cloned());
            if let Some(filter) = &join.filter {
                parts
                    .filters
                    .extend(split_conjunction(filter).into_iter().cloned());
            }
        }
        LogicalPlan::Projection(Projection { expr, input, .. })
            if matches!(input.as_ref(), LogicalPlan::Join(join) if is_plain(join))
                && expr.iter().all(|e| matches!(e, Expr::Column(_))) =>
        {
            take_apart(input, parts);
        }
        other => parts.relations.push(other.clone()),
    }
}

/// Some relations joined.
struct Group {
    plan: LogicalPlan,
    members: BTreeSet<usize>,
    rows: f64,
}

/// A join condition: keys, the relations that they come from, how many values they have.
struct Edge {
    left: Expr,
    right: Expr,
    from: usize,
    to: usize,
    distinct: f64,
    /// Rows of the smaller of the two tables, where it is known.
    table_rows: Option<f64>,
}

fn rebuilt(tree: &LogicalPlan, figures: &Figures) -> Result<Option<LogicalPlan>> {
    let mut parts = Parts::default();
    take_apart(tree, &mut parts);
    let mut edges = Vec::with_capacity(parts.on.len());
    for (left, right) in &parts.on {
        let (Some(from), Some(to)) = (place(left, &parts), place(right, &parts)) else {
            return Ok(None);
        };
        let left_count = distinct(&parts.relations[from], left, figures);
        let right_count = distinct(&parts.relations[to], right, figures);
        edges.push(Edge {
            left: left.clone(),
            right: right.clone(),
            from,
            to,
            distinct: left_count.max(right_count),
            table_rows: smaller_table(&parts, (from, left), (to, right), figures),
        });
    }
    let mut groups: Vec<Group> = Vec::with_capacity(parts.relations.len());
    for (at, relation) in parts.relations.iter().enumerate() {
        groups.push(Group {
            // Relations of another kind may hold joins of their own.
            plan: ordered(relation.clone(), figures)?,
            members: BTreeSet::from([at]),
            rows: rows(relation, figures),
        });
    }
    while groups.len() > 1 {
        let Some((first, second, rows)) = cheapest(&groups, &edges) else {
            return Ok(None);
        };
        let b = groups.swap_remove(first.max(second));
        let a = groups.swap_remove(first.min(second));
        let (build, probe) = if a.rows <= b.rows { (a, b) } else { (b, a) };
        groups.push(joined(build, probe, rows, &edges)?);
    }
    let Some(group) = groups.pop() else {
        return Ok(None);
    };
    let mut builder = LogicalPlanBuilder::from(group.plan);
    if let Some(filter) = parts.filters.into_iter().reduce(Expr::and) {
        builder = builder.filter(filter)?;
    }
    let columns = tree.schema().columns().into_iter().map(Expr::Column);
    builder
        .project(columns.collect::<Vec<_>>())?
        .build()
        .map(Some)
}

/// The relation that all columns of a key come from.
fn place(key: &Expr, parts: &Parts) -> Option<usize> {
    let columns = key.column_refs();
    if columns.is_empty() {
        return None;
    }
    let has_all = |relation: &LogicalPlan| {
        columns
            .iter()
            .all(|column| relation.schema().has_column(column))
    };
    parts.relations.iter().position(has_all)
}

/// The two groups whose join has the fewest rows; groups without a condition between them come last.
fn cheapest(groups: &[Group], edges: &[Edge]) -> Option<(usize, usize, f64)> {
    let mut best: Option<(bool, f64, usize, usize)> = None;
    for first in 0..groups.len() {
        for second in first + 1..groups.len() {
            let (a, b) = (&groups[first], &groups[second]);
            let distinct = distinct_keys(edges.iter().filter(|edge| between(edge, a, b)));
            let crossed = distinct.is_empty();
            let mut rows = a.rows * b.rows;
            // Keys of several relations are seldom independent: the first counts, any other a little.
            for (turn, count) in distinct.iter().rev().enumerate() {
                rows /= if turn == 0 { *count } else { count.sqrt() };
            }
            let rows = rows.max(1.0);
            let better = best
                .is_none_or(|(known_crossed, known, ..)| (crossed, rows) < (known_crossed, known));
            if better {
                best = Some((crossed, rows, first, second));
            }
        }
    }
    best.map(|(_, rows, first, second)| (first, second, rows))
}

/// How many different keys each pair of relations has at most, fewest first.
fn distinct_keys<'a>(edges: impl Iterator<Item = &'a Edge>) -> Vec<f64> {
    let mut pairs: HashMap<(usize, usize), Vec<&Edge>> = HashMap::new();
    for edge in edges {
        let pair = (edge.from.min(edge.to), edge.from.max(edge.to));
        pairs.entry(pair).or_default().push(edge);
    }
    let mut all = Vec::new();
    for mut edges in pairs.into_values() {
        edges.sort_by(|a, b| b.distinct.total_cmp(&a.distinct));
        let most = edges.first().map_or(1.0, |edge| edge.distinct.max(1.0));
        let product: f64 = edges.iter().map(|edge| edge.distinct.max(1.0)).product();
        match edges
            .iter()
            .filter_map(|edge| edge.table_rows)
            .reduce(f64::min)
        {
            // A key of several columns has no more values than a table has rows.
            Some(table) => all.push(product.min(table.max(most))),
            None => all.extend(edges.iter().map(|edge| edge.distinct.max(1.0))),
        }
    }
    all.sort_by(f64::total_cmp);
    all
}

/// Rows of the smaller of the tables that two keys come from.
fn smaller_table(
    parts: &Parts,
    left: (usize, &Expr),
    right: (usize, &Expr),
    figures: &Figures,
) -> Option<f64> {
    let table_rows = |(at, key): (usize, &Expr)| {
        let (table, _) = origin(parts.relations.get(at)?, key)?;
        Some(figures.get(&table)?.rows)
    };
    Some(table_rows(left)?.min(table_rows(right)?))
}

fn between(edge: &Edge, a: &Group, b: &Group) -> bool {
    (a.members.contains(&edge.from) && b.members.contains(&edge.to))
        || (a.members.contains(&edge.to) && b.members.contains(&edge.from))
}

fn joined(build: Group, probe: Group, rows: f64, edges: &[Edge]) -> Result<Group> {
    let keys: (Vec<Expr>, Vec<Expr>) = edges
        .iter()
        .filter(|edge| between(edge, &build, &probe))
        .map(|edge| {
            if build.members.contains(&edge.from) {
                (edge.left.clone(), edge.right.clone())
            } else {
                (edge.right.clone(), edge.left.clone())
            }
        })
        .unzip();
    let mut members = build.members;
    members.extend(probe.members);
    let builder = LogicalPlanBuilder::from(build.plan);
    let plan = if keys.0.is_empty() {
        builder.cross_join(probe.plan)?
    } else {
        builder.join_with_expr_keys(probe.plan, JoinType::Inner, keys, None)?
    };
    Ok(Group {
        plan: plan.build()?,
        members,
        rows,
    })
}

/// The table's column that a key is, below renames and casts.
fn origin(plan: &LogicalPlan, key: &Expr) -> Option<(String, String)> {
    let column = match key {
        Expr::Column(column) => column.clone(),
        Expr::Cast(cast) => return origin(plan, &cast.expr),
        Expr::Alias(alias) => return origin(plan, &alias.expr),
        _ => return None,
    };
    let at = plan.schema().maybe_index_of_column(&column)?;
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = Table::of(scan)?;
            let field = scan.projected_schema.field(at);
            let single = !matches!(field.data_type(), ArrowType::List(_));
            (single && !field.name().starts_with('$'))
                .then(|| (table.name.clone(), field.name().clone()))
        }
        LogicalPlan::Projection(projection) => origin(&projection.input, projection.expr.get(at)?),
        LogicalPlan::SubqueryAlias(alias) => {
            let (relation, field) = alias.input.schema().qualified_field(at);
            let inner = Column::new(relation.cloned(), field.name());
            origin(&alias.input, &Expr::Column(inner))
        }
        LogicalPlan::Filter(filter) => origin(&filter.input, &Expr::Column(column)),
        LogicalPlan::Sort(sort) => origin(&sort.input, &Expr::Column(column)),
        LogicalPlan::Join(join) => {
            let side = [&join.left, &join.right]
                .into_iter()
                .find(|side| side.schema().has_column(&column))?;
            origin(side, &Expr::Column(column))
        }
        LogicalPlan::Aggregate(aggregate) => {
            origin(&aggregate.input, aggregate.group_expr.get(at)?)
        }
        _ => None,
    }
}

/// Different values of a key.
fn distinct(relation: &LogicalPlan, key: &Expr, figures: &Figures) -> f64 {
    let known = origin(relation, key).and_then(|(table, column)| {
        let figures = figures.get(&table)?;
        figures.distinct.get(&column).copied()
    });
    known.unwrap_or_else(|| rows(relation, figures).max(1.0))
}

/// About how many rows a relation has.
pub(crate) fn rows(plan: &LogicalPlan, figures: &Figures) -> f64 {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let known = Table::of(scan).and_then(|table| figures.get(&table.name));
            let all = known.map_or(UNKNOWN_ROWS, |figures| figures.rows);
            let passing: f64 = scan.filters.iter().map(share).product();
            (all * passing).max(1.0)
        }
        LogicalPlan::Filter(filter) => {
            (rows(&filter.input, figures) * share(&filter.predicate)).max(1.0)
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => 1.0,
        LogicalPlan::Aggregate(aggregate) => {
            let input = rows(&aggregate.input, figures);
            let groups: f64 = aggregate
                .group_expr
                .iter()
                .map(|key| distinct(&aggregate.input, key, figures))
                .product();
            groups.min(input).max(1.0)
        }
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => rows(&join.left, figures) * 0.5,
            JoinType::RightSemi | JoinType::RightAnti => rows(&join.right, figures) * 0.5,
            _ => rows(&join.left, figures).max(rows(&join.right, figures)),
        },
        LogicalPlan::Values(values) => values.values.len() as f64,
        LogicalPlan::Limit(limit) => rows(&limit.input, figures).min(UNKNOWN_ROWS),
        other => match other.inputs().as_slice() {
            [input] => rows(input, figures),
            inputs => inputs
                .iter()
                .map(|input| rows(input, figures))
                .sum::<f64>()
                .max(1.0),
        },
    }
}

/// The share of rows that a condition lets through, by its form.
fn share(condition: &Expr) -> f64 {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => share(left) * share(right),
            Operator::Or => (share(left) + share(right)).min(1.0),
            Operator::Eq | Operator::IsNotDistinctFrom => 0.05,
            Operator::NotEq => 0.9,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => 0.4,
            _ => 0.5,
        },
        Expr::Not(inner) => 1.0 - share(inner),
        Expr::Between(between) if between.negated => 0.8,
        Expr::Between(_) => 0.16,
        Expr::InList(list) if list.negated => 0.8,
        Expr::InList(list) => (0.05 * list.list.len() as f64).min(0.5),
        Expr::IsNotNull(_) => 1.0,
        Expr::ScalarFunction(function) if function.func.name() == "like" => 0.05,
        _ => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{col, lit};

    #[test]
    fn keys_of_two_columns_are_no_more_than_rows() {
        let edge = |to, distinct, table_rows| Edge {
            left: lit(1),
            right: lit(1),
            from: 0,
            to,
            distinct,
            table_rows,
        };
        let both = [
            edge(1, 200_000.0, Some(800_000.0)),
            edge(1, 10_000.0, Some(800_000.0)),
        ];
        assert_eq!(distinct_keys(both.iter()), [800_000.0]);
        let apart = [
            edge(1, 10_000.0, Some(10_000.0)),
            edge(2, 25.0, Some(10_000.0)),
        ];
        assert_eq!(distinct_keys(apart.iter()), [25.0, 10_000.0]);
        let unknown = [edge(1, 9.0, None), edge(1, 4.0, None)];
        assert_eq!(distinct_keys(unknown.iter()), [4.0, 9.0]);
    }

    #[test]
    fn shares_multiply_and_add() {
        let eq = || col("a").eq(lit(1));
        assert!((share(&eq().and(eq())) - 0.0025).abs() < 1e-12);
        assert!((share(&eq().or(eq())) - 0.1).abs() < 1e-12);
        assert!(share(&!eq()) > 0.9);
    }
}
