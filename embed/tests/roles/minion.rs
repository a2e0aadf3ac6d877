//! Tasks that rewrite segments, on a whole cluster in this process: a query sees the same rows before, meanwhile and after.
//!
//! Must not know: how a task works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ingest::stream::memory::MemoryTopic;
use serde_json::{Value as Json, json};
use touriga::Cluster;

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const DAY_MS: i64 = 86_400_000;
/// 2024-05-01.
const START_MS: i64 = 1_714_521_600_000;

struct Running {
    cluster: Cluster,
    client: reqwest::Client,
    controller: String,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start() -> Fallible<Arc<Self>> {
        let folder = tempfile::tempdir()?;
        let cluster = Cluster::builder()
            .data_dir(folder.path())
            .any_ports()
            .build()
            .await?;
        cluster.ready().await;
        let port = cluster.controller_port().unwrap_or_default();
        Ok(Arc::new(Self {
            cluster,
            client: reqwest::Client::new(),
            controller: format!("http://127.0.0.1:{port}"),
            _folder: folder,
        }))
    }

    async fn post(&self, path: &str, body: &Json) -> Fallible<Json> {
        let url = format!("{}/{path}", self.controller);
        let answer = self.client.post(url).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(format!("{path}: {status} {text}").into());
        }
        Ok(serde_json::from_str(&text).unwrap_or(Json::Null))
    }

    async fn get(&self, path: &str) -> Fallible<Json> {
        let url = format!("{}/{path}", self.controller);
        Ok(self.client.get(url).send().await?.json().await?)
    }

    /// The first row of an answer, or why there is none.
    async fn row(&self, sql: &str) -> Fallible<Vec<f64>> {
        let answer = self.cluster.query(sql).await.ok_or("no broker")?;
        if let Some(failure) = answer.failures.first() {
            return Err(format!("{sql}: {}", failure.message).into());
        }
        let table = answer.table.ok_or("no table")?;
        let row = table.rows.first().ok_or("no row")?;
        Ok(row.iter().filter_map(common::Value::as_f64).collect())
    }

    async fn until(&self, sql: &str, wanted: &[f64]) -> Fallible {
        let mut last = String::new();
        for _ in 0..600 {
            match self.row(sql).await {
                Ok(row) if row == wanted => return Ok(()),
                other => last = format!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{sql} answered {last}, expected {wanted:?}").into())
    }

    /// Runs tasks of a type until there are no more; how many ran.
    async fn run_tasks(&self, kind: &str) -> Fallible<usize> {
        let mut ran = 0;
        loop {
            let made = self
                .post(&format!("tasks/schedule?taskType={kind}"), &json!({}))
                .await?;
            let Some(names) = made.get(kind).and_then(Json::as_str) else {
                return Ok(ran);
            };
            for name in names.split(',') {
                self.ended(name).await?;
                ran += 1;
            }
        }
    }

    async fn ended(&self, task: &str) -> Fallible {
        for _ in 0..600 {
            match self
                .get(&format!("tasks/task/{task}/state"))
                .await?
                .as_str()
            {
                Some("COMPLETED") => return Ok(()),
                Some("NOT_STARTED" | "IN_PROGRESS") => {}
                _ => {
                    let why = self.get(&format!("tasks/task/{task}/debug")).await?;
                    return Err(format!("{task} failed: {why}").into());
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{task} does not end").into())
    }

    /// Asks all the time until told to stop; fails at the first answer that is another.
    fn watch(self: &Arc<Self>, sql: &'static str, wanted: Vec<f64>) -> Watch {
        let (stop, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (running, until, count) = (Arc::clone(self), Arc::clone(&stop), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while !until.load(Ordering::SeqCst) {
                let row = running.row(sql).await?;
                if row != wanted {
                    return Err(format!("{sql} answered {row:?}, expected {wanted:?}").into());
                }
                count.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        });
        Watch { stop, asked, task }
    }

    /// Segments that queries see.
    async fn segments(&self, table: &str) -> Fallible<usize> {
        let sql = format!("SELECT DISTINCTCOUNT($segmentName) FROM {table}");
        Ok(self.row(&sql).await?.first().copied().unwrap_or_default() as usize)
    }
}

struct Watch {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Fallible>,
}

impl Watch {
    async fn end(self) -> Fallible {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await??;
        assert!(self.asked.load(Ordering::SeqCst) > 0);
        Ok(())
    }
}

fn schema(name: &str, keys: &[&str]) -> Json {
    json!({
        "schemaName": name,
        "dimensionFieldSpecs": [{"name": "d", "dataType": "STRING"}],
        "metricFieldSpecs": [{"name": "m", "dataType": "LONG"}],
        "dateTimeFieldSpecs": [
            {"name": "at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}
        ],
        "primaryKeyColumns": keys,
    })
}

fn offline(name: &str, task: &Json) -> Json {
    json!({
        "tableName": name, "tableType": "OFFLINE", "tenants": {}, "metadata": {}, "tableIndexConfig": {},
        "segmentsConfig": {"replication": "1", "timeColumnName": "at"},
        "task": {"taskTypeConfigsMap": task},
    })
}

fn realtime(name: &str, rows: u64, task: &Json) -> Json {
    json!({
        "tableName": name, "tableType": "REALTIME", "tenants": {}, "metadata": {},
        "segmentsConfig": {"replication": "1", "timeColumnName": "at"},
        "tableIndexConfig": {"streamConfigs": {
            "streamType": "memory",
            "stream.memory.topic.name": name,
            "stream.memory.decoder.class.name": "JSONMessageDecoder",
            "stream.memory.consumer.prop.auto.offset.reset": "smallest",
            "realtime.segment.flush.threshold.rows": rows.to_string(),
        }},
        "task": {"taskTypeConfigsMap": task},
    })
}

/// A message of the topic.
fn produce(topic: &str, row: &Json) {
    MemoryTopic::named(topic).append(0, None, Some(row.to_string().as_bytes()), START_MS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_segments_become_few_and_rows_stay() -> Fallible {
    let running = Running::start().await?;
    running.post("schemas", &schema("merged", &[])).await?;
    let task = json!({
        "MergeRollupTask": {
            "1day.mergeType": "ROLLUP", "1day.bucketTimePeriod": "1d", "1day.bufferTimePeriod": "1d",
            "1day.roundBucketTimePeriod": "1h",
        },
    });
    running.post("tables", &offline("merged", &task)).await?;
    for part in 0..6 {
        let rows: Vec<String> = (0..100)
            .map(|n| {
                let at = START_MS + i64::from(part % 3) * DAY_MS + n * 60_000;
                json!({"d": format!("d{}", n % 5), "m": n, "at": at}).to_string()
            })
            .collect();
        let part =
            reqwest::multipart::Part::bytes(rows.join("\n").into_bytes()).file_name("a.json");
        let form = reqwest::multipart::Form::new().part("file", part);
        let path = "ingestFromFile?tableNameWithType=merged_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22json%22%7D";
        let url = format!("{}/{path}", running.controller);
        let answer = running.client.post(url).multipart(form).send().await?;
        answer.error_for_status()?;
    }
    running
        .until("SELECT COUNT(*) FROM merged", &[600.0])
        .await?;
    assert_eq!(running.segments("merged").await?, 6);
    let watch = running.watch("SELECT SUM(m) FROM merged", vec![29_700.0]);
    assert_eq!(running.run_tasks("MergeRollupTask").await?, 3);
    watch.end().await?;
    assert_eq!(running.segments("merged").await?, 3);
    // 5 values of `d` in 2 hours of each of 3 days.
    running
        .until("SELECT COUNT(*) FROM merged", &[30.0])
        .await?;

    let left = running
        .row("SELECT SUM(m) FROM merged WHERE d <> 'd3'")
        .await?;
    let purge = json!({"taskType": "PurgeTask", "tableName": "merged_OFFLINE", "taskConfigs": {
        "purgeCondition": "d = 'd3'", "lastPurgeTimeThresholdPeriod": "0d", "tableMaxNumTasks": "-1",
    }});
    let made = running.post("tasks/execute", &purge).await?;
    let names = made["merged_OFFLINE"].as_str().unwrap_or_default();
    assert_eq!(names.split(',').count(), 3);
    for name in names.split(',') {
        running.ended(name).await?;
    }
    running
        .until("SELECT COUNT(*) FROM merged", &[24.0])
        .await?;
    assert_eq!(running.row("SELECT SUM(m) FROM merged").await?, left);
    let delete = json!({"sql": "DELETE FROM merged WHERE d = 'd4' AND m >= 0"});
    let answer = running.post("sql", &delete).await?;
    let expected = json!([["merged_OFFLINE", 6, 3, 0]]);
    assert_eq!(answer["resultTable"]["rows"], expected, "{answer}");
    running
        .until("SELECT COUNT(*) FROM merged", &[18.0])
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hybrid_table_moves_its_rows_offline() -> Fallible {
    let running = Running::start().await?;
    running.post("schemas", &schema("moved", &[])).await?;
    let task = json!({"RealtimeToOfflineSegmentsTask": {"bucketTimePeriod": "1d", "bufferTimePeriod": "1d"}});
    running
        .post("tables", &offline("moved", &json!({})))
        .await?;
    running
        .post("tables", &realtime("moved", 50, &task))
        .await?;
    for n in 0..500_i64 {
        let at = START_MS + n * (DAY_MS / 100);
        produce("moved", &json!({"d": "x", "m": n, "at": at}));
    }
    let total = "SELECT COUNT(*), SUM(m) FROM moved";
    running.until(total, &[500.0, 124_750.0]).await?;
    let watch = running.watch(total, vec![500.0, 124_750.0]);
    // Days of which all rows are in sealed segments.
    let moved = running.run_tasks("RealtimeToOfflineSegmentsTask").await?;
    watch.end().await?;
    assert!((3..=4).contains(&moved), "{moved} days moved");
    let offline = running.row("SELECT COUNT(*) FROM moved_OFFLINE").await?;
    assert_eq!(offline, [100.0 * moved as f64]);
    let metadata = running
        .get("tasks/RealtimeToOfflineSegmentsTask/moved_REALTIME/metadata")
        .await?;
    assert_eq!(
        metadata["watermarkMs"][""].as_i64(),
        Some(START_MS + moved as i64 * DAY_MS)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upsert_table_is_compacted_and_merged() -> Fallible {
    let running = Running::start().await?;
    running.post("schemas", &schema("keyed", &["d"])).await?;
    let task = json!({
        "UpsertCompactionTask": {"bufferTimePeriod": "0d", "invalidRecordsThresholdPercent": "10"},
        "UpsertCompactMergeTask": {"bufferTimePeriod": "0d"},
    });
    let mut table = realtime("keyed", 100, &task);
    table["upsertConfig"] = json!({"mode": "FULL"});
    table["routing"] = json!({"instanceSelectorType": "strictReplicaGroup"});
    running.post("tables", &table).await?;
    // 30 keys that are overwritten again and again, and 8 of each hundred that stay.
    let key = |n: i64| {
        if n % 12 == 0 {
            format!("own{n}")
        } else {
            format!("k{}", n % 30)
        }
    };
    let mut newest = std::collections::BTreeMap::new();
    for n in 0..1_050_i64 {
        produce("keyed", &json!({"d": key(n), "m": n, "at": START_MS + n}));
        newest.insert(key(n), n);
    }
    let total = "SELECT COUNT(*), SUM(m) FROM keyed";
    let wanted = vec![newest.len() as f64, newest.values().sum::<i64>() as f64];
    running.until(total, &wanted).await?;
    for _ in 0..200 {
        if running.segments("keyed OPTION(skipUpsert=true)").await? == 11 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let watch = running.watch(total, wanted.clone());
    assert!(running.run_tasks("UpsertCompactionTask").await? > 5);
    assert_eq!(running.run_tasks("UpsertCompactMergeTask").await?, 1);
    watch.end().await?;
    let all = "SELECT COUNT(*), COUNT(*) FROM keyed OPTION(skipUpsert=true)";
    let kept = running.row(all).await?;
    assert!(kept[0] < 200.0, "{kept:?} rows are left of 1050");
    running.until(total, &wanted).await
}
