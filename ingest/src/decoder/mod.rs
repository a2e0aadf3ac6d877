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
mod registry;
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
    (
        &["KafkaConfluentSchemaRegistryAvroMessageDecoder"],
        registry::make_avro,
    ),
    (
        &["KafkaConfluentSchemaRegistryJsonMessageDecoder"],
        registry::make_json,
    ),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn descriptor() -> Result<tempfile::NamedTempFile, Box<dyn std::error::Error>> {
        use prost_reflect::prost::Message as _;
        use prost_reflect::prost_types::{
            DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
        };
        let field = |name: &str, number: i32, kind: i32, label: i32| FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            r#type: Some(kind),
            label: Some(label),
            type_name: (kind == 11).then(|| ".p.M".to_owned()),
            ..Default::default()
        };
        let message = DescriptorProto {
            name: Some("M".to_owned()),
            field: vec![
                field("a", 1, 5, 1),
                field("b", 2, 9, 1),
                field("c", 3, 11, 1),
                field("d", 4, 5, 3),
            ],
            ..Default::default()
        };
        let file = FileDescriptorProto {
            name: Some("m.proto".to_owned()),
            package: Some("p".to_owned()),
            message_type: vec![message],
            syntax: Some("proto3".to_owned()),
            ..Default::default()
        };
        let file_on_disk = tempfile::NamedTempFile::new()?;
        let set = FileDescriptorSet { file: vec![file] };
        std::fs::write(file_on_disk.path(), set.encode_to_vec())?;
        Ok(file_on_disk)
    }

    fn all() -> Result<Vec<Box<dyn Decoder>>, Box<dyn std::error::Error>> {
        let descriptor = descriptor()?;
        let schema = r#"{"type":"record","name":"r","fields":[{"name":"a","type":["null","string"]},
            {"name":"b","type":{"type":"array","items":"long"}},{"name":"c","type":{"type":"map","values":"bytes"}}]}"#;
        let properties: Properties = [
            ("header", "a,b,c"),
            ("schema", schema),
            ("descriptorFile", &descriptor.path().to_string_lossy()),
            ("protoClassName", "p.M"),
            ("schema.registry.rest.url", "http://127.0.0.1:1"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let made = DECODERS
            .iter()
            .map(|(names, _)| make(names[0], &properties));
        Ok(made.collect::<Result<_, _>>()?)
    }

    #[test]
    fn packages_do_not_matter() {
        let name = "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder";
        assert!(make(name, &Properties::new()).is_ok_and(|d| d.is_json()));
        assert!(matches!(
            make("a.Nothing", &Properties::new()),
            Err(ConfigError::UnknownDecoder(_))
        ));
    }

    #[test]
    fn protobuf_fields_have_their_names() -> Result<(), Box<dyn std::error::Error>> {
        let mut decoders = all()?;
        let at = DECODERS
            .iter()
            .position(|(names, _)| names[0] == "ProtoBufMessageDecoder");
        let decoder = &mut decoders[at.ok_or("no Protobuf decoder")?];
        let mut record = Record::new();
        decoder.decode(&[8, 3, 26, 2, 8, 9, 32, 1, 32, 2], &mut record)?;
        let text = crate::Field::Map(record.into_fields()).to_json();
        assert_eq!(
            text,
            r#"{"a":3,"b":"","c":{"a":9,"b":"","c":null,"d":[]},"d":[1,2]}"#
        );
        Ok(())
    }

    proptest! {
        #[test]
        fn no_decoder_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            for mut decoder in all().unwrap_or_default() {
                let mut record = Record::new();
                let _ = decoder.decode(&bytes, &mut record);
                let _ = crate::Field::Map(record.into_fields()).to_json();
            }
        }
    }
}
