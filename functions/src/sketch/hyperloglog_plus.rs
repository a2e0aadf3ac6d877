//! HyperLogLog++ of stream-lib in its normal (dense) form.
//!
//! | bytes | content |
//! | --- | --- |
//! | 4 | version, -2, big endian |
//! | varint each | p, sp, format (0), bytes that follow |
//! | 4 each | register words as in HyperLogLog |
//!
//! Must not know: the sparse form. Invariant: numbers hash by their Java text.

use std::sync::OnceLock;

use super::murmur2::hash64;
use super::{Counter, Item, java_round};

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

    fn alpha(&self) -> f64 {
        match self.p {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / self.registers.len() as f64),
        }
    }

    fn words(&self) -> usize {
        self.registers.len().div_ceil(6)
    }
}

/// The measured bias of raw estimates, for each p from 4: pairs of both. Source: the appendix of Heule, Nunkesser and Hall,
/// "HyperLogLog in Practice".
fn measured() -> &'static [Vec<(f64, f64)>] {
    static MEASURED: OnceLock<Vec<Vec<(f64, f64)>>> = OnceLock::new();
    MEASURED.get_or_init(|| {
        let mut tables: Vec<Vec<(f64, f64)>> = Vec::new();
        for line in include_str!("hyperloglog_plus_bias.txt").lines() {
            let pair = line
                .split_once(' ')
                .map(|(raw, bias)| (raw.parse(), bias.parse()));
            match (pair, tables.last_mut()) {
                (Some((Ok(raw), Ok(bias))), Some(table)) => table.push((raw, bias)),
                _ => tables.push(Vec::new()),
            }
        }
        tables
    })
}

/// The mean bias of the raw estimates that are nearest to one.
fn bias(p: u8, raw: f64) -> f64 {
    const NEAREST: usize = 6;
    let Some(table) = measured().get(usize::from(p) - 4) else {
        return 0.0;
    };
    let mut near: Vec<(f64, f64)> = table
        .iter()
        // Of two that are as far away the later one counts.
        .rev()
        .map(|(at, bias)| ((raw - at) * (raw - at), *bias))
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    near.dedup_by(|a, b| a.0 == b.0);
    near.truncate(NEAREST);
    near.iter().map(|(_, bias)| bias).sum::<f64>() / near.len() as f64
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
        let mut ranks = [0_u32; 32];
        for register in &self.registers {
            ranks[usize::from(*register)] += 1;
        }
        let zeros = f64::from(ranks[0]);
        // Exact: every term is a whole number of the smallest, and all together have fewer bits than a mantissa.
        let terms = (0_u32..).zip(ranks);
        let sum: f64 = terms
            .map(|(rank, registers)| f64::from(registers) / f64::from(1_u32 << rank))
            .sum();
        let raw = self.alpha() * m * m * (1.0 / sum);
        let corrected = if raw <= 5.0 * m {
            raw - bias(self.p, raw)
        } else {
            raw
        };
        let small = if zeros > 0.0 {
            m * (m / zeros).ln()
        } else {
            corrected
        };
        let threshold = THRESHOLDS.get(usize::from(self.p) - 4);
        if threshold.is_some_and(|threshold| small < *threshold) {
            return java_round(small);
        }
        java_round(corrected)
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
