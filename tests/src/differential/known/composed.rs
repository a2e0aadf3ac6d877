//! The rules of what joins, subqueries, windows and unions add to expressions.
//!
//! Must not know: how queries are made. Invariant: a rule looks at both answers; the shape of a query alone excuses no row.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Rule;
use crate::differential::difference::{fewer, is_empty, is_extreme, items, number, same};

const OUTER: [&str; 3] = [" FULL JOIN ", " LEFT JOIN ", " RIGHT JOIN "];

pub(super) const RULES: &[Rule] = &[
    ("NOT EXISTS of what the planner finds empty", |d| {
        let none = items(&d.case["expect"]["rows"]).next().is_none();
        // Aggregations of no row have one, of a group of literals too.
        let counted = |_: &Json, theirs: &Json| theirs.is_null() || number(theirs) == Some(0.0);
        d.multi()
            && d.sql.contains("NOT EXISTS (SELECT ")
            && d.code() == 0
            && d.ours.is_ok()
            && (none || (d.our_rows().len() == 1 && d.cells_agree(counted)))
    }),
    ("a group of literals alone, of no rows", |d| {
        let theirs = items(&d.case["expect"]["rows"]).count();
        let none = d.ours.is_ok() && d.our_rows().is_empty();
        d.multi() && d.sql.contains("EXISTS (SELECT ") && d.code() == 0 && none && theirs == 1
    }),
    ("MIN and MAX where tests of literals leave no row", |d| {
        let tests = ["LOWER('", "UPPER('", " || '", "SUBSTR('", "' LIKE '"];
        let tested = tests.iter().any(|test| d.sql.contains(test));
        let none = |ours: &Json, theirs: &Json| ours.is_null() && is_extreme(theirs);
        d.multi() && tested && d.cells_agree(none)
    }),
    ("an outer join below a comparison with a subquery", |d| {
        let compared = [" > (SELECT ", " < (SELECT ", " >= (SELECT ", " <= (SELECT "];
        let has = |any: &[&str]| any.iter().any(|part| d.sql.contains(part));
        let stands = |ours: &Json, theirs: &Json| {
            theirs.is_null() && (number(ours) == Some(0.0) || is_empty(ours))
        };
        d.multi() && has(&OUTER) && has(&compared) && d.cells_agree(stands)
    }),
    ("IS NOT NULL of a side that may be missing", |d| {
        let above = OUTER.iter().any(|join| d.sql.contains(join));
        let tested = d.sql.contains(" IS NOT NULL") && !d.null_handling();
        d.multi() && above && tested && (d.cells_agree(fewer) || d.only_missing_rows())
    }),
    ("a count of averages of no rows", |d| {
        let averages = d.sql.contains("AVG(") && d.sql.contains("COUNT(m");
        let above = OUTER.iter().any(|join| d.sql.contains(join));
        d.multi() && averages && above && d.cells_agree(fewer)
    }),
    ("an EXISTS of no rows, whatever the row", |d| {
        let theirs = items(&d.case["expect"]["rows"]).count();
        let none = d.ours.is_ok() && d.our_rows().is_empty();
        d.multi() && d.sql.contains(" EXISTS (SELECT ") && d.code() == 0 && none && theirs > 0
    }),
    ("a whole number of a union beside a fraction", |d| {
        let cut = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => a == b.trunc(),
            _ => false,
        };
        let whole = [" AS BIGINT)", " AS INT)", " AS LONG)"];
        let cast = whole.iter().any(|to| d.sql.contains(to));
        d.multi() && cast && d.sql.contains(" UNION ALL ") && d.cells_agree(cut)
    }),
    ("the absolute value of the least INT", |d| {
        let ends = (f64::from(i32::MAX), f64::from(i32::MIN));
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => (a, b) == ends || (a - b).abs() <= 1e-8 * a.abs().max(b.abs()),
            _ => false,
        };
        d.multi() && d.sql.contains("ABS(") && d.cells_agree(near)
    }),
    ("a zero of literals below zero", |d| {
        let unsigned = |ours: &Json, theirs: &Json| match (ours.as_str(), theirs.as_str()) {
            (Some(a), Some(b)) => a.replace("-0 ", "0 ") == b,
            _ => false,
        };
        d.sql.contains("CEIL(-2 ") && d.cells_agree(unsigned)
    }),
    ("a number of literals rounded", |d| {
        let rounds = ["CEIL(", "FLOOR("];
        let rounded = rounds.iter().any(|call| d.sql.contains(call));
        let wider = |ours: &str, theirs: &str| {
            let whole = matches!((ours, theirs), ("INT", "LONG") | ("LONG", "INT"));
            let wider = matches!((ours, theirs), ("INT" | "LONG" | "FLOAT", "DOUBLE"));
            whole || wider || (ours, theirs) == ("DOUBLE", "LONG")
        };
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            // A FLOAT has seven digits.
            (Some(a), Some(b)) => {
                a == b.trunc() || a.trunc() == b || (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
            }
            _ => false,
        };
        d.multi() && rounded && d.agree(same, wider, near)
    }),
    ("a quotient of literals in an aggregation", |d| {
        // The planner cuts it behind the digits that its sides have.
        let cut = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => a - b >= 0.0 && a - b < 0.1 && (b * 10.0).fract() == 0.0,
            _ => false,
        };
        // A sum multiplies what is cut.
        let multiplied = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => (1.0..1.1).contains(&(a / b)),
            _ => false,
        };
        let summed = d.sql.contains("SUM((ABS(0.5) / ") && d.cells_agree(multiplied);
        d.multi() && (d.sql.contains(") * 1.0 / ") && d.cells_agree(cut) || summed)
    }),
    ("a NOT IN that every row passes, negated", |d| {
        let negated = d.sql.contains("NOT ((") && d.sql.contains(" NOT IN (");
        let missing = || {
            let theirs = items(&d.case["expect"]["rows"]).count();
            d.code() == 0 && d.our_rows().len() < theirs
        };
        d.null_handling() && !d.multi() && negated && d.ours.is_ok() && missing()
    }),
    ("groups that are trimmed before HAVING", |d| {
        /// What a server keeps of its groups.
        const KEPT: usize = 5_000;
        !d.multi() && d.only_further_rows() && d.groups() > KEPT
    }),
    ("groups beyond the limit of an operator", |d| {
        /// Groups that an operator makes, the others are dropped.
        const MADE: usize = 100_000;
        d.multi() && d.code() == 0 && d.sql.contains(" GROUP BY ") && d.groups() > MADE
    }),
    ("a window that the planner moves below a join", |d| {
        // Of constants, or of one side alone: it is of that side's rows.
        let joined = d.sql.contains(" JOIN ") || d.sql.contains(" IN (SELECT ");
        let windows = [
            "SUM(NULLIF(1, 3)) OVER (PARTITION BY ",
            "COUNT(v1.quantidade) OVER (PARTITION BY ",
        ];
        let window = windows.iter().any(|call| d.sql.contains(call));
        let whole = |cell: &Json| cell.as_i64().is_some_and(|x| x > 0);
        let constant = d.sql.contains(" OVER (PARTITION BY SUBSTR('");
        // A few rows more of many.
        let near = |a: &Json, b: &Json| match (number(a), number(b)) {
            (Some(a), Some(b)) => (a - b).abs() <= 0.01 * b.abs(),
            _ => false,
        };
        let some = window && d.cells_agree(|a, b| whole(a) && whole(b));
        d.multi() && joined && (some || (constant && d.cells_agree(near)))
    }),
    ("a sliding sum behind what is infinite", |d| {
        let sliding = d.sql.contains(" PRECEDING AND ") || d.sql.contains(" FOLLOWING AND ");
        let lost = |_: &Json, theirs: &Json| theirs.as_str() == Some("NaN");
        d.multi() && sliding && d.cells_agree(lost)
    }),
    ("DISTINCTCOUNTOFFHEAP beside a literal alone", |d| {
        d.multi() && d.only_peer_refuses("DISTINCT_COUNT_OFF_HEAP cannot be applied to group-by")
    }),
    ("BETWEEN of an array", |d| {
        d.only_peer_refuses("class [[D cannot be cast")
            || d.only_peer_refuses("class [[I cannot be")
    }),
    ("a comparison of a column with itself", |d| {
        let none = |_: &Json, theirs: &Json| theirs.is_null() || number(theirs) == Some(0.0);
        d.multi() && d.sql.contains(" <> COALESCE(") && d.cells_agree(none)
    }),
    ("a sum with a branch that nothing takes", |d| {
        let none = |_: &Json, theirs: &Json| theirs.is_null() || number(theirs) == Some(0.0);
        d.multi() && d.sql.contains(" BETWEEN 500 AND 1 THEN ") && d.cells_agree(none)
    }),
    ("SKEWNESS and KURTOSIS of nulls", |d| {
        let moments = ["SKEWNESS(", "KURTOSIS("];
        let named = moments.iter().any(|call| d.sql.contains(call));
        let asks = d.sql.contains(" IN (SELECT ") && d.null_handling();
        let numbers = |a: &Json, b: &Json| number(a).is_some() && number(b).is_some();
        d.multi() && named && asks && d.cells_agree(numbers)
    }),
    ("DISTINCT beside a choice of a quotient", |d| {
        let chosen = d.sql.contains("SELECT DISTINCT ") && d.sql.contains(" ORDER BY CASE WHEN ");
        let theirs: Vec<String> = items(&d.case["expect"]["rows"])
            .map(Json::to_string)
            .collect();
        let distinct: BTreeSet<&String> = theirs.iter().collect();
        d.multi() && chosen && d.sql.contains(" / ") && distinct.len() < theirs.len()
    }),
    ("a test for null of a literal", |d| {
        let stands = |ours: &Json, theirs: &Json| {
            ours.is_null() && (number(theirs) == Some(0.0) || is_empty(theirs))
        };
        let tested = d.sql.contains("WHEN (1 IS NULL) THEN ");
        d.multi() && !d.null_handling() && tested && d.cells_agree(stands)
    }),
    ("a condition that is not decorrelated", |d| {
        d.multi() && d.only_peer_refuses("Failed to decorrelate query")
    }),
    ("a distinct count of counts of what folds to NULL", |d| {
        let counts = d.sql.contains("COUNT(CASE WHEN ") && d.sql.contains(" IS NULL) THEN 1 END)");
        let of_counts = d.sql.contains("COUNT(DISTINCT x");
        d.null_handling() && d.multi() && counts && of_counts && d.cells_agree(fewer)
    }),
    ("a negation that no row reaches", |d| {
        let refused = d.we_refuse("Unsupported function: minusprefix");
        !d.multi() && d.code() == 0 && d.nothing_is_left() && refused
    }),
    ("a deviation of equal numbers", |d| {
        let spread = ["STDDEV_", "VAR_"].iter().any(|call| d.sql.contains(call));
        let tiny = |cell: &Json| cell.is_null() || number(cell).is_some_and(|x| x.abs() < 1e-6);
        spread && d.cells_agree(|ours, theirs| tiny(ours) && tiny(theirs))
    }),
];
