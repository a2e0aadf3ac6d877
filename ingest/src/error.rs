//! What can go wrong with a message, a row, a stream or a file.
//!
//! Must not know: REST codes. Invariant: a message error never stops the stream; the caller counts it and goes on.

/// A payload that a decoder cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {position}")]
pub struct DecodeError {
    /// What was expected and what stood there.
    pub message: String,
    /// Where in the payload.
    pub position: usize,
}

impl DecodeError {
    /// An error at a byte of the payload.
    #[must_use]
    pub fn new(message: impl Into<String>, position: usize) -> Self {
        Self {
            message: message.into(),
            position,
        }
    }
}

/// A field that has no form in its column's type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}`: {message}")]
pub struct ConvertError {
    /// Column name.
    pub column: String,
    /// The value, and why it does not fit.
    pub message: String,
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A stream, decoder, transform or reader property; the text is Pinot's where Pinot has one.
    #[error("{0}")]
    Invalid(String),
    /// A decoder name that no row of the table has.
    #[error("unknown decoder class `{0}`")]
    UnknownDecoder(String),
}

/// Why one message gave no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The payload cannot be read.
    #[error("cannot decode the message: {0}")]
    Decode(#[from] DecodeError),
    /// A field does not fit its column.
    #[error("cannot convert the row: {0}")]
    Convert(#[from] ConvertError),
    /// A transform or the filter failed.
    #[error("cannot transform the row: {0}")]
    Transform(String),
}
