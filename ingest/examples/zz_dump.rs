#![allow(clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use common::*;
use ingest::stream::StreamSettings;
use ingest::*;
use std::sync::Arc;
fn main() {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).unwrap();
    let input: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema: Schema = serde_json::from_value(input["schema"].clone()).unwrap();
    let table: TableConfig = serde_json::from_value(input["table"].clone()).unwrap();
    let settings = StreamSettings::parse(table.streams()[0]).unwrap();
    let mut p = Pipeline::new(
        &schema,
        &table,
        settings.decoder().unwrap(),
        Arc::new(common::clock::ManualClock::at(1_795_000_000_000)),
    )
    .unwrap();
    let mut batch = p.new_batch();
    for (i, m) in input["messages"].as_array().unwrap().iter().enumerate() {
        let payload = m["payload"].as_str().map(|h| hex::decode(h).unwrap());
        let key = m["key"].as_str().map(|h| h.as_bytes().to_vec());
        let headers: Vec<(String, Vec<u8>)> = m["headers"]
            .as_object()
            .map(|o| {
                o.iter()
                    .map(|(k, v)| (k.clone(), v.as_str().unwrap().as_bytes().to_vec()))
                    .collect()
            })
            .unwrap_or_default();
        let msg = Message {
            payload: payload.as_deref(),
            key: key.as_deref(),
            headers: &headers,
            offset: m["offset"].as_i64().unwrap_or(i as i64),
            partition: m["partition"].as_i64().unwrap_or(0) as i32,
            timestamp_ms: m["timestamp_ms"].as_i64(),
        };
        let o = p.decode_into([msg], &mut batch);
        for e in &o.errors {
            eprintln!("{e}");
        }
    }
    for row in 0..batch.rows() {
        let mut out = serde_json::Map::new();
        for ((_, f), c) in schema.fields.iter().zip(batch.columns()) {
            let v = c.values.get(row, f.data_type);
            fn j(v: &Value) -> serde_json::Value {
                match v {
                    Value::Int(x) => (*x).into(),
                    Value::Long(x) => (*x).into(),
                    Value::Boolean(b) => (*b).into(),
                    Value::Float(f) if f.is_finite() => {
                        serde_json::from_str(&f.to_string()).unwrap()
                    }
                    Value::Double(f) if f.is_finite() => (*f).into(),
                    Value::Array(_, a) => a.iter().map(j).collect::<Vec<_>>().into(),
                    o => o.to_text().into(),
                }
            }
            out.insert(f.name.clone(), j(&v));
            if c.nulls.contains(&(row as u32)) {
                out.insert(format!("null {}", f.name), true.into());
            }
        }
        println!("{}", serde_json::Value::Object(out));
    }
}
