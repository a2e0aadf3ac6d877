//! From keys to the place of their row: open addressing over 32-byte cells, in shards that grow one by one.
//!
//! Cells of a shard stand in the order of their keys, so that a search ends early at a load of 90 per cent.
//! Must not know: rows, segments' names. Invariant: a key has at most one cell.

/// Parts of the index, by the first bits of the keys.
pub(super) const SHARDS: usize = 64;
const FIRST_CELLS: usize = 16;
/// Cells behind the last home, so that no run wraps around.
const TAIL: usize = 32;
/// Cells from which on memory is asked for in advance.
const LARGE: usize = 1 << 12;
/// From one new key for so many that are there, keys are merged instead of put in one by one.
const MERGED: usize = 16;
const NOBODY: u32 = u32::MAX;
const DELETED: u32 = 1 << 31;

/// Where the row of a key is, and how new it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the segment within its partition.
    pub(crate) slot: u32,
    marked_doc: u32,
    /// What makes a row newer, as an ordered number or the number of a list of values.
    pub(crate) rank: i64,
}

impl Place {
    /// A place; documents are below 2^31.
    pub(crate) fn new(slot: u32, doc: u32, deleted: bool, rank: i64) -> Self {
        let mark = if deleted { DELETED } else { 0 };
        Self {
            slot,
            marked_doc: (doc & !DELETED) | mark,
            rank,
        }
    }

    pub(crate) fn doc(&self) -> u32 {
        self.marked_doc & !DELETED
    }

    /// True where the row says that its key is deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        self.marked_doc & DELETED != 0
    }
}

#[derive(Clone, Copy)]
struct Cell {
    key: [u64; 2],
    place: Place,
}

const EMPTY: Cell = Cell {
    key: [0; 2],
    place: Place {
        slot: NOBODY,
        marked_doc: 0,
        rank: 0,
    },
};

impl Cell {
    fn is_empty(&self) -> bool {
        self.place.slot == NOBODY
    }
}

#[derive(Default)]
struct Shard {
    cells: Vec<Cell>,
    homes: usize,
    len: usize,
}

impl Shard {
    fn home(&self, key: [u64; 2]) -> usize {
        // The top bits chose the shard: those below them choose the home, in the order of the keys.
        let hash = u128::from(key[0] << SHARDS.trailing_zeros());
        ((hash * self.homes as u128) >> 64) as usize
    }

    /// The cell of a key, or where it belongs.
    fn find(&self, key: [u64; 2]) -> Result<usize, usize> {
        let mut at = self.home(key);
        while let Some(cell) = self.cells.get(at) {
            if cell.is_empty() || cell.key > key {
                return Err(at);
            }
            if cell.key == key {
                return Ok(at);
            }
            at += 1;
        }
        Err(at)
    }

    fn get(&self, key: [u64; 2]) -> Option<Place> {
        let at = self.find(key).ok()?;
        self.cells.get(at).map(|cell| cell.place)
    }

    fn insert(&mut self, key: [u64; 2], place: Place, room: &mut Vec<u32>) {
        loop {
            let at = match self.find(key) {
                Ok(at) => {
                    if let Some(cell) = self.cells.get_mut(at) {
                        cell.place = place;
                    }
                    return;
                }
                Err(at) => at,
            };
            let crowded = (self.len + 1) * 10 > self.homes * 9;
            let free = self
                .cells
                .iter()
                .skip(at)
                .position(Cell::is_empty)
                .map(|ahead| at + ahead);
            if crowded {
                self.grow(room);
                continue;
            }
            let Some(free) = free else {
                self.cells.push(EMPTY);
                continue;
            };
            self.cells.copy_within(at..free, at + 1);
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = Cell { key, place };
            }
            self.len += 1;
            return;
        }
    }

    fn grow(&mut self, room: &mut Vec<u32>) {
        let homes = (self.homes + self.homes / 10 + 1).max(FIRST_CELLS);
        self.cells.retain(|cell| !cell.is_empty());
        self.spread(homes, room);
    }

    /// Takes keys in that are not there yet, in their order. Many are merged with those that are there in one pass.
    fn extend(&mut self, new: &[(u128, Place)], room: &mut Vec<u32>) {
        if new.len().saturating_mul(MERGED) < self.len {
            for (key, place) in new {
                self.insert(parts(*key), *place, room);
            }
            return;
        }
        let total = self.len + new.len();
        let before = std::mem::take(&mut self.cells).into_iter();
        let mut before = before.filter(|cell| !cell.is_empty()).peekable();
        let mut new = new.iter().map(|(key, place)| Cell {
            key: parts(*key),
            place: *place,
        });
        let mut next = new.next();
        self.homes = (total + total / 7 + 1).max(FIRST_CELLS).max(self.homes);
        self.reserve(self.homes + TAIL);
        while let Some(cell) = match (&next, before.peek()) {
            (Some(cell), Some(old)) if old.key < cell.key => before.next(),
            (Some(_), _) => std::mem::replace(&mut next, new.next()),
            (None, _) => before.next(),
        } {
            let at = self.home(cell.key).max(self.cells.len());
            self.cells.resize(at, EMPTY);
            self.cells.push(cell);
        }
        self.len = total;
        let cells = self.cells.len().max(self.homes + TAIL);
        self.cells.resize(cells, EMPTY);
    }

    /// Moves cells that stand without gaps, in the order of their keys, to their homes or behind those before them. `room` is for where each
    /// goes to.
    fn spread(&mut self, homes: usize, room: &mut Vec<u32>) {
        self.homes = homes;
        room.clear();
        let mut next = 0;
        for cell in &self.cells {
            let at = self.home(cell.key).max(next);
            room.push(at as u32);
            next = at + 1;
        }
        let cells = next.max(homes + TAIL);
        self.reserve(cells);
        self.cells.resize(cells, EMPTY);
        // Each goes up or stays: from behind, none meets one that is still to be moved.
        for (from, to) in room.iter().enumerate().rev() {
            let to = *to as usize;
            if from != to {
                self.cells.swap(from, to);
            }
        }
    }

    /// Room for so many cells. A large one is asked for in advance: memory that is not touched yet is none.
    fn reserve(&mut self, cells: usize) {
        if cells > self.cells.capacity() {
            let ahead = if cells >= LARGE { cells / 2 } else { 0 };
            let more = (cells + ahead).saturating_sub(self.cells.len());
            self.cells.reserve_exact(more);
        }
    }

    fn remove(&mut self, key: [u64; 2]) {
        let Ok(mut at) = self.find(key) else {
            return;
        };
        // Those behind it that are not at home move up.
        while let Some(next) = self.cells.get(at + 1).copied()
            && !next.is_empty()
            && self.home(next.key) <= at
        {
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = next;
            }
            at += 1;
        }
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = EMPTY;
        }
        self.len -= 1;
    }
}

/// The index of a partition.
pub(crate) struct KeyIndex {
    shards: Vec<Shard>,
    /// Where the cells of a shard go to while it grows.
    room: Vec<u32>,
}

impl Default for KeyIndex {
    fn default() -> Self {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, Shard::default);
        Self {
            shards,
            room: Vec::new(),
        }
    }
}

fn parts(key: u128) -> [u64; 2] {
    [(key >> 64) as u64, key as u64]
}

impl KeyIndex {
    fn shard_of(key: [u64; 2]) -> usize {
        (key[0] >> (u64::BITS - SHARDS.trailing_zeros())) as usize
    }

    /// The place of a key.
    pub(crate) fn get(&self, key: u128) -> Option<Place> {
        let key = parts(key);
        self.shards.get(Self::shard_of(key))?.get(key)
    }

    /// Fetches the homes of keys from memory, side by side, before they are asked for one by one.
    pub(crate) fn touch(&self, keys: &[u128]) {
        let mut seen = 0;
        for key in keys {
            let key = parts(*key);
            let shard = self.shards.get(Self::shard_of(key));
            let cell = shard.and_then(|shard| shard.cells.get(shard.home(key)));
            seen ^= cell.map_or(0, |cell| cell.key[0]);
        }
        std::hint::black_box(seen);
    }

    /// Puts a key to a place.
    pub(crate) fn insert(&mut self, key: u128, place: Place) {
        let key = parts(key);
        if let Some(shard) = self.shards.get_mut(Self::shard_of(key)) {
            shard.insert(key, place, &mut self.room);
        }
    }

    /// Takes keys in that are not there yet; they ascend. A shard that is empty should get all of its keys at once.
    pub(crate) fn extend(&mut self, new: &[(u128, Place)]) {
        let shard_of = |(key, _): &(u128, Place)| Self::shard_of(parts(*key));
        for of_shard in new.chunk_by(|a, b| shard_of(a) == shard_of(b)) {
            let shard = of_shard.first().map(shard_of);
            if let Some(shard) = shard.and_then(|shard| self.shards.get_mut(shard)) {
                shard.extend(of_shard, &mut self.room);
            }
        }
    }

    /// Forgets a key.
    #[cfg(test)]
    pub(crate) fn remove(&mut self, key: u128) {
        let key = parts(key);
        if let Some(shard) = self.shards.get_mut(Self::shard_of(key)) {
            shard.remove(key);
        }
    }

    /// Forgets the keys whose place `stays` does not accept; it may change the place.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&mut Place) -> bool) {
        for shard in &mut self.shards {
            let mut gone = Vec::new();
            for cell in shard.cells.iter_mut().filter(|cell| !cell.is_empty()) {
                if !stays(&mut cell.place) {
                    gone.push(cell.key);
                }
            }
            for key in gone {
                shard.remove(key);
            }
        }
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len).sum()
    }

    /// Bytes in use; what is asked for in advance is not touched yet.
    pub(crate) fn memory_bytes(&self) -> usize {
        let cells: usize = self.shards.iter().map(|s| s.cells.len()).sum();
        cells * size_of::<Cell>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn key(n: u64) -> u128 {
        (u128::from(xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())) << 64) | u128::from(n)
    }

    #[test]
    fn answers_as_a_map_does() {
        let (mut index, mut map) = (KeyIndex::default(), HashMap::new());
        let mut random = 7_u64;
        for step in 0..200_000_u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let of = key((random >> 33) % 20_000);
            if random.is_multiple_of(3) {
                index.remove(of);
                map.remove(&of);
            } else {
                let place = Place::new(step % 5, step, step % 7 == 0, i64::from(step));
                index.insert(of, place);
                map.insert(of, place);
            }
        }
        assert_eq!(index.len(), map.len());
        for n in 0..20_000 {
            assert_eq!(index.get(key(n)), map.get(&key(n)).copied());
        }
        index.retain(|place| place.slot == 1);
        map.retain(|_, place| place.slot == 1);
        assert_eq!(index.len(), map.len());
        for n in 0..20_000 {
            assert_eq!(index.get(key(n)), map.get(&key(n)).copied());
        }
    }

    #[test]
    fn a_key_costs_less_than_forty_bytes_on_average() {
        let mut index = KeyIndex::default();
        let (mut sum, mut samples) = (0.0, 0.0);
        for n in 0..600_000_u64 {
            index.insert(key(n), Place::new(0, n as u32, false, 0));
            if n >= 100_000 && n % 10_000 == 0 {
                sum += index.memory_bytes() as f64 / index.len() as f64;
                samples += 1.0;
            }
        }
        let average = sum / samples;
        assert!(average < 40.0, "{average} bytes a key");
    }

    #[test]
    fn keys_in_order_come_in_as_single_ones_do() {
        let (mut single, mut merged) = (KeyIndex::default(), KeyIndex::default());
        let mut from = 0;
        for count in [3_u64, 50_000, 10, 0, 1_000, 40_000, 100] {
            let of = |n: u64| {
                (
                    key(n),
                    Place::new(1, n as u32, n.is_multiple_of(3), n as i64),
                )
            };
            let mut new: Vec<_> = (from..from + count).map(of).collect();
            new.sort_unstable_by_key(|(key, _)| *key);
            new.iter()
                .for_each(|(key, place)| single.insert(*key, *place));
            merged.extend(&new);
            from += count;
            assert_eq!(merged.len() as u64, from);
            assert!((0..from).all(|n| merged.get(key(n)) == Some(of(n).1)));
            assert_eq!(merged.get(key(from)), None);
        }
        assert!((0..from).all(|n| merged.get(key(n)) == single.get(key(n))));
        let bytes = merged.memory_bytes() as f64 / merged.len() as f64;
        assert!(bytes < 42.0, "{bytes} bytes a key");
    }

    #[test]
    fn equal_upper_halves_do_not_hang() {
        let mut index = KeyIndex::default();
        for n in 0..1000_u128 {
            index.insert((u128::from(u64::MAX) << 64) | n, Place::new(0, 1, false, 0));
        }
        assert_eq!(index.len(), 1000);
    }
}
