//! Bit-packed unsigned numbers in blocks of 128, four lanes wide: value `i` of a block is in lane `i % 4`, and each lane
//! packs its 32 values into `w` words of 32 bits, lowest bits first; words of the lanes take turns.
//!
//! So four neighbours unpack with the same shifts, which any processor does at once, and any single value is in at most
//! two words. Must not know: dictionaries. Invariant: whole blocks are written; reading past the end gives 0.

use super::blocks;

/// Values of a block.
pub(super) const BLOCK: usize = 128;
pub(super) const LANES: usize = 4;

/// Bits that hold every number below `count`.
pub(crate) fn width_for(count: u32) -> u32 {
    (u32::BITS - count.saturating_sub(1).leading_zeros()).max(1)
}

/// Bytes of that many packed values.
pub(crate) fn packed_len(count: u64, width: u32) -> u64 {
    count.div_ceil(BLOCK as u64) * u64::from(width) * 16
}

/// Packs numbers, each below `1 << width`.
pub(crate) fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    out.reserve(packed_len(values.len() as u64, width) as usize);
    let mut words = vec![0_u32; width as usize * LANES];
    for block in values.chunks(BLOCK) {
        words.fill(0);
        for (at, value) in block.iter().enumerate() {
            let bit = at / LANES * width as usize;
            let (word, shift) = (bit / 32 * LANES + at % LANES, bit % 32);
            let wide = u64::from(*value) << shift;
            words[word] |= wide as u32;
            if shift + width as usize > 32 {
                words[word + LANES] |= (wide >> 32) as u32;
            }
        }
        words
            .iter()
            .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
}

/// The word of 32 bits that a value begins in.
#[inline(always)]
pub(super) fn word_at(width: u32, index: usize) -> usize {
    let (block, at) = (index / BLOCK, index % BLOCK);
    let bit = at / LANES * width as usize;
    block.saturating_mul(width as usize * LANES) + bit / 32 * LANES + at % LANES
}

/// One value.
#[inline]
pub(crate) fn get(bytes: &[u8], width: u32, index: usize) -> u32 {
    let word = word_at(width, index);
    let read = |word: usize| {
        let chunk = bytes
            .get(word.saturating_mul(4)..)
            .and_then(|rest| rest.first_chunk::<4>());
        chunk.map_or(0, |chunk| u32::from_le_bytes(*chunk))
    };
    // The next word of the lane is read in any case: whether it is needed cannot be foretold.
    let both = u64::from(read(word.saturating_add(LANES))) << 32 | u64::from(read(word));
    let shift = index % BLOCK / LANES * width as usize % 32;
    (both >> shift) as u32 & ((1_u64 << width) - 1) as u32
}

#[inline(always)]
fn four(chunk: &[u8; 16]) -> [u32; LANES] {
    let mut words = [0; LANES];
    for (word, bytes) in words.iter_mut().zip(chunk.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// True where a value of a width begins and ends in the same word.
const fn is_in_one_word(at: usize, width: usize) -> bool {
    at * width % 32 + width <= 32
}

/// The bits of the next word that belong to a value.
const fn next_bits(at: usize, width: usize) -> u32 {
    ((1_u64 << (at * width % 32 + width).saturating_sub(32)) - 1) as u32
}

/// Unpacks one block.
#[inline(always)]
fn block<const W: usize>(source: &[[u8; 16]], out: &mut [u32; BLOCK]) {
    let Some(source) = source.first_chunk::<W>() else {
        return;
    };
    let mask = ((1_u64 << W) - 1) as u32;
    let places = out.as_chunks_mut::<LANES>().0;
    // Written out: every shift is then a constant, and a step a handful of instructions for all lanes.
    macro_rules! steps {
        ($($at:literal)*) => {$({
            let (word, shift) = (const { $at * W / 32 }, const { $at * W % 32 });
            let (low, place) = (four(&source[word]), &mut places[$at]);
            if const { is_in_one_word($at, W) } {
                for lane in 0..LANES {
                    place[lane] = (low[lane] >> shift) & mask;
                }
            } else {
                // Cut before it is shifted: a shift over two words has an instruction that works on one lane only.
                let high = four(&source[(word + 1).min(W - 1)]);
                for lane in 0..LANES {
                    let above = high[lane] & const { next_bits($at, W) };
                    place[lane] = (low[lane] >> shift) | (above << (32 - shift));
                }
            }
        })*};
    }
    steps!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

fn portable<const W: usize>(source: &[[u8; 16]], out: &mut [[u32; BLOCK]]) {
    for (place, words) in out.iter_mut().zip(source.chunks_exact(W)) {
        block::<W>(words, place);
    }
}

macro_rules! by_width {
    ($width:expr, $source:expr, $out:expr, $($w:literal)*) => {
        match $width { $($w => portable::<$w>($source, $out),)* _ => {} }
    };
}

fn unpack_blocks(source: &[u8], width: u32, out: &mut [[u32; BLOCK]]) {
    let source = source.as_chunks::<16>().0;
    let whole = (source.len() / width.max(1) as usize).min(out.len());
    let (out, missing) = out.split_at_mut(whole);
    missing.as_flattened_mut().fill(0);
    if !blocks::unpack(source, width, out) {
        portable_blocks(source, width, out);
    }
}

pub(super) fn portable_blocks(source: &[[u8; 16]], width: u32, out: &mut [[u32; BLOCK]]) {
    by_width!(width, source, out,
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
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
    let block_bytes = width as usize * 16;
    let of_block = |block: usize| {
        bytes
            .get(block.saturating_mul(block_bytes)..)
            .unwrap_or(&[])
    };
    let partly = |index: usize, out: &mut [u32]| {
        let mut whole = [[0; BLOCK]];
        unpack_blocks(of_block(index / BLOCK), width, &mut whole);
        let from = index % BLOCK;
        out.copy_from_slice(&whole[0][from..from + out.len()]);
    };
    let head = (start.next_multiple_of(BLOCK) - start).min(out.len());
    let (first, rest) = out.split_at_mut(head);
    if !first.is_empty() {
        partly(start, first);
    }
    let index = start + head;
    let (whole, last) = rest.as_chunks_mut::<BLOCK>();
    if !whole.is_empty() {
        unpack_blocks(of_block(index / BLOCK), width, whole);
    }
    if !last.is_empty() {
        partly(index + whole.len() * BLOCK, last);
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
            out.clear();
            get_range(&packed, width, 130..140, &mut out);
            assert_eq!(out, values[130..140], "width {width}");
            let single: Vec<u32> = (0..517).map(|i| get(&packed, width, i)).collect();
            assert_eq!(single, values, "width {width}");
            assert_eq!(packed.len() as u64, packed_len(517, width));
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
