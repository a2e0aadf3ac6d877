//! Gapfilled rows of small results.

use common::{ColumnType, DataType, Value};
use functions::scalar::EvalContext;
use sql::{Options, Statement};

use super::fill;
use crate::{QueryError, ResultTable};

fn filled(sql: &str, rows: &[(i64, &str, i64)]) -> Result<Vec<String>, QueryError> {
    let statement = Statement::split(sql, &Options::default())?;
    let gapfill = sql::gapfill::split(&statement)?;
    let gapfill = gapfill.ok_or_else(|| QueryError::validation("no GAPFILL"))?;
    let table = ResultTable {
        names: ["d", "k", "n"].map(str::to_owned).to_vec(),
        types: [DataType::Long, DataType::String, DataType::Long]
            .map(ColumnType::sv)
            .to_vec(),
        rows: rows
            .iter()
            .map(|(d, k, n)| {
                vec![
                    Value::Long(*d),
                    Value::String((*k).to_owned()),
                    Value::Long(*n),
                ]
            })
            .collect(),
    };
    let answer = fill(&gapfill, table, &EvalContext::at(0))?;
    let text = |row: &Vec<Value>| row.iter().map(Value::to_text).collect::<Vec<_>>().join(" ");
    Ok(answer.rows.iter().map(text).collect())
}

const INNER: &str = "FROM (SELECT d, k, COUNT(*) AS n FROM t GROUP BY d, k LIMIT 100)";

fn level(fill: &str) -> String {
    format!(
        "SELECT GAPFILL(d, '1:DAYS:EPOCH', '3', '6', '1:DAYS', FILL(n, '{fill}'), TIMESERIESON(k)) AS d, k, n {INNER} LIMIT 50"
    )
}

#[test]
fn missing_days_are_filled() -> Result<(), QueryError> {
    let rows = [(2, "a", 7), (3, "b", 1), (5, "a", 4)];
    assert_eq!(
        filled(&level("FILL_PREVIOUS_VALUE"), &rows)?,
        ["3 b 1", "3 a 7", "4 a 7", "4 b 1", "5 a 4", "5 b 1"]
    );
    assert_eq!(
        filled(&level("FILL_DEFAULT_VALUE"), &rows)?,
        ["3 b 1", "3 a 0", "4 a 0", "4 b 0", "5 a 4", "5 b 0"]
    );
    assert_eq!(filled(&level("FILL_DEFAULT_VALUE"), &[])?.len(), 0);
    Ok(())
}

#[test]
fn outer_queries_see_filled_rows() -> Result<(), QueryError> {
    let rows = [(3, "b", 1), (5, "a", 4)];
    let inner = level("FILL_PREVIOUS_VALUE");
    let sum = format!("SELECT d, SUM(n) FROM ({inner}) GROUP BY d LIMIT 10");
    assert_eq!(
        filled(&sum, &rows)?,
        ["259200000 1.0", "345600000 1.0", "432000000 5.0"]
    );
    let max = format!("SELECT d, MAX(n) AS m FROM ({inner}) WHERE k = 'b' GROUP BY d LIMIT 10");
    assert_eq!(filled(&max, &rows)?, ["3 1.0", "4 1.0", "5 1.0"]);
    let having = format!("SELECT d, MAX(n) FROM ({inner}) GROUP BY d HAVING MAX(n) > 2 LIMIT 10");
    assert_eq!(filled(&having, &rows)?, ["5 4.0"]);
    let select = format!("SELECT k, n FROM ({inner}) LIMIT 10");
    assert_eq!(filled(&select, &rows)?.len(), 6);
    Ok(())
}
