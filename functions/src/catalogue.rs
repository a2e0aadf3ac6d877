//! Every function with its calls, for the reference page and whoever asks a running system.
//!
//! Must not know: kernels. Invariant: `docs/functions.md` is what [`markdown`] answers, a test sees to it.

use std::fmt::Write;

use crate::aggregate::{self, AggregateRow};
use crate::scalar::{self, Param, Params, Returns, Role, ScalarFunction};

/// A function under all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The first name.
    pub name: &'static str,
    /// Its other names.
    pub aliases: Vec<&'static str>,
    /// `scalar` or `aggregate`.
    pub kind: &'static str,
    /// Heading under which it stands.
    pub family: &'static str,
    /// Ways to call it.
    pub calls: Vec<Call>,
}

/// One way to call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Parameters by type; empty for aggregates, whose arguments decide.
    pub parameters: Vec<String>,
    /// The last parameter repeats.
    pub repeats: bool,
    /// Type of the answer; `None` where the arguments decide.
    pub returns: Option<String>,
    /// `columns` or `elsewhere` where the call exists in one place alone.
    pub only: Option<&'static str>,
    /// What it answers.
    pub doc: &'static str,
    /// A call and its answer.
    pub example: Option<(&'static str, &'static str)>,
}

fn parameter(param: Param) -> String {
    match param {
        Param::Is(column_type) => column_type.to_string(),
        Param::Any => "any".to_owned(),
        Param::Number => "number".to_owned(),
        Param::AnyArray => "array".to_owned(),
    }
}

fn call(row: &ScalarFunction) -> Call {
    let (params, repeats) = match row.params {
        Params::Fixed(params) => (params, false),
        Params::Variadic { params, .. } => (params, true),
    };
    Call {
        parameters: params.iter().map(|p| parameter(*p)).collect(),
        repeats,
        returns: match row.returns {
            Returns::Is(column_type) => Some(column_type.to_string()),
            _ => None,
        },
        only: match row.role {
            Role::Both => None,
            Role::Transform => Some("columns"),
            Role::Scalar => Some("elsewhere"),
        },
        doc: row.doc,
        example: (!row.example.0.is_empty()).then_some(row.example),
    }
}

fn aggregate_entry(row: &AggregateRow) -> Entry {
    Entry {
        name: row.names[0],
        aliases: row.names[1..].to_vec(),
        kind: "aggregate",
        family: "Aggregation",
        calls: vec![Call {
            parameters: Vec::new(),
            repeats: false,
            returns: None,
            only: None,
            doc: row.doc,
            example: None,
        }],
    }
}

/// Every function: scalar ones by family, then aggregates by name.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    for family in scalar::FAMILIES {
        let first = out.len();
        for row in family.functions {
            let name = row.names[0];
            match out[first..].iter_mut().find(|e| e.name == name) {
                Some(entry) => {
                    entry.calls.push(call(row));
                    let more = row.names[1..].iter().copied();
                    let more: Vec<_> = more.filter(|n| !entry.aliases.contains(n)).collect();
                    entry.aliases.extend(more);
                }
                None => out.push(Entry {
                    name,
                    aliases: row.names[1..].to_vec(),
                    kind: "scalar",
                    family: family.title,
                    calls: vec![call(row)],
                }),
            }
        }
    }
    let mut aggregates: Vec<Entry> = aggregate::FAMILIES
        .iter()
        .flat_map(|family| family.iter())
        .map(aggregate_entry)
        .collect();
    aggregates.sort_by_key(|entry| entry.name);
    out.extend(aggregates);
    out
}

/// The reference page.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Functions\n\nGenerated from the tables in `functions/`; names ignore case and underscores. `columns`: over columns in the \
         single-stage engine. `elsewhere`: over literals, aggregations, in ingestion and in the multi-stage engine.\n",
    );
    let mut family = "";
    for entry in entries() {
        if entry.family != family {
            family = entry.family;
            let head = if entry.kind == "aggregate" {
                "| function | answers |\n|---|---|"
            } else {
                "| call | answers | example |\n|---|---|---|"
            };
            // Writing to a String cannot fail.
            let _ = write!(out, "\n## {family}\n\n{head}\n");
        }
        write_entry(&mut out, &entry);
    }
    out
}

fn write_entry(out: &mut String, entry: &Entry) {
    let names = std::iter::once(entry.name).chain(entry.aliases.iter().copied());
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let names = names.join(", ");
    for call in &entry.calls {
        let doc = cell(call.doc);
        if entry.kind == "aggregate" {
            let _ = writeln!(out, "| {names} | {doc} |");
            continue;
        }
        let mut parameters = call.parameters.join(", ");
        if call.repeats {
            parameters.push_str(", ..");
        }
        let returns = call.returns.as_deref().unwrap_or("by arguments");
        let only = call.only.map_or_else(String::new, |o| format!(" ({o})"));
        let example = call.example.map_or_else(String::new, |(text, answer)| {
            format!("`{}` = `{}`", cell(text), cell(answer))
        });
        let _ = writeln!(
            out,
            "| {names} ({parameters}) -> {returns}{only} | {doc} | {example} |"
        );
    }
}

/// Text that does not end a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_explained() {
        for entry in entries() {
            for call in &entry.calls {
                assert!(
                    !call.doc.trim().is_empty(),
                    "{} has no doc line",
                    entry.name
                );
            }
        }
    }

    /// `TOURIGA_WRITE_DOCS=1 cargo test -p functions reference_page` writes the page anew.
    #[test]
    fn the_reference_page_is_up_to_date() -> std::io::Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/functions.md");
        if std::env::var_os("TOURIGA_WRITE_DOCS").is_some() {
            return std::fs::write(path, markdown());
        }
        assert!(
            std::fs::read_to_string(path)? == markdown(),
            "docs/functions.md differs from the tables: TOURIGA_WRITE_DOCS=1 cargo test -p functions reference_page"
        );
        Ok(())
    }
}
