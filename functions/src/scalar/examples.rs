//! Runs the examples of every row: a call of functions over literals, evaluated as literals fold.
//!
//! Must not know: SQL beyond calls, literals and ARRAY[..]; an example in other syntax is left to the SQL tests.
//! Invariant: an example that parses must answer what its row promises.

use common::{Block, DataType, Value};

use super::{Argument, EvalContext, FAMILIES, Role, bind};
use crate::FunctionError;

/// Reads and evaluates an expression; `None` where the syntax is not that of calls and literals.
pub(crate) fn evaluate(text: &str) -> Option<Result<Value, FunctionError>> {
    let mut reader = Reader { rest: text.trim() };
    let value = reader.expression()?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn list(&mut self, close: &str) -> Option<Result<Vec<Value>, FunctionError>> {
        let mut values = Ok(Vec::new());
        if self.take(close) {
            return Some(values);
        }
        loop {
            match (self.expression()?, &mut values) {
                (Ok(value), Ok(values)) => values.push(value),
                (Err(error), Ok(_)) => values = Err(error),
                _ => {}
            }
            if self.take(close) {
                return Some(values);
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn expression(&mut self) -> Option<Result<Value, FunctionError>> {
        if self.take("'") {
            let end = self.rest.find('\'')?;
            let text = self.rest[..end].to_owned();
            self.rest = &self.rest[end + 1..];
            return Some(Ok(Value::String(text)));
        }
        if self.take("ARRAY[") {
            return Some(self.list("]")?.map(|items| {
                let element = items
                    .first()
                    .map_or(DataType::Int, |v| v.column_type().data_type);
                Value::Array(element, items)
            }));
        }
        let quoted = self.take("\"");
        let word = self.word(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if quoted && !self.take("\"") {
            return None;
        }
        if self.take("(") {
            return Some(self.list(")")?.and_then(|values| call(word, &values)));
        }
        literal(word).map(Ok)
    }
}

fn literal(word: &str) -> Option<Value> {
    Some(match word {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        "NULL" => Value::Null,
        _ => {
            if let Ok(int) = word.parse() {
                Value::Int(int)
            } else if let Ok(long) = word.parse() {
                Value::Long(long)
            } else {
                Value::Double(word.parse().ok()?)
            }
        }
    })
}

fn call(name: &str, values: &[Value]) -> Result<Value, FunctionError> {
    let arguments: Vec<Argument> = values
        .iter()
        .map(|value| Argument {
            column_type: value.column_type(),
            literal: Some(value.clone()),
        })
        .collect();
    let blocks: Vec<Block> = values
        .iter()
        .map(|value| Block::constant(value.column_type(), value, 1))
        .collect();
    let context = EvalContext::at(0);
    Ok(bind(name, &arguments, Role::Scalar)?
        .call(&blocks, 1, &context)?
        .value(0))
}

#[test]
fn examples_answer_what_they_promise() {
    let mut wrong = Vec::new();
    for row in FAMILIES.iter().flat_map(|family| family.functions) {
        let (example, promised) = row.example;
        match evaluate(example) {
            Some(Ok(value)) if value.to_text() == promised => {}
            Some(answer) if !example.is_empty() && row.deterministic => {
                wrong.push(format!("{example}: {answer:?}, not {promised}"));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
