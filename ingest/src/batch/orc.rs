//! ORC files, through Arrow.
//!
//! Must not know: columns. Invariant: see `arrow_records`.

use bytes::Bytes;
use orc_rust::ArrowReaderBuilder;

use super::{FileError, Records, arrow_records, broken};
use crate::decoder::Properties;

/// Opens an ORC file.
///
/// # Errors
/// Where the footer is broken.
pub fn open(content: Bytes, _: &Properties) -> Result<Records, FileError> {
    let reader = ArrowReaderBuilder::try_new(content)
        .map_err(|e| broken("orc", e))?
        .build();
    Ok(arrow_records::records("orc", reader))
}
