//! Avro object container files.
//!
//! Must not know: columns. Invariant: records come in file order.

use std::io::Cursor;

use apache_avro::Reader;
use bytes::Bytes;

use super::{FileError, Records, broken};
use crate::decoder::Properties;
use crate::decoder::avro::{bound_allocation, record_of};
use crate::record::Record;

/// Opens an Avro file.
///
/// # Errors
/// Where the header is broken.
pub fn open(content: Bytes, _: &Properties) -> Result<Records, FileError> {
    bound_allocation();
    let reader = Reader::new(Cursor::new(content)).map_err(|e| broken("avro", e))?;
    Ok(Box::new(AvroRecords {
        reader,
        failed: false,
    }))
}

struct AvroRecords {
    reader: Reader<'static, Cursor<Bytes>>,
    failed: bool,
}

impl Iterator for AvroRecords {
    type Item = Result<Record, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = match self.reader.next()? {
            Ok(value) => {
                record_of(value).ok_or_else(|| broken("avro", "a datum that is no record"))
            }
            Err(error) => Err(broken("avro", error)),
        };
        self.failed = item.is_err();
        Some(item)
    }
}
