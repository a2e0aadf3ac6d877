//! Statements that are asked again and again, and their values.
//!
//! Must not know: messages' order, who answers. Invariant: the rows of a portal have the types that its statement was described with.

use std::sync::Arc;

use parking_lot::Mutex;
use pgwire::messages::data::ParameterDescription;

use super::answer::Outcome;
use super::backend::Formats;
use super::failed::{Failed, PROTOCOL};
use super::frontend::Bind;
use super::infer;
use super::kind::Column;
use super::parameters::{literal, oid, sample};
use crate::source::Table;
use crate::syntax::{self, Mark};

/// Parameters that a statement may have.
const MOST_PARAMETERS: usize = 65_535;

/// A statement with places for values.
pub(crate) struct Prepared {
    sql: String,
    parameters: Vec<u32>,
    columns: Mutex<Option<Vec<Column>>>,
}

impl Prepared {
    /// Of a text and the types that the client says.
    pub(crate) fn new(text: &str, said: &[u32], tables: &[Table]) -> Result<Self, Failed> {
        let mut statements = syntax::statements(text);
        let sql = statements.pop().unwrap_or_default();
        if !statements.is_empty() {
            return Err(Failed::new(
                "42601",
                "a prepared statement is one statement, several came",
            ));
        }
        let count = syntax::count(&sql, Mark::Numbered).max(said.len());
        if count > MOST_PARAMETERS {
            return Err(Failed::new(
                "54023",
                format!("{count} parameters, expected at most {MOST_PARAMETERS}"),
            ));
        }
        let open = (0..count).any(|at| said.get(at).is_none_or(|oid| *oid == 0));
        let told = if open {
            infer::kinds(&sql, count, tables)
        } else {
            Vec::new()
        };
        let parameter = |at: usize| oid(said.get(at).copied(), told.get(at).copied().flatten());
        Ok(Self {
            parameters: (0..count).map(parameter).collect(),
            columns: Mutex::new(None),
            sql,
        })
    }

    /// Types of the parameters, as a message.
    pub(crate) fn parameters(&self) -> ParameterDescription {
        ParameterDescription::new(self.parameters.clone())
    }

    pub(crate) fn has_parameters(&self) -> bool {
        !self.parameters.is_empty()
    }

    /// The columns, where they are known.
    pub(crate) fn columns(&self) -> Option<Vec<Column>> {
        self.columns.lock().clone()
    }

    pub(crate) fn learn(&self, columns: Option<Vec<Column>>) {
        *self.columns.lock() = columns;
    }

    /// The statement with values of the right types, or with NULL.
    pub(crate) fn sampled(&self, nulls: bool) -> String {
        syntax::filled(&self.sql, Mark::Numbered, |at| {
            let oid = self.parameters.get(at)?;
            Some(if nulls {
                "NULL".to_owned()
            } else {
                sample(*oid)
            })
        })
    }
}

/// A statement with its values.
pub(crate) struct Portal {
    statement: Arc<Prepared>,
    /// The statement, values put in.
    pub(crate) sql: String,
    /// Formats of the answer's columns.
    pub(crate) formats: Formats,
    /// The answer, once it is there.
    pub(crate) answer: Option<Outcome>,
    /// Rows that were sent.
    pub(crate) sent: usize,
}

impl Portal {
    /// Puts values in.
    pub(crate) fn new(statement: Arc<Prepared>, bind: &Bind) -> Result<Self, Failed> {
        if bind.values.len() != statement.parameters.len() {
            return Err(Failed::new(
                PROTOCOL,
                format!(
                    "{} values came, the statement has {} parameters",
                    bind.values.len(),
                    statement.parameters.len()
                ),
            ));
        }
        let formats = Formats(bind.formats.clone());
        let mut literals = Vec::with_capacity(bind.values.len());
        for (at, (value, oid)) in bind.values.iter().zip(&statement.parameters).enumerate() {
            literals.push(literal(value.as_deref(), *oid, formats.is_binary(at))?);
        }
        let sql = syntax::filled(&statement.sql, Mark::Numbered, |at| {
            literals.get(at).cloned()
        });
        Ok(Self {
            statement,
            sql,
            formats: Formats(bind.results.clone()),
            answer: None,
            sent: 0,
        })
    }

    /// Whether the answer will have rows, as far as the text tells.
    pub(crate) fn has_rows(&self) -> bool {
        let word = syntax::first_word(&self.sql);
        matches!(
            word.as_str(),
            "SELECT"
                | "WITH"
                | "VALUES"
                | "SHOW"
                | "EXPLAIN"
                | "DESCRIBE"
                | "DESC"
                | "TABLE"
                | "FETCH"
        )
    }

    /// Keeps the answer.
    pub(crate) fn keep(&mut self, answer: Outcome) {
        self.answer = Some(answer);
    }

    /// The columns: those that the statement was described with, else those of the answer.
    pub(crate) fn columns(&self) -> Option<Vec<Column>> {
        let Some(Outcome::Rows(table)) = &self.answer else {
            return None;
        };
        let described = self
            .statement
            .columns()
            .filter(|c| c.len() == table.columns.len());
        Some(described.unwrap_or_else(|| table.columns.clone()))
    }
}
