//! MurmurHash2 as the stream-lib sketches use it.
//!
//! Must not know: sketches. Invariant: the same bits as Java's, text by its UTF-8 bytes.

const M: u32 = 0x5bd1_e995;

/// Hash of bytes with stream-lib's seed of -1.
#[must_use]
pub fn hash_bytes(data: &[u8]) -> u32 {
    let mut h = u32::MAX ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        // Java takes the last bytes, sign-extended; three, two or one from the end.
        let signed = |back: usize| {
            data.get(data.len() - back)
                .map_or(0, |b| *b as i8 as i32 as u32)
        };
        if tail.len() >= 3 {
            h ^= signed(3) << 16;
        }
        if tail.len() >= 2 {
            h ^= signed(2) << 8;
        }
        h ^= signed(1);
        h = h.wrapping_mul(M);
    }
    finish(h)
}

/// Hash of a LONG, INT (widened), or the raw bits of a DOUBLE.
#[must_use]
pub fn hash_long(data: i64) -> u32 {
    let mix = |half: u32| {
        let k = half.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let h = mix(data as u32).wrapping_mul(M) ^ mix((data >> 32) as u32);
    finish(h)
}

fn finish(mut h: u32) -> u32 {
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// 64-bit MurmurHash2 of bytes with stream-lib's seed.
#[must_use]
pub fn hash64(data: &[u8]) -> u64 {
    const M64: u64 = 0xc6a4_a793_5bd1_e995;
    let mut h = 0xe17a_1465_u64 ^ (data.len() as u64).wrapping_mul(M64);
    let (words, tail) = data.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M64);
        k ^= k >> 47;
        h = (h ^ k.wrapping_mul(M64)).wrapping_mul(M64);
    }
    if !tail.is_empty() {
        let rest = tail
            .iter()
            .rev()
            .fold(0_u64, |rest, b| rest << 8 | u64::from(*b));
        h = (h ^ rest).wrapping_mul(M64);
    }
    h ^= h >> 47;
    h = h.wrapping_mul(M64);
    h ^ (h >> 47)
}
