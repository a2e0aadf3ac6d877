//! The start of a connection: TLS, who asks, and what the client is told before the first query.
//!
//! Must not know: queries. Invariant: a password is asked for and checked before a session exists.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pgwire::messages::PgWireBackendMessage as Tell;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answering::Answering;
use super::backend::Backend;
use super::cancel::Cancels;
use super::cursors::Cursors;
use super::failed::{Failed, NOT_OFFERED};
use super::frontend::{First, Reader, SMALL, Said};
use super::scram::{self, Exchange};
use super::session::{Kept, Session};
use super::settings::Settings;
use super::{PATIENCE, Security};
use crate::source::{Caller, NotLetIn, Scram, Source};

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 22;
/// The user whose password is a token.
const BY_TOKEN: &str = "token";

/// A connection from its first byte to its last.
pub(super) async fn begin(
    mut stream: TcpStream,
    peer: SocketAddr,
    source: Arc<dyn Source>,
    security: Security,
    cancels: Arc<Cancels>,
) -> io::Result<()> {
    let mut byte = [0];
    let direct =
        tokio::time::timeout(PATIENCE, stream.peek(&mut byte)).await?? > 0 && byte == [HANDSHAKE];
    let mut reader = Reader::new();
    let mut wants_tls = direct;
    while !wants_tls {
        match tokio::time::timeout(PATIENCE, reader.first(&mut stream)).await?? {
            First::Tls if security.certificate.is_some() => {
                if reader.has_more() {
                    // Somebody in between would have it read as if it came through TLS.
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "bytes came before the handshake",
                    ));
                }
                stream.write_all(b"S").await?;
                wants_tls = true;
            }
            First::Tls | First::Gss => stream.write_all(b"N").await?,
            first => {
                let beginning = Beginning {
                    plain: security.required && !peer.ip().is_loopback(),
                    source,
                    cancels,
                };
                return beginning.go_on(first, stream, reader).await;
            }
        }
    }
    let Some(certificate) = &security.certificate else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "TLS is not offered at this port",
        ));
    };
    let accepting = TlsAcceptor::from(certificate()).accept(stream);
    let mut stream = tokio::time::timeout(PATIENCE, accepting).await??;
    let first = tokio::time::timeout(PATIENCE, reader.first(&mut stream)).await??;
    Beginning {
        plain: false,
        source,
        cancels,
    }
    .go_on(first, stream, reader)
    .await
}

struct Beginning {
    /// Whether TLS was needed and is not there.
    plain: bool,
    source: Arc<dyn Source>,
    cancels: Arc<Cancels>,
}

impl Beginning {
    async fn go_on<S>(self, first: First, mut stream: S, mut reader: Reader) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (minor, parameters) = match first {
            First::Start { minor, parameters } => (minor, parameters),
            First::Cancel { pid, key } => {
                if let Some(query) = self.cancels.query(pid, &key) {
                    self.source.cancel(&query).await;
                }
                return Ok(());
            }
            First::Tls | First::Gss => return Err(io::ErrorKind::InvalidData.into()),
        };
        let mut backend = Backend::default();
        if minor > 0 {
            let older = NegotiateProtocolVersion::new(0, Vec::new());
            backend.tell(Tell::NegotiateProtocolVersion(older))?;
        }
        let parameters: BTreeMap<String, String> = parameters.into_iter().collect();
        let letting_in = self.let_in(&parameters, &mut backend, &mut stream, &mut reader);
        let caller = match tokio::time::timeout(PATIENCE, letting_in).await?? {
            Ok(caller) => caller,
            Err(failed) => {
                backend.tell(Tell::ErrorResponse(failed.told("FATAL")))?;
                backend.flush(&mut stream).await?;
                return stream.shutdown().await;
            }
        };
        let place = self.cancels.enter();
        let answering = answering(self.source, caller, &parameters, place.pid);
        backend.tell(Tell::Authentication(Authentication::Ok))?;
        for (name, value) in answering.settings.told() {
            backend.tell(Tell::ParameterStatus(ParameterStatus::new(
                name.to_owned(),
                value,
            )))?;
        }
        let key = BackendKeyData::new(place.pid, SecretKey::I32(place.key));
        backend.tell(Tell::BackendKeyData(key))?;
        let kept = Kept::default();
        Box::pin(
            Session {
                stream,
                reader,
                backend,
                answering,
                place,
                kept,
            }
            .run(),
        )
        .await
    }

    async fn let_in<S>(
        &self,
        parameters: &BTreeMap<String, String>,
        backend: &mut Backend,
        stream: &mut S,
        reader: &mut Reader,
    ) -> io::Result<Result<Caller, Failed>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if self.plain {
            return Ok(Err(Failed::new("28000", "TLS is required at this port")));
        }
        if parameters.get("replication").is_some_and(|v| v != "false") {
            return Ok(Err(Failed::new(NOT_OFFERED, "replication is not offered")));
        }
        let user = parameters.get("user").cloned().unwrap_or_default();
        let authorization = if self.source.asks_for_proof() {
            let asking = Asking {
                backend,
                stream,
                reader,
            };
            let scram = match user.as_str() {
                BY_TOKEN => None,
                user => self.source.scram(user).await,
            };
            let shown = match scram {
                Some(scram) => asking.proof(scram.as_ref()).await?,
                None => asking.password(&user).await?,
            };
            let Some(shown) = shown else {
                return Ok(Err(unknown(&user)));
            };
            Some(shown)
        } else {
            None
        };
        let found = self.source.who(authorization.as_deref()).await;
        Ok(found
            .map(|caller| {
                if self.source.asks_for_proof() {
                    caller
                } else {
                    Caller {
                        name: user.clone(),
                        ..caller
                    }
                }
            })
            .map_err(|why| match why {
                NotLetIn::Unknown => unknown(&user),
                NotLetIn::MayNotRead => Failed::new("42501", why.to_string()),
            }))
    }
}

fn unknown(user: &str) -> Failed {
    let why = format!("password authentication failed for user `{user}`");
    Failed::new("28P01", why)
}

/// Asks a client who it is.
struct Asking<'a, S> {
    backend: &'a mut Backend,
    stream: &'a mut S,
    reader: &'a mut Reader,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Asking<'_, S> {
    async fn ask(&mut self, how: Authentication) -> io::Result<Option<Bytes>> {
        self.backend.tell(Tell::Authentication(how))?;
        self.backend.flush(self.stream).await?;
        match self.reader.next(self.stream, SMALL).await? {
            Said::Password(said) => Ok(Some(said)),
            _ => Ok(None),
        }
    }

    /// The header of a password, or token, that comes as it is.
    async fn password(mut self, user: &str) -> io::Result<Option<String>> {
        let said = self.ask(Authentication::CleartextPassword).await?;
        let text = said.as_deref().and_then(|said| said.strip_suffix(b"\0"));
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        Ok(text.map(|password| match user {
            BY_TOKEN => format!("Bearer {password}"),
            _ => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
        }))
    }

    /// The header that stands for a proof that holds.
    async fn proof(mut self, scram: &dyn Scram) -> io::Result<Option<String>> {
        let offered = vec![scram::MECHANISM.to_owned()];
        let first = self.ask(Authentication::SASL(offered)).await?;
        let Some(exchange) = first.and_then(|first| Exchange::begin(first, scram)) else {
            return Ok(None);
        };
        let next = Bytes::from(exchange.server_first.clone());
        let last = self.ask(Authentication::SASLContinue(next)).await?;
        let Some((word, header)) = last.and_then(|last| exchange.end(&last, scram)) else {
            return Ok(None);
        };
        let told = Authentication::SASLFinal(Bytes::from(word));
        self.backend.tell(Tell::Authentication(told))?;
        Ok(Some(header))
    }
}

fn answering(
    source: Arc<dyn Source>,
    caller: Caller,
    parameters: &BTreeMap<String, String>,
    pid: i32,
) -> Answering {
    let mut settings = Settings::of(&caller.name);
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => options(value).into_iter().for_each(|(name, value)| {
                settings.set(&name, &value);
            }),
            _ if name.starts_with("_pq_.") => {}
            _ => {
                settings.set(name, value);
            }
        }
    }
    let named = parameters
        .get("database")
        .or_else(|| parameters.get("user"));
    Answering {
        database: named.cloned().unwrap_or_else(|| "touriga".to_owned()),
        source,
        caller,
        settings,
        cursors: Cursors::default(),
        pid,
    }
}

/// `-c name=value` and `--name=value`.
fn options(text: &str) -> Vec<(String, String)> {
    let words = text.split_whitespace().filter(|word| *word != "-c");
    let pair = |word: &str| {
        let word = word.trim_start_matches("--").trim_start_matches("-c");
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    words.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn options_of_the_start_are_read() {
        let read = options("-c useMultistageEngine=true --timeoutMs=5 -cjit=off x");
        let names: Vec<_> = read.iter().map(|(n, v)| format!("{n}:{v}")).collect();
        assert_eq!(
            names,
            ["useMultistageEngine:true", "timeoutMs:5", "jit:off"]
        );
    }
}
