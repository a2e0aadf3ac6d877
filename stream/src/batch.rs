//! The header of a record batch (magic 2) as bytes: read, check, move to another base offset.
//! Records are never rewritten; compression passes through. Only a look-up by timestamp opens one.
//! Invariant: a `BatchHeader` is only made from bytes that hold the whole batch.
//! Must not know: topics, files.

use bytes::{Buf, Bytes};
use kafka_protocol::ResponseError;
use kafka_protocol::compression::{Decompressor, Gzip, Lz4, Snappy, Zstd};

/// Bytes before the first record.
pub(crate) const HEADER_LEN: usize = 61;
/// Bytes that `batch_length` does not count: base offset and the length itself.
const LENGTH_PREFIX: usize = 12;
const CRC_START: usize = 21;
const COMPRESSION_MASK: i16 = 0x7;
const CONTROL_OR_TRANSACTION: i16 = 0x30;

/// The fields of a batch header that the log needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// Length of the whole batch in bytes, prefix included.
    pub(crate) len: usize,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; `None` if they do not hold one whole batch.
    pub(crate) fn read(bytes: &[u8]) -> Option<BatchHeader> {
        let header = BatchHeader::read_prefix(bytes)?;
        (bytes.len() >= header.len).then_some(header)
    }

    /// Reads the header alone: `bytes` may end before the records do.
    pub(crate) fn read_prefix(bytes: &[u8]) -> Option<BatchHeader> {
        let mut header = bytes.get(..HEADER_LEN)?;
        let base_offset = header.get_i64();
        let length = usize::try_from(header.get_i32()).ok()?;
        let len = length
            .checked_add(LENGTH_PREFIX)
            .filter(|len| *len >= HEADER_LEN)?;
        let _leader_epoch = header.get_i32();
        if header.get_i8() != 2 {
            return None;
        }
        let _crc = header.get_u32();
        let attributes = header.get_i16();
        let last_offset_delta = header.get_i32();
        let base_timestamp = header.get_i64();
        let max_timestamp = header.get_i64();
        let producer_id = header.get_i64();
        let producer_epoch = header.get_i16();
        let base_sequence = header.get_i32();
        let count = header.get_i32();
        if last_offset_delta < 0 || count.checked_sub(1) != Some(last_offset_delta) {
            return None;
        }
        Some(BatchHeader {
            base_offset,
            len,
            attributes,
            last_offset_delta,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
        })
    }

    /// Offset of the last record.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// Number of records.
    pub(crate) fn count(&self) -> i64 {
        i64::from(self.last_offset_delta) + 1
    }
}

/// True if the checksum in the header is the one of the bytes behind it.
pub(crate) fn checksum_holds(batch: &[u8]) -> bool {
    match (batch.get(17..CRC_START), batch.get(CRC_START..)) {
        (Some(stored), Some(body)) => stored == crc32c::crc32c(body).to_be_bytes(),
        _ => false,
    }
}

/// Splits what a producer sent into batches and checks each one.
pub(crate) fn split_batches(records: &[u8]) -> Result<Vec<(BatchHeader, &[u8])>, ResponseError> {
    let mut batches = Vec::with_capacity(1);
    let mut rest = records;
    while !rest.is_empty() {
        if rest.get(16).is_some_and(|magic| *magic < 2) {
            return Err(ResponseError::UnsupportedForMessageFormat);
        }
        let header = BatchHeader::read(rest).ok_or(ResponseError::CorruptMessage)?;
        let (batch, tail) = rest
            .split_at_checked(header.len)
            .ok_or(ResponseError::CorruptMessage)?;
        if !checksum_holds(batch) {
            return Err(ResponseError::CorruptMessage);
        }
        if header.attributes & CONTROL_OR_TRANSACTION != 0 {
            return Err(ResponseError::InvalidRecord);
        }
        batches.push((header, batch));
        rest = tail;
    }
    if batches.is_empty() {
        Err(ResponseError::InvalidRecord)
    } else {
        Ok(batches)
    }
}

/// Writes a base offset over the one in the header; the checksum does not cover it.
pub(crate) fn set_base_offset(batch: &mut [u8], base_offset: i64) {
    if let Some(field) = batch.get_mut(..8) {
        field.copy_from_slice(&base_offset.to_be_bytes());
    }
}

/// The first record at or after `timestamp` as (timestamp, offset). A batch whose records cannot be
/// opened answers with its own start: too early is safe, too late would lose records.
pub(crate) fn first_at_or_after(batch: &Bytes, timestamp: i64) -> Option<(i64, i64)> {
    let header = BatchHeader::read(batch)?;
    if header.max_timestamp < timestamp {
        return None;
    }
    let found = records_of(batch, &header).and_then(|records| scan(&header, records, timestamp));
    Some(found.unwrap_or((header.base_timestamp, header.base_offset)))
}

fn records_of(batch: &Bytes, header: &BatchHeader) -> Option<Bytes> {
    let mut body = batch.slice(HEADER_LEN..header.len);
    // The codecs lend the opened bytes; copying them out ends the borrow.
    match header.attributes & COMPRESSION_MASK {
        0 => Some(body),
        1 => Gzip::decompress(&mut body, |opened| {
            Ok(opened.copy_to_bytes(opened.remaining()))
        })
        .ok(),
        2 => Snappy::decompress(&mut body, |opened| {
            Ok(opened.copy_to_bytes(opened.remaining()))
        })
        .ok(),
        3 => Lz4::decompress(&mut body, |opened| {
            Ok(opened.copy_to_bytes(opened.remaining()))
        })
        .ok(),
        4 => Zstd::decompress(&mut body, |opened| {
            Ok(opened.copy_to_bytes(opened.remaining()))
        })
        .ok(),
        _ => None,
    }
}

fn scan(header: &BatchHeader, records: Bytes, timestamp: i64) -> Option<(i64, i64)> {
    let mut rest = &records[..];
    for _ in 0..header.count() {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let (mut record, tail) = rest.split_at_checked(length)?;
        record = record.get(1..)?;
        let time = header.base_timestamp.wrapping_add(varint(&mut record)?);
        let offset = header.base_offset.wrapping_add(varint(&mut record)?);
        if time >= timestamp {
            return Some((time, offset));
        }
        rest = tail;
    }
    None
}

/// A zigzag variable-length number.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, tail) = bytes.split_first()?;
        *bytes = tail;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::records::{
        Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
        Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };

    /// A batch of one record per timestamp.
    pub(crate) fn batch(timestamps: &[i64], compression: Compression, value: &[u8]) -> Bytes {
        let records: Vec<Record> = timestamps
            .iter()
            .enumerate()
            .map(|(at, timestamp)| Record {
                transactional: false,
                control: false,
                delete_horizon: false,
                partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: NO_PRODUCER_EPOCH,
                timestamp_type: TimestampType::Creation,
                offset: at as i64,
                sequence: NO_SEQUENCE.wrapping_add(at as i32),
                timestamp: *timestamp,
                key: None,
                value: Some(Bytes::copy_from_slice(value)),
                headers: Default::default(),
            })
            .collect();
        let mut buf = BytesMut::new();
        let options = RecordEncodeOptions {
            version: 2,
            compression,
        };
        let _ = RecordBatchEncoder::encode(&mut buf, records.iter(), &options);
        buf.freeze()
    }

    #[test]
    fn splits_and_checks() {
        let one = batch(&[10, 20, 30], Compression::None, b"x");
        let two = [&one[..], &one[..]].concat();
        let split = split_batches(&two).unwrap_or_default();
        assert_eq!(split.len(), 2);
        assert_eq!(split[0].0.count(), 3);
        assert_eq!(split[0].0.max_timestamp, 30);

        let mut damaged = one.to_vec();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert_eq!(
            split_batches(&damaged).err(),
            Some(ResponseError::CorruptMessage)
        );
        for cut in 0..one.len() {
            assert!(split_batches(&one[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn finds_by_timestamp_in_every_codec() {
        for codec in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let mut moved = batch(&[10, 20, 30], codec, b"value").to_vec();
            set_base_offset(&mut moved, 100);
            let moved = Bytes::from(moved);
            assert!(checksum_holds(&moved));
            assert_eq!(first_at_or_after(&moved, 5), Some((10, 100)), "{codec:?}");
            assert_eq!(first_at_or_after(&moved, 11), Some((20, 101)), "{codec:?}");
            assert_eq!(first_at_or_after(&moved, 30), Some((30, 102)), "{codec:?}");
            assert_eq!(first_at_or_after(&moved, 31), None, "{codec:?}");
        }
    }

    #[test]
    fn numbers_of_any_length() {
        assert_eq!(varint(&mut &[0x01][..]), Some(-1));
        assert_eq!(varint(&mut &[0x96, 0x01][..]), Some(75));
        assert_eq!(varint(&mut &[0xff; 12][..]), None);
        assert_eq!(varint(&mut &[][..]), None);
    }
}
