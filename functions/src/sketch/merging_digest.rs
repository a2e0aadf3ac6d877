//! The merging t-digest, version 3.2, in its two serialised forms.
//!
//! | bytes | verbose (1) | small (2) |
//! | --- | --- | --- |
//! | 4 | form | form |
//! | 8, 8 | least, greatest | least, greatest |
//! | 8 or 4 | compression, DOUBLE | compression, FLOAT |
//! | 4 or 2, 2, 2 | centroids | room for centroids, room for values, centroids |
//! | each | weight, mean as DOUBLE | weight, mean as FLOAT |
//!
//! All numbers are big endian. Must not know: blocks. Invariant: the same values in the same order leave the same bytes as the
//! reference implementation; answers stay between the least and the greatest value.

use super::merging_sort::sorted;

/// Most centroids or values that bytes may announce.
const MOST: usize = 1 << 16;

/// A digest.
#[derive(Debug, Clone, PartialEq)]
pub struct MergingDigest {
    compression: f64,
    /// Values that wait before they are merged.
    room: usize,
    min: f64,
    max: f64,
    weight: f64,
    means: Vec<f64>,
    weights: Vec<f64>,
    waiting_means: Vec<f64>,
    waiting_weights: Vec<f64>,
    waiting: f64,
}

impl MergingDigest {
    /// An empty digest of that compression, at least 1.
    #[must_use]
    pub fn new(compression: f64) -> Self {
        let compression = compression.clamp(1.0, 10_000.0);
        Self {
            compression,
            room: 5 * compression.ceil() as usize,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            weight: 0.0,
            means: Vec::new(),
            weights: Vec::new(),
            waiting_means: Vec::new(),
            waiting_weights: Vec::new(),
            waiting: 0.0,
        }
    }

    /// Adds a value; NaN is none.
    pub fn add(&mut self, value: f64) {
        self.add_weighted(value, 1.0);
    }

    fn add_weighted(&mut self, value: f64, weight: f64) {
        if value.is_nan() || weight <= 0.0 {
            return;
        }
        if self.waiting_means.len() + self.means.len() + 1 >= self.room {
            self.compress();
        }
        self.waiting_means.push(value);
        self.waiting_weights.push(weight);
        self.waiting += weight;
    }

    /// Adds another digest's centroids.
    pub fn merge(&mut self, mut other: Self) {
        other.compress();
        for (mean, weight) in other.means.iter().zip(&other.weights) {
            self.add_weighted(*mean, *weight);
        }
    }

    /// Merges the values that wait.
    pub fn compress(&mut self) {
        if self.waiting <= 0.0 {
            return;
        }
        let mut means = std::mem::take(&mut self.waiting_means);
        let mut weights = std::mem::take(&mut self.waiting_weights);
        means.append(&mut self.means);
        weights.append(&mut self.weights);
        self.weight += std::mem::take(&mut self.waiting);
        let normalizer = self.compression / (std::f64::consts::PI * self.weight);
        let order = sorted(&means);
        let mut before = 0.0;
        for at in order.into_iter().map(|at| at as usize) {
            let (mean, weight) = (means[at], weights[at]);
            let (Some(last_mean), Some(last)) = (self.means.last_mut(), self.weights.last_mut())
            else {
                self.means.push(mean);
                self.weights.push(weight);
                continue;
            };
            let proposed = *last + weight;
            let z = proposed * normalizer;
            let (q0, q2) = (before / self.weight, (before + proposed) / self.weight);
            if z * z <= q0 * (1.0 - q0) && z * z <= q2 * (1.0 - q2) {
                *last += weight;
                *last_mean += (mean - *last_mean) * weight / *last;
            } else {
                before += *last;
                self.means.push(mean);
                self.weights.push(weight);
            }
        }
        if let (Some(first), Some(last)) = (self.means.first(), self.means.last()) {
            self.min = self.min.min(*first);
            self.max = self.max.max(*last);
        }
        // The emptied buffers serve the next values.
        means.clear();
        weights.clear();
        (self.waiting_means, self.waiting_weights) = (means, weights);
    }

    /// The value at a rank from 0 to 1; `None` of nothing.
    #[must_use]
    pub fn quantile(&self, rank: f64) -> Option<f64> {
        if self.waiting > 0.0 {
            let mut merged = self.clone();
            merged.compress();
            return merged.merged_quantile(rank);
        }
        self.merged_quantile(rank)
    }

    fn merged_quantile(&self, rank: f64) -> Option<f64> {
        let (first, last) = (*self.weights.first()?, *self.weights.last()?);
        let index = rank * self.weight;
        if index < first / 2.0 {
            return Some(self.min + 2.0 * index / first * (self.means[0] - self.min));
        }
        let mut so_far = first / 2.0;
        for at in 1..self.means.len() {
            let step = (self.weights[at - 1] + self.weights[at]) / 2.0;
            if so_far + step > index {
                return Some(between(
                    (self.means[at - 1], so_far + step - index),
                    (self.means[at], index - so_far),
                ));
            }
            so_far += step;
        }
        let beyond = index - self.weight - last / 2.0;
        let last_mean = *self.means.last()?;
        Some(between(
            (last_mean, beyond),
            (self.max, last / 2.0 - beyond),
        ))
    }

    /// The verbose form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.waiting > 0.0 {
            let mut merged = self.clone();
            merged.compress();
            return merged.to_bytes();
        }
        let mut out = Vec::with_capacity(32 + 16 * self.means.len());
        out.extend(1_u32.to_be_bytes());
        for number in [self.min, self.max, self.compression] {
            out.extend(number.to_be_bytes());
        }
        out.extend((self.means.len() as u32).to_be_bytes());
        for (mean, weight) in self.means.iter().zip(&self.weights) {
            out.extend(weight.to_be_bytes());
            out.extend(mean.to_be_bytes());
        }
        out
    }

    /// Reads either form; `None` where it is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let form = u32::from_be_bytes(input.take()?);
        let (min, max) = (input.double()?, input.double()?);
        let (mut digest, centroids) = match form {
            1 => {
                let digest = Self::new(input.double()?);
                (digest, u32::from_be_bytes(input.take()?) as usize)
            }
            2 => {
                let mut digest = Self::new(input.float()?);
                let _size = input.short()?;
                digest.room = input.short()?.max(2);
                (digest, input.short()?)
            }
            _ => return None,
        };
        if centroids > MOST {
            return None;
        }
        (digest.min, digest.max) = (min, max);
        for _ in 0..centroids {
            let (weight, mean) = match form {
                1 => (input.double()?, input.double()?),
                _ => (input.float()?, input.float()?),
            };
            // Infinite values of both signs have no mean.
            if !weight.is_finite() || weight < 0.0 {
                return None;
            }
            digest.weights.push(weight);
            digest.means.push(mean);
            digest.weight += weight;
        }
        input.0.is_empty().then_some(digest)
    }

    /// Bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        8 * (self.means.capacity()
            + self.weights.capacity()
            + self.waiting_means.capacity()
            + self.waiting_weights.capacity())
    }

    /// A digest of centroids that come from elsewhere, ascending.
    #[must_use]
    pub fn of_centroids(
        compression: f64,
        extremes: (f64, f64),
        centroids: impl Iterator<Item = (f64, f64)>,
    ) -> Self {
        let mut digest = Self::new(compression);
        for (mean, weight) in centroids {
            digest.means.push(mean);
            digest.weights.push(weight);
            digest.weight += weight;
        }
        (digest.min, digest.max) = extremes;
        digest
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn double(&mut self) -> Option<f64> {
        self.take().map(f64::from_be_bytes)
    }

    fn float(&mut self) -> Option<f64> {
        self.take().map(f32::from_be_bytes).map(f64::from)
    }

    fn short(&mut self) -> Option<usize> {
        usize::try_from(i16::from_be_bytes(self.take()?)).ok()
    }
}

/// The weighted middle, never outside of both.
fn between(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (low, high) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    let middle = (low.0 * low.1 + high.0 * high.1) / (low.1 + high.1);
    low.0.max(middle.min(high.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(values: &[f64]) -> MergingDigest {
        let mut digest = MergingDigest::new(100.0);
        values.iter().for_each(|x| digest.add(*x));
        digest
    }

    #[test]
    fn few_values_are_interpolated() {
        let at = |values: &[f64], rank| digest(values).quantile(rank);
        assert_eq!(at(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.5), Some(2.5));
        assert_eq!(at(&[0.0, 3.0], 0.5), Some(1.5));
        assert_eq!(at(&[7.0], 0.9), Some(7.0));
        assert_eq!(at(&[], 0.5), None);
        assert_eq!(at(&[f64::NAN], 0.5), None);
        assert_eq!(at(&[1.0, 2.0], 1.0), Some(2.0));
        assert_eq!(at(&[1.0, 2.0], 0.0), Some(1.0));
    }

    #[test]
    fn both_forms_are_read() {
        let digest = digest(&[1.0, 2.0, 4.0]);
        let read = MergingDigest::from_bytes(&digest.to_bytes());
        assert_eq!(read.as_ref().and_then(|d| d.quantile(0.5)), Some(2.0));
        let mut small = 2_u32.to_be_bytes().to_vec();
        for number in [1.0_f64, 4.0] {
            small.extend(number.to_be_bytes());
        }
        small.extend(100_f32.to_be_bytes());
        for number in [210_i16, 500, 3] {
            small.extend(number.to_be_bytes());
        }
        for number in [1.0_f32, 1.0, 1.0, 2.0, 1.0, 4.0] {
            small.extend(number.to_be_bytes());
        }
        let read = MergingDigest::from_bytes(&small);
        assert_eq!(read.and_then(|d| d.quantile(0.5)), Some(2.0));
        assert_eq!(MergingDigest::from_bytes(&small[..50]), None);
        assert_eq!(MergingDigest::from_bytes(&[0xFF; 64]), None);
    }
}
