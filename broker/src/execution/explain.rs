//! EXPLAIN PLAN FOR: the operators of a plan as rows, from the schema and the table's config.
//!
//! Must not know: segments, so that index use is what the config announces. Invariant: rows form a tree by their ids.

use common::{ColumnType, DataType, Value};
use query::ResultTable;
use query::plan::Shape;
use sql::{Expr, Filter, Query, Test, text};

use super::compile::{Compiled, Side};
use crate::response::BrokerResponse;

struct Rows {
    rows: Vec<Vec<Value>>,
    next: i32,
}

impl Rows {
    fn push(&mut self, what: String, id: i32, parent: i32) {
        self.rows.push(vec![
            Value::String(what),
            Value::Int(id),
            Value::Int(parent),
        ]);
    }

    /// Adds an operator under another; answers its id.
    fn under(&mut self, parent: i32, what: String) -> i32 {
        let id = self.next;
        self.next += 1;
        self.push(what, id, parent);
        id
    }
}

/// The response of an EXPLAIN.
pub(super) fn answer(compiled: &Compiled) -> BrokerResponse {
    let mut rows = Rows {
        rows: Vec::new(),
        next: 1,
    };
    if let Some(side) = compiled.sides.first() {
        let query = query::plan::resolve((*compiled.query).clone(), &side.table.schema)
            .unwrap_or_else(|_| (*compiled.query).clone());
        plan_rows(&mut rows, &query, compiled, side);
    }
    BrokerResponse {
        table: Some(ResultTable {
            names: ["Operator", "Operator_Id", "Parent_Id"]
                .map(str::to_owned)
                .to_vec(),
            types: vec![
                ColumnType::sv(DataType::String),
                ColumnType::sv(DataType::Int),
                ColumnType::sv(DataType::Int),
            ],
            rows: rows.rows,
        }),
        ..BrokerResponse::default()
    }
}

fn plan_rows(rows: &mut Rows, query: &Query, compiled: &Compiled, side: &Side) {
    let root = rows.under(0, reduce_row(&compiled.query));
    let (combine, operator) = shape_rows(query, side);
    let combine = rows.under(root, combine);
    let segments: usize = compiled.sides.iter().map(|s| s.table.segments.len()).sum();
    rows.push(
        format!("PLAN_START(numSegmentsForThisPlan:{segments})"),
        -1,
        -1,
    );
    let mut at = rows.under(combine, operator);
    let config = &side.table.view.config;
    if query::star_tree::is_announced(&side.plan, config, &side.table.schema) {
        at = rows.under(
            at,
            format!("PROJECT({})", stored_columns(query, side).join(", ")),
        );
        at = rows.under(at, "DOC_ID_SET".to_owned());
        rows.under(at, "FILTER_STARTREE_INDEX".to_owned());
        return;
    }
    let (calls, columns) = inputs(query);
    if !calls.is_empty() {
        at = rows.under(at, format!("TRANSFORM({})", calls.join(", ")));
    }
    if !columns.is_empty() {
        at = rows.under(at, format!("PROJECT({})", columns.join(", ")));
    }
    at = rows.under(at, "DOC_ID_SET".to_owned());
    match &query.filter {
        None | Some(Filter::Constant(true)) => {
            let docs: u64 = side
                .table
                .view
                .segments
                .values()
                .map(|s| s.total_docs)
                .sum();
            rows.under(at, format!("FILTER_MATCH_ENTIRE_SEGMENT(docs:{docs})"));
        }
        Some(filter) => filter_rows(rows, at, filter, side),
    }
}

/// What is read of a star-tree: keys, and aggregations as its columns are named.
fn stored_columns(query: &Query, side: &Side) -> Vec<String> {
    let mut names: Vec<String> = query.group_by.iter().map(text::expression).collect();
    if let Shape::Aggregation { aggregations, .. } = &side.plan.shape {
        for aggregation in aggregations {
            if let Expr::Call(call) = &aggregation.expr {
                let column = call.args.first().map_or("*".to_owned(), text::expression);
                names.push(format!("{}__{column}", call.name));
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn reduce_row(query: &Query) -> String {
    let mut parts = Vec::new();
    if let Some(having) = &query.having {
        parts.push(format!("havingFilter:{}", text::filter(having)));
    }
    if !query.order_by.is_empty() {
        let keys: Vec<String> = query
            .order_by
            .iter()
            .map(|o| {
                let direction = if o.ascending { "ASC" } else { "DESC" };
                format!("{} {direction}", text::expression(&o.expr))
            })
            .collect();
        parts.push(format!("sort:[{}]", keys.join(",")));
    }
    parts.push(format!("limit:{}", query.limit));
    format!("BROKER_REDUCE({})", parts.join(","))
}

fn shape_rows(query: &Query, side: &Side) -> (String, String) {
    let selected: Vec<String> = query
        .select
        .iter()
        .map(|item| text::expression(&item.expr))
        .collect();
    match &side.plan.shape {
        Shape::Selection { .. } => {
            let ordered = if query.order_by.is_empty() {
                ""
            } else {
                "_ORDERBY"
            };
            (
                format!("COMBINE_SELECT{ordered}"),
                format!("SELECT{ordered}(selectList:{})", selected.join(", ")),
            )
        }
        Shape::Distinct { .. } => (
            "COMBINE_DISTINCT".to_owned(),
            format!("DISTINCT(keyColumns:{})", selected.join(", ")),
        ),
        Shape::Aggregation {
            keys, aggregations, ..
        } => {
            let list: Vec<String> = aggregations
                .iter()
                .map(|a| text::expression(&a.expr))
                .collect();
            let list = list.join(", ");
            if keys.is_empty() {
                (
                    "COMBINE_AGGREGATE".to_owned(),
                    format!("AGGREGATE(aggregations:{list})"),
                )
            } else {
                let keys: Vec<String> = query.group_by.iter().map(text::expression).collect();
                (
                    "COMBINE_GROUP_BY".to_owned(),
                    format!(
                        "GROUP_BY(groupKeys:{}, aggregations:{list})",
                        keys.join(", ")
                    ),
                )
            }
        }
    }
}

/// Calls over rows, and columns, that the query reads beside its filter; both sorted.
fn inputs(query: &Query) -> (Vec<String>, Vec<String>) {
    let (mut calls, mut columns) = (Vec::new(), Vec::new());
    let mut visit = |expr: &Expr| {
        columns.extend(expr.columns().into_iter().map(str::to_owned));
        let mut tops = vec![expr];
        while let Some(top) = tops.pop() {
            match top {
                Expr::Call(call) if top.is_aggregation() => tops.extend(&call.args),
                Expr::Call(_) if !top.has_aggregation() && !top.columns().is_empty() => {
                    calls.push(text::expression(top));
                }
                Expr::Call(call) => tops.extend(&call.args),
                _ => {}
            }
        }
    };
    query.select.iter().for_each(|item| visit(&item.expr));
    query.group_by.iter().for_each(&mut visit);
    query.order_by.iter().for_each(|o| visit(&o.expr));
    for list in [&mut calls, &mut columns] {
        list.sort_unstable();
        list.dedup();
    }
    (calls, columns)
}

fn filter_rows(rows: &mut Rows, parent: i32, filter: &Filter, side: &Side) {
    let list = |rows: &mut Rows, name: &str, children: &[Filter]| {
        let id = rows.under(parent, name.to_owned());
        for child in children {
            filter_rows(rows, id, child, side);
        }
    };
    match filter {
        Filter::And(children) => list(rows, "FILTER_AND", children),
        Filter::Or(children) => list(rows, "FILTER_OR", children),
        Filter::Not(child) => list(rows, "FILTER_NOT", std::slice::from_ref(child)),
        Filter::Constant(_) => {
            rows.under(parent, "FILTER_EMPTY".to_owned());
        }
        Filter::Predicate(expr, test) => {
            let operator = operator(test);
            let predicate = format!("operator:{operator},predicate:{}", text::filter(filter));
            let row = match expr {
                Expr::Column(name) if matches!(test, Test::VectorSimilarity { .. }) => {
                    vector_row(name, test)
                }
                Expr::Column(name) => match index_of(name, test, side) {
                    Some(index) => format!(
                        "FILTER_{}(indexLookUp:{},{predicate})",
                        index.to_uppercase(),
                        index
                    ),
                    None => format!("FILTER_FULL_SCAN({predicate})"),
                },
                _ => match geo_index(expr, test, side) {
                    Some(row) => format!("{row},{predicate})"),
                    None => format!("FILTER_EXPRESSION({predicate})"),
                },
            };
            rows.under(parent, row);
        }
    }
}

fn vector_row(column: &str, test: &Test) -> String {
    let Test::VectorSimilarity { target, top_k } = test else {
        return String::new();
    };
    let numbers: Vec<String> = target.iter().map(|n| Value::Float(*n).to_text()).collect();
    format!(
        "VECTOR_SIMILARITY_INDEX(indexLookUp:vector_index, operator:VECTOR_SIMILARITY, vector identifier:{column}, vector literal:[{}], topK to search:{top_k})",
        numbers.join(", ")
    )
}

/// How the row of a test begins that a geo index answers.
fn geo_index(expr: &Expr, test: &Test, side: &Side) -> Option<&'static str> {
    let Expr::Call(call) = expr else {
        return None;
    };
    let indexed = |arg: &Expr| match arg {
        Expr::Column(name) => {
            let field = side.table.view.config.field_config(name);
            field.is_some_and(|field| field.asks_for("h3"))
        }
        _ => false,
    };
    let one = matches!(test, Test::Eq(value) if value.to_text() == "1");
    let [first, second] = call.args.as_slice() else {
        return None;
    };
    let (first, second) = (
        indexed(first) && second.columns().is_empty(),
        indexed(second) && first.columns().is_empty(),
    );
    match call.name.as_str() {
        "stdistance" if matches!(test, Test::Range { .. }) && (first || second) => {
            Some("FILTER_H3_INDEX(indexLookUp:h3_index")
        }
        "stwithin" if one && first => Some("INCLUSION_FILTER_H3_INDEX(inclusionIndex:h3_index"),
        "stcontains" if one && second => Some("INCLUSION_FILTER_H3_INDEX(inclusionIndex:h3_index"),
        _ => None,
    }
}

fn operator(test: &Test) -> &'static str {
    match test {
        Test::Eq(_) => "EQ",
        Test::NotEq(_) => "NOT_EQ",
        Test::In(_) => "IN",
        Test::NotIn(_) => "NOT_IN",
        Test::Range { .. } => "RANGE",
        Test::Like { .. } | Test::RegexpLike { .. } => "REGEXP_LIKE",
        Test::IsNull => "IS_NULL",
        Test::IsNotNull => "IS_NOT_NULL",
        Test::JsonMatch(_) => "JSON_MATCH",
        Test::TextMatch(_) => "TEXT_MATCH",
        Test::TextContains(_) => "TEXT_CONTAINS",
        Test::VectorSimilarity { .. } => "VECTOR_SIMILARITY",
    }
}

/// The index that answers a test, as the config has it.
fn index_of(column: &str, test: &Test, side: &Side) -> Option<&'static str> {
    let config = &side.table.view.config;
    let field = config.field_config(column);
    let has = |names: &[String], id: &str| {
        names.iter().any(|n| n == column) || field.is_some_and(|f| f.asks_for(id))
    };
    let indexes = &config.table_index_config;
    match test {
        Test::TextMatch(_) => return Some("text_index"),
        Test::JsonMatch(_) => return Some("json_index"),
        _ => {}
    }
    if indexes.sorted_column.iter().any(|c| c == column) {
        return Some("sorted_index");
    }
    let range = matches!(test, Test::Range { .. });
    if range && has(&indexes.range_index_columns, "range") {
        return Some("range_index");
    }
    (!range && has(&indexes.inverted_index_columns, "inverted")).then_some("inverted_index")
}
