//! What the other sides of joins hold, as conditions of a leaf: rows that no join wants need not be read.
//!
//! Must not know: how joins run, servers. Invariant: a condition keeps every row that a join could match; what a leaf query
//! cannot say is left to the join.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use common::{DataType, Value};
use datafusion::arrow::array::{Array, StructArray};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column, DynamicFilterPhysicalExpr, InListExpr, Literal,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use functions::id_set::IdSet;

use super::traced::Traced;
use super::{Leaf, text};
use crate::held_keys::HeldKeys;

/// Values that are written out one by one; more integers become a set.
pub(crate) const WRITTEN: usize = 64;
/// Most texts of a condition.
const TEXTS: usize = 1024;
/// A set is worth its while where a leaf has so many rows for each of its values.
const ROWS_A_VALUE: usize = 8;

/// Values that a join's key may have.
#[derive(Debug, Clone, PartialEq)]
enum Members {
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

/// What is known of a column's values that a join wants.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    low: Option<i64>,
    high: Option<i64>,
    members: Option<Members>,
}

/// By the column's position.
type Facts = BTreeMap<usize, Known>;

/// What a join wants of a leaf: known once its other side is read.
#[derive(Clone)]
pub(super) struct Wanted {
    filter: Arc<dyn PhysicalExpr>,
    /// The keys of the other side, where they are noted.
    keys: Option<Arc<HeldKeys>>,
}

impl Wanted {
    /// Of a filter that is not known before a query runs.
    pub(super) fn of(filter: Arc<dyn PhysicalExpr>) -> Option<Self> {
        filter
            .is::<DynamicFilterPhysicalExpr>()
            .then_some(Self { filter, keys: None })
    }

    pub(super) fn filter(&self) -> &Arc<dyn PhysicalExpr> {
        &self.filter
    }

    /// With the keys that are noted for its join.
    pub(super) fn with_keys(&self, noted: &HashMap<u64, Arc<HeldKeys>>) -> Self {
        let id = self.filter.expression_id();
        let keys = id.and_then(|id| noted.get(&id)).map(Arc::clone);
        Self {
            filter: Arc::clone(&self.filter),
            keys,
        }
    }

    fn facts(&self) -> Option<Facts> {
        let mut facts = facts(&self.filter)?;
        let Some(keys) = &self.keys else {
            return Some(facts);
        };
        for (position, key) in self.filter.children().into_iter().enumerate() {
            if let Some(column) = key.downcast_ref::<Column>()
                && let Some(integers) = keys.integers(position)
            {
                let known = facts.entry(column.index()).or_default();
                known.members = Some(Members::Integers(integers));
            }
        }
        Some(facts)
    }
}

/// The leaf that reads only what the joins want, as far as they know by now; `None` where it is the same. `rows` is about as many
/// as the leaf has.
pub(super) fn narrowed(
    leaf: &Leaf,
    rows: Option<usize>,
    wanted: &[Wanted],
    traced: &[Traced],
) -> Option<Leaf> {
    if leaf.limit.is_some() {
        return None;
    }
    let known = wanted
        .iter()
        .filter_map(Wanted::facts)
        .chain(traced.iter().map(of_traced))
        .reduce(both)
        .unwrap_or_default();
    let mut narrowed = leaf.clone();
    for (at, mut known) in known {
        known.members = known.members.filter(|members| {
            let least = members.len().saturating_mul(ROWS_A_VALUE);
            members.len() <= WRITTEN || rows.is_none_or(|rows| least <= rows)
        });
        let Some(column) = leaf.outputs.get(at).filter(|sql| is_column(sql)) else {
            continue;
        };
        if leaf.narrow.contains(column) {
            known.members = known.members.map(Members::of_int);
        }
        // Of groups only whole ones may be left out.
        let is_key = |groups: &Vec<String>| groups.contains(column);
        if leaf.groups.as_ref().is_none_or(is_key) {
            narrowed.filters.extend(conditions(column, known));
        }
    }
    (narrowed.filters.len() > leaf.filters.len()).then_some(narrowed)
}

fn of_traced(traced: &Traced) -> Facts {
    let known = Known {
        members: traced.keys.integers(traced.position).map(Members::Integers),
        ..Known::default()
    };
    Facts::from([(traced.column, known)])
}

/// True for a name in double quotes and nothing else.
fn is_column(sql: &str) -> bool {
    let inner = sql
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|name| !name.is_empty() && !name.replace("\"\"", "").contains('"'))
}

/// What an expression says of columns; `None` where it is never true, nothing where it says nothing that is understood.
fn facts(expr: &Arc<dyn PhysicalExpr>) -> Option<Facts> {
    if let Some(dynamic) = expr.downcast_ref::<DynamicFilterPhysicalExpr>() {
        return dynamic
            .current()
            .map_or(Some(Facts::new()), |now| facts(&now));
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        let never = matches!(literal.value(), ScalarValue::Boolean(Some(false)));
        return (!never).then(Facts::new);
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::And => Some(both(facts(binary.left())?, facts(binary.right())?)),
            _ => Some(bound(binary).unwrap_or_default()),
        };
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return Some(listed(list).unwrap_or_default());
    }
    if let Some(case) = expr.downcast_ref::<CaseExpr>() {
        // Which partition a row belongs to is not asked: any of them may want it.
        let branches = case.when_then_expr().iter().map(|(_, then)| then);
        let all: Vec<Facts> = branches.chain(case.else_expr()).filter_map(facts).collect();
        return all.into_iter().reduce(either);
    }
    Some(Facts::new())
}

fn bound(binary: &BinaryExpr) -> Option<Facts> {
    let at = binary.left().downcast_ref::<Column>()?.index();
    let value = integer(binary.right().downcast_ref::<Literal>()?.value())?;
    let mut known = Known::default();
    match binary.op() {
        Operator::GtEq => known.low = Some(value),
        Operator::LtEq => known.high = Some(value),
        _ => return None,
    }
    Some(Facts::from([(at, known)]))
}

/// A whole number; `None` for anything else.
pub(crate) fn integer(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int32(Some(v)) => Some(i64::from(*v)),
        ScalarValue::Int64(Some(v)) => Some(*v),
        _ => None,
    }
}

/// `column IN (..)`, or several columns at once.
fn listed(list: &InListExpr) -> Option<Facts> {
    if list.negated() {
        return None;
    }
    let values = list
        .list()
        .iter()
        .map(|value| Some(value.downcast_ref::<Literal>()?.value()))
        .collect::<Option<Vec<_>>>()?;
    if let Some(column) = list.expr().downcast_ref::<Column>() {
        let members = members(values.into_iter().cloned());
        return Some(Facts::from([(
            column.index(),
            Known {
                members,
                ..Known::default()
            },
        )]));
    }
    let keys = list.expr().downcast_ref::<ScalarFunctionExpr>()?;
    if keys.name() != "struct" {
        return None;
    }
    let rows = values
        .into_iter()
        .map(|value| match value {
            ScalarValue::Struct(row) => Some(Arc::clone(row)),
            _ => None,
        })
        .collect::<Option<Vec<Arc<StructArray>>>>()?;
    let mut facts = Facts::new();
    for (field, key) in keys.args().iter().enumerate() {
        let Some(column) = key.downcast_ref::<Column>() else {
            continue;
        };
        let values = rows.iter().map(|row| {
            let field = row.columns().get(field).filter(|field| !field.is_empty());
            field.and_then(|field| ScalarValue::try_from_array(field, 0).ok())
        });
        let members = members(values.map(|value| value.unwrap_or(ScalarValue::Null)));
        facts.insert(
            column.index(),
            Known {
                members,
                ..Known::default()
            },
        );
    }
    Some(facts)
}

/// The values, where all are integers or all texts.
fn members(values: impl Iterator<Item = ScalarValue> + Clone) -> Option<Members> {
    let integers: Option<Vec<i64>> = values.clone().map(|value| integer(&value)).collect();
    if let Some(integers) = integers {
        return Some(Members::Integers(integers));
    }
    let texts: Option<Vec<String>> = values
        .map(|value| match value {
            ScalarValue::Utf8(Some(text)) => Some(text),
            _ => None,
        })
        .collect();
    texts.map(Members::Texts)
}

/// What holds where both hold.
fn both(mut left: Facts, right: Facts) -> Facts {
    for (at, other) in right {
        let known = left.entry(at).or_default();
        known.low = known.low.max(other.low);
        known.high = match (known.high, other.high) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        known.members = match (known.members.take(), other.members) {
            (Some(a), Some(b)) if a.len() > b.len() => Some(b),
            (one, other) => one.or(other),
        };
    }
    left
}

/// What holds where either holds.
fn either(mut left: Facts, mut right: Facts) -> Facts {
    left.retain(|at, _| right.contains_key(at));
    for (at, known) in &mut left {
        let other = right.remove(at).unwrap_or_default();
        known.low = known.low.zip(other.low).map(|(a, b)| a.min(b));
        known.high = known.high.zip(other.high).map(|(a, b)| a.max(b));
        known.members = match (known.members.take(), other.members) {
            (Some(Members::Integers(mut a)), Some(Members::Integers(b))) => {
                a.extend(b);
                Some(Members::Integers(a))
            }
            (Some(Members::Texts(mut a)), Some(Members::Texts(b))) => {
                a.extend(b);
                Some(Members::Texts(a))
            }
            _ => None,
        };
    }
    left
}

impl Members {
    fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Those that an INT may be.
    fn of_int(self) -> Self {
        match self {
            Self::Integers(mut values) => {
                values.retain(|value| i32::try_from(*value).is_ok());
                Self::Integers(values)
            }
            texts => texts,
        }
    }

    fn condition(self, column: &str) -> Option<String> {
        if self.len() == 0 {
            return None;
        }
        match self {
            Self::Integers(mut values) => {
                let (first, last) = (values.iter().min()?, values.iter().max()?);
                // Keys without gaps are all there are: their ends say as much.
                let gaps = last.abs_diff(*first) / 2 > values.len() as u64;
                if !gaps && values.len() > WRITTEN {
                    return None;
                }
                values.sort_unstable();
                values.dedup();
                if values.len() > WRITTEN {
                    return Some(format!("inIdSet({column}, '{}') = 1", id_set(&values)));
                }
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                Some(format!("{column} IN ({})", values.join(", ")))
            }
            Self::Texts(mut values) => {
                values.sort_unstable();
                values.dedup();
                if values.len() > TEXTS {
                    return None;
                }
                let quoted = values
                    .into_iter()
                    .map(|value| text::literal(&Value::String(value)));
                let quoted = quoted.collect::<Option<Vec<_>>>()?;
                Some(format!("{column} IN ({})", quoted.join(", ")))
            }
        }
    }
}

/// As [`IdSet`] reads it; of INT where every value is one.
pub(crate) fn id_set(sorted: &[i64]) -> String {
    let ends = [sorted.first(), sorted.last()];
    let narrow = ends
        .into_iter()
        .flatten()
        .all(|v| i32::try_from(*v).is_ok());
    let mut set = IdSet::create(if narrow {
        DataType::Int
    } else {
        DataType::Long
    });
    for value in sorted {
        set.add(&Value::Long(*value));
    }
    set.to_base64()
}

fn conditions(column: &str, known: Known) -> Vec<String> {
    let members = known.members.and_then(|members| members.condition(column));
    // A few values prune segments by themselves.
    if members.as_ref().is_some_and(|text| text.contains(" IN (")) {
        return members.into_iter().collect();
    }
    let low = known.low.map(|low| format!("{column} >= {low}"));
    let high = known.high.map(|high| format!("{column} <= {high}"));
    low.into_iter().chain(high).chain(members).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType as ArrowType, Field, Schema};
    use datafusion::physical_expr::expressions::{col, in_list, lit};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("a", ArrowType::Int64, true),
            Field::new("b", ArrowType::Utf8, true),
        ])
    }

    fn between(low: i64, high: i64) -> Arc<dyn PhysicalExpr> {
        let a = col("a", &schema()).unwrap();
        let above = BinaryExpr::new(Arc::clone(&a), Operator::GtEq, lit(low));
        let below = BinaryExpr::new(a, Operator::LtEq, lit(high));
        Arc::new(BinaryExpr::new(
            Arc::new(above),
            Operator::And,
            Arc::new(below),
        ))
    }

    fn among(values: &[i64]) -> Arc<dyn PhysicalExpr> {
        let (schema, values) = (schema(), values.iter().map(|v| lit(*v)).collect());
        in_list(col("a", &schema).unwrap(), values, &false, &schema).unwrap()
    }

    fn and(left: Arc<dyn PhysicalExpr>, right: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(left, Operator::And, right))
    }

    fn said(expr: &Arc<dyn PhysicalExpr>) -> Vec<String> {
        let known = facts(expr)
            .unwrap_or_default()
            .remove(&0)
            .unwrap_or_default();
        conditions("\"a\"", known)
    }

    #[test]
    fn parts_of_a_join_are_taken_together() {
        let branch = |at: u64, expr| (lit(at), expr);
        let by_part = |last| {
            let branches = vec![
                branch(0, and(between(3, 9), among(&[9, 3]))),
                branch(1, and(between(2, 4), among(&[2, 4, 2]))),
                branch(2, lit(false)),
            ];
            let case = CaseExpr::try_new(Some(lit(0_u64)), branches, Some(lit(last)));
            Arc::new(case.unwrap()) as Arc<dyn PhysicalExpr>
        };
        assert_eq!(said(&by_part(false)), ["\"a\" IN (2, 3, 4, 9)"]);
        assert!(said(&by_part(true)).is_empty());
        let many: Vec<i64> = (0..1_000).map(|v| v << 40).collect();
        let wide = said(&and(between(0, 999 << 40), among(&many)));
        assert_eq!(wide.len(), 3);
        let set = wide[2].split('\'').nth(1).unwrap();
        let set = IdSet::from_base64(set).unwrap();
        assert!(set.contains(&Value::Long(7 << 40)) && !set.contains(&Value::Long(7)));
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        let or = BinaryExpr::new(between(1, 2), Operator::Or, between(7, 8));
        assert!(said(&(Arc::new(or) as Arc<dyn PhysicalExpr>)).is_empty());
        let schema = schema();
        let not = in_list(col("a", &schema).unwrap(), vec![lit(1_i64)], &true, &schema);
        assert!(said(&not.unwrap()).is_empty());
        assert!(is_column("\"a\"\"b\"") && !is_column("\"a\" + \"b\"") && !is_column("1"));
    }
}
