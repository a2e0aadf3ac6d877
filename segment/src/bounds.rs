//! Range bounds brought into the stored form of a column once, then tested per value.
//!
//! Must not know: columns. Invariant: a bound of another type than the column's matches nothing.

use std::cmp::Ordering;

use common::Value;

use crate::Bound;
use crate::number::Number;
use crate::var::{VarKind, bytes_of};

/// Both ends of a range.
pub(crate) struct Limits<'a> {
    pub(crate) lower: &'a Bound,
    pub(crate) upper: &'a Bound,
}

/// A range of numbers as inclusive ranks; empty where the first is above the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl RankRange {
    #[inline]
    pub(crate) fn contains<T: Number>(&self, value: T) -> bool {
        let rank = value.rank();
        self.first <= rank && rank <= self.last
    }
}

/// A range of byte strings.
pub(crate) struct BytesRange {
    kind: VarKind,
    lower: Option<(Vec<u8>, bool)>,
    upper: Option<(Vec<u8>, bool)>,
}

impl BytesRange {
    pub(crate) fn contains(&self, value: &[u8]) -> bool {
        let above = self.lower.as_ref().is_none_or(|(bound, inclusive)| {
            match self.kind.compare(value, bound) {
                Ordering::Greater => true,
                Ordering::Equal => *inclusive,
                Ordering::Less => false,
            }
        });
        above
            && self.upper.as_ref().is_none_or(|(bound, inclusive)| {
                match self.kind.compare(value, bound) {
                    Ordering::Less => true,
                    Ordering::Equal => *inclusive,
                    Ordering::Greater => false,
                }
            })
    }
}

fn number<T: Number>(value: &Value) -> Option<T> {
    T::from_value(value).or_else(|| match value {
        Value::Boolean(v) => T::from_value(&Value::Int(i32::from(*v))),
        _ => None,
    })
}

impl Limits<'_> {
    /// As ranks of a number type; `None` where nothing can match or a bound has another type.
    pub(crate) fn numbers<T: Number>(&self) -> Option<RankRange> {
        let first = match self.lower {
            Bound::Unbounded => 0,
            Bound::Included(v) => number::<T>(v)?.rank(),
            Bound::Excluded(v) => number::<T>(v)?.rank().checked_add(1)?,
        };
        let last = match self.upper {
            Bound::Unbounded => u64::MAX,
            Bound::Included(v) => number::<T>(v)?.rank(),
            Bound::Excluded(v) => number::<T>(v)?.rank().checked_sub(1)?,
        };
        (first <= last).then_some(RankRange { first, last })
    }

    /// As byte strings of a kind.
    pub(crate) fn bytes(&self, kind: VarKind) -> BytesRange {
        let end = |bound: &Bound| match bound {
            Bound::Unbounded => None,
            Bound::Included(v) => bytes_of(v).map(|bytes| (bytes, true)),
            Bound::Excluded(v) => bytes_of(v).map(|bytes| (bytes, false)),
        };
        BytesRange {
            kind,
            lower: end(self.lower),
            upper: end(self.upper),
        }
    }
}
