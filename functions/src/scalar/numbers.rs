//! Loops over numeric blocks: every combination of stored type, column and constant, without dispatch inside the loop.
//!
//! Must not know: which operation runs. Invariant: results are as long as the operands' rows; a constant operand is read
//! once.

use common::{Block, Values};

use crate::FunctionError;

/// A stored number that widens to f64.
pub(crate) trait Number: Copy {
    /// As Java widens it.
    fn double(self) -> f64;
}

macro_rules! number {
    ($($t:ty),*) => {$(
        impl Number for $t {
            #[inline(always)]
            fn double(self) -> f64 {
                self as f64
            }
        }
    )*};
}
number!(i32, i64, f32, f64);

/// Runs `$body` with `$slice` bound to the numbers of `$values`; anything else than INT, LONG, FLOAT, DOUBLE runs `$else`.
macro_rules! with_numbers {
    ($values:expr, |$slice:ident| $body:expr, $otherwise:expr) => {
        match $values {
            common::Values::Int($slice) => $body,
            common::Values::Long($slice) => $body,
            common::Values::Float($slice) => $body,
            common::Values::Double($slice) => $body,
            _ => $otherwise,
        }
    };
}

/// Applies `op` to two slices, either of which may be the single element of a constant.
#[inline]
pub(crate) fn zip<A: Copy, B: Copy, T: Clone>(
    (a, a_constant): (&[A], bool),
    (b, b_constant): (&[B], bool),
    rows: usize,
    op: impl Fn(A, B) -> T,
) -> Vec<T> {
    match (a_constant, b_constant) {
        (false, false) => a.iter().zip(b).map(|(x, y)| op(*x, *y)).collect(),
        (false, true) => match b.first() {
            Some(y) => a.iter().map(|x| op(*x, *y)).collect(),
            None => Vec::new(),
        },
        (true, false) => match a.first() {
            Some(x) => b.iter().map(|y| op(*x, *y)).collect(),
            None => Vec::new(),
        },
        (true, true) => match (a.first(), b.first()) {
            (Some(x), Some(y)) => vec![op(*x, *y); rows],
            _ => Vec::new(),
        },
    }
}

/// A block that is no number reached a numeric loop: a wrong table row.
pub(crate) fn not_numeric() -> FunctionError {
    FunctionError::Evaluation("a block without numbers reached a numeric kernel".to_owned())
}

/// `op` over two numeric blocks, both widened to f64.
pub(crate) fn doubles(
    a: &Block,
    b: &Block,
    op: impl Fn(f64, f64) -> f64 + Copy,
) -> Result<Vec<f64>, FunctionError> {
    let rows = a.rows();
    with_numbers!(
        a.values(),
        |x| with_numbers!(
            b.values(),
            |y| Ok(zip(
                (x.as_slice(), a.is_constant()),
                (y.as_slice(), b.is_constant()),
                rows,
                |p, q| op(p.double(), q.double()),
            )),
            Err(not_numeric())
        ),
        Err(not_numeric())
    )
}

/// `op` over two blocks of INT or LONG, both widened to i64.
pub(crate) fn longs(
    a: &Block,
    b: &Block,
    op: impl Fn(i64, i64) -> i64 + Copy,
) -> Result<Vec<i64>, FunctionError> {
    let rows = a.rows();
    let (p, q) = (a.is_constant(), b.is_constant());
    Ok(match (a.values(), b.values()) {
        (Values::Int(x), Values::Int(y)) => {
            zip((x, p), (y, q), rows, |x, y| op(i64::from(x), i64::from(y)))
        }
        (Values::Int(x), Values::Long(y)) => zip((x, p), (y, q), rows, |x, y| op(i64::from(x), y)),
        (Values::Long(x), Values::Int(y)) => zip((x, p), (y, q), rows, |x, y| op(x, i64::from(y))),
        (Values::Long(x), Values::Long(y)) => zip((x, p), (y, q), rows, op),
        _ => return Err(not_numeric()),
    })
}

/// `op` over one numeric block widened to f64; the result keeps being constant where the operand is, in `rows` rows.
pub(crate) fn double(a: &Block, op: impl Fn(f64) -> f64 + Copy) -> Result<Vec<f64>, FunctionError> {
    with_numbers!(
        a.values(),
        |x| Ok(if a.is_constant() {
            vec![x.first().map_or(0.0, |v| op(v.double())); a.rows()]
        } else {
            x.iter().map(|v| op(v.double())).collect()
        }),
        Err(not_numeric())
    )
}
