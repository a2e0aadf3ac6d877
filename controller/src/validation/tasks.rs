//! Rules of `task.taskTypeConfigsMap`.
//!
//! Must not know: whether a task has something to do. Invariant: a table is only let in with tasks that can run.

use common::TableConfig;

use super::{Verdict, refuse};
use crate::minion::{configured, schedule, task_type};

/// A type of Pinot that has no counterpart here.
const NOT_BUILT: &str = "MaterializedViewTask";

pub(super) fn check(config: &TableConfig) -> Verdict {
    for (name, settings) in configured(config) {
        refuse(name == NOT_BUILT, || {
            format!(
                "Task type {NOT_BUILT} is not supported: no task here fills a materialized view"
            )
        })?;
        refuse(task_type(&name).is_none(), || {
            format!(
                "Task generator not found for task type: {name}, while validating table configs for table: {}",
                config.table_name
            )
        })?;
        if let Some(text) = settings.get("schedule") {
            refuse(schedule::parse(text).is_err(), || {
                format!("Task contains an invalid cron schedule: {text}")
            })?;
        }
    }
    Ok(())
}
