//! One client's connection: frames in, answers out, one request at a time and in order.
//! Invariant: whatever a peer sends, the worst that happens is that its connection is closed.
//! Must not know: what a request means.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::api;
use crate::broker::Broker;
use crate::error::StreamError;
use crate::handlers;

/// The largest request; Kafka's own default.
const MAX_REQUEST: usize = 100 * 1024 * 1024;
/// Memory is reserved in steps as bytes arrive, not as a peer announces.
const READ_STEP: usize = 256 * 1024;
const FRAME_PREFIX: usize = 4;

/// Serves a connection until the peer goes or sends something unreadable.
pub(crate) async fn serve(broker: Arc<Broker>, mut socket: TcpStream) -> Result<(), StreamError> {
    socket.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    while let Some(frame) = read_frame(&mut socket, &mut buffer).await? {
        if let Some(answer) = answer(&broker, frame).await? {
            socket.write_all(&answer).await?;
        }
    }
    Ok(())
}

async fn read_frame(
    socket: &mut TcpStream,
    buffer: &mut BytesMut,
) -> Result<Option<Bytes>, StreamError> {
    loop {
        let mut wanted = FRAME_PREFIX;
        if let Some(prefix) = buffer.first_chunk::<FRAME_PREFIX>() {
            let length = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
            if length > MAX_REQUEST {
                return Err(StreamError::Malformed(format!(
                    "length `{}`, expected 0 to {MAX_REQUEST}",
                    i32::from_be_bytes(*prefix)
                )));
            }
            wanted = FRAME_PREFIX + length;
            if buffer.len() >= wanted {
                buffer.advance(FRAME_PREFIX);
                return Ok(Some(buffer.split_to(length).freeze()));
            }
        }
        buffer.reserve((wanted - buffer.len()).min(READ_STEP));
        if socket.read_buf(buffer).await? == 0 {
            return match buffer.is_empty() {
                true => Ok(None),
                false => Err(StreamError::Malformed(
                    "the connection ended in a request".into(),
                )),
            };
        }
    }
}

/// Decodes a request, has it handled, encodes the answer. `None`: the client wants no answer.
async fn answer(broker: &Arc<Broker>, frame: Bytes) -> Result<Option<Bytes>, StreamError> {
    let mut head = frame.get(..8).ok_or_else(|| {
        StreamError::Malformed(format!("`{}` bytes, too short for a request", frame.len()))
    })?;
    let (key, version, correlation) = (head.get_i16(), head.get_i16(), head.get_i32());
    let Some(api) = api::find(key) else {
        return Err(StreamError::Malformed(format!(
            "request kind `{key}` is not known"
        )));
    };
    if version < api.min || version > api.max {
        if api.key == ApiKey::ApiVersions {
            // The one request that may be too new: the answer tells the client what to ask with.
            return handlers::versions_unsupported(correlation).map(Some);
        }
        return Err(StreamError::Malformed(format!(
            "{:?} version `{version}`, expected {} to {}",
            api.key, api.min, api.max
        )));
    }
    let mut bytes = frame;
    let header_version = api.key.request_header_version(version);
    let header = RequestHeader::decode(&mut bytes, header_version)
        .map_err(|error| StreamError::Malformed(format!("header of {:?}: {error}", api.key)))?;
    if !api.shape(version).is_some_and(|shape| shape.holds(&bytes)) {
        return Err(StreamError::Malformed(format!(
            "{:?} version `{version}` does not hold what its counts say",
            api.key
        )));
    }
    handlers::dispatch(broker, api.key, &header, bytes).await
}

/// Decodes the body of a request.
pub(crate) fn decode<T: Decodable>(bytes: &mut Bytes, version: i16) -> Result<T, StreamError> {
    T::decode(bytes, version).map_err(|error| {
        let kind = std::any::type_name::<T>()
            .rsplit("::")
            .next()
            .unwrap_or_default();
        StreamError::Malformed(format!("{kind}: {error}"))
    })
}

/// Encodes an answer with its length and header in front.
pub(crate) fn encode<T: Encodable>(
    correlation: i32,
    header_version: i16,
    body: &T,
    version: i16,
) -> Result<Bytes, StreamError> {
    let failed = |error| StreamError::Malformed(format!("the answer cannot be encoded: {error}"));
    let size = body.compute_size(version).map_err(failed)?;
    let mut frame = BytesMut::with_capacity(size.saturating_add(16));
    frame.put_i32(0);
    let mut header = ResponseHeader::default();
    header.correlation_id = correlation;
    header.encode(&mut frame, header_version).map_err(failed)?;
    body.encode(&mut frame, version).map_err(failed)?;
    let length = frame.len().saturating_sub(FRAME_PREFIX);
    let length = i32::try_from(length)
        .map_err(|_| StreamError::Malformed(format!("an answer of `{length}` bytes")))?;
    if let Some(prefix) = frame.first_chunk_mut::<FRAME_PREFIX>() {
        *prefix = length.to_be_bytes();
    }
    Ok(frame.freeze())
}
