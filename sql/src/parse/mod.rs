//! From a statement's text to a [`Query`]: grammar by `sqlparser`, shape and rules by Pinot's single-stage engine.
//!
//! Must not know: schemas. Invariant: what only the multi-stage engine can answer is refused with that hint.

mod bounded;
mod expression;
#[cfg(test)]
mod tests;
mod words;

use common::Value;
use sqlparser::ast::{
    self, GroupByExpr, LimitClause, OrderByKind, SelectItem as AstItem, SetExpr, TableFactor,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::query::{OrderBy, Query, SelectItem};
use crate::rewrite;
use crate::{Expr, Filter, SqlError, Statement};

pub use expression::{scalar, takes_unit, type_name};
pub use words::is_reserved;

/// LIMIT where the query has none.
pub const DEFAULT_LIMIT: usize = 10;

pub(crate) const MULTI_STAGE_HINT: &str = "It seems that the query is only supported by the multi-stage query engine, please retry the query \
     using the multi-stage query engine (SET useMultistageEngine=true)";

fn multi_stage(what: &str) -> SqlError {
    SqlError::Parse(format!("{MULTI_STAGE_HINT}: {what}"))
}

/// Parses the SQL of a statement into its one syntax tree, for either engine.
///
/// # Errors
/// With line and column where the text is not SQL.
pub fn syntax(sql: &str) -> Result<ast::Statement, SqlError> {
    syntax_of(sql, None)
}

/// Parses a text of any number of statements, as they stand.
///
/// # Errors
/// With line and column where the text is not SQL.
pub fn statements(sql: &str) -> Result<Vec<ast::Statement>, ParserError> {
    bounded::statements(sql, None)
}

/// As [`syntax`], without the words that mean nothing to the single-stage engine.
///
/// # Errors
/// As [`syntax`].
pub fn single_stage_syntax(sql: &str) -> Result<ast::Statement, SqlError> {
    syntax_of(sql, without_symmetry(sql))
}

fn syntax_of(sql: &str, tokens: Option<Vec<TokenWithSpan>>) -> Result<ast::Statement, SqlError> {
    let wrong = |error: &dyn std::fmt::Display| {
        SqlError::Parse(format!(
            "Caught exception while parsing query: {}: {error}",
            sql.trim()
        ))
    };
    if sql.contains("==") && has_double_equals(sql) {
        return Err(wrong(&"Encountered `==`: expected `=`"));
    }
    if has_bare_comma(sql) {
        return Err(wrong(&"Encountered `,` before FROM: expected an item"));
    }
    let mut statements = bounded::statements(sql, tokens).map_err(|e| wrong(&e))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(wrong(&"expected one statement")),
    }
}

/// The tokens without SYMMETRIC and ASYMMETRIC after BETWEEN, which the grammar at hand does not know and the single-stage
/// engine pays no attention to; `None` where there are none.
fn without_symmetry(sql: &str) -> Option<Vec<TokenWithSpan>> {
    if !sql.to_ascii_uppercase().contains("SYMMETRIC") {
        return None;
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let is = |token: &Token, wanted: &[&str]| match token {
        Token::Word(word) if word.quote_style.is_none() => {
            wanted.iter().any(|w| word.value.eq_ignore_ascii_case(w))
        }
        _ => false,
    };
    let mut after_between = false;
    let mut kept = Vec::new();
    for token in tokens.ok()? {
        if after_between && is(&token.token, &["SYMMETRIC", "ASYMMETRIC"]) {
            after_between = false;
            continue;
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            after_between = is(&token.token, &["BETWEEN"]);
        }
        kept.push(token);
    }
    Some(kept)
}

/// True where `==` stands outside of quotes and comments; the grammar at hand takes it for `=`.
fn has_double_equals(sql: &str) -> bool {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize();
    tokens.is_ok_and(|tokens| tokens.contains(&Token::DoubleEq))
}

/// True for a comma right before FROM, which the grammar at hand lets pass.
fn has_bare_comma(sql: &str) -> bool {
    let followed = |(at, _): (usize, &str)| {
        let rest = sql.get(at + 1..).unwrap_or_default().trim_start();
        rest.get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case("from"))
    };
    if !sql.match_indices(',').any(followed) {
        return false;
    }
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        return false;
    };
    let meaningful = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)));
    let next = meaningful.clone().skip(1);
    meaningful.zip(next).any(|(token, next)| {
        let from = matches!(next, Token::Word(word) if word.quote_style.is_none()
            && word.value.eq_ignore_ascii_case("from"));
        *token == Token::Comma && from
    })
}

/// Parses an expression alone, as transforms and filters of ingestion hold them.
///
/// # Errors
/// Where the text is no expression.
pub fn expression_text(text: &str) -> Result<Expr, SqlError> {
    let wrong = |error: &dyn std::fmt::Display| {
        SqlError::Parse(format!(
            "Caught exception while parsing expression: {}: {error}",
            text.trim()
        ))
    };
    match bounded::expression(text).map_err(|e| wrong(&e))? {
        (ast, Token::EOF) => expression::scalar(&ast),
        (_, other) => Err(wrong(&format!("unexpected `{other}` after the expression"))),
    }
}

/// Parses and rewrites a single-stage query. `now_ms` is the query's time, for folding `now()`.
///
/// # Errors
/// Where the text is not SQL, breaks a rule, or needs the multi-stage engine.
pub fn query(statement: &Statement, now_ms: i64) -> Result<Query, SqlError> {
    let ast::Statement::Query(ast) = single_stage_syntax(&statement.sql)? else {
        return Err(SqlError::Parse(format!(
            "Caught exception while parsing query: {}: expected SELECT",
            statement.sql.trim()
        )));
    };
    if ast.with.is_some() {
        return Err(multi_stage("WITH"));
    }
    let SetExpr::Select(select) = ast.body.as_ref() else {
        return Err(multi_stage("set operations and nested queries"));
    };
    not_in_the_grammar(&statement.sql, &ast, select)?;
    let mut query = from_select(select)?;
    query.options = statement.options.clone();
    query.explain = statement.explain;
    query.order_by = order_by(ast.order_by.as_ref(), query.table.as_deref())?;
    (query.limit, query.offset) = limits(ast.limit_clause.as_ref(), ast.fetch.as_ref())?;
    rewrite::apply(query, now_ms)
}

/// One level of a nested query, not rewritten; without FROM where a subquery was taken out of it.
pub(crate) fn level(ast: &ast::Query) -> Result<Query, SqlError> {
    let SetExpr::Select(select) = ast.body.as_ref() else {
        return Err(multi_stage("set operations and nested queries"));
    };
    let mut query = from_select(select)?;
    (query.limit, query.offset) = limits(ast.limit_clause.as_ref(), ast.fetch.as_ref())?;
    Ok(query)
}

/// Refuses what the grammar at hand takes and Pinot's does not.
fn not_in_the_grammar(sql: &str, query: &ast::Query, select: &ast::Select) -> Result<(), SqlError> {
    let found = if select.projection.is_empty() {
        "an empty SELECT list"
    } else if !query.locks.is_empty() {
        "FOR UPDATE"
    } else if select.from.is_empty() && select.selection.is_some() {
        "WHERE without FROM"
    } else {
        return Ok(());
    };
    Err(SqlError::Parse(format!(
        "Caught exception while parsing query: {}: Encountered {found}",
        sql.trim()
    )))
}

/// Parses a condition that stands in a literal, as filters of sketches do.
///
/// # Errors
/// Where the text is no expression.
pub fn condition(text: &str) -> Result<Expr, SqlError> {
    let (ast, _) = bounded::expression(text)
        .map_err(|error| SqlError::Parse(format!("`{text}` is no condition: {error}")))?;
    scalar(&ast)
}

fn from_select(select: &ast::Select) -> Result<Query, SqlError> {
    if select.top.is_some() {
        return Err(SqlError::Parse(
            "TOP is not supported: use LIMIT".to_owned(),
        ));
    }
    let distinct = match &select.distinct {
        None | Some(ast::Distinct::All) => false,
        Some(ast::Distinct::Distinct) => true,
        Some(ast::Distinct::On(_)) => return Err(multi_stage("DISTINCT ON")),
    };
    let table = table(&select.from)?;
    let items = select
        .projection
        .iter()
        .map(|item| select_item(item, table.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    let scope = |e: &ast::Expr| scalar(e).and_then(|e| unqualified(e, table.as_deref()));
    let filter = select.selection.as_ref().map(scope).transpose()?;
    let having = select.having.as_ref().map(scope).transpose()?;
    let group_by = match &select.group_by {
        GroupByExpr::Expressions(list, modifiers) if modifiers.is_empty() => {
            list.iter().map(scope).collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(multi_stage("GROUP BY ALL, GROUPING SETS, ROLLUP or CUBE")),
    };
    Ok(Query {
        table,
        select: items,
        distinct,
        filter: filter.map(|e| Filter::from_expr(&e)).transpose()?,
        group_by,
        having: having.map(|e| Filter::from_expr(&e)).transpose()?,
        order_by: Vec::new(),
        limit: DEFAULT_LIMIT,
        offset: 0,
        options: crate::Options::default(),
        explain: false,
    })
}

fn table(from: &[ast::TableWithJoins]) -> Result<Option<String>, SqlError> {
    let [only] = from else {
        return if from.is_empty() {
            Ok(None)
        } else {
            Err(SqlError::Validation("JOIN is not supported".to_owned()))
        };
    };
    if !only.joins.is_empty() {
        return Err(multi_stage("JOIN"));
    }
    match &only.relation {
        TableFactor::Table {
            name,
            alias,
            args: None,
            sample,
            ..
        } => {
            if sample.is_some() {
                return Err(SqlError::Parse(
                    "Caught exception while parsing query: TABLESAMPLE is not supported".to_owned(),
                ));
            }
            if alias.is_some() {
                return Err(multi_stage("a table alias"));
            }
            let parts: Vec<String> = name.0.iter().map(object_part).collect();
            if parts.iter().any(String::is_empty) {
                return Err(SqlError::Parse("a table name is empty".to_owned()));
            }
            Ok(Some(parts.join(".")))
        }
        TableFactor::Derived { .. } => Err(multi_stage(
            "a nested query (Nested query is not supported without gapfill)",
        )),
        _ => Err(multi_stage("FROM")),
    }
}

fn object_part(part: &ast::ObjectNamePart) -> String {
    match part {
        ast::ObjectNamePart::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    }
}

fn select_item(item: &AstItem, table: Option<&str>) -> Result<SelectItem, SqlError> {
    match item {
        AstItem::UnnamedExpr(expr) => Ok(SelectItem {
            expr: unqualified(scalar(expr)?, table)?,
            alias: None,
        }),
        // Two texts in a row are one, which the single-stage engine has no function for.
        AstItem::ExprWithAlias {
            expr: ast::Expr::Value(_),
            alias,
        } if alias.quote_style == Some('\'') => Err(SqlError::Validation(
            "Data source (FROM clause) not found: two texts beside each other are no literal"
                .to_owned(),
        )),
        AstItem::ExprWithAlias { expr, alias } => Ok(SelectItem {
            expr: unqualified(scalar(expr)?, table)?,
            alias: Some(words::free(alias)?),
        }),
        AstItem::Wildcard(_) => Ok(SelectItem {
            expr: Expr::Star,
            alias: None,
        }),
        _ => Err(multi_stage("a qualified `*`")),
    }
}

/// `table.column` in a query over `table` is the column.
fn unqualified(expr: Expr, table: Option<&str>) -> Result<Expr, SqlError> {
    let Some(table) = table else { return Ok(expr) };
    let raw = common::ids::split_type(table.rsplit('.').next().unwrap_or(table)).0;
    expr.try_rewrite(&mut |e| match e {
        Expr::Column(name) => Ok(Expr::Column(match name.split_once('.') {
            Some((prefix, column))
                if prefix.eq_ignore_ascii_case(raw) || prefix.eq_ignore_ascii_case(table) =>
            {
                column.to_owned()
            }
            _ => name,
        })),
        other => Ok(other),
    })
}

fn order_by(ast: Option<&ast::OrderBy>, table: Option<&str>) -> Result<Vec<OrderBy>, SqlError> {
    let Some(order) = ast else {
        return Ok(Vec::new());
    };
    let OrderByKind::Expressions(list) = &order.kind else {
        return Err(multi_stage("ORDER BY ALL"));
    };
    list.iter()
        .map(|item| {
            Ok(OrderBy {
                expr: unqualified(scalar(&item.expr)?, table)?,
                ascending: item.options.asc.unwrap_or(true),
                nulls_first: item.options.nulls_first,
            })
        })
        .collect()
}

fn limits(
    clause: Option<&LimitClause>,
    fetch: Option<&ast::Fetch>,
) -> Result<(usize, usize), SqlError> {
    let (limit, offset) = match clause {
        None => (fetch.and_then(|f| f.quantity.as_ref()), None),
        Some(LimitClause::LimitOffset { limit, offset, .. }) => (
            limit
                .as_ref()
                .or_else(|| fetch.and_then(|f| f.quantity.as_ref())),
            offset.as_ref().map(|o| &o.value),
        ),
        Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
    };
    Ok((
        limit
            .map(|e| count(e, "LIMIT"))
            .transpose()?
            .unwrap_or(DEFAULT_LIMIT),
        offset.map(|e| count(e, "OFFSET")).transpose()?.unwrap_or(0),
    ))
}

fn count(expr: &ast::Expr, what: &str) -> Result<usize, SqlError> {
    let value = scalar(expr)?;
    let number = match value.as_literal() {
        Some(Value::String(_)) | None => None,
        Some(other) => other.as_f64(),
    };
    match number {
        // Java's int: larger numbers are refused, fractions cut off.
        Some(n) if (0.0..2_147_483_648.0).contains(&n) => Ok(n as usize),
        _ => Err(SqlError::Parse(format!(
            "{what} expects a number from 0 to 2147483647, not `{expr}`"
        ))),
    }
}
