//! The vector index: the vectors of all rows side by side, for the nearest ones to a vector.
//!
//! | part | content |
//! |---|---|
//! | head | numbers of a vector `u32`, zero `u32` |
//! | vectors | `f32`, one vector a row; NaN throughout where a row has another number of them |
//!
//! Must not know: the columns beside. Invariant: the search is exact; of equally near rows the first ones are taken.

use std::cmp::Ordering;
use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::{Answer, IndexReader, Predicate};

/// The kind.
pub(crate) struct VectorIndex;

const HEAD: usize = 8;

impl IndexType for VectorIndex {
    fn id(&self) -> &'static str {
        "vector_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, _raw: bool) -> Option<Json> {
        let asked = wanted(&[], table, field, "vector");
        let vector = field.data_type == DataType::Float && !field.single_value_field;
        (vector && asked).then(|| Json::String(distance_name(table, field)))
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
        out.extend((width as u32).to_le_bytes());
        out.extend(
            Distance::of(settings.as_str().unwrap_or_default())
                .code()
                .to_le_bytes(),
        );
        for range in ranges() {
            if range.len() == width {
                range.for_each(|at| out.extend(entry(at).to_le_bytes()));
            } else {
                (0..width).for_each(|_| out.extend(f32::NAN.to_le_bytes()));
            }
        }
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let word = |at: usize| {
            let chunk = bytes.get(at * 4..).and_then(|b| b.first_chunk::<4>());
            chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk))
        };
        let (width, distance) = (word(0) as usize, Distance::from_code(word(1)));
        let size = HEAD as u64 + u64::from(column.rows) * width as u64 * 4;
        if bytes.len() as u64 != size {
            return Err(format!("{} bytes, expected {size}", bytes.len()));
        }
        Ok(Arc::new(VectorReader {
            bytes,
            width,
            distance,
            rows: column.rows,
        }))
    }
}

fn distance_name(table: &TableConfig, field: &FieldSpec) -> String {
    let config = table.field_config(&field.name);
    let found = config.and_then(|config| {
        let by_index = config.indexes.get("vector");
        let by_index = by_index.and_then(|options| options.get("vectorDistanceFunction"));
        let by_property = || config.properties.as_ref()?.get("vectorDistanceFunction");
        let by_index = by_index.and_then(Json::as_str);
        by_index.or_else(|| by_property().map(String::as_str))
    });
    found.unwrap_or("COSINE").to_owned()
}

/// How far two vectors are apart; smaller is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distance {
    Cosine,
    InnerProduct,
    Euclidean,
}

impl Distance {
    fn of(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "INNER_PRODUCT" | "DOT_PRODUCT" => Self::InnerProduct,
            "EUCLIDEAN" | "L2" => Self::Euclidean,
            _ => Self::Cosine,
        }
    }

    fn code(self) -> u32 {
        match self {
            Self::Cosine => 0,
            Self::InnerProduct => 1,
            Self::Euclidean => 2,
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            1 => Self::InnerProduct,
            2 => Self::Euclidean,
            _ => Self::Cosine,
        }
    }

    fn between(self, pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
        let (mut product, mut a, mut b, mut squares) = (0.0, 0.0, 0.0, 0.0);
        for (x, y) in pairs {
            let (x, y) = (f64::from(x), f64::from(y));
            product += x * y;
            a += x * x;
            b += y * y;
            squares += (x - y) * (x - y);
        }
        match self {
            Self::Cosine => 1.0 - product / (a.sqrt() * b.sqrt()),
            Self::InnerProduct => -product,
            Self::Euclidean => squares,
        }
    }
}

struct VectorReader {
    bytes: Region,
    width: usize,
    distance: Distance,
    rows: u32,
}

impl VectorReader {
    fn nearest(&self, target: &[f32], top_k: usize) -> RoaringBitmap {
        if target.len() != self.width || self.width == 0 {
            return RoaringBitmap::new();
        }
        let vectors = self.bytes.get(HEAD..).unwrap_or(&[]);
        let vectors = vectors.chunks_exact(self.width * 4).map(|vector| {
            let numbers = vector.as_chunks::<4>().0.iter();
            numbers.map(|bytes| f32::from_le_bytes(*bytes))
        });
        let distances = (0..self.rows).zip(vectors).map(|(row, vector)| {
            (
                self.distance.between(vector.zip(target.iter().copied())),
                row,
            )
        });
        first(distances, top_k)
    }
}

/// The nearest rows among the values of a growing column.
pub(super) fn among(
    values: &Values,
    distance: &str,
    target: &[f32],
    top_k: usize,
) -> RoaringBitmap {
    let distance = Distance::of(distance);
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

    #[test]
    fn the_nearest_rows_are_found() {
        let vectors: [[f32; 2]; 4] = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0]];
        let mut bytes = vec![2, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(vectors.iter().flatten().flat_map(|v| v.to_le_bytes()));
        for (distance, expected) in [
            (Distance::Cosine, [0, 1]),
            (Distance::Euclidean, [0, 1]),
            (Distance::InnerProduct, [0, 1]),
        ] {
            let reader = VectorReader {
                bytes: Region::of(bytes.clone()),
                width: 2,
                distance,
                rows: 4,
            };
            let found: Vec<u32> = reader.nearest(&[1.0, 0.0], 2).iter().collect();
            assert_eq!(found, expected);
            assert!(reader.nearest(&[1.0], 2).is_empty());
        }
    }
}
