//! Commands that talk to a running cluster by REST.
//!
//! Must not know: the roles. Invariant: an answer of the cluster is shown, also where it refuses.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use crate::arguments::{FileOptions, QueryOptions};

async fn post(url: &str, body: String) -> Result<String> {
    let answer = reqwest::Client::new()
        .post(url)
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .with_context(|| format!("cannot reach {url}"))?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{url}: {status}: {text}");
    }
    Ok(text)
}

fn read(path: Option<&Path>, what: &str) -> Result<String> {
    let path = path.with_context(|| format!("--{what} is missing"))?;
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to the terminal")
}

/// `add-schema`.
pub(crate) async fn add_schema(options: &FileOptions) -> Result<()> {
    let schema = read(options.schema_file.as_deref(), "schema-file")?;
    say(&post(&format!("{}/schemas", options.controller), schema).await?)
}

/// `add-table`.
pub(crate) async fn add_table(options: &FileOptions) -> Result<()> {
    if options.schema_file.is_some() {
        add_schema(options).await?;
    }
    let table = read(options.table_config_file.as_deref(), "table-config-file")?;
    say(&post(&format!("{}/tables", options.controller), table).await?)
}

/// `post-query`.
pub(crate) async fn post_query(options: &QueryOptions) -> Result<()> {
    let body = json!({ "sql": options.query }).to_string();
    let answer: Json =
        serde_json::from_str(&post(&format!("{}/query/sql", options.broker), body).await?)?;
    if let Some(exception) = answer["exceptions"].get(0) {
        bail!(
            "{} (code {})",
            exception["message"].as_str().unwrap_or_default(),
            exception["errorCode"]
        );
    }
    say(&aligned(&answer["resultTable"]))
}

/// Rows as aligned columns under their names.
pub(crate) fn aligned(table: &Json) -> String {
    let text = |cell: &Json| {
        cell.as_str()
            .map_or_else(|| cell.to_string(), str::to_owned)
    };
    let list =
        |json: &Json| -> Vec<String> { json.as_array().into_iter().flatten().map(text).collect() };
    let mut lines = vec![list(&table["dataSchema"]["columnNames"])];
    lines.extend(table["rows"].as_array().into_iter().flatten().map(list));
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|l| l.get(column))
            .map(|c| c.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(c, w)| format!("{c:<w$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
