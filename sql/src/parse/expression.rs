//! Syntax trees of expressions to [`Expr`], with Pinot's names for operators.
//!
//! Must not know: aliases, columns. Invariant: a literal's type follows its spelling: INT where it fits 32 bits, else LONG
//! (of which larger integers keep the low 64 bits); DOUBLE with a point or exponent.

use common::Value;
use sqlparser::ast::{
    self, BinaryOperator, CeilFloorKind, DateTimeField, Expr as Ast, FunctionArg, FunctionArgExpr,
    FunctionArguments, UnaryOperator,
};

use super::words;
use crate::expr::FILTERED;
use crate::{Expr, SqlError};

/// The expression of a syntax tree.
///
/// # Errors
/// For syntax that the single-stage engine does not have.
pub fn scalar(ast: &Ast) -> Result<Expr, SqlError> {
    Ok(match ast {
        Ast::Identifier(ident) => Expr::Column(words::free(ident)?),
        Ast::CompoundIdentifier(parts) => Expr::Column(
            parts
                .iter()
                .map(|p| p.value.as_str())
                .collect::<Vec<_>>()
                .join("."),
        ),
        Ast::Nested(inner) => scalar(inner)?,
        Ast::Value(value) => match &value.value {
            // `$docId` and its like are columns without quotes, too.
            ast::Value::Placeholder(name) if name.len() > 1 && name.starts_with('$') => {
                Expr::Column(name.clone())
            }
            value => Expr::Literal(literal(value)?),
        },
        Ast::TypedString(typed) => Expr::Literal(literal(&typed.value.value)?),
        Ast::UnaryOp { op, expr } => unary(*op, expr)?,
        Ast::BinaryOp { left, op, right } => binary(left, op, right)?,
        Ast::Function(function) => function_call(function)?,
        Ast::Case {
            operand,
            conditions,
            else_result,
            ..
        } => case(operand.as_deref(), conditions, else_result.as_deref())?,
        Ast::Cast {
            kind,
            expr,
            data_type,
            array,
            ..
        } => {
            // Their function exists in the multi-stage engine alone.
            let safe = matches!(kind, ast::CastKind::TryCast | ast::CastKind::SafeCast);
            let name = if safe { "safecast" } else { "cast" };
            // `CAST(x AS FLOAT ARRAY)` names no type.
            let to = if *array {
                "ARRAY".to_owned()
            } else {
                type_name(data_type)
            };
            let inner = grammar_types(scalar(expr)?);
            Expr::call(name, vec![inner, Expr::text(to)])
        }
        Ast::Extract { field, expr, .. } => Expr::call(
            "extract",
            vec![Expr::text(field.to_string().to_uppercase()), scalar(expr)?],
        ),
        Ast::Array(array) => Expr::call("arrayvalueconstructor", elements(&array.elem)?),
        Ast::Wildcard(_) => Expr::Star,
        other => tests(other)?,
    })
}

fn tests(ast: &Ast) -> Result<Expr, SqlError> {
    let one = |name: &str, e: &Ast| Ok(Expr::call(name, vec![scalar(e)?]));
    match ast {
        Ast::IsNull(e) => one("is_null", e),
        Ast::IsNotNull(e) => one("is_not_null", e),
        Ast::IsTrue(e) => one("istrue", e),
        Ast::IsNotTrue(e) => one("isnottrue", e),
        Ast::IsFalse(e) => one("isfalse", e),
        Ast::IsNotFalse(e) => one("isnotfalse", e),
        Ast::IsDistinctFrom(a, b) => distinct(a, b, Ast::IsDistinctFrom, "isdistinctfrom"),
        Ast::IsNotDistinctFrom(a, b) => distinct(a, b, Ast::IsNotDistinctFrom, "isnotdistinctfrom"),
        Ast::InList {
            expr,
            list,
            negated,
        } => {
            if list.is_empty() {
                return Err(SqlError::Parse("IN expects at least one value".to_owned()));
            }
            let mut args = vec![scalar(expr)?];
            args.extend(all(list)?);
            Ok(Expr::call(if *negated { "not_in" } else { "in" }, args))
        }
        Ast::Between {
            expr,
            negated,
            low,
            high,
        } => {
            let between = Expr::call("between", vec![scalar(expr)?, scalar(low)?, scalar(high)?]);
            Ok(not_if(*negated, between))
        }
        Ast::Like {
            negated,
            expr,
            pattern,
            escape_char,
            ..
        }
        | Ast::ILike {
            negated,
            expr,
            pattern,
            escape_char,
            ..
        } => {
            let mut args = vec![scalar(expr)?, scalar(pattern)?];
            if let Some(escape) = escape_char {
                args.push(Expr::Literal(literal(&escape.value)?));
            }
            Ok(not_if(*negated, Expr::call("like", args)))
        }
        other => special_calls(other),
    }
}

/// `a IS DISTINCT FROM b AND c`: the grammar hands over `b AND c` as the right side, although AND and OR bind weaker.
fn distinct(
    a: &Ast,
    b: &Ast,
    node: fn(Box<Ast>, Box<Ast>) -> Ast,
    name: &str,
) -> Result<Expr, SqlError> {
    if let Ast::BinaryOp { left, op, right } = b
        && matches!(op, BinaryOperator::And | BinaryOperator::Or)
    {
        return binary(&node(Box::new(a.clone()), left.clone()), op, right);
    }
    Ok(Expr::call(name, vec![scalar(a)?, scalar(b)?]))
}

/// A number rounded up or down; a unit of time or a number of digits is an argument too many.
fn rounded(name: &str, expr: &Ast, to: &CeilFloorKind) -> Result<Expr, SqlError> {
    match to {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {
            Ok(Expr::call(name, vec![scalar(expr)?]))
        }
        other => Err(SqlError::Validation(format!(
            "Exactly 1 argument is required for transform function: {name}, found `{other:?}` too: use DATETRUNC for units of time"
        ))),
    }
}

fn special_calls(ast: &Ast) -> Result<Expr, SqlError> {
    match ast {
        Ast::Ceil { expr, field } => rounded("ceil", expr, field),
        Ast::Floor { expr, field } => rounded("floor", expr, field),
        Ast::Substring {
            expr,
            substring_from,
            substring_for,
            shorthand,
            ..
        } => {
            let mut args = vec![scalar(expr)?];
            for part in [substring_from, substring_for].into_iter().flatten() {
                args.push(scalar(part)?);
            }
            Ok(Expr::call(
                if *shorthand { "substr" } else { "substring" },
                args,
            ))
        }
        Ast::Trim {
            trim_where,
            trim_what,
            expr,
            ..
        } => {
            let side = trim_where
                .map_or_else(|| "BOTH".to_owned(), |side| side.to_string().to_uppercase());
            let what = trim_what
                .as_deref()
                .map_or_else(|| Ok(Expr::text(" ")), scalar)?;
            Ok(Expr::call(
                "trim",
                vec![Expr::text(side), what, scalar(expr)?],
            ))
        }
        Ast::Position { expr, r#in } => {
            Ok(Expr::call("position", vec![scalar(expr)?, scalar(r#in)?]))
        }
        Ast::CompoundFieldAccess { root, access_chain } => {
            let mut out = scalar(root)?;
            for access in access_chain {
                let key = match access {
                    ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => scalar(index)?,
                    other => return Err(SqlError::Parse(format!("`{other}` is not supported"))),
                };
                out = Expr::call("item", vec![out, key]);
            }
            Ok(out)
        }
        Ast::Overlay { .. } => overlay(ast),
        Ast::Tuple(items) => Ok(Expr::call("row", all(items)?)),
        Ast::Convert {
            expr,
            data_type: Some(data_type),
            ..
        } => Ok(Expr::call(
            "convert",
            vec![scalar(expr)?, Expr::Column(data_type.to_string())],
        )),
        // The number alone is taken over.
        Ast::Interval(interval) => scalar(&interval.value),
        other => Err(super::multi_stage(&format!("`{other}`"))),
    }
}

fn overlay(ast: &Ast) -> Result<Expr, SqlError> {
    let Ast::Overlay {
        expr,
        overlay_what,
        overlay_from,
        overlay_for,
    } = ast
    else {
        return Err(super::multi_stage(&format!("`{ast}`")));
    };
    let mut args = vec![scalar(expr)?, scalar(overlay_what)?, scalar(overlay_from)?];
    if let Some(length) = overlay_for {
        args.push(scalar(length)?);
    }
    Ok(Expr::call("overlay", args))
}

fn all(list: &[Ast]) -> Result<Vec<Expr>, SqlError> {
    list.iter().map(scalar).collect()
}

/// The elements of an array literal, which have one type.
fn elements(list: &[Ast]) -> Result<Vec<Expr>, SqlError> {
    let out = all(list)?;
    let mut types = out
        .iter()
        .filter_map(Expr::as_literal)
        .filter(|value| !value.is_null())
        .map(Value::column_type);
    if let Some(first) = types.next()
        && types.any(|next| next != first)
    {
        return Err(super::multi_stage("an array of several types"));
    }
    Ok(out)
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated {
        Expr::call("not", vec![expr])
    } else {
        expr
    }
}

fn unary(op: UnaryOperator, operand: &Ast) -> Result<Expr, SqlError> {
    let inner = scalar(operand)?;
    match op {
        UnaryOperator::Plus => Ok(inner),
        UnaryOperator::Not => Ok(Expr::call("not", vec![inner])),
        UnaryOperator::Minus => Ok(match &inner {
            Expr::Literal(value) => {
                negated_literal(value).map_or_else(|| minus_prefix(inner.clone()), Expr::Literal)
            }
            _ => minus_prefix(inner),
        }),
        other => Err(SqlError::Parse(format!(
            "operator `{other}` is not supported"
        ))),
    }
}

fn minus_prefix(inner: Expr) -> Expr {
    Expr::call("minus_prefix", vec![inner])
}

fn negated_literal(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Int(v) => Value::Int(v.checked_neg()?),
        // -2147483648 is an INT although 2147483648 is not.
        Value::Long(v) if *v == 1 << 31 => Value::Int(i32::MIN),
        Value::Long(v) => Value::Long(v.wrapping_neg()),
        // A literal is a decimal number, of which there is no negative zero.
        Value::Double(v) => Value::Double(if *v == 0.0 { 0.0 } else { -v }),
        _ => return None,
    })
}

fn binary(left: &Ast, op: &BinaryOperator, right: &Ast) -> Result<Expr, SqlError> {
    let name = match op {
        BinaryOperator::Plus => "plus",
        BinaryOperator::Minus => "minus",
        BinaryOperator::Multiply => "times",
        BinaryOperator::Divide => "divide",
        BinaryOperator::Modulo => "mod",
        BinaryOperator::Eq => "equals",
        BinaryOperator::NotEq => "not_equals",
        BinaryOperator::Gt => "greater_than",
        BinaryOperator::GtEq => "greater_than_or_equal",
        BinaryOperator::Lt => "less_than",
        BinaryOperator::LtEq => "less_than_or_equal",
        BinaryOperator::And => "and",
        BinaryOperator::Or => "or",
        BinaryOperator::StringConcat => "||",
        other => {
            return Err(SqlError::Parse(format!(
                "operator `{other}` is not supported"
            )));
        }
    };
    let (left, right) = (scalar(left)?, scalar(right)?);
    // Chains of AND and OR are one call, as Pinot shows them.
    let mut args = Vec::new();
    for side in [left, right] {
        match side {
            Expr::Call(call) if call.name == name && matches!(name, "and" | "or") => {
                args.extend(call.args)
            }
            other => args.push(other),
        }
    }
    Ok(Expr::call(name, args))
}

fn case(
    operand: Option<&Ast>,
    conditions: &[ast::CaseWhen],
    otherwise: Option<&Ast>,
) -> Result<Expr, SqlError> {
    if conditions.is_empty() {
        return Err(words::encountered("CASE without WHEN"));
    }
    let mut args = Vec::with_capacity(conditions.len() * 2 + 1);
    for when in conditions {
        let condition = scalar(&when.condition)?;
        args.push(match operand {
            Some(operand) => Expr::call("equals", vec![scalar(operand)?, condition]),
            None => condition,
        });
        args.push(scalar(&when.result)?);
    }
    args.push(otherwise.map_or(Ok(Expr::Literal(Value::Null)), scalar)?);
    Ok(Expr::call("case", args))
}

fn function_call(function: &ast::Function) -> Result<Expr, SqlError> {
    if function.over.is_some() {
        return Err(super::multi_stage("a window function"));
    }
    let written: Vec<String> = function.name.0.iter().map(super::object_part).collect();
    let mut name = operator_name(functions::canonical_name(&written.join(".")));
    let quoted = matches!(
        function.name.0.first(),
        Some(ast::ObjectNamePart::Identifier(ident)) if ident.quote_style.is_some()
    );
    if !quoted && matches!(name.as_str(), "cast" | "minus") {
        // Keywords of the grammar: `CAST(x AS type)` and `a MINUS b` are their only forms.
        return Err(words::encountered(&format!(
            "`{function}`: `{name}` is no function's name"
        )));
    }
    let mut args = Vec::new();
    let mut distinct = false;
    match &function.args {
        FunctionArguments::None => {}
        FunctionArguments::Subquery(_) => return Err(super::multi_stage("a subquery")),
        FunctionArguments::List(list) => {
            distinct = matches!(
                list.duplicate_treatment,
                Some(ast::DuplicateTreatment::Distinct)
            );
            for arg in &list.args {
                args.push(argument(arg)?);
            }
        }
    }
    if !quoted && words::ends_with_unit(&written) && !matches!(args.get(2), Some(Expr::Column(_))) {
        return Err(words::encountered(&format!(
            "`{function}`: expected a unit as third argument"
        )));
    }
    let word = matches!(
        function.name.to_string().to_ascii_lowercase().as_str(),
        "timestampadd" | "timestampdiff"
    );
    if word && !quoted && matches!(args.first(), Some(Expr::Literal(Value::String(_)))) {
        return Err(words::encountered(&format!(
            "`{function}`: expected a unit as first argument, not a text"
        )));
    }
    if takes_unit(&name)
        && let Some(Expr::Column(unit)) = args.first()
    {
        args[0] = Expr::text(unit.to_uppercase());
    }
    if distinct {
        name = distinct_name(&name, &args)?.to_owned();
    }
    if name == "count" && args.first() == Some(&Expr::Column("*".to_owned())) {
        args = vec![Expr::Star];
    }
    let call = Expr::call(name, args);
    Ok(match &function.filter {
        Some(condition) => Expr::call(FILTERED, vec![call, scalar(condition)?]),
        None => call,
    })
}

/// Functions that are also filters keep the underscores of the filter's name; CEILING is CEIL.
fn operator_name(name: String) -> String {
    if name == "ceiling" {
        return "ceil".to_owned();
    }
    const OPERATORS: &[&str] = &[
        "not_equals",
        "greater_than",
        "greater_than_or_equal",
        "less_than",
        "less_than_or_equal",
        "not_in",
        "regexp_like",
        "is_null",
        "is_not_null",
        "text_contains",
        "text_match",
        "json_match",
        "vector_similarity",
    ];
    OPERATORS
        .iter()
        .find(|operator| functions::canonical_name(operator) == name)
        .map_or(name, |operator| (*operator).to_owned())
}

/// Functions whose first argument may be a bare unit (`TIMESTAMPADD(DAY, ..)`).
#[must_use]
pub fn takes_unit(name: &str) -> bool {
    matches!(
        name,
        "timestampadd" | "timestampdiff" | "dateadd" | "datediff"
    )
}

/// `COUNT(DISTINCT x)` and its like have their own aggregations.
fn distinct_name<'a>(name: &str, args: &[Expr]) -> Result<&'a str, SqlError> {
    match (name, args.len()) {
        ("count", 1) => Ok("distinctcount"),
        ("sum", 1) => Ok("distinctsum"),
        ("avg", 1) => Ok("distinctavg"),
        ("count", _) => Err(super::multi_stage("COUNT(DISTINCT) of several columns")),
        (other, _) => Err(SqlError::Parse(format!(
            "Function '{other}' on DISTINCT is not supported."
        ))),
    }
}

fn argument(arg: &FunctionArg) -> Result<Expr, SqlError> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => scalar(expr),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Ok(Expr::Star),
        other => Err(SqlError::Parse(format!(
            "argument `{other}` is not supported"
        ))),
    }
}

/// The name of a type as Pinot has it.
#[must_use]
pub fn type_name(data_type: &ast::DataType) -> String {
    use ast::DataType as Type;
    let name = match data_type {
        Type::Int(_) | Type::Integer(_) => "INTEGER",
        Type::BigInt(_) => "LONG",
        Type::DoublePrecision => "DOUBLE",
        // A length or a precision is read and forgotten.
        Type::Varchar(_) | Type::CharacterVarying(_) | Type::CharVarying(_) => "STRING",
        Type::Char(_) | Type::Character(_) => "CHAR",
        Type::Varbinary(_) => "BYTES",
        Type::Decimal(_) | Type::Numeric(_) | Type::Dec(_) => "DECIMAL",
        Type::Timestamp(_, ast::TimezoneInfo::None) => "TIMESTAMP",
        other => {
            return match other.to_string().to_uppercase() {
                // The grammar's own word for it.
                name if name == "BIG_DECIMAL" => "DECIMAL".to_owned(),
                name => name,
            };
        }
    };
    name.to_owned()
}

/// Casts inside a cast keep the grammar's own names of types.
fn grammar_types(inner: Expr) -> Expr {
    let named = |call: &mut crate::expr::Call| {
        let to = match call.args.as_slice() {
            [_, Expr::Literal(Value::String(to))] if call.name == "cast" => match to.as_str() {
                "LONG" => "BIGINT",
                "STRING" => "VARCHAR",
                "BYTES" => "VARBINARY",
                _ => return,
            },
            _ => return,
        };
        call.args[1] = Expr::text(to);
    };
    let renamed = inner.try_rewrite(&mut |found| {
        Ok::<_, std::convert::Infallible>(match found {
            Expr::Call(mut call) => {
                named(&mut call);
                Expr::Call(call)
            }
            other => other,
        })
    });
    match renamed {
        Ok(expr) => expr,
        Err(never) => match never {},
    }
}

/// The value of a literal.
pub(super) fn literal(value: &ast::Value) -> Result<Value, SqlError> {
    Ok(match value {
        ast::Value::Number(text, _) => number(text)?,
        ast::Value::SingleQuotedString(text)
        | ast::Value::EscapedStringLiteral(text)
        // Doubled quotes are halved once more, as Pinot does.
        | ast::Value::NationalStringLiteral(text) => Value::String(text.replace("''", "'")),
        ast::Value::Boolean(value) => Value::Boolean(*value),
        ast::Value::Null => Value::Null,
        ast::Value::HexStringLiteral(text) => bits(text)
            .ok_or_else(|| SqlError::Parse(format!("X'{text}' is no hexadecimal text")))?,
        other => {
            return Err(SqlError::Parse(format!(
                "literal `{other}` is not supported"
            )));
        }
    })
}

/// `X'0A'`, which Pinot reads as a text of bits without leading zeros.
fn bits(hexadecimal: &str) -> Option<Value> {
    if hexadecimal.is_empty() {
        return Some(Value::String(String::new()));
    }
    let mut out = String::with_capacity(hexadecimal.len() * 4);
    for digit in hexadecimal.chars() {
        out.push_str(&format!("{:04b}", digit.to_digit(16)?));
    }
    let trimmed = out.trim_start_matches('0');
    Some(Value::String(
        if trimmed.is_empty() { "0" } else { trimmed }.to_owned(),
    ))
}

/// The low 64 bits of an integer beyond LONG, as Java's `BigDecimal.longValue` has it.
fn wrapped(digits: &str) -> i64 {
    digits.bytes().fold(0_i64, |value, digit| {
        value
            .wrapping_mul(10)
            .wrapping_add(i64::from(digit.wrapping_sub(b'0')))
    })
}

fn number(text: &str) -> Result<Value, SqlError> {
    let wrong = || SqlError::Parse(format!("`{text}` is no number"));
    if let Ok(int) = text.parse::<i32>() {
        return Ok(Value::Int(int));
    }
    if let Ok(long) = text.parse::<i64>() {
        return Ok(Value::Long(long));
    }
    let whole = text.strip_suffix('.').unwrap_or(text);
    if whole.len() < text.len() && !whole.is_empty() {
        return number(whole);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Value::Long(wrapped(text)));
    }
    text.parse::<f64>().map(Value::Double).map_err(|_| wrong())
}
