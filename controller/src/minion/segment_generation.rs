//! `SegmentGenerationAndPushTask`: files of a folder or bucket become segments of an OFFLINE table, a file a segment.
//!
//! Must not know: formats. Invariant: a segment's name holds a hash of its file's address, so that a file that is in the table is known
//! by the names of its segments alone, and a file that is taken twice replaces itself.

use async_trait::async_trait;
use cluster::objects::Properties;
use common::TableType;
use ingest::batch::pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

use super::task::{Done, Running};
use super::{Settings, TaskType, View, Work};
use crate::core::Core;
use crate::error::ControllerError;
use crate::source::{self, PREFIX};
use crate::upload::{BatchConfig, ingest_file};

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ingest {
    /// Its address.
    uri: String,
    /// What the batch says.
    batch: Settings,
    /// What its segment's name ends with.
    end: String,
}

pub(super) struct SegmentGeneration;

#[async_trait]
impl TaskType for SegmentGeneration {
    fn name(&self) -> &'static str {
        "SegmentGenerationAndPushTask"
    }

    fn most(&self) -> usize {
        usize::MAX
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        if view.config.table_type != TableType::Offline {
            return Err(view.ill("only OFFLINE tables take files"));
        }
        let appends = appends(view);
        let mut works: Vec<Work> = Vec::new();
        for batch in batches(view)? {
            for file in files(view, &batch).await? {
                let end = format!("_{:016x}", xxh3_64(file.as_bytes()));
                let is_there = view.segments.iter().any(|s| s.name.ends_with(&end));
                if appends && is_there {
                    continue;
                }
                works.push(Work::Ingest(Ingest {
                    uri: file,
                    batch: batch.clone(),
                    end,
                }));
            }
        }
        Ok(works)
    }
}

/// True where a file that is in the table is not taken again; else it is taken each time and replaces its segment.
fn appends(view: &View<'_>) -> bool {
    let of_batch = view
        .config
        .ingestion_config
        .as_ref()
        .and_then(|config| config.batch_ingestion_config.as_ref())
        .and_then(|config| config.get("segmentIngestionType"));
    let kind = of_batch.or_else(|| view.config.segments_config.extra.get("segmentPushType"));
    !kind
        .and_then(Json::as_str)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("REFRESH"))
}

/// The batches of a table, or the one that a caller named.
fn batches(view: &View<'_>) -> Result<Vec<Settings>, ControllerError> {
    if view.get("inputDirURI").is_some() {
        return Ok(vec![view.settings.clone()]);
    }
    let maps = view
        .config
        .ingestion_config
        .as_ref()
        .and_then(|config| config.batch_ingestion_config.as_ref())
        .and_then(|config| config.get("batchConfigMaps"))
        .and_then(Json::as_array);
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let found: Vec<Settings> = maps
        .into_iter()
        .flatten()
        .filter_map(Json::as_object)
        .map(|map| {
            map.iter()
                .map(|(key, value)| (key.clone(), text(value)))
                .collect()
        })
        .collect();
    if found.is_empty() {
        return Err(view.ill(
            "`ingestionConfig.batchIngestionConfig.batchConfigMaps` is missing, expected `inputDirURI` and `inputFormat` in it",
        ));
    }
    Ok(found)
}

fn store_of(batch: &Settings) -> Properties {
    Properties::with_prefix(
        batch
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
        PREFIX,
    )
}

async fn files(view: &View<'_>, batch: &Settings) -> Result<Vec<String>, ControllerError> {
    let folder = batch.get("inputDirURI").ok_or_else(|| {
        view.ill("`inputDirURI` is missing, expected a folder such as s3://bucket/folder")
    })?;
    let pattern = |key: &str| {
        let text = batch.get(key).filter(|text| !text.is_empty());
        text.map(|text| Pattern::parse(text).map_err(|error| view.ill(error)))
            .transpose()
    };
    let (include, exclude) = (
        pattern("includeFileNamePattern")?,
        pattern("excludeFileNamePattern")?,
    );
    let found = source::list(view.core, folder, &store_of(batch)).await?;
    let wanted = found.into_iter().filter(|file| {
        let path = file.uri.strip_prefix("file://").unwrap_or(&file.uri);
        let fits = |pattern: &Pattern| pattern.fits(path, &file.below);
        include.as_ref().is_none_or(fits) && !exclude.as_ref().is_some_and(fits)
    });
    Ok(wanted.map(|file| file.uri).collect())
}

/// Takes the file.
pub(super) async fn run(
    core: &Core,
    task: &Running,
    work: &Ingest,
) -> Result<Done, ControllerError> {
    task.says(format!("reading {}", work.uri));
    let content = source::read(core, &work.uri, &store_of(&work.batch)).await?;
    let mut batch = work.batch.clone();
    if batch.get("inputFormat").is_none_or(String::is_empty) {
        let plain = work.uri.strip_suffix(".gz").unwrap_or(&work.uri);
        let end = plain
            .rsplit_once('.')
            .map(|(_, end)| end.to_ascii_lowercase());
        batch.insert("inputFormat".to_owned(), end.unwrap_or_default());
    }
    batch.insert("segmentName.end".to_owned(), work.end.clone());
    let segment = ingest_file(core, &task.table, content, BatchConfig(batch)).await?;
    Ok(Done {
        text: format!("{} became segment {segment}", work.uri),
        rows_gone: 0,
    })
}
