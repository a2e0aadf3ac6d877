//! The decimal digits of `Float.toString` and `Double.toString` before Java 19, which are not always the shortest.
//!
//! Must not know: signs, exponents' forms. Invariant: the digits read back as the number.

use num_bigint::BigUint;
use num_traits::{FromPrimitive, Num, ToPrimitive};

/// Digits without trailing zeros of a positive number, and the place of the point counted from their left.
pub(crate) fn of_double(value: f64) -> (String, i32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32 & 0x7ff, bits & ((1 << 52) - 1));
    if exponent == 0 {
        digits(fraction, -1074, 53)
    } else {
        digits(fraction | 1 << 52, exponent - 1075, 53)
    }
}

/// The same for a FLOAT.
pub(crate) fn of_float(value: f32) -> (String, i32) {
    let bits = u64::from(value.to_bits());
    let (exponent, fraction) = ((bits >> 23) as i32 & 0xff, bits & ((1 << 23) - 1));
    if exponent == 0 {
        digits(fraction, -149, 24)
    } else {
        digits(fraction | 1 << 23, exponent - 150, 24)
    }
}

/// `fraction * 2^exponent` of a type with that many significant bits.
fn digits(fraction: u64, exponent: i32, precision: i32) -> (String, i32) {
    if fraction == 0 {
        return ("0".to_owned(), 1);
    }
    let length = 64 - fraction.leading_zeros() as i32;
    // The number lies between this power of two and the next.
    let power = exponent + length - 1;
    let whole = exponent >= 0 || exponent + fraction.trailing_zeros() as i32 >= 0;
    if whole && power <= 62 {
        return of_integer(fraction, exponent, power, precision);
    }
    of_fraction(fraction, exponent, power)
}

/// Whole numbers below 2^63 lose the digits that the type cannot tell apart, rounded half up.
fn of_integer(fraction: u64, exponent: i32, power: i32, precision: i32) -> (String, i32) {
    let value = if exponent >= 0 {
        fraction << exponent
    } else {
        fraction >> -exponent
    };
    let spare = power - precision - 1;
    let unknown = if power > precision && spare > 1 {
        (f64::from(spare) * std::f64::consts::LOG10_2) as u32
    } else {
        0
    };
    let unit = 10_u64.pow(unknown);
    let rounded = value / unit + u64::from(unknown > 0 && value % unit >= unit / 2);
    let text = rounded.to_string();
    let point = text.len() as i32 + unknown as i32;
    (trimmed(text), point)
}

/// A number that digits are developed with.
trait Wide: Num + Clone + PartialOrd + ToPrimitive + FromPrimitive {
    fn of(value: u64) -> Self {
        Self::from_u64(value).unwrap_or_else(Self::zero)
    }

    fn times_power(self, base: u64, exponent: i32) -> Self {
        if exponent <= 0 {
            return self;
        }
        self * num_traits::pow(Self::of(base), exponent as usize)
    }
}

impl Wide for u128 {}
impl Wide for BigUint {}

/// The bits of a power of five.
fn bits_of_fives(exponent: i32) -> i32 {
    exponent.max(0) * 7 / 3 + 1
}

/// Digit by digit, until the rest is less than half the distance to the neighbours.
fn of_fraction(fraction: u64, exponent: i32, power: i32) -> (String, i32) {
    let mantissa = fraction as f64 / 2_f64.powi(power - exponent);
    // The decimal exponent or one more, in which case the first digit is zero.
    let estimate = (mantissa - 1.5) * 0.289_529_654
        + 0.176_091_259
        + f64::from(power) * std::f64::consts::LOG10_2;
    let decimal = estimate.floor() as i32;
    let twos = exponent - decimal;
    let length = 64 - fraction.leading_zeros() as i32;
    let most = (length + bits_of_fives(-decimal) + twos.max(0))
        .max(bits_of_fives(decimal) + (-twos).max(0));
    // Six bits more for the factors four and ten.
    if most + 6 < 128 {
        developed::<u128>(fraction, twos, decimal)
    } else {
        developed::<BigUint>(fraction, twos, decimal)
    }
}

fn developed<T: Wide>(fraction: u64, twos: i32, mut decimal: i32) -> (String, i32) {
    // Everything times four, for the quarter of a unit below a power of two.
    let scaled = |value: u64| T::of(value).times_power(5, -decimal).times_power(2, twos);
    let quarter = u64::from(fraction.is_power_of_two());
    let mut rest = scaled(fraction) * T::of(4);
    let mut half = scaled(2 - quarter);
    let unit = T::of(4).times_power(5, decimal).times_power(2, -twos);
    let ten = unit.clone() * T::of(10);
    let step = |rest: &mut T, half: &mut T| {
        let digit = (rest.clone() / unit.clone()).to_u32().unwrap_or(0);
        *rest = (rest.clone() % unit.clone()) * T::of(10);
        *half = half.clone() * T::of(10);
        let is_high = rest.clone() + half.clone() > ten;
        (digit, *rest < *half, is_high)
    };
    let mut out = String::new();
    let (first, mut low, mut high) = step(&mut rest, &mut half);
    if first == 0 && !high {
        decimal -= 1;
    } else {
        out.push(char::from(b'0' + first.min(9) as u8));
    }
    // Numbers with an exponent show a digit after the point in any case.
    if !(-3..8).contains(&decimal) {
        (low, high) = (false, false);
    }
    while !low && !high {
        let (digit, is_low, is_high) = step(&mut rest, &mut half);
        out.push(char::from(b'0' + digit.min(9) as u8));
        (low, high) = (is_low, is_high);
    }
    let doubled = rest * T::of(2);
    let odd = out.bytes().last().is_some_and(|b| b % 2 == 1);
    let up = high && (!low || doubled > ten || (doubled == ten && odd));
    let carried = up && round_up(&mut out);
    (trimmed(out), decimal + 1 + i32::from(carried))
}

/// Adds one in the last place; true where a digit more came in front.
fn round_up(digits: &mut String) -> bool {
    let nines = digits.len() - digits.trim_end_matches('9').len();
    digits.truncate(digits.len() - nines);
    match digits.pop() {
        Some(last) => {
            digits.push(char::from((last as u8).saturating_add(1)));
            false
        }
        None => {
            digits.push('1');
            true
        }
    }
}

fn trimmed(mut digits: String) -> String {
    digits.truncate(digits.trim_end_matches('0').len());
    if digits.is_empty() {
        digits.push('0');
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_read_back() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = f64::from_bits(seed & !(1 << 63));
            if value.is_finite() {
                let (digits, point) = of_double(value);
                let read: f64 = format!("0.{digits}e{point}").parse().unwrap_or(f64::NAN);
                assert_eq!(read, value, "{digits} {point}");
            }
            let value = f32::from_bits((seed >> 33) as u32);
            if value.is_finite() {
                let (digits, point) = of_float(value);
                let read: f32 = format!("0.{digits}e{point}").parse().unwrap_or(f32::NAN);
                assert_eq!(read, value, "{digits} {point}");
            }
        }
    }
}
