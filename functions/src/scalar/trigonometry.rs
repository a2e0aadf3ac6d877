//! Trigonometry in radians, and random numbers.
//!
//! Must not know: SQL operators. Invariant: results are those of `java.lang.Math` on DOUBLE.

use common::{Block, ColumnType, DataType, Values};

use super::lift::{Long, unary};
use super::math::{inexact, map, map_pair, one, pair};
use super::{Family, Params, ROW, Returns, ScalarFunction, param};

const DOUBLE: Returns = Returns::Is(ColumnType::sv(DataType::Double));

/// Trigonometry.
pub(crate) static FAMILY: Family = Family {
    title: "Trigonometry",
    functions: &[
        inexact(&["sin"], "Sine of radians.", ("sin(0)", "0.0"), |a, _| {
            map(a, f64::sin)
        }),
        inexact(&["cos"], "Cosine of radians.", ("cos(0)", "1.0"), |a, _| {
            map(a, f64::cos)
        }),
        inexact(
            &["tan"],
            "Tangent of radians.",
            ("tan(0)", "0.0"),
            |a, _| map(a, f64::tan),
        ),
        inexact(
            &["cot"],
            "Cotangent of radians.",
            ("cot(0)", "Infinity"),
            |a, _| map(a, |x| 1.0 / x.tan()),
        ),
        inexact(
            &["asin"],
            "Arc sine, in radians.",
            ("asin(0)", "0.0"),
            |a, _| map(a, libm::asin),
        ),
        inexact(
            &["acos"],
            "Arc cosine, in radians.",
            ("acos(1)", "0.0"),
            |a, _| map(a, libm::acos),
        ),
        inexact(
            &["atan"],
            "Arc tangent, in radians.",
            ("atan(0)", "0.0"),
            |a, _| map(a, libm::atan),
        ),
        pair(
            &["atan2"],
            "Angle of the point (second, first), in radians.",
            ("atan2(0, -1)", "3.141592653589793"),
            |a, _| map_pair(a, libm::atan2),
        ),
        inexact(&["sinh"], "Hyperbolic sine.", ("sinh(0)", "0.0"), |a, _| {
            map(a, sinh)
        }),
        inexact(
            &["cosh"],
            "Hyperbolic cosine.",
            ("cosh(0)", "1.0"),
            |a, _| map(a, cosh),
        ),
        inexact(
            &["tanh"],
            "Hyperbolic tangent.",
            ("tanh(0)", "0.0"),
            |a, _| map(a, tanh),
        ),
        inexact(
            &["degrees"],
            "Radians as degrees.",
            ("degrees(0)", "0.0"),
            |a, _| map(a, |x| x * (180.0 / std::f64::consts::PI)),
        ),
        inexact(
            &["radians"],
            "Degrees as radians.",
            ("radians(0)", "0.0"),
            |a, _| map(a, |x| x * (std::f64::consts::PI / 180.0)),
        ),
    ],
};

/// Random numbers.
pub(crate) static RANDOM: Family = Family {
    title: "Random numbers",
    functions: &[
        ScalarFunction {
            names: &["rand"],
            returns: DOUBLE,
            deterministic: false,
            doc: "A random number from 0 to below 1, anew for every row.",
            eval: |_, _| {
                let number = rand::random::<f64>();
                Ok(Block::new(DataType::Double, Values::Double(vec![number])))
            },
            ..ROW
        },
        ScalarFunction {
            params: Params::Fixed(&[param::LONG]),
            ..one(
                &["rand"],
                "A number from 0 to below 1 that only the seed decides.",
                ("", ""),
                |a, _| unary::<Long, Vec<f64>, _>(a, DataType::Double, |seed| Ok(seeded(seed))),
            )
        },
    ],
};

/// The hyperbolic cosine by the formulas of `java.lang.StrictMath`, whose last digit differs from the C library's.
fn cosh(x: f64) -> f64 {
    let x = x.abs();
    if x < 0.5 * std::f64::consts::LN_2 {
        let t = x.exp_m1();
        let w = 1.0 + t;
        return 1.0 + t * t / (w + w);
    }
    if x < 22.0 {
        let t = strict_exp(x);
        return 0.5 * t + 0.5 / t;
    }
    // In two halves where the whole power would overflow though the answer does not.
    let half = (0.5 * x).exp();
    if x < 709.0 {
        0.5 * strict_exp(x)
    } else {
        0.5 * half * half
    }
}

/// The hyperbolic sine, likewise.
fn sinh(x: f64) -> f64 {
    let (size, half) = (x.abs(), 0.5_f64.copysign(x));
    if size < 2.0_f64.powi(-28) {
        return x;
    }
    if size < 22.0 {
        let t = libm::expm1(size);
        if size < 1.0 {
            return half * (2.0 * t - t * t / (t + 1.0));
        }
        return half * (t + t / (t + 1.0));
    }
    if size < 709.0 {
        return half * strict_exp(size);
    }
    let w = (0.5 * size).exp();
    half * w * w
}

/// The hyperbolic tangent, likewise.
fn tanh(x: f64) -> f64 {
    let size = x.abs();
    if x.is_nan() || size < 2.0_f64.powi(-55) {
        return x;
    }
    let answer = if size < 1.0 {
        let t = libm::expm1(-2.0 * size);
        -t / (t + 2.0)
    } else if size < 22.0 {
        1.0 - 2.0 / (libm::expm1(2.0 * size) + 2.0)
    } else {
        1.0
    };
    answer.copysign(x)
}

/// The power of e for 0.3 < x < 709 by the approximation of FreeBSD's `msun`, which `StrictMath.exp` is: the remainder
/// after a whole number of halvings goes through a polynomial of degree five.
fn strict_exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const P: [f64; 5] = [
        1.666_666_666_666_660_2e-1,
        -2.777_777_777_701_559_3e-3,
        6.613_756_321_437_934e-5,
        -1.653_390_220_546_525_2e-6,
        4.138_136_797_057_238_5e-8,
    ];
    let halvings = if x < 1.5 * std::f64::consts::LN_2 {
        1.0
    } else {
        (std::f64::consts::LOG2_E * x + 0.5).trunc()
    };
    let high = x - halvings * LN2_HIGH;
    let low = halvings * LN2_LOW;
    let rest = high - low;
    let square = rest * rest;
    let polynomial = P[0] + square * (P[1] + square * (P[2] + square * (P[3] + square * P[4])));
    let c = rest - square * polynomial;
    let scaled = 1.0 - ((low - (rest * c) / (2.0 - c)) - high);
    scaled * 2_f64.powi(halvings as i32)
}

/// A seed's own number: its scrambled bits mixed as MurmurHash3 ends, the upper 53 of them as a fraction.
fn seeded(seed: i64) -> f64 {
    let mut z = (seed as u64) ^ 0x0005_deec_e66d;
    z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    ((z ^ (z >> 33)) >> 11) as f64 / (1_u64 << 53) as f64
}
