//! JSON objects as records.
//!
//! Must not know: columns. Invariant: what follows the object in the payload is ignored, as Pinot ignores it; `true` and `false`
//! become text, as Pinot's extractor makes them.

use crate::decoder::json_text::JsonCursor;
use crate::decoder::{Decoder, Properties};
use crate::error::{ConfigError, DecodeError};
use crate::record::Record;

/// Reads JSON objects.
#[derive(Debug, Default)]
pub struct JsonDecoder;

pub(super) fn make(_: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    Ok(Box::new(JsonDecoder))
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        let mut cursor = JsonCursor::new(payload, true);
        cursor.skip_blanks();
        cursor.expect(b'{', "a JSON object")?;
        *record = Record::from_entries(cursor.object(0)?);
        Ok(())
    }

    fn is_json(&self) -> bool {
        true
    }
}
