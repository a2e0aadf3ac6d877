//! Lines of a log: the whole payload as one text.
//!
//! Must not know: columns. Invariant: bytes that are no UTF-8 become replacement characters.

use crate::decoder::{Decoder, Properties};
use crate::error::{ConfigError, DecodeError};
use crate::record::{Field, Record};

#[derive(Debug)]
struct TextDecoder {
    field: String,
}

pub(super) fn make(properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    let field = properties.get("field").map_or("message", String::as_str);
    Ok(Box::new(TextDecoder {
        field: field.to_owned(),
    }))
}

impl Decoder for TextDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        let text = String::from_utf8_lossy(payload).into_owned();
        record.set(&self.field, Field::Text(text));
        Ok(())
    }
}
