//! CLP: log messages kept as a type of message, its dictionary variables and its encoded ones.
//!
//! Must not know: columns. Invariant: what the encoder took apart comes back as it was; a message whose parts do not fit
//! together is the default.

use common::{Block, ColumnType, DataType, Value};

use super::lift::by_value;
use super::math::Answer;
use super::{Family, NullRule, Params, ROW, Returns, Role, ScalarFunction, param};

/// The only scalar function; matching is a rewrite of queries that has to be opted in.
pub(crate) static FAMILY: Family = Family {
    title: "Log messages",
    functions: &[
        ScalarFunction {
            names: &["clpdecode"],
            role: Role::Both,
            params: Params::Fixed(&[param::TEXT, param::TEXTS, param::LONGS]),
            returns: Returns::Is(ColumnType::sv(DataType::String)),
            nulls: NullRule::NullInNullOut,
            doc: "The message of CLP-encoded columns; `null` where they do not fit together.",
            eval: |a, _| decoded(a),
            ..ROW
        },
        ScalarFunction {
            names: &["clpdecode"],
            role: Role::Both,
            params: Params::Fixed(&[param::TEXT, param::TEXTS, param::LONGS, param::TEXT]),
            returns: Returns::Is(ColumnType::sv(DataType::String)),
            nulls: NullRule::NullInNullOut,
            doc: "The same with another text for messages that do not fit together.",
            eval: |a, _| decoded(a),
            ..ROW
        },
    ],
};

const INTEGER: char = '\u{11}';
const DICTIONARY: char = '\u{12}';
const FLOAT: char = '\u{13}';
const ESCAPE: char = '\\';

fn decoded(args: &[Block]) -> Answer {
    by_value(args, DataType::String, args[0].rows(), |row| {
        let otherwise = row.get(3).map_or_else(|| "null".to_owned(), Value::to_text);
        let found = match (&row[0], &row[1], &row[2]) {
            (Value::String(kind), Value::Array(_, words), Value::Array(_, numbers)) => {
                message(kind, words, numbers)
            }
            _ => None,
        };
        Ok(Value::String(found.unwrap_or(otherwise)))
    })
}

/// The message; `None` where a variable is missing or damaged.
fn message(kind: &str, words: &[Value], numbers: &[Value]) -> Option<String> {
    let (mut words, mut numbers) = (words.iter(), numbers.iter());
    let mut out = String::with_capacity(kind.len());
    let mut letters = kind.chars();
    while let Some(letter) = letters.next() {
        match letter {
            INTEGER => out.push_str(&numbers.next()?.as_i64()?.to_string()),
            FLOAT => out.push_str(&float(numbers.next()?.as_i64()?)?),
            DICTIONARY => out.push_str(words.next()?.as_str()?),
            ESCAPE => out.push(letters.next()?),
            plain => out.push(plain),
        }
    }
    Some(out)
}

/// From the lowest bit: place of the point from the right less one (4), number of digits less one (4), digits (54), a bit
/// without meaning, the sign.
fn float(encoded: i64) -> Option<String> {
    let bits = encoded.cast_unsigned();
    let point = (bits & 15) as usize + 1;
    let count = (bits >> 4 & 15) as usize + 1;
    let digits = bits >> 8 & ((1 << 54) - 1);
    let text = format!("{digits:0count$}");
    if text.len() != count || point > count {
        return None;
    }
    let sign = if bits >> 63 == 1 { "-" } else { "" };
    let (whole, fraction) = text.split_at(count - point);
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(negative: bool, digits: u64, count: u64, point: u64) -> i64 {
        let sign = u64::from(negative) << 63;
        (sign | digits << 8 | (count - 1) << 4 | (point - 1)).cast_signed()
    }

    #[test]
    fn a_message_comes_back() {
        let words = [
            Value::String("job_123".into()),
            Value::String("node-987".into()),
        ];
        let numbers = [
            Value::Long(4),
            Value::Long(8),
            Value::Long(encoded(false, 514, 3, 1)),
        ];
        let kind =
            "Started \u{12} on \u{12}: \u{11} cores, \u{11} threads and \u{13}% memory used \\\\.";
        let found = message(kind, &words, &numbers).unwrap();
        assert_eq!(
            found,
            "Started job_123 on node-987: 4 cores, 8 threads and 51.4% memory used \\."
        );
        assert_eq!(message("\u{12}", &[], &numbers), None);
    }

    #[test]
    fn fractions_keep_their_digits() {
        assert_eq!(float(encoded(true, 5, 3, 2)).unwrap(), "-0.05");
        assert_eq!(float(encoded(false, 335, 4, 3)).unwrap(), "0.335");
        assert_eq!(float(encoded(false, 12, 2, 2)).unwrap(), ".12");
        assert_eq!(float(encoded(false, 1, 1, 4)), None);
        assert_eq!(float(encoded(false, 123, 2, 1)), None);
    }
}
