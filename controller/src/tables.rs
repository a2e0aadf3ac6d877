//! Tables and schemas: made, changed, dropped, turned on and off.
//!
//! Must not know: HTTP. Invariant: a table always has its schema; a realtime table is made whole, with its consuming segments, or is
//! made without any and says why until the stream is there.

use common::ids::{split_type, with_type};
use common::{Schema, TableConfig, TableType};
use serde_json::Value as Json;

use crate::core::Core;
use crate::error::ControllerError;
use crate::forms;
use crate::periodic::deleted_kept_ms;
use crate::realtime;
use crate::records::{PauseRecord, TableRecord};
use crate::state::{Change, State};
use crate::tenancy;
use crate::validation;

type Result<T> = std::result::Result<T, ControllerError>;

/// A table config as it was sent, checked by itself.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) config: TableConfig,
    pub(crate) form: Json,
    pub(crate) unrecognized: Json,
}

/// Reads a table config.
///
/// # Errors
/// Where the text is no JSON, or a key that every config must have is absent or ill.
pub(crate) fn read_config(text: &str) -> std::result::Result<Sent, String> {
    let json: Json = serde_json::from_str(text).map_err(|e| e.to_string())?;
    read_config_json(json)
}

/// Reads a table config from JSON.
///
/// # Errors
/// As [`read_config`].
pub(crate) fn read_config_json(mut json: Json) -> std::result::Result<Sent, String> {
    validation::shape::check(&json)?;
    let unrecognized = forms::unrecognized_in_table(&json);
    if let Some(object) = json.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    let mut config: TableConfig =
        serde_json::from_value(json.clone()).map_err(|e| e.to_string())?;
    config.normalise();
    if let Some(name) = json.get_mut("tableName") {
        *name = Json::from(config.table_name.clone());
    }
    let form = forms::table_form(&json);
    Ok(Sent {
        config,
        form,
        unrecognized,
    })
}

/// Fills in the tenants that were not named, as the stored config has them.
fn with_tenants(mut sent: Sent) -> Sent {
    let broker = tenancy::broker_tenant(&sent.config).to_owned();
    let server = tenancy::server_tenant(&sent.config).to_owned();
    if let Some(tenants) = sent.form.get_mut("tenants").and_then(Json::as_object_mut) {
        tenants.insert("broker".to_owned(), Json::from(broker.clone()));
        tenants.insert("server".to_owned(), Json::from(server.clone()));
    }
    sent.config.tenants.broker = Some(broker);
    sent.config.tenants.server = Some(server);
    sent
}

/// Checks a config against its schema and the other tables.
///
/// # Errors
/// The first rule that is broken, in Pinot's words.
pub(crate) fn check(state: &State, config: &TableConfig, schema: &Schema) -> Result<()> {
    validation::table::check(config, schema).map_err(ControllerError::Invalid)?;
    let other = match config.table_type {
        TableType::Offline => TableType::Realtime,
        TableType::Realtime => TableType::Offline,
    };
    if let Some(other) = state.table(&with_type(config.raw_name(), other)) {
        validation::hybrid::check(config, &other.record.config)
            .map_err(ControllerError::Invalid)?;
    }
    Ok(())
}

/// The schema that a table must have before it.
pub(crate) fn schema_for<'a>(state: &'a State, config: &TableConfig) -> Result<&'a Schema> {
    state.schema_of(&config.table_name).ok_or_else(|| {
        ControllerError::Invalid(format!(
            "Failed to find schema for table: {}",
            config.table_name
        ))
    })
}

/// Makes a table; `schema` is written with it where given.
pub(crate) async fn create(core: &Core, sent: Sent, schema: Option<Schema>) -> Result<()> {
    let sent = with_tenants(sent);
    let name = sent.config.table_name.clone();
    let exists = || {
        ControllerError::Conflict(format!(
            "Table config for {name} already exists. If this is unexpected, try deleting the table to remove all metadata associated with it before attempting to recreate."
        ))
    };
    core.read(|state| {
        if state.table(&name).is_some() {
            return Err(exists());
        }
        let schema = schema
            .as_ref()
            .map_or_else(|| schema_for(state, &sent.config), Ok)?;
        check(state, &sent.config, schema)?;
        tenancy::servers(state, &sent.config, tenancy::Use::Consuming)
            .map_err(ControllerError::Invalid)
    })?;
    let (partitions, starts, ingestion_error) = first_offsets(core, &sent.config).await;
    let now_ms = core.now_ms();
    core.change(|state| {
        if state.table(&name).is_some() {
            return Err(exists());
        }
        let record = TableRecord {
            name: name.clone(),
            config: sent.config.clone(),
            form: sent.form.clone(),
            created_ms: now_ms,
            modified_ms: now_ms,
            schema_changed_ms: None,
            enabled: true,
            pause: PauseRecord::default(),
            force_commit: Vec::new(),
            reload_generation: 0,
            explicit_boundary_ms: None,
            lineage: Vec::new(),
            ingestion_error,
        };
        let segments = realtime::begin_all(state, &record, &starts, partitions, now_ms)?;
        let mut changes = Vec::new();
        changes.extend(schema.map(|s| Change::Schema(Box::new(s))));
        changes.push(Change::Table(Box::new(record)));
        changes.extend(segments);
        Ok((changes, ()))
    })
    .await
}

async fn first_offsets(
    core: &Core,
    config: &TableConfig,
) -> (usize, Vec<crate::consuming::Start>, Option<String>) {
    if config.table_type == TableType::Offline {
        return (0, Vec::new(), None);
    }
    let streams: Vec<_> = config.streams().into_iter().cloned().collect();
    let asked = async {
        let partitions = realtime::partitions(core, &streams).await?;
        let starts = realtime::starts(core, &partitions, realtime::From::Configured).await?;
        Ok::<_, crate::streams::StreamError>((partitions.len(), starts))
    };
    match asked.await {
        Ok((partitions, starts)) => (partitions, starts, None),
        Err(error) => (0, Vec::new(), Some(error.to_string())),
    }
}

/// Replaces a table's config.
pub(crate) async fn update(core: &Core, sent: Sent, force: bool) -> Result<()> {
    let sent = with_tenants(sent);
    let now_ms = core.now_ms();
    let name = sent.config.table_name.clone();
    core.change(|state| {
        let raw = sent.config.raw_name();
        let invalid = |error: ControllerError| {
            ControllerError::Invalid(format!("Invalid table config: {raw} with error: {error}"))
        };
        let schema = schema_for(state, &sent.config).map_err(invalid)?;
        check(state, &sent.config, schema).map_err(invalid)?;
        let Some(entry) = state.table(&name) else {
            return Err(ControllerError::NotFound(format!("Table {name} does not exist")));
        };
        if !force {
            validation::change::check(&entry.record.config, &sent.config).map_err(|why| {
                ControllerError::Invalid(format!(
                    "Failed to update configuration for {raw} due to: Failed to update table '{name}': {why}"
                ))
            })?;
        }
        let record = TableRecord {
            config: sent.config.clone(),
            form: sent.form.clone(),
            modified_ms: now_ms,
            ..entry.record.clone()
        };
        Ok((vec![Change::Table(Box::new(record))], ()))
    })
    .await
}

/// Drops tables with their segments; the deep store's files stay so long, or as long as each table says.
pub(crate) async fn delete(core: &Core, names: &[String], kept_ms: Option<i64>) -> Result<()> {
    let kept: Vec<i64> = core.read(|state| {
        let of_table = |name: &String| state.table(name).map_or(0, |t| deleted_kept_ms(&t.record));
        let of = |name| kept_ms.unwrap_or_else(|| of_table(name));
        names.iter().map(of).collect()
    });
    core.change(|state| {
        let mut changes = Vec::new();
        for name in names {
            let Some(entry) = state.table(name) else {
                continue;
            };
            for segment in entry.segments.keys() {
                changes.push(Change::SegmentGone(name.clone(), segment.clone()));
            }
            let watermarks = state.watermarks.keys().filter(|(table, _)| table == name);
            changes.extend(
                watermarks.map(|(table, kind)| Change::WatermarkGone(table.clone(), kind.clone())),
            );
            changes.push(Change::TableGone(name.clone()));
        }
        Ok((changes, ()))
    })
    .await?;
    core.looked_ms
        .lock()
        .retain(|table, _| !names.contains(table));
    core.completions
        .lock()
        .retain(|(table, _), _| !names.contains(table));
    for (name, kept_ms) in names.iter().zip(kept) {
        for uri in core.deep_store.list(name).await? {
            core.discard(&uri, kept_ms).await?;
        }
    }
    Ok(())
}

/// Turns a table on or off.
pub(crate) async fn set_enabled(core: &Core, name: &str, enabled: bool) -> Result<()> {
    core.change(|state| {
        let entry = state
            .table(name)
            .ok_or_else(|| ControllerError::NotFound(format!("Table {name} does not exist")))?;
        let record = TableRecord {
            enabled,
            ..entry.record.clone()
        };
        Ok((vec![Change::Table(Box::new(record))], ()))
    })
    .await?;
    if enabled && split_type(name).1 == Some(TableType::Realtime) {
        realtime::repair(core, name, realtime::From::LastConsumed).await?;
    }
    Ok(())
}

/// Asks servers to rebuild indexes; the table's new generation.
pub(crate) async fn reload(core: &Core, name: &str) -> Result<u64> {
    core.change(|state| {
        let entry = state
            .table(name)
            .ok_or_else(|| ControllerError::NotFound(format!("Table {name} does not exist")))?;
        let mut record = entry.record.clone();
        record.reload_generation = record.reload_generation.saturating_add(1);
        // Rows of a consuming segment have the columns it began with: a new one begins with the new schema.
        let changed_ms = record.schema_changed_ms.unwrap_or(i64::MIN);
        for name in entry.consuming() {
            let older = entry
                .segments
                .get(&name)
                .is_some_and(|s| s.record.created_ms <= changed_ms);
            if older && !record.force_commit.contains(&name) && !realtime::is_delicate(&record) {
                record.force_commit.push(name);
            }
        }
        let generation = record.reload_generation;
        Ok((vec![Change::Table(Box::new(record))], generation))
    })
    .await
}
