//! The ports of Postgres, Flight SQL and Pinot's gRPC, in front of the broker of this process.
//!
//! Must not know: the protocols' messages. Invariant: who may ask what is judged by the broker's own access control, as over HTTP.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use broker::{BrokerResponse, Door, QueryInput};
use cluster::listen::{Listener, Tls};
use cluster::{Dial, Permission, Principal, Settings, TaskGroup};
use common::ErrorCode;
use tokio::net::TcpListener;
use wire::{
    Ask, Caller, Insert, NotLetIn, Refusal, Rows, Scram, Source, Table, Whole, Written, flight,
    grpc, postgres,
};

use crate::error::{ErrorKind, TourigaError};
use crate::rows_to_controller::RowsToController;

/// The option by which a query can be cancelled.
const CLIENT_ID: &str = "clientQueryId";
/// The option that asks for a trace.
const TRACE: &str = "trace";
/// Pinot's name of the port of gRPC.
const GRPC_PORT: &str = "pinot.broker.grpc.port";

/// The broker of this process, and the way to the controller, which takes rows.
struct Broker {
    door: Door,
    controller: RowsToController,
}

/// Somebody who proved to be known, and by what; the controller judges the proof anew.
struct Proven {
    principal: Arc<Principal>,
    authorization: Option<String>,
}

/// What the broker's access control proves a password by.
struct Keys(cluster::access::Scram);

impl Scram for Keys {
    fn salt(&self) -> &[u8] {
        self.0.salt()
    }

    fn iterations(&self) -> u32 {
        self.0.iterations()
    }

    fn proven(&self, messages: &[u8], proof: &[u8]) -> Option<(Vec<u8>, String)> {
        self.0.proven(messages, proof)
    }
}

fn proven(caller: &Caller) -> Option<Arc<Proven>> {
    let rights: Arc<dyn Any + Send + Sync> = caller.rights.clone()?;
    rights.downcast().ok()
}

/// Who asks, as the broker knows it.
fn principal(caller: &Caller) -> Option<Arc<Principal>> {
    proven(caller).map(|proven| Arc::clone(&proven.principal))
}

#[async_trait]
impl Source for Broker {
    fn asks_for_proof(&self) -> bool {
        self.door.access().is_closed()
    }

    async fn who(&self, authorization: Option<&str>) -> Result<Caller, NotLetIn> {
        if !self.asks_for_proof() {
            return Ok(Caller {
                name: "anonymous".to_owned(),
                rights: None,
            });
        }
        let known = self.door.access().who(authorization).await;
        let principal = known.ok_or(NotLetIn::Unknown)?;
        if !principal.may(Permission::Read) {
            return Err(NotLetIn::MayNotRead);
        }
        Ok(Caller {
            name: principal.name.clone(),
            rights: Some(Arc::new(Proven {
                principal,
                authorization: authorization.map(str::to_owned),
            })),
        })
    }

    async fn scram(&self, user: &str) -> Option<Box<dyn Scram>> {
        let (access, user) = (Arc::clone(self.door.access()), user.to_owned());
        // A password is hashed some thousand times.
        let made = tokio::task::spawn_blocking(move || access.scram(&user)).await;
        let made: Box<dyn Scram> = Box::new(Keys(made.ok().flatten()?));
        Some(made)
    }

    async fn answer(&self, caller: &Caller, ask: Ask) -> Result<Rows, Refusal> {
        rows(self.door.answer(input(caller, ask)).await)
    }

    async fn whole(&self, caller: &Caller, ask: Ask) -> Whole {
        let response = self.door.answer(input(caller, ask)).await;
        let about = response.about_json();
        let table = response.table.map(|table| Written {
            names: table.names,
            types: table.types.iter().map(ToString::to_string).collect(),
            rows: Box::new(
                table
                    .rows
                    .into_iter()
                    .map(|row| BrokerResponse::row_json(&row)),
            ),
        });
        Whole { about, table }
    }

    async fn insert(&self, caller: &Caller, insert: Insert) -> Result<(), Refusal> {
        let known = proven(caller);
        let may = |p: &Principal| p.may(Permission::Create) && p.may_touch(&insert.table);
        let is_let = known.as_ref().is_some_and(|known| may(&known.principal));
        if self.asks_for_proof() && !is_let {
            return Err(Refusal {
                code: ErrorCode::AccessDenied,
                message: format!(
                    "permission is denied for CREATE in table `{}`",
                    insert.table
                ),
            });
        }
        let address = self.door.controller();
        let shown = known.as_ref().and_then(|k| k.authorization.as_deref());
        self.controller.take(address, shown, &insert).await
    }

    fn tables(&self, caller: &Caller) -> Vec<Table> {
        let principal = principal(caller);
        if self.asks_for_proof() && principal.is_none() {
            return Vec::new();
        }
        let tables = self.door.tables(principal.as_deref());
        let table = |(name, schema)| Table { name, schema };
        tables.into_iter().map(table).collect()
    }

    async fn cancel(&self, id: &str) {
        self.door.cancel(id).await;
    }
}

/// The query of a caller.
fn input(caller: &Caller, ask: Ask) -> QueryInput {
    let mut input = QueryInput::new(ask.sql);
    for (name, value) in &ask.options {
        input.options.set(name, value);
    }
    if !ask.id.is_empty() && input.options.get("clientqueryid").is_none() {
        input.options.set(CLIENT_ID, &ask.id);
    }
    input.trace = input.options.is_true(TRACE);
    input.database = ask.database;
    input.principal = principal(caller);
    input
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
    /// Pinot's gRPC.
    pub(crate) grpc: Option<SocketAddr>,
    tasks: TaskGroup,
}

impl Ports {
    /// Opens the ports that settings name: `postgres.port`, `flight.port` and `pinot.broker.grpc.port`; 0 takes any free one.
    pub(crate) async fn open(
        settings: &Settings,
        door: Door,
        tls: Option<Arc<Tls>>,
        dial: &Dial,
    ) -> Result<Self, TourigaError> {
        let controller = RowsToController::by(dial)?;
        let source: Arc<dyn Source> = Arc::new(Broker { door, controller });
        let mut ports = Self {
            postgres: None,
            flight: None,
            grpc: None,
            tasks: TaskGroup::new(),
        };
        if let Some(port) = port(settings, "postgres.port")? {
            ports.open_postgres(port, &source, tls.clone()).await?;
        }
        if let Some(port) = port(settings, "flight.port")? {
            let routes = flight::router(Arc::clone(&source));
            ports.flight = ports
                .open_routes(("flight.port", port), routes, tls.as_ref())
                .await?;
            tracing::info!(at = ?ports.flight, "answers Arrow Flight SQL");
        }
        // Pinot's files say -1 for no port.
        if settings.get(GRPC_PORT) != Some("-1")
            && let Some(port) = port(settings, GRPC_PORT)?
        {
            let routes = grpc::router(source);
            ports.grpc = ports
                .open_routes((GRPC_PORT, port), routes, tls.as_ref())
                .await?;
            tracing::info!(at = ?ports.grpc, "answers Pinot's gRPC");
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

    async fn open_routes(
        &self,
        (name, port): (&'static str, u16),
        routes: axum::Router,
        tls: Option<&Arc<Tls>>,
    ) -> Result<Option<SocketAddr>, TourigaError> {
        let listener = Listener::bind(&format!("0.0.0.0:{port}"), tls)
            .await
            .map_err(|e| taken(name, port, e))?;
        let at = listener.address().ok();
        self.tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, name, "a listener ended");
            }
        });
        Ok(at)
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
