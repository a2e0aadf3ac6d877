//! COUNT, SUM and AVG per bucket over a gapfilled aggregation: Pinot keeps running totals of every series' last row
//! instead of filling rows in, whatever FILL says.
//!
//! Must not know: how rows are filled. Invariant: a series counts from its first row on; times come out as milliseconds
//! where the time column is a number.

use std::collections::HashMap;

use common::{DataType, Value};
use sql::Expr;
use sql::gapfill::{Gapfill, Outer};

use super::{Filler, Row};
use crate::QueryError;

/// What a result column holds.
pub(super) enum Answer {
    /// The bucket's time.
    Time,
    /// How many series are there.
    Count,
    /// The sum of their column.
    Sum(usize),
    /// The mean of it.
    Average(usize),
}

/// The result's columns, where they can be answered this way.
pub(super) fn plan(
    gapfill: &Gapfill,
    outer: &Outer,
    filler: &Filler<'_>,
) -> Result<Option<Vec<Answer>>, QueryError> {
    if !gapfill.inner_aggregates || outer.having.is_some() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(outer.select.len());
    for item in &outer.select {
        let answer = match &item.expr {
            Expr::Column(_) => Answer::Time,
            Expr::Call(call) => match (call.name.as_str(), call.args.as_slice()) {
                ("count", _) => Answer::Count,
                ("sum", [Expr::Column(name)]) => Answer::Sum(filler.position(name)?),
                ("avg", [Expr::Column(name)]) => Answer::Average(filler.position(name)?),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        out.push(answer);
    }
    let times = out.iter().filter(|a| matches!(a, Answer::Time)).count();
    let counts = out.iter().filter(|a| matches!(a, Answer::Count)).count();
    let fits = times == 1 && (counts == 0 || (counts == 1 && out.len() == 2));
    Ok(fits.then_some(out))
}

/// The last row of every series that passes the filter, and totals over them.
struct Running<'a> {
    rows: HashMap<Vec<String>, &'a Row>,
    sums: Vec<f64>,
}

impl<'a> Running<'a> {
    fn change(&mut self, answers: &[Answer], row: &Row, sign: f64) {
        for (sum, answer) in self.sums.iter_mut().zip(answers) {
            if let Answer::Sum(at) | Answer::Average(at) = answer {
                *sum += sign * row[*at].as_f64().unwrap_or(0.0);
            }
        }
    }

    fn take(
        &mut self,
        filler: &Filler<'_>,
        answers: &[Answer],
        row: &'a Row,
    ) -> Result<(), QueryError> {
        let key = filler.key(row);
        if let Some(before) = self.rows.remove(&key) {
            self.change(answers, before, -1.0);
        }
        if filler.passes(row)? {
            self.change(answers, row, 1.0);
            self.rows.insert(key, row);
        }
        Ok(())
    }
}

/// A row for every group of buckets in which there is a series.
pub(super) fn rows(
    filler: &Filler<'_>,
    outer: &Outer,
    answers: &[Answer],
    rows: &[Row],
) -> Result<Vec<Row>, QueryError> {
    let mut sorted: Vec<(i64, &Row)> = rows
        .iter()
        .map(|row| Ok((filler.time_of(row)?, row)))
        .collect::<Result<_, QueryError>>()?;
    sorted.sort_by_key(|(time, _)| *time);
    let mut sorted = sorted.into_iter().peekable();
    let mut running = Running {
        rows: HashMap::new(),
        sums: vec![0.0; answers.len()],
    };
    let (mut out, mut sums, mut count) = (Vec::new(), vec![0.0; answers.len()], 0_usize);
    let times = &filler.times;
    for (bucket, time) in times.starts().enumerate() {
        let bucket = bucket as i64;
        while let Some((_, row)) = sorted.next_if(|(t, _)| times.bucket_of(*t) <= bucket) {
            running.take(filler, answers, row)?;
        }
        count += running.rows.len();
        for (sum, add) in sums.iter_mut().zip(&running.sums) {
            *sum += add;
        }
        if (bucket + 1) % times.together != 0 || count == 0 {
            continue;
        }
        let first = time.saturating_sub((times.together - 1).saturating_mul(times.step));
        let cell = |(answer, sum): (&Answer, &f64)| match answer {
            Answer::Time => match filler.types[filler.time].data_type {
                DataType::Long => Value::Long(first),
                _ => filler.shown_time(first),
            },
            Answer::Count => Value::Long(count as i64),
            Answer::Sum(_) => Value::Double(*sum),
            Answer::Average(_) => Value::Double(sum / count as f64),
        };
        out.push(answers.iter().zip(&sums).map(cell).collect());
        if out.len() >= outer.limit {
            break;
        }
        (sums, count) = (vec![0.0; answers.len()], 0);
    }
    Ok(out)
}
