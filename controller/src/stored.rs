//! From entries of the metadata store to the state.
//!
//! Must not know: which store. Invariant: entries of one moment make the state of that moment, in whatever order they come.

use cluster::{Versioned, Write};

use crate::error::ControllerError;
use crate::records::keys;
use crate::state::{Change, State};

/// What is read first: a segment needs its table.
const ORDER: &[&str] = &[
    keys::SCHEMAS,
    keys::TABLES,
    keys::SEGMENTS,
    keys::INSTANCES,
    keys::CONFIGS,
    keys::WATERMARKS,
    keys::JOBS,
    keys::TASKS,
    keys::HELD,
];

/// The state that entries make, its versions growing from `start`.
pub(crate) fn state_of(
    entries: &[(String, Versioned)],
    start: u64,
) -> Result<State, ControllerError> {
    let steps = entries.iter().map(|(k, v)| (k.as_str(), Some(&*v.value)));
    let mut state = State::starting_at(start);
    state.apply(changes_of(steps)?);
    for (key, found) in entries {
        if key == keys::CLUSTER_ID {
            state.cluster_id = String::from_utf8_lossy(&found.value).into_owned();
        }
        if let Some(name) = key.strip_prefix(keys::REMOVED) {
            state.remember_removed(name);
        }
    }
    Ok(state)
}

/// What names a cluster whose metadata has no name yet.
pub(crate) fn new_cluster_id() -> Write {
    let id = uuid::Uuid::new_v4().to_string();
    Write::put(keys::CLUSTER_ID.to_owned(), id.into_bytes())
}

/// Keys that were written together as changes; no value means that a key is gone.
pub(crate) fn changes_of<'a>(
    step: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
) -> Result<Vec<Change>, ControllerError> {
    let mut ranked = Vec::new();
    for (key, value) in step {
        let found = ORDER
            .iter()
            .enumerate()
            .find_map(|(rank, prefix)| Some((rank, *prefix, key.strip_prefix(prefix)?)));
        let Some((rank, prefix, name)) = found else {
            continue;
        };
        if let Some(change) = change(prefix, name, value)? {
            ranked.push((rank, change));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok(ranked.into_iter().map(|(_, change)| change).collect())
}

fn change(
    prefix: &str,
    name: &str,
    value: Option<&[u8]>,
) -> Result<Option<Change>, ControllerError> {
    let (first, second) = name.split_once('/').unwrap_or((name, ""));
    let own = str::to_owned;
    Ok(Some(match (prefix, value) {
        (keys::SCHEMAS, Some(value)) => Change::Schema(Box::new(read(value)?)),
        (keys::SCHEMAS, None) => Change::SchemaGone(own(name)),
        (keys::TABLES, Some(value)) => Change::Table(Box::new(read(value)?)),
        (keys::TABLES, None) => Change::TableGone(own(name)),
        (keys::SEGMENTS, Some(value)) => Change::Segment(own(first), Box::new(read(value)?)),
        (keys::SEGMENTS, None) => Change::SegmentGone(own(first), own(second)),
        (keys::INSTANCES, Some(value)) => Change::Instance(read(value)?),
        (keys::INSTANCES, None) => Change::InstanceGone(own(name)),
        (keys::CONFIGS, Some(value)) => {
            Change::Config(own(name), String::from_utf8_lossy(value).into_owned())
        }
        (keys::CONFIGS, None) => Change::ConfigGone(own(name)),
        (keys::WATERMARKS, Some(value)) => Change::Watermark(read(value)?),
        (keys::WATERMARKS, None) => Change::WatermarkGone(own(first), own(second)),
        (keys::JOBS, Some(value)) => Change::Job(read(value)?),
        (keys::JOBS, None) => Change::JobGone(own(name)),
        (keys::TASKS, Some(value)) => Change::Task(Box::new(read(value)?)),
        (keys::TASKS, None) => Change::TaskGone(own(name)),
        (keys::HELD, value) => Change::Held(own(name), value.is_some()),
        _ => return Ok(None),
    }))
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ControllerError> {
    serde_json::from_slice(bytes).map_err(|error| ControllerError::internal("read a record", error))
}

#[cfg(test)]
mod tests {
    use cluster::Versioned;

    use super::{changes_of, state_of};

    #[test]
    fn entries_make_the_state_in_any_order() -> Result<(), Box<dyn std::error::Error>> {
        let schema = r#"{"schemaName":"t","dimensionFieldSpecs":[{"name":"a","dataType":"INT"}]}"#;
        let entry = |key: &str, value: &str| {
            let value = value.as_bytes().to_vec();
            (key.to_owned(), Versioned { version: 1, value })
        };
        let config = r#"{"tableName":"t_OFFLINE","tableType":"OFFLINE","segmentsConfig":{}}"#;
        let table = format!(
            r#"{{"name":"t_OFFLINE","config":{config},"form":{{}},"created_ms":1,"modified_ms":1,"enabled":true}}"#
        );
        let record = r#"{"name":"s","status":"DONE","partition":null,"sequence":null,"start_offset":null,"end_offset":null,
            "download_uri":"u","crc":1,"total_docs":1,"size_bytes":1,"start_time_ms":null,"end_time_ms":null,"created_ms":1,
            "pushed_ms":1,"flush_rows":null}"#;
        let segment = format!(r#"{{"record":{record},"ideal":{{}}}}"#);
        let entries = [
            entry("leader", "somebody"),
            entry("removed/old_OFFLINE", ""),
            entry("segments/t_OFFLINE/s", &segment),
            entry("tables/t_OFFLINE", &table),
            entry("schemas/t", schema),
            entry("configs/a", "b"),
        ];
        let mut state = state_of(&entries, 7)?;
        let found = state.table("t_OFFLINE").ok_or("no table")?;
        assert_eq!((found.segments.len(), found.version), (1, 8));
        assert_eq!(state.configs["a"], "b");
        let gone = [("segments/t_OFFLINE/s", None), ("configs/a", None)];
        state.apply(changes_of(gone.into_iter())?);
        let found = state.table("t_OFFLINE").ok_or("no table")?;
        assert!(found.segments.is_empty() && state.configs.is_empty());
        assert!(changes_of([("configs/c", Some(&b"d"[..]))].into_iter())?.len() == 1);
        Ok(())
    }
}
