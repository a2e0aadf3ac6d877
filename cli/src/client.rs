//! Commands that talk to a running cluster by REST.
//!
//! Must not know: the roles. Invariant: an answer of the cluster is shown, also where it refuses.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::arguments::{FileOptions, NamedOptions, QueryOptions, Target};

/// One who asks a cluster.
pub(crate) struct Client {
    http: reqwest::Client,
    user: Option<(String, Option<String>)>,
    header: Option<String>,
}

impl Client {
    /// As the command line names them.
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            http: reqwest::Client::new(),
            user: target
                .user
                .clone()
                .map(|user| (user, target.password.clone())),
            header: target.auth_token.clone(),
        }
    }

    /// A request that carries who asks.
    pub(crate) fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, url);
        match (&self.header, &self.user) {
            (Some(header), _) => request.header("Authorization", header),
            (None, Some((user, password))) => request.basic_auth(user, password.as_ref()),
            (None, None) => request,
        }
    }

    /// Sends a request; the text of a good answer.
    pub(crate) async fn text(request: reqwest::RequestBuilder) -> Result<String> {
        let (client, request) = request.build_split();
        let request = request?;
        let (method, url) = (request.method().clone(), request.url().clone());
        let answer = client
            .execute(request)
            .await
            .with_context(|| format!("cannot reach {url}"))?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{method} {url}: {status}: {text}");
        }
        Ok(text)
    }

    async fn send(&self, method: Method, url: &str, body: String) -> Result<String> {
        let request = self
            .request(method, url)
            .header("Content-Type", "application/json");
        Self::text(request.body(body)).await
    }

    /// Asks a query; the whole answer, without exceptions.
    pub(crate) async fn query(&self, broker: &str, sql: &str) -> Result<Json> {
        let body = json!({ "sql": sql }).to_string();
        let text = self
            .send(Method::POST, &format!("{broker}/query/sql"), body)
            .await?;
        let answer: Json = serde_json::from_str(&text).context("the answer is no JSON")?;
        if let Some(exception) = answer["exceptions"].get(0) {
            bail!(
                "{} (code {})",
                exception["message"].as_str().unwrap_or_default(),
                exception["errorCode"]
            );
        }
        Ok(answer)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Writes a line to the terminal.
pub(crate) fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to the terminal")
}

/// `add-schema`.
pub(crate) async fn add_schema(options: &FileOptions) -> Result<()> {
    let schema = read(
        options
            .schema_file
            .as_deref()
            .context("--schema-file is missing")?,
    )?;
    let url = format!("{}/schemas", options.target.controller_url());
    say(&Client::new(&options.target)
        .send(Method::POST, &url, schema)
        .await?)
}

/// `add-table`.
pub(crate) async fn add_table(options: &FileOptions) -> Result<()> {
    let tables = [
        &options.table_config_file,
        &options.realtime_table_config_file,
        &options.offline_table_config_file,
    ];
    let tables: Vec<_> = tables.into_iter().flatten().collect();
    if tables.is_empty() {
        bail!("--table-config-file is missing");
    }
    if options.schema_file.is_some() {
        add_schema(options).await?;
    }
    let client = Client::new(&options.target);
    for path in tables {
        let text = read(path)?;
        let url = format!("{}/tables", options.target.controller_url());
        let (method, url) = if options.update {
            let config: Json = serde_json::from_str(&text)
                .with_context(|| format!("`{}` is no JSON", path.display()))?;
            let name = config["tableName"]
                .as_str()
                .context("the table config has no `tableName`")?;
            (Method::PUT, format!("{url}/{name}"))
        } else {
            (Method::POST, url)
        };
        say(&client.send(method, &url, text).await?)?;
    }
    Ok(())
}

/// `delete-table`.
pub(crate) async fn delete_table(options: &NamedOptions) -> Result<()> {
    let url = format!(
        "{}/tables/{}",
        options.target.controller_url(),
        options.name
    );
    let mut parameters = Vec::new();
    if let Some(kind) = &options.r#type {
        parameters.push(("type", kind.to_lowercase()));
    }
    if let Some(retention) = &options.retention {
        parameters.push(("retention", retention.clone()));
    }
    let request = Client::new(&options.target)
        .request(Method::DELETE, &url)
        .query(&parameters);
    say(&Client::text(request).await?)
}

/// `delete-schema`.
pub(crate) async fn delete_schema(options: &NamedOptions) -> Result<()> {
    let url = format!(
        "{}/schemas/{}",
        options.target.controller_url(),
        options.name
    );
    say(&Client::text(Client::new(&options.target).request(Method::DELETE, &url)).await?)
}

/// `post-query`.
pub(crate) async fn post_query(options: &QueryOptions) -> Result<()> {
    let client = Client::new(&options.target);
    let answer = client
        .query(&options.target.broker_url(), &options.query)
        .await?;
    say(&aligned(&answer["resultTable"]))
}

/// Rows as aligned columns under their names; numbers stand at the right.
pub(crate) fn aligned(table: &Json) -> String {
    let text = |cell: &Json| {
        cell.as_str()
            .map_or_else(|| cell.to_string(), str::to_owned)
    };
    let list =
        |json: &Json| -> Vec<String> { json.as_array().into_iter().flatten().map(text).collect() };
    let mut lines = vec![list(&table["dataSchema"]["columnNames"])];
    lines.extend(table["rows"].as_array().into_iter().flatten().map(list));
    let right: Vec<bool> = list(&table["dataSchema"]["columnDataTypes"])
        .iter()
        .map(|kind| {
            matches!(
                kind.as_str(),
                "INT" | "LONG" | "FLOAT" | "DOUBLE" | "BIG_DECIMAL"
            )
        })
        .collect();
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
            .enumerate()
            .map(|(at, (c, w))| {
                if right.get(at).copied().unwrap_or(false) {
                    format!("{c:>w$}")
                } else {
                    format!("{c:<w$}")
                }
            })
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn numbers_stand_at_the_right() {
        let table = json!({
            "dataSchema": {"columnNames": ["city", "n"], "columnDataTypes": ["STRING", "LONG"]},
            "rows": [["Recife", 7], ["Rio", 12_345]]
        });
        assert_eq!(
            super::aligned(&table),
            "city        n\nRecife      7\nRio     12345"
        );
    }
}
