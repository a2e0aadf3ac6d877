//! Sets of distinct values, typed: the state of every exact distinct count.
//!
//! Must not know: which aggregate asks. Invariant: two values are one where Java's `equals` of their boxes says so (all NaN
//! are one, -0.0 is not 0.0).

use ahash::RandomState;
use common::value::compare_doubles;
use common::{Block, Values};
use hashbrown::HashSet;
use roaring::RoaringBitmap;

use super::bytes::{Reader, broken, put_bytes, put_len};
use super::{Groups, rows};
use crate::FunctionError;
use crate::sketch::Item;

/// Distinct values of one type.
#[derive(Clone)]
pub(crate) enum DistinctSet {
    /// Nothing was seen, so the type is not known.
    Empty,
    /// By [`place_of`]: values of a dictionary ascend, and two sets join container by container.
    Int(RoaringBitmap),
    Long(HashSet<i64, RandomState>),
    /// FLOAT as the bits of its DOUBLE.
    Double(HashSet<u64, RandomState>),
    /// Text and bytes.
    Bytes(HashSet<Box<[u8]>, RandomState>),
}

fn bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

/// The place of a number among all numbers, the smallest first.
fn place_of(value: i32) -> u32 {
    value.cast_unsigned() ^ (1 << 31)
}

/// The number at a place.
fn number_at(place: u32) -> i32 {
    (place ^ (1 << 31)).cast_signed()
}

/// The numbers of a block as a set.
fn set_of(values: &[i32]) -> RoaringBitmap {
    let mut places: Vec<u32> = values.iter().map(|x| place_of(*x)).collect();
    if !places.is_sorted() {
        places.sort_unstable();
    }
    places.dedup();
    RoaringBitmap::from_sorted_iter(places).unwrap_or_default()
}

impl DistinctSet {
    /// Adds the values of a block to the sets of their groups. `sets` finds the set in a state.
    pub(crate) fn add_all<S>(
        states: &mut [S],
        groups: Groups<'_>,
        block: &Block,
        sets: impl Fn(&mut S) -> &mut Self,
    ) {
        match rows::leaves(block) {
            Values::Int(v)
                if matches!(groups, Groups::One(rows) if rows == v.len())
                    && !block.is_constant()
                    && block.nulls().is_none() =>
            {
                if let Self::Int(set) = sets(&mut states[0]).of_int() {
                    *set |= set_of(v);
                }
            }
            Values::Int(v) => rows::each_leaf(v, block, groups, |g, x| {
                if let Self::Int(set) = sets(&mut states[g]).of_int() {
                    set.insert(place_of(*x));
                }
            }),
            Values::Long(v) => rows::each_leaf(v, block, groups, |g, x| {
                if let Self::Long(set) = sets(&mut states[g]).of_long() {
                    set.insert(*x);
                }
            }),
            Values::Float(v) => rows::each_leaf(v, block, groups, |g, x| {
                if let Self::Double(set) = sets(&mut states[g]).of_double() {
                    set.insert(bits(f64::from(*x)));
                }
            }),
            Values::Double(v) => rows::each_leaf(v, block, groups, |g, x| {
                if let Self::Double(set) = sets(&mut states[g]).of_double() {
                    set.insert(bits(*x));
                }
            }),
            Values::BigDecimal(v) => rows::each_leaf(v, block, groups, |g, x| {
                sets(&mut states[g]).add_bytes(common::java_text::decimal_text(x).as_bytes());
            }),
            Values::Text(v) => rows::each_at(block, groups, |g, i| {
                sets(&mut states[g]).add_bytes(v.get(i).as_bytes());
            }),
            Values::Bytes(v) => rows::each_at(block, groups, |g, i| {
                sets(&mut states[g]).add_bytes(v.get(i));
            }),
            Values::Array(_) => {}
        }
    }

    fn of_int(&mut self) -> &mut Self {
        if matches!(self, Self::Empty) {
            *self = Self::Int(RoaringBitmap::new());
        }
        self
    }

    fn of_long(&mut self) -> &mut Self {
        if matches!(self, Self::Empty) {
            *self = Self::Long(HashSet::default());
        }
        self
    }

    fn of_double(&mut self) -> &mut Self {
        if matches!(self, Self::Empty) {
            *self = Self::Double(HashSet::default());
        }
        self
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        if matches!(self, Self::Empty) {
            *self = Self::Bytes(HashSet::default());
        }
        if let Self::Bytes(set) = self
            && !set.contains(bytes)
        {
            set.insert(bytes.into());
        }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Int(set) => set.len() as usize,
            Self::Long(set) => set.len(),
            Self::Double(set) => set.len(),
            Self::Bytes(set) => set.len(),
        }
    }

    /// Adds another set; the smaller one is copied.
    ///
    /// # Errors
    /// Where the types differ.
    pub(crate) fn merge(&mut self, mut from: Self) -> Result<(), FunctionError> {
        if from.len() > self.len() {
            std::mem::swap(self, &mut from);
        }
        match (self, from) {
            (_, Self::Empty) => {}
            (Self::Int(into), Self::Int(from)) => *into |= from,
            (Self::Long(into), Self::Long(from)) => into.extend(from),
            (Self::Double(into), Self::Double(from)) => into.extend(from),
            (Self::Bytes(into), Self::Bytes(from)) => into.extend(from),
            (_, from) if from.len() == 0 => {}
            _ => {
                return Err(FunctionError::Evaluation(
                    "distinct values of different types cannot merge".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Keeps the values that are also in `other`.
    pub(crate) fn retain_in(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Int(set), Self::Int(other)) => *set &= other,
            (Self::Long(set), Self::Long(other)) => set.retain(|x| other.contains(x)),
            (Self::Double(set), Self::Double(other)) => set.retain(|x| other.contains(x)),
            (Self::Bytes(set), Self::Bytes(other)) => set.retain(|x| other.contains(x)),
            (set, _) => *set = Self::Empty,
        }
    }

    /// The numbers, smallest first; empty for text and bytes.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        let mut numbers: Vec<f64> = match self {
            Self::Int(set) => set.iter().map(|x| f64::from(number_at(x))).collect(),
            Self::Long(set) => set.iter().map(|x| *x as f64).collect(),
            Self::Double(set) => set.iter().map(|x| f64::from_bits(*x)).collect(),
            Self::Empty | Self::Bytes(_) => Vec::new(),
        };
        numbers.sort_by(|a, b| compare_doubles(*a, *b));
        numbers
    }

    /// Calls `f` with every value, FLOAT as DOUBLE, text as its bytes.
    pub(crate) fn each_item(&self, mut f: impl FnMut(Item<'_>)) {
        match self {
            Self::Empty => {}
            Self::Int(set) => set.iter().for_each(|x| f(Item::Int(number_at(x)))),
            Self::Long(set) => set.iter().for_each(|x| f(Item::Long(*x))),
            Self::Double(set) => set.iter().for_each(|x| f(Item::Double(f64::from_bits(*x)))),
            Self::Bytes(set) => set.iter().for_each(|x| f(Item::Bytes(x))),
        }
    }

    /// Appends the set: a kind, a count, the values.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        let kind = match self {
            Self::Empty => 0,
            Self::Int(_) => 1,
            Self::Long(_) => 2,
            Self::Double(_) => 3,
            Self::Bytes(_) => 4,
        };
        out.push(kind);
        put_len(out, self.len());
        match self {
            Self::Empty => {}
            Self::Int(set) => {
                let numbers = set.iter().map(number_at);
                numbers.for_each(|x| out.extend(x.to_le_bytes()));
            }
            Self::Long(set) => set.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Self::Double(set) => set.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Self::Bytes(set) => set.iter().for_each(|x| put_bytes(out, x)),
        }
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// Where the bytes are no set.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FunctionError> {
        let kind = reader.byte()?;
        let len = reader.len(match kind {
            0 => 1,
            1 => 4,
            _ => 8,
        })?;
        let four = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map_err(|_| broken());
        Ok(match kind {
            0 => Self::Empty,
            1 => {
                let numbers: Vec<i32> = (0..len)
                    .map(|_| Ok(i32::from_le_bytes(four(reader.take(4)?)?)))
                    .collect::<Result<_, FunctionError>>()?;
                Self::Int(set_of(&numbers))
            }
            2 => Self::Long((0..len).map(|_| reader.i64()).collect::<Result<_, _>>()?),
            3 => Self::Double((0..len).map(|_| reader.u64()).collect::<Result<_, _>>()?),
            4 => Self::Bytes(
                (0..len)
                    .map(|_| Ok(reader.bytes()?.into()))
                    .collect::<Result<_, FunctionError>>()?,
            ),
            _ => return Err(broken()),
        })
    }

    /// Bytes held beyond the set itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Int(set) => set.serialized_size(),
            Self::Long(set) => set.capacity() * 9,
            Self::Double(set) => set.capacity() * 9,
            Self::Bytes(set) => set.capacity() * 17 + set.iter().map(|x| x.len()).sum::<usize>(),
        }
    }
}
