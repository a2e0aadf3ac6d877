//! Forward indexes of dictionary ids: runs of a sorted column, packed bits, packed bits with the starts of rows.
//!
//! Must not know: values. Invariant: one result a row, in order.

use super::dictionary::Dictionary;
use super::{About, Fallible, size};
use crate::record::Field;

/// Values to a chunk of a multi-value index.
const VALUES_A_CHUNK: f32 = 2048.0;

pub(super) fn values(bytes: &[u8], about: &About, dictionary: &Dictionary) -> Fallible<Vec<Field>> {
    if about.multi {
        return lists(bytes, about, dictionary);
    }
    let mut out = Vec::with_capacity(about.rows.min(1 << 20));
    if about.sorted {
        for id in 0..about.cardinality {
            let (from, to) = (size(bytes, id * 8)?, size(bytes, id * 8 + 4)?);
            if from != out.len() || to < from || to >= about.rows {
                return Err(format!("rows {from} to {to} after {} rows", out.len()));
            }
            let value = dictionary.get(id as u32)?;
            out.resize(to + 1, value);
        }
        return Ok(out);
    }
    for row in 0..about.rows {
        out.push(dictionary.get(packed(bytes, row, about.bits)?)?);
    }
    Ok(out)
}

/// The number at an index of packed bits, the highest first.
fn packed(bytes: &[u8], index: usize, bits: usize) -> Fallible<u32> {
    let start = index.checked_mul(bits).ok_or("too many values")?;
    let (mut number, mut at) = (0_u64, start / 8);
    let mut have = 0;
    let skip = start % 8;
    while have < bits + skip {
        let byte = bytes
            .get(at)
            .ok_or_else(|| format!("value {index} is cut off"))?;
        number = (number << 8) | u64::from(*byte);
        (at, have) = (at + 1, have + 8);
    }
    let shifted = number >> (have - bits - skip);
    Ok((shifted & ((1_u64 << bits) - 1)) as u32)
}

fn lists(bytes: &[u8], about: &About, dictionary: &Dictionary) -> Fallible<Vec<Field>> {
    // The rows of a chunk come from a division of integers, as the writer has it.
    let each = (about.entries / about.rows.max(1)).max(1);
    let rows_a_chunk = (VALUES_A_CHUNK / each as f32).ceil() as usize;
    let header = about.rows.div_ceil(rows_a_chunk.max(1)) * 4;
    let starts = bytes.get(header..).ok_or("it is cut off")?;
    let ids = starts
        .get(about.entries.div_ceil(8)..)
        .ok_or("it is cut off")?;
    let mut out: Vec<Field> = Vec::with_capacity(about.rows.min(1 << 20));
    let mut list = Vec::new();
    for entry in 0..about.entries {
        let byte = starts.get(entry / 8).copied().unwrap_or_default();
        let begins = byte >> (7 - entry % 8) & 1 == 1;
        if begins && entry > 0 {
            out.push(Field::Array(std::mem::take(&mut list)));
        }
        list.push(dictionary.get(packed(ids, entry, about.bits)?)?);
    }
    out.push(Field::Array(list));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_across_bytes() -> Fallible<()> {
        // 5, 2, 7, 1 in three bits each: 101 010 11|1 001 0000
        let bytes = [0b1010_1011, 0b1001_0000];
        let numbers: Vec<u32> = (0..4)
            .map(|at| packed(&bytes, at, 3))
            .collect::<Fallible<_>>()?;
        assert_eq!(numbers, [5, 2, 7, 1]);
        assert!(packed(&bytes, 6, 3).is_err());
        let wide = [0, 0, 0, 9, 0xFF, 0xFF, 0xFF, 0xFE];
        assert_eq!(packed(&wide, 1, 32)?, 0xFFFF_FFFE);
        Ok(())
    }
}
