//! A way into the broker for those who speak no HTTP.
//!
//! Must not know: protocols, messages. Invariant: a query that comes this way is checked, counted and bounded as one that comes over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{Access, Principal};
use common::{ErrorCode, QueryException, Schema, ids};

use crate::execution::{Core, refused_option};
use crate::request::QueryInput;
use crate::response::{BrokerResponse, Failure};
use crate::rest::is_change;
use crate::routing::enabled;

/// The door.
#[derive(Clone)]
pub struct Door(pub(crate) Arc<Core>);

impl Door {
    /// Who may do what.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.0.access
    }

    /// Answers a query; where the broker asks who somebody is, the input must say it.
    pub async fn answer(&self, input: QueryInput) -> BrokerResponse {
        let refused = |code, message: &str| {
            BrokerResponse::failed(Failure::named(QueryException::new(code, message)))
        };
        if self.0.access.is_closed() && input.principal.is_none() {
            return refused(ErrorCode::AccessDenied, "nobody said who asks");
        }
        if let Some(message) = refused_option(&input) {
            return refused(ErrorCode::QueryValidation, &message);
        }
        if is_change(&input) {
            let message =
                "INSERT and DELETE come over HTTP, at `/query/sql` or at the controller's `/sql`";
            return refused(ErrorCode::QueryValidation, message);
        }
        self.0.answer(input).await
    }

    /// The tables that somebody may read, by name without type.
    #[must_use]
    pub fn tables(&self, principal: Option<&Principal>) -> BTreeMap<String, Arc<Schema>> {
        let routing = self.0.routing.load();
        let mut tables = BTreeMap::new();
        for view in routing.views().filter(|view| enabled(view)) {
            let raw = ids::split_type(&view.name).0;
            if principal.is_some_and(|p| !p.may_touch(&view.name)) || tables.contains_key(raw) {
                continue;
            }
            if let Some(table) = routing.table(&view.name) {
                tables.insert(raw.to_owned(), Arc::clone(&table.schema));
            }
        }
        tables
    }

    /// Where the controller is, as `host:port`: it takes rows.
    #[must_use]
    pub fn controller(&self) -> Option<String> {
        self.0.routing.load().controller().map(str::to_owned)
    }

    /// Cancels the query whose option `clientQueryId` is that; false where none runs.
    pub async fn cancel(&self, client_id: &str) -> bool {
        self.0.running.cancel(client_id, true).await
    }
}
