//! Values to small numbers, for keys without a dictionary.
//!
//! Must not know: rows. Invariant: equal values get equal numbers, numbers are dense from 0 in order of first appearance.

use common::{ColumnType, DataType, TextVec, Values};
use hashbrown::HashMap;

/// Numbers values of one stored type.
pub(super) enum Interner {
    /// With the one that was asked for last: rows in order of time repeat their values.
    Integers(
        HashMap<i64, u32, ahash::RandomState>,
        Values,
        Option<(i64, u32)>,
    ),
    Numbers(HashMap<u64, u32, ahash::RandomState>, Values),
    Text(HashMap<Box<str>, u32, ahash::RandomState>, TextVec),
    Other(HashMap<String, u32, ahash::RandomState>, Values),
}

impl Interner {
    pub(super) fn new(column_type: ColumnType) -> Self {
        let values = Values::empty(column_type.data_type);
        match column_type.data_type.stored() {
            DataType::Int | DataType::Long => Self::Integers(HashMap::default(), values, None),
            DataType::Float | DataType::Double => Self::Numbers(HashMap::default(), values),
            DataType::BigDecimal | DataType::Bytes => Self::Other(HashMap::default(), values),
            _ => Self::Text(HashMap::default(), TextVec::default()),
        }
    }

    /// The number of the element at `index`.
    pub(super) fn number(&mut self, values: &Values, index: usize) -> u32 {
        match self {
            Self::Integers(map, seen, last) => {
                let key = match values {
                    Values::Int(v) => i64::from(v[index]),
                    Values::Long(v) => v[index],
                    _ => 0,
                };
                if let Some((last, number)) = last
                    && *last == key
                {
                    return *number;
                }
                let number = Self::of(map, key, seen, values, index);
                *last = Some((key, number));
                number
            }
            Self::Numbers(map, seen) => {
                let key = match values {
                    Values::Float(v) => f64::from(v[index]).to_bits(),
                    Values::Double(v) => v[index].to_bits(),
                    _ => 0,
                };
                Self::of(map, key, seen, values, index)
            }
            Self::Text(map, seen) => match values {
                Values::Text(v) => text_number(map, seen, v.get(index)),
                _ => 0,
            },
            Self::Other(map, seen) => {
                let key = match values {
                    Values::BigDecimal(v) => v[index].normalized().to_string(),
                    Values::Bytes(v) => hex(v.get(index)),
                    _ => String::new(),
                };
                Self::of(map, key, seen, values, index)
            }
        }
    }

    fn of<K: std::hash::Hash + Eq>(
        map: &mut HashMap<K, u32, ahash::RandomState>,
        key: K,
        seen: &mut Values,
        values: &Values,
        index: usize,
    ) -> u32 {
        let next = map.len() as u32;
        *map.entry(key).or_insert_with(|| {
            seen.push_from(values, index);
            next
        })
    }

    /// The values of numbers.
    pub(super) fn decode(&self, numbers: &[u32]) -> Values {
        match self {
            Self::Integers(_, seen, _) | Self::Numbers(_, seen) | Self::Other(_, seen) => {
                seen.take(numbers)
            }
            Self::Text(_, seen) => {
                let mut out = TextVec::with_capacity(numbers.len(), numbers.len() * 8);
                numbers.iter().for_each(|n| out.push(seen.get(*n as usize)));
                Values::Text(out)
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{b:02x}");
            out
        })
}

fn text_number(
    map: &mut HashMap<Box<str>, u32, ahash::RandomState>,
    seen: &mut TextVec,
    text: &str,
) -> u32 {
    if let Some(number) = map.get(text) {
        return *number;
    }
    let next = seen.len() as u32;
    seen.push(text);
    map.insert(text.into(), next);
    next
}
