//! Shapes of random queries that are not asked.
//!
//! Must not know: answers. Invariant: docs/differences.md names each shape with its reason.

use super::difference::{MULTI_STAGE, NULL_HANDLING};

/// A shape: its name, and whether a query has it.
type Shape = (&'static str, fn(&str) -> bool);

/// Shapes in which Pinot's rows are wrong, or ours, and no value tells them from right ones: they are not asked.
pub(super) const UNASKED: &[Shape] = &[
    ("least and greatest as texts", |sql| {
        let calls = [
            "CAST(least(",
            "CAST(greatest(",
            "SUMPRECISION(least(",
            "SUMPRECISION(greatest(",
        ];
        calls.iter().any(|call| sql.contains(call))
    }),
    ("rounded numbers as texts", |sql| {
        let rounded = sql.contains("CAST(CEIL(") || sql.contains("CAST(ceil(");
        sql.contains(MULTI_STAGE) && rounded && sql.contains(" JOIN ")
    }),
    ("a remainder by zero", |sql| {
        let by = [" % pk)", " % hour(", " % id_transacao)"];
        sql.contains(MULTI_STAGE) && by.iter().any(|by| sql.contains(by))
    }),
    ("nullIf without null handling", |sql| {
        let compared = [
            " > NULLIF(",
            " < NULLIF(",
            " = NULLIF(",
            " >= NULLIF(",
            " <= NULLIF(",
            " <> NULLIF(",
        ];
        let above = sql.contains(" JOIN ") && compared.iter().any(|part| sql.contains(part));
        let made = sql.contains("nullIf(") || above;
        made && sql.contains(MULTI_STAGE) && !sql.contains(NULL_HANDLING)
    }),
    ("a FILTER in HAVING that is not selected", |sql| {
        let Some((selected, having)) = sql.split_once(" HAVING ") else {
            return false;
        };
        let (tested, _) = having.split_once(" > 2 ORDER BY ").unwrap_or((having, ""));
        !sql.contains(MULTI_STAGE) && tested.contains(" FILTER (") && !selected.contains(tested)
    }),
    ("an expression over a window above a join", |sql| {
        let made_of = ["AVG(", "/ SUM(", "- LAG("];
        let above = [" JOIN ", " (SELECT "];
        let has = |any: &[&str]| any.iter().any(|part| sql.contains(part));
        // A sum of what may be null is an expression over a sum and a count.
        let made = has(&made_of) || (sql.contains(NULL_HANDLING) && sql.contains("SUM("));
        sql.contains(MULTI_STAGE) && sql.contains(" OVER (") && made && has(&above)
    }),
    ("NOT IN over null", |sql| {
        let nulls = [NULL_HANDLING, " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN "];
        sql.contains(MULTI_STAGE)
            && sql.contains(" NOT IN (SELECT ")
            && nulls.iter().any(|part| sql.contains(part))
    }),
    ("a test of null in ON of a FULL JOIN", |sql| {
        let on = sql.split(" FULL JOIN ").skip(1).filter_map(|part| {
            let (_, on) = part.split_once(" ON ")?;
            let ends = [" WHERE ", " GROUP BY ", " ORDER BY ", " JOIN ", " LIMIT "];
            let end = ends.iter().filter_map(|end| on.find(end)).min();
            Some(&on[..end.unwrap_or(on.len())])
        });
        let tests = |on: &str| on.contains(" IS NULL") || on.contains(" IS NOT NULL");
        !sql.contains(NULL_HANDLING) && on.into_iter().any(tests)
    }),
    ("a sliding sum of what an outer join leaves null", |sql| {
        let outer = [" LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN "];
        sql.contains(" ROWS BETWEEN 2 PRECEDING") && outer.iter().any(|join| sql.contains(join))
    }),
    ("a sum beyond LONG", |sql| {
        let beyond = ["long_col + ", "long_col * ", "long_col - "];
        sql.contains(MULTI_STAGE) && beyond.iter().any(|part| sql.contains(part))
    }),
    ("a sum of CASE that chooses nothing", |sql| {
        let tested = sql.split_once(" HAVING ").map(|(_, test)| test);
        let joined = sql.contains(" JOIN ") || sql.contains(" (SELECT ");
        sql.contains(MULTI_STAGE)
            && joined
            && tested.is_some_and(|test| {
                test.contains("SUM(CASE WHEN ") && test.contains(" ELSE 0 END)")
            })
    }),
    ("a LONG of a subquery cut to INT", |sql| {
        let whole = sql.contains("CAST(e") && sql.contains(" AS INT)");
        sql.contains(MULTI_STAGE) && whole && sql.contains("long_col / 4 * 9")
    }),
    ("dateTrunc in a range", |sql| {
        let ranged = sql.contains(" BETWEEN 1740723283312 AND ");
        let coarse = ["'MONTH'", "'WEEK'", "'week'", "'QUARTER'", "'YEAR'"];
        let coarse = coarse
            .iter()
            .any(|unit| sql.contains(&format!("dateTrunc({unit}")));
        let literals = [" > '2025-06-01 00:00:00'", " AS LONG) > 1750000000000"];
        let after = coarse && literals.iter().any(|literal| sql.contains(literal));
        after || (ranged && sql.contains("(dateTrunc('"))
    }),
];

/// True for a query that is not asked.
pub(super) fn is_unasked(sql: &str) -> bool {
    UNASKED.iter().any(|(_, fits)| fits(sql))
}
