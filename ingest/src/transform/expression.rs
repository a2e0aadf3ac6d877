//! A scalar expression over the fields of a record.
//!
//! Functions come from the table of crate `functions` and are bound to the types that a record's fields have; bindings are kept
//! per combination of types. Must not know: schemas. Invariant: a function that does not look at nulls is null where an argument is.

use common::{Block, ColumnType, DataType, Value};
use functions::scalar::{Argument, BoundScalar, Params, Role, bind, overloads};
use functions::{EvalContext, canonical_name};
use sql::Expr;

use super::native::{self, Arithmetic, Comparison};
use crate::record::{Field, Record};

type Fallible<T> = Result<T, String>;

/// An expression, ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    root: Node,
    columns: Vec<String>,
}

#[derive(Debug)]
enum Node {
    Column { name: String, hint: usize },
    Literal(Value),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    Comparison(Comparison, Box<[Node; 2]>),
    Choice(Choice, Vec<Node>),
    Cast(Box<Node>, ColumnType),
    Call(Call),
}

/// What looks at its arguments one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    And,
    Or,
    Not,
    Case,
    Coalesce,
    IsNull,
    IsNotNull,
    Distinct,
    NotDistinct,
    In,
    NotIn,
    Between,
    Like,
}

#[derive(Debug)]
struct Call {
    name: String,
    args: Vec<Node>,
    /// True where some overload looks at nulls.
    sees_nulls: bool,
    bound: Vec<(Vec<ColumnType>, BoundScalar)>,
}

impl Expression {
    /// Parses an expression and checks that its functions exist.
    ///
    /// # Errors
    /// With what is wrong, in words for the user.
    pub fn parse(text: &str) -> Fallible<Self> {
        let expr = sql::parse::expression_text(text).map_err(|e| e.to_string())?;
        let columns = expr.columns().into_iter().map(str::to_owned).collect();
        Ok(Self {
            root: Node::of(expr)?,
            columns,
        })
    }

    /// The fields it reads.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    /// The value for a record.
    ///
    /// # Errors
    /// Where a function refuses its arguments.
    pub fn evaluate(&mut self, record: &Record, now_ms: i64) -> Fallible<Field> {
        self.root.value(record, now_ms).map(Field::from)
    }

    /// The value as a condition; `None` where it is null.
    ///
    /// # Errors
    /// Where a function refuses its arguments.
    pub fn evaluate_condition(&mut self, record: &Record, now_ms: i64) -> Fallible<Option<bool>> {
        native::condition(&self.root.value(record, now_ms)?)
    }
}

impl Node {
    fn of(expr: Expr) -> Fallible<Self> {
        let call = match expr {
            Expr::Column(name) => return Ok(Self::Column { name, hint: 0 }),
            Expr::Literal(value) => return Ok(Self::Literal(value)),
            Expr::Star => return Err("`*` is no argument of a scalar function".to_owned()),
            Expr::Call(call) => call,
        };
        let name = call.name;
        if name == "cast" {
            return Self::cast(call.args);
        }
        let mut args = call
            .args
            .into_iter()
            .map(Self::of)
            .collect::<Fallible<Vec<_>>>()?;
        if let Some(choice) = choice(&name) {
            return Ok(Self::Choice(choice, args));
        }
        if args.len() == 1 && name == "minus_prefix" {
            args.insert(0, Self::Literal(Value::Int(0)));
            return Ok(two(args).map_or(Self::Literal(Value::Null), |pair| {
                Self::Arithmetic(|a, b| a - b, pair)
            }));
        }
        if args.len() == 2 {
            if let Some(arithmetic) = native::arithmetic(&name) {
                return two(args)
                    .map(|pair| Self::Arithmetic(arithmetic, pair))
                    .ok_or(name);
            }
            if let Some(comparison) = native::comparison(&name) {
                return two(args)
                    .map(|pair| Self::Comparison(comparison, pair))
                    .ok_or(name);
            }
        }
        let found = overloads(&name);
        if found.is_empty() {
            return Err(format!("Unsupported function: {name}"));
        }
        if !found.iter().any(|f| takes(&f.params, args.len())) {
            return Err(format!(
                "Unsupported function: {name} with {} arguments",
                args.len()
            ));
        }
        Ok(Self::Call(Call {
            sees_nulls: found.iter().any(|f| f.nulls.sees_nulls()),
            name: canonical_name(&name),
            args,
            bound: Vec::new(),
        }))
    }

    fn cast(args: Vec<Expr>) -> Fallible<Self> {
        let mut args = args.into_iter();
        let (Some(inner), Some(Expr::Literal(name)), None) =
            (args.next(), args.next(), args.next())
        else {
            return Err("CAST takes a value and a type".to_owned());
        };
        let name = name.to_text();
        let (element, multi) = match name.strip_suffix("_ARRAY") {
            Some(element) => (element, true),
            None => (name.as_str(), false),
        };
        let data_type: DataType = element
            .parse()
            .map_err(|_| format!("unknown type `{name}`"))?;
        let to = ColumnType { data_type, multi };
        Ok(Self::Cast(Box::new(Self::of(inner)?), to))
    }

    fn value(&mut self, record: &Record, now_ms: i64) -> Fallible<Value> {
        match self {
            Self::Column { name, hint } => {
                Ok(record.get_near(name, hint).map_or(Value::Null, value_of))
            }
            Self::Literal(value) => Ok(value.clone()),
            Self::Arithmetic(function, pair) => {
                let numbers = numbers(pair, record, now_ms)?;
                Ok(numbers.map_or(Value::Null, |(a, b)| Value::Double(function(a, b))))
            }
            Self::Comparison(function, pair) => {
                let numbers = numbers(pair, record, now_ms)?;
                Ok(numbers.map_or(Value::Null, |(a, b)| Value::Boolean(function(a, b))))
            }
            Self::Choice(choice, args) => choose(*choice, args, record, now_ms),
            Self::Cast(inner, to) => {
                let value = inner.value(record, now_ms)?;
                value.cast(to.data_type).map_err(|e| e.to_string())
            }
            Self::Call(call) => call.value(record, now_ms),
        }
    }
}

fn takes(params: &Params, count: usize) -> bool {
    match params {
        Params::Fixed(params) => params.len() == count,
        Params::Variadic { min, .. } => count >= *min,
    }
}

fn two(args: Vec<Node>) -> Option<Box<[Node; 2]>> {
    args.into_boxed_slice().try_into().ok()
}

fn numbers(pair: &mut [Node; 2], record: &Record, now_ms: i64) -> Fallible<Option<(f64, f64)>> {
    let [left, right] = pair;
    let left = native::number(&left.value(record, now_ms)?)?;
    let right = native::number(&right.value(record, now_ms)?)?;
    Ok(left.zip(right))
}

fn choice(name: &str) -> Option<Choice> {
    Some(match name {
        "and" => Choice::And,
        "or" => Choice::Or,
        "not" => Choice::Not,
        "case" | "casewhen" => Choice::Case,
        "coalesce" => Choice::Coalesce,
        "is_null" | "isnull" => Choice::IsNull,
        "is_not_null" | "isnotnull" => Choice::IsNotNull,
        "isdistinctfrom" => Choice::Distinct,
        "isnotdistinctfrom" => Choice::NotDistinct,
        "in" => Choice::In,
        "not_in" => Choice::NotIn,
        "between" => Choice::Between,
        "like" => Choice::Like,
        _ => return None,
    })
}

fn choose(choice: Choice, args: &mut [Node], record: &Record, now_ms: i64) -> Fallible<Value> {
    match choice {
        Choice::And => all_or_any(args, false, record, now_ms),
        Choice::Or => all_or_any(args, true, record, now_ms),
        Choice::Case => {
            for pair in args.chunks_mut(2) {
                match pair {
                    [condition, result] => {
                        let met = native::condition(&condition.value(record, now_ms)?)?;
                        if met == Some(true) {
                            return result.value(record, now_ms);
                        }
                    }
                    [otherwise] => return otherwise.value(record, now_ms),
                    _ => {}
                }
            }
            Ok(Value::Null)
        }
        Choice::Coalesce => {
            for arg in args {
                let value = arg.value(record, now_ms)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Ok(Value::Null)
        }
        _ => {
            let values = args
                .iter_mut()
                .map(|arg| arg.value(record, now_ms))
                .collect::<Fallible<Vec<_>>>()?;
            test(choice, &values)
        }
    }
}

/// AND where `decisive` is false, OR where it is true: the first decisive condition settles it, a null leaves it open.
fn all_or_any(args: &mut [Node], decisive: bool, record: &Record, now_ms: i64) -> Fallible<Value> {
    let mut open = false;
    for arg in args {
        match native::condition(&arg.value(record, now_ms)?)? {
            Some(met) if met == decisive => return Ok(Value::Boolean(decisive)),
            Some(_) => {}
            None => open = true,
        }
    }
    Ok(native::truth((!open).then_some(!decisive)))
}

fn test(choice: Choice, values: &[Value]) -> Fallible<Value> {
    let wrong = || Err(format!("wrong number of arguments: {}", values.len()));
    Ok(match (choice, values) {
        (Choice::Not, [value]) => native::truth(native::condition(value)?.map(|met| !met)),
        (Choice::IsNull, [value]) => Value::Boolean(value.is_null()),
        (Choice::IsNotNull, [value]) => Value::Boolean(!value.is_null()),
        (Choice::Distinct, [a, b]) => Value::Boolean(a != b),
        (Choice::NotDistinct, [a, b]) => Value::Boolean(a == b),
        (Choice::In | Choice::NotIn, [value, list @ ..]) => {
            if value.is_null() {
                return Ok(Value::Null);
            }
            let found = list.iter().any(|item| same(value, item));
            Value::Boolean(found == (choice == Choice::In))
        }
        (Choice::Between, [value, low, high]) => {
            let (value, low, high) = (
                native::number(value)?,
                native::number(low)?,
                native::number(high)?,
            );
            native::truth(value.zip(low).zip(high).map(|((v, l), h)| v >= l && v <= h))
        }
        (Choice::Like, [text, pattern, rest @ ..]) => {
            if text.is_null() || pattern.is_null() {
                return Ok(Value::Null);
            }
            let escape = rest.first().and_then(|e| e.to_text().chars().next());
            Value::Boolean(native::like(&text.to_text(), &pattern.to_text(), escape))
        }
        _ => return wrong(),
    })
}

/// Equal as values, or as text where one of them is text.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.as_str().is_some() != b.as_str().is_some() && a.to_text() == b.to_text())
}

impl Call {
    fn value(&mut self, record: &Record, now_ms: i64) -> Fallible<Value> {
        let mut values = Vec::with_capacity(self.args.len());
        for arg in &mut self.args {
            let value = arg.value(record, now_ms)?;
            if value.is_null() && !self.sees_nulls {
                return Ok(Value::Null);
            }
            values.push(value);
        }
        let types: Vec<ColumnType> = values.iter().map(Value::column_type).collect();
        let at = match self.bound.iter().position(|(bound, _)| *bound == types) {
            Some(at) => at,
            None => self.bind(&types)?,
        };
        let bound = &self.bound[at].1;
        let skips_nulls = !bound.function().nulls.sees_nulls();
        if skips_nulls && values.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        let blocks: Vec<Block> = values
            .iter()
            .zip(&types)
            .zip(&self.args)
            .map(|((value, column_type), arg)| match arg {
                Node::Literal(_) => Block::constant(*column_type, value, 1),
                _ => Block::from_values(*column_type, [value]),
            })
            .collect();
        let answer = bound
            .call(&blocks, 1, &EvalContext::at(now_ms))
            .map_err(|e| e.to_string())?;
        Ok(if answer.rows() == 0 {
            Value::Null
        } else {
            answer.value(0)
        })
    }

    fn bind(&mut self, types: &[ColumnType]) -> Fallible<usize> {
        let arguments: Vec<Argument> = types
            .iter()
            .zip(&self.args)
            .map(|(column_type, arg)| Argument {
                column_type: *column_type,
                literal: match arg {
                    Node::Literal(value) => Some(value.clone()),
                    _ => None,
                },
            })
            .collect();
        let bound = bind(&self.name, &arguments, Role::Scalar).map_err(|e| e.to_string())?;
        self.bound.push((types.to_vec(), bound));
        Ok(self.bound.len() - 1)
    }
}

/// A record's field as an argument: collections of scalars of one type as arrays, other collections as their JSON text.
fn value_of(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(v) => Value::Boolean(*v),
        Field::Int(v) => Value::Int(*v),
        Field::Long(v) => Value::Long(*v),
        Field::BigInt(v) => Value::BigDecimal(v.clone().into()),
        Field::Float(v) => Value::Float(*v),
        Field::Double(v) => Value::Double(*v),
        Field::Decimal(v) => Value::BigDecimal(v.clone()),
        Field::Timestamp(v) => Value::Timestamp(*v),
        Field::Text(v) => Value::String(v.clone()),
        Field::Bytes(v) => Value::Bytes(v.clone()),
        Field::Map(_) => Value::Map(field.to_json()),
        Field::Array(items) => {
            let values: Vec<Value> = items.iter().map(value_of).collect();
            let types: Vec<ColumnType> = values.iter().map(Value::column_type).collect();
            match types.first() {
                Some(first)
                    if !first.multi
                        && scalar(first.data_type)
                        && types.iter().all(|t| t == first) =>
                {
                    Value::Array(first.data_type, values)
                }
                _ => Value::Map(field.to_json()),
            }
        }
    }
}

fn scalar(data_type: DataType) -> bool {
    !matches!(
        data_type,
        DataType::Unknown | DataType::Json | DataType::Map
    )
}
