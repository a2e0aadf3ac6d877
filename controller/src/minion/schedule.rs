//! When tasks are due: by a table's cron expressions, or because somebody asks.
//!
//! Must not know: how tasks work. Invariant: a table has one batch of tasks of a type at a time.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use cron::Schedule;

use super::runner::{add, is_busy};
use super::task::Task;
use super::{Settings, TaskType, View, configured, task_type};
use crate::core::Core;
use crate::error::ControllerError;

/// The key of a table's cron expression.
const SCHEDULE: &str = "schedule";
/// How long nobody leads at most when a leader is replaced, milliseconds.
const LEADERLESS_MS: i64 = 10_000;

/// Reads a cron expression in Quartz's form: seconds, minutes, hours, day of month, month, day of week, year where given.
///
/// # Errors
/// With what is wrong.
pub(crate) fn parse(text: &str) -> Result<Schedule, ControllerError> {
    Schedule::from_str(text).map_err(|error| {
        ControllerError::Invalid(format!(
            "`{text}` is no cron expression of 6 or 7 fields: {error}"
        ))
    })
}

/// Makes the tasks whose time has come.
pub(super) async fn due(core: &Core) {
    let now_ms = core.now_ms();
    let mut found = Vec::new();
    for (table, types) in tables(core, None) {
        for (kind, settings) in types {
            let Some(text) = settings.get(SCHEDULE) else {
                continue;
            };
            let mut looked = core.minion.looked_ms.lock();
            let last = looked
                .insert((table.clone(), kind.clone()), now_ms)
                .unwrap_or_else(|| first_look(core, &table, &kind, now_ms));
            let is_due = parse(text).ok().is_some_and(|schedule| {
                let next = at(last).and_then(|last| schedule.after(&last).next());
                next.is_some_and(|next| next.timestamp_millis() <= now_ms)
            });
            if is_due {
                found.push((table.clone(), kind, settings));
            }
        }
    }
    for (table, kind, settings) in found {
        let Some(task_type) = task_type(&kind) else {
            continue;
        };
        if let Err(error) = make(core, &table, task_type, settings).await {
            tracing::warn!(table, kind, %error, "no task could be made");
        }
    }
}

/// Since when a new leader answers for a schedule: for a moment in which nobody led too, but for nothing that was made.
fn first_look(core: &Core, table: &str, kind: &str, now_ms: i64) -> i64 {
    if core.seat.is_none() {
        return now_ms;
    }
    let made = core.read(|state| {
        let tasks = state.tasks.values();
        let of_kind = tasks.filter(|t| t.table == table && t.kind == kind);
        of_kind.map(|t| t.created_ms).max()
    });
    made.unwrap_or(i64::MIN)
        .max(now_ms.saturating_sub(LEADERLESS_MS))
}

fn at(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis)
}

/// Configured types by table with type.
fn tables(core: &Core, only: Option<&str>) -> BTreeMap<String, BTreeMap<String, Settings>> {
    core.read(|state| {
        let wanted = state.tables.values().filter(|t| {
            only.is_none_or(|name| name == t.record.name || name == t.record.raw_name())
        });
        wanted
            .map(|t| (t.record.name.clone(), configured(&t.record.config)))
            .collect()
    })
}

/// Makes tasks now, for one type or all and one table or all; the names of the tasks by type, and what went wrong.
pub(crate) async fn schedule(
    core: &Core,
    kind: Option<&str>,
    table: Option<&str>,
) -> Result<(BTreeMap<String, Vec<String>>, Vec<String>), ControllerError> {
    if let Some(kind) = kind {
        known(kind)?;
    }
    let tables = tables(core, table);
    if tables.is_empty()
        && let Some(table) = table
    {
        return Err(ControllerError::NotFound(format!(
            "Table '{table}' not found."
        )));
    }
    let (mut made, mut errors) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
    for (table, types) in tables {
        for (name, settings) in types {
            if kind.is_some_and(|kind| kind != name) {
                continue;
            }
            let names = made.entry(name.clone()).or_default();
            match known(&name) {
                Ok(task_type) => match make(core, &table, task_type, settings).await {
                    Ok(found) => names.extend(found),
                    Err(error) => errors.push(error.to_string()),
                },
                Err(error) => errors.push(error.to_string()),
            }
        }
    }
    Ok((made, errors))
}

/// Makes tasks of one type for one table with settings of the moment.
pub(crate) async fn execute(
    core: &Core,
    kind: &str,
    table: &str,
    settings: Settings,
) -> Result<Vec<String>, ControllerError> {
    make(core, table, known(kind)?, settings).await
}

fn known(kind: &str) -> Result<&'static dyn TaskType, ControllerError> {
    task_type(kind).ok_or_else(|| {
        let names: Vec<&str> = super::TYPES.iter().map(|t| t.name()).collect();
        ControllerError::Invalid(format!(
            "Task type '{kind}' is not known, expected one of {}",
            names.join(", ")
        ))
    })
}

async fn make(
    core: &Core,
    table: &str,
    task_type: &dyn TaskType,
    settings: Settings,
) -> Result<Vec<String>, ControllerError> {
    if is_busy(core, table, task_type.name()) {
        return Ok(Vec::new());
    }
    let Some(view) = View::of(core, table, settings.clone()) else {
        return Err(ControllerError::NotFound(format!(
            "Table '{table}' not found."
        )));
    };
    let works = task_type.plan(&view).await?;
    let most = match view.get("tableMaxNumTasks") {
        Some("-1") => usize::MAX,
        None => task_type.most(),
        Some(_) => usize::try_from(view.number("tableMaxNumTasks", 1)?).unwrap_or(usize::MAX),
    };
    let mut tasks = Vec::new();
    for work in works.into_iter().take(most) {
        let name = format!(
            "Task_{}_{}_{}",
            task_type.name(),
            uuid::Uuid::new_v4(),
            view.now_ms
        );
        let settings = settings.clone();
        tasks.push(Task::new(name, task_type.name(), table, settings, work));
    }
    let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
    if !tasks.is_empty() {
        add(core, tasks).await?;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartz_expressions_are_read() {
        for text in ["0 */5 * * * ?", "0 0 3 ? * MON-FRI", "0 0 0 1 1 ? 2030"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        assert!(parse("every day").is_err());
    }
}
