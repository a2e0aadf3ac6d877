//! Rules of `task.taskTypeConfigsMap`.
//!
//! Must not know: whether a task has something to do. Invariant: a type that Pinot knows and Touriga does not is let in, and says so
//! when it is to run.

use common::TableConfig;

use super::{Verdict, refuse};
use crate::minion::{configured, schedule, task_type};

/// Types of Pinot that have no counterpart here.
const OF_PINOT: &[&str] = &["SegmentGenerationAndPushTask", "MaterializedViewTask"];

pub(super) fn check(config: &TableConfig) -> Verdict {
    for (name, settings) in configured(config) {
        refuse(
            task_type(&name).is_none() && !OF_PINOT.contains(&name.as_str()),
            || {
                format!(
                    "Task generator not found for task type: {name}, while validating table configs for table: {}",
                    config.table_name
                )
            },
        )?;
        if let Some(text) = settings.get("schedule") {
            refuse(schedule::parse(text).is_err(), || {
                format!("Task contains an invalid cron schedule: {text}")
            })?;
        }
    }
    Ok(())
}
