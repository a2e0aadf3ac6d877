//! Answers of many groups as one block.
//!
//! Must not know: what was aggregated. Invariant: the block has the announced type; what cannot be converted to it is null.

use common::{Block, ColumnType, DataType, Value, Values};

/// One answer a group.
#[inline]
pub(super) fn block(returns: ColumnType, answers: impl ExactSizeIterator<Item = Value>) -> Block {
    match (returns.multi, returns.data_type) {
        (false, DataType::Long) => alike(returns, answers, Values::Long, |answer| match answer {
            Value::Long(number) => Ok(number),
            other => Err(other),
        }),
        (false, DataType::Double) => {
            alike(returns, answers, Values::Double, |answer| match answer {
                Value::Double(number) => Ok(number),
                other => Err(other),
            })
        }
        _ => {
            let values = if returns.multi {
                Values::empty_of(returns)
            } else {
                Values::with_capacity(returns.data_type, answers.len())
            };
            mixed(returns, values, answers)
        }
    }
}

/// Answers that are plain numbers, as nearly all are where groups are many: no value is looked at twice.
#[inline]
fn alike<T>(
    returns: ColumnType,
    mut answers: impl ExactSizeIterator<Item = Value>,
    values: fn(Vec<T>) -> Values,
    plain: impl Fn(Value) -> Result<T, Value>,
) -> Block {
    let mut numbers = Vec::with_capacity(answers.len());
    while let Some(answer) = answers.next() {
        match plain(answer) {
            Ok(number) => numbers.push(number),
            Err(other) => {
                let others = std::iter::once(other).chain(answers);
                return mixed(returns, values(numbers), others);
            }
        }
    }
    Block::new(returns, values(numbers))
}

/// Answers of any kind, behind those that are there.
fn mixed(returns: ColumnType, mut values: Values, answers: impl Iterator<Item = Value>) -> Block {
    let mut nulls = vec![false; values.len()];
    for answer in answers {
        let fits = answer.is_null() || answer.column_type().stored() == returns.stored();
        let answer = if fits {
            answer
        } else {
            answer.cast(returns.data_type).unwrap_or(Value::Null)
        };
        nulls.push(answer.is_null());
        values.push(&answer);
    }
    Block::new(returns, values).with_nulls(Some(nulls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_kind_among_numbers_keeps_its_place() {
        let long = ColumnType::sv(DataType::Long);
        let answers = vec![Value::Long(7), Value::Null, Value::Int(3), Value::Long(-1)];
        let block = block(long, answers.into_iter());
        let values: Vec<Value> = (0..block.rows()).map(|row| block.value(row)).collect();
        assert_eq!(
            values,
            [Value::Long(7), Value::Null, Value::Long(3), Value::Long(-1)]
        );
    }
}
