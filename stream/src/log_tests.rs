//! Tests of the partition log: offsets, reads, retention, restart, duplicates.

use super::*;
use crate::batch::tests::batch;
use kafka_protocol::records::Compression;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NOW: i64 = 100;
const KEEP_ALL: Retention = Retention {
    bytes: None,
    millis: None,
};

fn one(timestamp: i64) -> Bytes {
    batch(&[timestamp], Compression::None, b"0123456789")
}

#[test]
fn offsets_follow_each_other() -> Outcome {
    let mut log = Log::open(None, KEEP_ALL)?;
    assert_eq!(
        log.append(&batch(&[1, 2, 3], Compression::None, b"a"), NOW)?,
        0
    );
    assert_eq!(log.append(&batch(&[4], Compression::Zstd, b"b"), NOW)?, 3);
    assert_eq!((log.start_offset(), log.next_offset()), (0, 4));

    // A read in the middle of a batch gives the whole batch: the client skips.
    let bytes = log.read(1, 1 << 20, true)?;
    let batches = batch::split_batches(&bytes)?;
    assert_eq!(
        batches.iter().map(|b| b.0.base_offset).collect::<Vec<_>>(),
        [0, 3]
    );
    assert_eq!(log.read(4, 1 << 20, true)?.len(), 0);
    assert_eq!(log.available_from(0, usize::MAX), bytes.len());
    Ok(())
}

#[test]
fn a_read_is_bounded_but_gives_at_least_one_batch() -> Outcome {
    let mut log = Log::open(None, KEEP_ALL)?;
    for at in 0..10 {
        log.append(&one(at), NOW)?;
    }
    let size = one(0).len();
    assert_eq!(log.read(0, 1, true)?.len(), size);
    assert_eq!(log.read(0, 1, false)?.len(), 0);
    assert_eq!(log.read(0, size * 3 + 1, true)?.len(), size * 3);
    assert_eq!(log.read(8, usize::MAX, true)?.len(), size * 2);
    Ok(())
}

#[test]
fn a_read_over_several_segments_has_no_gap() -> Outcome {
    let keep = Retention {
        bytes: Some(SMALLEST_SEGMENT as u64 * 8 * 8),
        millis: None,
    };
    let mut log = Log::open(None, keep)?;
    // Of all sizes: the first batch of a segment may fit where one of the segment before did not.
    for at in 0..300_usize {
        let value = vec![7; at * 7_919 % 6_007];
        log.append(&batch(&[1], Compression::None, &value), NOW)?;
    }
    assert!(log.segments.len() > 5 && log.start_offset() == 0);
    for max_bytes in (1..60_000).step_by(1_999).chain([1 << 20]) {
        let mut next = 0;
        while next < 300 {
            let bytes = log.read(next, max_bytes, true)?;
            for (header, _) in batch::split_batches(&bytes)? {
                assert_eq!(header.base_offset, next, "{max_bytes} bytes at most");
                next = header.last_offset() + 1;
            }
        }
        assert_eq!(next, 300);
    }
    Ok(())
}

#[test]
fn retention_by_bytes_moves_the_start() -> Outcome {
    let mut log = Log::open(
        None,
        Retention {
            bytes: Some(100_000),
            millis: None,
        },
    )?;
    let big = batch(&[1], Compression::None, &[7; 5000]);
    for _ in 0..200 {
        log.append(&big, NOW)?;
        assert!(log.size() <= 100_000, "{}", log.size());
    }
    assert_eq!(log.next_offset(), 200);
    assert!(log.start_offset() > 170, "{}", log.start_offset());
    let bytes = log.read(log.start_offset(), 1, true)?;
    assert_eq!(
        batch::split_batches(&bytes)?[0].0.base_offset,
        log.start_offset()
    );
    Ok(())
}

#[test]
fn retention_by_age_keeps_the_next_offset_over_a_restart() -> Outcome {
    let directory = tempfile::tempdir()?;
    let keep = Retention {
        bytes: None,
        millis: Some(1000),
    };
    let mut log = Log::open(Some(directory.path().to_path_buf()), keep)?;
    for at in 0..5 {
        log.append(&one(at), NOW)?;
    }
    log.expire(900)?;
    assert_eq!((log.start_offset(), log.next_offset()), (0, 5));
    log.expire(5000)?;
    assert_eq!((log.start_offset(), log.next_offset()), (5, 5));
    drop(log);
    let log = Log::open(Some(directory.path().to_path_buf()), keep)?;
    assert_eq!((log.start_offset(), log.next_offset()), (5, 5));
    Ok(())
}

#[test]
fn a_restart_cuts_a_torn_tail_and_goes_on() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut log = Log::open(Some(directory.path().to_path_buf()), KEEP_ALL)?;
    for at in 0..5 {
        log.append(&one(at), NOW)?;
    }
    log.delete_before(2)?;
    drop(log);
    let path = directory.path().join(format!("{:020}.log", 0));
    let size = std::fs::metadata(&path)?.len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)?
        .set_len(size - 3)?;

    let mut log = Log::open(Some(directory.path().to_path_buf()), KEEP_ALL)?;
    assert_eq!((log.start_offset(), log.next_offset()), (2, 4));
    assert_eq!(log.append(&one(9), NOW)?, 4);
    assert_eq!(log.find_timestamp(0)?, Some((2, 2)));
    assert_eq!(log.find_timestamp(4)?, Some((9, 4)));
    assert_eq!(log.find_max_timestamp()?, Some((9, 4)));
    Ok(())
}

#[test]
fn deleting_everything_leaves_an_empty_log() -> Outcome {
    let mut log = Log::open(None, KEEP_ALL)?;
    for at in 0..5 {
        log.append(&one(at), NOW)?;
    }
    assert_eq!(log.delete_before(6)?, None);
    assert_eq!(log.delete_before(5)?, Some(5));
    assert_eq!(log.size(), 0);
    assert_eq!(log.append(&one(9), NOW)?, 5);
    Ok(())
}

#[test]
fn a_batch_sent_twice_is_stored_once() -> Outcome {
    let mut log = Log::open(None, KEEP_ALL)?;
    let mut bytes = batch(&[1, 2], Compression::None, b"x").to_vec();
    bytes[43..51].copy_from_slice(&77_i64.to_be_bytes());
    bytes[51..53].copy_from_slice(&0_i16.to_be_bytes());
    bytes[53..57].copy_from_slice(&0_i32.to_be_bytes());
    let checksum = crc32c::crc32c(&bytes[21..]).to_be_bytes();
    bytes[17..21].copy_from_slice(&checksum);
    assert_eq!(log.append(&bytes, NOW)?, 0);
    assert_eq!(log.append(&one(3), NOW)?, 2);
    assert_eq!(log.append(&bytes, NOW)?, 0);
    assert_eq!(log.next_offset(), 3);
    Ok(())
}
