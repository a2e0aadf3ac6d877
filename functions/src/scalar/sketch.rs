//! Sketch functions: sketches of one value, set operations and estimates over serialised sketches.
//!
//! Must not know: aggregations. Invariant: sketches travel as BYTES in the format of Apache DataSketches; as arguments
//! also as Base64 text, which is what the RAW aggregations answer. Empty texts are no values.

use base64::Engine as _;
use common::{Block, BytesVec, ColumnType, DataType, TextVec, Value, Values};
use datasketches::cpc::{CpcSketch, CpcUnion};
use datasketches::error::Error;
use datasketches::hash::value::{canonical_float, raw_bytes};
use datasketches::theta::{
    CompactThetaSketch, ThetaANotB, ThetaIntersection, ThetaSketchBuilder, ThetaUnionBuilder,
};
use datasketches::tuple::{
    CompactTupleSketch, SummaryCombinePolicy, SummaryPolicy, SummaryUpdatePolicy, TupleANotB,
    TupleIntersection, TupleSketchBuilder, TupleUnionBuilder,
};

use super::{Family, NullRule, Param, Params, ROW, Returns, ScalarFunction, param};
use crate::FunctionError;
use crate::sketch::hyperloglog::HyperLogLog;
use crate::sketch::tuple::IntegerSummary;
use crate::sketch::ultraloglog::UltraLogLog;
use crate::sketch::{Counter, Item};

type Fallible<T> = Result<T, FunctionError>;

const BYTES: Returns = Returns::Is(ColumnType::sv(DataType::Bytes));
const TEXT: Returns = Returns::Is(ColumnType::sv(DataType::String));
const LONG: Returns = Returns::Is(ColumnType::sv(DataType::Long));
const ANY: Params = Params::Fixed(&[Param::Any]);
const TWO: Params = Params::Fixed(&[Param::Any, Param::Any]);
const SIZED: Params = Params::Fixed(&[Param::Any, param::INT]);
const NOMINAL_AND_TWO: Params = Params::Fixed(&[param::INT, Param::Any, Param::Any]);
const SEVERAL: Params = Params::Variadic {
    params: &[Param::Any],
    min: 2,
};
const THETA_LG_K: u8 = 14;
const UNION_LG_K: u8 = 12;
const CPC_LG_K: u8 = 12;
const TUPLE_LG_K: u8 = 14;
const HLL_LOG2M: u8 = 8;
const ULL_P: u8 = 12;

/// The functions of this file.
pub(crate) static FAMILY: Family = Family {
    title: "Sketches",
    functions: &[
        ScalarFunction {
            names: &["tothetasketch"],
            params: ANY,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "A Theta sketch that holds the value; empty for null.",
            example: ("getThetaSketchEstimate(toThetaSketch('a'))", "1"),
            eval: |args, _| by_row(args, |row| theta_of(&args[0].value(row), THETA_LG_K)),
            ..ROW
        },
        ScalarFunction {
            names: &["tothetasketch"],
            params: SIZED,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "The same with the nominal number of entries.",
            example: ("getThetaSketchEstimate(toThetaSketch('a', 1024))", "1"),
            eval: |args, _| {
                by_row(args, |row| {
                    theta_of(&args[0].value(row), lg(&args[1].value(row))?)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["getthetasketchestimate"],
            params: ANY,
            returns: LONG,
            doc: "The estimated number of distinct values in a Theta sketch.",
            example: ("getThetaSketchEstimate(toThetaSketch('a'))", "1"),
            eval: |args, _| estimates(args, |bytes| Ok(read_theta(bytes)?.estimate())),
            ..ROW
        },
        ScalarFunction {
            names: &["thetasketchtostring"],
            params: ANY,
            returns: TEXT,
            doc: "A summary of a Theta sketch for people.",
            eval: |args, _| {
                texts(args, |bytes| {
                    let sketch = read_theta(bytes)?;
                    Ok(summary(
                        "HeapCompactOrderedSketch",
                        &[("Estimate", sketch.estimate().to_string())],
                    ))
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["cpcsketchtostring"],
            params: ANY,
            returns: TEXT,
            doc: "A summary of a CPC sketch for people.",
            eval: |args, _| {
                texts(args, |bytes| {
                    let sketch = CpcSketch::deserialize(bytes).map_err(wrong)?;
                    Ok(summary(
                        "CPC SKETCH",
                        &[
                            ("lgK", sketch.lg_k().to_string()),
                            ("Estimate", sketch.estimate().to_string()),
                        ],
                    ))
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["thetasketchunion"],
            params: SEVERAL,
            returns: BYTES,
            doc: "The union of two to five Theta sketches.",
            example: (
                "getThetaSketchEstimate(thetaSketchUnion(toThetaSketch('a'), toThetaSketch('b')))",
                "2",
            ),
            eval: |args, _| {
                by_row(args, |row| {
                    let mut union = ThetaUnionBuilder::default()
                        .lg_k(UNION_LG_K)
                        .build()
                        .map_err(wrong)?;
                    for arg in args {
                        union
                            .update(&read_theta(&sketch_bytes(arg, row)?)?)
                            .map_err(wrong)?;
                    }
                    Ok(union.to_sketch(true).serialize())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["thetasketchintersect"],
            params: SEVERAL,
            returns: BYTES,
            doc: "The intersection of two to five Theta sketches.",
            example: (
                "getThetaSketchEstimate(thetaSketchIntersect(toThetaSketch('a'), toThetaSketch('b')))",
                "0",
            ),
            eval: |args, _| {
                by_row(args, |row| {
                    let mut all = ThetaIntersection::default();
                    for arg in args {
                        all.update(&read_theta(&sketch_bytes(arg, row)?)?)
                            .map_err(wrong)?;
                    }
                    all.to_sketch(true)
                        .map(|sketch| sketch.serialize())
                        .ok_or_else(nothing)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["thetasketchdiff"],
            params: TWO,
            returns: BYTES,
            doc: "What is in the first Theta sketch and not in the second.",
            example: (
                "getThetaSketchEstimate(thetaSketchDiff(toThetaSketch('a'), toThetaSketch('b')))",
                "1",
            ),
            eval: |args, _| {
                by_row(args, |row| {
                    let a = read_theta(&sketch_bytes(&args[0], row)?)?;
                    let b = read_theta(&sketch_bytes(&args[1], row)?)?;
                    let rest = ThetaANotB::default().compute(&a, &b, true).map_err(wrong)?;
                    Ok(rest.serialize())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["tohll"],
            params: ANY,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "A HyperLogLog counter that holds the value; empty for null.",
            eval: |args, _| {
                by_row(args, |row| {
                    counter_of::<HyperLogLog>(&args[0].value(row), HLL_LOG2M)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["tohll"],
            params: SIZED,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "The same with log2m.",
            eval: |args, _| {
                by_row(args, |row| {
                    counter_of::<HyperLogLog>(&args[0].value(row), size(&args[1].value(row))?)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["toull"],
            params: ANY,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "An UltraLogLog counter that holds the value; empty for null.",
            eval: |args, _| {
                by_row(args, |row| {
                    counter_of::<UltraLogLog>(&args[0].value(row), ULL_P)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["toull"],
            params: SIZED,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "The same with p.",
            eval: |args, _| {
                by_row(args, |row| {
                    counter_of::<UltraLogLog>(&args[0].value(row), size(&args[1].value(row))?)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["tocpcsketch"],
            params: ANY,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "A CPC sketch that holds the value; empty for null.",
            example: ("getCpcSketchEstimate(toCpcSketch('a'))", "1"),
            eval: |args, _| by_row(args, |row| cpc_of(&args[0].value(row), CPC_LG_K)),
            ..ROW
        },
        ScalarFunction {
            names: &["tocpcsketch"],
            params: SIZED,
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "The same with lgK.",
            example: ("getCpcSketchEstimate(toCpcSketch('a', 11))", "1"),
            eval: |args, _| {
                by_row(args, |row| {
                    cpc_of(&args[0].value(row), size(&args[1].value(row))?)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["getcpcsketchestimate"],
            params: ANY,
            returns: LONG,
            doc: "The estimated number of distinct values in a CPC sketch.",
            example: ("getCpcSketchEstimate(toCpcSketch('a'))", "1"),
            eval: |args, _| {
                estimates(args, |bytes| {
                    Ok(CpcSketch::deserialize(bytes).map_err(wrong)?.estimate())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["cpcsketchunion"],
            params: SEVERAL,
            returns: BYTES,
            doc: "The union of two to five CPC sketches.",
            example: (
                "getCpcSketchEstimate(cpcSketchUnion(toCpcSketch('a'), toCpcSketch('b')))",
                "2",
            ),
            eval: |args, _| {
                by_row(args, |row| {
                    let mut union = CpcUnion::new(CPC_LG_K).map_err(wrong)?;
                    for arg in args {
                        let sketch =
                            CpcSketch::deserialize(&sketch_bytes(arg, row)?).map_err(wrong)?;
                        union.update(&sketch).map_err(wrong)?;
                    }
                    Ok(union.to_sketch().serialize())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["tointegersumtuplesketch"],
            params: Params::Variadic {
                params: &[Param::Any, param::INT, param::INT],
                min: 2,
            },
            returns: BYTES,
            nulls: NullRule::Sees,
            doc: "A Tuple sketch that holds a key with an INT value; empty for nulls.",
            example: (
                "getIntTupleSketchEstimate(toIntegerSumTupleSketch('a', 5))",
                "1",
            ),
            eval: |args, _| {
                by_row(args, |row| {
                    let lg_k = args
                        .get(2)
                        .map_or(Ok(TUPLE_LG_K), |arg| size(&arg.value(row)))?;
                    tuple_of(&args[0].value(row), &args[1].value(row), lg_k)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["getinttuplesketchestimate"],
            params: ANY,
            returns: LONG,
            doc: "The estimated number of distinct keys in a Tuple sketch.",
            example: (
                "getIntTupleSketchEstimate(toIntegerSumTupleSketch('a', 5))",
                "1",
            ),
            eval: |args, _| estimates(args, |bytes| Ok(read_tuple(bytes)?.estimate())),
            ..ROW
        },
        ScalarFunction {
            names: &["intsumtuplesketchunion"],
            doc: "The union of two Tuple sketches; values of equal keys add up.",
            eval: |args, _| tuple_union(args, Mode::Sum),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intsumtuplesketchunion"],
            params: NOMINAL_AND_TWO,
            doc: "The same with the nominal number of entries.",
            eval: |args, _| tuple_union(args, Mode::Sum),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intmintuplesketchunion"],
            doc: "The union of two Tuple sketches; of equal keys the smaller value stays.",
            eval: |args, _| tuple_union(args, Mode::Min),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intmintuplesketchunion"],
            params: NOMINAL_AND_TWO,
            doc: "The same with the nominal number of entries.",
            eval: |args, _| tuple_union(args, Mode::Min),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intmaxtuplesketchunion"],
            doc: "The union of two Tuple sketches; of equal keys the larger value stays.",
            eval: |args, _| tuple_union(args, Mode::Max),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intmaxtuplesketchunion"],
            params: NOMINAL_AND_TWO,
            doc: "The same with the nominal number of entries.",
            eval: |args, _| tuple_union(args, Mode::Max),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intsumtuplesketchintersect"],
            doc: "The keys in both Tuple sketches; values add up.",
            eval: |args, _| tuple_intersect(args, Mode::Sum),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intmintuplesketchintersect"],
            doc: "The keys in both Tuple sketches; the smaller value stays.",
            eval: |args, _| tuple_intersect(args, Mode::Min),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intmaxtuplesketchintersect"],
            doc: "The keys in both Tuple sketches; the larger value stays.",
            eval: |args, _| tuple_intersect(args, Mode::Max),
            ..TUPLE_UNION
        },
        ScalarFunction {
            names: &["intsumtuplesketchdiff", "inttuplesketchdiff"],
            doc: "The keys of the first Tuple sketch that are not in the second.",
            eval: |args, _| {
                by_row(args, |row| {
                    let a = read_tuple(&sketch_bytes(&args[0], row)?)?;
                    let b = read_tuple(&sketch_bytes(&args[1], row)?)?;
                    let rest = TupleANotB::default().compute(&a, &b, true).map_err(wrong)?;
                    Ok(rest.serialize())
                })
            },
            ..TUPLE_UNION
        },
    ],
};

const TUPLE_UNION: ScalarFunction = ScalarFunction {
    params: TWO,
    returns: BYTES,
    ..ROW
};

fn wrong(error: Error) -> FunctionError {
    FunctionError::Evaluation(format!("not a sketch of the expected kind: {error}"))
}

fn nothing() -> FunctionError {
    FunctionError::Evaluation("a set operation got no sketch".to_owned())
}

fn by_row(args: &[Block], kernel: impl Fn(usize) -> Fallible<Vec<u8>>) -> Fallible<Block> {
    if args.len() > 5 {
        return Err(FunctionError::Argument(
            "set operations take up to five sketches".to_owned(),
        ));
    }
    let mut out = BytesVec::with_capacity(args[0].rows(), args[0].rows() * 16);
    for row in 0..args[0].rows() {
        out.push(&kernel(row)?);
    }
    Ok(Block::new(DataType::Bytes, Values::Bytes(out)))
}

/// `Math.round` of an estimate per row.
fn estimates(args: &[Block], estimate: impl Fn(&[u8]) -> Fallible<f64>) -> Fallible<Block> {
    let rounded = (0..args[0].rows())
        .map(|row| Ok((estimate(&sketch_bytes(&args[0], row)?)? + 0.5).floor() as i64))
        .collect::<Fallible<_>>()?;
    Ok(Block::new(DataType::Long, Values::Long(rounded)))
}

/// A text per row.
fn texts(args: &[Block], text: impl Fn(&[u8]) -> Fallible<String>) -> Fallible<Block> {
    let mut out = TextVec::default();
    for row in 0..args[0].rows() {
        out.push(&text(&sketch_bytes(&args[0], row)?)?);
    }
    Ok(Block::new(DataType::String, Values::Text(out)))
}

/// Figures of a sketch, one a line.
fn summary(title: &str, figures: &[(&str, String)]) -> String {
    let mut out = format!("\n### {title} - SUMMARY: \n");
    for (name, figure) in figures {
        out.push_str(&format!("   {name:<28}: {figure}\n"));
    }
    out.push_str("### END SKETCH SUMMARY\n");
    out
}

/// A sketch argument: bytes, or Base64 text.
fn sketch_bytes(block: &Block, row: usize) -> Fallible<Vec<u8>> {
    match block.value(row) {
        Value::Bytes(bytes) => Ok(bytes),
        Value::String(text) => base64::engine::general_purpose::STANDARD
            .decode(&text)
            .map_err(|error| FunctionError::Evaluation(format!("a sketch is no Base64: {error}"))),
        other => Err(FunctionError::Evaluation(format!(
            "a sketch is BYTES or Base64 text, got {}",
            other.column_type()
        ))),
    }
}

/// The binary logarithm of a nominal number of entries, rounded up.
fn lg(nominal: &Value) -> Fallible<u8> {
    let entries = nominal.as_i64().filter(|n| (1..=1 << 26).contains(n));
    match entries {
        Some(entries) => Ok((entries as u64).next_power_of_two().trailing_zeros().max(4) as u8),
        None => Err(FunctionError::Evaluation(format!(
            "nominal entries must be between 16 and 67108864, got `{}`",
            nominal.to_text()
        ))),
    }
}

/// lgK.
fn size(lg_k: &Value) -> Fallible<u8> {
    lg_k.as_i64()
        .filter(|lg_k| (4..=26).contains(lg_k))
        .map(|lg_k| lg_k as u8)
        .ok_or_else(|| {
            FunctionError::Evaluation(format!(
                "lgK must be between 4 and 26, got `{}`",
                lg_k.to_text()
            ))
        })
}

/// Feeds a value to a sketch with the hash of its type; DataSketches leaves empty texts out.
macro_rules! feed {
    ($value:expr, |$item:ident| $update:expr) => {
        match $value {
            Value::Null => {}
            Value::Float(v) => {
                let $item = canonical_float::from_f32(*v);
                $update
            }
            Value::Double(v) => {
                let $item = canonical_float::from_f64(*v);
                $update
            }
            Value::Bytes(v) if v.is_empty() => {}
            Value::Bytes(v) => {
                let $item = raw_bytes::from_slice(v);
                $update
            }
            value => match value.as_i64() {
                Some($item) => $update,
                None => {
                    let text = value.to_text();
                    if !text.is_empty() {
                        let $item = raw_bytes::from_str(&text);
                        $update
                    }
                }
            },
        }
    };
}

fn counter_of<C: Counter>(value: &Value, size: u8) -> Fallible<Vec<u8>> {
    let mut counter = C::sized(size);
    match value {
        Value::Null => {}
        Value::Int(v) => counter.offer(Item::Int(*v)),
        Value::Boolean(v) => counter.offer(Item::Int((*v).into())),
        Value::Float(v) => counter.offer(Item::Float(*v)),
        Value::Double(v) => counter.offer(Item::Double(*v)),
        Value::Bytes(v) => counter.offer(Item::Bytes(v)),
        value => match value.as_i64() {
            Some(number) => counter.offer(Item::Long(number)),
            None => counter.offer(Item::Text(&value.to_text())),
        },
    }
    Ok(counter.save())
}

fn theta_of(value: &Value, lg_k: u8) -> Fallible<Vec<u8>> {
    let mut sketch = ThetaSketchBuilder::default()
        .lg_k(lg_k)
        .build()
        .map_err(wrong)?;
    feed!(value, |item| sketch.update(item));
    Ok(sketch.compact(true).serialize())
}

fn cpc_of(value: &Value, lg_k: u8) -> Fallible<Vec<u8>> {
    let mut sketch = CpcSketch::new(lg_k).map_err(wrong)?;
    feed!(value, |item| sketch.update(item));
    Ok(sketch.serialize())
}

fn tuple_of(key: &Value, value: &Value, lg_k: u8) -> Fallible<Vec<u8>> {
    let mut sketch = TupleSketchBuilder::new(Mode::Sum)
        .lg_k(lg_k)
        .build()
        .map_err(wrong)?;
    if let Some(number) = value.as_i64() {
        let number = number as i32;
        feed!(key, |item| sketch.update(item, number));
    }
    Ok(sketch.compact(true).serialize())
}

fn read_theta(bytes: &[u8]) -> Fallible<CompactThetaSketch> {
    CompactThetaSketch::deserialize(bytes).map_err(wrong)
}

fn read_tuple(bytes: &[u8]) -> Fallible<CompactTupleSketch<IntegerSummary>> {
    CompactTupleSketch::deserialize(bytes).map_err(wrong)
}

/// How values of equal keys combine; the ordinals are those of Java's `IntegerSummary.Mode`.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Sum = 0,
    Min = 1,
    Max = 2,
}

impl SummaryPolicy for Mode {
    type Summary = IntegerSummary;

    fn create(&self) -> IntegerSummary {
        let value = match self {
            Self::Sum => 0,
            Self::Min => i32::MAX,
            Self::Max => i32::MIN,
        };
        IntegerSummary {
            value,
            mode: *self as u8,
        }
    }
}

impl SummaryUpdatePolicy<i32> for Mode {
    fn update(&self, summary: &mut IntegerSummary, value: i32) {
        summary.value = match self {
            Self::Sum => summary.value.wrapping_add(value),
            Self::Min => summary.value.min(value),
            Self::Max => summary.value.max(value),
        };
    }
}

impl SummaryCombinePolicy for Mode {
    fn combine(&self, summary: &mut IntegerSummary, other: &IntegerSummary) {
        self.update(summary, other.value);
    }
}

fn tuple_union(args: &[Block], mode: Mode) -> Fallible<Block> {
    let (nominal, sketches) = match args {
        [nominal, rest @ ..] if rest.len() == 2 => (Some(nominal), rest),
        all => (None, all),
    };
    by_row(args, |row| {
        let lg_k = nominal.map_or(Ok(TUPLE_LG_K), |block| lg(&block.value(row)))?;
        let mut union = TupleUnionBuilder::new(mode)
            .lg_k(lg_k)
            .build()
            .map_err(wrong)?;
        for sketch in sketches {
            union
                .update(&read_tuple(&sketch_bytes(sketch, row)?)?)
                .map_err(wrong)?;
        }
        Ok(union.to_sketch(true).serialize())
    })
}

fn tuple_intersect(args: &[Block], mode: Mode) -> Fallible<Block> {
    by_row(args, |row| {
        let mut all = TupleIntersection::new(mode);
        for sketch in args {
            all.update(&read_tuple(&sketch_bytes(sketch, row)?)?)
                .map_err(wrong)?;
        }
        all.to_sketch(true)
            .map(|sketch| sketch.serialize())
            .ok_or_else(nothing)
    })
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::{call, text};
    use super::*;

    #[test]
    fn set_operations_count() -> Fallible<()> {
        let theta = |value: Value| call("toThetaSketch", &[value]);
        let (a, b) = (theta(text("a"))?, theta(Value::Int(5))?);
        let estimate = |sketch: Value| call("getThetaSketchEstimate", &[sketch]);
        let union = call("theta_sketch_union", &[a.clone(), b.clone(), a.clone()])?;
        assert_eq!(estimate(union.clone())?, Value::Long(2));
        assert_eq!(
            estimate(call("thetaSketchIntersect", &[union.clone(), a.clone()])?)?,
            Value::Long(1)
        );
        assert_eq!(
            estimate(call("thetaSketchDiff", &[union.clone(), b])?)?,
            Value::Long(1)
        );
        assert_eq!(estimate(theta(Value::Null)?)?, Value::Long(0));
        let Value::Bytes(bytes) = union else {
            return Err(nothing());
        };
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        assert_eq!(estimate(text(&base64))?, Value::Long(2));
        assert!(estimate(text("?")).is_err());
        assert!(estimate(Value::Bytes(vec![1, 2, 3])).is_err());
        Ok(())
    }

    #[test]
    fn cpc_and_tuple_sketches_count() -> Fallible<()> {
        let cpc = |value: &str| call("toCpcSketch", &[text(value), Value::Int(11)]);
        for name in ["toHLL", "toULL"] {
            assert!(
                matches!(call(name, &[text("a")])?, Value::Bytes(_)),
                "{name}"
            );
        }
        let union = call("cpcSketchUnion", &[cpc("a")?, cpc("b")?])?;
        assert_eq!(call("getCpcSketchEstimate", &[union])?, Value::Long(2));
        let tuple = |key: &str, value: i32| {
            call("toIntegerSumTupleSketch", &[text(key), Value::Int(value)])
        };
        let union = call("intSumTupleSketchUnion", &[tuple("a", 2)?, tuple("a", 3)?])?;
        let Value::Bytes(bytes) = &union else {
            return Err(nothing());
        };
        let values: Vec<i32> = read_tuple(bytes)?
            .iter()
            .map(|e| e.summary().value)
            .collect();
        assert_eq!(values, [5]);
        let sized = call(
            "intMaxTupleSketchUnion",
            &[Value::Int(1024), union, tuple("b", 1)?],
        )?;
        assert_eq!(call("getIntTupleSketchEstimate", &[sized])?, Value::Long(2));
        Ok(())
    }
}
