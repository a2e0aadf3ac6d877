//! The arithmetic operators: plus, minus, times, divide, mod and their relatives.
//!
//! Two families of rows: over columns of the single-stage engine everything is DOUBLE or BIG_DECIMAL (Role::Transform);
//! literals, post-aggregation and the multi-stage engine are typed by their operands (Role::Scalar).
//! Must not know: SQL operators. Invariant: integers wrap as in Java, division by zero follows IEEE.

use bigdecimal::BigDecimal;
use common::{Block, ColumnType, DataType, Value, Values};
use num_bigint::{BigInt, Sign};
use num_traits::Zero;

use super::lift::{Double, ternary};
use super::numbers::{double, doubles, longs};
use super::{Argument, Family, Param, Params, ROW, Returns, Role, ScalarFunction, param};
use crate::FunctionError;

type Answer = Result<Block, FunctionError>;

const NUMBERS: Params = Params::Fixed(&[Param::Number, Param::Number]);
const MANY: Params = Params::Variadic {
    params: &[Param::Number],
    min: 2,
};
const PAIR: Params = Params::Fixed(&[param::DOUBLE, param::DOUBLE]);
const DOUBLE: Returns = Returns::Is(ColumnType::sv(DataType::Double));
const LONG: Returns = Returns::Is(ColumnType::sv(DataType::Long));

/// The operators.
pub(crate) static FAMILY: Family = Family {
    title: "Arithmetic",
    functions: &[
        ScalarFunction {
            names: &["plus", "add"],
            role: Role::Transform,
            params: MANY,
            returns: Returns::Infer(double_or_decimal),
            doc: "Sum of two or more columns, as DOUBLE, or BIG_DECIMAL where one of them is.",
            eval: |a, _| fold(a, |x, y| x + y, sum_decimal),
            ..ROW
        },
        ScalarFunction {
            names: &["plus", "add"],
            role: Role::Scalar,
            params: NUMBERS,
            returns: Returns::Infer(long_or_double),
            doc: "Sum of two numbers: LONG for integers (wraps), else DOUBLE.",
            example: ("plus(1, 2)", "3"),
            eval: |a, _| typed(a, i64::wrapping_add, |x, y| x + y),
            ..ROW
        },
        ScalarFunction {
            names: &["minus", "sub"],
            role: Role::Transform,
            params: NUMBERS,
            returns: Returns::Infer(double_or_decimal),
            doc: "Difference of two columns, as DOUBLE, or BIG_DECIMAL where one of them is.",
            eval: |a, _| two(a, |x, y| x - y, |x, y| Ok(add(x, &-y))),
            ..ROW
        },
        ScalarFunction {
            names: &["minus", "sub"],
            role: Role::Scalar,
            params: NUMBERS,
            returns: Returns::Infer(long_or_double),
            doc: "Difference of two numbers: LONG for integers (wraps), else DOUBLE.",
            example: ("sub(5, 7)", "-2"),
            eval: |a, _| typed(a, i64::wrapping_sub, |x, y| x - y),
            ..ROW
        },
        ScalarFunction {
            names: &["times", "mult"],
            role: Role::Transform,
            params: MANY,
            returns: Returns::Infer(double_or_decimal),
            doc: "Product of two or more columns, as DOUBLE, or BIG_DECIMAL where one of them is.",
            eval: |a, _| fold(a, |x, y| x * y, product_decimal),
            ..ROW
        },
        ScalarFunction {
            names: &["times", "mult"],
            role: Role::Scalar,
            params: NUMBERS,
            returns: Returns::Infer(long_or_double),
            doc: "Product of two numbers: LONG for integers (wraps), else DOUBLE.",
            example: ("times(65536, 65536)", "4294967296"),
            eval: |a, _| typed(a, i64::wrapping_mul, |x, y| x * y),
            ..ROW
        },
        ScalarFunction {
            names: &["divide", "div"],
            role: Role::Transform,
            params: NUMBERS,
            returns: Returns::Infer(double_or_decimal),
            doc: "Quotient of two columns; a BIG_DECIMAL dividend keeps its scale, half to even.",
            eval: |a, _| two(a, |x, y| x / y, divide_decimal),
            ..ROW
        },
        ScalarFunction {
            names: &["divide", "div"],
            role: Role::Scalar,
            params: PAIR,
            returns: DOUBLE,
            doc: "Quotient as DOUBLE; division by zero gives Infinity or NaN.",
            example: ("div(10, 4)", "2.5"),
            eval: |a, _| pair(a, |x, y| x / y),
            ..ROW
        },
        ScalarFunction {
            names: &["divide", "div"],
            params: Params::Fixed(&[param::DOUBLE, param::DOUBLE, param::DOUBLE]),
            returns: DOUBLE,
            doc: "Quotient as DOUBLE, the third argument where the divisor is zero.",
            example: ("div(10, 0, -1)", "-1.0"),
            eval: |a, _| {
                ternary::<Double, Double, Double, Vec<f64>, _>(a, DataType::Double, |x, y, z| {
                    Ok(if y == 0.0 { z } else { x / y })
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["mod"],
            params: PAIR,
            returns: DOUBLE,
            doc: "Remainder with the sign of the dividend; NaN for a divisor of zero.",
            example: ("mod(-7, 3)", "-1.0"),
            eval: |a, _| pair(a, |x, y| x % y),
            ..ROW
        },
        ScalarFunction {
            names: &["moduloorzero"],
            params: PAIR,
            returns: DOUBLE,
            doc: "Remainder with the sign of the dividend; 0 for a divisor of zero.",
            example: ("moduloOrZero(7, 0)", "0.0"),
            eval: |a, _| pair(a, |x, y| if y == 0.0 { 0.0 } else { x % y }),
            ..ROW
        },
        ScalarFunction {
            names: &["positivemodulo"],
            params: PAIR,
            returns: DOUBLE,
            doc: "Remainder that is never negative.",
            example: ("positiveModulo(-7, 3)", "2.0"),
            eval: |a, _| {
                pair(a, |x, y| {
                    let rest = x % y;
                    if rest < 0.0 { rest + y.abs() } else { rest }
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["intdiv"],
            params: PAIR,
            returns: LONG,
            doc: "Floor of the quotient, as LONG.",
            example: ("intDiv(-7, 2)", "-4"),
            eval: |a, _| whole_quotient(a, |x, y| (x / y).floor()),
            ..ROW
        },
        ScalarFunction {
            names: &["intdivorzero"],
            params: PAIR,
            returns: LONG,
            doc: "Floor of the quotient, as LONG; 0 for a divisor of zero.",
            example: ("intDivOrZero(7, 0)", "0"),
            eval: |a, _| whole_quotient(a, |x, y| if y == 0.0 { 0.0 } else { (x / y).floor() }),
            ..ROW
        },
        ScalarFunction {
            names: &["negate"],
            params: Params::Fixed(&[param::DOUBLE]),
            returns: DOUBLE,
            doc: "The number with the other sign.",
            example: ("negate(5)", "-5.0"),
            eval: |a, _| {
                Ok(Block::new(
                    DataType::Double,
                    Values::Double(double(&a[0], |x| -x)?),
                ))
            },
            ..ROW
        },
    ],
};

pub(super) fn double_or_decimal(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let decimal = arguments
        .iter()
        .any(|a| a.column_type.data_type == DataType::BigDecimal);
    Ok(ColumnType::sv(if decimal {
        DataType::BigDecimal
    } else {
        DataType::Double
    }))
}

fn long_or_double(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let integers = arguments
        .iter()
        .all(|a| a.column_type.data_type.is_integer());
    Ok(ColumnType::sv(if integers {
        DataType::Long
    } else {
        DataType::Double
    }))
}

fn has_decimal(args: &[Block]) -> bool {
    args.iter()
        .any(|block| matches!(block.values(), Values::BigDecimal(_)))
}

fn pair(args: &[Block], op: impl Fn(f64, f64) -> f64 + Copy) -> Answer {
    let values = doubles(&args[0], &args[1], op)?;
    Ok(Block::new(DataType::Double, Values::Double(values)))
}

fn whole_quotient(args: &[Block], op: impl Fn(f64, f64) -> f64 + Copy) -> Answer {
    let values = doubles(&args[0], &args[1], op)?;
    let whole = values.into_iter().map(|q| q as i64).collect();
    Ok(Block::new(DataType::Long, Values::Long(whole)))
}

fn typed(
    args: &[Block],
    integer: impl Fn(i64, i64) -> i64 + Copy,
    real: impl Fn(f64, f64) -> f64 + Copy,
) -> Answer {
    let integers = args
        .iter()
        .all(|block| matches!(block.values(), Values::Int(_) | Values::Long(_)));
    if integers {
        let values = longs(&args[0], &args[1], integer)?;
        return Ok(Block::new(DataType::Long, Values::Long(values)));
    }
    if !has_decimal(args) {
        return pair(args, real);
    }
    let narrowed: Vec<Block> = args
        .iter()
        .map(|block| block.cast(ColumnType::sv(DataType::Double)))
        .collect::<Result<_, _>>()?;
    pair(&narrowed, real)
}

/// Two operands over columns.
fn two(
    args: &[Block],
    real: impl Fn(f64, f64) -> f64 + Copy,
    exact: fn(&BigDecimal, &BigDecimal) -> Result<BigDecimal, FunctionError>,
) -> Answer {
    if !has_decimal(args) {
        return pair(args, real);
    }
    let (a, b) = (decimals(&args[0])?, decimals(&args[1])?);
    let values = (0..args[0].rows())
        .map(|row| exact(a.get(row), b.get(row)))
        .collect::<Result<_, _>>()?;
    Ok(Block::new(DataType::BigDecimal, Values::BigDecimal(values)))
}

/// Two or more operands over columns. The decimal form takes the literals first: see [`sum_decimal`].
fn fold(
    args: &[Block],
    real: impl Fn(f64, f64) -> f64 + Copy,
    exact: fn(&[Decimals], f64, usize) -> BigDecimal,
) -> Answer {
    if !has_decimal(args) {
        let mut answer = pair(&args[..2], real)?;
        for next in &args[2..] {
            answer = pair(&[answer, next.clone()], real)?;
        }
        return Ok(answer);
    }
    let mut literals = None;
    let mut columns = Vec::with_capacity(args.len());
    for block in args {
        let literal = block
            .constant_value()
            .filter(|_| !has_decimal(std::slice::from_ref(block)));
        match literal.as_ref().and_then(Value::as_f64) {
            Some(number) => literals = Some(literals.map_or(number, |sum| real(sum, number))),
            None => columns.push(decimals(block)?),
        }
    }
    // Without a literal the neutral element stands for it: 0.0 or 1.0, told apart by the operation itself.
    let neutral = if real(0.0, 1.0) == 1.0 { 0.0 } else { 1.0 };
    let values = (0..args[0].rows())
        .map(|row| exact(&columns, literals.unwrap_or(neutral), row))
        .collect();
    Ok(Block::new(DataType::BigDecimal, Values::BigDecimal(values)))
}

/// BIG_DECIMAL elements of an operand; constants are read through `step` 0.
struct Decimals {
    values: Vec<BigDecimal>,
    step: usize,
}

impl Decimals {
    fn get(&self, row: usize) -> &BigDecimal {
        &self.values[row * self.step]
    }
}

fn decimals(block: &Block) -> Result<Decimals, FunctionError> {
    let step = usize::from(!block.is_constant());
    let Values::BigDecimal(values) = block
        .cast(ColumnType::sv(DataType::BigDecimal))?
        .into_values()
    else {
        return Err(super::numbers::not_numeric());
    };
    Ok(Decimals { values, step })
}

/// A literal takes part as the decimal of its DOUBLE (`2` as `2.0`), which shows in the scale of products.
fn literal_decimal(number: f64) -> BigDecimal {
    common::java_text::double_text(number)
        .parse()
        .unwrap_or_default()
}

fn sum_decimal(columns: &[Decimals], literals: f64, row: usize) -> BigDecimal {
    columns
        .iter()
        .fold(literal_decimal(literals), |sum, c| add(&sum, c.get(row)))
}

fn product_decimal(columns: &[Decimals], literals: f64, row: usize) -> BigDecimal {
    columns
        .iter()
        .fold(literal_decimal(literals), |product, c| {
            multiply(&product, c.get(row))
        })
}

/// The exact product with the sum of both scales, as Java keeps it for zero too.
fn multiply(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let ((x, p), (y, q)) = (a.as_bigint_and_exponent(), b.as_bigint_and_exponent());
    BigDecimal::new(x * y, p.saturating_add(q))
}

/// Beyond this many digits between two scales the operation keeps the scale of the decimal library.
const WIDEST_SHIFT: u64 = 10_000;

/// The exact sum with the larger of both scales, as Java keeps it for zero too.
fn add(a: &BigDecimal, b: &BigDecimal) -> BigDecimal {
    let ((x, p), (y, q)) = (a.as_bigint_and_exponent(), b.as_bigint_and_exponent());
    if p.abs_diff(q) > WIDEST_SHIFT {
        return a + b;
    }
    let scale = p.max(q);
    BigDecimal::new(
        x * power_of_ten(scale.abs_diff(p)) + y * power_of_ten(scale.abs_diff(q)),
        scale,
    )
}

fn power_of_ten(digits: u64) -> BigInt {
    BigInt::from(10u8).pow(u32::try_from(digits.min(WIDEST_SHIFT)).unwrap_or(0))
}

/// The quotient at the scale of the dividend, half to even.
fn divide_decimal(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal, FunctionError> {
    let ((mut top, scale), (mut bottom, shift)) =
        (a.as_bigint_and_exponent(), b.as_bigint_and_exponent());
    if bottom.is_zero() {
        return Err(FunctionError::Evaluation(format!(
            "division of `{a}` by zero"
        )));
    }
    // a / b = top / bottom * 10^(shift - scale): at `scale` digits only the divisor's own scale is left to apply.
    if shift >= 0 {
        top *= power_of_ten(shift.unsigned_abs());
    } else {
        bottom *= power_of_ten(shift.unsigned_abs());
    }
    let mut quotient = &top / &bottom;
    let rest = &top - &quotient * &bottom;
    let twice = (rest.magnitude() * 2u8).cmp(bottom.magnitude());
    let odd = quotient.bit(0);
    if twice.is_gt() || (twice.is_eq() && odd) {
        let negative = (top.sign() == Sign::Minus) != (bottom.sign() == Sign::Minus);
        quotient += if negative { -1 } else { 1 };
    }
    Ok(BigDecimal::new(quotient, scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{EvalContext, bind};

    fn call(name: &str, args: &[Block], role: Role) -> Result<Block, FunctionError> {
        let arguments: Vec<Argument> = args
            .iter()
            .map(|block| Argument {
                column_type: block.column_type(),
                literal: block.constant_value(),
            })
            .collect();
        let context = EvalContext::at(0);
        bind(name, &arguments, role)?.call(args, args[0].rows(), &context)
    }

    fn column(values: &[f64]) -> Block {
        Block::new(DataType::Double, Values::Double(values.to_vec()))
    }

    fn decimal(text: &str) -> Value {
        Value::BigDecimal(text.parse().unwrap_or_default())
    }

    #[test]
    fn columns_compute_in_double_and_literals_by_type() -> Result<(), FunctionError> {
        let ints = Block::new(DataType::Int, Values::Int(vec![15, i32::MIN]));
        let one = Block::constant(DataType::Int, &Value::Int(1), 2);
        let sum = call(
            "add",
            &[ints.clone(), one.clone(), one.clone()],
            Role::Transform,
        )?;
        assert_eq!(sum.value(1), Value::Double(-2_147_483_646.0));
        let sum = call("plus", &[ints.clone(), one.clone()], Role::Scalar)?;
        assert_eq!(sum.value(1), Value::Long(-2_147_483_647));
        let max = Block::constant(DataType::Long, &Value::Long(i64::MAX), 1);
        let sum = call("plus", &[max, one.take(&[0])], Role::Scalar)?;
        assert_eq!(sum.value(0), Value::Long(i64::MIN));
        let text = Block::constant(DataType::String, &Value::String("3".into()), 1);
        let sum = call("add", &[text, one.take(&[0])], Role::Scalar)?;
        assert_eq!(sum.value(0), Value::Double(4.0));
        Ok(())
    }

    #[test]
    fn decimals_keep_the_scales_of_java() -> Result<(), FunctionError> {
        let big = Block::from_values(
            DataType::BigDecimal,
            &[decimal("-2957162666434260867091.12"), decimal("0")],
        );
        let of = |n| Block::constant(DataType::Int, &Value::Int(n), 2);
        for (name, number, first, second) in [
            ("plus", 1, "-2957162666434260867090.12", "1.0"),
            ("minus", 1, "-2957162666434260867092.12", "-1"),
            ("times", 2, "-5914325332868521734182.240", "0.0"),
            ("divide", 7, "-422451809490608695298.73", "0"),
        ] {
            let answer = call(name, &[big.clone(), of(number)], Role::Transform)?;
            assert_eq!(answer.value(0).to_text(), first, "{name}");
            assert_eq!(answer.value(1).to_text(), second, "{name}");
        }
        let zero = call("minus", &[big.clone(), big.clone()], Role::Transform)?;
        assert_eq!(zero.value(0).to_text(), "0.00");
        assert!(call("divide", &[big.clone(), of(0)], Role::Transform).is_err());
        Ok(())
    }

    #[test]
    fn division_follows_ieee() -> Result<(), FunctionError> {
        let x = column(&[1.0, 0.0, -1.0]);
        let zero = Block::constant(DataType::Int, &Value::Int(0), 3);
        let answer = call("divide", &[x.clone(), zero.clone()], Role::Transform)?;
        assert_eq!(answer.value(0), Value::Double(f64::INFINITY));
        assert_eq!(answer.value(2), Value::Double(f64::NEG_INFINITY));
        assert!(answer.value(1).as_f64().is_some_and(f64::is_nan));
        let answer = call("intDiv", &[x, zero], Role::Transform)?;
        assert_eq!(answer.value(0), Value::Long(i64::MAX));
        Ok(())
    }
}
