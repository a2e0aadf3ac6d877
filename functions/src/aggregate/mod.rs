//! Aggregate functions: the table, the typed contract for authors, the erased one for engines.
//!
//! States are dense by group number, so that a kernel is a loop over two slices.
//! Must not know: filters, group keys, segments.
//! Invariant: splitting the rows in any way and merging the parts in any order gives the same answer; `load(save(s))`
//! equals `s`.

mod answers;
mod approximate;
mod arguments;
mod average;
mod boolean;
mod bytes;
mod collect;
mod count;
mod covariance;
mod digest;
mod distinct;
mod distinct_set;
mod expr_extreme;
mod funnel;
mod funnel_count;
mod funnel_durations;
mod funnel_events;
mod histogram;
mod id_set;
mod label;
mod min_max;
mod mode;
mod moments;
mod ordered_list;
mod percentile;
mod range;
mod refusing;
mod rows;
mod smart;
mod st_union;
mod sum;
mod sum_array;
mod sum_precision;
#[cfg(test)]
mod testing;
mod text_extreme;
mod theta;
mod values;
mod whole;
mod with_time;

pub use approximate::HYPERLOGLOG_LOG2M;
pub use rows::placed;

use std::any::Any;
use std::collections::HashMap;
use std::sync::OnceLock;

use common::{Block, ColumnType, Value};

use crate::scalar::Argument;
use crate::{FunctionError, canonical_name};

/// Every family of aggregates, one file each.
pub static FAMILIES: &[&[AggregateRow]] = &[
    count::ROWS,
    sum::ROWS,
    min_max::ROWS,
    average::ROWS,
    range::ROWS,
    mode::ROWS,
    distinct::ROWS,
    approximate::ROWS,
    percentile::ROWS,
    digest::ROWS,
    smart::ROWS,
    theta::ROWS,
    whole::ROWS,
    sum_precision::ROWS,
    text_extreme::ROWS,
    with_time::ROWS,
    boolean::ROWS,
    collect::ROWS,
    ordered_list::ROWS,
    sum_array::ROWS,
    histogram::ROWS,
    moments::ROWS,
    covariance::ROWS,
    st_union::ROWS,
    id_set::ROWS,
    expr_extreme::ROWS,
    funnel::ROWS,
    funnel_count::ROWS,
    funnel_events::ROWS,
];

/// Which group each row of a block belongs to.
#[derive(Debug, Clone, Copy)]
pub enum Groups<'a> {
    /// That many rows, all of group 0.
    One(usize),
    /// Row `i` belongs to group `.0[i]`.
    Each(&'a [u32]),
}

impl Groups<'_> {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::One(rows) => *rows,
            Self::Each(groups) => groups.len(),
        }
    }

    /// Calls `f` with (row, group) for every row.
    #[inline]
    pub fn for_each(&self, mut f: impl FnMut(usize, usize)) {
        match self {
            Self::One(rows) => (0..*rows).for_each(|row| f(row, 0)),
            Self::Each(groups) => groups
                .iter()
                .enumerate()
                .for_each(|(row, group)| f(row, *group as usize)),
        }
    }
}

/// Which engine asks: their result types differ (SUM of an INT is DOUBLE in one, LONG in the other).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One table, scatter and gather.
    SingleStage,
    /// Joins, windows, subqueries.
    MultiStage,
}

/// A call as binding sees it. `STEPS(..)`, `CORRELATE_BY(..)` and `SETTINGS(..)` arrive spliced into `arguments`, each
/// preceded by a text literal `steps`, `correlateby` or `settings`.
#[derive(Debug, Clone)]
pub struct AggregateCall<'a> {
    /// Canonical name as written (`percentile99`).
    pub name: &'a str,
    /// Arguments; `*` of COUNT is no argument.
    pub arguments: &'a [Argument],
    /// True with `enableNullHandling`: blocks then carry nulls, to be skipped; an aggregate of nothing is null.
    pub null_handling: bool,
    /// Which engine.
    pub dialect: Dialect,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct AggregateRow {
    /// Canonical names, the first is the function's.
    pub names: &'static [&'static str],
    /// True where a number may follow the name (`percentile99(x)`).
    pub numbered: bool,
    /// One line for the reference page.
    pub doc: &'static str,
    /// Checks the arguments and makes the function.
    pub bind: fn(&AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError>,
}

/// What an author writes.
pub trait Aggregate: Send + Sync + 'static {
    /// What is kept for a group.
    type State: Send + Sync + 'static;

    /// Type of the answer.
    fn returns(&self) -> ColumnType;
    /// Positions of the arguments that are evaluated over rows; the rest are literals read at binding.
    fn inputs(&self) -> Vec<usize>;
    /// The state of a group without rows.
    fn start(&self) -> Self::State;
    /// Adds rows. `inputs` are the blocks of [`Self::inputs`], of the types that binding saw; null rows are skipped here.
    ///
    /// # Errors
    /// Where a value has no meaning for the function.
    fn update(
        &self,
        states: &mut [Self::State],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError>;
    /// Adds a group's other part.
    ///
    /// # Errors
    /// Where the parts do not fit (sketches of different parameters).
    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), FunctionError>;
    /// Appends the state's bytes.
    fn save(&self, state: &Self::State, out: &mut Vec<u8>);
    /// Reads what [`Self::save`] wrote, exactly these bytes.
    ///
    /// # Errors
    /// Where the bytes are not a state.
    fn load(&self, bytes: &[u8]) -> Result<Self::State, FunctionError>;
    /// Adds rows that were counted already, where the state is a number of rows.
    fn count_rows(&self, _state: &mut Self::State, _rows: i64) {}
    /// The answer of a group; it alone decides the answer for "nothing aggregated".
    fn finish(&self, state: &Self::State) -> Value;
    /// The same for a group of GROUP BY, which has rows; where a FILTER skipped all of them, some functions answer
    /// something else than over no rows at all.
    fn finish_group(&self, state: &Self::State) -> Value {
        self.finish(state)
    }
    /// The result's column name in the single-stage engine, from the canonical name and the arguments' texts (literals
    /// in single quotes); by default all of them.
    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::all(name, arguments)
    }
    /// False where the function never looks at nulls: its inputs are then evaluated as without null handling.
    fn sees_nulls(&self) -> bool {
        true
    }
    /// False where the function only asks which values are null: its inputs need not be evaluated for more.
    fn reads_values(&self) -> bool {
        true
    }
    /// Bytes a state holds beyond its own size, for memory accounting.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

/// What an engine calls: a bound aggregate.
pub trait AggregateFunction: Send + Sync {
    /// Type of the answer.
    fn returns(&self) -> ColumnType;
    /// Positions of the arguments to evaluate.
    fn inputs(&self) -> Vec<usize>;
    /// The result's column name in the single-stage engine, see [`Aggregate::label`].
    fn label(&self, name: &str, arguments: &[String]) -> String;
    /// See [`Aggregate::sees_nulls`].
    fn sees_nulls(&self) -> bool;
    /// See [`Aggregate::reads_values`].
    fn reads_values(&self) -> bool;
    /// States for no group yet.
    fn grouped(&self) -> Box<dyn Grouped>;
    /// Why the first row will stop the query, where the argument has a type that the function cannot read.
    fn refusal(&self) -> Option<&FunctionError> {
        None
    }
}

/// The states of one aggregate, dense by group number.
pub trait Grouped: Send + Sync {
    /// Number of groups.
    fn len(&self) -> usize;
    /// True without groups.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Grows to that many groups, new ones empty.
    fn grow(&mut self, groups: usize);
    /// Adds rows; groups must exist.
    ///
    /// # Errors
    /// As [`Aggregate::update`].
    fn update(&mut self, groups: Groups<'_>, inputs: &[Block]) -> Result<(), FunctionError>;
    /// Adds another part: its group `i` goes to group `to[i]`, which must exist.
    ///
    /// # Errors
    /// As [`Aggregate::merge`], or where `other` is of another aggregate.
    fn merge(&mut self, other: Box<dyn Grouped>, to: &[u32]) -> Result<(), FunctionError>;
    /// Appends a group's bytes.
    fn save(&self, group: usize, out: &mut Vec<u8>);
    /// Merges saved bytes into a group.
    ///
    /// # Errors
    /// As [`Aggregate::load`].
    fn load(&mut self, group: usize, bytes: &[u8]) -> Result<(), FunctionError>;
    /// Adds rows that were counted already to a group of COUNT; other aggregates take no notice.
    fn count_rows(&mut self, group: usize, rows: i64);
    /// A group's answer.
    fn finish(&self, group: usize) -> Value;
    /// See [`Aggregate::finish_group`].
    fn finish_group(&self, group: usize) -> Value {
        self.finish(group)
    }
    /// The answers of all groups, of GROUP BY or not, as a block of the announced type.
    fn answers(&self, returns: ColumnType, grouped: bool) -> Block;
    /// Approximate bytes held.
    fn bytes(&self) -> usize;
    /// For merging parts of the same aggregate.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Joins the typed and the erased contract.
struct Bound<A: Aggregate>(std::sync::Arc<A>);

/// Makes the erased form of an aggregate, for `bind` functions.
pub fn erased<A: Aggregate>(aggregate: A) -> Box<dyn AggregateFunction> {
    Box::new(Bound(std::sync::Arc::new(aggregate)))
}

impl<A: Aggregate> AggregateFunction for Bound<A> {
    fn returns(&self) -> ColumnType {
        self.0.returns()
    }

    fn inputs(&self) -> Vec<usize> {
        self.0.inputs()
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        self.0.label(name, arguments)
    }

    fn sees_nulls(&self) -> bool {
        self.0.sees_nulls()
    }

    fn reads_values(&self) -> bool {
        self.0.reads_values()
    }

    fn grouped(&self) -> Box<dyn Grouped> {
        Box::new(States {
            aggregate: std::sync::Arc::clone(&self.0),
            states: Vec::new(),
        })
    }
}

struct States<A: Aggregate> {
    aggregate: std::sync::Arc<A>,
    states: Vec<A::State>,
}

impl<A: Aggregate> Grouped for States<A> {
    fn len(&self) -> usize {
        self.states.len()
    }

    fn grow(&mut self, groups: usize) {
        if groups > self.states.len() {
            self.states.resize_with(groups, || self.aggregate.start());
        }
    }

    fn update(&mut self, groups: Groups<'_>, inputs: &[Block]) -> Result<(), FunctionError> {
        self.aggregate.update(&mut self.states, groups, inputs)
    }

    fn merge(&mut self, other: Box<dyn Grouped>, to: &[u32]) -> Result<(), FunctionError> {
        let Ok(other) = other.into_any().downcast::<Self>() else {
            return Err(FunctionError::Evaluation(
                "parts of different aggregates cannot merge".to_owned(),
            ));
        };
        for (state, group) in other.states.into_iter().zip(to) {
            self.aggregate
                .merge(&mut self.states[*group as usize], state)?;
        }
        Ok(())
    }

    fn save(&self, group: usize, out: &mut Vec<u8>) {
        self.aggregate.save(&self.states[group], out);
    }

    fn load(&mut self, group: usize, bytes: &[u8]) -> Result<(), FunctionError> {
        let state = self.aggregate.load(bytes)?;
        self.aggregate.merge(&mut self.states[group], state)
    }

    fn count_rows(&mut self, group: usize, rows: i64) {
        self.aggregate.count_rows(&mut self.states[group], rows);
    }

    fn finish(&self, group: usize) -> Value {
        self.aggregate.finish(&self.states[group])
    }

    fn finish_group(&self, group: usize) -> Value {
        self.aggregate.finish_group(&self.states[group])
    }

    fn answers(&self, returns: ColumnType, grouped: bool) -> Block {
        let states = self.states.iter();
        if grouped {
            answers::block(returns, states.map(|s| self.aggregate.finish_group(s)))
        } else {
            answers::block(returns, states.map(|s| self.aggregate.finish(s)))
        }
    }

    fn bytes(&self) -> usize {
        let heap: usize = self
            .states
            .iter()
            .map(|state| self.aggregate.heap_bytes(state))
            .sum();
        self.states.len() * size_of::<A::State>() + heap
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn table() -> &'static HashMap<&'static str, &'static AggregateRow> {
    static TABLE: OnceLock<HashMap<&'static str, &'static AggregateRow>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let rows = FAMILIES.iter().flat_map(|family| family.iter());
        rows.flat_map(|row| row.names.iter().map(move |name| (*name, row)))
            .collect()
    })
}

/// The row of a name, with or without a number at its end; `None` where the name is no aggregate.
#[must_use]
pub fn find(name: &str) -> Option<&'static AggregateRow> {
    let canonical = canonical_name(name);
    if let Some(row) = table().get(canonical.as_str()) {
        return Some(row);
    }
    let stem = canonical.trim_end_matches(|c: char| c.is_ascii_digit());
    let suffixed = canonical
        .strip_suffix("mv")
        .map(|c| c.trim_end_matches(|d: char| d.is_ascii_digit()));
    let by = |stem: &str| table().get(stem).copied().filter(|row| row.numbered);
    if stem.len() < canonical.len() {
        return by(stem);
    }
    // percentile99mv
    suffixed.and_then(|stem| by(&format!("{stem}mv")))
}

/// Binds a call.
///
/// # Errors
/// Where the name is unknown or the arguments do not fit.
pub fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    let row =
        find(call.name).ok_or_else(|| FunctionError::UnknownName(canonical_name(call.name)))?;
    (row.bind)(call).or_else(|refusal| refusing::bind(row, call, refusal))
}
