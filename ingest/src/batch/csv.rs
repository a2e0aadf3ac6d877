//! CSV files.
//!
//! Must not know: columns. Invariant: without the property `header` the first line names the columns.

use bytes::Bytes;

use super::{FileError, Records, broken};
use crate::decoder::Properties;
use crate::decoder::csv_text::{CsvCursor, CsvFormat};
use crate::record::Record;

/// Opens a CSV file.
///
/// # Errors
/// Where a property is wrong or the header cannot be read.
pub fn open(content: Bytes, properties: &Properties) -> Result<Records, FileError> {
    let mut format = CsvFormat::new(properties, true)?;
    let text = String::from_utf8(content.into()).map_err(|e| broken("csv", e))?;
    let text = text
        .strip_prefix('\u{FEFF}')
        .map(str::to_owned)
        .unwrap_or(text);
    let mut pos = 0;
    let given = format.header.take();
    let names = match given {
        Some(names) if !format.skip_header => names,
        given => {
            let mut cursor = CsvCursor::new(&format, &text);
            let first = cursor
                .row()
                .map_err(|e| broken("csv", e))?
                .unwrap_or_default();
            pos = cursor.position();
            given.unwrap_or_else(|| {
                first
                    .into_iter()
                    .map(|v| v.text.trim().to_owned())
                    .collect()
            })
        }
    };
    Ok(Box::new(CsvRecords {
        format,
        names,
        text,
        pos,
        failed: false,
    }))
}

struct CsvRecords {
    format: CsvFormat,
    names: Vec<String>,
    text: String,
    pos: usize,
    failed: bool,
}

impl Iterator for CsvRecords {
    type Item = Result<Record, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let rest = self.text.get(self.pos..).unwrap_or_default();
            let mut cursor = CsvCursor::new(&self.format, rest);
            let row = cursor.row();
            if row.is_err() && self.format.skips_broken_lines {
                let mut line = CsvCursor::new(&self.format, rest);
                line.skip_line();
                self.pos += line.position().max(1);
                continue;
            }
            let start = self.pos;
            self.pos += cursor.position();
            match row {
                Ok(row) => return Some(Ok(self.format.record(&self.names, row?))),
                Err(error) => {
                    self.failed = true;
                    let at = start + error.position;
                    return Some(Err(broken(
                        "csv",
                        format!("{} at byte {at}", error.message),
                    )));
                }
            }
        }
        None
    }
}
