//! Segments that a filter leaves nothing of, by what the controller knows of them.
//!
//! Must not know: servers. Invariant: a segment with a matching row is never left out; what is not known keeps the segment.

use common::partition::PartitionFunction;
use common::schema::Schema;
use common::time_format::DateTimeFormat;
use common::{DataType, Value};
use proto::controller_service::SegmentRecord;
use query::Plan;
use query::plan::{BoundFilter, BoundTest, Matcher};

use super::table::{RoutedSegment, RoutedTable};

/// A condition on a segment's record.
enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    /// Time in milliseconds, both ends included.
    Time(i64, i64),
    /// The column's value is of one of these partitions.
    Partitions(Partitions),
    /// Nothing known.
    Any,
    Nothing,
}

/// Partitions of a column that a filter leaves.
struct Partitions {
    column: String,
    function: String,
    count: u32,
    wanted: Vec<u32>,
}

/// The conditions of a query on a table's segments.
pub(crate) struct Pruner(Rule);

impl Pruner {
    /// A pruner that keeps everything.
    pub(crate) fn none() -> Self {
        Self(Rule::Any)
    }

    /// What a plan's filter says about segments of a table.
    pub(crate) fn new(plan: &Plan, table: &RoutedTable) -> Self {
        let time = table
            .time_column()
            .and_then(|name| Some((name, format_of(&table.schema, name)?)));
        let view = View { plan, table, time };
        Self(view.rule(&plan.filter))
    }

    /// True where the segment may hold a matching row.
    pub(crate) fn keeps(&self, segment: &RoutedSegment) -> bool {
        if matches!(self.0, Rule::Any) {
            return true;
        }
        segment
            .record
            .as_ref()
            .is_none_or(|record| keeps(&self.0, record))
    }
}

/// Milliseconds per unit of the time column; `None` where its values are no numbers.
fn format_of(schema: &Schema, name: &str) -> Option<i64> {
    let field = schema.field(name)?;
    if field.data_type == DataType::Timestamp {
        return Some(1);
    }
    if !field.data_type.is_integer() {
        return None;
    }
    match field.format.as_deref()?.parse().ok()? {
        DateTimeFormat::Epoch { unit, size } => Some(unit.to_millis(1).saturating_mul(size)),
        DateTimeFormat::Timestamp => Some(1),
        DateTimeFormat::Pattern { .. } => None,
    }
    .filter(|ms| *ms > 0)
}

/// What conditions are made from.
struct View<'a> {
    plan: &'a Plan,
    table: &'a RoutedTable,
    /// Time column with the milliseconds of its unit.
    time: Option<(&'a str, i64)>,
}

impl View<'_> {
    fn rule(&self, filter: &BoundFilter) -> Rule {
        match filter {
            BoundFilter::And(children) => {
                let mut rules: Vec<Rule> = children.iter().map(|c| self.rule(c)).collect();
                rules.retain(|r| !matches!(r, Rule::Any));
                if rules.is_empty() {
                    Rule::Any
                } else {
                    Rule::And(rules)
                }
            }
            BoundFilter::Or(children) => {
                let rules: Vec<Rule> = children.iter().map(|c| self.rule(c)).collect();
                if rules.iter().any(|r| matches!(r, Rule::Any)) {
                    Rule::Any
                } else {
                    Rule::Or(rules)
                }
            }
            BoundFilter::Constant(false) => Rule::Nothing,
            BoundFilter::Test(test) if !test.negated => self.tested(test),
            _ => Rule::Any,
        }
    }

    fn tested(&self, test: &BoundTest) -> Rule {
        let column = test
            .expr
            .as_column()
            .and_then(|at| self.plan.columns.get(at));
        let Some(column) = column else {
            return Rule::Any;
        };
        if let Some((name, unit_ms)) = self.time
            && column.name == name
            && let Some((low, high)) = bounds(&test.matcher)
        {
            let end = high.saturating_add(1).saturating_mul(unit_ms);
            return Rule::Time(low.saturating_mul(unit_ms), end.saturating_sub(1));
        }
        self.partitions(&column.name, &test.matcher)
            .map_or(Rule::Any, Rule::Partitions)
    }

    fn partitions(&self, column: &str, matcher: &Matcher) -> Option<Partitions> {
        let (name, settings, count) = self.table.view.config.partition_of(column)?;
        let function = PartitionFunction::new(name, count, settings)?;
        let wanted: Option<Vec<u32>> = values(matcher)?
            .iter()
            .map(|value| function.partition(value))
            .collect();
        Some(Partitions {
            column: column.to_owned(),
            function: name.to_owned(),
            count,
            wanted: wanted?,
        })
    }
}

fn bounds(matcher: &Matcher) -> Option<(i64, i64)> {
    match matcher {
        Matcher::Integers(low, high) => Some((*low, *high)),
        Matcher::IntegerSet(set) => Some((*set.iter().min()?, *set.iter().max()?)),
        _ => None,
    }
}

fn values(matcher: &Matcher) -> Option<Vec<String>> {
    match matcher {
        Matcher::Integers(low, high) if low == high => Some(vec![low.to_string()]),
        Matcher::IntegerSet(set) => Some(set.iter().map(i64::to_string).collect()),
        Matcher::TextSet(set) => Some(set.iter().cloned().collect()),
        Matcher::ValueSet(set) => Some(set.iter().map(Value::to_text).collect()),
        _ => None,
    }
}

fn keeps(rule: &Rule, record: &SegmentRecord) -> bool {
    match rule {
        Rule::Any => true,
        Rule::Nothing => false,
        Rule::And(rules) => rules.iter().all(|r| keeps(r, record)),
        Rule::Or(rules) => rules.iter().any(|r| keeps(r, record)),
        Rule::Time(low, high) => match (record.start_time_ms, record.end_time_ms) {
            (Some(start), Some(end)) if start <= end => start <= *high && end >= *low,
            _ => true,
        },
        Rule::Partitions(rule) => {
            let present = present(record, &rule.column, (&rule.function, rule.count));
            present.is_none_or(|present| rule.wanted.iter().any(|p| present.contains(p)))
        }
    }
}

/// The partitions of a column's values in a segment, where they are known by this function into so many.
pub(crate) fn present<'a>(
    record: &'a SegmentRecord,
    column: &str,
    (function, count): (&str, u32),
) -> Option<&'a [u32]> {
    let (of, into, present) = record.partitions.get(column)?;
    (*into == count && of.eq_ignore_ascii_case(function)).then_some(present.as_slice())
}
