//! How many rows tables have, and how many different values the columns that join them.
//!
//! Must not know: plans. Invariant: figures are estimates, a minute old at most; without them a query runs all the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::Value;

use crate::leaf::{LeafAnswer, Leaves};

/// How long figures serve.
const FRESH: Duration = Duration::from_secs(60);

/// The columns of tables whose figures are wanted.
pub(crate) type Wanted = BTreeMap<String, BTreeSet<String>>;

/// A table's figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableFigures {
    /// Rows.
    pub(crate) rows: f64,
    /// Different values of columns.
    pub(crate) distinct: HashMap<String, f64>,
}

/// Figures of tables, kept from query to query.
#[derive(Debug, Default)]
pub struct Statistics(Mutex<HashMap<String, (Instant, TableFigures)>>);

impl Statistics {
    /// Figures of tables; a table that does not answer is left out.
    pub(crate) async fn of(
        &self,
        wanted: &Wanted,
        leaves: &dyn Leaves,
    ) -> HashMap<String, TableFigures> {
        let mut out = HashMap::new();
        let mut asked = false;
        for (table, columns) in wanted {
            if let Some(known) = self.known(table, columns) {
                out.insert(table.clone(), known);
                continue;
            }
            asked = true;
            if let Some(figures) = ask(table, columns, leaves).await {
                let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(table.clone(), (Instant::now(), figures.clone()));
                out.insert(table.clone(), figures);
            }
        }
        if asked {
            // What these questions read is no part of the query.
            leaves.asked_again();
        }
        out
    }

    fn known(&self, table: &str, columns: &BTreeSet<String>) -> Option<TableFigures> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, figures) = kept.get(table)?;
        let all = columns
            .iter()
            .all(|column| figures.distinct.contains_key(column));
        (all && at.elapsed() < FRESH).then(|| figures.clone())
    }
}

async fn ask(table: &str, columns: &BTreeSet<String>, leaves: &dyn Leaves) -> Option<TableFigures> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut list = vec!["COUNT(*)".to_owned()];
    list.extend(
        columns
            .iter()
            .map(|column| format!("DISTINCTCOUNTHLL({})", quoted(column))),
    );
    let sql = format!("SELECT {} FROM {} LIMIT 1", list.join(", "), quoted(table));
    let answer = leaves.answer(&sql).await.ok()?;
    let row: Vec<Value> = match answer {
        LeafAnswer::Columns(blocks) => {
            let rows = blocks.first().map_or(0, common::Block::rows);
            (rows > 0).then(|| blocks.iter().map(|block| block.value(0)).collect())?
        }
        LeafAnswer::Rows(table) => table.rows.into_iter().next()?,
    };
    let mut numbers = row
        .iter()
        .map(|value| value.as_f64().unwrap_or(1.0).max(1.0));
    Some(TableFigures {
        rows: numbers.next()?,
        distinct: columns.iter().cloned().zip(numbers).collect(),
    })
}
