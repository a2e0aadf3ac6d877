//! Aggregations that need not read every row, or no row at all: from statistics, and from the dictionary ids that occur.
//!
//! Must not know: filters. Invariant: the answer is that of aggregating every row.

use common::{Block, DataType, Values};
use segment::{Column, Docs, Segment};

use crate::plan::{BoundFilter, Plan, PlanAggregation, Shape};
use crate::project::{SegmentColumns, Source};

/// How many values aggregations of a whole segment read where they read no row of it; `None` where they do.
pub(crate) fn values_read(plan: &Plan, segment: &dyn Segment) -> Option<usize> {
    let Shape::Aggregation {
        keys, aggregations, ..
    } = &plan.shape
    else {
        return None;
    };
    let everything = matches!(plan.filter, BoundFilter::Constant(true))
        && (plan.skip_upsert || segment.valid_docs().is_none());
    if !keys.is_empty() || !everything || aggregations.iter().any(|a| a.filter.is_some()) {
        return None;
    }
    let mut values = 1;
    if aggregations.iter().all(|a| a.inputs.is_empty()) {
        return Some(values);
    }
    let columns = SegmentColumns::open(segment, &plan.columns, plan.null_handling, "");
    for aggregation in aggregations.iter().filter(|a| !a.inputs.is_empty()) {
        if segment.is_consuming() {
            return None;
        }
        if by_statistics(aggregation, &columns).is_none() {
            values += set_like_column(aggregation, &columns)?.dictionary()?.len() as usize;
        }
    }
    Some(values)
}

/// MIN, MAX or SUM of a whole segment from the statistics of a column of whole numbers.
pub(crate) fn by_statistics(
    aggregation: &PlanAggregation,
    columns: &SegmentColumns<'_>,
) -> Option<Block> {
    let (sql::Expr::Call(call), [input]) = (&aggregation.expr, aggregation.inputs.as_slice())
    else {
        return None;
    };
    let index = input.as_column()?;
    let Source::Stored { column, .. } = &columns.sources[index] else {
        return None;
    };
    let column_type = column.column_type();
    let whole = matches!(column_type.data_type, DataType::Int | DataType::Long);
    if column_type.multi || !whole || columns.handled_nulls(index).is_some() {
        return None;
    }
    let stats = column.stats();
    let value = match call.name.as_str() {
        "min" => stats.min?.as_i64()? as f64,
        "max" => stats.max?.as_i64()? as f64,
        "sum" => stats.sum? as f64,
        _ => return None,
    };
    Some(Block::new(DataType::Double, Values::Double(vec![value])))
}

/// The column of an aggregation that depends on nothing but the distinct values of a dictionary.
fn set_like_column<'a>(
    aggregation: &PlanAggregation,
    columns: &'a SegmentColumns<'a>,
) -> Option<&'a dyn Column> {
    let sql::Expr::Call(call) = &aggregation.expr else {
        return None;
    };
    let [input] = aggregation.inputs.as_slice() else {
        return None;
    };
    let index = input.as_column()?;
    let Source::Stored { column, .. } = &columns.sources[index] else {
        return None;
    };
    let plain = SET_LIKE.contains(&call.name.as_str())
        && aggregation.filter.is_none()
        && !column.column_type().multi
        && columns.handled_nulls(index).is_none()
        && column.dictionary().is_some();
    plain.then_some(*column)
}

/// The dictionary of an aggregation's column, where the answer depends on the distinct values only.
pub(crate) fn distinct_values(
    aggregation: &PlanAggregation,
    columns: &SegmentColumns<'_>,
) -> Option<Block> {
    let column = set_like_column(aggregation, columns)?;
    let dictionary = column.dictionary()?;
    let ids: Vec<u32> = (0..dictionary.len()).collect();
    Some(Block::new(column.column_type(), dictionary.decode(&ids)))
}

/// The ids that occur among rows: each distinct value is aggregated once instead of once a row.
pub(crate) struct SeenIds<'a> {
    column: &'a dyn Column,
    seen: Vec<bool>,
    ids: Vec<u32>,
}

impl<'a> SeenIds<'a> {
    /// `None` where an aggregation depends on more than the distinct values.
    pub(crate) fn of(
        aggregation: &PlanAggregation,
        columns: &'a SegmentColumns<'a>,
    ) -> Option<Self> {
        let column = set_like_column(aggregation, columns)?;
        let values = column.dictionary()?.len() as usize;
        Some(Self {
            column,
            seen: vec![false; values],
            ids: Vec::new(),
        })
    }

    /// Adds rows.
    pub(crate) fn add(&mut self, docs: &Docs<'_>) {
        self.column.ids(docs.clone(), &mut self.ids);
        for id in &self.ids {
            if let Some(seen) = self.seen.get_mut(*id as usize) {
                *seen = true;
            }
        }
    }

    /// The values that occur.
    pub(crate) fn values(&self) -> Option<Block> {
        let dictionary = self.column.dictionary()?;
        let seen = (0..).zip(&self.seen).filter(|(_, seen)| **seen);
        let ids: Vec<u32> = seen.map(|(id, _)| id).collect();
        let values = (!ids.is_empty()).then(|| dictionary.decode(&ids))?;
        Some(Block::new(self.column.column_type(), values))
    }
}

/// Aggregations whose answer is the same over distinct values as over all values.
const SET_LIKE: &[&str] = &[
    "min",
    "max",
    "minmaxrange",
    "distinctcount",
    "distinctcounthll",
    "distinctcountrawhll",
    "distinctcounthllplus",
    "distinctcountbitmap",
    "distinctcountull",
    "distinctcountsmarthll",
    "distinctsum",
    "distinctavg",
    "distinctcountthetasketch",
    "distinctcountcpcsketch",
    "minlong",
    "maxlong",
    "minstring",
    "maxstring",
];
