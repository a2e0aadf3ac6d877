//! Random queries of our own making: relations between our answers always, a real Pinot's answers where one is up, and
//! damaged SQL text that nothing may break at.
//!
//! `TOURIGA_FUZZ_SEED` begins elsewhere, `TOURIGA_FUZZ_SECONDS` goes on for longer; `TOURIGA_PINOT_BROKER=host:port` names a
//! Pinot that holds the own data sets, `TOURIGA_PINOT_ANSWERS=FILE` keeps its answers for the next run, `TOURIGA_FUZZ_FINDINGS` is how
//! many findings end a run, `TOURIGA_RECORD=FILE` writes the answers as a suite. A difference that no rule of `known` explains is
//! a finding; it names its seed and the smallest query that still shows it. Must not know: any single query. Invariant: equal seeds ask equal queries.

mod asking;
mod difference;
mod families;
mod further;
mod generator;
mod known;
mod node;
mod relations;
mod text;
mod unasked;
mod vocabulary;
mod wide;
mod written;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::conformance::compare;
use families::Statement;
use generator::{Generator, Query};
use relations::Relation;
use written::Written;

/// Steps that making a finding smaller may take, unless `TOURIGA_FUZZ_SHRINKS` says otherwise.
const SHRINKS: u64 = 200;
/// Findings that are collected before a run gives up.
const FINDINGS: u64 = 25;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Seeds of a run: at least `usual`, and then until the time is over.
struct Seeds {
    next: u64,
    last: u64,
    until: Instant,
}

impl Seeds {
    fn new(usual: u64) -> Self {
        let first = setting("TOURIGA_FUZZ_SEED").unwrap_or(1);
        let seconds = setting("TOURIGA_FUZZ_SECONDS").unwrap_or(0);
        Self {
            next: first,
            last: first.saturating_add(usual),
            until: Instant::now() + Duration::from_secs(seconds),
        }
    }
}

impl Iterator for Seeds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let seed = self.next;
        self.next += 1;
        (seed < self.last || Instant::now() < self.until).then_some(seed)
    }
}

/// What can be asked with less in it.
trait Smaller: Clone {
    fn shrunk(&self) -> Vec<Self>;
}

impl Smaller for Query {
    fn shrunk(&self) -> Vec<Self> {
        self.shrunk()
    }
}

/// The smallest query found that still fails, with what it says.
fn smallest<Q: Smaller>(
    query: Q,
    said: String,
    fails: &dyn Fn(&Q) -> Option<String>,
) -> (Q, String) {
    let most = setting("TOURIGA_FUZZ_SHRINKS").unwrap_or(SHRINKS);
    let (mut best, mut reason, mut steps) = (query, said, 0);
    'smaller: loop {
        for candidate in best.shrunk() {
            steps += 1;
            if steps > most {
                return (best, reason);
            }
            if let Some(said) = fails(&candidate) {
                (best, reason) = (candidate, said);
                continue 'smaller;
            }
        }
        return (best, reason);
    }
}

#[test]
fn relations_hold() -> Result<()> {
    let mut findings = String::new();
    let (mut asked, mut found) = (0_u64, 0);
    for seed in Seeds::new(40) {
        let relation = Relation::ALL[seed as usize % Relation::ALL.len()];
        let portable = !matches!(relation, Relation::Indexes | Relation::Pages);
        let query = Generator::of_any_table(seed, portable).query();
        asked += 1;
        let fails = |query: &Query| relation.check(query).err();
        let Some(said) = fails(&query) else {
            continue;
        };
        let (_, said) = smallest(query, said, &fails);
        writeln!(findings, "TOURIGA_FUZZ_SEED={seed} {relation:?}\n{said}\n")?;
        found += 1;
        if found == FINDINGS {
            break;
        }
    }
    println!("{asked} queries, {found} findings");
    anyhow::ensure!(findings.is_empty(), "{findings}");
    Ok(())
}

/// A query of one of the forms.
#[derive(Clone)]
enum Asked {
    Query(Query),
    Statement(Statement),
    Written(Written),
}

impl Asked {
    /// A third of the seeds ask for a statement of a family, another one for a query as users write them.
    fn new(seed: u64) -> Self {
        let mut generator = Generator::beside_pinot(seed);
        let multi = seed % 2 == 1;
        match seed / 4 % 3 {
            0 => Self::Query(generator.query()),
            1 => Self::Statement(generator.statement(multi)),
            _ => Self::Written(Written::new(seed, multi)),
        }
    }

    fn tables(&self) -> Vec<&'static str> {
        match self {
            Self::Query(query) => vec![query.table.name],
            Self::Statement(statement) => vec![statement.table.name],
            Self::Written(written) => written.tables.iter().copied().collect(),
        }
    }

    /// The query as it is sent: engine and null handling by the seed.
    fn sent(&self, seed: u64) -> (String, bool) {
        let multi = seed % 2 == 1;
        let nulls = if seed % 3 == 2 {
            "SET enableNullHandling=true; "
        } else {
            ""
        };
        let engine = if multi {
            "SET useMultistageEngine=true; "
        } else {
            ""
        };
        let sql = match self {
            Self::Query(query) => query.sql(),
            Self::Statement(statement) => statement.node.sql(),
            Self::Written(written) => written.sql(),
        };
        (format!("{nulls}{engine}{sql}"), multi)
    }

    /// True where only a refusal is compared.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Statement(statement) if statement.refusal)
    }
}

impl Smaller for Asked {
    fn shrunk(&self) -> Vec<Self> {
        match self {
            Self::Query(query) => query.shrunk().into_iter().map(Self::Query).collect(),
            Self::Statement(statement) => {
                let all = statement.shrunk().into_iter();
                all.map(Self::Statement).collect()
            }
            Self::Written(written) => written.shrunk().into_iter().map(Self::Written).collect(),
        }
    }
}

/// A line of a suite.
fn case(seed: u64, query: &Asked, sql: &str, expect: Json) -> Json {
    /// What estimates, and by how much it may differ.
    const ESTIMATES: &[&str] = &["TDIGEST(", "KLL("];
    let engine = if seed % 2 == 1 {
        "multi-stage"
    } else {
        "single"
    };
    let mut case = json!({"id": format!("generated-{seed:06}"), "sql": sql, "datasets": query.tables(), "ordered": true,
        "tags": ["generated", engine], "expect": expect});
    if ESTIMATES.iter().any(|name| sql.contains(name)) {
        case["rel"] = json!(0.05);
    }
    case
}

/// How our answer differs. Of a statement with a mistake, whether it is refused, names and types.
fn difference(asked: &Asked, case: &Json, ours: &asking::Answer) -> Option<String> {
    match ours {
        Ok(table) if asked.is_refusal() && case["expect"]["error"].is_null() => {
            let mut without_rows = case.clone();
            without_rows["expect"]["rows"] = json!(asking::cells(table));
            compare::difference(&without_rows, ours)
        }
        _ => compare::difference(case, ours),
    }
}

/// The queries alone, to be asked by other means.
#[test]
fn queries_are_listed() -> Result<()> {
    let Some(path) = std::env::var_os("TOURIGA_LIST") else {
        return Ok(());
    };
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for seed in Seeds::new(setting("TOURIGA_LIST_COUNT").unwrap_or(1000)) {
        let query = Asked::new(seed);
        let (sql, _) = query.sent(seed);
        let mut line = case(seed, &query, &sql, Json::Null);
        if query.is_refusal() {
            line["refusal"] = json!(true);
        }
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// What a run beside a Pinot found.
#[derive(Default)]
struct Found {
    asked: u64,
    differed: u64,
    unexplained: u64,
    /// Differences by the rule that knows them.
    rules: BTreeMap<&'static str, u64>,
    findings: String,
}

impl Found {
    fn note(&mut self, seed: u64, said: &str) -> Result<()> {
        println!("TOURIGA_FUZZ_SEED={seed}\n{said}\n");
        writeln!(self.findings, "TOURIGA_FUZZ_SEED={seed}\n{said}\n")?;
        self.unexplained += 1;
        Ok(())
    }

    fn print(&self) {
        for (rule, count) in &self.rules {
            println!("{count:6}  {rule}");
        }
        let (asked, differed, unexplained) = (self.asked, self.differed, self.unexplained);
        println!("{asked} queries, {differed} differences, {unexplained} unexplained");
    }
}

#[test]
fn a_real_pinot_answers_the_same() -> Result<()> {
    let Some(peer) = asking::Peer::named()? else {
        return Ok(());
    };
    let mut record = match std::env::var_os("TOURIGA_RECORD") {
        Some(path) => Some(std::fs::File::create(path)?),
        None => None,
    };
    let most = setting("TOURIGA_FUZZ_FINDINGS").unwrap_or(FINDINGS);
    let mut found = Found::default();
    for seed in Seeds::new(100) {
        let query = Asked::new(seed);
        let answered = |query: &Asked| {
            let (sql, multi) = query.sent(seed);
            if unasked::is_unasked(&sql) {
                return None;
            }
            let case = case(seed, query, &sql, peer.answer(&sql)?);
            let ours = asking::ours(&sql, multi);
            let said = difference(query, &case, &ours);
            let said = said.map(|said| (known::rule(&case, &ours), told(&case, &said)));
            Some((case, said))
        };
        let Some((line, difference)) = answered(&query) else {
            continue;
        };
        found.asked += 1;
        if let Some(file) = &mut record {
            writeln!(file, "{line}")?;
        }
        let Some((rule, said)) = difference else {
            continue;
        };
        found.differed += 1;
        if let Some(rule) = rule {
            *found.rules.entry(rule).or_default() += 1;
            continue;
        }
        let whole = is_ordered(&query.sent(seed).0);
        let fails = |query: &Asked| {
            if whole && !is_ordered(&query.sent(seed).0) {
                return None;
            }
            match answered(query)?.1? {
                (None, said) => Some(said),
                (Some(_), _) => None,
            }
        };
        let (_, said) = smallest(query, said, &fails);
        found.note(seed, &said)?;
        if found.unexplained == most && record.is_none() {
            break;
        }
    }
    found.print();
    anyhow::ensure!(found.findings.is_empty(), "{}", found.findings);
    Ok(())
}

/// True where the rows have an order: ORDER BY behind which no parenthesis is closed that it does not open.
fn is_ordered(sql: &str) -> bool {
    let Some((_, behind)) = sql.rsplit_once(" ORDER BY ") else {
        return false;
    };
    let mut open = 0_usize;
    behind.chars().all(|found| match found {
        '(' => {
            open += 1;
            true
        }
        ')' => {
            open = open.wrapping_sub(1);
            open != usize::MAX
        }
        _ => true,
    })
}

/// A difference with the query, and Pinot's message where it refuses.
fn told(case: &Json, said: &str) -> String {
    let sql = case["sql"].as_str().unwrap_or_default();
    let message = case["expect"]["message"].as_str().unwrap_or_default();
    match message.lines().next() {
        Some(line) => format!("{sql}\n{said}\nPinot: {line}"),
        None => format!("{sql}\n{said}"),
    }
}
