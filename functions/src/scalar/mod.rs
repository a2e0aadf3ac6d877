//! Scalar functions: the table, the look-up, and the call.
//!
//! A function is a row of [`ScalarFunction`] in the table of its family's file, and [`FAMILIES`] lists the families.
//! Must not know: where blocks come from.
//! Invariant: `eval` gets arguments already converted to the row's parameter types, all of the same number of rows, and
//! returns a block of that many rows of the type that binding announced.

mod arithmetic;
mod array;
mod array_build;
mod array_read;
mod clp;
mod comparison;
mod conversion;
mod datetime;
mod datetime_convert;
mod datetime_format;
mod datetime_lift;
mod datetime_truncate;
mod epoch;
mod geo;
mod hash;
mod hash_city;
mod hash_murmur;
mod id_membership;
mod ip;
mod json;
mod json_extract;
pub mod lift;
mod logic;
pub mod lookup;
mod math;
mod membership;
mod numbers;
mod regex;
mod sketch;
mod text;
mod text_bytes;
mod text_edit;
mod text_slice;
mod text_tokens;
mod to_scale;
mod trigonometry;
mod uri;
mod url;
mod vector;

#[cfg(test)]
mod date_array_tests;
#[cfg(test)]
mod examples;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use common::{Block, ColumnType, DataType, Value, Values};

use crate::{FunctionError, canonical_name};

/// Every family, in the order of the reference page.
#[rustfmt::skip]
pub static FAMILIES: &[&Family] = &[
    &arithmetic::FAMILY,
    &math::FAMILY,
    &trigonometry::FAMILY,
    &trigonometry::RANDOM,
    &comparison::FAMILY,
    &logic::FAMILY,
    &array::FAMILY,
    &conversion::FAMILY,
    &text_edit::FAMILY,
    &text_edit::MEASURES,
    &text_slice::FAMILY,
    &text_tokens::FAMILY,
    &text_bytes::FAMILY,
    &regex::FAMILY,
    &hash::FAMILY,
    &epoch::FAMILY,
    &datetime::FAMILY,
    &datetime_truncate::FAMILY,
    &datetime_format::FAMILY,
    &json::FAMILY,
    &geo::FAMILY,
    &url::FAMILY,
    &ip::FAMILY,
    &vector::FAMILY,
    &sketch::FAMILY,
    &id_membership::FAMILY,
    &lookup::FAMILY,
    &clp::FAMILY,
];

/// The functions of one file.
#[derive(Debug)]
pub struct Family {
    /// Heading of the reference page.
    pub title: &'static str,
    /// The rows.
    pub functions: &'static [ScalarFunction],
}

/// What a kernel may know beyond its arguments.
#[derive(Debug, Clone)]
pub struct EvalContext {
    /// The query's time, milliseconds since the epoch: the same for the whole query.
    pub now_ms: i64,
    /// What LOOKUP reads.
    pub dimensions: lookup::Dimensions,
}

impl EvalContext {
    /// A query at that time, without dimension tables.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms,
            dimensions: lookup::Dimensions::default(),
        }
    }
}

/// A parameter of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// Converted to this type.
    Is(ColumnType),
    /// Passed as it comes.
    Any,
    /// Any single-value numeric type, passed as it comes; BOOLEAN becomes INT, TIMESTAMP LONG, text DOUBLE.
    Number,
    /// Any array (multi-value), passed as it comes; a single value becomes an array of one.
    AnyArray,
}

/// Shorthands for tables.
pub mod param {
    use super::Param;
    use common::{ColumnType, DataType};

    /// INT.
    pub const INT: Param = Param::Is(ColumnType::sv(DataType::Int));
    /// LONG.
    pub const LONG: Param = Param::Is(ColumnType::sv(DataType::Long));
    /// FLOAT.
    pub const FLOAT: Param = Param::Is(ColumnType::sv(DataType::Float));
    /// DOUBLE.
    pub const DOUBLE: Param = Param::Is(ColumnType::sv(DataType::Double));
    /// BIG_DECIMAL.
    pub const DECIMAL: Param = Param::Is(ColumnType::sv(DataType::BigDecimal));
    /// BOOLEAN.
    pub const BOOLEAN: Param = Param::Is(ColumnType::sv(DataType::Boolean));
    /// TIMESTAMP.
    pub const TIMESTAMP: Param = Param::Is(ColumnType::sv(DataType::Timestamp));
    /// STRING.
    pub const TEXT: Param = Param::Is(ColumnType::sv(DataType::String));
    /// BYTES.
    pub const BYTES: Param = Param::Is(ColumnType::sv(DataType::Bytes));
    /// INT_ARRAY.
    pub const INTS: Param = Param::Is(ColumnType::mv(DataType::Int));
    /// LONG_ARRAY.
    pub const LONGS: Param = Param::Is(ColumnType::mv(DataType::Long));
    /// FLOAT_ARRAY.
    pub const FLOATS: Param = Param::Is(ColumnType::mv(DataType::Float));
    /// DOUBLE_ARRAY.
    pub const DOUBLES: Param = Param::Is(ColumnType::mv(DataType::Double));
    /// STRING_ARRAY.
    pub const TEXTS: Param = Param::Is(ColumnType::mv(DataType::String));
}

/// How many arguments, and what they are converted to.
#[derive(Debug, Clone, Copy)]
pub enum Params {
    /// Exactly these.
    Fixed(&'static [Param]),
    /// These, then any number of the last one, at least `min` in all.
    Variadic {
        /// The leading parameters; the last of them repeats.
        params: &'static [Param],
        /// Fewest arguments.
        min: usize,
    },
}

impl Params {
    fn accepts(&self, count: usize) -> bool {
        match self {
            Self::Fixed(params) => params.len() == count,
            Self::Variadic { min, .. } => count >= *min,
        }
    }

    /// The parameter that takes the argument at `index`.
    #[must_use]
    pub fn at(&self, index: usize) -> Param {
        match self {
            Self::Fixed(params) => params[index],
            Self::Variadic { params, .. } => params[index.min(params.len() - 1)],
        }
    }
}

/// An argument as binding sees it.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its type.
    pub column_type: ColumnType,
    /// Its value where it is a literal.
    pub literal: Option<Value>,
}

/// The type of a function's result.
#[derive(Debug, Clone, Copy)]
pub enum Returns {
    /// Always this.
    Is(ColumnType),
    /// The type of the argument at that position, after conversion.
    Argument(usize),
    /// Worked out from the arguments (after conversion of their types); may refuse them.
    Infer(fn(&[Argument]) -> Result<ColumnType, FunctionError>),
}

/// What happens with null arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullRule {
    /// A null argument makes the result null; the kernel sees a placeholder and its answer is not used.
    NullInNullOut,
    /// The kernel sees the nulls and decides.
    Sees,
    /// The same; to what never looks at nulls it is a function of the values that stand for them.
    SeesOrReads,
}

impl NullRule {
    /// True where a kernel is called for rows with null arguments.
    #[must_use]
    pub fn sees_nulls(self) -> bool {
        self != Self::NullInNullOut
    }
}

/// Which of Pinot's two evaluations a row belongs to. Column expressions of the single-stage engine use its transform
/// functions (arithmetic always DOUBLE or BIG_DECIMAL); folding, post-aggregation, ingestion and the multi-stage engine
/// use its scalar functions (typed by their arguments).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The same in both.
    Both,
    /// Only over columns in the single-stage engine.
    Transform,
    /// Only elsewhere.
    Scalar,
}

/// One overload of a scalar function.
#[derive(Debug, Clone, Copy)]
pub struct ScalarFunction {
    /// Canonical names (lower case, no underscores), the first is the function's.
    pub names: &'static [&'static str],
    /// Where it applies.
    pub role: Role,
    /// Arguments.
    pub params: Params,
    /// Result type.
    pub returns: Returns,
    /// What a transform refuses of its arguments (as written, before conversion) when a query is planned. Elsewhere the
    /// kernel finds it.
    pub check: fn(&[Argument]) -> Result<(), FunctionError>,
    /// Nulls.
    pub nulls: NullRule,
    /// False where two calls with the same arguments may differ; such calls are never folded.
    pub deterministic: bool,
    /// One line for the reference page.
    pub doc: &'static str,
    /// A call in SQL and what it answers (as text); run by a test. Empty where a call needs a table.
    pub example: (&'static str, &'static str),
    /// The kernel.
    pub eval: fn(&[Block], &EvalContext) -> Result<Block, FunctionError>,
}

/// Defaults for a row: `..ROW`.
pub const ROW: ScalarFunction = ScalarFunction {
    names: &[],
    role: Role::Both,
    params: Params::Fixed(&[]),
    returns: Returns::Is(ColumnType::sv(DataType::Unknown)),
    check: |_| Ok(()),
    nulls: NullRule::NullInNullOut,
    deterministic: true,
    doc: "",
    example: ("", ""),
    eval: |_, _| Err(FunctionError::Evaluation("no kernel".to_owned())),
};

/// A function bound to the types of its arguments.
#[derive(Debug, Clone)]
pub struct BoundScalar {
    function: &'static ScalarFunction,
    params: Vec<Param>,
    returns: ColumnType,
    role: Role,
}

type Table = HashMap<&'static str, Vec<&'static ScalarFunction>>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::new();
        for function in FAMILIES.iter().flat_map(|family| family.functions) {
            for name in function.names {
                table.entry(name).or_default().push(function);
            }
        }
        table
    })
}

/// Every overload of a name, in table order.
#[must_use]
pub fn overloads(name: &str) -> &'static [&'static ScalarFunction] {
    table()
        .get(canonical_name(name).as_str())
        .map_or(&[], Vec::as_slice)
}

/// Finds the overload for a name and arguments. `role` is [`Role::Transform`] for expressions over columns in the
/// single-stage engine, [`Role::Scalar`] elsewhere; rows of the wanted role come first, then those of the other.
/// Among rows of equal rank the first that accepts the arguments wins. A row of exactly the wanted role that refuses a
/// value has the last word: the other role's rows are then not asked.
///
/// # Errors
/// Where the name is unknown, or no overload takes these arguments.
pub fn bind(name: &str, arguments: &[Argument], role: Role) -> Result<BoundScalar, FunctionError> {
    let candidates = overloads(name);
    if candidates.is_empty() {
        return Err(FunctionError::UnknownName(canonical_name(name)));
    }
    let wanted = |f: &&&ScalarFunction| f.role == role || f.role == Role::Both;
    let other = |f: &&&ScalarFunction| f.role != role && f.role != Role::Both;
    let mut refusal = None;
    for function in candidates
        .iter()
        .filter(wanted)
        .chain(candidates.iter().filter(other))
    {
        if !function.params.accepts(arguments.len()) {
            continue;
        }
        match bind_one(function, arguments, role) {
            Ok(bound) => return Ok(bound),
            Err(error @ FunctionError::Argument(_)) if function.role == role => return Err(error),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| FunctionError::NoOverload {
        name: canonical_name(name),
        arguments: arguments
            .iter()
            .map(|a| a.column_type.to_string())
            .collect::<Vec<_>>()
            .join(", "),
    }))
}

/// For each argument of the first overload that takes so many: whether it is one value, not an array.
#[must_use]
pub fn single_params(name: &str, count: usize) -> Option<Vec<bool>> {
    let function = overloads(name)
        .iter()
        .find(|function| function.params.accepts(count))?;
    let single = |index| match function.params.at(index) {
        Param::Is(column_type) => !column_type.multi,
        Param::Number => true,
        Param::Any | Param::AnyArray => false,
    };
    Some((0..count).map(single).collect())
}

fn bind_one(
    function: &'static ScalarFunction,
    arguments: &[Argument],
    role: Role,
) -> Result<BoundScalar, FunctionError> {
    let params: Vec<Param> = (0..arguments.len())
        .map(|i| function.params.at(i))
        .collect();
    if role == Role::Transform {
        (function.check)(arguments)?;
    }
    let mut converted = Vec::with_capacity(arguments.len());
    for (argument, param) in arguments.iter().zip(&params) {
        let column_type = converted_type(*param, argument.column_type).ok_or_else(|| {
            FunctionError::NoOverload {
                name: function.names[0].to_owned(),
                arguments: arguments
                    .iter()
                    .map(|a| a.column_type.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            }
        })?;
        if role == Role::Transform {
            expect_convertible(argument, column_type)?;
        }
        converted.push(Argument {
            column_type,
            literal: argument.literal.clone(),
        });
    }
    let returns = match function.returns {
        Returns::Is(column_type) => column_type,
        Returns::Argument(index) => converted[index].column_type,
        Returns::Infer(infer) => infer(&converted)?,
    };
    Ok(BoundScalar {
        function,
        params,
        returns,
        role,
    })
}

/// Refuses a literal that has no form in its parameter's type before any row is read, as Pinot's transforms do.
fn expect_convertible(argument: &Argument, to: ColumnType) -> Result<(), FunctionError> {
    match &argument.literal {
        Some(value) if !value.is_null() && argument.column_type != to => {
            Block::constant(argument.column_type, value, 1)
                .cast(to)
                .map(drop)
                .map_err(|error| FunctionError::Argument(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// The type an argument has after conversion; `None` where the parameter does not take it.
fn converted_type(param: Param, from: ColumnType) -> Option<ColumnType> {
    match param {
        Param::Any => Some(from),
        Param::Is(to) if from.multi && !to.multi => None,
        Param::Is(to) => Some(to),
        Param::Number if from.multi => None,
        Param::Number => Some(ColumnType::sv(match from.data_type {
            DataType::Boolean => DataType::Int,
            DataType::Timestamp => DataType::Long,
            numeric if numeric.is_numeric() => numeric,
            _ => DataType::Double,
        })),
        Param::AnyArray => Some(ColumnType::mv(from.data_type)),
    }
}

impl BoundScalar {
    /// The table row.
    #[must_use]
    pub fn function(&self) -> &'static ScalarFunction {
        self.function
    }

    /// True where it reads rows of a segment, as a transform.
    #[must_use]
    pub fn is_transform(&self) -> bool {
        self.role == Role::Transform
    }

    /// What the argument at `index` is converted to.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<Param> {
        self.params.get(index).copied()
    }

    /// The type of the result.
    #[must_use]
    pub fn returns(&self) -> ColumnType {
        self.returns
    }

    /// Calls the function. A call without arguments answers `rows` equal rows.
    ///
    /// # Errors
    /// Where an argument has no form in its parameter's type, or the kernel refuses a value.
    pub fn call(
        &self,
        arguments: &[Block],
        rows: usize,
        context: &EvalContext,
    ) -> Result<Block, FunctionError> {
        if arguments.is_empty() && !self.function.deterministic {
            return self.call_each_row(rows, context);
        }
        let converted = self.converted(arguments)?;
        let rows = arguments.first().map_or(rows, Block::rows);
        // All arguments constant: one evaluation serves every row.
        if self.function.deterministic && converted.iter().all(Block::is_constant) {
            let single: Vec<Block> = converted
                .iter()
                .map(|b| Block::constant(b.column_type(), &b.value(0), 1).flattened())
                .collect();
            let answer = self.evaluate(&single, context)?;
            let value = if answer.rows() == 0 {
                Value::Null
            } else {
                answer.value(0)
            };
            return Ok(Block::constant(self.returns, &value, rows));
        }
        let answer = self.evaluate(&converted, context)?;
        if rows == 0 && !arguments.is_empty() {
            // Without a row a kernel may not even see what its literals say.
            return Ok(Block::new(self.returns, Values::empty_of(self.returns)));
        }
        Ok(answer)
    }

    /// A volatile function without arguments, called anew for every row.
    fn call_each_row(&self, rows: usize, context: &EvalContext) -> Result<Block, FunctionError> {
        let mut values = Values::empty_of(self.returns);
        for _ in 0..rows {
            let answer = (self.function.eval)(&[], context)?;
            if answer.values().is_empty() {
                values.push_placeholder();
            } else {
                values.push_from(answer.values(), 0);
            }
        }
        Ok(Block::new(self.returns, values))
    }

    /// The arguments in the types of the parameters; borrowed where they all have them.
    fn converted<'a>(&self, arguments: &'a [Block]) -> Result<Cow<'a, [Block]>, FunctionError> {
        let decimal = |found: ColumnType| found.data_type == DataType::BigDecimal;
        let exact = decimal(self.returns) || arguments.iter().any(|a| decimal(a.column_type()));
        let mut types = Vec::with_capacity(arguments.len());
        for (argument, param) in arguments.iter().zip(&self.params) {
            let from = argument.column_type();
            // A FLOAT of rows has all the digits of its DOUBLE as a BIG_DECIMAL.
            let widens = exact && self.role == Role::Transform && !argument.is_constant();
            let read = match from {
                FLOAT if widens => ColumnType::sv(DataType::Double),
                other => other,
            };
            types.push(converted_type(*param, read).unwrap_or(read));
        }
        if arguments
            .iter()
            .zip(&types)
            .all(|(a, to)| a.column_type() == *to)
        {
            return Ok(Cow::Borrowed(arguments));
        }
        let cast = arguments.iter().zip(types).map(|(a, to)| self.cast(a, to));
        Ok(Cow::Owned(cast.collect::<Result<_, _>>()?))
    }

    /// Transforms read columns as texts from what is stored: a TIMESTAMP as its milliseconds, a BOOLEAN as 0 or 1.
    fn cast(&self, argument: &Block, to: ColumnType) -> Result<Block, common::CastError> {
        let from = argument.column_type();
        let stored = match from.data_type {
            DataType::Timestamp => DataType::Long,
            DataType::Boolean => DataType::Int,
            other => other,
        };
        if self.role == Role::Transform
            && from == FLOAT
            && to == ColumnType::sv(DataType::BigDecimal)
            && !argument.is_constant()
        {
            return argument.cast(ColumnType::sv(DataType::Double))?.cast(to);
        }
        let textual = to.data_type == DataType::String && stored != from.data_type;
        if self.role == Role::Transform && textual && !argument.is_constant() && !from.multi {
            return argument.clone().retyped(ColumnType::sv(stored)).cast(to);
        }
        let text = matches!(from.data_type, DataType::String | DataType::Json) && !from.multi;
        let bytes = to == ColumnType::sv(DataType::Bytes);
        if self.role == Role::Transform && text && bytes && !argument.is_constant() {
            return Ok(in_utf8(argument));
        }
        argument.cast(to)
    }

    /// Calls the kernel. A transform has no way to answer null for values: its row then holds the type's placeholder.
    fn run(&self, arguments: &[Block], context: &EvalContext) -> Result<Block, FunctionError> {
        let answer = one_nan((self.function.eval)(arguments, context)?);
        let placeholders = self.role == Role::Transform && !self.function.nulls.sees_nulls();
        if placeholders && answer.nulls().is_some() {
            return Ok(answer.flattened().with_nulls(None));
        }
        Ok(answer)
    }

    fn evaluate(&self, arguments: &[Block], context: &EvalContext) -> Result<Block, FunctionError> {
        let nulls = match self.function.nulls {
            NullRule::NullInNullOut => lift::any_null(arguments),
            NullRule::Sees | NullRule::SeesOrReads => None,
        };
        let Some(nulls) = nulls else {
            return Ok(self.run(arguments, context)?.retyped(self.returns));
        };
        lift::skipping_nulls(&nulls, arguments, self.returns, |arguments| {
            self.run(arguments, context)
        })
    }
}

const FLOAT: ColumnType = ColumnType::sv(DataType::Float);

/// There is one NaN, the greatest number: what a processor makes of infinity minus infinity has a sign, and would be the
/// smallest.
fn one_nan(block: Block) -> Block {
    let signed = match block.values() {
        Values::Double(v) => v.iter().any(|x| x.is_nan() && x.is_sign_negative()),
        Values::Float(v) => v.iter().any(|x| x.is_nan() && x.is_sign_negative()),
        _ => false,
    };
    if !signed || block.column_type().multi {
        return block;
    }
    let block = block.flattened();
    let (column_type, nulls) = (block.column_type(), block.nulls().map(<[bool]>::to_vec));
    let values = match block.into_values() {
        Values::Double(mut v) => {
            v.iter_mut()
                .filter(|x| x.is_nan())
                .for_each(|x| *x = f64::NAN);
            Values::Double(v)
        }
        Values::Float(mut v) => {
            v.iter_mut()
                .filter(|x| x.is_nan())
                .for_each(|x| *x = f32::NAN);
            Values::Float(v)
        }
        other => other,
    };
    Block::new(column_type, values).with_nulls(nulls)
}

/// Texts of rows as their bytes; only a literal's are hexadecimal digits.
fn in_utf8(texts: &Block) -> Block {
    let Values::Text(found) = texts.values() else {
        return texts.clone();
    };
    let mut bytes = common::block::BytesVec::with_capacity(texts.rows(), found.data().len());
    (0..texts.rows()).for_each(|row| bytes.push(found.get(texts.at(row)).as_bytes()));
    let nulls = texts
        .nulls()
        .map(|_| (0..texts.rows()).map(|row| texts.is_null(row)).collect());
    Block::new(ColumnType::sv(DataType::Bytes), Values::Bytes(bytes)).with_nulls(nulls)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn rows() -> impl Iterator<Item = &'static ScalarFunction> {
        FAMILIES.iter().flat_map(|family| family.functions)
    }

    #[test]
    fn every_row_is_named_canonically_and_described() {
        for row in rows() {
            assert!(!row.names.is_empty(), "a row without a name: {}", row.doc);
            for name in row.names {
                assert_eq!(*name, canonical_name(name), "names are canonical");
            }
            assert!(
                row.doc.ends_with('.'),
                "`{}` needs a sentence of documentation",
                row.names[0]
            );
        }
    }

    #[test]
    fn no_row_hides_another() {
        let mut seen = HashSet::new();
        for row in rows() {
            let roles: &[&str] = match row.role {
                Role::Both => &["transform", "scalar"],
                Role::Transform => &["transform"],
                Role::Scalar => &["scalar"],
            };
            let params = format!("{:?}", row.params);
            for name in row.names {
                for role in roles {
                    let new = seen.insert((*name, *role, params.clone()));
                    assert!(
                        new,
                        "`{name}` stands twice as {role} function with {params}"
                    );
                }
            }
        }
    }
}
