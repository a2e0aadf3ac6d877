//! Several controllers as one: calls go to the one that answered last, and to the next where it does not.
//!
//! Must not know: who leads. Invariants: what was refused is not asked again elsewhere; a call is given up only after every
//! controller was asked again and again for as long as a change of the leader takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::controller_service::{
    ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, ControllerService, Instance,
    ReplicaReport, SegmentRecord, ServiceError,
};

/// How long a change of the leader takes at most.
const CHANGE: Duration = Duration::from_secs(5);
/// Pause before everybody is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Controllers that share their state.
pub struct Controllers {
    all: Vec<Arc<dyn ControllerService>>,
    current: AtomicUsize,
    patience: Duration,
}

impl Controllers {
    /// Several controllers, asked in this order at first.
    #[must_use]
    pub fn new(all: Vec<Arc<dyn ControllerService>>) -> Self {
        Self {
            all,
            current: AtomicUsize::new(0),
            patience: CHANGE,
        }
    }

    async fn ask<'a, T, F>(
        &'a self,
        call: impl Fn(&'a dyn ControllerService) -> F + Send + Sync,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>> + Send,
    {
        let until = Instant::now() + self.patience;
        loop {
            let mut last = ServiceError::Unreachable("a controller: none is named".to_owned());
            for _ in 0..self.all.len() {
                let at = self.current.load(Ordering::Relaxed);
                let Some(controller) = at.checked_rem(self.all.len()).and_then(|i| self.all.get(i))
                else {
                    break;
                };
                match call(controller.as_ref()).await {
                    Err(error @ ServiceError::Unreachable(_)) => last = error,
                    answered => return answered,
                }
                // Another call may have gone on already.
                let _ = self.current.compare_exchange(
                    at,
                    at.wrapping_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            if self.all.is_empty() || Instant::now() >= until {
                return Err(last);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl ControllerService for Controllers {
    async fn cluster_id(&self) -> Result<String, ServiceError> {
        self.ask(|c| c.cluster_id()).await
    }

    async fn register(&self, instance: Instance) -> Result<(), ServiceError> {
        self.ask(|c| c.register(instance.clone())).await
    }

    async fn heartbeat(&self, instance_id: &str) -> Result<(), ServiceError> {
        self.ask(|c| c.heartbeat(instance_id)).await
    }

    async fn leave(&self, instance_id: &str) -> Result<(), ServiceError> {
        self.ask(|c| c.leave(instance_id)).await
    }

    async fn watch(&self, instance_id: &str, version: u64) -> Result<ClusterView, ServiceError> {
        self.ask(|c| c.watch(instance_id, version)).await
    }

    async fn report(
        &self,
        instance_id: &str,
        reports: Vec<ReplicaReport>,
    ) -> Result<(), ServiceError> {
        self.ask(|c| c.report(instance_id, reports.clone())).await
    }

    async fn segment_consumed(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.ask(|c| c.segment_consumed(request.clone())).await
    }

    async fn commit_start(
        &self,
        request: CompletionRequest,
    ) -> Result<CompletionAnswer, ServiceError> {
        self.ask(|c| c.commit_start(request.clone())).await
    }

    async fn commit_end(&self, end: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
        self.ask(|c| c.commit_end(end.clone())).await
    }

    async fn stopped_consuming(&self, request: CompletionRequest) -> Result<(), ServiceError> {
        self.ask(|c| c.stopped_consuming(request.clone())).await
    }

    async fn add_segment(&self, table: &str, record: SegmentRecord) -> Result<(), ServiceError> {
        self.ask(|c| c.add_segment(table, record.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::Controllers;
    use crate::controller_service::{
        ClusterView, CommitEnd, CompletionAnswer, CompletionRequest, ControllerService, Instance,
        ReplicaReport, SegmentRecord, ServiceError,
    };

    /// Answers heartbeats by one word, and counts them.
    struct One(Result<(), ServiceError>, AtomicUsize);

    fn none<T>() -> Result<T, ServiceError> {
        Err(ServiceError::Refused("not asked here".to_owned()))
    }

    #[async_trait]
    impl ControllerService for One {
        async fn register(&self, _: Instance) -> Result<(), ServiceError> {
            none()
        }
        async fn heartbeat(&self, _: &str) -> Result<(), ServiceError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.clone()
        }
        async fn watch(&self, _: &str, _: u64) -> Result<ClusterView, ServiceError> {
            none()
        }
        async fn report(&self, _: &str, _: Vec<ReplicaReport>) -> Result<(), ServiceError> {
            none()
        }
        async fn segment_consumed(
            &self,
            _: CompletionRequest,
        ) -> Result<CompletionAnswer, ServiceError> {
            none()
        }
        async fn commit_start(
            &self,
            _: CompletionRequest,
        ) -> Result<CompletionAnswer, ServiceError> {
            none()
        }
        async fn commit_end(&self, _: CommitEnd) -> Result<CompletionAnswer, ServiceError> {
            none()
        }
        async fn stopped_consuming(&self, _: CompletionRequest) -> Result<(), ServiceError> {
            none()
        }
        async fn add_segment(&self, _: &str, _: SegmentRecord) -> Result<(), ServiceError> {
            none()
        }
    }

    fn one(word: Result<(), ServiceError>) -> Arc<One> {
        Arc::new(One(word, AtomicUsize::new(0)))
    }

    #[tokio::test]
    async fn the_next_one_is_asked_and_stays() {
        let away = one(Err(ServiceError::Unreachable("a".to_owned())));
        let leader = one(Ok(()));
        let both = Controllers::new(vec![away.clone(), leader.clone()]);
        assert!(both.heartbeat("i").await.is_ok() && both.heartbeat("i").await.is_ok());
        assert_eq!(away.1.load(Ordering::Relaxed), 1);
        assert_eq!(leader.1.load(Ordering::Relaxed), 2);
        let refusing = one(none());
        let all = Controllers::new(vec![refusing.clone(), leader]);
        assert!(all.heartbeat("i").await.is_err());
        let mut nobody = Controllers::new(vec![away.clone(), away]);
        nobody.patience = std::time::Duration::from_millis(10);
        assert!(matches!(
            nobody.heartbeat("i").await,
            Err(ServiceError::Unreachable(_))
        ));
    }
}
