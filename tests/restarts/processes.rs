//! Processes of a cluster, and of an etcd beside it.
//!
//! Must not know: what is tested. Invariant: ports are free ones of this machine, data lies in a folder that goes away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use tests::ports::free_port;

/// The binary `touriga`, built in the profile of the tests.
pub(crate) fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BINARY.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--workspace", "--bin", "touriga"]);
        cargo.args(["--message-format", "json"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let messages = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok());
        messages
            .filter_map(|m| m["executable"].as_str().map(PathBuf::from))
            .next()
    });
    built
        .as_deref()
        .context("`cargo build --workspace --bin touriga` made no binary")
}

/// A process that is started, stopped, killed and started again.
pub(crate) struct Process {
    pub(crate) name: String,
    /// Where it answers over HTTP.
    pub(crate) url: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A role, with its port or ports, over folders below `folder`.
    pub(crate) fn role(role: &str, n: usize, folder: &Path, more: &[String]) -> Result<Self> {
        let name = format!("{role}-{n}");
        let port = free_port()?;
        let mut url = format!("http://127.0.0.1:{port}");
        let data = folder.join(&name).display().to_string();
        let mut arguments = vec![format!("start-{role}"), "--data-dir".to_owned(), data];
        arguments.extend([format!("--{role}-port"), port.to_string()]);
        if role == "server" {
            let admin = free_port()?;
            arguments.extend(["--server-admin-port".to_owned(), admin.to_string()]);
            url = format!("http://127.0.0.1:{admin}");
        }
        arguments.extend_from_slice(more);
        Ok(Self {
            log: folder.join(format!("{name}.log")),
            name,
            url,
            program: binary()?.to_path_buf(),
            arguments,
            child: None,
        })
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env_remove("TOURIGA_ETCD_MEMBERS")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.name))?;
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

    /// SIGTERM, and waits until it has ended; how long that took.
    pub(crate) async fn stop(&mut self) -> Result<Duration> {
        let Some(mut child) = self.child.take() else {
            return Ok(Duration::ZERO);
        };
        let began = Instant::now();
        let id = child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status()?;
        if !told.success() {
            bail!("{} could not be told to end", self.name);
        }
        while child.try_wait()?.is_none() {
            if began.elapsed() > Duration::from_secs(60) {
                child.kill()?;
                bail!("{} does not end: {}", self.name, self.tail());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(began.elapsed())
    }

    /// Waits until a path answers 200.
    pub(crate) async fn ready(&self, http: &reqwest::Client, path: &str) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(120);
        let url = format!("{}{path}", self.url);
        while Instant::now() < until {
            let answer = http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{} is not ready: {}", self.name, self.tail())
    }

    /// What it logged last.
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

/// An etcd of one member that ends with the test, and its address.
pub(crate) fn etcd(folder: &Path) -> Result<Option<(Process, String)>> {
    let Some(program) = std::env::var_os("TOURIGA_ETCD") else {
        return Ok(None);
    };
    let (clients, peers) = (free_port()?, free_port()?);
    let url = format!("http://127.0.0.1:{clients}");
    let peer = format!("http://127.0.0.1:{peers}");
    let flag = |name: &str, value: &str| [format!("--{name}"), value.to_owned()];
    let arguments = [
        flag("data-dir", &folder.join("etcd").display().to_string()),
        flag("listen-client-urls", &url),
        flag("advertise-client-urls", &url),
        flag("listen-peer-urls", &peer),
        flag("initial-advertise-peer-urls", &peer),
        flag("initial-cluster", &format!("default={peer}")),
    ];
    let mut etcd = Process {
        name: "etcd".to_owned(),
        url,
        program: program.into(),
        arguments: arguments.concat(),
        log: folder.join("etcd.log"),
        child: None,
    };
    etcd.start()?;
    Ok(Some((etcd, format!("127.0.0.1:{clients}"))))
}
