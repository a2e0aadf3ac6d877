//! DISTINCTCOUNTBITMAP and the smart distinct counts: exact values up to a threshold, then a sketch.
//!
//! Must not know: how sketches work. Invariant: nulls count as the column's default value; values never go back from sketch
//! to set.

use common::{Block, ColumnType, DataType, Value};

use super::approximate::setting;
use super::bytes::{Reader, broken};
use super::distinct_set::DistinctSet;
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;
use crate::sketch::Counter;
use crate::sketch::hyperloglog::HyperLogLog;
use crate::sketch::hyperloglog_plus::HyperLogLogPlus;
use crate::sketch::ultraloglog::UltraLogLog;

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
        &["distinctcountbitmap", "distinctcountbitmapmv"],
        "Number of distinct values.",
        |call| {
            arguments::expect_count(call, 1..=1)?;
            bind::<HyperLogLog>(call, 12, usize::MAX)
        },
    ),
    row(
        &["distinctcountsmarthll"],
        "Number of distinct values, by HyperLogLog above a threshold.",
        |call| bind::<HyperLogLog>(call, 12, 100_000),
    ),
    row(
        &["distinctcountsmarthllplus"],
        "Number of distinct values, by HyperLogLog++ above a threshold.",
        |call| bind::<HyperLogLogPlus>(call, 14, 100_000),
    ),
    row(
        &["distinctcountsmartull"],
        "Number of distinct values, by UltraLogLog above a threshold.",
        |call| bind::<UltraLogLog>(call, 12, 100_000),
    ),
];

struct Smart<C> {
    size: u8,
    threshold: usize,
    returns: DataType,
    multi: bool,
    counter: std::marker::PhantomData<fn() -> C>,
}

enum State<C> {
    Exact(DistinctSet),
    Sketch(C),
}

fn bind<C: Counter>(call: &AggregateCall<'_>, size: u8, threshold: usize) -> Bound {
    arguments::expect_count(call, 1..=2)?;
    let settings = arguments::text(call, 1)?.unwrap_or_default();
    let size = setting(settings, &["log2m", "hlllog2m", "p"]).map_or(size, |found| found as u8);
    let threshold =
        setting(settings, &["threshold", "hllconversionthreshold"]).map_or(threshold, |found| {
            if found < 1.0 {
                usize::MAX
            } else {
                found as usize
            }
        });
    Ok(erased(Smart::<C> {
        size,
        threshold,
        returns: if arguments::multi_stage(call) {
            DataType::Long
        } else {
            DataType::Int
        },
        multi: arguments::is_multi(call, 0) && call.name.starts_with("distinctcountbitmap"),
        counter: std::marker::PhantomData,
    }))
}

/// The groups that occur, and for each row the position of its group among them.
fn dense(groups: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut touched = groups.to_vec();
    touched.sort_unstable();
    touched.dedup();
    let local = groups
        .iter()
        .map(|group| touched.binary_search(group).unwrap_or(0) as u32);
    let local = local.collect();
    (touched, local)
}

impl<C: Counter> Smart<C> {
    fn sketch(&self, set: &DistinctSet) -> C {
        let mut sketch = C::sized(self.size);
        set.each_item(|item| sketch.offer(item));
        sketch
    }

    fn settle(&self, state: &mut State<C>) {
        if let State::Exact(set) = state
            && set.len() > self.threshold
        {
            *state = State::Sketch(self.sketch(set));
        }
    }

    fn unmerged() -> FunctionError {
        FunctionError::Evaluation("sketches of different sizes cannot merge".to_owned())
    }
}

impl<C: Counter> Aggregate for Smart<C> {
    type State = State<C>;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> State<C> {
        State::Exact(DistinctSet::Empty)
    }

    fn update(
        &self,
        states: &mut [State<C>],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = rows::filled(&inputs[0]);
        // The block's own distinct values first, so that a sketch takes each once a block.
        let (touched, local) = match groups {
            Groups::One(rows) => (vec![0], vec![0; rows]),
            Groups::Each(groups) => dense(groups),
        };
        let mut parts = vec![DistinctSet::Empty; touched.len()];
        DistinctSet::add_all(&mut parts, Groups::Each(&local), &block, |set| set);
        for (group, part) in touched.into_iter().zip(parts) {
            self.merge(&mut states[group as usize], State::Exact(part))?;
        }
        Ok(())
    }

    fn merge(&self, into: &mut State<C>, from: State<C>) -> Result<(), FunctionError> {
        match (&mut *into, from) {
            (State::Exact(set), State::Exact(from)) => set.merge(from)?,
            (State::Sketch(sketch), State::Exact(from)) => {
                from.each_item(|item| sketch.offer(item))
            }
            (State::Exact(set), State::Sketch(mut from)) => {
                set.each_item(|item| from.offer(item));
                *into = State::Sketch(from);
            }
            (State::Sketch(sketch), State::Sketch(from)) => {
                return sketch.absorb(from).then_some(()).ok_or_else(Self::unmerged);
            }
        }
        self.settle(into);
        Ok(())
    }

    fn save(&self, state: &State<C>, out: &mut Vec<u8>) {
        match state {
            State::Exact(set) => {
                out.push(0);
                set.save(out);
            }
            State::Sketch(sketch) => {
                out.push(1);
                out.extend(sketch.save());
            }
        }
    }

    fn load(&self, bytes: &[u8]) -> Result<State<C>, FunctionError> {
        match bytes.split_first() {
            Some((0, rest)) => {
                let mut reader = Reader::new(rest);
                let set = DistinctSet::read(&mut reader)?;
                reader.end(State::Exact(set))
            }
            Some((1, rest)) => C::read(rest, self.size)
                .map(State::Sketch)
                .ok_or_else(broken),
            _ => Err(broken()),
        }
    }

    fn finish(&self, state: &State<C>) -> Value {
        let count = match state {
            State::Exact(set) => set.len() as i64,
            State::Sketch(sketch) => sketch.estimate(),
        };
        match self.returns {
            DataType::Int => Value::Int(count as i32),
            _ => Value::Long(count),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first_multi(name, arguments, self.multi)
    }

    fn heap_bytes(&self, state: &State<C>) -> usize {
        match state {
            State::Exact(set) => set.heap_bytes(),
            State::Sketch(sketch) => sketch.heap_bytes(),
        }
    }
}
