//! The rules of last digits, and of the orders that follow from what another rule knows.
//!
//! Must not know: how queries are made. Invariant: a rule looks at both answers; the shape of a query alone excuses no row.

use serde_json::Value as Json;

use super::Rule;
use crate::differential::difference::{Difference, items, number};

pub(super) const RULES: &[Rule] = &[
    ("the last digits in a POINT", |d| {
        let functions = ["exp(", "sinh(", "cosh(", "sin(", "cos(", "tan(", "ln("];
        let computed = functions.iter().any(|call| d.sql.contains(call));
        d.sql.contains("ST_Point(") && computed && d.cells_agree(same_point)
    }),
    ("the order of what differs in its last digits", |d| {
        d.sql.contains(" ORDER BY ") && d.answered_alike() && same_rows_but_for_digits(d)
    }),
    ("a sum of CASE that chooses nothing, in an order", |d| {
        let chosen = d.sql.contains("SUM(CASE WHEN ") && d.sql.contains(" ELSE 0 END");
        let ordered = d.sql.contains(" ORDER BY ") && d.sql.contains(" LIMIT ");
        d.multi() && chosen && ordered && d.answered_alike() && zeros_beside_nulls(d)
    }),
    ("a literal divided by a CASE of zero", |d| {
        let ends = |ours: &Json, theirs: &Json| {
            let ends = (ours.as_i64(), theirs.as_i64());
            ends == (Some(i32::MAX.into()), Some(-1)) || ends == (Some(i32::MIN.into()), Some(0))
        };
        d.multi() && d.sql.contains(" / CASE WHEN ") && d.cells_agree(ends)
    }),
    ("a t-digest with what is infinite", |d| {
        let none = |cell: &Json| cell.as_str() == Some("NaN");
        let having = d.sql.contains(" HAVING PERCENTILETDIGEST(");
        let dropped = having && d.only_further_rows();
        d.sql.contains("TDIGEST(") && (d.cells_agree(|_, theirs| none(theirs)) || dropped)
    }),
];

/// True for numbers that agree in thirteen digits.
fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-13 * a.abs().max(b.abs())
}

fn same_point(ours: &Json, theirs: &Json) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_str(), theirs.as_str()) else {
        return false;
    };
    let (ours, theirs) = (ours.split(['(', ' ', ')']), theirs.split(['(', ' ', ')']));
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (ours.collect(), theirs.collect());
    let mut parts = ours.iter().zip(&theirs);
    ours.len() == theirs.len()
        && parts.all(|(a, b)| match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => near(a, b),
            _ => a == b,
        })
}

fn same_rows_but_for_digits(d: &Difference) -> bool {
    let close = |a: &Json, b: &Json| match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => a == b,
    };
    let mut theirs: Vec<Vec<&Json>> = items(&d.case["expect"]["rows"])
        .map(|row| items(row).collect())
        .collect();
    d.our_rows().iter().all(|row| {
        let same = |other: &Vec<&Json>| {
            let mut cells = row.iter().zip(other);
            row.len() == other.len() && cells.all(|(a, b)| close(a, b))
        };
        let found = theirs.iter().position(same);
        found.map(|at| theirs.swap_remove(at)).is_some()
    })
}

/// True where a column is never zero in Pinot, and never null in ours, and one of the two shows.
fn zeros_beside_nulls(d: &Difference) -> bool {
    let ours = d.our_rows();
    let theirs: Vec<Vec<&Json>> = items(&d.case["expect"]["rows"])
        .map(|row| items(row).collect())
        .collect();
    let zero = |cell: &Json| number(cell) == Some(0.0);
    (0..ours.first().map_or(0, Vec::len)).any(|column| {
        let mut own = ours.iter().filter_map(|row| row.get(column));
        let mut other = theirs.iter().filter_map(|row| row.get(column));
        let shows = own.clone().any(zero) || other.clone().any(|cell| cell.is_null());
        shows && own.all(|cell| number(cell).is_some()) && !other.any(|cell| zero(cell))
    })
}
