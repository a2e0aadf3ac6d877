//! Transforms and filters against the rows that Pinot made of the same messages.

use serde_json::{Value as Json, json};

use super::*;
use crate::Message;
use crate::pipeline::tests::pipeline;

/// The rows of some messages as texts, column by column; a dropped message leaves none.
fn rows(columns: &Json, ingestion: &Json, messages: &[Json]) -> Vec<Vec<String>> {
    let schema: Schema = serde_json::from_value(json!({
        "schemaName": "t", "dimensionFieldSpecs": columns
    }))
    .unwrap();
    let table = json!({"tableName": "t", "tableType": "REALTIME", "ingestionConfig": ingestion});
    let mut pipeline = pipeline(&serde_json::to_value(&schema).unwrap(), &table);
    let mut batch = pipeline.new_batch();
    for message in messages {
        pipeline.decode_into([Message::of(message.to_string().as_bytes())], &mut batch);
    }
    let columns = schema.fields.iter().zip(batch.columns());
    let mut out = vec![Vec::new(); batch.rows()];
    for ((_, field), column) in columns {
        for (row, cells) in out.iter_mut().enumerate() {
            cells.push(column.values.get(row, field.data_type).to_text());
        }
    }
    out
}

fn column(name: &str, data_type: &str) -> Json {
    json!({"name": name, "dataType": data_type})
}

fn refusal(ingestion: &Json) -> String {
    let schema = serde_json::from_value(json!({
        "schemaName": "t", "dimensionFieldSpecs": [column("grupo", "STRING")]
    }));
    let table = serde_json::from_value(json!({
        "tableName": "t", "tableType": "REALTIME", "ingestionConfig": ingestion
    }));
    let made = Transforms::new(&schema.unwrap(), &table.unwrap());
    made.err().map_or_else(String::new, |e| e.to_string())
}

#[test]
fn derived_columns_follow_their_arguments() {
    let columns = json!([
        column("dobro", "LONG"),
        column("soma", "DOUBLE"),
        column("faixa", "STRING"),
        column("tem", "STRING")
    ]);
    let ingestion = json!({"transformConfigs": [
        {"columnName": "dobro", "transformFunction": "soma * 2"},
        {"columnName": "soma", "transformFunction": "a + b * 2"},
        {"columnName": "faixa", "transformFunction": "CASE WHEN a > 100 THEN 'alto' WHEN a > 10 THEN 'médio' ELSE 'baixo' END"},
        {"columnName": "tem", "transformFunction": "upper(nome)"},
    ]});
    let messages = [
        json!({"a": 120, "b": 2.5, "nome": "x", "tem": "da mensagem"}),
        json!({"a": 11, "b": "-1", "nome": "josé"}),
        json!({}),
    ];
    assert_eq!(
        rows(&columns, &ingestion, &messages),
        [
            ["250", "125.0", "alto", "da mensagem"],
            ["18", "9.0", "médio", "JOSÉ"],
            ["-9223372036854775808", "-Infinity", "baixo", "null"],
        ]
    );
}

#[test]
fn a_failing_transform_drops_its_row_or_leaves_a_null() {
    let columns = json!([column("n", "LONG"), column("igual", "BOOLEAN")]);
    let mut ingestion = json!({"transformConfigs": [
        {"columnName": "n", "transformFunction": "CAST(txt AS LONG)"},
        {"columnName": "igual", "transformFunction": "txt = '12'"},
    ]});
    let messages = [
        json!({"txt": "12"}),
        json!({"txt": "doze"}),
        json!({"txt": "3.9"}),
        json!({}),
        json!({"txt": 12}),
    ];
    assert_eq!(
        rows(&columns, &ingestion, &messages),
        [
            ["12", "true"],
            ["3", "false"],
            ["-9223372036854775808", "false"],
            ["12", "true"]
        ]
    );
    ingestion["continueOnError"] = json!(true);
    assert_eq!(rows(&columns, &ingestion, &messages).len(), 5);
}

#[test]
fn the_filter_drops_where_it_is_true() {
    let columns = json!([column("id", "INT")]);
    let messages = [
        json!({"id": 1, "valor": 5, "uf": "SP"}),
        json!({"id": 2, "valor": 15, "uf": "SP"}),
        json!({"id": 3, "valor": "9", "uf": "sp"}),
        json!({"id": 4, "uf": "SC"}),
        json!({"id": 5, "valor": "muito", "uf": "AC"}),
    ];
    let kept = |filter: &str| -> Vec<String> {
        let ingestion = json!({"filterConfig": {"filterFunction": filter}});
        rows(&columns, &ingestion, &messages).concat()
    };
    assert_eq!(kept("valor < 10"), ["2", "4"]);
    assert_eq!(kept("strcmp(uf, 'SP') = 0"), ["3", "4", "5"]);
    assert_eq!(kept("valor >= 10 AND startsWith(uf, 'S')"), ["1", "3", "4"]);
    assert_eq!(
        kept("uf IS NOT DISTINCT FROM 'SP' OR uf IN ('AC')"),
        ["3", "4"]
    );
    assert_eq!(kept("uf LIKE 's_' AND valor IS NULL"), ["1", "2", "3", "5"]);
}

#[test]
fn unnested_messages_give_all_their_rows_or_none() {
    let columns = json!([column("p", "INT"), column("i.q", "INT")]);
    let ingestion = json!({"complexTypeConfig": {"fieldsToUnnest": ["i"]}});
    let messages = [
        json!({"p": 1, "i": [{"q": 1}, {"q": 2}]}),
        json!({"p": 2, "i": [{"q": 1}, {"q": "x"}]}),
    ];
    assert_eq!(
        rows(&columns, &ingestion, &messages),
        [["1", "1"], ["1", "2"]]
    );
}

#[test]
fn refusals_speak_as_pinot_does() {
    let transform = |function: &str| json!({"transformConfigs": [{"columnName": "grupo", "transformFunction": function}]});
    for (ingestion, expected) in [
        (
            transform("Groovy({x}, x)"),
            "Groovy transform functions are disabled for table config. Found 'Groovy({x}, x)' for column 'grupo'",
        ),
        (
            transform("funcaoQueNaoHa(x)"),
            "Invalid transform function 'funcaoQueNaoHa(x)' for column 'grupo', exception: Unsupported function: funcaoquenaoha",
        ),
        (
            transform("upper(a, b, c)"),
            "Invalid transform function 'upper(a, b, c)' for column 'grupo', exception: Unsupported function: upper with 3 arguments",
        ),
        (
            transform("upper(grupo)"),
            "Arguments of a transform function '[grupo]' cannot contain the destination column 'grupo'",
        ),
        (
            json!({"filterConfig": {"filterFunction": "naoHa(x)"}}),
            "Invalid filter function 'naoHa(x)', exception: Unsupported function: naoha",
        ),
    ] {
        assert_eq!(refusal(&ingestion), expected);
    }
    assert!(
        refusal(&transform("upper(x"))
            .contains("Caught exception while parsing expression: upper(x")
    );
    let unknown =
        json!({"transformConfigs": [{"columnName": "nada", "transformFunction": "upper(x)"}]});
    assert!(refusal(&unknown).contains("must be present in the schema"));
    let renamed = json!({"complexTypeConfig": {"prefixesToRename": {"gru": "x"}}});
    assert!(refusal(&renamed).contains("Name conflict with field: grupo and prefix: gru"));
}
