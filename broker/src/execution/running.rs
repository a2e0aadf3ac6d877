//! Queries that run now: to list them, to cancel them, to bound their number.
//!
//! Must not know: results. Invariant: an entry lives exactly as long as its permit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::routing::Server;

struct Entry {
    sql: String,
    client_id: Option<String>,
    servers: Vec<Arc<Server>>,
    cancelled: Arc<Notify>,
}

/// The queries.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashMap<u64, Entry>>);

/// The right to run; gives the place back when it goes.
pub(crate) struct Permit<'a> {
    running: &'a Running,
    request_id: u64,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.request_id);
    }
}

impl Running {
    /// Enters a query; `None` where too many run.
    pub(crate) fn enter(
        &self,
        request_id: u64,
        sql: &str,
        client_id: Option<&str>,
        limit: usize,
    ) -> Option<Permit<'_>> {
        let entry = Entry {
            sql: sql.to_owned(),
            client_id: client_id.map(str::to_owned),
            servers: Vec::new(),
            cancelled: Arc::default(),
        };
        let mut entries = self.0.lock();
        if entries.len() >= limit {
            return None;
        }
        entries.insert(request_id, entry);
        drop(entries);
        Some(Permit {
            running: self,
            request_id,
        })
    }

    /// Notes who works on a query.
    pub(crate) fn works_on(&self, request_id: u64, servers: impl Iterator<Item = Arc<Server>>) {
        if let Some(entry) = self.0.lock().get_mut(&request_id) {
            entry.servers.extend(servers);
        }
    }

    /// Tells when a query is cancelled, for what runs in the broker itself; `None` where it does not run.
    pub(crate) fn cancelled(&self, request_id: u64) -> Option<Arc<Notify>> {
        let entries = self.0.lock();
        entries
            .get(&request_id)
            .map(|entry| Arc::clone(&entry.cancelled))
    }

    /// Id -> text.
    pub(crate) fn list(&self) -> BTreeMap<String, String> {
        self.0
            .lock()
            .iter()
            .map(|(id, entry)| (id.to_string(), entry.sql.clone()))
            .collect()
    }

    /// Cancels a query on all of its servers; false where it does not run.
    pub(crate) async fn cancel(&self, id: &str, by_client_id: bool) -> bool {
        let found = {
            let entries = self.0.lock();
            if by_client_id {
                entries
                    .iter()
                    .find(|(_, e)| e.client_id.as_deref() == Some(id))
                    .map(|(request_id, e)| (*request_id, e.servers.clone(), e.cancelled.clone()))
            } else {
                id.parse().ok().and_then(|id: u64| {
                    let entry = entries.get(&id)?;
                    Some((id, entry.servers.clone(), entry.cancelled.clone()))
                })
            }
        };
        let Some((request_id, servers, cancelled)) = found else {
            return false;
        };
        cancelled.notify_one();
        let cancels = servers.iter().map(|s| s.service.cancel(request_id));
        futures::future::join_all(cancels).await;
        true
    }
}
