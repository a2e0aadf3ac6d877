//! Spawned tasks that end with their group.
//!
//! Must not know: what the tasks do. Invariant: dropping the group cancels every task of it.

use std::future::Future;

use parking_lot::Mutex;
use tokio::task::JoinSet;

/// A group of tasks.
#[derive(Debug, Default)]
pub struct TaskGroup {
    tasks: Mutex<JoinSet<()>>,
}

impl TaskGroup {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that is cancelled when the group goes. Call it within a runtime.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until every task has ended by itself, at most so long, and cancels what is left.
    pub async fn finish(&self, limit: std::time::Duration) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tasks.shutdown().await;
        }
    }

    /// Cancels every task and waits until they are gone.
    pub async fn shutdown(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::TaskGroup;

    #[tokio::test]
    async fn finish_waits_for_what_ends() {
        let group = TaskGroup::new();
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = Arc::clone(&done);
        group.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            seen.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        group.finish(std::time::Duration::from_secs(10)).await;
        assert!(done.load(std::sync::atomic::Ordering::SeqCst));
        group.spawn(std::future::pending());
        group.finish(std::time::Duration::from_millis(5)).await;
    }

    #[tokio::test]
    async fn drop_cancels() {
        let alive = Arc::new(());
        let group = TaskGroup::new();
        let held = Arc::clone(&alive);
        group.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        drop(group);
        for _ in 0..100 {
            if Arc::strong_count(&alive) == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the task outlived its group");
    }
}
