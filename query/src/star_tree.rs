//! Whether a segment's star-tree answers a query, and which of its records do.
//!
//! Must not know: how trees are stored. Invariant: a tree is used only where its answer equals that of a scan; bit by bit, but for
//! sums of fractions and sketches that depend on the order of rows.

use common::{Schema, TableConfig};
use segment::{Asked, IdSet, Segment, StarTree};

use crate::QueryError;
use crate::filter::dictionary_ids;
use crate::kernel::{Kernel, Source};
use crate::merge::Partial;
use crate::plan::{BoundFilter, Plan, PlanAggregation, Shape};
use crate::star_states::States;
use crate::stats::QueryStats;

/// How records are aggregated.
pub(crate) enum Work<'a> {
    /// Sums and extremes of whole numbers.
    Kernel(Box<Kernel<'a>>),
    /// States too.
    States(States<'a>),
}

/// Aggregated records in place of rows.
pub(crate) struct Search<'a> {
    pub(crate) work: Work<'a>,
    pub(crate) tree: &'a StarTree,
    pub(crate) asked: Vec<Asked>,
}

impl Search<'_> {
    /// Records that it reads at most, beside those of a leaf that are passed over.
    pub(crate) fn most_records(&self) -> usize {
        let of_dimension = |(at, asked): (usize, &Asked)| match &asked.ids {
            Some(ids) => ids.len() as usize,
            None if asked.grouped => {
                let column = self.tree.dimension_column(at);
                let dictionary = column.and_then(segment::Column::dictionary);
                dictionary.map_or(usize::MAX, |d| d.len() as usize)
            }
            None => 1,
        };
        let dimensions = self.asked.iter().enumerate().map(of_dimension);
        dimensions.fold(1, usize::saturating_mul)
    }
}

/// Aggregates records of a star-tree.
pub(crate) fn run(plan: &Plan, search: Search<'_>) -> Result<(Partial, QueryStats), QueryError> {
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return Err(QueryError::execution(
            "a star-tree answers aggregations only",
        ));
    };
    let records = search.tree.search(&search.asked);
    let found = records.len() as u64;
    let partial = match search.work {
        Work::Kernel(kernel) => kernel.run_list(&records, aggregations)?,
        Work::States(states) => states.run(&records, aggregations)?,
    };
    let stats = QueryStats {
        num_docs_scanned: found,
        num_entries_scanned_post_filter: found * (keys.len() + aggregations.len()) as u64,
        num_segments_processed: 1,
        num_segments_matched: u64::from(found > 0),
        ..QueryStats::default()
    };
    Ok((partial, stats))
}

/// The first tree of a segment that answers the query.
pub(crate) fn search<'a>(plan: &Plan, segment: &'a dyn Segment) -> Option<Search<'a>> {
    let trees = segment.star_trees();
    let usable = !trees.is_empty()
        && plan.use_star_tree
        && !plan.null_handling
        && !segment.is_consuming()
        && segment.valid_docs().is_none();
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return None;
    };
    let counts_only = keys.is_empty() && aggregations.iter().all(|a| a.inputs.is_empty());
    let known = counts_only && matches!(plan.filter, BoundFilter::Constant(_));
    if !usable || known || aggregations.iter().any(|a| a.filter.is_some()) {
        return None;
    }
    let columns: Vec<usize> = keys
        .iter()
        .map(crate::expr::BoundExpr::as_column)
        .collect::<Option<_>>()?;
    let mut trees = trees.iter();
    trees.find_map(|tree| of_tree(plan, segment, tree, &columns, aggregations))
}

fn of_tree<'a>(
    plan: &Plan,
    segment: &'a dyn Segment,
    tree: &'a StarTree,
    keys: &[usize],
    aggregations: &[PlanAggregation],
) -> Option<Search<'a>> {
    let mut asked = vec![Asked::default(); tree.metadata().dimensions.len()];
    let mut columns = Vec::with_capacity(keys.len());
    for key in keys {
        let dimension = tree.dimension(&plan.columns[*key].name)?;
        asked[dimension].grouped = true;
        columns.push(tree.dimension_column(dimension)?);
    }
    conditions(&plan.filter, plan, tree, &mut asked)?;
    let source = Source {
        plan,
        segment,
        tree,
    };
    let work = match Kernel::over_tree(&columns, aggregations, &source) {
        Some(kernel) => Work::Kernel(Box::new(kernel)),
        None => Work::States(States::new(plan, tree, &columns, aggregations)?),
    };
    Some(Search { work, tree, asked })
}

/// True where the table config has a star-tree for the query, as far as that is known without segments.
#[must_use]
pub fn is_announced(plan: &Plan, table: &TableConfig, schema: &Schema) -> bool {
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return false;
    };
    let name = |index: usize| plan.columns.get(index).map(|column| column.name.as_str());
    let mut dimensions = Vec::new();
    for key in keys {
        match key.as_column().and_then(name) {
            Some(column) => dimensions.push(column),
            None => return false,
        }
    }
    let mut calls = Vec::with_capacity(aggregations.len());
    for aggregation in aggregations {
        let (sql::Expr::Call(call), None) = (&aggregation.expr, &aggregation.filter) else {
            return false;
        };
        let column = match aggregation.inputs.as_slice() {
            [] => None,
            [input] => match input.as_column().and_then(name) {
                Some(column) => Some(column),
                None => return false,
            },
            _ => return false,
        };
        let literals = call.args.iter().skip(1);
        let literals = literals.filter_map(|arg| arg.as_literal().cloned());
        calls.push((call.name.as_str(), literals.collect(), column));
    }
    let usable = plan.use_star_tree && !plan.null_handling && table.upsert_config.is_none();
    usable
        && tested(&plan.filter, &mut dimensions, &name)
        && segment::index::star_tree::is_announced(table, schema, &dimensions, &calls)
}

/// Collects the columns of a filter; false where it has no form that trees know.
fn tested<'a>(
    filter: &BoundFilter,
    dimensions: &mut Vec<&'a str>,
    name: &dyn Fn(usize) -> Option<&'a str>,
) -> bool {
    match filter {
        BoundFilter::Constant(value) => *value,
        BoundFilter::And(children) => children.iter().all(|c| tested(c, dimensions, name)),
        BoundFilter::Or(children) => {
            let before = dimensions.len();
            let all = children.iter().all(|c| tested(c, dimensions, name));
            all && dimensions[before..]
                .windows(2)
                .all(|pair| pair[0] == pair[1])
        }
        BoundFilter::Not(child) => tested(child, dimensions, name),
        BoundFilter::IsNull(..) | BoundFilter::Refused(_) => false,
        BoundFilter::Test(test) => {
            let column = test.expr.as_column().and_then(name);
            dimensions.extend(column);
            column.is_some()
        }
    }
}

/// Brings a filter to one set of ids a dimension; `None` where it has no such form.
fn conditions(
    filter: &BoundFilter,
    plan: &Plan,
    tree: &StarTree,
    asked: &mut [Asked],
) -> Option<()> {
    match filter {
        BoundFilter::Constant(true) => Some(()),
        BoundFilter::And(children) => children
            .iter()
            .try_for_each(|child| conditions(child, plan, tree, asked)),
        other => {
            let condition = condition(other, plan, tree)?;
            let ids = &mut asked.get_mut(condition.dimension)?.ids;
            let both = match ids.take() {
                Some(before) => condition.with(&before, |a, b| a && b),
                None => condition.ids,
            };
            // What matches nothing is settled without any records.
            (!both.is_empty()).then(|| *ids = Some(both))
        }
    }
}

/// A condition on one dimension.
struct Condition {
    dimension: usize,
    cardinality: u32,
    ids: IdSet,
}

impl Condition {
    fn with(&self, other: &IdSet, holds: impl Fn(bool, bool) -> bool) -> IdSet {
        IdSet::from_test(self.cardinality, |id| {
            holds(self.ids.contains(id), other.contains(id))
        })
    }
}

fn condition(filter: &BoundFilter, plan: &Plan, tree: &StarTree) -> Option<Condition> {
    match filter {
        BoundFilter::Test(test) => {
            let name = &plan.columns[test.expr.as_column()?].name;
            let dimension = tree.dimension(name)?;
            let column = tree.dimension_column(dimension)?;
            let cardinality = column.dictionary()?.len();
            let ids = dictionary_ids(column, &test.matcher)?;
            Some(Condition {
                dimension,
                cardinality,
                ids: if test.negated {
                    ids.complement(cardinality)
                } else {
                    ids
                },
            })
        }
        BoundFilter::Not(child) => {
            let mut condition = condition(child, plan, tree)?;
            condition.ids = condition.ids.complement(condition.cardinality);
            Some(condition)
        }
        BoundFilter::And(children) | BoundFilter::Or(children) => {
            let any = matches!(filter, BoundFilter::Or(_));
            let mut children = children.iter().map(|child| condition(child, plan, tree));
            let mut all = children.next()??;
            for child in children {
                let child = child?;
                if child.dimension != all.dimension {
                    return None;
                }
                all.ids = all.with(&child.ids, |a, b| if any { a || b } else { a && b });
            }
            Some(all)
        }
        BoundFilter::Constant(_) | BoundFilter::IsNull(..) | BoundFilter::Refused(_) => None,
    }
}
