//! Where the rows of leaves lie by the partitions of a column, and how partitions are dealt out to tasks.
//!
//! Must not know: plans, routing. Invariants: all rows of a partition go to one lane of one place, which has them; equal values
//! of columns with one function and one type are in one partition.

use std::collections::{BTreeMap, BTreeSet};

use common::partition::PartitionFunction;
use common::{ColumnType, DataType};

use super::places::Share;

/// The rows of a leaf by the values of one of its table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitioned {
    /// From a value to its partition.
    pub function: PartitionFunction,
    /// Type of the column.
    pub column_type: ColumnType,
    /// True where rows may have null instead of the value by which they were dealt out.
    pub nullable: bool,
    /// By partition: the servers that have all of its rows.
    pub servers: BTreeMap<u32, BTreeSet<String>>,
}

/// Partitions that one server gives together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Instance id of the server.
    pub server: String,
    /// Numbers of the partitions.
    pub partitions: Vec<u32>,
}

/// Who knows how the rows of a leaf lie.
pub trait Layout: Send + Sync {
    /// By the values of a column; none where some segment's partition is not known, or where it has several.
    fn partitioned(&self, column: &str) -> Option<Partitioned>;
    /// What gives the rows of each slot; none where a server cannot be asked.
    fn shares(&self, column: &str, slots: &[Slot]) -> Option<Vec<Vec<Share>>>;
}

/// Types whose equal values have equal texts, by which partitions are found.
const EXACT: [DataType; 6] = [
    DataType::Int,
    DataType::Long,
    DataType::Boolean,
    DataType::Timestamp,
    DataType::String,
    DataType::Bytes,
];

impl Partitioned {
    /// True where equal values are in one partition.
    pub(crate) fn is_exact(&self) -> bool {
        !self.column_type.multi && EXACT.contains(&self.column_type.data_type)
    }

    /// True where an equal value of the other column is in the partition of the same number.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        self.function == other.function && self.column_type == other.column_type
    }
}

/// Partitions by lane of a place.
pub(super) type Dealt = Vec<Vec<Vec<u32>>>;

/// Deals out the partitions of tables to places that have them of all tables, in at most so many lanes; none where some
/// partition has no such place.
pub(super) fn dealt(tables: &[&Partitioned], places: &[String], most: usize) -> Option<Dealt> {
    let mut common: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (partition, servers) in tables.iter().flat_map(|table| &table.servers) {
        let known = common
            .entry(*partition)
            .or_insert_with(|| (0..places.len()).collect());
        known.retain(|at| places.get(*at).is_some_and(|id| servers.contains(id)));
    }
    if common.is_empty() {
        return None;
    }
    // Who has no choice comes first.
    let mut wanting: Vec<(u32, Vec<usize>)> = common.into_iter().collect();
    wanting.sort_by_key(|(partition, able)| (able.len(), *partition));
    let mut own: Vec<Vec<u32>> = vec![Vec::new(); places.len()];
    for (partition, able) in wanting {
        let least = able.into_iter().min_by_key(|at| own[*at].len())?;
        own[least].push(partition);
    }
    let longest = own.iter().map(Vec::len).max().unwrap_or(0);
    let lanes = longest.min(most).max(1);
    let in_lanes = own.into_iter().map(|mut partitions| {
        partitions.sort_unstable();
        let mut dealt = vec![Vec::new(); lanes];
        for (at, partition) in partitions.into_iter().enumerate() {
            dealt[at % lanes].push(partition);
        }
        dealt
    });
    Some(in_lanes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(servers: &[(u32, &[&str])]) -> Partitioned {
        Partitioned {
            function: PartitionFunction::new("Murmur", 4, &serde_json::Value::Null).unwrap(),
            column_type: ColumnType::sv(DataType::Int),
            nullable: false,
            servers: servers
                .iter()
                .map(|(p, ids)| (*p, ids.iter().map(|id| (*id).to_owned()).collect()))
                .collect(),
        }
    }

    #[test]
    fn a_partition_goes_to_one_place_that_has_it_of_all_tables() {
        let places = ["a", "b"].map(str::to_owned);
        let one = table(&[(0, &["a", "b"]), (1, &["a", "b"]), (2, &["a"]), (3, &["b"])]);
        let other = table(&[(0, &["b"]), (2, &["a", "b"])]);
        let found = dealt(&[&one, &other], &places, 8).unwrap();
        assert_eq!(found, [[vec![1], vec![2]], [vec![0], vec![3]]]);
        let found = dealt(&[&one, &other], &places, 1).unwrap();
        assert_eq!(found, [[vec![1, 2]], [vec![0, 3]]]);
        // The third of one is where the third of the other is not.
        let elsewhere = table(&[(2, &["b"])]);
        assert_eq!(dealt(&[&one, &elsewhere], &places, 8), None);
        assert_eq!(dealt(&[&one], &places[..1], 8), None);
        assert_eq!(dealt(&[&table(&[])], &places, 8), None);
    }

    #[test]
    fn numbers_agree_by_function_and_type() {
        let one = table(&[]);
        let mut other = one.clone();
        assert!(one.agrees(&other) && one.is_exact());
        other.column_type = ColumnType::sv(DataType::Long);
        assert!(!one.agrees(&other));
        other.column_type = ColumnType::sv(DataType::Double);
        assert!(!other.is_exact());
        other.column_type = ColumnType::mv(DataType::Int);
        assert!(!other.is_exact());
    }
}
