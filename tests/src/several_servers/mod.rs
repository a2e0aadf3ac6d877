//! The same data on one, two and four servers: every query of the multi-stage engine has the same answer on all of them.
//!
//! The first server is in the broker's process, its rows are never encoded; the others are reached by gRPC.
//! Must not know: how rows are routed. Invariant: an answer is compared as a set of rows unless the query orders them.

mod colocated;
mod queries;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use touriga::{BrokerResponse, Cluster, Role};

/// Segments of each table, so that every server has some.
const SEGMENTS: usize = 8;
/// Rows of a segment of `visits`: enough for several batches each, and for several lanes in one process.
const VISITS: usize = 20_000;
const ORDERS: usize = 400;
const CUSTOMERS: usize = 25;

/// A cluster with so many servers.
struct Several {
    first: Cluster,
    others: Vec<Cluster>,
    _folder: tempfile::TempDir,
    client: reqwest::Client,
    controller: String,
}

impl Several {
    async fn start(servers: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let first = Cluster::builder()
            .data_dir(folder.path().join("0"))
            .any_ports()
            .build()
            .await?;
        first.ready().await;
        let port = first.controller_port().context("no controller")?;
        let controller = format!("http://127.0.0.1:{port}");
        let mut others = Vec::new();
        for number in 1..servers {
            let other = Cluster::builder()
                .roles(&[Role::Server])
                .data_dir(folder.path().join(number.to_string()))
                .controller_url(&controller)
                .server_port(0)
                .server_admin_port(0)
                .build()
                .await?;
            other.ready().await;
            others.push(other);
        }
        Ok(Self {
            first,
            others,
            _folder: folder,
            client: reqwest::Client::new(),
            controller,
        })
    }

    async fn post(&self, path: &str, body: &Json) -> Result<()> {
        let url = format!("{}/{path}", self.controller);
        let answer = self.client.post(url).json(body).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path}: {}", answer.text().await?);
        Ok(())
    }

    /// Makes a table and fills each of its segments with rows of `row`.
    async fn table(
        &self,
        name: &str,
        columns: &[(&str, &str)],
        rows: usize,
        row: impl Fn(usize) -> String,
    ) -> Result<()> {
        let table = json!({"tableName": name, "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"},
            "tenants": {}, "tableIndexConfig": {"nullHandlingEnabled": true}, "metadata": {}});
        self.make(name, columns, &table).await?;
        for segment in 0..SEGMENTS {
            let of = segment * rows..(segment + 1) * rows;
            self.segment(name, columns, &format!("{name}{segment}"), of.map(&row))
                .await?;
        }
        self.wait(name, rows * SEGMENTS).await
    }

    /// Makes a table without rows.
    async fn make(&self, name: &str, columns: &[(&str, &str)], table: &Json) -> Result<()> {
        let fields: Vec<Json> = columns
            .iter()
            .map(|(name, data_type)| json!({"name": name, "dataType": data_type}))
            .collect();
        let schema = json!({"schemaName": name, "dimensionFieldSpecs": fields});
        self.post("schemas", &schema).await?;
        self.post("tables", table).await
    }

    /// Adds a segment of rows.
    async fn segment(
        &self,
        table: &str,
        columns: &[(&str, &str)],
        file: &str,
        rows: impl Iterator<Item = String>,
    ) -> Result<()> {
        let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut text = header.join(",");
        for row in rows {
            text.push('\n');
            text.push_str(&row);
        }
        text.push('\n');
        let part =
            reqwest::multipart::Part::bytes(text.into_bytes()).file_name(format!("{file}.csv"));
        let form = reqwest::multipart::Form::new().part("file", part);
        let url = format!(
            "{}/ingestFromFile?tableNameWithType={table}_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D",
            self.controller
        );
        let answer = self.client.post(url).multipart(form).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{table}: {}", answer.text().await?);
        Ok(())
    }

    async fn wait(&self, name: &str, rows: usize) -> Result<()> {
        for _ in 0..600 {
            let answer = self.ask(&format!("SELECT COUNT(*) FROM {name}")).await?;
            let seen = answer.table.map(|table| table.rows);
            if seen.is_some_and(|r| r == [[common::Value::Long(rows as i64)]]) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("`{name}` never had {rows} rows")
    }

    async fn fill(&self) -> Result<()> {
        let customers = [
            ("customer", "INT"),
            ("city", "STRING"),
            ("credit", "DOUBLE"),
        ];
        self.table("customers", &customers, CUSTOMERS, |at| {
            format!("{at},city{},{}.5", at % 7, at * 10)
        })
        .await?;
        let orders = [
            ("id", "LONG"),
            ("buyer", "INT"),
            ("amount", "LONG"),
            ("state", "STRING"),
            ("placed", "TIMESTAMP"),
        ];
        self.table("orders", &orders, ORDERS, |at| {
            // Some buyers are no customers, some customers buy nothing.
            let buyer = at * 7 % 230;
            let state = ["new", "paid", "sent"][at % 3];
            let placed = 1_700_000_000_000 + at as i64 * 60_000;
            format!("{at},{buyer},{},{state},{placed}", at * 31 % 997)
        })
        .await?;
        let visits = [("visit", "LONG"), ("visitor", "INT"), ("page", "STRING")];
        self.table("visits", &visits, VISITS, |at| {
            format!("{at},{},page{}", at * 13 % 5000, at % 11)
        })
        .await
    }

    async fn ask(&self, sql: &str) -> Result<BrokerResponse> {
        let text = format!("SET useMultistageEngine=true; SET timeoutMs=60000; {sql}");
        self.first.query(&text).await.context("no broker")
    }

    /// True where the plan of a query has stages on servers.
    async fn has_stages(&self, sql: &str) -> Result<bool> {
        Ok(self.plan(sql).await?.contains("Stage 1"))
    }

    /// The plan of a query.
    async fn plan(&self, sql: &str) -> Result<String> {
        let (options, select) = match sql.strip_prefix("SET enableNullHandling=true; ") {
            Some(select) => ("SET enableNullHandling=true; ", select),
            None => ("", sql),
        };
        let text =
            format!("{options}SET distributed=true; EXPLAIN IMPLEMENTATION PLAN FOR {select}");
        let answer = self.ask(&text).await?;
        ensure!(answer.failures.is_empty(), "{sql}: {:?}", answer.failures);
        let rows = answer.table.map(|table| table.rows).unwrap_or_default();
        let plan = rows.first().and_then(|row| row.get(1));
        Ok(plan.context("no plan")?.to_text())
    }

    /// The rows as text, in an order of their own where the query has none.
    async fn rows(&self, sql: &str, distributed: bool) -> Result<Vec<String>> {
        let answer = self
            .ask(&format!("SET distributed={distributed}; {sql}"))
            .await?;
        ensure!(
            answer.failures.is_empty(),
            "{sql}: {:?}",
            answer.failures.first()
        );
        let table = answer.table.with_context(|| sql.to_owned())?;
        let mut rows: Vec<String> = table.rows.iter().map(|row| format!("{row:?}")).collect();
        if !sql.contains("ORDER BY 1") {
            rows.sort_unstable();
        }
        Ok(rows)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_two_and_four_servers_answer_alike() -> Result<()> {
    let mut expected: Vec<Vec<String>> = Vec::new();
    let mut wrong = Vec::new();
    for servers in [1, 2, 4] {
        let cluster = Several::start(servers).await?;
        cluster.fill().await?;
        let mut in_stages = 0;
        for (at, sql) in queries::ALL.iter().enumerate() {
            let rows = cluster.rows(sql, false).await.unwrap_or_else(|error| {
                wrong.push(format!("{servers} servers: {error}"));
                Vec::new()
            });
            match cluster.rows(sql, true).await {
                Ok(again) if again == rows => {}
                Ok(again) => wrong.push(format!(
                    "{servers} servers, in stages: {sql}\n{}",
                    different(&rows, &again)
                )),
                Err(error) => wrong.push(format!("{servers} servers, in stages: {error}")),
            }
            in_stages += usize::from(cluster.has_stages(sql).await?);
            match expected.get(at) {
                None if rows.is_empty() => {
                    wrong.push(format!("no rows: {sql}"));
                    expected.push(rows);
                }
                None => expected.push(rows),
                Some(expected) if *expected == rows => {}
                Some(expected) => wrong.push(format!(
                    "{servers} servers: {sql}\n{}",
                    different(expected, &rows)
                )),
            }
        }
        let most = queries::ALL.len() * 2 / 3;
        ensure!(
            if servers == 1 {
                in_stages == 0
            } else {
                in_stages >= most
            },
            "{servers} servers: {in_stages} of {} queries in stages",
            queries::ALL.len()
        );
        for distributed in [false, true] {
            cluster.counts_and_stages(servers, distributed).await?;
        }
        cluster.ends_early().await?;
        if servers > 1 {
            cluster.stops().await?;
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

impl Several {
    /// What the response tells of the work.
    async fn counts_and_stages(&self, servers: usize, distributed: bool) -> Result<()> {
        let sql = "SELECT COUNT(*) FROM orders o JOIN customers c ON o.buyer = c.customer WHERE o.amount >= 0";
        let answer = self
            .ask(&format!("SET distributed={distributed}; {sql}"))
            .await?;
        let both = ((ORDERS + CUSTOMERS) * SEGMENTS) as u64;
        let matched = answer.table.as_ref().and_then(|table| table.rows.first());
        let matched = matched
            .and_then(|row| row[0].as_i64())
            .context("no count")? as usize;
        // Orders that no customer made are not read; leaves of stages do not hear of the customers.
        let orders = if distributed && servers > 1 {
            ORDERS * SEGMENTS
        } else {
            matched
        };
        let read = (orders + CUSTOMERS * SEGMENTS) as u64;
        ensure!(answer.stats.num_docs_scanned == read, "{:?}", answer.stats);
        ensure!(
            answer.stats.total_docs == both && matched < ORDERS * SEGMENTS,
            "{:?}",
            answer.stats
        );
        ensure!(answer.stats.num_segments_queried == 2 * SEGMENTS as u64);
        ensure!(answer.num_servers_queried as usize == servers);
        let parts = answer.multi_stage.context("no stages")?;
        let tree: Json = serde_json::from_str(&parts.stage_stats)?;
        ensure!(tree["type"] == "MAILBOX_RECEIVE", "{tree}");
        ensure!(tree["children"][0]["type"] == "MAILBOX_SEND", "{tree}");
        ensure!(tree["children"][0]["stage"] == 1, "{tree}");
        let leaves = nodes(&tree, "LEAF");
        ensure!(leaves.len() == 2, "{tree}");
        for leaf in leaves {
            let rows = if leaf["table"] == "orders" {
                orders
            } else {
                CUSTOMERS * SEGMENTS
            };
            ensure!(leaf["emittedRows"] == rows, "{leaf}");
        }
        ensure!(nodes(&tree, "HASH_JOIN").len() == 1, "{tree}");
        ensure!(parts.operator_rows >= matched as u64);
        Ok(())
    }

    /// Bytes that stages hold, on all servers.
    fn stage_bytes(&self) -> usize {
        let servers = std::iter::once(&self.first).chain(&self.others);
        servers.filter_map(Cluster::stage_bytes).sum()
    }

    /// Stages end with their query, on all servers.
    async fn stops(&self) -> Result<()> {
        let sql = "SET useMultistageEngine=true; SET distributed=true; SET timeoutMs=2500; \
            SELECT COUNT(*) FROM visits v JOIN visits w ON v.visitor = w.visitor JOIN visits x ON w.visitor = x.visitor";
        let watched = async {
            for _ in 0..1000 {
                if self.stage_bytes() > 1 << 20 {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            false
        };
        let (answer, ran) = tokio::join!(self.first.query(sql), watched);
        ensure!(ran, "the query had no stages");
        let failed = answer.is_some_and(|answer| !answer.failures.is_empty());
        for _ in 0..100 {
            // What ended is forgotten when another query comes.
            self.rows(queries::SMALL, true).await?;
            if self.stage_bytes() < 1 << 20 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let left = self.stage_bytes();
        anyhow::bail!("stages hold {left} bytes without their query, which failed: {failed}")
    }

    /// A query that needs few rows does not read them all.
    async fn ends_early(&self) -> Result<()> {
        for distributed in [false, true] {
            self.ends_early_where(distributed).await?;
        }
        Ok(())
    }

    async fn ends_early_where(&self, distributed: bool) -> Result<()> {
        let set = format!("SET distributed={distributed};");
        let answer = self
            .ask(&format!(
                "{set} SELECT v.page FROM visits v JOIN visits w ON v.visit = w.visit LIMIT 5"
            ))
            .await?;
        ensure!(answer.failures.is_empty(), "{:?}", answer.failures);
        ensure!(answer.table.is_some_and(|table| table.rows.len() == 5));
        let answer = self
            .ask(&format!("{set} SELECT v.page, CAST(v.page AS INT) FROM visits v JOIN customers c ON v.visitor = c.customer"))
            .await?;
        ensure!(!answer.failures.is_empty(), "`page1` is no INT");
        let text = format!(
            "SET useMultistageEngine=true; SET timeoutMs=1; {set} \
            SELECT COUNT(*) FROM visits v JOIN visits w ON v.visitor < w.visitor"
        );
        let answer = self.first.query(&text).await.context("no broker")?;
        ensure!(!answer.failures.is_empty(), "1 ms is not enough");
        Ok(())
    }
}

/// The beginnings of two answers.
fn different(one: &[String], other: &[String]) -> String {
    let shown = |rows: &[String]| format!("{} rows, {:?}", rows.len(), &rows[..rows.len().min(5)]);
    format!("{}\n{}", shown(one), shown(other))
}

/// Every operator of a type.
fn nodes<'a>(tree: &'a Json, wanted: &str) -> Vec<&'a Json> {
    let below = tree["children"].as_array().into_iter().flatten();
    let mut found: Vec<&Json> = below.flat_map(|child| nodes(child, wanted)).collect();
    if tree["type"] == wanted {
        found.push(tree);
    }
    found
}
