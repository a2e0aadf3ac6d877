//! One group: an aggregate without GROUP BY, and over a window's frame.
//!
//! Must not know: plans. Invariant: a sliding frame's answer is that of its rows alone, however it was reached.

use std::collections::VecDeque;

use common::{Block, ColumnType, DataType, Value};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use functions::aggregate::{Grouped, Groups};

use super::Bound;
use crate::convert::text_as_bytes;
use crate::error::function;
use crate::types::{arrow_type, scalar_of};

/// The state of one group.
pub(super) struct Single {
    bound: Bound,
    state: Box<dyn Grouped>,
}

impl std::fmt::Debug for Single {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Single")
    }
}

impl Single {
    pub(super) fn new(bound: Bound) -> Self {
        let mut state = bound.function.grouped();
        state.grow(1);
        Self { bound, state }
    }
}

/// A value as the scalar of its column's Arrow type.
fn scalar(value: &Value, returns: ColumnType) -> Result<ScalarValue> {
    match value {
        Value::Null => ScalarValue::try_from(&arrow_type(returns)),
        Value::String(_) if returns == ColumnType::sv(DataType::Bytes) => Err(text_as_bytes()),
        value => scalar_of(value, returns)
            .map_or_else(|| ScalarValue::try_from(&arrow_type(returns)), Ok),
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |array| array.len());
        let blocks = self.bound.blocks(values)?;
        self.state
            .update(Groups::One(rows), &blocks)
            .map_err(function)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar(&self.state.finish(0), self.bound.returns())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.state.bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.state.save(0, &mut bytes);
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let saved = states[0].as_binary::<i32>();
        for row in (0..saved.len()).filter(|row| saved.is_valid(*row)) {
            self.state.load(0, saved.value(row)).map_err(function)?;
        }
        Ok(())
    }
}

/// A frame that moves: its rows are kept, and aggregated when asked.
pub(super) struct Sliding {
    bound: Bound,
    rows: VecDeque<Vec<Value>>,
    types: Vec<ColumnType>,
}

impl std::fmt::Debug for Sliding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sliding")
    }
}

impl Sliding {
    pub(super) fn new(bound: Bound) -> Self {
        Self {
            bound,
            rows: VecDeque::new(),
            types: Vec::new(),
        }
    }

    fn current(&self) -> Result<Box<dyn Grouped>> {
        let mut state = self.bound.function.grouped();
        state.grow(1);
        let blocks: Vec<Block> = self
            .types
            .iter()
            .enumerate()
            .map(|(i, column_type)| {
                Block::from_values(*column_type, self.rows.iter().map(|row| &row[i]))
            })
            .collect();
        state
            .update(Groups::One(self.rows.len()), &blocks)
            .map_err(function)?;
        Ok(state)
    }
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let blocks = self.bound.blocks(values)?;
        self.types = blocks.iter().map(Block::column_type).collect();
        let rows = values.first().map_or(0, |array| array.len());
        for row in 0..rows {
            self.rows
                .push_back(blocks.iter().map(|b| b.value(row)).collect());
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |array| array.len());
        self.rows.drain(..rows.min(self.rows.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        scalar(&self.current()?.finish(0), self.bound.returns())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.rows.len() * self.types.len() * size_of::<Value>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.current()?.save(0, &mut bytes);
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        Err(datafusion::error::DataFusionError::Internal(
            "a window's frame has no parts".to_owned(),
        ))
    }
}
