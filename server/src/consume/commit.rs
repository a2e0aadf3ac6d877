//! Segment completion: agree with the controller on the end, seal, upload, commit, publish.
//!
//! Must not know: other replicas. Invariant: the growing segment answers until the sealed one takes its place in one step; a commit is
//! repeated until the controller knows of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proto::controller_service::{
    CommitEnd, CompletionAnswer, CompletionRequest, SegmentRecord, SegmentStatus,
};
use segment::build::{self, BuildSettings, Built};
use segment::{SealedSegment, Segment};

use super::worker::{Halt, Worker};
use crate::complete;
use crate::error::ServerError;
use crate::load;
use crate::upsert::Replaces;

const ASK_AGAIN: Duration = Duration::from_millis(50);
const ASK_SELDOM: Duration = Duration::from_secs(1);

/// What is to be done with a full segment.
pub(super) enum Step {
    /// Take rows up to this offset.
    CatchUp(i64),
    /// Seal, upload and commit.
    Commit,
    /// Seal; another replica committed the same rows.
    Keep,
    /// Load what another replica committed.
    Discard,
}

/// What an answer of the controller leads to.
enum Reply {
    Step(Step),
    Again,
    Later(String),
}

fn read(answer: CompletionAnswer) -> Reply {
    match answer {
        CompletionAnswer::Hold => Reply::Again,
        CompletionAnswer::CatchUp(offset) => match offset.parse() {
            Ok(offset) => Reply::Step(Step::CatchUp(offset)),
            Err(_) => Reply::Later(format!("asked to catch up to `{offset}`")),
        },
        CompletionAnswer::Commit(_) => Reply::Step(Step::Commit),
        CompletionAnswer::Keep(_) => Reply::Step(Step::Keep),
        CompletionAnswer::Discard => Reply::Step(Step::Discard),
        CompletionAnswer::NotLeader => Reply::Later("the controller does not lead".to_owned()),
        CompletionAnswer::Failed(why) => Reply::Later(why),
    }
}

impl Worker {
    fn request(&self, reason: &str) -> CompletionRequest {
        CompletionRequest {
            instance: self.shared.instance_id.clone(),
            table: self.table.name.clone(),
            segment: self.record.name.clone(),
            offset: self.state.position().to_string(),
            rows: self.rows(),
            reason: reason.to_owned(),
        }
    }

    /// Asks until the controller says what to do.
    pub(super) fn agree(&mut self, reason: &str) -> Result<Step, Halt> {
        let (mut wait, mut silent) = (ASK_AGAIN, true);
        loop {
            if self.state.is_beyond_end() {
                // The end became known while waiting; reading rows finds that out.
                return Ok(Step::CatchUp(self.state.end.load(Ordering::Acquire)));
            }
            let request = self.request(reason);
            let controller = Arc::clone(&self.shared.controller);
            let answer = self.wait_for(async move {
                match controller.segment_consumed(request.clone()).await {
                    Ok(CompletionAnswer::Commit(_)) => controller.commit_start(request).await,
                    other => other,
                }
            })?;
            let why = match answer.map(read) {
                Ok(Reply::Step(step)) => return Ok(step),
                Ok(Reply::Again) => {
                    self.pause(ASK_AGAIN)?;
                    continue;
                }
                Ok(Reply::Later(why)) => why,
                Err(error) => error.to_string(),
            };
            if std::mem::take(&mut silent) {
                tracing::warn!(
                    segment = self.record.name,
                    why,
                    "segment completion is put off"
                );
            }
            self.pause(wait)?;
            wait = (wait * 2).min(ASK_SELDOM);
        }
    }

    /// Seals, uploads, commits, publishes.
    pub(super) fn commit(&mut self) -> Result<(), Halt> {
        let built = match self.built.take() {
            Some(built) => built,
            None => self.seal()?,
        };
        self.built = Some(built.clone());
        let path = self.table.path(&self.record.name);
        let uri = self
            .shared
            .deep_store
            .uri(&self.table.name, &self.record.name);
        let upload = async { self.shared.deep_store.put_file(&uri, &path).await };
        self.wait_for(upload)??;
        let sealed = match SealedSegment::open(&path) {
            Ok(sealed) => sealed,
            Err(error) => {
                self.built = None;
                return Err(ServerError::from(error).into());
            }
        };
        let end = CommitEnd {
            instance: self.shared.instance_id.clone(),
            table: self.table.name.clone(),
            record: self.committed(&built, &sealed, uri)?,
        };
        let mut wait = ASK_AGAIN;
        loop {
            let answer = self.wait_for(self.shared.controller.commit_end(end.clone()))?;
            match answer {
                Ok(CompletionAnswer::Keep(_) | CompletionAnswer::Commit(_)) => break,
                Ok(CompletionAnswer::Discard) => {
                    self.table.finished.lock().insert(self.record.name.clone());
                    return Ok(());
                }
                Ok(other) => {
                    let why = format!("the commit was answered with {other:?}");
                    return Err(ServerError::Impossible(why).into());
                }
                Err(error) => {
                    tracing::warn!(segment = self.record.name, %error, "commit is repeated");
                    self.pause(wait)?;
                    wait = (wait * 2).min(ASK_SELDOM);
                }
            }
        }
        let replaces = Replaces::Same(built.order.as_deref());
        load::publish(&self.shared, &self.table, &Arc::new(sealed), &replaces);
        tracing::info!(
            table = self.table.name,
            segment = self.record.name,
            rows = self.writer.rows(),
            "segment committed"
        );
        Ok(())
    }

    /// Seals what another replica committed too.
    pub(super) fn keep(&mut self) -> Result<(), Halt> {
        let built = self.seal()?;
        let path = self.table.path(&self.record.name);
        let sealed = SealedSegment::open(&path).map_err(ServerError::from)?;
        let replaces = Replaces::Same(built.order.as_deref());
        load::publish(&self.shared, &self.table, &Arc::new(sealed), &replaces);
        Ok(())
    }

    /// Writes the sealed file under its name.
    fn seal(&self) -> Result<Built, Halt> {
        let _permit = self.wait_for(self.shared.seals.acquire())?;
        let sealing = self.table.metrics.sealing.enter();
        load::make_folder(&self.table.folder)?;
        let path = self.table.path(&self.record.name);
        let partial = load::partial_of(&path);
        let (start, end) = self.offsets()?;
        let custom = [
            ("segment.realtime.startOffset", start.to_string()),
            ("segment.realtime.endOffset", end.to_string()),
        ];
        let rows = self.frozen();
        let settings = BuildSettings {
            keep: rows.valid_docs().map(|valid| valid.as_ref().clone()),
            name: self.record.name.clone(),
            // Replicas build equal files: nothing in them depends on who builds.
            created_ms: self.record.created_ms,
            custom: custom.map(|(k, v)| (k.to_owned(), v)).into(),
        };
        // As schema and config want it now: columns that came since are there.
        let view = self.table.view();
        let built = complete::with_columns(rows.as_ref(), &view.schema, &view.config, |whole| {
            build::seal(whole, &view.schema, &view.config, &settings, &partial)
        });
        let built = built.and_then(|built| Ok(built?));
        let built = built.inspect_err(|_| {
            // Leaves no half of a file on a full disk.
            let _ = std::fs::remove_file(&partial);
        })?;
        load::settle_file(&partial, &path)?;
        drop(sealing);
        Ok(built)
    }

    fn committed(
        &self,
        built: &Built,
        sealed: &SealedSegment,
        uri: String,
    ) -> Result<SegmentRecord, Halt> {
        let (_, end) = self.offsets()?;
        let times = sealed.time_range_ms();
        let partitions = built.metadata.columns.iter().filter_map(|column| {
            let p = column.partitions.as_ref()?;
            Some((
                column.name.clone(),
                (p.function.clone(), p.count, p.present.clone()),
            ))
        });
        Ok(SegmentRecord {
            status: SegmentStatus::Done,
            end_offset: Some(end.to_string()),
            download_uri: uri,
            crc: built.crc,
            total_docs: u64::from(built.metadata.rows),
            size_bytes: sealed.size_bytes(),
            start_time_ms: times.map(|(min, _)| min),
            end_time_ms: times.map(|(_, max)| max),
            pushed_ms: self.shared.now_ms(),
            partitions: partitions.collect(),
            ..self.record.clone()
        })
    }
}
