//! A set of dictionary ids: what a predicate becomes on a dictionary-encoded column, evaluated once per distinct value.
//!
//! Must not know: values, predicates. Invariant: ids are below the cardinality the set was made for.

use std::ops::Range;

/// Matching dictionary ids out of `0..cardinality`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdSet {
    /// A contiguous run (possibly empty, possibly all), as sorted dictionaries give for ranges and equality.
    Run(Range<u32>),
    /// Any ids: one bit an id, and how many are set.
    Bits {
        /// Bit `id % 64` of word `id / 64`.
        words: Vec<u64>,
        /// Number of set bits.
        count: u32,
    },
}

impl IdSet {
    /// No id.
    #[must_use]
    pub fn none() -> Self {
        Self::Run(0..0)
    }

    /// Every id below the cardinality.
    #[must_use]
    pub fn all(cardinality: u32) -> Self {
        Self::Run(0..cardinality)
    }

    /// The ids for which `matches` answers true; a run where they happen to be contiguous.
    pub fn from_test(cardinality: u32, mut matches: impl FnMut(u32) -> bool) -> Self {
        let mut words = vec![0_u64; cardinality.div_ceil(64) as usize];
        let (mut count, mut first, mut last) = (0_u32, 0_u32, 0_u32);
        for id in 0..cardinality {
            if matches(id) {
                words[(id / 64) as usize] |= 1 << (id % 64);
                first = if count == 0 { id } else { first };
                last = id;
                count += 1;
            }
        }
        if count == 0 {
            Self::none()
        } else if last - first + 1 == count {
            Self::Run(first..last + 1)
        } else {
            Self::Bits { words, count }
        }
    }

    /// From ids in any order, duplicates allowed.
    #[must_use]
    pub fn from_ids(cardinality: u32, ids: &[u32]) -> Self {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        match (sorted.first(), sorted.last()) {
            (Some(first), Some(last)) if (last - first + 1) as usize == sorted.len() => {
                Self::Run(*first..*last + 1)
            }
            (Some(_), Some(_)) => {
                let mut words = vec![0_u64; cardinality.div_ceil(64) as usize];
                for id in &sorted {
                    words[(*id / 64) as usize] |= 1 << (id % 64);
                }
                Self::Bits {
                    words,
                    count: sorted.len() as u32,
                }
            }
            _ => Self::none(),
        }
    }

    /// How many ids.
    #[must_use]
    pub fn len(&self) -> u32 {
        match self {
            Self::Run(run) => run.end.saturating_sub(run.start),
            Self::Bits { count, .. } => *count,
        }
    }

    /// True without an id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where the id is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        match self {
            Self::Run(run) => run.contains(&id),
            Self::Bits { words, .. } => words
                .get((id / 64) as usize)
                .is_some_and(|w| w >> (id % 64) & 1 == 1),
        }
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Self::Run(run) => Box::new(run.clone()),
            Self::Bits { words, .. } => {
                Box::new((0..words.len() as u32 * 64).filter(|id| self.contains(*id)))
            }
        }
    }

    /// The other ids.
    #[must_use]
    pub fn complement(&self, cardinality: u32) -> Self {
        Self::from_test(cardinality, |id| !self.contains(id))
    }
}
