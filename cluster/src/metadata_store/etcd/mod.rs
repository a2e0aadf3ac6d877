//! The metadata store in etcd, shared by several controllers: the seat is a key under a lease.
//!
//! Must not know: what the values mean. Invariants: every write in a term compares the seat's key in the same transaction; a batch
//! that is larger than one transaction is a journal first, so that the next holder completes what this one had begun.

mod follow;
mod journal;
mod settings;
mod way;

pub use settings::EtcdSettings;

use std::sync::Arc;

use async_trait::async_trait;
use proto::etcd::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcd::kv_client::KvClient;
use proto::etcd::lease_client::LeaseClient;
use proto::etcd::request_op::Request as Op;
use proto::etcd::{
    Compare, DeleteRangeRequest, KeyValue, LeaseGrantRequest, LeaseKeepAliveRequest,
    LeaseRevokeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest,
    TxnResponse,
};
use tokio::sync::watch;

use way::{Link, PATIENCE, Way};

use super::shared::{Followed, SEAT, SharedStore, Term};
use super::{Expect, MetadataStore, Revisions, StoreError, Versioned, Write, failed};

/// Seconds that a silent holder keeps the seat; etcd takes two at least.
const SEAT_SECONDS: i64 = 2;
/// Keys of one page of a list.
const PAGE: i64 = 2000;
/// Writes of one transaction; etcd takes 128 by default.
const BATCH: usize = 100;
/// Bytes of one transaction; etcd takes 1.5 MiB by default.
const BATCH_BYTES: usize = 1 << 20;
const MAX_MESSAGE_BYTES: usize = 1 << 30;

/// A store in etcd.
#[derive(Debug, Clone)]
pub struct EtcdStore {
    way: Arc<Way>,
    prefix: String,
    revision: Arc<watch::Sender<u64>>,
}

fn wrong(doing: &str, why: &'static str) -> StoreError {
    failed(doing)(std::io::Error::other(why))
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn revision_of(header: Option<&proto::etcd::ResponseHeader>) -> u64 {
    header.map_or(0, |header| number(header.revision))
}

/// The key behind every key that begins with `prefix`.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last.wrapping_add(1));
            return end;
        }
    }
    vec![0]
}

fn compare(key: Vec<u8>, target: CompareTarget, value: TargetUnion) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key,
        target_union: Some(value),
    }
}

fn kv(link: Link) -> KvClient<Link> {
    KvClient::new(link)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

fn put(key: Vec<u8>, value: Vec<u8>, lease: i64) -> RequestOp {
    RequestOp {
        request: Some(Op::RequestPut(PutRequest { key, value, lease })),
    }
}

impl EtcdStore {
    /// Names the members; connects with the first call.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn connect(settings: &EtcdSettings) -> Result<Self, StoreError> {
        Ok(Self {
            way: Arc::new(Way::open(settings)?),
            prefix: settings.prefix.clone(),
            revision: Arc::new(watch::channel(0).0),
        })
    }

    async fn range(
        &self,
        doing: &str,
        request: &RangeRequest,
    ) -> Result<RangeResponse, StoreError> {
        let ask = |link| {
            let request = request.clone();
            async move { kv(link).range(request).await }
        };
        self.way.ask(doing, ask).await
    }

    fn key(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.prefix).into_bytes()
    }

    /// A key of ours without the prefix.
    fn plain(&self, key: &[u8]) -> String {
        let key = String::from_utf8_lossy(key);
        key.strip_prefix(&self.prefix).unwrap_or(&key).to_owned()
    }

    fn entry(&self, kv: KeyValue) -> (String, Versioned) {
        let version = number(kv.mod_revision);
        let value = kv.value;
        (self.plain(&kv.key), Versioned { version, value })
    }

    /// Keys that begin with `prefix` at one revision, and that revision.
    async fn pages(&self, prefix: &str) -> Result<(u64, Vec<(String, Versioned)>), StoreError> {
        let doing = format!("list `{prefix}`");
        let whole = format!("{}{prefix}", self.prefix);
        let range_end = end_of(&whole);
        let (mut key, mut revision, mut found) = (whole.into_bytes(), 0, Vec::new());
        loop {
            let request = RangeRequest {
                key: key.clone(),
                range_end: range_end.clone(),
                limit: PAGE,
                revision,
            };
            let page = self.range(&doing, &request).await?;
            if revision == 0 {
                revision = page.header.as_ref().map_or(0, |h| h.revision);
            }
            if let Some(last) = page.kvs.last() {
                key.clone_from(&last.key);
                key.push(0);
            }
            found.extend(page.kvs.into_iter().map(|kv| self.entry(kv)));
            if !page.more {
                return Ok((number(revision), found));
            }
        }
    }

    /// What must hold for a write in a term.
    fn fence(&self, term: &Term) -> Compare {
        let taken = i64::try_from(term.number).unwrap_or(i64::MAX);
        compare(
            self.key(SEAT),
            CompareTarget::Create,
            TargetUnion::CreateRevision(taken),
        )
    }

    fn expectation(&self, write: &Write) -> Option<Compare> {
        let key = self.key(&write.key);
        match write.expect {
            Expect::Any => None,
            Expect::Absent => Some(compare(
                key,
                CompareTarget::Create,
                TargetUnion::CreateRevision(0),
            )),
            Expect::Version(version) => {
                let version = i64::try_from(version).unwrap_or(i64::MAX);
                let expected = TargetUnion::ModRevision(version);
                Some(compare(key, CompareTarget::Mod, expected))
            }
        }
    }

    fn operation(&self, write: &Write) -> RequestOp {
        let key = self.key(&write.key);
        match &write.value {
            Some(value) => put(key, value.clone(), 0),
            None => RequestOp {
                request: Some(Op::RequestDeleteRange(DeleteRangeRequest {
                    key,
                    range_end: Vec::new(),
                })),
            },
        }
    }

    /// One transaction; `Err(Deposed)` or a conflict where a comparison failed.
    async fn transaction(
        &self,
        term: Option<&Term>,
        writes: &[Write],
        more: Vec<RequestOp>,
    ) -> Result<u64, StoreError> {
        let mut conditions: Vec<Compare> =
            writes.iter().filter_map(|w| self.expectation(w)).collect();
        conditions.extend(term.map(|term| self.fence(term)));
        // Later writes of a key win, and a transaction takes a key once.
        let mut last: std::collections::BTreeMap<&str, &Write> = std::collections::BTreeMap::new();
        for write in writes {
            last.insert(&write.key, write);
        }
        let mut success: Vec<RequestOp> = last.values().map(|w| self.operation(w)).collect();
        success.extend(more);
        let answer = self.submit("write", conditions, success).await?;
        if answer.succeeded {
            let revision = revision_of(answer.header.as_ref());
            self.revision
                .send_modify(|last| *last = revision.max(*last));
            return Ok(revision);
        }
        if let Some(term) = term
            && !self.is_current(term).await?
        {
            return Err(StoreError::Deposed);
        }
        let named = writes.iter().find(|w| w.expect != Expect::Any);
        Err(StoreError::Conflict {
            key: named.map(|w| w.key.clone()).unwrap_or_default(),
            found: "another version".to_owned(),
        })
    }

    async fn submit(
        &self,
        doing: &str,
        compare: Vec<Compare>,
        success: Vec<RequestOp>,
    ) -> Result<TxnResponse, StoreError> {
        let request = TxnRequest {
            compare,
            success,
            failure: Vec::new(),
        };
        let ask = |link| {
            let request = request.clone();
            async move { kv(link).txn(request).await }
        };
        self.way.ask(doing, ask).await
    }

    /// Whether the seat is still the one that the term took.
    async fn is_current(&self, term: &Term) -> Result<bool, StoreError> {
        let request = RangeRequest {
            key: self.key(SEAT),
            ..RangeRequest::default()
        };
        let found = self.range("look at the seat", &request).await?;
        let taken = found.kvs.first().map(|kv| number(kv.create_revision));
        Ok(taken == Some(term.number))
    }

    async fn write_all(&self, term: Option<&Term>, batch: &[Write]) -> Result<u64, StoreError> {
        let bytes = |w: &Write| {
            w.value
                .as_ref()
                .map_or(0, Vec::len)
                .saturating_add(w.key.len())
        };
        let size: usize = batch.iter().map(bytes).sum();
        if batch.len() <= BATCH && size <= BATCH_BYTES {
            return self.transaction(term, batch, Vec::new()).await;
        }
        journal::write(self, term, batch).await
    }
}

#[async_trait]
impl MetadataStore for EtcdStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let request = RangeRequest {
            key: self.key(key),
            ..RangeRequest::default()
        };
        let found = self.range(&format!("read `{key}`"), &request).await?;
        Ok(found.kvs.into_iter().next().map(|kv| self.entry(kv).1))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        Ok(self.pages(prefix).await?.1)
    }

    async fn write(&self, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.write_all(None, &batch).await
    }

    fn watch(&self, _prefix: &str) -> Revisions {
        self.revision.subscribe()
    }
}

#[async_trait]
impl SharedStore for EtcdStore {
    async fn take_seat(&self, holder: &str) -> Result<Option<Term>, StoreError> {
        if self.get(SEAT).await?.is_some() {
            return Ok(None);
        }
        let doing = "take the leader's seat";
        let request = LeaseGrantRequest { ttl: SEAT_SECONDS };
        let grant = |link| async move { LeaseClient::new(link).lease_grant(request).await };
        let lease = self.way.ask(doing, grant).await?.id;
        let free = compare(
            self.key(SEAT),
            CompareTarget::Create,
            TargetUnion::CreateRevision(0),
        );
        let taken = put(self.key(SEAT), holder.as_bytes().to_vec(), lease);
        let answer = self.submit(doing, vec![free], vec![taken]).await?;
        let number = revision_of(answer.header.as_ref());
        let term = Term { number, lease };
        if answer.succeeded {
            return Ok(Some(term));
        }
        self.leave_seat(&term).await?;
        Ok(None)
    }

    async fn keep_seat(&self, term: &Term) -> Result<bool, StoreError> {
        let doing = "keep the leader's seat";
        let request = LeaseKeepAliveRequest { id: term.lease };
        let keep = |link| async move {
            let asked = futures::stream::iter([request]);
            LeaseClient::new(link).lease_keep_alive(asked).await
        };
        let mut answers = self.way.ask(doing, keep).await?;
        let answer = tokio::time::timeout(PATIENCE, answers.message()).await;
        let answer = answer.map_err(|_| wrong(doing, "etcd does not answer in time"))?;
        // A lease that is over has no time left.
        Ok(answer
            .map_err(failed(doing))?
            .is_some_and(|kept| kept.ttl > 0))
    }

    async fn leave_seat(&self, term: &Term) -> Result<(), StoreError> {
        let request = LeaseRevokeRequest { id: term.lease };
        let leave = |link| async move { LeaseClient::new(link).lease_revoke(request).await };
        self.way.ask("leave the seat", leave).await?;
        Ok(())
    }

    async fn write_in(&self, term: &Term, batch: Vec<Write>) -> Result<u64, StoreError> {
        self.write_all(Some(term), &batch).await
    }

    async fn settle(&self, term: &Term) -> Result<(), StoreError> {
        journal::settle(self, term).await
    }

    async fn follow(&self) -> Result<Followed, StoreError> {
        follow::begin(self).await
    }

    fn seat_ms(&self) -> u64 {
        number(SEAT_SECONDS).saturating_mul(1000)
    }
}
