//! An open star-tree: which records stand for the rows of a search, and their columns.
//!
//! Must not know: SQL. Invariant: whatever the bytes, a search ends and names records below the record count.

use std::sync::Arc;

use common::{ColumnType, DataType, Value, Values};
use roaring::RoaringBitmap;

use super::build::{NODE_WORDS, STAR_VALUE};
use super::{Pair, StarTreeMetadata, Stored};
use crate::buffer::bits;
use crate::buffer::map::Region;
use crate::sealed::packed::PackedNumbers;
use crate::{Column, ColumnStats, Dictionary, Docs, IdSet, IndexReader};

/// Bits of a dimension's id in a record: one value more than there are stands for any.
pub(crate) fn id_width(cardinality: u32) -> u32 {
    bits::width_for(cardinality.saturating_add(1))
}

/// An open star-tree.
pub struct StarTree {
    metadata: StarTreeMetadata,
    nodes: Region,
    dimensions: Vec<DimensionColumn>,
    pairs: Vec<PairColumn>,
}

/// What is kept of a pair, by record.
pub(crate) enum PairColumn {
    Numbers(NumberColumn),
    States { ends: Region, bytes: Region },
}

/// A dimension over records.
pub(crate) struct DimensionColumn {
    pub(crate) bytes: Region,
    pub(crate) width: u32,
    pub(crate) data_type: DataType,
    pub(crate) dictionary: Arc<dyn Dictionary>,
}

/// A stored aggregation over records.
pub(crate) struct NumberColumn {
    pub(crate) numbers: PackedNumbers,
}

/// What a search asks of a dimension.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Its values have to be among these.
    pub ids: Option<IdSet>,
    /// Its values are to be told apart.
    pub grouped: bool,
}

impl Asked {
    fn matters(&self) -> bool {
        self.grouped || self.ids.is_some()
    }

    fn accepts(&self, id: u32) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(id))
    }
}

struct Node {
    value: u32,
    first_child: u32,
    children: u32,
    records: std::ops::Range<u32>,
    whole: u32,
}

impl StarTree {
    /// Over its buffers; `None` where their number is not what the metadata says.
    pub(crate) fn new(
        metadata: StarTreeMetadata,
        nodes: Region,
        dimensions: Vec<DimensionColumn>,
        pairs: Vec<PairColumn>,
    ) -> Option<Self> {
        let whole = nodes.len() >= metadata.nodes as usize * NODE_WORDS * 4
            && metadata.nodes > 0
            && dimensions.len() == metadata.dimensions.len()
            && pairs.len() == metadata.pairs.len();
        whole.then_some(Self {
            metadata,
            nodes,
            dimensions,
            pairs,
        })
    }

    /// What is known of it.
    #[must_use]
    pub fn metadata(&self) -> &StarTreeMetadata {
        &self.metadata
    }

    /// The position of a dimension.
    #[must_use]
    pub fn dimension(&self, name: &str) -> Option<usize> {
        self.metadata.dimensions.iter().position(|d| d == name)
    }

    /// A dimension's column over records.
    #[must_use]
    pub fn dimension_column(&self, at: usize) -> Option<&dyn Column> {
        self.dimensions.get(at).map(|column| column as &dyn Column)
    }

    /// The column of a stored aggregation over records.
    #[must_use]
    pub fn pair_column(&self, stored: Stored, column: &str) -> Option<&dyn Column> {
        let mut pairs = self.metadata.pairs.iter();
        let at = pairs.position(|pair: &Pair| pair.stored == stored && pair.column == column)?;
        match self.pairs.get(at)? {
            PairColumn::Numbers(column) => Some(column as &dyn Column),
            PairColumn::States { .. } => None,
        }
    }

    /// Which pair holds the states of a function's key over a column.
    #[must_use]
    pub fn states_of(&self, function: &str, column: &str) -> Option<usize> {
        let mut pairs = self.metadata.pairs.iter();
        pairs.position(|pair| {
            pair.stored == Stored::State && pair.function == function && pair.column == column
        })
    }

    /// A record's state; empty where there is none.
    #[must_use]
    pub fn state(&self, pair: usize, record: u32) -> &[u8] {
        let Some(PairColumn::States { ends, bytes }) = self.pairs.get(pair) else {
            return &[];
        };
        let end = |at: usize| {
            let chunk = ends.get(at * 8..).and_then(|b| b.first_chunk::<8>());
            chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk)) as usize
        };
        let record = record as usize;
        let start = if record == 0 { 0 } else { end(record - 1) };
        bytes.get(start..end(record)).unwrap_or(&[])
    }

    /// The records of a search, ascending; one entry of `asked` a dimension.
    #[must_use]
    pub fn search(&self, asked: &[Asked]) -> Vec<u32> {
        let mut found = Vec::new();
        // Dimensions from there on do not matter.
        let end = asked
            .iter()
            .rposition(Asked::matters)
            .map_or(0, |at| at + 1);
        self.visit(0, 0, end, asked, &mut found);
        found.retain(|record| *record < self.metadata.records);
        found.sort_unstable();
        found
    }

    fn node(&self, at: u32) -> Option<Node> {
        if at >= self.metadata.nodes {
            return None;
        }
        let start = at as usize * NODE_WORDS * 4;
        let words = self
            .nodes
            .get(start..start + NODE_WORDS * 4)?
            .as_chunks::<4>()
            .0;
        let word = |at: usize| words.get(at).map_or(0, |w| u32::from_le_bytes(*w));
        Some(Node {
            value: word(0),
            first_child: word(1),
            children: word(2),
            records: word(3)..word(4).min(self.metadata.records),
            whole: word(5),
        })
    }

    fn visit(&self, at: u32, depth: usize, end: usize, asked: &[Asked], found: &mut Vec<u32>) {
        let Some(node) = self.node(at) else {
            return;
        };
        if depth >= end {
            found.push(node.whole);
            return;
        }
        if node.children == 0 {
            return self.scan(&node, depth, asked, found);
        }
        // Children come after their parents, so that damaged nodes cannot lead in circles.
        let children = node.first_child.max(at + 1)..node.first_child.saturating_add(node.children);
        let matters = asked.get(depth).is_some_and(Asked::matters);
        let last = children.end.checked_sub(1).and_then(|last| self.node(last));
        if !matters && last.is_some_and(|last| last.value == STAR_VALUE) {
            return self.visit(children.end - 1, depth + 1, end, asked, found);
        }
        for child in children {
            let Some(of_child) = self.node(child) else {
                return;
            };
            let accepted = asked
                .get(depth)
                .is_none_or(|asked| asked.accepts(of_child.value));
            if of_child.value != STAR_VALUE && accepted {
                self.visit(child, depth + 1, end, asked, found);
            }
        }
    }

    fn scan(&self, node: &Node, depth: usize, asked: &[Asked], found: &mut Vec<u32>) {
        let tests: Vec<(&DimensionColumn, &IdSet)> = asked
            .iter()
            .zip(&self.dimensions)
            .skip(depth)
            .filter_map(|(asked, dimension)| Some((dimension, asked.ids.as_ref()?)))
            .collect();
        found.extend(node.records.clone().filter(|record| {
            tests.iter().all(|(dimension, ids)| {
                let id = bits::get(&dimension.bytes, dimension.width, *record as usize);
                ids.contains(id)
            })
        }));
    }
}

impl Column for DimensionColumn {
    fn column_type(&self) -> ColumnType {
        ColumnType::sv(self.data_type)
    }

    fn stats(&self) -> ColumnStats {
        ColumnStats::default()
    }

    fn dictionary(&self) -> Option<&dyn Dictionary> {
        Some(&*self.dictionary)
    }

    fn ids(&self, docs: Docs<'_>, out: &mut Vec<u32>) {
        out.clear();
        let largest = self.dictionary.len().saturating_sub(1);
        docs.for_each(|record| {
            out.push(bits::get(&self.bytes, self.width, record as usize).min(largest));
        });
    }

    fn id_lists(&self, _docs: Docs<'_>, offsets: &mut Vec<u32>, out: &mut Vec<u32>) {
        offsets.clear();
        out.clear();
    }

    fn values(&self, docs: Docs<'_>) -> Values {
        let mut ids = Vec::new();
        self.ids(docs, &mut ids);
        self.dictionary.decode(&ids)
    }

    fn nulls(&self) -> Option<Arc<RoaringBitmap>> {
        None
    }

    fn indexes(&self) -> &[Arc<dyn IndexReader>] {
        &[]
    }
}

impl Column for NumberColumn {
    fn column_type(&self) -> ColumnType {
        ColumnType::sv(DataType::Long)
    }

    fn stats(&self) -> ColumnStats {
        let (min, max) = self.numbers.extremes();
        ColumnStats {
            min: Some(Value::Long(min)),
            max: Some(Value::Long(max)),
            ..ColumnStats::default()
        }
    }

    fn dictionary(&self) -> Option<&dyn Dictionary> {
        None
    }

    fn ids(&self, _docs: Docs<'_>, out: &mut Vec<u32>) {
        out.clear();
    }

    fn id_lists(&self, _docs: Docs<'_>, offsets: &mut Vec<u32>, out: &mut Vec<u32>) {
        offsets.clear();
        out.clear();
    }

    fn values(&self, docs: Docs<'_>) -> Values {
        let mut out = Vec::new();
        self.numbers.append(&docs, &mut out, |v| v);
        Values::Long(out)
    }

    fn nulls(&self) -> Option<Arc<RoaringBitmap>> {
        None
    }

    fn indexes(&self) -> &[Arc<dyn IndexReader>] {
        &[]
    }
}
