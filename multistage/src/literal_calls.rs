//! Calls whose arguments are all literals: they are answered while planning, by the kernels that run over rows.
//!
//! Must not know: columns, rows. Invariant: volatile functions are left alone; a failing call is an error of the planner.

use std::sync::Arc;

use common::ErrorCode;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, Volatility,
};

use crate::error::{MultiStageError, Phase, of};

/// A call of literals is answered while planning.
pub(crate) fn folded(function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let literals: Option<Vec<ScalarValue>> = function
        .args
        .iter()
        .map(|arg| match arg {
            Expr::Literal(scalar, _) => Some(scalar.clone()),
            _ => None,
        })
        .collect();
    let pure = function.func.signature().volatility == Volatility::Immutable;
    let Some(literals) = literals.filter(|_| pure) else {
        return Ok(Expr::ScalarFunction(function));
    };
    let name = function.func.name().to_owned();
    let kernel = name.trim_start_matches('$');
    let call = Expr::ScalarFunction(function.clone());
    let return_field = call.to_field(schema)?.1;
    if let ArrowType::List(item) = return_field.data_type() {
        let made = name == "arrayvalueconstructor"
            || matches!(item.data_type(), ArrowType::Float64 | ArrowType::Utf8);
        let unknown = literals.iter().any(ScalarValue::is_null) && !sees_nulls(kernel);
        if unknown {
            return Ok(Expr::Literal(
                ScalarValue::try_from(return_field.data_type())?,
                None,
            ));
        }
        if made {
            return Ok(call);
        }
        return Err(no_literal(&name));
    }
    let fields = function.args.iter().map(|arg| Ok(arg.to_field(schema)?.1));
    let arg_fields = fields.collect::<Result<Vec<_>>>()?;
    let answered = function.func.invoke_with_args(ScalarFunctionArgs {
        args: literals.into_iter().map(ColumnarValue::Scalar).collect(),
        arg_fields,
        number_rows: 1,
        return_field,
        config_options: Arc::new(ConfigOptions::new()),
    });
    let scalar = match answered {
        Ok(ColumnarValue::Scalar(scalar)) => scalar,
        Ok(ColumnarValue::Array(array)) => ScalarValue::try_from_array(&array, 0)?,
        Err(error) => {
            let found = of(&error, Phase::Planning);
            return Err(MultiStageError::new(ErrorCode::QueryPlanning, found.message).into());
        }
    };
    let from_time = matches!(
        function.args.first(),
        Some(Expr::Literal(ScalarValue::TimestampMillisecond(..), _))
    );
    let scalar = match scalar {
        ScalarValue::Int32(Some(_)) if kernel == "divide" => by_zero(&function.args, scalar),
        ScalarValue::Boolean(_) if kernel == "isdistinctfrom" => differ(&function.args, true),
        ScalarValue::Boolean(_) if kernel == "isnotdistinctfrom" => differ(&function.args, false),
        ScalarValue::Boolean(Some(_)) if name == "cast" => one_is_true(&function.args, scalar),
        // Nor have they one as text.
        ScalarValue::Utf8(Some(text)) if name == "cast" && from_time => {
            let whole = text.split('.').next().unwrap_or_default();
            ScalarValue::Utf8(Some(whole.to_owned()))
        }
        ScalarValue::Float64(Some(v)) if matches!(kernel, "ceil" | "ceiling" | "floor") => {
            rounded(v)
        }
        scalar if name == "timestampadd" => scalar,
        scalar => whole_seconds(scalar),
    };
    Ok(Expr::Literal(scalar, None))
}

/// The planner has literals of DOUBLE and STRING arrays alone.
fn no_literal(name: &str) -> DataFusionError {
    let message =
        format!("Error optimizing query: `{name}` of literals makes an array, which is no literal");
    MultiStageError::new(ErrorCode::QueryPlanning, message).into()
}

/// A literal INT divided by zero: the low half of the LONG that an infinite DOUBLE becomes.
fn by_zero(args: &[Expr], answer: ScalarValue) -> ScalarValue {
    match args {
        [
            Expr::Literal(ScalarValue::Int32(Some(left)), _),
            Expr::Literal(ScalarValue::Int32(Some(0)), _),
        ] => ScalarValue::Int32(Some(if *left > 0 { -1 } else { 0 })),
        _ => answer,
    }
}

/// A literal with a fraction is an exact decimal to the planner, and a whole number where it is rounded.
fn rounded(value: f64) -> ScalarValue {
    match value.abs() < f64::from(i32::MAX) {
        true => ScalarValue::Int32(Some(value as i32)),
        false => ScalarValue::Float64(Some(value)),
    }
}

/// Literals of two types are two objects, whatever their values.
fn differ(args: &[Expr], when: bool) -> ScalarValue {
    let differ = args.first() != args.last();
    ScalarValue::Boolean(Some(differ == when))
}

/// An integer literal is true as BOOLEAN where it is 1.
fn one_is_true(args: &[Expr], answer: ScalarValue) -> ScalarValue {
    match args.first() {
        Some(Expr::Literal(ScalarValue::Int32(Some(v)), _)) => ScalarValue::Boolean(Some(*v == 1)),
        Some(Expr::Literal(ScalarValue::Int64(Some(v)), _)) => ScalarValue::Boolean(Some(*v == 1)),
        _ => answer,
    }
}

/// The planner's TIMESTAMP literals have no fraction of a second.
pub(crate) fn whole_seconds(scalar: ScalarValue) -> ScalarValue {
    match scalar {
        ScalarValue::TimestampMillisecond(Some(ms), zone) => {
            ScalarValue::TimestampMillisecond(Some(ms.div_euclid(1000).saturating_mul(1000)), zone)
        }
        other => other,
    }
}

/// True for a function that answers NULL by more than NULL.
fn sees_nulls(name: &str) -> bool {
    let overloads = functions::scalar::overloads(name);
    overloads.iter().any(|found| found.nulls.sees_nulls())
}
