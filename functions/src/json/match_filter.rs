//! JSON_MATCH: a filter over the flattened records of a document.
//!
//! Must not know: indexes, columns. Invariant: conditions joined by AND hold on the same record; a document matches where
//! one record does, except for IS NULL, which holds where no record has the key.

use common::cast::parse_double;
use common::value::compare_text;
use fancy_regex::Regex;

use super::flatten::{Record, flatten, search_key};
use super::match_parse;
use crate::FunctionError;

/// A node of the filter.
#[derive(Debug, Clone)]
pub(super) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(String, Test),
}

/// What is asked of the value at a path.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// Equal to one of these texts.
    In(Vec<String>),
    /// There, and equal to none of these texts.
    NotIn(Vec<String>),
    IsNull,
    IsNotNull,
    Range(Option<Bound>, Option<Bound>),
    /// The pattern takes up the whole value.
    Regexp(Box<Regex>),
}

/// A side of a range.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    text: String,
    number: Option<f64>,
    inclusive: bool,
}

impl Bound {
    /// `numeric` compares as doubles, else as text.
    pub(super) fn new(text: String, inclusive: bool, numeric: bool) -> Self {
        let number = if numeric { parse_double(&text) } else { None };
        Self {
            text,
            number,
            inclusive,
        }
    }

    /// How a value lies to the bound; `None` where a number is asked for and the value is none.
    fn order(&self, value: &str) -> Option<std::cmp::Ordering> {
        match self.number {
            Some(bound) => Some(parse_double(value.trim())?.total_cmp(&bound)),
            None => Some(compare_text(value, &self.text)),
        }
    }
}

impl Test {
    /// `None` where the pattern is none.
    pub(super) fn regexp(pattern: &str, ignore_case: bool) -> Option<Self> {
        let flags = if ignore_case { "(?i)" } else { "" };
        Regex::new(&format!("{flags}^(?:{pattern})$"))
            .ok()
            .map(|regex| Self::Regexp(Box::new(regex)))
    }

    /// LIKE is turned into a regular expression without its outer `%`, which then has to take up the whole value: so
    /// `'a%'` only finds `a`. That is what Pinot answers.
    pub(super) fn like(pattern: &str) -> Option<Self> {
        let inner = pattern.trim_start_matches('%').trim_end_matches('%');
        let expression: String = inner
            .chars()
            .map(|c| match c {
                '%' => ".*".to_owned(),
                '_' => ".".to_owned(),
                c => regex::escape(c.encode_utf8(&mut [0; 4])),
            })
            .collect();
        Self::regexp(&expression, true)
    }

    fn holds(&self, value: &str) -> bool {
        match self {
            Self::In(values) => values.iter().any(|v| v == value),
            Self::NotIn(values) => values.iter().all(|v| v != value),
            Self::IsNull | Self::IsNotNull => true,
            Self::Range(low, high) => {
                low.as_ref().is_none_or(|bound| {
                    bound
                        .order(value)
                        .is_some_and(|o| o.is_gt() || (bound.inclusive && o.is_eq()))
                }) && high.as_ref().is_none_or(|bound| {
                    bound
                        .order(value)
                        .is_some_and(|o| o.is_lt() || (bound.inclusive && o.is_eq()))
                })
            }
            Self::Regexp(regex) => regex.is_match(value).unwrap_or(false),
        }
    }
}

/// A compiled filter.
#[derive(Debug, Clone)]
pub struct JsonMatch {
    root: Compiled,
}

/// Documents that can match, told by the keys and values of their records; more may be among them than do match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// Every document.
    All,
    /// Documents with that key.
    Key(String),
    /// Documents with that key and one of these values.
    Values(String, Vec<String>),
    /// All of them.
    And(Vec<Candidates>),
    /// Any of them.
    Or(Vec<Candidates>),
}

/// A node with its paths turned into keys.
#[derive(Debug, Clone)]
enum Compiled {
    And(Vec<Compiled>),
    Or(Vec<Compiled>),
    Not(Box<Compiled>),
    Test(Condition),
}

#[derive(Debug, Clone)]
struct Condition {
    key: String,
    positions: Vec<(String, String)>,
    test: Test,
}

impl JsonMatch {
    /// Compiles a filter.
    ///
    /// # Errors
    /// Where the text is no filter, or nests IS NULL.
    pub fn parse(text: &str) -> Result<Self, FunctionError> {
        let node = match_parse::parse(text)
            .ok_or_else(|| FunctionError::Argument(format!("Invalid json match filter: {text}")))?;
        let root = match node {
            Node::Test(path, test @ Test::IsNull) => Compiled::Test(Condition::new(&path, test)?),
            node => Compiled::new(node)?,
        };
        Ok(Self { root })
    }

    /// True where the document matches. Text that is no JSON has no records and only matches IS NULL.
    #[must_use]
    pub fn matches(&self, json: &str) -> bool {
        self.matches_records(&flatten(json))
    }

    /// The same over the document's records.
    #[must_use]
    pub fn matches_records(&self, records: &[Record]) -> bool {
        if let Compiled::Test(condition) = &self.root
            && matches!(condition.test, Test::IsNull)
        {
            return !records.iter().any(|record| condition.holds(record));
        }
        records.iter().any(|record| self.root.holds(record))
    }

    /// Where to look for matching documents.
    #[must_use]
    pub fn candidates(&self) -> Candidates {
        self.root.candidates()
    }

    /// True where one record matches; what jsonExtractIndex filters by.
    #[must_use]
    pub fn matches_record(&self, record: &Record) -> bool {
        self.root.holds(record)
    }
}

impl Compiled {
    fn new(node: Node) -> Result<Self, FunctionError> {
        let all = |nodes: Vec<Node>| nodes.into_iter().map(Self::new).collect::<Result<_, _>>();
        Ok(match node {
            Node::And(nodes) => Self::And(all(nodes)?),
            Node::Or(nodes) => Self::Or(all(nodes)?),
            Node::Not(node) => Self::Not(Box::new(Self::new(*node)?)),
            Node::Test(path, Test::IsNull) => {
                return Err(FunctionError::Evaluation(format!(
                    "Exclusive predicate: {path} IS NULL cannot be nested"
                )));
            }
            Node::Test(path, test) => Self::Test(Condition::new(&path, test)?),
        })
    }

    fn candidates(&self) -> Candidates {
        let of = |nodes: &[Self]| nodes.iter().map(Self::candidates).collect();
        match self {
            Self::And(all) => Candidates::And(of(all)),
            Self::Or(any) => Candidates::Or(of(any)),
            Self::Not(_) => Candidates::All,
            Self::Test(condition) => match &condition.test {
                Test::IsNull => Candidates::All,
                Test::In(values) => Candidates::Values(condition.key.clone(), values.clone()),
                _ => Candidates::Key(condition.key.clone()),
            },
        }
    }

    fn holds(&self, record: &Record) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(record)),
            Self::Or(any) => any.iter().any(|one| one.holds(record)),
            Self::Not(inner) => !inner.holds(record),
            Self::Test(condition) => condition.holds(record),
        }
    }
}

impl Condition {
    fn new(path: &str, test: Test) -> Result<Self, FunctionError> {
        let (key, positions) = search_key(path).ok_or_else(|| {
            FunctionError::Evaluation(format!("Missing right bracket in key: {path}"))
        })?;
        Ok(Self {
            key,
            positions,
            test,
        })
    }

    fn holds(&self, record: &Record) -> bool {
        self.positions.iter().all(|wanted| record.contains(wanted))
            && record
                .iter()
                .any(|(key, value)| *key == self.key && self.test.holds(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = r#"{"name":"iota","n":88,"nested":{"k":0,"list":[7,2,0]},"flag":false,
        "o":[{"a":1,"b":"x"},{"a":2,"b":"y"}]}"#;

    #[test]
    fn conditions_hold_on_one_record() -> Result<(), FunctionError> {
        for (filter, expected) in [
            (r#""$.n" = 88"#, true),
            (r#""$.n" = '88'"#, true),
            (r#"88 = "$.n""#, true),
            (r#""$.n" > 95"#, false),
            (r#""$.n" < 88.5"#, true),
            (r#""$.n" BETWEEN 88 AND 90"#, true),
            (r#""$.n" NOT BETWEEN 88 AND 90"#, false),
            (r#""$.n" NOT IN (1, 2, 88)"#, false),
            (r#""$.n" <> 50"#, true),
            (r#""$.nope" <> 50"#, false),
            (r#""$.name" IN ('alfa', 'iota')"#, true),
            (r#""$.name" LIKE 'i%'"#, false),
            (r#""$.name" LIKE 'iota'"#, true),
            (r#"REGEXP_LIKE("$.name", '^i')"#, false),
            (r#"REGEXP_LIKE("$.name", 'i.*')"#, true),
            (r#""$.nested.k" = 0"#, true),
            (r#""$.flag" = false"#, true),
            (r#""$.flag""#, false),
            (r#""$.nested.list[*]" = 7"#, true),
            (r#""$.nested.list[1]" = 7"#, false),
            (
                r#""$.nested.list[*]" = 7 AND "$.nested.list[*]" = 2"#,
                false,
            ),
            (r#""$.nested.list[*]" = 7 AND "$.nested.k" = 0"#, true),
            (r#""$.nested.list" IS NULL"#, true),
            (r#""$.nested.list[*]" IS NOT NULL"#, true),
            (r#""$.nested.list[3]" IS NOT NULL"#, false),
            (r#""$.nope" IS NULL"#, true),
            (r#""$.name" IS NULL"#, false),
            (r#""$.o[*].a" = 1 AND "$.o[*].b" = 'y'"#, false),
            (r#""$.o[*].a" = 2 AND "$.o[*].b" = 'y'"#, true),
            (r#""$.o[0].b" = 'x'"#, true),
            (
                r#"("$.n" < 5 OR "$.n" > 80) AND NOT "$.flag" = 'true'"#,
                true,
            ),
            ("name = 'iota'", true),
            ("nested.k = 0", true),
            (r#""$.name" = ''"#, false),
        ] {
            assert_eq!(JsonMatch::parse(filter)?.matches(DOC), expected, "{filter}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in [
            "",
            "$.n = 50 AND",
            "\"$.n\" =",
            "\"$.n\" = 1 1",
            "\"$.n",
            "5",
            "\"$.n\" NOT = 5",
            "\"$.n\" IN ()",
            "\"$.n\" = 1x",
        ] {
            assert!(
                matches!(JsonMatch::parse(filter), Err(FunctionError::Argument(_))),
                "{filter}"
            );
        }
        assert_eq!(
            JsonMatch::parse("\"$.n\" = 1 AND \"$.name\" IS NULL").map(|_| ()),
            Err(FunctionError::Evaluation(
                "Exclusive predicate: $.name IS NULL cannot be nested".into()
            ))
        );
        assert!(JsonMatch::parse(&"(".repeat(100_000)).is_err());
    }
}
