//! What clients are told, gathered until it is sent.
//!
//! Must not know: what is told. Invariant: nothing is sent half, and what is gathered is bounded by one part of rows.

use std::io;

use bytes::{BufMut, BytesMut};
use common::Value;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::binary::binary;
use super::kind::{Column, Kind};
use super::text::text;

/// Bytes that are sent on their way before the answer is whole.
const PART: usize = 64 << 10;

/// Formats of columns, as a client asks for them: none for text, one for all, or one for each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Formats(pub(crate) Vec<i16>);

impl Formats {
    /// Whether that column is to be binary.
    pub(crate) fn is_binary(&self, at: usize) -> bool {
        match self.0.as_slice() {
            [] => false,
            [all] => *all == 1,
            each => each.get(at) == Some(&1),
        }
    }
}

/// What is to be sent.
#[derive(Default)]
pub(crate) struct Backend {
    out: BytesMut,
}

impl Backend {
    /// Adds a message.
    pub(crate) fn tell(&mut self, message: PgWireBackendMessage) -> io::Result<()> {
        message.encode(&mut self.out).map_err(io::Error::other)
    }

    /// Adds the description of columns.
    pub(crate) fn describe(&mut self, columns: &[Column], formats: &Formats) -> io::Result<()> {
        let field = |(at, column): (usize, &Column)| {
            let format = i16::from(formats.is_binary(at));
            let Column { name, kind } = column;
            FieldDescription::new(
                name.replace('\0', ""),
                0,
                0,
                kind.oid(),
                kind.size(),
                -1,
                format,
            )
        };
        let fields = columns.iter().enumerate().map(field).collect();
        self.tell(PgWireBackendMessage::RowDescription(RowDescription::new(
            fields,
        )))
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, row: &[Value], columns: &[Column], formats: &Formats) {
        let start = self.out.len();
        self.out.put_u8(b'D');
        self.out.put_i32(0);
        self.out
            .put_u16(u16::try_from(columns.len()).unwrap_or(u16::MAX));
        for (at, column) in columns.iter().enumerate() {
            let value = row.get(at).unwrap_or(&Value::Null);
            self.cell(value, column.kind, formats.is_binary(at));
        }
        let length = u32::try_from(self.out.len() - start - 1).unwrap_or(u32::MAX);
        if let Some(place) = self.out.get_mut(start + 1..start + 5) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    fn cell(&mut self, value: &Value, kind: Kind, is_binary: bool) {
        let bytes = if is_binary {
            binary(value, kind)
        } else {
            text(value, kind).map(String::into_bytes)
        };
        match bytes {
            None => self.out.put_i32(-1),
            Some(bytes) => {
                self.out
                    .put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                self.out.put_slice(&bytes);
            }
        }
    }

    /// Sends a part where enough is gathered.
    pub(crate) async fn flush_part(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        if self.out.len() < PART {
            return Ok(());
        }
        self.flush(stream).await
    }

    /// Sends everything.
    pub(crate) async fn flush(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        stream.write_all(&self.out).await?;
        self.out.clear();
        stream.flush().await
    }
}
