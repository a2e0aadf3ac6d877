//! Merging many tables with all threads: their groups are dealt out by hash, and each part numbers its own.
//!
//! Must not know: states. Invariant: equal keys get one number, whichever tables they come from; numbers are dense from 0.

use rayon::prelude::*;

use super::key::{self, KeyColumn};

/// Groups of a part that its tables of hashes hold within the processor's cache.
const PART: usize = 1 << 14;
/// More parts than these are dealt out slower than they are numbered.
const MOST_PARTS: usize = 1 << 10;

/// Keys of a table and their hashes.
pub(super) struct Hashed<'t> {
    pub(super) keys: &'t [KeyColumn],
    pub(super) hashes: Vec<u64>,
}

/// The groups of all tables together.
pub(super) struct Numbered {
    /// Where each group occurs first: table and row.
    pub(super) first: Vec<(u32, u32)>,
    /// For each table the group of each of its rows.
    pub(super) to: Vec<Vec<u32>>,
}

/// Numbers the groups of tables.
pub(super) fn numbered(tables: &[Hashed<'_>]) -> Numbered {
    let total: usize = tables.iter().map(|table| table.hashes.len()).sum();
    let fewest = rayon::current_num_threads() * 4;
    let parts = (total / PART).clamp(fewest, MOST_PARTS).next_power_of_two();
    let dealt: Vec<Dealt> = tables
        .par_iter()
        .map(|table| Dealt::new(&table.hashes, parts))
        .collect();
    let of_parts: Vec<Part> = (0..parts)
        .into_par_iter()
        .map(|part| Part::of(tables, &dealt, part))
        .collect();
    let mut first = Vec::with_capacity(of_parts.iter().map(|part| part.first.len()).sum());
    let mut offsets = Vec::with_capacity(parts);
    for part in &of_parts {
        offsets.push(first.len() as u32);
        first.extend_from_slice(&part.first);
    }
    let to = (0..tables.len())
        .into_par_iter()
        .map(|table| {
            let mut to = vec![0; dealt[table].rows.len()];
            for (at, (part, offset)) in of_parts.iter().zip(&offsets).enumerate() {
                let rows = &dealt[table].rows[dealt[table].range(at)];
                let numbers = &part.numbers[part.starts[table]..];
                for (row, number) in rows.iter().zip(numbers) {
                    to[*row as usize] = offset + number;
                }
            }
            to
        })
        .collect();
    Numbered { first, to }
}

/// The rows of a table in the order of their parts.
struct Dealt {
    rows: Vec<u32>,
    hashes: Vec<u64>,
    /// Where each part begins, and the end.
    starts: Vec<usize>,
}

impl Dealt {
    /// The lowest bits of a hash choose its part, of which there is a power of two.
    fn new(hashes: &[u64], parts: usize) -> Self {
        let part_of = |hash: u64| hash as usize & (parts - 1);
        let mut starts = vec![0; parts + 1];
        for hash in hashes {
            starts[part_of(*hash) + 1] += 1;
        }
        for part in 0..parts {
            starts[part + 1] += starts[part];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; hashes.len()];
        let mut in_order = vec![0; hashes.len()];
        for (row, hash) in (0_u32..).zip(hashes) {
            let at = &mut next[part_of(*hash)];
            rows[*at] = row;
            in_order[*at] = *hash;
            *at += 1;
        }
        Self {
            rows,
            hashes: in_order,
            starts,
        }
    }

    fn range(&self, part: usize) -> std::ops::Range<usize> {
        self.starts[part]..self.starts[part + 1]
    }
}

/// The groups of one part.
struct Part {
    first: Vec<(u32, u32)>,
    /// Of the part's rows of all tables in turn.
    numbers: Vec<u32>,
    /// Where the numbers of each table begin.
    starts: Vec<usize>,
}

impl Part {
    fn of(tables: &[Hashed<'_>], dealt: &[Dealt], part: usize) -> Self {
        let expected: usize = dealt.iter().map(|table| table.range(part).len()).sum();
        // Number + 1 by hash and the next free slots.
        let mut slots = vec![0_u32; (expected * 2).next_power_of_two().max(2)];
        let last = slots.len() - 1;
        let mut hashes: Vec<u64> = Vec::with_capacity(expected);
        let mut first: Vec<(u32, u32)> = Vec::with_capacity(expected);
        let mut numbers = Vec::with_capacity(expected);
        let mut starts = Vec::with_capacity(tables.len());
        for (number, (table, dealt)) in (0..).zip(tables.iter().zip(dealt)) {
            starts.push(numbers.len());
            let range = dealt.range(part);
            for (row, hash) in dealt.rows[range.clone()].iter().zip(&dealt.hashes[range]) {
                let mut at = (hash >> 32) as usize & last;
                let group = loop {
                    let Some(group) = slots[at].checked_sub(1) else {
                        first.push((number, *row));
                        hashes.push(*hash);
                        slots[at] = first.len() as u32;
                        break slots[at] - 1;
                    };
                    if hashes[group as usize] == *hash {
                        let (other, at) = first[group as usize];
                        let other = tables[other as usize].keys;
                        if key::equal(other, at as usize, table.keys, *row as usize) {
                            break group;
                        }
                    }
                    at = (at + 1) & last;
                };
                numbers.push(group);
            }
        }
        Self {
            first,
            numbers,
            starts,
        }
    }
}
