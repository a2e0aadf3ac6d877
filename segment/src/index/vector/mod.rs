//! The vector index: the vectors of all rows side by side, and for many rows a graph that leads to the nearest ones.
//!
//! | part | content |
//! |---|---|
//! | head | numbers of a vector, code of the distance, links of a row (0 without graph), entry row, its level, rows on upper levels, links on upper levels, zero: `u32` each |
//! | vectors | `f32`, one vector a row; NaN throughout where a row has another number of them |
//! | links | of each row on the lowest level, `u32` each, filled up with the largest number |
//! | upper rows | row and end of its links `u32` each, ascending |
//! | upper links | as the others, level by level from the second on |
//!
//! Must not know: the columns beside. Invariant: without graph the search is exact; of equally near rows the first ones are taken.

mod distance;
mod graph;

use std::cmp::Ordering;
use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::{Answer, IndexReader, Predicate};
use distance::{Distance, Vectors};
use graph::{Graph, Links, Near, Seen, walk};

/// The kind.
pub(crate) struct VectorIndex;

const HEAD: usize = 32;
/// Rows from which on a graph is worth its bytes: fewer are compared as fast one by one.
const MANY: usize = if cfg!(test) { 128 } else { 4096 };
/// Links of a row, and rows looked at for them, where the config says nothing.
const USUAL: (u64, u64) = (16, 100);
/// In the place of a link that is not there.
const NO_LINK: u32 = u32::MAX;
/// Rows that a search keeps in view at least.
const VIEW: usize = 128;

impl IndexType for VectorIndex {
    fn id(&self) -> &'static str {
        "vector_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, _raw: bool) -> Option<Json> {
        let asked = wanted(&[], table, field, "vector");
        let vector = field.data_type == DataType::Float && !field.single_value_field;
        (vector && asked).then(|| settings(table, field))
    }

    fn build(&self, column: &ColumnSource<'_>, settings: &Json, out: &mut Vec<u8>) -> bool {
        let (Values::Float(values), Some(ends)) = (column.values, column.row_ends) else {
            return false;
        };
        let entry = |at: usize| match column.ids {
            Some(ids) => values[ids[at] as usize],
            None => values[at],
        };
        let starts = std::iter::once(&0).chain(ends);
        let ranges = || {
            starts
                .clone()
                .zip(ends)
                .map(|(a, b)| *a as usize..*b as usize)
        };
        let width = ranges().map(|range| range.len()).max().unwrap_or(0);
        let mut vectors = Vec::with_capacity(ends.len() * width * 4);
        for range in ranges() {
            if range.len() == width {
                range.for_each(|at| vectors.extend(entry(at).to_le_bytes()));
            } else {
                (0..width).for_each(|_| vectors.extend(f32::NAN.to_le_bytes()));
            }
        }
        let name = settings.get("distance").and_then(Json::as_str);
        let distance = Distance::of(name.unwrap_or_default());
        let number =
            |key: &str, usual: u64| settings.get(key).and_then(Json::as_u64).unwrap_or(usual);
        let degree = number("maxCon", USUAL.0).clamp(2, 128) as usize;
        let beam = number("beamWidth", USUAL.1).clamp(8, 2000) as usize;
        let graph = (ends.len() >= MANY && width > 0)
            .then(|| Graph::build(&Vectors::new(&vectors, width, distance), degree, beam));
        write(width, distance, &vectors, graph.map(|g| (g, degree)), out);
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let word = |at: usize| word(&bytes, at);
        let (width, distance) = (word(0) as usize, Distance::from_code(word(1)));
        let (degree, upper, upper_links) =
            (u64::from(word(2)), u64::from(word(5)), u64::from(word(6)));
        let rows = u64::from(column.rows);
        let sizes = [
            rows.saturating_mul(width as u64 * 4),
            rows.saturating_mul(degree.saturating_mul(8)),
            upper * 8,
            upper_links * 4,
        ];
        let size = sizes
            .iter()
            .fold(HEAD as u64, |all, part| all.saturating_add(*part));
        if bytes.len() as u64 != size {
            return Err(format!("{} bytes, expected {size}", bytes.len()));
        }
        let mut start = HEAD as u64;
        let mut part = |size: u64| {
            let part = bytes.part(start, size);
            start += size;
            part.unwrap_or_else(Region::empty)
        };
        let vectors = part(sizes[0]);
        let links = StoredLinks {
            degree: degree as usize,
            lowest: part(sizes[1]),
            upper: part(sizes[2]),
            upper_links: part(sizes[3]),
        };
        Ok(Arc::new(VectorReader {
            vectors,
            links,
            entry: word(3),
            top: word(4).min(64) as usize,
            width,
            distance,
            rows: column.rows,
        }))
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let chunk = bytes.get(at * 4..).and_then(|b| b.first_chunk::<4>());
    chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn write(
    width: usize,
    distance: Distance,
    vectors: &[u8],
    graph: Option<(Graph, usize)>,
    out: &mut Vec<u8>,
) {
    let (mut lowest, mut upper, mut upper_links) = (Vec::new(), Vec::new(), Vec::new());
    let (mut entry, mut top, mut of_row) = (NO_LINK, 0, 0);
    if let Some((graph, degree)) = graph {
        (entry, top, of_row) = (graph.entry, graph.top, degree);
        let filled = |links: &[u32], most: usize, out: &mut Vec<u32>| {
            let end = out.len() + most;
            out.extend(links.iter().take(most));
            out.resize(end, NO_LINK);
        };
        for (row, levels) in (0_u32..).zip(&graph.rows) {
            let first = levels.first().map_or(&[][..], Vec::as_slice);
            filled(first, Graph::most(degree, 0), &mut lowest);
            if levels.len() > 1 {
                let above = levels[1..].iter();
                above.for_each(|links| filled(links, degree, &mut upper_links));
                upper.extend([row, upper_links.len() as u32]);
            }
        }
    }
    let head = [
        width as u32,
        distance.code(),
        of_row as u32,
        entry,
        top as u32,
        upper.len() as u32 / 2,
        upper_links.len() as u32,
        0,
    ];
    head.iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend_from_slice(vectors);
    let words = lowest.iter().chain(&upper).chain(&upper_links);
    words.for_each(|word| out.extend(word.to_le_bytes()));
}

/// Distance and graph as the config wants them, in any spelling.
fn settings(table: &TableConfig, field: &FieldSpec) -> Json {
    let config = table.field_config(&field.name);
    let newer = config.and_then(|config| config.indexes.get("vector"));
    let older = config.and_then(|config| config.properties.as_ref());
    let text = |key: &str| -> Option<String> {
        let inside = |options: &Json| options.get(key).cloned();
        let found = newer.and_then(|options| {
            inside(options).or_else(|| options.get("properties").and_then(inside))
        });
        let found = found.map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
        found.or_else(|| older?.get(key).cloned())
    };
    let number = |key: &str| text(key).and_then(|text| text.parse::<u64>().ok());
    serde_json::json!({
        "distance": text("vectorDistanceFunction").unwrap_or_else(|| "COSINE".to_owned()),
        "maxCon": number("maxCon").unwrap_or(USUAL.0),
        "beamWidth": number("beamWidth").unwrap_or(USUAL.1),
    })
}

/// Links in place.
struct StoredLinks {
    degree: usize,
    lowest: Region,
    upper: Region,
    upper_links: Region,
}

impl StoredLinks {
    /// Where the links of a row on upper levels are.
    fn above(&self, row: u32) -> Option<std::ops::Range<usize>> {
        let (mut low, mut high) = (0, self.upper.len() / 8);
        while low < high {
            let middle = low + (high - low) / 2;
            if word(&self.upper, middle * 2) < row {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let end = |at: usize| word(&self.upper, at * 2 + 1) as usize;
        let found = low < self.upper.len() / 8 && word(&self.upper, low * 2) == row;
        found.then(|| low.checked_sub(1).map_or(0, end)..end(low))
    }
}

impl Links for StoredLinks {
    fn links(&self, row: u32, level: usize, out: &mut Vec<u32>) {
        out.clear();
        let (region, range) = match level {
            0 => {
                let most = self.degree * 2;
                let start = row as usize * most;
                (&self.lowest, start..start + most)
            }
            above => {
                let Some(all) = self.above(row) else {
                    return;
                };
                let start = all.start + (above - 1) * self.degree;
                (&self.upper_links, start..(start + self.degree).min(all.end))
            }
        };
        let links = range.map(|at| match region.len() > at * 4 {
            true => word(region, at),
            false => NO_LINK,
        });
        out.extend(links.take_while(|row| *row != NO_LINK));
    }
}

struct VectorReader {
    vectors: Region,
    links: StoredLinks,
    entry: u32,
    top: usize,
    width: usize,
    distance: Distance,
    rows: u32,
}

impl VectorReader {
    fn nearest(&self, target: &[f32], top_k: usize) -> RoaringBitmap {
        if target.len() != self.width || self.width == 0 {
            return RoaringBitmap::new();
        }
        if self.links.degree > 0 && top_k > 0 && top_k < self.rows as usize / 4 {
            return self.walked(target, top_k);
        }
        self.ranked(0..self.rows, target, top_k)
    }

    /// The nearest of some rows.
    fn ranked(
        &self,
        rows: impl Iterator<Item = u32>,
        target: &[f32],
        top_k: usize,
    ) -> RoaringBitmap {
        let all = Vectors::new(&self.vectors, self.width, self.distance);
        let mut vector = Vec::new();
        let distances = rows.map(|row| {
            all.read(row, &mut vector);
            let pairs = vector.iter().copied().zip(target.iter().copied());
            (self.distance.between(pairs), row)
        });
        first(distances, top_k)
    }

    /// The nearest rows that the graph leads to.
    fn walked(&self, target: &[f32], top_k: usize) -> RoaringBitmap {
        let all = Vectors::new(&self.vectors, self.width, self.distance);
        let aim = all.aim(target);
        let distance = |row: u32| all.between(&aim, row);
        let mut seen = Seen::new(self.rows);
        let mut from = vec![Near {
            distance: distance(self.entry),
            row: self.entry,
        }];
        for level in (1..=self.top).rev() {
            from = walk(&self.links, &distance, &from, (level, 1), &mut seen);
        }
        let keep = VIEW.max(top_k.saturating_mul(2));
        let found = walk(&self.links, &distance, &from, (0, keep), &mut seen);
        self.ranked(found.iter().map(|near| near.row), target, top_k)
    }
}

/// The nearest rows among the values of a growing column.
pub(super) fn among(
    values: &Values,
    settings: &Json,
    target: &[f32],
    top_k: usize,
) -> RoaringBitmap {
    let name = settings.get("distance").and_then(Json::as_str);
    let distance = Distance::of(name.unwrap_or_default());
    let Values::Array(array) = values else {
        return RoaringBitmap::new();
    };
    let Values::Float(items) = &*array.items else {
        return RoaringBitmap::new();
    };
    let distances = (0..array.len() as u32).filter_map(|row| {
        let vector = items.get(array.range(row as usize))?;
        let pairs = vector.iter().copied().zip(target.iter().copied());
        (vector.len() == target.len()).then(|| (distance.between(pairs), row))
    });
    first(distances, top_k)
}

fn first(distances: impl Iterator<Item = (f64, u32)>, top_k: usize) -> RoaringBitmap {
    let mut found: Vec<(f64, u32)> = distances.filter(|(d, _)| !d.is_nan()).collect();
    let order =
        |a: &(f64, u32), b: &(f64, u32)| -> Ordering { a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)) };
    if top_k == 0 {
        return RoaringBitmap::new();
    }
    if top_k < found.len() {
        found.select_nth_unstable_by(top_k - 1, order);
        found.truncate(top_k);
    }
    found.into_iter().map(|(_, row)| row).collect()
}

impl IndexReader for VectorReader {
    fn id(&self) -> &'static str {
        VectorIndex.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        match predicate {
            Predicate::Nearest { top_k, .. } => {
                Some(u32::try_from(*top_k).unwrap_or(u32::MAX).min(self.rows))
            }
            _ => None,
        }
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        match predicate {
            Predicate::Nearest { target, top_k } => {
                Some(Answer::Exact(self.nearest(target, *top_k)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn index(vectors: &[Vec<f32>], distance: Distance) -> VectorReader {
        let width = vectors[0].len();
        let bytes: Vec<u8> = vectors
            .iter()
            .flatten()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let graph = (vectors.len() >= MANY)
            .then(|| Graph::build(&Vectors::new(&bytes, width, distance), 16, 100));
        let mut out = Vec::new();
        write(width, distance, &bytes, graph.map(|g| (g, 16)), &mut out);
        let word = |at: usize| word(&out, at) as usize;
        let (degree, upper, links) = (word(2), word(5), word(6));
        let rows = vectors.len();
        let all = Region::of(out.clone());
        let starts = [
            HEAD,
            rows * width * 4,
            rows * degree * 8,
            upper * 8,
            links * 4,
        ];
        let ends: Vec<usize> = starts
            .iter()
            .scan(0, |end, size| {
                *end += size;
                Some(*end)
            })
            .collect();
        let part = |at: usize| {
            all.part(ends[at] as u64, (ends[at + 1] - ends[at]) as u64)
                .unwrap()
        };
        VectorReader {
            vectors: part(0),
            links: StoredLinks {
                degree,
                lowest: part(1),
                upper: part(2),
                upper_links: part(3),
            },
            entry: word(3) as u32,
            top: word(4),
            width,
            distance,
            rows: rows as u32,
        }
    }

    const ALL: [Distance; 3] = [
        Distance::Cosine,
        Distance::Euclidean,
        Distance::InnerProduct,
    ];

    #[test]
    fn the_nearest_rows_are_found() {
        let vectors = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0]].map(|v| v.to_vec());
        for distance in ALL {
            let reader = index(&vectors, distance);
            let found: Vec<u32> = reader.nearest(&[1.0, 0.0], 2).iter().collect();
            assert_eq!(found, [0, 1]);
            assert!(reader.nearest(&[1.0], 2).is_empty());
        }
    }

    #[test]
    fn a_graph_leads_to_nearly_all_of_the_nearest_rows() {
        let mut random = Random(4);
        let mut vector = |_| -> Vec<f32> {
            let number = |_| random.below(2000) as f32 / 1000.0 - 1.0;
            (0..12).map(number).collect()
        };
        let vectors: Vec<Vec<f32>> = (0..5000).map(&mut vector).collect();
        for distance in ALL {
            let reader = index(&vectors, distance);
            assert!(reader.links.degree > 0 && reader.top > 0);
            let (mut found, mut wanted) = (0, 0);
            for _ in 0..40 {
                let target = vector(0);
                let exact = reader.ranked(0..reader.rows, &target, 10);
                wanted += exact.len();
                found += (reader.nearest(&target, 10) & exact).len();
            }
            assert!(
                found * 100 >= wanted * 95,
                "{distance:?}: {found} of {wanted}"
            );
        }
    }
}
