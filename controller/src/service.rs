//! The controller as brokers and servers see it.
//!
//! Must not know: REST. Invariant: an answer is given only when what it says is durable.

use std::cmp::Ordering;
use std::sync::Arc;

use async_trait::async_trait;
use proto::controller_service::{
    ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, Instance, ReplicaReport,
    ReplicaState, Replicas, SegmentRecord, SegmentStatus,
};
use proto::{ControllerService, ServiceError};
use serde_json::Value as Json;

use crate::assign;
use crate::completion::{Completion, Offer, after_commit, offset_order};
use crate::consuming::{self, Start};
use crate::core::Core;
use crate::error::ControllerError;
use crate::records::{SegmentEntry, TableRecord};
use crate::state::{Change, State, TableEntry};
use crate::tenancy;

/// Serves [`ControllerService`] over the core.
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Core>);

fn refused(error: ControllerError) -> ServiceError {
    match error {
        ControllerError::NotLeading(_) => ServiceError::Unreachable(error.to_string()),
        error => ServiceError::Refused(error.to_string()),
    }
}

/// A step of completion that was not made: refused, or to be asked of whoever leads.
fn not_made(error: ControllerError) -> Result<CompletionAnswer, ServiceError> {
    match refused(error) {
        ServiceError::Refused(why) => Ok(CompletionAnswer::Failed(why)),
        error => Err(error),
    }
}

impl Service {
    /// What is read is the truth only while this controller leads.
    fn leading(&self) -> Result<(), ServiceError> {
        if self.0.leads() {
            return Ok(());
        }
        let leader = self.0.seat.as_ref().and_then(|seat| seat.leader());
        let why = leader.map_or_else(|| "none does now".to_owned(), |l| format!("{} does", l.id));
        Err(refused(ControllerError::not_leading(why)))
    }

    fn hear(&self, instance_id: &str) {
        let now = self.0.now_ms();
        self.0.heard_ms.lock().insert(instance_id.to_owned(), now);
    }

    /// What is known of a consuming segment: its entry, whether non-committers always download.
    fn find(&self, table: &str, segment: &str) -> Option<(SegmentEntry, bool)> {
        self.0
            .with_table(table, |t| {
                let entry = t.segments.get(segment)?.clone();
                Some((entry, download_only(&t.record)))
            })
            .flatten()
    }

    fn live_replicas(&self, ideal: &Replicas) -> usize {
        self.0.read(|state| {
            ideal
                .iter()
                .filter(|(id, s)| {
                    **s == ReplicaState::Consuming
                        && state.instances.get(*id).is_some_and(|i| i.live)
                })
                .count()
        })
    }

    fn completion<T>(
        &self,
        request: &CompletionRequest,
        replicas: usize,
        step: impl FnOnce(&mut Completion, Offer<'_>) -> T,
    ) -> T {
        let now_ms = self.0.now_ms();
        let key = (request.table.clone(), request.segment.clone());
        let mut all = self.0.completions.lock();
        let completion = all.entry(key).or_insert_with(|| Completion::begin(now_ms));
        step(
            completion,
            Offer {
                instance: &request.instance,
                offset: &request.offset,
                replicas,
                now_ms,
            },
        )
    }
}

fn download_only(record: &TableRecord) -> bool {
    record
        .config
        .segments_config
        .extra
        .get("completionConfig")
        .and_then(|c| c.get("completionMode"))
        .and_then(Json::as_str)
        .is_some_and(|mode| mode.eq_ignore_ascii_case("DOWNLOAD"))
}

#[async_trait]
impl ControllerService for Service {
    async fn cluster_id(&self) -> Result<String, ServiceError> {
        self.leading()?;
        Ok(self.0.read(|state| state.cluster_id.clone()))
    }

    async fn register(&self, instance: Instance) -> Result<(), ServiceError> {
        self.leading()?;
        self.hear(&instance.id);
        self.0
            .change(|state| Ok((registration(state, instance), ())))
            .await
            .map_err(refused)
    }

    async fn heartbeat(&self, instance_id: &str) -> Result<(), ServiceError> {
        self.leading()?;
        let live = self
            .0
            .read(|s| s.instances.get(instance_id).map(|i| i.live));
        match live {
            Some(true) => {
                self.hear(instance_id);
                Ok(())
            }
            _ => Err(ServiceError::Refused(format!(
                "instance `{instance_id}` is not registered"
            ))),
        }
    }

    async fn leave(&self, instance_id: &str) -> Result<(), ServiceError> {
        self.leading()?;
        mark_gone(&self.0, instance_id).await.map_err(refused)
    }

    async fn watch(&self, instance_id: &str, version: u64) -> Result<ClusterView, ServiceError> {
        self.leading()?;
        let view = self.0.watch(instance_id, version);
        let Some(seat) = &self.0.seat else {
            return Ok(view.await);
        };
        tokio::select! {
            view = view => self.leading().map(|()| view),
            () = seat.deposed() => Err(refused(ControllerError::not_leading("not any more"))),
        }
    }

    async fn report(
        &self,
        instance_id: &str,
        reports: Vec<ReplicaReport>,
    ) -> Result<(), ServiceError> {
        self.leading()?;
        self.0
            .change(|state| Ok((reported(state, instance_id, reports), ())))
            .await
            .map_err(refused)
    }

    async fn segment_consumed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.leading()?;
        let Some((entry, download_only)) = self.find(&request.table, &request.segment) else {
            return Ok(CompletionAnswer::NotLeader);
        };
        if entry.record.status != SegmentStatus::InProgress {
            let committed = entry.record.end_offset.as_deref().unwrap_or_default();
            return Ok(after_commit(&request.offset, committed, download_only));
        }
        // Once a commit has begun its end is fixed: the next segment begins there.
        if let Some(end) = &entry.record.end_offset {
            match offset_order(&request.offset, end) {
                Ordering::Less => return Ok(CompletionAnswer::CatchUp(end.clone())),
                Ordering::Greater => return Ok(CompletionAnswer::Hold),
                Ordering::Equal => {}
            }
        }
        let replicas = self.live_replicas(&entry.ideal);
        Ok(self.completion(&request, replicas, |c, offer| c.consumed(offer)))
    }

    async fn commit_start(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.leading()?;
        let Some((entry, _)) = self.find(&request.table, &request.segment) else {
            return Ok(CompletionAnswer::NotLeader);
        };
        if entry.record.status != SegmentStatus::InProgress {
            return Ok(CompletionAnswer::Failed("already committed".to_owned()));
        }
        let fixed = entry.record.end_offset.as_ref();
        if let Some(end) = fixed.filter(|end| **end != request.offset) {
            return Ok(CompletionAnswer::CatchUp(end.clone()));
        }
        let replicas = self.live_replicas(&entry.ideal);
        let answer = self.completion(&request, replicas, |c, offer| c.commit_start(offer));
        if !matches!(answer, CompletionAnswer::Commit(_)) {
            return Ok(answer);
        }
        let now_ms = self.0.now_ms();
        let begun = self
            .0
            .change(|state| Ok((begun(state, &request, now_ms)?, ())))
            .await;
        match begun {
            Ok(()) => Ok(answer),
            Err(error) => not_made(error),
        }
    }

    async fn commit_end(&self, end: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
        self.leading()?;
        let Some((entry, _)) = self.find(&end.table, &end.record.name) else {
            return Ok(CompletionAnswer::NotLeader);
        };
        let offset = end.record.end_offset.clone().unwrap_or_default();
        if entry.record.status != SegmentStatus::InProgress {
            return Ok(if entry.record.crc == end.record.crc {
                CompletionAnswer::Keep(offset)
            } else {
                CompletionAnswer::Failed("already committed".to_owned())
            });
        }
        let key = (end.table.clone(), end.record.name.clone());
        let allowed = self
            .0
            .completions
            .lock()
            .get(&key)
            .is_some_and(|c| c.may_end(&end.instance));
        if !allowed {
            return Ok(CompletionAnswer::Failed(
                "another replica commits".to_owned(),
            ));
        }
        let now_ms = self.0.now_ms();
        let done = self
            .0
            .change(|state| Ok((committed(state, &end, now_ms)?, ())))
            .await;
        match done {
            Ok(()) => {
                self.0.completions.lock().remove(&key);
                Ok(CompletionAnswer::Keep(offset))
            }
            Err(error) => not_made(error),
        }
    }

    async fn stopped_consuming(&self, request: CompletionRequest) -> Result<(), ServiceError> {
        self.leading()?;
        let key = (request.table.clone(), request.segment.clone());
        let now_ms = self.0.now_ms();
        if let Some(completion) = self.0.completions.lock().get_mut(&key) {
            completion.forget(&request.instance, now_ms);
        }
        self.0
            .change(|state| {
                let mut changes = Vec::new();
                let found = state
                    .table(&request.table)
                    .and_then(|t| t.segments.get(&request.segment));
                if let Some(entry) = found.filter(|e| e.record.status == SegmentStatus::InProgress)
                {
                    let mut entry = entry.clone();
                    entry
                        .ideal
                        .insert(request.instance.clone(), ReplicaState::Offline);
                    entry
                        .errors
                        .insert(request.instance.clone(), request.reason.clone());
                    changes.push(Change::Segment(request.table.clone(), Box::new(entry)));
                }
                Ok((changes, ()))
            })
            .await
            .map_err(refused)
    }

    async fn add_segment(&self, table: &str, record: SegmentRecord) -> Result<(), ServiceError> {
        self.leading()?;
        add_segment(&self.0, table, record).await.map_err(refused)
    }
}

/// An instance as it is from now on, and its replicas forgotten: it reports them again.
fn registration(state: &State, mut instance: Instance) -> Vec<Change> {
    instance.live = true;
    match state.instances.get(&instance.id) {
        Some(known) => {
            instance.enabled = known.enabled;
            instance.tags.clone_from(&known.tags);
        }
        None => instance.enabled = true,
    }
    if instance.tags.is_empty() {
        instance.tags = tenancy::default_tags(&instance.role);
    }
    let id = instance.id.clone();
    let mut changes = vec![Change::Instance(instance)];
    for table in state.tables.values() {
        for segment in table
            .segments
            .values()
            .filter(|s| s.external.contains_key(&id))
        {
            let mut forgotten = segment.clone();
            forgotten.external.remove(&id);
            changes.push(Change::Segment(
                table.record.name.clone(),
                Box::new(forgotten),
            ));
        }
    }
    changes
}

fn reported(state: &State, instance: &str, reports: Vec<ReplicaReport>) -> Vec<Change> {
    // Several reports of one segment: the last one counts.
    let mut last = std::collections::BTreeMap::new();
    for report in reports {
        last.insert((report.table.clone(), report.segment.clone()), report);
    }
    let mut changes = Vec::new();
    for ((table, segment), report) in last {
        let Some(entry) = state.table(&table).and_then(|t| t.segments.get(&segment)) else {
            continue;
        };
        let mut entry = entry.clone();
        if report.state == ReplicaState::Dropped {
            entry.external.remove(instance);
        } else {
            entry.external.insert(instance.to_owned(), report.state);
        }
        match report.error {
            Some(error) => entry.errors.insert(instance.to_owned(), error),
            None => entry.errors.remove(instance),
        };
        changes.push(Change::Segment(table, Box::new(entry)));
    }
    changes
}

/// A segment whose commit begins: its end is fixed, and the next one takes rows from there on while it is built.
fn begun(
    state: &State,
    request: &CompletionRequest,
    now_ms: i64,
) -> Result<Vec<Change>, ControllerError> {
    let gone = || ControllerError::NotFound(format!("table `{}` is gone", request.table));
    let table = state.table(&request.table).ok_or_else(gone)?;
    let entry = table.segments.get(&request.segment).ok_or_else(gone)?;
    if entry.record.end_offset.is_some() {
        return Ok(Vec::new());
    }
    let mut ending = entry.clone();
    ending.record.end_offset = Some(request.offset.clone());
    let mut changes = vec![Change::Segment(
        request.table.clone(),
        Box::new(ending.clone()),
    )];
    if table.record.enabled && !table.record.pause.paused {
        changes.extend(follower(state, table, &ending.record, now_ms)?);
    }
    Ok(changes)
}

/// A committed segment, and the one that follows it.
fn committed(state: &State, end: &CommitEnd, now_ms: i64) -> Result<Vec<Change>, ControllerError> {
    let gone = || ControllerError::NotFound(format!("table `{}` is gone", end.table));
    let table = state.table(&end.table).ok_or_else(gone)?;
    let entry = table.segments.get(&end.record.name).ok_or_else(gone)?;
    // The next segment takes rows from the end that was fixed when the commit began, whoever ends it.
    if let Some(fixed) = &entry.record.end_offset
        && end.record.end_offset.as_ref() != Some(fixed)
    {
        return Err(ControllerError::Conflict(format!(
            "segment `{}` ends at offset `{fixed}`, which its commit began with, not at `{}`",
            end.record.name,
            end.record.end_offset.as_deref().unwrap_or_default()
        )));
    }
    let mut sealed = entry.clone();
    sealed.record = SegmentRecord {
        status: SegmentStatus::Done,
        partition: entry.record.partition,
        sequence: entry.record.sequence,
        start_offset: entry.record.start_offset.clone(),
        created_ms: entry.record.created_ms,
        flush_rows: entry.record.flush_rows,
        pushed_ms: now_ms,
        ..end.record.clone()
    };
    for state in sealed.ideal.values_mut() {
        *state = ReplicaState::Online;
    }
    let mut record = table.record.clone();
    record.force_commit.retain(|name| *name != end.record.name);
    let mut changes = vec![Change::Segment(end.table.clone(), Box::new(sealed))];
    if record.enabled && !record.pause.paused {
        let mut ended = end.record.clone();
        ended.partition = entry.record.partition;
        ended.sequence = entry.record.sequence;
        changes.extend(follower(state, table, &ended, now_ms)?);
    }
    if record != table.record {
        changes.push(Change::Table(Box::new(record)));
    }
    Ok(changes)
}

/// The consuming segment after one that ends; none where it is there already. Where size limits, it is planned from the newest
/// segment of the partition whose size is known.
fn follower(
    state: &State,
    table: &TableEntry,
    ended: &SegmentRecord,
    now_ms: i64,
) -> Result<Option<Change>, ControllerError> {
    let Some(partition) = ended.partition else {
        return Ok(None);
    };
    let Some(offset) = ended.end_offset.clone() else {
        return Err(ControllerError::Invalid(
            "the end offset is missing".to_owned(),
        ));
    };
    let of_partition = |record: &&SegmentRecord| record.partition == Some(partition);
    let records = || table.segments.values().map(|s| &s.record);
    if records()
        .filter(of_partition)
        .any(|r| r.sequence > ended.sequence)
    {
        return Ok(None);
    }
    let partitions: std::collections::BTreeSet<_> = records().filter_map(|r| r.partition).collect();
    let start = Start { partition, offset };
    let mut entry = consuming::begin(state, &table.record, &start, partitions.len(), now_ms)
        .map_err(ControllerError::Invalid)?;
    let measured = if ended.size_bytes > 0 {
        Some(ended)
    } else {
        records()
            .filter(of_partition)
            .filter(|r| r.status == SegmentStatus::Done)
            .max_by_key(|r| r.sequence)
    };
    if let Some(measured) = measured {
        let planned = entry.record.flush_rows;
        entry.record.flush_rows =
            consuming::rows_after(&table.record.config, partition, planned, measured);
    }
    Ok(Some(Change::Segment(
        table.record.name.clone(),
        Box::new(entry),
    )))
}

/// Marks an instance as gone; its offers in running completions are void.
pub(crate) async fn mark_gone(core: &Core, instance_id: &str) -> Result<(), ControllerError> {
    core.heard_ms.lock().remove(instance_id);
    let now_ms = core.now_ms();
    for completion in core.completions.lock().values_mut() {
        completion.forget(instance_id, now_ms);
    }
    core.change(|state| {
        let gone = state
            .instances
            .get(instance_id)
            .filter(|i| i.live)
            .map(|i| Instance {
                live: false,
                ..i.clone()
            });
        let Some(gone) = gone else {
            return Ok((Vec::new(), ()));
        };
        let mut changes = silenced(state, instance_id);
        changes.push(Change::Instance(gone));
        Ok((changes, ()))
    })
    .await
}

/// The replicas of an instance that is gone: they answered, so that nobody takes them for new ones.
fn silenced(state: &State, instance_id: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for (table, entry) in &state.tables {
        for segment in entry.segments.values() {
            let answered = segment.external.get(instance_id);
            if matches!(
                answered,
                Some(ReplicaState::Online | ReplicaState::Consuming)
            ) {
                let mut segment = segment.clone();
                segment
                    .external
                    .insert(instance_id.to_owned(), ReplicaState::Offline);
                changes.push(Change::Segment(table.clone(), Box::new(segment)));
            }
        }
    }
    changes
}

/// Adds an uploaded segment, or replaces one of the same name.
pub(crate) async fn add_segment(
    core: &Core,
    table: &str,
    record: SegmentRecord,
) -> Result<(), ControllerError> {
    core.change(|state| {
        let entry = state
            .table(table)
            .ok_or_else(|| ControllerError::NotFound(format!("Table {table} does not exist")))?;
        let config = &entry.record.config;
        let old = entry.segments.get(&record.name);
        let ideal = match old {
            Some(old) => old.ideal.clone(),
            None => {
                let servers = tenancy::servers(state, config, tenancy::Use::Sealed)
                    .map_err(ControllerError::Invalid)?;
                place(entry, &servers, &record)
            }
        };
        let new = SegmentEntry {
            external: old.map(|o| o.external.clone()).unwrap_or_default(),
            record,
            ideal,
            errors: std::collections::BTreeMap::new(),
            moving: old.and_then(|o| o.moving.clone()),
        };
        Ok((vec![Change::Segment(table.to_owned(), Box::new(new))], ()))
    })
    .await
}

fn place(table: &TableEntry, servers: &[String], record: &SegmentRecord) -> Replicas {
    let config = &table.record.config;
    let replicas = config.segments_config.replicas();
    let chosen = if config.is_dim_table {
        servers.to_vec()
    } else if let Some(partition) = assign::home(config, record) {
        assign::by_partition(servers, partition, replicas)
    } else {
        let mut held = std::collections::BTreeMap::new();
        for id in table.segments.values().flat_map(|s| s.ideal.keys()) {
            *held.entry(id.clone()).or_insert(0_usize) += 1;
        }
        assign::balanced(servers, &held, replicas)
    };
    chosen
        .into_iter()
        .map(|id| (id, ReplicaState::Online))
        .collect()
}
