//! A cluster with two small tables, and connections to it.
//!
//! Must not know: what is asked. Invariant: rows are there before the first test asks.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};
use touriga::{Cluster, Settings};

pub(crate) type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

pub(crate) const SALES: &str = r#"{"schemaName": "sales",
    "dimensionFieldSpecs": [{"name": "city", "dataType": "STRING"}, {"name": "n", "dataType": "INT"},
        {"name": "big", "dataType": "LONG"}, {"name": "ok", "dataType": "BOOLEAN"}, {"name": "at", "dataType": "TIMESTAMP"},
        {"name": "exact", "dataType": "BIG_DECIMAL"}, {"name": "raw", "dataType": "BYTES"}, {"name": "said", "dataType": "JSON"},
        {"name": "tags", "dataType": "STRING", "singleValueField": false}],
    "metricFieldSpecs": [{"name": "total", "dataType": "DOUBLE"}, {"name": "rate", "dataType": "FLOAT"}]}"#;
const CITIES: &str = r#"{"schemaName": "cities",
    "dimensionFieldSpecs": [{"name": "city", "dataType": "STRING"}, {"name": "state", "dataType": "STRING"}]}"#;
const ROWS: &str = r#"[
    {"city": "Recife", "n": 1, "big": 5000000000, "ok": true, "at": "1700000000123", "exact": "12345.678", "raw": "00ff",
     "said": "{\"a\":1}", "tags": ["x", "y z"], "total": 9.5, "rate": 0.5},
    {"city": "Belém", "n": 2, "big": -1, "ok": false, "at": "0", "exact": "-0.5", "raw": "", "said": "{}", "tags": ["x"],
     "total": 3.0, "rate": 1.5},
    {"city": "D'Oeste", "n": 3, "big": 7, "ok": true, "at": "86400000", "exact": "0", "raw": "0a", "said": "[]", "tags": ["q\""],
     "total": 1.0, "rate": 2.5}]"#;

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    _folder: tempfile::TempDir,
}

fn table(name: &str) -> String {
    format!(
        r#"{{"tableName": "{name}", "tableType": "OFFLINE", "segmentsConfig": {{"replication": "1"}}, "tenants": {{}},
            "tableIndexConfig": {{}}, "metadata": {{}}}}"#
    )
}

/// A cluster with these settings besides.
pub(crate) async fn world(more: &[(&str, &str)]) -> Fallible<World> {
    let folder = tempfile::tempdir()?;
    let mut settings = Settings::default();
    for (name, value) in [("postgres.port", "0"), ("flight.port", "0")]
        .iter()
        .chain(more)
    {
        settings.set(*name, *value);
    }
    let builder = Cluster::builder().data_dir(folder.path()).any_ports();
    let cluster = builder.settings(settings).build().await?;
    cluster.ready().await;
    let cities = r#"[{"city": "Recife", "state": "PE"}, {"city": "Belém", "state": "PA"}]"#;
    for (name, schema, rows) in [("sales", SALES, ROWS), ("cities", CITIES, cities)] {
        cluster.add_schema(schema).await?;
        cluster.add_table(&table(name)).await?;
        cluster.ingest(name, rows).await?;
    }
    cluster.caught_up(Duration::from_secs(20)).await;
    Ok(World {
        cluster,
        _folder: folder,
    })
}

impl World {
    /// Where Postgres' protocol is spoken.
    pub(crate) fn postgres(&self) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.cluster.postgres_port().unwrap_or_default())
            .user("someone");
        config
    }

    /// A connection without a password.
    pub(crate) async fn connect(&self) -> Fallible<Client> {
        connect(&self.postgres()).await
    }
}

/// A connection.
pub(crate) async fn connect(config: &Config) -> Fallible<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
