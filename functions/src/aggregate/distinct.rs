//! Exact distinct aggregates: DISTINCTCOUNT, DISTINCTSUM, DISTINCTAVG and their variants.
//!
//! Must not know: how sets store values. Invariant: the multi-value forms do not look at nulls, as in Pinot.

use common::{Block, ColumnType, DataType, Value};

use super::bytes::Reader;
use super::distinct_set::DistinctSet;
use super::sum::sum_type;
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

const fn row(
    names: &'static [&'static str],
    doc: &'static str,
    bind: fn(&AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError>,
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
        &["distinctcount", "distinctcountmv"],
        "Number of distinct values, exact.",
        |call| bind(call, Answer::Count),
    ),
    row(
        &["distinctcountoffheap"],
        "Number of distinct values, exact.",
        |call| bind(call, Answer::Count),
    ),
    row(
        &["segmentpartitioneddistinctcount"],
        "Number of distinct values where no value is in two segments.",
        |call| bind(call, Answer::LongCount),
    ),
    row(
        &["distinctsum", "distinctsummv"],
        "Sum of the distinct numbers.",
        |call| bind(call, Answer::Sum),
    ),
    row(
        &["distinctavg", "distinctavgmv"],
        "Mean of the distinct numbers.",
        |call| bind(call, Answer::Average),
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Count,
    LongCount,
    Sum,
    Average,
}

struct Distinct {
    answer: Answer,
    returns: DataType,
    multi: bool,
    named_multi: bool,
    null_handling: bool,
}

fn bind(
    call: &AggregateCall<'_>,
    answer: Answer,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=2)?;
    let found = arguments::data_type(call, 0);
    if found == DataType::BigDecimal && answer != Answer::LongCount {
        return Err(FunctionError::Evaluation(format!(
            "Illegal data type for DISTINCT_AGGREGATE aggregation function: {found}"
        )));
    }
    let numbers = matches!(answer, Answer::Sum | Answer::Average);
    if numbers {
        arguments::expect_number(call, 0)?;
    }
    let multi_stage = arguments::multi_stage(call);
    // The single-stage engine has the function with MV in its name for arrays.
    let named_multi =
        arguments::named_multi(call) || (!multi_stage && arguments::is_multi(call, 0));
    Ok(erased(Distinct {
        answer,
        returns: match answer {
            Answer::Count if !multi_stage => DataType::Int,
            Answer::Count | Answer::LongCount => DataType::Long,
            Answer::Sum if multi_stage && !named_multi => sum_type(found),
            Answer::Sum | Answer::Average => DataType::Double,
        },
        multi: arguments::is_multi(call, 0),
        named_multi,
        null_handling: (call.null_handling || multi_stage) && !named_multi,
    }))
}

impl Aggregate for Distinct {
    type State = DistinctSet;

    fn returns(&self) -> ColumnType {
        self.returns.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        !self.named_multi && self.answer != Answer::LongCount
    }

    fn start(&self) -> DistinctSet {
        DistinctSet::Empty
    }

    fn update(
        &self,
        states: &mut [DistinctSet],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        if self.sees_nulls() {
            DistinctSet::add_all(states, groups, &inputs[0], |set| set);
        } else {
            DistinctSet::add_all(states, groups, &rows::filled(&inputs[0]), |set| set);
        }
        Ok(())
    }

    fn merge(&self, into: &mut DistinctSet, from: DistinctSet) -> Result<(), FunctionError> {
        into.merge(from)
    }

    fn save(&self, state: &DistinctSet, out: &mut Vec<u8>) {
        state.save(out);
    }

    fn load(&self, bytes: &[u8]) -> Result<DistinctSet, FunctionError> {
        let mut reader = Reader::new(bytes);
        let set = DistinctSet::read(&mut reader)?;
        reader.end(set)
    }

    fn finish(&self, state: &DistinctSet) -> Value {
        // From 0: nothing adds up to -0.0 otherwise.
        let sum = || state.numbers().iter().fold(0.0, |sum, x| sum + x);
        match self.answer {
            Answer::Count | Answer::LongCount => match self.returns {
                DataType::Int => Value::Int(state.len() as i32),
                _ => Value::Long(state.len() as i64),
            },
            Answer::Sum | Answer::Average if state.len() == 0 && self.null_handling => Value::Null,
            Answer::Sum => arguments::number_as(sum(), self.returns),
            Answer::Average => Value::Double(sum() / state.len() as f64),
        }
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        let multi =
            self.multi && name != "distinctcountoffheap" && self.answer != Answer::LongCount;
        label::first_multi(name, arguments, multi)
    }

    fn heap_bytes(&self, state: &DistinctSet) -> usize {
        state.heap_bytes()
    }
}
