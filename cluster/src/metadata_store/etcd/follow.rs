//! Following what is written to etcd.
//!
//! Must not know: what the values mean. Invariant: steps come in the order of their revisions, none twice; whatever goes wrong ends
//! the channel.

use futures::{StreamExt, stream};
use proto::etcd::event::EventType;
use proto::etcd::watch_client::WatchClient;
use proto::etcd::watch_request::RequestUnion;
use proto::etcd::{WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::sync::mpsc;

use super::{EtcdStore, MAX_MESSAGE_BYTES, end_of, number, revision_of};
use crate::metadata_store::StoreError;
use crate::metadata_store::shared::{Followed, Step};

/// Steps that wait for a slow follower.
const WAITING: usize = 64;

/// Reads everything, then watches from the next revision on.
pub(super) async fn begin(store: &EtcdStore) -> Result<Followed, StoreError> {
    let (revision, entries) = store.pages("").await?;
    let from = WatchCreateRequest {
        key: store.prefix.clone().into_bytes(),
        range_end: end_of(&store.prefix),
        start_revision: i64::try_from(revision)
            .unwrap_or(i64::MAX)
            .saturating_add(1),
    };
    let request = WatchRequest {
        request_union: Some(RequestUnion::CreateRequest(from)),
    };
    let watch = |link| {
        // The watch lives as long as its requests may come.
        let asked = stream::iter([request.clone()]).chain(stream::pending());
        let mut client = WatchClient::new(link).max_decoding_message_size(MAX_MESSAGE_BYTES);
        async move { client.watch(asked).await }
    };
    let mut answers = store.way.ask("follow what is written", watch).await?;
    let (sender, steps) = mpsc::channel(WAITING);
    let store = store.clone();
    tokio::spawn(async move {
        loop {
            let answer = tokio::select! {
                answer = answers.message() => answer,
                () = sender.closed() => return,
            };
            let Ok(Some(answer)) = answer else { return };
            if answer.canceled || answer.compact_revision != 0 {
                return;
            }
            let Some(step) = step(&store, &answer) else {
                continue;
            };
            let revision = revision_of(answer.header.as_ref());
            store
                .revision
                .send_modify(|last| *last = revision.max(*last));
            if sender.send((revision, step)).await.is_err() {
                return;
            }
        }
    });
    Ok(Followed {
        revision,
        entries,
        steps,
    })
}

fn step(store: &EtcdStore, answer: &WatchResponse) -> Option<Step> {
    let mut step = Step::new();
    let mut newest = 0;
    for event in &answer.events {
        let kv = event.kv.as_ref()?;
        newest = newest.max(number(kv.mod_revision));
        let gone = event.r#type == i32::from(EventType::Delete);
        step.push((store.plain(&kv.key), (!gone).then(|| kv.value.clone())));
    }
    (newest > 0).then_some(step)
}
