//! The names that Pinot's dashboard and the alerts people write ask for are there after one query of one table.
//!
//! Must not know: how figures are kept.

use serde_json::json;
use touriga::Cluster;

type Fallible = Result<(), Box<dyn std::error::Error>>;

const CONTROLLER: &[&str] = &[
    "pinot_controller_realtimeTableCount_Value",
    "pinot_controller_offlineTableCount_Value",
    "pinot_controller_LeaderPartitionCount_Value",
    "pinot_controller_percentSegmentsAvailable_Value{",
    "pinot_controller_percentOfReplicas_Value{",
    "pinot_controller_segmentsInErrorState_Value{",
    "jvm_memory_bytes_used{area=\"heap\"}",
];
const BROKER: &[&str] = &[
    "pinot_broker_queries_Count",
    "pinot_broker_queries_OneMinuteRate",
    "pinot_broker_queryExecution_50thPercentile",
    "pinot_broker_queryExecution_999thPercentile",
    "pinot_broker_documentsScanned_Count",
    "pinot_broker_requestCompilation_99thPercentile",
    "pinot_broker_queryRouting_99thPercentile",
    "pinot_broker_scatterGather_99thPercentile",
    "pinot_broker_reduce_99thPercentile",
    "pinot_broker_queryQuotaExceeded_Count",
    "pinot_broker_brokerResponsesWithPartialServersResponded_Count",
    "pinot_broker_brokerResponsesWithProcessingExceptions_Count",
    "pinot_broker_brokerResponsesWithNumGroupsLimitReached_Count",
    "jvm_memory_bytes_used",
];
const SERVER: &[&str] = &[
    "pinot_server_totalQueryTime_99thPercentile",
    "pinot_server_queryProcessing_99thPercentile{",
    "pinot_server_buildQueryPlan_99thPercentile{",
    "pinot_server_queryPlanExecution_99thPercentile{",
    "pinot_server_responseSerialization_99thPercentile{",
    "pinot_server_schedulerWait_99thPercentile",
    "pinot_server_numDocsScanned_Count{",
    "pinot_server_numDocsScanned_OneMinuteRate{",
    "pinot_server_numSegmentsProcessed_Count{",
    "pinot_server_documentCount_Value{",
    "pinot_server_segmentCount_Value{",
    "pinot_server_llcSimultaneousSegmentBuilds_Value{",
    "pinot_server_rowsWithErrors_Count{",
    "pinot_server_invalidRealtimeRowsDropped_Count{",
    "pinot_server_realtime_offheapMemoryUsed_Value{",
    "pinot_server_memory_mmapBufferUsage_Value",
    "pinot_server_memory_directBufferUsage_Value",
    "jvm_memory_bytes_used",
];

/// A table of two rows that a query has read.
async fn two_rows(cluster: &Cluster, client: &reqwest::Client, controller: &str) -> Fallible {
    let schema =
        json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}]});
    let table = json!({"tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {},
        "tableIndexConfig": {}, "metadata": {}});
    for (path, body) in [("schemas", schema), ("tables", table)] {
        let answer = client
            .post(format!("{controller}/{path}"))
            .json(&body)
            .send()
            .await?;
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await?);
    }
    let part = reqwest::multipart::Part::bytes(b"a\n1\n2\n".as_slice()).file_name("a.csv");
    let form = reqwest::multipart::Form::new().part("file", part);
    let path = format!(
        "{controller}/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D"
    );
    client
        .post(path)
        .multipart(form)
        .send()
        .await?
        .error_for_status()?;
    for _ in 0..200 {
        let answer = cluster
            .query("SELECT SUM(a) FROM t")
            .await
            .ok_or("no broker")?;
        if answer.failures.is_empty() && answer.stats.num_docs_scanned == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboards_find_their_names() -> Fallible {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::builder()
        .data_dir(folder.path())
        .any_ports()
        .build()
        .await?;
    cluster.ready().await;
    let url = |port: Option<u16>| format!("http://127.0.0.1:{}", port.unwrap_or_default());
    let (controller, broker, server) = (
        url(cluster.controller_port()),
        url(cluster.broker_port()),
        url(cluster.server_admin_port()),
    );
    let client = reqwest::Client::new();
    two_rows(&cluster, &client, &controller).await?;
    for (role, names) in [
        (&controller, CONTROLLER),
        (&broker, BROKER),
        (&server, SERVER),
    ] {
        let text = client
            .get(format!("{role}/metrics"))
            .send()
            .await?
            .text()
            .await?;
        for name in names {
            assert!(
                text.lines().any(|line| line.starts_with(name)),
                "{name} is missing in:\n{text}"
            );
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            assert!(value.parse::<f64>().is_ok(), "no number: {line}");
        }
    }
    let text = client
        .get(format!("{server}/metrics"))
        .send()
        .await?
        .text()
        .await?;
    assert!(
        text.contains("pinot_server_documentCount_Value{table=\"t\",tableType=\"OFFLINE\"} 2"),
        "{text}"
    );
    cluster.shutdown().await;
    Ok(())
}
