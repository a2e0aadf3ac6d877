//! Damaged SQL text: the recorded queries with words lost, doubled, swapped and taken from others, through both engines.
//!
//! Must not know: what a query answers. Invariant: a text is answered or refused within `PATIENCE`; nothing panics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::asking::{is_panic, ours_over};
use super::{Random, Seeds, setting};
use crate::conformance::dataset::{self, Dataset};
use crate::conformance::root;

/// Rows of every table.
const ROWS: usize = 40;
/// Longest time that a query over so few rows may take.
const PATIENCE: Duration = Duration::from_secs(20);

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "2147483647",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775808",
    "1e308",
    "1e-400",
    "0.1",
    "-0.0",
    "NULL",
    "99999999999999999999999999999999999999999999999999",
];
const TEXTS: &[&str] = &[
    "''",
    "'\u{0}'",
    "'ß\u{1F600}é'",
    "'%'",
    "'['",
    "'(a+)+$'",
    "'yyyy-MM-dd''T''HH:mm:ss.SSSZ'",
    "'1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd'",
    "'P1Y'",
    "'9999999999999999999999'",
    "'$..a[?(@.b > 1)]'",
    "'{\"a\":[1,{\"b\":null}]}'",
    "'POLYGON ((0 0, 1 1, 0 1, 0 0))'",
    "'ffffffff'",
    "'Mars/Olympus'",
];
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "DISTINCT",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "IS NULL",
    "BETWEEN",
    "IN",
    "LIKE",
    "CASE WHEN",
    "END",
    "OVER (",
    "PARTITION BY",
    "UNION ALL",
    "INTERSECT",
    "JOIN",
    "ON",
    "FILTER (WHERE",
    "ARRAY[",
    "]",
    "(",
    ")",
    ",",
    "*",
    "-",
    "/",
    "%",
    "||",
    "=",
    "<>",
    "::",
    "--",
    "/*",
    "\"",
    "'",
    "`",
    ";",
    "@",
    "?",
    "\u{0}",
    "é",
    "EXPLAIN PLAN FOR",
    "WITH x AS (",
    "CAST(",
    "AS INT",
    "INTERVAL '1' DAY",
    "EXTRACT(",
    "X'0g'",
    "SET a = 1;",
    "OPTION(timeoutMs=1)",
];

/// Words, numbers, texts and signs of a query, with the spaces before them.
fn pieces(sql: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let end = match first {
            '\'' => rest[1..].find('\'').map_or(rest.len(), |at| at + 2),
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            c if c.is_whitespace() => rest
                .find(|c: char| !c.is_whitespace())
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(end);
        out.push(piece);
        rest = after;
    }
    out
}

/// A damaged copy of one of the queries.
fn damaged(queries: &[String], random: &mut Random) -> String {
    let query = |random: &mut Random| &queries[random.below(queries.len() as u64) as usize];
    let mut all: Vec<String> = pieces(query(random))
        .iter()
        .map(ToString::to_string)
        .collect();
    for _ in 0..1 + random.below(4) {
        let len = all.len() as u64;
        let (at, other) = (random.below(len) as usize, random.below(len) as usize);
        match random.below(12) {
            0 => drop(all.remove(at)),
            1 => all.insert(at, all[other].clone()),
            2 => all.swap(at, other),
            3 | 4 => {
                let donors = pieces(query(random));
                let donor = random.below(donors.len() as u64) as usize;
                all[at] = donors[donor].to_owned();
            }
            5 => {
                let donors = pieces(query(random));
                let from = random.below(donors.len() as u64) as usize;
                let to = (from + 1 + random.below(8) as usize).min(donors.len());
                all.insert(at, format!(" {} ", donors[from..to].concat()));
            }
            6 => replace(&mut all, at, NUMBERS, random, |p| {
                p.starts_with(|c: char| c.is_ascii_digit())
            }),
            7 => replace(&mut all, at, TEXTS, random, |p| p.starts_with('\'')),
            8 => {
                let word = random.pick(WORDS);
                all.insert(at, format!(" {word} "));
            }
            9 => all.truncate(at.max(1)),
            10 => {
                let times = 1 + random.below(300) as usize;
                all[at] = format!("{}{}{}", "(".repeat(times), all[at], ")".repeat(times));
            }
            _ => {
                let (from, to) = (at.min(other), at.max(other));
                let copied = all[from..to].concat();
                all.insert(to, copied);
            }
        }
        if all.is_empty() {
            break;
        }
    }
    all.concat()
}

/// Puts something else in place of the first fitting piece from a position on.
fn replace(
    all: &mut [String],
    from: usize,
    by: &[&str],
    random: &mut Random,
    fits: impl Fn(&str) -> bool,
) {
    let found = all.iter_mut().skip(from).find(|piece| fits(piece));
    if let Some(piece) = found {
        *piece = random.pick(by).to_owned();
    }
}

fn queries() -> Result<Vec<String>> {
    let suites = dataset::suites(&root().join("suites"))?;
    let cases = suites.values().flatten();
    Ok(cases
        .filter_map(|case| case["sql"].as_str().map(str::to_owned))
        .collect())
}

/// Asks one text as its own options say, and of the other engine too.
fn ask(sql: &str, datasets: &Arc<BTreeMap<String, Dataset>>) -> Result<(), String> {
    for multi in [false, true] {
        let began = Instant::now();
        if is_panic(&ours_over(sql, multi, datasets)) {
            return Err(format!("panics, multi-stage {multi}"));
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("takes {:?}, multi-stage {multi}", began.elapsed()));
        }
    }
    Ok(())
}

/// The text with every piece left out that it fails without.
fn smallest(sql: String, datasets: &Arc<BTreeMap<String, Dataset>>) -> String {
    let mut all: Vec<String> = pieces(&sql).iter().map(ToString::to_string).collect();
    let mut width = all.len() / 2;
    while width > 0 {
        let mut at = 0;
        while at + width <= all.len() {
            let mut fewer = all.clone();
            fewer.drain(at..at + width);
            match ask(&fewer.concat(), datasets) {
                Err(said) if said.starts_with("panics") => all = fewer,
                _ => at += width,
            }
        }
        width /= 2;
    }
    all.concat()
}

#[test]
fn damaged_text_is_answered_or_refused() -> Result<()> {
    let folder = root().join("datasets");
    let datasets = Arc::new(dataset::load_some(&folder, ROWS).context("data sets")?);
    let queries = queries()?;
    let print = setting("TOURIGA_FUZZ_SECONDS").is_some();
    let (mut count, mut findings) = (0_u64, Vec::new());
    for seed in Seeds::new(150) {
        let sql = damaged(&queries, &mut Random(seed));
        count += 1;
        if let Err(said) = ask(&sql, &datasets) {
            let finding = match said.starts_with("panics") {
                true => format!(
                    "TOURIGA_FUZZ_SEED={seed} {said}: {}",
                    smallest(sql, &datasets)
                ),
                false => format!("TOURIGA_FUZZ_SEED={seed} {said}: {sql}"),
            };
            if print {
                println!("{finding}");
            }
            findings.push(finding);
        }
    }
    println!("{count} texts, {} findings", findings.len());
    anyhow::ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}
