//! A server with a stream in memory and a controller in memory: rows are seen once each, whatever happens to their segments.

mod double;
mod other_cluster;
mod replicas;
mod scan;
mod upsert;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster::DeepStore;
use common::{Schema, TableConfig, Value};
use double::Double;
use ingest::stream::memory::MemoryTopic;
use proto::{QueryAnswer, QueryRequest, QueryService};
use query::Plan;
use serde_json::json;
use server::{Server, ServerHandle, ServerSettings};
use sql::statement::{Options, Statement};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const INSTANCE: &str = "Server_localhost_1";

struct Cluster {
    controller: Arc<Double>,
    topic: MemoryTopic,
    folder: tempfile::TempDir,
    schema: Schema,
    server: Option<ServerHandle>,
    ids: AtomicU64,
}

fn schema() -> Result<Schema, serde_json::Error> {
    serde_json::from_value(json!({
        "schemaName": "t",
        "dimensionFieldSpecs": [
            {"name": "id", "dataType": "INT"},
            {"name": "kind", "dataType": "STRING"},
        ],
        "dateTimeFieldSpecs": [
            {"name": "ts", "dataType": "LONG", "format": "EPOCH", "granularity": "1:MILLISECONDS"},
        ],
    }))
}

fn config(topic: &str, rows: u64) -> Result<TableConfig, serde_json::Error> {
    let mut config: TableConfig = serde_json::from_value(json!({
        "tableName": "t_REALTIME",
        "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": "ts", "replication": "1"},
        "tableIndexConfig": {
            "invertedIndexColumns": ["kind"],
            "streamConfigs": {
                "streamType": "memory",
                "stream.memory.topic.name": topic,
                "stream.memory.decoder.class.name": "JSONMessageDecoder",
                "stream.memory.consumer.prop.auto.offset.reset": "smallest",
                "realtime.segment.flush.threshold.rows": rows.to_string(),
            },
        },
    }))?;
    config.normalise();
    Ok(config)
}

impl Cluster {
    async fn start(name: &str, rows: u64) -> Result<Self, Box<dyn std::error::Error>> {
        Self::start_as(name, schema()?, config(name, rows)?).await
    }

    async fn start_as(
        name: &str,
        schema: Schema,
        config: TableConfig,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let mut cluster = Self {
            controller: Arc::new(Double::new(INSTANCE, schema.clone(), config, 1)),
            topic: MemoryTopic::named(name),
            folder: tempfile::tempdir()?,
            schema,
            server: None,
            ids: AtomicU64::new(0),
        };
        cluster.start_server().await?;
        Ok(cluster)
    }

    async fn start_server(&mut self) -> Outcome {
        let deep_store = DeepStore::open(&self.folder.path().join("deep").display().to_string())?;
        let mut settings = ServerSettings::new(
            self.folder.path().join("data"),
            common::clock::system(),
            Arc::clone(&self.controller) as Arc<dyn proto::ControllerService>,
            deep_store,
        );
        settings.host = "localhost".to_owned();
        settings.instance_id = Some(INSTANCE.to_owned());
        (settings.port, settings.admin_port) = (0, 0);
        settings.heartbeat = Duration::from_millis(100);
        self.server = Some(Server::start(settings).await?);
        Ok(())
    }

    fn server(&self) -> Result<&ServerHandle, String> {
        self.server.as_ref().ok_or_else(|| "no server".to_owned())
    }

    fn produce(&self, ids: std::ops::Range<u64>) {
        for id in ids {
            let row =
                json!({"id": id, "kind": format!("k{}", id % 7), "ts": 1_714_521_600_000_u64 + id});
            let at = common::clock::system().now_ms();
            self.topic
                .append(0, None, Some(row.to_string().as_bytes()), at);
        }
    }

    async fn ask(&self, sql: &str) -> Result<Vec<Vec<Value>>, Box<dyn std::error::Error>> {
        let service = Arc::clone(&self.server()?.query);
        ask(service, &self.controller, &self.schema, &self.ids, sql).await
    }

    async fn count(&self) -> Result<i64, Box<dyn std::error::Error>> {
        let rows = self.ask("SELECT COUNT(*) FROM t").await?;
        Ok(rows[0][0].as_i64().unwrap_or(-1))
    }

    async fn until(&self, what: &str, mut test: impl AsyncFnMut() -> bool) -> Outcome {
        for _ in 0..2000 {
            if test().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(format!(
            "{what} did not come true; {:?}",
            self.server()?.complaints()
        )
        .into())
    }

    async fn until_count(&self, wanted: i64) -> Outcome {
        self.until(&format!("{wanted} rows"), async || {
            self.count().await.is_ok_and(|count| count == wanted)
        })
        .await
    }

    async fn get(&self, path: &str) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
        let port = self.server()?.admin_port;
        let url = format!("http://127.0.0.1:{port}{path}");
        Ok(reqwest::get(url).await?.error_for_status()?.json().await?)
    }
}

async fn ask(
    service: Arc<dyn QueryService>,
    controller: &Double,
    schema: &Schema,
    ids: &AtomicU64,
    sql: &str,
) -> Result<Vec<Vec<Value>>, Box<dyn std::error::Error>> {
    let statement = Statement::split(sql, &Options::default())?;
    let plan = Plan::new(sql::parse::query(&statement, 0)?, schema, 0)?;
    let request = QueryRequest {
        request_id: ids.fetch_add(1, Ordering::Relaxed),
        broker_id: "b".to_owned(),
        table: "t_REALTIME".to_owned(),
        segments: controller.routed(),
        sql: sql.to_owned(),
        options: Vec::new(),
        time_boundary: None,
        timeout_ms: 10_000,
        now_ms: 0,
        plan: None,
    };
    let QueryAnswer::Encoded(bytes) = service.submit(request).await? else {
        return Err("an answer that cannot be sent".into());
    };
    let executed = query::wire::decode(&plan, &bytes)?;
    if let Some(exception) = executed.stats.exceptions.first() {
        return Err(exception.to_string().into());
    }
    Ok(query::reduce(&plan, executed.partial)?.rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_appear_and_segments_seal_at_their_threshold() -> Outcome {
    let cluster = Cluster::start("appear", 500).await?;
    cluster.produce(0..120);
    cluster.until_count(120).await?;
    assert!(cluster.controller.sealed().is_empty());
    cluster.produce(120..1750);
    cluster.until_count(1750).await?;
    cluster
        .until("3 sealed segments", async || {
            cluster.controller.sealed().len() == 3
        })
        .await?;
    for (at, record) in cluster.controller.sealed().iter().enumerate() {
        assert_eq!(record.total_docs, 500);
        assert_eq!(record.start_offset, Some((at * 500).to_string()));
        assert_eq!(record.end_offset, Some(((at + 1) * 500).to_string()));
        assert_eq!(
            record.start_time_ms,
            Some(1_714_521_600_000 + at as i64 * 500)
        );
    }
    let rows = cluster
        .ask("SELECT COUNT(*), SUM(id), DISTINCTCOUNT(id) FROM t WHERE kind <> 'k0'")
        .await?;
    assert_eq!(rows[0][0], Value::Long(1500));
    cluster
        .until("readiness", async || {
            cluster
                .server()
                .is_ok_and(|server| server.complaints().is_empty())
        })
        .await?;
    // The controller knows of a commit a moment before the server has put the sealed segment in place.
    cluster
        .until("the size of 3 segments", async || {
            let size = cluster.get("/tables/t_REALTIME/size").await;
            size.is_ok_and(|size| size["segments"].as_array().map(Vec::len) == Some(3))
        })
        .await?;
    let info = cluster
        .get("/tables/t_REALTIME/consumingSegmentsInfo")
        .await?;
    assert_eq!(info[0]["partitionOffsetInfo"]["recordsLag"]["0"], "0");
    assert_eq!(info[0]["consumerState"], "CONSUMING");
    let name = &cluster.controller.sealed()[0].name;
    let path = format!("/tables/t_REALTIME/segments/{name}/metadata?columns=kind");
    let metadata = cluster.get(&path).await?;
    assert_eq!(metadata["totalDocs"], 500);
    assert_eq!(metadata["indexes"]["kind"]["dictionary"], "YES");
    cluster.server.ok_or("no server")?.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_never_dip_and_never_double_while_segments_seal() -> Outcome {
    let cluster = Arc::new(Cluster::start("monotone", 300).await?);
    // The server opens the table when it hears of it; brokers ask only who has said so.
    cluster.until_count(0).await?;
    let produced = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for _ in 0..3 {
        let (cluster, produced) = (Arc::clone(&cluster), Arc::clone(&produced));
        let service = Arc::clone(&cluster.server()?.query);
        readers.push(tokio::spawn(async move {
            let (mut last, mut asked) = (0, 0_u64);
            while last < 9000 {
                let sql = "SELECT COUNT(*) FROM t";
                let answer = ask(
                    Arc::clone(&service),
                    &cluster.controller,
                    &cluster.schema,
                    &cluster.ids,
                    sql,
                );
                let rows = answer.await.map_err(|e| e.to_string())?;
                let count = rows[0][0].as_i64().unwrap_or(-1);
                let most = produced.load(Ordering::SeqCst) as i64;
                if count < last || count > most {
                    return Err(format!("{count} rows after {last}, of {most}"));
                }
                last = count;
                asked += 1;
                tokio::task::yield_now().await;
            }
            Ok(asked)
        }));
    }
    for start in (0..9000).step_by(50) {
        produced.store(start + 50, Ordering::SeqCst);
        cluster.produce(start..start + 50);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for reader in readers {
        let asked = tokio::time::timeout(Duration::from_secs(60), reader).await???;
        assert!(asked > 10);
    }
    let rows = cluster
        .ask("SELECT DISTINCTCOUNT(id), SUM(id) FROM t")
        .await?;
    assert_eq!(rows[0][0], Value::Int(9000));
    assert_eq!(rows[0][1], Value::Double(9000.0 * 8999.0 / 2.0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_exactly_where_the_last_commit_ended() -> Outcome {
    let mut cluster = Cluster::start("restart", 400).await?;
    cluster.produce(0..1000);
    cluster.until_count(1000).await?;
    cluster
        .until("2 sealed segments", async || {
            cluster.controller.sealed().len() == 2
        })
        .await?;
    cluster.server.take().ok_or("no server")?.abort().await;
    cluster.produce(1000..1100);
    // While the server is away one of the local files is damaged, and the other one is of an older format: both are fetched
    // again.
    let mut aside = Vec::new();
    for (at, sealed) in cluster.controller.sealed().iter().enumerate() {
        let folder = cluster.folder.path().join("data/t_REALTIME");
        let path = folder.join(&sealed.name);
        let mut bytes = std::fs::read(&path)?;
        let tail = bytes.len() - 12;
        if at == 0 {
            bytes[70] ^= 0x55;
        } else {
            bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
            bytes[tail..tail + 4].copy_from_slice(&1_u32.to_le_bytes());
        }
        std::fs::write(&path, bytes)?;
        aside.push(path.with_file_name(format!("{}.damaged", sealed.name)));
    }
    cluster.controller.change(|view| view.external.clear());
    cluster.start_server().await?;
    cluster.until_count(1100).await?;
    assert!(aside.iter().all(|path| path.exists()));
    cluster.produce(1100..1500);
    cluster.until_count(1500).await?;
    let rows = cluster
        .ask("SELECT DISTINCTCOUNT(id), MIN(id), MAX(id) FROM t")
        .await?;
    assert_eq!(
        rows[0],
        [Value::Int(1500), Value::Double(0.0), Value::Double(1499.0)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_rows_are_counted_and_skipped() -> Outcome {
    let cluster = Cluster::start("broken", 1_000_000).await?;
    cluster.produce(0..10);
    for bad in ["{", "no json", "{\"id\": \"abc\"}"] {
        cluster.topic.append(0, None, Some(bad.as_bytes()), 0);
    }
    cluster.topic.append(0, None, None, 0);
    cluster.produce(10..20);
    cluster.until_count(20).await?;
    let state = cluster.get("/debug/tables/t_REALTIME").await?;
    assert_eq!(state["rowsMalformed"], 3);
    assert_eq!(state["tombstones"], 1);
    assert_eq!(state["recentErrors"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_commit_pause_and_an_absent_controller() -> Outcome {
    let cluster = Cluster::start("force", 1_000_000).await?;
    cluster.produce(0..50);
    cluster.until_count(50).await?;
    let open = cluster.routed_consuming();
    cluster
        .controller
        .change(|view| view.force_commit.clone_from(&open));
    cluster
        .until("a sealed segment", async || {
            cluster.controller.sealed().len() == 1
        })
        .await?;
    cluster.produce(50..60);
    cluster.until_count(60).await?;
    // The controller goes away: rows keep coming and answers too.
    cluster.controller.away.store(true, Ordering::SeqCst);
    cluster.produce(60..70);
    cluster.until_count(70).await?;
    cluster.controller.away.store(false, Ordering::SeqCst);
    cluster.controller.change(|view| view.paused = true);
    cluster
        .until("everything is sealed", async || {
            cluster.routed_consuming().is_empty()
        })
        .await?;
    cluster.produce(70..80);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cluster.count().await?, 70);
    // The table goes: nothing of it stays.
    cluster.controller.change(|view| view.ideal.clear());
    let folder = cluster.folder.path().join("data/t_REALTIME");
    cluster
        .until("an empty folder", async || {
            std::fs::read_dir(&folder).is_ok_and(|files| files.count() == 0)
        })
        .await
}

impl Cluster {
    fn routed_consuming(&self) -> Vec<String> {
        let view = self.controller.view();
        let open = view
            .segments
            .into_values()
            .filter(|s| s.status == proto::controller_service::SegmentStatus::InProgress);
        open.map(|s| s.name).collect()
    }
}
