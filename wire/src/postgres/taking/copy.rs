//! `COPY t (columns) FROM STDIN`: how it is written, and what has come of it.
//!
//! Must not know: messages. Invariant: what comes is kept up to a limit, and is rows only once all of it is there.

use sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Statement,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::lines::{Form, rows};
use super::{Target, not_offered, syntax};
use crate::postgres::failed::Failed;
use crate::source::{Insert, Table};

/// Bytes of one COPY: it is taken as a whole.
const MOST: usize = 128 << 20;

/// A COPY that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    target: Target,
    form: Form,
    header: bool,
    data: Vec<u8>,
}

impl Copy {
    /// Of a statement.
    pub(crate) fn of(sql: &str, tables: &[Table]) -> Result<Self, Failed> {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(syntax)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(syntax("expected one COPY"));
        };
        let Statement::Copy {
            source:
                CopySource::Table {
                    table_name,
                    columns,
                },
            to: false,
            target: CopyTarget::Stdin,
            options,
            legacy_options,
            ..
        } = statement
        else {
            return Err(not_offered("COPY of anything but a table FROM STDIN"));
        };
        let columns: Vec<String> = columns.into_iter().map(|c| c.value).collect();
        let (form, header) = form(&options, &legacy_options)?;
        Ok(Self {
            target: Target::of(&table_name, &columns, tables)?,
            form,
            header,
            data: Vec::new(),
        })
    }

    /// How many columns there are.
    pub(crate) fn width(&self) -> usize {
        self.target.fields.len()
    }

    /// Takes a part.
    pub(crate) fn take(&mut self, part: &[u8]) -> Result<(), Failed> {
        if self.data.len().saturating_add(part.len()) > MOST {
            self.data = Vec::new();
            return Err(Failed::new(
                "54000",
                format!(
                    "a COPY is taken as a whole, and has more than {MOST} bytes: copy in parts"
                ),
            ));
        }
        self.data.extend_from_slice(part);
        Ok(())
    }

    /// The rows of all that came.
    pub(crate) fn rows(self) -> Result<Insert, Failed> {
        let text = String::from_utf8(self.data)
            .map_err(|_| Failed::new("22021", "what was copied is not UTF-8"))?;
        let skipped = usize::from(self.header);
        let read = rows(&text, &self.form)?.into_iter().skip(skipped);
        let made = (1..)
            .zip(read)
            .map(|(number, cells)| self.target.row(number, cells));
        let made = made.collect::<Result<Vec<_>, _>>()?;
        Ok(self.target.rows(made))
    }
}

fn form(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<(Form, bool), Failed> {
    let is_csv = |name: &str| match name.to_ascii_lowercase().as_str() {
        "csv" => Ok(true),
        "text" => Ok(false),
        other => Err(not_offered(&format!("COPY in the format `{other}`"))),
    };
    let mut csv = legacy.iter().any(|o| matches!(o, CopyLegacyOption::Csv(_)));
    for option in options {
        if let CopyOption::Format(name) = option {
            csv = is_csv(&name.value)?;
        }
    }
    let (mut form, mut header) = (Form::of(csv), false);
    for option in options {
        match option {
            CopyOption::Format(_) | CopyOption::Freeze(_) => {}
            CopyOption::Encoding(name) if name.to_ascii_lowercase().replace('-', "") == "utf8" => {}
            CopyOption::Delimiter(sign) => form.delimiter = *sign,
            CopyOption::Null(text) => form.null.clone_from(text),
            CopyOption::Header(is) => header = *is,
            CopyOption::Quote(sign) => form.quote = *sign,
            CopyOption::Escape(sign) => form.escape = *sign,
            other => return Err(not_offered(&format!("COPY with `{other}`"))),
        }
    }
    for option in legacy {
        match option {
            CopyLegacyOption::Delimiter(sign) => form.delimiter = *sign,
            CopyLegacyOption::Null(text) => form.null.clone_from(text),
            CopyLegacyOption::Header => header = true,
            CopyLegacyOption::Csv(more) => {
                for option in more {
                    match option {
                        CopyLegacyCsvOption::Header => header = true,
                        CopyLegacyCsvOption::Quote(sign) => form.quote = *sign,
                        CopyLegacyCsvOption::Escape(sign) => form.escape = *sign,
                        other => return Err(not_offered(&format!("COPY with `{other}`"))),
                    }
                }
            }
            other => return Err(not_offered(&format!("COPY with `{other}`"))),
        }
    }
    Ok((form, header))
}
