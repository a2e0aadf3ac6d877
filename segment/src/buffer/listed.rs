//! Packed values far from each other: all of a list are asked of memory before the first is read.
//!
//! Must not know: what the values mean. Invariant: the values are those of [`bits::get`], one for each index of the list.

use super::bits;

/// Calls `f` with the value at each index.
pub(crate) fn each(
    bytes: &[u8],
    width: u32,
    indexes: impl Iterator<Item = usize> + Clone,
    f: impl FnMut(u32),
) {
    for index in indexes.clone() {
        ask(bytes, bits::word_at(width, index).saturating_mul(4));
    }
    indexes
        .map(|index| bits::get(bytes, width, index))
        .for_each(f);
}

/// Asks the memory for what lies at an offset.
#[inline(always)]
fn ask(bytes: &[u8], offset: usize) {
    #[cfg(target_arch = "x86_64")]
    if offset < bytes.len() {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the address lies within the slice; a prefetch reads nothing that is seen.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().add(offset).cast()) };
    }
    let _ = (bytes, offset);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_one_by_one() {
        for width in [1, 7, 24, 32] {
            let mask = ((1_u64 << width) - 1) as u32;
            let values: Vec<u32> = (0..1_000_u32)
                .map(|i| i.wrapping_mul(0x9E37_79B1) & mask)
                .collect();
            let mut packed = Vec::new();
            bits::pack(&values, width, &mut packed);
            let mut found = Vec::new();
            let indexes = [0, 5, 127, 128, 999, 1 << 40];
            each(&packed, width, indexes.iter().copied(), |value| {
                found.push(value);
            });
            let expected = [
                values[0],
                values[5],
                values[127],
                values[128],
                values[999],
                0,
            ];
            assert_eq!(found, expected, "width {width}");
        }
    }
}
