//! FUNNEL_COUNT: how many correlation ids reach each step.
//!
//! Must not know: the order of events; every strategy of SETTINGS answers from exact sets. Invariant: an id reaches a step
//! where it is in the sets of that step and of all before.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, broken, put_len};
use super::distinct_set::DistinctSet;
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["funnelcount"],
    numbered: false,
    doc: "Ids that reach each step: FUNNEL_COUNT(STEPS(..), CORRELATE_BY(x) [, SETTINGS(..)]).",
    bind,
}];

struct FunnelCount {
    steps: Vec<usize>,
    correlate_by: usize,
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    let mut section = String::new();
    let (mut steps, mut correlate_by) = (Vec::new(), Vec::new());
    for (index, argument) in call.arguments.iter().enumerate() {
        let marker = argument
            .literal
            .as_ref()
            .and_then(Value::as_str)
            .map(crate::canonical_name);
        match (marker.as_deref(), section.as_str()) {
            (Some(marker @ ("steps" | "correlateby" | "settings")), _) => {
                section = marker.to_owned()
            }
            (_, "steps") => steps.push(index),
            (_, "correlateby") => correlate_by.push(index),
            (_, "settings") => {}
            _ => {
                return Err(arguments::refused(
                    call,
                    "expects STEPS, CORRELATE_BY and SETTINGS",
                ));
            }
        }
    }
    if steps.is_empty() {
        return Err(arguments::refused(
            call,
            "expects at least one step in STEPS",
        ));
    }
    let [correlate_by] = correlate_by[..] else {
        return Err(arguments::refused(
            call,
            "expects one column in CORRELATE_BY",
        ));
    };
    Ok(erased(FunnelCount {
        steps,
        correlate_by,
    }))
}

impl Aggregate for FunnelCount {
    /// One set a step.
    type State = Vec<DistinctSet>;

    fn returns(&self) -> ColumnType {
        ColumnType::mv(DataType::Long)
    }

    fn inputs(&self) -> Vec<usize> {
        self.steps
            .iter()
            .copied()
            .chain([self.correlate_by])
            .collect()
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Vec<DistinctSet> {
        vec![DistinctSet::Empty; self.steps.len()]
    }

    fn update(
        &self,
        states: &mut [Vec<DistinctSet>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let Some((ids, steps)) = inputs.split_last() else {
            return Ok(());
        };
        let ids = rows::filled(ids);
        for (index, step) in steps.iter().enumerate() {
            let step = step.cast(DataType::Boolean.into())?;
            let mut passing = Vec::new();
            let mut passing_groups = Vec::new();
            groups.for_each(|row, group| {
                if matches!(step.value(row), Value::Boolean(true)) {
                    passing.push(row as u32);
                    passing_groups.push(group as u32);
                }
            });
            DistinctSet::add_all(
                states,
                Groups::Each(&passing_groups),
                &ids.take(&passing),
                |sets| &mut sets[index],
            );
        }
        Ok(())
    }

    fn merge(
        &self,
        into: &mut Vec<DistinctSet>,
        from: Vec<DistinctSet>,
    ) -> Result<(), FunctionError> {
        into.iter_mut()
            .zip(from)
            .try_for_each(|(into, from)| into.merge(from))
    }

    fn save(&self, state: &Vec<DistinctSet>, out: &mut Vec<u8>) {
        put_len(out, state.len());
        state.iter().for_each(|set| set.save(out));
    }

    fn load(&self, bytes: &[u8]) -> Result<Vec<DistinctSet>, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(9)?;
        if len != self.steps.len() {
            return Err(broken());
        }
        let sets = (0..len)
            .map(|_| DistinctSet::read(&mut reader))
            .collect::<Result<_, _>>()?;
        reader.end(sets)
    }

    fn finish(&self, state: &Vec<DistinctSet>) -> Value {
        let mut reached: Option<DistinctSet> = None;
        let counts = state.iter().map(|set| {
            let held = match reached.take() {
                None => set.clone(),
                Some(mut held) => {
                    held.retain_in(set);
                    held
                }
            };
            let count = held.len() as i64;
            reached = Some(held);
            Value::Long(count)
        });
        Value::Array(DataType::Long, counts.collect())
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        let mut sections: Vec<(String, Vec<&str>)> = Vec::new();
        for argument in arguments {
            let marker = crate::canonical_name(argument.trim_matches('\''));
            match marker.as_str() {
                "steps" | "correlateby" | "settings" => sections.push((marker, Vec::new())),
                _ => {
                    if let Some((_, items)) = sections.last_mut() {
                        items.push(argument);
                    }
                }
            }
        }
        let sections: Vec<String> = sections
            .iter()
            .map(|(marker, items)| format!("{marker}({})", items.join(",")))
            .collect();
        format!("{name}({})", sections.join(","))
    }

    fn heap_bytes(&self, state: &Vec<DistinctSet>) -> usize {
        state.iter().map(DistinctSet::heap_bytes).sum()
    }
}
