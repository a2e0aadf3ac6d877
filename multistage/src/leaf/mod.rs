//! Leaf stages: the parts of a plan that one single-stage query answers, cut out and replaced by its result.
//!
//! Must not know: how a leaf query reaches the servers ([`Leaves`] does). Invariant: the replacement has the schema of what
//! it replaces; what a leaf query cannot say stays with the engine above it.

mod narrowed;
mod operator;
mod provider;
mod rows;
mod text;
mod told;
mod traced;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Aggregate, Expr, FetchType, Filter, Limit, LogicalPlan, Projection, SkipType, Sort, SortExpr,
    SubqueryAlias, TableScan,
};

pub(crate) use narrowed::{WRITTEN, id_set, integer};
pub(crate) use operator::LeafExec;
pub use provider::{LeafAnswer, LeafPart, LeafRows, LeafStreams, Leaves};
pub use rows::batch_of;
pub(crate) use rows::planned;
pub(crate) use told::told;

use crate::catalog::Table;
use provider::LeafProvider;

/// A single-stage query as it grows from the table upwards.
#[derive(Debug, Clone)]
struct Leaf {
    table: String,
    schema: DFSchemaRef,
    /// The SQL of every column of the schema.
    outputs: Vec<String>,
    /// The table's columns of INT, which are compared with no LONG beyond them.
    narrow: Arc<[String]>,
    filters: Vec<String>,
    /// GROUP BY, or a global aggregation where empty.
    groups: Option<Vec<String>>,
    distinct: bool,
    having: Vec<String>,
    order: Vec<String>,
    limit: Option<usize>,
}

impl Leaf {
    fn is_plain(&self) -> bool {
        self.groups.is_none() && !self.distinct && self.limit.is_none()
    }

    /// The statement.
    fn sql(&self) -> String {
        let mut list = self.outputs.join(", ");
        let rows = self.groups.is_none() && !self.distinct;
        if rows && !self.outputs.iter().any(|o| names_column(o)) {
            // Literals alone would be answered without the table: once, not once a row.
            let between = if list.is_empty() { "" } else { ", " };
            list.push_str(&format!("{between}\"$docId\""));
        } else if list.is_empty() {
            // Nothing but the number of rows is asked for.
            let key = self.groups.as_ref().and_then(|groups| groups.first());
            list.push_str(key.map_or("COUNT(*)", String::as_str));
        }
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let mut sql = format!("SELECT {distinct}{list} FROM \"{}\"", self.table);
        let mut clause = |word: &str, parts: &[String], between: &str| {
            if !parts.is_empty() {
                sql.push_str(&format!(" {word} {}", parts.join(between)));
            }
        };
        clause("WHERE", &self.filters, " AND ");
        clause("GROUP BY", self.groups.as_deref().unwrap_or(&[]), ", ");
        clause("HAVING", &self.having, " AND ");
        clause("ORDER BY", &self.order, ", ");
        let limit = self.limit.unwrap_or(MOST_ROWS).min(MOST_ROWS);
        sql.push_str(&format!(" LIMIT {limit}"));
        sql
    }

    /// A scan of this leaf's result.
    fn into_plan(self, leaves: &Arc<dyn Leaves>) -> LogicalPlan {
        let schema = Arc::new(self.schema.as_arrow().clone());
        let provider = LeafProvider::new(&self, schema, Arc::clone(leaves));
        LogicalPlan::TableScan(TableScan {
            table_name: self.table.as_str().into(),
            source: provider_as_source(Arc::new(provider)),
            projection: None,
            projected_schema: self.schema,
            filters: Vec::new(),
            fetch: None,
            statistics_requests: BTreeSet::new(),
        })
    }
}

/// True where an expression has a name outside its texts.
fn names_column(sql: &str) -> bool {
    sql.split('\'').step_by(2).any(|part| part.contains('"'))
}

/// LIMIT of a leaf that must answer all its rows.
const MOST_ROWS: usize = 2_147_483_647;

/// Replaces every largest subtree that is a leaf.
///
/// # Errors
/// Where a plan cannot be rebuilt.
pub(crate) fn cut(plan: LogicalPlan, leaves: &Arc<dyn Leaves>) -> Result<LogicalPlan> {
    let done = plan.transform_down_with_subqueries(|node| {
        if let Some((leaf, above)) = limited(&node) {
            let scan = leaf.into_plan(leaves);
            let rebuilt = above.with_new_exprs(above.expressions(), vec![scan])?;
            return Ok(Transformed::new(rebuilt, true, TreeNodeRecursion::Jump));
        }
        match of(&node) {
            Some(leaf) => Ok(Transformed::new(
                leaf.into_plan(leaves),
                true,
                TreeNodeRecursion::Jump,
            )),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(done.data)
}

/// A top-n or a LIMIT right over a leaf: the leaf answers no more rows than needed, the node above stays.
fn limited(node: &LogicalPlan) -> Option<(Leaf, &LogicalPlan)> {
    match node {
        LogicalPlan::Sort(Sort { expr, input, fetch }) => {
            let mut leaf = of(input)?;
            let Some(fetch) = fetch else {
                return Some((leaf, node));
            };
            if leaf.limit.is_none()
                && let Some(order) = order_of(expr, &leaf)
            {
                leaf.order = order;
                leaf.limit = Some(*fetch);
            }
            Some((leaf, node))
        }
        LogicalPlan::Limit(limit) => {
            let mut leaf = of(&limit.input)?;
            let rows = rows_of(limit);
            if let Some(rows) = rows
                && leaf.limit.is_none()
            {
                leaf.limit = Some(rows);
            }
            Some((leaf, node))
        }
        _ => None,
    }
}

/// Rows that a LIMIT with OFFSET lets through or skips.
fn rows_of(limit: &Limit) -> Option<usize> {
    let FetchType::Literal(Some(fetch)) = limit.get_fetch_type().ok()? else {
        return None;
    };
    let SkipType::Literal(skip) = limit.get_skip_type().ok()? else {
        return None;
    };
    fetch.checked_add(skip)
}

fn order_of(sorts: &[SortExpr], leaf: &Leaf) -> Option<Vec<String>> {
    // A number orders nothing, and would be read as a position.
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    let orders = |text: &Option<String>| !text.as_deref().is_some_and(is_number);
    // Distinct rows are ordered by what they have.
    let has = |text: &String| !leaf.distinct || leaf.outputs.contains(text);
    sorts
        .iter()
        .map(|sort| (sort, text::expression(&sort.expr, leaf)))
        .filter(|(_, text)| orders(text))
        .map(|(sort, text)| {
            let cut = |text: &String| leaf.groups.is_some() && text::is_cut(&sort.expr, text, leaf);
            let expr = text.filter(has).filter(|text| !cut(text))?;
            let direction = if sort.asc { "ASC" } else { "DESC" };
            let nulls = if sort.nulls_first { "FIRST" } else { "LAST" };
            Some(format!("{expr} {direction} NULLS {nulls}"))
        })
        .collect()
}

/// True for rows as a leaf reads them, neither grouped nor limited.
pub(crate) fn reads(node: &LogicalPlan) -> bool {
    of(node).is_some_and(|leaf| leaf.is_plain())
}

/// True for an expression that a leaf reads from its table as it is.
pub(crate) fn is_stored(expr: &Expr, node: &LogicalPlan) -> bool {
    let Some(leaf) = of(node) else {
        return false;
    };
    let text = text::expression(expr, &leaf);
    text.is_some_and(|text| text::column_of(&text).is_some())
}

/// The leaf that a subtree is; `None` where it is none.
fn of(node: &LogicalPlan) -> Option<Leaf> {
    match node {
        LogicalPlan::TableScan(scan) => of_scan(scan),
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, schema, .. }) => {
            let leaf = of(input)?;
            Some(Leaf {
                schema: Arc::clone(schema),
                ..leaf
            })
        }
        LogicalPlan::Filter(filter) => of_filter(filter),
        LogicalPlan::Projection(projection) => of_projection(projection),
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate),
        LogicalPlan::Limit(limit) => of_limit(limit),
        _ => None,
    }
}

/// A LIMIT that the optimiser put below a projection.
fn of_limit(limit: &Limit) -> Option<Leaf> {
    let SkipType::Literal(0) = limit.get_skip_type().ok()? else {
        return None;
    };
    let rows = rows_of(limit)?;
    let mut leaf = of(&limit.input)?;
    leaf.limit = Some(leaf.limit.map_or(rows, |known| known.min(rows)));
    Some(leaf)
}

fn of_scan(scan: &TableScan) -> Option<Leaf> {
    let table = Table::of(scan)?;
    let schema = &scan.projected_schema;
    let narrow = schema.fields().iter();
    let narrow = narrow.filter(|field| *field.data_type() == ArrowType::Int32);
    let mut leaf = Leaf {
        table: table.name.clone(),
        outputs: schema
            .fields()
            .iter()
            .map(|field| text::column(field.name()))
            .collect(),
        narrow: narrow.map(|field| text::column(field.name())).collect(),
        schema: Arc::clone(schema),
        filters: Vec::new(),
        groups: None,
        distinct: false,
        having: Vec::new(),
        order: Vec::new(),
        limit: scan.fetch,
    };
    for filter in &scan.filters {
        leaf.filters.push(text::condition(filter, &leaf)?);
    }
    Some(leaf)
}

fn of_filter(filter: &Filter) -> Option<Leaf> {
    let mut leaf = of(&filter.input)?;
    let condition = text::condition(&filter.predicate, &leaf)?;
    if leaf.is_plain() {
        leaf.filters.push(condition);
    } else if leaf
        .groups
        .as_ref()
        .is_some_and(|groups| !groups.is_empty())
        && leaf.limit.is_none()
    {
        leaf.having.push(text::of_groups(&filter.predicate, &leaf)?);
    } else {
        return None;
    }
    Some(leaf)
}

fn of_projection(projection: &Projection) -> Option<Leaf> {
    let leaf = of(&projection.input)?;
    // The first rows of a selection may be any, so that a limit below is one above.
    let renames_only = leaf.groups.is_some() || leaf.distinct;
    let outputs = projection
        .expr
        .iter()
        .map(|expr| {
            let inner = expr.clone().unalias();
            if renames_only && !matches!(inner, Expr::Column(_)) {
                return None;
            }
            text::expression(&inner, &leaf)
        })
        .collect::<Option<Vec<_>>>()?;
    if leaf.distinct && outputs.len() != leaf.outputs.len() {
        return None;
    }
    Some(Leaf {
        outputs,
        schema: Arc::clone(&projection.schema),
        ..leaf
    })
}

fn of_aggregate(aggregate: &Aggregate) -> Option<Leaf> {
    let leaf = of(&aggregate.input)?;
    if !leaf.is_plain() {
        return None;
    }
    let groups = aggregate
        .group_expr
        .iter()
        .map(|expr| text::group(expr, &leaf))
        .collect::<Option<Vec<_>>>()?;
    let mut outputs = groups.clone();
    for expr in &aggregate.aggr_expr {
        outputs.push(text::aggregate(expr, &leaf)?);
    }
    let distinct = aggregate.aggr_expr.is_empty();
    Some(Leaf {
        outputs,
        schema: Arc::clone(&aggregate.schema),
        groups: (!distinct).then_some(groups),
        distinct,
        ..leaf
    })
}
