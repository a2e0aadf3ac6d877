//! The ports of Postgres and Flight SQL, in front of the broker of this process.
//!
//! Must not know: the protocols' messages. Invariant: who may ask what is judged by the broker's own access control, as over HTTP.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use broker::{BrokerResponse, Door, QueryInput};
use cluster::listen::{Listener, Tls};
use cluster::{Permission, Principal, Settings, TaskGroup};
use common::ErrorCode;
use tokio::net::TcpListener;
use wire::{Ask, Caller, NotLetIn, Refusal, Rows, Source, Table, flight, postgres};

use crate::error::{ErrorKind, TourigaError};

/// The option by which a query can be cancelled.
const CLIENT_ID: &str = "clientQueryId";

struct Broker(Door);

/// Who asks, as the broker knows it.
fn principal(caller: &Caller) -> Option<Arc<Principal>> {
    let rights: Arc<dyn Any + Send + Sync> = caller.rights.clone()?;
    rights.downcast().ok()
}

#[async_trait]
impl Source for Broker {
    fn asks_for_proof(&self) -> bool {
        self.0.access().is_closed()
    }

    async fn who(&self, authorization: Option<&str>) -> Result<Caller, NotLetIn> {
        if !self.asks_for_proof() {
            return Ok(Caller {
                name: "anonymous".to_owned(),
                rights: None,
            });
        }
        let known = self.0.access().who(authorization).await;
        let principal = known.ok_or(NotLetIn::Unknown)?;
        if !principal.may(Permission::Read) {
            return Err(NotLetIn::MayNotRead);
        }
        Ok(Caller {
            name: principal.name.clone(),
            rights: Some(principal),
        })
    }

    async fn answer(&self, caller: &Caller, ask: Ask) -> Result<Rows, Refusal> {
        let mut input = QueryInput::new(ask.sql);
        for (name, value) in &ask.options {
            input.options.set(name, value);
        }
        if !ask.id.is_empty() && input.options.get("clientqueryid").is_none() {
            input.options.set(CLIENT_ID, &ask.id);
        }
        input.database = ask.database;
        input.principal = principal(caller);
        rows(self.0.answer(input).await)
    }

    fn tables(&self, caller: &Caller) -> Vec<Table> {
        let principal = principal(caller);
        if self.asks_for_proof() && principal.is_none() {
            return Vec::new();
        }
        let tables = self.0.tables(principal.as_deref());
        let table = |(name, schema)| Table { name, schema };
        tables.into_iter().map(table).collect()
    }

    async fn cancel(&self, id: &str) {
        self.0.cancel(id).await;
    }
}

/// The rows of a response that is no failure.
fn rows(response: BrokerResponse) -> Result<Rows, Refusal> {
    if let Some(failure) = response.failures.into_iter().next() {
        return Err(Refusal {
            code: failure.code,
            message: failure.message,
        });
    }
    let table = response.table.ok_or_else(|| Refusal {
        code: ErrorCode::Internal,
        message: "the query answered no table".to_owned(),
    })?;
    Ok(Rows {
        names: table.names,
        types: table.types,
        rows: table.rows,
    })
}

/// The ports that are open; they close when it goes.
pub(crate) struct Ports {
    /// The Postgres protocol.
    pub(crate) postgres: Option<SocketAddr>,
    /// Flight SQL.
    pub(crate) flight: Option<SocketAddr>,
    tasks: TaskGroup,
}

impl Ports {
    /// Opens the ports that settings name: `postgres.port` and `flight.port`; 0 takes any free one.
    pub(crate) async fn open(
        settings: &Settings,
        door: Door,
        tls: Option<Arc<Tls>>,
    ) -> Result<Self, TourigaError> {
        let source: Arc<dyn Source> = Arc::new(Broker(door));
        let mut ports = Self {
            postgres: None,
            flight: None,
            tasks: TaskGroup::new(),
        };
        if let Some(port) = port(settings, "postgres.port")? {
            ports.open_postgres(port, &source, tls.clone()).await?;
        }
        if let Some(port) = port(settings, "flight.port")? {
            ports.open_flight(port, source, tls).await?;
        }
        Ok(ports)
    }

    async fn open_postgres(
        &mut self,
        port: u16,
        source: &Arc<dyn Source>,
        tls: Option<Arc<Tls>>,
    ) -> Result<(), TourigaError> {
        let listener = TcpListener::bind(("0.0.0.0", port))
            .await
            .map_err(|e| taken("postgres.port", port, e))?;
        self.postgres = listener.local_addr().ok();
        let security = postgres::Security {
            required: tls.as_ref().is_some_and(|tls| tls.is_required()),
            certificate: tls.map(|tls| -> postgres::Certificate { Arc::new(move || tls.config()) }),
        };
        tracing::info!(at = ?self.postgres, "answers the Postgres protocol");
        self.tasks
            .spawn(postgres::serve(listener, Arc::clone(source), security));
        Ok(())
    }

    async fn open_flight(
        &mut self,
        port: u16,
        source: Arc<dyn Source>,
        tls: Option<Arc<Tls>>,
    ) -> Result<(), TourigaError> {
        let listener = Listener::bind(&format!("0.0.0.0:{port}"), tls.as_ref())
            .await
            .map_err(|e| taken("flight.port", port, e))?;
        self.flight = listener.address().ok();
        tracing::info!(at = ?self.flight, "answers Arrow Flight SQL");
        self.tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, flight::router(source)).await {
                tracing::error!(%error, "the listener of Flight SQL ended");
            }
        });
        Ok(())
    }

    /// Closes the ports.
    pub(crate) async fn close(&self) {
        self.tasks.shutdown().await;
    }
}

fn port(settings: &Settings, name: &str) -> Result<Option<u16>, TourigaError> {
    settings
        .number(&[name])
        .map_err(|e| TourigaError::new(ErrorKind::Settings, "cannot use the settings", e))
}

fn taken(name: &str, port: u16, error: std::io::Error) -> TourigaError {
    TourigaError::new(
        ErrorKind::Settings,
        format!("cannot listen at the port {port} of `{name}`"),
        error,
    )
}
