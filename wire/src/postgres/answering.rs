//! From a statement to what it comes to: words of the session, the catalog, or whoever has the rows.
//!
//! Must not know: messages. Invariant: a statement is asked in the name of the session's caller, with the options that the session set.

use std::sync::Arc;

use super::answer::{Outcome, Table};
use super::catalog::{self, Asked, Facts};
use super::cursors::{self, Cursors};
use super::failed::{Failed, NOT_OFFERED};
use super::settings::{Settings, assignment, unquoted};
use super::taking::{self, Copy};
use crate::asking;
use crate::source::{Caller, Insert, Source};
use crate::syntax;

/// Who asks, and with what.
pub(crate) struct Answering {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) caller: Caller,
    pub(crate) settings: Settings,
    pub(crate) cursors: Cursors,
    /// The database that the client named.
    pub(crate) database: String,
    pub(crate) pid: i32,
}

impl Answering {
    /// What one statement comes to.
    pub(crate) async fn outcome(&mut self, sql: &str, id: &str) -> Result<Outcome, Failed> {
        let word = syntax::first_word(sql);
        let rest = after(sql, &word);
        Ok(match word.as_str() {
            "" => Outcome::Nothing,
            "BEGIN" | "START" => Outcome::Transaction("BEGIN", true),
            "COMMIT" | "END" => Outcome::Transaction("COMMIT", false),
            "ROLLBACK" | "ABORT" if rest.to_uppercase().trim_start().starts_with("TO ") => {
                done("ROLLBACK")
            }
            "ROLLBACK" | "ABORT" => Outcome::Transaction("ROLLBACK", false),
            "SET" => self.set(rest),
            "RESET" => {
                self.settings.reset(&unquoted(rest));
                done("RESET")
            }
            "DISCARD" => {
                self.settings.reset("all");
                done("DISCARD ALL")
            }
            "SAVEPOINT" | "RELEASE" | "LISTEN" | "UNLISTEN" | "DEALLOCATE" | "CHECKPOINT" => {
                done(&word)
            }
            "SHOW" => self.show(sql, rest, id).await?,
            "DESCRIBE" | "DESC" => Outcome::Rows(self.describe(&unquoted(rest))?),
            "DECLARE" => {
                let (name, query) = cursors::declared(rest)?;
                let table = self.rows(query, id).await?;
                self.cursors.keep(name, table)?;
                done("DECLARE CURSOR")
            }
            "FETCH" => {
                let (most, name) = cursors::wanted(rest)?;
                Outcome::Rows(self.cursors.fetch(&name, most)?)
            }
            "CLOSE" => {
                self.cursors.close(&unquoted(rest));
                done("CLOSE CURSOR")
            }
            "INSERT" => done(&format!("INSERT 0 {}", self.insert(sql).await?)),
            "COPY" => {
                let tables = self.source.tables(&self.caller);
                Outcome::CopyIn(Box::new(Copy::of(sql, &tables)?))
            }
            "PREPARE" | "EXECUTE" | "LOCK" | "MOVE" => {
                return Err(Failed::new(
                    NOT_OFFERED,
                    format!(
                        "`{word}` is not offered, expected SELECT, WITH, EXPLAIN, SHOW, DESCRIBE, SET, INSERT or COPY"
                    ),
                ));
            }
            _ => Outcome::Rows(self.rows(sql, id).await?),
        })
    }

    async fn insert(&self, sql: &str) -> Result<usize, Failed> {
        let tables = self.source.tables(&self.caller);
        self.take(taking::insert(sql, &tables)?).await
    }

    /// Hands rows on; how many they are.
    pub(crate) async fn take(&self, insert: Insert) -> Result<usize, Failed> {
        let count = insert.rows.len();
        if count > 0 {
            self.source.insert(&self.caller, insert).await?;
        }
        Ok(count)
    }

    fn set(&mut self, rest: &str) -> Outcome {
        match assignment(rest).and_then(|(name, value)| self.settings.set(&name, &value)) {
            Some(told) => Outcome::Told(told),
            None => done("SET"),
        }
    }

    async fn show(&mut self, sql: &str, rest: &str, id: &str) -> Result<Outcome, Failed> {
        let name = unquoted(rest);
        if name.eq_ignore_ascii_case("all") {
            let rows = self
                .settings
                .all()
                .into_iter()
                .map(|(name, value)| vec![name, value, String::new()]);
            let names = ["name", "setting", "description"];
            return Ok(Outcome::Rows(Table::of_texts(
                "SHOW",
                &names,
                rows.collect(),
            )));
        }
        if name.eq_ignore_ascii_case("tables") {
            let tables = self.source.tables(&self.caller);
            let rows = tables.into_iter().map(|table| vec![table.name]);
            return Ok(Outcome::Rows(Table::of_texts(
                "SHOW",
                &["table_name"],
                rows.collect(),
            )));
        }
        if let Some(value) = self.settings.get(&name) {
            return Ok(Outcome::Rows(Table::of_texts(
                "SHOW",
                &[name.as_str()],
                vec![vec![value]],
            )));
        }
        // SHOW TABLES and the like are for whoever has them.
        let mut table = self.ask(sql, id).await?;
        table.tag = "SHOW";
        Ok(Outcome::Rows(table))
    }

    /// The columns of a table.
    fn describe(&self, name: &str) -> Result<Table, Failed> {
        let plain = name.strip_prefix("public.").unwrap_or(name);
        let tables = self.source.tables(&self.caller);
        let found = tables.iter().find(|t| t.name.eq_ignore_ascii_case(plain));
        let table = found.ok_or_else(|| {
            Failed::new(
                "42P01",
                format!("there is no table `{name}`, or it may not be read"),
            )
        })?;
        let row = |(role, field): &(common::schema::FieldRole, common::schema::FieldSpec)| {
            vec![
                field.name.clone(),
                field.column_type().to_string(),
                format!("{role:?}").to_uppercase(),
            ]
        };
        let rows = table.schema.fields.iter().map(row);
        let names = ["column_name", "data_type", "field_type"];
        Ok(Table::of_texts("SHOW", &names, rows.collect()))
    }

    /// The rows of a query.
    async fn rows(&self, sql: &str, id: &str) -> Result<Table, Failed> {
        let tables = self.source.tables(&self.caller);
        let asked = catalog::asked(sql, &tables);
        let facts = || Facts {
            tables: tables.clone(),
            database: self.database.clone(),
            user: self.caller.name.clone(),
            pid: self.pid,
            parameters: self.settings.all(),
        };
        match asked {
            Asked::Catalog => catalog::answer(sql, facts()).await,
            Asked::Rows => self.ask(sql, id).await,
            Asked::RowsFirst => match self.ask(sql, id).await {
                Ok(table) => Ok(table),
                Err(failed) => catalog::answer(sql, facts()).await.map_err(|_| failed),
            },
        }
    }

    async fn ask(&self, sql: &str, id: &str) -> Result<Table, Failed> {
        let tables = self.source.tables(&self.caller);
        let options = self.settings.options();
        let ask = asking::ask(sql, options, &self.database, &tables, id.to_owned());
        Ok(self.source.answer(&self.caller, ask).await?.into())
    }

    /// The columns of what a statement will come to, where it will have some.
    pub(crate) async fn columns(&mut self, sql: &str, id: &str) -> Result<Option<Table>, Failed> {
        let word = syntax::first_word(sql);
        if matches!(word.as_str(), "SELECT" | "WITH" | "VALUES") {
            let probe = syntax::without_rows(sql);
            let asked = match &probe {
                Some(probe) => self.rows(probe, id).await,
                None => self.rows(sql, id).await,
            };
            // Not every text bears the change.
            let table = match asked {
                Err(_) if probe.is_some() => self.rows(sql, id).await?,
                other => other?,
            };
            return Ok(Some(table));
        }
        if word == "FETCH" {
            let (_, name) = cursors::wanted(after(sql, &word))?;
            return Ok(Some(Table::new(self.cursors.columns(&name)?, Vec::new())));
        }
        if !matches!(
            word.as_str(),
            "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "TABLE"
        ) {
            return Ok(None);
        }
        match self.outcome(sql, id).await? {
            Outcome::Rows(table) => Ok(Some(table)),
            _ => Ok(None),
        }
    }
}

fn done(tag: &str) -> Outcome {
    Outcome::Done(tag.to_owned())
}

/// What stands behind the first word.
fn after<'a>(sql: &'a str, word: &str) -> &'a str {
    let at = sql.to_ascii_uppercase().find(word).unwrap_or_default();
    sql.get(at + word.len()..).unwrap_or_default().trim()
}
