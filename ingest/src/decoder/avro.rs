//! Avro: one datum a message, with the schema in the properties.
//!
//! Must not know: columns. Invariant: unions yield what they hold, records and maps become objects, enums text; decimals keep
//! their digits, other logical types their numbers.

use apache_avro::types::Value as Avro;
use apache_avro::{Schema, from_avro_datum};

use crate::decoder::{Decoder, Properties};
use crate::error::{ConfigError, DecodeError};
use crate::record::{Field, Record};

#[derive(Debug)]
struct AvroDecoder {
    schema: Schema,
}

pub(super) fn make(properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    bound_allocation();
    let text = properties.get("schema").ok_or_else(|| {
        ConfigError::Invalid("SimpleAvroMessageDecoder needs the property `schema`".to_owned())
    })?;
    let schema = Schema::parse_str(text).map_err(|e| {
        ConfigError::Invalid(format!("the property `schema` is no Avro schema: {e}"))
    })?;
    Ok(Box::new(AvroDecoder { schema }))
}

impl Decoder for AvroDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        *record = read_datum(&self.schema, payload)?;
        Ok(())
    }
}

/// Bounds what a broken length may ask for; a datum's text or bytes, or a file's block, is never longer.
pub(crate) fn bound_allocation() {
    apache_avro::util::max_allocation_bytes(64 << 20);
}

/// Reads one record without a header.
pub(crate) fn read_datum(schema: &Schema, payload: &[u8]) -> Result<Record, DecodeError> {
    let mut rest = payload;
    let value = from_avro_datum(schema, &mut rest, None).map_err(|e| {
        DecodeError::new(format!("no Avro record: {e}"), payload.len() - rest.len())
    })?;
    record_of(value).ok_or_else(|| DecodeError::new("expected an Avro record", 0))
}

/// A record of an Avro record value.
pub(crate) fn record_of(value: Avro) -> Option<Record> {
    match field_of(value) {
        Field::Map(fields) => Some(Record::from_entries(fields)),
        _ => None,
    }
}

fn field_of(value: Avro) -> Field {
    match value {
        Avro::Null => Field::Null,
        Avro::Boolean(v) => Field::Text(v.to_string()),
        Avro::Int(v) | Avro::Date(v) | Avro::TimeMillis(v) => Field::Int(v),
        Avro::Long(v)
        | Avro::TimeMicros(v)
        | Avro::TimestampMillis(v)
        | Avro::TimestampMicros(v)
        | Avro::TimestampNanos(v)
        | Avro::LocalTimestampMillis(v)
        | Avro::LocalTimestampMicros(v)
        | Avro::LocalTimestampNanos(v) => Field::Long(v),
        Avro::Float(v) => Field::Float(v),
        Avro::Double(v) => Field::Double(v),
        Avro::Bytes(v) | Avro::Fixed(_, v) => Field::Bytes(v),
        Avro::String(v) | Avro::Enum(_, v) => Field::Text(v),
        Avro::Union(_, inner) => field_of(*inner),
        Avro::Array(items) => Field::Array(items.into_iter().map(field_of).collect()),
        Avro::Map(entries) => {
            let mut fields: Vec<(String, Field)> = entries
                .into_iter()
                .map(|(name, value)| (name, field_of(value)))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Field::Map(fields)
        }
        Avro::Record(fields) => Field::Map(
            fields
                .into_iter()
                .map(|(name, value)| (name, field_of(value)))
                .collect(),
        ),
        Avro::BigDecimal(v) => Field::Text(v.to_string()),
        Avro::Uuid(v) => Field::Text(v.to_string()),
        Avro::Decimal(v) => Vec::<u8>::try_from(&v).map_or(Field::Null, Field::Bytes),
        Avro::Duration(v) => {
            let bytes: [u8; 12] = v.into();
            Field::Bytes(bytes.to_vec())
        }
    }
}
