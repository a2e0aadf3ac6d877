//! The conformance suite of aggregates: every row of the table passes it.
//!
//! Must not know: a function's semantics. Invariant checked: any split and any merge order answer the same, saved states
//! load, nothing panics on no input or on nulls.

use common::{Block, ColumnType, DataType, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{
    AggregateCall, AggregateFunction, AggregateRow, Dialect, FAMILIES, Grouped, Groups, bind,
};
use crate::FunctionError;
use crate::scalar::Argument;

const ROWS: usize = 60;

/// Answers that depend on the order of merging or are estimates: they are compared with slack, or not at all.
const UNORDERED: &[&str] = &[
    "$listagg",
    "arrayagg",
    "listagg",
    "percentilekll",
    "percentilekllmv",
];
const RAW: &[&str] = &["raw", "idset", "frequent"];

fn column(data_type: DataType) -> Argument {
    Argument {
        column_type: ColumnType::sv(data_type),
        literal: None,
    }
}

fn literal(value: Value) -> Argument {
    Argument {
        column_type: value.column_type(),
        literal: Some(value),
    }
}

fn text(value: &str) -> Argument {
    literal(Value::String(value.to_owned()))
}

/// Arguments that the function takes, with a first argument of that type.
fn arguments(name: &str, first: DataType) -> Vec<Argument> {
    let mut all = vec![column(first)];
    match name {
        "firstwithtime" | "lastwithtime" => {
            all.extend([column(DataType::Long), text("DOUBLE")]);
        }
        "covarpop" | "covarsamp" => all.push(column(DataType::Double)),
        "arrayagg" => all.push(text("STRING")),
        "listagg" => all.push(text(";")),
        "$listagg" => all.extend([text(";"), text("+"), column(DataType::Long)]),
        "histogram" => all.extend([-50, 50, 10].map(|x| literal(Value::Int(x)))),
        _ if name.starts_with("percentile") => all.push(literal(Value::Int(90))),
        _ if name.starts_with("funnelcount") => {
            all = vec![
                text("steps"),
                column(DataType::Boolean),
                column(DataType::Boolean),
            ];
            all.extend([text("correlateby"), column(first)]);
        }
        "funneleventsfunctioneval" => {
            all = vec![
                column(DataType::Long),
                literal(Value::Int(20)),
                literal(Value::Int(2)),
            ];
            all.extend([column(DataType::Boolean), column(DataType::Boolean)]);
            all.extend([literal(Value::Int(1)), column(first)]);
        }
        _ if name.starts_with("funnel") => {
            all = vec![
                column(DataType::Long),
                literal(Value::Int(20)),
                literal(Value::Int(2)),
            ];
            all.extend([column(DataType::Boolean), column(DataType::Boolean)]);
            if name == "funnelstepdurationstats" {
                all.push(text("durationFunctions=avg,max,count"));
            }
        }
        _ => {}
    }
    all
}

fn value(random: &mut StdRng, data_type: DataType, nulls: bool) -> Value {
    if nulls && random.random_bool(0.2) {
        return Value::Null;
    }
    let x = random.random_range(-40..40);
    match data_type {
        DataType::Int => Value::Int(x),
        DataType::Long => Value::Long(i64::from(x)),
        DataType::Float => Value::Float(x as f32 / 4.0),
        DataType::Double => Value::Double(f64::from(x) / 4.0),
        DataType::Boolean => Value::Boolean(x > 0),
        DataType::BigDecimal => Value::BigDecimal(x.into()),
        _ => Value::String(format!("t{x}")),
    }
}

fn near(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(x), Some(y)) => {
            x == y
                || (x.is_nan() && y.is_nan())
                || (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1.0)
        }
        _ => match (a, b) {
            (Value::Array(_, a), Value::Array(_, b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b))
            }
            _ => a == b,
        },
    }
}

fn part(
    function: &dyn AggregateFunction,
    inputs: &[Block],
    rows: std::ops::Range<usize>,
    one: bool,
) -> Result<Box<dyn Grouped>, FunctionError> {
    let indexes: Vec<u32> = rows.map(|row| row as u32).collect();
    let blocks: Vec<Block> = inputs.iter().map(|block| block.take(&indexes)).collect();
    let mut grouped = function.grouped();
    grouped.grow(1);
    let groups = vec![0_u32; indexes.len()];
    let groups = if one {
        Groups::One(indexes.len())
    } else {
        Groups::Each(&groups)
    };
    grouped.update(groups, &blocks)?;
    Ok(grouped)
}

fn check(
    name: &str,
    function: &dyn AggregateFunction,
    inputs: &[Block],
) -> Result<(), FunctionError> {
    let whole = part(function, inputs, 0..ROWS, true)?.finish(0);
    let exact = !UNORDERED.contains(&name) && !RAW.iter().any(|raw| name.contains(raw));
    for (cut, one) in [(0, false), (ROWS / 3, true), (ROWS - 1, false)] {
        let parts = [0..cut, cut..ROWS, ROWS..ROWS];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut merged = function.grouped();
            merged.grow(1);
            for index in order {
                let part = part(function, inputs, parts[index].clone(), one)?;
                if index == 1 {
                    let mut bytes = Vec::new();
                    part.save(0, &mut bytes);
                    merged.load(0, &bytes)?;
                } else {
                    merged.merge(part, &[0])?;
                }
            }
            let found = merged.finish(0);
            assert!(
                !exact || near(&found, &whole),
                "{name}: {found:?} is not {whole:?}"
            );
            assert!(merged.bytes() > 0);
        }
    }
    Ok(())
}

fn try_row(row: &AggregateRow, name: &'static str) -> Result<usize, FunctionError> {
    let mut random = StdRng::seed_from_u64(7);
    let mut bound = 0;
    let types = [
        DataType::Int,
        DataType::Long,
        DataType::Float,
        DataType::Double,
        DataType::Boolean,
        DataType::BigDecimal,
        DataType::String,
    ];
    for (round, first) in types.into_iter().cycle().take(types.len() * 4).enumerate() {
        let arguments = arguments(name, first);
        let call = AggregateCall {
            name,
            arguments: &arguments,
            null_handling: round % 2 == 0,
            dialect: if round < types.len() {
                Dialect::SingleStage
            } else {
                Dialect::MultiStage
            },
        };
        let Ok(function) = (row.bind)(&call) else {
            continue;
        };
        let blocks: Vec<Block> = function
            .inputs()
            .iter()
            .map(|input| {
                let column_type = arguments[*input].column_type;
                let nulls = call.null_handling;
                let values: Vec<Value> = (0..ROWS)
                    .map(|_| value(&mut random, column_type.data_type, nulls))
                    .collect();
                Block::from_values(column_type, &values)
            })
            .collect();
        let mut empty = function.grouped();
        empty.grow(1);
        assert!(
            empty.finish(0).is_null()
                || empty.finish(0).column_type() == function.returns()
                || function.returns().data_type == DataType::Unknown
                || name.starts_with("percentile")
                || name == "mode",
            "{name} of nothing: {:?}",
            empty.finish(0)
        );
        // Text where numbers are expected, and numbers where sketches are.
        if let Ok(whole) = part(&*function, &blocks, 0..ROWS, true) {
            drop(whole);
            check(name, &*function, &blocks)?;
            bound += 1;
        }
        let texts: Vec<String> = arguments.iter().map(|_| "x".to_owned()).collect();
        assert!(function.label(name, &texts).contains('('));
    }
    Ok(bound)
}

#[test]
fn every_row_merges_in_any_order() -> Result<(), FunctionError> {
    for row in FAMILIES.iter().flat_map(|family| family.iter()) {
        for name in row.names {
            let tried = try_row(row, name)
                .map_err(|error| FunctionError::Evaluation(format!("{name}: {error}")))?;
            let sketches_only = name.contains("tuple")
                || ["stunion", "exprmin", "exprmax", "argmin", "argmax"].contains(name);
            assert!(tried > 0 || sketches_only, "{name} was never tried");
        }
    }
    Ok(())
}

#[test]
fn names_are_found_with_numbers() {
    for name in [
        "percentile99",
        "PERCENTILE_TDIGEST_90",
        "percentile90mv",
        "Bool_And",
        "sum",
    ] {
        assert!(super::find(name).is_some(), "{name}");
    }
    assert!(super::find("sum9").is_none());
    assert!(super::find("median").is_none());
}

#[test]
fn answers_of_the_real_thing() -> Result<(), FunctionError> {
    let values: Vec<Value> = (0..4000).map(Value::Int).collect();
    let block = Block::from_values(DataType::Int, &values);
    let answers = [
        ("distinctcounthll", Value::Long(4301)),
        ("distinctcounthllplus", Value::Long(3988)),
        ("distinctcountcpcsketch", Value::Long(3986)),
        ("distinctcount", Value::Int(4000)),
        ("sum", Value::Double(7_998_000.0)),
        ("sumprecision", Value::String("7998000".to_owned())),
        ("percentile50", Value::Double(2000.0)),
        ("percentiletdigest95", Value::Double(3799.5)),
        ("avg", Value::Double(1999.5)),
        ("minmaxrange", Value::Double(3999.0)),
    ];
    for (name, expected) in answers {
        let call = AggregateCall {
            name,
            arguments: &[column(DataType::Int)],
            null_handling: false,
            dialect: Dialect::SingleStage,
        };
        let mut grouped = bind(&call)?.grouped();
        grouped.grow(1);
        grouped.update(Groups::One(4000), std::slice::from_ref(&block))?;
        assert!(
            near(&grouped.finish(0), &expected),
            "{name}: {:?}",
            grouped.finish(0)
        );
    }
    Ok(())
}

#[test]
fn percentiles_beyond_a_hundred_are_refused() {
    let arguments = [column(DataType::Int), literal(Value::Int(101))];
    let call = AggregateCall {
        name: "percentile",
        arguments: &arguments,
        null_handling: false,
        dialect: Dialect::SingleStage,
    };
    let error = bind(&call).map(|_| ()).expect_err("refused");
    assert_eq!(error.to_string(), "Invalid percentile: 101.0");
}
