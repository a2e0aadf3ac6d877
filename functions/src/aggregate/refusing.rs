//! An aggregate over values that it cannot read: nothing is wrong until a row comes.
//!
//! Must not know: any aggregate. Invariant: over no rows the answer is that over numbers; the first row stops the query
//! with the refusal that binding gave.

use std::any::Any;

use common::{Block, ColumnType, DataType, Value};

use super::{AggregateCall, AggregateFunction, AggregateRow, Dialect, Grouped, Groups};
use crate::FunctionError;

/// The function of a call that was refused for the type of a column; the refusal itself for any other reason.
pub(super) fn bind(
    row: &AggregateRow,
    call: &AggregateCall<'_>,
    refusal: FunctionError,
) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    if matches!(
        refusal,
        FunctionError::UnknownName(_) | FunctionError::NoOverload { .. }
    ) {
        return Err(refusal);
    }
    let number = match call.dialect {
        Dialect::SingleStage => DataType::Double,
        Dialect::MultiStage => DataType::BigDecimal,
    };
    let mut changed = false;
    let mut arguments = call.arguments.to_vec();
    for argument in &mut arguments {
        let stands_for = match argument.column_type.data_type {
            DataType::BigDecimal => DataType::Double,
            _ if argument.literal.is_some() => continue,
            DataType::String | DataType::Json | DataType::Bytes => number,
            _ => continue,
        };
        argument.column_type.data_type = stands_for;
        changed = true;
    }
    if !changed {
        return Err(refusal);
    }
    let numeric = AggregateCall {
        arguments: &arguments,
        ..call.clone()
    };
    match (row.bind)(&numeric) {
        Ok(inner) => Ok(Box::new(Refusing { inner, refusal })),
        Err(_) => Err(refusal),
    }
}

struct Refusing {
    inner: Box<dyn AggregateFunction>,
    refusal: FunctionError,
}

impl AggregateFunction for Refusing {
    fn returns(&self) -> ColumnType {
        self.inner.returns()
    }

    fn inputs(&self) -> Vec<usize> {
        self.inner.inputs()
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        self.inner.label(name, arguments)
    }

    fn sees_nulls(&self) -> bool {
        self.inner.sees_nulls()
    }

    fn reads_values(&self) -> bool {
        self.inner.reads_values()
    }

    fn grouped(&self) -> Box<dyn Grouped> {
        Box::new(Unread {
            states: self.inner.grouped(),
            refusal: self.refusal.clone(),
        })
    }

    fn refusal(&self) -> Option<&FunctionError> {
        Some(&self.refusal)
    }
}

/// States that take no row.
struct Unread {
    states: Box<dyn Grouped>,
    refusal: FunctionError,
}

impl Grouped for Unread {
    fn len(&self) -> usize {
        self.states.len()
    }

    fn grow(&mut self, groups: usize) {
        self.states.grow(groups);
    }

    fn update(&mut self, groups: Groups<'_>, _inputs: &[Block]) -> Result<(), FunctionError> {
        if groups.rows() == 0 {
            return Ok(());
        }
        Err(self.refusal.clone())
    }

    fn merge(&mut self, other: Box<dyn Grouped>, to: &[u32]) -> Result<(), FunctionError> {
        match other.into_any().downcast::<Self>() {
            Ok(other) => self.states.merge(other.states, to),
            Err(_) => Err(self.refusal.clone()),
        }
    }

    fn save(&self, group: usize, out: &mut Vec<u8>) {
        self.states.save(group, out);
    }

    fn load(&mut self, group: usize, bytes: &[u8]) -> Result<(), FunctionError> {
        self.states.load(group, bytes)
    }

    fn count_rows(&mut self, group: usize, rows: i64) {
        self.states.count_rows(group, rows);
    }

    fn finish(&self, group: usize) -> Value {
        self.states.finish(group)
    }

    fn finish_group(&self, group: usize) -> Value {
        self.states.finish_group(group)
    }

    fn answers(&self, returns: ColumnType, grouped: bool) -> Block {
        self.states.answers(returns, grouped)
    }

    fn bytes(&self) -> usize {
        self.states.bytes()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Argument;

    #[test]
    fn texts_are_refused_by_the_first_row() {
        let arguments = [Argument {
            column_type: ColumnType::sv(DataType::String),
            literal: None,
        }];
        let call = AggregateCall {
            name: "sum",
            arguments: &arguments,
            null_handling: false,
            dialect: Dialect::SingleStage,
        };
        let function = super::super::bind(&call).unwrap();
        let mut states = function.grouped();
        states.grow(1);
        assert_eq!(states.finish(0), Value::Double(0.0));
        let texts = Block::constant(DataType::String, &Value::String("a".to_owned()), 2);
        states
            .update(Groups::One(0), std::slice::from_ref(&texts))
            .unwrap();
        let refused = states.update(Groups::One(2), &[texts]).unwrap_err();
        assert!(matches!(refused, FunctionError::Argument(_)), "{refused}");
    }
}
