//! UltraLogLog in the state of hash4j: one byte a register, which keeps the largest rank and whether the two ranks below it
//! occurred.
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | p |
//! | 2^p | registers |
//!
//! Must not know: blocks. Invariant: 2^p registers; equal values leave equal registers.

use super::wyhash::hash_item;
use super::{Counter, Item, java_round};

/// A counter of 2^p registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UltraLogLog {
    registers: Vec<u8>,
}

/// The set of ranks that a register stands for.
fn unpack(register: u8) -> u64 {
    let rank = u32::from(register >> 2).wrapping_sub(2);
    (4 | u64::from(register & 3)).wrapping_shl(rank)
}

/// The register of a set of ranks that is not empty.
fn pack(ranks: u64) -> u8 {
    let zeros = ranks.leading_zeros() + 1;
    let lower = ranks.checked_shl(zeros).unwrap_or(0) >> 62;
    ((64 - zeros) as u8) << 2 | lower as u8
}

impl UltraLogLog {
    /// The counter whose registers are these.
    #[must_use]
    pub fn from_state(state: &[u8]) -> Option<Self> {
        let valid = state.len().is_power_of_two() && (8..=1 << 26).contains(&state.len());
        valid.then(|| Self {
            registers: state.to_vec(),
        })
    }

    fn p(&self) -> u32 {
        self.registers.len().trailing_zeros()
    }

    fn offer_hash(&mut self, hash: u64) {
        let p = self.p();
        let register = &mut self.registers[(hash >> (64 - p)) as usize];
        // The bits that chose the register count as ones.
        let zeros = (!(!hash << p)).leading_zeros();
        *register = pack(unpack(*register) | 1 << (zeros + p - 1));
    }

    /// Adds a counter of as many or more registers.
    fn fold(&mut self, other: &Self) {
        let (p, finer) = (self.p(), other.p());
        let each = 1_usize << (finer - p);
        for (into, from) in self.registers.iter_mut().zip(other.registers.chunks(each)) {
            let mut ranks = unpack(*into) | unpack(from[0]);
            for (low, _) in from.iter().enumerate().skip(1).filter(|(_, r)| **r != 0) {
                // The bits between the two sizes decide the rank of all that a finer register saw.
                ranks |= 1_u64.wrapping_shl((low as u64).leading_zeros() + finer - 1);
            }
            if ranks != 0 {
                *into = pack(ranks);
            }
        }
    }
}

impl Counter for UltraLogLog {
    fn sized(size: u8) -> Self {
        Self {
            registers: vec![0; 1 << size.clamp(3, 26)],
        }
    }

    fn offer(&mut self, item: Item<'_>) {
        self.offer_hash(hash_item(item));
    }

    fn absorb(&mut self, mut other: Self) -> bool {
        if other.registers.len() < self.registers.len() {
            std::mem::swap(self, &mut other);
        }
        self.fold(&other);
        true
    }

    fn estimate(&self) -> i64 {
        java_round(estimator::estimate(&self.registers, self.p()))
    }

    fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.registers.len() + 1);
        out.push(self.p() as u8);
        out.extend(&self.registers);
        out
    }

    fn read(bytes: &[u8], _size: u8) -> Option<Self> {
        let (p, state) = bytes.split_first()?;
        Self::from_state(state).filter(|read| read.p() == u32::from(*p))
    }

    fn heap_bytes(&self) -> usize {
        self.registers.len()
    }
}

/// The further generalized remaining area estimator of Ertl's paper on UltraLogLog, with its constants.
mod estimator {
    const ETA: [f64; 4] = [
        4.663_135_422_063_788,
        2.137_850_213_795_852_4,
        2.781_144_650_979_996,
        0.982_408_254_515_371_5,
    ];
    const TAU: f64 = 0.819_491_137_591_089_7;
    const V: f64 = 0.611_893_149_697_843_7;
    const ETA_X: f64 = ETA[0] - ETA[1] - ETA[2] + ETA[3];

    /// The registers that are not settled: how many hold nothing, or only the first ranks.
    #[derive(Default)]
    struct Small {
        c0: f64,
        c4: f64,
        c8: f64,
        c10: f64,
    }

    impl Small {
        fn any(&self) -> bool {
            self.c0 + self.c4 + self.c8 + self.c10 > 0.0
        }

        /// The share of registers that a rank misses.
        fn z(&self, m: f64) -> f64 {
            let alpha = m + 3.0 * (self.c0 + self.c4 + self.c8 + self.c10);
            let beta = m - self.c0 - self.c4;
            let gamma = 4.0 * self.c0 + 2.0 * self.c4 + 3.0 * self.c8 + self.c10;
            let root = ((beta * beta + 4.0 * alpha * gamma).sqrt() - beta) / (2.0 * alpha);
            root.powi(4)
        }

        fn contribution(&self, m: f64) -> f64 {
            let z = self.z(m);
            let two = 2_f64.powf(-TAU);
            let four = 4_f64.powf(-TAU);
            let mut sum = 0.0;
            if self.c0 > 0.0 {
                sum += self.c0 * sigma(z);
            }
            sum += self.c4 * two * ETA_X * psi(z, z * z);
            sum += self.c8 * four * (z * (ETA[0] - ETA[1]) + ETA[1]);
            sum + self.c10 * four * (z * (ETA[2] - ETA[3]) + ETA[3])
        }
    }

    fn psi(z: f64, square: f64) -> f64 {
        let crossed = (ETA[3] * ETA[0] - ETA[1] * ETA[2]) / (ETA_X * ETA_X);
        (z + (ETA[2] - ETA[3]) / ETA_X) * (square + (ETA[1] - ETA[3]) / ETA_X) + crossed
    }

    fn sigma(z: f64) -> f64 {
        if z <= 0.0 {
            return ETA[3];
        }
        if z >= 1.0 {
            return f64::INFINITY;
        }
        let (mut power, mut next, mut factor, mut sum) = (z, z * z, ETA_X, 0.0);
        loop {
            let after = next * next;
            let before = sum;
            sum += factor * (power - next) * psi(next, after);
            if sum <= before || sum.is_nan() {
                return sum / z;
            }
            (power, next) = (next, after);
            factor *= 2_f64.powf(TAU);
        }
    }

    pub(super) fn estimate(registers: &[u8], p: u32) -> f64 {
        let m = registers.len() as f64;
        let settled = (p as usize) * 4 + 4;
        let mut counts = [0_u64; 256];
        registers
            .iter()
            .for_each(|register| counts[usize::from(*register)] += 1);
        let mut small = Small::default();
        let mut sum = 0.0;
        for (register, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = *count as f64;
            match register.checked_sub(settled) {
                Some(above) => {
                    let rank = 3.0 + (above >> 2) as f64;
                    sum += count * ETA[above & 3] * 2_f64.powf(-TAU * rank);
                }
                None => match settled - register {
                    8 => small.c4 += count,
                    4 => small.c8 += count,
                    2 => small.c10 += count,
                    _ => small.c0 += count,
                },
            }
        }
        if small.any() {
            sum += small.contribution(m);
        }
        let factor = m.powf(1.0 + 1.0 / TAU) / (1.0 + V * (1.0 + TAU) / (2.0 * m));
        factor * sum.powf(-1.0 / TAU)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_any_two_sizes_join_as_if_counted_in_the_smaller() {
        let count = |p: u8, range: std::ops::Range<i64>| {
            let mut counter = UltraLogLog::sized(p);
            range.for_each(|v| counter.offer(Item::Long(v)));
            counter
        };
        let mut joined = count(12, 0..3000);
        assert!(joined.absorb(count(10, 2000..5000)));
        assert_eq!(joined.p(), 10);
        assert!(
            (joined.estimate() - 5000).abs() < 400,
            "{}",
            joined.estimate()
        );
        let mut same = count(12, 0..3000);
        assert!(same.absorb(count(12, 2000..5000)));
        assert_eq!(same, count(12, 0..5000));
        assert_eq!(UltraLogLog::sized(12).estimate(), 0);
    }

    #[test]
    fn bytes_that_are_no_state_are_refused() {
        assert_eq!(UltraLogLog::read(&[], 12), None);
        assert_eq!(UltraLogLog::read(&[12; 16], 12), None);
        assert_eq!(UltraLogLog::read(&[0; 4096], 12), None);
    }
}
