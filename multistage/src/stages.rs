//! What ran, as Pinot's `stageStats` tells it: a tree of operators with their stage, time and rows.
//!
//! Must not know: responses. Invariant: every exchange of rows between partitions is the boundary of a stage; a stage has one
//! number, counted from the root; counters that are zero are left out, as Pinot does.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Map, Value as Json};

use crate::distributed::TABLE;
use crate::leaf::LeafExec;

/// The operators of a query that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stages {
    /// The tree of operators, an object.
    pub tree: Json,
    /// Groups of the largest aggregation.
    pub groups: u64,
    /// Rows of the largest join.
    pub join_rows: u64,
    /// Rows of the largest window.
    pub window_rows: u64,
    /// Rows that any operator gave, at most.
    pub operator_rows: u64,
}

impl Stages {
    /// What ran before a leaf of a table, whose keys became a condition of it: Pinot's pipeline breaker, with numbers behind those
    /// that are given.
    pub(crate) fn follow(&mut self, table: &str, before: Self) {
        self.groups = self.groups.max(before.groups);
        self.join_rows = self.join_rows.max(before.join_rows);
        self.window_rows = self.window_rows.max(before.window_rows);
        self.operator_rows = self.operator_rows.max(before.operator_rows);
        let mut part = before.tree;
        renumber(&mut part, last_stage(&self.tree));
        let mut breaker = Map::new();
        breaker.insert("type".to_owned(), "PIPELINE_BREAKER".into());
        breaker.insert("children".to_owned(), vec![part].into());
        if let Some(leaf) = leaf_of(&mut self.tree, table)
            && let Some(children) = leaf
                .entry("children")
                .or_insert_with(|| Json::Array(Vec::new()))
                .as_array_mut()
        {
            children.push(Json::Object(breaker));
        }
    }
}

fn children(node: &mut Json) -> impl Iterator<Item = &mut Json> {
    let children = node.get_mut("children").and_then(Json::as_array_mut);
    children.into_iter().flatten()
}

fn last_stage(node: &Json) -> u64 {
    let own = node["stage"].as_u64().unwrap_or(0);
    let below = node["children"].as_array().into_iter().flatten();
    below.map(last_stage).fold(own, u64::max)
}

fn renumber(node: &mut Json, behind: u64) {
    if let Some(stage) = node["stage"].as_u64() {
        node["stage"] = (stage + behind).into();
    }
    children(node).for_each(|child| renumber(child, behind));
}

/// The first leaf of a table.
fn leaf_of<'a>(node: &'a mut Json, table: &str) -> Option<&'a mut Map<String, Json>> {
    if node["type"] == "LEAF" && node["table"] == table {
        return node.as_object_mut();
    }
    children(node).find_map(|child| leaf_of(child, table))
}

/// What an operator is to Pinot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Named(&'static str),
    /// Rows change the partition: a stage ends.
    Boundary,
    /// Nothing to Pinot.
    Through,
}

fn kind_of(name: &str) -> Kind {
    Kind::Named(match name {
        "LeafExec" | "SpreadExec" | "DistributedLeafExec" => "LEAF",
        "AggregateExec" => "AGGREGATE",
        "ProjectionExec" => "TRANSFORM",
        "FilterExec" => "FILTER",
        "SortExec" | "PartialSortExec" | "GlobalLimitExec" | "LocalLimitExec" => "SORT_OR_LIMIT",
        "UnionExec" | "InterleaveExec" | "RecursiveQueryExec" => "UNION",
        "WindowAggExec" | "BoundedWindowAggExec" => "WINDOW",
        "UnnestExec" => "UNNEST",
        "HashJoinExec"
        | "NestedLoopJoinExec"
        | "SortMergeJoinExec"
        | "CrossJoinExec"
        | "SymmetricHashJoinExec"
        | "PiecewiseMergeJoinExec" => "HASH_JOIN",
        "PlaceholderRowExec" | "EmptyExec" | "DataSourceExec" | "WorkTableExec" => "LITERAL",
        "RepartitionExec"
        | "CoalescePartitionsExec"
        | "SortPreservingMergeExec"
        | "NetworkShuffleExec"
        | "NetworkCoalesceExec"
        | "NetworkBroadcastExec"
        | "BroadcastExec" => {
            return Kind::Boundary;
        }
        _ => return Kind::Through,
    })
}

/// Reads the counters of a plan that was executed.
pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Stages {
    let mut walk = Walk {
        stage: 1,
        ..Walk::default()
    };
    let inner = walk.node(plan, true);
    let root = walk.crossed(plan, inner, 1, 1);
    Stages {
        tree: Json::Object(root.members),
        ..walk.seen
    }
}

#[derive(Default)]
struct Walk {
    seen: Stages,
    /// The last number given.
    stage: u64,
}

/// A part of the tree with its milliseconds and rows.
struct Node {
    members: Map<String, Json>,
    ms: u64,
    rows: u64,
}

impl Walk {
    /// An operator; `at_boundary` right below the end of a stage.
    fn node(&mut self, plan: &Arc<dyn ExecutionPlan>, at_boundary: bool) -> Node {
        let kind = kind_of(plan.name());
        let children = plan.children();
        match (kind, children.as_slice()) {
            (Kind::Through, [child]) => self.node(child, at_boundary),
            (Kind::Boundary, [child]) if at_boundary => self.node(child, true),
            (Kind::Boundary, [child]) => self.below(child, lanes(plan)),
            (Kind::Named("LEAF"), _) if !at_boundary => self.below(plan, 1),
            (Kind::Named(name), _) => self.operator(plan, name),
            _ => self.operator(plan, "TRANSFORM"),
        }
    }

    /// The next stage, seen from the one above.
    fn below(&mut self, plan: &Arc<dyn ExecutionPlan>, readers: u64) -> Node {
        self.stage += 1;
        let stage = self.stage;
        let inner = self.node(plan, true);
        self.crossed(plan, inner, stage, readers)
    }

    /// A stage's end with the exchange above it.
    fn crossed(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        inner: Node,
        stage: u64,
        readers: u64,
    ) -> Node {
        let writers = lanes(plan);
        let Node { members, ms, rows } = inner;
        let mut send = begun("MAILBOX_SEND", ms, rows);
        send.insert("stage".to_owned(), stage.into());
        send.insert("parallelism".to_owned(), writers.into());
        send.insert("fanOut".to_owned(), readers.into());
        send.insert("clockTimeMs".to_owned(), (ms / writers).into());
        send.insert("children".to_owned(), vec![Json::Object(members)].into());
        let mut receive = begun("MAILBOX_RECEIVE", ms, rows);
        receive.insert("fanIn".to_owned(), writers.into());
        receive.insert("parallelism".to_owned(), readers.into());
        receive.insert("clockTimeMs".to_owned(), (ms / readers.max(1)).into());
        receive.insert("children".to_owned(), vec![Json::Object(send)].into());
        Node {
            members: receive,
            ms,
            rows,
        }
    }

    fn operator(&mut self, plan: &Arc<dyn ExecutionPlan>, name: &str) -> Node {
        let children: Vec<Node> = plan
            .children()
            .into_iter()
            .map(|child| self.node(child, false))
            .collect();
        let metrics = plan.metrics().unwrap_or_default();
        let own = (metrics.elapsed_compute().unwrap_or(0) / 1_000_000) as u64;
        let rows = metrics
            .output_rows()
            .map_or_else(|| children.iter().map(|c| c.rows).sum(), |rows| rows as u64);
        let ms = children
            .iter()
            .fold(own, |sum, child| sum.saturating_add(child.ms));
        let mut members = begun(name, ms, rows);
        self.note(name, rows, &mut members);
        let parallelism = lanes(plan);
        if let Some(leaf) = plan.downcast_ref::<LeafExec>() {
            members.insert("table".to_owned(), leaf.table().into());
        }
        let label = metrics.iter().flat_map(|metric| metric.labels());
        if let Some(table) = label.into_iter().find(|label| label.name() == TABLE) {
            members.insert("table".to_owned(), table.value().into());
        }
        members.insert("parallelism".to_owned(), parallelism.into());
        members.insert("clockTimeMs".to_owned(), (ms / parallelism).into());
        if own > 0 {
            members.insert("selfExecutionTimeMs".to_owned(), own.into());
            members.insert("selfClockTimeMs".to_owned(), (own / parallelism).into());
        }
        if !children.is_empty() {
            let children: Vec<Json> = children
                .into_iter()
                .map(|child| Json::Object(child.members))
                .collect();
            members.insert("children".to_owned(), children.into());
        }
        Node { members, ms, rows }
    }

    fn note(&mut self, name: &str, rows: u64, members: &mut Map<String, Json>) {
        let seen = &mut self.seen;
        seen.operator_rows = seen.operator_rows.max(rows);
        let (member, most) = match name {
            "AGGREGATE" if rows > 1 => ("numGroups", &mut seen.groups),
            "HASH_JOIN" => ("maxRowsInJoin", &mut seen.join_rows),
            "WINDOW" => ("maxRowsInWindow", &mut seen.window_rows),
            _ => return,
        };
        *most = (*most).max(rows);
        if rows > 0 {
            members.insert(member.to_owned(), rows.into());
        }
    }
}

fn lanes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    plan.properties()
        .output_partitioning()
        .partition_count()
        .max(1) as u64
}

fn begun(name: &str, ms: u64, rows: u64) -> Map<String, Json> {
    let mut members = Map::new();
    members.insert("type".to_owned(), name.into());
    for (member, value) in [("executionTimeMs", ms), ("emittedRows", rows)] {
        if value > 0 {
            members.insert(member.to_owned(), value.into());
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(tree: Json, join_rows: u64) -> Stages {
        Stages {
            tree,
            join_rows,
            ..Stages::default()
        }
    }

    #[test]
    fn what_ran_before_a_leaf_is_below_it_with_numbers_of_its_own() {
        let leaf = |table: &str| serde_json::json!({"type": "LEAF", "table": table});
        let send = |stage: u64, children: Vec<Json>| serde_json::json!({"type": "MAILBOX_SEND", "stage": stage, "children": children});
        let mut main = stages(send(1, vec![send(2, vec![leaf("a"), leaf("b")])]), 3);
        main.follow("b", stages(send(1, vec![leaf("c")]), 7));
        assert_eq!(main.join_rows, 7);
        let leaves = &main.tree["children"][0]["children"];
        assert_eq!(leaves[0], leaf("a"));
        let breaker = &leaves[1]["children"][0];
        assert_eq!(breaker["type"], "PIPELINE_BREAKER");
        assert_eq!(breaker["children"][0]["stage"], 3);
    }
}
