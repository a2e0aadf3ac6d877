//! Upsert on a server: every key is answered once, with its newest row, whatever happens to segments, rows and the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use common::{Schema, TableConfig, Value};
use serde_json::json;

use super::{Cluster, Outcome, ask, config, schema};

const KEYS: i64 = 97;

fn keyed() -> Result<Schema, serde_json::Error> {
    let mut schema = schema()?;
    schema.primary_key_columns = vec!["kind".to_owned()];
    Ok(schema)
}

fn upsert(name: &str, rows: u64) -> Result<TableConfig, serde_json::Error> {
    let mut config = config(name, rows)?;
    config.upsert_config = Some(json!({"mode": "FULL"}));
    Ok(config)
}

impl Cluster {
    /// The version `id` of each of the keys, in one message each.
    fn produce_versions(&self, versions: std::ops::Range<i64>) {
        for version in versions {
            let row = json!({
                "id": version,
                "kind": format!("k{}", version % KEYS),
                "ts": 1_714_521_600_000_i64 + version,
            });
            let at = common::clock::system().now_ms();
            self.topic
                .append(0, None, Some(row.to_string().as_bytes()), at);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_answered_once_while_segments_seal_and_after_a_crash() -> Outcome {
    let name = "upsert-once";
    let cluster = Cluster::start_as(name, keyed()?, upsert(name, 400)?).await?;
    cluster.produce_versions(0..KEYS);
    cluster.until_count(KEYS).await?;
    let cluster = Arc::new(cluster);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicI64::new(0));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (cluster, stop, asked) = (Arc::clone(&cluster), Arc::clone(&stop), Arc::clone(&asked));
        let service = Arc::clone(&cluster.server()?.query);
        readers.push(tokio::spawn(async move {
            let mut newest = 0.0;
            while !stop.load(Ordering::SeqCst) {
                let sql = "SELECT COUNT(*), DISTINCTCOUNT(kind), MAX(id) FROM t WHERE id >= 0";
                let answer = ask(
                    Arc::clone(&service),
                    &cluster.controller,
                    &cluster.schema,
                    &cluster.ids,
                    sql,
                );
                let rows = answer.await.map_err(|e| e.to_string())?;
                let (count, keys) = (rows[0][0].as_i64(), rows[0][1].as_i64());
                if count != Some(KEYS) || keys != Some(KEYS) {
                    return Err(format!("{count:?} rows of {keys:?} keys, expected {KEYS}"));
                }
                let version = rows[0][2].as_f64().unwrap_or_default();
                if version < newest {
                    return Err(format!("version {version} after {newest}"));
                }
                newest = version;
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            Ok(())
        }));
    }
    for start in (KEYS..4000).step_by(50) {
        cluster.produce_versions(start..start + 50);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cluster
        .until("9 sealed segments", async || {
            cluster.controller.sealed().len() >= 9
        })
        .await?;
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(60), reader).await???;
    }
    assert!(asked.load(Ordering::Relaxed) > 10);
    let sum = "SELECT COUNT(*), SUM(id) FROM t";
    let before = cluster.ask(sum).await?;
    let mut cluster = Arc::into_inner(cluster).ok_or("somebody still asks")?;
    cluster.server.take().ok_or("no server")?.abort().await;
    cluster.controller.change(|view| view.external.clear());
    cluster.start_server().await?;
    cluster.until_count(KEYS).await?;
    cluster
        .until("the same rows", async || {
            cluster.ask(sum).await.is_ok_and(|rows| rows == before)
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_beyond_the_agreed_end_are_never_doubled() -> Outcome {
    let cluster = Cluster::start("overshot", 1_000_000).await?;
    cluster.produce(0..200);
    cluster.until_count(200).await?;
    let first = cluster.routed_consuming().pop().ok_or("no segment")?;
    let stop = Arc::new(AtomicBool::new(false));
    let cluster = Arc::new(cluster);
    let reader = {
        let (cluster, stop) = (Arc::clone(&cluster), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let count = cluster.count().await.map_err(|e| e.to_string())?;
                if count > 200 {
                    return Err(format!("{count} rows of 200"));
                }
            }
            Ok(())
        })
    };
    // Another replica committed 150 rows; the next segment begins behind them.
    cluster.controller.change(|view| {
        if let Some(record) = view.segments.get_mut(&first) {
            record.end_offset = Some("150".to_owned());
        }
    });
    cluster.controller.add_next(&first, "150");
    cluster
        .until("200 rows in two segments", async || {
            cluster.controller.routed().len() == 2
                && cluster.count().await.is_ok_and(|count| count == 200)
        })
        .await?;
    stop.store(true, Ordering::SeqCst);
    reader.await??;
    let rows = cluster.ask("SELECT DISTINCTCOUNT(id) FROM t").await?;
    assert_eq!(rows[0][0], Value::Int(200));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_stream_is_followed_at_once() -> Outcome {
    let cluster = Cluster::start("address-old", 1_000_000).await?;
    cluster.produce(0..10);
    cluster.until_count(10).await?;
    let other = ingest::stream::memory::MemoryTopic::named("address-new");
    for id in 0..20 {
        let row = json!({"id": id, "kind": "k", "ts": 1_714_521_600_000_i64});
        other.append(0, None, Some(row.to_string().as_bytes()), 0);
    }
    cluster.controller.change(|view| {
        if let Some(stream) = &mut view.config.table_index_config.stream_configs {
            let topic = "stream.memory.topic.name".to_owned();
            stream.insert(topic, "address-new".to_owned());
        }
    });
    cluster.until_count(20).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_answer_while_nothing_can_be_written() -> Outcome {
    let cluster = Cluster::start("no-room", 100).await?;
    // A file stands where the segments' folder is to be: no segment can be written.
    let folder = cluster.folder.path().join("data/t_REALTIME");
    std::fs::create_dir_all(folder.parent().ok_or("no parent")?)?;
    std::fs::write(&folder, b"")?;
    cluster.produce(0..150);
    cluster.until_count(100).await?;
    cluster
        .until("a consumer that says why", async || {
            let info = cluster
                .get("/tables/t_REALTIME/consumingSegmentsInfo")
                .await;
            info.is_ok_and(|info| {
                info.as_array().is_some_and(|all| {
                    all.iter().any(|one| {
                        one["consumerState"] == "NOT_CONSUMING" && one["problem"].is_string()
                    })
                })
            })
        })
        .await?;
    std::fs::remove_file(&folder)?;
    cluster.until_count(150).await?;
    cluster
        .until("a sealed segment", async || {
            cluster.controller.sealed().len() == 1
        })
        .await
}
