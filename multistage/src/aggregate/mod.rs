//! Aggregate functions: a row of the functions' table, with the call's literals, as one of the engine's aggregates.
//!
//! Must not know: plans. Invariant: the states are those of the single-stage engine, in its multi-stage dialect; a state
//! crosses operators as the bytes that `save` makes.

mod grouped;
mod single;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use common::{Block, ColumnType, DataType, ErrorCode, Value};
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, Signature, TypeSignature,
    Volatility, lit,
};
use functions::aggregate::{self, AggregateCall, AggregateFunction, Dialect};
use functions::scalar::Argument;

use crate::convert::block_of;
use crate::error::MultiStageError;
use crate::operands;
use crate::scalar::argument;
use crate::types::{arrow_type, value_of};

/// An aggregate with the literals of one call.
#[derive(Debug, Clone)]
pub(crate) struct PinotAggregate {
    /// Canonical name.
    pub(crate) function: String,
    /// The call's arguments in order: a literal, or `None` for the next row argument.
    pub(crate) arguments: Vec<Option<Value>>,
    /// `autoRewriteAggregationType`: MIN and MAX of texts are those of texts.
    pub(crate) rewrite_extremes: bool,
    pub(crate) over_window: bool,
    display: String,
    signature: Signature,
}

impl PartialEq for PinotAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.display == other.display
    }
}

impl Eq for PinotAggregate {}

impl Hash for PinotAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.display.hash(state);
    }
}

/// The aggregate of a canonical name before its call is seen; `None` where there is none.
pub(crate) fn find(name: &str, rewrite_extremes: bool) -> Option<Arc<AggregateUDF>> {
    aggregate::find(name)?;
    Some(Arc::new(AggregateUDF::from(PinotAggregate::new(
        name,
        Vec::new(),
        rewrite_extremes,
        false,
    ))))
}

/// True for a call of the aggregate of a canonical name.
pub(crate) fn is_named(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Alias(alias) => is_named(&alias.expr, name),
        Expr::AggregateFunction(call) => {
            let inner: &dyn std::any::Any = call.func.inner().as_ref();
            inner
                .downcast_ref::<PinotAggregate>()
                .is_some_and(|found| found.function == name)
        }
        _ => false,
    }
}

/// The aggregate of a call and the arguments that are evaluated over rows.
pub(crate) fn of_call(
    generic: &AggregateUDF,
    arguments: Vec<Expr>,
) -> Option<(Arc<AggregateUDF>, Vec<Expr>)> {
    made(generic, arguments, false)
}

/// Aggregates that a window may have.
const OVER_WINDOWS: [&str; 8] = [
    "sum", "sum0", "count", "avg", "min", "max", "boolor", "booland",
];

/// What COUNT, SUM and AVG are with DISTINCT.
const DISTINCT_OVER_WINDOWS: [&str; 3] = ["distinctcount", "distinctsum", "distinctavg"];

/// The same over a window.
///
/// # Errors
/// Where the aggregate has no meaning there.
pub(crate) fn of_window(
    generic: &AggregateUDF,
    arguments: Vec<Expr>,
    distinct: bool,
) -> Result<Option<(Arc<AggregateUDF>, Vec<Expr>)>> {
    let inner: &dyn std::any::Any = generic.inner().as_ref();
    if let Some(found) = inner.downcast_ref::<PinotAggregate>()
        && !OVER_WINDOWS.contains(&found.function.as_str())
        && !(distinct && DISTINCT_OVER_WINDOWS.contains(&found.function.as_str()))
    {
        let code = if found.function == "listagg" {
            ErrorCode::QueryPlanning
        } else {
            ErrorCode::QueryExecution
        };
        return Err(MultiStageError::new(
            code,
            format!("`{}` is no window function", found.function),
        )
        .into());
    }
    Ok(made(generic, arguments, true))
}

fn made(
    generic: &AggregateUDF,
    arguments: Vec<Expr>,
    over_window: bool,
) -> Option<(Arc<AggregateUDF>, Vec<Expr>)> {
    let inner: &dyn std::any::Any = generic.inner().as_ref();
    let generic = inner.downcast_ref::<PinotAggregate>()?;
    let mut literals = Vec::with_capacity(arguments.len());
    let mut rows = Vec::new();
    for expr in arguments {
        match literal_of(&expr) {
            Some(value) => literals.push(Some(value)),
            None => {
                literals.push(None);
                rows.push(expr);
            }
        }
    }
    if rows.is_empty() {
        // Something must say how many rows there are.
        rows.push(lit(1));
    }
    let made = PinotAggregate::new(
        &generic.function,
        literals,
        generic.rewrite_extremes,
        over_window,
    );
    Some((Arc::new(AggregateUDF::from(made)), rows))
}

/// The value of a literal argument; integers are INT where they fit, as Pinot reads them.
fn literal_of(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Literal(scalar, _) => match value_of(scalar)? {
            Value::Long(v) => Some(i32::try_from(v).map_or(Value::Long(v), Value::Int)),
            other => Some(other),
        },
        Expr::Negative(inner) => match literal_of(inner)? {
            Value::Int(v) => Some(Value::Int(v.wrapping_neg())),
            Value::Long(v) => Some(Value::Long(v.wrapping_neg())),
            Value::Double(v) => Some(Value::Double(-v)),
            _ => None,
        },
        _ => None,
    }
}

impl PinotAggregate {
    pub(crate) fn new(
        name: &str,
        arguments: Vec<Option<Value>>,
        rewrite_extremes: bool,
        over_window: bool,
    ) -> Self {
        let shown: Vec<String> = arguments
            .iter()
            .map(|a| {
                a.as_ref()
                    .map_or_else(|| "_".to_owned(), |v| format!("{v:?}"))
            })
            .collect();
        Self {
            function: name.to_owned(),
            display: format!("{name}[{}]", shown.join(",")),
            arguments,
            rewrite_extremes,
            over_window,
            signature: Signature::one_of(
                vec![TypeSignature::VariadicAny, TypeSignature::Nullary],
                Volatility::Immutable,
            ),
        }
    }

    /// True where the only row argument stands for no argument at all.
    pub(crate) fn counts_rows_only(&self) -> bool {
        self.arguments.iter().all(Option::is_some)
    }

    /// Binds to the types of the row arguments.
    pub(crate) fn bind(&self, rows: &[ArrowType]) -> Result<Bound> {
        let mut next = rows.iter();
        let mut arguments: Vec<Argument> = Vec::with_capacity(self.arguments.len());
        for literal in &self.arguments {
            arguments.push(match literal {
                Some(value) => Argument {
                    column_type: value.column_type(),
                    literal: Some(value.clone()),
                },
                None => argument(next.next().unwrap_or(&ArrowType::Null), None),
            });
        }
        if self.function == "count" {
            // `COUNT(1)` stands for `COUNT(*)`.
            arguments.retain(|a| a.literal.is_none());
        }
        let first = arguments.first().map(|a| a.column_type);
        operands::aggregate(&self.function, &arguments)?;
        self.check(first)?;
        let call = AggregateCall {
            name: self.kernel(first),
            arguments: &arguments,
            null_handling: true,
            dialect: Dialect::MultiStage,
        };
        let function = aggregate::bind(&call)
            .map_err(|error| MultiStageError::new(ErrorCode::QueryExecution, error.to_string()))?;
        let returns = match (first, function.returns()) {
            (Some(found), _) if self.over_window && self.function == "avg" && is_decimal(found) => {
                found
            }
            // The planner's type, whatever the list of their texts is.
            (Some(bytes), _)
                if self.function.ends_with("listagg")
                    && bytes == ColumnType::sv(DataType::Bytes) =>
            {
                bytes
            }
            (_, returns) => returns,
        };
        let inputs = function
            .inputs()
            .into_iter()
            .map(|position| self.input(position))
            .collect();
        Ok(Bound {
            function,
            inputs,
            returns,
        })
    }

    /// Refuses what the planner's types refuse.
    fn check(&self, first: Option<ColumnType>) -> Result<()> {
        let given = self.arguments.len();
        if planned_counts(&self.function).is_some_and(|counts| !counts.contains(&given)) {
            return Err(MultiStageError::invalid(format!(
                "Invalid number of arguments to function '{}': {given}",
                self.function.to_uppercase()
            ))
            .into());
        }
        let Some(found) = first else {
            return Ok(());
        };
        let numbers = matches!(self.function.as_str(), "sum" | "avg" | "sum0");
        let no_number = matches!(found.data_type, DataType::Bytes | DataType::Boolean);
        let flags = matches!(self.function.as_str(), "boolor" | "booland");
        let no_flag = !matches!(found.data_type, DataType::Boolean | DataType::Unknown);
        if (numbers && (found.multi || no_number)) || (flags && no_flag) {
            return Err(MultiStageError::invalid(format!(
                "Cannot apply '{0}' to arguments of type '{0}(<{found}>)'",
                self.function.to_uppercase()
            ))
            .into());
        }
        Ok(())
    }

    /// The name in the functions' table for an argument of that type.
    pub(crate) fn kernel(&self, first: Option<ColumnType>) -> &str {
        let text = first.is_some_and(|found| !found.multi && found.data_type == DataType::String);
        match self.function.as_str() {
            "min" if text && self.rewrite_extremes => "minstring",
            "max" if text && self.rewrite_extremes => "maxstring",
            "$sum0" => "sum0",
            "booland" if self.over_window => "$booland",
            "boolor" if self.over_window => "$boolor",
            name => name,
        }
    }

    fn input(&self, position: usize) -> Input {
        match self.arguments.get(position) {
            Some(Some(value)) => Input::Literal(value.clone()),
            _ => {
                let before = self.arguments.iter().take(position);
                Input::Row(before.filter(|a| a.is_none()).count())
            }
        }
    }
}

/// A bound aggregate and where its inputs come from.
pub(crate) struct Bound {
    function: Box<dyn AggregateFunction>,
    inputs: Vec<Input>,
    returns: ColumnType,
}

/// One input of an aggregate.
enum Input {
    /// The row argument at that position.
    Row(usize),
    /// The same for every row.
    Literal(Value),
}

impl Bound {
    /// Type of the answer.
    pub(crate) fn returns(&self) -> ColumnType {
        self.returns
    }

    fn blocks(&self, arrays: &[ArrayRef]) -> Result<Vec<Block>> {
        let rows = arrays.first().map_or(0, |array| array.len());
        self.inputs
            .iter()
            .map(|input| match input {
                Input::Row(index) => arrays.get(*index).map_or_else(
                    || Ok(Block::constant(DataType::Unknown, &Value::Null, rows)),
                    |array| {
                        let block = block_of(array)?;
                        Ok(if self.function.sees_nulls() {
                            block
                        } else {
                            aggregate::placed(block)
                        })
                    },
                ),
                Input::Literal(value) => Ok(Block::constant(value.column_type(), value, rows)),
            })
            .collect()
    }
}

impl AggregateUDFImpl for PinotAggregate {
    fn name(&self) -> &str {
        &self.display
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        let args: Vec<String> = params
            .args
            .iter()
            .map(|a| a.schema_name().to_string())
            .collect();
        let filter = params
            .filter
            .as_ref()
            .map(|f| format!(" FILTER ({})", f.schema_name()))
            .unwrap_or_default();
        Ok(format!("{}({}){filter}", self.display, args.join(",")))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[ArrowType]) -> Result<ArrowType> {
        Ok(arrow_type(self.bind(arguments)?.returns()))
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<ArrowType> = fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Arc::new(Field::new(
            &self.display,
            self.return_type(&types)?,
            true,
        )))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format!("{}[state]", args.name);
        Ok(vec![Arc::new(Field::new(name, ArrowType::Binary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(single::Single::new(self.bind(&types(&args))?)))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(single::Sliding::new(self.bind(&types(&args))?)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(grouped::ByGroup::new(self.bind(&types(&args))?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn default_value(&self, data_type: &ArrowType) -> Result<ScalarValue> {
        if self.function == "count" {
            return Ok(ScalarValue::Int64(Some(0)));
        }
        ScalarValue::try_from(data_type)
    }

    fn supports_within_group_clause(&self) -> bool {
        self.function == "listagg"
    }
}

/// How many arguments the planner wants, of those whose number it checks.
fn planned_counts(name: &str) -> Option<std::ops::RangeInclusive<usize>> {
    Some(match name {
        "sum" | "sum0" | "avg" | "min" | "max" | "mode" | "boolor" | "booland" | "varpop"
        | "varsamp" | "stddevpop" | "stddevsamp" | "skewness" | "kurtosis" | "sumprecision" => {
            1..=1
        }
        "covarpop" | "covarsamp" => 2..=2,
        "percentile" | "percentileest" => 2..=2,
        "firstwithtime" | "lastwithtime" => 3..=3,
        _ => return None,
    })
}

fn is_decimal(found: ColumnType) -> bool {
    found.data_type == DataType::BigDecimal
}

fn types(args: &AccumulatorArgs<'_>) -> Vec<ArrowType> {
    args.expr_fields
        .iter()
        .map(|field| field.data_type().clone())
        .collect()
}
