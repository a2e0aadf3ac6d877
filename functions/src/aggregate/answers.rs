//! Answers of many groups as one block.
//!
//! Must not know: what was aggregated. Invariant: the block has the announced type; what cannot be converted to it is null.

use common::{Block, ColumnType, Value, Values};

/// One answer a group.
#[inline]
pub(super) fn block(returns: ColumnType, answers: impl ExactSizeIterator<Item = Value>) -> Block {
    let groups = answers.len();
    let mut values = if returns.multi {
        Values::empty_of(returns)
    } else {
        Values::with_capacity(returns.data_type, groups)
    };
    let mut nulls = Vec::with_capacity(groups);
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
