//! The centroids of a t-digest and the interpolation between them.
//!
//! Must not know: how digests grow. Invariant: between the middles of two neighbours the answer moves evenly with the rank,
//! at the ends from the extremes, as in version 3.2 of the reference implementation, which Pinot has.

use datasketches::tdigest::TDigestMut;

/// Means with weights, ascending, and the extremes.
pub(crate) struct Centroids {
    means: Vec<(f64, f64)>,
    min: f64,
    max: f64,
}

/// Bytes before the centroids: the header with their number, minimum and maximum.
const HEADER: usize = 32;

impl Centroids {
    /// Reads them out of a digest; `None` where it is empty.
    pub(crate) fn of(digest: &TDigestMut) -> Option<Self> {
        let (min, max) = (digest.min_value()?, digest.max_value()?);
        if digest.total_weight() < 2 {
            let means = vec![(min, 1.0)];
            return Some(Self { means, min, max });
        }
        // The serialised form is the only way to them that the library offers.
        let bytes = digest.clone().serialize();
        let means = bytes
            .get(HEADER..)?
            .chunks_exact(16)
            .map(|pair| {
                let (mean, weight) = pair.split_at(8);
                let mean = f64::from_le_bytes(mean.try_into().ok()?);
                let weight = u64::from_le_bytes(weight.try_into().ok()?);
                Some((mean, weight as f64))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { means, min, max })
    }

    /// The value at a rank from 0 to 1.
    pub(crate) fn quantile(&self, rank: f64) -> Option<f64> {
        let (first, last) = (*self.means.first()?, *self.means.last()?);
        if self.means.len() == 1 {
            return Some(first.0);
        }
        let total: f64 = self.means.iter().map(|(_, weight)| weight).sum();
        let index = rank * total;
        if index < first.1 / 2.0 {
            return Some(self.min + 2.0 * index / first.1 * (first.0 - self.min));
        }
        let mut so_far = first.1 / 2.0;
        for pair in self.means.windows(2) {
            let step = (pair[0].1 + pair[1].1) / 2.0;
            if so_far + step > index {
                return Some(between(
                    (pair[0].0, so_far + step - index),
                    (pair[1].0, index - so_far),
                ));
            }
            so_far += step;
        }
        let beyond = index - total - last.1 / 2.0;
        Some(between((last.0, beyond), (self.max, last.1 / 2.0 - beyond)))
    }
}

/// The weighted middle, never outside of both.
fn between(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (low, high) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    let middle = (low.0 * low.1 + high.0 * high.1) / (low.1 + high.1);
    middle.min(high.0).max(low.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(values: &[f64]) -> Option<TDigestMut> {
        let mut digest = TDigestMut::new(100).ok()?;
        values.iter().for_each(|x| digest.update(*x));
        Some(digest)
    }

    #[test]
    fn few_values_are_interpolated() {
        let at = |values: &[f64], rank| {
            digest(values).and_then(|d| Centroids::of(&d).and_then(|c| c.quantile(rank)))
        };
        assert_eq!(at(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.5), Some(2.5));
        assert_eq!(at(&[0.0, 3.0], 0.5), Some(1.5));
        assert_eq!(at(&[7.0], 0.9), Some(7.0));
        assert_eq!(at(&[], 0.5), None);
        assert_eq!(at(&[1.0, 2.0], 1.0), Some(2.0));
        assert_eq!(at(&[1.0, 2.0], 0.0), Some(1.0));
    }
}
