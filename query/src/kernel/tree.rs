//! The measures of a kernel over the records of a star-tree: sums of sums, numbers of rows instead of rows.
//!
//! Must not know: filters. Invariant: an expression is used only where its sum over rows is exact, and the same
//! combination of the sums of its columns.

use common::Value;
use segment::{Segment, StarTree, Stored};

use super::number::{EXACT, Number, Operation, Slots, Span, combined};
use super::{Kernel, Measure};
use crate::expr::BoundExpr;
use crate::plan::{Plan, PlanAggregation};

/// What a tree stands for.
pub(crate) struct Source<'s, 'a> {
    pub(crate) plan: &'s Plan,
    pub(crate) segment: &'a dyn Segment,
    pub(crate) tree: &'a StarTree,
}

impl<'a> Source<'_, 'a> {
    /// The values of a column of whole numbers.
    fn span(&self, index: usize) -> Option<Span> {
        let column = self.segment.column(&self.plan.columns[index].name)?;
        Span::of_column(column)
    }

    fn stored(&self, stored: Stored, input: &BoundExpr, slots: &mut Slots<'a>) -> Option<Number> {
        let index = input.as_column()?;
        self.span(index)?;
        let name = &self.plan.columns[index].name;
        Some(slots.add(self.tree.pair_column(stored, name)?))
    }

    /// The sum of a linear expression, and the values that the expression has over rows.
    fn sum(&self, expr: &BoundExpr, slots: &mut Slots<'a>) -> Option<(Number, Span)> {
        match expr {
            BoundExpr::Column(index, _) => {
                let span = self.span(*index)?;
                Some((self.stored(Stored::Sum, expr, slots)?, span))
            }
            BoundExpr::Literal(..) => None,
            BoundExpr::Call { function, args } => {
                let operation = Operation::of(function)?;
                let [a, b] = args.as_slice() else {
                    return None;
                };
                let ((a, of_a), (b, of_b)) = match (operation, literal(a), literal(b)) {
                    (Operation::Times, Some(a), None) => (a, self.sum(b, slots)?),
                    (Operation::Times, None, Some(b)) => (self.sum(a, slots)?, b),
                    (Operation::Times, ..) | (_, Some(_), _) | (_, _, Some(_)) => return None,
                    _ => (self.sum(a, slots)?, self.sum(b, slots)?),
                };
                let span = combined(operation, of_a, of_b).exact()?;
                Some((Number::Call(operation, Box::new(a), Box::new(b)), span))
            }
        }
    }

    fn exact_sum(&self, expr: &BoundExpr, slots: &mut Slots<'a>) -> Option<Number> {
        let (number, span) = self.sum(expr, slots)?;
        let rows = i128::from(self.segment.doc_count().max(1));
        (span.magnitude() * rows <= EXACT).then_some(number)
    }
}

fn literal(expr: &BoundExpr) -> Option<(Number, Span)> {
    let value = match expr {
        BoundExpr::Literal(Value::Int(v), _) => i64::from(*v),
        BoundExpr::Literal(Value::Long(v), _) => *v,
        _ => return None,
    };
    Some(super::number::literal(value))
}

impl<'a> Kernel<'a> {
    /// Prepares a pass over the records of a tree.
    pub(crate) fn over_tree(
        keys: &[&'a dyn segment::Column],
        aggregations: &[PlanAggregation],
        source: &Source<'_, 'a>,
    ) -> Option<Self> {
        let mut slots = Slots::default();
        let weights = slots.add(source.tree.pair_column(Stored::Count, "")?);
        let mut measures = Vec::with_capacity(aggregations.len());
        for aggregation in aggregations {
            let sql::Expr::Call(call) = &aggregation.expr else {
                return None;
            };
            measures.push(match (call.name.as_str(), aggregation.inputs.as_slice()) {
                ("count", []) => Measure::Count,
                ("sum", [input]) => Measure::Sum(source.exact_sum(input, &mut slots)?),
                ("avg", [input]) => Measure::Average(source.exact_sum(input, &mut slots)?),
                ("min", [input]) => {
                    Measure::Least(source.stored(Stored::Min, input, &mut slots)?)
                }
                ("max", [input]) => {
                    Measure::Greatest(source.stored(Stored::Max, input, &mut slots)?)
                }
                _ => return None,
            });
        }
        let rows = source.tree.metadata().records as usize;
        let keys = super::group::GroupKeys::of_columns(keys, rows, source.plan.group_limit)?;
        Some(Self::with(keys, slots, measures, Some(weights)))
    }
}
