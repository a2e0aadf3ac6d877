//! Builds a star-tree from the rows of a segment.
//!
//! Must not know: files. Invariant: equal rows give an equal tree; a record's key orders as its dimension ids do.

use common::{Block, ColumnType, Values};
use functions::Groups;
use functions::aggregate::AggregateFunction;

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

/// What a pair is made of, one a row.
pub(crate) enum Measure<'a> {
    /// Numbers.
    Numbers(Vec<i64>),
    /// Values that a function makes states of.
    States {
        /// The function.
        function: Box<dyn AggregateFunction>,
        /// Type of the values.
        column_type: ColumnType,
        /// The values.
        values: &'a Values,
    },
}

/// What is kept of a pair, by record.
pub(crate) enum Stock {
    /// Numbers.
    Numbers(Vec<i64>),
    /// Bytes of states.
    States(Vec<Vec<u8>>),
}

/// A built tree.
pub(crate) struct Tree {
    pub(crate) metadata: StarTreeMetadata,
    /// Ids of each dimension by record; the cardinality stands for any value.
    pub(crate) dimensions: Vec<Vec<u32>>,
    /// What is kept of each pair.
    pub(crate) stocks: Vec<Stock>,
    pub(crate) nodes: Vec<u32>,
}

#[derive(Default)]
struct Records {
    keys: Vec<u128>,
    stocks: Vec<Stock>,
}

/// Which record each row of a source goes to.
struct Grouping {
    keys: Vec<u128>,
    groups: Vec<u32>,
}

impl Grouping {
    fn of(keys: &[u128]) -> Self {
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.sort_by_key(|row| keys[*row as usize]);
        let mut distinct: Vec<u128> = Vec::new();
        let mut groups = vec![0; keys.len()];
        for row in order {
            let key = keys[row as usize];
            if distinct.last() != Some(&key) {
                distinct.push(key);
            }
            groups[row as usize] = distinct.len() as u32 - 1;
        }
        Self {
            keys: distinct,
            groups,
        }
    }

    fn fold(&self, stored: Stored, numbers: &[i64]) -> Vec<i64> {
        let empty = match stored {
            Stored::Min => i64::MAX,
            Stored::Max => i64::MIN,
            _ => 0,
        };
        let mut out = vec![empty; self.keys.len()];
        for (group, number) in self.groups.iter().zip(numbers) {
            let total = &mut out[*group as usize];
            *total = folded(stored, *total, *number);
        }
        out
    }

    /// The states of the rows of values; `None` where the function refuses one.
    fn begin(
        &self,
        function: &dyn AggregateFunction,
        column_type: ColumnType,
        values: &Values,
    ) -> Option<Vec<Vec<u8>>> {
        let mut states = function.grouped();
        states.grow(self.keys.len());
        let block = Block::new(column_type, values.clone());
        states.update(Groups::Each(&self.groups), &[block]).ok()?;
        Some(saved(&*states, self.keys.len()))
    }

    /// The states of records that come together.
    fn merge(&self, function: &dyn AggregateFunction, states: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        let mut merged = function.grouped();
        merged.grow(self.keys.len());
        for (group, state) in self.groups.iter().zip(states) {
            merged.load(*group as usize, state).ok()?;
        }
        Some(saved(&*merged, self.keys.len()))
    }
}

fn saved(states: &dyn functions::Grouped, groups: usize) -> Vec<Vec<u8>> {
    let of = |group| {
        let mut out = Vec::new();
        states.save(group, &mut out);
        out
    };
    (0..groups).map(of).collect()
}

struct Builder<'a> {
    wanted: &'a Wanted,
    /// The functions of pairs that are states.
    functions: Vec<Option<Box<dyn AggregateFunction>>>,
    /// Lowest bit and bits of each dimension within a key.
    places: Vec<(u32, u32)>,
    stars: Vec<u128>,
    records: Records,
    nodes: Vec<[u32; NODE_WORDS]>,
}

/// Builds; `None` where keys would be too wide, no row is there, or a function refuses a value. `measures` are those of the
/// pairs.
pub(crate) fn build(
    wanted: &Wanted,
    pairs: Vec<Pair>,
    dimensions: &[Dimension<'_>],
    measures: Vec<Measure<'_>>,
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
    let grouping = Grouping::of(&keys);
    let (mut functions, mut stocks) = (Vec::new(), Vec::new());
    for (pair, measure) in pairs.iter().zip(measures) {
        let (function, stock) = match measure {
            Measure::Numbers(numbers) => {
                (None, Stock::Numbers(grouping.fold(pair.stored, &numbers)))
            }
            Measure::States {
                function,
                column_type,
                values,
            } => {
                let states = grouping.begin(&*function, column_type, values)?;
                (Some(function), Stock::States(states))
            }
        };
        functions.push(function);
        stocks.push(stock);
    }
    let base = Records {
        keys: grouping.keys,
        stocks,
    };
    let wanted_pairs = Wanted {
        pairs,
        ..wanted.clone()
    };
    let mut builder = Builder {
        wanted: &wanted_pairs,
        functions,
        stars: dimensions
            .iter()
            .map(|d| u128::from(d.cardinality))
            .collect(),
        places,
        records: Records::default(),
        nodes: Vec::new(),
    };
    let range = builder.append(base);
    builder.nodes.push([STAR_VALUE, 0, 0, 0, 0, 0]);
    builder.node(0, range, 0)?;
    Some(builder.finish(dimensions))
}

impl Builder<'_> {
    fn append(&mut self, more: Records) -> std::ops::Range<usize> {
        let start = self.records.keys.len();
        self.records.keys.extend(more.keys);
        if self.records.stocks.is_empty() {
            self.records.stocks = more.stocks;
        } else {
            for (to, from) in self.records.stocks.iter_mut().zip(more.stocks) {
                match (to, from) {
                    (Stock::Numbers(to), Stock::Numbers(from)) => to.extend(from),
                    (Stock::States(to), Stock::States(from)) => to.extend(from),
                    _ => {}
                }
            }
        }
        start..self.records.keys.len()
    }

    fn value(&self, key: u128, depth: usize) -> u32 {
        let (low, width) = self.places[depth];
        (key >> low & ((1 << width) - 1)) as u32
    }

    /// The keys of records with any value in place of one dimension, or of all from it on.
    fn starred(
        &self,
        range: std::ops::Range<usize>,
        depths: std::ops::Range<usize>,
    ) -> Option<Records> {
        let (mut clear, mut set) = (0_u128, 0_u128);
        for depth in depths {
            let (low, width) = self.places[depth];
            clear |= ((1 << width) - 1) << low;
            set |= self.stars[depth] << low;
        }
        let keys = self.records.keys[range.clone()].iter();
        let keys: Vec<u128> = keys.map(|key| key & !clear | set).collect();
        let grouping = Grouping::of(&keys);
        let mut stocks = Vec::with_capacity(self.records.stocks.len());
        let pairs = self.wanted.pairs.iter().zip(&self.functions);
        for ((pair, function), stock) in pairs.zip(&self.records.stocks) {
            stocks.push(match (stock, function) {
                (Stock::Numbers(numbers), _) => {
                    Stock::Numbers(grouping.fold(pair.stored, &numbers[range.clone()]))
                }
                (Stock::States(states), Some(function)) => {
                    Stock::States(grouping.merge(&**function, &states[range.clone()])?)
                }
                (Stock::States(_), None) => return None,
            });
        }
        Some(Records {
            keys: grouping.keys,
            stocks,
        })
    }

    /// Fills in a node over records that agree in all dimensions before `depth`.
    fn node(&mut self, at: usize, range: std::ops::Range<usize>, depth: usize) -> Option<()> {
        self.nodes[at][3] = range.start as u32;
        self.nodes[at][4] = range.end as u32;
        let dimensions = self.places.len();
        self.nodes[at][5] = if range.len() == 1 {
            range.start as u32
        } else {
            let whole = self.starred(range.clone(), depth..dimensions)?;
            self.append(whole).start as u32
        };
        if depth == dimensions || range.len() <= self.wanted.largest_leaf {
            return Some(());
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
            let star = self.starred(range, depth..depth + 1)?;
            children.push((STAR_VALUE, self.append(star)));
        }
        let first = self.nodes.len();
        self.nodes[at][1] = first as u32;
        self.nodes[at][2] = children.len() as u32;
        let empty = children.iter().map(|(value, _)| [*value, 0, 0, 0, 0, 0]);
        self.nodes.extend(empty);
        for (child, (_, records)) in children.into_iter().enumerate() {
            self.node(first + child, records, depth + 1)?;
        }
        Some(())
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
            stocks: self.records.stocks,
        }
    }
}

fn folded(stored: Stored, a: i64, b: i64) -> i64 {
    match stored {
        Stored::Count | Stored::Sum | Stored::State => a.wrapping_add(b),
        Stored::Min => a.min(b),
        Stored::Max => a.max(b),
    }
}
