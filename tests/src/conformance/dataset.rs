//! Data sets and suites from their folder: schema.json, table.json, data.FORMAT[.gz]; NAME.jsonl[.gz].
//!
//! Must not know: queries. Invariant: a data set becomes one sealed segment, opened from its file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use common::clock::system;
use common::{Schema, TableConfig};
use ingest::batch::{self, FileRows};
use segment::build::{self, BuildSettings};
use segment::{SealedSegment, Segment};
use serde_json::Value as Json;

/// A loaded data set.
pub(crate) struct Dataset {
    pub(crate) schema: Schema,
    pub(crate) segments: Vec<Arc<dyn Segment>>,
    _folder: tempfile::TempDir,
}

/// Every data set below a folder whose queries are single-stage (the others' names start with `mse_`).
pub(crate) fn load_all(folder: &Path) -> Result<BTreeMap<String, Dataset>> {
    load_some(folder, usize::MAX)
}

/// The first rows of every such data set.
pub(crate) fn load_some(folder: &Path, rows: usize) -> Result<BTreeMap<String, Dataset>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with("mse_") && path.is_dir() {
            out.insert(
                name.clone(),
                load(folder, &path, rows).with_context(|| name)?,
            );
        }
    }
    Ok(out)
}

fn json(path: &Path) -> Result<Json> {
    serde_json::from_str(&std::fs::read_to_string(path)?)
        .with_context(|| path.display().to_string())
}

fn load(all: &Path, path: &Path, most: usize) -> Result<Dataset> {
    let schema: Schema = serde_json::from_value(json(&path.join("schema.json"))?)?;
    let mut table: TableConfig = serde_json::from_value(json(&path.join("table.json"))?)?;
    table.normalise();
    let about = json(&path.join("about.json"))?;
    let source = about["data_of"]
        .as_str()
        .map_or_else(|| path.to_path_buf(), |name| all.join(name));
    let data = std::fs::read_dir(&source)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .find(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("data."))
        })
        .context("no data file")?;
    let format = data
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .split('.')
        .nth(1)
        .unwrap_or("json")
        .to_owned();
    let content = std::fs::read(&data)?;
    let records = batch::open(&format, content.into(), &Default::default())?;
    let rows = FileRows::new(records, &schema, &table, system(), most.min(10_000))?;
    let batches = rows
        .take(most.div_ceil(10_000).max(1))
        .map(|b| b.map(Box::new))
        .collect::<Result<Vec<_>, _>>()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("segment");
    let settings = BuildSettings {
        name: format!("{}_segment", schema.name),
        ..BuildSettings::default()
    };
    build::seal_rows(batches, &schema, &table, &settings, &file)?;
    let segment: Arc<dyn Segment> = Arc::new(SealedSegment::open(&file)?);
    anyhow::ensure!(
        u64::from(segment.doc_count()) == about["rows"].as_u64().unwrap_or(0).min(most as u64),
        "row count"
    );
    Ok(Dataset {
        schema,
        segments: vec![segment],
        _folder: folder,
    })
}

/// Suites by name.
pub(crate) fn suites(folder: &Path) -> Result<BTreeMap<String, Vec<Json>>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let file_name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path)?;
        let text = if file_name.ends_with(".gz") {
            let mut text = String::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?;
            text
        } else {
            String::from_utf8(bytes)?
        };
        let cases = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<Json>, _>>()?;
        out.insert(
            file_name.split('.').next().unwrap_or_default().to_owned(),
            cases,
        );
    }
    Ok(out)
}

fn texts<'a>(case: &'a Json, key: &str) -> impl Iterator<Item = &'a str> {
    let list = case[key].as_array().into_iter().flatten();
    list.filter_map(Json::as_str)
}

/// True for a query of the multi-stage engine.
pub(crate) fn is_multi_stage(case: &Json) -> bool {
    texts(case, "tags").any(|tag| tag == "multi-stage")
}

/// True for a query whose data sets are all there.
pub(crate) fn has_data(case: &Json, datasets: &BTreeMap<String, Dataset>) -> bool {
    texts(case, "datasets").all(|name| datasets.contains_key(name))
}

/// True for a single-stage query whose data sets are all there.
pub(crate) fn usable(case: &Json, datasets: &BTreeMap<String, Dataset>) -> bool {
    !is_multi_stage(case) && has_data(case, datasets)
}
