//! Runs the examples of the date and array families, through a reader of the little SQL that examples are written in.

use common::{Block, DataType, Value};

use super::{Argument, EvalContext, Family, Role, bind};
use crate::FunctionError;

/// Reads `f(1, 'a', ARRAY[1, 2], g(2))` and evaluates it.
pub(crate) struct Reader<'a> {
    pub(crate) rest: &'a str,
}

fn wrong<T>(what: &str) -> Result<T, FunctionError> {
    Err(FunctionError::Argument(format!("cannot read `{what}`")))
}

impl Reader<'_> {
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

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || "_.+-".contains(c)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn list(&mut self, close: &str) -> Result<Vec<Value>, FunctionError> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value()?);
            self.take(",");
            if self.rest.is_empty() {
                return wrong("end of text");
            }
        }
        Ok(items)
    }

    pub(crate) fn value(&mut self) -> Result<Value, FunctionError> {
        if self.take("'") {
            let mut text = String::new();
            loop {
                let Some(end) = self.rest.find('\'') else {
                    return wrong(self.rest);
                };
                text.push_str(&self.rest[..end]);
                self.rest = &self.rest[end + 1..];
                if !self.rest.starts_with('\'') {
                    return Ok(Value::String(text));
                }
                text.push('\'');
                self.rest = &self.rest[1..];
            }
        }
        let word = self.word();
        if self.take("[") {
            let items = self.list("]")?;
            return call("array", &items);
        }
        if self.take("(") {
            if word.eq_ignore_ascii_case("extract") {
                let unit = self.word();
                self.take("FROM");
                let time = self.value()?;
                self.take(")");
                return call("extract", &[Value::String(unit), time]);
            }
            let upper = word.to_ascii_uppercase();
            let mut first = Vec::new();
            if matches!(upper.as_str(), "TIMESTAMPADD" | "TIMESTAMPDIFF")
                && !self.rest.starts_with('\'')
            {
                first.push(Value::String(self.word()));
                self.take(",");
            }
            first.extend(self.list(")")?);
            return call(&word.replace("time_stamp", "timestamp"), &first);
        }
        if let Ok(number) = word.parse::<i32>() {
            return Ok(Value::Int(number));
        }
        if let Ok(number) = word.parse::<i64>() {
            return Ok(Value::Long(number));
        }
        word.parse::<f64>()
            .map(Value::Double)
            .or_else(|_| wrong(&word))
    }
}

fn call(name: &str, values: &[Value]) -> Result<Value, FunctionError> {
    let arguments: Vec<Argument> = values
        .iter()
        .map(|v| Argument {
            column_type: v.column_type(),
            literal: Some(v.clone()),
        })
        .collect();
    let blocks: Vec<Block> = values
        .iter()
        .map(|v| Block::constant(v.column_type(), v, 2))
        .collect();
    let bound = bind(name, &arguments, Role::Scalar)?;
    let answer = bound.call(&blocks, 2, &EvalContext::at(1_764_547_200_000))?;
    // The same over columns, where constants stay constant but the first argument is a column.
    let mut columns = blocks.clone();
    if let Some(first) = columns.first_mut() {
        *first = first.clone().flattened();
        let over_columns = bound.call(&columns, 2, &EvalContext::at(1_764_547_200_000))?;
        assert_eq!(over_columns.value(1), answer.value(0), "{name}");
        assert_eq!(over_columns.column_type(), bound.returns(), "{name}");
        assert_eq!(over_columns.rows(), 2);
    }
    Ok(answer.value(0))
}

#[test]
fn examples_answer_as_written() -> Result<(), FunctionError> {
    let families: [&Family; 5] = [
        &super::array::FAMILY,
        &super::epoch::FAMILY,
        &super::datetime::FAMILY,
        &super::datetime_truncate::FAMILY,
        &super::datetime_format::FAMILY,
    ];
    for function in families.iter().flat_map(|family| family.functions) {
        let (example, answer) = function.example;
        assert!(!function.doc.is_empty(), "{:?}", function.names);
        if !example.is_empty() {
            let value = Reader { rest: example }.value()?;
            assert_eq!(value.to_text(), answer, "{example}");
        }
    }
    Ok(())
}

#[test]
fn types_that_the_peer_records() -> Result<(), FunctionError> {
    for (text, data_type) in [
        ("toTimestamp(0)", DataType::Timestamp),
        ("year(0)", DataType::Int),
        ("fromDateTime('1970', 'yyyy')", DataType::Long),
        (
            "dateTimeConvert(0, '1:MILLISECONDS:EPOCH', 'TIMESTAMP', '1:DAYS')",
            DataType::String,
        ),
        (
            "dateTimeConvert(0, 'TIMESTAMP', '1:WEEKS:EPOCH', '1:DAYS')",
            DataType::Long,
        ),
    ] {
        let value = Reader { rest: text }.value()?;
        assert_eq!(value.column_type().data_type, data_type, "{text}");
    }
    Ok(())
}

#[test]
fn refusals_carry_the_peers_words() {
    for (text, message) in [
        ("toEpochDaysBucket(0, 0)", "/ by zero"),
        ("ago('x')", "Text cannot be parsed to a Duration"),
        (
            "dateTrunc('DAY', 0, 'MILLISECONDS', 'Nowhere/City')",
            "Timezone Nowhere/City not supported",
        ),
        ("dateTrunc('x', 0)", "'x' is not a valid Timestamp field"),
        (
            "toDateTime(0, 'yyyy', 'Nowhere/City')",
            "The datetime zone id 'Nowhere/City' is not recognised",
        ),
        (
            "dateTimeConvert(-1, '1:MILLISECONDS:EPOCH', 'SIMPLE_DATE_FORMAT', '1:DAYS')",
            "Printing not supported",
        ),
        (
            "dateBin('PT5M', 0, 0)",
            "Invalid time spec 'PT5M' (Valid examples: '3h', '5d', '4h30m')",
        ),
        (
            "year(-9223372036854775808, 'America/Sao_Paulo')",
            "Adding time zone offset caused overflow",
        ),
    ] {
        let error = Reader { rest: text }.value().err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some(message), "{text}");
    }
}
