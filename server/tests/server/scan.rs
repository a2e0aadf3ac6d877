//! Rows as streams, in the same process and over gRPC.
//!
//! Must not know: how pieces are cut. Invariant: each row comes once, whatever way and however many lanes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use common::ErrorCode;
use futures::StreamExt;
use proto::grpc::GrpcQuery;
use proto::{QueryRequest, QueryService, ScanPart};
use query::QueryStats;

use super::{Cluster, Outcome};

/// What a scan told.
#[derive(Default)]
struct Told {
    rows: usize,
    stats: QueryStats,
    missing: Vec<String>,
}

fn request(table: &str, segments: Vec<String>, sql: &str) -> QueryRequest {
    QueryRequest {
        request_id: 77,
        broker_id: "b".to_owned(),
        table: table.to_owned(),
        segments,
        sql: sql.to_owned(),
        options: Vec::new(),
        time_boundary: None,
        timeout_ms: 10_000,
        now_ms: 0,
        plan: None,
    }
}

async fn read(
    service: &Arc<dyn QueryService>,
    segments: Vec<String>,
    sql: &str,
) -> Result<Told, common::QueryException> {
    let lanes = NonZeroUsize::new(3).unwrap_or(NonZeroUsize::MIN);
    let request = request("t_REALTIME", segments, sql);
    let mut told = Told::default();
    for mut lane in service.scan(request, lanes).await? {
        while let Some(part) = lane.next().await {
            match part? {
                ScanPart::Rows(batch) => told.rows += batch.num_rows(),
                ScanPart::Counters(bytes) => told
                    .stats
                    .add(&serde_json::from_slice(&bytes).unwrap_or_default()),
                ScanPart::Missing(names) => told.missing.extend(names),
            }
        }
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_comes_once_and_whoever_goes_stops_the_work() -> Outcome {
    let cluster = Cluster::start("scan", 500).await?;
    cluster.produce(0..1750);
    cluster.until_count(1750).await?;
    let server = cluster.server()?;
    let url = format!("http://127.0.0.1:{}", server.port);
    let local = Arc::clone(&server.query);
    let remote: Arc<dyn QueryService> = Arc::new(GrpcQuery::connect(&url, None)?);
    for service in [&local, &remote] {
        let all = cluster.controller.routed();
        let sql = "SELECT id, kind, ts FROM t WHERE id >= 250 LIMIT 2147483647";
        let told = read(service, all.clone(), sql).await?;
        assert_eq!(told.rows, 1500);
        assert_eq!(told.stats.num_docs_scanned, 1500);
        assert_eq!(told.stats.total_docs, 1750);
        assert!(told.missing.is_empty());

        let refused = read(service, all.clone(), "SELECT COUNT(*) FROM t").await;
        assert!(refused.is_err_and(|e| e.code == ErrorCode::QueryExecution));
        let unknown = request("u_REALTIME", Vec::new(), "SELECT id FROM u");
        let refused = service.scan(unknown, NonZeroUsize::MIN).await;
        assert!(refused.is_err_and(|e| e.code == ErrorCode::ServerTableMissing));

        let lanes = service
            .scan(request("t_REALTIME", all, sql), NonZeroUsize::MIN)
            .await?;
        drop(lanes);
        cluster
            .until("the scan to be gone", async || {
                cluster
                    .get("/queries")
                    .await
                    .is_ok_and(|ids| ids.as_array().is_some_and(Vec::is_empty))
            })
            .await?;
    }
    Ok(())
}
