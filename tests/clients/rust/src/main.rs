//! The crate `pinot-client-rust` against a running Touriga.
//!
//! Its decoding is strict and statistics are asked for, so a reply that lacks one counter, or has
//! one of the wrong type, fails here. Knows the facts file and nothing of Touriga's own code.

use pinot_client_rust::connection::{client_from_broker_list, Connection};
use pinot_client_rust::errors::Error;
use pinot_client_rust::json_http_client_transport::JsonHttpClientTransport;
use pinot_client_rust::response::data::{Data, DataRow};
use pinot_client_rust::response::sql::Table;
use pinot_client_rust::response::{ResponseStats, SqlResponse};
use pinot_client_rust::simple_broker_selector::SimpleBrokerSelector;
use serde_json::{json, Value};

type Client = Connection<JsonHttpClientTransport, SimpleBrokerSelector>;
type Outcome = Result<(), String>;

fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| {
        eprintln!("usage: clients-rust FACTS.json");
        std::process::exit(2);
    });
    let facts: Value = std::fs::read_to_string(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
        .unwrap_or_else(|error| {
            eprintln!("{path}: {error}");
            std::process::exit(2);
        });
    let broker = text(&facts["broker"]).replace("http://", "");
    let client = match client_from_broker_list(vec![broker], None) {
        Ok(client) => client,
        Err(error) => {
            println!("pinot-client-rust | connect by host list | FAILED: {error}");
            std::process::exit(1);
        }
    };
    let mut failed = 0;
    let mut report = |check: &str, outcome: Outcome| match outcome {
        Ok(()) => println!("pinot-client-rust | {check} | ok"),
        Err(why) => {
            failed += 1;
            println!("pinot-client-rust | {check} | FAILED: {}", why.replace('\n', " "));
        }
    };
    report("connect by host list, SELECT 1", literal(&client));
    for query in list(&facts["queries"]) {
        let name = format!("query: {}", text(&query["name"]));
        report(&name, answers(&client, query));
    }
    report("types: every value type", types(&client, &facts["types"]));
    for error in list(&facts["errors"]) {
        let name = format!("error: {}", text(&error["name"]));
        report(&name, refuses(&client, error));
    }
    std::process::exit(i32::from(failed > 0));
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn ask(client: &Client, sql: &str) -> Result<SqlResponse<DataRow>, Error> {
    client.execute_sql("vendas", sql, true)
}

/// The table and the statistics of an answer that must have both.
fn both(response: SqlResponse<DataRow>) -> Result<(Table<DataRow>, ResponseStats), String> {
    let table = response.table.ok_or("no result table")?;
    let stats = response.stats.ok_or("no statistics")?;
    Ok((table, stats))
}

fn literal(client: &Client) -> Outcome {
    let (table, _) = both(ask(client, "SELECT 1").map_err(|error| error.to_string())?)?;
    match table.get_row_count() {
        1 => Ok(()),
        rows => Err(format!("{rows} rows, 1 expected")),
    }
}

fn answers(client: &Client, query: &Value) -> Outcome {
    let response = ask(client, text(&query["sql"])).map_err(|error| format!("{error:?}"))?;
    let (table, stats) = both(response)?;
    if stats.num_servers_queried < 1 || stats.num_servers_responded < stats.num_servers_queried {
        return Err(format!(
            "{} of {} servers answered",
            stats.num_servers_responded, stats.num_servers_queried
        ));
    }
    if Some(stats.total_docs) != query["totalDocs"].as_i64() {
        return Err(format!("totalDocs {}, {} expected", stats.total_docs, query["totalDocs"]));
    }
    let schema = table.get_schema().clone();
    for (at, (name, kind)) in list(&query["columns"]).iter().zip(list(&query["types"])).enumerate() {
        let got = (
            schema.get_column_name(at).map_err(|error| error.to_string())?,
            json!(schema.get_column_data_type(at).map_err(|error| error.to_string())?),
        );
        if got.0 != text(name) || got.1 != *kind {
            return Err(format!("column {at} is {got:?}, {name} {kind} expected"));
        }
    }
    let wanted = list(&query["rows"]);
    if table.get_row_count() != wanted.len() {
        return Err(format!("{} rows, {} expected", table.get_row_count(), wanted.len()));
    }
    for (at, (got, wanted)) in table.into_rows().iter().zip(wanted).enumerate() {
        for (column, wanted) in list(wanted).iter().enumerate() {
            let got = got.get_data(column).map_err(|error| error.to_string())?;
            if !same(got, wanted) {
                return Err(format!("row {at} column {column} is {got:?}, {wanted} expected"));
            }
        }
    }
    Ok(())
}

fn same(got: &Data, wanted: &Value) -> bool {
    let close = |got: f64| wanted.as_f64().is_some_and(|w| (got - w).abs() <= 1e-6 * w.abs().max(1.0));
    match got {
        Data::Int(value) => wanted.as_i64() == Some(i64::from(*value)),
        Data::Long(value) => wanted.as_i64() == Some(*value),
        Data::Float(value) => close(f64::from(*value)),
        Data::Double(value) => close(*value),
        Data::Boolean(value) => wanted.as_bool() == Some(*value),
        // The facts hold milliseconds since 1970.
        Data::Timestamp(value) => wanted.as_i64() == Some(value.timestamp_millis()),
        Data::String(value) => wanted.as_str() == Some(value),
        Data::Json(value) => value == wanted,
        Data::Bytes(value) => {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            wanted.as_str() == Some(hex.as_str())
        }
        Data::IntArray(value) => *wanted == json!(value),
        Data::LongArray(value) => *wanted == json!(value),
        Data::DoubleArray(value) => *wanted == json!(value),
        Data::StringArray(value) => *wanted == json!(value),
        _ => false,
    }
}

/// The row of every type, without BIG_DECIMAL, which this crate does not know.
fn types(client: &Client, facts: &Value) -> Outcome {
    let kept: Vec<usize> = (0..list(&facts["types"]).len())
        .filter(|at| text(&facts["types"][at]) != "BIG_DECIMAL")
        .collect();
    let keep = |values: &Value| Value::Array(kept.iter().map(|at| values[at].clone()).collect());
    let names: Vec<&str> = kept.iter().map(|at| text(&facts["columns"][at])).collect();
    let sql = format!("SELECT {} {}", names.join(", "), text(&facts["from"]));
    let query = json!({
        "sql": sql,
        "columns": keep(&facts["columns"]),
        "types": keep(&facts["types"]),
        "rows": [keep(&facts["row"])],
        "totalDocs": facts["totalDocs"],
    });
    answers(client, &query)
}

fn refuses(client: &Client, error: &Value) -> Outcome {
    match ask(client, text(&error["sql"])) {
        Ok(_) => Err("answered, an error was expected".to_owned()),
        Err(Error::PinotExceptions(exceptions)) => {
            let codes: Vec<i32> = exceptions.iter().map(|one| one.error_code).collect();
            let named = exceptions.iter().all(|one| !one.message.is_empty());
            if named && codes.iter().any(|code| list(&error["code"]).contains(&json!(code))) {
                Ok(())
            } else {
                Err(format!("{exceptions:?}, code {} expected", error["code"]))
            }
        }
        Err(other) => Err(format!("{other:?} where exceptions were expected")),
    }
}
