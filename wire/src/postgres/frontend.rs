//! What clients say, read with checks.
//!
//! Must not know: what is done with it. Invariants: no message is longer than its limit, and one that is broken is an error. (The decoder of
//! `pgwire` trusts the lengths inside of messages, so that only its side of the server is used.)

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a message before the client has proven who it is.
pub(crate) const SMALL: usize = 16 << 10;
/// Bytes of any message.
pub(crate) const LARGE: usize = 16 << 20;

/// A message without a type in front, the first of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// Wants TLS.
    Tls,
    /// Wants GSSAPI.
    Gss,
    /// Wants the query of another connection to end.
    Cancel { pid: i32, key: Vec<u8> },
    /// Begins, with parameters and the minor number of its protocol.
    Start {
        minor: u16,
        parameters: Vec<(String, String)>,
    },
}

/// Any later message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A password, or a part of what proves one.
    Password(Bytes),
    Query(String),
    Parse {
        name: String,
        sql: String,
        kinds: Vec<u32>,
    },
    Bind(Bind),
    /// Of a portal, or of a statement.
    Describe {
        portal: bool,
        name: String,
    },
    Execute {
        portal: String,
        most: i32,
    },
    Close {
        portal: bool,
        name: String,
    },
    Flush,
    Sync,
    Terminate,
    /// A part of COPY.
    CopyData(Bytes),
    CopyDone,
    /// The client gives COPY up, and says why.
    CopyFail(String),
}

/// Values for a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Vec<i16>,
    pub(crate) values: Vec<Option<Bytes>>,
    pub(crate) results: Vec<i16>,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a broken message: {what}"),
    )
}

/// Reads messages; what was read too far is kept for the next one.
pub(crate) struct Reader {
    buffer: BytesMut,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            buffer: BytesMut::with_capacity(4096),
        }
    }

    /// Whether something was read that nobody has taken yet.
    pub(crate) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Reads on until the client is gone; what comes is kept for later.
    pub(crate) async fn gone(&mut self, stream: &mut (impl AsyncRead + Unpin)) {
        while self.buffer.len() < LARGE {
            match stream.read_buf(&mut self.buffer).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        }
        std::future::pending().await
    }

    async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin), most: usize) -> io::Result<()> {
        while self.buffer.len() < most {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The body behind a length that counts itself.
    async fn body(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        front: usize,
        most: usize,
    ) -> io::Result<Bytes> {
        self.fill(stream, front + 4).await?;
        let length = self
            .buffer
            .get(front..front + 4)
            .unwrap_or_default()
            .try_into()
            .map(u32::from_be_bytes);
        let length = usize::try_from(length.unwrap_or_default()).unwrap_or(usize::MAX);
        if length < 4 || length > most {
            return Err(broken(&format!(
                "its length is {length}, expected 4 to {most}"
            )));
        }
        self.fill(stream, front + length).await?;
        let mut message = self.buffer.split_to(front + length).freeze();
        message.advance(front + 4);
        Ok(message)
    }

    /// The first message of a connection, and the first after TLS.
    pub(crate) async fn first(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<First> {
        let mut fields = Fields(self.body(stream, 0, SMALL).await?);
        let (major, minor) = (fields.u16()?, fields.u16()?);
        match (major, minor) {
            (1234, 5679) => Ok(First::Tls),
            (1234, 5680) => Ok(First::Gss),
            (1234, 5678) => Ok(First::Cancel {
                pid: fields.i32()?,
                key: fields.0.to_vec(),
            }),
            (3, minor) => {
                let mut parameters = Vec::new();
                loop {
                    let name = fields.text()?;
                    if name.is_empty() {
                        return Ok(First::Start { minor, parameters });
                    }
                    parameters.push((name, fields.text()?));
                }
            }
            _ => Err(broken(&format!(
                "protocol {major}.{minor}, expected 3.0 or 3.2"
            ))),
        }
    }

    /// The next message.
    pub(crate) async fn next(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        most: usize,
    ) -> io::Result<Said> {
        self.fill(stream, 1).await?;
        let kind = self.buffer.first().copied().unwrap_or_default();
        said(kind, Fields(self.body(stream, 1, most).await?))
    }
}

fn said(kind: u8, mut fields: Fields) -> io::Result<Said> {
    Ok(match kind {
        b'p' => Said::Password(fields.0),
        b'Q' => Said::Query(fields.text()?),
        b'P' => Said::Parse {
            name: fields.text()?,
            sql: fields.text()?,
            kinds: fields.many(|f| f.i32().map(|id| id as u32))?,
        },
        b'B' => Said::Bind(Bind {
            portal: fields.text()?,
            statement: fields.text()?,
            formats: fields.many(Fields::i16)?,
            values: fields.many(Fields::value)?,
            results: fields.many(Fields::i16)?,
        }),
        b'D' => Said::Describe {
            portal: fields.is_portal()?,
            name: fields.text()?,
        },
        b'C' => Said::Close {
            portal: fields.is_portal()?,
            name: fields.text()?,
        },
        b'E' => Said::Execute {
            portal: fields.text()?,
            most: fields.i32()?,
        },
        b'H' => Said::Flush,
        b'S' => Said::Sync,
        b'X' => Said::Terminate,
        b'd' => Said::CopyData(fields.0),
        b'c' => Said::CopyDone,
        b'f' => Said::CopyFail(fields.text()?),
        other => return Err(broken(&format!("its type is {other}"))),
    })
}

/// The fields of a message, each read with a check.
struct Fields(Bytes);

impl Fields {
    fn take(&mut self, length: usize) -> io::Result<Bytes> {
        if self.0.len() < length {
            return Err(broken("it ends too early"));
        }
        Ok(self.0.split_to(length))
    }

    fn u16(&mut self) -> io::Result<u16> {
        Ok(self.take(2)?.get_u16())
    }

    fn i16(&mut self) -> io::Result<i16> {
        Ok(self.take(2)?.get_i16())
    }

    fn i32(&mut self) -> io::Result<i32> {
        Ok(self.take(4)?.get_i32())
    }

    fn text(&mut self) -> io::Result<String> {
        let end = self
            .0
            .iter()
            .position(|b| *b == 0)
            .ok_or_else(|| broken("a text has no end"))?;
        let text = self.take(end)?;
        self.take(1)?;
        String::from_utf8(text.to_vec()).map_err(|_| broken("a text is not UTF-8"))
    }

    fn value(&mut self) -> io::Result<Option<Bytes>> {
        match usize::try_from(self.i32()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn many<T>(&mut self, read: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        let count = self.u16()?;
        (0..count).map(|_| read(self)).collect()
    }

    fn is_portal(&mut self) -> io::Result<bool> {
        match self.take(1)?.get_u8() {
            b'P' => Ok(true),
            b'S' => Ok(false),
            other => Err(broken(&format!(
                "`{other}` is neither a statement nor a portal"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{First, LARGE, Reader, Said};

    #[tokio::test]
    async fn messages_are_read_one_by_one() -> std::io::Result<()> {
        let mut start = 196_608_u32.to_be_bytes().to_vec();
        start.extend(b"user\0me\0\0");
        let mut bytes = u32::try_from(start.len() + 4)
            .unwrap_or_default()
            .to_be_bytes()
            .to_vec();
        bytes.extend(start);
        bytes.extend(b"Q\0\0\0\x0dSELECT 1\0S\0\0\0\x04");
        let mut reader = Reader::new();
        let mut stream = bytes.as_slice();
        let parameters = vec![("user".to_owned(), "me".to_owned())];
        assert_eq!(
            reader.first(&mut stream).await?,
            First::Start {
                minor: 0,
                parameters
            }
        );
        assert_eq!(
            reader.next(&mut stream, LARGE).await?,
            Said::Query("SELECT 1".to_owned())
        );
        assert_eq!(reader.next(&mut stream, LARGE).await?, Said::Sync);
        assert!(!reader.has_more());
        Ok(())
    }

    #[tokio::test]
    async fn broken_messages_are_errors() {
        for broken in [
            &b"Q\0\0\0\x03"[..],
            b"Q\xff\xff\xff\xff",
            b"Q\0\0\0\x05x",
            b"B\0\0\0\x08\0\0\0\x09",
            b"B\0\0\0\x0c\0\0\0\0\0\x01\0\0",
            b"P\0\0\0\x08\0\0\xff\xff",
            b"D\0\0\0\x06x\0",
            b"?\0\0\0\x04",
            b"Q\0\0\0\x06\xff\0",
        ] {
            let mut stream = broken;
            assert!(
                Reader::new().next(&mut stream, LARGE).await.is_err(),
                "{broken:?}"
            );
        }
    }
}
