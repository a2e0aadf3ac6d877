//! Partial results and their merge: of tasks, segments and servers alike.
//!
//! Must not know: where parts come from. Invariant: merging is associative and, up to the order of unordered rows, commutative.

use common::{Block, ColumnType};

use crate::QueryError;
use crate::group_by::GroupTable;
use crate::plan::{Plan, Shape};
use crate::select;

/// A result that is not final yet.
pub enum Partial {
    /// Selected rows with their ORDER BY keys.
    Rows {
        /// Selected columns.
        columns: Vec<Block>,
        /// ORDER BY keys.
        keys: Vec<Block>,
        /// Number of rows.
        count: usize,
    },
    /// Groups with their states; one group without keys for an aggregation without GROUP BY; no states for DISTINCT.
    Groups(GroupTable),
}

impl Partial {
    /// The result of no rows.
    #[must_use]
    pub fn empty(plan: &Plan) -> Self {
        match &plan.shape {
            Shape::Selection { outputs } => select::no_rows(plan, outputs),
            Shape::Distinct { keys } => Self::Groups(GroupTable::new(
                keys.iter().map(|k| element(k.column_type())).collect(),
                Vec::new(),
            )),
            Shape::Aggregation {
                keys, aggregations, ..
            } => {
                let types = keys.iter().map(|k| element(k.column_type())).collect();
                let states = aggregations.iter().map(|a| a.function.grouped()).collect();
                Self::Groups(GroupTable::new(types, states))
            }
        }
    }

    /// About how many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Rows {
                columns,
                keys,
                count,
            } => (columns.len() + keys.len()) * count * 16,
            Self::Groups(table) => table.bytes(),
        }
    }

    /// Merges many parts, in their order.
    ///
    /// # Errors
    /// Where the parts are of different plans.
    pub fn merge_all(parts: Vec<Self>, plan: &Plan) -> Result<Self, QueryError> {
        let mut tables = Vec::with_capacity(parts.len());
        let mut rows = Self::empty(plan);
        for part in parts {
            match part {
                Self::Groups(table) => tables.push(table),
                part => rows.merge(part, plan)?,
            }
        }
        let states = match &plan.shape {
            Shape::Aggregation { aggregations, .. } => {
                aggregations.iter().map(|a| a.function.grouped()).collect()
            }
            _ => Vec::new(),
        };
        Ok(match GroupTable::merge_all(tables, states)? {
            Some(table) => Self::Groups(table),
            None => rows,
        })
    }

    /// Merges another part in.
    ///
    /// # Errors
    /// Where the parts are of different plans.
    pub fn merge(&mut self, other: Self, plan: &Plan) -> Result<(), QueryError> {
        match (self, other) {
            (Self::Groups(mine), Self::Groups(theirs)) => mine.merge(theirs),
            (
                Self::Rows {
                    columns,
                    keys,
                    count,
                },
                Self::Rows {
                    columns: more_columns,
                    keys: more_keys,
                    count: more,
                },
            ) => {
                let wanted = plan.limit.saturating_add(plan.offset);
                if plan.order_by.is_empty() && *count >= wanted {
                    return Ok(());
                }
                append(columns, more_columns);
                append(keys, more_keys);
                *count += more;
                Ok(())
            }
            _ => Err(QueryError::execution(
                "parts of different queries cannot merge",
            )),
        }
    }
}

fn element(column_type: ColumnType) -> ColumnType {
    ColumnType::sv(column_type.data_type)
}

fn append(to: &mut [Block], from: Vec<Block>) {
    for (mine, theirs) in to.iter_mut().zip(from) {
        if mine.rows() == 0 {
            *mine = theirs;
        } else if theirs.rows() > 0 {
            *mine = concat(mine, &theirs);
        }
    }
}

/// The rows of both blocks.
fn concat(a: &Block, b: &Block) -> Block {
    let mut values = a.values().clone();
    for row in 0..b.rows() {
        values.push_from(b.values(), b.at(row));
    }
    let nulls = (a.nulls().is_some() || b.nulls().is_some()).then(|| {
        let of = |block: &Block| {
            (0..block.rows())
                .map(|row| block.is_null(row))
                .collect::<Vec<_>>()
        };
        [of(a), of(b)].concat()
    });
    Block::new(a.column_type(), values).with_nulls(nulls)
}
