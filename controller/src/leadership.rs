//! Who leads of several controllers: standing by, taking the seat, keeping it.
//!
//! Must not know: what is written. Invariants: whoever leads has read everything since it took the seat; whoever could not
//! keep the seat in time, or does not know what became of a write, leads no more and begins anew.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster::metadata_store::{Followed, SEAT, Step, Term};
use cluster::{SharedStore, StoreError, Write};
use parking_lot::Mutex;
use proto::ControllerService;
use proto::controller_service::Instance;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::core::Core;
use crate::error::ControllerError;
use crate::led::{Elsewhere, Led};
use crate::records::keys;
use crate::stored;

/// From where on the versions of the leader's state grow.
const VERSIONS: &str = "versions";
/// More changes than a leader makes.
const CHANGES_OF_A_TERM: u64 = 1_000_000_000;
/// How often somebody who hears nothing tries to take the seat.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(300);
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Who holds the seat, as its value tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Instance id.
    pub(crate) id: String,
    /// Where others reach it.
    pub(crate) url: String,
}

/// A controller's part in the leadership.
pub(crate) struct Seat {
    pub(crate) own: Holder,
    store: Arc<dyn SharedStore>,
    now: Mutex<Now>,
    /// Counts changes of the role or of the leader.
    changed: watch::Sender<u64>,
    over: Notify,
}

struct Now {
    term: Option<Term>,
    /// By when the seat is lost where nobody keeps it.
    until: Instant,
    /// Another one who leads.
    leader: Option<Holder>,
    /// Whether the state was read once.
    copied: bool,
    /// The last term that is to end.
    ending: u64,
}

impl Seat {
    pub(crate) fn new(store: Arc<dyn SharedStore>, own: Holder) -> Self {
        Self {
            own,
            store,
            now: Mutex::new(Now {
                term: None,
                until: Instant::now(),
                leader: None,
                copied: false,
                ending: 0,
            }),
            changed: watch::channel(0).0,
            over: Notify::new(),
        }
    }

    /// The term in which this controller leads.
    pub(crate) fn term(&self) -> Option<Term> {
        let now = self.now.lock();
        now.term.filter(|_| Instant::now() < now.until)
    }

    /// Another controller that leads.
    pub(crate) fn leader(&self) -> Option<Holder> {
        self.now.lock().leader.clone()
    }

    /// Whether there is a copy of the state, or the state itself.
    pub(crate) fn is_copied(&self) -> bool {
        self.now.lock().copied
    }

    /// Waits until the role or the leader changes, or some time passed.
    pub(crate) async fn changed(&self, limit: Duration) {
        let mut changes = self.changed.subscribe();
        let _ = tokio::time::timeout(limit, changes.changed()).await;
    }

    /// Returns once this controller does not lead.
    pub(crate) async fn deposed(&self) {
        let mut changes = self.changed.subscribe();
        while self.term().is_some() {
            // A seat that is lost by time alone changes nothing that is told.
            let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
        }
    }

    /// Writes as the leader. What fails for another reason than an expectation may have been written or not: the term ends.
    pub(crate) async fn write(&self, batch: Vec<Write>) -> Result<u64, ControllerError> {
        let Some(term) = self.term() else {
            return Err(ControllerError::not_leading("another controller leads"));
        };
        match self.store.write_in(&term, batch).await {
            Ok(revision) => Ok(revision),
            Err(error @ StoreError::Conflict { .. }) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "a write failed, this controller leads no more");
                self.end(&term);
                Err(ControllerError::not_leading(error))
            }
        }
    }

    /// Leads no more; whoever keeps the seat gives it up.
    fn end(&self, term: &Term) {
        {
            let mut now = self.now.lock();
            now.ending = now.ending.max(term.number);
            if now.term == Some(*term) {
                now.term = None;
            }
        }
        self.over.notify_waiters();
        self.tell();
    }

    /// Gives the seat up, where it is held.
    pub(crate) async fn leave(&self) {
        let held = self.now.lock().term;
        if let Some(term) = held {
            self.end(&term);
            if let Err(error) = self.store.leave_seat(&term).await {
                tracing::warn!(%error, "the leader's seat could not be left; it is free in some seconds");
            }
        }
    }

    fn set(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.now.lock());
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn heard_of(&self, value: Option<&[u8]>) {
        let holder = value.and_then(|value| serde_json::from_slice::<Holder>(value).ok());
        // An earlier holding of this very process is no other leader.
        let leader = holder.filter(|holder| holder.id != self.own.id);
        if self.now.lock().leader != leader {
            tracing::info!(leader = leader.as_ref().map(|l| &l.id), "leader");
            self.set(|now| now.leader = leader);
        }
    }

    fn kept_for(&self) -> Duration {
        Duration::from_millis(self.store.seat_ms())
    }
}

/// Starts to stand by; ends with the core's task group.
pub(crate) fn start(core: &Arc<Core>) {
    let Some(seat) = core.seat.clone() else {
        return;
    };
    // A weak reference: the loop must not keep alive the core that owns it.
    let weak = Arc::downgrade(core);
    core.tasks.spawn(async move {
        loop {
            match one_term(&seat, &weak).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "the shared metadata store cannot be used, trying again");
                    seat.set(|now| now.leader = None);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    });
}

/// Says to whoever leads that this controller lives, until its core is gone.
pub(crate) async fn stay_known(weak: Weak<Core>, own: Instance) {
    let mut known = false;
    // The connection is kept between two words, the core is not.
    let kept = Elsewhere::default();
    loop {
        let Some(core) = weak.upgrade() else { return };
        let leader = Led::over(&core, &kept);
        drop(core);
        let told = if known {
            leader.heartbeat(&own.id).await
        } else {
            leader.register(own.clone()).await
        };
        drop(leader);
        known = told.is_ok();
        tokio::time::sleep(if known { HEARTBEAT } else { RETRY }).await;
    }
}

/// Stands by, leads, and stops leading; false where the core is gone.
async fn one_term(seat: &Seat, weak: &Weak<Core>) -> Result<bool, ControllerError> {
    let Some(term) = stand_by(seat, weak).await? else {
        return Ok(false);
    };
    let mut outcome = Ok(true);
    let keeping = keep(seat, &term);
    tokio::pin!(keeping);
    let begun = tokio::select! {
        () = &mut keeping => None,
        begun = begin(seat, weak, term) => Some(begun),
    };
    match begun {
        Some(Ok(())) => keeping.await,
        Some(Err(error)) => outcome = Err(error),
        None => {}
    }
    seat.end(&term);
    let left = tokio::time::timeout(seat.kept_for(), seat.store.leave_seat(&term)).await;
    tracing::warn!(left = left.is_ok(), "this controller leads no more");
    outcome
}

/// Keeps a copy of the state until the seat could be taken.
async fn stand_by(seat: &Seat, weak: &Weak<Core>) -> Result<Option<Term>, ControllerError> {
    let Followed {
        entries, mut steps, ..
    } = seat.store.follow().await?;
    let Some(core) = weak.upgrade() else {
        return Ok(None);
    };
    core.replace(stored::state_of(&entries, core.first_version())?);
    drop(core);
    let held = entries.iter().find(|(key, _)| key == SEAT);
    seat.heard_of(held.map(|(_, found)| found.value.as_slice()));
    seat.set(|now| now.copied = true);
    let own = serde_json::to_string(&seat.own)?;
    let mut look = held.is_none();
    loop {
        if look {
            let asked = Instant::now();
            if let Some(term) = seat.store.take_seat(&own).await? {
                seat.set(|now| now.until = asked + seat.kept_for());
                return Ok(Some(term));
            }
        }
        look = match tokio::time::timeout(LOOK_EVERY, steps.recv()).await {
            Err(_) => true,
            Ok(None) => return Err(ControllerError::not_leading("steps were missed")),
            Ok(Some((_, step))) => {
                let Some(core) = weak.upgrade() else {
                    return Ok(None);
                };
                follow(seat, &core, &step)?
            }
        };
    }
}

/// Brings the copy forward; true where the seat is free.
fn follow(seat: &Seat, core: &Core, step: &Step) -> Result<bool, ControllerError> {
    let changes = step.iter().map(|(k, v)| (k.as_str(), v.as_deref()));
    core.follow(stored::changes_of(changes)?);
    let mut seats = step.iter().filter(|(key, _)| key == SEAT);
    let Some((_, value)) = seats.next_back() else {
        return Ok(false);
    };
    seat.heard_of(value.as_deref());
    Ok(value.is_none())
}

/// Settles what was begun, reads everything, and leads.
async fn begin(seat: &Seat, weak: &Weak<Core>, term: Term) -> Result<(), ControllerError> {
    let Some(core) = weak.upgrade() else {
        return Ok(());
    };
    let _turn = core.turn().await;
    seat.store.settle(&term).await?;
    let before = seat.store.get(VERSIONS).await?.and_then(|found| {
        let text = String::from_utf8_lossy(&found.value).into_owned();
        text.parse::<u64>().ok()
    });
    let start = core
        .first_version()
        .max(before.unwrap_or_default().saturating_add(CHANGES_OF_A_TERM));
    let mut noted = vec![Write::put(
        VERSIONS.to_owned(),
        start.to_string().into_bytes(),
    )];
    if seat.store.get(keys::CLUSTER_ID).await?.is_none() {
        noted.push(stored::new_cluster_id());
    }
    seat.store.write_in(&term, noted).await?;
    let entries = seat.store.list("").await?;
    core.take_over(stored::state_of(&entries, start)?);
    seat.set(|now| {
        now.term = (now.ending < term.number).then_some(term);
        now.leader = None;
    });
    tracing::info!(
        id = seat.own.id,
        term = term.number,
        "this controller leads"
    );
    Ok(())
}

/// Keeps the seat for as long as that works.
async fn keep(seat: &Seat, term: &Term) {
    let period = seat.kept_for() / 4;
    loop {
        {
            let over = seat.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            if seat.now.lock().ending >= term.number {
                return;
            }
            let _ = tokio::time::timeout(period, over).await;
        }
        let asked = Instant::now();
        let until = seat.now.lock().until;
        match tokio::time::timeout_at(until, seat.store.keep_seat(term)).await {
            Ok(Ok(true)) => seat.now.lock().until = asked + seat.kept_for(),
            Ok(Ok(false)) => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the leader's seat could not be kept, trying again");
                if Instant::now() >= until {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
