//! Lifts date kernels to blocks: longs by row, text arguments prepared once, and any kernel to array items.
//!
//! Must not know: any function. Invariant: constant text arguments are prepared once a block, others once a change.

use common::{ArrayVec, Block, ColumnType, DataType, Value, Values};

use super::lift::{Long, Rows, Text, arrays};
use super::{Argument, EvalContext};
use crate::FunctionError;

type Fallible<T> = Result<T, FunctionError>;

/// A kernel over a LONG block without other arguments and without errors: a plain loop.
pub(super) fn map_longs<T: Clone>(block: &Block, kernel: impl Fn(i64) -> T) -> Fallible<Vec<T>> {
    match block.values() {
        Values::Long(longs) if !block.is_constant() => {
            Ok(longs.iter().map(|v| kernel(*v)).collect())
        }
        _ => {
            let rows = Rows::<Long>::of(block)?;
            Ok((0..block.rows()).map(|row| kernel(rows.get(row))).collect())
        }
    }
}

/// Text arguments with what they were prepared to.
pub(super) struct Prepared<'a, T> {
    rows: Vec<Rows<'a, Text>>,
    constant: bool,
    prepare: fn(&[&str]) -> Fallible<T>,
    last: Option<(Vec<&'a str>, T)>,
}

impl<'a, T> Prepared<'a, T> {
    /// Borrows the arguments.
    pub(super) fn of(
        texts: impl IntoIterator<Item = &'a Block>,
        prepare: fn(&[&str]) -> Fallible<T>,
    ) -> Fallible<Self> {
        let (mut rows, mut constant) = (Vec::new(), true);
        for block in texts {
            constant &= block.is_constant();
            rows.push(Rows::of(block)?);
        }
        Ok(Self {
            rows,
            constant,
            prepare,
            last: None,
        })
    }

    /// True where one preparation serves all rows.
    pub(super) fn is_constant(&self) -> bool {
        self.constant
    }

    /// What the row's texts were prepared to.
    pub(super) fn get(&mut self, row: usize) -> Fallible<&T> {
        let known = match &self.last {
            Some((texts, _)) => {
                self.constant || texts.iter().zip(&self.rows).all(|(t, r)| *t == r.get(row))
            }
            None => false,
        };
        if !known {
            let texts: Vec<&str> = self.rows.iter().map(|r| r.get(row)).collect();
            let prepared = (self.prepare)(&texts)?;
            self.last = Some((texts, prepared));
        }
        self.last
            .as_ref()
            .map(|(_, prepared)| prepared)
            .ok_or_else(|| FunctionError::Evaluation("no text argument".to_owned()))
    }
}

/// A kernel over a LONG block and prepared text arguments.
pub(super) fn map_with<'a, T, O>(
    longs: &Block,
    texts: impl IntoIterator<Item = &'a Block>,
    prepare: fn(&[&str]) -> Fallible<T>,
    kernel: impl Fn(&T, i64) -> Fallible<O>,
) -> Fallible<Vec<O>> {
    let rows = Rows::<Long>::of(longs)?;
    let mut prepared = Prepared::of(texts, prepare)?;
    if prepared.is_constant() && longs.rows() > 0 {
        let prepared = prepared.get(0)?;
        return (0..longs.rows())
            .map(|row| kernel(prepared, rows.get(row)))
            .collect();
    }
    (0..longs.rows())
        .map(|row| kernel(prepared.get(row)?, rows.get(row)))
        .collect()
}

/// Evaluates a call once, with zero for whatever is no literal, so that literals which make no sense are refused before
/// any row is read. Texts that are no literals cannot be tried.
pub(super) fn try_literals(
    arguments: &[Argument],
    kernel: fn(&[Block], &EvalContext) -> Fallible<Block>,
) -> Fallible<()> {
    let mut blocks = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let block = match &argument.literal {
            Some(text @ Value::String(_)) => Block::constant(DataType::String, text, 1),
            Some(Value::Null) => return Ok(()),
            Some(value) => match value.cast(DataType::Long) {
                Ok(number) => Block::constant(DataType::Long, &number, 1),
                Err(_) => return Ok(()),
            },
            None if argument.column_type.multi => return Ok(()),
            None if argument.column_type.data_type.stored() == DataType::String => return Ok(()),
            None => Block::constant(DataType::Long, &Value::Long(0), 1),
        };
        blocks.push(block.flattened());
    }
    kernel(&blocks, &EvalContext::at(0))
        .map(drop)
        .map_err(|error| FunctionError::Argument(error.to_string()))
}

/// Runs a single-value kernel over the items of the array argument at `position`, the other arguments repeated for each
/// item of their row.
pub(super) fn over_items(
    args: &[Block],
    position: usize,
    context: &EvalContext,
    kernel: fn(&[Block], &EvalContext) -> Fallible<Block>,
) -> Fallible<Block> {
    let block = &args[position];
    let array = arrays(block)?;
    let (mut offsets, mut places, mut owners) = (vec![0_u32], Vec::new(), Vec::new());
    for row in 0..block.rows() {
        for i in array.range(block.at(row)) {
            places.push(i as u32);
            owners.push(row as u32);
        }
        offsets.push(places.len() as u32);
    }
    let items = Block::new(
        ColumnType::sv(block.column_type().data_type),
        array.items.take(&places),
    );
    let flat: Vec<Block> = args
        .iter()
        .enumerate()
        .map(|(i, arg)| {
            if i == position {
                items.clone()
            } else {
                arg.take(&owners)
            }
        })
        .collect();
    let answer = kernel(&flat, context)?.flattened();
    let element = answer.column_type().data_type;
    let items = Box::new(answer.into_values());
    Ok(Block::new(
        ColumnType::mv(element),
        Values::Array(ArrayVec { offsets, items }),
    ))
}
