//! Touriga as a library: the roles of a cluster inside one process.
//!
//! Between roles of one process calls are plain calls; ports serve clients and roles elsewhere.
//! Must not know: command lines, the environment. Invariant: a cluster that is dropped or shut down leaves no task behind.
//!
//! ```no_run
//! # async fn example() -> Result<(), touriga::TourigaError> {
//! let cluster = touriga::Cluster::builder().data_dir("data").any_ports().build().await?;
//! cluster.ready().await;
//! cluster.add_schema(r#"{"schemaName": "sales", "dimensionFieldSpecs": [{"name": "city", "dataType": "STRING"}],
//!     "metricFieldSpecs": [{"name": "total", "dataType": "DOUBLE"}]}"#).await?;
//! cluster.add_table(r#"{"tableName": "sales", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"},
//!     "tenants": {}, "tableIndexConfig": {}, "metadata": {}}"#).await?;
//! cluster.ingest("sales", r#"[{"city": "Recife", "total": 9.5}, {"city": "Belém", "total": 3.0}]"#).await?;
//! let batch = cluster.query_arrow("SELECT city, SUM(total) FROM sales GROUP BY city", &[]).await?;
//! println!("{} rows of {:?}", batch.num_rows(), batch.schema());
//! cluster.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` does the same with a live stream. A table with `streamConfigs` consumes from the Kafka it names;
//! `ingest` needs none for an OFFLINE table, and writes to the table's topic for a REALTIME one.

mod arrow_result;
mod cluster_handle;
mod error;
mod ports;
mod requests;
mod rows_to_controller;

pub use arrow::record_batch::RecordBatch;

pub use broker::BrokerResponse;
pub use cluster::{Settings, SettingsError};
pub use cluster_handle::{Cluster, ClusterBuilder, Role};
pub use error::{ErrorKind, TourigaError};
