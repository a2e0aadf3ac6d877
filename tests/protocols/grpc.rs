//! Queries by Pinot's gRPC service of the broker.
//!
//! Must not know: how the service works. Invariant: blocks hold what the answer by HTTP holds.

use std::collections::HashMap;

use serde_json::{Value as Json, json};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use wire::grpc::messages::pinot_query_broker_client::PinotQueryBrokerClient;
use wire::grpc::messages::{BrokerRequest, BrokerResponse};

use crate::rights::PRINCIPALS;
use crate::world::{Fallible, World, world};

async fn client(world: &World) -> Fallible<PinotQueryBrokerClient<Channel>> {
    let port = world.cluster.grpc_port().unwrap_or_default();
    let to = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    Ok(PinotQueryBrokerClient::new(to.connect().await?))
}

fn request(sql: &str, metadata: &[(&str, &str)]) -> BrokerRequest {
    let metadata = metadata
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    BrokerRequest {
        metadata: metadata.collect::<HashMap<_, _>>(),
        sql: sql.to_owned(),
    }
}

async fn blocks(world: &World, request: BrokerRequest) -> Fallible<Vec<BrokerResponse>> {
    let mut stream = client(world).await?.submit(request).await?.into_inner();
    let mut blocks = Vec::new();
    while let Some(block) = stream.message().await? {
        blocks.push(block);
    }
    Ok(blocks)
}

/// The rows of a block that is not compressed.
fn rows(block: &BrokerResponse) -> Fallible<Vec<Json>> {
    let (mut rest, mut rows) = (block.payload.as_slice(), Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (row, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        rows.push(serde_json::from_slice(row)?);
        rest = behind;
    }
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_in_blocks() -> Fallible {
    let world = world(&[("pinot.broker.grpc.port", "0")]).await?;
    let sql = "SELECT city, n, big, exact, at, tags, ok FROM sales ORDER BY n";
    let plain = [("compression", "NONE"), ("blockRowSize", "2")];
    let answer = blocks(&world, request(sql, &plain)).await?;
    assert_eq!(answer.len(), 4);
    let about: Json = serde_json::from_slice(&answer[0].payload)?;
    assert_eq!(
        (&about["numRowsResultSet"], &about["exceptions"]),
        (&json!(3), &json!([]))
    );
    assert!(about.get("resultTable").is_none());
    let schema = String::from_utf8_lossy(&answer[1].payload);
    assert!(
        schema.contains("exact") && schema.contains("STRING_ARRAY"),
        "{schema}"
    );
    let told = |name: &str| answer[3].metadata.get(name).map(String::as_str);
    assert_eq!(
        (told("rowSize"), told("encoding")),
        (Some("1"), Some("JSON"))
    );
    assert_eq!(
        rows(&answer[2])?[0],
        json!([
            "Recife",
            1,
            5_000_000_000_i64,
            "12345.678",
            "2023-11-14 22:13:20.123",
            ["x", "y z"],
            true
        ])
    );
    // What both engines can do, and what goes wrong.
    let options = [
        ("queryOptions", "useMultistageEngine=true"),
        ("compression", "NONE"),
    ];
    let joined = "SELECT s.n, c.state FROM sales s JOIN cities c ON s.city = c.city ORDER BY s.n";
    let answer = blocks(&world, request(joined, &options)).await?;
    assert_eq!(rows(&answer[2])?, [json!([1, "PE"]), json!([2, "PA"])]);
    let failed = blocks(&world, request("SELECT nowhere FROM sales", &[])).await?;
    assert_eq!(failed.len(), 1);
    let about: Json = serde_json::from_slice(&failed[0].payload)?;
    assert_eq!(about["exceptions"][0]["errorCode"], 710, "{about}");
    let refused = client(&world)
        .await?
        .submit(request(sql, &[("compression", "BROTLI")]))
        .await;
    assert!(refused.is_err_and(|status| status.code() == Code::InvalidArgument));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_unknown_is_answered() -> Fallible {
    let mut settings = PRINCIPALS.to_vec();
    settings.push(("pinot.broker.grpc.port", "0"));
    let world = world(&settings).await?;
    let ask = |shown: &[(&str, &str)]| request("SELECT COUNT(*) FROM sales", shown);
    let stranger = client(&world).await?.submit(ask(&[])).await;
    assert!(stranger.is_err_and(|status| status.code() == Code::Unauthenticated));
    let token = [("Authorization", "Bearer t0k3n"), ("compression", "NONE")];
    // Row filters hold as they do by HTTP.
    let answer = blocks(&world, ask(&token)).await?;
    assert_eq!(rows(&answer[2])?, [json!([1])]);
    Ok(())
}
