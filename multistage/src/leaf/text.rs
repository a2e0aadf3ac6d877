//! Expressions of a plan as the SQL of a leaf query.
//!
//! Must not know: plans. Invariant: `None` where the text would not mean the same; a name is always in double quotes.

use common::{ColumnType, DataType, Value};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::{
    AggregateFunction, BinaryExpr, Case, InList, Like, ScalarFunction,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use super::Leaf;
use crate::aggregate::PinotAggregate;
use crate::computed::filters;
use crate::never_null::is_never;
use crate::types::{column_type, value_of};
use crate::typing::is_exact;

/// A column's name.
pub(super) fn column(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The column that a text names, where it is nothing else.
pub(super) fn column_of(text: &str) -> Option<String> {
    let name = text
        .strip_prefix('"')?
        .strip_suffix('"')?
        .replace("\"\"", "\"");
    (column(&name) == text).then_some(name)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A literal.
pub(super) fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(v) => v.to_string(),
        Value::Long(v) | Value::Timestamp(v) => v.to_string(),
        Value::Float(v) if v.is_finite() => format!("{:?}", f64::from(*v)),
        Value::Double(v) if v.is_finite() => format!("{v:?}"),
        Value::Double(v) => {
            let name = match v.is_nan() {
                true => "NaN",
                false if *v > 0.0 => "Infinity",
                false => "-Infinity",
            };
            format!("CAST('{name}' AS DOUBLE)")
        }
        Value::BigDecimal(v) => format!("CAST('{}' AS BIG_DECIMAL)", v.to_plain_string()),
        Value::Boolean(v) => v.to_string(),
        Value::String(v) | Value::Json(v) => quoted(v),
        Value::Bytes(v) => {
            format!("hexToBytes('{}')", hexadecimal(v))
        }
        _ => return None,
    })
}

fn scalar(scalar: &ScalarValue) -> Option<String> {
    match scalar {
        // With the digits of the DOUBLE that it is: a leaf reads no FLOAT.
        ScalarValue::Float32(Some(value)) => literal(&Value::Double(f64::from(*value))),
        scalar => literal(&value_of(scalar)?),
    }
}

/// An expression over the leaf's columns.
pub(super) fn expression(expr: &Expr, leaf: &Leaf) -> Option<String> {
    let inner = |e: &Expr| expression(e, leaf);
    Some(match expr {
        Expr::Alias(alias) => inner(&alias.expr)?,
        Expr::Column(found) => {
            let at = leaf.schema.maybe_index_of_column(found)?;
            leaf.outputs.get(at)?.clone()
        }
        Expr::Literal(value, _) => scalar(value)?,
        Expr::BinaryExpr(binary) => {
            if let Some(text) = between_elements(binary, leaf) {
                return Some(text);
            }
            if let Some((test, distinct)) = beside_known(binary, leaf) {
                let not = if distinct { "NOT " } else { "" };
                return Some(format!("({test} IS {not}TRUE)"));
            }
            let op = operator(binary.op)?;
            let (left, right) = sides(binary, leaf)?;
            format!("({left} {op} {right})")
        }
        Expr::Not(e) => format!("(NOT {})", inner(e)?),
        Expr::IsNull(e) => format!("({} IS NULL)", inner(e)?),
        Expr::IsNotNull(e) => format!("({} IS NOT NULL)", inner(e)?),
        Expr::IsTrue(e) => format!("({} IS TRUE)", inner(e)?),
        Expr::IsFalse(e) => format!("({} IS FALSE)", inner(e)?),
        Expr::IsNotTrue(e) => format!("({} IS NOT TRUE)", inner(e)?),
        Expr::IsNotFalse(e) => format!("({} IS NOT FALSE)", inner(e)?),
        Expr::Between(between) => {
            let not = if between.negated { "NOT " } else { "" };
            format!(
                "({} {not}BETWEEN {} AND {})",
                beside(&between.expr, &[&between.low, &between.high], leaf)?,
                compared(&between.low, leaf)?,
                compared(&between.high, leaf)?
            )
        }
        Expr::InList(list) => in_list(list, leaf)?,
        Expr::Like(like) => like_of(like, leaf)?,
        Expr::Case(case) => case_of(case, leaf)?,
        Expr::Cast(cast) => {
            let to = column_type(cast.field.data_type());
            let text = within(&cast.expr, leaf)?;
            if to.data_type == DataType::Long && divides(&cast.expr, leaf) {
                // A leaf keeps the fraction of a quotient, and drops it here.
                format!("CAST({text} AS LONG)")
            } else if to.data_type == DataType::Double && is_decimal(&cast.expr, leaf) {
                // NaN and the infinite numbers beside it are no BIG_DECIMAL.
                format!("CAST({text} AS DOUBLE)")
            } else if to.data_type.is_numeric() {
                // Numbers are widened only to be compared, which a leaf does by itself.
                text
            } else {
                format!("CAST({text} AS {})", to.data_type.name())
            }
        }
        Expr::ScalarFunction(function) => call(function, leaf)?,
        _ => return None,
    })
}

/// Both sides of an operator.
fn sides(binary: &BinaryExpr, leaf: &Leaf) -> Option<(String, String)> {
    Some((
        beside(&binary.left, &[&binary.right], leaf)?,
        beside(&binary.right, &[&binary.left], leaf)?,
    ))
}

/// A condition that rows pass. IS [NOT] DISTINCT FROM is spelled out there, as the planner does: unless nulls are handled, a null
/// is not distinct from its default either.
pub(super) fn condition(expr: &Expr, leaf: &Leaf) -> Option<String> {
    let Expr::BinaryExpr(binary) = expr else {
        return expression(expr, leaf);
    };
    match binary.op {
        Operator::And | Operator::Or if between_elements(binary, leaf).is_none() => {
            let op = operator(binary.op)?;
            let (left, right) = (
                condition(&binary.left, leaf)?,
                condition(&binary.right, leaf)?,
            );
            Some(format!("({left} {op} {right})"))
        }
        Operator::IsNotDistinctFrom if is_true(&binary.right) => condition(&binary.left, leaf),
        Operator::IsNotDistinctFrom if is_known(&binary.left) || is_known(&binary.right) => {
            beside_known(binary, leaf).map(|(test, _)| test)
        }
        _ if [&binary.left, &binary.right]
            .iter()
            .any(|side| matches!(***side, Expr::Literal(..))) =>
        {
            expression(expr, leaf)
        }
        Operator::IsNotDistinctFrom => {
            let (left, right) = sides(binary, leaf)?;
            if is_never(&binary.left) || is_never(&binary.right) {
                return Some(format!("({left} = {right})"));
            }
            Some(format!(
                "(({left} IS NULL AND {right} IS NULL) OR {left} = {right})"
            ))
        }
        Operator::IsDistinctFrom => {
            let (left, right) = sides(binary, leaf)?;
            if is_never(&binary.left) || is_never(&binary.right) {
                return Some(format!("(({left} = {right}) IS NOT TRUE)"));
            }
            Some(format!(
                "(({left} IS NOT NULL OR {right} IS NOT NULL) AND (({left} = {right}) IS NOT TRUE))"
            ))
        }
        _ => expression(expr, leaf),
    }
}

/// True for a literal that an equality can be with: BYTES are only told apart.
fn is_known(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _)
        if !value.is_null() && !matches!(value, ScalarValue::Binary(_) | ScalarValue::BinaryView(_)))
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

/// IS [NOT] DISTINCT FROM a literal as the planner has it, an equality, and whether it is negated: a literal is no null, and what
/// a leaf reads is none either unless nulls are handled.
fn beside_known(binary: &BinaryExpr, leaf: &Leaf) -> Option<(String, bool)> {
    let distinct = match binary.op {
        Operator::IsDistinctFrom => true,
        Operator::IsNotDistinctFrom => false,
        _ => return None,
    };
    if !is_known(&binary.left) && !is_known(&binary.right) {
        return None;
    }
    if is_true(&binary.right) {
        return Some((expression(&binary.left, leaf)?, distinct));
    }
    let (left, right) = sides(binary, leaf)?;
    Some((format!("({left} = {right})"), distinct))
}

/// A condition that groups pass. Above a leaf NaN is greater than every number, where a leaf has it greater than none.
pub(super) fn of_groups(expr: &Expr, leaf: &Leaf) -> Option<String> {
    let Expr::BinaryExpr(binary) = expr else {
        return condition(expr, leaf);
    };
    let less = match binary.op {
        Operator::And | Operator::Or => {
            let op = operator(binary.op)?;
            let (left, right) = (
                of_groups(&binary.left, leaf)?,
                of_groups(&binary.right, leaf)?,
            );
            return Some(format!("({left} {op} {right})"));
        }
        // A quotient of whole numbers is whole above a leaf.
        _ if divides(&binary.left, leaf) || divides(&binary.right, leaf) => return None,
        Operator::Gt => "<=",
        Operator::GtEq => "<",
        _ => return condition(expr, leaf),
    };
    let double = binary.left.get_type(leaf.schema.as_ref()).ok()? == ArrowType::Float64;
    if !double || !matches!(*binary.right, Expr::Literal(..)) {
        return condition(expr, leaf);
    }
    let (left, right) = sides(binary, leaf)?;
    Some(format!("(NOT ({left} {less} {right}))"))
}

/// A range over the elements of a multi-value, which the optimiser took apart: one element must meet both ends.
fn between_elements(binary: &BinaryExpr, leaf: &Leaf) -> Option<String> {
    let (Expr::BinaryExpr(low), Expr::BinaryExpr(high)) = (&*binary.left, &*binary.right) else {
        return None;
    };
    let elements = |expr: &Expr| match expr {
        Expr::ScalarFunction(function) => function.func.name() == "arraytomv",
        Expr::Cast(cast) => {
            matches!(&*cast.expr, Expr::ScalarFunction(f) if f.func.name() == "arraytomv")
        }
        _ => false,
    };
    if low.left != high.left || !elements(&low.left) {
        return None;
    }
    let not = match (binary.op, low.op, high.op) {
        (Operator::And, Operator::GtEq, Operator::LtEq) => "",
        (Operator::Or, Operator::Lt, Operator::Gt) => "NOT ",
        _ => return None,
    };
    let (expr, low, high) = (
        expression(&low.left, leaf)?,
        compared(&low.right, leaf)?,
        compared(&high.right, leaf)?,
    );
    Some(format!("({expr} {not}BETWEEN {low} AND {high})"))
}

/// A side of a comparison with others. A whole number that was widened for a literal that it cannot be stays widened: a leaf
/// would settle such a test for nulls as well.
fn beside(expr: &Expr, others: &[&Expr], leaf: &Leaf) -> Option<String> {
    let text = compared(expr, leaf)?;
    let Expr::Cast(cast) = expr else {
        return Some(text);
    };
    let from = cast.expr.get_type(leaf.schema.as_ref()).ok()?;
    let foreign = |other: &&Expr| match (&from, other) {
        (ArrowType::Int32, Expr::Literal(ScalarValue::Int64(Some(v)), _)) => {
            i32::try_from(*v).is_err()
        }
        (ArrowType::Int32 | ArrowType::Int64, Expr::Literal(ScalarValue::Float64(Some(v)), _)) => {
            v.fract() != 0.0
        }
        _ => false,
    };
    if !others.iter().any(foreign) {
        return Some(text);
    }
    let to = column_type(cast.field.data_type()).data_type;
    Some(format!("CAST({text} AS {})", to.name()))
}

/// A side of a comparison: bytes are written in hexadecimal there.
fn compared(expr: &Expr, leaf: &Leaf) -> Option<String> {
    if let Expr::Literal(ScalarValue::Binary(Some(bytes)), _) = expr {
        return Some(format!("'{}'", hexadecimal(bytes)));
    }
    if let Expr::Literal(ScalarValue::Float64(Some(value)), _) = expr
        && value.fract() == 0.0
        && value.abs() < 1e15
    {
        return Some(format!("{value:.0}"));
    }
    within(expr, leaf)
}

fn operator(op: Operator) -> Option<&'static str> {
    Some(match op {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        Operator::And => "AND",
        Operator::Or => "OR",
        Operator::IsDistinctFrom => "IS DISTINCT FROM",
        Operator::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
        _ => return None,
    })
}

fn in_list(list: &InList, leaf: &Leaf) -> Option<String> {
    let items = list
        .list
        .iter()
        .map(|item| compared(item, leaf))
        .collect::<Option<Vec<_>>>()?;
    let not = if list.negated { "NOT " } else { "" };
    let others: Vec<&Expr> = list.list.iter().collect();
    let expr = beside(&list.expr, &others, leaf)?;
    // Numbers of another type are compared one by one: a list would have to be of the column's own type.
    let widened = match &*list.expr {
        // Literals are read as FLOATs beside one.
        Expr::Cast(cast)
            if matches!(
                cast.expr.get_type(leaf.schema.as_ref()),
                Ok(ArrowType::Float32)
            ) =>
        {
            false
        }
        Expr::Cast(cast) => column_type(cast.field.data_type()).data_type.is_numeric(),
        _ => false,
    };
    if widened {
        // Not the negation of equalities, which a leaf would make one list that takes nulls too.
        let (test, word) = if list.negated {
            ("<>", " AND ")
        } else {
            ("=", " OR ")
        };
        let tests: Vec<String> = items
            .iter()
            .map(|item| format!("{expr} {test} {item}"))
            .collect();
        return Some(format!("({})", tests.join(word)));
    }
    Some(format!("({expr} {not}IN ({}))", items.join(", ")))
}

fn like_of(like: &Like, leaf: &Leaf) -> Option<String> {
    let not = if like.negated { "NOT " } else { "" };
    let word = if like.case_insensitive {
        "ILIKE"
    } else {
        "LIKE"
    };
    let escape = like
        .escape_char
        .map(|c| format!(" ESCAPE {}", quoted(&c.to_string())))
        .unwrap_or_default();
    let (expr, pattern) = (
        expression(&like.expr, leaf)?,
        expression(&like.pattern, leaf)?,
    );
    Some(format!("({expr} {not}{word} {pattern}{escape})"))
}

fn case_of(case: &Case, leaf: &Leaf) -> Option<String> {
    let mut out = "CASE".to_owned();
    for (when, then) in &case.when_then_expr {
        let when = expression(when, leaf)?;
        let when = match &case.expr {
            Some(operand) => format!("{} = {when}", expression(operand, leaf)?),
            None => when,
        };
        out.push_str(&format!(" WHEN {when} THEN {}", expression(then, leaf)?));
    }
    if let Some(otherwise) = &case.else_expr {
        out.push_str(&format!(" ELSE {}", expression(otherwise, leaf)?));
    }
    out.push_str(" END");
    Some(out)
}

/// The rounding of an exact decimal, which the planner types LONG: a leaf, which has no decimals, answers a DOUBLE.
fn rounding<'a>(expr: &'a Expr, leaf: &Leaf) -> Option<&'a Expr> {
    let Expr::ScalarFunction(cast) = expr else {
        return None;
    };
    let rounded = cast.args.first().filter(|_| cast.func.name() == "cast")?;
    let Expr::ScalarFunction(call) = rounded else {
        return None;
    };
    let exact = call.args.first();
    let rounds = matches!(call.func.name(), "ceil" | "floor")
        && exact.is_some_and(|arg| is_exact(arg, leaf.schema.as_ref()));
    let long = matches!(expr.get_type(leaf.schema.as_ref()), Ok(ArrowType::Int64));
    (rounds && long).then_some(rounded)
}

/// An expression within another.
fn within(expr: &Expr, leaf: &Leaf) -> Option<String> {
    expression(rounding(expr, leaf).unwrap_or(expr), leaf)
}

fn call(function: &ScalarFunction, leaf: &Leaf) -> Option<String> {
    let args = function
        .args
        .iter()
        .map(|arg| within(arg, leaf))
        .collect::<Option<Vec<_>>>()?;
    let word = |at: usize| args.get(at).map(|arg| arg.trim_matches('\''));
    Some(match (function.func.name(), args.as_slice()) {
        ("cast", [expr, _]) => format!("CAST({expr} AS {})", word(1)?.replace(" ARRAY", "_ARRAY")),
        (name @ ("timestampadd" | "timestampdiff"), [_, from, to]) => {
            format!("{name}({}, {from}, {to})", word(0)?)
        }
        ("extract", [_, expr]) => format!("EXTRACT({} FROM {expr})", word(0)?),
        ("trim", [_, what, expr]) => format!("TRIM({} {what} FROM {expr})", word(0)?),
        ("position", [what, expr]) => format!("POSITION({what} IN {expr})"),
        ("item", [expr, key]) => format!("{expr}[{key}]"),
        ("arrayvalueconstructor", items) => format!("ARRAY[{}]", items.join(", ")),
        ("arraytomv", [expr]) => expr.clone(),
        ("like", [expr, pattern]) => format!("({expr} LIKE {pattern})"),
        ("like", [expr, pattern, escape]) => format!("({expr} LIKE {pattern} ESCAPE {escape})"),
        ("$plus" | "plus", [a, b]) => format!("({a} + {b})"),
        ("$minus" | "minus", [a, b]) => format!("({a} - {b})"),
        ("$times" | "times", [a, b]) => format!("({a} * {b})"),
        ("$divide" | "divide", [a, b]) => format!("({a} / {b})"),
        ("overlay" | "now" | crate::asof::MARK | crate::unnest::ORDINALS, _) => return None,
        (name, args) => format!("{}({})", name.trim_start_matches('$'), args.join(", ")),
    })
}

/// A GROUP BY expression; a literal would be read as a position.
pub(super) fn group(expr: &Expr, leaf: &Leaf) -> Option<String> {
    match expr.clone().unalias() {
        Expr::Literal(..) | Expr::GroupingSet(_) => None,
        inner => whole(&inner, leaf).filter(|text| {
            // Neither may a column that a projection made of a literal.
            text.starts_with(|c: char| c == '"' || c == '(' || c.is_alphabetic())
                && text != "NULL"
                && text != "true"
                && text != "false"
        }),
    }
}

/// An argument whose type the planner holds to be another than a leaf does: parts of a time are LONG to it, distances of times
/// INT, and the extremes of numbers of two types DOUBLE. It shows in what is answered over no rows.
fn as_planned(expr: &Expr, text: String, leaf: &Leaf) -> String {
    const PARTS: &[&str] = &[
        "dayofmonth",
        "dayofweek",
        "dayofyear",
        "day",
        "dow",
        "doy",
        "extract",
        "hour",
        "millisecond",
        "minute",
        "month",
        "quarter",
        "second",
        "week",
        "weekofyear",
        "year",
        "yearofweek",
        "yow",
    ];
    let name = match expr {
        Expr::ScalarFunction(function) => function.func.name().to_owned(),
        // A column that a projection made of such a call.
        Expr::Column(_) => text.split('(').next().unwrap_or_default().to_lowercase(),
        _ => return text,
    };
    let name = name.as_str();
    match expr.get_type(leaf.schema.as_ref()) {
        Ok(ArrowType::Int64) if PARTS.contains(&name) => format!("CAST({text} AS LONG)"),
        Ok(ArrowType::Int32) if name == "timestampdiff" => format!("CAST({text} AS INT)"),
        Ok(ArrowType::Float64) if matches!(name, "greatest" | "least") => {
            format!("CAST({text} AS DOUBLE)")
        }
        _ => text,
    }
}

/// A key: integer arithmetic, which a leaf does in DOUBLE, is narrowed before rows are grouped, wherever in the key it stands.
fn whole(expr: &Expr, leaf: &Leaf) -> Option<String> {
    let text = expression(expr, leaf)?;
    match expr.get_type(leaf.schema.as_ref()).ok()? {
        ArrowType::Int32 if computes(&text) => Some(format!("CAST({text} AS INT)")),
        ArrowType::Int64 if computes(&text) => Some(format!("CAST({text} AS LONG)")),
        _ => Some(text),
    }
}

/// True for a text with arithmetic in it, which a leaf does in DOUBLE.
fn computes(text: &str) -> bool {
    const COMPUTED: &[&str] = &[
        " + ",
        " - ",
        " * ",
        " / ",
        "mod(",
        "floor(",
        "ceil(",
        "abs(",
        "truncate(",
    ];
    column_of(text).is_none() && COMPUTED.iter().any(|part| text.contains(part))
}

/// True for what a leaf would order by a fraction that a whole number above it does not have.
pub(super) fn is_cut(expr: &Expr, text: &str, leaf: &Leaf) -> bool {
    let whole = matches!(
        expr.get_type(leaf.schema.as_ref()),
        Ok(ArrowType::Int32 | ArrowType::Int64)
    );
    whole && !text.starts_with("CAST(") && computes(text)
}

/// True for integer arithmetic with a literal: its sums and extremes are those of DOUBLEs, and narrowed once, at the end.
fn overflows(expr: &Expr, leaf: &Leaf) -> bool {
    let Expr::ScalarFunction(function) = expr else {
        return false;
    };
    let whole = matches!(
        expr.get_type(leaf.schema.as_ref()),
        Ok(ArrowType::Int32 | ArrowType::Int64)
    );
    whole
        && matches!(function.func.name(), "$plus" | "$minus" | "$times")
        && function
            .args
            .iter()
            .any(|arg| matches!(arg, Expr::Literal(..)))
}

/// The type of the sum of an expression over columns, where it is narrower than that of its rows in a leaf.
fn sum_of(expr: &Expr, leaf: &Leaf) -> Option<DataType> {
    let stored = |column: &Expr| {
        let text = expression(column, leaf);
        text.is_none_or(|text| column_of(&text).is_some())
    };
    match expr {
        Expr::Literal(..) => return None,
        Expr::Column(_) if stored(expr) => return None,
        _ => {}
    }
    match expr.get_type(leaf.schema.as_ref()).ok()? {
        ArrowType::Int32 | ArrowType::Int64 => Some(DataType::Long),
        ArrowType::Float32 => Some(DataType::Float),
        _ => None,
    }
}

/// True for a whole number with a quotient in it, of which a leaf keeps the fraction.
fn divides(expr: &Expr, leaf: &Leaf) -> bool {
    let quotient =
        |inner: &Expr| matches!(inner, Expr::ScalarFunction(call) if call.func.name() == "$divide");
    let whole = matches!(
        expr.get_type(leaf.schema.as_ref()),
        Ok(ArrowType::Int32 | ArrowType::Int64)
    );
    whole && expr.exists(|inner| Ok(quotient(inner))).unwrap_or(false)
}

fn is_decimal(expr: &Expr, leaf: &Leaf) -> bool {
    let found = expr.get_type(leaf.schema.as_ref());
    found.is_ok_and(|found| column_type(&found) == ColumnType::sv(DataType::BigDecimal))
}

fn is_text(expr: &Expr, leaf: &Leaf) -> bool {
    matches!(
        expr.get_type(leaf.schema.as_ref()),
        Ok(ArrowType::Utf8 | ArrowType::Binary)
    )
}

/// An aggregate over the leaf's columns.
pub(super) fn aggregate(expr: &Expr, leaf: &Leaf) -> Option<String> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
        return None;
    };
    let inner: &dyn std::any::Any = func.inner().as_ref();
    let function = inner.downcast_ref::<PinotAggregate>()?;
    if function.function == "$listagg" {
        // The name is no word of a statement.
        return None;
    }
    let (params, chosen) = filters::of_choice(params, function.arguments.len());
    let extreme = matches!(function.function.as_str(), "sum" | "min" | "max");
    let typed = matches!(
        function.function.as_str(),
        "min" | "max" | "covarpop" | "covarsamp"
    );
    let of_texts = matches!(function.function.as_str(), "minstring" | "maxstring");
    let mut rows = params.args.iter();
    let mut args = Vec::with_capacity(function.arguments.len());
    for argument in &function.arguments {
        args.push(match argument {
            Some(value) => literal(value)?,
            None => {
                let row = rows.next()?;
                let text = expression(row, leaf)?;
                if matches!(
                    (function.function.as_str(), row),
                    ("idset", Expr::Literal(ScalarValue::Int64(_), _))
                ) {
                    // The type decides what the set is written as.
                    format!("CAST({text} AS LONG)")
                } else if extreme && overflows(row, leaf) {
                    format!("CAST({text} AS DOUBLE)")
                } else if of_texts && !is_text(row, leaf) {
                    format!("CAST({text} AS STRING)")
                } else if typed {
                    as_planned(row, text, leaf)
                } else {
                    text
                }
            }
        });
    }
    let first = params.args.first();
    let first = first.and_then(|arg| Some(column_type(&arg.get_type(leaf.schema.as_ref()).ok()?)));
    let filters = params.filter.as_deref().into_iter().chain(chosen.as_ref());
    let filters: Vec<String> = filters
        .map(|filter| condition(filter, leaf))
        .collect::<Option<_>>()?;
    let filtered = match filters.as_slice() {
        [] => String::new(),
        filters => format!(" FILTER (WHERE {})", filters.join(" AND ")),
    };
    let args = args.join(", ");
    let text = match function.function.as_str() {
        "count" if function.counts_rows_only() => "COUNT(*)".to_owned(),
        // Of arrays rows are counted, not elements.
        "count" if first.is_some_and(|found| found.multi) => format!("COUNT(arrayLength({args}))"),
        // The sum is of the planned type, not each row, which a leaf computes as a DOUBLE.
        "avg" if let Some(planned) = params.args.first().and_then(|arg| sum_of(arg, leaf)) => {
            return Some(format!(
                "(CAST(CAST(SUM({args}){filtered} AS {planned}) AS DOUBLE) / COUNT({args}){filtered})"
            ));
        }
        _ => format!("{}({args})", function.kernel(first)),
    };
    Some(text + &filtered)
}
