//! Segment completion: how the replicas of a consuming segment agree on what is committed and who commits.
//!
//! Must not know: stores, network, time of day: pure functions of a segment's phase and one message. Invariants: at most one committer
//! at a time; the committed offset is the largest that a replica offered; a single replica never waits.

use std::collections::{BTreeMap, HashMap};

use proto::controller_service::CompletionAnswer;

/// How long replicas are waited for after the first one stopped, milliseconds.
pub(crate) const HOLD_MS: i64 = 3_000;
/// How long a chosen committer may stay silent before another is chosen, milliseconds.
pub(crate) const COMMITTER_SILENCE_MS: i64 = 10_000;
/// How long a build and upload may take, milliseconds.
pub(crate) const COMMIT_MS: i64 = 600_000;

/// Phases by (table, segment). Lost with the process: replicas ask again and the protocol starts over.
pub(crate) type Completions = HashMap<(String, String), Completion>;

/// How far a segment's completion is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Waiting for the other replicas since then.
    Holding { since_ms: i64 },
    /// Told, or to be told, that it commits.
    Chosen { committer: String, since_ms: i64 },
    /// Builds and uploads since then.
    Committing { committer: String, since_ms: i64 },
}

/// The completion of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    offers: BTreeMap<String, String>,
    phase: Phase,
}

/// What a replica says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) instance: &'a str,
    pub(crate) offset: &'a str,
    /// Live replicas of the segment.
    pub(crate) replicas: usize,
    pub(crate) now_ms: i64,
}

/// Orders offsets: numbers by value, anything else by length and text.
pub(crate) fn offset_order(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => (a.len(), a).cmp(&(b.len(), b)),
    }
}

impl Completion {
    /// The first replica stopped.
    pub(crate) fn begin(now_ms: i64) -> Self {
        Self {
            offers: BTreeMap::new(),
            phase: Phase::Holding { since_ms: now_ms },
        }
    }

    fn winning(&self) -> Option<(&String, &String)> {
        self.offers
            .iter()
            .max_by(|a, b| offset_order(a.1, b.1).then_with(|| b.0.cmp(a.0)))
    }

    /// A replica reached an end criterion at an offset.
    pub(crate) fn consumed(&mut self, offer: Offer<'_>) -> CompletionAnswer {
        self.offers
            .insert(offer.instance.to_owned(), offer.offset.to_owned());
        self.give_up_on_silence(offer.now_ms);
        if let Phase::Holding { since_ms } = self.phase {
            let waited = offer.now_ms.saturating_sub(since_ms) >= HOLD_MS;
            if self.offers.len() >= offer.replicas || waited {
                let Some((committer, _)) = self.winning() else {
                    return CompletionAnswer::Hold;
                };
                self.phase = Phase::Chosen {
                    committer: committer.clone(),
                    since_ms: offer.now_ms,
                };
            }
        }
        let (Phase::Chosen { committer, .. } | Phase::Committing { committer, .. }) = &self.phase
        else {
            return CompletionAnswer::Hold;
        };
        let target = self.offers.get(committer).cloned().unwrap_or_default();
        if committer == offer.instance {
            return CompletionAnswer::Commit(target);
        }
        if offset_order(offer.offset, &target).is_lt() {
            CompletionAnswer::CatchUp(target)
        } else {
            CompletionAnswer::Hold
        }
    }

    fn give_up_on_silence(&mut self, now_ms: i64) {
        let (committer, expired) = match &self.phase {
            Phase::Holding { .. } => return,
            Phase::Chosen {
                committer,
                since_ms,
            } => (
                committer,
                now_ms.saturating_sub(*since_ms) > COMMITTER_SILENCE_MS,
            ),
            Phase::Committing {
                committer,
                since_ms,
            } => (committer, now_ms.saturating_sub(*since_ms) > COMMIT_MS),
        };
        if expired {
            let silent = committer.clone();
            // The silent one may offer again; until then the others decide among themselves.
            if self.offers.len() > 1 {
                self.offers.remove(&silent);
            }
            self.phase = Phase::Holding { since_ms: now_ms };
        }
    }

    /// The committer begins to build.
    pub(crate) fn commit_start(&mut self, offer: Offer<'_>) -> CompletionAnswer {
        match &self.phase {
            Phase::Chosen { committer, .. } | Phase::Committing { committer, .. }
                if committer == offer.instance =>
            {
                self.phase = Phase::Committing {
                    committer: committer.clone(),
                    since_ms: offer.now_ms,
                };
                CompletionAnswer::Commit(offer.offset.to_owned())
            }
            Phase::Holding { .. } => CompletionAnswer::Hold,
            _ => CompletionAnswer::Failed("another replica commits".to_owned()),
        }
    }

    /// True where this instance may end the commit.
    pub(crate) fn may_end(&self, instance: &str) -> bool {
        matches!(&self.phase, Phase::Committing { committer, .. } if committer == instance)
    }

    /// An instance is gone, or cannot go on.
    pub(crate) fn forget(&mut self, instance: &str, now_ms: i64) {
        self.offers.remove(instance);
        match &self.phase {
            Phase::Chosen { committer, .. } | Phase::Committing { committer, .. }
                if committer == instance =>
            {
                self.phase = Phase::Holding { since_ms: now_ms };
            }
            _ => {}
        }
    }
}

/// The answer for a segment that is committed already.
pub(crate) fn after_commit(offset: &str, committed: &str, download_only: bool) -> CompletionAnswer {
    if offset == committed && !download_only {
        CompletionAnswer::Keep(committed.to_owned())
    } else {
        CompletionAnswer::Discard
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
