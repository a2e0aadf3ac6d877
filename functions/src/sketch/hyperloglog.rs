//! HyperLogLog of stream-lib: five-bit registers, six to a word.
//!
//! | bytes | content |
//! | --- | --- |
//! | 4 | log2m, big endian |
//! | 4 | bytes that follow |
//! | 4 each | register words, big endian, six registers each, the first in the low bits |
//!
//! Must not know: blocks. Invariant: as many registers as 2^log2m; equal values leave equal registers.

use super::murmur2::{hash_bytes, hash_long};
use super::{Counter, Item};

/// A HyperLogLog counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HyperLogLog {
    log2m: u8,
    registers: Vec<u8>,
}

impl HyperLogLog {
    /// An empty counter of `2^log2m` registers, `log2m` cut to 1..=30.
    #[must_use]
    pub fn new(log2m: u8) -> Self {
        let log2m = log2m.clamp(1, 30);
        Self {
            log2m,
            registers: vec![0; 1 << log2m],
        }
    }

    /// Adds a whole number.
    #[inline]
    pub fn offer_long(&mut self, value: i64) {
        self.offer_hash(hash_long(value));
    }

    /// Adds a DOUBLE.
    pub fn offer_double(&mut self, value: f64) {
        self.offer_long(value.to_bits() as i64);
    }

    /// Adds a FLOAT.
    pub fn offer_float(&mut self, value: f32) {
        self.offer_long(i64::from(value.to_bits() as i32));
    }

    /// Adds text or bytes.
    pub fn offer_bytes(&mut self, value: &[u8]) {
        self.offer_hash(hash_bytes(value));
    }

    #[inline]
    fn offer_hash(&mut self, hash: u32) {
        let log2m = u32::from(self.log2m);
        let register = (hash >> (32 - log2m)) as usize;
        let rank = ((hash << log2m) | ((1 << (log2m - 1)) + 1)).leading_zeros() as u8 + 1;
        let held = &mut self.registers[register];
        *held = (*held).max(rank);
    }

    /// The estimated number of distinct values.
    #[must_use]
    pub fn cardinality(&self) -> i64 {
        let m = self.registers.len() as f64;
        let mut sum = 0.0;
        let mut zeros = 0_usize;
        for register in &self.registers {
            sum += 1.0 / f64::from(1_u32 << (register & 31));
            zeros += usize::from(*register == 0);
        }
        let alpha = match self.log2m {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / m),
        };
        let estimate = alpha * m * m / sum;
        let estimate = if estimate <= 2.5 * m {
            m * (m / zeros as f64).ln()
        } else {
            estimate
        };
        // Java's Math.round
        (estimate + 0.5).floor() as i64
    }

    /// Adds another counter; false where the numbers of registers differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.log2m != other.log2m {
            return false;
        }
        for (into, from) in self.registers.iter_mut().zip(&other.registers) {
            *into = (*into).max(*from);
        }
        true
    }

    /// True where nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registers.iter().all(|register| *register == 0)
    }

    fn words(&self) -> usize {
        match self.registers.len() / 6 {
            0 => 1,
            words if words % 32 == 0 => words,
            words => words + 1,
        }
    }

    /// The serialised form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.words();
        let mut out = Vec::with_capacity(8 + words * 4);
        out.extend(u32::from(self.log2m).to_be_bytes());
        out.extend((words as u32 * 4).to_be_bytes());
        let mut chunks = self.registers.chunks(6);
        for _ in 0..words {
            let six = chunks.next().unwrap_or_default().iter().enumerate();
            let word = six.fold(0_u32, |word, (i, r)| word | (u32::from(*r & 31) << (5 * i)));
            out.extend(word.to_be_bytes());
        }
        out
    }

    /// Reads the serialised form; `None` where it is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(8)?;
        let log2m = u32::from_be_bytes(head[..4].try_into().ok()?);
        let log2m = u8::try_from(log2m).ok().filter(|l| (1..=30).contains(l))?;
        let (words, rest) = body.as_chunks::<4>();
        let len = 1_usize << log2m;
        if !rest.is_empty() || words.len() * 6 + 6 < len {
            return None;
        }
        let registers = words.iter().flat_map(|word| {
            let word = u32::from_be_bytes(*word);
            (0..6).map(move |i| ((word >> (5 * i)) & 31) as u8)
        });
        let mut registers: Vec<u8> = registers.take(len).collect();
        registers.resize(len, 0);
        Some(Self { log2m, registers })
    }
}

impl Counter for HyperLogLog {
    fn sized(size: u8) -> Self {
        Self::new(size)
    }

    fn offer(&mut self, item: Item<'_>) {
        match item {
            Item::Int(v) => self.offer_long(v.into()),
            Item::Long(v) => self.offer_long(v),
            Item::Float(v) => self.offer_float(v),
            Item::Double(v) => self.offer_double(v),
            Item::Text(v) => self.offer_bytes(v.as_bytes()),
            Item::Bytes(v) => self.offer_bytes(v),
        }
    }

    fn absorb(&mut self, other: Self) -> bool {
        self.merge(&other)
    }

    fn estimate(&self) -> i64 {
        self.cardinality()
    }

    fn save(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn read(bytes: &[u8], _size: u8) -> Option<Self> {
        Self::from_bytes(bytes)
    }

    fn heap_bytes(&self) -> usize {
        self.registers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_those_of_stream_lib() {
        for (log2m, range, expected) in [(8, 0..4000, 4301), (12, 0..500, 501)] {
            let mut counter = HyperLogLog::new(log2m);
            range.for_each(|value| counter.offer_long(value));
            assert_eq!(counter.cardinality(), expected);
            assert_eq!(HyperLogLog::from_bytes(&counter.to_bytes()), Some(counter));
        }
    }

    #[test]
    fn bytes_that_are_no_counter_are_refused() {
        assert_eq!(HyperLogLog::from_bytes(&[]), None);
        assert_eq!(HyperLogLog::from_bytes(&[0, 0, 0, 30, 0, 0, 0, 0]), None);
        assert_eq!(HyperLogLog::from_bytes(&[0xFF; 40]), None);
    }
}
