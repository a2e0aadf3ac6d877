//! Segments of every kind to be damaged, and a reader of everything in them.
//!
//! Must not know: what was damaged. Invariant: only panics are wrong.

use std::error::Error;
use std::path::Path;

use common::{DataType, Schema, TableConfig, Value, Values};
use serde_json::json;

use super::Random;
use crate::build::{BuildSettings, seal_rows};
use crate::format::{MAGIC, TAIL, VERSION};
use crate::{
    Answer, Asked, Bound, Column, Dictionary, Docs, IdSet, Predicate, RowBatch, SealedSegment,
    Segment, SegmentError, StarTree, Stored,
};

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

/// Writes a segment of so many rows with every kind of buffer and index.
///
/// # Errors
/// Where the file cannot be written.
pub fn segment_of_every_kind(path: &Path, count: u64) -> Result<(), Box<dyn Error>> {
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

/// Reads everything there is to read.
///
/// # Panics
/// Where an answer lies outside of the segment: whatever a file holds, no reader may say so.
pub fn read_all(segment: &SealedSegment) {
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

/// The file with the checksum and the length of its footer as they should be, so that damage before it is reached; `None` where it has
/// no footer at all.
#[must_use]
pub fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    let tail = bytes.len().checked_sub(TAIL)?;
    let length = u64::from_le_bytes(*bytes.get(tail..)?.first_chunk::<8>()?);
    let start = tail.checked_sub(usize::try_from(length).ok()?)?;
    let footer = bytes.get(start..tail)?;
    Some(with_footer(bytes.get(..start)?, footer))
}

/// A file of buffers and a footer.
pub(crate) fn with_footer(buffers: &[u8], footer: &[u8]) -> Vec<u8> {
    let mut bytes = buffers.to_vec();
    bytes.extend_from_slice(footer);
    bytes.extend((footer.len() as u64).to_le_bytes());
    bytes.extend(crc32c::crc32c(footer).to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    bytes
}
