//! Scalar functions: a row of the functions' table as one of the engine's functions.
//!
//! Must not know: plans. Invariant: the kernel is the one the single-stage engine calls; the announced type is Pinot's
//! planner's, and the kernel's answer is converted to it.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use common::{Block, ColumnType, DataType, ErrorCode, Schema};
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType as ArrowType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use functions::FunctionError;
use functions::scalar::lookup::LOOKUP;
use functions::scalar::{self, Argument, EvalContext, Role};

use crate::convert::{array_of, block_of};
use crate::error::{MultiStageError, function};
use crate::operands;
use crate::planned_type::{castable, is_arithmetic, planned};
use crate::types::{arrow_type, column_type, value_of};
use crate::unnest;

/// A function by its canonical name, at the query's time.
#[derive(Debug)]
pub(crate) struct PinotScalar {
    name: String,
    now_ms: i64,
    signature: Signature,
    /// Schemas of the tables that LOOKUP names.
    dimensions: Arc<Dimensions>,
}

/// Schemas by raw table name.
pub(crate) type Dimensions = HashMap<String, Arc<Schema>>;

impl PartialEq for PinotScalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PinotScalar {}

impl Hash for PinotScalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// The function of a canonical name; `None` where there is none.
pub(crate) fn find(name: &str, now_ms: i64) -> Option<Arc<ScalarUDF>> {
    found(name, now_ms, &Arc::default())
}

/// The same with the tables that LOOKUP may read.
pub(crate) fn found(
    name: &str,
    now_ms: i64,
    dimensions: &Arc<Dimensions>,
) -> Option<Arc<ScalarUDF>> {
    let overloads = scalar::overloads(kernel(name));
    let volatile = match overloads.first() {
        Some(first) => !first.deterministic,
        None if LEAF_ONLY.contains(&name) => true,
        None => return None,
    };
    let volatility = if volatile {
        Volatility::Volatile
    } else {
        Volatility::Immutable
    };
    let any = vec![TypeSignature::VariadicAny, TypeSignature::Nullary];
    Some(Arc::new(ScalarUDF::from(PinotScalar {
        name: name.to_owned(),
        now_ms,
        signature: Signature::one_of(any, volatility),
        dimensions: Arc::clone(dimensions),
    })))
}

/// True where a function is one of Pinot's.
pub(crate) fn is_own(function: &ScalarUDF) -> bool {
    let inner: &dyn std::any::Any = function.inner().as_ref();
    inner.is::<PinotScalar>()
}

/// Conditions that only an index or a scan of a segment answers.
const LEAF_ONLY: [&str; 9] = [
    "jsonmatch",
    "textmatch",
    "textcontains",
    "vectorsimilarity",
    "insubquery",
    "inpartitionedsubquery",
    crate::asof::MARK,
    unnest::ELEMENT,
    unnest::ORDINAL,
];

/// True where every overload of that many arguments takes a text at a place.
pub(crate) fn takes_text(name: &str, arguments: usize, at: usize) -> bool {
    let mut fitting = scalar::overloads(kernel(name))
        .iter()
        .filter(|function| match function.params {
            scalar::Params::Fixed(params) => params.len() == arguments,
            scalar::Params::Variadic { min, .. } => arguments >= min,
        })
        .peekable();
    fitting.peek().is_some()
        && fitting.all(|function| function.params.at(at) == scalar::param::TEXT)
}

/// The name in the functions' table: operators have names of their own, as their types differ.
fn kernel(name: &str) -> &str {
    name.strip_prefix('$').unwrap_or(name)
}

impl PinotScalar {
    /// The planned type alone.
    fn returns(&self, arguments: &[Argument]) -> Result<ColumnType> {
        match (self.name.as_str(), arguments) {
            (unnest::ELEMENT, [array]) => {
                return Ok(ColumnType::sv(array.column_type.data_type));
            }
            (unnest::ORDINAL, _) => return Ok(ColumnType::sv(DataType::Int)),
            _ => {}
        }
        if self.name == LOOKUP {
            return self.looked_up(arguments);
        }
        if LEAF_ONLY.contains(&self.name.as_str()) {
            return Ok(ColumnType::sv(DataType::Boolean));
        }
        Ok(self.bind(arguments)?.1)
    }

    /// The type of the column that LOOKUP reads.
    fn looked_up(&self, arguments: &[Argument]) -> Result<ColumnType> {
        let written: Vec<sql::Expr> = arguments
            .iter()
            .map(|argument| match &argument.literal {
                Some(value) => sql::Expr::Literal(value.clone()),
                None => sql::Expr::Column("value".to_owned()),
            })
            .collect();
        let schema_of = |name: &str| self.dimensions.get(name).cloned();
        query::dimension::column_type(&written, &schema_of).map_err(|error| {
            let found = common::QueryException::from(error);
            MultiStageError::new(found.code, found.message).into()
        })
    }

    /// An array where a value is expected is only found out when a row comes, except where the planner wants a text.
    fn unbound(
        &self,
        error: FunctionError,
        arguments: &[Argument],
    ) -> datafusion::error::DataFusionError {
        let given = arguments.len();
        let arrays = |(at, argument): (usize, &Argument)| {
            argument.column_type.multi && !takes_text(&self.name, given, at)
        };
        if matches!(error, FunctionError::NoOverload { .. })
            && !self.name.starts_with('$')
            && self.name != "arraysoverlap"
            && arguments.iter().enumerate().any(arrays)
        {
            return MultiStageError::new(ErrorCode::QueryExecution, error.to_string()).into();
        }
        function(error)
    }

    fn bind(&self, arguments: &[Argument]) -> Result<(scalar::BoundScalar, ColumnType)> {
        if self.name == "cast" {
            castable(arguments)?;
        }
        operands::scalar(&self.name, arguments)?;
        let bound = scalar::bind(kernel(&self.name), arguments, Role::Scalar)
            .map_err(|error| self.unbound(error, arguments))?;
        let returns = planned(&self.name, arguments, bound.returns())?;
        Ok((bound, returns))
    }
}

impl ScalarUDFImpl for PinotScalar {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[ArrowType]) -> Result<ArrowType> {
        let arguments: Vec<Argument> = arguments
            .iter()
            .map(|found| Argument {
                column_type: column_type(found),
                literal: None,
            })
            .collect();
        Ok(arrow_type(self.returns(&arguments)?))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let arguments: Vec<Argument> = args
            .arg_fields
            .iter()
            .zip(args.scalar_arguments)
            .map(|(field, literal)| argument(field.data_type(), *literal))
            .collect();
        let returns = arrow_type(self.returns(&arguments)?);
        Ok(Arc::new(Field::new(&self.name, returns, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut arguments = Vec::with_capacity(args.args.len());
        let mut blocks = Vec::with_capacity(args.args.len());
        for value in &args.args {
            match value {
                ColumnarValue::Scalar(scalar) => {
                    let found = argument(&scalar.data_type(), Some(scalar));
                    let value = found.literal.clone().unwrap_or_default();
                    blocks.push(Block::constant(found.column_type, &value, rows));
                    arguments.push(found);
                }
                ColumnarValue::Array(array) => {
                    blocks.push(block_of(array)?);
                    arguments.push(argument(array.data_type(), None));
                }
            }
        }
        if self.name == LOOKUP {
            return Err(MultiStageError::invalid(
                "LOOKUP is answered by servers: expected a value of the table that a query reads, not one of a \
                 join or a subquery",
            )
            .into());
        }
        if is_arithmetic(&self.name) {
            in_doubles(&mut arguments, &mut blocks)?;
        }
        let (bound, _) = self.bind(&arguments)?;
        let context = EvalContext::at(self.now_ms);
        let answer = bound.call(&blocks, rows, &context).map_err(function)?;
        let constant = answer.is_constant() && rows > 0;
        if constant
            && args
                .args
                .iter()
                .all(|a| matches!(a, ColumnarValue::Scalar(_)))
        {
            let one = Block::constant(answer.column_type(), &answer.value(0), 1);
            let array = array_of(one, args.return_field.data_type())?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &array, 0,
            )?));
        }
        let array = array_of(answer, args.return_field.data_type())?;
        debug_assert_eq!(array.len(), rows);
        Ok(ColumnarValue::Array(array))
    }
}

/// Arithmetic of BIG_DECIMAL is one of DOUBLE, above the segments that keep it exact.
fn in_doubles(arguments: &mut [Argument], blocks: &mut [Block]) -> Result<()> {
    let decimal = ColumnType::sv(DataType::BigDecimal);
    if !arguments.iter().any(|a| a.column_type == decimal) {
        return Ok(());
    }
    let double = ColumnType::sv(DataType::Double);
    for (argument, block) in arguments.iter_mut().zip(blocks) {
        let float = argument.column_type == ColumnType::sv(DataType::Float);
        if argument.column_type == decimal || float {
            *block = block.cast(double).map_err(|error| function(error.into()))?;
            argument.column_type = double;
            argument.literal = argument
                .literal
                .take()
                .and_then(|value| value.cast(DataType::Double).ok());
        }
    }
    Ok(())
}

/// An argument as binding sees it.
pub(crate) fn argument(found: &ArrowType, literal: Option<&ScalarValue>) -> Argument {
    Argument {
        column_type: if *found == ArrowType::Null {
            ColumnType::sv(DataType::Unknown)
        } else {
            column_type(found)
        },
        literal: literal.and_then(value_of),
    }
}
