//! Nanoseconds per row of every scalar function and every aggregate: `cargo run --release -p benches --bin functions [rows] [name]`.
//!
//! Aggregates have two figures: all rows in one group, and in [`GROUPS`].
//! Must not know: any single function. Invariant: a function is bound and called as a query over columns does it; one whose
//! arguments nobody can make up is listed as skipped, never left out; the slow ones are listed again with the reason.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use benches::slow;
use common::{Block, ColumnType, DataType, Value};
use functions::Groups;
use functions::aggregate::{self, AggregateCall, AggregateFunction, AggregateRow, Dialect};
use functions::scalar::{
    Argument, BoundScalar, EvalContext, FAMILIES, Param, Params, Role, ScalarFunction, bind,
};

const DEFAULT_ROWS: usize = 2_000_000;
/// Rows of a call, as in the engine.
const BLOCK_ROWS: usize = 4096;
/// Groups of the second figure of an aggregate.
const GROUPS: usize = 1024;
/// Different values in a column.
const VARIETY: usize = 512;

/// Arguments that are not made up: (function, literal texts by position). A function over arrays has those of its name
/// without `mv`.
#[rustfmt::skip]
const LITERALS: &[(&str, &[&str])] = &[
    ("ago", &["PT1H"]),
    ("arraysliceint", &["", "0", "1"]), ("arrayslicestring", &["", "0", "1"]),
    ("cast", &["", "STRING"]),
    ("datebin", &["15m", "", ""]),
    ("datetimeconvert", &["", "1:MILLISECONDS:EPOCH", "1:DAYS:EPOCH", "1:DAYS", "UTC"]),
    ("datetimeconvertwindowhop", &["", "1:MILLISECONDS:EPOCH", "1:HOURS:EPOCH", "1:HOURS", "2:HOURS"]),
    ("datetrunc", &["DAY", "", "MILLISECONDS", "America/Sao_Paulo", "HOURS"]),
    ("day", ZONE), ("dayofweek", ZONE), ("dayofyear", ZONE), ("hour", ZONE), ("millisecond", ZONE), ("minute", ZONE),
    ("month", ZONE), ("quarter", ZONE), ("second", ZONE), ("week", ZONE), ("year", ZONE), ("yearofweek", ZONE),
    ("extract", &["YEAR", ""]),
    ("geotoh3/2", &["", "7"]), ("geotoh3/3", &["", "", "7"]), ("griddisk", &["", "2"]),
    ("intsumtuplesketchunion/3", ENTRIES), ("intmintuplesketchunion/3", ENTRIES), ("intmaxtuplesketchunion/3", ENTRIES),
    ("ipprefix", &["10.1.2.3", "24"]), ("issubnetof", &["10.1.0.0/16", "10.1.2.3"]),
    ("fromdatetime", &["2025-12-01", "yyyy-MM-dd", "UTC", "0"]),
    ("fromiso8601", &["2025-12-01T01:02:03Z"]),
    ("frombase64", &["aGVsbG8="]), ("hextobytes", &["0aff"]),
    ("generateintarray", &["1", "9", "2"]),
    ("jsonextractkey", &["", "$.*", "maxDepth=2"]),
    ("jsonextractindex", &["", "$.a", "INT", "0", "\"$.a\" >= 0"]),
    ("jsonextractscalar", &["", "$.a", "INT", "0"]),
    ("jsonpath", &["", "$.a"]), ("jsonpatharray", &["", "$.b"]), ("jsonpatharraydefaultempty", &["", "$.b"]), ("jsonpathdouble", &["", "$.a", "0"]), ("jsonpathexists", &["", "$.a"]),
    ("jsonpathlong", &["", "$.a", "0"]), ("jsonpathstring", &["", "$.a", "x"]),
    ("like", &["", "%1%", "!"]),
    ("normalize", &["", "NFC"]),
    ("regexpextract", &["", "([0-9]+)", "1", "x"]), ("regexplike", &["", "1.*", "i"]),
    ("regexpreplace", &["", "[0-9]", "#", "0", "-1", "i"]),
    ("rounddecimal/2", &["", "2"]), ("truncate/2", &["", "2"]), ("lpad", &["", "20", " "]), ("rpad", &["", "20", " "]),
    ("repeat/2", &["", "3"]), ("repeat/3", &["", ",", "3"]),
    ("timeconvert", &["", "MILLISECONDS", "DAYS"]),
    ("timeseriesbucket", &["", "MILLISECONDS", "1700000000", "3600", "0"]),
    ("timestampadd", &["DAY", "1", ""]), ("timestampdiff", &["DAY", "", ""]), ("timestampdiffmvreverse", &["DAY", "", ""]),
    ("timezonehour", &["UTC", ""]), ("timezoneminute", &["UTC", ""]),
    ("todatetime", &["", "yyyy-MM-dd", "UTC"]),
    ("stpolygon", &["POLYGON ((0 0, 0 1, 1 1, 0 0))"]), ("touuidbytes", &["123e4567-e89b-12d3-a456-426614174000"]),
    ("tothetasketch/2", &["", "4096"]), ("tohll/2", LG_K), ("toull/2", LG_K), ("tocpcsketch/2", LG_K),
    ("tointegersumtuplesketch/3", &["", "", "12"]),
];

/// A value and the binary logarithm of a sketch's entries.
const LG_K: &[&str] = &["", "12"];
/// The nominal entries of a sketch.
const ENTRIES: &[&str] = &["4096"];

/// Arguments that another function makes: (function, which of them, the function that makes them).
#[rustfmt::skip]
const MADE: &[(&str, std::ops::Range<usize>, &str)] = &[
    ("base64decode", 0..1, "base64encode"), ("fromuuidbytes", 0..1, "touuidbytes"),
    ("stgeomfromgeojson", 0..1, "stasgeojson"), ("stgeogfromgeojson", 0..1, "stasgeojson"),
    ("stgeomfromwkb", 0..1, "stasbinary"), ("stgeogfromwkb", 0..1, "stasbinary"),
    ("stastext", 0..1, POINT), ("stasgeojson", 0..1, POINT), ("stasbinary", 0..1, POINT),
    ("tosphericalgeography", 0..1, POINT), ("togeometry", 0..1, "tosphericalgeography"), ("stdistance", 0..2, POINT),
    ("starea", 0..1, POINT), ("stgeometrytype", 0..1, POINT), ("stcontains", 0..2, POINT), ("stwithin", 0..2, POINT),
    ("stequals", 0..2, POINT), ("geotoh3/2", 0..1, "tosphericalgeography"),
    ("griddistance", 0..2, "geotoh3"), ("griddisk", 0..1, "geotoh3"),
    ("getthetasketchestimate", 0..1, THETA), ("thetasketchtostring", 0..1, THETA), ("thetasketchunion", 0..2, THETA),
    ("thetasketchintersect", 0..2, THETA), ("thetasketchdiff", 0..2, THETA),
    ("cpcsketchtostring", 0..1, CPC), ("getcpcsketchestimate", 0..1, CPC), ("cpcsketchunion", 0..2, CPC),
    ("getinttuplesketchestimate", 0..1, TUPLE), ("intsumtuplesketchdiff", 0..2, TUPLE),
    ("intsumtuplesketchunion/2", 0..2, TUPLE), ("intsumtuplesketchunion/3", 1..3, TUPLE),
    ("intmintuplesketchunion/2", 0..2, TUPLE), ("intmintuplesketchunion/3", 1..3, TUPLE),
    ("intmaxtuplesketchunion/2", 0..2, TUPLE), ("intmaxtuplesketchunion/3", 1..3, TUPLE),
    ("intsumtuplesketchintersect", 0..2, TUPLE), ("intmintuplesketchintersect", 0..2, TUPLE),
    ("intmaxtuplesketchintersect", 0..2, TUPLE),
];

const POINT: &str = "stpoint";
const THETA: &str = "tothetasketch";
const CPC: &str = "tocpcsketch";
const TUPLE: &str = "tointegersumtuplesketch";

/// A time and a zone.
const ZONE: &[&str] = &["", "America/Sao_Paulo"];

fn text(index: usize, function: &str) -> String {
    match function {
        name if name.starts_with("json") => format!("{{\"a\":{index},\"b\":[1,2,{index}]}}"),
        name if name.starts_with("st") => format!("POINT ({} {})", index % 90, index % 45),
        name if name.starts_with("ip") => format!("10.1.{}.0/24", index % 256),
        _ => index.to_string(),
    }
}

fn value(data_type: DataType, index: usize, function: &str) -> Value {
    let number = index as i64;
    match data_type {
        DataType::Int => Value::Int(index as i32),
        DataType::Long => Value::Long(1_700_000_000_000 + number * 3_600_001),
        DataType::Float => Value::Float(index as f32 / 7.0),
        DataType::Double => Value::Double(index as f64 / 7.0),
        DataType::BigDecimal => Value::Long(number)
            .cast(DataType::BigDecimal)
            .unwrap_or_default(),
        DataType::Boolean => Value::Boolean(index.is_multiple_of(2)),
        DataType::Timestamp => Value::Timestamp(1_700_000_000_000 + number * 3_600_001),
        DataType::Bytes => Value::Bytes(number.to_be_bytes().to_vec()),
        _ => Value::String(text(index, function)),
    }
}

fn column(column_type: ColumnType, function: &str) -> Block {
    let values: Vec<Value> = (0..BLOCK_ROWS)
        .map(|row| {
            let single = |at: usize| value(column_type.data_type, at % VARIETY, function);
            if column_type.multi {
                Value::Array(column_type.data_type, vec![single(row), single(row + 1)])
            } else {
                single(row)
            }
        })
        .collect();
    Block::from_values(column_type, &values)
}

/// Functions whose first argument must be a list though any type may stand there.
const OF_LISTS: &[&str] = &[
    "arraylength",
    "arraysum",
    "arrayaverage",
    "arraymin",
    "arraymax",
    "valuein",
    "mapvalue",
];

fn argument_type(param: Param) -> ColumnType {
    match param {
        Param::Is(column_type) => column_type,
        Param::Any => DataType::String.into(),
        Param::Number => DataType::Double.into(),
        Param::AnyArray => ColumnType::mv(DataType::Int),
    }
}

fn literal_argument(text: &str, wanted: ColumnType) -> (Argument, Block) {
    let literal = Value::String(text.to_owned());
    if wanted.multi {
        // Arrays of texts come as a column.
        let list = Value::Array(DataType::String, vec![literal]);
        let column_type = ColumnType::mv(DataType::String);
        let argument = Argument {
            column_type,
            literal: None,
        };
        return (
            argument,
            Block::constant(column_type, &list, BLOCK_ROWS).flattened(),
        );
    }
    let literal = literal.cast(wanted.data_type).unwrap_or(literal);
    let column_type = literal.column_type();
    let block = Block::constant(column_type, &literal, BLOCK_ROWS);
    let argument = Argument {
        column_type,
        literal: Some(literal),
    };
    (argument, block)
}

/// Blocks for a row's parameters, with what binding sees of them.
fn arguments(row: &ScalarFunction) -> Vec<(Argument, Block)> {
    let params: Vec<Param> = match row.params {
        Params::Fixed(params) => params.to_vec(),
        Params::Variadic { params, min } => (0..min.max(params.len()))
            .map(|at| params[at.min(params.len() - 1)])
            .collect(),
    };
    let name = row.names[0];
    let plain = name.strip_suffix("mv").unwrap_or(name);
    let overload = format!("{name}/{}", params.len());
    let named = [&overload, name, plain];
    let literals = named
        .iter()
        .find_map(|name| LITERALS.iter().find(|(of, _)| of == name))
        .map(|(_, literals)| *literals);
    let argument = |(at, param): (usize, Param)| {
        let makers = named
            .iter()
            .flat_map(|name| MADE.iter().filter(move |(of, ..)| of == name));
        if let Some((.., maker)) = makers.into_iter().find(|(_, of, _)| of.contains(&at))
            && let Some(made) = made(maker)
        {
            return made;
        }
        if let Some(text) = literals.and_then(|l| l.get(at)).filter(|l| !l.is_empty()) {
            return literal_argument(text, argument_type(param));
        }
        let listed = at == 0 && OF_LISTS.contains(&name);
        let column_type = match listed {
            true => ColumnType::mv(DataType::Int),
            false => argument_type(param),
        };
        (seen(column_type), column(column_type, name))
    };
    params.into_iter().enumerate().map(argument).collect()
}

/// What binding sees of a column.
fn seen(column_type: ColumnType) -> Argument {
    Argument {
        column_type,
        literal: None,
    }
}

/// A column of what a function answers over made-up columns.
fn made(maker: &str) -> Option<(Argument, Block)> {
    let mut rows = FAMILIES.iter().flat_map(|family| family.functions);
    let row = rows.rfind(|row| row.names[0] == maker)?;
    let (bound, blocks) = over_columns(row).ok()?;
    let block = bound.call(&blocks, BLOCK_ROWS, &EvalContext::at(0)).ok()?;
    Some((seen(block.column_type()), block.flattened()))
}

/// Arguments of aggregates, of which the first that binding and rows accept stand: a type's name for a column, anything else
/// is a literal.
const SHAPES: &[&[&str]] = &[
    &["DOUBLE"],
    &["LONG"],
    &["STRING"],
    &["BOOLEAN"],
    &["INT[]"],
    &["DOUBLE", "50"],
    &["INT[]", "50"],
    &["DOUBLE", "DOUBLE"],
    &["STRING", "|"],
    &["DOUBLE", "0", "100", "10"],
    &["DOUBLE", "LONG", "DOUBLE"],
    &["STRING", "STRING"],
    &["LONG", "LONG"],
    &["steps", "BOOLEAN", "BOOLEAN", "correlateby", "LONG"],
    &["LONG", "1000000", "2", "BOOLEAN", "BOOLEAN"],
];

/// An aggregate over made-up columns.
fn bound(row: &AggregateRow) -> Result<(Box<dyn AggregateFunction>, Vec<Block>), String> {
    let mut refusal = "no arguments fit".to_owned();
    for shape in SHAPES {
        let made = shape.iter().enumerate().map(|(at, word)| {
            let (element, multi) = match word.strip_suffix("[]") {
                Some(element) => (element, true),
                None => (*word, false),
            };
            let column_of = element.parse::<DataType>().ok();
            // The third argument of FIRSTWITHTIME names a type.
            let named = at == 2 && *word == "DOUBLE" && shape.len() == 3;
            match column_of.filter(|_| !named) {
                Some(data_type) => {
                    let column_type = ColumnType { data_type, multi };
                    let argument = Argument {
                        column_type,
                        literal: None,
                    };
                    (argument, column(column_type, row.names[0]))
                }
                None => {
                    let literal = word
                        .parse()
                        .map_or_else(|_| Value::String((*word).to_owned()), Value::Int);
                    let column_type = literal.column_type();
                    let block = Block::constant(column_type, &literal, BLOCK_ROWS);
                    (
                        Argument {
                            column_type,
                            literal: Some(literal),
                        },
                        block,
                    )
                }
            }
        });
        let (arguments, blocks): (Vec<Argument>, Vec<Block>) = made.unzip();
        let call = AggregateCall {
            name: row.names[0],
            arguments: &arguments,
            null_handling: false,
            dialect: Dialect::SingleStage,
        };
        let found = aggregate::bind(&call).and_then(|function| {
            let inputs: Vec<Block> = function
                .inputs()
                .into_iter()
                .filter_map(|at| blocks.get(at).cloned())
                .collect();
            let mut states = function.grouped();
            states.grow(1);
            states.update(Groups::One(BLOCK_ROWS), &inputs)?;
            Ok((function, inputs))
        });
        match found {
            Ok(found) => return Ok(found),
            Err(error) => refusal = error.to_string(),
        }
    }
    Err(refusal)
}

/// Rows per second of an aggregate whose rows are in that many groups.
fn aggregated(
    function: &dyn AggregateFunction,
    inputs: &[Block],
    groups: usize,
    rows: usize,
) -> Result<f64, String> {
    let numbers: Vec<u32> = (0..BLOCK_ROWS)
        .map(|row| (row * 31 % groups) as u32)
        .collect();
    let of = if groups == 1 {
        Groups::One(BLOCK_ROWS)
    } else {
        Groups::Each(&numbers)
    };
    let mut states = function.grouped();
    states.grow(groups);
    let started = Instant::now();
    let (mut done, limit) = (0, std::time::Duration::from_secs(1));
    while done < rows && started.elapsed() < limit {
        states.update(of, inputs).map_err(|e| e.to_string())?;
        done += BLOCK_ROWS;
    }
    std::hint::black_box(states.finish(0));
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

/// A function bound to made-up columns.
fn over_columns(row: &'static ScalarFunction) -> Result<(BoundScalar, Vec<Block>), String> {
    let role = match row.role {
        Role::Scalar => Role::Scalar,
        _ => Role::Transform,
    };
    let (seen, blocks): (Vec<Argument>, Vec<Block>) = arguments(row).into_iter().unzip();
    let bound = bind(row.names[0], &seen, role).map_err(|e| e.to_string())?;
    Ok((bound, blocks))
}

/// Rows per second, or why there are none.
fn measure(row: &'static ScalarFunction, rows: usize) -> Result<f64, String> {
    let (bound, blocks) = over_columns(row)?;
    let context = EvalContext::at(0);
    let call = || {
        bound
            .call(&blocks, BLOCK_ROWS, &context)
            .map_err(|e| e.to_string())
    };
    call()?;
    let started = Instant::now();
    let (mut done, limit) = (0, std::time::Duration::from_secs(2));
    while done < rows && started.elapsed() < limit {
        std::hint::black_box(call()?);
        done += BLOCK_ROWS;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

/// Names with their nanoseconds per row.
type Measured = Vec<(String, f64)>;

/// A line per scalar function.
fn scalars(
    out: &mut impl Write,
    rows: usize,
    wanted: impl Fn(&str) -> bool,
) -> std::io::Result<Measured> {
    let mut measured = Measured::new();
    for row in FAMILIES.iter().flat_map(|family| family.functions) {
        let name = row.names[0];
        // Its very purpose is to take time.
        if name == "sleep" || !wanted(name) {
            continue;
        }
        let label = format!("{name}/{}", arguments(row).len());
        match measure(row, rows) {
            Ok(speed) => {
                let ns = 1e9 / speed;
                writeln!(out, "{label:32} {ns:>10.1} ns/row")?;
                measured.push((label, ns));
            }
            Err(why) => skipped(out, &label, &why)?,
        }
    }
    Ok(measured)
}

fn skipped(out: &mut impl Write, label: &str, why: &str) -> std::io::Result<()> {
    let why = why.lines().next().unwrap_or_default();
    writeln!(out, "{label:32}      skipped: {why}")
}

/// A line per aggregate; answers what each takes in one group.
fn aggregates(
    out: &mut impl Write,
    rows: usize,
    wanted: impl Fn(&str) -> bool,
) -> std::io::Result<Measured> {
    let mut measured = Measured::new();
    for row in aggregate::FAMILIES.iter().flat_map(|family| family.iter()) {
        let name = row.names[0];
        if !wanted(name) {
            continue;
        }
        let speeds = bound(row).and_then(|(function, inputs)| {
            let one = aggregated(function.as_ref(), &inputs, 1, rows)?;
            let many = aggregated(function.as_ref(), &inputs, GROUPS, rows)?;
            Ok((1e9 / one, 1e9 / many))
        });
        match speeds {
            Ok((one, many)) => {
                writeln!(out, "{name:32} {one:>10.1} ns/row, in groups {many:>10.1}")?;
                measured.push((name.to_owned(), one));
            }
            Err(why) => skipped(out, name, &why)?,
        }
    }
    Ok(measured)
}

/// The slow ones below their reasons, slowest first.
fn explained(out: &mut impl Write, mut measured: Measured) -> std::io::Result<()> {
    measured.retain(|(_, ns)| 1e9 / ns < slow::GOAL);
    measured.sort_by(|a, b| b.1.total_cmp(&a.1));
    let (goal, count) = (slow::GOAL / 1e6, measured.len());
    writeln!(
        out,
        "\nbelow {goal:.0} million rows a second on one core: {count}"
    )?;
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, ns) in &measured {
        let reason = slow::reason(name).unwrap_or("no reason is known");
        let names = by_reason.entry(reason).or_default();
        names.push(format!("{name} {ns:.0} ns"));
    }
    for (reason, names) in by_reason {
        writeln!(out, "- {reason}: {}", names.join(", "))?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let rows = args
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(DEFAULT_ROWS);
    let only = args.next();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let mut out = std::io::stdout().lock();
    let mut measured = scalars(&mut out, rows, wanted)?;
    measured.extend(aggregates(&mut out, rows, wanted)?);
    explained(&mut out, measured)
}
