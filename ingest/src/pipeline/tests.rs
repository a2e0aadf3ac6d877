//! Messages against the rows that Pinot made of them.

use std::sync::Arc;

use common::clock::ManualClock;
use common::{Schema, TableConfig, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::decoder::json::JsonDecoder;

pub(crate) const NOW: i64 = 1_714_532_400_000;

pub(crate) fn pipeline(schema: &Json, table: &Json) -> Pipeline {
    let schema: Schema = serde_json::from_value(schema.clone()).unwrap();
    let table: TableConfig = serde_json::from_value(table.clone()).unwrap();
    Pipeline::new(
        &schema,
        &table,
        Box::new(JsonDecoder),
        Arc::new(ManualClock::at(NOW)),
    )
    .unwrap()
}

pub(crate) fn table() -> Json {
    json!({"tableName": "t", "tableType": "REALTIME", "segmentsConfig": {"timeColumnName": "ts"}})
}

fn one_column(data_type: &str, multi: bool) -> Pipeline {
    let column = json!({"name": "v", "dataType": data_type, "singleValueField": !multi});
    let schema = json!({"schemaName": "t", "dimensionFieldSpecs": [column]});
    pipeline(&schema, &table())
}

/// The text of a row, `None` where the row was dropped.
pub(crate) fn value(pipeline: &mut Pipeline, message: &str) -> Option<String> {
    let mut batch = pipeline.new_batch();
    let outcome = pipeline.decode_into([Message::of(message.as_bytes())], &mut batch);
    assert_eq!(outcome.rows, batch.rows());
    assert_eq!(outcome.rows + outcome.malformed, 1, "{message}");
    let plan = &pipeline.maker.plans()[0];
    (batch.rows() == 1).then(|| batch.columns()[0].values.get(0, plan.data_type).to_text())
}

fn check(data_type: &str, multi: bool, cases: &[(&str, Option<&str>)]) {
    let mut pipeline = one_column(data_type, multi);
    for (json, expected) in cases {
        let message = format!("{{\"v\":{json}}}");
        assert_eq!(
            value(&mut pipeline, &message).as_deref(),
            *expected,
            "{data_type} from {json}"
        );
    }
}

#[test]
fn integers_wrap_and_doubles_saturate() {
    check(
        "INT",
        false,
        &[
            ("\" 12 \"", Some("12")),
            ("\"+12\"", Some("12")),
            ("\"012\"", Some("12")),
            ("\"3.7\"", None),
            ("\"1e3\"", None),
            ("\"\"", None),
            ("\"true\"", None),
            ("3.7", Some("3")),
            ("-3.7", Some("-3")),
            ("3200000000.0", Some("2147483647")),
            ("1e+20", Some("2147483647")),
            ("-2147483649", Some("2147483647")),
            ("2147483648", Some("-2147483648")),
            ("9223372036854775807", Some("-1")),
            ("9223372036854775808", Some("0")),
            ("true", None),
            ("[5]", Some("5")),
            ("[]", Some("-2147483648")),
            ("[1, 2]", None),
            ("{\"a\": 5}", Some("5")),
            ("{}", Some("-2147483648")),
            ("null", Some("-2147483648")),
            ("-0.0", Some("0")),
        ],
    );
    check(
        "LONG",
        false,
        &[
            ("\"99999999999\"", Some("99999999999")),
            ("1e+20", Some("9223372036854775807")),
            ("9223372036854775808", Some("-9223372036854775808")),
            ("0.1", Some("0")),
            ("\"12L\"", None),
            ("false", None),
        ],
    );
}

#[test]
fn floating_point_has_no_nan_and_no_negative_zero() {
    check(
        "DOUBLE",
        false,
        &[
            ("\" 12\"", Some("12.0")),
            ("\"1e3\"", Some("1000.0")),
            ("\"0x10\"", None),
            ("\"NaN\"", Some("-Infinity")),
            ("\"Infinity\"", Some("Infinity")),
            ("\"1_000\"", None),
            ("9223372036854775808", Some("9.223372036854776E18")),
            ("1e400", Some("Infinity")),
            ("-0.0", Some("0.0")),
            ("16777217", Some("1.6777217E7")),
        ],
    );
    check(
        "FLOAT",
        false,
        &[
            ("1.5e+308", Some("Infinity")),
            ("16777217", Some("1.6777216E7")),
            ("0.1", Some("0.1")),
            ("\"3.7\"", Some("3.7")),
        ],
    );
}

#[test]
fn decimals_lose_trailing_zeros() {
    check(
        "BIG_DECIMAL",
        false,
        &[
            ("\"150.50\"", Some("150.5")),
            ("\"1e3\"", Some("1000")),
            ("\"1_000\"", None),
            ("\"NaN\"", None),
            ("1e+20", Some("100000000000000000000")),
            ("9223372036854775808", Some("9223372036854776000")),
            ("-0.0", Some("0")),
            ("\"1e999999999\"", None),
            ("3200000000.0", Some("3200000000")),
        ],
    );
}

#[test]
fn booleans_and_bytes_come_from_text() {
    check(
        "BOOLEAN",
        false,
        &[
            ("true", Some("true")),
            ("\"TRUE\"", Some("true")),
            ("\"t\"", Some("false")),
            ("\"1\"", Some("true")),
            ("2", Some("true")),
            ("0.5", Some("true")),
            ("\"\"", Some("false")),
            ("[true]", Some("true")),
            ("{\"a\": true}", Some("true")),
            ("null", Some("false")),
        ],
    );
    check(
        "BYTES",
        false,
        &[
            ("\"CAFE\"", Some("cafe")),
            ("\"ca fe\"", None),
            ("\"abc\"", None),
            ("\"\"", Some("")),
            ("12", None),
            ("[\"ab\"]", Some("ab")),
            ("\"0xff\"", None),
            ("null", Some("")),
        ],
    );
}

#[test]
fn texts_take_anything_single() {
    check(
        "STRING",
        false,
        &[
            ("12", Some("12")),
            ("1e21", Some("1.0E21")),
            ("1.0", Some("1.0")),
            ("true", Some("true")),
            ("12345678901234567890", Some("12345678901234567890")),
            ("[\"um\"]", Some("um")),
            ("[\"a\", \"b\"]", None),
            ("{\"k\": \"v\"}", Some("v")),
            ("{\"k\": 1, \"l\": 2}", None),
            ("[]", Some("null")),
            ("\" a \"", Some(" a ")),
            ("\"a\\u0000b\"", Some("a")),
            ("{\"b\": [1, {\"c\": null}]}", Some("1")),
        ],
    );
    check(
        "JSON",
        false,
        &[
            (
                "{\"z\": 1, \"a\": {\"y\": null, \"b\": 1.0}}",
                Some("{\"z\":1,\"a\":{\"y\":null,\"b\":1.0}}"),
            ),
            ("\"{\\\"a\\\": true}\"", Some("{\"a\":true}")),
            ("[1, 2]", Some("[1,2]")),
            ("\"não\"", Some("\"não\"")),
            ("null", Some("null")),
            ("42", Some("42")),
            ("true", Some("true")),
            ("\"\"", Some("")),
            ("{\"fim\": true}", Some("{\"fim\":\"true\"}")),
        ],
    );
}

#[test]
fn timestamps_refuse_small_integers() {
    let day = Some("2024-05-01 00:00:00.0");
    check(
        "TIMESTAMP",
        false,
        &[
            ("1714521600000", day),
            ("\"1714521600000\"", day),
            ("\"2024-05-01\"", day),
            ("\"2024-05-01T00:00Z\"", day),
            ("\"2024-05-01 00:00\"", day),
            ("\"2024-05-01T00:00:00.5Z\"", Some("2024-05-01 00:00:00.5")),
            (
                "\"2024-05-01T00:00:00+03:00\"",
                Some("2024-04-30 21:00:00.0"),
            ),
            ("\"01/05/2024\"", None),
            ("\"\"", None),
            ("0", None),
            ("1714521600", None),
            ("1.5", Some("1970-01-01 00:00:00.001")),
            ("true", None),
            ("\"1e12\"", None),
            ("\"2024-02-30 00:00:00\"", Some("2024-03-01 00:00:00.0")),
            ("[1714521600000]", day),
            ("null", Some("1970-01-01 00:00:00.0")),
        ],
    );
}

#[test]
fn arrays_follow_their_first_element() {
    check(
        "INT",
        true,
        &[
            ("[1, 2, 3]", Some("[1,2,3]")),
            ("[]", Some("[-2147483648]")),
            ("[null]", Some("[-2147483648]")),
            ("[1, null, 2]", Some("[1,2]")),
            ("5", Some("[5]")),
            ("\"5\"", Some("[5]")),
            ("[\"1\", 2, 3.9]", None),
            ("[1, \"x\"]", None),
            ("[[1, 2], [3]]", None),
            ("[[1], 2]", Some("[1,2]")),
            ("{\"a\": 1, \"b\": 2}", Some("[1,2]")),
            ("{}", Some("[-2147483648]")),
            ("\"1,2\"", None),
            ("[true, false]", None),
            ("[3000000000]", Some("[-1294967296]")),
            ("[1.5, 2.5]", Some("[1,2]")),
        ],
    );
    check(
        "STRING",
        true,
        &[
            ("[\"x\", null]", Some("[x]")),
            ("[1, 2.5, true]", Some("[1,2.5,true]")),
            ("[{\"k\": 1}, {\"k\": 2}]", Some("[1,2]")),
            ("\"\"", Some("[]")),
            ("null", Some("[null]")),
        ],
    );
    check(
        "BOOLEAN",
        true,
        &[("[true, \"false\", 1]", Some("[true,false,true]"))],
    );
}

#[test]
fn broken_messages_leave_the_batch_alone() {
    let schema = json!({"schemaName": "t", "dimensionFieldSpecs": [
        {"name": "id", "dataType": "STRING"}, {"name": "d", "dataType": "DOUBLE"}]});
    let mut pipeline = pipeline(&schema, &table());
    let good = [
        "{}",
        "\u{FEFF}{\"id\":\"bom\"}",
        "{\"id\":\"a\"} lixo",
        "{\"id\":\"a\"}{\"id\":\"b\"}",
        "\n\t {\"id\":\"x\"} \n",
        "{\"id\":\"dup1\",\"id\":\"dup2\"}",
    ];
    for text in good {
        assert!(value(&mut pipeline, text).is_some(), "{text}");
    }
    assert_eq!(value(&mut pipeline, good[5]).as_deref(), Some("dup2"));
    for text in [
        "{\"id\":\"ruim\"",
        "",
        " ",
        "null",
        "true",
        "42",
        "\"texto\"",
        "[]",
        "[{\"id\":\"l\"}]",
        "{'id':'aspas'}",
        "{\"id\":\"nan\",\"d\":NaN}",
        "{\"id\":\"c\", /* c */ \"d\":1}",
        "<xml/>",
        "{\"id\":\"v\",}",
        "{id:\"sem aspas\"}",
        "{\"d\":007}",
        "{\"d\":+1}",
    ] {
        assert_eq!(value(&mut pipeline, text), None, "{text}");
    }
    let mut batch = pipeline.new_batch();
    let bad: &[u8] = b"{\"id\":\"\xc3(\",\"ts\":1}";
    let messages = [
        Message::of(b"{\"id\":\"1\"}"),
        Message::of(bad),
        Message::default(),
        Message::of(b"{\"d\":2}"),
    ];
    let outcome = pipeline.decode_into(messages, &mut batch);
    assert_eq!(
        (outcome.rows, outcome.malformed, outcome.tombstones),
        (2, 1, 1)
    );
    assert!(
        outcome.errors[0].contains("at byte"),
        "{:?}",
        outcome.errors
    );
    assert!(batch.columns().iter().all(|c| c.values.len() == 2));
}

#[test]
fn a_missing_time_is_the_present() {
    let schema = json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "id", "dataType": "INT"}],
        "dateTimeFieldSpecs": [{"name": "ts", "dataType": "LONG", "format": "1:SECONDS:EPOCH", "granularity": "1:SECONDS"}]});
    let mut pipeline = pipeline(&schema, &table());
    let mut batch = pipeline.new_batch();
    let messages = [Message::of(b"{\"id\":1}"), Message::of(b"{\"ts\":12345}")];
    pipeline.decode_into(messages, &mut batch);
    let times = &batch.columns()[1].values;
    assert_eq!(
        times.get(0, common::DataType::Long),
        Value::Long(NOW / 1000)
    );
    assert_eq!(times.get(1, common::DataType::Long), Value::Long(12345));
}

#[test]
fn nulls_are_flagged_where_they_are_recorded() {
    let schema = json!({"schemaName": "t", "enableColumnBasedNullHandling": true, "dimensionFieldSpecs": [
        {"name": "a", "dataType": "INT"}, {"name": "b", "dataType": "INT", "notNull": true}]});
    let mut pipeline = pipeline(&schema, &table());
    let mut batch = pipeline.new_batch();
    pipeline.decode_into([Message::of(b"{\"b\":null}")], &mut batch);
    assert_eq!(batch.columns()[0].nulls, [0]);
    assert!(batch.columns()[1].nulls.is_empty());
}

fn wide() -> Pipeline {
    let types = [
        "INT",
        "LONG",
        "FLOAT",
        "DOUBLE",
        "BIG_DECIMAL",
        "BOOLEAN",
        "TIMESTAMP",
        "STRING",
        "JSON",
        "BYTES",
    ];
    let mut columns: Vec<Json> = Vec::new();
    for (index, data_type) in types.iter().enumerate() {
        columns.push(json!({"name": format!("c{index}"), "dataType": data_type}));
        if *data_type != "JSON" {
            columns.push(json!({"name": format!("m{index}"), "dataType": data_type, "singleValueField": false}));
        }
    }
    pipeline(
        &json!({"schemaName": "t", "dimensionFieldSpecs": columns}),
        &table(),
    )
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut pipeline = wide();
        let mut batch = pipeline.new_batch();
        let outcome = pipeline.decode_into([Message::of(&bytes)], &mut batch);
        prop_assert_eq!(outcome.rows, batch.rows());
    }

    #[test]
    fn random_json_gives_whole_rows(
        text in "\\{(\"[cm][0-9]\":(-?[0-9]{1,20}(\\.[0-9]{1,9})?(e-?[0-9]{1,3})?|\"[^\"\\\\]{0,9}\"|true|null|\\[(1|\"a\"|2\\.5)?(,null|,3)?\\]|\\{\\}),){0,6}\"z\":0\\}"
    ) {
        let mut pipeline = wide();
        let mut batch = pipeline.new_batch();
        let outcome = pipeline.decode_into([Message::of(text.as_bytes())], &mut batch);
        prop_assert_eq!(outcome.rows, batch.rows());
        prop_assert!(batch.columns().iter().all(|c| c.values.len() == batch.rows()));
    }

    /// Both paths agree: the fast one and the one through a record.
    #[test]
    fn both_paths_give_the_same_row(
        text in "\\{\"c[0-9]\":(-?[0-9]{1,20}(\\.[0-9]{1,9})?(e-?[0-9]{1,2})?|\"[0-9tru.e]{0,9}\"|true|null|\\[5\\]),\"m[0-9]\":(\\[1,2\\]|7|\"x\")\\}"
    ) {
        let mut fast = wide();
        let mut careful = wide();
        careful.fast = None;
        let (mut a, mut b) = (fast.new_batch(), careful.new_batch());
        fast.decode_into([Message::of(text.as_bytes())], &mut a);
        careful.decode_into([Message::of(text.as_bytes())], &mut b);
        prop_assert_eq!(a.rows(), b.rows());
        for (x, y) in a.columns().iter().zip(b.columns()) {
            prop_assert_eq!(&x.values, &y.values);
            prop_assert_eq!(&x.nulls, &y.nulls);
        }
    }
}
