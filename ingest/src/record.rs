//! A decoded record: field names with JSON-like values, for everything that the columnar fast path does not cover.
//!
//! Must not know: schemas, decoders. Invariant: field names are unique, in the order in which they first appeared.

use bigdecimal::BigDecimal;
use common::Value;
use common::java_text::{decimal_text, timestamp_text, write_double, write_float};
use common::json_text;
use num_bigint::BigInt;

/// A value of a record, typed as the input typed it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Field {
    /// Absent or null.
    #[default]
    Null,
    /// A boolean made by a transform; decoders give the text `true` or `false`, as Pinot's do.
    Bool(bool),
    /// An integer of 32 bits. Apart from `Long` because a TIMESTAMP column takes only the latter.
    Int(i32),
    /// An integer of 64 bits.
    Long(i64),
    /// An integer beyond 64 bits.
    BigInt(BigInt),
    /// A 32-bit number.
    Float(f32),
    /// A 64-bit number.
    Double(f64),
    /// An exact decimal.
    Decimal(BigDecimal),
    /// Milliseconds since the epoch, made by a transform or by a typed file format.
    Timestamp(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Field>),
    /// An object, in order.
    Map(Vec<(String, Field)>),
}

impl Field {
    /// An integer in its narrowest form.
    #[must_use]
    pub fn integer(value: i64) -> Self {
        i32::try_from(value).map_or(Self::Long(value), Self::Int)
    }

    /// True for `Null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// True for arrays and objects.
    #[must_use]
    pub fn is_collection(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Map(_))
    }

    /// What the value is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "BOOLEAN",
            Self::Int(_) => "INTEGER",
            Self::Long(_) => "LONG",
            Self::BigInt(_) => "OBJECT",
            Self::Float(_) => "FLOAT",
            Self::Double(_) => "DOUBLE",
            Self::Decimal(_) => "BIG_DECIMAL",
            Self::Timestamp(_) => "TIMESTAMP",
            Self::Text(_) => "STRING",
            Self::Bytes(_) => "BYTES",
            Self::Array(_) => "ARRAY",
            Self::Map(_) => "MAP",
        }
    }

    /// The value as Java's `toString` gives it; bytes in hex, collections as JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Timestamp(millis) => timestamp_text(*millis),
            Self::Bytes(bytes) => hex::encode(bytes),
            Self::Decimal(value) => decimal_text(value),
            Self::Double(value) => common::java_text::double_text(*value),
            Self::Float(value) => common::java_text::float_text(*value),
            other => {
                let mut out = String::new();
                other.write_json(&mut out);
                out
            }
        }
    }

    /// The value as JSON text without blanks.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends the value as JSON text without blanks; bytes in Base64, non-finite numbers as text.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => out.push_str(itoa::Buffer::new().format(*value)),
            Self::Long(value) | Self::Timestamp(value) => {
                out.push_str(itoa::Buffer::new().format(*value));
            }
            Self::BigInt(value) => out.push_str(&value.to_string()),
            Self::Float(value) if value.is_finite() => write_float(out, *value),
            Self::Double(value) if value.is_finite() => write_double(out, *value),
            Self::Float(_) | Self::Double(_) => json_text::write(out, &self.to_text()),
            Self::Decimal(value) => out.push_str(&decimal_text(value)),
            Self::Text(text) => json_text::write(out, text),
            Self::Bytes(bytes) => {
                use base64::Engine as _;
                out.push('"');
                base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
                out.push('"');
            }
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (index, (name, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    json_text::write(out, name);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

impl From<Value> for Field {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(v) => Self::Int(v),
            Value::Long(v) => Self::Long(v),
            Value::Float(v) => Self::Float(v),
            Value::Double(v) => Self::Double(v),
            Value::BigDecimal(v) => Self::Decimal(v),
            Value::Boolean(v) => Self::Bool(v),
            Value::Timestamp(v) => Self::Timestamp(v),
            Value::String(v) | Value::Json(v) | Value::Map(v) => Self::Text(v),
            Value::Bytes(v) => Self::Bytes(v),
            Value::Array(_, items) => Self::Array(items.into_iter().map(Self::from).collect()),
        }
    }
}

/// The fields of one message or file row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    fields: Vec<(String, Field)>,
}

impl Record {
    /// An empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A record from an object's entries, which have unique names.
    #[must_use]
    pub fn from_entries(fields: Vec<(String, Field)>) -> Self {
        Self { fields }
    }

    /// The fields in order.
    #[must_use]
    pub fn fields(&self) -> &[(String, Field)] {
        &self.fields
    }

    /// Takes the fields out.
    #[must_use]
    pub fn into_fields(self) -> Vec<(String, Field)> {
        self.fields
    }

    /// The field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, field)| field)
    }

    /// The field of that name, looked for first at the position where it was last time; the hint moves with it.
    #[must_use]
    pub fn get_near(&self, name: &str, hint: &mut usize) -> Option<&Field> {
        if let Some((found, field)) = self.fields.get(*hint)
            && found == name
        {
            return Some(field);
        }
        let at = self.fields.iter().position(|(n, _)| n == name)?;
        *hint = at;
        Some(&self.fields[at].1)
    }

    /// Sets a field, in place where the name exists.
    pub fn set(&mut self, name: &str, value: Field) {
        match self.fields.iter_mut().find(|(n, _)| n == name) {
            Some((_, field)) => *field = value,
            None => self.fields.push((name.to_owned(), value)),
        }
    }

    /// Appends a field whose name is known to be new.
    pub fn push(&mut self, name: String, value: Field) {
        self.fields.push((name, value));
    }

    /// Takes a field out of the record.
    pub fn remove(&mut self, name: &str) -> Option<Field> {
        let at = self.fields.iter().position(|(n, _)| n == name)?;
        Some(self.fields.remove(at).1)
    }

    /// Drops every field.
    pub fn clear(&mut self) {
        self.fields.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_json() {
        let field = Field::Map(vec![
            ("a\"".into(), Field::Array(vec![Field::Int(1), Field::Null])),
            ("b".into(), Field::Double(1.0)),
            ("c".into(), Field::Text("x\n\u{1}".into())),
            ("d".into(), Field::Bytes(vec![1, 2, 3])),
        ]);
        assert_eq!(
            field.to_json(),
            r#"{"a\"":[1,null],"b":1.0,"c":"x\n\u0001","d":"AQID"}"#
        );
        assert_eq!(Field::Double(1e21).to_text(), "1.0E21");
    }

    #[test]
    fn hints_follow_the_order_of_fields() {
        let mut record = Record::new();
        record.set("a", Field::Int(1));
        record.set("b", Field::Int(2));
        record.set("a", Field::Int(3));
        let mut hint = 0;
        assert_eq!(record.get_near("b", &mut hint), Some(&Field::Int(2)));
        assert_eq!(hint, 1);
        assert_eq!(record.get("a"), Some(&Field::Int(3)));
    }
}
