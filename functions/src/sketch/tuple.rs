//! Tuple sketches with integer sums, in the bytes of Apache DataSketches.
//!
//! Must not know: single keys; columns hold ready sketches. Invariant: equal keys add their values up.

use datasketches::codec::{SketchBytes, SketchSlice};
use datasketches::error::{Error, ErrorKind};
use datasketches::tuple::{
    CompactTupleSketch, SummaryCombinePolicy, SummaryPolicy, TupleSummaryValue, TupleUnion,
    TupleUnionBuilder,
};

use super::{Counter, Item, java_round};

/// An integer and how it combines (0 sum, 1 min, 2 max), as Java's `IntegerSummary`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IntegerSummary {
    /// The value.
    pub value: i32,
    /// The mode's ordinal.
    pub mode: u8,
}

impl TupleSummaryValue for IntegerSummary {
    fn serialize_size(&self) -> usize {
        5
    }

    fn serialize_value(&self, bytes: &mut SketchBytes) {
        bytes.write(&self.value.to_le_bytes());
        bytes.write_u8(self.mode);
    }

    fn deserialize_value(cursor: &mut SketchSlice<'_>) -> Result<Self, Error> {
        let broken = |_: std::io::Error| {
            Error::new(ErrorKind::InvalidData, "an integer summary was expected")
        };
        Ok(Self {
            value: cursor.read_i32_le().map_err(broken)?,
            mode: cursor.read_u8().map_err(broken)?,
        })
    }
}

/// Adds values up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SumPolicy;

impl SummaryPolicy for SumPolicy {
    type Summary = IntegerSummary;

    fn create(&self) -> IntegerSummary {
        IntegerSummary::default()
    }
}

impl SummaryCombinePolicy for SumPolicy {
    fn combine(&self, summary: &mut IntegerSummary, other: &IntegerSummary) {
        summary.value = summary.value.wrapping_add(other.value);
    }
}

/// A union of Tuple sketches.
pub struct Tuple {
    lg_k: u8,
    union: Option<TupleUnion<SumPolicy>>,
}

impl Tuple {
    /// Adds a compact sketch; false where it does not fit.
    #[must_use]
    pub fn add_compact(&mut self, other: &CompactTupleSketch<IntegerSummary>) -> bool {
        if self.union.is_none() {
            self.union = TupleUnionBuilder::new(SumPolicy)
                .lg_k(self.lg_k)
                .build()
                .ok();
        }
        self.union
            .as_mut()
            .is_some_and(|union| union.update(other).is_ok())
    }

    /// The compact form, `None` of nothing.
    #[must_use]
    pub fn compact(&self) -> Option<CompactTupleSketch<IntegerSummary>> {
        self.union.as_ref().map(|union| union.to_sketch(true))
    }

    /// Estimated sum of all values, and the mean of the retained ones; both 0 of nothing.
    #[must_use]
    pub fn sum_and_average(&self) -> (i64, i64) {
        let Some(compact) = self.compact().filter(|compact| compact.num_retained() > 0) else {
            return (0, 0);
        };
        let retained = compact.num_retained() as f64;
        let sum: f64 = compact
            .iter()
            .map(|entry| f64::from(entry.summary().value))
            .sum();
        (
            java_round(sum / retained * compact.estimate()),
            java_round(sum / retained),
        )
    }
}

impl Counter for Tuple {
    fn sized(size: u8) -> Self {
        Self {
            lg_k: size.clamp(5, 26),
            union: None,
        }
    }

    fn offer(&mut self, _item: Item<'_>) {}

    fn absorb(&mut self, other: Self) -> bool {
        other
            .compact()
            .is_none_or(|compact| self.add_compact(&compact))
    }

    fn estimate(&self) -> i64 {
        self.compact()
            .map_or(0, |compact| java_round(compact.estimate()))
    }

    fn save(&self) -> Vec<u8> {
        let mut empty = Self::sized(self.lg_k);
        if empty.union.is_none() {
            empty.union = TupleUnionBuilder::new(SumPolicy)
                .lg_k(self.lg_k)
                .build()
                .ok();
        }
        let compact = self.compact().or_else(|| empty.compact());
        compact.map_or_else(Vec::new, |compact| compact.serialize())
    }

    fn read(bytes: &[u8], size: u8) -> Option<Self> {
        let compact = CompactTupleSketch::deserialize(bytes).ok()?;
        let mut tuple = Self::sized(size);
        tuple.add_compact(&compact).then_some(tuple)
    }

    fn heap_bytes(&self) -> usize {
        self.union.as_ref().map_or(0, TupleUnion::estimated_size)
    }
}
