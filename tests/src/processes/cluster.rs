//! A cluster of processes with an embedded Kafka-compatible stream beside it.
//!
//! Must not know: what is tested. Invariant: ports are free ones of this machine, data lies in a folder that goes away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use crate::ports::free_port;

/// The binary `touriga`, built in the profile of the tests.
pub(crate) fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    BINARY
        .get_or_init(|| {
            let release = !cfg!(debug_assertions);
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args([
                "build",
                "--workspace",
                "--bin",
                "touriga",
                "--message-format",
                "json",
            ]);
            if release {
                cargo.arg("--release");
            }
            let output = cargo.stderr(Stdio::null()).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            text.lines()
                .filter_map(|line| serde_json::from_str::<Json>(line).ok())
                .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        })
        .as_deref()
        .context("`cargo build --workspace --bin touriga` made no binary")
}

/// One process of the cluster.
pub(crate) struct Process {
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    fn new(name: &str, folder: &Path, arguments: Vec<String>) -> Self {
        Self {
            arguments,
            log: folder.join(format!("{name}.log")),
            child: None,
        }
    }

    /// Starts it, or starts it again.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let child = Command::new(binary()?)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting touriga")?;
        self.child = Some(child);
        Ok(())
    }

    /// SIGKILL: the process gets no chance to finish anything.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// What it logged, for the message of a failing test.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that is gone already is what is wanted.
        let _ = self.kill();
    }
}

/// Controller, broker and server, each a process, and a stream.
pub(crate) struct Cluster {
    pub(crate) controller: Process,
    pub(crate) broker: Process,
    pub(crate) server: Process,
    pub(crate) stream: stream::StreamHandle,
    controller_url: String,
    broker_url: String,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts everything and waits until the broker is ready.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let stream = stream::Stream::builder()
            .data_dir(Some(path.join("stream")))
            .start()
            .await?;
        let (controller_port, broker_port, server_port, admin_port) =
            (free_port()?, free_port()?, free_port()?, free_port()?);
        let controller_url = format!("http://127.0.0.1:{controller_port}");
        let data = |role: &str| path.join(role).display().to_string();
        let arguments = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut cluster = Self {
            controller: Process::new(
                "controller",
                path,
                arguments(&[
                    "start-controller",
                    "--data-dir",
                    &data("controller"),
                    "--controller-port",
                    &controller_port.to_string(),
                ]),
            ),
            broker: Process::new(
                "broker",
                path,
                arguments(&[
                    "start-broker",
                    "--controller",
                    &controller_url,
                    "--broker-port",
                    &broker_port.to_string(),
                ]),
            ),
            server: Process::new(
                "server",
                path,
                arguments(&[
                    "start-server",
                    "--data-dir",
                    &data("server"),
                    "--controller",
                    &controller_url,
                    "--server-port",
                    &server_port.to_string(),
                    "--server-admin-port",
                    &admin_port.to_string(),
                ]),
            ),
            stream,
            broker_url: format!("http://127.0.0.1:{broker_port}"),
            controller_url,
            client: reqwest::Client::new(),
            folder,
        };
        cluster.controller.start()?;
        cluster.server.start()?;
        cluster.broker.start()?;
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// Where the cluster's files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn wait_ready(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let health = self
                .client
                .get(format!("{}/health", self.broker_url))
                .send()
                .await;
            if health.is_ok_and(|answer| answer.status().is_success()) && self.server_joined().await
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "the cluster did not become ready:\n{}\n{}\n{}",
            self.broker.tail(),
            self.server.tail(),
            self.controller.tail()
        )
    }

    /// Whether the server has registered: a table is refused before.
    async fn server_joined(&self) -> bool {
        let url = format!("{}/instances", self.controller_url);
        match self.client.get(url).send().await {
            Ok(answer) => answer
                .text()
                .await
                .is_ok_and(|text| text.contains("\"Server_")),
            Err(_) => false,
        }
    }

    /// POSTs JSON to the controller and expects success.
    pub(crate) async fn post(&self, path: &str, body: &Json) -> Result<Json> {
        let answer = self
            .client
            .post(format!("{}{path}", self.controller_url))
            .json(body)
            .send()
            .await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "POST {path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Asks the broker; the whole answer.
    pub(crate) async fn query(&self, sql: &str) -> Result<Json> {
        let answer = self
            .client
            .post(format!("{}/query/sql", self.broker_url))
            .json(&json!({ "sql": sql }))
            .send()
            .await?;
        Ok(answer.json().await?)
    }

    /// The rows of an answer without exceptions.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Json> {
        let answer = self.query(sql).await?;
        let exceptions = answer["exceptions"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(exceptions == 0, "{sql}: {}", answer["exceptions"]);
        Ok(answer["resultTable"]["rows"].clone())
    }

    /// Waits until a query has these rows.
    pub(crate) async fn wait_for(&self, sql: &str, wanted: &Json, seconds: u64) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut last = String::new();
        while Instant::now() < end {
            match self.rows(sql).await {
                Ok(rows) if rows == *wanted => return Ok(()),
                Ok(rows) => last = rows.to_string(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!(
            "{sql} answered {last} after {seconds} s, expected {wanted}\nserver:\n{}\ncontroller:\n{}\nbroker:\n{}",
            self.server.tail(),
            self.controller.tail(),
            self.broker.tail()
        )
    }
}
