//! Messages in other shapes than their table: enriched, conformed to the schema, CSV in its dialects.
//!
//! Must not know: how they are read. Invariant: what Pinot makes of the same message.

use std::error::Error;
use std::sync::Arc;

use common::clock::ManualClock;
use common::{Schema, TableConfig};
use ingest::decoder::{self, Properties};
use ingest::transform::Transforms;
use ingest::{Field, Message, Pipeline, Record};
use serde_json::{Value as Json, json};

type Failure = Box<dyn Error>;

fn column(name: &str, data_type: &str) -> Json {
    json!({"name": name, "dataType": data_type})
}

fn config(ingestion: &Json) -> Result<TableConfig, serde_json::Error> {
    let table = json!({"tableName": "t", "tableType": "REALTIME", "ingestionConfig": ingestion});
    serde_json::from_value(table)
}

fn schema(columns: &Json) -> Result<Schema, serde_json::Error> {
    serde_json::from_value(json!({"schemaName": "t", "dimensionFieldSpecs": columns}))
}

/// The rows of some messages as texts, column by column.
fn rows(columns: &Json, ingestion: &Json, messages: &[Json]) -> Result<Vec<Vec<String>>, Failure> {
    let schema = schema(columns)?;
    let decoder = decoder::make("json", &Properties::new())?;
    let clock = Arc::new(ManualClock::at(0));
    let mut pipeline = Pipeline::new(&schema, &config(ingestion)?, decoder, clock)?;
    let mut batch = pipeline.new_batch();
    for message in messages {
        let outcome =
            pipeline.decode_into([Message::of(message.to_string().as_bytes())], &mut batch);
        assert_eq!(outcome.errors, Vec::<String>::new());
    }
    let mut out = vec![Vec::new(); batch.rows()];
    for ((_, field), column) in schema.fields.iter().zip(batch.columns()) {
        for (row, cells) in out.iter_mut().enumerate() {
            cells.push(column.values.get(row, field.data_type).to_text());
        }
    }
    Ok(out)
}

fn refusal(ingestion: &Json) -> Result<String, Failure> {
    let schema = schema(&json!([column("a", "STRING")]))?;
    let made = Transforms::new(&schema, &config(ingestion)?);
    Ok(made.err().map_or_else(String::new, |e| e.to_string()))
}

#[test]
fn enrichers_make_fields_before_and_after_flattening() -> Result<(), Failure> {
    let columns = json!([
        column("nome", "STRING"),
        column("tag", "STRING"),
        column("n.a", "INT")
    ]);
    let ingestion = json!({
        "complexTypeConfig": {"delimiter": "."},
        "enrichmentConfigs": [
            {"enricherType": "generateColumn", "properties": {"fieldToFunctionMap": {"nome": "upper(nome)"}}},
            {"enricherType": "generateColumn", "preComplexTypeTransform": true,
             "properties": {"fieldToFunctionMap": {"tag": "concat(nome, 'x', '-')", "nome": "concat(nome, 'y', '')"}}},
        ],
    });
    let made = rows(
        &columns,
        &ingestion,
        &[json!({"nome": "ana", "tag": "old", "n": {"a": 3}})],
    )?;
    assert_eq!(made, [["ANAY", "ana-x", "3"]]);
    let unknown = json!({"enrichmentConfigs": [{"enricherType": "magic", "properties": {}}]});
    let why = refusal(&unknown)?;
    assert!(why.contains("magic"), "{why}");
    Ok(())
}

#[test]
fn what_has_no_column_is_kept_beside() -> Result<(), Failure> {
    let columns = json!([
        column("a", "INT"),
        column("c.d", "INT"),
        column("nome", "STRING"),
        column("lista", "STRING"),
        column("json_data", "JSON"),
        column("json_data_no_idx", "JSON"),
        {"name": "__mergedTextIndex", "dataType": "STRING", "singleValueField": false},
    ]);
    let ingestion = json!({"schemaConformingTransformerConfig": {
        "columnNameToJsonKeyPathMap": {"nome": "quem.nome"},
        "fieldPathsToDrop": ["segredo"],
    }});
    let message = json!({
        "a": 1, "b": "2", "c": {"d": 3, "x": {"y": 9}}, "quem": {"nome": "Ana"}, "lista": [1, 2], "segredo": {"z": 1},
        "k_noindex": 5, "message": "só buscado", "n": null
    });
    let made = rows(&columns, &ingestion, &[message])?;
    let row = &made[0];
    assert_eq!(row[..4], ["1", "3", "Ana", "[1,2]"]);
    assert_eq!(row[4], r#"{"b":"2","c":{"x":{"y":9}}}"#);
    assert_eq!(row[5], r#"{"k_noindex":5}"#);
    for document in [
        "1:a",
        "2:b",
        "3:c.d",
        "9:c.x.y",
        "Ana:nome",
        "só buscado:message",
    ] {
        assert!(row[6].contains(document), "{document} in {}", row[6]);
    }
    let why = refusal(&json!({"schemaConformingTransformerConfig": {}}))?;
    assert!(why.contains("json_data"), "{why}");
    Ok(())
}

fn csv(properties: &[(&str, &str)], payload: &str) -> Result<String, String> {
    let properties: Properties = properties
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let mut decoder = decoder::make("CSVMessageDecoder", &properties).map_err(|e| e.to_string())?;
    let mut record = Record::new();
    let decoded = decoder.decode(payload.as_bytes(), &mut record);
    decoded.map_err(|e| e.to_string())?;
    Ok(Field::Map(record.into_fields()).to_json())
}

#[test]
fn csv_nulls_and_several_values() {
    let given = [
        ("header", "a,b,c,d,e"),
        ("nullStringValue", "NA"),
        ("multiValueDelimiter", ";"),
    ];
    let read = csv(&given, "NA,\"NA\",x;,x;y,;");
    let expected = r#"{"a":null,"b":null,"c":"x;","d":["x","y"],"e":";"}"#;
    assert_eq!(read.as_deref(), Ok(expected));
}

#[test]
fn csv_headers_in_messages() {
    let expected = Ok(r#"{"a":"1","b":"2"}"#);
    assert_eq!(csv(&[], "a,b\n1,2\n3,4").as_deref(), expected);
    let skipping = [("header", "a,b"), ("skipHeader", "true")];
    assert_eq!(csv(&skipping, "x,y\n1,2").as_deref(), expected);
    assert!(csv(&skipping, "x,y").is_err() && csv(&[], "").is_err());
}

#[test]
fn csv_dialects() {
    let mysql = [("fileFormat", "MYSQL"), ("header", "a\tb\tc")];
    assert_eq!(
        csv(&mysql, "\"x\"\t\\N\ty\\tz").as_deref(),
        Ok(r#"{"a":"\"x\"","b":null,"c":"y\tz"}"#)
    );
    let tabs = [("fileFormat", "TDF"), ("header", "a\tb")];
    assert_eq!(csv(&tabs, " x \t y").as_deref(), Ok(r#"{"a":"x","b":"y"}"#));
}
