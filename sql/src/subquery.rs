//! `IN_SUBQUERY(x, 'SELECT ID_SET(..) ..') = 1`: the inner query is asked first, its id set then stands in a filter.
//!
//! Must not know: who answers the inner query. Invariant: afterwards no filter has a call of these functions.

use common::Value;

use crate::expr::Call;
use crate::{Expr, Query};

const NAMES: &[&str] = &["insubquery", "inpartitionedsubquery"];

/// True where the filter asks for an inner query.
#[must_use]
pub fn is_needed(query: &Query) -> bool {
    let mut found = false;
    if let Some(filter) = &query.filter {
        filter.visit(&mut |expr, _| {
            expr.visit(&mut |e| found |= text_of(e).is_some());
        });
    }
    found
}

/// The inner queries of the filter, in order of appearance.
#[must_use]
pub fn texts(query: &Query) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(filter) = &query.filter {
        filter.visit(&mut |expr, _| {
            expr.visit(&mut |e| out.extend(text_of(e).map(str::to_owned)));
        });
    }
    out
}

/// Replaces the calls by tests against id sets. `answer` gives the serialised id set (base64) of an inner query's text.
///
/// # Errors
/// What `answer` gives.
pub fn resolve<E>(
    mut query: Query,
    answer: &mut impl FnMut(&str) -> Result<String, E>,
) -> Result<Query, E> {
    let mut replace = |expr: Expr| {
        expr.try_rewrite(&mut |e| {
            let Some(text) = text_of(&e) else {
                return Ok(e);
            };
            let ids = answer(text)?;
            let tested = match &e {
                Expr::Call(call) => call.args[0].clone(),
                _ => return Ok(e),
            };
            Ok(Expr::call("inidset", vec![tested, Expr::text(ids)]))
        })
    };
    query.filter = query
        .filter
        .map(|filter| filter.try_map(&mut replace))
        .transpose()?;
    Ok(query)
}

fn text_of(expr: &Expr) -> Option<&str> {
    let Expr::Call(Call { name, args }) = expr else {
        return None;
    };
    match args.as_slice() {
        [_, Expr::Literal(Value::String(text))] if NAMES.contains(&name.as_str()) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Statement};

    #[test]
    fn the_answer_takes_the_place_of_the_call() -> Result<(), crate::SqlError> {
        let sql = "SELECT a FROM t WHERE IN_SUBQUERY(a, 'SELECT ID_SET(b) FROM u') = 1 LIMIT 1";
        let query = crate::parse::query(&Statement::split(sql, &Options::default())?, 0)?;
        assert_eq!(texts(&query), ["SELECT ID_SET(b) FROM u"]);
        let query = resolve(query, &mut |_| Ok::<_, crate::SqlError>("AA==".to_owned()))?;
        assert!(!is_needed(&query));
        Ok(())
    }
}
