//! `/tasks`: what tasks there are, how they stand, making and stopping them.
//!
//! Must not know: what tasks do. Invariant: a task of one work is its own only subtask, as clients of Pinot expect one.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use serde_json::{Map, Value as Json, json as object};

use super::tables::named;
use super::{Answer, Parameters, Refusal, Shared, json, status};
use crate::core::Core;
use crate::minion::{self, Settings, State as TaskState, TYPES, Task};
use crate::state::Change;

pub(crate) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/tasks/tasktypes", get(types))
        .route("/tasks/summary", get(summary))
        .route("/tasks/schedule", post(schedule))
        .route("/tasks/execute", post(execute))
        .route("/tasks/scheduler/information", get(scheduler))
        .route("/tasks/scheduler/jobKeys", get(schedules))
        .route("/tasks/scheduler/jobDetails", get(schedules))
        .route("/tasks/task/{task}", delete(remove))
        .route("/tasks/task/{task}/state", get(state))
        .route("/tasks/task/{task}/config", get(config))
        .route("/tasks/task/{task}/runtime/config", get(config))
        .route("/tasks/task/{task}/debug", get(debug))
        .route("/tasks/subtask/{task}/state", get(subtask_state))
        .route("/tasks/subtask/{task}/config", get(subtask_config))
        .route("/tasks/subtask/{task}/progress", get(progress))
        .route("/tasks/{type}", delete(remove_all))
        .route("/tasks/{type}/state", get(type_state))
        .route("/tasks/{type}/tasks", get(names))
        .route("/tasks/{type}/tasks/count", get(count))
        .route("/tasks/{type}/taskstates", get(states))
        .route("/tasks/{type}/taskcounts", get(counts))
        .route("/tasks/{type}/debug", get(debug_type))
        .route("/tasks/{type}/stop", put(stop))
        .route("/tasks/{type}/resume", put(resume))
        .route("/tasks/{type}/cleanup", put(cleanup))
        .route("/tasks/{type}/{table}/state", get(table_states))
        .route("/tasks/{type}/{table}/debug", get(table_debug))
        .route(
            "/tasks/{type}/{table}/metadata",
            get(metadata).delete(forget_metadata),
        )
}

async fn types() -> Answer {
    let names: Vec<&str> = TYPES.iter().map(|t| t.name()).collect();
    Ok(json(&object!(names)))
}

async fn summary(State(core): Shared) -> Answer {
    let tasks = minion::tasks(&core, None);
    let with = |state: TaskState| tasks.iter().filter(|t| t.state() == state).count();
    let breakdown: Vec<Json> = TYPES
        .iter()
        .filter_map(|kind| {
            let of: Vec<_> = tasks.iter().filter(|t| t.kind == kind.name()).collect();
            let with = |state: TaskState| of.iter().filter(|t| t.state() == state).count();
            let (running, waiting) = (with(TaskState::InProgress), with(TaskState::NotStarted));
            (running + waiting > 0).then(|| {
                object!({"taskType": kind.name(), "runningCount": running, "waitingCount": waiting})
            })
        })
        .collect();
    Ok(json(&object!({
        "totalRunningTasks": with(TaskState::InProgress),
        "totalWaitingTasks": with(TaskState::NotStarted),
        "taskBreakdown": breakdown,
    })))
}

async fn schedule(State(core): Shared, parameters: Parameters) -> Answer {
    let given = |name: &str| {
        parameters
            .get(name)
            .map(|v| v.trim())
            .filter(|v| !v.is_empty())
    };
    let (made, errors) = minion::schedule(&core, given("taskType"), given("tableName")).await?;
    if !errors.is_empty() && made.values().all(Vec::is_empty) {
        return Err(Refusal::invalid(errors.join("; ")));
    }
    let mut out: Map<String, Json> = made
        .into_iter()
        .map(|(kind, names)| {
            let names = (!names.is_empty()).then(|| names.join(","));
            (kind, object!(names))
        })
        .collect();
    if !errors.is_empty() {
        out.insert("schedulingErrors".to_owned(), object!(errors.join("; ")));
    }
    Ok(json(&Json::Object(out)))
}

async fn execute(State(core): Shared, axum::Json(body): axum::Json<Json>) -> Answer {
    let text = |key: &str| {
        body.get(key)
            .and_then(Json::as_str)
            .ok_or_else(|| Refusal::invalid(format!("`{key}` is missing")))
    };
    let (kind, table) = (text("taskType")?, text("tableName")?);
    let configs = body.get("taskConfigs").and_then(Json::as_object);
    let settings: Settings = configs
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            let text = value.as_str().map(str::to_owned);
            (key.clone(), text.unwrap_or_else(|| value.to_string()))
        })
        .collect();
    let tables = named(&core, table, None);
    if tables.is_empty() {
        return Err(Refusal::not_found(format!("Table '{table}' not found.")));
    }
    let mut out = Map::new();
    for table in tables {
        let names = minion::execute(&core, kind, &table, settings.clone()).await?;
        out.insert(table, object!(names.join(",")));
    }
    Ok(json(&Json::Object(out)))
}

fn known(kind: &str) -> Result<(), Refusal> {
    minion::task_type(kind)
        .map(|_| ())
        .ok_or_else(|| Refusal::not_found(format!("Task type '{kind}' is not known")))
}

fn found(core: &Core, name: &str) -> Result<Task, Refusal> {
    // A subtask's name is its task's with a number behind it.
    let task = minion::task(core, name);
    task.or_else(|| minion::task(core, name.strip_suffix("_0")?))
        .ok_or_else(|| Refusal::not_found(format!("Task '{name}' not found.")))
}

fn subtask(task: &Task) -> String {
    format!("{}_0", task.name)
}

fn config_form(task: &Task) -> Json {
    let mut configs: Map<String, Json> = task
        .settings
        .iter()
        .map(|(key, value)| (key.clone(), object!(value)))
        .collect();
    configs.insert("tableName".to_owned(), object!(task.table));
    configs.insert("work".to_owned(), object!(format!("{:?}", task.work)));
    object!({"taskType": task.kind, "configs": configs})
}

fn count_form(task: &Task) -> Json {
    let state = task.state();
    let one = |is: bool| u8::from(is);
    object!({
        "total": 1,
        "completed": one(state == TaskState::Completed),
        "running": one(state == TaskState::InProgress),
        "waiting": one(state == TaskState::NotStarted),
        "error": one(state == TaskState::Failed),
        "unknown": 0,
        "dropped": 0,
        "timedOut": 0,
        "aborted": 0,
    })
}

fn debug_form(task: &Task) -> Json {
    let standing = &task.standing;
    object!({
        "taskState": standing.state.name(),
        "subtaskCount": count_form(task),
        "startTime": standing.started_ms,
        "executionStartTime": standing.started_ms,
        "finishTime": standing.ended_ms,
        "triggeredBy": null,
        "subtaskInfos": [{
            "taskId": subtask(task),
            "state": standing.state.name(),
            "startTime": standing.started_ms,
            "finishTime": standing.ended_ms,
            "participant": standing.by.as_deref().unwrap_or("controller"),
            "info": standing.text,
            "restarts": standing.restarts,
            "taskConfig": config_form(task),
        }],
    })
}

/// Tasks of a type by name, in a form.
fn listed(core: &Core, kind: &str, table: Option<&str>, form: impl Fn(&Task) -> Json) -> Answer {
    known(kind)?;
    let tasks = minion::tasks(core, Some(kind));
    let wanted = tasks
        .iter()
        .filter(|t| table.is_none_or(|table| t.table == table));
    let out = wanted.map(|t| (t.name.clone(), form(t))).collect();
    Ok(json(&Json::Object(out)))
}

fn state_form(task: &Task) -> Json {
    object!(task.state().name())
}

async fn state(State(core): Shared, Path(task): Path<String>) -> Answer {
    Ok(json(&state_form(&found(&core, &task)?)))
}

async fn config(State(core): Shared, Path(task): Path<String>) -> Answer {
    Ok(json(&object!([config_form(&found(&core, &task)?)])))
}

async fn debug(State(core): Shared, Path(task): Path<String>) -> Answer {
    Ok(json(&debug_form(&found(&core, &task)?)))
}

async fn subtask_state(State(core): Shared, Path(task): Path<String>) -> Answer {
    let task = found(&core, &task)?;
    Ok(json(&object!({subtask(&task): task.state().name()})))
}

async fn subtask_config(State(core): Shared, Path(task): Path<String>) -> Answer {
    let task = found(&core, &task)?;
    Ok(json(&object!({subtask(&task): config_form(&task)})))
}

async fn progress(State(core): Shared, Path(task): Path<String>) -> Answer {
    let task = found(&core, &task)?;
    Ok(json(&object!({subtask(&task): task.standing.text})))
}

async fn remove(State(core): Shared, Path(task): Path<String>) -> Answer {
    if !minion::remove(&core, &task).await? {
        return Err(Refusal::not_found(format!("Task '{task}' not found.")));
    }
    Ok(status(format!("Successfully deleted task: {task}")))
}

async fn remove_all(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    for task in minion::tasks(&core, Some(&kind)) {
        minion::remove(&core, &task.name).await?;
    }
    Ok(status(format!(
        "Successfully deleted tasks for task type: {kind}"
    )))
}

async fn type_state(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    let word = if minion::is_held(&core, &kind) {
        "STOPPED"
    } else {
        "IN_PROGRESS"
    };
    Ok(json(&object!(word)))
}

async fn names(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    let tasks = minion::tasks(&core, Some(&kind));
    let names: Vec<&str> = tasks.iter().map(|t| t.name.as_str()).collect();
    Ok(json(&object!(names)))
}

async fn count(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    Ok(json(&object!(minion::tasks(&core, Some(&kind)).len())))
}

async fn states(State(core): Shared, Path(kind): Path<String>) -> Answer {
    listed(&core, &kind, None, state_form)
}

async fn counts(State(core): Shared, Path(kind): Path<String>) -> Answer {
    listed(&core, &kind, None, count_form)
}

async fn debug_type(State(core): Shared, Path(kind): Path<String>) -> Answer {
    listed(&core, &kind, None, debug_form)
}

async fn table_states(State(core): Shared, Path((kind, table)): Path<(String, String)>) -> Answer {
    listed(&core, &kind, Some(&table), state_form)
}

async fn table_debug(State(core): Shared, Path((kind, table)): Path<(String, String)>) -> Answer {
    listed(&core, &kind, Some(&table), debug_form)
}

async fn stop(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    minion::hold(&core, &kind, true).await?;
    Ok(status(format!(
        "Successfully stopped tasks for task type: {kind}"
    )))
}

async fn resume(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    minion::hold(&core, &kind, false).await?;
    Ok(status(format!(
        "Successfully resumed tasks for task type: {kind}"
    )))
}

async fn cleanup(State(core): Shared, Path(kind): Path<String>) -> Answer {
    known(&kind)?;
    minion::forget(&core, &kind).await?;
    Ok(status(format!(
        "Successfully cleaned up tasks for task type: {kind}"
    )))
}

async fn metadata(State(core): Shared, Path((kind, table)): Path<(String, String)>) -> Answer {
    known(&kind)?;
    let record = core.read(|s| s.watermarks.get(&(table.clone(), kind.clone())).cloned());
    let record = record
        .ok_or_else(|| Refusal::not_found(format!("No metadata of {kind} for table '{table}'")))?;
    Ok(json(&object!({
        "tableNameWithType": record.table,
        "taskType": record.task_type,
        "watermarkMs": record.at_ms,
    })))
}

async fn forget_metadata(
    State(core): Shared,
    Path((kind, table)): Path<(String, String)>,
) -> Answer {
    known(&kind)?;
    let gone = Change::WatermarkGone(table.clone(), kind.clone());
    core.change(|_| Ok((vec![gone], ()))).await?;
    Ok(status(format!(
        "Successfully deleted metadata of {kind} for table: {table}"
    )))
}

/// Tables with a schedule, by task type.
fn scheduled(core: &Core) -> Vec<(String, String, String)> {
    core.read(|state| {
        let tables = state.tables.values();
        let found = tables.flat_map(|t| {
            let types = minion::configured(&t.record.config).into_iter();
            types.filter_map(|(kind, settings)| {
                Some((
                    t.record.name.clone(),
                    kind,
                    settings.get("schedule")?.clone(),
                ))
            })
        });
        found.collect()
    })
}

async fn scheduler(State(core): Shared) -> Answer {
    let found = scheduled(&core);
    Ok(json(&object!({
        "Version": env!("CARGO_PKG_VERSION"),
        "SchedulerName": "touriga",
        "InStandbyMode": false,
        "ThreadPoolSize": 1,
        "NumberOfJobsExecuted": minion::tasks(&core, None).iter().filter(|t| t.state().has_ended()).count(),
        "NumberOfScheduledJobs": found.len(),
    })))
}

async fn schedules(State(core): Shared) -> Answer {
    let found = scheduled(&core);
    let forms: Vec<Json> = found
        .into_iter()
        .map(|(table, kind, cron)| object!({"name": table, "group": kind, "schedule": cron}))
        .collect();
    Ok(json(&object!(forms)))
}
