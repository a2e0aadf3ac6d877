//! Schemas and tables of the two pipelines, as their users write them.
//!
//! Must not know: the generators. Invariant: creating them again changes nothing.

use anyhow::{Context, Result, bail};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value as Json, json};

/// Topic of the sales.
pub(super) const SALES: &str = "vendas-tempo-real";
/// Topic of the trades.
pub(super) const TRADES: &str = "topico-processado";

fn fields(list: &[(&str, &str)]) -> Json {
    list.iter()
        .map(|(name, data_type)| json!({"name": name, "dataType": data_type}))
        .collect()
}

fn time(name: &str) -> Json {
    json!([{"name": name, "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:DAYS"}])
}

fn sales_schema() -> Json {
    let text = [
        "id_venda",
        "id_produto",
        "produto",
        "categoria",
        "cidade",
        "estado",
        "forma_pagamento",
        "canal",
    ];
    let mut dimensions: Vec<(&str, &str)> = text.iter().map(|name| (*name, "STRING")).collect();
    dimensions.push(("cliente_id", "INT"));
    json!({
        "schemaName": "vendas",
        "dimensionFieldSpecs": fields(&dimensions),
        "metricFieldSpecs": fields(&[("quantidade", "INT"), ("preco_unitario", "DOUBLE"), ("desconto", "FLOAT"), ("valor_total", "DOUBLE")]),
        "dateTimeFieldSpecs": time("data_venda"),
    })
}

fn trades_schema() -> Json {
    json!({
        "schemaName": "stock_transactions",
        "dimensionFieldSpecs": fields(&[("id", "INT"), ("user_id", "INT"), ("symbol", "STRING")]),
        "metricFieldSpecs": fields(&[("shares", "INT"), ("purchase", "DOUBLE")]),
        "dateTimeFieldSpecs": time("update_at"),
    })
}

fn table(name: &str, time_column: &str, topic: &str, inverted: &[&str], bootstrap: &str) -> Json {
    json!({
        "tableName": name,
        "tableType": "REALTIME",
        "segmentsConfig": {
            "timeColumnName": time_column, "replication": "1", "retentionTimeUnit": "DAYS", "retentionTimeValue": "60"
        },
        "tenants": {},
        "tableIndexConfig": {"loadMode": "MMAP", "invertedIndexColumns": inverted},
        "ingestionConfig": {"streamIngestionConfig": {"streamConfigMaps": [{
            "streamType": "kafka",
            "stream.kafka.topic.name": topic,
            "stream.kafka.broker.list": bootstrap,
            "stream.kafka.consumer.type": "lowlevel",
            "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
            "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
            "realtime.segment.flush.threshold.segment.rows": "500000"
        }]}},
        "metadata": {}
    })
}

async fn send(
    client: &reqwest::Client,
    method: reqwest::Method,
    url: &str,
    body: &Json,
) -> Result<()> {
    let answer = client
        .request(method, url)
        .json(body)
        .send()
        .await
        .with_context(|| format!("cannot reach {url}"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() && status.as_u16() != 409 {
        bail!("{url}: {status}: {text}");
    }
    Ok(())
}

/// Creates both, or brings their streams' address up to date.
pub(super) async fn create(
    controller_port: &u16,
    bootstrap: &str,
    header: Option<&str>,
) -> Result<()> {
    let mut client = reqwest::Client::builder().no_proxy();
    if let Some(header) = header {
        let mut value = HeaderValue::from_str(header).context("the token is no valid header")?;
        value.set_sensitive(true);
        client = client.default_headers(std::iter::once((AUTHORIZATION, value)).collect());
    }
    let client = client.build().context("cannot make an HTTP client")?;
    let at = format!("http://127.0.0.1:{controller_port}");
    for schema in [sales_schema(), trades_schema()] {
        send(
            &client,
            reqwest::Method::POST,
            &format!("{at}/schemas"),
            &schema,
        )
        .await?;
    }
    let tables = [
        table(
            "vendas",
            "data_venda",
            SALES,
            &["produto", "categoria"],
            bootstrap,
        ),
        table(
            "stock_transactions",
            "update_at",
            TRADES,
            &["id"],
            bootstrap,
        ),
    ];
    for table in tables {
        let name = table["tableName"].as_str().unwrap_or_default();
        let known = client
            .get(format!("{at}/tables/{name}"))
            .send()
            .await?
            .status()
            .is_success();
        if known {
            // The embedded stream listens at another port with every start.
            send(
                &client,
                reqwest::Method::PUT,
                &format!("{at}/tables/{name}"),
                &table,
            )
            .await?;
        } else {
            send(
                &client,
                reqwest::Method::POST,
                &format!("{at}/tables"),
                &table,
            )
            .await?;
        }
    }
    Ok(())
}
