//! FUNNEL_MAX_STEP, FUNNEL_COMPLETE_COUNT, FUNNEL_MATCH_STEP and FUNNEL_STEP_DURATION_STATS: the steps of events within
//! a sliding window of time.
//!
//! Must not know: time units. Invariant: events are looked at in the order of (time, step), so that the order of merging
//! does not matter.

use std::collections::VecDeque;

use common::{Block, ColumnType, DataType, Value};

use super::bytes::{Reader, put_i64, put_len};
use super::funnel_durations::{self, Durations, Statistic};
use super::{Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased};
use crate::FunctionError;

type Bound = Result<Box<dyn AggregateFunction>, FunctionError>;

const fn row(
    names: &'static [&'static str],
    doc: &'static str,
    bind: fn(&AggregateCall<'_>) -> Bound,
) -> AggregateRow {
    AggregateRow {
        names,
        numbered: false,
        doc,
        bind,
    }
}

pub(crate) static ROWS: &[AggregateRow] = &[
    row(
        &["funnelmaxstep"],
        "Most steps reached within the window: FUNNEL_MAX_STEP(time, window, n, step1, .. [, mode]).",
        |call| bind(call, Answer::MaxStep),
    ),
    row(
        &["funnelcompletecount"],
        "Completed rounds of all steps within the window.",
        |call| bind(call, Answer::CompleteCount),
    ),
    row(
        &["funnelmatchstep"],
        "1 for each step reached within the window, 0 for the rest.",
        |call| bind(call, Answer::MatchStep),
    ),
    row(
        &["funnelstepdurationstats"],
        "Times from each step to the next: FUNNEL_STEP_DURATION_STATS(.., 'durationFunctions=avg,min,max,count').",
        |call| bind(call, Answer::Durations),
    ),
];

#[derive(Clone, Copy)]
enum Answer {
    MaxStep,
    CompleteCount,
    MatchStep,
    Durations,
}

/// What interrupts a funnel.
#[derive(Default)]
struct Modes {
    strict_deduplication: bool,
    strict_order: bool,
    strict_increase: bool,
    keep_all: bool,
}

struct Funnel {
    answer: Answer,
    window: i64,
    steps: usize,
    modes: Modes,
    max_step_duration: i64,
    durations: Vec<Statistic>,
}

/// Time and step; step -1 is an event of none.
pub(crate) type Event = (i64, i32);

const MOST_STEPS: i64 = 10_000;

fn bind(call: &AggregateCall<'_>, answer: Answer) -> Bound {
    arguments::expect_count(call, 4..=usize::MAX)?;
    let window = arguments::whole(call, 1, 0, 1..=i64::MAX)?;
    let steps = arguments::whole(call, 2, 0, 1..=MOST_STEPS)? as usize;
    arguments::expect_count(call, 3 + steps..=usize::MAX)?;
    let mut funnel = Funnel {
        answer,
        window,
        steps,
        modes: Modes::default(),
        max_step_duration: 0,
        durations: Vec::new(),
    };
    for index in 3 + steps..call.arguments.len() {
        let text = arguments::text(call, index)?.unwrap_or_default();
        funnel
            .set(text)
            .map_err(|what| arguments::refused(call, &what))?;
    }
    if matches!(answer, Answer::Durations) && funnel.durations.is_empty() {
        return Err(arguments::refused(call, "expects durationFunctions=.."));
    }
    Ok(erased(funnel))
}

impl Funnel {
    fn set(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.trim().to_ascii_lowercase(), value),
            None => ("mode".to_owned(), text),
        };
        match key.as_str() {
            "mode" => value
                .split(',')
                .try_for_each(|mode| self.modes.set(mode.trim())),
            "maxstepduration" => {
                let parsed = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|duration: &i64| *duration > 0);
                self.max_step_duration = parsed
                    .ok_or_else(|| format!("expects a positive maxStepDuration, not `{value}`"))?;
                Ok(())
            }
            "durationfunctions" => {
                self.durations = funnel_durations::parse(value)?;
                Ok(())
            }
            other => Err(format!(
                "expects mode, maxStepDuration or durationFunctions, not `{other}`"
            )),
        }
    }

    /// Drops what cannot start a round, then takes the events of the window that starts with its first step.
    fn fill(&self, events: &mut VecDeque<Event>, window: &mut VecDeque<Event>) {
        while window.front().is_some_and(|(_, step)| *step != 0) {
            window.pop_front();
        }
        if window.is_empty() {
            while events.front().is_some_and(|(_, step)| *step != 0) {
                events.pop_front();
            }
            match events.pop_front() {
                Some(first) => window.push_back(first),
                None => return,
            }
        }
        let end = window
            .front()
            .map_or(0, |(time, _)| time.saturating_add(self.window));
        while let Some(next) = events.front().filter(|(time, _)| *time < end) {
            let last = window.back().map_or(next.0, |(time, _)| *time);
            if self.max_step_duration > 0 && next.0.saturating_sub(last) > self.max_step_duration {
                break;
            }
            window.extend(events.pop_front());
        }
    }

    fn max_step_of(&self, window: &VecDeque<Event>) -> i32 {
        let (mut reached, mut previous) = (0, None);
        for (time, step) in window {
            let repeated = self.modes.strict_deduplication && *step == reached - 1;
            let out_of_order = self.modes.strict_order && *step != reached;
            if repeated || out_of_order {
                return reached;
            }
            if self.modes.strict_increase && previous == Some(*time) {
                continue;
            }
            previous = Some(*time);
            reached += i32::from(*step == reached);
            if reached as usize == self.steps {
                break;
            }
        }
        reached
    }

    /// Completed rounds of a window, and the time of the event that ended the last of them.
    fn rounds_of(&self, window: &VecDeque<Event>) -> (i32, Option<i64>) {
        let (mut rounds, mut reached, mut previous, mut last) = (0, 0, None, None);
        for (time, step) in window {
            let repeated = self.modes.strict_deduplication && *step == reached - 1;
            let out_of_order = self.modes.strict_order && *step != reached;
            if repeated || out_of_order {
                reached = 0;
            }
            if self.modes.strict_increase && previous == Some(*time) {
                continue;
            }
            previous = Some(*time);
            reached += i32::from(*step == reached);
            if reached as usize == self.steps {
                rounds += 1;
                reached = 0;
                last = Some(*time);
            }
        }
        (rounds, last)
    }

    fn max_step(&self, state: &[Event]) -> i32 {
        let mut events = ordered(state);
        let mut window = VecDeque::new();
        let mut most = 0;
        while !events.is_empty() && (most as usize) < self.steps {
            self.fill(&mut events, &mut window);
            most = most.max(self.max_step_of(&window));
            window.pop_front();
        }
        most
    }

    fn durations(&self, state: &[Event]) -> Vec<Value> {
        let mut events = ordered(state);
        let mut window = VecDeque::new();
        let mut durations = Durations::of(self.steps);
        while !events.is_empty() {
            self.fill(&mut events, &mut window);
            durations.add(self.max_step_of(&window) as usize, &window);
            window.pop_front();
        }
        durations.answers(&self.durations)
    }

    fn complete_count(&self, state: &[Event]) -> i32 {
        let mut events = ordered(state);
        let mut window = VecDeque::new();
        let mut rounds = 0_i32;
        while !events.is_empty() {
            self.fill(&mut events, &mut window);
            let (completed, last) = self.rounds_of(&window);
            rounds = rounds.saturating_add(completed);
            // The next window starts after this one's first event, and not before the end of the last round.
            window.pop_front();
            while last.is_some_and(|end| window.front().is_some_and(|(time, _)| *time < end)) {
                window.pop_front();
            }
        }
        rounds
    }
}

fn ordered(state: &[Event]) -> VecDeque<Event> {
    let mut events = state.to_vec();
    events.sort_unstable();
    events.into()
}

impl Modes {
    fn set(&mut self, mode: &str) -> Result<(), String> {
        match mode.to_ascii_uppercase().as_str() {
            "STRICT_DEDUPLICATION" => self.strict_deduplication = true,
            "STRICT_ORDER" => self.strict_order = true,
            "STRICT_INCREASE" => self.strict_increase = true,
            "KEEP_ALL" => self.keep_all = true,
            _ => {
                return Err(format!(
                    "expects STRICT_DEDUPLICATION, STRICT_ORDER, STRICT_INCREASE or KEEP_ALL, not `{mode}`"
                ));
            }
        }
        Ok(())
    }
}

impl Aggregate for Funnel {
    type State = Vec<Event>;

    fn returns(&self) -> ColumnType {
        match self.answer {
            Answer::MatchStep => ColumnType::mv(DataType::Int),
            Answer::Durations => ColumnType::mv(DataType::Double),
            _ => DataType::Int.into(),
        }
    }

    fn inputs(&self) -> Vec<usize> {
        std::iter::once(0).chain(3..3 + self.steps).collect()
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
        let Some((times, steps)) = inputs.split_first() else {
            return Ok(());
        };
        let times = times.cast(DataType::Long.into())?;
        let steps = steps
            .iter()
            .map(|step| step.cast(DataType::Boolean.into()))
            .collect::<Result<Vec<_>, _>>()?;
        groups.for_each(|row, group| {
            let time = times.value(row).as_i64().unwrap_or(0);
            match steps
                .iter()
                .position(|step| matches!(step.value(row), Value::Boolean(true)))
            {
                Some(step) => states[group].push((time, step as i32)),
                None if self.modes.keep_all => states[group].push((time, -1)),
                None => {}
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
        for (time, step) in state {
            put_i64(out, *time);
            put_i64(out, i64::from(*step));
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<Vec<Event>, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(16)?;
        let events = (0..len)
            .map(|_| Ok((reader.i64()?, reader.i64()? as i32)))
            .collect::<Result<_, FunctionError>>()?;
        reader.end(events)
    }

    fn finish(&self, state: &Vec<Event>) -> Value {
        match self.answer {
            Answer::MaxStep => Value::Int(self.max_step(state)),
            Answer::CompleteCount => Value::Int(self.complete_count(state)),
            Answer::Durations => Value::Array(DataType::Double, self.durations(state)),
            Answer::MatchStep => {
                let reached = self.max_step(state);
                let flags =
                    (0..self.steps as i32).map(|step| Value::Int(i32::from(step < reached)));
                Value::Array(DataType::Int, flags.collect())
            }
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        let time = arguments.first().map_or("", String::as_str);
        let steps = arguments
            .get(3..3 + self.steps)
            .unwrap_or_default()
            .join(",");
        format!("{name}({})  ({time}, {steps})", self.window)
    }

    fn heap_bytes(&self, state: &Vec<Event>) -> usize {
        state.capacity() * size_of::<Event>()
    }
}
