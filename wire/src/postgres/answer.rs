//! What a statement comes to.
//!
//! Must not know: messages, formats. Invariant: rows have the columns of their table.

use common::Value;

use super::kind::{Base, Column, Kind};
use super::taking::Copy;
use crate::source::Rows;

/// An answer with rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// Columns.
    pub(crate) columns: Vec<Column>,
    /// Rows.
    pub(crate) rows: Vec<Vec<Value>>,
    /// The word of its completion.
    pub(crate) tag: &'static str,
}

impl Table {
    /// The answer of a SELECT.
    pub(crate) fn new(columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Self {
        Self {
            columns,
            rows,
            tag: "SELECT",
        }
    }

    /// Texts under these names.
    pub(crate) fn of_texts(tag: &'static str, names: &[&str], rows: Vec<Vec<String>>) -> Self {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            kind: Kind::of(Base::Text),
        };
        let rows = rows
            .into_iter()
            .map(|row| row.into_iter().map(Value::String).collect());
        Self {
            columns: names.iter().map(column).collect(),
            rows: rows.collect(),
            tag,
        }
    }
}

impl From<Rows> for Table {
    fn from(rows: Rows) -> Self {
        let column = |(name, kind): (String, common::ColumnType)| Column {
            name,
            kind: kind.into(),
        };
        Self::new(
            rows.names.into_iter().zip(rows.types).map(column).collect(),
            rows.rows,
        )
    }
}

/// What a statement comes to.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Rows.
    Rows(Table),
    /// Nothing but a word.
    Done(String),
    /// A word, and a transaction begins or ends.
    Transaction(&'static str, bool),
    /// A word, and a parameter that the client is told.
    Told(&'static str),
    /// Rows are to come.
    CopyIn(Box<Copy>),
    /// There was no statement.
    Nothing,
}
