//! CityHash 1.1 of 32, 64 and 128 bits, with the deviations of Pinot's port.
//!
//! Must not know: blocks. Invariant: arithmetic wraps; bytes are read little endian.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// Eight bytes at a position; missing ones are zero, which no length that is asked for meets.
fn word(s: &[u8], at: usize) -> u64 {
    s.get(at..at + 8)
        .and_then(|b| b.first_chunk::<8>())
        .map_or(0, |b| u64::from_le_bytes(*b))
}

fn half(s: &[u8], at: usize) -> u32 {
    s.get(at..at + 4)
        .and_then(|b| b.first_chunk::<4>())
        .map_or(0, |b| u32::from_le_bytes(*b))
}

fn mul(a: u64, b: u64) -> u64 {
    a.wrapping_mul(b)
}

fn sum(items: &[u64]) -> u64 {
    items.iter().fold(0, |a, b| a.wrapping_add(*b))
}

fn shift_mix(v: u64) -> u64 {
    v ^ (v >> 47)
}

fn hash_16(u: u64, v: u64, m: u64) -> u64 {
    let a = shift_mix(mul(u ^ v, m));
    mul(shift_mix(mul(v ^ a, m)), m)
}

fn hash_pair(u: u64, v: u64) -> u64 {
    hash_16(u, v, 0x9ddf_ea08_eb38_2d69)
}

fn mur(a: u32, h: u32) -> u32 {
    let a = a.wrapping_mul(C1).rotate_right(17).wrapping_mul(C2);
    step(h ^ a, 19)
}

fn step(h: u32, turn: u32) -> u32 {
    h.rotate_right(turn)
        .wrapping_mul(5)
        .wrapping_add(0xe654_6b64)
}

fn finish(mut h: u32) -> u32 {
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// 32 bits.
pub(crate) fn city_32(s: &[u8]) -> i32 {
    let length = s.len() as u32;
    let n = s.len();
    (match n {
        0..=4 => {
            let (mut b, mut c) = (0_u32, 9_u32);
            for byte in s {
                b = b
                    .wrapping_mul(C1)
                    .wrapping_add(i32::from(*byte as i8) as u32);
                c ^= b;
            }
            finish(mur(b, mur(length, c)))
        }
        5..=12 => {
            let b = length.wrapping_mul(5);
            let x = length.wrapping_add(half(s, 0));
            let y = b.wrapping_add(half(s, n - 4));
            let z = 9_u32.wrapping_add(half(s, (n >> 1) & 4));
            finish(mur(z, mur(y, mur(x, b))))
        }
        13..=24 => {
            let parts = [(n >> 1) - 4, 4, n - 8, n >> 1, 0, n - 4];
            finish(parts.iter().fold(length, |h, at| mur(half(s, *at), h)))
        }
        _ => city_32_long(s),
    }) as i32
}

fn city_32_long(s: &[u8]) -> u32 {
    let n = s.len();
    let scramble = |at: usize| {
        half(s, at)
            .wrapping_mul(C1)
            .rotate_right(17)
            .wrapping_mul(C2)
    };
    let mut h = n as u32;
    let mut g = C1.wrapping_mul(h);
    let mut f = g;
    h = step(step(h ^ scramble(n - 4), 19) ^ scramble(n - 16), 19);
    g = step(step(g ^ scramble(n - 8), 19) ^ scramble(n - 12), 19);
    f = step(f.wrapping_add(scramble(n - 20)), 19);
    for block in 0..(n - 1) / 20 {
        let at = block * 20;
        let (a0, a1, a2) = (scramble(at), half(s, at + 4), scramble(at + 8));
        let (a3, a4) = (scramble(at + 12), half(s, at + 16));
        h = step(h ^ a0, 18);
        f = f.wrapping_add(a1).rotate_right(19).wrapping_mul(C1);
        g = step(g.wrapping_add(a2), 18);
        h = step(h ^ a3.wrapping_add(a1), 19);
        g = (g ^ a4).swap_bytes().wrapping_mul(5);
        h = h.wrapping_add(a4.wrapping_mul(5)).swap_bytes();
        f = f.wrapping_add(a0);
        (f, h) = (h, f);
        (f, g) = (g, f);
    }
    let fold = |x: u32| {
        let x = x.rotate_right(11).wrapping_mul(C1);
        x.rotate_right(17).wrapping_mul(C1)
    };
    let (g, f) = (fold(g), fold(f));
    h = step(h.wrapping_add(g), 19)
        .rotate_right(17)
        .wrapping_mul(C1);
    step(h.wrapping_add(f), 19)
        .rotate_right(17)
        .wrapping_mul(C1)
}

fn up_to_16(s: &[u8]) -> u64 {
    let n = s.len();
    let length = n as u64;
    let m = K2.wrapping_add(length * 2);
    if n >= 8 {
        let a = word(s, 0).wrapping_add(K2);
        let b = word(s, n - 8);
        let c = mul(b.rotate_right(37), m).wrapping_add(a);
        let d = mul(a.rotate_right(25).wrapping_add(b), m);
        return hash_16(c, d, m);
    }
    if n >= 4 {
        let a = u64::from(half(s, 0));
        return hash_16(length.wrapping_add(a << 3), u64::from(half(s, n - 4)), m);
    }
    if n == 0 {
        return K2;
    }
    let y = u64::from(s[0]) + (u64::from(s[n >> 1]) << 8);
    let z = length + (u64::from(s[n - 1]) << 2);
    mul(shift_mix(mul(y, K2) ^ mul(z, K0)), K2)
}

fn up_to_32(s: &[u8]) -> u64 {
    let n = s.len();
    let m = K2.wrapping_add(n as u64 * 2);
    let a = mul(word(s, 0), K1);
    let b = word(s, 8);
    let c = mul(word(s, n - 8), m);
    let d = mul(word(s, n - 16), K2);
    hash_16(
        sum(&[a.wrapping_add(b).rotate_right(43), c.rotate_right(30), d]),
        sum(&[a, b.wrapping_add(K2).rotate_right(18), c]),
        m,
    )
}

fn up_to_64(s: &[u8]) -> u64 {
    let n = s.len();
    let m = K2.wrapping_add(n as u64 * 2);
    let a = mul(word(s, 0), K2);
    let b = word(s, 8);
    let (c, d) = (word(s, n - 24), word(s, n - 32));
    let e = mul(word(s, 16), K2);
    let f = mul(word(s, 24), 9);
    let g = word(s, n - 8);
    let h = mul(word(s, n - 16), m);
    let u = sum(&[
        a.wrapping_add(g).rotate_right(43),
        mul(b.rotate_right(30).wrapping_add(c), 9),
    ]);
    let v = sum(&[a.wrapping_add(g) ^ d, f, 1]);
    let w = mul(u.wrapping_add(v), m).swap_bytes().wrapping_add(h);
    let x = e.wrapping_add(f).rotate_right(42).wrapping_add(c);
    let y = mul(mul(v.wrapping_add(w), m).swap_bytes().wrapping_add(g), m);
    let z = sum(&[e, f, c]);
    let a = mul(x.wrapping_add(z), m)
        .wrapping_add(y)
        .swap_bytes()
        .wrapping_add(b);
    let b = mul(shift_mix(sum(&[mul(z.wrapping_add(a), m), d, h])), m);
    b.wrapping_add(x)
}

fn weak_32(s: &[u8], at: usize, a: u64, b: u64) -> (u64, u64) {
    let (w, x, y, z) = (
        word(s, at),
        word(s, at + 8),
        word(s, at + 16),
        word(s, at + 24),
    );
    let a = a.wrapping_add(w);
    let b = sum(&[b, a, z]).rotate_right(21);
    let c = a;
    let a = sum(&[a, x, y]);
    let b = b.wrapping_add(a.rotate_right(44));
    (a.wrapping_add(z), b.wrapping_add(c))
}

/// The state of the long variants: two pairs and three words, mixed by 64 bytes.
struct State {
    v: (u64, u64),
    w: (u64, u64),
    x: u64,
    y: u64,
    z: u64,
}

impl State {
    fn mix(&mut self, s: &[u8], at: usize) {
        let sums = sum(&[self.x, self.y, self.v.0, word(s, at + 8)]);
        self.x = mul(sums.rotate_right(37), K1);
        let sums = sum(&[self.y, self.v.1, word(s, at + 48)]);
        self.y = mul(sums.rotate_right(42), K1);
        self.x ^= self.w.1;
        self.y = sum(&[self.y, self.v.0, word(s, at + 40)]);
        self.z = mul(self.z.wrapping_add(self.w.0).rotate_right(33), K1);
        self.v = weak_32(s, at, mul(self.v.1, K1), self.x.wrapping_add(self.w.0));
        self.w = weak_32(
            s,
            at + 32,
            self.z.wrapping_add(self.w.1),
            self.y.wrapping_add(word(s, at + 16)),
        );
        std::mem::swap(&mut self.z, &mut self.x);
    }
}

/// 64 bits.
pub(crate) fn city_64(s: &[u8]) -> i64 {
    let n = s.len();
    (match n {
        0..=16 => up_to_16(s),
        17..=32 => up_to_32(s),
        33..=64 => up_to_64(s),
        _ => city_64_long(s),
    }) as i64
}

fn city_64_long(s: &[u8]) -> u64 {
    let n = s.len();
    let x = word(s, n - 40);
    let y = word(s, n - 16).wrapping_add(word(s, n - 56));
    let z = hash_pair(word(s, n - 48).wrapping_add(n as u64), word(s, n - 24));
    let mut state = State {
        v: weak_32(s, n - 64, n as u64, z),
        w: weak_32(s, n - 32, y.wrapping_add(K1), x),
        x: mul(x, K1).wrapping_add(word(s, 0)),
        y,
        z,
    };
    for block in 0..(n - 1) / 64 {
        state.mix(s, block * 64);
    }
    let State { v, w, x, y, z } = state;
    hash_pair(
        sum(&[hash_pair(v.0, w.0), mul(shift_mix(y), K1), z]),
        hash_pair(v.1, w.1).wrapping_add(x),
    )
}

/// 64 bits with two seeds.
pub(crate) fn city_64_seeds(s: &[u8], seed0: i64, seed1: i64) -> i64 {
    hash_pair((city_64(s) as u64).wrapping_sub(seed0 as u64), seed1 as u64) as i64
}

/// 64 bits with one seed.
pub(crate) fn city_64_seed(s: &[u8], seed: i64) -> i64 {
    city_64_seeds(s, K2 as i64, seed)
}

/// 128 bits, as its two halves.
pub(crate) fn city_128(s: &[u8]) -> (u64, u64) {
    match s.split_first_chunk::<16>() {
        Some((first, rest)) => {
            let both = u128::from_le_bytes(*first);
            let seed1 = ((both >> 64) as u64).wrapping_add(K0);
            city_128_seed(rest, both as u64, seed1)
        }
        None => city_128_seed(s, K0, K1),
    }
}

fn city_murmur(s: &[u8], seed0: u64, seed1: u64) -> (u64, u64) {
    let n = s.len();
    let (mut a, mut b) = (seed0, seed1);
    let (mut c, mut d);
    if n <= 16 {
        a = mul(shift_mix(mul(a, K1)), K1);
        c = mul(b, K1).wrapping_add(up_to_16(s));
        d = shift_mix(a.wrapping_add(if n >= 8 { word(s, 0) } else { c }));
    } else {
        c = hash_pair(word(s, n - 8).wrapping_add(K1), a);
        d = hash_pair(b.wrapping_add(n as u64), c.wrapping_add(word(s, n - 16)));
        a = a.wrapping_add(d);
        for block in 0..(n - 1) / 16 {
            a = mul(a ^ mul(shift_mix(mul(word(s, block * 16), K1)), K1), K1);
            b ^= a;
            c = mul(c ^ mul(shift_mix(mul(word(s, block * 16 + 8), K1)), K1), K1);
            d ^= c;
        }
    }
    let a = hash_pair(a, c);
    let b = hash_pair(d, b);
    (a ^ b, hash_pair(b, a))
}

fn city_128_seed(s: &[u8], seed0: u64, seed1: u64) -> (u64, u64) {
    let n = s.len();
    if n < 128 {
        return city_murmur(s, seed0, seed1);
    }
    let z = mul(K1, n as u64);
    let v0 = mul((seed1 ^ K1).rotate_right(49), K1).wrapping_add(word(s, 0));
    let v1 = mul(v0.rotate_right(42), K1).wrapping_add(word(s, 8));
    let w0 = mul(seed1.wrapping_add(z).rotate_right(35), K1).wrapping_add(seed0);
    let w1 = mul(seed0.wrapping_add(word(s, 88)).rotate_right(53), K1);
    let mut state = State {
        v: (v0, v1),
        w: (w0, w1),
        x: seed0,
        y: seed1,
        z,
    };
    let mut at = 0;
    while n - at >= 128 {
        state.mix(s, at);
        state.mix(s, at + 64);
        at += 128;
    }
    let State {
        mut v,
        mut w,
        mut x,
        mut y,
        mut z,
    } = state;
    x = x.wrapping_add(mul(v.0.wrapping_add(z).rotate_right(49), K0));
    y = mul(y, K0).wrapping_add(w.1.rotate_right(37));
    z = mul(z, K0).wrapping_add(w.0.rotate_right(27));
    w.0 = mul(w.0, 9);
    v.0 = mul(v.0, K0);
    let mut done = 0;
    while done < n - at {
        done += 32;
        y = mul(x.wrapping_add(y).rotate_right(42), K0).wrapping_add(v.1);
        w.0 = w.0.wrapping_add(word(s, n - done + 16));
        x = mul(x, K0).wrapping_add(w.0);
        z = sum(&[z, w.1, word(s, n - done)]);
        w.1 = w.1.wrapping_add(v.0);
        v = weak_32(s, n - done, v.0.wrapping_add(z), v.1);
        v.0 = mul(v.0, K0);
    }
    x = hash_pair(x, v.0);
    y = hash_pair(y.wrapping_add(z), w.0);
    (
        hash_pair(x.wrapping_add(v.1), w.1).wrapping_add(y),
        hash_pair(x.wrapping_add(w.1), y.wrapping_add(v.1)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_values() {
        let jumps = b"the quick brown fox jumps";
        assert_eq!(city_32(b"hello"), 2_039_911_270);
        assert_eq!(city_32(b""), -598_290_054);
        assert_eq!(city_32(jumps), 98_801_492);
        assert_eq!(city_64(b"hello"), -5_436_999_610_281_751_320);
        assert_eq!(city_64_seed(b"hello", 1), 9_077_797_111_693_980_196);
        assert_eq!(city_64_seeds(b"hello", 1, 2), 921_697_224_493_799_865);
        assert_eq!(
            city_64_seed(b"https://exemplo.com.br/alfa?q=0&r=a%20b", 7),
            -6_094_000_699_717_718_696
        );
        assert_eq!(
            city_128(b"hello"),
            (0x6f72_e4ab_b491_a74a, 0x6514_8f58_0b45_f347)
        );
        assert_eq!(
            city_128(b"the quick brown fox jumps over the lazy dog"),
            (0xecd6_e726_f553_d72c, 0x6d16_00c2_f156_dbb3)
        );
        // Every length runs, the long variants among them.
        let long: Vec<u8> = (0..700_u32).map(|i| (i * 31) as u8).collect();
        for n in 0..long.len() {
            let part = &long[..n];
            assert_ne!(
                city_128(part).0 as i64 ^ city_64(part),
                i64::from(city_32(part))
            );
        }
    }
}
