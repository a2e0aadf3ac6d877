//! Places of rows: the combination of their key ids, or its number in order of appearance where combinations are many.
//!
//! Must not know: what is computed of a group. Invariant: equal keys have equal places, up to lanes, which are folded at the end, and but
//! for keys that say they repeat; different keys have different ones.

use common::{Block, ColumnType, DataType, Values};
use segment::{Column, Docs};

use crate::expr::BoundExpr;
use crate::project::{SegmentColumns, Source};

/// Combinations up to which each is a place of its own.
const DIRECT: u64 = 1 << 16;
/// Combinations up to which an array maps them to places; a hash table does beyond.
const MAPPED: u64 = 1 << 20;
/// Places up to which neighbouring rows use copies of their own, so that sums of one group do not wait for each other.
const LANED: u64 = 512;
const LANES: usize = 4;

struct Key<'a> {
    column: &'a dyn Column,
    /// What is taken off the numbers of a column without dictionary.
    base: Option<i64>,
    cardinality: u64,
    /// What its numbers are multiplied by in a combination.
    stride: u64,
}

impl<'a> Key<'a> {
    /// `None` where the key has neither a dictionary nor whole numbers.
    fn new(column: &'a dyn Column, stride: u64) -> Option<Self> {
        if column.column_type().multi {
            return None;
        }
        let (base, cardinality) = match column.dictionary() {
            Some(dictionary) => (None, u64::from(dictionary.len()).max(1)),
            None => {
                let data_type = column.column_type().data_type;
                if !matches!(data_type, DataType::Int | DataType::Long) {
                    return None;
                }
                let stats = column.stats();
                let (min, max) = (stats.min?.as_i64()?, stats.max?.as_i64()?);
                let span = max.checked_sub(min)?.checked_add(1)?;
                (Some(min), u64::try_from(span).ok()?)
            }
        };
        Some(Self {
            column,
            base,
            cardinality,
            stride,
        })
    }

    /// Bits of its numbers.
    fn bits(&self) -> u32 {
        u64::BITS - (self.cardinality - 1).leading_zeros()
    }

    /// Calls `f` with the slot and the number of each row, which is below the cardinality.
    #[inline]
    fn each<T>(
        &self,
        docs: &Docs<'_>,
        scratch: &mut Scratch,
        slots: &mut [T],
        f: impl Fn(&mut T, u64),
    ) {
        let largest = self.cardinality - 1;
        match self.base {
            None => {
                self.column.ids(docs.clone(), &mut scratch.ids);
                let largest = largest as u32;
                for (slot, id) in slots.iter_mut().zip(&scratch.ids) {
                    f(slot, u64::from((*id).min(largest)));
                }
            }
            Some(base) => {
                self.column.longs(docs, &mut scratch.longs);
                for (slot, number) in slots.iter_mut().zip(&scratch.longs) {
                    f(slot, (number.wrapping_sub(base) as u64).min(largest));
                }
            }
        }
    }

    /// The values of numbers.
    fn decode(&self, numbers: impl Iterator<Item = u64>) -> Block {
        let column_type = ColumnType::sv(self.column.column_type().data_type);
        let values = match (self.base, self.column.dictionary()) {
            (Some(base), _) => {
                let numbers = numbers.map(|n| base.wrapping_add(n as i64));
                match column_type.data_type {
                    DataType::Int => Values::Int(numbers.map(|n| n as i32).collect()),
                    _ => Values::Long(numbers.collect()),
                }
            }
            (None, Some(dictionary)) if !dictionary.is_empty() => {
                let ids: Vec<u32> = numbers.map(|n| n as u32).collect();
                dictionary.decode(&ids)
            }
            _ => Values::empty(column_type.data_type),
        };
        Block::new(column_type, values)
    }
}

/// Ids or numbers of a block's rows.
#[derive(Default)]
struct Scratch {
    ids: Vec<u32>,
    longs: Vec<i64>,
}

/// Rows after which a hash table that finds hardly a combination again is given up.
const TRIAL: usize = 1 << 15;

/// How a combination becomes a place.
enum Map {
    /// It is the place.
    Direct,
    /// Place + 1 by combination.
    Array(Vec<u32>),
    /// Place + 1, found by the combination's hash and the next free slots; a power of two, at most half full.
    Hashed(Vec<u32>),
    /// A new place for each row: nearly every row has a combination of its own, and groups meet where parts are merged anyway.
    Fresh,
}

/// The places of a block's rows.
#[derive(Clone, Copy)]
pub(super) enum Places<'p> {
    /// Place 0 for all.
    One,
    /// One a row.
    Each(&'p [u32]),
}

/// The keys of a task.
pub(super) struct GroupKeys<'a> {
    keys: Vec<Key<'a>>,
    combinations: u64,
    lanes: usize,
    map: Map,
    /// Combination of each place, where they are mapped.
    seen: Vec<u64>,
    /// Rows that went through the hash table.
    located: usize,
    scratch: Scratch,
    wide: Vec<u64>,
    places: Vec<u32>,
}

impl<'a> GroupKeys<'a> {
    /// `None` where a key is no column with dictionary or of whole numbers, or the combinations are too many.
    pub(super) fn new(
        exprs: &[BoundExpr],
        columns: &'a SegmentColumns<'a>,
        rows: usize,
        group_limit: usize,
    ) -> Option<Self> {
        let mut stored: Vec<&'a dyn Column> = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let Source::Stored { column, .. } = &columns.sources[expr.as_column()?] else {
                return None;
            };
            stored.push(*column);
        }
        Self::of_columns(&stored, rows, group_limit)
    }

    /// The same for columns.
    pub(super) fn of_columns(
        columns: &[&'a dyn Column],
        rows: usize,
        group_limit: usize,
    ) -> Option<Self> {
        let mut keys = Vec::with_capacity(columns.len());
        let mut combinations = 1_u64;
        for column in columns {
            let key = Key::new(*column, combinations)?;
            combinations = combinations.checked_mul(key.cardinality)?;
            keys.push(key);
        }
        if combinations.min(rows as u64) > group_limit as u64 {
            return None;
        }
        let map = if combinations <= DIRECT {
            Map::Direct
        } else if combinations <= MAPPED {
            Map::Array(vec![0; combinations as usize])
        } else {
            // Numbers side by side: what is hashed is taken apart by shifts instead of divisions.
            let mut bits = 0;
            for key in &mut keys {
                key.stride = 1_u64.checked_shl(bits)?;
                bits += key.bits();
            }
            if bits > u64::BITS {
                return None;
            }
            Map::Hashed(vec![0; 1 << 12])
        };
        Some(Self {
            lanes: if combinations <= LANED && !keys.is_empty() {
                LANES
            } else {
                1
            },
            keys,
            combinations,
            map,
            seen: Vec::new(),
            located: 0,
            scratch: Scratch::default(),
            wide: Vec::new(),
            places: Vec::new(),
        })
    }

    /// True without keys.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// True where equal keys may have different places.
    pub(super) fn repeats(&self) -> bool {
        matches!(self.map, Map::Fresh)
    }

    /// Accumulators that are needed so far.
    pub(super) fn room(&self) -> usize {
        match &self.map {
            Map::Direct => self.combinations as usize * self.lanes,
            _ => self.seen.len(),
        }
    }

    /// The number of places, where there are few from the beginning.
    pub(super) fn few(&self) -> Option<usize> {
        (self.lanes > 1).then(|| self.combinations as usize * self.lanes)
    }

    /// The places of the rows that were located last.
    pub(super) fn places(&self) -> Places<'_> {
        if self.keys.is_empty() {
            Places::One
        } else {
            Places::Each(&self.places)
        }
    }

    /// Finds the places of rows.
    pub(super) fn locate(&mut self, docs: &Docs<'_>) {
        let Some((first, others)) = self.keys.split_first() else {
            return;
        };
        if let Map::Hashed(_) | Map::Fresh = self.map {
            return self.locate_hashed(docs);
        }
        if first.base.is_none() {
            first.column.ids(docs.clone(), &mut self.places);
            let largest = (first.cardinality - 1) as u32;
            segment::limit(&mut self.places, largest);
        } else {
            self.places.clear();
            self.places.resize(docs.len(), 0);
            first.each(
                docs,
                &mut self.scratch,
                &mut self.places,
                |place, number| {
                    *place = number as u32;
                },
            );
        }
        for key in others {
            let stride = key.stride as u32;
            if key.base.is_none() {
                key.column.ids(docs.clone(), &mut self.scratch.ids);
                let largest = (key.cardinality - 1) as u32;
                segment::add_strides(&mut self.places, &self.scratch.ids, largest, stride);
                continue;
            }
            key.each(
                docs,
                &mut self.scratch,
                &mut self.places,
                |place, number| {
                    *place += number as u32 * stride;
                },
            );
        }
        if let Map::Array(mapped) = &mut self.map {
            for place in &mut self.places {
                let slot = &mut mapped[*place as usize];
                if *slot == 0 {
                    self.seen.push(u64::from(*place));
                    *slot = self.seen.len() as u32;
                }
                *place = *slot - 1;
            }
        } else if self.lanes > 1 {
            let stride = self.combinations as u32;
            let (whole, rest) = self.places.as_chunks_mut::<LANES>();
            for four in whole {
                for (lane, place) in (0..).zip(four) {
                    *place += lane * stride;
                }
            }
            for (lane, place) in (0..).zip(rest) {
                *place += lane * stride;
            }
        }
    }

    fn locate_hashed(&mut self, docs: &Docs<'_>) {
        self.wide.clear();
        self.wide.resize(docs.len(), 0);
        for key in &self.keys {
            key.each(
                docs,
                &mut self.scratch,
                &mut self.wide,
                |combination, number| {
                    *combination += number * key.stride;
                },
            );
        }
        self.places.clear();
        if self.located >= TRIAL && self.seen.len() > self.located / 4 * 3 {
            self.map = Map::Fresh;
        }
        self.located += docs.len();
        let Map::Hashed(slots) = &mut self.map else {
            let first = self.seen.len() as u32;
            self.places.extend(first..first + docs.len() as u32);
            return self.seen.extend_from_slice(&self.wide);
        };
        if slots.len() < (self.seen.len() + self.wide.len()) * 2 {
            let size = (self.seen.len() + self.wide.len()) * 4;
            *slots = vec![0; size.next_power_of_two()];
            for (place, combination) in (1..).zip(&self.seen) {
                let at = free_slot(slots, *combination);
                slots[at] = place;
            }
        }
        for combination in &self.wide {
            let last = slots.len() - 1;
            let mut at = slot_of(slots.len(), *combination);
            let place = loop {
                match slots[at] {
                    0 => {
                        self.seen.push(*combination);
                        slots[at] = self.seen.len() as u32;
                        break slots[at] - 1;
                    }
                    place if self.seen[place as usize - 1] == *combination => break place - 1,
                    _ => at = (at + 1) & last,
                }
            };
            self.places.push(place);
        }
    }

    /// Brings the lanes of an accumulator together.
    pub(super) fn fold_lanes(&self, values: &mut Vec<i64>, fold: impl Fn(i64, i64) -> i64) {
        let places = self.combinations as usize;
        if self.lanes == 1 || values.len() <= places {
            return;
        }
        let (first, others) = values.split_at_mut(places);
        for lane in others.chunks(places) {
            for (total, more) in first.iter_mut().zip(lane) {
                *total = fold(*total, *more);
            }
        }
        values.truncate(places);
    }

    /// The key columns of places.
    pub(super) fn decode(&self, places: &[u32]) -> Vec<Block> {
        let combination = |place: u32| match &self.map {
            Map::Direct => u64::from(place),
            _ => self.seen.get(place as usize).copied().unwrap_or(0),
        };
        let apart = matches!(self.map, Map::Hashed(_) | Map::Fresh);
        let of_key = |key: &Key<'_>| {
            if apart {
                let shift = key.stride.trailing_zeros();
                let above = 1_u64.checked_shl(key.bits());
                let mask = above.map_or(u64::MAX, |above| above - 1);
                let number = |place: &u32| (combination(*place) >> shift) & mask;
                return key.decode(places.iter().map(number));
            }
            let number = |place: &u32| combination(*place) / key.stride % key.cardinality;
            key.decode(places.iter().map(number))
        };
        self.keys.iter().map(of_key).collect()
    }
}

/// Where the search for a combination begins, among a power of two of slots.
#[inline]
fn slot_of(slots: usize, combination: u64) -> usize {
    let mixed = combination.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize & (slots - 1)
}

fn free_slot(slots: &[u32], combination: u64) -> usize {
    let mut at = slot_of(slots.len(), combination);
    while slots[at] != 0 {
        at = (at + 1) & (slots.len() - 1);
    }
    at
}
