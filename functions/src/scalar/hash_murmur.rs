//! MurmurHash 2 and 3 in the variants that Pinot has, bit for bit.
//!
//! Must not know: blocks. Invariant: arithmetic wraps; bytes are read little endian.

/// MurmurHash2, 32 bits, with the seed of Kafka's partitioner.
pub(crate) fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    (h ^ (h >> 15)) as i32
}

/// The seed of [`murmur2_64`] where none is given.
pub(crate) const DEFAULT_SEED: i32 = 0xe17a_1465_u32 as i32;

/// MurmurHash2, 64 bits.
pub(crate) fn murmur2_64(data: &[u8], seed: i32) -> i64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut h = u64::from(seed as u32) ^ (data.len() as u64).wrapping_mul(M);
    let (words, rest) = data.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 47;
        h = (h ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            h ^= u64::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 47;
    h = h.wrapping_mul(M);
    (h ^ (h >> 47)) as i64
}

/// MurmurHash3 x86, 32 bits.
pub(crate) fn murmur3_32(data: &[u8], seed: i32) -> i32 {
    let mix = |k: u32| {
        k.wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let mut h = seed as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        h = (h ^ mix(u32::from_le_bytes(*word)))
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let mut tail = 0;
    for (i, byte) in rest.iter().enumerate() {
        tail |= u32::from(*byte) << (8 * i);
    }
    if !rest.is_empty() {
        h ^= mix(tail);
    }
    h ^= data.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    (h ^ (h >> 16)) as i32
}

fn finish(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

fn finish_both(mut h1: u64, mut h2: u64, length: usize) -> (u64, u64) {
    h1 ^= length as u64;
    h2 ^= length as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (finish(h1), finish(h2));
    h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

/// MurmurHash3 x64, 128 bits, as its two halves.
pub(crate) fn murmur3_128(data: &[u8], seed: i32) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    // The seed widens with its sign, as Guava's does.
    let (mut h1, mut h2) = (i64::from(seed) as u64, i64::from(seed) as u64);
    let (blocks, rest) = data.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ mix1(k1)).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(k2)).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    let (k1, k2) = halves(&last);
    h1 ^= mix1(k1);
    h2 ^= mix2(k2);
    finish_both(h1, h2, data.len())
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

/// The x64 variant of Infinispan and Debezium: other constants, and bytes of the tail with their sign.
pub(crate) fn murmur3_x64(data: &[u8], seed: i32) -> (u64, u64) {
    let seed = i64::from(seed) as u64;
    let mut state = X64 {
        h1: 0x9368_e53c_2f6a_f274 ^ seed,
        h2: 0x586d_cd20_8f7c_d3fd ^ seed,
        c1: 0x87c3_7b91_1142_53d5,
        c2: 0x4cf5_ad43_2745_937f,
    };
    let (blocks, rest) = data.as_chunks::<16>();
    for block in blocks {
        let (k1, k2) = halves(block);
        state.mix(k1, k2);
    }
    if !rest.is_empty() {
        let signed = |bytes: &[u8]| {
            bytes.iter().enumerate().fold(0_u64, |k, (i, byte)| {
                k ^ ((i64::from(*byte as i8) as u64) << (8 * i))
            })
        };
        let (first, second) = rest.split_at(rest.len().min(8));
        state.mix(signed(first), signed(second));
    }
    let (h1, h2) = (state.h1, state.h2 ^ data.len() as u64);
    let h1 = h1.wrapping_add(h2);
    let h2 = h2.wrapping_add(h1);
    let (h1, h2) = (finish(h1), finish(h2));
    let h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

struct X64 {
    h1: u64,
    h2: u64,
    c1: u64,
    c2: u64,
}

impl X64 {
    fn mix(&mut self, k1: u64, k2: u64) {
        let k1 = k1
            .wrapping_mul(self.c1)
            .rotate_left(23)
            .wrapping_mul(self.c2);
        self.h1 = (self.h1 ^ k1).wrapping_add(self.h2);
        self.h2 = self.h2.rotate_left(41);
        let k2 = k2
            .wrapping_mul(self.c2)
            .rotate_left(23)
            .wrapping_mul(self.c1);
        self.h2 = (self.h2 ^ k2).wrapping_add(self.h1);
        self.h1 = self.h1.wrapping_mul(3).wrapping_add(0x52dc_e729);
        self.h2 = self.h2.wrapping_mul(3).wrapping_add(0x3849_5ab5);
        self.c1 = self.c1.wrapping_mul(5).wrapping_add(0x7b7d_159c);
        self.c2 = self.c2.wrapping_mul(5).wrapping_add(0x6bce_6396);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_values() {
        let jumps = b"the quick brown fox jumps";
        assert_eq!(murmur2(b"hello"), 2_132_663_229);
        assert_eq!(murmur2(b""), 275_646_681);
        assert_eq!(murmur2("Ω".as_bytes()), -998_126_656);
        assert_eq!(
            murmur2_64(b"hello", DEFAULT_SEED),
            -4_155_090_522_938_856_779
        );
        assert_eq!(
            murmur2_64("hello world, olá".as_bytes(), 1),
            -8_825_400_469_161_207_039
        );
        assert_eq!(murmur3_32(b"hello", 0), 613_153_351);
        assert_eq!(murmur3_32(b"", 1), 1_364_076_727);
        assert_eq!(
            murmur3_128(b"hello", 0).0 as i64,
            -3_758_069_500_696_749_310
        );
        assert_eq!(murmur3_128(jumps, 7).0 as i64, 1_640_106_719_387_005_983);
        assert_eq!((murmur3_x64(b"hello", 0).0 >> 32) as i32, -438_922_741);
        assert_eq!((murmur3_x64(jumps, 7).0 >> 32) as i32, 1_678_672_179);
        assert_eq!(
            murmur3_x64(b"Gama", 0),
            (0x7013_a4e6_7a2a_fafa, 0x8f2c_c175_bfa2_a91e)
        );
    }
}
