//! The extension module `touriga._touriga`: a cluster inside a Python process.
//!
//! Must not know: pandas, polars, pyarrow; rows leave as an Arrow stream that `touriga/__init__.py` reads.
//! Invariant: Python's other threads run while a call waits; a failure is an exception with the product's own words.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arrow_ipc::writer::StreamWriter;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::runtime::Runtime;
use touriga::{Cluster, RecordBatch};

/// How long opening waits for segments and streams.
const CATCH_UP: Duration = Duration::from_secs(10);

fn failed(error: impl std::fmt::Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// A running cluster: controller, server and broker.
#[pyclass(frozen)]
struct Engine {
    runtime: Runtime,
    cluster: RwLock<Option<Arc<Cluster>>>,
}

impl Engine {
    fn cluster(&self) -> PyResult<Arc<Cluster>> {
        let held = self.cluster.read().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| failed("the database is closed"))
    }
}

#[pymethods]
impl Engine {
    /// Starts it; its data lie in `path`. Ports are any free ones where none are given.
    #[new]
    #[pyo3(signature = (path, kafka=None, controller_port=0, broker_port=0))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        kafka: Option<String>,
        controller_port: u16,
        broker_port: u16,
    ) -> PyResult<Self> {
        py.detach(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(failed)?;
            let mut builder = Cluster::builder()
                .data_dir(path)
                .any_ports()
                .controller_port(controller_port)
                .broker_port(broker_port);
            if let Some(kafka) = kafka {
                builder = builder.kafka(kafka);
            }
            let cluster = runtime
                .block_on(async {
                    let cluster = builder.build().await?;
                    cluster.ready().await;
                    // A stream that cannot be reached is no reason not to open what is there.
                    cluster.caught_up(CATCH_UP).await;
                    Ok::<_, touriga::TourigaError>(cluster)
                })
                .map_err(failed)?;
            Ok(Self {
                runtime,
                cluster: RwLock::new(Some(Arc::new(cluster))),
            })
        })
    }

    /// The rows of a query as an Arrow IPC stream.
    fn sql<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        options: Vec<(String, String)>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let cluster = self.cluster()?;
        let stream = py.detach(|| {
            let options: Vec<(&str, &str)> = options
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let batch = self
                .runtime
                .block_on(cluster.query_arrow(text, &options))
                .map_err(failed)?;
            written(&batch)
        })?;
        Ok(PyBytes::new(py, &stream))
    }

    /// Adds or changes a schema, JSON.
    fn add_schema(&self, py: Python<'_>, schema: &str) -> PyResult<()> {
        let cluster = self.cluster()?;
        py.detach(|| self.runtime.block_on(cluster.add_schema(schema)))
            .map_err(failed)
    }

    /// Adds a table, JSON.
    fn add_table(&self, py: Python<'_>, table: &str) -> PyResult<()> {
        let cluster = self.cluster()?;
        py.detach(|| self.runtime.block_on(cluster.add_table(table)))
            .map_err(failed)
    }

    /// Puts rows, JSON, into a table; what the controller says about them, JSON.
    fn ingest(&self, py: Python<'_>, table: &str, rows: Vec<u8>) -> PyResult<String> {
        let cluster = self.cluster()?;
        py.detach(|| self.runtime.block_on(cluster.ingest(table, rows)))
            .map_err(failed)
    }

    /// Ports of controller and broker.
    fn ports(&self) -> PyResult<(Option<u16>, Option<u16>)> {
        let cluster = self.cluster()?;
        Ok((cluster.controller_port(), cluster.broker_port()))
    }

    /// Stops it. A call that still runs ends first; a second close does nothing.
    fn close(&self, py: Python<'_>) {
        let taken = {
            let mut held = self.cluster.write().unwrap_or_else(PoisonError::into_inner);
            held.take()
        };
        py.detach(|| {
            let Some(mut cluster) = taken else { return };
            loop {
                match Arc::try_unwrap(cluster) {
                    Ok(cluster) => return self.runtime.block_on(cluster.shutdown()),
                    Err(shared) => cluster = shared,
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }
}

fn written(batch: &RecordBatch) -> PyResult<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, batch.schema_ref()).map_err(failed)?;
    writer.write(batch).map_err(failed)?;
    writer.finish().map_err(failed)?;
    drop(writer);
    Ok(out)
}

#[pymodule]
mod _touriga {
    #[pymodule_export]
    use super::Engine;
}
