//! Selection: the first rows, or the best by ORDER BY, with the selected values read last.
//!
//! Must not know: aggregation. Invariant: at most LIMIT + OFFSET rows leave a task.

use std::cmp::Ordering as Order;
use std::sync::atomic::{AtomicI64, Ordering};

use common::{Block, DataType, Value};
use segment::{Docs, Segment};

use crate::QueryError;
use crate::expr::BoundExpr;
use crate::merge::Partial;
use crate::plan::{Plan, PlanOrder, Shape};
use crate::project::{Projection, Source};
use crate::scan::Scan;

/// How far the first ORDER BY key may reach into the segments, as tasks find better rows: whole numbers of a column only.
pub(crate) struct Cut {
    /// Column of the first key, and whether small values come first.
    key: Option<(String, bool)>,
    /// The largest rank that is still of interest.
    worst: AtomicI64,
}

impl Cut {
    pub(crate) fn new(plan: &Plan) -> Self {
        let first = match &plan.shape {
            Shape::Selection { .. } if !plan.null_handling => plan.order_by.first(),
            _ => None,
        };
        let key = first.and_then(|order| {
            let index = order.expr.as_column()?;
            let column = &plan.columns[index];
            let data_type = column.column_type.data_type;
            let whole = matches!(data_type, DataType::Int | DataType::Long);
            whole.then(|| (column.name.clone(), order.ascending))
        });
        Self {
            key,
            worst: AtomicI64::new(i64::MAX),
        }
    }

    /// True where segments can be told apart by what they may add.
    pub(crate) fn is_known(&self) -> bool {
        self.key.is_some()
    }

    /// The best rank that a segment's rows can have.
    pub(crate) fn best(&self, segment: &dyn Segment) -> i64 {
        let best = || -> Option<i64> {
            let (name, ascending) = self.key.as_ref()?;
            let stats = segment.column(name)?.stats();
            if *ascending {
                stats.min?.as_i64()
            } else {
                stats.max?.as_i64().map(|max| !max)
            }
        };
        best().unwrap_or(i64::MIN)
    }

    /// True where no row of a segment can be among the first any more.
    pub(crate) fn excludes(&self, segment: &dyn Segment) -> bool {
        self.key.is_some() && self.best(segment) > self.worst.load(Ordering::Relaxed)
    }

    /// The last of enough rows has this value.
    fn lower(&self, last: &Value) {
        if let (Some((_, ascending)), Some(value)) = (&self.key, last.as_i64()) {
            let rank = if *ascending { value } else { !value };
            self.worst.fetch_min(rank, Ordering::Relaxed);
        }
    }
}

/// Selects rows of a task.
pub(crate) fn rows(
    scan: &mut Scan<'_>,
    outputs: &[BoundExpr],
    cut: &Cut,
) -> Result<Partial, QueryError> {
    let plan = scan.plan;
    let wanted = plan.limit.saturating_add(plan.offset);
    let docs = if wanted == 0 {
        Vec::new()
    } else if plan.order_by.is_empty() {
        first(scan, wanted)?
    } else {
        best(scan, wanted, cut)?
    };
    let mut read = std::collections::HashSet::new();
    for expr in outputs.iter().chain(plan.order_by.iter().map(|o| &o.expr)) {
        expr.visit_columns(&mut |index| {
            read.insert(index);
        });
    }
    scan.stats.num_entries_scanned_post_filter = if plan.order_by.is_empty() {
        docs.len() as u64 * read.len() as u64
    } else {
        let mut keys = std::collections::HashSet::new();
        plan.order_by.iter().for_each(|o| {
            o.expr.visit_columns(&mut |index| {
                keys.insert(index);
            });
        });
        scan.stats.num_docs_scanned * keys.len() as u64
            + docs.len() as u64 * (read.len() - keys.len()) as u64
    };
    read_rows(scan, outputs, docs)
}

fn first(scan: &mut Scan<'_>, wanted: usize) -> Result<Vec<u32>, QueryError> {
    let mut kept = Vec::new();
    scan.until_enough(|_, docs| {
        docs.for_each(|doc| {
            if kept.len() < wanted {
                kept.push(doc);
            }
        });
        Ok(kept.len() < wanted)
    })?;
    scan.stats.num_docs_scanned = kept.len() as u64;
    Ok(kept)
}

/// A row that is kept: the rank of its first key, its keys, the row.
type Kept = (i64, Vec<Value>, u32);

/// The best rows by ORDER BY, in that order.
fn best(scan: &mut Scan<'_>, wanted: usize, cut: &Cut) -> Result<Vec<u32>, QueryError> {
    let plan = scan.plan;
    let mut kept: Vec<Kept> = Vec::new();
    let mut worst: Option<Kept> = None;
    let room = wanted.saturating_mul(2).max(1024);
    let order = |a: &Kept, b: &Kept| compare(&a.1, &b.1, &plan.order_by).then(a.2.cmp(&b.2));
    let mut ranks = Vec::new();
    scan.for_each_block(|scan, docs| {
        let ranked = first_key_ranks(scan, &docs, &mut ranks);
        // Most rows are hopeless by their first key alone: of those no other key is read.
        let mut list = Vec::new();
        if ranked && let Some((limit, ..)) = &worst {
            let mut row = 0;
            docs.for_each(|doc| {
                if ranks[row] <= *limit {
                    ranks[list.len()] = ranks[row];
                    list.push(doc);
                }
                row += 1;
            });
            if list.is_empty() {
                return Ok(true);
            }
        } else {
            docs.for_each(|doc| list.push(doc));
        }
        let mut projection = Projection::new(scan.columns, Docs::List(&list));
        let keys = plan
            .order_by
            .iter()
            .map(|o| o.expr.evaluate_shown(&mut projection, &plan.context))
            .collect::<Result<Vec<Block>, _>>()?;
        for (row, doc) in list.iter().enumerate() {
            let first = keys[0].value(row);
            let hopeless = worst.as_ref().is_some_and(|(_, worst, _)| {
                let (mine, theirs) = (std::slice::from_ref(&first), &worst[..1]);
                compare(mine, theirs, &plan.order_by[..1]) == Order::Greater
            });
            if !hopeless {
                let mut values = Vec::with_capacity(keys.len());
                values.push(first);
                values.extend(keys[1..].iter().map(|key| key.value(row)));
                kept.push((if ranked { ranks[row] } else { 0 }, values, *doc));
            }
        }
        if kept.len() >= room {
            kept.select_nth_unstable_by(wanted - 1, order);
            kept.truncate(wanted);
            worst = kept.iter().max_by(|a, b| order(a, b)).cloned();
        }
        Ok(true)
    })?;
    kept.sort_unstable_by(order);
    kept.truncate(wanted);
    if let (true, Some((_, values, _))) = (kept.len() == wanted, kept.last()) {
        cut.lower(&values[0]);
    }
    Ok(kept.into_iter().map(|(_, _, doc)| doc).collect())
}

/// Numbers that ascend as the first key's order goes, within this segment; false where the key has none.
fn first_key_ranks(scan: &Scan<'_>, docs: &Docs<'_>, ranks: &mut Vec<i64>) -> bool {
    let Some(key) = scan.plan.order_by.first() else {
        return false;
    };
    let Some(index) = key.expr.as_column() else {
        return false;
    };
    let Source::Stored { column, .. } = &scan.columns.sources[index] else {
        return false;
    };
    if column.column_type().multi || scan.columns.handled_nulls(index).is_some() {
        return false;
    }
    match column.dictionary() {
        Some(dictionary) if dictionary.is_sorted() => {
            let mut ids = Vec::new();
            column.ids(docs.clone(), &mut ids);
            ranks.clear();
            ranks.extend(ids.iter().map(|id| i64::from(*id)));
        }
        Some(_) => return false,
        None => {
            let data_type = column.column_type().data_type.stored();
            let whole = matches!(data_type, DataType::Int | DataType::Long);
            if !whole || !column.longs(docs, ranks) {
                return false;
            }
        }
    }
    if !key.ascending {
        ranks.iter_mut().for_each(|rank| *rank = !*rank);
    }
    true
}

/// Compares two rows of keys.
pub(crate) fn compare(a: &[Value], b: &[Value], order: &[PlanOrder]) -> Order {
    for ((x, y), key) in a.iter().zip(b).zip(order) {
        let ordering = match (x.is_null(), y.is_null()) {
            (true, true) => Order::Equal,
            (true, false) if key.nulls_first => Order::Less,
            (true, false) => Order::Greater,
            (false, true) if key.nulls_first => Order::Greater,
            (false, true) => Order::Less,
            _ if key.ascending => x.total_cmp(y),
            _ => y.total_cmp(x),
        };
        if ordering != Order::Equal {
            return ordering;
        }
    }
    Order::Equal
}

/// Reads outputs and keys of rows given in any order.
fn read_rows(
    scan: &Scan<'_>,
    outputs: &[BoundExpr],
    docs: Vec<u32>,
) -> Result<Partial, QueryError> {
    let plan = scan.plan;
    let mut ascending = docs.clone();
    ascending.sort_unstable();
    let mut projection = Projection::new(scan.columns, Docs::List(&ascending));
    let back: Vec<u32> = docs
        .iter()
        .map(|doc| {
            ascending
                .binary_search(doc)
                .map_or(0, |position| position as u32)
        })
        .collect();
    let mut evaluate = |expr: &BoundExpr| -> Result<Block, QueryError> {
        let block = expr.evaluate_shown(&mut projection, &plan.context)?;
        Ok(block.take(&back).flattened())
    };
    let columns = outputs
        .iter()
        .map(&mut evaluate)
        .collect::<Result<Vec<_>, _>>()?;
    let keys = plan
        .order_by
        .iter()
        .map(|o| evaluate(&o.expr))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Partial::Rows {
        columns,
        keys,
        count: docs.len(),
    })
}

/// Empty columns of a selection.
pub(crate) fn no_rows(plan: &Plan, outputs: &[BoundExpr]) -> Partial {
    let empty = |expr: &BoundExpr| Block::from_values(expr.column_type(), &[]);
    Partial::Rows {
        columns: outputs.iter().map(empty).collect(),
        keys: plan.order_by.iter().map(|o| empty(&o.expr)).collect(),
        count: 0,
    }
}
