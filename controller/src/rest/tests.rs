//! The router in process, against the shapes that Pinot answers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use cluster::{DeepStore, MemoryStore};
use common::clock::ManualClock;
use common::table_config::StreamConfig;
use proto::ControllerService;
use proto::controller_service::{
    CommitEnd, CompletionAnswer, CompletionRequest, Instance, ReplicaReport, ReplicaState,
    SegmentRecord,
};
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use super::router;
use crate::core::{Core, Parts};
use crate::service::Service;
use crate::streams::{StartAt, StreamError, StreamMetadata, topic};

type Fallible = Result<(), Box<dyn std::error::Error>>;

/// Two partitions of every topic but the one called `absent`.
struct TwoPartitions;

#[async_trait::async_trait]
impl StreamMetadata for TwoPartitions {
    async fn partitions(&self, stream: &StreamConfig) -> Result<Vec<u32>, StreamError> {
        if topic(stream) == "absent" {
            return Err(StreamError::NoTopic("absent".to_owned()));
        }
        Ok(vec![0, 1])
    }

    async fn resolve_offset(
        &self,
        _stream: &StreamConfig,
        _partition: u32,
        from: &StartAt,
    ) -> Result<String, StreamError> {
        Ok(if *from == StartAt::Largest {
            "100"
        } else {
            "0"
        }
        .to_owned())
    }
}

struct Cluster {
    router: Router,
    service: Service,
    _folder: tempfile::TempDir,
}

fn instance(role: &str, port: u16) -> Instance {
    Instance {
        id: cluster::identity::instance_id(role, "127.0.0.1", port),
        role: role.to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        admin_port: 1,
        tags: Vec::new(),
        live: false,
        enabled: false,
    }
}

async fn cluster() -> Result<Cluster, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let core = Core::open(Parts {
        dial: cluster::Dial::default(),
        seat: None,
        cluster_name: "c".to_owned(),
        instance_id: "Controller_127.0.0.1_9000".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 9000,
        data_dir: folder.path().to_owned(),
        clock: Arc::new(ManualClock::at(1_795_222_906_545)),
        deep_store: DeepStore::open(&folder.path().join("deep").display().to_string())?,
        storage: cluster::Settings::default(),
        streams: Arc::new(TwoPartitions),
        kafka: None,
        access: Arc::new(cluster::Access::open()),
        store: Arc::new(MemoryStore::default()),
    })
    .await?;
    let core = Arc::new(core);
    let service = Service(Arc::clone(&core));
    service.register(instance("server", 8098)).await?;
    service.register(instance("broker", 8099)).await?;
    Ok(Cluster {
        router: router(core),
        service,
        _folder: folder,
    })
}

impl Cluster {
    async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<(u16, Json), Box<dyn std::error::Error>> {
        let response = self.router.clone().oneshot(request).await?;
        assert!(
            response
                .headers()
                .contains_key("access-control-allow-origin")
        );
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await?;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Json::from(String::from_utf8_lossy(&bytes).into_owned()));
        Ok((status, body))
    }

    async fn get(&self, path: &str) -> Result<(u16, Json), Box<dyn std::error::Error>> {
        self.send(Request::builder().uri(path).body(Body::empty())?)
            .await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Json,
    ) -> Result<(u16, Json), Box<dyn std::error::Error>> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Body::from(body))?;
        self.send(request).await
    }

    async fn post(
        &self,
        path: &str,
        body: &Json,
    ) -> Result<(u16, Json), Box<dyn std::error::Error>> {
        self.ask(Method::POST, path, body).await
    }
}

fn schema(name: &str) -> Json {
    json!({
        "schemaName": name,
        "dimensionFieldSpecs": [{"name": "id", "dataType": "INT"}],
        "metricFieldSpecs": [{"name": "v", "dataType": "LONG"}],
        "dateTimeFieldSpecs": [{"name": "ts", "dataType": "LONG", "format": "1:MILLISECONDS:EPOCH", "granularity": "1:MILLISECONDS"}],
    })
}

fn realtime(name: &str, topic: &str) -> Json {
    json!({
        "tableName": name,
        "tableType": "REALTIME",
        "segmentsConfig": {"timeColumnName": "ts", "schemaName": name, "replication": "1"},
        "tableIndexConfig": {"loadMode": "MMAP", "streamConfigs": {
            "streamType": "kafka",
            "stream.kafka.topic.name": topic,
            "stream.kafka.broker.list": "127.0.0.1:1",
            "stream.kafka.decoder.class.name": "org.apache.pinot.plugin.stream.kafka.KafkaJSONMessageDecoder",
            "stream.kafka.consumer.factory.class.name": "org.apache.pinot.plugin.stream.kafka20.KafkaConsumerFactory",
            "realtime.segment.flush.threshold.rows": "20",
            "stream.kafka.consumer.prop.auto.offset.reset": "smallest",
        }},
        "metadata": {},
    })
}

fn offline(name: &str) -> Json {
    json!({
        "tableName": name,
        "tableType": "OFFLINE",
        "segmentsConfig": {"timeColumnName": "ts", "replication": "1"},
        "tableIndexConfig": {"loadMode": "MMAP"},
    })
}

#[tokio::test]
async fn schemas() -> Fallible {
    let c = cluster().await?;
    assert_eq!(c.get("/schemas").await?, (200, json!([])));
    let added = json!({"unrecognizedProperties": {}, "status": "t successfully added"});
    assert_eq!(c.post("/schemas", &schema("t")).await?, (200, added));
    let (_, read) = c.get("/schemas/t").await?;
    assert_eq!(
        read["dimensionFieldSpecs"][0].to_string(),
        r#"{"name":"id","dataType":"INT","fieldType":"DIMENSION"}"#
    );
    assert_eq!(read["enableColumnBasedNullHandling"], false);
    let again = c.post("/schemas?override=false", &schema("t")).await?;
    assert_eq!(
        again,
        (
            409,
            json!({"code": 409, "error": "Schema: t already exists"})
        )
    );
    let mut shrunk = schema("t");
    shrunk["metricFieldSpecs"] = json!([]);
    let (status, body) = c.ask(Method::PUT, "/schemas/t", &shrunk).await?;
    assert_eq!(
        (status, &body["error"]),
        (
            400,
            &json!("Backward incompatible schema t. Only allow adding new columns")
        )
    );
    assert_eq!(
        c.get("/schemas/x").await?,
        (404, json!({"code": 404, "error": "Schema not found"}))
    );
    assert_eq!(c.post("/schemas", &json!({})).await?.0, 400);
    c.post("/tables", &realtime("t", "topic")).await?;
    let (status, body) = c.ask(Method::DELETE, "/schemas/t", &Json::Null).await?;
    assert_eq!(
        (status, &body["error"]),
        (
            409,
            &json!("Cannot delete schema t, as it is associated with table t_REALTIME")
        )
    );
    Ok(())
}

#[tokio::test]
async fn a_realtime_table() -> Fallible {
    let c = cluster().await?;
    let (status, body) = c.post("/tables", &realtime("t", "topic")).await?;
    assert_eq!(
        (status, &body["error"]),
        (400, &json!("Failed to find schema for table: t_REALTIME"))
    );
    c.post("/schemas", &schema("t")).await?;
    let added = json!({"unrecognizedProperties": {"/segmentsConfig/schemaName": "t"}, "status": "Table t_REALTIME successfully added"});
    assert_eq!(
        c.post("/tables", &realtime("t", "topic")).await?,
        (200, added)
    );
    assert_eq!(c.post("/tables", &realtime("t", "topic")).await?.0, 409);
    assert_eq!(c.get("/tables").await?, (200, json!({"tables": ["t"]})));
    assert_eq!(
        c.get("/tables?type=offline").await?,
        (200, json!({"tables": []}))
    );
    let (_, read) = c.get("/tables/t").await?;
    assert_eq!(
        read["REALTIME"]["tenants"],
        json!({"broker": "DefaultTenant", "server": "DefaultTenant"})
    );
    let (_, segments) = c.get("/segments/t").await?;
    assert_eq!(
        segments,
        json!([{"REALTIME": ["t__0__0__20261121T0101Z", "t__1__0__20261121T0101Z"]}])
    );
    let (_, ideal) = c.get("/tables/t/idealstate").await?;
    assert_eq!(ideal["OFFLINE"], Json::Null);
    assert_eq!(
        ideal["REALTIME"]["t__0__0__20261121T0101Z"],
        json!({"Server_127.0.0.1_8098": "CONSUMING"})
    );
    let (_, kept) = c
        .get("/segments/t/t__0__0__20261121T0101Z/metadata")
        .await?;
    assert_eq!(
        kept,
        json!({"segment.creation.time": "1795222906545", "segment.flush.threshold.size": "10",
            "segment.realtime.numReplicas": "1", "segment.realtime.startOffset": "0", "segment.realtime.status": "IN_PROGRESS"})
    );
    let (_, brokers) = c.get("/v2/brokers/tables?state=ONLINE").await?;
    assert_eq!(
        brokers.to_string(),
        r#"{"t":[{"host":"127.0.0.1","port":8099,"instanceName":"Broker_127.0.0.1_8099","grpcPort":-1}]}"#
    );
    let deleted = c.ask(Method::DELETE, "/tables/t", &Json::Null).await?;
    assert_eq!(
        deleted,
        (200, json!({"status": "Tables: [t_REALTIME] deleted"}))
    );
    let again = c.ask(Method::DELETE, "/tables/t", &Json::Null).await?;
    assert_eq!(again.1["error"], "Table 't' with type null does not exist");
    Ok(())
}

#[tokio::test]
async fn a_segment_is_committed_and_followed() -> Fallible {
    let c = cluster().await?;
    c.post("/schemas", &schema("t")).await?;
    c.post("/tables", &realtime("t", "topic")).await?;
    let server = "Server_127.0.0.1_8098";
    let view = c.service.watch(server, 0).await?;
    assert_eq!(view.tables.len(), 1);
    let name = "t__0__0__20261121T0101Z";
    let request = CompletionRequest {
        instance: server.to_owned(),
        table: "t_REALTIME".to_owned(),
        segment: name.to_owned(),
        offset: "10".to_owned(),
        rows: 10,
        reason: "rowLimit".to_owned(),
    };
    let told = c.service.segment_consumed(request.clone()).await?;
    assert_eq!(told, CompletionAnswer::Commit("10".to_owned()));
    assert_eq!(c.service.commit_start(request.clone()).await?, told);
    let record = SegmentRecord {
        end_offset: Some("10".to_owned()),
        total_docs: 10,
        start_time_ms: Some(1),
        end_time_ms: Some(2),
        crc: 7,
        ..view.tables[0].segments[name].clone()
    };
    let end = CommitEnd {
        instance: server.to_owned(),
        table: "t_REALTIME".to_owned(),
        record,
    };
    let kept = CompletionAnswer::Keep("10".to_owned());
    assert_eq!(c.service.commit_end(end.clone()).await?, kept);
    assert_eq!(c.service.commit_end(end).await?, kept);
    let next = c.service.watch(server, view.version).await?;
    let table = &next.tables[0];
    assert_eq!(
        table.segments["t__0__1__20261121T0101Z"]
            .start_offset
            .as_deref(),
        Some("10")
    );
    assert_eq!(table.ideal[name][server], ReplicaState::Online);
    assert_eq!(c.service.segment_consumed(request).await?, kept);
    c.service
        .report(
            server,
            vec![ReplicaReport {
                table: "t_REALTIME".to_owned(),
                segment: name.to_owned(),
                state: ReplicaState::Online,
                error: None,
            }],
        )
        .await?;
    let (_, external) = c.get("/tables/t/externalview?tableType=REALTIME").await?;
    assert_eq!(external["REALTIME"], json!({name: {server: "ONLINE"}}));
    Ok(())
}

#[tokio::test]
async fn pause_and_forced_commit() -> Fallible {
    let c = cluster().await?;
    c.post("/schemas", &schema("t")).await?;
    c.post("/tables", &realtime("t", "topic")).await?;
    let (_, paused) = c.post("/tables/t/pauseConsumption", &Json::Null).await?;
    assert_eq!(paused["pauseFlag"], true);
    assert_eq!(paused["timestamp"], "2026-11-21 01:01:46.545");
    let view = c.service.watch("Server_127.0.0.1_8098", 0).await?;
    assert!(view.tables[0].paused);
    assert_eq!(view.tables[0].force_commit.len(), 2);
    let (_, resumed) = c.post("/tables/t/resumeConsumption", &Json::Null).await?;
    assert_eq!(resumed["pauseFlag"], false);
    let (_, job) = c
        .post("/tables/t/forceCommit?partitions=1", &Json::Null)
        .await?;
    assert_eq!(job["forceCommitStatus"], "SUCCESS");
    let id = job["forceCommitJobId"].as_str().unwrap_or_default();
    let (_, status) = c.get(&format!("/tables/forceCommitStatus/{id}")).await?;
    assert_eq!(status["numberOfSegmentsYetToBeCommitted"], 1);
    let (code, unknown) = c.post("/tables/nothing/forceCommit", &Json::Null).await?;
    assert_eq!(
        (code, &unknown["error"]),
        (404, &json!("Table nothing_REALTIME not found!"))
    );
    Ok(())
}

#[tokio::test]
async fn an_absent_topic_is_a_state() -> Fallible {
    let c = cluster().await?;
    c.post("/schemas", &schema("t")).await?;
    assert_eq!(c.post("/tables", &realtime("t", "absent")).await?.0, 200);
    let (_, status) = c.get("/tables/t/status?type=realtime").await?;
    assert_eq!(status["ingestionStatus"]["ingestionState"], "UNHEALTHY");
    c.ask(Method::PUT, "/tables/t", &realtime("t", "topic"))
        .await?;
    let path =
        "/periodictask/run?taskname=RealtimeSegmentValidationManager&tableName=t&type=REALTIME";
    assert_eq!(c.get(path).await?.0, 200);
    let (_, segments) = c.get("/segments/t").await?;
    assert_eq!(segments[0]["REALTIME"].as_array().map(Vec::len), Some(2));
    let (_, status) = c.get("/tables/t/status?type=realtime").await?;
    assert_eq!(status["ingestionStatus"]["ingestionState"], "HEALTHY");
    Ok(())
}

#[tokio::test]
async fn a_file_becomes_a_segment() -> Fallible {
    let c = cluster().await?;
    c.post("/schemas", &schema("t")).await?;
    assert_eq!(c.post("/tables", &offline("t")).await?.0, 200);
    let rows = "{\"id\":1,\"v\":2,\"ts\":1714521600000}\n{\"id\":2,\"v\":3,\"ts\":1714521600001}\n";
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.json\"\r\n\r\n{rows}\r\n--b--\r\n"
    );
    let request = Request::builder()
        .method(Method::POST)
        .uri("/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22%3A%22json%22%7D")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from(form))?;
    let (status, body) = c.send(request).await?;
    let segment = "t_1714521600000_1714521600001_1795222906545";
    let done = format!("Successfully ingested file into table: t_OFFLINE as segment: {segment}");
    assert_eq!((status, body), (200, json!({"status": done})));
    let (_, metadata) = c.get("/tables/t/metadata?type=OFFLINE").await?;
    assert_eq!(
        (&metadata["numSegments"], &metadata["numRows"]),
        (&json!(1), &json!(2))
    );
    let view = c.service.watch("Server_127.0.0.1_8098", 0).await?;
    assert_eq!(
        view.tables[0].ideal[segment]["Server_127.0.0.1_8098"],
        ReplicaState::Online
    );
    let (status, _) = c.get(&format!("/segments/t/{segment}")).await?;
    assert_eq!(status, 200);
    let gone = c
        .ask(
            Method::DELETE,
            &format!("/segments/t/{segment}?retention=0d"),
            &Json::Null,
        )
        .await?;
    assert_eq!(gone, (200, json!({"status": "Segment deleted"})));
    Ok(())
}

#[tokio::test]
async fn refusals_in_pinots_words() -> Fallible {
    let c = cluster().await?;
    c.post("/schemas", &schema("t")).await?;
    let cases = [
        (
            "/tableIndexConfig/invertedIndexColumns",
            json!(["nada"]),
            "Failed to find column: nada in schema",
        ),
        (
            "/tableIndexConfig/sortedColumn",
            json!(["nada"]),
            "Failed to find sorted column: nada in schema",
        ),
        (
            "/segmentsConfig/replication",
            json!("zero"),
            "For input string: \"zero\"",
        ),
        (
            "/segmentsConfig/retentionTimeUnit",
            json!("LUAS"),
            "Table: t_REALTIME, invalid retention time unit: LUAS",
        ),
        (
            "/segmentsConfig/timeColumnName",
            json!("nada"),
            "Cannot find valid fieldSpec for timeColumn: nada from the table config: t_REALTIME, in the schema: t",
        ),
        (
            "/upsertConfig",
            json!({"mode": "FULL"}),
            "Upsert/Dedup table must have primary key columns in the schema",
        ),
        (
            "/tenants",
            json!({"server": "x"}),
            "Failed to calculate instance partitions for table: t_REALTIME, reason: No instance found with tag: x_REALTIME for table: t_REALTIME",
        ),
    ];
    for (pointer, value, message) in cases {
        let mut table = realtime("t", "topic");
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(Json::Object(parent)) = table.pointer_mut(parent) {
            parent.insert(key.to_owned(), value);
        }
        let (status, body) = c.post("/tables", &table).await?;
        assert_eq!(
            (status, &body["error"]),
            (400, &json!(message)),
            "{pointer}"
        );
    }
    assert_eq!(
        c.get("/nothing").await?,
        (404, json!({"code": 404, "error": "HTTP 404 Not Found"}))
    );
    assert_eq!(c.get("/health").await?, (200, json!("OK")));
    let (status, body) = c.post("/sql", &json!({"query": "SELECT 1"})).await?;
    assert_eq!(status, 200);
    assert_eq!(
        body["exceptions"],
        json!([{"message": "JsonParsingError: JSON Payload is missing the query string field 'sql'", "errorCode": 100}])
    );
    Ok(())
}
