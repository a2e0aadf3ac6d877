//! FUNNEL_EVENTS_FUNCTION_EVAL: the events of every completed round, with extra columns.
//!
//! Must not know: modes; a round is all steps in order within the window. Invariant: events are looked at in order, so that
//! the order of merging does not matter.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_bytes, put_i64, put_len};
use super::{Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["funneleventsfunctioneval"],
    numbered: false,
    doc: "Events of completed rounds: FUNNEL_EVENTS_FUNCTION_EVAL(time, window, n, step1, .., k, column1, ..).",
    bind,
}];

struct FunnelEvents {
    window: i64,
    steps: usize,
    extras: usize,
}

/// Time, step and extra columns.
type Event = (i64, i64, Vec<String>);

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 5..=usize::MAX)?;
    let window = arguments::whole(call, 1, 0, 1..=i64::MAX)?;
    let steps = arguments::whole(call, 2, 0, 1..=10_000)? as usize;
    arguments::expect_count(call, 4 + steps..=usize::MAX)?;
    let extras = arguments::whole(call, 3 + steps, 0, 0..=10_000)? as usize;
    arguments::expect_count(call, 4 + steps + extras..=usize::MAX)?;
    Ok(erased(FunnelEvents {
        window,
        steps,
        extras,
    }))
}

impl FunnelEvents {
    /// For each completed round, the first event of each step in its window.
    fn rounds<'a>(&self, events: &[&'a Event]) -> Vec<Vec<&'a Event>> {
        let mut rounds = Vec::new();
        let mut start = 0;
        // A window that reaches the last event is the last one.
        while let Some(skipped) = events
            .get(start..)
            .and_then(|e| e.iter().position(|e| e.1 == 0))
        {
            start += skipped;
            let end_time = events[start].0.saturating_add(self.window);
            let end = start + events[start..].partition_point(|event| event.0 < end_time);
            let window = &events[start..end.max(start + 1)];
            let (mut reached, mut last) = (0, i64::MIN);
            for event in window {
                reached += usize::from(event.1 == reached as i64);
                if reached == self.steps {
                    rounds.push(first_of_each_step(window));
                    reached = 0;
                    last = event.0;
                }
            }
            if end >= events.len() {
                break;
            }
            start += 1;
            start += events[start..end.max(start)].partition_point(|event| event.0 < last);
        }
        rounds
    }
}

fn first_of_each_step<'a>(window: &[&'a Event]) -> Vec<&'a Event> {
    let mut found: Vec<&Event> = Vec::new();
    for event in window {
        if event.1 == found.len() as i64 {
            found.push(event);
        }
    }
    found
}

impl Aggregate for FunnelEvents {
    type State = Vec<Event>;

    fn returns(&self) -> ColumnType {
        ColumnType::mv(DataType::String)
    }

    fn inputs(&self) -> Vec<usize> {
        let steps = 3..3 + self.steps;
        let extras = 4 + self.steps..4 + self.steps + self.extras;
        std::iter::once(0).chain(steps).chain(extras).collect()
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Vec<Event> {
        Vec::new()
    }

    fn update(
        &self,
        states: &mut [Vec<Event>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let Some((steps, extras)) = inputs
            .get(1..)
            .and_then(|rest| rest.split_at_checked(self.steps))
        else {
            return Ok(());
        };
        let times = inputs[0].cast(DataType::Long.into())?;
        let steps = steps
            .iter()
            .map(|step| step.cast(DataType::Boolean.into()))
            .collect::<Result<Vec<_>, _>>()?;
        groups.for_each(|row, group| {
            if let Some(step) = steps
                .iter()
                .position(|step| matches!(step.value(row), Value::Boolean(true)))
            {
                let extras = extras
                    .iter()
                    .map(|extra| extra.value(row).to_text())
                    .collect();
                states[group].push((times.value(row).as_i64().unwrap_or(0), step as i64, extras));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Vec<Event>, mut from: Vec<Event>) -> Result<(), FunctionError> {
        into.append(&mut from);
        Ok(())
    }

    fn save(&self, state: &Vec<Event>, out: &mut Vec<u8>) {
        put_len(out, state.len());
        for (time, step, extras) in state {
            put_i64(out, *time);
            put_i64(out, *step);
            extras
                .iter()
                .for_each(|extra| put_bytes(out, extra.as_bytes()));
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Vec<Event>, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(16)?;
        let mut events = Vec::with_capacity(len);
        for _ in 0..len {
            let (time, step) = (reader.i64()?, reader.i64()?);
            let extras = (0..self.extras)
                .map(|_| reader.text())
                .collect::<Result<_, _>>()?;
            events.push((time, step, extras));
        }
        reader.end(events)
    }

    fn finish(&self, state: &Vec<Event>) -> Value {
        let mut events: Vec<&Event> = state.iter().collect();
        events.sort_unstable();
        let rounds = self.rounds(&events);
        let mut items = Vec::new();
        if !events.is_empty() {
            let counts = std::iter::once(rounds.len())
                .chain(rounds.iter().map(|round| round.len() * self.extras));
            let counts: Vec<String> = counts.map(|count| count.to_string()).collect();
            items.push(Value::String(counts.join(", ")));
        }
        for event in rounds.into_iter().flatten() {
            items.extend(event.2.iter().map(|extra| Value::String(extra.clone())));
        }
        Value::Array(DataType::String, items)
    }

    fn label(&self, _name: &str, arguments: &[String]) -> String {
        let time = arguments.first().map_or("", String::as_str);
        let steps = arguments
            .get(3..3 + self.steps)
            .unwrap_or_default()
            .join(",");
        let extras = arguments
            .get(4 + self.steps..)
            .unwrap_or_default()
            .join(",");
        format!(
            "funnelEventsFunctionEval({})({time},{steps},, {extras})",
            self.window
        )
    }

    fn heap_bytes(&self, state: &Vec<Event>) -> usize {
        state
            .iter()
            .map(|event| 40 + event.2.iter().map(|extra| 24 + extra.len()).sum::<usize>())
            .sum()
    }
}
