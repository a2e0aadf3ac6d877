//! From a statement to plans: parse, find the table, split a hybrid one at its time boundary, bind; and a cache of all that.
//!
//! Must not know: servers. Invariant: a cached plan is used only with the schemas and the boundary it was made for, and never
//! for a text that the time of day takes part in.

use std::collections::HashMap;
use std::sync::Arc;

use common::time_format::DateTimeFormat;
use common::{DataType, ErrorCode, QueryException, Schema, Value};
use parking_lot::RwLock;
use query::{Plan, ResultTable};
use sql::{Expr, Filter, Query, SqlError, Statement, Test};

use super::{Core, Stop, planning};
use crate::response::Failure;
use crate::routing::{Resolved, RoutedTable, Routing, enabled};

/// Option that holds what is added to every filter; a client that sets it sees fewer rows only.
pub(crate) const ROW_FILTERS: &str = "rlsfilters";

/// Plans that are kept.
const CACHED_PLANS: usize = 2000;

/// One physical table of a query.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) table: Arc<RoutedTable>,
    pub(crate) plan: Arc<Plan>,
    /// `(column, value, true)` for `column <= value`.
    pub(crate) boundary: Option<(String, String, bool)>,
}

/// A planned query.
#[derive(Clone)]
pub(crate) struct Compiled {
    /// Raw name.
    pub(crate) table: String,
    pub(crate) sides: Vec<Side>,
    /// The table's own timeout.
    pub(crate) timeout_ms: Option<u64>,
    /// The parsed query, for EXPLAIN.
    pub(crate) query: Arc<Query>,
}

/// What a statement turns out to be.
pub(crate) enum Outcome {
    /// Answered already.
    Literals(ResultTable),
    /// To be asked of servers.
    Planned(Compiled),
}

/// Plans by text, options and database.
#[derive(Default)]
pub(crate) struct PlanCache(RwLock<HashMap<String, Compiled>>);

impl PlanCache {
    fn get(&self, key: &str, routing: &Routing, database: Option<&str>) -> Option<Compiled> {
        let mut found = self.0.read().get(key).cloned()?;
        let name = found.query.table.as_deref()?;
        let now = sides_of(routing.resolve(name, database)).ok()?;
        let same = now.len() == found.sides.len()
            && now
                .iter()
                .zip(&found.sides)
                .all(|((table, boundary), side)| {
                    Arc::ptr_eq(&table.schema, &side.table.schema) && *boundary == side.boundary
                });
        if !same {
            return None;
        }
        for (side, (table, _)) in found.sides.iter_mut().zip(now) {
            side.table = table;
        }
        Some(found)
    }

    fn put(&self, key: String, compiled: &Compiled) {
        let mut plans = self.0.write();
        if plans.len() >= CACHED_PLANS {
            plans.clear();
        }
        plans.insert(key, compiled.clone());
    }
}

/// The cache's key; `None` for a text that may mean something else a moment later.
fn key_of(statement: &Statement, database: Option<&str>) -> Option<String> {
    // A plan with a LOOKUP knows another table's schema, too.
    const MOVING: [&str; 7] = ["now", "ago", "current", "today", "rand", "uuid", "lookup"];
    let lower = statement.sql.to_ascii_lowercase();
    if statement.explain || lower.len() > 8192 || MOVING.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let mut key = statement.sql.clone();
    for (name, value) in statement.options.iter() {
        key.extend(["\u{0}", name, "\u{0}", value]);
    }
    key.extend(["\u{1}", database.unwrap_or_default()]);
    Some(key)
}

impl Core {
    /// Compiles a statement.
    pub(crate) fn compile(
        &self,
        routing: &Routing,
        statement: &Statement,
        database: Option<&str>,
        now_ms: i64,
    ) -> Result<Outcome, Stop> {
        let key = key_of(statement, database);
        if let Some(compiled) = key
            .as_deref()
            .and_then(|key| self.plans.get(key, routing, database))
        {
            return Ok(Outcome::Planned(compiled));
        }
        let mut query = sql::parse::query(statement, now_ms).map_err(refused)?;
        if let Some(table) = query::literals::answer(&query) {
            return Ok(Outcome::Literals(table));
        }
        let Some(name) = query.table.clone() else {
            return Err(QueryException::new(
                ErrorCode::QueryValidation,
                "Data source (FROM clause) not found",
            )
            .into());
        };
        if let Some(most) = self.max_limit
            && query.limit > most
        {
            return Err(QueryException::new(
                ErrorCode::QueryValidation,
                format!(
                    "Value for 'LIMIT' ({}) exceeds maximum allowed value of {most}",
                    query.limit
                ),
            )
            .into());
        }
        let resolved = routing.resolve(&name, database);
        let found = sides_of(resolved)?;
        let table = found
            .first()
            .map_or(name, |(table, _)| table.raw_name().to_owned());
        let timeouts = found
            .iter()
            .filter_map(|(t, _)| t.view.config.query.as_ref());
        let timeout_ms = timeouts
            .filter_map(|q| q.timeout_ms.and_then(|ms| u64::try_from(ms).ok()))
            .min();
        query.options = statement.options.clone();
        if let Some(text) = statement.options.get(ROW_FILTERS) {
            restrict(&mut query, text).map_err(refused)?;
        }
        let typed = with_types(&query, routing)?;
        let mut sides = Vec::with_capacity(found.len());
        for (table, boundary) in found {
            let mut of_side = typed.clone();
            if let Some(boundary) = &boundary {
                split_at(&mut of_side, boundary);
            }
            let plan = Plan::new(of_side, &table.schema, now_ms).map_err(planning)?;
            sides.push(Side {
                table,
                plan: Arc::new(plan),
                boundary,
            });
        }
        let compiled = Compiled {
            table,
            sides,
            timeout_ms,
            query: Arc::new(query),
        };
        if let Some(key) = key {
            self.plans.put(key, &compiled);
        }
        Ok(Outcome::Planned(compiled))
    }
}

/// A query whose LOOKUPs know their columns' types.
fn with_types(query: &Query, routing: &Routing) -> Result<Query, Stop> {
    query::dimension::resolve(query.clone(), &|name| dimension(routing, name)).map_err(planning)
}

/// The schema of a dimension table.
fn dimension(routing: &Routing, name: &str) -> Option<Arc<Schema>> {
    let table = routing.resolve(name, None).offline?;
    table
        .view
        .config
        .is_dim_table
        .then(|| Arc::clone(&table.schema))
}

/// Adds a condition to the filter.
fn restrict(query: &mut Query, condition: &str) -> Result<(), SqlError> {
    let added = Filter::from_expr(&sql::parse::condition(condition)?)?;
    query.filter = Some(match query.filter.take() {
        Some(filter) => Filter::and(vec![filter, added]),
        None => added,
    });
    Ok(())
}

/// Which of Pinot's two parsers refuses: the grammar, before the request has an id, or the compiler, after.
fn refused(error: SqlError) -> Stop {
    let grammar = matches!(&error, SqlError::Parse(text) if text.starts_with("Caught exception while parsing query"));
    let failure = Failure::named(error.into());
    if grammar {
        Stop::Unread(failure)
    } else {
        Stop::Failed(failure)
    }
}

type Boundary = Option<(String, String, bool)>;

/// The tables that a query reads, with their parts of the time.
fn sides_of(resolved: Resolved) -> Result<Vec<(Arc<RoutedTable>, Boundary)>, Stop> {
    if resolved.sides().next().is_none() {
        return Err(QueryException::new(ErrorCode::TableDoesNotExist, "").into());
    }
    let Some(first) = resolved.sides().find(|t| enabled(&t.view)).cloned() else {
        return Err(QueryException::new(ErrorCode::TableIsDisabled, "").into());
    };
    let (Some(offline), Some(realtime)) = (resolved.offline, resolved.realtime) else {
        return Ok(vec![(first, None)]);
    };
    if !enabled(&offline.view) || !enabled(&realtime.view) {
        return Ok(vec![(first, None)]);
    }
    Ok(match boundary_of(&offline) {
        Some((column, value)) => vec![
            (offline, Some((column.clone(), value.clone(), true))),
            (realtime, Some((column, value, false))),
        ],
        // Without offline rows there is nothing to split.
        None => vec![(realtime, None)],
    })
}

/// The time column of a hybrid table's offline side and the boundary in its unit.
pub(crate) fn boundary_of(offline: &RoutedTable) -> Option<(String, String)> {
    let ms = offline.view.time_boundary_ms?;
    let column = offline.time_column()?;
    let field = offline.schema.field(column)?;
    let value = match field.format.as_deref().map(str::parse::<DateTimeFormat>) {
        Some(Ok(DateTimeFormat::Epoch { unit, size })) => {
            unit.from_millis(ms).checked_div(size)?.to_string()
        }
        Some(Ok(DateTimeFormat::Pattern { pattern, zone })) => {
            formatted(ms, pattern.as_deref(), zone.as_deref())?
        }
        _ if field.data_type == DataType::Timestamp => ms.to_string(),
        _ => ms.to_string(),
    };
    Some((column.to_owned(), value))
}

fn formatted(ms: i64, pattern: Option<&str>, zone: Option<&str>) -> Option<String> {
    let mut args = vec![
        Expr::Literal(Value::Long(ms)),
        Expr::text(pattern.unwrap_or("yyyy-MM-dd'T'HH:mm:ss.SSSZ")),
    ];
    args.extend(zone.map(Expr::text));
    match sql::rewrite::fold(Expr::call("todatetime", args), ms).ok()? {
        Expr::Literal(value) => Some(value.to_text()),
        _ => None,
    }
}

/// Leaves a query one side of the time.
fn split_at(query: &mut Query, (column, value, until): &(String, String, bool)) {
    let end = value
        .parse()
        .map_or_else(|_| Value::String(value.clone()), Value::Long);
    let test = if *until {
        Test::Range {
            lower: None,
            upper: Some((end, true)),
        }
    } else {
        Test::Range {
            lower: Some((end, false)),
            upper: None,
        }
    };
    let part = Filter::Predicate(Expr::Column(column.clone()), test);
    query.filter = Some(match query.filter.take() {
        Some(filter) => Filter::and(vec![filter, part]),
        None => part,
    });
}
