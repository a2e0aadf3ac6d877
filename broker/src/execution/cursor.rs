//! Results that are kept to be read page by page.
//!
//! Must not know: HTTP. Invariant: at most a fixed number of results, each for an hour at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Core;
use crate::request::QueryInput;
use crate::response::{BrokerResponse, CursorPage};

/// Rows of a page where the client asks for no number.
const DEFAULT_ROWS: usize = 10_000;
const KEPT_MS: i64 = 3_600_000;
const KEPT_RESULTS: usize = 256;

struct Kept {
    response: BrokerResponse,
    submitted_ms: i64,
    expires_ms: i64,
    bytes: usize,
}

/// The kept results, by request id.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<BTreeMap<u64, Arc<Kept>>>);

impl Core {
    /// Runs a query, keeps its result and answers its first page.
    pub(crate) async fn answer_with_cursor(
        &self,
        input: QueryInput,
        rows: Option<usize>,
    ) -> BrokerResponse {
        let submitted_ms = self.clock.now_ms();
        let response = self.answer(input).await;
        let (Some(id), true) = (response.request_id, response.table.is_some()) else {
            return response;
        };
        let bytes = response.to_json().len();
        let kept = Arc::new(Kept {
            response,
            submitted_ms,
            expires_ms: submitted_ms + KEPT_MS,
            bytes,
        });
        let mut all = self.cursors.0.lock();
        all.retain(|_, kept| kept.expires_ms > submitted_ms);
        while all.len() >= KEPT_RESULTS {
            all.pop_first();
        }
        all.insert(id, Arc::clone(&kept));
        drop(all);
        self.page(&kept, 0, rows.unwrap_or(DEFAULT_ROWS))
    }

    fn kept(&self, id: &str) -> Result<Arc<Kept>, String> {
        let now = self.clock.now_ms();
        id.parse()
            .ok()
            .and_then(|id: u64| self.cursors.0.lock().get(&id).cloned())
            .filter(|kept| kept.expires_ms > now)
            .ok_or_else(|| format!("Query results for {id} not found."))
    }

    /// A page of a kept result; without a number the page is empty and only the numbers are told.
    ///
    /// # Errors
    /// Status and message where there is no such result or row.
    pub(crate) fn cursor(
        &self,
        id: &str,
        page: Option<(usize, Option<usize>)>,
    ) -> Result<BrokerResponse, (u16, String)> {
        let kept = self.kept(id).map_err(|message| (404, message))?;
        let total = kept.response.table.as_ref().map_or(0, |t| t.rows.len());
        match page {
            None => {
                let mut response = self.page(&kept, 0, 0);
                response.table = None;
                Ok(response)
            }
            Some((offset, _)) if offset >= total && offset > 0 => Err((
                400,
                format!("Offset {offset} should be lesser than totalRecords {total}"),
            )),
            Some((offset, rows)) => Ok(self.page(&kept, offset, rows.unwrap_or(DEFAULT_ROWS))),
        }
    }

    /// Every kept result without rows.
    pub(crate) fn all_cursors(&self) -> Vec<BrokerResponse> {
        let all: Vec<Arc<Kept>> = self.cursors.0.lock().values().cloned().collect();
        all.iter()
            .map(|kept| {
                let mut response = self.page(kept, 0, 0);
                response.table = None;
                response
            })
            .collect()
    }

    /// Forgets a result; false where there is none.
    pub(crate) fn forget_cursor(&self, id: &str) -> bool {
        id.parse()
            .is_ok_and(|id: u64| self.cursors.0.lock().remove(&id).is_some())
    }

    fn page(&self, kept: &Kept, offset: usize, rows: usize) -> BrokerResponse {
        let total = kept.response.table.as_ref().map_or(0, |t| t.rows.len());
        let mut response = BrokerResponse {
            table: None,
            ..kept.response.clone_without_rows()
        };
        if let Some(table) = &kept.response.table {
            let page = table.rows.iter().skip(offset).take(rows);
            response.table = Some(query::ResultTable {
                names: table.names.clone(),
                types: table.types.clone(),
                rows: page.cloned().collect(),
            });
        }
        let num_rows = response.table.as_ref().map_or(0, |t| t.rows.len());
        response.cursor = Some(CursorPage {
            offset,
            num_rows,
            total_rows: total,
            submitted_ms: kept.submitted_ms,
            expires_ms: kept.expires_ms,
            broker_host: self.host.clone(),
            broker_port: self.port,
            bytes: kept.bytes,
        });
        response
    }
}
