//! Syntax of its own that is a function to Pinot: CAST, EXTRACT, LIKE, TRIM and their like.
//!
//! Must not know: types. Invariant: a call has the name and the order of arguments that the functions' table knows.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, CeilFloorKind, DataType, DateTimeField, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Subscript, UnaryOperator, Value,
};

use sql::parse::type_name;

use super::{call, checks, object_name, text};
use crate::error::MultiStageError;

/// The call that an expression stands for; any other expression as it is.
pub(super) fn rewritten(expr: Expr) -> Result<Expr, MultiStageError> {
    Ok(match expr {
        Expr::AtTimeZone { .. } => {
            return Err(MultiStageError::invalid("AT TIME ZONE is not supported"));
        }
        Expr::Cast {
            kind,
            expr,
            data_type,
            array,
            ..
        } => cast(&kind, *expr, &data_type, array)?,
        Expr::SimilarTo { .. } | Expr::RLike { .. } => {
            return Err(MultiStageError::invalid(format!(
                "`{expr}`: expected LIKE or REGEXP_LIKE"
            )));
        }
        Expr::Like {
            negated,
            any: false,
            expr,
            pattern,
            escape_char,
        } => {
            let mut args = vec![*expr, *pattern];
            args.extend(escape_char.map(Expr::Value));
            not_if(negated, call("like", args))
        }
        Expr::AnyOp { .. } | Expr::AllOp { .. } => {
            return Err(MultiStageError::new(
                common::ErrorCode::QueryPlanning,
                format!("`{expr}` is not supported: use EXISTS or IN"),
            ));
        }
        Expr::Extract { field, expr, .. } => call(
            "extract",
            vec![text(field.to_string().to_uppercase()), *expr],
        ),
        Expr::Ceil { expr, field } => call("ceil", vec![rounded("CEIL", *expr, &field)?]),
        Expr::Floor { expr, field } => call("floor", vec![rounded("FLOOR", *expr, &field)?]),
        Expr::Position { expr, r#in } => call("position", vec![*expr, *r#in]),
        Expr::Array(array) => call("arrayvalueconstructor", array.elem),
        Expr::TypedString(typed) => call("cast", vec![Expr::Value(typed.value), text("TIMESTAMP")]),
        Expr::CompoundFieldAccess { root, access_chain } => item(*root, &access_chain)?,
        other => of_text(other),
    })
}

/// What is rounded up or down; a unit of time is refused.
fn rounded(name: &str, expr: Expr, to: &CeilFloorKind) -> Result<Expr, MultiStageError> {
    match to {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => Ok(expr),
        CeilFloorKind::DateTimeField(unit) => Err(MultiStageError::invalid(format!(
            "{name}(.. TO {unit}) is not supported: use DATETRUNC('{unit}', ..)"
        ))),
        CeilFloorKind::Scale(_) => Err(MultiStageError::invalid(format!(
            "{name} expects one argument: use ROUND_DECIMAL or TRUNCATE for digits behind the point"
        ))),
    }
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(expr),
        }
    } else {
        expr
    }
}

fn cast(kind: &CastKind, expr: Expr, to: &DataType, array: bool) -> Result<Expr, MultiStageError> {
    match kind {
        CastKind::DoubleColon => return Err(checks::no_syntax("`::`: use CAST")),
        CastKind::TryCast | CastKind::SafeCast => {
            return Err(MultiStageError::invalid(
                "No match found for function signature TRY_CAST",
            ));
        }
        CastKind::Cast => {}
    }
    let mut name = exact_number(to).map_or_else(|| type_name(to), str::to_owned);
    if array {
        name.push_str(" ARRAY");
    }
    if matches!(name.as_str(), "STRING" | "VARCHAR" | "CHAR")
        && let Some(written) = decimal(&expr)
    {
        return Ok(text(written));
    }
    Ok(call("cast", vec![expr, text(name)]))
}

/// The type that the planner takes for a number of so many digits or bits; `None` for any other type.
fn exact_number(to: &DataType) -> Option<&'static str> {
    let info = match to {
        DataType::SmallInt(_) | DataType::TinyInt(_) => return Some("INTEGER"),
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => info,
        _ => return None,
    };
    let (precision, scale) = match *info {
        ExactNumberInfo::None => return None,
        ExactNumberInfo::Precision(precision) => (precision, None),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, Some(scale)),
    };
    Some(match (scale, precision) {
        (Some(0), ..=10) => "INTEGER",
        (Some(0), ..=38) => "LONG",
        (Some(0), _) => "DECIMAL",
        (_, ..=30) => "DOUBLE",
        _ => "DECIMAL",
    })
}

/// The text of a literal with a fraction as the planner's: with its digits, and no zero before the point.
fn decimal(expr: &Expr) -> Option<String> {
    /// With more zeros behind the point it would be written with an exponent.
    const ZEROS: usize = 5;
    let (sign, number) = match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => ("-", expr.as_ref()),
        // A literal is never null: it is the one that is chosen.
        Expr::Function(function) if function.name == object_name("coalesce") => {
            return decimal(first_argument(function)?);
        }
        number => ("", number),
    };
    let Expr::Value(value) = number else {
        return None;
    };
    let Value::Number(digits, _) = &value.value else {
        return None;
    };
    let (whole, fraction) = digits.split_once('.')?;
    let whole = whole.trim_start_matches('0');
    let zeros = fraction.len() - fraction.trim_start_matches('0').len();
    let plain = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let short = !whole.is_empty() || zeros <= ZEROS;
    (plain && short).then(|| format!("{sign}{whole}.{fraction}"))
}

fn first_argument(function: &Function) -> Option<&Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// `map['key']` and `array[1]`.
fn item(root: Expr, chain: &[AccessExpr]) -> Result<Expr, MultiStageError> {
    let mut out = root;
    for access in chain {
        match access {
            AccessExpr::Subscript(Subscript::Index { index }) => {
                out = call("item", vec![out, index.clone()]);
            }
            other => {
                return Err(MultiStageError::invalid(format!(
                    "`{other}` is not supported"
                )));
            }
        }
    }
    Ok(out)
}

/// SUBSTRING, TRIM and OVERLAY.
fn of_text(expr: Expr) -> Expr {
    match expr {
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            shorthand,
            ..
        } => {
            let mut args = vec![*expr];
            let bounds = [substring_from, substring_for].into_iter().flatten();
            args.extend(bounds.map(|e| *e));
            call(if shorthand { "substr" } else { "substring" }, args)
        }
        Expr::Trim {
            trim_where,
            trim_what,
            expr,
            ..
        } => {
            let side =
                trim_where.map_or_else(|| "BOTH".to_owned(), |s| s.to_string().to_uppercase());
            let what = trim_what.map_or_else(|| text(" "), |e| *e);
            call("trim", vec![text(side), what, *expr])
        }
        Expr::Overlay {
            expr,
            overlay_what,
            overlay_from,
            overlay_for,
        } => {
            let mut args = vec![*expr, *overlay_what, *overlay_from];
            args.extend(overlay_for.map(|e| *e));
            call("overlay", args)
        }
        other => other,
    }
}
