//! The type in which two sides of a comparison meet.
//!
//! Must not know: plans. Invariant: both orders of two sides meet in one type, or are refused alike.

use common::{ColumnType, DataType};
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::error::MultiStageError;
use crate::types::{arrow_type, column_type};
use crate::typing::is_exact;

/// A side of a comparison to the planner.
pub(crate) struct Side {
    pub(crate) found: ArrowType,
    /// Whether it is an exact decimal, which has no type of its own here.
    pub(crate) exact: bool,
}

impl Side {
    pub(crate) fn of(expr: &Expr, schema: &DFSchema) -> Result<Self> {
        // A literal beyond every FLOAT is no FLOAT.
        let beyond = |value: f64| (value as f32).is_infinite();
        let far = matches!(expr, Expr::Literal(ScalarValue::Float64(Some(v)), _) if beyond(*v));
        Ok(Self {
            found: expr.get_type(schema)?,
            exact: !far && is_exact(expr, schema),
        })
    }

    /// A number other than FLOAT and DOUBLE.
    fn is_exact_number(&self) -> bool {
        let found = column_type(&self.found);
        let whole = matches!(
            found.data_type,
            DataType::Int | DataType::Long | DataType::BigDecimal
        );
        !found.multi && (whole || self.is_exact_decimal())
    }

    fn is_exact_decimal(&self) -> bool {
        self.exact && self.found == ArrowType::Float64
    }
}

/// What two sides are compared as: a FLOAT and an exact number meet as FLOATs, a DOUBLE and a BIG_DECIMAL as DOUBLEs.
pub(crate) fn meeting(left: &Side, right: &Side) -> Result<Side> {
    let decimal = |side: &Side| column_type(&side.found) == ColumnType::sv(DataType::BigDecimal);
    let floating = |side: &Side| {
        side.found == ArrowType::Float32 || (side.found == ArrowType::Float64 && !side.exact)
    };
    for (one, other) in [(left, right), (right, left)] {
        let float = one.found == ArrowType::Float32 && other.is_exact_number();
        if float || (floating(one) && decimal(other)) {
            return Ok(Side {
                found: one.found.clone(),
                exact: false,
            });
        }
    }
    Ok(Side {
        found: common(&left.found, &right.found)?,
        exact: left.exact && right.exact,
    })
}

/// The type in which two are compared.
fn common(left: &ArrowType, right: &ArrowType) -> Result<ArrowType> {
    let (a, b) = (column_type(left), column_type(right));
    if a == b {
        return Ok(arrow_type(a));
    }
    if a.data_type == DataType::Unknown || b.data_type == DataType::Unknown {
        let known = if a.data_type == DataType::Unknown {
            b
        } else {
            a
        };
        return Ok(arrow_type(known));
    }
    let refused = || {
        MultiStageError::invalid(format!(
            "Cannot apply a comparison to arguments of type '<{a}>' and '<{b}>'"
        ))
        .into()
    };
    if a.multi || b.multi {
        return Err(refused());
    }
    let (x, y) = (a.data_type, b.data_type);
    let target = match (x, y) {
        (DataType::Bytes, _) | (_, DataType::Bytes) => return Err(refused()),
        (DataType::Boolean, DataType::Timestamp) | (DataType::Timestamp, DataType::Boolean) => {
            return Err(refused());
        }
        (DataType::String, other) | (other, DataType::String) => other,
        (DataType::Timestamp, other) | (other, DataType::Timestamp) => match other {
            DataType::Int | DataType::Long => DataType::Long,
            _ => return Err(refused()),
        },
        (DataType::Boolean, other) | (other, DataType::Boolean) => other,
        (DataType::BigDecimal, _) | (_, DataType::BigDecimal) => DataType::BigDecimal,
        (DataType::Int, DataType::Long) | (DataType::Long, DataType::Int) => DataType::Long,
        _ => DataType::Double,
    };
    Ok(arrow_type(ColumnType::sv(target)))
}
