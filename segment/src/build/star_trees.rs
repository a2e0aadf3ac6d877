//! Star-trees of a segment under construction: collects what they need of the columns, builds and writes them.
//!
//! Must not know: how trees are searched. Invariant: a sum of whole numbers that might not be exact is left out.

use std::collections::HashMap;

use common::{ColumnType, Values};

use super::column::{ColumnData, Entries};
use crate::buffer::bits;
use crate::error::Result;
use crate::format::kind;
use crate::format::writer::FileWriter;
use crate::index::star_tree::build::{self, Dimension, Measure, Stock};
use crate::index::star_tree::{self, Pair, StarTreeMetadata, Stored, Wanted};
use crate::plan::SegmentPlan;
use crate::sealed::packed;

/// Collects columns.
pub(super) struct Collector<'a> {
    plan: &'a SegmentPlan,
    rows: u32,
    ids: HashMap<String, (Vec<u32>, u32)>,
    numbers: HashMap<String, Vec<i64>>,
    /// Values of columns of which states are kept.
    values: HashMap<String, (ColumnType, Values)>,
    with_states: Vec<String>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(plan: &'a SegmentPlan, rows: u32) -> Self {
        Self {
            plan,
            rows,
            ids: HashMap::new(),
            numbers: HashMap::new(),
            values: HashMap::new(),
            with_states: star_tree::state_columns(&plan.table, &plan.schema),
        }
    }

    /// Keeps what trees may need of a column.
    pub(super) fn look_at(&mut self, data: &ColumnData<'_>) {
        let config = &self.plan.table.table_index_config;
        let trees = &config.star_tree_index_configs;
        if (trees.is_empty() && !config.enable_default_star_tree) || data.row_ends.is_some() {
            return;
        }
        let name = &data.plan.name;
        let is_dimension = config.enable_default_star_tree
            || trees
                .iter()
                .any(|tree| tree.dimensions_split_order.contains(name));
        if let (true, Entries::Dictionary { values, ids }) = (is_dimension, &data.entries) {
            let of_column = (ids.clone(), values.len() as u32);
            self.ids.insert(name.clone(), of_column);
        }
        if self.with_states.contains(name) {
            let values = match &data.entries {
                Entries::Raw(values) => values.clone(),
                Entries::Dictionary { values, ids } => values.take(ids),
            };
            let of_column = (data.plan.column_type, values);
            self.values.insert(name.clone(), of_column);
        }
        if star_tree::is_whole(data.plan.column_type.data_type) {
            let numbers = match &data.entries {
                Entries::Raw(values) => widened(values),
                Entries::Dictionary { values, ids } => {
                    let values = widened(values);
                    ids.iter().map(|id| values[*id as usize]).collect()
                }
            };
            self.numbers.insert(name.clone(), numbers);
        }
    }

    /// Writes the trees; answers what is known of them.
    pub(super) fn write(self, file: &mut FileWriter) -> Result<Vec<StarTreeMetadata>> {
        let cardinality = |name: &str| self.ids.get(name).map(|(_, cardinality)| *cardinality);
        let wanted = star_tree::wanted(&self.plan.table, &self.plan.schema, &cardinality);
        let mut written = Vec::new();
        for tree in &wanted {
            let Some(tree) = self.build(tree) else {
                tracing::warn!(dimensions = ?tree.dimensions, "a star-tree cannot be built");
                continue;
            };
            write_tree(&tree, &star_tree::owner(written.len()), file)?;
            written.push(tree.metadata);
        }
        Ok(written)
    }

    fn build(&self, wanted: &Wanted) -> Option<build::Tree> {
        let mut dimensions = Vec::with_capacity(wanted.dimensions.len());
        for name in &wanted.dimensions {
            let (ids, cardinality) = self.ids.get(name)?;
            dimensions.push(Dimension {
                ids,
                cardinality: *cardinality,
            });
        }
        let (mut pairs, mut measures) = (Vec::new(), Vec::new());
        for pair in &wanted.pairs {
            if let Some(measure) = self.measure(pair) {
                pairs.push(pair.clone());
                measures.push(measure);
            }
        }
        build::build(wanted, pairs, &dimensions, measures, self.rows as usize)
    }

    fn measure(&self, pair: &Pair) -> Option<Measure<'_>> {
        Some(match pair.stored {
            Stored::Count => Measure::Numbers(vec![1; self.rows as usize]),
            Stored::State => {
                let (column_type, values) = self.values.get(&pair.column)?;
                Measure::States {
                    function: star_tree::states::function(&pair.function, *column_type)?,
                    column_type: *column_type,
                    values,
                }
            }
            _ => Measure::Numbers(self.exact(pair)?.clone()),
        })
    }

    fn exact(&self, pair: &Pair) -> Option<&Vec<i64>> {
        let numbers = self.numbers.get(&pair.column)?;
        let largest = numbers.iter().map(|n| n.unsigned_abs()).max().unwrap_or(0);
        let bound = u128::from(largest) * u128::from(self.rows);
        (pair.stored != Stored::Sum || bound < 1 << 62).then_some(numbers)
    }
}

fn widened(values: &Values) -> Vec<i64> {
    match values {
        Values::Int(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Values::Long(v) => v.clone(),
        _ => Vec::new(),
    }
}

fn write_tree(tree: &build::Tree, owner: &str, file: &mut FileWriter) -> Result<()> {
    let nodes: Vec<u8> = tree.nodes.iter().flat_map(|w| w.to_le_bytes()).collect();
    file.add(owner, kind::TREE_NODES, &nodes)?;
    let cardinalities = &tree.metadata.cardinalities;
    for (at, (ids, cardinality)) in tree.dimensions.iter().zip(cardinalities).enumerate() {
        let mut packed = Vec::new();
        bits::pack(ids, star_tree::reader::id_width(*cardinality), &mut packed);
        file.add(owner, &format!("{}_{at}", kind::IDS), &packed)?;
    }
    for (at, stock) in tree.stocks.iter().enumerate() {
        let (heads, bytes) = match stock {
            Stock::Numbers(numbers) => packed::pack(numbers),
            Stock::States(states) => {
                let mut end = 0_u64;
                let ends = states.iter().flat_map(|state| {
                    end += state.len() as u64;
                    end.to_le_bytes()
                });
                (ends.collect(), states.concat())
            }
        };
        file.add(owner, &format!("{}_{at}", kind::PACKED_HEADS), &heads)?;
        file.add(owner, &format!("{}_{at}", kind::RAW), &bytes)?;
    }
    Ok(())
}
