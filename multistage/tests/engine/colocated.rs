//! Which joins of a plan with stages need no exchange.
//!
//! Must not know: rows; no leaf is asked. Invariant: each case is told by what lies between its leaves and its joins.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use common::partition::PartitionFunction;
use common::{ColumnType, DataType, ErrorCode, QueryException, Schema};
use multistage::{
    Channels, Layout, LeafAnswer, LeafPart, LeafRows, LeafStreams, Leaves, Partitioned, Place,
    Request, Share, Slot,
};
use serde_json::json;
use sql::{Options, Statement};

const SERVERS: [&str; 2] = ["Server_a_1", "Server_b_1"];

/// A table of columns `k` and `l` of the same type, and `v`.
#[derive(Clone)]
struct Laid {
    function: &'static str,
    count: u32,
    data_type: DataType,
    /// Rows of each server, where they are known.
    rows: Option<usize>,
    nullable: bool,
    /// Partition `p` is on server `(p + shift) % 2`.
    shift: usize,
}

fn murmur() -> Laid {
    Laid {
        function: "Murmur",
        count: 4,
        data_type: DataType::Int,
        rows: None,
        nullable: false,
        shift: 0,
    }
}

impl Layout for Laid {
    fn partitioned(&self, column: &str) -> Option<Partitioned> {
        let servers = (0..self.count).map(|p| {
            let server = SERVERS[(p as usize + self.shift) % 2];
            (p, [server.to_owned()].into())
        });
        (column == "k").then_some(Partitioned {
            function: PartitionFunction::new(self.function, self.count, &json!(null))?,
            column_type: ColumnType::sv(self.data_type),
            nullable: self.nullable,
            servers: servers.collect(),
        })
    }

    fn shares(&self, _: &str, slots: &[Slot]) -> Option<Vec<Vec<Share>>> {
        let share = |server: &String| Share {
            server: server.clone(),
            url: "http://a:1".to_owned(),
            request: Vec::new(),
        };
        Some(slots.iter().map(|s| vec![share(&s.server)]).collect())
    }
}

/// What one server has of a table.
struct Part(&'static str, Option<usize>);

impl LeafPart for Part {
    fn rows(self: Arc<Self>) -> LeafRows {
        Box::pin(futures::stream::empty())
    }

    fn estimate(&self) -> Option<usize> {
        self.1
    }

    fn share(&self) -> Option<(Place, Share)> {
        let url = format!("http://{}", self.0.replace('_', "-").to_lowercase());
        let place = Place {
            id: self.0.to_owned(),
            url: url.parse().ok()?,
            here: None,
        };
        let share = Share {
            server: self.0.to_owned(),
            url,
            request: Vec::new(),
        };
        Some((place, share))
    }
}

struct Tables {
    tables: BTreeMap<&'static str, Laid>,
    channels: Channels,
}

#[async_trait]
impl Leaves for Tables {
    fn table(&self, name: &str) -> Option<(String, Arc<Schema>)> {
        let table = self.tables.get(name)?;
        let data_type = table.data_type.name();
        let schema = json!({"schemaName": name, "dimensionFieldSpecs": [
            {"name": "k", "dataType": data_type}, {"name": "l", "dataType": data_type},
            {"name": "v", "dataType": "LONG"}]});
        let schema = serde_json::from_value(schema).ok()?;
        Some((name.to_owned(), Arc::new(schema)))
    }

    async fn answer(&self, sql: &str) -> Result<LeafAnswer, QueryException> {
        Err(QueryException::new(ErrorCode::Internal, sql.to_owned()))
    }

    async fn streams(&self, sql: &str) -> Result<LeafStreams, QueryException> {
        let name = sql.split(" FROM \"").nth(1);
        let name = name.and_then(|rest| rest.split('"').next());
        let table = name.and_then(|name| self.tables.get(name));
        let table = table.ok_or_else(|| QueryException::new(ErrorCode::Internal, "no table"))?;
        let parts = SERVERS.map(|id| Arc::new(Part(id, table.rows)) as Arc<dyn LeafPart>);
        let layout: Arc<dyn Layout> = Arc::new(table.clone());
        Ok(LeafStreams {
            parts: parts.into(),
            layout: Some(layout),
        })
    }

    fn channels(&self) -> Option<&Channels> {
        Some(&self.channels)
    }
}

/// Tables that differ in what lets them lie beside each other.
fn tables() -> BTreeMap<&'static str, Laid> {
    let of_type = |data_type| Laid {
        data_type,
        ..murmur()
    };
    let small = Laid {
        rows: Some(100),
        ..murmur()
    };
    let eight = Laid {
        count: 8,
        ..murmur()
    };
    let modulo = Laid {
        function: "Modulo",
        ..murmur()
    };
    let elsewhere = Laid {
        shift: 1,
        ..murmur()
    };
    let null = Laid {
        nullable: true,
        ..murmur()
    };
    BTreeMap::from([
        ("a", murmur()),
        ("b", murmur()),
        ("c", murmur()),
        ("smalla", small.clone()),
        ("smallb", small),
        ("eight", eight),
        ("modulo", modulo),
        ("elsewhere", elsewhere),
        ("wide", of_type(DataType::Long)),
        ("widetoo", of_type(DataType::Long)),
        ("doubles", of_type(DataType::Double)),
        ("doublestoo", of_type(DataType::Double)),
        ("nulla", null.clone()),
        ("nullb", null),
    ])
}

/// The plan of a query.
async fn plan(sql: &str) -> Result<String> {
    let dialled = |_: &str| Err(QueryException::new(ErrorCode::Internal, "nobody is called"));
    let leaves = Tables {
        tables: tables(),
        channels: Channels::new(Arc::new(dialled), None),
    };
    let text = format!("SET distributed=true; EXPLAIN IMPLEMENTATION PLAN FOR {sql}");
    let request = Request {
        statement: Statement::split(&text, &Options::default())?,
        now_ms: 0,
        memory: Arc::default(),
        statistics: Arc::default(),
    };
    let answered = multistage::answer(&request, Arc::new(leaves)).await;
    let table = answered.map_err(|error| anyhow::anyhow!("{sql}: {}", error.message))?;
    let row = table.rows.first().context("no plan")?;
    Ok(row[1].to_text())
}

/// Exchanges between stages, the last to the broker apart, and leaves in place.
async fn exchanges(sql: &str) -> Result<(usize, usize)> {
    let plan = plan(sql).await?;
    ensure!(plan.contains("Stage 1"), "{sql}\n{plan}");
    let shuffles = plan.matches("NetworkShuffleExec").count();
    let broadcasts = plan.matches("NetworkBroadcastExec").count();
    let in_place = plan.matches("t0: ShareExec").count();
    let in_place = in_place.min(plan.matches("lanes=").count() / SERVERS.len());
    Ok((shuffles + broadcasts, in_place))
}

/// Queries with their exchanges and their leaves in place.
const CASES: &[(&str, usize, usize)] = &[
    ("SELECT a.v, b.v FROM a JOIN b ON a.k = b.k", 0, 2),
    (
        "SELECT a.v, b.v FROM a JOIN b ON a.k = b.k AND a.l = b.v",
        0,
        2,
    ),
    ("SELECT a.v, b.v FROM a LEFT JOIN b ON a.k = b.k", 0, 2),
    ("SELECT a.v, b.v FROM a RIGHT JOIN b ON a.k = b.k", 0, 2),
    ("SELECT a.v, b.v FROM a FULL JOIN b ON a.k = b.k", 0, 2),
    (
        "SELECT v FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k)",
        0,
        2,
    ),
    (
        "SELECT v FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)",
        0,
        2,
    ),
    (
        "SELECT a.v, b.v FROM a JOIN b ON a.k = b.k AND a.v < b.v WHERE a.l > 5",
        0,
        2,
    ),
    (
        "SELECT smalla.v, smallb.v FROM smalla JOIN smallb ON smalla.k = smallb.k",
        0,
        2,
    ),
    (
        "SELECT smalla.v, smallb.v FROM smalla LEFT JOIN smallb ON smalla.k = smallb.k",
        0,
        2,
    ),
    (
        "SELECT smalla.v, smallb.v FROM smalla FULL JOIN smallb ON smalla.k = smallb.k",
        0,
        2,
    ),
    // Groups of the key are where the join is, others are not.
    (
        "SELECT a.k, SUM(b.v) FROM a JOIN b ON a.k = b.k GROUP BY a.k",
        0,
        2,
    ),
    (
        "SELECT a.k, a.l, SUM(b.v) FROM a JOIN b ON a.k = b.k GROUP BY a.k, a.l",
        0,
        2,
    ),
    (
        "SELECT a.l, SUM(b.v) FROM a JOIN b ON a.k = b.k GROUP BY a.l",
        1,
        2,
    ),
    (
        "SELECT a.v, ROW_NUMBER() OVER (PARTITION BY a.k ORDER BY b.v) FROM a JOIN b ON a.k = b.k",
        0,
        2,
    ),
    // The key of the side that may be missing says nothing.
    (
        "SELECT b.k, SUM(a.v) FROM a LEFT JOIN b ON a.k = b.k GROUP BY b.k",
        1,
        2,
    ),
    // Three tables of one key; a third one of another key.
    (
        "SELECT a.v, b.v, c.v FROM a JOIN b ON a.k = b.k JOIN c ON b.k = c.k",
        0,
        3,
    ),
    (
        "SELECT a.v, b.v, c.v FROM a LEFT JOIN b ON a.k = b.k LEFT JOIN c ON a.k = c.k",
        0,
        3,
    ),
    (
        "SELECT a.v, b.v, c.v FROM a JOIN b ON a.k = b.k JOIN c ON b.l = c.l",
        2,
        2,
    ),
    (
        "SELECT a.v, smalla.v, b.v FROM a JOIN smalla ON a.l = smalla.l JOIN b ON a.k = b.k",
        1,
        2,
    ),
    // The other input of the join above is dealt out by hash: no partition of it would match.
    (
        "SELECT a.v, b.v, eight.v FROM a JOIN b ON a.k = b.k JOIN eight ON a.k = eight.k",
        3,
        0,
    ),
    (
        "SELECT a.v, eight.v FROM a JOIN eight ON a.k = eight.k",
        2,
        0,
    ),
    (
        "SELECT a.v, modulo.v FROM a JOIN modulo ON a.k = modulo.k",
        2,
        0,
    ),
    (
        "SELECT a.v, elsewhere.v FROM a JOIN elsewhere ON a.k = elsewhere.k",
        2,
        0,
    ),
    ("SELECT a.v, wide.v FROM a JOIN wide ON a.k = wide.k", 2, 0),
    (
        "SELECT doubles.v, doublestoo.v FROM doubles JOIN doublestoo ON doubles.k = doublestoo.k",
        2,
        0,
    ),
    ("SELECT a.v, b.v FROM a JOIN b ON a.k = b.l", 2, 0),
    ("SELECT a.v, b.v FROM a JOIN b ON a.k + 1 = b.k", 2, 0),
    // The wider keys are other values than those that were dealt out.
    (
        "SELECT wide.v, widetoo.v FROM wide JOIN widetoo ON CAST(wide.k AS INT) = CAST(widetoo.k AS INT)",
        2,
        0,
    ),
    // Null is where the value lies that stands for it: it meets nothing, but is one group.
    (
        "SELECT nulla.v, nullb.v FROM nulla FULL JOIN nullb ON nulla.k = nullb.k",
        0,
        2,
    ),
    (
        "SELECT nulla.k, COUNT(*) FROM nulla JOIN nullb ON nulla.k = nullb.k GROUP BY nulla.k",
        0,
        2,
    ),
    (
        "SELECT nulla.k, COUNT(*) FROM nulla LEFT JOIN nullb ON nulla.k = nullb.k GROUP BY nulla.k",
        2,
        0,
    ),
    // A leaf without repetitions is merged in the broker.
    ("SELECT k, v FROM a INTERSECT SELECT k, v FROM b", 2, 0),
    // Groups below the join.
    (
        "SELECT a.v, t.n FROM a JOIN (SELECT b.k AS k, COUNT(*) AS n FROM b JOIN c ON b.k = c.k GROUP BY b.k) t ON a.k = t.k",
        0,
        3,
    ),
    (
        "SELECT a.v FROM a JOIN b ON a.k = b.k UNION ALL SELECT c.v FROM c",
        0,
        2,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn joins_in_place_have_no_exchange() -> Result<()> {
    let mut wrong = Vec::new();
    for (sql, exchanged, in_place) in CASES {
        let found = exchanges(sql).await?;
        if found != (*exchanged, *in_place) {
            let plan = plan(sql).await?;
            wrong.push(format!(
                "{found:?}, not {:?}: {sql}\n{plan}",
                (exchanged, in_place)
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
