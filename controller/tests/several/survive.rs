//! What a leader had under way when it was cut off: rebalances and tasks go on under the next one, and nothing is done twice.
//!
//! Must not know: internals of the controller. Invariant: only REST and the service are used, as others use them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proto::ControllerService;
use proto::controller_service::{ClusterView, Instance, ReplicaReport, ReplicaState, TableView};
use proto::grpc::GrpcController;
use serde_json::{Value as Json, json};

use super::{Fallible, Three};

const TABLE: &str = "days_OFFLINE";
const DAY_MS: i64 = 86_400_000;
/// Some day of 2020.
const BEGIN_MS: i64 = 18_300 * DAY_MS;

fn server(port: u16) -> Instance {
    Instance {
        id: format!("Server_h_{port}"),
        role: "server".to_owned(),
        host: "h".to_owned(),
        port,
        admin_port: port,
        tags: Vec::new(),
        live: false,
        enabled: false,
    }
}

impl Three {
    fn client(&self, one: usize) -> Fallible<GrpcController> {
        Ok(GrpcController::connect(&self.all[one].url, None)?)
    }

    /// A table with segments of three rows, all of one day.
    async fn days(&self, leader: usize, segments: usize) -> Fallible {
        let url = &self.all[leader].url;
        let schema = json!({"schemaName": "days",
            "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}],
            "dateTimeFieldSpecs": [{"name": "at", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:DAYS"}]});
        let merge = json!({"1day.mergeType": "concat", "1day.bucketTimePeriod": "1d", "1day.bufferTimePeriod": "1d"});
        let config = json!({"tableName": "days", "tableType": "OFFLINE", "tenants": {}, "tableIndexConfig": {}, "metadata": {},
            "segmentsConfig": {"replication": "1", "timeColumnName": "at"},
            "task": {"taskTypeConfigsMap": {"MergeRollupTask": merge}}});
        assert_eq!(self.post(&format!("{url}/schemas"), &schema).await?, 200);
        assert_eq!(self.post(&format!("{url}/tables"), &config).await?, 200);
        for n in 0..segments {
            let rows: String = (0..3)
                .map(|row| format!("{row},{}\n", BEGIN_MS + n as i64 * 1000 + row))
                .collect();
            let part = reqwest::multipart::Part::bytes(format!("a,at\n{rows}").into_bytes());
            let form = reqwest::multipart::Form::new().part("file", part.file_name("a.csv"));
            let path = format!(
                "{url}/ingestFromFile?tableNameWithType={TABLE}&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D"
            );
            let answer = self.http.post(path).multipart(form).send().await?;
            assert_eq!(answer.status(), 200, "{}", answer.text().await?);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn view(&self, leader: usize) -> Fallible<TableView> {
        let view: ClusterView = self.client(leader)?.watch("Broker_h_1", 0).await?;
        let table = view.tables.into_iter().find(|t| t.name == TABLE);
        Ok(table.ok_or("no table")?)
    }

    /// Servers load whatever they are to have.
    async fn load(&self, leader: usize) -> Fallible {
        let (client, table) = (self.client(leader)?, self.view(leader).await?);
        let mut by_server: BTreeMap<String, Vec<ReplicaReport>> = BTreeMap::new();
        for (segment, replicas) in &table.ideal {
            for (id, state) in replicas {
                by_server
                    .entry(id.clone())
                    .or_default()
                    .push(ReplicaReport {
                        table: TABLE.to_owned(),
                        segment: segment.clone(),
                        state: *state,
                        error: None,
                    });
            }
        }
        for (id, reports) in by_server {
            client.report(&id, reports).await?;
        }
        Ok(())
    }

    /// Cuts the leader off; the one after it.
    async fn cut(&self, leader: usize) -> Fallible<usize> {
        self.all[leader].way.cut.store(true, Ordering::SeqCst);
        let next = self.leader().await?;
        assert_ne!(next, leader);
        self.all[leader].way.cut.store(false, Ordering::SeqCst);
        Ok(next)
    }

    /// Waits until an answer is as wanted, and gives it.
    async fn until(
        &self,
        path: &str,
        one: usize,
        wanted: impl Fn(&Json) -> bool,
    ) -> Fallible<Json> {
        let began = Instant::now();
        loop {
            let (_, answer) = self.get(&format!("{}{path}", self.all[one].url)).await?;
            if wanted(&answer) {
                return Ok(answer);
            }
            if began.elapsed() > Duration::from_secs(30) {
                return Err(format!("{path} stays at {answer}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Rows of the segments that queries see.
fn rows(table: &TableView) -> u64 {
    let seen = table.segments.values();
    let seen = seen.filter(|s| !table.hidden.contains(&s.name));
    seen.map(|s| s.total_docs).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_goes_on_under_the_next_leader() -> Fallible {
    let three = Three::start().await?;
    let first = three.leader().await?;
    three.client(first)?.register(server(1)).await?;
    three.days(first, 4).await?;
    three.load(first).await?;
    three.client(first)?.register(server(2)).await?;
    let path = format!(
        "{}/tables/days/rebalance?type=OFFLINE",
        three.all[first].url
    );
    let answer = three.http.post(&path).send().await?;
    assert_eq!(answer.status(), 200);
    let answer: Json = answer.json().await?;
    assert_eq!(answer["status"], "IN_PROGRESS");
    let status = format!(
        "/rebalanceStatus/{}",
        answer["jobId"].as_str().unwrap_or_default()
    );

    let cluster = three.client(first)?.cluster_id().await?;
    let second = three.cut(first).await?;
    assert_eq!(three.client(second)?.cluster_id().await?, cluster);
    let resumed = |answer: &Json| answer["tableRebalanceProgressStats"]["timesResumed"] == 1;
    for one in [second, first] {
        let answer = three.until(&status, one, resumed).await?;
        let stats = &answer["tableRebalanceProgressStats"];
        assert_eq!(stats["status"], "IN_PROGRESS");
        let left = &stats["rebalanceProgressStatsOverall"]["totalRemainingSegmentsToBeAdded"];
        assert_eq!(left, 2);
        let by = stats["controller"].as_str().unwrap_or_default();
        assert!(
            by.ends_with(&format!("_{}", three.all[second].handle.port)),
            "{by}"
        );
    }
    // A table has one at a time, and what serves goes on doing so.
    let path = format!(
        "{}/tables/days/rebalance?type=OFFLINE",
        three.all[second].url
    );
    assert_eq!(three.http.post(&path).send().await?.status(), 409);
    let table = three.view(second).await?;
    assert!(table.ideal.values().all(|r| r.contains_key("Server_h_1")));

    three.load(second).await?;
    let done = |answer: &Json| answer["tableRebalanceProgressStats"]["status"] == "DONE";
    for one in [second, first] {
        three.until(&status, one, done).await?;
    }
    let table = three.view(second).await?;
    let on = |id: &str| table.ideal.values().filter(|r| r.contains_key(id)).count();
    assert_eq!((on("Server_h_1"), on("Server_h_2")), (2, 2));
    assert!(table.ideal.values().all(|r| r.len() == 1));
    let online =
        |r: &BTreeMap<String, ReplicaState>| r.values().all(|s| *s == ReplicaState::Online);
    assert!(table.ideal.values().all(online));
    three.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_is_cancelled_under_the_next_leader() -> Fallible {
    let three = Three::start().await?;
    let first = three.leader().await?;
    three.client(first)?.register(server(1)).await?;
    three.days(first, 2).await?;
    three.load(first).await?;
    three.client(first)?.register(server(2)).await?;
    let path = format!(
        "{}/tables/days/rebalance?type=OFFLINE",
        three.all[first].url
    );
    let answer: Json = three.http.post(&path).send().await?.json().await?;
    let id = answer["jobId"].as_str().unwrap_or_default().to_owned();
    let second = three.cut(first).await?;
    let path = format!(
        "{}/tables/days/rebalance?type=OFFLINE",
        three.all[second].url
    );
    let answer: Json = three.http.delete(&path).send().await?.json().await?;
    assert_eq!(answer, json!([id]));
    let cancelled = |answer: &Json| answer["tableRebalanceProgressStats"]["status"] == "CANCELLED";
    three
        .until(&format!("/rebalanceStatus/{id}"), second, cancelled)
        .await?;
    let table = three.view(second).await?;
    let before = |r: &BTreeMap<String, ReplicaState>| r.len() == 1 && r.contains_key("Server_h_1");
    assert!(table.ideal.values().all(before));
    three.end().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_begins_again_under_the_next_leader() -> Fallible {
    let three = Three::start().await?;
    let first = three.leader().await?;
    three.client(first)?.register(server(1)).await?;
    three.days(first, 3).await?;
    three.load(first).await?;
    let url = format!(
        "{}/tasks/schedule?taskType=MergeRollupTask&tableName={TABLE}",
        three.all[first].url
    );
    let made: Json = three.http.post(&url).send().await?.json().await?;
    let name = made["MergeRollupTask"]
        .as_str()
        .ok_or("no task")?
        .to_owned();
    // It has added its segment and waits for servers, which do not load it.
    let path = format!("/tasks/subtask/{name}/progress");
    let waits = |answer: &Json| answer.to_string().contains("waiting until servers serve");
    three.until(&path, first, waits).await?;
    assert_eq!(three.view(first).await?.segments.len(), 4);

    let second = three.cut(first).await?;
    three.until(&path, second, waits).await?;
    let debug = format!("/tasks/task/{name}/debug");
    for one in [second, first] {
        let answer = three
            .until(&debug, one, |a| a["taskState"] == "IN_PROGRESS")
            .await?;
        let info = &answer["subtaskInfos"][0];
        assert_eq!(info["restarts"], 1);
        let by = info["participant"].as_str().unwrap_or_default();
        assert!(
            by.ends_with(&format!("_{}", three.all[second].handle.port)),
            "{by}"
        );
    }
    // What the first run left is gone.
    let table = three.view(second).await?;
    assert_eq!((table.segments.len(), rows(&table)), (4, 9));

    three.load(second).await?;
    let ended = |answer: &Json| *answer == "COMPLETED";
    let state = format!("/tasks/task/{name}/state");
    for one in [second, first] {
        three.until(&state, one, ended).await?;
    }
    let table = three.view(second).await?;
    assert_eq!(
        (table.segments.len(), rows(&table), table.hidden.len()),
        (4, 9, 3)
    );

    // Whoever leads next has nothing left to do of it.
    let third = three.cut(second).await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (_, answer) = three
        .get(&format!("{}{debug}", three.all[third].url))
        .await?;
    assert_eq!(answer["taskState"], "COMPLETED");
    assert_eq!(answer["subtaskInfos"][0]["restarts"], 1);
    let table = three.view(third).await?;
    assert_eq!((table.segments.len(), rows(&table)), (4, 9));
    three.end().await;
    Ok(())
}
