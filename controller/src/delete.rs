//! `DELETE FROM t WHERE condition`: rows that must go, out of every sealed segment.
//!
//! Must not know: HTTP. Invariant: the answer comes when the new segments are in the deep store and servers are told; what could not be
//! looked at is said.

use std::time::Duration;

use proto::controller_service::SegmentStatus;

use crate::core::Core;
use crate::error::ControllerError;
use crate::minion::{self, Settings, State};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A DELETE.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delete {
    /// Table, as written.
    pub(crate) table: String,
    /// Which rows.
    pub(crate) condition: String,
}

/// What became of it.
pub(crate) struct Deleted {
    pub(crate) rows: u64,
    pub(crate) segments: usize,
    /// Segments that take rows still: those stay as they are.
    pub(crate) consuming: usize,
}

/// Takes a statement apart; `None` where it is no DELETE.
pub(crate) fn parse(statement: &str) -> Option<Result<Delete, String>> {
    let rest = word(statement, "DELETE")?;
    Some(parsed(rest))
}

fn parsed(rest: &str) -> Result<Delete, String> {
    let rest = word(rest, "FROM").ok_or("expected FROM after DELETE")?;
    let rest = rest.trim_start();
    let (table, rest) = match rest.strip_prefix(['"', '`']) {
        Some(quoted) => quoted
            .split_once(['"', '`'])
            .ok_or("the name of the table does not end")?,
        None => rest
            .split_once(char::is_whitespace)
            .unwrap_or((rest.trim_end_matches(';'), "")),
    };
    let condition = word(rest, "WHERE").ok_or(
        "DELETE needs a WHERE; to delete every row, delete the segments (DELETE /segments/{table}) or the table",
    )?;
    let condition = condition.trim().trim_end_matches(';').trim_end();
    if condition.is_empty() {
        return Err("expected a condition after WHERE".to_owned());
    }
    Ok(Delete {
        table: table.to_owned(),
        condition: condition.to_owned(),
    })
}

/// What follows a word, in any case, at the beginning of a text.
fn word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let text = text.trim_start();
    let (first, rest) = (text.get(..word.len())?, text.get(word.len()..)?);
    let ends = rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric() && c != '_');
    (first.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Deletes the rows of a table, named with its type.
pub(crate) async fn run(
    core: &Core,
    table: &str,
    condition: &str,
) -> Result<Deleted, ControllerError> {
    let consuming = core.with_table(table, |t| {
        let segments = t.segments.values();
        segments
            .filter(|s| s.record.status == SegmentStatus::InProgress)
            .count()
    });
    let settings = [
        ("purgeCondition", condition),
        ("lastPurgeTimeThresholdPeriod", "0d"),
        ("tableMaxNumTasks", "-1"),
    ];
    let settings: Settings = settings.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let tasks = minion::execute(core, "PurgeTask", table, settings).await?;
    let mut deleted = Deleted {
        rows: 0,
        segments: 0,
        consuming: consuming.unwrap_or_default(),
    };
    for name in tasks {
        let rows = ended(core, &name).await?;
        deleted.rows += rows;
        deleted.segments += usize::from(rows > 0);
    }
    Ok(deleted)
}

/// Rows that a task took away, once it ended.
async fn ended(core: &Core, name: &str) -> Result<u64, ControllerError> {
    loop {
        let Some(task) = minion::task(core, name) else {
            return Err(ControllerError::Conflict(format!(
                "task {name} was removed"
            )));
        };
        let standing = task.standing;
        match standing.state {
            State::Completed => return Ok(standing.rows_gone),
            State::Failed => {
                return Err(ControllerError::Conflict(format!(
                    "not every segment was rewritten: {}",
                    standing.text
                )));
            }
            State::NotStarted | State::InProgress => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletes_are_taken_apart() {
        let of = |text: &str| parse(text).map(|r| r.map(|d| (d.table, d.condition)));
        let both =
            |table: &str, condition: &str| Some(Ok((table.to_owned(), condition.to_owned())));
        assert_eq!(of("delete from t where a = 1 ;"), both("t", "a = 1"));
        assert_eq!(
            of("DELETE FROM \"db.t\" WHERE name = 'where x'"),
            both("db.t", "name = 'where x'")
        );
        assert_eq!(of("SELECT 1"), None);
        assert!(of("DELETE FROM t").is_some_and(|r| r.is_err()));
        assert!(of("DELETE t WHERE 1=1").is_some_and(|r| r.is_err()));
    }
}
