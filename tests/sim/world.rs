//! A story: one table, its topic, a controller, one to three servers, and what befalls them.
//!
//! Must not know: what servers do. Invariant: whatever happens is decided by the seed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use cluster::{MemoryStore, MetadataStore, Versioned};
use common::clock::ManualClock;
use controller::records::SegmentEntry;
use controller::{ControllerSettings, Quiet};
use proto::controller_service::SegmentStatus;
use serde_json::json;

use super::network::{Network, Run};
use super::server::{File, Memory, Process, TABLE, Work, instance, offset};
use super::stores::{Depot, OfOneRun, Random, Topic, Weather};

const FAULTY_STEPS: u64 = 700;
const QUIET_STEPS: u64 = 40_000;
/// What happens in between is looked at so often.
const CHECK_EVERY: u64 = 50;

/// Where the metadata store has segments.
const SEGMENTS: &str = "segments/";

type Failure = String;

/// A server as the world sees it.
struct Server {
    id: String,
    disk: Rc<RefCell<BTreeMap<String, File>>>,
    memory: Rc<RefCell<Memory>>,
    works: Vec<Work>,
}

pub(crate) struct World {
    weather: Weather,
    clock: ManualClock,
    store: Arc<MemoryStore>,
    network: Network,
    depot: Depot,
    topic: Topic,
    servers: Vec<Server>,
    /// What the controller does by itself, or its start.
    chore: Option<Work>,
    folder: tempfile::TempDir,
}

/// Polls once.
async fn nudge(work: &mut Work) -> bool {
    let mut done = false;
    std::future::poll_fn(|context| {
        done = work.as_mut().poll(context).is_ready();
        Poll::Ready(())
    })
    .await;
    done
}

fn said(error: impl std::fmt::Display) -> Failure {
    error.to_string()
}

impl World {
    pub(crate) async fn new(seed: u64) -> Result<Self, Failure> {
        let random = Random::new(seed);
        let weather = Weather {
            random: random.clone(),
            faulty: Arc::default(),
        };
        let topic = Topic::new(1 + random.below(3) as usize, weather.clone());
        let network = Network {
            run: Rc::default(),
            weather: weather.clone(),
        };
        let servers = (0..1 + random.below(3)).map(|number| Server {
            id: format!("Server_h_{number}"),
            disk: Rc::default(),
            memory: Rc::default(),
            works: Vec::new(),
        });
        let mut world = Self {
            clock: ManualClock::at(1_700_000_000_000),
            store: Arc::default(),
            network,
            depot: Depot::new(weather.clone()),
            servers: servers.collect(),
            topic,
            chore: None,
            folder: tempfile::tempdir().map_err(said)?,
            weather,
        };
        world.begin().await?;
        Ok(world)
    }

    /// The controller of now on, and the table.
    async fn begin(&mut self) -> Result<(), Failure> {
        let run = self.open_controller().await?;
        let service = run.controller.service();
        for server in &self.servers {
            service.register(instance(&server.id)).await.map_err(said)?;
        }
        let replication = 1 + self.weather.random.below(self.servers.len() as u64);
        let schema = json!({
            "schemaName": "t",
            "dimensionFieldSpecs": [{"name": "id", "dataType": "LONG"}],
            "dateTimeFieldSpecs": [{"name": "ts", "dataType": "LONG", "format": "EPOCH", "granularity": "1:MILLISECONDS"}],
        });
        let table = json!({
            "tableName": TABLE,
            "tableType": "REALTIME",
            "segmentsConfig": {"timeColumnName": "ts", "replication": replication.to_string()},
            "tenants": {},
            "metadata": {},
            "tableIndexConfig": {"streamConfigs": {
                "streamType": "memory",
                "stream.memory.topic.name": "sim",
                "stream.memory.decoder.class.name": "JSONMessageDecoder",
                "realtime.segment.flush.threshold.rows": "50",
            }},
        });
        let schema = serde_json::from_value(schema).map_err(said)?;
        let made = run.controller.create(schema, &table.to_string()).await;
        made.map_err(said)?;
        *self.network.run.borrow_mut() = Some(run);
        for at in 0..self.servers.len() {
            self.start_server(at);
        }
        Ok(())
    }

    async fn open_controller(&self) -> Result<Run, Failure> {
        let over = Arc::new(AtomicBool::new(false));
        let mut settings = ControllerSettings::new(self.folder.path().to_owned());
        settings.clock = Arc::new(self.clock.clone());
        settings.streams = Arc::new(self.topic.clone());
        settings.store = Some(Arc::new(OfOneRun {
            store: Arc::clone(&self.store),
            weather: self.weather.clone(),
            over: Arc::clone(&over),
        }) as Arc<dyn MetadataStore>);
        let controller = Quiet::open(settings).await.map_err(said)?;
        Ok(Run {
            controller: Rc::new(controller),
            over,
        })
    }

    fn start_server(&mut self, at: usize) {
        let server = &mut self.servers[at];
        *server.memory.borrow_mut() = Memory::default();
        let process = Process {
            id: server.id.clone(),
            network: self.network.clone(),
            depot: self.depot.clone(),
            topic: self.topic.clone(),
            weather: self.weather.clone(),
            disk: Rc::clone(&server.disk),
            memory: Rc::clone(&server.memory),
        };
        server.works = vec![Box::pin(process.live())];
    }

    fn crash_server(&mut self, at: usize) {
        let random = &self.weather.random;
        let server = &mut self.servers[at];
        server.works.clear();
        *server.memory.borrow_mut() = Memory::default();
        match random.below(6) {
            0 => server.disk.borrow_mut().clear(),
            1 => drop(server.disk.borrow_mut().pop_last()),
            _ => {}
        }
    }

    fn crash_controller(&mut self) {
        if let Some(run) = self.network.run.borrow_mut().take() {
            run.over.store(true, Ordering::Relaxed);
        }
        self.chore = None;
    }

    /// Plays the story; how many segments were committed in it.
    pub(crate) async fn tell(mut self) -> Result<u64, Failure> {
        self.weather.faulty.store(true, Ordering::Relaxed);
        for number in 0..FAULTY_STEPS {
            self.befall();
            self.step(700).await?;
            if number % CHECK_EVERY == 0 {
                self.committed_rows_stand(&self.stored().await?)?;
            }
        }
        self.weather.faulty.store(false, Ordering::Relaxed);
        let mut missing = None;
        for number in 0..QUIET_STEPS {
            self.step(60).await?;
            if number % CHECK_EVERY == 0 {
                let stored = self.stored().await?;
                self.committed_rows_stand(&stored)?;
                missing = self.what_is_missing(&stored);
                if missing.is_none() {
                    let done = |s: &&SegmentEntry| s.record.status == SegmentStatus::Done;
                    return Ok(stored.iter().filter(done).count() as u64);
                }
            }
        }
        Err(format!("stuck: {}", missing.unwrap_or_default()))
    }

    /// Rows come, processes go.
    fn befall(&mut self) {
        let random = self.weather.random.clone();
        if random.one_in(5) {
            let partition = random.below(self.topic.partitions() as u64) as usize;
            self.topic.produce(partition, 1 + random.below(40));
        }
        if random.one_in(90) {
            let at = random.below(self.servers.len() as u64) as usize;
            self.crash_server(at);
        }
        if random.one_in(130) {
            self.crash_controller();
        }
    }

    /// Somebody does something.
    async fn step(&mut self, most_ms: u64) -> Result<(), Failure> {
        let random = self.weather.random.clone();
        self.clock.advance(1 + random.below(most_ms) as i64);
        // What the controller has begun by itself goes on beside.
        tokio::task::yield_now().await;
        let at = random.below(self.servers.len() as u64 + 1) as usize;
        if at == self.servers.len() {
            return self.step_controller().await;
        }
        if self.servers[at].works.is_empty() {
            if random.one_in(10) {
                self.start_server(at);
            }
            return Ok(());
        }
        let server = &mut self.servers[at];
        let chosen = random.below(server.works.len() as u64) as usize;
        if nudge(&mut server.works[chosen]).await {
            drop(server.works.swap_remove(chosen));
        }
        let started = server.memory.borrow_mut().take_started();
        server.works.extend(started);
        Ok(())
    }

    async fn step_controller(&mut self) -> Result<(), Failure> {
        if self.network.run.borrow().is_none() {
            if self.weather.random.one_in(10)
                && let Ok(run) = self.open_controller().await
            {
                *self.network.run.borrow_mut() = Some(run);
            }
            return Ok(());
        }
        if self.chore.is_none() && self.weather.random.one_in(4) {
            let run = self.network.run.borrow().clone();
            self.chore = run.map(|run| {
                let chore: Work = Box::pin(async move {
                    // A round that fails is made again.
                    let _ = run.controller.look_around().await;
                });
                chore
            });
        }
        if let Some(chore) = &mut self.chore
            && nudge(chore).await
        {
            self.chore = None;
        }
        Ok(())
    }

    /// What the metadata store says, whatever the controller thinks.
    async fn stored(&self) -> Result<Vec<SegmentEntry>, Failure> {
        let found = self.store.list(SEGMENTS).await.map_err(said)?;
        let read =
            |(_, stored): (String, Versioned)| serde_json::from_slice(&stored.value).map_err(said);
        found.into_iter().map(read).collect()
    }

    /// Committed segments of a partition follow each other, and the deep store has their rows.
    fn committed_rows_stand(&self, stored: &[SegmentEntry]) -> Result<(), Failure> {
        for partition in 0..self.topic.partitions() {
            let mut next = 0;
            let mut open = 0;
            for SegmentEntry { record, .. } in segments_of(stored, partition) {
                let start = offset(record.start_offset.as_ref()).unwrap_or(u64::MAX);
                let of = format!("partition {partition}, segment {}", record.name);
                if start != next {
                    return Err(format!("{of} begins at {start}, expected {next}"));
                }
                let Some(end) = offset(record.end_offset.as_ref()) else {
                    open += 1;
                    continue;
                };
                next = end;
                if record.status != SegmentStatus::Done {
                    continue;
                }
                let wanted = Topic::rows(partition, start, end);
                if self.depot.rows(&record.download_uri).as_ref() != Some(&wanted) {
                    return Err(format!("{of}: the deep store has other rows"));
                }
            }
            if open > 1 {
                return Err(format!("partition {partition} has {open} open segments"));
            }
        }
        Ok(())
    }

    /// What keeps the story from its end.
    fn what_is_missing(&self, stored: &[SegmentEntry]) -> Option<String> {
        for partition in 0..self.topic.partitions() {
            let segments = segments_of(stored, partition);
            let open = |last: &&&SegmentEntry| last.record.end_offset.is_none();
            if segments.last().filter(open).is_none() {
                return Some(format!("partition {partition} is not consumed"));
            }
            let rows_of = |segment: &SegmentEntry| {
                let start = offset(segment.record.start_offset.as_ref()).unwrap_or_default();
                let end = offset(segment.record.end_offset.as_ref());
                Topic::rows(partition, start, end.unwrap_or(self.topic.end(partition)))
            };
            let missing = segments
                .into_iter()
                .find_map(|segment| self.lacks(segment, &rows_of(segment)));
            if missing.is_some() {
                return missing;
            }
        }
        None
    }

    /// A replica that does not answer with exactly those rows.
    fn lacks(&self, segment: &SegmentEntry, wanted: &Vec<u64>) -> Option<String> {
        let record = &segment.record;
        let done = record.status == SegmentStatus::Done;
        for server in &self.servers {
            if !segment.ideal.contains_key(&server.id) {
                continue;
            }
            let memory = server.memory.borrow();
            let sealed = memory.sealed.get(&record.name).map(|file| &file.rows);
            let growing = memory.growing.get(&record.name).filter(|_| !done);
            let has = sealed.or(growing);
            if has != Some(wanted) {
                return Some(format!(
                    "{} has {:?} of {} rows of {}, {:?}",
                    server.id,
                    has.map(Vec::len),
                    wanted.len(),
                    record.name,
                    record.status
                ));
            }
        }
        None
    }
}

/// A partition's segments, in their order.
fn segments_of(stored: &[SegmentEntry], partition: usize) -> Vec<&SegmentEntry> {
    let of = |s: &&SegmentEntry| s.record.partition == Some(partition as u32);
    let mut found: Vec<_> = stored.iter().filter(of).collect();
    found.sort_by_key(|segment| segment.record.sequence);
    found
}
