//! Decoders: from a message's payload to a record.
//!
//! A decoder is one file and one row of [`DECODERS`]. Must not know: columns, streams.
//! Invariant: a decoder never panics, whatever the bytes, and keeps nothing of a message that it refused.

pub(crate) mod avro;
mod csv;
pub(crate) mod csv_text;
pub mod json;
pub(crate) mod json_columns;
pub(crate) mod json_text;
mod protobuf;
mod text;

use common::table_config::StreamConfig;

use crate::error::{ConfigError, DecodeError};
use crate::record::Record;

/// Reads payloads.
pub trait Decoder: Send + std::fmt::Debug {
    /// Reads a payload into an empty record.
    ///
    /// # Errors
    /// Where the payload is broken.
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError>;

    /// True where the payload is one JSON object, so that it may be parsed straight into columns.
    fn is_json(&self) -> bool {
        false
    }
}

/// Properties of a decoder or file reader: `stream.kafka.decoder.prop.x` or `recordReader.prop.x` under the key `x`.
pub type Properties = StreamConfig;

/// Makes a decoder.
pub type MakeDecoder = fn(&Properties) -> Result<Box<dyn Decoder>, ConfigError>;

/// Every decoder by the simple name of Pinot's class.
pub static DECODERS: &[(&[&str], MakeDecoder)] = &[
    (
        &["JSONMessageDecoder", "KafkaJSONMessageDecoder", "json"],
        json::make,
    ),
    (&["CSVMessageDecoder", "csv"], csv::make),
    (&["SimpleAvroMessageDecoder"], avro::make),
    (&["ProtoBufMessageDecoder"], protobuf::make),
    (&["RawLogMessageDecoder", "text"], text::make),
];

/// The decoder for a class name; packages before the last dot do not matter.
///
/// # Errors
/// Where the name is unknown or a property is missing or wrong.
pub fn make(class_name: &str, properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    let simple = class_name.rsplit('.').next().unwrap_or(class_name);
    let (_, make) = DECODERS
        .iter()
        .find(|(names, _)| names.contains(&simple))
        .ok_or_else(|| ConfigError::UnknownDecoder(class_name.to_owned()))?;
    make(properties)
}
