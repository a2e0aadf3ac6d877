//! Whole numbers beyond LONG: the planner keeps their low 64 bits, but all their digits beside a BIG_DECIMAL.
//!
//! Must not know: plans. Invariant: such a literal is a LONG to whoever does not ask for its digits.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::ScalarValue;
use datafusion::common::metadata::FieldMetadata;
use datafusion::logical_expr::{Cast, Expr};
use datafusion::sql::sqlparser::ast;

/// Where a literal keeps its digits.
const DIGITS: &str = "digits";

/// True for digits of a number beyond LONG; 2^63 is one only without a minus before it.
pub(crate) fn is_large(digits: &str) -> bool {
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    whole && !digits.parse::<u64>().is_ok_and(|value| value <= 1 << 63)
}

/// Such a number in a syntax tree: a text as the largest decimal that the engine below has.
pub(crate) fn written(digits: &str) -> ast::Expr {
    let text = ast::Value::SingleQuotedString(digits.to_owned());
    ast::Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(ast::Expr::Value(text.with_empty_span())),
        data_type: ast::DataType::Decimal(ast::ExactNumberInfo::PrecisionAndScale(76, 0)),
        array: false,
        format: None,
    }
}

/// The digits of what [`written`] made.
pub(crate) fn digits(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Cast {
            expr,
            data_type: ast::DataType::Decimal(ast::ExactNumberInfo::PrecisionAndScale(76, 0)),
            ..
        } => match expr.as_ref() {
            ast::Expr::Value(value) => match &value.value {
                ast::Value::SingleQuotedString(digits) => Some(digits),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The literal of a plan that [`written`] became.
pub(crate) fn read(cast: &Cast) -> Option<Expr> {
    let (Expr::Literal(ScalarValue::Utf8(Some(digits)), _), ArrowType::Decimal256(76, 0)) =
        (cast.expr.as_ref(), cast.field.data_type())
    else {
        return None;
    };
    let (sign, magnitude) = match digits.strip_prefix('-') {
        Some(magnitude) => (-1_i64, magnitude),
        None => (1, digits.as_str()),
    };
    let low = magnitude.bytes().fold(0_i64, |value, digit| {
        value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'))
    });
    let kept = BTreeMap::from([(DIGITS.to_owned(), digits.clone())]);
    let value = ScalarValue::Int64(Some(low.wrapping_mul(sign)));
    Some(Expr::Literal(value, Some(FieldMetadata::from(kept))))
}

/// All digits of a literal that has more than a LONG.
pub(crate) fn all_digits(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Int64(_), Some(metadata)) => {
            metadata.inner().get(DIGITS).map(String::as_str)
        }
        _ => None,
    }
}
