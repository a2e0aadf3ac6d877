//! Ranges of matchers: which are empty, and what two have in common.
//!
//! Must not know: columns. Invariant: the common part holds exactly the values that both ranges hold.

use std::cmp::Ordering;

use common::value::compare_text;
use segment::Bound;

use super::Matcher;

impl Matcher {
    /// True for a range without a value in it.
    #[must_use]
    pub fn is_impossible(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Integers(low, high) => low > high,
            Self::Numbers {
                low,
                low_included,
                high,
                high_included,
            } => low > high || (low == high && !(*low_included && *high_included)),
            Self::TextRange(low, high) | Self::ValueRange(low, high) => crossed(low, high),
            _ => false,
        }
    }

    /// The part of a range that lies in another of the same kind; the range itself where they are of different kinds.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Integers(a, b), Self::Integers(c, d)) => Self::Integers(*a.max(c), *b.min(d)),
            (
                Self::Numbers {
                    low,
                    low_included,
                    high,
                    high_included,
                },
                Self::Numbers {
                    low: other_low,
                    low_included: other_low_included,
                    high: other_high,
                    high_included: other_high_included,
                },
            ) => {
                let tighter_low = other_low > low || (other_low == low && !other_low_included);
                let tighter_high =
                    other_high < high || (other_high == high && !other_high_included);
                Self::Numbers {
                    low: if tighter_low { *other_low } else { *low },
                    low_included: if tighter_low {
                        *other_low_included
                    } else {
                        *low_included
                    },
                    high: if tighter_high { *other_high } else { *high },
                    high_included: if tighter_high {
                        *other_high_included
                    } else {
                        *high_included
                    },
                }
            }
            (Self::TextRange(a, b), Self::TextRange(c, d)) => Self::TextRange(
                tighter(a, c, Ordering::Greater),
                tighter(b, d, Ordering::Less),
            ),
            (Self::ValueRange(a, b), Self::ValueRange(c, d)) => Self::ValueRange(
                tighter(a, c, Ordering::Greater),
                tighter(b, d, Ordering::Less),
            ),
            _ => self.clone(),
        }
    }
}

fn ends<'a>(a: &'a Bound, b: &'a Bound) -> Option<(Ordering, bool)> {
    let of = |bound: &'a Bound| match bound {
        Bound::Unbounded => None,
        Bound::Included(value) => Some((value, true)),
        Bound::Excluded(value) => Some((value, false)),
    };
    let ((x, x_included), (y, y_included)) = (of(a)?, of(b)?);
    let ordering = match (x.as_str(), y.as_str()) {
        (Some(x), Some(y)) => compare_text(x, y),
        _ => x.total_cmp(y),
    };
    Some((ordering, x_included && y_included))
}

/// True where nothing lies between a lower and an upper end.
fn crossed(low: &Bound, high: &Bound) -> bool {
    match ends(low, high) {
        Some((Ordering::Greater, _)) => true,
        Some((Ordering::Equal, both_included)) => !both_included,
        _ => false,
    }
}

/// Of two ends on one side the one that leaves less.
fn tighter(a: &Bound, b: &Bound, wanted: Ordering) -> Bound {
    match ends(b, a) {
        Some((ordering, _)) if ordering == wanted => b.clone(),
        Some((Ordering::Equal, _)) if matches!(b, Bound::Excluded(_)) => b.clone(),
        None if matches!(a, Bound::Unbounded) => b.clone(),
        _ => a.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Value;

    #[test]
    fn contradictions_are_found() {
        let text = |low: &str, high: &str| {
            let end = |t: &str| Bound::Included(Value::String(t.to_owned()));
            Matcher::TextRange(end(low), end(high))
        };
        assert!(text("b", "a").is_impossible());
        assert!(!text("a", "a").is_impossible());
        assert!(text("a", "c").within(&text("d", "e")).is_impossible());
        assert!(!text("a", "c").within(&text("b", "e")).is_impossible());
        let numbers = |low: f64, low_included: bool, high: f64| Matcher::Numbers {
            low,
            low_included,
            high,
            high_included: true,
        };
        assert!(numbers(1.0, false, 1.0).is_impossible());
        assert!(!numbers(1.0, true, 1.0).is_impossible());
        let both = numbers(0.0, true, 9.0).within(&numbers(3.0, false, 3.0));
        assert!(both.is_impossible());
        assert!(
            Matcher::Integers(1, 5)
                .within(&Matcher::Integers(6, 9))
                .is_impossible()
        );
    }
}
