//! Compressed probabilistic counting, in the bytes of Apache DataSketches.
//!
//! Must not know: the encoding. Invariant: empty texts are no values, as in DataSketches.

use datasketches::cpc::{CpcSketch, CpcUnion};
use datasketches::hash::value::{canonical_float, raw_bytes};

use super::{Counter, Item, java_round};

/// A CPC sketch.
pub struct Cpc {
    lg_k: u8,
    sketch: Option<CpcSketch>,
}

impl Counter for Cpc {
    fn sized(size: u8) -> Self {
        let lg_k = size.clamp(4, 26);
        Self { lg_k, sketch: None }
    }

    fn offer(&mut self, item: Item<'_>) {
        if self.sketch.is_none() {
            self.sketch = CpcSketch::new(self.lg_k).ok();
        }
        let Some(sketch) = &mut self.sketch else {
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
        let Some(from) = other.sketch else {
            return true;
        };
        let Some(into) = &self.sketch else {
            self.sketch = Some(from);
            return true;
        };
        let Ok(mut union) = CpcUnion::new(self.lg_k) else {
            return false;
        };
        let joined = union.update(into).is_ok() && union.update(&from).is_ok();
        self.sketch = Some(union.to_sketch());
        joined
    }

    fn estimate(&self) -> i64 {
        self.sketch
            .as_ref()
            .map_or(0, |sketch| java_round(sketch.estimate()))
    }

    fn save(&self) -> Vec<u8> {
        match &self.sketch {
            Some(sketch) => sketch.serialize(),
            None => {
                CpcSketch::new(self.lg_k).map_or_else(|_| Vec::new(), |sketch| sketch.serialize())
            }
        }
    }

    fn read(bytes: &[u8], size: u8) -> Option<Self> {
        let sketch = CpcSketch::deserialize(bytes).ok()?;
        Some(Self {
            lg_k: size.clamp(4, 26),
            sketch: Some(sketch),
        })
    }

    fn heap_bytes(&self) -> usize {
        self.sketch.as_ref().map_or(0, CpcSketch::estimated_size)
    }
}
