//! The positions of set bits, by the widest vectors that the processor at hand has.
//!
//! Must not know: what a bit says. Invariant: every level gives the same positions, in ascending order.

/// Bits of a word from which on it pays to look at all its places.
const MANY: u32 = 6;
/// Positions that are written of every word, whether it has as many bits or not: how many it has cannot be foretold.
const FEW: usize = 4;
/// Places that are looked at at a time.
#[cfg(target_arch = "x86_64")]
const LANES: usize = 16;

/// Appends the position of every set bit, where bit `i` of word `w` is at `base + 64 * w + i`.
pub fn push_positions(words: &[u64], base: u32, out: &mut Vec<u32>) {
    let count = words.iter().map(|word| word.count_ones() as usize).sum();
    #[cfg(target_arch = "x86_64")]
    if count > words.len() && is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has just been asked for AVX-512.
        return unsafe { sixteen(words, base, count, out) };
    }
    out.reserve(count + FEW);
    for (word, first) in words.iter().zip((base..).step_by(64)) {
        // Of so few bits most words have none.
        if *word != 0 {
            // SAFETY: `count` is the number of all bits, so that `FEW` more than those of this word have room.
            unsafe { few(*word, first, out) };
        }
    }
}

/// Appends the positions of a word with few bits.
///
/// # Safety
/// `out` has room for the positions and [`FEW`] more.
#[inline(always)]
unsafe fn few(word: u64, first: u32, out: &mut Vec<u32>) {
    let (len, mut rest) = (out.len(), word);
    // SAFETY: see above.
    let place = unsafe { out.as_mut_ptr().add(len) };
    for at in 0..FEW {
        // SAFETY: see above.
        unsafe {
            place
                .add(at)
                .write(first.wrapping_add(rest.trailing_zeros()))
        };
        rest &= rest.wrapping_sub(1);
    }
    let mut count = FEW.min(word.count_ones() as usize);
    while rest != 0 {
        // SAFETY: see above.
        unsafe { place.add(count).write(first + rest.trailing_zeros()) };
        count += 1;
        rest &= rest - 1;
    }
    // SAFETY: as many were written.
    unsafe { out.set_len(len + count) };
}

#[cfg(test)]
fn one_by_one(mut word: u64, first: u32, out: &mut Vec<u32>) {
    if word == u64::MAX {
        return out.extend(first..first + 64);
    }
    while word != 0 {
        out.push(first + word.trailing_zeros());
        word &= word - 1;
    }
}

/// `count` is the number of set bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt,bmi1")]
fn sixteen(words: &[u64], base: u32, count: usize, out: &mut Vec<u32>) {
    use std::arch::x86_64::{
        _mm512_add_epi32, _mm512_maskz_compress_epi32, _mm512_set1_epi32, _mm512_setr_epi32,
        _mm512_storeu_si512,
    };
    out.reserve(count + LANES);
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (word, first) in words.iter().zip((base..).step_by(64)) {
        if word.count_ones() < MANY {
            // SAFETY: `count` is the number of all bits, and `LANES` more have room.
            unsafe { few(*word, first, out) };
            continue;
        }
        for part in 0..4 {
            let mask = (word >> (part * LANES)) as u16;
            let from = first + (part * LANES) as u32;
            let places = _mm512_add_epi32(lanes, _mm512_set1_epi32(from.cast_signed()));
            let found = _mm512_maskz_compress_epi32(mask, places);
            let len = out.len();
            // SAFETY: at most `count` positions stand in `out` beyond what it held, and room for `LANES` more was reserved, so
            // that the sixteen lanes lie within its capacity; as many of them are positions as the mask has bits.
            unsafe {
                _mm512_storeu_si512(out.as_mut_ptr().add(len).cast(), found);
                out.set_len(len + mask.count_ones() as usize);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_bits() {
        let patterns = [
            0,
            1,
            u64::MAX,
            1 << 63,
            0x8000_0001_0000_8001,
            0x5555_5555_5555_5555,
        ];
        let words: Vec<u64> = (0..400_u64)
            .map(|i| match i % 7 {
                6 => i.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                pattern => patterns[pattern as usize],
            })
            .collect();
        for words in [&words[..], &words[3..4], &words[..2], &[]] {
            let mut expected = vec![9];
            for (at, word) in words.iter().enumerate() {
                let bits = (0..64).filter(|bit| word >> bit & 1 == 1);
                expected.extend(bits.map(|bit| 1_000 + at as u32 * 64 + bit));
            }
            let mut found = vec![9];
            push_positions(words, 1_000, &mut found);
            assert_eq!(found, expected);
            let mut portable = vec![9];
            for (word, first) in words.iter().zip((1_000..).step_by(64)) {
                one_by_one(*word, first, &mut portable);
            }
            assert_eq!(portable, expected);
        }
    }
}
