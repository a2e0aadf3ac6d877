//! `touriga sql`: queries as they are typed, answers as aligned tables with their time.
//!
//! Must not know: what a query means. Invariant: a query ends with `;`; a failed one is shown and the shell goes on.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use crate::arguments::ShellOptions;
use crate::client::{Client, aligned, say};

/// Lines that are kept for the next time.
const REMEMBERED: usize = 1000;

const WORDS: &str = "\
SELECT ...;             asks a query; it may go over several lines
\\d                      tables
\\d TABLE                columns of a table
\\format table|csv|tsv|json
\\timing                 time of each answer, on or off
\\history                what was asked
\\! N                    asks number N of the history again
\\q                      leaves";

/// A session.
struct Shell {
    client: Client,
    controller: String,
    broker: String,
    format: String,
    timing: bool,
    history: Vec<String>,
}

/// Runs it to the end of the input.
pub(crate) async fn run(options: &ShellOptions) -> Result<()> {
    let mut shell = Shell {
        client: Client::new(&options.target),
        controller: options.target.controller_url(),
        broker: options.target.broker_url(),
        format: known_format(&options.format)?,
        timing: true,
        history: Vec::new(),
    };
    if !options.execute.is_empty() {
        shell.timing = false;
        for query in &options.execute {
            shell.ask(query.trim().trim_end_matches(';')).await?;
        }
        return Ok(());
    }
    let interactive = std::io::stdin().is_terminal();
    if interactive {
        shell.history = remembered();
        say(&format!(
            "touriga at {}; \\? tells the words, \\q leaves",
            shell.broker
        ))?;
    } else {
        shell.timing = false;
    }
    shell.listen(interactive).await
}

fn known_format(text: &str) -> Result<String> {
    if ["table", "csv", "tsv", "json"].contains(&text) {
        return Ok(text.to_owned());
    }
    bail!("unknown format `{text}`, expected table, csv, tsv or json")
}

fn history_file() -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".touriga_history"))
}

/// Queries of earlier sessions, one a line.
fn remembered() -> Vec<String> {
    let text = history_file().and_then(|path| std::fs::read_to_string(path).ok());
    let lines: Vec<String> = text
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    lines[lines.len().saturating_sub(REMEMBERED)..].to_vec()
}

impl Shell {
    async fn listen(&mut self, interactive: bool) -> Result<()> {
        let mut query = String::new();
        loop {
            if interactive {
                let mut out = std::io::stdout();
                write!(
                    out,
                    "{}",
                    if query.is_empty() {
                        "touriga> "
                    } else {
                        "      -> "
                    }
                )?;
                out.flush()?;
            }
            let mut line = String::new();
            if std::io::stdin().lock().read_line(&mut line)? == 0 {
                if !query.trim().is_empty() {
                    self.try_to_ask(&query, interactive).await?;
                }
                return Ok(());
            }
            let word = line.trim();
            if query.is_empty() && matches!(word, "\\q" | "quit" | "exit" | "quit;" | "exit;") {
                return Ok(());
            }
            if query.is_empty() && word.starts_with('\\') {
                if let Err(error) = self.command(word).await {
                    say(&format!("{error:#}"))?;
                }
                continue;
            }
            query.push_str(&line);
            if word.ends_with(';') {
                let whole = std::mem::take(&mut query);
                self.try_to_ask(&whole, interactive).await?;
            }
        }
    }

    async fn try_to_ask(&mut self, query: &str, interactive: bool) -> Result<()> {
        let query = query.trim().trim_end_matches(';').trim().to_owned();
        if query.is_empty() {
            return Ok(());
        }
        if interactive {
            self.remember(&query);
        }
        match self.ask(&query).await {
            Ok(()) => Ok(()),
            Err(error) if interactive => say(&format!("{error:#}")),
            Err(error) => Err(error),
        }
    }

    fn remember(&mut self, query: &str) {
        let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
        self.history.push(line);
        if let Some(path) = history_file() {
            let kept = self.history.len().saturating_sub(REMEMBERED);
            let text: String = self.history[kept..]
                .iter()
                .map(|l| format!("{l}\n"))
                .collect();
            // A home that cannot be written costs the history, not the session.
            let _ = std::fs::write(path, text);
        }
    }

    async fn ask(&self, query: &str) -> Result<()> {
        let begin = Instant::now();
        let answer = self.client.query(&self.broker, query).await?;
        let took = begin.elapsed();
        say(&shown(&answer, &self.format))?;
        if self.timing {
            let rows = answer["resultTable"]["rows"].as_array().map_or(0, Vec::len);
            say(&format!(
                "{rows} row{} in {:.1} ms ({} ms in the cluster, {} of {} documents)",
                if rows == 1 { "" } else { "s" },
                took.as_secs_f64() * 1000.0,
                answer["timeUsedMs"],
                answer["numDocsScanned"],
                answer["totalDocs"],
            ))?;
        }
        Ok(())
    }

    async fn command(&mut self, word: &str) -> Result<()> {
        let (command, rest) = word.split_once(' ').unwrap_or((word, ""));
        match (command, rest.trim()) {
            ("\\d", "") => self.tables().await,
            ("\\d", table) => self.columns(table).await,
            ("\\format", format) => {
                self.format = known_format(format)?;
                Ok(())
            }
            ("\\timing", _) => {
                self.timing = !self.timing;
                Ok(())
            }
            ("\\history", _) => {
                for (at, query) in self.history.iter().enumerate() {
                    say(&format!("{:>4}  {query}", at + 1))?;
                }
                Ok(())
            }
            ("\\!", number) => {
                let at: usize = number
                    .parse()
                    .with_context(|| format!("`{number}` is no number of the history"))?;
                let query = at
                    .checked_sub(1)
                    .and_then(|at| self.history.get(at))
                    .context("no such query")?
                    .clone();
                self.ask(&query).await
            }
            _ => say(WORDS),
        }
    }

    async fn get(&self, path: &str) -> Result<Json> {
        let request = self
            .client
            .request(reqwest::Method::GET, &format!("{}{path}", self.controller));
        Ok(serde_json::from_str(&Client::text(request).await?)?)
    }

    async fn tables(&self) -> Result<()> {
        let answer = self.get("/tables").await?;
        for name in answer["tables"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
        {
            say(name)?;
        }
        Ok(())
    }

    async fn columns(&self, table: &str) -> Result<()> {
        let schema = self.get(&format!("/schemas/{table}")).await?;
        for (list, kind) in [
            ("dimensionFieldSpecs", "dimension"),
            ("metricFieldSpecs", "metric"),
            ("dateTimeFieldSpecs", "time"),
        ] {
            for field in schema[list].as_array().into_iter().flatten() {
                let many = if field["singleValueField"] == false {
                    "[]"
                } else {
                    ""
                };
                let text = |key: &str| field[key].as_str().unwrap_or_default().to_owned();
                say(&format!(
                    "{:<32} {:<12} {kind}",
                    text("name"),
                    format!("{}{many}", text("dataType"))
                ))?;
            }
        }
        Ok(())
    }
}

/// An answer in a format.
fn shown(answer: &Json, format: &str) -> String {
    let table = &answer["resultTable"];
    match format {
        "json" => answer.to_string(),
        "csv" => separated(table, ","),
        "tsv" => separated(table, "\t"),
        _ => aligned(table),
    }
}

fn separated(table: &Json, separator: &str) -> String {
    let cell = |cell: &Json| {
        let text = cell
            .as_str()
            .map_or_else(|| cell.to_string(), str::to_owned);
        if text.contains([',', '"', '\n', '\t']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let line = |row: &Json| -> String {
        let cells: Vec<String> = row.as_array().into_iter().flatten().map(cell).collect();
        cells.join(separator)
    };
    let mut lines = vec![line(&table["dataSchema"]["columnNames"])];
    lines.extend(table["rows"].as_array().into_iter().flatten().map(line));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{known_format, shown};

    #[test]
    fn formats() {
        let answer = json!({"resultTable": {
            "dataSchema": {"columnNames": ["a", "b"], "columnDataTypes": ["STRING", "INT"]},
            "rows": [["x, \"y\"", 1]]
        }});
        assert_eq!(shown(&answer, "csv"), "a,b\n\"x, \"\"y\"\"\",1");
        assert_eq!(shown(&answer, "table"), "a       b\nx, \"y\"  1");
        assert!(known_format("xml").is_err());
    }
}
