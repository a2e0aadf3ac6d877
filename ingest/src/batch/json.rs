//! JSON files: objects one after the other (a line each or not), or arrays of objects.
//!
//! Must not know: columns. Invariant: what stands between objects is blanks and, inside an array, commas.

use bytes::Bytes;

use super::{FileError, Records, broken};
use crate::decoder::Properties;
use crate::decoder::json_text::JsonCursor;
use crate::record::Record;

/// Opens a JSON file.
///
/// # Errors
/// Where the file is not UTF-8; what else is broken shows when it is reached.
pub fn open(content: Bytes, _: &Properties) -> Result<Records, FileError> {
    Ok(Box::new(JsonRecords {
        text: String::from_utf8(content.into()).map_err(|e| broken("json", e))?,
        pos: 0,
        in_array: false,
        done: false,
    }))
}

struct JsonRecords {
    text: String,
    pos: usize,
    in_array: bool,
    done: bool,
}

impl JsonRecords {
    fn read(&mut self) -> Result<Option<Record>, FileError> {
        let mut cursor = JsonCursor::of_text(self.text.get(self.pos..).unwrap_or_default(), true);
        loop {
            cursor.skip_blanks();
            if cursor.at_end() {
                return Ok(None);
            }
            if self.in_array {
                if cursor.eat(b']') {
                    self.in_array = false;
                    continue;
                }
                if cursor.eat(b',') {
                    continue;
                }
            } else if cursor.eat(b'[') {
                self.in_array = true;
                continue;
            }
            break;
        }
        let read = cursor
            .expect(b'{', "a JSON object")
            .and_then(|()| cursor.object(0));
        self.pos += cursor.position();
        match read {
            Ok(fields) => Ok(Some(Record::from_entries(fields))),
            Err(error) => Err(broken(
                "json",
                format!("{} at byte {}", error.message, self.pos),
            )),
        }
    }
}

impl Iterator for JsonRecords {
    type Item = Result<Record, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}
