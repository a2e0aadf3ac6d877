//! SUMARRAYLONG and SUMARRAYDOUBLE: element-wise sums of multi-values.
//!
//! Must not know: element types beyond LONG and DOUBLE. Invariant: the answer is as long as the longest array.

use common::{Block, ColumnType, DataType, Value, Values};

use super::bytes::{Reader, put_f64, put_i64, put_len};
use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[
    AggregateRow {
        names: &["sumarraylong"],
        numbered: false,
        doc: "Element-wise sum of arrays as LONG.",
        bind: |call| bind(call, DataType::Long),
    },
    AggregateRow {
        names: &["sumarraydouble"],
        numbered: false,
        doc: "Element-wise sum of arrays as DOUBLE.",
        bind: |call| bind(call, DataType::Double),
    },
];

struct SumArray {
    element: DataType,
    null_of_nothing: bool,
}

/// Sums by position; only the vector of the answer's type is used.
#[derive(Default)]
struct Sums {
    longs: Vec<i64>,
    doubles: Vec<f64>,
}

fn bind(
    call: &AggregateCall<'_>,
    element: DataType,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    arguments::expect_number(call, 0)?;
    Ok(erased(SumArray {
        element,
        null_of_nothing: arguments::multi_stage(call),
    }))
}

fn add_at<T: Copy + Default>(sums: &mut Vec<T>, position: usize, add: impl Fn(T) -> T) {
    if sums.len() <= position {
        sums.resize(position + 1, T::default());
    }
    sums[position] = add(sums[position]);
}

impl Aggregate for SumArray {
    type State = Sums;

    fn returns(&self) -> ColumnType {
        ColumnType::mv(self.element)
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn sees_nulls(&self) -> bool {
        false
    }

    fn start(&self) -> Sums {
        Sums::default()
    }

    fn update(
        &self,
        states: &mut [Sums],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let block = rows::filled(&inputs[0]).cast(ColumnType::mv(self.element))?;
        let Values::Array(array) = block.values() else {
            return Ok(());
        };
        groups.for_each(|row, group| {
            for (position, item) in array.range(block.at(row)).enumerate() {
                match &*array.items {
                    Values::Long(v) => add_at(&mut states[group].longs, position, |sum: i64| {
                        sum.wrapping_add(v[item])
                    }),
                    Values::Double(v) => {
                        add_at(&mut states[group].doubles, position, |sum: f64| {
                            sum + v[item]
                        })
                    }
                    _ => {}
                }
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Sums, from: Sums) -> Result<(), FunctionError> {
        for (position, x) in from.longs.iter().enumerate() {
            add_at(&mut into.longs, position, |sum: i64| sum.wrapping_add(*x));
        }
        for (position, x) in from.doubles.iter().enumerate() {
            add_at(&mut into.doubles, position, |sum: f64| sum + x);
        }
        Ok(())
    }

    fn save(&self, state: &Sums, out: &mut Vec<u8>) {
        put_len(out, state.longs.len());
        state.longs.iter().for_each(|x| put_i64(out, *x));
        put_len(out, state.doubles.len());
        state.doubles.iter().for_each(|x| put_f64(out, *x));
    }

    fn load(&self, bytes: &[u8]) -> Result<Sums, FunctionError> {
        let mut reader = Reader::new(bytes);
        let len = reader.len(8)?;
        let longs = (0..len).map(|_| reader.i64()).collect::<Result<_, _>>()?;
        let len = reader.len(8)?;
        let doubles = (0..len).map(|_| reader.f64()).collect::<Result<_, _>>()?;
        reader.end(Sums { longs, doubles })
    }

    fn finish(&self, state: &Sums) -> Value {
        let items: Vec<Value> = match self.element {
            DataType::Long => state.longs.iter().map(|x| Value::Long(*x)).collect(),
            _ => state.doubles.iter().map(|x| Value::Double(*x)).collect(),
        };
        if items.is_empty() && self.null_of_nothing {
            return Value::Null;
        }
        Value::Array(self.element, items)
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }
}
