//! A DOUBLE rounded to a number of decimals, as its shortest digits say.
//!
//! Must not know: blocks. Invariant: the DOUBLE next to what exact decimals answer; the fast way answers only where it is that.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};

/// Below this a product with a power of ten is wrong by less than [`DOUBT`].
const LARGEST: f64 = (1_u64 << 40) as f64;
/// Twice two to the power of 40 - 52: the product and the number's own digits are each wrong by one half of a last bit.
const DOUBT: f64 = 1.0 / 2048.0;

/// `x` with `scale` decimals; what is not finite stays as it is.
pub(super) fn to_scale(x: f64, scale: i32, mode: RoundingMode) -> f64 {
    // A DOUBLE has no digits beyond these scales.
    if !x.is_finite() || scale > 340 {
        return x;
    }
    if scale < -310 {
        return 0.0;
    }
    near(x, scale, mode).unwrap_or_else(|| exact(x, scale, mode))
}

fn exact(x: f64, scale: i32, mode: RoundingMode) -> f64 {
    let exact: Option<BigDecimal> = common::java_text::double_text(x).parse().ok();
    exact
        .and_then(|d| d.with_scale_round(i64::from(scale), mode).to_f64())
        .unwrap_or(x)
}

/// The same where DOUBLEs leave no doubt.
fn near(x: f64, scale: i32, mode: RoundingMode) -> Option<f64> {
    // Powers of ten that a DOUBLE holds exactly.
    if !(0..=22).contains(&scale) {
        return None;
    }
    let power = 10_f64.powi(scale);
    let scaled = x.abs() * power;
    if scaled >= LARGEST {
        return None;
    }
    let (whole, fraction) = (scaled.trunc(), scaled.fract());
    let whole = match mode {
        RoundingMode::HalfUp if (fraction - 0.5).abs() > DOUBT => scaled.round(),
        RoundingMode::Down if fraction > DOUBT && fraction < 1.0 - DOUBT => whole,
        // No two decimals of so few digits are one DOUBLE: these are its own.
        RoundingMode::Down if scaled.round() / power == x.abs() => return Some(x + 0.0),
        _ => return None,
    };
    let rounded = whole / power;
    Some(if x < 0.0 && rounded > 0.0 {
        -rounded
    } else {
        rounded
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_ten_are_exact() {
        for scale in 0..=22 {
            let text = format!("1e{scale}");
            assert_eq!(Ok(10_f64.powi(scale)), text.parse());
        }
    }

    fn agree(x: f64, scale: i32) {
        for mode in [RoundingMode::HalfUp, RoundingMode::Down] {
            let (fast, slow) = (to_scale(x, scale, mode), exact(x, scale, mode));
            assert_eq!(fast.to_bits(), slow.to_bits(), "{x} to {scale}, {mode:?}");
        }
    }

    #[test]
    fn halves_and_decimals_are_their_digits() {
        for x in [
            1.005,
            2.5,
            -2.5,
            0.125,
            -0.001,
            0.0,
            -0.0,
            1.23,
            99.995,
            1e15,
            0.1 + 0.2,
        ] {
            for scale in -2..=17 {
                agree(x, scale);
            }
        }
    }

    proptest! {
        #[test]
        fn any_number_is_rounded_as_its_digits(x in any::<f64>().prop_filter("finite", |x| x.is_finite()), scale in -5..25) {
            agree(x, scale);
        }

        #[test]
        fn amounts_are_rounded_as_their_digits(cents in -10_000_000_i64..10_000_000, digits in 0..7, scale in 0..6) {
            agree(cents as f64 / 10_f64.powi(digits), scale);
        }
    }
}
