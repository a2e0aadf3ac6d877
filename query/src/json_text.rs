//! Numbers read from JSON where a text is wanted: the text that the JSON has, not that of the number.
//!
//! Pinot asks a function for texts where a text is what it goes on with, and this one then reads them: `88`, where the DOUBLE would
//! be `88.0`. Must not know: rows. Invariant: what is asked for as a number stays one; a default is the number's text.

use common::{ColumnType, DataType, Value};
use functions::scalar::{self, BoundScalar, Param, Role};

use crate::QueryError;
use crate::expr::BoundExpr;

const TEXT: ColumnType = ColumnType::sv(DataType::String);

/// A call with its arguments, those that it wants as texts read as such.
///
/// # Errors
/// Where the call is none over texts.
pub(crate) fn read(
    function: BoundScalar,
    mut args: Vec<BoundExpr>,
) -> Result<BoundExpr, QueryError> {
    let mut changed = false;
    for (at, arg) in args.iter_mut().enumerate() {
        if wants_text(&function, at)
            && let Some(text) = as_text(arg)
        {
            *arg = text;
            changed = true;
        }
    }
    if !changed {
        return Ok(BoundExpr::Call { function, args });
    }
    let arguments: Vec<_> = args.iter().map(BoundExpr::as_argument).collect();
    let name = function.function().names.first().copied();
    let function = scalar::bind(name.unwrap_or_default(), &arguments, Role::Transform)?;
    Ok(BoundExpr::Call { function, args })
}

fn wants_text(function: &BoundScalar, at: usize) -> bool {
    let cast = function.function().names.contains(&"cast") && at == 0;
    let to_text = || {
        matches!(
            function.returns().data_type,
            DataType::String | DataType::Json
        )
    };
    function.param(at) == Some(Param::Is(TEXT)) || (cast && to_text())
}

/// The call that reads a number of JSON, as one that reads its text; `None` for any other expression.
fn as_text(expr: &BoundExpr) -> Option<BoundExpr> {
    let BoundExpr::Call { function, args } = expr else {
        return None;
    };
    let found = function.returns();
    let reads = function.function().names.contains(&"jsonextractscalar");
    let number = matches!(
        found.data_type,
        DataType::Int | DataType::Long | DataType::Float | DataType::Double
    );
    if !reads || !number || found.multi {
        return None;
    }
    let mut args = args.clone();
    *args.get_mut(2)? = BoundExpr::Literal(Value::String("STRING".into()), TEXT);
    if let Some(default) = args.get_mut(3) {
        let BoundExpr::Literal(value, _) = default else {
            return None;
        };
        let text = value
            .cast(found.data_type)
            .ok()?
            .cast(DataType::String)
            .ok()?;
        *default = BoundExpr::Literal(text, TEXT);
    }
    let arguments: Vec<_> = args.iter().map(BoundExpr::as_argument).collect();
    let function = scalar::bind("jsonextractscalar", &arguments, Role::Transform).ok()?;
    Some(BoundExpr::Call { function, args })
}
