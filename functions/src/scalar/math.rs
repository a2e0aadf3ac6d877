//! Mathematical functions: powers, logarithms, rounding, whole-number functions.
//!
//! Must not know: SQL operators. Invariant: results are those of `java.lang.Math` on DOUBLE; no integer overflow traps.

use bigdecimal::{BigDecimal, RoundingMode};
use common::{Block, ColumnType, DataType, Value, Values};

use super::arithmetic::double_or_decimal;
use super::lift::{Double, Int, Long, binary, by_value, unary};
use super::numbers::{double, doubles};
use super::{Argument, Family, Param, Params, ROW, Returns, Role, ScalarFunction, param, to_scale};
use crate::FunctionError;

pub(super) type Answer = Result<Block, FunctionError>;
pub(super) type Names = &'static [&'static str];
pub(super) type Example = (&'static str, &'static str);
pub(super) type Kernel = fn(&[Block], &super::EvalContext) -> Answer;

const DOUBLE: Returns = Returns::Is(ColumnType::sv(DataType::Double));

/// A function from one DOUBLE to DOUBLE.
pub(super) const fn one(
    names: Names,
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params: Params::Fixed(&[param::DOUBLE]),
        returns: DOUBLE,
        doc,
        example,
        eval,
        ..ROW
    }
}

/// The same, which as a transform does not read BIG_DECIMAL columns.
pub(super) const fn inexact(
    names: Names,
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        check: no_decimal,
        ..one(names, doc, example, eval)
    }
}

fn no_decimal(arguments: &[Argument]) -> Result<(), FunctionError> {
    let decimal = |argument: &Argument| {
        argument.literal.is_none() && argument.column_type == ColumnType::sv(DataType::BigDecimal)
    };
    if arguments.iter().any(decimal) {
        return Err(FunctionError::Evaluation(
            "Math operator does not support BIG_DECIMAL data type".to_owned(),
        ));
    }
    Ok(())
}

/// A function from two DOUBLEs to DOUBLE.
pub(super) const fn pair(
    names: Names,
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        params: Params::Fixed(&[param::DOUBLE, param::DOUBLE]),
        ..one(names, doc, example, eval)
    }
}

/// A function that keeps BIG_DECIMAL columns exact.
const fn exact(names: Names, doc: &'static str, eval: Kernel) -> ScalarFunction {
    ScalarFunction {
        role: Role::Transform,
        params: Params::Fixed(&[Param::Number]),
        returns: Returns::Infer(double_or_decimal),
        ..one(names, doc, ("", ""), eval)
    }
}

const fn flag(names: Names, doc: &'static str, example: Example, eval: Kernel) -> ScalarFunction {
    ScalarFunction {
        returns: Returns::Is(ColumnType::sv(DataType::Int)),
        ..one(names, doc, example, eval)
    }
}

const fn whole(names: Names, doc: &'static str, example: Example, eval: Kernel) -> ScalarFunction {
    ScalarFunction {
        params: Params::Fixed(&[param::LONG, param::LONG]),
        returns: Returns::Is(ColumnType::sv(DataType::Long)),
        ..one(names, doc, example, eval)
    }
}

/// Powers, roots, logarithms, signs, rounding.
pub(crate) static FAMILY: Family = Family {
    title: "Mathematics",
    functions: &[
        exact(
            &["abs"],
            "Absolute value of a column; BIG_DECIMAL stays exact.",
            |a, _| map_exact(a, f64::abs, BigDecimal::abs),
        ),
        ScalarFunction {
            role: Role::Scalar,
            ..one(&["abs"], "Absolute value.", ("abs(-2.5)", "2.5"), |a, _| {
                map(a, f64::abs)
            })
        },
        exact(
            &["ceil", "ceiling"],
            "Column rounded up; BIG_DECIMAL stays exact.",
            |a, _| {
                map_exact(a, f64::ceil, |d| {
                    d.with_scale_round(0, RoundingMode::Ceiling)
                })
            },
        ),
        ScalarFunction {
            role: Role::Scalar,
            ..one(
                &["ceil", "ceiling"],
                "Rounds up.",
                ("ceil(-1.2)", "-1.0"),
                |a, _| map(a, f64::ceil),
            )
        },
        exact(
            &["floor"],
            "Column rounded down; BIG_DECIMAL stays exact.",
            |a, _| {
                map_exact(a, f64::floor, |d| {
                    d.with_scale_round(0, RoundingMode::Floor)
                })
            },
        ),
        ScalarFunction {
            role: Role::Scalar,
            ..one(
                &["floor"],
                "Rounds down.",
                ("floor(-1.2)", "-2.0"),
                |a, _| map(a, f64::floor),
            )
        },
        inexact(
            &["exp"],
            "e to the power of the argument.",
            ("exp(0)", "1.0"),
            |a, _| map(a, f64::exp),
        ),
        inexact(
            &["ln", "log"],
            "Natural logarithm.",
            ("ln(1)", "0.0"),
            |a, _| map(a, f64::ln),
        ),
        inexact(
            &["log2"],
            "Logarithm to base 2.",
            ("log2(8)", "3.0"),
            |a, _| map(a, |x| x.ln() / std::f64::consts::LN_2),
        ),
        inexact(
            &["log10"],
            "Logarithm to base 10.",
            ("log10(1000)", "3.0"),
            |a, _| map(a, libm::log10),
        ),
        inexact(&["sqrt"], "Square root.", ("sqrt(16)", "4.0"), |a, _| {
            map(a, f64::sqrt)
        }),
        inexact(
            &["sign"],
            "-1.0, 0.0 or 1.0.",
            ("sign(-5)", "-1.0"),
            |a, _| {
                map(a, |x| {
                    if x == 0.0 || x.is_nan() {
                        x
                    } else {
                        x.signum()
                    }
                })
            },
        ),
        pair(
            &["power", "pow"],
            "The first to the power of the second.",
            ("pow(2, 10)", "1024.0"),
            |a, _| map_pair(a, power),
        ),
        pair(
            &["hypot"],
            "Square root of the sum of both squares.",
            ("hypot(3, 4)", "5.0"),
            |a, _| map_pair(a, f64::hypot),
        ),
        one(
            &["rounddecimal"],
            "Rounded to the nearest whole number, halves up.",
            ("roundDecimal(2.5)", "3.0"),
            |a, _| map(a, round_half_up),
        ),
        ScalarFunction {
            params: Params::Fixed(&[param::DOUBLE, param::INT]),
            ..one(
                &["rounddecimal"],
                "Rounded to that many decimals, halves away from zero.",
                ("roundDecimal(1.005, 2)", "1.01"),
                |a, _| to_scale(a, RoundingMode::HalfUp),
            )
        },
        one(
            &["truncate"],
            "Rounded toward zero.",
            ("truncate(-2.9)", "-2.0"),
            |a, _| map(a, f64::trunc),
        ),
        ScalarFunction {
            params: Params::Fixed(&[param::DOUBLE, param::INT]),
            ..one(
                &["truncate"],
                "Cut to that many decimals, toward zero.",
                ("truncate(1.239, 2)", "1.23"),
                |a, _| to_scale(a, RoundingMode::Down),
            )
        },
        flag(
            &["isfinite"],
            "1 unless NaN or infinite, else 0.",
            ("isFinite(1)", "1"),
            |a, _| test(a, f64::is_finite),
        ),
        flag(
            &["isinfinite"],
            "1 for both infinities, else 0.",
            ("isInfinite(1)", "0"),
            |a, _| test(a, f64::is_infinite),
        ),
        flag(
            &["isnan"],
            "1 for NaN, else 0.",
            ("isNaN(div(0, 0))", "1"),
            |a, _| test(a, f64::is_nan),
        ),
        pair(
            &["ifnotfinite"],
            "The first, or the second where the first is NaN or infinite.",
            ("ifNotFinite(div(1, 0), 2)", "2.0"),
            |a, _| map_pair(a, |x, y| if x.is_finite() { x } else { y }),
        ),
        ScalarFunction {
            params: Params::Fixed(&[param::DOUBLE, param::LONG]),
            ..pair(
                &["avgreduce"],
                "A sum divided by a count; null for none.",
                ("avgReduce(10.0, 4)", "2.5"),
                |a, _| average(a),
            )
        },
        whole(
            &["gcd"],
            "Greatest common divisor.",
            ("gcd(-12, 18)", "6"),
            |a, _| binary::<Long, Long, Vec<i64>, _>(a, DataType::Long, |x, y| Ok(gcd(x, y))),
        ),
        whole(
            &["lcm"],
            "Least common multiple.",
            ("lcm(4, 6)", "12"),
            |a, _| {
                binary::<Long, Long, Vec<i64>, _>(a, DataType::Long, |x, y| {
                    let divisor = gcd(x, y);
                    Ok(if divisor == 0 {
                        0
                    } else {
                        x.wrapping_div(divisor).wrapping_mul(y).wrapping_abs()
                    })
                })
            },
        ),
        ScalarFunction {
            params: Params::Fixed(&[param::INT]),
            ..flag(
                &["byteswapint"],
                "The four bytes of an INT in the other order.",
                ("byteswapInt(1)", "16777216"),
                |a, _| unary::<Int, Vec<i32>, _>(a, DataType::Int, |x| Ok(x.swap_bytes())),
            )
        },
        ScalarFunction {
            params: Params::Fixed(&[param::LONG]),
            ..whole(
                &["byteswaplong"],
                "The eight bytes of a LONG in the other order.",
                ("byteswapLong(1)", "72057594037927936"),
                |a, _| unary::<Long, Vec<i64>, _>(a, DataType::Long, |x| Ok(x.swap_bytes())),
            )
        },
        ScalarFunction {
            names: &["least"],
            role: Role::Transform,
            params: Params::Variadic {
                params: &[Param::Any],
                min: 2,
            },
            returns: Returns::Infer(widest),
            doc: "The smallest of the columns, in the widest of their types.",
            eval: |a, _| choose(a, std::cmp::Ordering::Less),
            ..ROW
        },
        ScalarFunction {
            names: &["greatest"],
            role: Role::Transform,
            params: Params::Variadic {
                params: &[Param::Any],
                min: 2,
            },
            returns: Returns::Infer(widest),
            doc: "The largest of the columns, in the widest of their types.",
            eval: |a, _| choose(a, std::cmp::Ordering::Greater),
            ..ROW
        },
        ScalarFunction {
            role: Role::Scalar,
            ..pair(
                &["least", "min"],
                "The smaller of two numbers.",
                ("least(1, 2)", "1.0"),
                |a, _| {
                    map_pair(a, |x, y| {
                        java_choice(x, y, x < y || (x == y && x.is_sign_negative()))
                    })
                },
            )
        },
        ScalarFunction {
            role: Role::Scalar,
            ..pair(
                &["greatest", "max"],
                "The larger of two numbers.",
                ("greatest(1, 2)", "2.0"),
                |a, _| {
                    map_pair(a, |x, y| {
                        java_choice(x, y, x > y || (x == y && x.is_sign_positive()))
                    })
                },
            )
        },
    ],
};

pub(super) fn map(args: &[Block], op: impl Fn(f64) -> f64 + Copy) -> Answer {
    Ok(Block::new(
        DataType::Double,
        Values::Double(double(&args[0], op)?),
    ))
}

fn average(args: &[Block]) -> Answer {
    let mut nothing = Vec::with_capacity(args[0].rows());
    let answer = binary::<Double, Long, Vec<f64>, _>(args, DataType::Double, |sum, count| {
        nothing.push(count == 0);
        Ok(if count == 0 { 0.0 } else { sum / count as f64 })
    })?;
    let any = nothing.contains(&true);
    Ok(answer.with_nulls(any.then_some(nothing)))
}

pub(super) fn map_pair(args: &[Block], op: impl Fn(f64, f64) -> f64 + Copy) -> Answer {
    let values = doubles(&args[0], &args[1], op)?;
    Ok(Block::new(DataType::Double, Values::Double(values)))
}

fn map_exact(
    args: &[Block],
    op: impl Fn(f64) -> f64 + Copy,
    exact: impl Fn(&BigDecimal) -> BigDecimal,
) -> Answer {
    match args[0].values() {
        Values::BigDecimal(_) => {
            let column = args[0].clone().flattened();
            let Values::BigDecimal(values) = column.values() else {
                return Err(super::numbers::not_numeric());
            };
            let values = values.iter().map(exact).collect();
            Ok(Block::new(DataType::BigDecimal, Values::BigDecimal(values)))
        }
        _ => map(args, op),
    }
}

fn test(args: &[Block], op: impl Fn(f64) -> bool) -> Answer {
    unary::<Double, Vec<i32>, _>(args, DataType::Int, |x| Ok(i32::from(op(x))))
}

/// `Math.pow`, which differs from C only where 1 or -1 meets NaN or infinity.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) {
        return f64::NAN;
    }
    base.powf(exponent)
}

fn round_half_up(x: f64) -> f64 {
    let floor = x.floor();
    if x - floor >= 0.5 { floor + 1.0 } else { floor }
}

fn to_scale(args: &[Block], mode: RoundingMode) -> Answer {
    binary::<Double, Int, Vec<f64>, _>(args, DataType::Double, |x, scale| {
        if !x.is_finite() && mode == RoundingMode::Down {
            return Err(FunctionError::Evaluation(format!(
                "truncate to a scale expects a finite number, not {x}"
            )));
        }
        Ok(to_scale::to_scale(x, scale, mode))
    })
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i64
}

/// `Math.min` and `Math.max`: NaN wins.
fn java_choice(x: f64, y: f64, first: bool) -> f64 {
    if x.is_nan() || (first && !y.is_nan()) {
        x
    } else {
        y
    }
}

/// The widest of numeric types; other types must all be the same.
fn widest(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let mut answer = arguments[0].column_type;
    for argument in arguments {
        answer = both(answer, argument.column_type).ok_or_else(|| {
            FunctionError::Argument(format!(
                "cannot compare a value of type `{}` with one of type `{answer}`",
                argument.column_type
            ))
        })?;
    }
    Ok(answer)
}

/// The type in which two are compared: FLOAT beside a whole number is DOUBLE, which loses less of either.
fn both(a: ColumnType, b: ColumnType) -> Option<ColumnType> {
    let whole = |t: ColumnType| matches!(t.data_type, DataType::Int | DataType::Long) && !t.multi;
    let float = ColumnType::sv(DataType::Float);
    if (a == float && whole(b)) || (b == float && whole(a)) {
        return Some(ColumnType::sv(DataType::Double));
    }
    wider(a, b)
}

/// The type that holds values of both; `None` where there is none.
pub(super) fn wider(a: ColumnType, b: ColumnType) -> Option<ColumnType> {
    let rank = |t: DataType| match t {
        DataType::Int => Some(1),
        DataType::Long => Some(2),
        DataType::Float => Some(3),
        DataType::Double => Some(4),
        DataType::BigDecimal => Some(5),
        _ => None,
    };
    if a == b || b.data_type == DataType::Unknown {
        return Some(a);
    }
    if a.data_type == DataType::Unknown {
        return Some(b);
    }
    if a.multi || b.multi {
        return None;
    }
    match (rank(a.data_type), rank(b.data_type)) {
        (Some(x), Some(y)) => Some(if x >= y { a } else { b }),
        _ if a.stored() == b.stored() => Some(a),
        _ => None,
    }
}

fn choose(args: &[Block], wanted: std::cmp::Ordering) -> Answer {
    let mut to = args[0].column_type();
    for block in args {
        to = both(to, block.column_type()).unwrap_or(to);
    }
    let cast: Vec<Block> = args.iter().map(|b| b.cast(to)).collect::<Result<_, _>>()?;
    let rows = args[0].rows();
    if let (DataType::Double, [a, b]) = (to.data_type, cast.as_slice()) {
        let pick = |x: f64, y: f64| java_choice(x, y, if wanted.is_lt() { x <= y } else { x >= y });
        return Ok(Block::new(to, Values::Double(doubles(a, b, pick)?)));
    }
    by_value(&cast, to, rows, |row| {
        let mut best = &row[0];
        for value in &row[1..] {
            if value.total_cmp(best) == wanted {
                best = value;
            }
        }
        Ok::<Value, FunctionError>(best.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_follows_java() {
        assert_eq!(round_half_up(-2.5), -2.0);
        assert_eq!(round_half_up(2.5), 3.0);
        assert_eq!(round_half_up(f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(gcd(i64::MIN, 0), i64::MIN);
        assert!(power(1.0, f64::INFINITY).is_nan());
    }
}
