//! Many groups: an aggregate under GROUP BY.
//!
//! Must not know: plans, keys. Invariant: group `i` of the engine is group `i` of the states.

use std::sync::Arc;

use common::{Block, Value};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, UInt32Array,
};
use datafusion::arrow::compute;
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use functions::aggregate::{Grouped, Groups};

use super::Bound;
use crate::convert::array_of;
use crate::error::function;
use crate::types::arrow_type;

/// The states of an aggregate by group.
pub(super) struct ByGroup {
    bound: Bound,
    states: Box<dyn Grouped>,
}

impl ByGroup {
    pub(super) fn new(bound: Bound) -> Self {
        let states = bound.function.grouped();
        Self { bound, states }
    }

    fn update(
        &self,
        states: &mut dyn Grouped,
        values: &[ArrayRef],
        groups: &[u32],
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let Some(filter) = filter else {
            let blocks = self.bound.blocks(values)?;
            return states
                .update(Groups::Each(groups), &blocks)
                .map_err(function);
        };
        let kept: Vec<u32> = (0..filter.len())
            .filter(|row| filter.is_valid(*row) && filter.value(*row))
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        let groups: Vec<u32> = kept.iter().map(|row| groups[*row as usize]).collect();
        let kept = UInt32Array::from(kept);
        let values = values
            .iter()
            .map(|array| Ok(compute::take(array, &kept, None)?))
            .collect::<Result<Vec<_>>>()?;
        let blocks = self.bound.blocks(&values)?;
        states
            .update(Groups::Each(&groups), &blocks)
            .map_err(function)
    }

    /// Takes the first groups out; the rest move down.
    fn emit(&mut self, emit_to: EmitTo) -> Result<Box<dyn Grouped>> {
        let mut rest = self.bound.function.grouped();
        if let EmitTo::First(count) = emit_to {
            let left = self.states.len().saturating_sub(count);
            rest.grow(left);
            let mut bytes = Vec::new();
            for group in 0..left {
                bytes.clear();
                self.states.save(group + count, &mut bytes);
                rest.load(group, &bytes).map_err(function)?;
            }
        }
        Ok(std::mem::replace(&mut self.states, rest))
    }

    fn count(&self, states: &dyn Grouped, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => states.len(),
            EmitTo::First(count) => count.min(states.len()),
        }
    }
}

fn narrow(groups: &[usize]) -> Vec<u32> {
    groups
        .iter()
        .map(|group| u32::try_from(*group).unwrap_or(u32::MAX))
        .collect()
}

/// Bytes of a state that most aggregates have.
const USUAL_STATE: usize = 16;

fn saved(states: &dyn Grouped, groups: usize) -> ArrayRef {
    let mut out = BinaryBuilder::with_capacity(groups, groups.saturating_mul(USUAL_STATE));
    let mut bytes = Vec::new();
    for group in 0..groups {
        bytes.clear();
        states.save(group, &mut bytes);
        out.append_value(&bytes);
    }
    Arc::new(out.finish())
}

impl GroupsAccumulator for ByGroup {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let mut states = std::mem::replace(&mut self.states, self.bound.function.grouped());
        states.grow(total_num_groups);
        let result = self.update(states.as_mut(), values, &narrow(group_indices), opt_filter);
        self.states = states;
        result
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let states = self.emit(emit_to)?;
        let count = self.count(states.as_ref(), emit_to);
        let values: Vec<Value> = (0..count).map(|group| states.finish(group)).collect();
        let answers = Block::from_values(self.bound.function.returns(), &values);
        array_of(answers, &arrow_type(self.bound.returns()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = self.emit(emit_to)?;
        let count = self.count(states.as_ref(), emit_to);
        Ok(vec![saved(states.as_ref(), count)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.states.grow(total_num_groups);
        let saved = values[0].as_binary::<i32>();
        for (row, group) in group_indices.iter().enumerate() {
            if saved.is_valid(row) {
                self.states
                    .load(*group, saved.value(row))
                    .map_err(function)?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |array| array.len());
        let groups: Vec<u32> = (0..rows)
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        let mut states = self.bound.function.grouped();
        states.grow(rows);
        self.update(states.as_mut(), values, &groups, opt_filter)?;
        Ok(vec![saved(states.as_ref(), rows)])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.states.bytes()
    }
}
