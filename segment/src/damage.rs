//! Damaged segment files, with every kind of buffer and index: they are refused, or read as something else, but nothing breaks.
//!
//! Runs longer with `TOURIGA_FUZZ_SECONDS` in the environment; `TOURIGA_FUZZ_SEED` begins elsewhere. A finding names its seed.
//! Must not know: what a segment is asked for by queries. Invariant: equal seeds do equal damage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::format::{TAIL, VERSION};
use crate::testing::damage::{read_all, segment_of_every_kind, with_footer};
use crate::testing::{Random, Table};
use crate::{SealedSegment, SegmentError};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Longest time that reading a small file may take, whatever is in it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A damaged copy of a file: bits, words or runs of its buffers, its length, or numbers of its footer with the checksum mended.
fn damaged(whole: &[u8], random: &mut Random) -> Vec<u8> {
    const WORDS: [u32; 7] = [0, 1, 255, 65_535, 0x7FFF_FFFF, 0x8000_0000, u32::MAX];
    let mut bytes = whole.to_vec();
    let len = bytes.len() as u64;
    match random.below(5) {
        0 => bytes.truncate(random.below(len) as usize),
        1 => {
            for _ in 0..1 + random.below(40) {
                bytes[random.below(len) as usize] ^= 1 << random.below(8);
            }
        }
        2 => {
            for _ in 0..1 + random.below(6) {
                let at = random.below(len - 8) as usize / 4 * 4;
                let word = WORDS[random.below(WORDS.len() as u64) as usize];
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
        3 => {
            let (from, size) = (random.below(len - 300) as usize, random.below(256) as usize);
            let to = random.below(len - 300) as usize;
            bytes.copy_within(from..from + size, to);
        }
        _ => return with_other_footer(whole, random).unwrap_or(bytes),
    }
    bytes
}

fn with_other_footer(whole: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let tail = whole.len() - TAIL;
    let length = u64::from_le_bytes(*whole.get(tail..)?.first_chunk::<8>()?) as usize;
    let start = tail.checked_sub(length)?;
    let mut footer: Json = serde_json::from_slice(whole.get(start..tail)?).ok()?;
    let mut numbers = Vec::new();
    leaves(&mut footer, &mut numbers);
    for _ in 0..1 + random.below(3) {
        let at = random.below(numbers.len() as u64) as usize;
        let leaf = numbers.swap_remove(at);
        *leaf = match (leaf.as_u64(), random.below(4)) {
            (Some(number), 0) => number.saturating_sub(1).into(),
            (Some(number), 1) => number.saturating_add(1).into(),
            (Some(number), 2) => (number / 2).into(),
            (_, n) => [0_u64, 1, 64, u64::from(u32::MAX)][n as usize % 4].into(),
        };
        if numbers.is_empty() {
            break;
        }
    }
    let json = serde_json::to_vec(&footer).ok()?;
    Some(with_footer(&whole[..start], &json))
}

/// Every number of a document.
fn leaves<'a>(json: &'a mut Json, out: &mut Vec<&'a mut Json>) {
    match json {
        Json::Number(_) => out.push(json),
        Json::Array(items) => items.iter_mut().for_each(|item| leaves(item, out)),
        Json::Object(map) => map.values_mut().for_each(|item| leaves(item, out)),
        _ => {}
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn damaged_files_are_errors_or_other_values() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (path, damaged_path) = (folder.path().join("s"), folder.path().join("d"));
    segment_of_every_kind(&path, 200)?;
    let kinds = SealedSegment::open(&path)?;
    read_all(&kinds);
    for index in crate::index::TYPES {
        let mut directory = kinds.directory().iter();
        assert!(
            directory.any(|entry| entry.kind == index.id()),
            "{}",
            index.id()
        );
    }
    let whole = std::fs::read(&path)?;
    let first = setting("TOURIGA_FUZZ_SEED").unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(setting("TOURIGA_FUZZ_SECONDS").unwrap_or(0));
    let (mut seed, mut opened) = (first, 0_u64);
    while seed < first + 300 || Instant::now() < until {
        let bytes = damaged(&whole, &mut Random(seed));
        std::fs::write(&damaged_path, &bytes)?;
        let began = Instant::now();
        let work = || match SealedSegment::open(&damaged_path) {
            Ok(segment) => {
                read_all(&segment);
                let _ = segment.verify();
                1
            }
            Err(_) => 0,
        };
        let outcome = catch_unwind(AssertUnwindSafe(work));
        assert!(outcome.is_ok(), "TOURIGA_FUZZ_SEED={seed}");
        assert!(
            began.elapsed() < PATIENCE,
            "TOURIGA_FUZZ_SEED={seed} is slow"
        );
        opened += outcome.unwrap_or(0);
        seed += 1;
    }
    assert!(opened > 30, "{opened}");
    Ok(())
}

#[test]
fn every_buffer_is_checked() -> Outcome {
    let folder = tempfile::tempdir()?;
    let damaged = folder.path().join("d");
    let mut random = Random(5);
    let path = folder.path().join("s");
    segment_of_every_kind(&path, 120)?;
    let table = Table::random(21, 60, json!({})).ok_or("no table")?;
    let other = folder.path().join("t");
    table.seal(&*table.mutable()?.snapshot(), &other)?;
    for path in [path, other] {
        let whole = std::fs::read(&path)?;
        let directory = SealedSegment::open(&path)?.directory().to_vec();
        for entry in directory.iter().filter(|entry| entry.length > 0) {
            let mut bytes = whole.clone();
            bytes[(entry.offset + random.below(entry.length)) as usize] ^= 1;
            std::fs::write(&damaged, &bytes)?;
            let error = SealedSegment::open(&damaged).and_then(|segment| segment.verify());
            let Err(error @ SegmentError::Corrupt { .. }) = error else {
                return Err(format!("{} of {} was not missed", entry.kind, entry.column).into());
            };
            assert!(error.to_string().contains(&damaged.display().to_string()));
        }
        for _ in 0..30 {
            let len = random.below(whole.len() as u64) as usize;
            std::fs::write(&damaged, &whole[..len])?;
            assert!(SealedSegment::open(&damaged).is_err());
        }
    }
    Ok(())
}

#[test]
fn another_format_version_is_refused_by_name() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("s");
    segment_of_every_kind(&path, 10)?;
    let mut bytes = std::fs::read(&path)?;
    let last = bytes.len() - 12;
    for at in [8, last] {
        bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    std::fs::write(&path, &bytes)?;
    let error = SealedSegment::open(&path).err().ok_or("it was opened")?;
    let wanted = format!(
        "`{}` has format version `1`, expected `{VERSION}`",
        path.display()
    );
    assert!(error.to_string().contains(&wanted), "{error}");
    Ok(())
}

#[test]
fn encodings_that_the_type_cannot_have_are_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("s");
    segment_of_every_kind(&path, 20)?;
    let whole = std::fs::read(&path)?;
    let tail = whole.len() - TAIL;
    let length = u64::from_le_bytes(*whole[tail..].first_chunk::<8>().ok_or("no tail")?);
    let start = tail - usize::try_from(length)?;
    let text = std::str::from_utf8(&whole[start..tail])?;
    let column = text.find(r#""name":"raw""#).ok_or("no column")?;
    let (before, after) = text.split_at(column);
    for (from, to) in [
        (r#""chunk_entries":"#, r#""other_entries":"#),
        (r#""encoding":"raw""#, r#""encoding":"packed""#),
    ] {
        let footer = format!("{before}{}", after.replacen(from, to, 1));
        assert!(footer != text, "{from}");
        std::fs::write(&path, with_footer(&whole[..start], footer.as_bytes()))?;
        let refused = SealedSegment::open(&path).err();
        assert!(
            matches!(refused, Some(SegmentError::Corrupt { .. })),
            "{to}: {refused:?}"
        );
    }
    Ok(())
}
