//! Three controllers over a real etcd: the leader is killed with SIGKILL, and another one decides in less than five seconds.
//!
//! Must not know: how leaders are chosen. Invariant: what was answered with 200 is there afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use super::processes::{Process, etcd};

const LONGEST: Duration = Duration::from_secs(5);

/// Three controllers, a broker and a server.
pub(crate) struct Running {
    pub(crate) controllers: Vec<Process>,
    broker: Process,
    server: Process,
    http: reqwest::Client,
}

async fn start(folder: &Path, etcd: &str) -> Result<Running> {
    let shared = folder.join("segments").display().to_string();
    let own = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shares = own(&["--etcd", etcd, "--deep-store", &shared]);
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(15))
        .build()?;
    let mut controllers = Vec::new();
    for n in 0..3 {
        let mut one = Process::role("controller", n, folder, &shares)?;
        one.start()?;
        controllers.push(one);
    }
    let all: Vec<&str> = controllers.iter().map(|c| c.url.as_str()).collect();
    let at = own(&["--controller", &all.join(",")]);
    let mut broker = Process::role("broker", 0, folder, &at)?;
    let mut server = Process::role("server", 0, folder, &at)?;
    broker.start()?;
    server.start()?;
    for one in &controllers {
        one.ready(&http, "/health/readiness").await?;
    }
    broker.ready(&http, "/health").await?;
    server.ready(&http, "/health/readiness").await?;
    Ok(Running {
        controllers,
        broker,
        server,
        http,
    })
}

impl Running {
    async fn post(&self, url: String, body: &Json) -> Result<Json> {
        let answer = self.http.post(&url).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{url}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn leader(&self, asked: usize) -> Result<usize> {
        let url = format!("{}/leader/tables", self.controllers[asked].url);
        let answer: Json = self.http.get(url).send().await?.json().await?;
        let id = &answer["leadControllerEntryMap"]["leadControllerResource_0"]["leadControllerId"];
        let id = id.as_str().context("no leader is named")?;
        let port = |c: &Process| c.url.rsplit(':').next().unwrap_or_default().to_owned();
        let found = self
            .controllers
            .iter()
            .position(|c| id.ends_with(&format!("_{}", port(c))));
        found.with_context(|| format!("`{id}` is none of the controllers"))
    }

    async fn count(&self) -> Result<Json> {
        let sql = json!({"sql": "SELECT COUNT(*) FROM numbers"});
        let answer = self.post(format!("{}/query/sql", self.broker.url), &sql);
        let answer = answer.await?;
        if answer["exceptions"]
            .as_array()
            .is_none_or(|e| !e.is_empty())
        {
            bail!("the query failed: {}", answer["exceptions"]);
        }
        Ok(answer["resultTable"]["rows"][0][0].clone())
    }

    async fn table(&self, controller: usize) -> Result<()> {
        let url = &self.controllers[controller].url;
        let schema = json!({"schemaName": "numbers", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}]});
        let config = json!({"tableName": "numbers", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"},
            "tenants": {}, "tableIndexConfig": {}, "metadata": {}});
        self.post(format!("{url}/schemas"), &schema).await?;
        self.post(format!("{url}/tables"), &config).await?;
        Ok(())
    }

    /// Adds a segment of two rows.
    async fn segment(&self, controller: usize) -> Result<()> {
        let part = reqwest::multipart::Part::bytes(b"a\n1\n2\n".as_slice()).file_name("a.csv");
        let form = reqwest::multipart::Form::new().part("file", part);
        let url = format!(
            "{}/ingestFromFile?tableNameWithType=numbers_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D",
            self.controllers[controller].url
        );
        let answer = self.http.post(url).multipart(form).send().await?;
        if !answer.status().is_success() {
            bail!("{}", answer.text().await?);
        }
        Ok(())
    }

    async fn answers(&self, rows: i64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        let mut last = Json::Null;
        while Instant::now() < until {
            last = self.count().await.unwrap_or_default();
            if last == json!(rows) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let logs: Vec<String> = self.controllers.iter().map(Process::tail).collect();
        bail!(
            "{last} rows, expected {rows}; {}; {}",
            logs.join("\n\n"),
            self.server.tail()
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some((_etcd, address)) = etcd(folder.path())? else {
        eprintln!("NOT RUN: no etcd; set TOURIGA_ETCD to the path of its server");
        return Ok(());
    };
    let mut running = start(folder.path(), &address).await?;
    let first = running.leader(0).await?;
    running.table((first + 1) % 3).await?;
    running.segment((first + 2) % 3).await?;
    running.answers(2).await?;
    let mut rows = 2;
    let mut slowest = Duration::ZERO;
    for round in 0..3 {
        let leader = running.leader(round).await?;
        let other = (leader + 1) % 3;
        running.controllers[leader].kill()?;
        let began = Instant::now();
        // Reads are answered all the time, by whoever is left.
        let url = format!("{}/tables", running.controllers[other].url);
        assert_eq!(running.http.get(&url).send().await?.status(), 200);
        let mut refused = 0;
        while let Err(error) = running.segment(other).await {
            refused += 1;
            if began.elapsed() > Duration::from_secs(20) {
                return Err(error.context(running.controllers[other].tail()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let decided = began.elapsed();
        rows += 2;
        running.answers(rows).await?;
        eprintln!(
            "round {round}: a write was taken {} ms after the leader was killed ({refused} refused before), and answered queries after {} ms",
            decided.as_millis(),
            began.elapsed().as_millis()
        );
        slowest = slowest.max(decided);
        running.controllers[leader].start()?;
        running.controllers[leader]
            .ready(&running.http, "/health/readiness")
            .await?;
    }
    assert!(slowest < LONGEST, "{slowest:?}");
    for one in &mut running.controllers {
        one.kill()?;
    }
    for _ in 0..20 {
        assert_eq!(running.count().await?, json!(rows));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for one in &mut running.controllers {
        one.start()?;
    }
    for one in &running.controllers {
        one.ready(&running.http, "/health/readiness").await?;
    }
    running.segment(0).await?;
    running.answers(rows + 2).await
}
