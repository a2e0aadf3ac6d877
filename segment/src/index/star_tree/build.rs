//! Builds a star-tree from the rows of a segment.
//!
//! Must not know: files. Invariant: equal rows give an equal tree; a record's key orders as its dimension ids do.

use super::{Pair, StarTreeMetadata, Stored, Wanted};

/// Numbers of a node: value, first child, children, first record, end of records, record of the whole node.
pub(super) const NODE_WORDS: usize = 6;
/// The value of a star node.
pub(super) const STAR_VALUE: u32 = u32::MAX;

/// A dimension's ids, one a row.
pub(crate) struct Dimension<'a> {
    pub(crate) ids: &'a [u32],
    pub(crate) cardinality: u32,
}

/// A built tree.
pub(crate) struct Tree {
    pub(crate) metadata: StarTreeMetadata,
    /// Ids of each dimension by record; the cardinality stands for any value.
    pub(crate) dimensions: Vec<Vec<u32>>,
    /// Numbers of each pair by record.
    pub(crate) numbers: Vec<Vec<i64>>,
    pub(crate) nodes: Vec<u32>,
}

#[derive(Default)]
struct Records {
    keys: Vec<u128>,
    numbers: Vec<Vec<i64>>,
}

struct Builder<'a> {
    wanted: &'a Wanted,
    /// Lowest bit and bits of each dimension within a key.
    places: Vec<(u32, u32)>,
    stars: Vec<u128>,
    records: Records,
    nodes: Vec<[u32; NODE_WORDS]>,
}

/// Builds; `None` where keys would be too wide, or no row is there. `numbers` are those of the wanted pairs, the number of
/// rows left out.
pub(crate) fn build(
    wanted: &Wanted,
    pairs: Vec<Pair>,
    dimensions: &[Dimension<'_>],
    numbers: &[Option<Vec<i64>>],
    rows: usize,
) -> Option<Tree> {
    let widths: Vec<u32> = dimensions
        .iter()
        .map(|d| super::reader::id_width(d.cardinality))
        .collect();
    let total: u32 = widths.iter().sum();
    if total > u128::BITS || rows == 0 || dimensions.is_empty() {
        return None;
    }
    let mut places = Vec::with_capacity(widths.len());
    let mut left = total;
    for width in widths {
        left -= width;
        places.push((left, width));
    }
    let mut keys = vec![0_u128; rows];
    for (dimension, (low, _)) in dimensions.iter().zip(&places) {
        for (key, id) in keys.iter_mut().zip(dimension.ids) {
            *key |= u128::from(*id) << low;
        }
    }
    let of_rows = numbers
        .iter()
        .map(|n| n.clone().unwrap_or_else(|| vec![1; rows]))
        .collect();
    let wanted_pairs = Wanted {
        pairs,
        ..wanted.clone()
    };
    let mut builder = Builder {
        wanted: &wanted_pairs,
        stars: dimensions
            .iter()
            .map(|d| u128::from(d.cardinality))
            .collect(),
        places,
        records: Records::default(),
        nodes: Vec::new(),
    };
    let base = builder.aggregated(keys, of_rows);
    let range = builder.append(base);
    builder.nodes.push([STAR_VALUE, 0, 0, 0, 0, 0]);
    builder.node(0, range, 0);
    Some(builder.finish(dimensions))
}

impl Builder<'_> {
    /// Sorts records and brings equal ones together.
    fn aggregated(&self, keys: Vec<u128>, numbers: Vec<Vec<i64>>) -> Records {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_by_key(|row| keys[*row as usize]);
        let mut out = Records {
            keys: Vec::new(),
            numbers: numbers.iter().map(|_| Vec::new()).collect(),
        };
        for row in order {
            let key = keys[row as usize];
            let new = out.keys.last() != Some(&key);
            if new {
                out.keys.push(key);
            }
            for ((to, from), pair) in out.numbers.iter_mut().zip(&numbers).zip(&self.wanted.pairs) {
                let value = from[row as usize];
                match to.last_mut() {
                    Some(last) if !new => *last = folded(pair.stored, *last, value),
                    _ => to.push(value),
                }
            }
        }
        out
    }

    fn append(&mut self, mut more: Records) -> std::ops::Range<usize> {
        let start = self.records.keys.len();
        self.records.keys.append(&mut more.keys);
        if self.records.numbers.is_empty() {
            self.records.numbers = more.numbers;
        } else {
            for (to, mut from) in self.records.numbers.iter_mut().zip(more.numbers) {
                to.append(&mut from);
            }
        }
        start..self.records.keys.len()
    }

    fn value(&self, key: u128, depth: usize) -> u32 {
        let (low, width) = self.places[depth];
        (key >> low & ((1 << width) - 1)) as u32
    }

    /// The keys of records with any value in place of one dimension, or of all from it on.
    fn starred(&self, range: std::ops::Range<usize>, depths: std::ops::Range<usize>) -> Records {
        let (mut clear, mut set) = (0_u128, 0_u128);
        for depth in depths {
            let (low, width) = self.places[depth];
            clear |= ((1 << width) - 1) << low;
            set |= self.stars[depth] << low;
        }
        let keys = self.records.keys[range.clone()].iter();
        let keys = keys.map(|key| key & !clear | set).collect();
        let numbers = self.records.numbers.iter();
        let numbers = numbers.map(|n| n[range.clone()].to_vec()).collect();
        self.aggregated(keys, numbers)
    }

    /// Fills in a node over records that agree in all dimensions before `depth`.
    fn node(&mut self, at: usize, range: std::ops::Range<usize>, depth: usize) {
        self.nodes[at][3] = range.start as u32;
        self.nodes[at][4] = range.end as u32;
        let dimensions = self.places.len();
        self.nodes[at][5] = if range.len() == 1 {
            range.start as u32
        } else {
            let whole = self.starred(range.clone(), depth..dimensions);
            self.append(whole).start as u32
        };
        if depth == dimensions || range.len() <= self.wanted.largest_leaf {
            return;
        }
        let mut children: Vec<(u32, std::ops::Range<usize>)> = Vec::new();
        for record in range.clone() {
            let value = self.value(self.records.keys[record], depth);
            match children.last_mut() {
                Some((last, records)) if *last == value => records.end = record + 1,
                _ => children.push((value, record..record + 1)),
            }
        }
        let name = &self.wanted.dimensions[depth];
        if children.len() > 1 && !self.wanted.without_star.contains(name) {
            let star = self.starred(range, depth..depth + 1);
            children.push((STAR_VALUE, self.append(star)));
        }
        let first = self.nodes.len();
        self.nodes[at][1] = first as u32;
        self.nodes[at][2] = children.len() as u32;
        let empty = children.iter().map(|(value, _)| [*value, 0, 0, 0, 0, 0]);
        self.nodes.extend(empty);
        for (child, (_, records)) in children.into_iter().enumerate() {
            self.node(first + child, records, depth + 1);
        }
    }

    fn finish(self, dimensions: &[Dimension<'_>]) -> Tree {
        let of_dimension = |depth: usize| {
            let keys = self.records.keys.iter();
            keys.map(|key| self.value(*key, depth)).collect()
        };
        Tree {
            metadata: StarTreeMetadata {
                dimensions: self.wanted.dimensions.clone(),
                cardinalities: dimensions.iter().map(|d| d.cardinality).collect(),
                pairs: self.wanted.pairs.clone(),
                records: self.records.keys.len() as u32,
                nodes: self.nodes.len() as u32,
            },
            dimensions: (0..dimensions.len()).map(of_dimension).collect(),
            nodes: self.nodes.iter().flatten().copied().collect(),
            numbers: self.records.numbers,
        }
    }
}

fn folded(stored: Stored, a: i64, b: i64) -> i64 {
    match stored {
        Stored::Count | Stored::Sum => a.wrapping_add(b),
        Stored::Min => a.min(b),
        Stored::Max => a.max(b),
    }
}
