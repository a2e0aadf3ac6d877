//! A `touriga start-all` of its own, in a fresh folder and on free ports.
//!
//! Must not know: what is measured. Invariant: the process and its folder are gone when the handle is.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};
use tests::ports::free_port;

/// The binary beside this one, built in the same profile.
///
/// # Errors
/// Where there is none.
pub fn beside() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("touriga");
    if !path.exists() {
        bail!(
            "`{}` is not there: `cargo build --release --workspace --bin touriga` makes it, --binary names another",
            path.display()
        );
    }
    Ok(path)
}

/// What answers by Pinot's interfaces.
pub struct Rest {
    /// URL of the controller.
    pub controller: String,
    /// URL of the broker.
    pub broker: String,
    client: reqwest::Client,
}

/// A running process with all roles.
pub struct Touriga {
    rest: Rest,
    /// When it was started.
    pub started: Instant,
    child: Child,
    ports: [u16; 4],
    folder: tempfile::TempDir,
}

fn launch(
    binary: &Path,
    folder: &Path,
    [controller, broker, server, admin]: [u16; 4],
) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    Command::new(binary)
        .args(["--log-level", "warn", "start-all", "--data-dir"])
        .arg(folder.join("data"))
        .args(["--controller-port", &controller.to_string()])
        .args(["--broker-port", &broker.to_string()])
        .args(["--server-port", &server.to_string()])
        .args(["--server-admin-port", &admin.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .with_context(|| format!("cannot start `{}`", binary.display()))
}

impl Touriga {
    /// Starts it; it does not answer yet.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ports = [free_port()?, free_port()?, free_port()?, free_port()?];
        let started = Instant::now();
        let child = launch(binary, folder.path(), ports)?;
        let [controller, broker, ..] = ports;
        Ok(Self {
            rest: Rest::new(
                format!("http://127.0.0.1:{controller}"),
                format!("http://127.0.0.1:{broker}"),
            ),
            started,
            child,
            ports,
            folder,
        })
    }

    /// Kills it without a warning and starts it over the same data.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start_again(&mut self, binary: &Path) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.started = Instant::now();
        self.child = launch(binary, self.folder.path(), self.ports)?;
        Ok(())
    }

    /// What the server tells of itself, in the form of Prometheus.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub async fn server_metrics(&self) -> Result<String> {
        let [.., admin] = self.ports;
        let url = format!("http://127.0.0.1:{admin}/metrics");
        Ok(self.client.get(url).send().await?.text().await?)
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the broker is ready and has answered a query; the time since the start.
    ///
    /// # Errors
    /// Where that takes longer than a minute.
    pub async fn first_answer(&self) -> Result<Duration> {
        let health = format!("{}/health", self.broker);
        while self.started.elapsed() < Duration::from_secs(60) {
            let ready = self.client.get(&health).send().await;
            if ready.is_ok_and(|r| r.status().is_success()) && self.rows("SELECT 1").await.is_ok() {
                return Ok(self.started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("no answer within a minute")
    }
}

impl Deref for Touriga {
    type Target = Rest;

    fn deref(&self) -> &Rest {
        &self.rest
    }
}

impl Rest {
    /// By the URLs of a controller and a broker.
    #[must_use]
    pub fn new(controller: String, broker: String) -> Self {
        Self {
            controller,
            broker,
            client: reqwest::Client::new(),
        }
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// Where the broker cannot be reached or answers with exceptions.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Vec<Json>>> {
        let asked = self
            .client
            .post(format!("{}/query/sql", self.broker))
            .json(&json!({ "sql": sql }));
        let answer: Json = asked.send().await?.json().await?;
        if answer["exceptions"]
            .as_array()
            .is_some_and(|e| !e.is_empty())
        {
            bail!("{sql}: {}", answer["exceptions"]);
        }
        Ok(serde_json::from_value(
            answer["resultTable"]["rows"].clone(),
        )?)
    }

    /// The first cell of a query; 0 where there is none.
    pub async fn number(&self, sql: &str) -> f64 {
        let rows = self.rows(sql).await.unwrap_or_default();
        let cell = rows.first().and_then(|row| row.first());
        cell.and_then(Json::as_f64).unwrap_or_default()
    }

    /// POSTs JSON to the controller.
    ///
    /// # Errors
    /// Where it refuses.
    pub async fn post(&self, path: &str, body: &Json) -> Result<()> {
        let answer = self
            .client
            .post(format!("{}{path}", self.controller))
            .json(body)
            .send()
            .await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("POST {path}: {status} {}", answer.text().await?);
        }
        Ok(())
    }

    /// GETs JSON from the controller.
    ///
    /// # Errors
    /// Where it cannot be reached.
    pub async fn get(&self, path: &str) -> Result<Json> {
        Ok(self
            .client
            .get(format!("{}{path}", self.controller))
            .send()
            .await?
            .json()
            .await?)
    }
}

impl Drop for Touriga {
    fn drop(&mut self) {
        // A process that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
