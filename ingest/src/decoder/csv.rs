//! One CSV line a message.
//!
//! Must not know: columns. Invariant: of several lines in a message the first counts, as in Pinot; without the property `header` each
//! message names its columns itself.

use crate::decoder::csv_text::{CsvCursor, CsvFormat};
use crate::decoder::{Decoder, Properties};
use crate::error::{ConfigError, DecodeError};
use crate::record::Record;

#[derive(Debug)]
struct CsvDecoder {
    format: CsvFormat,
    names: Option<Vec<String>>,
}

pub(super) fn make(properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    let mut format = CsvFormat::new(properties, false)?;
    let names = format.header.take();
    Ok(Box::new(CsvDecoder { format, names }))
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        let text = String::from_utf8_lossy(payload);
        let mut cursor = CsvCursor::new(&self.format, &text);
        let mut next = || {
            let missing = || DecodeError::new("no row, expected a CSV line", 0);
            cursor.row()?.ok_or_else(missing)
        };
        let own;
        let names = match &self.names {
            Some(names) => {
                if self.format.skip_header {
                    next()?;
                }
                names
            }
            None => {
                own = next()?.into_iter().map(|value| value.text).collect();
                &own
            }
        };
        *record = self.format.record(names, next()?);
        Ok(())
    }
}
