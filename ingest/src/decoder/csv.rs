//! One CSV line a message.
//!
//! Must not know: columns. Invariant: of several lines in a message the first counts, as in Pinot.

use crate::decoder::csv_text::{CsvCursor, CsvFormat};
use crate::decoder::{Decoder, Properties};
use crate::error::{ConfigError, DecodeError};
use crate::record::Record;

#[derive(Debug)]
struct CsvDecoder {
    format: CsvFormat,
    names: Vec<String>,
}

pub(super) fn make(properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    let mut format = CsvFormat::new(properties, false)?;
    let names = format.header.take().ok_or_else(|| {
        ConfigError::Invalid("CSVMessageDecoder needs the property `header`".to_owned())
    })?;
    Ok(Box::new(CsvDecoder { format, names }))
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        let text = String::from_utf8_lossy(payload);
        let row = CsvCursor::new(&self.format, &text)
            .row()?
            .ok_or_else(|| DecodeError::new("an empty message, expected a CSV line", 0))?;
        *record = self.format.record(&self.names, row);
        Ok(())
    }
}
