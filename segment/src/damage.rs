//! Damaged segment files, with every kind of buffer and index: they are refused, or read as something else, but nothing breaks.
//!
//! Runs longer with `TOURIGA_FUZZ_SECONDS` in the environment; `TOURIGA_FUZZ_SEED` begins elsewhere. A finding names its seed.
//! Must not know: what a segment is asked for by queries. Invariant: equal seeds do equal damage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{DataType, Schema, TableConfig, Value, Values};
use serde_json::{Value as Json, json};

use crate::build::{BuildSettings, seal_rows};
use crate::format::{MAGIC, TAIL, VERSION};
use crate::testing::{Random, Table};
use crate::{
    Answer, Asked, Bound, Column, Dictionary, Docs, IdSet, Predicate, RowBatch, SealedSegment,
    Segment, SegmentError, StarTree, Stored,
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Longest time that reading a small file may take, whatever is in it.
const PATIENCE: Duration = Duration::from_secs(20);

fn schema() -> Result<Schema, serde_json::Error> {
    serde_json::from_value(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [
            {"name": "city", "dataType": "STRING"}, {"name": "region", "dataType": "STRING"},
            {"name": "doc", "dataType": "JSON"}, {"name": "words", "dataType": "STRING"},
            {"name": "place", "dataType": "BYTES"}, {"name": "id", "dataType": "LONG"},
            {"name": "raw", "dataType": "STRING"}, {"name": "delta", "dataType": "INT"},
            {"name": "at", "dataType": "FLOAT", "singleValueField": false},
            {"name": "tags", "dataType": "STRING", "singleValueField": false}],
        "metricFieldSpecs": [{"name": "price", "dataType": "INT"}, {"name": "weight", "dataType": "DOUBLE"}],
        "dateTimeFieldSpecs": [
            {"name": "ts", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}]
    }))
}

fn config() -> Result<TableConfig, serde_json::Error> {
    serde_json::from_value(json!({
        "tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {"timeColumnName": "ts"},
        "tableIndexConfig": {
            "nullHandlingEnabled": true, "sortedColumn": ["region"], "noDictionaryColumns": ["raw", "delta"],
            "invertedIndexColumns": ["city", "tags"], "rangeIndexColumns": ["price", "id", "ts"],
            "bloomFilterColumns": ["id", "city"], "jsonIndexColumns": ["doc"],
            "noDictionaryConfig": {"raw": "ZSTANDARD", "delta": "DELTA"},
            "starTreeIndexConfigs": [{"dimensionsSplitOrder": ["region", "city"], "maxLeafRecords": 4,
                "functionColumnPairs": ["SUM__price", "MIN__price", "SUM__weight", "AVG__weight",
                    "DISTINCTCOUNTHLL__id", "PERCENTILETDIGEST__weight", "DISTINCTCOUNTTHETASKETCH__city"]}]},
        "fieldConfigList": [
            {"name": "words", "encodingType": "RAW", "indexTypes": ["TEXT"]},
            {"name": "city", "indexes": {"fst": {}, "ifst": {}}},
            {"name": "place", "encodingType": "RAW", "indexTypes": ["H3"], "properties": {"resolutions": "3"}},
            {"name": "at", "encodingType": "RAW", "indexTypes": ["VECTOR"]}]
    }))
}

fn rows(schema: &Schema, count: u64) -> Result<RowBatch, SegmentError> {
    let mut batch = RowBatch::new(schema)?;
    let mut random = Random(77);
    for row in 0..count {
        let r = random.next();
        let pick = |shift: u32, of: u64| (r >> shift) % of;
        let text = |n: u64| Value::String(format!("t{n}"));
        let at = (0..4).map(|n| Value::Float(pick(n * 7, 100) as f32 / 50.0 - 1.0));
        let point = functions::geo::Geometry::point(pick(3, 300) as f64 - 150.0, 10.0, true);
        for ((_, field), column) in schema.fields.iter().zip(batch.columns_mut()) {
            if row % 17 == 3 && field.name == "price" {
                column.push_null();
                continue;
            }
            column.push(&match field.name.as_str() {
                "city" => Value::String(format!("C{:02}", pick(5, 40))),
                "region" => text(pick(1, 3)),
                "doc" => Value::Json(format!(
                    r#"{{"k":"v{}","n":[{{"a":{}}}]}}"#,
                    pick(2, 9),
                    row
                )),
                "words" => Value::String(format!("java rust w{}", pick(4, 30))),
                "place" => Value::Bytes(point.to_bytes()),
                "id" | "ts" => Value::Long(1_700_000_000_000 + pick(6, 1 << 30) as i64),
                "raw" => Value::String("x".repeat(pick(8, 40) as usize)),
                "delta" | "price" => Value::Int(pick(9, 1000) as i32 - 500),
                "weight" => Value::Double(pick(10, 100) as f64 / 8.0),
                "at" => Value::Array(DataType::Float, at.clone().collect()),
                _ => Value::Array(DataType::String, (0..=pick(11, 3)).map(text).collect()),
            });
        }
    }
    Ok(batch)
}

fn build(path: &Path, count: u64) -> Outcome {
    let (schema, config) = (schema()?, config()?);
    let batch = rows(&schema, count)?;
    seal_rows([&batch], &schema, &config, &BuildSettings::default(), path)?;
    Ok(())
}

fn predicates(column: &dyn Column) -> Vec<Predicate> {
    let value = column.stats().min.unwrap_or_default();
    let point = functions::geo::Geometry::point(0.0, 0.0, true).to_bytes();
    let regex = |pattern: &str| Predicate::RegexpLike {
        pattern: pattern.to_owned(),
        ignore_case: true,
    };
    let unbounded = Predicate::Range {
        lower: Bound::Unbounded,
        upper: Bound::Unbounded,
    };
    let above = Predicate::Range {
        lower: Bound::Excluded(value.clone()),
        upper: Bound::Unbounded,
    };
    let cardinality = column.dictionary().map_or(0, Dictionary::len);
    vec![
        unbounded,
        above,
        Predicate::Eq(value.clone()),
        Predicate::NotIn(vec![value]),
        Predicate::Ids(IdSet::from_test(cardinality, |id| id % 2 == 0)),
        regex("^c0"),
        Predicate::JsonMatch("\"$.k\" = 'v1' OR \"$.n[*].a\" > 3".to_owned()),
        Predicate::TextMatch("java AND w1* OR \"rust w2\"".to_owned()),
        Predicate::Nearest {
            target: vec![0.5; 4],
            top_k: 3,
        },
        Predicate::Distance {
            from: point.clone(),
            low: 0.0,
            high: 5e6,
        },
        Predicate::Within { shape: point },
    ]
}

fn ask_indexes(column: &dyn Column, rows: u32) {
    let cardinality = column.dictionary().map_or(0, Dictionary::len);
    for predicate in predicates(column) {
        for index in column.indexes() {
            index.estimate(&predicate);
            let candidates = index.candidates(&predicate).unwrap_or_default();
            assert!(candidates.iter().all(|id| *id < cardinality));
            let found = match index.matching(&predicate) {
                Some(Answer::Exact(found) | Answer::AtMost(found)) => found,
                Some(Answer::Between { sure, open }) => sure | open,
                None => continue,
            };
            assert!(found.max().is_none_or(|row| row < rows));
        }
    }
}

fn search(tree: &StarTree) {
    let dimensions = tree.metadata().dimensions.len();
    for grouped in [false, true] {
        let asked = vec![
            Asked {
                ids: grouped.then_some(IdSet::Run(0..3)),
                grouped,
            };
            dimensions
        ];
        let found = tree.search(&asked);
        for pair in 0..tree.metadata().pairs.len() {
            let bytes = found.iter().map(|record| tree.state(pair, *record).len());
            assert!(bytes.sum::<usize>() < 1 << 30);
        }
        for stored in [Stored::Count, Stored::Sum, Stored::Min] {
            let column =
                tree.pair_column(stored, if stored == Stored::Count { "" } else { "price" });
            if let Some(column) = column {
                drop(column.values(Docs::List(&found)));
            }
        }
        for dimension in 0..dimensions {
            if let Some(column) = tree.dimension_column(dimension) {
                drop(column.values(Docs::List(&found)));
            }
        }
    }
}

/// Reads everything there is to read; only panics would be wrong.
fn read_all(segment: &SealedSegment) {
    let rows = segment.doc_count();
    let list: Vec<u32> = (0..rows).step_by(3).collect();
    for name in segment.column_names() {
        let Some(column) = segment.column(&name) else {
            continue;
        };
        let cardinality = column.dictionary().map_or(0, Dictionary::len);
        let (mut offsets, mut ids) = (Vec::new(), Vec::new());
        for docs in [Docs::Range(0..rows), Docs::List(&list)] {
            let wanted = docs.len();
            let values = column.values(docs.clone());
            let found = match &values {
                Values::Array(array) => array.len(),
                values => values.len(),
            };
            assert_eq!(found, wanted, "{name}");
            match column.column_type().multi {
                true => column.id_lists(docs, &mut offsets, &mut ids),
                false => column.ids(docs, &mut ids),
            }
            assert!(ids.iter().all(|id| *id < cardinality));
        }
        assert!(column.nulls().is_none_or(|nulls| nulls.max() < Some(rows)));
        column.sorted_docs(0..cardinality);
        column.sorted_longs(-5, 5);
        let mut words = Vec::new();
        if !column.column_type().multi {
            column.match_ids(0..rows, &IdSet::all(cardinality), &mut words);
            column.match_longs(0..rows, -100, 100, &mut words);
        }
        if let Some(dictionary) = column.dictionary() {
            dictionary.matching_text(&mut |text| text.len() > 2);
            dictionary.find(&Value::String("C07".to_owned()));
        }
        ask_indexes(column, rows);
    }
    segment.star_trees().iter().for_each(search);
}

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
    let mut bytes = whole[..start].to_vec();
    bytes.extend_from_slice(&json);
    bytes.extend((json.len() as u64).to_le_bytes());
    bytes.extend(crc32c::crc32c(&json).to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    Some(bytes)
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
    build(&path, 200)?;
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
    build(&path, 120)?;
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
    build(&path, 10)?;
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
