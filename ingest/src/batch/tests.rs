//! Every format gives the same rows.

use std::io::Write;

use common::clock::ManualClock;
use common::{DataType, Value};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(format: &str, content: &[u8], properties: &Properties) -> Result<RowBatch, FileError> {
    let schema: Schema = serde_json::from_value(json!({"schemaName": "t", "dimensionFieldSpecs": [
        {"name": "id", "dataType": "LONG"}, {"name": "s", "dataType": "STRING"},
        {"name": "m", "dataType": "STRING", "singleValueField": false}]}))
    .map_err(|e| broken("schema", e))?;
    let table: TableConfig =
        serde_json::from_value(json!({"tableName": "t", "tableType": "OFFLINE"}))
            .map_err(|e| broken("table", e))?;
    let records = open(format, Bytes::copy_from_slice(content), properties)?;
    let clock = Arc::new(ManualClock::at(0));
    let mut rows = FileRows::new(records, &schema, &table, clock, 100)?;
    rows.next()
        .unwrap_or_else(|| RowBatch::new(&schema).map_err(|e| broken("schema", e)))
}

fn texts(batch: &RowBatch) -> Vec<String> {
    let columns = batch.columns();
    let types = [DataType::Long, DataType::String, DataType::String];
    (0..batch.rows())
        .map(|row| {
            let cells = columns
                .iter()
                .zip(types)
                .map(|(c, t)| c.values.get(row, t).to_text());
            cells.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[test]
fn json_comes_as_lines_arrays_and_gzip() -> Result<(), FileError> {
    let expected = ["1 a [x,y]", "2 null [null]"];
    let lines = b"{\"id\":1,\"s\":\"a\",\"m\":[\"x\",\"y\"]}\n\n{\"id\":2}";
    assert_eq!(texts(&read("json", lines, &Properties::new())?), expected);
    let array = b" [{\"id\":1,\"s\":\"a\",\"m\":[\"x\",\"y\"]} , {\"id\":2}]\n";
    assert_eq!(texts(&read("JSON", array, &Properties::new())?), expected);
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let _ = zipped.write_all(lines);
    let zipped = zipped.finish().unwrap_or_default();
    assert_eq!(texts(&read("json", &zipped, &Properties::new())?), expected);
    let error = read("json", b"{\"id\":1}\n{\"id\":", &Properties::new());
    assert!(error.is_err_and(|e| e.to_string().contains("at byte 15")));
    Ok(())
}

#[test]
fn csv_has_a_header_line_or_property() -> Result<(), FileError> {
    let expected = ["1 a [x,y]", "2 null [null]"];
    assert_eq!(
        texts(&read("csv", b"id,s,m\n1,a,x;y\n2,,\n", &Properties::new())?),
        expected
    );
    let properties: Properties = [
        ("header", "id|s|m"),
        ("delimiter", "|"),
        ("multiValueDelimiter", ","),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    assert_eq!(
        texts(&read("csv", b"1| a |x,y\n2||", &properties)?),
        expected
    );
    assert!(matches!(
        read("csv", b"id,s\nx,1\n", &Properties::new()),
        Err(FileError::Row { record: 0, .. })
    ));
    Ok(())
}

#[test]
fn avro_files_are_read() -> Result<(), Box<dyn std::error::Error>> {
    let schema = apache_avro::Schema::parse_str(
        r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},
        {"name":"s","type":["null","string"]},{"name":"m","type":{"type":"array","items":"string"}}]}"#,
    )?;
    let mut writer = apache_avro::Writer::new(&schema, Vec::new());
    for (id, s, m) in [(1_i64, Some("a"), vec!["x", "y"]), (2, None, vec![])] {
        let mut record = apache_avro::types::Record::new(&schema).ok_or("no record schema")?;
        record.put("id", id);
        record.put("s", s);
        record.put(
            "m",
            apache_avro::types::Value::Array(
                m.into_iter()
                    .map(|t| apache_avro::types::Value::String(t.to_owned()))
                    .collect(),
            ),
        );
        writer.append(record)?;
    }
    let rows = read("avro", &writer.into_inner()?, &Properties::new())?;
    assert_eq!(texts(&rows), ["1 a [x,y]", "2 null [null]"]);
    Ok(())
}

#[test]
fn parquet_files_are_read() -> Result<(), Box<dyn std::error::Error>> {
    use arrow::array::{
        ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    };
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("x"), Some("y")]);
    list.append_null();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("s", Arc::new(StringArray::from(vec![Some("a"), None]))),
        ("m", Arc::new(list.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut out = Vec::new();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut out, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    let rows = read("parquet", &out, &Properties::new())?;
    assert_eq!(texts(&rows), ["1 a [x,y]", "2 null [null]"]);
    assert_eq!(
        rows.columns()[0].values.get(1, DataType::Long),
        Value::Long(2)
    );
    let mut records = parquet::open(Bytes::from(out), &Properties::new())?;
    assert_eq!(records.by_ref().count(), 2);
    assert!(records.next().is_none(), "the end stays the end");
    Ok(())
}

#[test]
fn orc_files_are_read() -> Result<(), Box<dyn std::error::Error>> {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("s", Arc::new(StringArray::from(vec![Some("a"), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut out = Vec::new();
    let mut writer = orc_rust::ArrowWriterBuilder::new(&mut out, batch.schema()).try_build()?;
    writer.write(&batch)?;
    writer.close()?;
    let rows = read("orc", &out, &Properties::new())?;
    assert_eq!(texts(&rows), ["1 a [null]", "2 null [null]"]);
    out.truncate(out.len() / 2);
    assert!(read("orc", &out, &Properties::new()).is_err());
    Ok(())
}

#[test]
fn a_batch_config_names_format_and_properties() -> Result<(), FileError> {
    let config = [("recordReader.prop.delimiter", "|")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let records = open_configured(&config, "a.csv.gz", Bytes::from_static(b"id|s\n1|x"))?;
    let names: Vec<String> = records
        .filter_map(Result::ok)
        .flat_map(|r| {
            r.fields()
                .iter()
                .map(|(n, _)| n.clone())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(names, ["id", "s"]);
    Ok(())
}

proptest! {
    #[test]
    fn random_files_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        for format in ["json", "csv", "avro", "parquet", "orc"] {
            drop(read(format, &bytes, &Properties::new()));
        }
    }
}
