//! Starting and stopping the broker: the listener, the tasks, the clock that drives expiry.
//! Must not know: the protocol. Invariant: a handle that is shut down has written everything and freed its port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::broker::{Broker, now_millis};
use crate::connection;
use crate::error::StreamError;
use crate::groups::Groups;
use crate::log::Retention;
use crate::topics::{MAX_PARTITIONS, Topics};

const DEFAULT_RETENTION_BYTES: u64 = 256 * 1024 * 1024;
const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
const MAX_CONNECTIONS: usize = 2048;
const GROUP_TICK: Duration = Duration::from_millis(100);
/// Ticks between two looks at the age of data and at committed offsets.
const TICKS_PER_SWEEP: u32 = 10;

/// The embedded broker; see [`Stream::builder`].
#[derive(Debug)]
pub struct Stream;

impl Stream {
    /// What to set before the broker starts.
    pub fn builder() -> StreamBuilder {
        StreamBuilder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertised: None,
            data_dir: None,
            retention: Retention {
                bytes: Some(DEFAULT_RETENTION_BYTES),
                millis: i64::try_from(DEFAULT_RETENTION.as_millis()).ok(),
            },
            auto_create: true,
            default_partitions: 1,
        }
    }
}

/// The broker before it starts.
#[derive(Debug, Clone)]
pub struct StreamBuilder {
    listen: SocketAddr,
    advertised: Option<(String, u16)>,
    data_dir: Option<PathBuf>,
    retention: Retention,
    auto_create: bool,
    default_partitions: i32,
}

impl StreamBuilder {
    /// The address to listen on. Default: 127.0.0.1, any free port.
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// The host and port that clients are told. Default: the address listened on, and the loopback
    /// address where that is all interfaces.
    pub fn advertised(mut self, host: impl Into<String>, port: u16) -> Self {
        self.advertised = Some((host.into(), port));
        self
    }

    /// Where topics, records and committed offsets are kept; `None` (default) keeps them in memory.
    pub fn data_dir(mut self, directory: Option<PathBuf>) -> Self {
        self.data_dir = directory;
        self
    }

    /// How much of each partition is kept. Default: 256 MiB.
    pub fn retention_bytes(mut self, bytes: u64) -> Self {
        self.retention.bytes = Some(bytes);
        self
    }

    /// For how long records are kept after they came in, whatever their own timestamps say. Default: seven days.
    pub fn retention_age(mut self, age: Duration) -> Self {
        self.retention.millis = i64::try_from(age.as_millis()).ok();
        self
    }

    /// Whether a topic comes into being when a client first names it. Default: yes.
    pub fn auto_create_topics(mut self, yes: bool) -> Self {
        self.auto_create = yes;
        self
    }

    /// Partitions of a topic whose creator names no number. Default: 1.
    pub fn default_partitions(mut self, count: i32) -> Self {
        self.default_partitions = count.clamp(1, MAX_PARTITIONS);
        self
    }

    /// Opens the data and begins to serve.
    pub async fn start(self) -> Result<StreamHandle, StreamError> {
        let topics_dir = self
            .data_dir
            .as_ref()
            .map(|directory| directory.join("topics"));
        let topics = Topics::open(topics_dir, self.retention)?;
        let groups = Groups::open(self.data_dir.as_ref().map(|dir| dir.join("offsets.json")))?;
        let listen = self.listen;
        let failed = |source| StreamError::Listen {
            addr: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let advertised = self.advertised.unwrap_or_else(|| {
            let host = if addr.ip().is_unspecified() {
                Ipv4Addr::LOCALHOST.to_string()
            } else {
                addr.ip().to_string()
            };
            (host, addr.port())
        });
        let broker = Arc::new(Broker::new(
            advertised,
            topics,
            groups,
            self.auto_create,
            self.default_partitions,
        ));
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&broker), stopped.clone()));
        let ticking = tokio::spawn(tick(Arc::clone(&broker), stopped));
        Ok(StreamHandle {
            addr,
            broker,
            stop,
            tasks: vec![accepting, ticking],
        })
    }
}

/// The running broker. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct StreamHandle {
    addr: SocketAddr,
    broker: Arc<Broker>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl StreamHandle {
    /// The address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes all connections, writes what is not yet written, and returns when that is done.
    pub async fn shutdown(mut self) {
        let _no_one_listens = self.stop.send(true);
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await {
                tracing::error!(%error, "stream: a task failed");
            }
        }
        self.broker.topics.sync();
        save_groups(&self.broker);
    }
}

async fn accept(listener: TcpListener, broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, peer)) => match Arc::clone(&permits).try_acquire_owned() {
                Ok(permit) => {
                    let broker = Arc::clone(&broker);
                    connections.spawn(async move {
                        run(broker, socket, peer).await;
                        drop(permit);
                    });
                }
                Err(_) => tracing::warn!(%peer, "stream: too many connections, one refused"),
            },
            Err(error) => {
                tracing::warn!(%error, "stream: accept failed");
                tokio::time::sleep(GROUP_TICK).await;
            }
        }
    }
    connections.shutdown().await;
}

async fn run(broker: Arc<Broker>, socket: TcpStream, peer: SocketAddr) {
    match connection::serve(broker, socket).await {
        Ok(()) => {}
        Err(StreamError::Connection(error)) => {
            tracing::debug!(%peer, %error, "stream: connection broke");
        }
        Err(error) => tracing::warn!(%peer, %error, "stream: connection closed"),
    }
}

async fn tick(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = 0_u32;
    loop {
        tokio::select! {
            () = tokio::time::sleep(GROUP_TICK) => {}
            _ = stopped.changed() => break,
        }
        broker.groups.expire(Instant::now());
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(TICKS_PER_SWEEP) {
            broker.topics.expire(now_millis());
            save_groups(&broker);
        }
    }
}

fn save_groups(broker: &Broker) {
    if let Err(error) = broker.groups.save() {
        tracing::error!(%error, "stream: committed offsets could not be written");
    }
}
