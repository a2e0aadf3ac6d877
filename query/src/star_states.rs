//! Aggregation of star-tree records that hold states of functions, beside sums and extremes of whole numbers.
//!
//! Must not know: filters. Invariant: every record is added once, to the group of its keys.

use common::{Block, DataType, Values};
use functions::{Grouped, Groups};
use hashbrown::HashMap;
use segment::index::star_tree::states;
use segment::{Column, Docs, StarTree, Stored};

use crate::QueryError;
use crate::group_by::GroupTable;
use crate::merge::Partial;
use crate::plan::{Plan, PlanAggregation};

/// Largest magnitude below which all whole numbers are exact in a DOUBLE.
const EXACT: i128 = 1 << 53;

/// Where an aggregation's parts come from.
enum Part<'a> {
    Count,
    Numbers(Vec<&'a dyn Column>),
    Average(&'a dyn Column),
    States(usize),
}

/// One pass over the records of a tree.
pub(crate) struct States<'a> {
    tree: &'a StarTree,
    keys: Vec<&'a dyn Column>,
    counts: &'a dyn Column,
    parts: Vec<Part<'a>>,
}

impl<'a> States<'a> {
    /// Prepares the pass; `None` where the tree does not keep what is asked for.
    pub(crate) fn new(
        plan: &Plan,
        tree: &'a StarTree,
        keys: &[&'a dyn Column],
        aggregations: &[PlanAggregation],
    ) -> Option<Self> {
        let of = |aggregation: &PlanAggregation| part(plan, tree, aggregation);
        Some(Self {
            tree,
            keys: keys.to_vec(),
            counts: tree.pair_column(Stored::Count, "")?,
            parts: aggregations.iter().map(of).collect::<Option<_>>()?,
        })
    }

    /// Aggregates records.
    pub(crate) fn run(
        &self,
        records: &[u32],
        aggregations: &[PlanAggregation],
    ) -> Result<Partial, QueryError> {
        let (groups, firsts) = self.groups(records);
        let count = if self.keys.is_empty() {
            1
        } else {
            firsts.len()
        };
        let mut all = Vec::with_capacity(aggregations.len());
        for (aggregation, part) in aggregations.iter().zip(&self.parts) {
            let mut state = aggregation.function.grouped();
            state.grow(count);
            if !records.is_empty() {
                self.add(part, records, &groups, state.as_mut())?;
            }
            all.push(state);
        }
        let keys = self.keys.iter().map(|column| {
            let values = column.values(Docs::List(&firsts));
            Block::new(column.column_type(), values)
        });
        Ok(Partial::Groups(GroupTable::from_distinct(
            keys.collect(),
            count,
            all,
        )))
    }

    /// The group of each record, and the first record of each group.
    fn groups(&self, records: &[u32]) -> (Vec<u32>, Vec<u32>) {
        if self.keys.is_empty() {
            return (vec![0; records.len()], Vec::new());
        }
        let mut keys = vec![Vec::with_capacity(self.keys.len()); records.len()];
        let mut ids = Vec::new();
        for column in &self.keys {
            column.ids(Docs::List(records), &mut ids);
            keys.iter_mut()
                .zip(&ids)
                .for_each(|(key, id)| key.push(*id));
        }
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let (mut groups, mut firsts) = (Vec::with_capacity(records.len()), Vec::new());
        for (key, record) in keys.into_iter().zip(records) {
            groups.push(*known.entry(key).or_insert_with(|| {
                firsts.push(*record);
                firsts.len() as u32 - 1
            }));
        }
        (groups, firsts)
    }

    fn add(
        &self,
        part: &Part<'_>,
        records: &[u32],
        groups: &[u32],
        state: &mut dyn Grouped,
    ) -> Result<(), QueryError> {
        let longs = |column: &dyn Column| {
            let mut numbers = Vec::new();
            column.longs(&Docs::List(records), &mut numbers);
            numbers
        };
        match part {
            Part::Count => {
                for (group, rows) in groups.iter().zip(longs(self.counts)) {
                    state.count_rows(*group as usize, rows);
                }
            }
            Part::Numbers(columns) => {
                for column in columns {
                    let numbers = longs(*column).into_iter().map(|n| n as f64).collect();
                    let block = Block::new(DataType::Double, Values::Double(numbers));
                    state.update(Groups::Each(groups), &[block])?;
                }
            }
            Part::Average(sums) => {
                let parts = longs(*sums).into_iter().zip(longs(self.counts));
                let pairs = crate::kernel::average_pairs(parts);
                state.update(Groups::Each(groups), &[pairs])?;
            }
            Part::States(pair) => {
                for (group, record) in groups.iter().zip(records) {
                    state.load(*group as usize, self.tree.state(*pair, *record))?;
                }
            }
        }
        Ok(())
    }
}

fn part<'a>(plan: &Plan, tree: &'a StarTree, aggregation: &PlanAggregation) -> Option<Part<'a>> {
    let sql::Expr::Call(call) = &aggregation.expr else {
        return None;
    };
    let name = call.name.as_str();
    let input = match aggregation.inputs.as_slice() {
        [] if name == "count" => return Some(Part::Count),
        [input] => input,
        _ => return None,
    };
    let column = &plan.columns.get(input.as_column()?)?.name;
    let numbers = |stored| tree.pair_column(stored, column);
    let exact = |sums: &'a dyn Column| {
        let (min, max) = (sums.stats().min?.as_i64()?, sums.stats().max?.as_i64()?);
        let largest = i128::from(min.unsigned_abs().max(max.unsigned_abs()));
        (largest * i128::from(tree.metadata().records) <= EXACT).then_some(sums)
    };
    let by_numbers = match name {
        "sum" => numbers(Stored::Sum)
            .and_then(exact)
            .map(|c| Part::Numbers(vec![c])),
        "avg" => numbers(Stored::Sum).and_then(exact).map(Part::Average),
        "min" => numbers(Stored::Min).map(|c| Part::Numbers(vec![c])),
        "max" => numbers(Stored::Max).map(|c| Part::Numbers(vec![c])),
        "minmaxrange" => match (numbers(Stored::Min), numbers(Stored::Max)) {
            (Some(min), Some(max)) => Some(Part::Numbers(vec![min, max])),
            _ => None,
        },
        _ => None,
    };
    by_numbers.or_else(|| {
        let literals = call
            .args
            .iter()
            .skip(1)
            .map(|arg| arg.as_literal().cloned());
        let key = states::key(name, &literals.collect::<Option<Vec<_>>>()?)?;
        tree.states_of(&key, column).map(Part::States)
    })
}
