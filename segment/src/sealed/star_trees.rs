//! Opens the star-trees of a segment file.
//!
//! Must not know: how trees are searched. Invariant: a tree shares the dictionaries of its dimensions' columns.

use std::sync::Arc;

use super::SealedColumn;
use super::packed::PackedNumbers;
use crate::buffer::bits;
use crate::buffer::map::Region;
use crate::error::{Result, SegmentError};
use crate::format::kind;
use crate::format::reader::SegmentFile;
use crate::index::star_tree::reader::{DimensionColumn, NumberColumn, PairColumn, id_width};
use crate::index::star_tree::{StarTreeMetadata, Stored, owner};
use crate::{Dictionary, StarTree};

/// Opens all trees.
pub(super) fn open<'a>(
    file: &SegmentFile,
    column: &dyn Fn(&str) -> Option<&'a SealedColumn>,
) -> Result<Vec<StarTree>> {
    let trees = file.footer.metadata.star_trees.iter().enumerate();
    trees
        .map(|(at, metadata)| {
            let owner = owner(at);
            let buffer = |kind: &str| -> Region {
                let mut entries = file.footer.directory.iter();
                file.buffer(entries.find(|entry| entry.column == owner && entry.kind == kind))
            };
            tree(metadata, &buffer, column).ok_or_else(|| SegmentError::Corrupt {
                path: file.path.clone(),
                offset: 0,
                problem: format!("star-tree {at} does not fit its metadata"),
            })
        })
        .collect()
}

fn tree<'a>(
    metadata: &StarTreeMetadata,
    buffer: &dyn Fn(&str) -> Region,
    column: &dyn Fn(&str) -> Option<&'a SealedColumn>,
) -> Option<StarTree> {
    let mut dimensions = Vec::with_capacity(metadata.dimensions.len());
    for (at, (name, cardinality)) in metadata
        .dimensions
        .iter()
        .zip(&metadata.cardinalities)
        .enumerate()
    {
        let column = column(name)?;
        let dictionary = Arc::clone(column.dictionary.as_ref()?) as Arc<dyn Dictionary>;
        let bytes = buffer(&format!("{}_{at}", kind::IDS));
        let width = id_width(*cardinality);
        let size = bits::packed_len(u64::from(metadata.records), width);
        if dictionary.len() != *cardinality || (bytes.len() as u64) < size {
            return None;
        }
        dimensions.push(DimensionColumn {
            bytes,
            width,
            data_type: column.column_type.data_type,
            dictionary,
        });
    }
    let numbers = metadata.pairs.iter().enumerate().map(|(at, pair)| {
        let heads = buffer(&format!("{}_{at}", kind::PACKED_HEADS));
        let bytes = buffer(&format!("{}_{at}", kind::RAW));
        if pair.stored == Stored::State {
            let whole = heads.len() as u64 == u64::from(metadata.records) * 8;
            return whole.then_some(PairColumn::States { ends: heads, bytes });
        }
        let numbers = PackedNumbers::new(heads, bytes, metadata.records)?;
        Some(PairColumn::Numbers(NumberColumn { numbers }))
    });
    let pairs = numbers.collect::<Option<_>>()?;
    StarTree::new(
        metadata.clone(),
        buffer(kind::TREE_NODES),
        dimensions,
        pairs,
    )
}
