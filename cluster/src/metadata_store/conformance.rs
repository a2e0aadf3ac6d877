//! What every body of the metadata store must do.
//!
//! Must not know: any body. Invariant: runs against an empty store and says which rule is broken.

use std::time::Duration;

use super::{Expect, MetadataStore, SEAT, SharedStore, StoreError, Write};

fn rule(holds: bool, name: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("broken rule: {name}"))
    }
}

fn text(error: StoreError) -> String {
    error.to_string()
}

/// Runs the suite over an empty store.
///
/// # Errors
/// The first rule that is broken.
pub async fn check(store: &dyn MetadataStore) -> Result<(), String> {
    check_expectations(store).await?;
    check_batches(store).await?;
    check_lists(store).await
}

async fn check_expectations(store: &dyn MetadataStore) -> Result<(), String> {
    let mut watch = store.watch("");
    rule(
        store.get("a/1").await.map_err(text)?.is_none(),
        "an unknown key has no value",
    )?;
    let first = store
        .put("a/1", b"one".to_vec(), Expect::Absent)
        .await
        .map_err(text)?;
    rule(
        watch.has_changed().unwrap_or(false),
        "a write is told to watchers",
    )?;
    watch.borrow_and_update();
    let found = store.get("a/1").await.map_err(text)?;
    rule(
        found.is_some_and(|v| v.value == b"one" && v.version == first),
        "a value comes back with the version of its write",
    )?;
    rule(
        store
            .put("a/1", b"x".to_vec(), Expect::Absent)
            .await
            .is_err(),
        "Absent refuses a present key",
    )?;
    let second = store
        .put("a/1", b"two".to_vec(), Expect::Version(first))
        .await
        .map_err(text)?;
    rule(second > first, "versions grow")?;
    rule(
        store
            .put("a/1", b"x".to_vec(), Expect::Version(first))
            .await
            .is_err(),
        "an old version is refused",
    )?;
    rule(
        store.delete("a/1", Expect::Version(first)).await.is_err(),
        "a deletion keeps its expectation",
    )?;
    store
        .delete("a/1", Expect::Version(second))
        .await
        .map_err(text)?;
    rule(
        store.get("a/1").await.map_err(text)?.is_none(),
        "a deleted key is gone",
    )
}

async fn check_batches(store: &dyn MetadataStore) -> Result<(), String> {
    store
        .put("b/there", b"1".to_vec(), Expect::Any)
        .await
        .map_err(text)?;
    let refused = store
        .write(vec![
            Write::put("b/new".to_owned(), b"2".to_vec()),
            Write {
                key: "b/there".to_owned(),
                value: None,
                expect: Expect::Absent,
            },
        ])
        .await;
    rule(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "a batch with a broken expectation is a conflict",
    )?;
    rule(
        store.get("b/new").await.map_err(text)?.is_none(),
        "a refused batch writes nothing",
    )
}

async fn check_lists(store: &dyn MetadataStore) -> Result<(), String> {
    for key in ["c/2", "c/1", "c", "cc/1", "d"] {
        store
            .put(key, key.as_bytes().to_vec(), Expect::Any)
            .await
            .map_err(text)?;
    }
    let listed = store.list("c/").await.map_err(text)?;
    let keys: Vec<&str> = listed.iter().map(|(key, _)| key.as_str()).collect();
    rule(
        keys == ["c/1", "c/2"],
        "a list holds the prefix alone, in order",
    )
}

/// More writes than any body takes in one transaction.
const MANY: usize = 1000;

/// Runs the suite of stores with a seat over an empty one.
///
/// # Errors
/// The first rule that is broken.
pub async fn check_shared(store: &dyn SharedStore) -> Result<(), String> {
    let first = store.take_seat("one").await.map_err(text)?;
    let first = first.ok_or("broken rule: an empty seat can be taken")?;
    rule(
        store.take_seat("two").await.map_err(text)?.is_none(),
        "a seat has one holder",
    )?;
    let held = store.get(SEAT).await.map_err(text)?;
    rule(
        held.is_some_and(|v| v.value == b"one"),
        "the seat tells its holder",
    )?;
    let mut followed = store.follow().await.map_err(text)?;
    rule(
        followed.entries.iter().any(|(key, _)| key == SEAT),
        "a follower begins with everything",
    )?;
    let put = |key: String| Write::put(key, b"v".to_vec());
    let many = (0..MANY).map(|n| put(format!("many/{n:04}"))).collect();
    let written = store.write_in(&first, many).await.map_err(text)?;
    let mut seen = 0;
    while seen < MANY {
        let step = tokio::time::timeout(Duration::from_secs(10), followed.steps.recv()).await;
        let (revision, step) = step
            .ok()
            .flatten()
            .ok_or("broken rule: a follower sees every write")?;
        rule(
            revision <= written.max(revision),
            "steps have their revision",
        )?;
        seen += step
            .iter()
            .filter(|(key, _)| key.starts_with("many/"))
            .count();
    }
    let listed = store.list("many/").await.map_err(text)?;
    rule(listed.len() == MANY, "a large batch is written as a whole")?;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(store.seat_ms() / 2)).await;
        rule(
            store.keep_seat(&first).await.map_err(text)?,
            "who says so keeps the seat",
        )?;
    }
    check_terms(store, &first).await
}

async fn check_terms(store: &dyn SharedStore, first: &super::Term) -> Result<(), String> {
    let put = || vec![Write::put("fenced".to_owned(), b"v".to_vec())];
    let silence = Duration::from_millis(store.seat_ms().saturating_mul(2).saturating_add(1000));
    tokio::time::sleep(silence).await;
    let second = store.take_seat("two").await.map_err(text)?;
    let second = second.ok_or("broken rule: who says nothing loses the seat")?;
    rule(second.number > first.number, "terms grow")?;
    rule(
        matches!(store.write_in(first, put()).await, Err(StoreError::Deposed)),
        "a write in an old term is refused",
    )?;
    rule(
        store.get("fenced").await.map_err(text)?.is_none(),
        "a refused write leaves nothing",
    )?;
    rule(
        !store.keep_seat(first).await.unwrap_or(false),
        "an old term cannot be kept",
    )?;
    store.settle(&second).await.map_err(text)?;
    store.write_in(&second, put()).await.map_err(text)?;
    store.leave_seat(&second).await.map_err(text)?;
    rule(
        matches!(
            store.write_in(&second, put()).await,
            Err(StoreError::Deposed)
        ),
        "a term that was left is over",
    )?;
    rule(
        store.take_seat("three").await.map_err(text)?.is_some(),
        "a seat that was left can be taken at once",
    )
}

#[cfg(test)]
mod tests {
    use super::super::{EmbeddedStore, MemoryStore, MetadataStore};
    use super::{check, check_shared};

    #[tokio::test]
    async fn memory_shared() -> Result<(), String> {
        check_shared(&MemoryStore::default()).await
    }

    #[tokio::test]
    async fn memory() -> Result<(), String> {
        check(&MemoryStore::default()).await
    }

    #[tokio::test]
    async fn embedded() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metadata.redb");
        let first = EmbeddedStore::open(&path)?;
        check(&first).await?;
        assert!(EmbeddedStore::open(&path).is_err());
        first.close();
        assert!(first.get("a").await.is_err());
        let again = EmbeddedStore::open(&path)?;
        assert_eq!(again.list("c/").await?.len(), 2);
        assert!(*again.watch("").borrow() > 0);
        Ok(())
    }
}
