//! A sealed segment: a mapped file. Opening checks the footer and copies nothing.
//!
//! Must not know: how files come and go. Invariant: whatever the bytes, reading never panics; `verify` tells whether
//! they are what was written.

mod column;
mod dictionary;
mod forward;
pub(crate) mod packed;
mod star_trees;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use common::DataType;
use hashbrown::HashMap;

use crate::buffer::bits;
use crate::buffer::map::Region;
use crate::error::{Result, SegmentError};
use crate::format::footer::{BufferEntry, ColumnMetadata, Encoding, SegmentMetadata};
use crate::format::kind;
use crate::format::reader::SegmentFile;
use crate::index::{self, ColumnContext};
use crate::number::with_number;
use crate::{Column, ColumnStats, Dictionary, IndexReader, Segment, StarTree};
use column::SealedColumn;
use dictionary::SealedDictionary;
use forward::{ChunkedValues, Forward};
use packed::PackedNumbers;

/// A sealed segment.
pub struct SealedSegment {
    file: SegmentFile,
    columns: Vec<SealedColumn>,
    positions: HashMap<String, usize>,
    star_trees: Vec<StarTree>,
}

impl SealedSegment {
    /// Maps a segment file and checks its footer; buffers are checked by [`Self::verify`].
    ///
    /// # Errors
    /// Where the file cannot be mapped, is no whole segment, or has another format version.
    pub fn open(path: &Path) -> Result<Self> {
        let file = SegmentFile::open(path)?;
        let columns = open_columns(&file)?;
        let names = file.footer.metadata.columns.iter();
        let positions: HashMap<String, usize> = names
            .enumerate()
            .map(|(at, column)| (column.name.clone(), at))
            .collect();
        let column = |name: &str| columns.get(*positions.get(name)?);
        let star_trees = star_trees::open(&file, &column)?;
        Ok(Self {
            columns,
            positions,
            star_trees,
            file,
        })
    }

    /// Reads the whole file and compares every buffer with its checksum.
    ///
    /// # Errors
    /// At the first buffer that differs.
    pub fn verify(&self) -> Result<()> {
        self.file.verify()
    }

    /// Metadata.
    #[must_use]
    pub fn metadata(&self) -> &SegmentMetadata {
        &self.file.footer.metadata
    }

    /// Buffers with their sizes, in file order.
    #[must_use]
    pub fn directory(&self) -> &[BufferEntry] {
        &self.file.footer.directory
    }

    /// Checksum that stands for the whole file.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.file.crc
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.file.region.len() as u64
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

/// Buffers of one column by kind, with what it takes to complain about them.
struct Buffers<'a> {
    file: &'a SegmentFile,
    column: &'a str,
    entries: &'a [&'a BufferEntry],
}

impl Buffers<'_> {
    fn find(&self, kind: &str) -> Option<&BufferEntry> {
        self.entries
            .iter()
            .copied()
            .find(|entry| entry.kind == kind)
    }

    fn optional(&self, kind: &str) -> Region {
        self.file.buffer(self.find(kind))
    }

    fn sized(&self, kind: &str, size: u64) -> Result<Region> {
        let entry = self.find(kind);
        match entry {
            Some(entry) if entry.length >= size => Ok(self.file.buffer(Some(entry))),
            Some(entry) => Err(self.corrupt(
                entry.offset,
                &format!("`{kind}` has {} bytes, expected {size}", entry.length),
            )),
            None if size == 0 => Ok(Region::empty()),
            None => Err(self.corrupt(0, &format!("`{kind}` is missing"))),
        }
    }

    fn corrupt(&self, offset: u64, problem: &str) -> SegmentError {
        SegmentError::Corrupt {
            path: self.file.path.clone(),
            offset,
            problem: format!("column `{}`: {problem}", self.column),
        }
    }
}

fn open_columns(file: &SegmentFile) -> Result<Vec<SealedColumn>> {
    let mut buffers: HashMap<&str, Vec<&BufferEntry>> = HashMap::new();
    for entry in &file.footer.directory {
        buffers
            .entry(entry.column.as_str())
            .or_default()
            .push(entry);
    }
    let columns = file.footer.metadata.columns.iter();
    columns
        .map(|column| {
            let entries = buffers.get(column.name.as_str());
            open_column(file, column, entries.map_or(&[], Vec::as_slice))
        })
        .collect()
}

fn open_column(
    file: &SegmentFile,
    metadata: &ColumnMetadata,
    entries: &[&BufferEntry],
) -> Result<SealedColumn> {
    let buffers = Buffers {
        file,
        column: &metadata.name,
        entries,
    };
    let rows = file.footer.metadata.rows;
    let count = u32::try_from(metadata.entries)
        .ok()
        .filter(|count| metadata.multi || *count == rows)
        .ok_or_else(|| buffers.corrupt(0, "the number of entries does not fit the rows"))?;
    let dictionary = match metadata.encoding {
        Encoding::Raw | Encoding::Packed => None,
        Encoding::Dictionary | Encoding::Sorted => Some(open_dictionary(&buffers, metadata)?),
    };
    let row_ends = match metadata.multi {
        true => Some(buffers.sized(kind::ROW_ENDS, u64::from(rows) * 4)?),
        false => None,
    };
    let context = ColumnContext {
        data_type: metadata.data_type,
        rows,
        entries: count,
        dictionary: dictionary.clone().map(|d| d as Arc<dyn Dictionary>),
        row_ends: row_ends.clone(),
    };
    let indexes = open_indexes(&buffers, metadata, &context)?;
    let (min, max) = metadata.min_max();
    Ok(SealedColumn {
        rows,
        column_type: metadata.column_type(),
        stats: ColumnStats {
            cardinality: metadata.cardinality,
            min,
            max,
            sum: metadata.sum.as_ref().and_then(|sum| sum.parse().ok()),
            sorted: metadata.sorted,
            total_entries: metadata.entries,
            max_entries: metadata.max_entries,
            partitions: metadata
                .partitions
                .as_ref()
                .map(|p| (p.function.clone(), p.count, p.present.clone())),
        },
        entries: count,
        forward: open_forward(&buffers, metadata, count)?,
        row_ends,
        dictionary,
        null_bytes: buffers.optional(kind::NULLS),
        nulls: OnceLock::new(),
        indexes,
    })
}

/// Opens the indexes of a column; one that this version does not know is left out.
fn open_indexes(
    buffers: &Buffers<'_>,
    metadata: &ColumnMetadata,
    context: &ColumnContext,
) -> Result<Vec<Arc<dyn IndexReader>>> {
    let known = metadata.indexes.iter().filter_map(|id| index::by_id(id));
    known
        .map(|kind| {
            let entry = buffers.find(kind.id());
            kind.open(buffers.file.buffer(entry), context)
                .map_err(|problem| {
                    let offset = entry.map_or(0, |entry| entry.offset);
                    buffers.corrupt(offset, &format!("`{}`: {problem}", kind.id()))
                })
        })
        .collect()
}

fn open_dictionary(
    buffers: &Buffers<'_>,
    metadata: &ColumnMetadata,
) -> Result<Arc<SealedDictionary>> {
    let dictionary = SealedDictionary::new(
        buffers.optional(kind::DICTIONARY),
        buffers.optional(kind::DICTIONARY_ENDS),
        metadata.cardinality.unwrap_or(0),
        metadata.data_type,
    );
    if dictionary.is_whole() {
        Ok(Arc::new(dictionary))
    } else {
        Err(buffers.corrupt(
            0,
            "the dictionary has another size than its cardinality asks for",
        ))
    }
}

fn open_forward(buffers: &Buffers<'_>, metadata: &ColumnMetadata, entries: u32) -> Result<Forward> {
    let cardinality = metadata.cardinality.unwrap_or(0);
    let has_ids = matches!(metadata.encoding, Encoding::Dictionary | Encoding::Sorted);
    if has_ids && cardinality == 0 && entries > 0 {
        return Err(buffers.corrupt(0, "the dictionary is empty"));
    }
    let data_type = metadata.data_type;
    Ok(match metadata.encoding {
        Encoding::Dictionary => {
            if !(1..=32).contains(&metadata.bits) {
                return Err(buffers.corrupt(0, &format!("ids of {} bits", metadata.bits)));
            }
            let size = bits::packed_len(u64::from(entries), metadata.bits);
            Forward::Ids {
                bytes: buffers.sized(kind::IDS, size)?,
                width: metadata.bits,
                cardinality,
            }
        }
        Encoding::Sorted => Forward::Runs {
            ends: buffers.sized(kind::RUNS, u64::from(cardinality) * 4)?,
            cardinality,
        },
        Encoding::Packed if !matches!(data_type.stored(), DataType::Int | DataType::Long) => {
            return Err(buffers.corrupt(0, &format!("packed values of {}", data_type.name())));
        }
        Encoding::Packed => {
            let heads = buffers.optional(kind::PACKED_HEADS);
            let bytes = buffers.optional(kind::RAW);
            let numbers = PackedNumbers::new(heads, bytes, entries)
                .ok_or_else(|| buffers.corrupt(0, "heads of packed blocks are missing"))?;
            Forward::Packed(numbers, data_type)
        }
        Encoding::Raw if metadata.chunk_entries == 0 => {
            let width = with_number!(data_type.stored(), T => width_of::<T>(), _ => 0);
            if width == 0 && entries > 0 {
                return Err(buffers.corrupt(0, "values of varying length without chunks"));
            }
            Forward::Plain {
                bytes: buffers.sized(kind::RAW, u64::from(entries) * width)?,
                data_type,
            }
        }
        Encoding::Raw => {
            let chunks = entries.div_ceil(metadata.chunk_entries);
            Forward::Chunks(ChunkedValues {
                bytes: buffers.optional(kind::RAW),
                ends: buffers.sized(kind::CHUNK_ENDS, u64::from(chunks) * 8)?,
                codec: metadata.codec,
                per_chunk: metadata.chunk_entries,
                largest: metadata.chunk_bytes,
                entries,
                data_type,
            })
        }
    })
}

fn width_of<T: crate::number::Number>() -> u64 {
    T::WIDTH as u64
}

impl Segment for SealedSegment {
    fn name(&self) -> &str {
        &self.metadata().name
    }

    fn doc_count(&self) -> u32 {
        self.metadata().rows
    }

    fn column(&self, name: &str) -> Option<&dyn Column> {
        let column = self.columns.get(*self.positions.get(name)?)?;
        Some(column)
    }

    fn column_names(&self) -> Vec<String> {
        self.metadata()
            .columns
            .iter()
            .map(|c| c.name.clone())
            .collect()
    }

    fn time_range_ms(&self) -> Option<(i64, i64)> {
        self.metadata().time_range_ms
    }

    fn star_trees(&self) -> &[StarTree] {
        &self.star_trees
    }
}
