//! A store that is asked again where it failed for a moment.
//!
//! Must not know: which store. Invariant: between two tries lies a pause that doubles, with chance in it so that servers do not come
//! together; what does not change by trying again is said at once.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Listed, ObjectError, Objects};

/// Tries of one request; with the pauses between them about 13 seconds.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The store.
#[derive(Debug)]
pub(super) struct Patient<O> {
    store: O,
    first_pause: Duration,
}

impl<O: Objects> Patient<O> {
    pub(super) fn new(store: O) -> Self {
        Self {
            store,
            first_pause: FIRST_PAUSE,
        }
    }

    async fn again<T, F: Future<Output = Result<T, ObjectError>> + Send>(
        &self,
        doing: &str,
        mut ask: impl FnMut() -> F + Send,
    ) -> Result<T, ObjectError> {
        let mut pause = self.first_pause;
        for number in 1.. {
            match ask().await {
                Err(ObjectError::Passing(why)) if number < TRIES => {
                    tracing::warn!(doing, number, why, "object store failed, trying again");
                }
                other => return other,
            }
            tokio::time::sleep(pause.mul_f64(0.5 + chance())).await;
            pause *= 2;
        }
        Err(ObjectError::Passing(format!("gave up: {doing}")))
    }
}

/// A number from 0 to 1 that differs from process to process and moment to moment.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

#[async_trait]
impl<O: Objects> Objects for Patient<O> {
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.again("write", || self.store.put(key, bytes.clone()))
            .await
    }

    async fn put_file(&self, key: &str, path: &Path) -> Result<(), ObjectError> {
        self.again("write", || self.store.put_file(key, path)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.again("read", || self.store.get(key)).await
    }

    async fn get_to(&self, key: &str, path: &Path) -> Result<(), ObjectError> {
        self.again("read", || self.store.get_to(key, path)).await
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.again("delete", || self.store.delete(key)).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), ObjectError> {
        self.again("rename", || self.store.rename(from, to)).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, ObjectError> {
        self.again("list", || self.store.list(folder)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Fails so many times.
    #[derive(Debug)]
    struct Ill(AtomicU32);

    impl Ill {
        fn ask(&self) -> Result<(), ObjectError> {
            let left = self.0.load(Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), Ordering::Relaxed);
            match left {
                0 => Ok(()),
                99 => Err(ObjectError::Missing),
                _ => Err(ObjectError::Passing("busy".to_owned())),
            }
        }
    }

    #[async_trait]
    impl Objects for Ill {
        async fn put(&self, _: &str, _: Bytes) -> Result<(), ObjectError> {
            self.ask()
        }
        async fn put_file(&self, _: &str, _: &Path) -> Result<(), ObjectError> {
            self.ask()
        }
        async fn get(&self, _: &str) -> Result<Bytes, ObjectError> {
            self.ask().map(|()| Bytes::new())
        }
        async fn get_to(&self, _: &str, _: &Path) -> Result<(), ObjectError> {
            self.ask()
        }
        async fn delete(&self, _: &str) -> Result<(), ObjectError> {
            self.ask()
        }
        async fn rename(&self, _: &str, _: &str) -> Result<(), ObjectError> {
            self.ask()
        }
        async fn list(&self, _: &str) -> Result<Vec<Listed>, ObjectError> {
            self.ask().map(|()| Vec::new())
        }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again() {
        let store = |failures| Patient {
            store: Ill(AtomicU32::new(failures)),
            first_pause: Duration::from_micros(10),
        };
        assert!(store(TRIES - 1).get("k").await.is_ok());
        assert!(matches!(
            store(TRIES).get("k").await,
            Err(ObjectError::Passing(_))
        ));
        let missing = store(99);
        assert!(matches!(missing.get("k").await, Err(ObjectError::Missing)));
        assert_eq!(missing.store.0.load(Ordering::Relaxed), 98, "asked once");
    }
}
