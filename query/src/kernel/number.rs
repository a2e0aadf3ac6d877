//! Whole-number expressions over columns: sums, differences and products whose every value is exact in a DOUBLE.
//!
//! Must not know: groups. Invariant: no value and no intermediate result exceeds 2^53, so that the answer equals that of
//! DOUBLE arithmetic bit by bit.

use common::{DataType, Value};
use functions::scalar::BoundScalar;
use segment::{Column, Docs};

use crate::expr::BoundExpr;
use crate::project::{SegmentColumns, Source};

/// Largest magnitude that DOUBLE holds exactly, with all smaller ones.
pub(super) const EXACT: i128 = 1 << 53;

/// An expression.
pub(super) enum Number {
    /// The column in that slot.
    Slot(usize),
    Literal(i64),
    Call(Operation, Box<Number>, Box<Number>),
}

#[derive(Clone, Copy)]
pub(super) enum Operation {
    Plus,
    Minus,
    Times,
}

impl Operation {
    /// The operation of a function over columns.
    pub(super) fn of(function: &BoundScalar) -> Option<Self> {
        if function.returns().data_type != DataType::Double {
            return None;
        }
        match *function.function().names.first()? {
            "plus" => Some(Self::Plus),
            "minus" => Some(Self::Minus),
            "times" => Some(Self::Times),
            _ => None,
        }
    }
}

/// Smallest and largest value an expression can have.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) low: i128,
    pub(super) high: i128,
}

impl Span {
    /// The values of a single-value column of whole numbers.
    pub(super) fn of_column(column: &dyn Column) -> Option<Self> {
        let column_type = column.column_type();
        let whole = matches!(column_type.data_type, DataType::Int | DataType::Long);
        if column_type.multi || !whole {
            return None;
        }
        let stats = column.stats();
        let span = Self {
            low: i128::from(stats.min?.as_i64()?),
            high: i128::from(stats.max?.as_i64()?),
        };
        span.exact()
    }

    pub(super) fn exact(self) -> Option<Self> {
        (self.low >= -EXACT && self.high <= EXACT).then_some(self)
    }

    /// The largest magnitude.
    pub(super) fn magnitude(self) -> i128 {
        self.low.abs().max(self.high.abs())
    }
}

/// A column that expressions read, each block once.
pub(super) struct Slot<'a> {
    column: &'a dyn Column,
    /// Its position in the plan, where it has one.
    index: Option<usize>,
    /// Values by id, where the column has a dictionary.
    by_id: Option<Vec<i64>>,
    ids: Vec<u32>,
    values: Vec<i64>,
}

/// All columns that the expressions of a kernel read.
#[derive(Default)]
pub(super) struct Slots<'a>(Vec<Slot<'a>>);

impl<'a> Slots<'a> {
    /// Brings an expression into this form, and tells what values it can have; `None` where it has no such form.
    pub(super) fn number(
        &mut self,
        expr: &BoundExpr,
        columns: &'a SegmentColumns<'a>,
    ) -> Option<(Number, Span)> {
        match expr {
            BoundExpr::Literal(Value::Int(v), _) => Some(literal(i64::from(*v))),
            BoundExpr::Literal(Value::Long(v), _) => Some(literal(*v)),
            BoundExpr::Literal(..) => None,
            BoundExpr::Column(index, _) => self.column(*index, columns),
            BoundExpr::Call { function, args } => {
                let [a, b] = args.as_slice() else {
                    return None;
                };
                let operation = Operation::of(function)?;
                let (a, of_a) = self.number(a, columns)?;
                let (b, of_b) = self.number(b, columns)?;
                let span = combined(operation, of_a, of_b).exact()?;
                Some((Number::Call(operation, Box::new(a), Box::new(b)), span))
            }
        }
    }

    fn column(&mut self, index: usize, columns: &'a SegmentColumns<'a>) -> Option<(Number, Span)> {
        let Source::Stored { column, .. } = &columns.sources[index] else {
            return None;
        };
        let span = Span::of_column(*column)?;
        if let Some(at) = self.0.iter().position(|slot| slot.index == Some(index)) {
            return Some((Number::Slot(at), span));
        }
        let by_id = match column.dictionary() {
            Some(dictionary) => {
                let ids: Vec<u32> = (0..dictionary.len()).collect();
                let mut values = Vec::new();
                match dictionary.decode(&ids) {
                    common::Values::Int(v) => values.extend(v.iter().map(|x| i64::from(*x))),
                    common::Values::Long(v) => values = v,
                    _ => return None,
                }
                Some(values)
            }
            None => None,
        };
        self.0.push(Slot {
            column: *column,
            index: Some(index),
            by_id,
            ids: Vec::new(),
            values: Vec::new(),
        });
        Some((Number::Slot(self.0.len() - 1), span))
    }

    /// Adds a column of numbers without dictionary.
    pub(super) fn add(&mut self, column: &'a dyn Column) -> Number {
        self.0.push(Slot {
            column,
            index: None,
            by_id: None,
            ids: Vec::new(),
            values: Vec::new(),
        });
        Number::Slot(self.0.len() - 1)
    }

    /// Reads the columns for some rows; false where one cannot be read.
    pub(super) fn load(&mut self, docs: &Docs<'_>) -> bool {
        self.0.iter_mut().all(|slot| match &slot.by_id {
            None => slot.column.longs(docs, &mut slot.values),
            Some(by_id) => {
                slot.column.ids(docs.clone(), &mut slot.ids);
                slot.values.clear();
                let known = |id: &u32| by_id.get(*id as usize).copied().unwrap_or(0);
                slot.values.extend(slot.ids.iter().map(known));
                true
            }
        })
    }

    /// Calls `f` with the values of an expression over the loaded rows.
    pub(super) fn with<T>(&self, number: &Number, rows: usize, f: impl FnOnce(&[i64]) -> T) -> T {
        match number {
            Number::Slot(at) => f(&self.0[*at].values),
            other => f(&self.evaluate(other, rows)),
        }
    }

    fn evaluate(&self, number: &Number, rows: usize) -> Vec<i64> {
        match number {
            Number::Slot(at) => self.0[*at].values.clone(),
            Number::Literal(value) => vec![*value; rows],
            Number::Call(operation, a, b) => self.with(a, rows, |a| {
                self.with(b, rows, |b| {
                    let pairs = a.iter().zip(b);
                    match operation {
                        Operation::Plus => pairs.map(|(x, y)| x.wrapping_add(*y)).collect(),
                        Operation::Minus => pairs.map(|(x, y)| x.wrapping_sub(*y)).collect(),
                        Operation::Times => pairs.map(|(x, y)| x.wrapping_mul(*y)).collect(),
                    }
                })
            }),
        }
    }
}

/// A constant.
pub(super) fn literal(value: i64) -> (Number, Span) {
    let of = i128::from(value);
    (Number::Literal(value), Span { low: of, high: of })
}

/// The values of an operation's result.
pub(super) fn combined(operation: Operation, a: Span, b: Span) -> Span {
    match operation {
        Operation::Plus => Span {
            low: a.low + b.low,
            high: a.high + b.high,
        },
        Operation::Minus => Span {
            low: a.low - b.high,
            high: a.high - b.low,
        },
        Operation::Times => {
            let products = [
                a.low * b.low,
                a.low * b.high,
                a.high * b.low,
                a.high * b.high,
            ];
            Span {
                low: products.into_iter().min().unwrap_or(0),
                high: products.into_iter().max().unwrap_or(0),
            }
        }
    }
}
