//! One session: messages in, answers out, until the client goes.
//!
//! Must not know: who answers. Invariants: every message is answered in its turn; after a failure of the extended protocol everything up to
//! Sync is passed over; a query whose client is gone is dropped, which ends its work.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage as Tell;
use pgwire::messages::copy::CopyInResponse;
use pgwire::messages::data::NoData;
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::ParameterStatus;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{Outcome, Table};
use super::answering::Answering;
use super::backend::{Backend, Formats};
use super::cancel::Place;
use super::failed::{Failed, NO_STATEMENT, PROTOCOL};
use super::frontend::{LARGE, Reader, Said};
use super::prepared::{Portal, Prepared};
use super::taking::Copy;
use crate::syntax;

/// Statements and portals that a session may keep.
const MOST_KEPT: usize = 10_000;

/// A session that has begun.
pub(crate) struct Session<S> {
    pub(crate) stream: S,
    pub(crate) reader: Reader,
    pub(crate) backend: Backend,
    pub(crate) answering: Answering,
    pub(crate) place: Place,
    pub(crate) kept: Kept,
}

/// What a session keeps between messages.
#[derive(Default)]
pub(crate) struct Kept {
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    in_transaction: bool,
    has_failed: bool,
    skips: bool,
    asked: u64,
}

/// Why a message is not answered.
enum Stop {
    Failed(Failed),
    Broken(io::Error),
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Answers until the client goes.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        self.ready().await?;
        loop {
            let said = match self.reader.next(&mut self.stream, LARGE).await {
                Ok(said) => said,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => {
                    let failed = Failed::new(PROTOCOL, error.to_string());
                    self.backend
                        .tell(Tell::ErrorResponse(failed.told("FATAL")))?;
                    self.backend.flush(&mut self.stream).await?;
                    return Err(error);
                }
            };
            match said {
                Said::Terminate => return Ok(()),
                Said::Query(sql) => {
                    self.kept.skips = false;
                    match self.simple(&sql).await {
                        Err(Stop::Broken(error)) => return Err(error),
                        Err(Stop::Failed(failed)) => self.fail(&failed)?,
                        Ok(()) => {}
                    }
                    self.ready().await?;
                }
                Said::Sync => {
                    self.kept.skips = false;
                    self.ready().await?;
                }
                Said::Flush => self.backend.flush(&mut self.stream).await?,
                _ if self.kept.skips => {}
                other => match self.extended(other).await {
                    Err(Stop::Broken(error)) => return Err(error),
                    Err(Stop::Failed(failed)) => {
                        self.fail(&failed)?;
                        self.kept.skips = true;
                        self.backend.flush(&mut self.stream).await?;
                    }
                    Ok(()) => {}
                },
            }
        }
    }

    fn fail(&mut self, failed: &Failed) -> io::Result<()> {
        self.kept.has_failed = true;
        self.backend.tell(Tell::ErrorResponse(failed.told("ERROR")))
    }

    async fn ready(&mut self) -> io::Result<()> {
        let status = match (self.kept.in_transaction, self.kept.has_failed) {
            (false, _) => TransactionStatus::Idle,
            (true, false) => TransactionStatus::Transaction,
            (true, true) => TransactionStatus::Error,
        };
        self.kept.has_failed &= self.kept.in_transaction;
        if !self.kept.in_transaction {
            // Portals live as long as their transaction.
            self.kept.portals.clear();
        }
        self.backend
            .tell(Tell::ReadyForQuery(ReadyForQuery::new(status)))?;
        self.backend.flush(&mut self.stream).await
    }

    /// The simple protocol: statements one after the other, up to the first that fails.
    async fn simple(&mut self, sql: &str) -> Result<(), Stop> {
        let statements = syntax::statements(sql);
        if statements.is_empty() {
            self.backend
                .tell(Tell::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        for statement in statements {
            match self.outcome(&statement).await? {
                Outcome::CopyIn(copy) => self.copy_in(*copy).await?,
                Outcome::Rows(table) => {
                    let formats = Formats::default();
                    self.backend.describe(&table.columns, &formats)?;
                    for row in &table.rows {
                        self.backend.row(row, &table.columns, &formats);
                        self.backend.flush_part(&mut self.stream).await?;
                    }
                    self.complete(&tag(&table, table.rows.len()))?;
                }
                other => self.word(&other)?,
            }
        }
        Ok(())
    }

    /// Answers a statement; stops where the client goes meanwhile.
    async fn outcome(&mut self, sql: &str) -> Result<Outcome, Stop> {
        let id = self.next_id();
        self.place.runs(Some(id.clone()));
        let answered = tokio::select! {
            answered = self.answering.outcome(sql, &id) => answered.map_err(Stop::from),
            () = self.reader.gone(&mut self.stream) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        };
        self.place.runs(None);
        answered
    }

    fn next_id(&mut self) -> String {
        self.kept.asked += 1;
        format!("postgres-{}-{}", self.place.pid, self.kept.asked)
    }

    /// What has no rows.
    fn word(&mut self, outcome: &Outcome) -> io::Result<()> {
        match outcome {
            Outcome::Done(word) => self.complete(word),
            Outcome::Transaction(word, begins) => {
                let undone = *word == "COMMIT" && self.kept.in_transaction && self.kept.has_failed;
                self.kept.in_transaction = *begins;
                if !begins {
                    self.answering.cursors.close("all");
                }
                self.kept.has_failed = false;
                self.complete(if undone { "ROLLBACK" } else { word })
            }
            Outcome::Told(name) => {
                let value = self.answering.settings.get(name).unwrap_or_default();
                let status = ParameterStatus::new((*name).to_owned(), value);
                self.backend.tell(Tell::ParameterStatus(status))?;
                self.complete("SET")
            }
            Outcome::Nothing | Outcome::Rows(_) | Outcome::CopyIn(_) => self
                .backend
                .tell(Tell::EmptyQueryResponse(EmptyQueryResponse::new())),
        }
    }

    /// Reads rows until the client says that there are no more, and takes them.
    async fn copy_in(&mut self, mut copy: Copy) -> Result<(), Stop> {
        let columns = i16::try_from(copy.width()).unwrap_or(i16::MAX);
        let formats = vec![0; copy.width()];
        let begins = CopyInResponse::new(0, columns, formats);
        self.backend.tell(Tell::CopyInResponse(begins))?;
        self.backend.flush(&mut self.stream).await?;
        loop {
            match self.reader.next(&mut self.stream, LARGE).await? {
                Said::CopyData(part) => copy.take(&part)?,
                Said::CopyDone => break,
                Said::CopyFail(why) => {
                    let why = format!("COPY was given up by the client: {why}");
                    return Err(Failed::new("57014", why).into());
                }
                Said::Flush | Said::Sync => {}
                Said::Terminate => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                _ => {
                    let why = "expected rows of COPY, another message came";
                    return Err(Failed::new(PROTOCOL, why).into());
                }
            }
        }
        let count = self.answering.take(copy.rows()?).await?;
        self.complete(&format!("COPY {count}"))?;
        Ok(())
    }

    fn complete(&mut self, tag: &str) -> io::Result<()> {
        self.backend
            .tell(Tell::CommandComplete(CommandComplete::new(tag.to_owned())))
    }

    async fn extended(&mut self, said: Said) -> Result<(), Stop> {
        match said {
            Said::Parse { name, sql, kinds } => {
                if self.kept.statements.len() >= MOST_KEPT {
                    return Err(too_many("statements").into());
                }
                let tables = self.answering.source.tables(&self.answering.caller);
                let prepared = Prepared::new(&sql, &kinds, &tables)?;
                self.kept.statements.insert(name, Arc::new(prepared));
                self.backend
                    .tell(Tell::ParseComplete(ParseComplete::new()))?;
            }
            Said::Bind(bind) => {
                if self.kept.portals.len() >= MOST_KEPT {
                    return Err(too_many("portals").into());
                }
                let statement = self.statement(&bind.statement)?;
                let portal = Portal::new(statement, &bind)?;
                self.kept.portals.insert(bind.portal, portal);
                self.backend.tell(Tell::BindComplete(BindComplete::new()))?;
            }
            Said::Describe {
                portal: false,
                name,
            } => self.describe_statement(&name).await?,
            Said::Describe { portal: true, name } => self.describe_portal(&name).await?,
            Said::Execute { portal, most } => self.execute(&portal, most).await?,
            Said::Close { portal, name } => {
                if portal {
                    self.kept.portals.remove(&name);
                } else {
                    self.kept.statements.remove(&name);
                }
                self.backend
                    .tell(Tell::CloseComplete(CloseComplete::new()))?;
            }
            // A password after the start, or parts of a COPY that failed.
            _ => {}
        }
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<Arc<Prepared>, Failed> {
        let found = self.kept.statements.get(name).cloned();
        found.ok_or_else(|| Failed::new(NO_STATEMENT, format!("no statement `{name}` is prepared")))
    }

    async fn describe_statement(&mut self, name: &str) -> Result<(), Stop> {
        let prepared = self.statement(name)?;
        self.backend
            .tell(Tell::ParameterDescription(prepared.parameters()))?;
        if prepared.columns().is_none() {
            let id = self.next_id();
            let told = match self.answering.columns(&prepared.sampled(false), &id).await {
                // A value of another type may be understood where the first one was not.
                Err(_) if prepared.has_parameters() => {
                    self.answering.columns(&prepared.sampled(true), &id).await?
                }
                other => other?,
            };
            prepared.learn(told.map(|table| table.columns));
        }
        self.tell_columns(prepared.columns().as_deref(), &Formats::default())
    }

    fn tell_columns(
        &mut self,
        columns: Option<&[super::kind::Column]>,
        formats: &Formats,
    ) -> Result<(), Stop> {
        match columns {
            Some(columns) => self.backend.describe(columns, formats)?,
            None => self.backend.tell(Tell::NoData(NoData::new()))?,
        }
        Ok(())
    }

    /// The answer of a portal is learned with its description, so that it is asked once.
    async fn describe_portal(&mut self, name: &str) -> Result<(), Stop> {
        if let (false, Ok(columns)) = (
            self.kept.portals.contains_key(name),
            self.answering.cursors.columns(name),
        ) {
            return self.tell_columns(Some(&columns), &Formats::default());
        }
        let portal = self.portal(name)?;
        if portal.has_rows() && portal.answer.is_none() {
            let sql = portal.sql.clone();
            let outcome = self.outcome(&sql).await?;
            self.portal(name)?.keep(outcome);
        }
        let portal = self.portal(name)?;
        let (columns, formats) = (portal.columns(), portal.formats.clone());
        self.tell_columns(columns.as_deref(), &formats)
    }

    fn portal(&mut self, name: &str) -> Result<&mut Portal, Failed> {
        let found = self.kept.portals.get_mut(name);
        found.ok_or_else(|| Failed::new("34000", format!("no portal `{name}` is bound")))
    }

    async fn execute(&mut self, name: &str, most: i32) -> Result<(), Stop> {
        let portal = self.portal(name)?;
        if portal.answer.is_none() {
            let sql = portal.sql.clone();
            let outcome = self.outcome(&sql).await?;
            self.portal(name)?.keep(outcome);
        }
        let Some(mut portal) = self.kept.portals.remove(name) else {
            return Ok(());
        };
        if let Some(Outcome::CopyIn(copy)) =
            portal.answer.take_if(|a| matches!(a, Outcome::CopyIn(_)))
        {
            return self.copy_in(*copy).await;
        }
        let told = self.deliver(&mut portal, most).await;
        self.kept.portals.insert(name.to_owned(), portal);
        told
    }

    /// Sends rows of a portal, at most so many where a number is given.
    async fn deliver(&mut self, portal: &mut Portal, most: i32) -> Result<(), Stop> {
        let columns = portal.columns().unwrap_or_default();
        let Some(outcome) = &portal.answer else {
            return Ok(());
        };
        let Outcome::Rows(table) = outcome else {
            self.word(outcome)?;
            return Ok(());
        };
        let left = table.rows.get(portal.sent..).unwrap_or_default();
        let most = usize::try_from(most)
            .ok()
            .filter(|most| *most > 0)
            .unwrap_or(usize::MAX);
        let part = left.get(..most.min(left.len())).unwrap_or_default();
        for row in part {
            self.backend.row(row, &columns, &portal.formats);
            self.backend.flush_part(&mut self.stream).await?;
        }
        portal.sent += part.len();
        if part.len() < left.len() {
            self.backend
                .tell(Tell::PortalSuspended(PortalSuspended::new()))?;
            return Ok(());
        }
        self.complete(&tag(table, portal.sent))?;
        Ok(())
    }
}

fn tag(table: &Table, rows: usize) -> String {
    match table.tag {
        "SHOW" => "SHOW".to_owned(),
        word => format!("{word} {rows}"),
    }
}

fn too_many(what: &str) -> Failed {
    Failed::new(
        "53400",
        format!("this session keeps {MOST_KEPT} {what}, which is the limit: close some"),
    )
}
