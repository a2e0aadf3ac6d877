//! `LaunchDataIngestionJob`: the files that a job spec names go into an OFFLINE table.
//!
//! Must not know: file formats. Invariant: files go one after the other in the order of their names; the first failure ends the job.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::arguments::JobOptions;
use crate::client::{Client, say};

/// Runs a job.
pub(crate) async fn run(options: &JobOptions) -> Result<()> {
    let path = &options.job_spec_file;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let spec: Json = serde_yaml_ng::from_str(&filled(&text, &options.values)?)
        .with_context(|| format!("`{}` is no valid YAML", path.display()))?;
    let job = Job::of(&spec, &options.target.controller_url())?;
    let client = Client::new(&options.target);
    let mut done = 0;
    for file in job.files()? {
        let name = file
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let bytes = tokio::fs::read(&file)
            .await
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        let part = reqwest::multipart::Part::bytes(bytes).file_name(name);
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = client
            .request(Method::POST, &format!("{}/ingestFromFile", job.controller))
            .query(&[
                ("tableNameWithType", &job.table),
                ("batchConfigMapStr", &job.batch),
            ])
            .multipart(form);
        let answer = Client::text(request)
            .await
            .with_context(|| format!("file `{}`", file.display()))?;
        say(&format!("{}: {answer}", file.display()))?;
        done += 1;
    }
    say(&format!("{done} files into {}", job.table))
}

/// Puts values in the place of `${name}`.
fn filled(text: &str, values: &[String]) -> Result<String> {
    let mut out = text.to_owned();
    for pair in values {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("--values `{pair}`: expected name=value"))?;
        out = out.replace(&format!("${{{name}}}"), value);
    }
    Ok(out)
}

struct Job {
    folder: PathBuf,
    include: Option<String>,
    exclude: Option<String>,
    table: String,
    controller: String,
    batch: String,
}

impl Job {
    fn of(spec: &Json, controller: &str) -> Result<Self> {
        let text = |json: &Json| json.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let folder = text(&spec["inputDirURI"]).context("the job spec has no `inputDirURI`")?;
        let folder = folder.strip_prefix("file://").unwrap_or(&folder);
        if folder.contains("://") {
            bail!("`inputDirURI` `{folder}`: expected a local folder");
        }
        let table = text(&spec["tableSpec"]["tableName"])
            .context("the job spec has no `tableSpec.tableName`")?;
        let reader = &spec["recordReaderSpec"];
        let mut batch = Map::new();
        let format = text(&reader["dataFormat"])
            .context("the job spec has no `recordReaderSpec.dataFormat`")?;
        batch.insert("inputFormat".to_owned(), json!(format.to_lowercase()));
        if let Json::Object(settings) = &reader["configs"] {
            for (name, value) in settings {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                batch.insert(format!("recordReader.prop.{name}"), json!(value));
            }
        }
        Ok(Self {
            folder: PathBuf::from(folder),
            include: text(&spec["includeFileNamePattern"]),
            exclude: text(&spec["excludeFileNamePattern"]),
            table: if table.ends_with("_OFFLINE") {
                table
            } else {
                format!("{table}_OFFLINE")
            },
            controller: text(&spec["pinotClusterSpecs"][0]["controllerURI"]).map_or_else(
                || controller.to_owned(),
                |url| url.trim_end_matches('/').to_owned(),
            ),
            batch: Json::Object(batch).to_string(),
        })
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        collect(&self.folder, &mut all)
            .with_context(|| format!("cannot read folder `{}`", self.folder.display()))?;
        let fits = |file: &PathBuf| {
            let name = file.to_string_lossy();
            self.include.as_ref().is_none_or(|p| matches(p, &name))
                && !self.exclude.as_ref().is_some_and(|p| matches(p, &name))
        };
        all.retain(fits);
        all.sort();
        if all.is_empty() {
            bail!(
                "no file of `{}` fits `{}`",
                self.folder.display(),
                self.include.as_deref().unwrap_or("*")
            );
        }
        Ok(all)
    }
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.is_file() {
        out.push(folder.to_path_buf());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        collect(&entry?.path(), out)?;
    }
    Ok(())
}

/// `glob:**/*.csv` against a path: `**` is any text, `*` any text without `/`, `?` one character.
fn matches(pattern: &str, path: &str) -> bool {
    fn fits(pattern: &[char], path: &[char]) -> bool {
        match pattern {
            [] => path.is_empty(),
            ['*', '*', '/', rest @ ..] if fits(rest, path) => true,
            ['*', '*', rest @ ..] => (0..=path.len()).any(|at| fits(rest, &path[at..])),
            ['*', rest @ ..] => {
                let end = path.iter().position(|c| *c == '/').unwrap_or(path.len());
                (0..=end).any(|at| fits(rest, &path[at..]))
            }
            ['?', rest @ ..] => path.first().is_some_and(|c| *c != '/') && fits(rest, &path[1..]),
            [c, rest @ ..] => path.first() == Some(c) && fits(rest, &path[1..]),
        }
    }
    let pattern: Vec<char> = pattern
        .strip_prefix("glob:")
        .unwrap_or(pattern)
        .chars()
        .collect();
    let path: Vec<char> = path.chars().collect();
    // Patterns of Pinot's examples are meant below the folder.
    fits(&pattern, &path)
        || path
            .iter()
            .rposition(|c| *c == '/')
            .is_some_and(|at| fits(&pattern, &path[at + 1..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Job, filled, matches};

    #[test]
    fn patterns() {
        assert!(matches("glob:**/*.csv", "/a/b/c.csv") && matches("glob:*.csv", "/a/c.csv"));
        assert!(!matches("glob:**/*.csv", "/a/b/c.json") && !matches("glob:?.csv", "/a/cc.csv"));
    }

    #[test]
    fn a_spec_is_read() -> anyhow::Result<()> {
        let spec = json!({
            "inputDirURI": "file:///data", "includeFileNamePattern": "glob:**/*.csv",
            "recordReaderSpec": {"dataFormat": "CSV", "configs": {"delimiter": ";"}},
            "tableSpec": {"tableName": "sales"}, "pinotClusterSpecs": [{"controllerURI": "http://c:9000/"}]
        });
        let job = Job::of(&spec, "http://localhost:9000")?;
        assert_eq!(
            (job.table.as_str(), job.controller.as_str()),
            ("sales_OFFLINE", "http://c:9000")
        );
        assert!(job.batch.contains(r#""recordReader.prop.delimiter":";""#));
        assert!(Job::of(&json!({}), "x").is_err());
        assert_eq!(filled("a: ${b}", &["b=c".to_owned()])?, "a: c");
        Ok(())
    }
}
