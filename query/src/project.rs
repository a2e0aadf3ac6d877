//! Reading a plan's columns from a segment, a block of rows at a time, each column once.
//!
//! Must not know: what the columns are for. Invariant: a column that the segment does not have reads as its default.

use std::sync::Arc;

use common::{Block, ColumnType, DataType, Value, Values};
use roaring::RoaringBitmap;
use segment::{Column, Docs, Segment};

use crate::QueryError;
use crate::expr::Rows;
use crate::plan::PlanColumn;

/// Rows of a block.
pub const BLOCK_ROWS: usize = 8192;

/// A plan's column within one segment.
pub enum Source<'a> {
    /// Stored.
    Stored {
        /// The column.
        column: &'a dyn Column,
        /// Recorded nulls.
        nulls: Option<Arc<RoaringBitmap>>,
    },
    /// The same value in every row, and whether that stands for null.
    Constant(Value, bool),
    /// `$docId`.
    DocId,
}

/// All of a plan's columns within one segment.
pub struct SegmentColumns<'a> {
    /// In the order of the plan.
    pub sources: Vec<Source<'a>>,
    types: Vec<ColumnType>,
    names: Vec<&'a str>,
    null_handling: bool,
}

impl<'a> SegmentColumns<'a> {
    /// Finds the columns.
    #[must_use]
    pub fn open(
        segment: &'a dyn Segment,
        columns: &'a [PlanColumn],
        null_handling: bool,
        host: &str,
    ) -> Self {
        let sources = columns
            .iter()
            .map(|column| match column.name.as_str() {
                "$docId" => Source::DocId,
                "$segmentName" => Source::Constant(Value::String(segment.name().to_owned()), false),
                "$hostName" => Source::Constant(Value::String(host.to_owned()), false),
                name => match segment.column(name) {
                    Some(stored) => Source::Stored {
                        column: stored,
                        nulls: stored.nulls(),
                    },
                    None => Source::Constant(column.default.clone(), true),
                },
            })
            .collect();
        Self {
            sources,
            types: columns.iter().map(|c| c.column_type).collect(),
            names: columns.iter().map(|c| c.name.as_str()).collect(),
            null_handling,
        }
    }

    /// Reads a column.
    #[must_use]
    pub fn read(&self, index: usize, docs: &Docs<'_>, nulls: bool) -> Block {
        let column_type = self.types[index];
        let with_nulls = nulls || self.null_handling;
        match &self.sources[index] {
            Source::DocId => {
                let mut ids = Vec::with_capacity(docs.len());
                docs.for_each(|doc| ids.push(doc as i32));
                Block::new(DataType::Int, Values::Int(ids))
            }
            Source::Constant(_, true) if with_nulls => {
                Block::constant(column_type, &Value::Null, docs.len())
            }
            Source::Constant(value, _) => Block::constant(column_type, value, docs.len()),
            Source::Stored { column, nulls } => {
                let block = Block::new(column_type, column.values(docs.clone()));
                match nulls {
                    Some(nulls) if with_nulls => block.with_nulls(Some(null_flags(nulls, docs))),
                    _ => block,
                }
            }
        }
    }

    /// The name of a column.
    #[must_use]
    pub fn name(&self, index: usize) -> &str {
        self.names.get(index).copied().unwrap_or_default()
    }

    /// Whether the query has null handling.
    #[must_use]
    pub fn null_handling(&self) -> bool {
        self.null_handling
    }

    /// The nulls of a column that count in the query's null mode.
    #[must_use]
    pub fn handled_nulls(&self, index: usize) -> Option<&RoaringBitmap> {
        match &self.sources[index] {
            Source::Stored { nulls, .. } if self.null_handling => nulls.as_deref(),
            _ => None,
        }
    }
}

/// For each row whether it is null.
#[must_use]
pub fn null_flags(nulls: &RoaringBitmap, docs: &Docs<'_>) -> Vec<bool> {
    match docs {
        Docs::Range(range) => {
            let mut flags = vec![false; range.len()];
            for doc in nulls.range(range.clone()) {
                flags[(doc - range.start) as usize] = true;
            }
            flags
        }
        Docs::List(list) => list.iter().map(|doc| nulls.contains(*doc)).collect(),
    }
}

/// Some rows of a segment, with each column read at most once.
pub struct Projection<'a> {
    columns: &'a SegmentColumns<'a>,
    docs: Docs<'a>,
    cache: Vec<Option<Block>>,
    ignores_nulls: bool,
}

impl<'a> Projection<'a> {
    /// Rows to project.
    #[must_use]
    pub fn new(columns: &'a SegmentColumns<'a>, docs: Docs<'a>) -> Self {
        let cache = columns.sources.iter().map(|_| None).collect();
        Self {
            columns,
            docs,
            cache,
            ignores_nulls: false,
        }
    }

    /// The same rows, of which nulls read as the values that stand for them.
    #[must_use]
    pub fn ignoring_nulls(mut self) -> Self {
        self.ignores_nulls = true;
        self
    }

    /// The same rows once more, as [`Self::ignoring_nulls`].
    #[must_use]
    pub fn plain(&self) -> Self {
        Self::new(self.columns, self.docs.clone()).ignoring_nulls()
    }

    /// The rows.
    #[must_use]
    pub fn docs(&self) -> &Docs<'a> {
        &self.docs
    }
}

impl Rows for Projection<'_> {
    fn rows(&self) -> usize {
        self.docs.len()
    }

    fn handles_nulls(&self) -> bool {
        self.columns.null_handling
    }

    fn column(&mut self, index: usize, nulls: bool) -> Result<Block, QueryError> {
        if nulls && !self.columns.null_handling {
            return Ok(self.columns.read(index, &self.docs, true));
        }
        if let Some(block) = &self.cache[index] {
            return Ok(block.clone());
        }
        let mut block = self.columns.read(index, &self.docs, false);
        if self.ignores_nulls {
            block = block.with_nulls(None);
        }
        self.cache[index] = Some(block.clone());
        Ok(block)
    }
}
