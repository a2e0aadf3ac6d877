//! Star-trees: rows aggregated by dimensions ahead of time, with a node `*` where a dimension does not matter.
//!
//! Records hold dictionary ids of the dimensions and one number a stored aggregation; nodes say which records belong to a
//! prefix of dimension values. Sums and extremes of whole numbers are kept as numbers, everything else as states of its
//! function. Must not know: queries. Invariant: the records of a search, aggregated, give what the rows they stand for give;
//! sums of fractions may differ in their last digits, as those of any other order.

pub(crate) mod build;
pub(crate) mod reader;
pub mod states;

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
    /// States of a function.
    State,
}

/// A stored aggregation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// What is stored.
    pub stored: Stored,
    /// Of which column; empty for the number of rows.
    pub column: String,
    /// Key of the function whose states these are, see [`states::key`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function: String,
}

impl Pair {
    /// A number.
    fn number(stored: Stored, column: &str) -> Self {
        Self {
            stored,
            column: column.to_owned(),
            function: String::new(),
        }
    }

    /// States.
    fn states(function: String, column: &str) -> Self {
        Self {
            stored: Stored::State,
            column: column.to_owned(),
            function,
        }
    }
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
        .map(|tree| configured(tree, schema))
        .collect();
    if config.enable_default_star_tree
        && let Some(tree) = default_tree(schema, cardinality)
    {
        out.push(tree);
    }
    out.retain(|tree| !tree.dimensions.is_empty());
    out
}

fn configured(config: &StarTreeIndexConfig, schema: &Schema) -> Wanted {
    let mut pairs = vec![Pair::number(Stored::Count, "")];
    let listed = config.aggregation_configs.as_ref();
    let listed = listed
        .and_then(|list| list.as_array())
        .into_iter()
        .flatten();
    let listed = listed.filter_map(|one| {
        let text = |key: &str| one.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        let parameters = one.get("functionParameters");
        Some((
            text("aggregationFunction")?,
            text("columnName")?,
            parameters,
        ))
    });
    let named = config.function_column_pairs.iter().filter_map(|pair| {
        let (function, column) = pair.split_once("__")?;
        Some((function.to_owned(), column.to_owned(), None))
    });
    for (function, column, parameters) in named.chain(listed) {
        for pair in pairs_for(&function, parameters, &column, schema) {
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

/// What answers a function of a column; nothing for those that are not stored.
fn pairs_for(
    function: &str,
    parameters: Option<&serde_json::Value>,
    column: &str,
    schema: &Schema,
) -> Vec<Pair> {
    let Some(field) = schema
        .field(column)
        .filter(|field| field.single_value_field)
    else {
        return Vec::new();
    };
    if is_whole(field.data_type) {
        let stored: &[Stored] = match function.replace('_', "").to_ascii_uppercase().as_str() {
            "SUM" | "AVG" => &[Stored::Sum],
            "MIN" => &[Stored::Min],
            "MAX" => &[Stored::Max],
            "MINMAXRANGE" => &[Stored::Min, Stored::Max],
            _ => &[],
        };
        if !stored.is_empty() {
            let pairs = stored.iter().map(|stored| Pair::number(*stored, column));
            return pairs.collect();
        }
    }
    let key = states::configured_key(function, parameters);
    let key = key.filter(|key| states::is_possible(key, field.data_type));
    key.into_iter()
        .map(|key| Pair::states(key, column))
        .collect()
}

/// Dimensions by falling cardinality, then time columns; the sum of every metric.
fn default_tree(schema: &Schema, cardinality: &dyn Fn(&str) -> Option<u32>) -> Option<Wanted> {
    let mut dimensions = Vec::new();
    let mut times = Vec::new();
    let mut pairs = vec![Pair::number(Stored::Count, "")];
    for (role, field) in &schema.fields {
        let values = cardinality(&field.name).filter(|_| field.single_value_field);
        match role {
            FieldRole::Metric => pairs.extend(pairs_for("SUM", None, &field.name, schema)),
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

/// A call that is to be answered: name, literals after the column, the column where there is one.
pub type AskedCall<'a> = (&'a str, Vec<common::Value>, Option<&'a str>);

/// True where the config has a tree with these dimensions that keeps what the calls need, as far as that is known without
/// segments.
#[must_use]
pub fn is_announced(
    table: &TableConfig,
    schema: &Schema,
    dimensions: &[&str],
    calls: &[AskedCall<'_>],
) -> bool {
    let possible = |name: &str| {
        let (role, field) = schema.field_with_role(name)?;
        let fits = field.single_value_field && role != FieldRole::Metric && !table.is_raw(name);
        fits.then_some(1)
    };
    wanted(table, schema, &possible).iter().any(|tree| {
        let known = |name: &&str| tree.dimensions.iter().any(|dimension| dimension == name);
        dimensions.iter().all(known) && calls.iter().all(|call| tree.keeps(call))
    })
}

impl Wanted {
    fn keeps(&self, (name, literals, column): &AskedCall<'_>) -> bool {
        let Some(column) = column else {
            return *name == "count";
        };
        let has = |stored: Stored| self.pairs.contains(&Pair::number(stored, column));
        let by_numbers = match *name {
            "sum" | "avg" => has(Stored::Sum),
            "min" => has(Stored::Min),
            "max" => has(Stored::Max),
            "minmaxrange" => has(Stored::Min) && has(Stored::Max),
            _ => false,
        };
        let states = || {
            let key = states::key(name, literals);
            key.is_some_and(|key| self.pairs.contains(&Pair::states(key, column)))
        };
        by_numbers || states()
    }
}

/// Columns of which a tree of this config may keep states.
pub(crate) fn state_columns(table: &TableConfig, schema: &Schema) -> Vec<String> {
    let config = &table.table_index_config;
    let trees = config.star_tree_index_configs.iter();
    let pairs = trees.flat_map(|tree| configured(tree, schema).pairs);
    let mut columns: Vec<String> = pairs
        .filter(|pair| pair.stored == Stored::State)
        .map(|pair| pair.column)
        .collect();
    if config.enable_default_star_tree {
        let metrics = schema.fields.iter();
        let metrics = metrics.filter(|(role, _)| *role == FieldRole::Metric);
        columns.extend(metrics.map(|(_, field)| field.name.clone()));
    }
    columns
}

/// True for columns whose numbers can be stored exactly.
pub(crate) fn is_whole(data_type: DataType) -> bool {
    matches!(data_type, DataType::Int | DataType::Long)
}
