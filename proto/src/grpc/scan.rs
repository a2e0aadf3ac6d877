//! Streams of rows as gRPC messages: each batch an Arrow IPC stream of its own.
//!
//! Must not know: what the rows mean. Invariant: a message is encoded when the transport asks for it, so that a slow reader
//! holds the server back; foreign bytes are an error, never a panic.

use std::pin::Pin;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use common::{ErrorCode, QueryException};
use futures::{Stream, StreamExt};
use tonic::{Status, Streaming};

use super::wire;
use super::wire::scan_part::Part;
use crate::{ScanPart, ScanStream};

/// Messages of a scan.
pub(super) type Encoded = Pin<Box<dyn Stream<Item = Result<wire::ScanPart, Status>> + Send>>;

/// An exception as a message.
pub(super) fn told(exception: QueryException) -> wire::Exception {
    wire::Exception {
        code: u32::from(exception.code.number()),
        message: exception.message,
    }
}

/// A message as the exception it was.
pub(super) fn heard(exception: wire::Exception) -> QueryException {
    let code = u16::try_from(exception.code).map_or(ErrorCode::Unknown, ErrorCode::from_number);
    QueryException::new(code, exception.message)
}

/// A transport failure.
pub(super) fn lost(url: &str, status: &Status) -> QueryException {
    QueryException::new(
        ErrorCode::ServerNotResponding,
        format!("{url}: {}", status.message()),
    )
}

/// The messages of a server's answer.
pub(super) fn encoded(answer: Result<Vec<ScanStream>, QueryException>) -> Encoded {
    let message = |part: Part| Ok(wire::ScanPart { part: Some(part) });
    match answer {
        Ok(lanes) => Box::pin(
            futures::stream::iter(lanes)
                .flatten()
                .map(move |part| message(part_of(part))),
        ),
        Err(exception) => Box::pin(futures::stream::iter([message(Part::Exception(told(
            exception,
        )))])),
    }
}

fn part_of(part: Result<ScanPart, QueryException>) -> Part {
    let encoded = part.and_then(|part| {
        Ok(match part {
            ScanPart::Rows(batch) => Part::Rows(bytes_of(&batch).map_err(|error| {
                QueryException::new(
                    ErrorCode::MergeResponse,
                    format!("rows cannot be encoded: {error}"),
                )
            })?),
            ScanPart::Counters(counters) => Part::Counters(counters),
            ScanPart::Missing(name) => Part::Missing(wire::SegmentNames { name }),
        })
    });
    encoded.unwrap_or_else(|exception| Part::Exception(told(exception)))
}

/// The parts that a server's messages tell; a server that refuses does so with its first.
pub(super) async fn decoded(
    url: String,
    mut messages: Streaming<wire::ScanPart>,
) -> Result<ScanStream, QueryException> {
    let first = match messages.message().await {
        Ok(Some(message)) => Some(part_told(&url, message)?),
        Ok(None) => None,
        Err(status) => return Err(lost(&url, &status)),
    };
    let rest = messages.map(move |message| {
        let message = message.map_err(|status| lost(&url, &status))?;
        part_told(&url, message)
    });
    Ok(Box::pin(futures::stream::iter(first.map(Ok)).chain(rest)))
}

fn part_told(url: &str, message: wire::ScanPart) -> Result<ScanPart, QueryException> {
    match message.part {
        Some(Part::Rows(bytes)) => batch_of(bytes).map(ScanPart::Rows).map_err(|error| {
            QueryException::new(
                ErrorCode::MergeResponse,
                format!("{url}: rows cannot be read: {error}"),
            )
        }),
        Some(Part::Counters(counters)) => Ok(ScanPart::Counters(counters)),
        Some(Part::Missing(missing)) => Ok(ScanPart::Missing(missing.name)),
        Some(Part::Exception(exception)) => Err(heard(exception)),
        None => Err(QueryException::new(
            ErrorCode::ServerNotResponding,
            format!("{url}: empty message"),
        )),
    }
}

fn bytes_of(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let size = batch.get_array_memory_size();
    let mut writer = StreamWriter::try_new(Vec::with_capacity(size), batch.schema_ref())?;
    writer.write(batch)?;
    writer.into_inner()
}

fn batch_of(bytes: Vec<u8>) -> Result<RecordBatch, ArrowError> {
    let mut buffer = Buffer::from_vec(bytes);
    let mut decoder = StreamDecoder::new();
    match decoder.decode(&mut buffer)? {
        Some(batch) => Ok(batch),
        None => Err(ArrowError::IpcError("no batch in the message".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn batches_come_back_and_foreign_bytes_are_refused() -> Result<(), ArrowError> {
        let schema = Schema::new(vec![
            Field::new("0", DataType::Int64, true),
            Field::new("1", DataType::Utf8, true),
        ]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
                Arc::new(StringArray::from(vec!["a", "bc", ""])),
            ],
        )?;
        let bytes = bytes_of(&batch)?;
        assert_eq!(batch_of(bytes.clone())?, batch);
        for length in 0..bytes.len() {
            let _ = batch_of(bytes[..length].to_vec());
        }
        assert!(batch_of(vec![7; 40]).is_err());
        Ok(())
    }
}
