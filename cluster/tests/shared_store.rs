//! Metadata stores that controllers share: both suites over memory and over a real etcd, and a journal that was left behind.
//!
//! Fetches nothing: `TOURIGA_ETCD` names the binary of etcd's server. Invariant: without it the test says loudly that it did not run.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cluster::metadata_store::{check_conformance, check_shared_conformance};
use cluster::{EtcdSettings, EtcdStore, MemoryStore, MetadataStore, SharedStore, Write};

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

impl Etcd {
    fn start(binary: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (clients, peers) = (free_port()?, free_port()?);
        let url = format!("http://127.0.0.1:{clients}");
        let peer = format!("http://127.0.0.1:{peers}");
        let child = Command::new(binary)
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
            address: format!("127.0.0.1:{clients}"),
            _folder: folder,
        })
    }

    async fn store(&self, cluster: &str) -> Result<EtcdStore, Box<dyn std::error::Error>> {
        let store = EtcdStore::connect(&EtcdSettings::new(&self.address, cluster))?;
        let until = Instant::now() + Duration::from_secs(30);
        while let Err(error) = store.get("a").await {
            if Instant::now() > until {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(store)
    }
}

#[tokio::test]
async fn in_memory() -> Outcome {
    check_conformance(&MemoryStore::default()).await?;
    Ok(check_shared_conformance(&MemoryStore::default()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_etcd() -> Outcome {
    let Ok(binary) = std::env::var("TOURIGA_ETCD") else {
        eprintln!("NOT RUN: no etcd; set TOURIGA_ETCD to the path of its server");
        return Ok(());
    };
    let etcd = Etcd::start(&binary)?;
    check_conformance(&etcd.store("plain").await?).await?;
    check_shared_conformance(&etcd.store("shared").await?).await?;
    left_behind(&etcd).await
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
