//! A counter in the place of UltraLogLog: one byte a register, 2^p of them, like UltraLogLog's state.
//!
//! Must not know: the bit patterns of UltraLogLog's registers; estimates agree within the error of both, states do not mix.
//! Invariant: the state's length alone gives p.

use xxhash_rust::xxh3::xxh3_64;

use super::{Counter, Item, ertl_estimate, java_round};

/// A counter of 2^p registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UltraLogLog {
    registers: Vec<u8>,
}

impl UltraLogLog {
    fn offer_hash(&mut self, hash: u64) {
        let p = self.registers.len().trailing_zeros();
        let register = (hash >> (64 - p)) as usize;
        let rank = ((hash << p) | (1 << (p - 1))).leading_zeros() as u8 + 1;
        let held = &mut self.registers[register];
        *held = (*held).max(rank);
    }
}

impl Counter for UltraLogLog {
    fn sized(size: u8) -> Self {
        Self {
            registers: vec![0; 1 << size.clamp(3, 26)],
        }
    }

    fn offer(&mut self, item: Item<'_>) {
        let hash = match item {
            Item::Long(v) => xxh3_64(&v.to_le_bytes()),
            Item::Float(v) => xxh3_64(&f64::from(v).to_bits().to_le_bytes()),
            Item::Double(v) => xxh3_64(&v.to_bits().to_le_bytes()),
            Item::Text(v) => xxh3_64(v.as_bytes()),
            Item::Bytes(v) => xxh3_64(v),
        };
        self.offer_hash(hash);
    }

    fn absorb(&mut self, mut other: Self) -> bool {
        if other.registers.len() < self.registers.len() {
            std::mem::swap(self, &mut other);
        }
        let (p, finer) = (
            self.registers.len().trailing_zeros(),
            other.registers.len().trailing_zeros(),
        );
        for (index, rank) in other
            .registers
            .iter()
            .enumerate()
            .filter(|(_, rank)| **rank > 0)
        {
            // A finer register becomes a coarser one: its lower index bits lead the bits that are ranked.
            let lower = finer - p;
            let low = index & ((1 << lower) - 1);
            let rank = if lower == 0 {
                *rank
            } else if low == 0 {
                rank + lower as u8
            } else {
                (lower - (usize::BITS - low.leading_zeros())) as u8 + 1
            };
            let held = &mut self.registers[index >> lower];
            *held = (*held).max(rank);
        }
        true
    }

    fn estimate(&self) -> i64 {
        let p = self.registers.len().trailing_zeros() as usize;
        let mut count = vec![0_u64; 66 - p];
        let last = count.len() - 1;
        for register in &self.registers {
            count[usize::from(*register).min(last)] += 1;
        }
        java_round(ertl_estimate(&count, self.registers.len() as f64))
    }

    fn save(&self) -> Vec<u8> {
        self.registers.clone()
    }

    fn read(bytes: &[u8], _size: u8) -> Option<Self> {
        let valid = bytes.len().is_power_of_two() && (8..=1 << 26).contains(&bytes.len());
        valid.then(|| Self {
            registers: bytes.to_vec(),
        })
    }

    fn heap_bytes(&self) -> usize {
        self.registers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_near() {
        let mut counter = UltraLogLog::sized(12);
        (0..4000).for_each(|v| counter.offer(Item::Long(v)));
        assert!(
            (counter.estimate() - 4000).abs() < 200,
            "{}",
            counter.estimate()
        );
        let mut few = UltraLogLog::sized(12);
        (0..5).for_each(|v| few.offer(Item::Long(v)));
        assert_eq!(few.estimate(), 5);
        assert_eq!(UltraLogLog::sized(12).estimate(), 0);
    }
}
