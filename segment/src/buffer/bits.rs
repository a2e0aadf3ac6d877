//! Bit-packed unsigned numbers: value `i` of width `w` has the bits from `i * w`, little endian, without gaps.
//!
//! Blocks of 32 values are exactly `w` 32-bit words, so whole blocks decode with constant shifts, and any single value
//! is one unaligned 64-bit read. Must not know: dictionaries.
//! Invariant: a buffer carries [`PADDING`] bytes after the last value; reading past the end gives 0.

/// Bytes after the packed values.
pub(crate) const PADDING: usize = 8;

/// Bits that hold every number below `count`.
pub(crate) fn width_for(count: u32) -> u32 {
    (u32::BITS - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Packs numbers, each below `1 << width`.
pub(crate) fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    out.reserve(values.len() * width as usize / 8 + PADDING + 8);
    let (mut word, mut used) = (0_u64, 0_u32);
    for value in values {
        word |= u64::from(*value) << used;
        used += width;
        if used >= 32 {
            out.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            used -= 32;
        }
    }
    out.extend_from_slice(&word.to_le_bytes());
    out.extend_from_slice(&[0; PADDING]);
}

/// One value.
#[inline]
pub(crate) fn get(bytes: &[u8], width: u32, index: usize) -> u32 {
    let bit = index * width as usize;
    let mask = (1_u64 << width) - 1;
    match bytes
        .get(bit / 8..)
        .and_then(|rest| rest.first_chunk::<8>())
    {
        Some(chunk) => ((u64::from_le_bytes(*chunk) >> (bit % 8)) & mask) as u32,
        None => 0,
    }
}

#[inline(always)]
fn block<const W: usize>(source: &[u8], out: &mut [u32]) {
    let mut words = [0_u32; 33];
    for (word, chunk) in words.iter_mut().zip(source[..W * 4].as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    let mask = (1_u64 << W) - 1;
    for (j, place) in out[..32].iter_mut().enumerate() {
        let bit = j * W;
        let pair = u64::from(words[bit / 32]) | (u64::from(words[bit / 32 + 1]) << 32);
        *place = ((pair >> (bit % 32)) & mask) as u32;
    }
}

fn blocks<const W: usize>(mut source: &[u8], out: &mut [u32]) {
    for place in out.chunks_exact_mut(32) {
        if source.len() < W * 4 {
            return;
        }
        block::<W>(source, place);
        source = &source[W * 4..];
    }
}

macro_rules! by_width {
    ($width:expr, $source:expr, $out:expr, $($w:literal)*) => {
        match $width { $($w => blocks::<$w>($source, $out),)* _ => {} }
    };
}

/// Appends the values of consecutive indexes.
pub(crate) fn get_range(
    bytes: &[u8],
    width: u32,
    range: std::ops::Range<usize>,
    out: &mut Vec<u32>,
) {
    let at = out.len();
    out.resize(at + range.len(), 0);
    unpack(bytes, width, range.start, &mut out[at..]);
}

/// Fills `out` with the values from an index on.
pub(crate) fn unpack(bytes: &[u8], width: u32, start: usize, out: &mut [u32]) {
    let head = (start.next_multiple_of(32) - start).min(out.len());
    let (first, rest) = out.split_at_mut(head);
    for (index, place) in (start..).zip(first) {
        *place = get(bytes, width, index);
    }
    let index = start + head;
    let whole = rest.len() / 32 * 32;
    let (blocks_out, last) = rest.split_at_mut(whole);
    if whole > 0 {
        let source = bytes.get(index / 32 * width as usize * 4..).unwrap_or(&[]);
        by_width!(width, source, blocks_out,
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    }
    for (index, place) in (index + whole..).zip(last) {
        *place = get(bytes, width, index);
    }
}

/// One bit a flag (0 or 1), from the lowest on.
#[inline(always)]
fn word_of(flags: &[u8; 64]) -> u64 {
    let mut word = 0;
    for (at, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Moves the lowest bit of byte `i` to bit `56 + i`.
        let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= gathered << (at * 8);
    }
    word
}

/// Appends one bit a value: whether `test` holds, 64 to a word from the lowest bit on.
#[inline(always)]
pub(crate) fn push_words<T: Copy>(
    values: &[T],
    out: &mut Vec<u64>,
    test: impl Fn(T) -> bool + Copy,
) {
    let (whole, rest) = values.as_chunks::<64>();
    for chunk in whole {
        let mut flags = [0_u8; 64];
        for (flag, value) in flags.iter_mut().zip(chunk) {
            *flag = u8::from(test(*value));
        }
        out.push(word_of(&flags));
    }
    if !rest.is_empty() {
        let bits = rest.iter().enumerate();
        out.push(bits.fold(0, |word, (at, value)| word | u64::from(test(*value)) << at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_survives() {
        for width in 1..=32_u32 {
            let mask = ((1_u64 << width) - 1) as u32;
            let values: Vec<u32> = (0..517_u32)
                .map(|i| i.wrapping_mul(0x9E37_79B1) & mask)
                .collect();
            let mut packed = Vec::new();
            pack(&values, width, &mut packed);
            let mut out = Vec::new();
            get_range(&packed, width, 3..517, &mut out);
            assert_eq!(out, values[3..], "width {width}");
            assert_eq!(get(&packed, width, 99), values[99]);
            assert_eq!(get(&packed, width, 1 << 30), 0);
        }
    }

    #[test]
    fn words_have_one_bit_a_value() {
        let values: Vec<u32> = (0..150).collect();
        let mut words = Vec::new();
        push_words(&values, &mut words, |v| v % 3 == 0);
        for value in 0..150 {
            let set = words[value / 64] >> (value % 64) & 1 == 1;
            assert_eq!(set, value % 3 == 0, "{value}");
        }
        assert_eq!(words.len(), 3);
    }

    #[test]
    fn widths_hold_the_largest_id() {
        assert_eq!(width_for(0), 1);
        assert_eq!(width_for(2), 1);
        assert_eq!(width_for(3), 2);
        assert_eq!(width_for(u32::MAX), 32);
    }
}
