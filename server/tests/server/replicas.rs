//! Two replicas under a real controller: they agree on every segment, and no row is answered twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use controller::{Controller, ControllerHandle, ControllerSettings};
use ingest::stream::memory::MemoryTopic;
use proto::controller_service::{ReplicaState, SegmentStatus, TableView};
use proto::{QueryRequest, QueryService};
use query::Plan;
use server::{Server, ServerHandle, ServerSettings};
use sql::statement::{Options, Statement};

use super::{Outcome, config, schema};

struct Cluster {
    controller: ControllerHandle,
    servers: Vec<ServerHandle>,
    folder: tempfile::TempDir,
}

type Failure = Box<dyn std::error::Error>;

async fn start(topic: &str, rows: u64) -> Result<Cluster, Failure> {
    let folder = tempfile::tempdir()?;
    let mut settings = ControllerSettings::new(folder.path().join("controller"));
    settings.port = 0;
    let controller = Controller::start(settings).await?;
    let mut cluster = Cluster {
        controller,
        servers: Vec::new(),
        folder,
    };
    for number in 0..2 {
        let server = cluster.server(number).await?;
        cluster.servers.push(server);
    }
    let mut table = config(topic, rows)?;
    table.segments_config.replication = Some("2".to_owned());
    let http = reqwest::Client::new();
    let base = format!("http://127.0.0.1:{}", cluster.controller.port);
    for (path, body) in [
        ("schemas", serde_json::to_string(&schema()?)?),
        ("tables", serde_json::to_string(&table)?),
    ] {
        let sent = http.post(format!("{base}/{path}")).body(body);
        let sent = sent
            .header("Content-Type", "application/json")
            .send()
            .await?;
        let status = sent.status();
        let text = sent.text().await?;
        assert!(status.is_success(), "{text}");
    }
    Ok(cluster)
}

impl Cluster {
    async fn server(&self, number: usize) -> Result<ServerHandle, Failure> {
        let mut settings = ServerSettings::new(
            self.folder.path().join(format!("server{number}")),
            common::clock::system(),
            Arc::clone(&self.controller.service),
            self.controller.deep_store.clone(),
        );
        settings.host = "127.0.0.1".to_owned();
        settings.instance_id = Some(format!("Server_127.0.0.1_{number}"));
        (settings.port, settings.admin_port) = (0, 0);
        Ok(Server::start(settings).await?)
    }

    async fn view(&self) -> Result<TableView, Failure> {
        let mut view = self.controller.service.watch("Broker_x_1", 0).await?;
        Ok(view.tables.pop().ok_or("no table")?)
    }

    /// Counts as a broker would that prefers one replica.
    async fn count(&self, preferred: usize) -> Result<i64, Failure> {
        let view = self.view().await?;
        let mut routed: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for segment in view.ideal.keys() {
            let answers = |server: &ServerHandle| {
                let state = view.external.get(segment)?.get(&server.instance_id)?;
                matches!(state, ReplicaState::Online | ReplicaState::Consuming).then_some(())
            };
            let order = [preferred, 1 - preferred];
            if let Some(server) = order
                .into_iter()
                .find(|s| answers(&self.servers[*s]).is_some())
            {
                routed.entry(server).or_default().push(segment.clone());
            }
        }
        let mut total = 0;
        for (server, segments) in routed {
            total += count(&self.servers[server].query, segments).await?;
        }
        Ok(total)
    }
}

async fn count(service: &Arc<dyn QueryService>, segments: Vec<String>) -> Result<i64, Failure> {
    let sql = "SELECT COUNT(*) FROM t";
    let statement = Statement::split(sql, &Options::default())?;
    let plan = Plan::new(sql::parse::query(&statement, 0)?, &schema()?, 0)?;
    let request = QueryRequest {
        request_id: 1,
        broker_id: "b".to_owned(),
        table: "t_REALTIME".to_owned(),
        segments,
        sql: sql.to_owned(),
        options: Vec::new(),
        time_boundary: None,
        timeout_ms: 10_000,
        now_ms: 0,
        plan: None,
    };
    let proto::QueryAnswer::Encoded(bytes) = service.submit(request).await? else {
        return Err("an answer that cannot be sent".into());
    };
    let executed = query::wire::decode(&plan, &bytes)?;
    let rows = query::reduce(&plan, executed.partial)?.rows;
    Ok(rows[0][0].as_i64().unwrap_or(-1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_agree_and_survive_each_other() -> Outcome {
    // The rows of a table are shared by the partitions of a server: one here.
    let mut cluster = start("replicas", 400).await?;
    let topic = MemoryTopic::named("replicas");
    let mut produced = 0_i64;
    for _ in 0..40 {
        for id in produced..produced + 50 {
            let row = serde_json::json!({"id": id, "kind": "k", "ts": 1_714_521_600_000_i64 + id});
            topic.append(0, None, Some(row.to_string().as_bytes()), 1000 + id);
        }
        produced += 50;
        let seen = cluster.count(0).await?;
        assert!(seen <= produced, "{seen} of {produced}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(&cluster, produced, 4).await?;
    // One replica crashes; the other goes on and commits alone.
    let crashed = cluster.servers.pop().ok_or("no server")?;
    crashed.abort().await;
    cluster
        .controller
        .service
        .leave("Server_127.0.0.1_1")
        .await?;
    for id in produced..produced + 1000 {
        let row = serde_json::json!({"id": id, "kind": "k", "ts": 1_714_521_600_000_i64 + id});
        topic.append(0, None, Some(row.to_string().as_bytes()), 1000 + id);
    }
    produced += 1000;
    for _ in 0..1500 {
        let alone = cluster.view().await?;
        if sealed(&alone) >= 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let back = cluster.server(1).await?;
    cluster.servers.push(back);
    until(&cluster, produced, 6).await
}

fn sealed(view: &TableView) -> usize {
    let done = |s: &&proto::controller_service::SegmentRecord| s.status == SegmentStatus::Done;
    view.segments.values().filter(done).count()
}

/// Waits until each replica alone answers with every row.
async fn until(cluster: &Cluster, rows: i64, segments: usize) -> Outcome {
    let mut last = String::new();
    for _ in 0..1500 {
        let view = cluster.view().await?;
        let mut counts = Vec::new();
        for server in &cluster.servers {
            let mine = |name: &&String| {
                let state = view
                    .external
                    .get(*name)
                    .and_then(|r| r.get(&server.instance_id));
                state.is_some_and(|s| matches!(s, ReplicaState::Online | ReplicaState::Consuming))
            };
            let names = view.ideal.keys().filter(mine).cloned().collect();
            counts.push(count(&server.query, names).await.unwrap_or(-1));
        }
        if counts.iter().all(|c| *c == rows) && sealed(&view) >= segments {
            return Ok(());
        }
        last = format!(
            "{counts:?} of {rows}, {} sealed, {:?} {:?}",
            sealed(&view),
            view.ideal,
            view.external
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(last.into())
}
