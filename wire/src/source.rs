//! What the protocols need of whoever answers: who somebody is, the answer of a statement, the tables there are.
//!
//! Must not know: protocols. Invariant: every call names its caller, and whoever answers judges the caller's rights, table by table.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use common::{ColumnType, ErrorCode, Schema, Value};
use serde_json::Value as Json;

/// Somebody who was let in.
#[derive(Clone)]
pub struct Caller {
    /// How the caller is called.
    pub name: String,
    /// What the source knows of the caller; nobody else looks into it.
    pub rights: Option<Arc<dyn Any + Send + Sync>>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLetIn {
    /// No proof, or a wrong one.
    #[error(
        "authentication failed: expected a known user with the right password, or a valid token"
    )]
    Unknown,
    /// Known, but may not read.
    #[error("permission is denied for READ")]
    MayNotRead,
}

/// A statement to answer.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The text.
    pub sql: String,
    /// Query options of the session, by name.
    pub options: Vec<(String, String)>,
    /// Database of table names without one.
    pub database: Option<String>,
    /// By which the query can be cancelled.
    pub id: String,
}

/// The answer of a statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Their types.
    pub types: Vec<ColumnType>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

/// The answer of a statement as HTTP tells it.
pub struct Whole {
    /// The JSON of the response without its table.
    pub about: String,
    /// The table, where there is one.
    pub table: Option<Written>,
}

/// A table in the words of HTTP.
pub struct Written {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Names of their types.
    pub types: Vec<String>,
    /// Each row as JSON.
    pub rows: Box<dyn Iterator<Item = String> + Send>,
}

/// Values of a row by the names of their columns.
pub type Row = Vec<(String, Json)>;

/// Rows for a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Insert {
    /// Name without type, with its database in front where that is not the default one.
    pub table: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
}

/// A table that a caller may read.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name without type, with its database in front where that is not the default one.
    pub name: String,
    /// Columns.
    pub schema: Arc<Schema>,
}

impl Table {
    /// The schema that a client sees the table in: its database, or `public`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.name
            .split_once('.')
            .map_or(DEFAULT_NAMESPACE, |(database, _)| database)
    }

    /// The name within its schema.
    #[must_use]
    pub fn plain_name(&self) -> &str {
        self.name
            .split_once('.')
            .map_or(self.name.as_str(), |(_, name)| name)
    }
}

/// The schema of tables of the default database.
pub(crate) const DEFAULT_NAMESPACE: &str = "public";

/// What proves a password that is not sent.
pub trait Scram: Send + Sync {
    /// The salt of the password.
    fn salt(&self) -> &[u8];
    /// How often the password is hashed.
    fn iterations(&self) -> u32;
    /// Where the proof over the messages holds: the server's signature, and an `Authorization` header that proves the same.
    fn proven(&self, messages: &[u8], proof: &[u8]) -> Option<(Vec<u8>, String)>;
}

/// Whoever answers.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Whether callers must prove who they are.
    fn asks_for_proof(&self) -> bool;

    /// Who shows this `Authorization` header.
    async fn who(&self, authorization: Option<&str>) -> Result<Caller, NotLetIn>;

    /// What proves a user's password without it being sent; none where the password itself is needed.
    async fn scram(&self, user: &str) -> Option<Box<dyn Scram>>;

    /// Answers a statement.
    async fn answer(&self, caller: &Caller, ask: Ask) -> Result<Rows, Refusal>;

    /// Answers a statement with everything that HTTP tells, failures too.
    async fn whole(&self, caller: &Caller, ask: Ask) -> Whole;

    /// Takes rows, all or none; they are durable when it returns.
    async fn insert(&self, caller: &Caller, insert: Insert) -> Result<(), Refusal>;

    /// The tables that a caller may read, by name.
    fn tables(&self, caller: &Caller) -> Vec<Table>;

    /// Cancels the statement of that id, where it runs.
    async fn cancel(&self, id: &str);
}
