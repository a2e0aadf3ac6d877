//! The key that some columns make of a row.
//!
//! A key of up to 8 bytes of fixed width is kept exactly, any other as 128 bits of hash.
//! Must not know: what is done with keys. Invariant: equal values give equal keys, wherever they are read from.

use common::Values;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The key of a row; `bytes` is room to work in.
pub fn key_of<'v>(
    columns: impl Iterator<Item = &'v Values>,
    row: usize,
    bytes: &mut Vec<u8>,
) -> u128 {
    bytes.clear();
    let mut fixed = true;
    for values in columns {
        fixed &= append(values, row, bytes);
    }
    if fixed && bytes.len() <= 8 {
        let mut exact = [0; 8];
        exact[..bytes.len()].copy_from_slice(bytes);
        return exactly(exact);
    }
    xxh3_128(bytes)
}

/// The key of a row whose only key column is of 64-bit integers.
pub fn key_of_long(value: i64) -> u128 {
    exactly(value.to_le_bytes())
}

fn exactly(bytes: [u8; 8]) -> u128 {
    (u128::from(xxh3_64(&bytes)) << 64) | u128::from(u64::from_le_bytes(bytes))
}

/// Appends a value; true where every value of the column takes as many bytes.
fn append(values: &Values, row: usize, out: &mut Vec<u8>) -> bool {
    let mut varying = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
        false
    };
    match values {
        Values::Text(v) => varying(v.get(row).as_bytes()),
        Values::Bytes(v) => varying(v.get(row)),
        Values::BigDecimal(v) => varying(v[row].to_string().as_bytes()),
        Values::Array(v) => {
            let items = v.range(row);
            out.extend_from_slice(&(items.len() as u64).to_le_bytes());
            for item in items {
                append(&v.items, item, out);
            }
            false
        }
        Values::Int(v) => fixed_width(&v[row].to_le_bytes(), out),
        Values::Long(v) => fixed_width(&v[row].to_le_bytes(), out),
        Values::Float(v) => fixed_width(&v[row].to_bits().to_le_bytes(), out),
        Values::Double(v) => fixed_width(&v[row].to_bits().to_le_bytes(), out),
    }
}

fn fixed_width(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(bytes);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::{ColumnType, DataType, Value};

    #[test]
    fn lists_make_keys_too() {
        let mut lists = Values::empty_of(ColumnType::mv(DataType::Int));
        for items in [vec![1, 2], vec![2, 1], vec![1, 2]] {
            let items = items.into_iter().map(Value::Int).collect();
            lists.push(&Value::Array(DataType::Int, items));
        }
        let mut room = Vec::new();
        let mut key = |row| key_of(std::iter::once(&lists), row, &mut room);
        assert_eq!(key(0), key(2));
        assert_ne!(key(0), key(1));
    }

    #[test]
    fn one_column_of_longs_has_the_keys_of_any_columns() {
        let mut values = Values::empty(DataType::Long);
        for long in [0, -7, i64::MAX, 1 << 40] {
            values.push(&Value::Long(long));
        }
        let mut room = Vec::new();
        for row in 0..values.len() {
            let Value::Long(long) = values.get(row, DataType::Long) else {
                panic!("a long");
            };
            let any = key_of(std::iter::once(&values), row, &mut room);
            assert_eq!(key_of_long(long), any);
        }
    }
}
