//! Joins of tables that are partitioned alike: the answers of the plan in the broker, without an exchange where there is no need
//! of one.
//!
//! Must not know: how partitions are dealt out. Invariant: partitions are those that the segments' records tell.

use anyhow::{Context as _, Result, ensure};
use common::partition::PartitionFunction;
use serde_json::json;

use super::{SEGMENTS, Several, different};

/// Partitions of every table but one.
const PARTITIONS: u32 = 4;
/// Keys of small tables, and of large ones, whose joins gather no side.
const FEW: i64 = 2_000;
const MANY: i64 = 150_000;
/// The value that stands for a null of an INT.
const NULL: i64 = i32::MIN as i64;

/// A table of `k` and `v`, two segments for each partition.
struct Made {
    name: &'static str,
    function: &'static str,
    count: u32,
    keys: i64,
    /// Keys are multiples of this.
    step: i64,
    nulls: bool,
    replicas: usize,
    /// The servers follow the partitions.
    placed: bool,
}

const ALIKE: Made = Made {
    name: "sales",
    function: "Murmur",
    count: PARTITIONS,
    keys: FEW,
    step: 1,
    nulls: true,
    replicas: 1,
    placed: true,
};

const TABLES: [Made; 10] = [
    ALIKE,
    Made {
        name: "refunds",
        step: 3,
        ..ALIKE
    },
    Made {
        name: "persons",
        step: 2,
        ..ALIKE
    },
    Made {
        name: "clicks",
        keys: MANY,
        ..ALIKE
    },
    Made {
        name: "views",
        keys: MANY,
        step: 2,
        ..ALIKE
    },
    Made {
        name: "eights",
        count: 8,
        ..ALIKE
    },
    Made {
        name: "debits",
        function: "Modulo",
        nulls: false,
        ..ALIKE
    },
    Made {
        name: "credits",
        function: "Modulo",
        nulls: false,
        step: 3,
        ..ALIKE
    },
    Made {
        name: "copied",
        step: 3,
        replicas: 2,
        ..ALIKE
    },
    Made {
        name: "loose",
        step: 3,
        placed: false,
        ..ALIKE
    },
];

impl Several {
    async fn partitioned(&self, made: &Made) -> Result<()> {
        let name = made.name;
        let column = json!({"functionName": made.function, "numPartitions": made.count});
        let mut segments = json!({"replication": made.replicas.to_string()});
        if made.placed {
            segments["replicaGroupStrategyConfig"] =
                json!({"partitionColumn": "k", "numInstancesPerPartition": 1});
        }
        let table = json!({"tableName": name, "tableType": "OFFLINE", "segmentsConfig": segments,
            "tenants": {}, "metadata": {}, "tableIndexConfig": {"nullHandlingEnabled": true,
                "segmentPartitionConfig": {"columnPartitionMap": {"k": column}}}});
        let columns = [("k", "INT"), ("v", "LONG")];
        self.make(name, &columns, &table).await?;
        let function = PartitionFunction::new(made.function, made.count, &json!(null));
        let partition = |key: i64| {
            function
                .as_ref()
                .and_then(|f| f.partition(&key.to_string()))
        };
        let mut rows: Vec<Vec<String>> = vec![Vec::new(); made.count as usize];
        for key in (0..made.keys).filter(|key| key % made.step == 0) {
            let row = |copy: i64| format!("{key},{}", key * 7 % 1009 + copy * 5000);
            if let Some(rows) = partition(key).and_then(|p| rows.get_mut(p as usize)) {
                rows.extend((0..=key % 2).map(row));
            }
        }
        if let Some(rows) = partition(NULL).and_then(|p| rows.get_mut(p as usize)) {
            rows.extend((0..5).filter(|_| made.nulls).map(|at| format!(",{at}")));
        }
        // Loose ones go to servers in turn, from the last partition on.
        let mut all: Vec<(usize, Vec<String>)> = rows.into_iter().enumerate().collect();
        if !made.placed {
            all.reverse();
        }
        let total = all.iter().map(|(_, rows)| rows.len()).sum();
        let halves = SEGMENTS / PARTITIONS as usize;
        for half in 0..halves {
            for (partition, rows) in &all {
                let own = rows.iter().skip(half).step_by(halves).cloned();
                let file = format!("{name}_{partition}_{half}");
                self.segment(name, &columns, &file, own).await?;
            }
        }
        self.wait(name, total).await
    }
}

/// How a query runs on several servers: exchanges between stages but for the last, and leaves in place.
struct Case(&'static str, Option<(usize, usize)>);

const fn in_place(sql: &'static str, exchanges: usize, leaves: usize) -> Case {
    Case(sql, Some((exchanges, leaves)))
}

const CASES: &[Case] = &[
    in_place(
        "SELECT s.k, s.v, r.v FROM sales s JOIN refunds r ON s.k = r.k",
        0,
        2,
    ),
    in_place(
        "SELECT s.k, s.v, r.k, r.v FROM refunds r LEFT JOIN sales s ON s.k = r.k AND s.v > 300",
        0,
        2,
    ),
    in_place(
        "SELECT s.k, s.v, r.k, r.v FROM refunds r RIGHT JOIN sales s ON s.k = r.k AND r.v > 300",
        0,
        2,
    ),
    in_place(
        "SELECT p.k, p.v, r.k, r.v FROM persons p FULL JOIN refunds r ON p.k = r.k",
        0,
        2,
    ),
    in_place(
        "SELECT k, v FROM sales s WHERE EXISTS (SELECT 1 FROM refunds r WHERE r.k = s.k AND r.v > 100)",
        0,
        2,
    ),
    in_place(
        "SELECT k, v FROM sales s WHERE NOT EXISTS (SELECT 1 FROM refunds r WHERE r.k = s.k)",
        0,
        2,
    ),
    in_place(
        "SELECT k, v FROM sales WHERE k IN (SELECT k FROM persons WHERE v > 50)",
        0,
        2,
    ),
    in_place(
        "SELECT s.k, COUNT(*), SUM(r.v) FROM sales s JOIN refunds r ON s.k = r.k GROUP BY s.k",
        0,
        2,
    ),
    in_place(
        "SELECT s.v % 10, COUNT(*), SUM(r.v) FROM sales s JOIN refunds r ON s.k = r.k GROUP BY s.v % 10",
        1,
        2,
    ),
    in_place(
        "SELECT s.k, s.v, ROW_NUMBER() OVER (PARTITION BY s.k ORDER BY s.v, r.v) FROM sales s JOIN refunds r ON s.k = r.k",
        0,
        2,
    ),
    in_place(
        "SELECT s.k, s.v, r.v, p.v FROM sales s JOIN refunds r ON s.k = r.k JOIN persons p ON r.k = p.k",
        0,
        3,
    ),
    in_place(
        "SELECT s.k, r.v, p.v FROM sales s LEFT JOIN refunds r ON s.k = r.k LEFT JOIN persons p ON s.k = p.k WHERE s.k < 900",
        0,
        3,
    ),
    Case(
        "SELECT s.k, r.v, p.v FROM sales s JOIN refunds r ON s.k = r.k JOIN persons p ON r.v = p.k",
        None,
    ),
    in_place(
        "SELECT COUNT(*), SUM(c.v), SUM(w.v) FROM clicks c JOIN views w ON c.k = w.k",
        0,
        2,
    ),
    in_place(
        "SELECT COUNT(*), COUNT(c.v), COUNT(w.v) FROM clicks c FULL JOIN views w ON c.k = w.k AND c.v > w.v",
        0,
        2,
    ),
    in_place(
        "SELECT c.k % 100, COUNT(*) FROM clicks c LEFT JOIN views w ON c.k = w.k WHERE w.k IS NULL GROUP BY c.k % 100",
        1,
        2,
    ),
    in_place(
        "SELECT COUNT(*), SUM(n) FROM (SELECT c.k, COUNT(*) AS n FROM clicks c JOIN views w ON c.k = w.k GROUP BY c.k) t WHERE n > 1",
        0,
        2,
    ),
    in_place(
        "SELECT COUNT(*) FROM clicks c JOIN views w ON c.k = w.k JOIN views x ON c.k = x.k",
        0,
        3,
    ),
    Case(
        "SELECT COUNT(*) FROM clicks c JOIN views w ON c.k = w.v JOIN views x ON c.k = x.k",
        None,
    ),
    in_place(
        "SELECT d.k, d.v, c.v FROM debits d JOIN credits c ON d.k = c.k",
        0,
        2,
    ),
    in_place(
        "SELECT d.k, d.v, c.k, c.v FROM debits d FULL JOIN credits c ON d.k = c.k AND d.v < 700",
        0,
        2,
    ),
    in_place(
        "SELECT d.k, s.v FROM debits d JOIN sales s ON d.k = s.k",
        1,
        0,
    ),
    in_place(
        "SELECT s.k, e.v FROM sales s JOIN eights e ON s.k = e.k",
        1,
        0,
    ),
    in_place(
        "SELECT s.k, l.v FROM sales s JOIN loose l ON s.k = l.k",
        1,
        0,
    ),
    // One of the copies is where the other table is.
    Case(
        "SELECT s.k, s.v, c.k, c.v FROM sales s FULL JOIN copied c ON s.k = c.k",
        None,
    ),
    in_place(
        "SELECT c.k, c.v, d.v FROM copied c JOIN copied d ON c.k = d.k",
        0,
        2,
    ),
    // Some partitions are not read.
    Case(
        "SELECT s.k, s.v, r.v FROM sales s JOIN refunds r ON s.k = r.k WHERE s.k IN (3, 6, 9, 600)",
        None,
    ),
    Case(
        "SELECT s.k, s.v, r.v FROM sales s LEFT JOIN refunds r ON s.k = r.k AND r.k = 600",
        None,
    ),
    in_place(
        "SET enableNullHandling=true; SELECT s.k, s.v, r.k, r.v FROM sales s FULL JOIN refunds r ON s.k = r.k",
        0,
        2,
    ),
    in_place(
        "SET enableNullHandling=true; SELECT s.k, s.v, r.k FROM sales s LEFT JOIN refunds r ON s.k = r.k WHERE s.v < 50",
        0,
        2,
    ),
    in_place(
        "SET enableNullHandling=true; SELECT k, v FROM sales s WHERE NOT EXISTS (SELECT 1 FROM refunds r WHERE r.k = s.k)",
        0,
        2,
    ),
    Case(
        "SET enableNullHandling=true; SELECT s.k, COUNT(*), COUNT(r.k) FROM sales s LEFT JOIN refunds r ON s.k = r.k GROUP BY s.k",
        None,
    ),
    Case(
        "SET enableNullHandling=true; SELECT k FROM sales INTERSECT SELECT k FROM refunds",
        None,
    ),
    in_place(
        "SELECT /*+ joinOptions(is_colocated_by_join_keys='true') */ s.k, r.v FROM sales /*+ tableOptions(partition_key='k', partition_size='4') */ s JOIN refunds /*+ tableOptions(partition_key='k', partition_size='4') */ r ON s.k = r.k",
        0,
        2,
    ),
];

/// Exchanges between stages but for the last, and leaves in place.
fn told(plan: &str) -> (usize, usize) {
    let exchanges = ["NetworkShuffleExec", "NetworkBroadcastExec"];
    let exchanges = exchanges.map(|name| plan.matches(name).count());
    // A leaf is shown once for each of its tasks.
    let first = plan.lines().filter(|line| line.contains("t0: "));
    let in_place = first.filter(|line| line.contains("lanes=")).count();
    (exchanges.iter().sum(), in_place)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tables_partitioned_alike_are_joined_in_place() -> Result<()> {
    let mut expected: Vec<Vec<String>> = Vec::new();
    let mut wrong = Vec::new();
    for servers in [1, 2, 4] {
        let cluster = Several::start(servers).await?;
        for made in &TABLES {
            cluster.partitioned(made).await?;
        }
        for (at, Case(sql, wanted)) in CASES.iter().enumerate() {
            let shown = |stages: &str| format!("{servers} servers{stages}");
            let rows = cluster.rows(sql, false).await;
            let rows = rows.with_context(|| shown(""))?;
            match expected.get(at) {
                None => {
                    ensure!(!rows.is_empty(), "no rows: {sql}");
                    expected.push(rows);
                }
                Some(known) if *known == rows => {}
                Some(known) => wrong.push(format!(
                    "{servers} servers: {sql}\n{}",
                    different(known, &rows)
                )),
            }
            let again = cluster.rows(sql, true).await;
            let again = again.with_context(|| shown(", in stages"))?;
            if again != expected[at] {
                let plan = cluster.plan(sql).await?;
                wrong.push(format!(
                    "{servers} servers, in stages: {sql}\n{}\n{plan}",
                    different(&expected[at], &again)
                ));
            }
            if servers == 1 {
                continue;
            }
            let plan = cluster.plan(sql).await?;
            let found = told(&plan);
            if wanted.is_some_and(|wanted| wanted != found) {
                wrong.push(format!("{servers} servers, {found:?}: {sql}\n{plan}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
