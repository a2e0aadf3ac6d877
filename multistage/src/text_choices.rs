//! Choices of literal texts beside literal texts of another length: they meet in a wider type, to which the choice is cast.
//!
//! A condition over a cast is not moved into the choice that it tests: a leaf compares what it has where nothing is chosen.
//! Must not know: tables. Invariant: what is cast is a text already. Source: CHAR and VARCHAR in the planner's plans.

use common::{ColumnType, DataType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Case, Expr};

use crate::expressions::is_null;
use crate::typing;

/// A tested expression, cast where it is a choice that meets the `others` in a type of theirs.
///
/// # Errors
/// Where there is no such function.
pub(crate) fn widened<'a>(
    tested: Expr,
    mut others: impl Iterator<Item = &'a Expr>,
) -> Result<Expr> {
    let Expr::Case(case) = &tested else {
        return Ok(tested);
    };
    let (Some(Lengths { least, most }), Some(found)) =
        (Lengths::of(answers(case)), Lengths::of(&mut others))
    else {
        return Ok(tested);
    };
    let stays = match least == most {
        true => (found.least, found.most) == (least, most),
        false => found.most < most,
    };
    match stays {
        true => Ok(tested),
        false => typing::cast(tested, ColumnType::sv(DataType::String)),
    }
}

/// What a choice may answer, but for null.
fn answers(case: &Case) -> impl Iterator<Item = &Expr> {
    let chosen = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
    let all = chosen.chain(case.else_expr.as_deref());
    all.filter(|answer| !is_null(answer))
}

/// Characters of literal texts: of all the same number, their type is CHAR, else VARCHAR.
struct Lengths {
    least: usize,
    most: usize,
}

impl Lengths {
    /// `None` where there is anything but literal texts, or nothing.
    fn of<'a>(mut exprs: impl Iterator<Item = &'a Expr>) -> Option<Self> {
        let first = characters(exprs.next()?)?;
        let start = Self {
            least: first,
            most: first,
        };
        exprs.try_fold(start, |met, expr| {
            let length = characters(expr)?;
            Some(Self {
                least: met.least.min(length),
                most: met.most.max(length),
            })
        })
    }
}

fn characters(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.chars().count()),
        _ => None,
    }
}
