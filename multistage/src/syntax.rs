//! Syntax trees before planning: Pinot's words for operators, names for unnamed columns.
//!
//! Must not know: types, tables' contents. Invariant: every call has the canonical name that the functions' table knows;
//! every item of a SELECT list has a name, `EXPR$n` where the text gives none.

mod aliases;
mod asof;
mod bodies;
mod checks;
mod distinct_order;
mod item_aliases;
mod left_asof;
mod notation;
mod relations;
mod set_operations;
mod special;
mod stars;
mod unnested;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, SelectItem,
    SetExpr, TableFactor, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut,
    visit_expressions_mut,
};
use functions::canonical_name;
use sql::parse::takes_unit;

pub(crate) use left_asof::left_asof;
pub(crate) use notation::read;

use crate::catalog::Table;
use crate::error::MultiStageError;
use crate::large_literals;
use relations::Relations;
use stars::Stars;

/// Rewrites a query in place.
///
/// # Errors
/// For syntax that has no meaning in Pinot.
pub(crate) fn rewrite(
    query: &mut Query,
    columns: &HashMap<String, String>,
    tables: &HashMap<String, Arc<Table>>,
) -> Result<(), MultiStageError> {
    let mut rewriter = Rewriter {
        columns,
        relations: Relations::of(query),
        stars: Stars::new(tables),
    };
    match query.visit(&mut rewriter) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    /// Lower case -> as the schemas write it.
    columns: &'a HashMap<String, String>,
    relations: Relations,
    stars: Stars<'a>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = MultiStageError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<MultiStageError> {
        notation::rewrite(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<MultiStageError> {
        match self.expression(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<MultiStageError> {
        self.relations.table(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<MultiStageError> {
        for select in selects(&mut query.body) {
            self.relations.stars(select);
            relations::named(select);
        }
        self.stars.enter(query);
        let rewritten = checks::query(query)
            .and_then(|()| checks::order(query, self.columns))
            .and_then(|()| self.item_aliases(&mut query.body))
            .and_then(|()| distinct_order::nested(query))
            .and_then(|()| set_operations::rewrite(&mut query.body, &self.stars))
            .and_then(|()| asof::rewrite(&mut query.body))
            .and_then(|()| unnested::rewrite(&mut query.body));
        if let Err(error) = rewritten {
            return ControlFlow::Break(error);
        }
        for select in selects(&mut query.body) {
            aliases::grouped(select, self.columns);
        }
        fetch_is_limit(query);
        whole_limit(query);
        whole_positions(query);
        let nested = self.stars.is_nested();
        for select in selects(&mut query.body) {
            name_list(&mut select.projection, self.columns, nested);
        }
        order_by_items(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<MultiStageError> {
        self.stars.leave();
        ControlFlow::Continue(())
    }
}

/// Every SELECT of a body, nested queries aside.
fn selects(body: &mut SetExpr) -> Vec<&mut ast::Select> {
    match body {
        SetExpr::Select(select) => vec![select.as_mut()],
        SetExpr::SetOperation { left, right, .. } => {
            let mut all = selects(left);
            all.extend(selects(right));
            all
        }
        _ => Vec::new(),
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT.
fn fetch_is_limit(query: &mut Query) {
    let Some(fetch) = query.fetch.take() else {
        return;
    };
    if let Some(quantity) = fetch.quantity {
        match &mut query.limit_clause {
            Some(ast::LimitClause::LimitOffset { limit, .. }) => *limit = Some(quantity),
            _ => {
                query.limit_clause = Some(ast::LimitClause::LimitOffset {
                    limit: Some(quantity),
                    offset: None,
                    limit_by: Vec::new(),
                });
            }
        }
    }
}

/// LIMIT and OFFSET drop the fraction of their number.
fn whole_limit(query: &mut Query) {
    let Some(ast::LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause else {
        return;
    };
    let numbers = limit
        .iter_mut()
        .chain(offset.iter_mut().map(|o| &mut o.value));
    for number in numbers {
        if let Expr::Value(value) = number
            && let Value::Number(digits, _) = &mut value.value
            && digits.contains(['.', 'e', 'E'])
            && let Ok(written) = digits.parse::<f64>()
        {
            *digits = format!("{:.0}", written.trunc());
        }
    }
}

/// A position in ORDER BY drops its fraction.
fn whole_positions(query: &mut Query) {
    let Some(ast::OrderBy {
        kind: ast::OrderByKind::Expressions(orders),
        ..
    }) = &mut query.order_by
    else {
        return;
    };
    for order in orders {
        if let Expr::Value(value) = &mut order.expr
            && let Value::Number(digits, _) = &mut value.value
            && let Some((whole, _)) = digits.split_once('.')
            && whole.bytes().all(|b| b.is_ascii_digit())
        {
            *digits = if whole.is_empty() { "0" } else { whole }.to_owned();
        }
    }
}

/// ORDER BY an expression that DISTINCT has in its list is ORDER BY that item.
fn order_by_items(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return;
    };
    let Some(ast::OrderBy {
        kind: ast::OrderByKind::Expressions(orders),
        ..
    }) = &mut query.order_by
    else {
        return;
    };
    for order in orders.iter_mut() {
        // Beside `*` a name is that of the item which is written out.
        let _ = visit_expressions_mut(&mut order.expr, |inner| {
            if let Expr::Identifier(name) = inner
                && let Some(alias) = written_out(&select.projection, &name.value)
            {
                *name = alias.clone();
            }
            ControlFlow::<()>::Continue(())
        });
    }
    if select.distinct.is_none() {
        return;
    }
    // A number is a position.
    let position = |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    for order in orders.iter_mut().filter(|order| !position(&order.expr)) {
        let item = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == order.expr => Some(alias),
            _ => None,
        });
        if let Some(alias) = item {
            order.expr = Expr::Identifier(alias.clone());
        }
    }
}

/// What an item beside `*` is called that was written with that name.
fn written_out<'a>(items: &'a [SelectItem], name: &str) -> Option<&'a Ident> {
    let first = format!("{name}{DUPLICATE}0");
    items.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&first) => {
            Some(alias)
        }
        _ => None,
    })
}

/// The names of SELECT items that are nothing but a name.
pub(crate) fn bare_items(query: &Query) -> HashSet<String> {
    #[derive(Default)]
    struct Bare(HashSet<String>);
    impl Visitor for Bare {
        type Break = ();
        fn pre_visit_select(&mut self, select: &ast::Select) -> ControlFlow<()> {
            for item in &select.projection {
                if let SelectItem::UnnamedExpr(Expr::Function(function)) = item
                    && matches!(function.args, FunctionArguments::None)
                {
                    self.0.insert(function.name.to_string());
                }
                if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item
                    && !select.from.is_empty()
                {
                    self.0.insert(ident.value.clone());
                }
            }
            ControlFlow::Continue(())
        }
    }
    let mut bare = Bare::default();
    let _ = query.visit(&mut bare);
    bare.0
}

/// Gives every item of a SELECT list its name.
fn name_list(items: &mut [SelectItem], columns: &HashMap<String, String>, nested: bool) {
    // What stands above a nested query asks for the names that it wrote.
    let starred = !nested && items.iter().any(stars::is_star);
    let mut taken = HashSet::new();
    let mut names = HashSet::new();
    for item in items.iter_mut() {
        let (name, mut needed) = match item {
            SelectItem::UnnamedExpr(expr) => match name_of(expr) {
                Some(name) => {
                    let written = columns.get(&name.to_lowercase());
                    let renamed = starred || written.is_some_and(|written| *written != name);
                    (name, renamed)
                }
                // How many columns a star has is not known here.
                None if starred => (UNNAMED.to_owned(), true),
                None => (format!("{UNNAMED}{}", names.len()), true),
            },
            SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), false),
            _ => continue,
        };
        names.insert(name.clone());
        let mut unique = name.clone();
        let mut turn = 0;
        while (starred && turn == 0) || !taken.insert(unique.clone()) {
            unique = format!("{name}{DUPLICATE}{turn}");
            turn += 1;
        }
        needed |= unique != name;
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = &*item
        else {
            continue;
        };
        if needed {
            let expr = expr.clone();
            let alias = Ident::with_quote('"', unique);
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
}

/// Stands between a name that occurs twice and its number.
pub(crate) const DUPLICATE: &str = "\u{1}";

/// What the name of an item without one begins with; a number follows, of the names before it that differ.
pub(crate) const UNNAMED: &str = "EXPR$";

/// The name that an item has by itself.
fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(expr) => name_of(expr),
        _ => None,
    }
}

fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.clone()),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) if name.starts_with('$') => Some(name.clone()),
            _ => None,
        },
        Expr::Nested(inner) => name_of(inner),
        _ => None,
    }
}

impl Rewriter<'_> {
    fn item_aliases(&self, body: &mut SetExpr) -> Result<(), MultiStageError> {
        for select in selects(body) {
            let known = self.stars.columns(select);
            let is_column = |name: &str| match &known {
                Some(columns) => columns.contains(&name.to_lowercase()),
                None => self.columns.contains_key(&name.to_lowercase()),
            };
            item_aliases::written_out(select, &is_column)?;
        }
        Ok(())
    }

    fn identifier(&self, ident: &mut Ident) -> Result<(), MultiStageError> {
        if ident.quote_style == Some('`') {
            return Err(checks::no_syntax("a back quote: names are quoted by \""));
        }
        if ident.quote_style.is_none() && sql::parse::is_reserved(&ident.value) {
            return Err(checks::no_syntax(&format!(
                "`{}`, a reserved word: expected it in double quotes",
                ident.value
            )));
        }
        if let Some(written) = self.columns.get(&ident.value.to_lowercase()) {
            ident.value.clone_from(written);
        }
        ident.quote_style = Some('"');
        Ok(())
    }

    fn expression(&self, expr: &mut Expr) -> Result<(), MultiStageError> {
        let taken = std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()));
        *expr = match taken {
            Expr::Identifier(mut ident) => {
                self.identifier(&mut ident)?;
                Expr::Identifier(ident)
            }
            Expr::CompoundIdentifier(mut parts) => {
                if let Some((last, qualifiers)) = parts.split_last_mut() {
                    self.identifier(last)?;
                    for qualifier in qualifiers {
                        self.relations.qualifier(qualifier);
                    }
                }
                Expr::CompoundIdentifier(parts)
            }
            Expr::Value(value) => literal(value)?,
            Expr::Nested(inner) => *inner,
            Expr::BinaryOp { left, op, right } => binary(*left, op, *right)?,
            Expr::UnaryOp { op, expr } => unary(op, *expr)?,
            Expr::Function(function) => call_of(function)?,
            other => special::rewritten(other)?,
        };
        Ok(())
    }
}

fn text(text: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.into()).with_empty_span())
}

/// A call of a function by its canonical name.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: object_name(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn object_name(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote(
        '"', name,
    ))])
}

fn literal(value: ast::ValueWithSpan) -> Result<Expr, MultiStageError> {
    Ok(match &value.value {
        Value::Placeholder(name) if name.len() > 1 && name.starts_with('$') => {
            Expr::Identifier(Ident::with_quote('"', name))
        }
        Value::Placeholder(name) => {
            return Err(MultiStageError::new(
                common::ErrorCode::SqlParsing,
                format!("`{name}` is a parameter without a value"),
            ));
        }
        Value::Number(digits, _) => {
            if digits.parse::<f64>().is_ok_and(f64::is_infinite) {
                return Err(MultiStageError::invalid(format!(
                    "Numeric literal '{digits}' out of range"
                )));
            }
            number(digits)
        }
        Value::NationalStringLiteral(content) | Value::UnicodeStringLiteral(content) => {
            text(content.clone())
        }
        _ => Expr::Value(value),
    })
}

/// Digits that a DOUBLE holds exactly.
const EXACT_DIGITS: usize = 15;

/// A number: `5.` is whole, integers beyond LONG and long fractions stay exact.
fn number(digits: &str) -> Expr {
    let plain = |digits: String| Expr::Value(Value::Number(digits, false).with_empty_span());
    if let Some(whole) = digits.strip_suffix('.') {
        return plain(whole.to_owned());
    }
    let fraction = digits.contains('.') && !digits.contains(['e', 'E']);
    if fraction && digits.len() > EXACT_DIGITS + 1 {
        return call("cast", vec![text(digits), text("BIG_DECIMAL")]);
    }
    if large_literals::is_large(digits) {
        return large_literals::written(digits);
    }
    plain(digits.to_owned())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr, MultiStageError> {
    let name = match op {
        BinaryOperator::Plus => "$plus",
        BinaryOperator::Minus => "$minus",
        BinaryOperator::Multiply => "$times",
        BinaryOperator::Divide => "$divide",
        BinaryOperator::Modulo => "$mod",
        BinaryOperator::StringConcat => "$concat",
        _ => {
            return Ok(Expr::BinaryOp {
                left: Box::new(left),
                op,
                right: Box::new(right),
            });
        }
    };
    match (name, left, right) {
        ("$plus" | "$minus", left, Expr::Interval(interval)) => moved(left, &interval, name),
        ("$plus", Expr::Interval(interval), right) => moved(right, &interval, name),
        (name, left, right) => Ok(call(name, vec![left, right])),
    }
}

/// A time moved by an interval.
fn moved(time: Expr, interval: &ast::Interval, name: &str) -> Result<Expr, MultiStageError> {
    let refused = || MultiStageError::invalid(format!("`{interval}` is not supported"));
    let amount = match interval.value.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::Number(text, _) => text.trim().to_owned(),
            _ => return Err(refused()),
        },
        _ => return Err(refused()),
    };
    let field = interval.leading_field.as_ref().ok_or_else(refused)?;
    let unit = field.to_string().to_uppercase();
    let (unit, amount) = match (&interval.last_field, amount.split_once('-')) {
        (None, _) => (unit, amount.parse::<i64>().map_err(|_| refused())?),
        (Some(_), Some((years, months))) if unit == "YEAR" => {
            let years: i64 = years.parse().map_err(|_| refused())?;
            let months: i64 = months.parse().map_err(|_| refused())?;
            (
                "MONTH".to_owned(),
                years.saturating_mul(12).saturating_add(months),
            )
        }
        _ => return Err(refused()),
    };
    if matches!(unit.as_str(), "MONTH" | "YEAR" | "QUARTER") && is_literal(&time) {
        // The planner folds literals by milliseconds, and months have none.
        return Ok(time);
    }
    let negative = (name == "$minus") != (amount < 0);
    let mut amount = number(&amount.unsigned_abs().to_string());
    if negative {
        amount = Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(amount),
        };
    }
    Ok(call("timestampadd", vec![text(unit), amount, time]))
}

/// True for a literal, cast or not.
fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) => true,
        Expr::Function(function) if function.name == object_name("cast") => {
            matches!(&function.args, FunctionArguments::List(list) if list.args.iter().all(|arg| {
                matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(inner)) if is_literal(inner))
            }))
        }
        _ => false,
    }
}

fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Number(digits, _) if digits.parse() == Ok(0.0))
}

fn unary(op: UnaryOperator, operand: Expr) -> Result<Expr, MultiStageError> {
    match (op, &operand) {
        (UnaryOperator::Plus, _) => Ok(operand),
        // A literal is a decimal number, of which there is no negative zero.
        (UnaryOperator::Minus, Expr::Value(value)) if is_zero(&value.value) => Ok(operand),
        (UnaryOperator::Minus, Expr::Value(value)) if matches!(value.value, Value::Number(..)) => {
            Ok(Expr::UnaryOp {
                op,
                expr: Box::new(operand),
            })
        }
        (
            UnaryOperator::Minus,
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            },
        ) => Ok(expr.as_ref().clone()),
        (UnaryOperator::Minus, Expr::Function(_)) if decimal_text(&operand).is_some() => {
            let digits = negated(&decimal_text(&operand).unwrap_or_default());
            Ok(call("cast", vec![text(digits), text("BIG_DECIMAL")]))
        }
        (UnaryOperator::Minus, _) if let Some(digits) = large_literals::digits(&operand) => {
            Ok(large_literals::written(&negated(digits)))
        }
        (UnaryOperator::Minus, _) => Err(MultiStageError::invalid(
            "unary minus is not supported over an expression: subtract it from 0",
        )),
        _ => Ok(Expr::UnaryOp {
            op,
            expr: Box::new(operand),
        }),
    }
}

/// Digits with the other sign.
fn negated(digits: &str) -> String {
    match digits.strip_prefix('-') {
        Some(magnitude) => magnitude.to_owned(),
        None => format!("-{digits}"),
    }
}

/// The digits of a long fraction, as [`number`] made it.
fn decimal_text(expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else {
        return None;
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.as_slice() {
        [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(to)),
        ] if *to == text("BIG_DECIMAL") => match &value.value {
            Value::SingleQuotedString(digits) => Some(digits.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn call_of(mut function: Function) -> Result<Expr, MultiStageError> {
    let written: Vec<String> = function
        .name
        .0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => ident.value.clone(),
            other @ ObjectNamePart::Function(_) => other.to_string(),
        })
        .collect();
    let mut name = canonical_name(&written.join("."));
    checks::call(&name, &function)?;
    if let FunctionArguments::List(list) = &mut function.args {
        let distinct = list.duplicate_treatment.take() == Some(DuplicateTreatment::Distinct);
        if name == "listagg" && function.over.is_none() {
            let order = std::mem::take(&mut function.within_group);
            if distinct || !order.is_empty() {
                name = ordered_list(&mut list.args, &order, distinct);
            }
        } else if distinct {
            let known = match name.as_str() {
                "count" if list.args.len() == 1 => Some("distinctcount"),
                "sum" => Some("distinctsum"),
                "avg" => Some("distinctavg"),
                "min" | "max" | "boolor" | "booland" => Some(name.as_str()),
                _ => None,
            };
            match known {
                Some(known) => {
                    name = known.to_owned();
                    if function.over.is_some() {
                        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
                    }
                }
                None => list.duplicate_treatment = Some(DuplicateTreatment::Distinct),
            }
        }
        if name == "count" {
            // Of several arguments, as none is null where nulls are not told apart, the first counts.
            list.args.truncate(1);
        }
        if takes_unit(&name)
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(unit)))) =
                list.args.first()
        {
            list.args[0] =
                FunctionArg::Unnamed(FunctionArgExpr::Expr(text(unit.value.to_uppercase())));
        }
        if name == "count"
            && matches!(
                list.args.first(),
                Some(FunctionArg::Unnamed(FunctionArgExpr::Wildcard))
            )
        {
            let one = Expr::Value(Value::Number("1".to_owned(), false).with_empty_span());
            list.args[0] = FunctionArg::Unnamed(FunctionArgExpr::Expr(one));
        }
        spliced(&mut list.args);
    }
    if function.over.is_some() {
        name = over_window(&name).to_owned();
    } else if matches!(function.args, FunctionArguments::None) {
        // `CURRENT_TIMESTAMP` and its like are columns' names to Pinot.
        return Ok(Expr::Identifier(Ident::with_quote('"', written.join("."))));
    }
    function.name = object_name(&name);
    Ok(Expr::Function(function))
}

/// A window function's name in the planner.
fn over_window(name: &str) -> &str {
    match name {
        "rownumber" => "row_number",
        "denserank" => "dense_rank",
        "firstvalue" => "first_value",
        "lastvalue" => "last_value",
        other => other,
    }
}

/// `LISTAGG(x, ',') WITHIN GROUP (ORDER BY y DESC)` as a function of its own: the text, the separator, `d` where values are
/// distinct with `+` or `-` for the direction of each key, the keys.
fn ordered_list(args: &mut Vec<FunctionArg>, order: &[ast::OrderByExpr], distinct: bool) -> String {
    let mut settings = if distinct { "d" } else { "" }.to_owned();
    let literal = |value: &str| FunctionArg::Unnamed(FunctionArgExpr::Expr(text(value)));
    if args.len() == 1 {
        args.push(literal(","));
    }
    for key in order {
        settings.push(if key.options.asc == Some(false) {
            '-'
        } else {
            '+'
        });
    }
    args.push(literal(&settings));
    args.extend(
        order
            .iter()
            .map(|key| FunctionArg::Unnamed(FunctionArgExpr::Expr(key.expr.clone()))),
    );
    "$listagg".to_owned()
}

/// `STEPS(a, b)` inside a call becomes `'steps', a, b`, as aggregates read it.
fn spliced(args: &mut Vec<FunctionArg>) {
    let mut out = Vec::with_capacity(args.len());
    for arg in args.drain(..) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(inner))) = &arg
            && let name = canonical_name(&inner.name.to_string().replace('"', ""))
            && matches!(name.as_str(), "steps" | "correlateby" | "settings")
            && let FunctionArguments::List(list) = &inner.args
        {
            out.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(name))));
            out.extend(list.args.iter().cloned());
        } else {
            out.push(arg);
        }
    }
    *args = out;
}
