//! Trigonometry in radians, and random numbers.
//!
//! Must not know: SQL operators. Invariant: results are those of `java.lang.Math` on DOUBLE.

use common::{Block, ColumnType, DataType, Values};

use super::lift::{Long, unary};
use super::math::{map, map_pair, one, pair};
use super::{Family, Params, ROW, Returns, ScalarFunction, param};

const DOUBLE: Returns = Returns::Is(ColumnType::sv(DataType::Double));

/// Trigonometry.
pub(crate) static FAMILY: Family = Family {
    title: "Trigonometry",
    functions: &[
        one(&["sin"], "Sine of radians.", ("sin(0)", "0.0"), |a, _| {
            map(a, f64::sin)
        }),
        one(&["cos"], "Cosine of radians.", ("cos(0)", "1.0"), |a, _| {
            map(a, f64::cos)
        }),
        one(
            &["tan"],
            "Tangent of radians.",
            ("tan(0)", "0.0"),
            |a, _| map(a, f64::tan),
        ),
        one(
            &["cot"],
            "Cotangent of radians.",
            ("cot(0)", "Infinity"),
            |a, _| map(a, |x| 1.0 / x.tan()),
        ),
        one(
            &["asin"],
            "Arc sine, in radians.",
            ("asin(0)", "0.0"),
            |a, _| map(a, f64::asin),
        ),
        one(
            &["acos"],
            "Arc cosine, in radians.",
            ("acos(1)", "0.0"),
            |a, _| map(a, f64::acos),
        ),
        one(
            &["atan"],
            "Arc tangent, in radians.",
            ("atan(0)", "0.0"),
            |a, _| map(a, f64::atan),
        ),
        pair(
            &["atan2"],
            "Angle of the point (second, first), in radians.",
            ("atan2(0, -1)", "3.141592653589793"),
            |a, _| map_pair(a, f64::atan2),
        ),
        one(&["sinh"], "Hyperbolic sine.", ("sinh(0)", "0.0"), |a, _| {
            map(a, f64::sinh)
        }),
        one(
            &["cosh"],
            "Hyperbolic cosine.",
            ("cosh(0)", "1.0"),
            |a, _| map(a, cosh),
        ),
        one(
            &["tanh"],
            "Hyperbolic tangent.",
            ("tanh(0)", "0.0"),
            |a, _| map(a, f64::tanh),
        ),
        one(
            &["degrees"],
            "Radians as degrees.",
            ("degrees(0)", "0.0"),
            |a, _| map(a, |x| x * (180.0 / std::f64::consts::PI)),
        ),
        one(
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
        let t = x.exp();
        return 0.5 * t + 0.5 / t;
    }
    // In two halves where the whole power would overflow though the answer does not.
    let half = (0.5 * x).exp();
    if x < 709.0 {
        0.5 * x.exp()
    } else {
        0.5 * half * half
    }
}

/// The first number of SplitMix64.
fn seeded(seed: i64) -> f64 {
    let mut z = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
