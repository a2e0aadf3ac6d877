//! Forward indexes of values: chunks of so many rows (versions 1 to 3, and every version of fixed widths), chunks of so many bytes (from
//! version 4 on).
//!
//! Must not know: dictionaries. Invariant: one result a row, in order.

use super::chunks::unpack;
use super::{About, Fallible, fixed_width, int, long, size, slice, value};
use crate::record::Field;

pub(super) fn values(bytes: &[u8], about: &About) -> Fallible<Vec<Field>> {
    let version = int(bytes, 0)?;
    let fixed = fixed_width(about.data_type).filter(|_| !about.multi);
    match (fixed, version) {
        (Some(width), _) => by_rows(bytes, about, |chunk, count, out| {
            for row in 0..count {
                out.push(value(slice(chunk, row * width, width)?, about.data_type)?);
            }
            Ok(())
        }),
        (None, ..4) => by_rows(bytes, about, |chunk, count, out| {
            for row in 0..count {
                let from = size(chunk, row * 4)?;
                // Rows that a last chunk does not have begin at 0.
                let next = if row + 1 < count {
                    size(chunk, (row + 1) * 4)?
                } else {
                    chunk.len()
                };
                let length = next.checked_sub(from).ok_or("values that overlap")?;
                out.push(entry(slice(chunk, from, length)?, about, true)?);
            }
            Ok(())
        }),
        (None, 4..=6) => by_bytes(bytes, about, version),
        (None, _) => Err(format!("its version {version} cannot be read")),
    }
}

/// Chunks of the same number of rows.
fn by_rows(
    bytes: &[u8],
    about: &About,
    mut read: impl FnMut(&[u8], usize, &mut Vec<Field>) -> Fallible<()>,
) -> Fallible<Vec<Field>> {
    let version = int(bytes, 0)?;
    let (chunks, rows_a_chunk) = (size(bytes, 4)?, size(bytes, 8)?);
    let longest = size(bytes, 12)?;
    let (kind, offsets) = if version > 1 {
        (int(bytes, 20)?, size(bytes, 24)?)
    } else {
        (1, 16)
    };
    let place = |chunk: usize| -> Fallible<usize> {
        if version <= 2 {
            return size(bytes, offsets + chunk * 4);
        }
        let place = long(bytes, offsets + chunk * 8)?;
        usize::try_from(place).map_err(|_| format!("a chunk at {place}"))
    };
    let most = rows_a_chunk
        .checked_mul(longest.saturating_add(4))
        .ok_or("its chunks are too large")?;
    let mut out = Vec::with_capacity(about.rows.min(1 << 20));
    for chunk in 0..chunks {
        let from = place(chunk)?;
        let to = if chunk + 1 < chunks {
            place(chunk + 1)?
        } else {
            bytes.len()
        };
        let length = to.checked_sub(from).ok_or("chunks that overlap")?;
        let unpacked = unpack(kind, slice(bytes, from, length)?, most)?;
        let count = rows_a_chunk.min(about.rows.saturating_sub(out.len()));
        read(&unpacked, count, &mut out)?;
    }
    Ok(out)
}

/// Chunks of about the same number of bytes; numbers in them are little-endian.
fn by_bytes(bytes: &[u8], about: &About, version: i32) -> Fallible<Vec<Field>> {
    let (most, kind, start) = (size(bytes, 4)?, int(bytes, 8)?, size(bytes, 12)?);
    let head = slice(
        bytes,
        16,
        start.checked_sub(16).ok_or("its header is cut off")?,
    )?;
    let chunks = slice(bytes, start, bytes.len().saturating_sub(start))?;
    let entries: Vec<(u32, usize)> = head
        .chunks_exact(8)
        .map(|pair| Ok((little(pair, 0)?, little(pair, 4)? as usize)))
        .collect::<Fallible<_>>()?;
    let with_length = version == 4;
    let mut out = Vec::with_capacity(about.rows.min(1 << 20));
    for (number, (first, from)) in entries.iter().enumerate() {
        let to = entries.get(number + 1).map_or(chunks.len(), |next| next.1);
        let length = to.checked_sub(*from).ok_or("chunks that overlap")?;
        let packed = slice(chunks, *from, length)?;
        if first >> 31 == 1 {
            // One value of its own, however long.
            let longest = if kind == 3 { 1 << 28 } else { 0 };
            out.push(entry(&unpack(kind, packed, longest)?, about, with_length)?);
            continue;
        }
        let chunk = unpack(kind, packed, most)?;
        let count = little(&chunk, 0)? as usize;
        if count > about.rows {
            return Err(format!("a chunk of {count} rows"));
        }
        let mut at = (count + 1) * 4;
        for row in 0..count {
            let noted = |row: usize| little(&chunk, (row + 1) * 4).map(|n| n as usize);
            let end = match (version, row + 1 < count) {
                // Sizes instead of places.
                (6, _) => at.saturating_add(noted(row)?),
                (_, true) => noted(row + 1)?,
                (_, false) => chunk.len(),
            };
            let length = end.checked_sub(at).ok_or("values that overlap")?;
            out.push(entry(slice(&chunk, at, length)?, about, with_length)?);
            at = end;
        }
    }
    Ok(out)
}

fn little(bytes: &[u8], at: usize) -> Fallible<u32> {
    let four = slice(bytes, at, 4)?;
    Ok(four.iter().rev().fold(0, |n, b| (n << 8) | u32::from(*b)))
}

/// What a row holds: a value, or a list in the form of its version.
fn entry(bytes: &[u8], about: &About, with_length: bool) -> Fallible<Field> {
    if !about.multi {
        return value(bytes, about.data_type);
    }
    let mut items = Vec::new();
    match fixed_width(about.data_type) {
        Some(width) => {
            let body = if with_length {
                bytes.get(4..)
            } else {
                Some(bytes)
            };
            for item in body.ok_or("a list without its length")?.chunks_exact(width) {
                items.push(value(item, about.data_type)?);
            }
        }
        None => {
            let count = size(bytes, 0)?;
            let mut at = count
                .checked_add(1)
                .and_then(|n| n.checked_mul(4))
                .ok_or("a list that is too long")?;
            for number in 0..count {
                let length = size(bytes, (number + 1) * 4)?;
                items.push(value(slice(bytes, at, length)?, about.data_type)?);
                at += length;
            }
        }
    }
    Ok(Field::Array(items))
}
