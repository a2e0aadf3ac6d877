//! Theta sketches, in the bytes of Apache DataSketches.
//!
//! Must not know: set expressions. Invariant: empty texts are no values, as in DataSketches.

use datasketches::hash::value::{canonical_float, raw_bytes};
use datasketches::theta::{
    CompactThetaSketch, ThetaANotB, ThetaIntersection, ThetaSketch, ThetaSketchBuilder, ThetaUnion,
    ThetaUnionBuilder,
};

use super::{Counter, Item, java_round};

/// A Theta sketch: values gathered here and sketches gathered from elsewhere.
pub struct Theta {
    lg_k: u8,
    values: Option<ThetaSketch>,
    others: Option<ThetaUnion>,
}

impl Theta {
    fn union(lg_k: u8) -> Option<ThetaUnion> {
        ThetaUnionBuilder::default().lg_k(lg_k).build().ok()
    }

    /// Adds a compact sketch; false where it does not fit.
    #[must_use]
    pub fn add_compact(&mut self, other: &CompactThetaSketch) -> bool {
        if self.others.is_none() {
            self.others = Self::union(self.lg_k);
        }
        self.others
            .as_mut()
            .is_some_and(|union| union.update(other).is_ok())
    }

    /// The compact form.
    #[must_use]
    pub fn compact(&self) -> Option<CompactThetaSketch> {
        match (&self.values, &self.others) {
            (Some(values), None) => Some(values.compact(true)),
            (values, _) => {
                let mut union = Self::union(self.lg_k)?;
                if let Some(others) = &self.others {
                    union.update(&others.to_sketch(true)).ok()?;
                }
                if let Some(values) = values {
                    union.update(values).ok()?;
                }
                Some(union.to_sketch(true))
            }
        }
    }

    /// The values in both.
    #[must_use]
    pub fn intersection(
        left: &CompactThetaSketch,
        right: &CompactThetaSketch,
    ) -> Option<CompactThetaSketch> {
        let mut both = ThetaIntersection::default();
        both.update(left).ok()?;
        both.update(right).ok()?;
        both.to_sketch(true)
    }

    /// The values in the left and not in the right one.
    #[must_use]
    pub fn difference(
        left: &CompactThetaSketch,
        right: &CompactThetaSketch,
    ) -> Option<CompactThetaSketch> {
        ThetaANotB::default().compute(left, right, true).ok()
    }
}

impl Counter for Theta {
    fn sized(size: u8) -> Self {
        Self {
            lg_k: size.clamp(5, 26),
            values: None,
            others: None,
        }
    }

    fn offer(&mut self, item: Item<'_>) {
        if self.values.is_none() {
            self.values = ThetaSketchBuilder::default().lg_k(self.lg_k).build().ok();
        }
        let Some(sketch) = &mut self.values else {
            return;
        };
        match item {
            Item::Int(v) => sketch.update(i64::from(v)),
            Item::Long(v) => sketch.update(v),
            Item::Float(v) => sketch.update(canonical_float::from_f32(v)),
            Item::Double(v) => sketch.update(canonical_float::from_f64(v)),
            Item::Text(v) if !v.is_empty() => sketch.update(raw_bytes::from_str(v)),
            Item::Bytes(v) if !v.is_empty() => sketch.update(raw_bytes::from_slice(v)),
            Item::Text(_) | Item::Bytes(_) => {}
        }
    }

    fn absorb(&mut self, other: Self) -> bool {
        if other.values.is_none() && other.others.is_none() {
            return true;
        }
        other
            .compact()
            .is_some_and(|compact| self.add_compact(&compact))
    }

    fn estimate(&self) -> i64 {
        self.compact()
            .map_or(0, |compact| java_round(compact.estimate()))
    }

    fn save(&self) -> Vec<u8> {
        self.compact()
            .map_or_else(Vec::new, |compact| compact.serialize())
    }

    fn read(bytes: &[u8], size: u8) -> Option<Self> {
        let compact = CompactThetaSketch::deserialize(bytes).ok()?;
        let mut theta = Self::sized(size);
        theta.add_compact(&compact).then_some(theta)
    }

    fn heap_bytes(&self) -> usize {
        self.values.as_ref().map_or(0, ThetaSketch::estimated_size)
            + self.others.as_ref().map_or(0, ThetaUnion::estimated_size)
    }
}
