//! Roles in different processes, as far as they are concerned, behind TLS with certificates on both sides.
//!
//! Must not know: how connections are made. Invariant: whoever trusts another authority joins nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use touriga::{Cluster, ClusterBuilder, Role, Settings};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/tests/data");
    path.join(name).display().to_string()
}

fn settings(ca: &str) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in [
        ("tls.cert", file("cert.pem")),
        ("tls.key", file("key.pem")),
        ("tls.client.ca", file("cert.pem")),
        ("tls.required", "true".to_owned()),
        ("tls.peers", "true".to_owned()),
        ("tls.ca", file(ca)),
    ] {
        settings.set(name, value);
    }
    settings
}

fn role(role: Role, folder: &Path, controller: Option<u16>, ca: &str) -> ClusterBuilder {
    let builder = Cluster::builder()
        .roles(&[role])
        .any_ports()
        .host("localhost")
        .data_dir(folder.join(format!("{role:?}")))
        .settings(settings(ca));
    match controller {
        Some(port) => builder.controller_url(format!("https://localhost:{port}")),
        None => builder,
    }
}

async fn post(http: &reqwest::Client, url: String, body: &Json) -> Fallible {
    let answer = http.post(&url).json(body).send().await?;
    assert_eq!(answer.status(), 200, "{url}: {}", answer.text().await?);
    Ok(())
}

async fn two_rows(http: &reqwest::Client, controller: &str) -> Fallible {
    let schema =
        json!({"schemaName": "t", "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}]});
    let table = json!({"tableName": "t", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {},
        "tableIndexConfig": {}, "metadata": {}});
    post(http, format!("{controller}/schemas"), &schema).await?;
    post(http, format!("{controller}/tables"), &table).await?;
    let part = reqwest::multipart::Part::bytes(b"a\n1\n2\n".as_slice()).file_name("a.csv");
    let form = reqwest::multipart::Form::new().part("file", part);
    let url = format!(
        "{controller}/ingestFromFile?tableNameWithType=t_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D"
    );
    let answer = http.post(url).multipart(form).send().await?;
    assert_eq!(answer.status(), 200, "{}", answer.text().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_reach_each_other_by_tls() -> Fallible {
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    let controller = role(Role::Controller, path, None, "cert.pem")
        .build()
        .await?;
    let port = controller.controller_port().ok_or("no controller")?;
    // Plain requests of the same host are let in, as a health check's.
    let url = format!("http://127.0.0.1:{port}");
    let http = reqwest::Client::builder().no_proxy().build()?;
    let server = role(Role::Server, path, Some(port), "cert.pem");
    let server = server.build().await?;
    let broker = role(Role::Broker, path, Some(port), "cert.pem");
    let broker = broker.build().await?;
    broker.ready().await;
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = http
            .get(format!("{url}/instances"))
            .send()
            .await?
            .text()
            .await?;
        if text.contains("Server_localhost") {
            break;
        }
        assert!(Instant::now() < until, "no server came: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    two_rows(&http, &url).await?;
    // The broker asks the server, the controller asks the broker and the server.
    let sql = json!({"sql": "SELECT COUNT(*) FROM t"});
    let mut answer = Json::Null;
    while answer["resultTable"]["rows"][0][0] != 2 {
        assert!(Instant::now() < until, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let sent = http.post(format!("{url}/sql")).json(&sql).send();
        answer = sent.await?.json().await?;
    }
    // What the broker hands on reaches the controller, which does what it is asked for.
    let broker_url = format!(
        "http://127.0.0.1:{}",
        broker.broker_port().ok_or("no broker")?
    );
    let delete = json!({"sql": "DELETE FROM t WHERE a = 1"});
    let sent = http
        .post(format!("{broker_url}/query/sql"))
        .json(&delete)
        .send();
    let deleted: Json = sent.await?.json().await?;
    assert_eq!(deleted["exceptions"], json!([]), "{deleted}");
    let size = http.get(format!("{url}/tables/t/size")).send().await?;
    let size: Json = size.json().await?;
    assert!(
        size["reportedSizeInBytes"].as_i64().is_some_and(|b| b > 0),
        "{size}"
    );

    // Who trusts others only does not come in.
    let stranger = role(
        Role::Broker,
        &path.join("stranger"),
        Some(port),
        "other.pem",
    );
    let stranger = stranger.build().await?;
    let ready = tokio::time::timeout(Duration::from_secs(2), stranger.ready());
    assert!(ready.await.is_err());
    for one in [stranger, broker, server, controller] {
        one.shutdown().await;
    }
    Ok(())
}
