//! Consumer groups: membership, generations, assignment by the leading member, committed offsets.
//! Synchronous; whoever must wait gets a receiver. Must not know: a clock; the caller passes the instant.
//! Invariant: a waiting member is answered by `settle`, by expiry, or by its removal; never forgotten.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::error::StreamError;
use crate::log::replace_file;

const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(1800);
const MAX_MEMBERS: usize = 1000;
const MAX_GROUPS: usize = 10_000;

/// What a member is told when a generation begins.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// Member and metadata; only the leader gets them.
    pub(crate) members: Vec<(String, Bytes)>,
}

/// What a member says when it joins.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) member: String,
    pub(crate) client: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Bytes)>,
}

type Answer<T> = Result<T, ResponseError>;
type Waiter<T> = oneshot::Sender<Answer<T>>;
type Later<T> = oneshot::Receiver<Answer<T>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Joining { until: Instant },
    Syncing,
    Stable,
}

#[derive(Debug)]
struct Member {
    session: Duration,
    rebalance: Duration,
    protocols: Vec<(String, Bytes)>,
    seen: Instant,
    assignment: Bytes,
    joining: Option<Waiter<Joined>>,
    syncing: Option<Waiter<Bytes>>,
}

#[derive(Debug)]
struct Group {
    generation: i32,
    state: State,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
}

impl Group {
    fn new() -> Group {
        Group {
            generation: 0,
            state: State::Empty,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
        }
    }

    fn member(&mut self, member: &str) -> Answer<&mut Member> {
        self.members
            .get_mut(member)
            .ok_or(ResponseError::UnknownMemberId)
    }

    fn current(&mut self, member: &str, generation: i32, now: Instant) -> Answer<&mut Member> {
        let expected = self.generation;
        let member = self.member(member)?;
        if generation != expected {
            return Err(ResponseError::IllegalGeneration);
        }
        member.seen = now;
        Ok(member)
    }

    /// Asks everybody to join again.
    fn rebalance(&mut self, now: Instant) {
        if matches!(self.state, State::Joining { .. }) {
            return;
        }
        for member in self.members.values_mut() {
            if let Some(waiter) = member.syncing.take() {
                let _gone = waiter.send(Err(ResponseError::RebalanceInProgress));
            }
        }
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.state = State::Joining {
            until: now + longest.unwrap_or(SHORTEST_TIMEOUT),
        };
    }

    /// Begins the generation if everybody is here, or if the time for joining is over.
    fn settle(&mut self, now: Instant) {
        let State::Joining { until } = self.state else {
            return;
        };
        if now >= until {
            self.members.retain(|_, member| member.joining.is_some());
        }
        if self.members.is_empty() {
            self.state = State::Empty;
            return;
        }
        if self.members.values().any(|member| member.joining.is_none()) {
            return;
        }
        self.generation = self.generation.wrapping_add(1) & i32::MAX;
        self.state = State::Syncing;
        if !self.members.contains_key(&self.leader) {
            self.leader = self.members.keys().next().cloned().unwrap_or_default();
        }
        self.protocol = self.common_protocol();
        self.tell_joined(now);
    }

    fn tell_joined(&mut self, now: Instant) {
        let metadata = |member: &Member| {
            let found = member
                .protocols
                .iter()
                .find(|(name, _)| *name == self.protocol);
            found
                .map(|(_, metadata)| metadata.clone())
                .unwrap_or_default()
        };
        let all: Vec<(String, Bytes)> = self
            .members
            .iter()
            .map(|(name, member)| (name.clone(), metadata(member)))
            .collect();
        for (name, member) in &mut self.members {
            member.seen = now;
            member.assignment = Bytes::new();
            let Some(waiter) = member.joining.take() else {
                continue;
            };
            let _gone = waiter.send(Ok(Joined {
                generation: self.generation,
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                leader: self.leader.clone(),
                member: name.clone(),
                members: if *name == self.leader {
                    all.clone()
                } else {
                    Vec::new()
                },
            }));
        }
    }

    /// The leader's first choice that everybody knows.
    fn common_protocol(&self) -> String {
        let Some(leader) = self.members.get(&self.leader) else {
            return String::new();
        };
        let known_to_all = |name: &str| {
            self.members
                .values()
                .all(|member| member.protocols.iter().any(|(n, _)| n == name))
        };
        let chosen = leader.protocols.iter().find(|(name, _)| known_to_all(name));
        chosen.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn fits(&self, join: &Join) -> bool {
        if self.members.keys().all(|member| *member == join.member) {
            return !join.protocols.is_empty();
        }
        self.protocol_type == join.protocol_type
            && join.protocols.iter().any(|(name, _)| {
                self.members
                    .values()
                    .all(|member| member.protocols.iter().any(|(n, _)| n == name))
            })
    }

    fn expire(&mut self, now: Instant) {
        let before = self.members.len();
        // A member that waits in a join is alive as long as its connection holds the receiver.
        self.members.retain(|_, member| match &member.joining {
            Some(waiter) => !waiter.is_closed(),
            None => now.saturating_duration_since(member.seen) <= member.session,
        });
        if self.members.len() != before {
            self.rebalance(now);
        }
        self.settle(now);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Committed {
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    metadata: String,
}

type Offsets = HashMap<String, BTreeMap<(String, i32), (i64, String)>>;

/// All groups of the broker.
#[derive(Debug)]
pub(crate) struct Groups {
    file: Option<PathBuf>,
    groups: Mutex<HashMap<String, Group>>,
    offsets: Mutex<(Offsets, bool)>,
}

impl Groups {
    /// Opens the committed offsets that an earlier run left in `file`.
    pub(crate) fn open(file: Option<PathBuf>) -> Result<Groups, StreamError> {
        let mut offsets = Offsets::new();
        if let Some(path) = file.as_deref().filter(|path| path.exists()) {
            let text = std::fs::read(path).map_err(StreamError::file("read", path))?;
            let saved: Vec<Committed> =
                serde_json::from_slice(&text).map_err(|error| StreamError::Corrupt {
                    path: path.to_path_buf(),
                    detail: error.to_string(),
                })?;
            for one in saved {
                let group = offsets.entry(one.group).or_default();
                group.insert((one.topic, one.partition), (one.offset, one.metadata));
            }
        }
        Ok(Groups {
            file,
            groups: Mutex::new(HashMap::new()),
            offsets: Mutex::new((offsets, false)),
        })
    }

    /// A member wants in; the answer comes when the generation begins.
    pub(crate) fn join(&self, group: &str, join: Join, now: Instant) -> Answer<Later<Joined>> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let mut groups = self.groups.lock();
        if groups.len() >= MAX_GROUPS && !groups.contains_key(group) {
            return Err(ResponseError::PolicyViolation);
        }
        let group = groups.entry(group.to_owned()).or_insert_with(Group::new);
        if !join.member.is_empty() && !group.members.contains_key(&join.member) {
            return Err(ResponseError::UnknownMemberId);
        }
        if !group.fits(&join) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        if group.members.len() >= MAX_MEMBERS {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let name = if join.member.is_empty() {
            format!("{}-{}", join.client, uuid::Uuid::new_v4())
        } else {
            join.member
        };
        let (waiter, later) = oneshot::channel();
        let member = Member {
            session: timeout(join.session_timeout_ms),
            rebalance: timeout(join.rebalance_timeout_ms.max(join.session_timeout_ms)),
            protocols: join.protocols,
            seen: now,
            assignment: Bytes::new(),
            joining: Some(waiter),
            syncing: None,
        };
        group.members.insert(name, member);
        group.protocol_type = join.protocol_type;
        group.rebalance(now);
        group.settle(now);
        Ok(later)
    }

    /// A member asks for its part; the leader brings everybody's.
    pub(crate) fn sync(
        &self,
        group: &str,
        member: &str,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Answer<Later<Bytes>> {
        let mut groups = self.groups.lock();
        let group = groups
            .get_mut(group)
            .ok_or(ResponseError::UnknownMemberId)?;
        let state = group.state;
        let leads = group.leader == member;
        let (waiter, later) = oneshot::channel();
        let own = group.current(member, generation, now)?;
        match state {
            State::Joining { .. } => return Err(ResponseError::RebalanceInProgress),
            State::Empty => return Err(ResponseError::UnknownMemberId),
            State::Stable => {
                let _gone = waiter.send(Ok(own.assignment.clone()));
                return Ok(later);
            }
            State::Syncing => own.syncing = Some(waiter),
        }
        if leads {
            group.state = State::Stable;
            for (name, assignment) in assignments {
                if let Some(member) = group.members.get_mut(&name) {
                    member.assignment = assignment;
                }
            }
            for member in group.members.values_mut() {
                if let Some(waiter) = member.syncing.take() {
                    let _gone = waiter.send(Ok(member.assignment.clone()));
                }
            }
        }
        Ok(later)
    }

    /// A member says that it lives, and hears whether it must join again.
    pub(crate) fn heartbeat(
        &self,
        group: &str,
        member: &str,
        generation: i32,
        now: Instant,
    ) -> Answer<()> {
        let mut groups = self.groups.lock();
        let group = groups
            .get_mut(group)
            .ok_or(ResponseError::UnknownMemberId)?;
        group.current(member, generation, now)?;
        match group.state {
            State::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member goes.
    pub(crate) fn leave(&self, group: &str, member: &str, now: Instant) -> Answer<()> {
        let mut groups = self.groups.lock();
        let group = groups
            .get_mut(group)
            .ok_or(ResponseError::UnknownMemberId)?;
        group
            .members
            .remove(member)
            .ok_or(ResponseError::UnknownMemberId)?;
        group.rebalance(now);
        group.settle(now);
        Ok(())
    }

    /// Checks that a commit comes from a member of the generation, or from nobody's member.
    pub(crate) fn may_commit(
        &self,
        group: &str,
        member: &str,
        generation: i32,
        now: Instant,
    ) -> Answer<()> {
        let mut groups = self.groups.lock();
        match groups.get_mut(group) {
            Some(group) if generation >= 0 => group.current(member, generation, now).map(|_| ()),
            Some(group) if !group.members.is_empty() => Err(ResponseError::UnknownMemberId),
            None if generation >= 0 => Err(ResponseError::IllegalGeneration),
            _ => Ok(()),
        }
    }

    /// Remembers where a group is.
    pub(crate) fn commit(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: i64,
        metadata: &str,
    ) {
        let mut offsets = self.offsets.lock();
        let group = offsets.0.entry(group.to_owned()).or_default();
        group.insert((topic.to_owned(), partition), (offset, metadata.to_owned()));
        offsets.1 = true;
    }

    /// Where a group is in one partition.
    pub(crate) fn committed(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Option<(i64, String)> {
        self.offsets
            .lock()
            .0
            .get(group)?
            .get(&(topic.to_owned(), partition))
            .cloned()
    }

    /// Where a group is in every partition it ever committed.
    pub(crate) fn all_committed(&self, group: &str) -> Vec<(String, i32)> {
        let offsets = self.offsets.lock();
        offsets
            .0
            .get(group)
            .map(|group| group.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Forgets what was committed for a topic that is gone: its offsets begin anew.
    pub(crate) fn forget_topic(&self, topic: &str) {
        let mut offsets = self.offsets.lock();
        offsets
            .0
            .values_mut()
            .for_each(|group| group.retain(|(name, _), _| name != topic));
        offsets.1 = true;
    }

    /// Removes members that fell silent and settles groups whose time for joining is over.
    pub(crate) fn expire(&self, now: Instant) {
        let mut groups = self.groups.lock();
        groups.values_mut().for_each(|group| group.expire(now));
        groups.retain(|_, group| !(group.members.is_empty() && group.state == State::Empty));
    }

    /// Writes committed offsets that changed since the last time.
    pub(crate) fn save(&self) -> Result<(), StreamError> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let saved: Vec<Committed> = {
            let mut offsets = self.offsets.lock();
            if !std::mem::take(&mut offsets.1) {
                return Ok(());
            }
            offsets
                .0
                .iter()
                .flat_map(|(group, offsets)| committed_rows(group, offsets))
                .collect()
        };
        let text = serde_json::to_vec(&saved).map_err(|error| StreamError::Corrupt {
            path: path.clone(),
            detail: error.to_string(),
        })?;
        replace_file(path, &text)
    }
}

fn committed_rows<'a>(
    group: &'a str,
    offsets: &'a BTreeMap<(String, i32), (i64, String)>,
) -> impl Iterator<Item = Committed> + 'a {
    offsets
        .iter()
        .map(move |((topic, partition), (offset, metadata))| Committed {
            group: group.to_owned(),
            topic: topic.clone(),
            partition: *partition,
            offset: *offset,
            metadata: metadata.clone(),
        })
}

fn timeout(millis: i32) -> Duration {
    let millis = u64::try_from(millis).unwrap_or(0);
    Duration::from_millis(millis).clamp(SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
