//! Protobuf messages by a descriptor file.
//!
//! Must not know: columns. Invariant: fields without presence carry their default, unset messages and optional fields are null,
//! enums are their names.

use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::decoder::{Decoder, Properties};
use crate::error::{ConfigError, DecodeError};
use crate::record::{Field, Record};

#[derive(Debug)]
struct ProtobufDecoder {
    message: MessageDescriptor,
}

pub(super) fn make(properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    let invalid = |text: String| ConfigError::Invalid(text);
    let path = properties.get("descriptorFile").ok_or_else(|| {
        invalid("ProtoBufMessageDecoder needs the property `descriptorFile`".to_owned())
    })?;
    let path = path
        .strip_prefix("file://")
        .or_else(|| path.strip_prefix("file:"))
        .unwrap_or(path);
    let bytes = std::fs::read(path)
        .map_err(|e| invalid(format!("cannot read the descriptor file `{path}`: {e}")))?;
    let pool = DescriptorPool::decode(bytes.as_slice())
        .map_err(|e| invalid(format!("`{path}` is no Protobuf descriptor set: {e}")))?;
    let message = match properties
        .get("protoClassName")
        .filter(|name| !name.is_empty())
    {
        Some(name) => find(&pool, name).ok_or_else(|| {
            invalid(format!(
                "no message `{name}` in the descriptor file `{path}`"
            ))
        })?,
        None => pool
            .all_messages()
            .next()
            .ok_or_else(|| invalid(format!("no message in the descriptor file `{path}`")))?,
    };
    Ok(Box::new(ProtobufDecoder { message }))
}

/// The message of a full name, or the only one of a simple name.
fn find(pool: &DescriptorPool, name: &str) -> Option<MessageDescriptor> {
    let name = name.replace('$', ".");
    pool.get_message_by_name(&name)
        .or_else(|| pool.all_messages().find(|m| m.name() == name))
}

impl Decoder for ProtobufDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        let message = DynamicMessage::decode(self.message.clone(), payload)
            .map_err(|e| DecodeError::new(format!("no `{}`: {e}", self.message.full_name()), 0))?;
        *record = Record::from_entries(fields_of(&message));
        Ok(())
    }
}

fn fields_of(message: &DynamicMessage) -> Vec<(String, Field)> {
    message
        .descriptor()
        .fields()
        .map(|field| {
            let absent = field.supports_presence() && !message.has_field(&field);
            let value = if absent {
                Field::Null
            } else {
                field_of(&message.get_field(&field), &field.kind())
            };
            (field.name().to_owned(), value)
        })
        .collect()
}

fn field_of(value: &Value, kind: &Kind) -> Field {
    match value {
        Value::Bool(v) => Field::Text(v.to_string()),
        Value::I32(v) => Field::Int(*v),
        Value::I64(v) => Field::Long(*v),
        // Java has no unsigned numbers: the bits are taken as they are.
        Value::U32(v) => Field::Int(*v as i32),
        Value::U64(v) => Field::Long(*v as i64),
        Value::F32(v) => Field::Float(*v),
        Value::F64(v) => Field::Double(*v),
        Value::String(v) => Field::Text(v.clone()),
        Value::Bytes(v) => Field::Bytes(v.to_vec()),
        Value::EnumNumber(number) => Field::Text(enum_name(kind, *number)),
        Value::Message(message) => Field::Map(fields_of(message)),
        Value::List(items) => Field::Array(items.iter().map(|item| field_of(item, kind)).collect()),
        Value::Map(entries) => {
            let value_kind = match kind {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other.clone(),
            };
            let mut fields: Vec<(String, Field)> = entries
                .iter()
                .map(|(key, value)| (key_text(key), field_of(value, &value_kind)))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Field::Map(fields)
        }
    }
}

fn enum_name(kind: &Kind, number: i32) -> String {
    let named = kind.as_enum().and_then(|e| e.get_value(number));
    named.map_or_else(|| number.to_string(), |value| value.name().to_owned())
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(v) => v.to_string(),
        MapKey::I32(v) => v.to_string(),
        MapKey::I64(v) => v.to_string(),
        MapKey::U32(v) => v.to_string(),
        MapKey::U64(v) => v.to_string(),
        MapKey::String(v) => v.clone(),
    }
}
