//! Whole blocks of [`super::bits`] unpacked sixteen values at a time, where the processor has AVX-512.
//!
//! Sixteen neighbours are four steps of the four lanes, and lie within four rows of words (a row is a word of each lane) for most
//! widths: one load has them all, and a permutation brings each value's word, and the word after it, to its place. Must not know: what
//! the values mean. Invariant: the values are those of the portable way.

use super::bits::{BLOCK, LANES};

/// Values that are made at once.
const AT_ONCE: usize = 16;
const GROUPS: usize = BLOCK / AT_ONCE;
/// Rows of words in one load.
const ROWS: usize = 4;

/// Where the values of each group are found, for one width.
struct Places<const W: usize>;

impl<const W: usize> Places<W> {
    /// The first row of words that a group loads.
    const FIRST: [usize; GROUPS] = {
        let mut first = [0; GROUPS];
        let mut group = 0;
        while group < GROUPS {
            let wanted = group * (AT_ONCE / LANES) * W / 32;
            let last = W.saturating_sub(ROWS);
            first[group] = if wanted < last { wanted } else { last };
            group += 1;
        }
        first
    };

    /// The word of each value among those loaded.
    const LOW: [[i32; AT_ONCE]; GROUPS] = Self::words(0);
    /// The word after it.
    const HIGH: [[i32; AT_ONCE]; GROUPS] = Self::words(1);

    const fn row(group: usize, at: usize) -> usize {
        (group * (AT_ONCE / LANES) + at / LANES) * W / 32 - Self::FIRST[group]
    }

    const fn shift(group: usize, at: usize) -> usize {
        (group * (AT_ONCE / LANES) + at / LANES) * W % 32
    }

    const fn words(after: usize) -> [[i32; AT_ONCE]; GROUPS] {
        let mut words = [[0; AT_ONCE]; GROUPS];
        let mut group = 0;
        while group < GROUPS {
            let mut at = 0;
            while at < AT_ONCE {
                let row = Self::row(group, at) + after;
                // What lies past the load has no bit of the value.
                let row = if row < ROWS { row } else { ROWS - 1 };
                words[group][at] = (row * LANES + at % LANES) as i32;
                at += 1;
            }
            group += 1;
        }
        words
    }

    /// How far a value's word is moved down.
    const DOWN: [[i32; AT_ONCE]; GROUPS] = {
        let mut shifts = [[0; AT_ONCE]; GROUPS];
        let mut group = 0;
        while group < GROUPS {
            let mut at = 0;
            while at < AT_ONCE {
                shifts[group][at] = Self::shift(group, at) as i32;
                at += 1;
            }
            group += 1;
        }
        shifts
    };

    /// True where one load has every bit of a group, whichever it is.
    const FITS: bool = {
        let mut fits = true;
        let mut group = 0;
        while group < GROUPS {
            let mut at = 0;
            while at < AT_ONCE {
                let crosses = Self::shift(group, at) + W > 32;
                fits &= Self::row(group, at) + (crosses as usize) < ROWS;
                at += 1;
            }
            group += 1;
        }
        fits
    };
}

/// Unpacks blocks; false where that is left to the portable way.
pub(super) fn unpack(source: &[[u8; 16]], width: u32, out: &mut [[u32; BLOCK]]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        macro_rules! by_width {
            ($($w:literal)*) => {
                match width {
                    $($w if const { Places::<$w>::FITS } => {
                        // SAFETY: the processor has just been asked for AVX-512.
                        unsafe { sixteen::<$w>(source, out) };
                        true
                    })*
                    _ => false,
                }
            };
        }
        return by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    }
    let _ = (source, width, out);
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sixteen<const W: usize>(source: &[[u8; 16]], out: &mut [[u32; BLOCK]]) {
    use std::arch::x86_64::{
        _mm512_and_si512, _mm512_loadu_si512, _mm512_maskz_loadu_epi32, _mm512_or_si512,
        _mm512_permutexvar_epi32, _mm512_set1_epi32, _mm512_sllv_epi32, _mm512_srlv_epi32,
        _mm512_storeu_si512, _mm512_sub_epi32,
    };
    let mask = _mm512_set1_epi32((((1_u64 << W) - 1) as u32).cast_signed());
    let word = _mm512_set1_epi32(32);
    let there = const { (1_u32 << (LANES * if W < ROWS { W } else { ROWS })) - 1 } as u16;
    for (place, rows) in out.iter_mut().zip(source.chunks_exact(W)) {
        for (group, place) in place.as_chunks_mut::<AT_ONCE>().0.iter_mut().enumerate() {
            let first = Places::<W>::FIRST[group];
            // SAFETY: `first + ROWS` rows at the most lie within the block's `W`, and where it has fewer rows than a load the
            // words past them are not read; the tables and the place are of sixteen words; no access needs alignment.
            unsafe {
                let rows = _mm512_maskz_loadu_epi32(there, rows.as_ptr().add(first).cast());
                let low = _mm512_loadu_si512(Places::<W>::LOW[group].as_ptr().cast());
                let high = _mm512_loadu_si512(Places::<W>::HIGH[group].as_ptr().cast());
                let down = _mm512_loadu_si512(Places::<W>::DOWN[group].as_ptr().cast());
                let low = _mm512_srlv_epi32(_mm512_permutexvar_epi32(low, rows), down);
                let high = _mm512_permutexvar_epi32(high, rows);
                // By 32 nothing is left: a value that fills its word has no bit in the next one.
                let high = _mm512_sllv_epi32(high, _mm512_sub_epi32(word, down));
                let values = _mm512_and_si512(_mm512_or_si512(low, high), mask);
                _mm512_storeu_si512(place.as_mut_ptr().cast(), values);
            }
        }
    }
}

// What the tables are for: but for four widths a load is enough.
const _: () =
    assert!(Places::<1>::FITS && Places::<26>::FITS && Places::<28>::FITS && Places::<32>::FITS);
const _: () = assert!(!Places::<27>::FITS && !Places::<31>::FITS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::bits;

    #[test]
    fn blocks_are_those_of_the_portable_way() {
        for width in 1..=32_u32 {
            let mask = ((1_u64 << width) - 1) as u32;
            let values: Vec<u32> = (0..3 * BLOCK as u32)
                .map(|i| i.wrapping_mul(0x9E37_79B1).rotate_left(i % 7) & mask)
                .collect();
            let mut packed = Vec::new();
            bits::pack(&values, width, &mut packed);
            // To the byte, so that a load past the last block would leave the allocation.
            let packed = packed.into_boxed_slice();
            let mut out = [[u32::MAX; BLOCK]; 3];
            if unpack(packed.as_chunks::<16>().0, width, &mut out) {
                assert_eq!(out.as_flattened(), values, "width {width}");
            }
            let mut out = [[u32::MAX; BLOCK]; 3];
            bits::portable_blocks(packed.as_chunks::<16>().0, width, &mut out);
            assert_eq!(out.as_flattened(), values, "width {width}");
        }
    }
}
