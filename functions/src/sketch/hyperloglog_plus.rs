//! HyperLogLog++ of stream-lib in its normal (dense) form.
//!
//! | bytes | content |
//! | --- | --- |
//! | 4 | version, -2, big endian |
//! | varint each | p, sp, format (0), bytes that follow |
//! | 4 each | register words as in HyperLogLog |
//!
//! Must not know: the sparse form. Invariant: numbers hash by their Java text.

use super::murmur2::hash64;
use super::{Counter, Item, ertl_estimate, java_round};

/// A HyperLogLog++ counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HyperLogLogPlus {
    p: u8,
    registers: Vec<u8>,
}

/// Up to these estimates linear counting is more exact than registers, for p from 4.
const THRESHOLDS: [f64; 15] = [
    10.0, 20.0, 40.0, 80.0, 220.0, 400.0, 900.0, 1800.0, 3100.0, 6500.0, 11500.0, 20000.0, 50000.0,
    120_000.0, 350_000.0,
];

impl HyperLogLogPlus {
    fn offer_hash(&mut self, hash: u64) {
        let p = u32::from(self.p);
        let register = (hash >> (64 - p)) as usize;
        let rank = ((hash << p) | (1 << (p - 1))).leading_zeros() as u8 + 1;
        let held = &mut self.registers[register];
        *held = (*held).max(rank.min(31));
    }

    fn words(&self) -> usize {
        self.registers.len().div_ceil(6)
    }
}

impl Counter for HyperLogLogPlus {
    fn sized(size: u8) -> Self {
        let p = size.clamp(4, 18);
        Self {
            p,
            registers: vec![0; 1 << p],
        }
    }

    fn offer(&mut self, item: Item<'_>) {
        let hash = match item {
            Item::Int(v) => hash64(v.to_string().as_bytes()),
            Item::Long(v) => hash64(v.to_string().as_bytes()),
            Item::Float(v) => hash64(common::java_text::float_text(v).as_bytes()),
            Item::Double(v) => hash64(common::java_text::double_text(v).as_bytes()),
            Item::Text(v) => hash64(v.as_bytes()),
            Item::Bytes(v) => hash64(v),
        };
        self.offer_hash(hash);
    }

    fn absorb(&mut self, other: Self) -> bool {
        if self.p != other.p {
            return false;
        }
        for (into, from) in self.registers.iter_mut().zip(&other.registers) {
            *into = (*into).max(*from);
        }
        true
    }

    fn estimate(&self) -> i64 {
        let m = self.registers.len() as f64;
        let mut count = vec![0_u64; 66];
        for register in &self.registers {
            count[usize::from(*register & 63)] += 1;
        }
        let linear = if count[0] > 0 {
            m * (m / count[0] as f64).ln()
        } else {
            f64::INFINITY
        };
        let threshold = THRESHOLDS
            .get(usize::from(self.p) - 4)
            .copied()
            .unwrap_or(0.0);
        if linear <= threshold {
            return java_round(linear);
        }
        count.truncate(usize::from(64 - self.p) + 2);
        java_round(ertl_estimate(&count, m))
    }

    fn save(&self) -> Vec<u8> {
        let mut out = (-2_i32).to_be_bytes().to_vec();
        put_varint(&mut out, u32::from(self.p));
        put_varint(&mut out, 0);
        put_varint(&mut out, 0);
        put_varint(&mut out, self.words() as u32 * 4);
        for six in self.registers.chunks(6) {
            let six = six.iter().enumerate();
            let word = six.fold(0_u32, |word, (i, r)| word | (u32::from(*r & 31) << (5 * i)));
            out.extend(word.to_be_bytes());
        }
        out
    }

    fn read(bytes: &[u8], _size: u8) -> Option<Self> {
        let (version, mut rest) = bytes.split_at_checked(4)?;
        if version != (-2_i32).to_be_bytes() {
            return None;
        }
        let p = take_varint(&mut rest)?;
        let _sparse = take_varint(&mut rest)?;
        let format = take_varint(&mut rest)?;
        let len = take_varint(&mut rest)? as usize;
        if !(4..=18).contains(&p) || format != 0 || rest.len() != len {
            return None;
        }
        let (words, _) = rest.as_chunks::<4>();
        let m = 1_usize << p;
        if words.len() * 6 < m {
            return None;
        }
        let registers = words.iter().flat_map(|word| {
            let word = u32::from_be_bytes(*word);
            (0..6).map(move |i| ((word >> (5 * i)) & 31) as u8)
        });
        Some(Self {
            p: p as u8,
            registers: registers.take(m).collect(),
        })
    }

    fn heap_bytes(&self) -> usize {
        self.registers.len()
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(first & 0x7F).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_counts_are_those_of_stream_lib() {
        for (p, expected, slack) in [(14, 3988, 0), (12, 3963, 40)] {
            let mut counter = HyperLogLogPlus::sized(p);
            (0..4000).for_each(|v| counter.offer(Item::Long(v)));
            assert!(
                (counter.estimate() - expected).abs() <= slack,
                "{}",
                counter.estimate()
            );
            assert_eq!(HyperLogLogPlus::read(&counter.save(), 0), Some(counter));
        }
    }
}
