//! Asks the engines in process, and a real Pinot over HTTP.
//!
//! Must not know: how queries are made. Invariant: a panic of an engine is an answer that no other one equals.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use common::{ErrorCode, QueryException};
use parking_lot::Mutex;
use query::ResultTable;
use serde_json::{Value as Json, json};
use sql::Options;
use tokio::runtime::Runtime;

use crate::conformance::{self, compare, dataset::Dataset, multi_stage};

/// Characters of a message of Pinot that are kept: what follows is a stack.
const MESSAGE: usize = 1500;

/// What an engine answers.
pub(super) type Answer = Result<ResultTable, QueryException>;

/// The own data sets, read once.
pub(super) fn datasets() -> &'static Arc<BTreeMap<String, Dataset>> {
    static LOADED: OnceLock<Arc<BTreeMap<String, Dataset>>> = OnceLock::new();
    LOADED.get_or_init(|| {
        let folder = conformance::root().join("datasets");
        Arc::new(conformance::dataset::load_all(&folder).unwrap_or_default())
    })
}

fn runtime() -> Option<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().ok()).as_ref()
}

fn broken(what: &str) -> QueryException {
    QueryException::new(ErrorCode::Internal, what.to_owned())
}

/// The answer of one of our engines.
pub(super) fn ours(sql: &str, multi: bool) -> Answer {
    ours_over(sql, multi, datasets())
}

/// The answer of one of our engines over other data sets.
pub(super) fn ours_over(
    sql: &str,
    multi: bool,
    datasets: &Arc<BTreeMap<String, Dataset>>,
) -> Answer {
    let work = || match runtime() {
        Some(runtime) if multi => {
            let (sql, datasets) = (sql.to_owned(), Arc::clone(datasets));
            let asked = runtime.spawn(async move { multi_stage::ask(&sql, &datasets).await });
            runtime
                .block_on(asked)
                .unwrap_or_else(|_| Err(broken("PANIC")))
        }
        _ => conformance::ask(sql, &Options::default(), datasets),
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(broken("PANIC")))
}

/// True where an engine did not answer but broke.
pub(super) fn is_panic(answer: &Answer) -> bool {
    matches!(answer, Err(error) if error.message == "PANIC")
}

/// The rows of an answer as a response shows them.
pub(super) fn cells(table: &ResultTable) -> Vec<Vec<Json>> {
    compare::cells(table)
}

/// How the rows of two answers differ, in their order.
pub(super) fn rows_differ(a: &ResultTable, b: &ResultTable) -> Option<String> {
    let case = json!({"ordered": true, "expect": {"rows": cells(b)}});
    compare::rows(&case, a)
}

/// A real Pinot, and what it answered in earlier runs.
pub(super) struct Peer {
    broker: String,
    kept: Mutex<BTreeMap<String, Json>>,
    file: Option<Mutex<File>>,
}

impl Peer {
    /// The Pinot that `TOURIGA_PINOT_BROKER` names; its answers are kept in the file that `TOURIGA_PINOT_ANSWERS` names.
    pub(super) fn named() -> Result<Option<Self>> {
        let Ok(broker) = std::env::var("TOURIGA_PINOT_BROKER") else {
            return Ok(None);
        };
        let (mut kept, mut file) = (BTreeMap::new(), None);
        if let Some(path) = std::env::var_os("TOURIGA_PINOT_ANSWERS") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for line in text.lines() {
                let (sql, answer): (String, Json) = serde_json::from_str(line)?;
                kept.insert(sql, answer);
            }
            let opened = File::options().create(true).append(true).open(path)?;
            file = Some(Mutex::new(opened));
        }
        Ok(Some(Self {
            broker,
            kept: Mutex::new(kept),
            file,
        }))
    }

    /// What it answers, as the recorded corpus has it; `None` where it gave up for reasons of its own.
    pub(super) fn answer(&self, sql: &str) -> Option<Json> {
        if let Some(answer) = self.kept.lock().get(sql) {
            return Some(answer.clone());
        }
        let answer = of_peer(&self.broker, sql)?;
        if let Some(file) = &self.file {
            let line = json!([sql, answer]);
            writeln!(file.lock(), "{line}").ok()?;
        }
        self.kept.lock().insert(sql.to_owned(), answer.clone());
        Some(answer)
    }
}

/// What a real Pinot answers, an error with its message.
fn of_peer(broker: &str, sql: &str) -> Option<Json> {
    /// Timeouts, servers away and requests that never came to be planned.
    const NO_ANSWER: &[u64] = &[235, 240, 250, 305, 400, 427];
    let body = json!({"sql": sql, "queryOptions": "serverReturnFinalResult=false;timeoutMs=20000"});
    let asked = async {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()?;
        let sent = client.post(format!("http://{broker}/query/sql"));
        let text = sent
            .body(body.to_string())
            .header("Content-Type", "application/json");
        anyhow::Ok(text.send().await?.text().await?)
    };
    let text = runtime()?.block_on(asked).ok()?;
    let answer: Json = serde_json::from_str(&text).ok()?;
    if let Some(first) = answer["exceptions"].as_array().and_then(|all| all.first()) {
        let code = first["errorCode"].as_u64()?;
        let message = first["message"].as_str().unwrap_or_default();
        let message: String = message.chars().take(MESSAGE).collect();
        return (!NO_ANSWER.contains(&code)).then(|| json!({"error": code, "message": message}));
    }
    let table = answer.get("resultTable").filter(|t| !t.is_null())?;
    Some(json!({
        "names": table["dataSchema"]["columnNames"],
        "types": table["dataSchema"]["columnDataTypes"],
        "rows": table["rows"],
    }))
}
