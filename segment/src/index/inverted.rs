//! The inverted index: for each dictionary id the Roaring bitmap of its rows.
//!
//! | part | content |
//! |---|---|
//! | head | cardinality `u32`, zero `u32` |
//! | counts | rows of each id, `u32`; padded to 8 bytes |
//! | ends | end of each bitmap among the bitmaps, `u64` |
//! | bitmaps | Roaring portable format |
//!
//! Must not know: values. Invariant: a damaged bitmap counts as empty.

use std::sync::Arc;

use common::{FieldSpec, TableConfig};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use super::collect::{RowCollector, at_least_one, complement};
use super::{ColumnContext, ColumnSource, IndexType, ids_of, wanted};
use crate::buffer::map::Region;
use crate::{Answer, Dictionary, IdSet, IndexReader, Predicate};

/// The kind.
pub(crate) struct Inverted;

impl IndexType for Inverted {
    fn id(&self) -> &'static str {
        "inverted_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, raw: bool) -> Option<Json> {
        let list = &table.table_index_config.inverted_index_columns;
        (!raw && wanted(list, table, field, "inverted")).then_some(Json::Null)
    }

    fn build(&self, column: &ColumnSource<'_>, _settings: &Json, out: &mut Vec<u8>) -> bool {
        let Some(ids) = column.ids else {
            return false;
        };
        // A sorted column answers from its runs.
        if column.row_ends.is_none() && ids.is_sorted() {
            return false;
        }
        let cardinality = column.values.len();
        let (starts, rows) = rows_by_id(cardinality, ids, column.row_ends);
        out.extend((cardinality as u32).to_le_bytes());
        out.extend([0; 4]);
        let lists = || {
            starts
                .windows(2)
                .map(|w| &rows[w[0] as usize..w[1] as usize])
        };
        for list in lists() {
            out.extend((list.len() as u32).to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let (mut ends, mut bitmaps) = (Vec::with_capacity(cardinality * 8), Vec::new());
        for list in lists() {
            write_bitmap(list, &mut bitmaps);
            ends.extend((bitmaps.len() as u64).to_le_bytes());
        }
        out.append(&mut ends);
        out.append(&mut bitmaps);
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let dictionary = column
            .dictionary
            .clone()
            .ok_or("an inverted index needs a dictionary")?;
        let cardinality = dictionary.len();
        let counts = 8 + u64::from(cardinality) * 4;
        let ends = counts.next_multiple_of(8);
        let bitmaps = ends + u64::from(cardinality) * 8;
        let found = bytes
            .first_chunk::<4>()
            .map(|chunk| u32::from_le_bytes(*chunk));
        let rest = (bytes.len() as u64).checked_sub(bitmaps);
        match (found == Some(cardinality), rest) {
            (true, Some(rest)) => Ok(Arc::new(InvertedReader {
                counts: bytes.part(8, counts - 8).unwrap_or_else(Region::empty),
                ends: bytes
                    .part(ends, bitmaps - ends)
                    .unwrap_or_else(Region::empty),
                bitmaps: bytes.part(bitmaps, rest).unwrap_or_else(Region::empty),
                dictionary,
                rows: column.rows,
            })),
            _ => Err(format!(
                "it does not fit the {cardinality} values of the dictionary"
            )),
        }
    }
}

/// Rows of each id, ascending and without duplicates, one list after the other; and where each begins.
fn rows_by_id(cardinality: usize, ids: &[u32], row_ends: Option<&[u32]>) -> (Vec<u32>, Vec<u32>) {
    let each = |f: &mut dyn FnMut(u32, u32)| match row_ends {
        None => (0..).zip(ids).for_each(|(row, id)| f(row, *id)),
        Some(ends) => {
            let mut start = 0;
            for (row, end) in (0..).zip(ends) {
                let items = &ids[start..*end as usize];
                for (at, id) in items.iter().enumerate() {
                    if !items[..at].contains(id) {
                        f(row, *id);
                    }
                }
                start = *end as usize;
            }
        }
    };
    let mut starts = vec![0_u32; cardinality + 1];
    each(&mut |_, id| starts[id as usize + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut rows = vec![0_u32; starts.last().copied().unwrap_or(0) as usize];
    each(&mut |row, id| {
        let place = &mut next[id as usize];
        rows[*place as usize] = row;
        *place += 1;
    });
    (starts, rows)
}

/// Cookie of the portable format without run containers.
const COOKIE: u32 = 12_346;
/// Most rows of an array container.
const ARRAY_MAX: usize = 4096;

/// Appends the portable form of ascending rows. Short lists are written here: building a bitmap costs more than its bytes.
pub(crate) fn write_bitmap(rows: &[u32], out: &mut Vec<u8>) {
    if rows.len() > ARRAY_MAX {
        let bitmap = RoaringBitmap::from_sorted_iter(rows.iter().copied()).unwrap_or_default();
        // Writing to memory does not fail.
        let _ = bitmap.serialize_into(&mut *out);
        return;
    }
    let containers = || rows.chunk_by(|a, b| a >> 16 == b >> 16);
    let count = containers().count();
    out.extend(COOKIE.to_le_bytes());
    out.extend((count as u32).to_le_bytes());
    for container in containers() {
        out.extend(((container[0] >> 16) as u16).to_le_bytes());
        out.extend((container.len() as u16).wrapping_sub(1).to_le_bytes());
    }
    let mut offset = 8 + 8 * count;
    for container in containers() {
        out.extend((offset as u32).to_le_bytes());
        offset += container.len() * 2;
    }
    out.extend(rows.iter().flat_map(|row| (*row as u16).to_le_bytes()));
}

/// Calls `add` for the rows of a bitmap in portable form; nothing where it is damaged.
pub(crate) fn read_bitmap(bytes: &[u8], add: &mut impl FnMut(u32)) {
    if read_arrays(bytes, add).is_none() {
        match RoaringBitmap::deserialize_from(bytes) {
            Ok(bitmap) => bitmap.iter().for_each(add),
            Err(error) => tracing::error!(%error, "bitmap of an inverted index cannot be read"),
        }
    }
}

/// The fast way for bitmaps of array containers only; `None` for others.
fn read_arrays(bytes: &[u8], add: &mut impl FnMut(u32)) -> Option<()> {
    let (cookie, rest) = bytes.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    if u32::from_le_bytes(*cookie) != COOKIE || count > 1 << 16 {
        return None;
    }
    let heads = rest.get(..count * 4)?.as_chunks::<4>().0;
    let mut values = rest.get(count * 8..)?;
    let sizes = || {
        heads
            .iter()
            .map(|h| usize::from(u16::from_le_bytes([h[2], h[3]])) + 1)
    };
    if sizes().any(|size| size > ARRAY_MAX) || values.len() < sizes().sum::<usize>() * 2 {
        return None;
    }
    for (head, size) in heads.iter().zip(sizes()) {
        let high = u32::from(u16::from_le_bytes([head[0], head[1]])) << 16;
        let (array, after) = values.split_at_checked(size * 2)?;
        for low in array.as_chunks::<2>().0 {
            add(high | u32::from(u16::from_le_bytes(*low)));
        }
        values = after;
    }
    Some(())
}

struct InvertedReader {
    counts: Region,
    ends: Region,
    bitmaps: Region,
    dictionary: Arc<dyn Dictionary>,
    rows: u32,
}

impl InvertedReader {
    fn bitmap(&self, id: u32) -> &[u8] {
        let end = |id: usize| {
            let bytes = self
                .ends
                .get(id * 8..)
                .and_then(|rest| rest.first_chunk::<8>());
            bytes.map_or(0, |chunk| u64::from_le_bytes(*chunk)) as usize
        };
        let id = id as usize;
        let start = if id == 0 { 0 } else { end(id - 1) };
        self.bitmaps.get(start..end(id)).unwrap_or(&[])
    }

    /// Rows of all ids, those with several counted several times.
    fn count(&self, ids: &IdSet) -> u64 {
        let count = |bytes: &[u8]| -> u64 {
            let words = bytes.as_chunks::<4>().0.iter();
            words.map(|w| u64::from(u32::from_le_bytes(*w))).sum()
        };
        let of = |first: u32, last: u32| {
            count(
                self.counts
                    .get(first as usize * 4..last as usize * 4)
                    .unwrap_or(&[]),
            )
        };
        match ids {
            IdSet::Run(run) => of(run.start, run.end),
            IdSet::Bits { .. } => ids.iter().map(|id| of(id, id.saturating_add(1))).sum(),
        }
    }

    fn rows(&self, ids: &IdSet) -> RoaringBitmap {
        if let (1, Some(id)) = (ids.len(), ids.iter().next()) {
            let bitmap = RoaringBitmap::deserialize_from(self.bitmap(id)).unwrap_or_default();
            return match bitmap.max() {
                Some(last) if last >= self.rows => RoaringBitmap::new(),
                _ => bitmap,
            };
        }
        let mut rows = RowCollector::new(self.rows, self.count(ids));
        for id in ids.iter() {
            read_bitmap(self.bitmap(id), &mut |row| rows.add(row));
        }
        rows.finish()
    }
}

impl IndexReader for InvertedReader {
    fn id(&self) -> &'static str {
        Inverted.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        let (ids, negated) = ids_of(&*self.dictionary, predicate)?;
        let count = self.count(&ids).min(u64::from(self.rows)) as u32;
        Some(if negated {
            at_least_one(self.rows, count)
        } else {
            count
        })
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        let (ids, negated) = ids_of(&*self.dictionary, predicate)?;
        let rows = self.rows(&ids);
        Some(Answer::Exact(if negated {
            complement(self.rows, rows)
        } else {
            rows
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_bitmaps_are_portable() {
        for rows in [
            vec![],
            vec![5],
            vec![1, 65_535, 65_536, 1 << 20],
            (0..5000).collect(),
        ] {
            let mut bytes = Vec::new();
            write_bitmap(&rows, &mut bytes);
            let bitmap = RoaringBitmap::deserialize_from(&*bytes).unwrap();
            assert_eq!(bitmap.iter().collect::<Vec<_>>(), rows);
            let mut read = Vec::new();
            read_bitmap(&bytes, &mut |row| read.push(row));
            assert_eq!(read, rows);
        }
    }
}
