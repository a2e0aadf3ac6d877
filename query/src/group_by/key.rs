//! Key columns of groups: their hashes, and whether two keys are equal.
//!
//! Must not know: states. Invariant: equal keys have equal hashes; null equals null alone.

use common::Values;

/// A key column, one value a group.
#[derive(Debug, Clone)]
pub(super) struct KeyColumn {
    pub(super) values: Values,
    /// As many flags as values, where any is null.
    pub(super) nulls: Option<Vec<bool>>,
}

impl KeyColumn {
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls[row])
    }

    pub(super) fn push_from(&mut self, other: &Self, row: usize) {
        let null = other.is_null(row);
        if null && self.nulls.is_none() {
            self.nulls = Some(vec![false; self.values.len()]);
        }
        self.values.push_from(&other.values, row);
        if let Some(nulls) = &mut self.nulls {
            nulls.push(null);
        }
    }

    /// Values of several columns of one type, each by column and row.
    pub(super) fn gather(columns: &[&Self], places: &[(u32, u32)]) -> Self {
        let values = gathered(columns, places);
        let any_null = columns.iter().any(|column| column.nulls.is_some());
        let is_null = |(column, row): &(u32, u32)| columns[*column as usize].is_null(*row as usize);
        Self {
            values,
            nulls: any_null.then(|| places.iter().map(is_null).collect()),
        }
    }
}

fn gathered(columns: &[&KeyColumn], places: &[(u32, u32)]) -> Values {
    macro_rules! fixed {
        ($kind:ident) => {{
            // Columns of one key have one type.
            let columns: Vec<_> = columns
                .iter()
                .filter_map(|column| match &column.values {
                    Values::$kind(values) => Some(values.as_slice()),
                    _ => None,
                })
                .collect();
            let value = |(column, row): &(u32, u32)| columns[*column as usize][*row as usize];
            Values::$kind(places.iter().map(value).collect())
        }};
    }
    match columns.first().map(|column| &column.values) {
        None => Values::Int(Vec::new()),
        Some(Values::Int(_)) => fixed!(Int),
        Some(Values::Long(_)) => fixed!(Long),
        Some(Values::Float(_)) => fixed!(Float),
        Some(Values::Double(_)) => fixed!(Double),
        Some(other) => {
            let mut out = other.empty_like();
            for (column, row) in places {
                out.push_from(&columns[*column as usize].values, *row as usize);
            }
            out
        }
    }
}

/// One hash a key.
pub(super) fn hashes(keys: &[KeyColumn], count: usize) -> Vec<u64> {
    let mut out = vec![0x243F_6A88_85A3_08D3_u64; count];
    for key in keys {
        mix_column(key, &mut out);
    }
    // Numbers that differ in high bits only must differ in low ones, too.
    out.iter_mut().for_each(|hash| *hash ^= *hash >> 32);
    out
}

#[inline]
fn mixed(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value) * 0x9E37_79B9_7F4A_7C15_u128;
    (product as u64) ^ ((product >> 64) as u64)
}

fn mix_column(key: &KeyColumn, out: &mut [u64]) {
    fn each<T: Copy>(key: &KeyColumn, values: &[T], out: &mut [u64], bits: impl Fn(T) -> u64) {
        match &key.nulls {
            None => {
                for (hash, value) in out.iter_mut().zip(values) {
                    *hash = mixed(*hash, bits(*value));
                }
            }
            Some(nulls) => {
                for ((hash, value), null) in out.iter_mut().zip(values).zip(nulls) {
                    *hash = mixed(*hash, if *null { 0 } else { bits(*value) });
                }
            }
        }
    }
    match &key.values {
        Values::Int(v) => each(key, v, out, |x| x as u64),
        Values::Long(v) => each(key, v, out, |x| x as u64),
        Values::Float(v) => each(key, v, out, |x| u64::from(x.to_bits())),
        Values::Double(v) => each(key, v, out, f64::to_bits),
        other => {
            let builder = fixed_state();
            for (row, hash) in out.iter_mut().enumerate() {
                let of_value = if key.is_null(row) {
                    0
                } else {
                    text_hash(&builder, other, row)
                };
                *hash = mixed(*hash, of_value);
            }
        }
    }
}

/// The same in every table of this process.
fn fixed_state() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

fn text_hash(state: &ahash::RandomState, values: &Values, row: usize) -> u64 {
    match values {
        Values::Text(v) => state.hash_one(v.get(row)),
        Values::Bytes(v) => state.hash_one(v.get(row)),
        Values::BigDecimal(v) => state.hash_one(v[row].normalized().to_string()),
        _ => 0,
    }
}

/// True where two keys are equal.
pub(super) fn equal(a: &[KeyColumn], row: usize, b: &[KeyColumn], other: usize) -> bool {
    a.iter().zip(b).all(|(a, b)| {
        match (a.is_null(row), b.is_null(other)) {
            (false, false) => {}
            (x, y) => return x && y,
        }
        match (&a.values, &b.values) {
            (Values::Int(x), Values::Int(y)) => x[row] == y[other],
            (Values::Long(x), Values::Long(y)) => x[row] == y[other],
            (Values::Float(x), Values::Float(y)) => x[row].to_bits() == y[other].to_bits(),
            (Values::Double(x), Values::Double(y)) => x[row].to_bits() == y[other].to_bits(),
            (Values::Text(x), Values::Text(y)) => x.get(row) == y.get(other),
            (Values::Bytes(x), Values::Bytes(y)) => x.get(row) == y.get(other),
            (Values::BigDecimal(x), Values::BigDecimal(y)) => x[row] == y[other],
            _ => true,
        }
    })
}
