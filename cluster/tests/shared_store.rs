//! Metadata stores that controllers share: both suites over memory and over a real etcd, plain, behind TLS and with users, and a journal
//! that was left behind.
//!
//! Fetches nothing: `TOURIGA_ETCD` names the binary of etcd's server. Invariant: without it the test says loudly that it did not run.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cluster::metadata_store::{check_conformance, check_shared_conformance};
use cluster::{EtcdSettings, EtcdStore, MemoryStore, MetadataStore, Settings, SharedStore, Write};
use serde_json::{Value as Json, json};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// An etcd of one member that ends with the test.
struct Etcd {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn file(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl Etcd {
    fn start(binary: &str, scheme: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (clients, peers) = (free_port()?, free_port()?);
        let url = format!("{scheme}://127.0.0.1:{clients}");
        let peer = format!("http://127.0.0.1:{peers}");
        let mut command = Command::new(binary);
        if scheme == "https" {
            // Whoever comes shows a certificate too.
            command
                .args(["--cert-file", &file("cert.pem")])
                .args(["--key-file", &file("key.pem")])
                .args(["--trusted-ca-file", &file("cert.pem")])
                .arg("--client-cert-auth");
        }
        let child = command
            .arg("--data-dir")
            .arg(folder.path())
            .args(["--listen-client-urls", &url])
            .args(["--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            address: url,
            _folder: folder,
        })
    }

    async fn store(&self, cluster: &str) -> Result<EtcdStore, Box<dyn std::error::Error>> {
        reached(&EtcdSettings::new(&self.address, cluster)).await
    }

    /// Asks etcd's interface of JSON.
    async fn told(&self, path: &str, token: &str, body: Json) -> Result<Json, reqwest::Error> {
        let url = format!("{}/v3/auth/{path}", self.address);
        let mut request = reqwest::Client::new().post(url).json(&body);
        if !token.is_empty() {
            request = request.header("Authorization", token);
        }
        request.send().await?.error_for_status()?.json().await
    }
}

/// A store that answers.
async fn reached(settings: &EtcdSettings) -> Result<EtcdStore, Box<dyn std::error::Error>> {
    let store = EtcdStore::connect(settings)?;
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = store.get("a").await {
        if Instant::now() > until {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(store)
}

fn settings(values: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in values {
        settings.set(*name, *value);
    }
    settings
}

/// The binary of etcd's server, where one is named.
fn binary() -> Option<String> {
    let named = std::env::var("TOURIGA_ETCD").ok();
    if named.is_none() {
        eprintln!("NOT RUN: no etcd; set TOURIGA_ETCD to the path of its server");
    }
    named
}

#[tokio::test]
async fn in_memory() -> Outcome {
    check_conformance(&MemoryStore::default()).await?;
    Ok(check_shared_conformance(&MemoryStore::default()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_etcd() -> Outcome {
    let Some(binary) = binary() else {
        return Ok(());
    };
    let etcd = Etcd::start(&binary, "http")?;
    check_conformance(&etcd.store("plain").await?).await?;
    check_shared_conformance(&etcd.store("shared").await?).await?;
    left_behind(&etcd).await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_etcd_behind_tls() -> Outcome {
    let Some(binary) = binary() else {
        return Ok(());
    };
    let etcd = Etcd::start(&binary, "https")?;
    // A member that is away is passed over.
    let members = format!("https://127.0.0.1:{},{}", free_port()?, etcd.address);
    let (ca, cert, key) = (file("cert.pem"), file("cert.pem"), file("key.pem"));
    let all = settings(&[
        ("etcd.tls.ca", &ca),
        ("etcd.tls.cert", &cert),
        ("etcd.tls.key", &key),
    ]);
    let store = reached(&EtcdSettings::from_settings(&members, "plain", &all)?).await?;
    check_conformance(&store).await?;
    let shared = EtcdSettings::from_settings(&members, "shared", &all)?;
    check_shared_conformance(&EtcdStore::connect(&shared)?).await?;
    // Without a certificate of its own, and with an authority that is not the member's, nothing is read.
    let other = file("other.pem");
    for wrong in [
        settings(&[("etcd.tls.ca", &ca)]),
        settings(&[
            ("etcd.tls.ca", &other),
            ("etcd.tls.cert", &cert),
            ("etcd.tls.key", &key),
        ]),
    ] {
        let refused = EtcdSettings::from_settings(&etcd.address, "plain", &wrong)?;
        assert!(EtcdStore::connect(&refused)?.get("a").await.is_err());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_etcd_with_users() -> Outcome {
    let Some(binary) = binary() else {
        return Ok(());
    };
    let etcd = Etcd::start(&binary, "http")?;
    let nobody = etcd.store("users").await?;
    let root = json!({"name": "root", "password": "first"});
    // Before users are asked for, one that is set does no harm.
    let named = settings(&[("etcd.user", "root"), ("etcd.password", "first")]);
    let named = EtcdSettings::from_settings(&etcd.address, "users", &named)?;
    EtcdStore::connect(&named)?.get("a").await?;
    etcd.told("user/add", "", root.clone()).await?;
    etcd.told("role/add", "", json!({"name": "root"})).await?;
    let granted = json!({"user": "root", "role": "root"});
    etcd.told("user/grant", "", granted).await?;
    etcd.told("enable", "", json!({})).await?;
    assert!(nobody.get("a").await.is_err());
    let wrong = settings(&[("etcd.user", "root"), ("etcd.password", "second")]);
    let wrong = EtcdSettings::from_settings(&etcd.address, "users", &wrong)?;
    assert!(EtcdStore::connect(&wrong)?.get("a").await.is_err());
    let store = EtcdStore::connect(&named)?;
    check_conformance(&store).await?;
    check_shared_conformance(&store).await?;
    // A token that etcd forgets is asked for again.
    let answer = etcd.told("authenticate", "", root.clone()).await?;
    let token = answer["token"].as_str().unwrap_or_default();
    etcd.told("user/changepw", token, root).await?;
    store
        .write(vec![Write::put("after".to_owned(), Vec::new())])
        .await?;
    Ok(())
}

/// A journal that is whole is completed by the next holder; one without its mark is nothing.
async fn left_behind(etcd: &Etcd) -> Outcome {
    let store = etcd.store("journal").await?;
    let noted = br#"[{"key":"late/1","value":[118]},{"key":"late/2","value":[119]}]"#;
    let piece = Write::put("journal/pieces/000000".to_owned(), noted.to_vec());
    store.write(vec![piece]).await?;
    let first = store.take_seat("one").await?.ok_or("the seat is taken")?;
    store.settle(&first).await?;
    assert!(store.list("late/").await?.is_empty());
    let mark = Write::put("journal/whole".to_owned(), b"1".to_vec());
    store.write_in(&first, vec![mark]).await?;
    store.leave_seat(&first).await?;
    let second = store.take_seat("two").await?.ok_or("the seat is taken")?;
    store.settle(&second).await?;
    assert_eq!(store.list("late/").await?.len(), 2);
    assert!(store.list("journal/").await?.is_empty());
    Ok(())
}
