//! The rules of star-tree indexes.
//!
//! Must not know: how a tree is built. Invariant: dimensions are single-value with a dictionary; pairs name an aggregation that can be stored.

use common::table_config::StarTreeIndexConfig;
use common::{Schema, TableConfig};
use serde_json::Value as Json;

use super::{Verdict, refuse};

/// Aggregations that a star-tree can store, canonical names.
const STORABLE: &[&str] = &[
    "COUNT",
    "MIN",
    "MAX",
    "SUM",
    "SUMPRECISION",
    "AVG",
    "MINMAXRANGE",
    "DISTINCTCOUNTHLL",
    "DISTINCTCOUNTRAWHLL",
    "DISTINCTCOUNTHLLPLUS",
    "DISTINCTCOUNTRAWHLLPLUS",
    "DISTINCTCOUNTULL",
    "DISTINCTCOUNTRAWULL",
    "DISTINCTCOUNTBITMAP",
    "DISTINCTCOUNTTHETASKETCH",
    "DISTINCTCOUNTRAWTHETASKETCH",
    "DISTINCTCOUNTTUPLESKETCH",
    "DISTINCTCOUNTRAWINTEGERSUMTUPLESKETCH",
    "SUMVALUESINTEGERSUMTUPLESKETCH",
    "AVGVALUEINTEGERSUMTUPLESKETCH",
    "DISTINCTCOUNTCPCSKETCH",
    "DISTINCTCOUNTRAWCPCSKETCH",
    "PERCENTILEEST",
    "PERCENTILERAWEST",
    "PERCENTILETDIGEST",
    "PERCENTILERAWTDIGEST",
    "STUNION",
];

/// Checks every star-tree of a config.
pub(crate) fn check(config: &TableConfig, schema: &Schema) -> Verdict {
    for tree in &config.table_index_config.star_tree_index_configs {
        dimensions(config, tree, schema)?;
        let pairs = !tree.function_column_pairs.is_empty();
        let listed = tree.aggregation_configs.as_ref().and_then(Json::as_array);
        refuse(pairs == listed.is_some_and(|l| !l.is_empty()), || {
            "Either 'functionColumnPairs' or 'aggregationConfigs' must be specified, but not both"
                .to_owned()
        })?;
        let mut seen = std::collections::BTreeSet::new();
        for pair in &tree.function_column_pairs {
            let ill = || {
                format!(
                    "Invalid StarTreeIndex config: {pair}. Must bein the form <Aggregation function>__<Column name>"
                )
            };
            let (function, column) = pair.split_once("__").ok_or_else(ill)?;
            aggregation(function, column, schema, ill)?;
            refuse(!seen.insert(pair.to_ascii_lowercase()), || {
                format!("Duplicate function column pair: {pair}")
            })?;
        }
        for one in listed.into_iter().flatten() {
            let text = |key: &str| one.get(key).and_then(Json::as_str).unwrap_or_default();
            let function = text("aggregationFunction");
            let ill =
                || format!("Invalid StarTreeIndex config: unknown aggregation function {function}");
            aggregation(function, text("columnName"), schema, ill)?;
        }
    }
    Ok(())
}

fn dimensions(config: &TableConfig, tree: &StarTreeIndexConfig, schema: &Schema) -> Verdict {
    for name in &tree.dimensions_split_order {
        let field = schema.field(name).ok_or_else(|| {
            format!("Failed to find dimension column: {name} specified in star-tree index config in schema")
        })?;
        refuse(!field.single_value_field, || {
            format!(
                "Star-tree dimension columns must be single-value, but found multi-value column: {name}"
            )
        })?;
        refuse(config.is_raw(name), || {
            format!("Cannot create star-tree index on dimension column: {name} without dictionary")
        })?;
    }
    for name in &tree.skip_star_node_creation_for_dimensions {
        refuse(!tree.dimensions_split_order.contains(name), || {
            format!(
                "Can not skip star-node creation for dimension: {name} that is not in the split order"
            )
        })?;
    }
    Ok(())
}

fn aggregation(
    function: &str,
    column: &str,
    schema: &Schema,
    ill: impl FnOnce() -> String,
) -> Verdict {
    let canonical: String = function
        .chars()
        .filter(|c| *c != '_')
        .map(|c| c.to_ascii_uppercase())
        .collect();
    refuse(!STORABLE.contains(&canonical.as_str()), ill)?;
    if column == "*" {
        return refuse(canonical != "COUNT", || {
            format!(
                "Non-COUNT function set the column as '*' in the functionColumnPair: {function}__*. Please configure an actual column for the function"
            )
        });
    }
    refuse(
        canonical != "COUNT" && schema.field(column).is_none(),
        || {
            format!(
                "Failed to find metric column: {column} specified in star-tree index config in schema"
            )
        },
    )
}
