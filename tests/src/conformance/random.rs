//! Random SQL: no text makes the parser, the planner or a kernel panic, and indexes change no answer.
//!
//! Must not know: what a query should answer. Invariant: every run asks other queries; a failure shows its smallest form.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use functions::scalar::{FAMILIES, Params};
use proptest::prelude::*;
use query::Plan;
use sql::{Options, Statement};

use super::dataset::{self, Dataset};
use super::{NOW_MS, ask, root};

const COLUMNS: &[&str] = &[
    "pk",
    "int_col",
    "long_col",
    "float_col",
    "double_col",
    "big_col",
    "bool_col",
    "ts_col",
    "str_col",
    "json_col",
    "bytes_col",
    "mv_int",
    "mv_long",
    "mv_double",
    "mv_str",
    "low_col",
    "day_str",
    "lat",
    "nope",
    "$docId",
];
const LITERALS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2147483648",
    "-9223372036854775808",
    "1.5",
    "1e400",
    "NULL",
    "true",
    "''",
    "'a'",
    "'1'",
    "'DAYS'",
    "'$.a[*]'",
    "'%x_'",
    "'[('",
    "'yyyy-MM-dd'",
    "'1:DAYS:EPOCH'",
    "X'0a'",
    "ARRAY[1, 2]",
    "'America/Sao_Paulo'",
    "'POINT (1 2)'",
    "9223372036854775807",
    "'é'",
];
const PIECES: &[&str] = &[
    "SELECT ",
    "DISTINCT ",
    "*",
    " FROM alltypes",
    " FROM (",
    " WHERE ",
    " GROUP BY ",
    " ORDER BY ",
    " HAVING ",
    " LIMIT ",
    " OFFSET ",
    " DESC",
    " NULLS FIRST",
    "COUNT(*)",
    "SUM(",
    "PERCENTILE(",
    "FUNNELCOUNT(STEPS(",
    "GAPFILL(",
    "FILL(",
    "TIMESERIESON(",
    " FILTER (WHERE ",
    "CAST(",
    " AS ",
    "INT",
    "EXTRACT(YEAR FROM ",
    "CASE",
    " WHEN ",
    " THEN ",
    " ELSE ",
    " END",
    " AND ",
    " OR ",
    " NOT ",
    " IN ",
    " BETWEEN ",
    " LIKE ",
    " ESCAPE ",
    " IS NULL",
    "=",
    "==",
    "<",
    ">=",
    "<>",
    "+",
    "-",
    "/",
    "%",
    "||",
    "(",
    ")",
    ", ",
    "[",
    "]",
    ".",
    "\"",
    "'",
    "--",
    "/*",
    ";",
    "SET a = b;",
    "OPTION(",
    "EXPLAIN PLAN FOR ",
    "\n",
    "é",
    "\u{0}",
];

fn schema() -> Option<&'static common::Schema> {
    datasets().get("alltypes").map(|dataset| &dataset.schema)
}

fn datasets() -> &'static BTreeMap<String, Dataset> {
    static DATASETS: OnceLock<BTreeMap<String, Dataset>> = OnceLock::new();
    DATASETS.get_or_init(|| dataset::load_all(&root().join("datasets")).unwrap_or_default())
}

/// Takes a text as far as it goes without rows.
fn plan(text: &str) {
    let Ok(statement) = Statement::split(text, &Options::default()) else {
        return;
    };
    let _ = sql::gapfill::split(&statement);
    if let (Ok(query), Some(schema)) = (sql::parse::query(&statement, NOW_MS), schema()) {
        let _ = Plan::new(query, schema, NOW_MS);
    }
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => prop::sample::select(PIECES).prop_map(str::to_owned),
        2 => prop::sample::select(COLUMNS).prop_map(str::to_owned),
        1 => prop::sample::select(LITERALS).prop_map(str::to_owned),
        1 => function().prop_map(|(name, _)| format!("{name}(")),
    ];
    prop::collection::vec(word, 1..24).prop_map(|parts| parts.concat())
}

/// A scalar function and how many arguments it takes.
fn function() -> impl Strategy<Value = (&'static str, usize)> {
    let all: Vec<(&'static str, usize)> = FAMILIES
        .iter()
        .flat_map(|family| family.functions)
        .filter(|row| row.names[0] != "sleep")
        .map(|row| {
            let count = match row.params {
                Params::Fixed(params) => params.len(),
                Params::Variadic { min, .. } => min.max(2),
            };
            (row.names[0], count)
        })
        .collect();
    prop::sample::select(all)
}

fn operand() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(COLUMNS).prop_map(str::to_owned),
        prop::sample::select(LITERALS).prop_map(str::to_owned),
    ]
}

/// A call with the right number of arguments of any types, perhaps nested.
fn call() -> impl Strategy<Value = String> {
    operand().prop_recursive(3, 12, 4, |inner| {
        (function(), prop::collection::vec(inner, 5)).prop_map(|((name, count), args)| {
            format!("\"{name}\"({})", args[..count.min(5)].join(", "))
        })
    })
}

/// A condition on columns that every data set of all types has.
fn condition() -> impl Strategy<Value = String> {
    let single = prop_oneof![
        ("(int_col|pk|day_epoch)", -40_i32..4000).prop_map(|(c, v)| (c, v.to_string())),
        ("(low_col|str_col)", "(v[0-4]|Gama|alfa|x)").prop_map(|(c, v)| (c, format!("'{v}'"))),
        ("(mv_int|mv_long)", 0_i64..100).prop_map(|(c, v)| (c, v.to_string())),
        ("(lat|double_col|float_col)", -50_i32..50).prop_map(|(c, v)| (c, format!("{v}.5"))),
    ];
    let test = (
        single,
        prop::sample::select(&["=", "<>", "<", ">=", "IN", "NOT IN", "BETWEEN", "IS NULL"][..]),
    );
    let leaf = test.prop_map(|((column, value), operator)| match operator {
        "IN" | "NOT IN" => format!("{column} {operator} ({value}, {value})"),
        "BETWEEN" => format!("{column} BETWEEN {value} AND {value}"),
        "IS NULL" => format!("{column} IS NULL"),
        _ => format!("{column} {operator} {value}"),
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        (
            prop::collection::vec(inner, 1..4),
            prop::sample::select(&[" AND ", " OR "][..]),
            any::<bool>(),
        )
            .prop_map(|(parts, joint, negated)| {
                let all = format!("({})", parts.join(joint));
                if negated { format!("NOT {all}") } else { all }
            })
    })
}

/// Cases of a test; `PROPTEST_CASES` asks for more.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(usual),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn no_text_makes_the_planner_panic() {
    assert!(schema().is_some());
    proptest!(cases(2000), |(text in words(), head in any::<bool>())| {
        plan(&if head { format!("SELECT {text} FROM alltypes") } else { text });
    });
}

#[test]
fn no_call_makes_a_kernel_panic() {
    assert!(datasets().contains_key("alltypes_nulls"));
    let options = Options::default();
    proptest!(cases(400), |(expression in call(), nulls in any::<bool>())| {
        let set = if nulls { "SET enableNullHandling=true; " } else { "" };
        let sql = format!("{set}SELECT {expression} FROM alltypes_nulls WHERE pk < 40 LIMIT 40");
        let _ = ask(&sql, &options, datasets());
        let sql = format!("{set}SELECT {expression}, COUNT(*) FROM alltypes_nulls WHERE pk < 40 GROUP BY {expression}");
        let _ = ask(&sql, &options, datasets());
    });
}

/// Without null handling: with it, a test that no value of a dictionary passes is false for nulls instead of unknown, as
/// in Pinot, so that there an index does change what NOT of it answers.
#[test]
fn indexes_change_no_answer() {
    assert!(datasets().contains_key("alltypes_idx"));
    let options = Options::default();
    proptest!(cases(200), |(condition in condition())| {
        let of = |table: &str| {
            let sql = format!("SELECT COUNT(*), SUM(pk), MIN(lat) FROM {table} WHERE {condition}");
            ask(&sql, &options, datasets()).map(|t| t.rows).map_err(|e| e.code)
        };
        prop_assert_eq!(of("alltypes_nulls"), of("alltypes_idx"), "{}", condition);
    });
}
