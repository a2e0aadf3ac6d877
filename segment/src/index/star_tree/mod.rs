//! Star-trees: rows aggregated by dimensions ahead of time, with a node `*` where a dimension does not matter.
//!
//! Records hold dictionary ids of the dimensions and one number a stored aggregation; nodes say which records belong to a
//! prefix of dimension values. Must not know: queries. Invariant: the records of a search, aggregated, give what the rows
//! they stand for give; only aggregations that are exact whatever the order are stored.

pub(crate) mod build;
pub(crate) mod reader;

use common::table_config::StarTreeIndexConfig;
use common::{DataType, FieldRole, Schema, TableConfig};
use serde::{Deserialize, Serialize};

/// What a star-tree stores of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Number of rows.
    Count,
    /// Sum of whole numbers.
    Sum,
    /// Smallest whole number.
    Min,
    /// Largest whole number.
    Max,
}

/// A stored aggregation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// What is stored.
    pub stored: Stored,
    /// Of which column; empty for the number of rows.
    pub column: String,
}

/// What is known of a star-tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StarTreeMetadata {
    /// Dimensions in the order of splitting.
    pub dimensions: Vec<String>,
    /// Values of each dimension.
    pub cardinalities: Vec<u32>,
    /// What is stored.
    pub pairs: Vec<Pair>,
    /// Records.
    pub records: u32,
    /// Nodes.
    pub nodes: u32,
}

/// A star-tree as a config wants it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) dimensions: Vec<String>,
    pub(crate) without_star: Vec<String>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) largest_leaf: usize,
}

/// Rows of a leaf where the config says nothing.
const LARGEST_LEAF: usize = 10_000;
/// Values of a dimension up to which a default tree has it.
const DEFAULT_DIMENSION: u32 = 10_000;

/// Under which "column" the buffers of a tree are kept.
pub(crate) fn owner(tree: usize) -> String {
    format!("$star_tree_{tree}")
}

/// The trees that a table's config asks for. `cardinality` tells how many values a single-value dictionary column has.
pub(crate) fn wanted(
    table: &TableConfig,
    schema: &Schema,
    cardinality: &dyn Fn(&str) -> Option<u32>,
) -> Vec<Wanted> {
    let config = &table.table_index_config;
    let mut out: Vec<Wanted> = config
        .star_tree_index_configs
        .iter()
        .filter(|tree| {
            let mut dimensions = tree.dimensions_split_order.iter();
            dimensions.all(|name| cardinality(name).is_some())
        })
        .map(configured)
        .collect();
    if config.enable_default_star_tree
        && let Some(tree) = default_tree(schema, cardinality)
    {
        out.push(tree);
    }
    out.retain(|tree| !tree.dimensions.is_empty());
    out
}

fn configured(config: &StarTreeIndexConfig) -> Wanted {
    let mut pairs = vec![Pair {
        stored: Stored::Count,
        column: String::new(),
    }];
    let listed = config.aggregation_configs.as_ref();
    let listed = listed
        .and_then(|list| list.as_array())
        .into_iter()
        .flatten();
    let listed = listed.filter_map(|one| {
        let text = |key: &str| one.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        Some((text("aggregationFunction")?, text("columnName")?))
    });
    let named = config.function_column_pairs.iter().filter_map(|pair| {
        let (function, column) = pair.split_once("__")?;
        Some((function.to_owned(), column.to_owned()))
    });
    for (function, column) in named.chain(listed) {
        for stored in stored_for(&function) {
            let pair = Pair {
                stored: *stored,
                column: column.clone(),
            };
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    Wanted {
        dimensions: config.dimensions_split_order.clone(),
        without_star: config.skip_star_node_creation_for_dimensions.clone(),
        pairs,
        largest_leaf: match config.max_leaf_records as usize {
            0 => LARGEST_LEAF,
            some => some,
        },
    }
}

/// What answers a function; nothing for those that are not stored.
fn stored_for(function: &str) -> &'static [Stored] {
    match function.replace('_', "").to_ascii_uppercase().as_str() {
        "SUM" | "AVG" => &[Stored::Sum],
        "MIN" => &[Stored::Min],
        "MAX" => &[Stored::Max],
        "MINMAXRANGE" => &[Stored::Min, Stored::Max],
        _ => &[],
    }
}

/// Dimensions by falling cardinality, then time columns; the sum of every metric.
fn default_tree(schema: &Schema, cardinality: &dyn Fn(&str) -> Option<u32>) -> Option<Wanted> {
    let mut dimensions = Vec::new();
    let mut times = Vec::new();
    let mut pairs = vec![Pair {
        stored: Stored::Count,
        column: String::new(),
    }];
    for (role, field) in &schema.fields {
        let values = cardinality(&field.name).filter(|_| field.single_value_field);
        match role {
            FieldRole::Metric => pairs.push(Pair {
                stored: Stored::Sum,
                column: field.name.clone(),
            }),
            FieldRole::DateTime => times.extend(values.map(|_| field.name.clone())),
            _ => {
                let few = values.filter(|values| *values <= DEFAULT_DIMENSION);
                dimensions.extend(few.map(|values| (values, field.name.clone())));
            }
        }
    }
    dimensions.sort_by_key(|dimension| std::cmp::Reverse(dimension.0));
    let mut names: Vec<String> = dimensions.into_iter().map(|(_, name)| name).collect();
    names.append(&mut times);
    (!names.is_empty()).then_some(Wanted {
        dimensions: names,
        without_star: Vec::new(),
        pairs,
        largest_leaf: LARGEST_LEAF,
    })
}

/// True for columns whose numbers can be stored exactly.
pub(crate) fn is_whole(data_type: DataType) -> bool {
    matches!(data_type, DataType::Int | DataType::Long)
}
