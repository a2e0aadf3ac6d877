//! Comparison: =, <>, <, <=, >, >=, BETWEEN, IN, and the null-safe forms.
//!
//! Operands meet in one type: the same stored type natively, mixed numbers as DOUBLE or BIG_DECIMAL, text against another
//! type in that type. Must not know: predicates on indexes.
//! Invariant: doubles compare as `Double.compare` does (NaN greatest and equal to itself).

use std::borrow::Cow;
use std::cmp::Ordering;

use common::value::compare_text;
use common::{Block, ColumnType, DataType, Value, Values};

use super::lift::by_value;
use super::numbers::zip;
use super::{Argument, Family, NullRule, Param, Params, ROW, Returns, Role, ScalarFunction};
use crate::FunctionError;

type Answer = Result<Block, FunctionError>;
type Names = &'static [&'static str];
type Example = (&'static str, &'static str);
type Kernel = fn(&[Block], &super::EvalContext) -> Answer;

const BOOLEAN: Returns = Returns::Is(ColumnType::sv(DataType::Boolean));
const ANY2: Params = Params::Fixed(&[Param::Any, Param::Any]);

/// How far apart two DOUBLEs may be and still be equal for the scalar functions.
const TOLERANCE: f64 = 1e-7;

const fn row(
    names: Names,
    params: Params,
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params,
        returns: BOOLEAN,
        doc,
        example,
        eval,
        ..ROW
    }
}

const MEMBERS: Params = Params::Variadic {
    params: &[Param::Any],
    min: 2,
};

/// A row of the transforms alone. They compare no BYTES with anything else.
const fn over_columns(function: ScalarFunction) -> ScalarFunction {
    ScalarFunction {
        role: Role::Transform,
        check: comparable,
        ..function
    }
}

fn comparable(arguments: &[Argument]) -> Result<(), FunctionError> {
    let bytes = |a: &&Argument| a.column_type.data_type == DataType::Bytes;
    let typed = |a: &&Argument| a.column_type.data_type != DataType::Unknown;
    let (all, of_bytes) = (
        arguments.iter().filter(typed).count(),
        arguments.iter().filter(bytes).count(),
    );
    if of_bytes > 0 && of_bytes < all {
        return Err(FunctionError::Argument(
            "Unsupported data type for comparison: BYTES compare with BYTES alone".to_owned(),
        ));
    }
    Ok(())
}

/// The same of rows alone: a literal is read as BYTES.
fn comparable_rows(arguments: &[Argument]) -> Result<(), FunctionError> {
    match arguments.iter().any(|argument| argument.literal.is_some()) {
        true => Ok(()),
        false => comparable(arguments),
    }
}

/// The comparisons.
pub(crate) static FAMILY: Family = Family {
    title: "Comparison",
    functions: &[
        over_columns(row(
            &["equals"],
            ANY2,
            "True where two columns hold the same value.",
            ("", ""),
            |a, _| compare_columns(a, Ordering::is_eq),
        )),
        ScalarFunction {
            role: Role::Scalar,
            ..row(
                &["equals"],
                ANY2,
                "True where both are the same; doubles within 1e-7.",
                ("equals(1, 2)", "false"),
                |a, _| nearly_equal(a, true),
            )
        },
        over_columns(row(
            &["notequals"],
            ANY2,
            "True where two columns differ.",
            ("", ""),
            |a, _| compare_columns(a, Ordering::is_ne),
        )),
        ScalarFunction {
            role: Role::Scalar,
            ..row(
                &["notequals"],
                ANY2,
                "True where both differ; doubles by more than 1e-7.",
                ("notEquals(1, 2)", "true"),
                |a, _| nearly_equal(a, false),
            )
        },
        over_columns(row(
            &["greaterthan"],
            ANY2,
            "True where the first is greater, over columns.",
            ("", ""),
            |a, _| compare_columns(a, Ordering::is_gt),
        )),
        ScalarFunction {
            role: Role::Scalar,
            ..row(
                &["greaterthan"],
                ANY2,
                "True where the first is greater.",
                ("greaterThan('b', 'a')", "true"),
                |a, _| compare(a, Ordering::is_gt),
            )
        },
        over_columns(row(
            &["greaterthanorequal"],
            ANY2,
            "True where the first is not less, over columns.",
            ("", ""),
            |a, _| compare_columns(a, Ordering::is_ge),
        )),
        ScalarFunction {
            role: Role::Scalar,
            ..row(
                &["greaterthanorequal"],
                ANY2,
                "True where the first is not less.",
                ("greaterThanOrEqual(1, 1)", "true"),
                |a, _| compare(a, Ordering::is_ge),
            )
        },
        over_columns(row(
            &["lessthan"],
            ANY2,
            "True where the first is less, over columns.",
            ("", ""),
            |a, _| compare_columns(a, Ordering::is_lt),
        )),
        ScalarFunction {
            role: Role::Scalar,
            ..row(
                &["lessthan"],
                ANY2,
                "True where the first is less.",
                ("lessThan('a', 'B')", "false"),
                |a, _| compare(a, Ordering::is_lt),
            )
        },
        over_columns(row(
            &["lessthanorequal"],
            ANY2,
            "True where the first is not greater, over columns.",
            ("", ""),
            |a, _| compare_columns(a, Ordering::is_le),
        )),
        ScalarFunction {
            role: Role::Scalar,
            ..row(
                &["lessthanorequal"],
                ANY2,
                "True where the first is not greater.",
                ("lessThanOrEqual(0.1, 0.1)", "true"),
                |a, _| compare(a, Ordering::is_le),
            )
        },
        row(
            &["between"],
            Params::Fixed(&[Param::Any, Param::Any, Param::Any]),
            "True where the first lies between the others, bounds included.",
            ("between(2, 1, 3)", "true"),
            |a, _| between(a),
        ),
        ScalarFunction {
            role: Role::Transform,
            nulls: NullRule::SeesOrReads,
            ..row(
                &["in"],
                MEMBERS,
                "True where a column's value is one of the others, in its type.",
                ("", ""),
                |a, _| super::membership::among_rows(a, true),
            )
        },
        ScalarFunction {
            role: Role::Scalar,
            nulls: NullRule::SeesOrReads,
            ..row(
                &["in"],
                MEMBERS,
                "True where the first is one of the others.",
                ("\"in\"(2, 1, 2)", "true"),
                |a, _| super::membership::among(a, true),
            )
        },
        ScalarFunction {
            role: Role::Transform,
            nulls: NullRule::SeesOrReads,
            ..row(
                &["notin"],
                MEMBERS,
                "True where a column's value is none of the others, in its type.",
                ("", ""),
                |a, _| super::membership::among_rows(a, false),
            )
        },
        ScalarFunction {
            role: Role::Scalar,
            nulls: NullRule::SeesOrReads,
            ..row(
                &["notin"],
                MEMBERS,
                "True where the first is none of the others.",
                ("not_in(2, 1, 2)", "false"),
                |a, _| super::membership::among(a, false),
            )
        },
        ScalarFunction {
            nulls: NullRule::Sees,
            check: comparable_rows,
            ..row(
                &["isdistinctfrom"],
                ANY2,
                "True where both differ; null is a value like any other.",
                ("isDistinctFrom(1, 1)", "false"),
                |a, _| distinct(a, true),
            )
        },
        ScalarFunction {
            nulls: NullRule::Sees,
            check: comparable_rows,
            ..row(
                &["isnotdistinctfrom"],
                ANY2,
                "True where both are the same; null is a value like any other.",
                ("isNotDistinctFrom(1, 1)", "true"),
                |a, _| distinct(a, false),
            )
        },
        ScalarFunction {
            returns: Returns::Infer(alike),
            ..row(
                &["arraysoverlap"],
                Params::Fixed(&[Param::AnyArray, Param::AnyArray]),
                "True where two arrays of one type share an element.",
                ("arrays_overlap(ARRAY[1, 2], ARRAY[2, 3])", "true"),
                |a, _| overlap(a),
            )
        },
    ],
};

/// The type in which two operands meet; `None` where values compare one by one.
pub(super) fn meeting_type(a: ColumnType, b: ColumnType) -> Option<ColumnType> {
    use DataType::{BigDecimal, Boolean, Bytes, Double, Timestamp, Unknown};
    if a.multi || b.multi {
        return None;
    }
    let (x, y) = (a.data_type, b.data_type);
    if x == y || y == Unknown {
        return Some(a);
    }
    if x == Unknown {
        return Some(b);
    }
    let text = |t: DataType| t.stored() == DataType::String;
    let of = |t| Some(ColumnType::sv(t));
    match (text(x), text(y)) {
        (true, true) => return of(DataType::String),
        (true, false) | (false, true) => {
            let other = if text(x) { y } else { x };
            return of(match other {
                Boolean | Timestamp | Bytes | BigDecimal => other,
                _ => Double,
            });
        }
        _ => {}
    }
    let integer = |t: DataType| matches!(t.stored(), DataType::Int | DataType::Long);
    if x == BigDecimal || y == BigDecimal {
        of(BigDecimal)
    } else if x == Bytes || y == Bytes {
        None
    } else if integer(x) && integer(y) {
        of(DataType::Long)
    } else {
        of(Double)
    }
}

/// Both operands in the type where they meet, borrowed where they have it.
fn meet<'a>(a: &'a Block, b: &'a Block) -> Result<(Cow<'a, Block>, Cow<'a, Block>), FunctionError> {
    match meeting_type(a.column_type(), b.column_type()) {
        Some(to) => Ok((operand(a, to)?, operand(b, to)?)),
        None => Ok((Cow::Borrowed(a), Cow::Borrowed(b))),
    }
}

pub(super) fn operand(block: &Block, to: ColumnType) -> Result<Cow<'_, Block>, FunctionError> {
    if block.column_type() == to {
        return Ok(Cow::Borrowed(block));
    }
    Ok(Cow::Owned(block.cast(to)?))
}

/// `Double.compare`.
#[inline]
fn compare_doubles(a: f64, b: f64) -> Ordering {
    if a < b {
        Ordering::Less
    } else if a > b {
        Ordering::Greater
    } else if a == b && a != 0.0 {
        Ordering::Equal
    } else {
        rank(a).cmp(&rank(b))
    }
}

/// Places -0.0, 0.0 and NaN, which `<` and `>` do not tell apart.
fn rank(x: f64) -> u8 {
    if x.is_nan() {
        2
    } else {
        u8::from(x.is_sign_positive())
    }
}

pub(super) fn booleans(values: Vec<i32>) -> Block {
    Block::new(DataType::Boolean, Values::Int(values))
}

fn compare(args: &[Block], holds: impl Fn(Ordering) -> bool + Copy) -> Answer {
    let (a, b) = (&args[0], &args[1]);
    for (one, other) in [(a, b), (b, a)] {
        let (one, other) = (one.column_type(), other.column_type());
        if one == ColumnType::sv(DataType::Bytes) && other.data_type.is_numeric() {
            return Err(FunctionError::Evaluation(
                "Cannot convert value from BYTES to DOUBLE".to_owned(),
            ));
        }
    }
    let (a, b) = (beside(a, b), beside(b, a));
    let (x, y) = meet(&a, &b)?;
    let ordered = |x: f64, y: f64| i32::from(x.partial_cmp(&y).is_some_and(holds));
    let (p, q) = (x.is_constant(), y.is_constant());
    match (x.values(), y.values()) {
        // Here NaN is neither less nor greater than a number, as it is over columns.
        (Values::Double(v), Values::Double(w)) => {
            Ok(booleans(zip((v, p), (w, q), x.rows(), ordered)))
        }
        (Values::Float(v), Values::Float(w)) => {
            let ordered = |x, y| ordered(f64::from(x), f64::from(y));
            Ok(booleans(zip((v, p), (w, q), x.rows(), ordered)))
        }
        _ => compare_two(&a, &b, holds),
    }
}

/// What a value is compared as: of an array beside a single value, its first element.
fn beside<'a>(block: &'a Block, other: &Block) -> Cow<'a, Block> {
    let found = block.column_type();
    if !found.multi || other.column_type().multi {
        return Cow::Borrowed(block);
    }
    let first = |row| match block.value(row) {
        Value::Array(_, items) => items.first().cloned().unwrap_or_default(),
        value => value,
    };
    let values: Vec<Value> = (0..block.rows()).map(first).collect();
    Cow::Owned(Block::from_values(ColumnType::sv(found.data_type), &values))
}

/// A number that IS [NOT] DISTINCT FROM texts of rows: what is no number meets neither test.
fn beside_texts(left: &Block, right: &Block, holds: impl Fn(Ordering) -> bool) -> Option<Block> {
    let (from, to) = (left.column_type(), right.column_type());
    let texts = !to.multi && to.data_type == DataType::String && !right.is_constant();
    let number = !from.multi && from.data_type.is_numeric();
    if !texts || !number || from.data_type == DataType::BigDecimal {
        return None;
    }
    let decimal = |value: &Value| match value.cast(DataType::BigDecimal) {
        Ok(Value::BigDecimal(number)) => Some(number),
        _ => None,
    };
    let test = |row: usize| {
        let (a, b) = (decimal(&left.value(row))?, decimal(&right.value(row))?);
        Some(i32::from(holds(a.cmp(&b))))
    };
    let flags = (0..left.rows()).map(|row| test(row).unwrap_or(0));
    Some(booleans(flags.collect()))
}

/// A number with a fraction beside a literal number on the right is compared as IEEE 754 has it: NaN is unequal to all and neither less
/// nor greater, and minus zero is zero.
fn beside_literal(
    left: &Block,
    right: &Block,
    holds: impl Fn(Ordering) -> bool + Copy,
) -> Result<Option<Block>, FunctionError> {
    let of = |block: &Block, wanted: fn(DataType) -> bool| {
        let found = block.column_type();
        !found.multi && wanted(found.data_type)
    };
    let fraction = of(left, |t| matches!(t, DataType::Float | DataType::Double));
    let number = |t: DataType| t.is_numeric() && t != DataType::BigDecimal;
    if !fraction || left.is_constant() || !right.is_constant() || !of(right, number) {
        return Ok(None);
    }
    let double = ColumnType::sv(DataType::Double);
    let (x, y) = (operand(left, double)?, operand(right, double)?);
    let (Values::Double(v), Values::Double(w)) = (x.values(), y.values()) else {
        return Ok(None);
    };
    // What is not even unordered differs.
    let unequal = holds(Ordering::Less) && holds(Ordering::Greater);
    let test = |x: f64, y: f64| i32::from(x.partial_cmp(&y).map_or(unequal, holds));
    Ok(Some(booleans(zip((v, false), (w, true), x.rows(), test))))
}

/// The same where a text on the left decides that texts are compared, whatever stands on the right.
fn compare_columns(args: &[Block], holds: impl Fn(Ordering) -> bool + Copy) -> Answer {
    let [left, right] = args else {
        return Err(super::numbers::not_numeric());
    };
    match beside_literal(left, right, holds)? {
        Some(answer) => Ok(answer),
        None => compare_by_left(left, right, holds),
    }
}

fn compare_by_left(left: &Block, right: &Block, holds: impl Fn(Ordering) -> bool + Copy) -> Answer {
    let text = |block: &Block| block.column_type().data_type.stored() == DataType::String;
    let (from, single) = (right.column_type(), !right.column_type().multi);
    if !text(left) || text(right) || !single || from.data_type == DataType::Unknown {
        return compare_two(left, right, holds);
    }
    let stored = right
        .clone()
        .retyped(ColumnType::sv(from.data_type.stored()));
    compare_two(left, &stored.cast(ColumnType::sv(DataType::String))?, holds)
}

pub(super) fn compare_two(a: &Block, b: &Block, holds: impl Fn(Ordering) -> bool + Copy) -> Answer {
    let (a, b) = meet(a, b)?;
    let rows = a.rows();
    let (p, q) = (a.is_constant(), b.is_constant());
    let yes = |ordering| i32::from(holds(ordering));
    Ok(booleans(match (a.values(), b.values()) {
        (Values::Int(x), Values::Int(y)) => zip((x, p), (y, q), rows, |x, y| yes(x.cmp(&y))),
        (Values::Long(x), Values::Long(y)) => zip((x, p), (y, q), rows, |x, y| yes(x.cmp(&y))),
        (Values::Float(x), Values::Float(y)) => zip((x, p), (y, q), rows, |x, y| {
            yes(compare_doubles(f64::from(x), f64::from(y)))
        }),
        (Values::Double(x), Values::Double(y)) => {
            zip((x, p), (y, q), rows, |x, y| yes(compare_doubles(x, y)))
        }
        (Values::Text(x), Values::Text(y)) => (0..rows)
            .map(|row| yes(compare_text(x.get(a.at(row)), y.get(b.at(row)))))
            .collect(),
        (Values::Bytes(x), Values::Bytes(y)) => (0..rows)
            .map(|row| yes(x.get(a.at(row)).cmp(y.get(b.at(row)))))
            .collect(),
        (Values::BigDecimal(x), Values::BigDecimal(y)) => (0..rows)
            .map(|row| yes(x[a.at(row)].cmp(&y[b.at(row)])))
            .collect(),
        _ => (0..rows)
            .map(|row| yes(a.value(row).total_cmp(&b.value(row))))
            .collect(),
    }))
}

fn nearly_equal(args: &[Block], equal: bool) -> Answer {
    equal_within(TOLERANCE, args, equal)
}

fn equal_within(tolerance: f64, args: &[Block], equal: bool) -> Answer {
    let (a, b) = meet(&args[0], &args[1])?;
    if let (Values::Double(x), Values::Double(y)) = (a.values(), b.values()) {
        let (p, q) = (a.is_constant(), b.is_constant());
        return Ok(booleans(zip((x, p), (y, q), a.rows(), |x, y| {
            let same = (x - y).abs() <= tolerance || x == y;
            i32::from(same == equal)
        })));
    }
    compare_two(&a, &b, |ordering| ordering.is_eq() == equal)
}

fn between(args: &[Block]) -> Answer {
    let end = |bound: &Block, holds: fn(Ordering) -> bool| match beside_literal(
        &args[0], bound, holds,
    )? {
        Some(answer) => Ok(answer),
        None => compare_two(&args[0], bound, holds),
    };
    let (low, high) = (
        end(&args[1], Ordering::is_ge)?,
        end(&args[2], Ordering::is_le)?,
    );
    let (Values::Int(mut both), Values::Int(high)) = (low.into_values(), high.into_values()) else {
        return Err(super::numbers::not_numeric());
    };
    for (x, y) in both.iter_mut().zip(high) {
        *x &= y;
    }
    Ok(booleans(both))
}

/// For each row, whether both values are there and equal to the last digit.
pub(super) fn same(args: &[Block]) -> Result<Vec<bool>, FunctionError> {
    let equal = equal_within(0.0, args, true)?;
    Ok((0..args[0].rows())
        .map(|row| {
            !args[0].is_null(row)
                && !args[1].is_null(row)
                && equal.value(row) == Value::Boolean(true)
        })
        .collect())
}

fn distinct(args: &[Block], wanted: bool) -> Answer {
    let rows = args[0].rows();
    let (a, b) = (&args[0], &args[1]);
    let holds = move |order: Ordering| order.is_ne() == wanted;
    let of_rows = !a.is_constant() && !b.is_constant();
    let met = match beside_texts(a, b, holds) {
        Some(met) => met,
        None if of_rows => compare_by_left(a, b, holds)?,
        None => compare_two(a, b, holds)?,
    };
    let Values::Int(mut flags) = met.into_values() else {
        return Err(super::numbers::not_numeric());
    };
    for (row, flag) in flags.iter_mut().enumerate().take(rows) {
        *flag = match (a.is_null(row), b.is_null(row)) {
            (true, true) => i32::from(!wanted),
            (false, false) => *flag,
            _ => i32::from(wanted),
        };
    }
    Ok(booleans(flags))
}

/// BOOLEAN for two arrays of one type.
fn alike(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    match arguments {
        [a, b] if a.column_type != b.column_type => Err(FunctionError::NoOverload {
            name: "arraysoverlap".to_owned(),
            arguments: format!("{}, {}", a.column_type, b.column_type),
        }),
        _ => Ok(ColumnType::sv(DataType::Boolean)),
    }
}

fn overlap(args: &[Block]) -> Answer {
    by_value(args, DataType::Boolean, args[0].rows(), |row| {
        let (Value::Array(_, a), Value::Array(_, b)) = (&row[0], &row[1]) else {
            return Ok(Value::Boolean(false));
        };
        Ok(Value::Boolean(a.iter().any(|x| b.contains(x))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Argument, EvalContext, bind};

    fn call(name: &str, args: &[Block], role: Role) -> Answer {
        let arguments: Vec<Argument> = args
            .iter()
            .map(|block| Argument {
                column_type: block.column_type(),
                literal: block.constant_value(),
            })
            .collect();
        bind(name, &arguments, role)?.call(args, args[0].rows(), &EvalContext::at(0))
    }

    fn text(value: &str, rows: usize) -> Block {
        Block::constant(DataType::String, &Value::String(value.into()), rows)
    }

    fn flags(block: &Block) -> Vec<Value> {
        (0..block.rows()).map(|row| block.value(row)).collect()
    }

    #[test]
    fn operands_meet_in_one_type() -> Result<(), FunctionError> {
        use Value::{Boolean, Null};
        let ints = Block::from_values(DataType::Int, &[Value::Int(1), Null, Value::Int(-34)]);
        let answer = call(
            "greater_than",
            &[ints.clone(), text("0.5", 3)],
            Role::Transform,
        )?;
        assert_eq!(flags(&answer), [Boolean(true), Null, Boolean(false)]);
        let yes = Block::new(DataType::Boolean, Values::Int(vec![1, 0]));
        let answer = call("=", &[yes.clone(), text("x", 2)], Role::Transform);
        assert!(answer.is_err(), "operators are named, not spelled");
        let answer = call("equals", &[yes, text("x", 2)], Role::Transform)?;
        assert_eq!(flags(&answer), [Boolean(false), Boolean(true)]);
        let near = Block::new(
            DataType::Double,
            Values::Double(vec![0.1 + 0.2, f64::INFINITY]),
        );
        let point = Block::constant(DataType::Double, &Value::Double(0.3), 2);
        let answer = call("equals", &[near.clone(), point.clone()], Role::Scalar)?;
        assert_eq!(flags(&answer), [Boolean(true), Boolean(false)]);
        let answer = call("equals", &[near, point], Role::Transform)?;
        assert_eq!(flags(&answer), [Boolean(false), Boolean(false)]);
        Ok(())
    }

    #[test]
    fn an_array_beside_a_number_is_its_first_element() -> Result<(), FunctionError> {
        let array = |items: &[i32]| {
            let items = items.iter().map(|x| Value::Int(*x)).collect();
            Value::Array(DataType::Int, items)
        };
        let arrays = Block::from_values(
            ColumnType {
                data_type: DataType::Int,
                multi: true,
            },
            &[array(&[0, 50]), array(&[11])],
        );
        let ten = Block::constant(DataType::Int, &Value::Int(10), 2);
        let answer = call("greater_than", &[arrays, ten.clone()], Role::Scalar)?;
        let flags = flags(&answer);
        assert_eq!(flags, [Value::Boolean(false), Value::Boolean(true)]);
        let bytes = Block::constant(DataType::Bytes, &Value::Bytes(vec![1]), 2);
        assert!(call("greater_than", &[bytes, ten], Role::Scalar).is_err());
        Ok(())
    }

    #[test]
    fn in_is_three_valued() -> Result<(), FunctionError> {
        use Value::{Boolean, Null};
        let ints = Block::from_values(DataType::Int, &[Value::Int(1), Null, Value::Int(2)]);
        let one = Block::constant(DataType::Int, &Value::Int(1), 3);
        let null = Block::constant(DataType::Unknown, &Null, 3);
        let answer = call(
            "in",
            &[ints.clone(), one.clone(), one.clone()],
            Role::Transform,
        )?;
        assert_eq!(flags(&answer), [Boolean(true), Null, Boolean(false)]);
        let answer = call("not_in", &[ints.clone(), one.clone(), null], Role::Scalar)?;
        assert_eq!(flags(&answer), [Boolean(false), Null, Null]);
        let answer = call("is_distinct_from", &[ints.clone(), one], Role::Transform)?;
        assert_eq!(
            flags(&answer),
            [Boolean(false), Boolean(true), Boolean(true)]
        );
        let whole = ints.take(&[0, 2]);
        let answer = call("in", &[whole, text("2", 2), text("7", 2)], Role::Transform)?;
        assert_eq!(flags(&answer), [Boolean(false), Boolean(true)]);
        Ok(())
    }

    #[test]
    fn doubles_compare_as_in_java() {
        assert_eq!(compare_doubles(-f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(compare_doubles(f64::NAN, -f64::NAN), Ordering::Equal);
        assert_eq!(compare_doubles(-0.0, 0.0), Ordering::Less);
        assert_eq!(compare_doubles(0.0, 0.0), Ordering::Equal);
        assert_eq!(compare_doubles(1.0, 2.0), Ordering::Less);
    }
}
