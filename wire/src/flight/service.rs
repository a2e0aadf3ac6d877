//! The calls of Flight SQL.
//!
//! Must not know: how rows are found. Invariants: a call without a known caller does nothing; a call that changes anything is refused.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;

use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo,
    CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
    CommandStatementQuery, CommandStatementUpdate, DoPutPreparedStatementResult, ProstMessageExt,
    SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    Ticket,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};

use super::answers::{Answer, of_batch, of_rows};
use super::doorkeeper::Doorkeeper;
use super::keys::{foreign_keys, keys, nothing};
use super::prepare::{Parameters, packed};
use super::statements::{Held, Statements};
use super::{literals, metadata};
use crate::arrow_table;
use crate::asking;
use crate::source::{Caller, Rows, Source};
use crate::status::of_refusal;
use crate::syntax::{self, Mark};

/// The header that holds query options, `name=value;name=value`.
const OPTIONS: &str = "queryoptions";
/// The header that holds the database.
const DATABASE: &str = "database";

/// The service.
pub(super) struct Service {
    source: Arc<dyn Source>,
    door: Doorkeeper,
    statements: Statements,
    asked: AtomicU64,
    /// Tells the ids of this service's queries from those of others.
    seed: u64,
}

type Shaken = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;
type Info = Result<Response<FlightInfo>, Status>;

fn arrow(error: impl Into<FlightError>) -> Status {
    Status::from(error.into())
}

fn header(metadata: &MetadataMap, name: &'static str) -> Option<String> {
    Some(metadata.get(name)?.to_str().ok()?.to_owned())
}

fn options(metadata: &MetadataMap) -> Vec<(String, String)> {
    asking::options(&header(metadata, OPTIONS).unwrap_or_default())
}

/// Where the rows of a command are to be had: here, by the command itself.
fn info(
    descriptor: FlightDescriptor,
    ticket: &impl ProstMessageExt,
    schema: Option<&Schema>,
) -> Info {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.as_any().encode_to_vec()));
    let mut info = FlightInfo::new()
        .with_endpoint(endpoint)
        .with_descriptor(descriptor);
    if let Some(schema) = schema {
        info = info.try_with_schema(schema).map_err(arrow)?;
    }
    Ok(Response::new(info))
}

impl Service {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            door: Doorkeeper::new(Arc::clone(&source)),
            source,
            statements: Statements::default(),
            asked: AtomicU64::new(0),
            seed: rand::random(),
        }
    }

    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        self.door.caller(request.metadata()).await
    }

    async fn rows(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        sql: &str,
    ) -> Result<Rows, Status> {
        let tables = self.source.tables(caller);
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let id = format!("flight-{:x}-{number}", self.seed);
        let database = header(metadata, DATABASE).unwrap_or_default();
        // A statement at a time: what ends with `;` is one as well.
        let sql = sql.trim().trim_end_matches(';');
        let ask = asking::ask(sql, options(metadata), &database, &tables, id);
        self.source
            .answer(caller, ask)
            .await
            .map_err(|refusal| of_refusal(&refusal))
    }

    fn held(&self, caller: &Caller, handle: &[u8]) -> Result<Held, Status> {
        self.statements.get(&caller.name, handle)
    }

    /// The columns that a statement will answer.
    async fn columns(
        &self,
        caller: &Caller,
        metadata: &MetadataMap,
        sql: &str,
    ) -> Result<Schema, Status> {
        let probe = syntax::without_rows(sql);
        let rows = match &probe {
            Some(probe) => self.rows(caller, metadata, probe).await,
            None => self.rows(caller, metadata, sql).await,
        };
        let rows = match rows {
            Err(_) if probe.is_some() => self.rows(caller, metadata, sql).await?,
            other => other?,
        };
        Ok(arrow_table::schema(&rows.names, &rows.types))
    }
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Service;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Shaken>, Status> {
        let token = self.door.handshake(request.metadata()).await?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: token.clone().into(),
        };
        let mut response = Response::new(stream::iter([Ok(answer)]).boxed());
        let value = MetadataValue::try_from(token)
            .map_err(|_| Status::internal("a token that is no header"))?;
        response.metadata_mut().insert("authorization", value);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        let ticket = TicketStatementQuery {
            statement_handle: query.query.into(),
        };
        info(request.into_inner(), &ticket, None)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        let caller = self.caller(&request).await?;
        let sql = std::str::from_utf8(&ticket.statement_handle)
            .map_err(|_| Status::invalid_argument("a ticket that is none of this server's"))?;
        Ok(of_rows(self.rows(&caller, request.metadata(), sql).await?))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let caller = self.caller(&request).await?;
        let parameters = Parameters::of(&query.query, &self.source.tables(&caller));
        let sampled = parameters.sampled(&query.query);
        let columns = self.columns(&caller, request.metadata(), &sampled).await?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: self.statements.keep(&caller.name, &query.query).into(),
            dataset_schema: packed(&columns).map_err(arrow)?,
            parameter_schema: packed(&parameters.schema()).map_err(arrow)?,
        })
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let caller = self.caller(&request).await?;
        let messages = request.into_inner().map_err(FlightError::from);
        let batches: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(messages)
            .try_collect()
            .await
            .map_err(arrow)?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows > 1 {
            return Err(Status::invalid_argument(format!(
                "{rows} rows of values came, expected one"
            )));
        }
        let first = batches.iter().find(|batch| batch.num_rows() > 0);
        let values = first
            .map_or(Ok(Vec::new()), literals::of_row)
            .map_err(arrow)?;
        self.statements
            .bind(&caller.name, &query.prepared_statement_handle, values)?;
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(query.prepared_statement_handle),
        })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let caller = self.caller(&request).await?;
        self.held(&caller, &query.prepared_statement_handle)?;
        info(request.into_inner(), &query, None)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        let caller = self.caller(&request).await?;
        let held = self.held(&caller, &query.prepared_statement_handle)?;
        let places = syntax::count(&held.sql, Mark::Question);
        if held.values.len() != places {
            let came = held.values.len();
            return Err(Status::invalid_argument(format!(
                "{came} values are bound, the statement has {places} parameters"
            )));
        }
        let sql = syntax::filled(&held.sql, Mark::Question, |at| held.values.get(at).cloned());
        Ok(of_rows(self.rows(&caller, request.metadata(), &sql).await?))
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let caller = self.caller(&request).await?;
        self.statements
            .close(&caller.name, &query.prepared_statement_handle);
        Ok(())
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.caller(&request).await?;
        Err(Status::unimplemented(
            "changes come over HTTP; Flight SQL answers queries",
        ))
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(
            request.into_inner(),
            &query,
            Some(&query.into_builder().schema()),
        )
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        Ok(of_batch(metadata::catalogs(query).map_err(arrow)?))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(
            request.into_inner(),
            &query,
            Some(&query.clone().into_builder().schema()),
        )
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        let caller = self.caller(&request).await?;
        Ok(of_batch(
            metadata::schemas(query, &self.source.tables(&caller)).map_err(arrow)?,
        ))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(
            request.into_inner(),
            &query,
            Some(&query.clone().into_builder().schema()),
        )
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        let caller = self.caller(&request).await?;
        Ok(of_batch(
            metadata::tables(query, &self.source.tables(&caller)).map_err(arrow)?,
        ))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(
            request.into_inner(),
            &query,
            Some(&query.into_builder().schema()),
        )
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        Ok(of_batch(metadata::kinds(query).map_err(arrow)?))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        let told = metadata::ABILITIES
            .as_ref()
            .ok_or_else(|| Status::internal("no abilities"))?;
        let schema = told.schema();
        info(request.into_inner(), &query, Some(&schema))
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        let told = metadata::ABILITIES
            .as_ref()
            .ok_or_else(|| Status::internal("no abilities"))?;
        Ok(of_batch(told.record_batch(query.info).map_err(arrow)?))
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        let told = metadata::TYPES
            .as_ref()
            .ok_or_else(|| Status::internal("no types"))?;
        let schema = told.schema();
        info(request.into_inner(), &query, Some(&schema))
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        let told = metadata::TYPES
            .as_ref()
            .ok_or_else(|| Status::internal("no types"))?;
        Ok(of_batch(told.record_batch(query.data_type).map_err(arrow)?))
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(request.into_inner(), &query, Some(&keys()))
    }

    async fn do_get_primary_keys(
        &self,
        _: CommandGetPrimaryKeys,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        Ok(nothing(keys()))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(request.into_inner(), &query, Some(&foreign_keys()))
    }

    async fn do_get_exported_keys(
        &self,
        _: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        Ok(nothing(foreign_keys()))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        self.caller(&request).await?;
        info(request.into_inner(), &query, Some(&foreign_keys()))
    }

    async fn do_get_imported_keys(
        &self,
        _: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Result<Answer, Status> {
        self.caller(&request).await?;
        Ok(nothing(foreign_keys()))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
