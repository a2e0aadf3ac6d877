//! Which of many numbers lie within a few spans: one bit a number, by the widest vectors that the processor at hand has.
//!
//! Must not know: columns, what the numbers mean. Invariant: every level gives the same bits; the portable one is the meaning of
//! the others.

use super::bits;

/// The numbers from `first` on up to `first + reach`, both included; past the largest number it goes on with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u32,
    pub(crate) reach: u32,
}

impl Span {
    #[inline(always)]
    fn holds(self, value: u32) -> bool {
        value.wrapping_sub(self.first) <= self.reach
    }
}

/// What the processor can do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Portable,
    /// 8 numbers, AVX2.
    #[cfg(target_arch = "x86_64")]
    Eight,
    /// 16 numbers, AVX-512.
    #[cfg(target_arch = "x86_64")]
    Sixteen,
}

impl Level {
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn best() -> Self {
        if is_x86_feature_detected!("avx512f") {
            Self::Sixteen
        } else if is_x86_feature_detected!("avx2") {
            Self::Eight
        } else {
            Self::Portable
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Portable
    }
}

/// Spans that are looked for at a time.
pub(crate) const MOST: usize = 4;

/// Appends one bit a value: whether any of the spans, [`MOST`] at the most, holds it; 64 to a word from the lowest bit on.
pub(crate) fn push(values: &[u32], spans: &[Span], out: &mut Vec<u64>) {
    push_at(Level::best(), values, spans, out);
}

fn push_at(level: Level, values: &[u32], spans: &[Span], out: &mut Vec<u64>) {
    match spans {
        [] => out.resize(out.len() + values.len().div_ceil(64), 0),
        [one] => push_by(level, values, &[*one], out),
        [one, two] => push_by(level, values, &[*one, *two], out),
        // The last place holds one of the others again where there are three.
        [one, two, three, rest @ ..] => {
            let last = rest.first().unwrap_or(three);
            push_by(level, values, &[*one, *two, *three, *last], out);
        }
    }
}

fn push_by<const N: usize>(level: Level, values: &[u32], spans: &[Span; N], out: &mut Vec<u64>) {
    let (whole, rest) = values.as_chunks::<64>();
    match level {
        // SAFETY: the processor was asked for AVX-512 before this level was chosen.
        #[cfg(target_arch = "x86_64")]
        Level::Sixteen => unsafe { sixteen(whole, spans, out) },
        // SAFETY: the processor was asked for AVX2 before this level was chosen.
        #[cfg(target_arch = "x86_64")]
        Level::Eight => unsafe { eight(whole, spans, out) },
        Level::Portable => portable(whole.as_flattened(), spans, out),
    }
    portable(rest, spans, out);
}

fn portable<const N: usize>(values: &[u32], spans: &[Span; N], out: &mut Vec<u64>) {
    bits::push_words(values, out, |value| {
        spans
            .iter()
            .fold(false, |any, span| any | span.holds(value))
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn eight<const N: usize>(chunks: &[[u32; 64]], spans: &[Span; N], out: &mut Vec<u64>) {
    use std::arch::x86_64::{
        _mm256_castsi256_ps, _mm256_cmpeq_epi32, _mm256_loadu_si256, _mm256_min_epu32,
        _mm256_movemask_ps, _mm256_or_si256, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_sub_epi32,
    };
    let firsts = spans.map(|span| _mm256_set1_epi32(span.first.cast_signed()));
    let reaches = spans.map(|span| _mm256_set1_epi32(span.reach.cast_signed()));
    out.extend(chunks.iter().map(|chunk| {
        let mut word = 0;
        for (at, values) in chunk.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: eight numbers are 32 bytes; the load needs no alignment.
            let values = unsafe { _mm256_loadu_si256(values.as_ptr().cast()) };
            let mut any = _mm256_setzero_si256();
            for (first, reach) in firsts.iter().zip(&reaches) {
                let above = _mm256_sub_epi32(values, *first);
                let held = _mm256_cmpeq_epi32(_mm256_min_epu32(above, *reach), above);
                any = _mm256_or_si256(any, held);
            }
            let flags = _mm256_movemask_ps(_mm256_castsi256_ps(any));
            word |= u64::from(flags.cast_unsigned()) << (at * 8);
        }
        word
    }));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sixteen<const N: usize>(chunks: &[[u32; 64]], spans: &[Span; N], out: &mut Vec<u64>) {
    use std::arch::x86_64::{
        _mm512_cmple_epu32_mask, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_sub_epi32,
    };
    let firsts = spans.map(|span| _mm512_set1_epi32(span.first.cast_signed()));
    let reaches = spans.map(|span| _mm512_set1_epi32(span.reach.cast_signed()));
    out.extend(chunks.iter().map(|chunk| {
        let mut word = 0;
        for (at, values) in chunk.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: sixteen numbers are 64 bytes; the load needs no alignment.
            let values = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
            let mut any = 0;
            for (first, reach) in firsts.iter().zip(&reaches) {
                any |= _mm512_cmple_epu32_mask(_mm512_sub_epi32(values, *first), *reach);
            }
            word |= u64::from(any) << (at * 16);
        }
        word
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The levels of this processor.
    fn levels() -> Vec<Level> {
        #[cfg(target_arch = "x86_64")]
        {
            let mut levels = vec![Level::Portable];
            if is_x86_feature_detected!("avx2") {
                levels.push(Level::Eight);
            }
            if is_x86_feature_detected!("avx512f") {
                levels.push(Level::Sixteen);
            }
            levels
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Level::Portable]
    }

    #[test]
    fn every_level_finds_what_comparing_one_by_one_does() {
        let span = |first, reach| Span { first, reach };
        let values: Vec<u32> = (0..1_000_u32)
            .map(|i| match i % 5 {
                0 => i,
                1 => u32::MAX - i,
                2 => (1 << 31) + i - 500,
                _ => i.wrapping_mul(0x9E37_79B1),
            })
            .collect();
        let all = [
            span(3, 90),
            span(1 << 31, 40),
            span(u32::MAX - 7, 12),
            span(i32::MAX as u32, u32::MAX / 3),
        ];
        let mut sets: Vec<Vec<Span>> = (0..=MOST).map(|many| all[..many].to_vec()).collect();
        sets.push(vec![span(0, u32::MAX)]);
        sets.push(vec![span(0, 0), span(u32::MAX, 0)]);
        for (set, rows) in sets
            .iter()
            .zip([0, 1, 63, 64, 65, 128, 1_000].into_iter().cycle())
        {
            for rows in [rows, 1_000] {
                for level in levels() {
                    let mut words = vec![7];
                    push_at(level, &values[..rows], set, &mut words);
                    assert_eq!(words.len(), 1 + rows.div_ceil(64), "{level:?}");
                    for (row, value) in values[..rows].iter().enumerate() {
                        let bit = words[1 + row / 64] >> (row % 64) & 1 == 1;
                        let expected = set.iter().any(|span| span.holds(*value));
                        assert_eq!(bit, expected, "{level:?} {value} {set:?}");
                    }
                }
            }
        }
    }
}
