//! Messages framed for Confluent's schema registry: a zero byte, four bytes of schema id, the datum.
//!
//! Schemas are fetched when an id is first seen and kept. Must not know: columns.
//! Invariant: a frame that is none, or an id the registry does not know, is an error of that message only.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use apache_avro::Schema;
use base64::Engine as _;

use crate::decoder::json::JsonDecoder;
use crate::decoder::{Decoder, Properties, avro};
use crate::error::{ConfigError, DecodeError};
use crate::record::Record;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer of a registry.
const MAX_ANSWER: u64 = 16 << 20;

pub(super) fn make_avro(properties: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    avro::bound_allocation();
    Ok(Box::new(RegistryAvroDecoder {
        registry: Registry::new(properties)?,
        schemas: HashMap::new(),
    }))
}

pub(super) fn make_json(_: &Properties) -> Result<Box<dyn Decoder>, ConfigError> {
    Ok(Box::new(RegistryJsonDecoder))
}

/// Schema id and datum of a framed payload.
fn unframed(payload: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match payload {
        [0, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        [0, ..] => Err(DecodeError::new(
            "a frame shorter than its five bytes",
            payload.len(),
        )),
        [other, ..] => Err(DecodeError::new(
            format!("magic byte {other}, expected 0"),
            0,
        )),
        [] => Err(DecodeError::new(
            "an empty message, expected a magic byte",
            0,
        )),
    }
}

#[derive(Debug)]
struct RegistryJsonDecoder;

impl Decoder for RegistryJsonDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        JsonDecoder.decode(unframed(payload)?.1, record)
    }
}

#[derive(Debug)]
struct RegistryAvroDecoder {
    registry: Registry,
    schemas: HashMap<u32, Schema>,
}

impl Decoder for RegistryAvroDecoder {
    fn decode(&mut self, payload: &[u8], record: &mut Record) -> Result<(), DecodeError> {
        let (id, datum) = unframed(payload)?;
        let schema = match self.schemas.entry(id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let fetched = self.registry.schema(id);
                let schema =
                    fetched.and_then(|text| Schema::parse_str(&text).map_err(|e| e.to_string()));
                new.insert(schema.map_err(|e| DecodeError::new(format!("schema {id}: {e}"), 1))?)
            }
        };
        *record = avro::read_datum(schema, datum)?;
        Ok(())
    }
}

/// Where schemas are asked for.
#[derive(Debug)]
struct Registry {
    host: String,
    path: String,
    authorization: Option<String>,
}

impl Registry {
    fn new(properties: &Properties) -> Result<Self, ConfigError> {
        let url = properties.get("schema.registry.rest.url").ok_or_else(|| {
            ConfigError::Invalid(
                "the decoder needs the property `schema.registry.rest.url`".to_owned(),
            )
        })?;
        let rest = url.strip_prefix("http://").ok_or_else(|| {
            ConfigError::Invalid(format!(
                "schema registry `{url}`: only http:// is supported"
            ))
        })?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match host.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, host),
        };
        let user = user.or_else(|| {
            let keys = [
                "schema.registry.basic.auth.user.info",
                "basic.auth.user.info",
            ];
            keys.iter().find_map(|key| properties.get(*key)).cloned()
        });
        let encode = |user: String| base64::engine::general_purpose::STANDARD.encode(user);
        Ok(Self {
            host: if host.contains(':') {
                host.to_owned()
            } else {
                format!("{host}:80")
            },
            path: format!("/{}", path.trim_end_matches('/'))
                .trim_end_matches('/')
                .to_owned(),
            authorization: user.map(|user| format!("Authorization: Basic {}\r\n", encode(user))),
        })
    }

    fn schema(&self, id: u32) -> Result<String, String> {
        let body = self.get(&format!("{}/schemas/ids/{id}", self.path))?;
        let json: serde_json::Value = serde_json::from_str(&body).map_err(|e| e.to_string())?;
        match (json["schema"].as_str(), json["message"].as_str()) {
            (Some(schema), _) => Ok(schema.to_owned()),
            (None, Some(message)) => Err(message.to_owned()),
            (None, None) => Err(format!("the registry answered `{body}`")),
        }
    }

    /// One GET in HTTP/1.0, whose answer ends with the connection.
    fn get(&self, path: &str) -> Result<String, String> {
        let wrong = |e: std::io::Error| format!("registry {}: {e}", self.host);
        let address = self.host.to_socket_addrs().map_err(wrong)?.next();
        let address = address.ok_or_else(|| format!("registry {}: no such host", self.host))?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(wrong)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(wrong)?;
        let authorization = self.authorization.as_deref().unwrap_or("");
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n{authorization}\r\n",
            self.host
        );
        stream.write_all(request.as_bytes()).map_err(wrong)?;
        let mut answer = Vec::new();
        stream
            .take(MAX_ANSWER)
            .read_to_end(&mut answer)
            .map_err(wrong)?;
        let answer = String::from_utf8_lossy(&answer);
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .ok_or_else(|| format!("registry {}: no HTTP answer", self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Field;

    #[test]
    fn schemas_are_fetched_once() -> Result<(), Box<dyn std::error::Error>> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = std::thread::spawn(move || -> std::io::Result<String> {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 1024];
            let read = stream.read(&mut request)?;
            let body = r#"{"schema":"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}"}"#;
            write!(stream, "HTTP/1.0 200 OK\r\n\r\n{body}")?;
            Ok(String::from_utf8_lossy(&request[..read]).into_owned())
        });
        let url = format!("http://me:secret@{address}/");
        let properties = [("schema.registry.rest.url".to_owned(), url)].into();
        let mut decoder = make_avro(&properties)?;
        for value in [7_u8, 8] {
            let mut record = Record::new();
            decoder.decode(&[0, 0, 0, 0, 5, value * 2], &mut record)?;
            assert_eq!(record.get("a"), Some(&Field::Int(value.into())));
        }
        let request = server.join().map_err(|_| "server")??;
        assert!(
            request.starts_with("GET /schemas/ids/5 HTTP/1.0\r\n"),
            "{request}"
        );
        assert!(
            request.contains("Authorization: Basic bWU6c2VjcmV0"),
            "{request}"
        );
        assert!(decoder.decode(&[1, 2, 3], &mut Record::new()).is_err());
        assert!(decoder.decode(&[0, 2], &mut Record::new()).is_err());
        Ok(())
    }
}
