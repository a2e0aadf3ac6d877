//! Dimension tables: every server holds them, LOOKUP reads them in both engines and follows their segments.
//!
//! Must not know: how a server keeps them.

use std::time::Duration;

use serde_json::{Value as Json, json};
use touriga::{Cluster, Role};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

struct Site {
    client: reqwest::Client,
    controller: String,
    broker: String,
}

impl Site {
    async fn post(&self, path: &str, body: &Json) -> Fallible<(u16, String)> {
        let url = format!("{}/{path}", self.controller);
        let answer = self.client.post(url).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn table(&self, name: &str, schema: &Json, more: &Json) -> Fallible {
        let (status, text) = self.post("schemas", schema).await?;
        assert_eq!(status, 200, "{text}");
        let mut table = json!({"tableName": name, "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"},
            "tenants": {}, "tableIndexConfig": {}, "metadata": {}});
        for (key, value) in more.as_object().into_iter().flatten() {
            table[key] = value.clone();
        }
        let (status, text) = self.post("tables", &table).await?;
        assert_eq!(status, 200, "{text}");
        Ok(())
    }

    async fn rows(&self, table: &str, file: &str, text: &str) -> Fallible {
        let part =
            reqwest::multipart::Part::bytes(text.as_bytes().to_vec()).file_name(file.to_owned());
        let form = reqwest::multipart::Form::new().part("file", part);
        let url = format!(
            "{}/ingestFromFile?tableNameWithType={table}_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22csv%22%7D",
            self.controller
        );
        let answer = self.client.post(url).multipart(form).send().await?;
        let status = answer.status();
        assert!(status.is_success(), "{}", answer.text().await?);
        Ok(())
    }

    async fn ask(&self, sql: &str) -> Fallible<Json> {
        let url = format!("{}/query/sql", self.broker);
        let answer = self
            .client
            .post(url)
            .json(&json!({"sql": sql}))
            .send()
            .await?;
        Ok(answer.json().await?)
    }

    async fn wait(&self, sql: &str, wanted: &Json) -> Fallible {
        let mut last = Json::Null;
        for _ in 0..400 {
            last = self.ask(sql).await?;
            if last["resultTable"]["rows"] == *wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("`{sql}` answers {last}, expected {wanted}").into())
    }

    async fn code(&self, sql: &str) -> Fallible<i64> {
        let answer = self.ask(sql).await?;
        Ok(answer["exceptions"][0]["errorCode"].as_i64().unwrap_or(0))
    }
}

async fn filled(site: &Site) -> Fallible {
    let teams = json!({"schemaName": "teams", "primaryKeyColumns": ["id"], "dimensionFieldSpecs": [
        {"name": "id", "dataType": "STRING"}, {"name": "name", "dataType": "STRING"},
        {"name": "tags", "dataType": "INT", "singleValueField": false}]});
    let dimension = json!({"isDimTable": true, "dimensionTableConfig": {"disablePreload": false}});
    site.table("teams", &teams, &dimension).await?;
    let pairs = json!({"schemaName": "pairs", "primaryKeyColumns": ["a", "b"], "dimensionFieldSpecs": [
        {"name": "a", "dataType": "INT"}, {"name": "b", "dataType": "STRING"}, {"name": "v", "dataType": "LONG"}]});
    site.table("pairs", &pairs, &dimension).await?;
    let games = json!({"schemaName": "games", "dimensionFieldSpecs": [
        {"name": "n", "dataType": "INT"}, {"name": "team", "dataType": "STRING"}]});
    site.table("games", &games, &json!({})).await?;
    site.rows(
        "teams",
        "teams.csv",
        "id,name,tags\nA,Alpha,1;2\nB,Beta,3\n",
    )
    .await?;
    site.rows("pairs", "pairs.csv", "a,b,v\n1,A,10\n2,B,20\n")
        .await?;
    for part in 0..4 {
        let text = format!(
            "n,team\n{},A\n{},B\n{},C\n",
            part * 3,
            part * 3 + 1,
            part * 3 + 2
        );
        site.rows("games", &format!("games{part}.csv"), &text)
            .await?;
    }
    site.wait("SELECT COUNT(*) FROM games", &json!([[12]]))
        .await?;
    site.wait("SELECT COUNT(*) FROM teams", &json!([[2]]))
        .await?;
    site.wait("SELECT COUNT(*) FROM pairs", &json!([[2]])).await
}

async fn engine_answers(site: &Site, engine: &str) -> Fallible {
    let name = "LOOKUP('teams', 'name', 'id', team)";
    let ask = |sql: &str| format!("{engine}{sql}");
    site.wait(
        &ask(&format!("SELECT COUNT(*) FROM games WHERE {name} = 'Beta'")),
        &json!([[4]]),
    )
    .await?;
    site.wait(
        &ask("SELECT n, LOOKUP('teams', 'tags', 'id', team) FROM games WHERE n < 2 ORDER BY n"),
        &json!([[0, [1, 2]], [1, [3]]]),
    )
    .await?;
    site.wait(
        &ask("SELECT LOOKUP('pairs', 'v', 'a', n, 'b', team) FROM games WHERE n = 1"),
        &json!([[i64::MIN]]),
    )
    .await?;
    site.wait(
        &ask("SELECT SUM(LOOKUP('pairs', 'v', 'a', n + 1, 'b', team)) FROM games WHERE n = 0 OR n = 1"),
        &if engine.is_empty() { json!([[30.0]]) } else { json!([[30]]) },
    )
    .await?;
    for wrong in [
        "SELECT LOOKUP('nope', 'name', 'id', team) FROM games",
        "SELECT LOOKUP('games', 'team', 'n', n) FROM games",
        "SELECT LOOKUP('teams', 'nope', 'id', team) FROM games",
        "SELECT LOOKUP('teams', 'name', 'name', team) FROM games",
        "SELECT LOOKUP('teams', 'name', 'id') FROM games",
    ] {
        assert_eq!(site.code(&ask(wrong)).await?, 700, "{engine}{wrong}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lookup_reads_dimension_tables() -> Fallible {
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::builder()
        .data_dir(folder.path().join("0"))
        .any_ports()
        .build()
        .await?;
    cluster.ready().await;
    let site = Site {
        client: reqwest::Client::new(),
        controller: format!(
            "http://127.0.0.1:{}",
            cluster.controller_port().ok_or("no controller")?
        ),
        broker: format!(
            "http://127.0.0.1:{}",
            cluster.broker_port().ok_or("no broker")?
        ),
    };
    let other = Cluster::builder()
        .roles(&[Role::Server])
        .data_dir(folder.path().join("1"))
        .controller_url(&site.controller)
        .server_port(0)
        .server_admin_port(0)
        .build()
        .await?;
    other.ready().await;
    filled(&site).await?;
    let name = "LOOKUP('teams', 'name', 'id', team)";
    site.wait(
        &format!("SELECT n, {name} FROM games WHERE n < 3 ORDER BY n"),
        &json!([[0, "Alpha"], [1, "Beta"], [2, "null"]]),
    )
    .await?;
    let shown = site
        .ask(&format!(
            "SELECT {name}, COUNT(*) FROM games GROUP BY {name} ORDER BY {name}"
        ))
        .await?;
    assert_eq!(
        shown["resultTable"]["dataSchema"]["columnNames"][0],
        "lookup('teams','name','id',team)"
    );
    assert_eq!(
        shown["resultTable"]["rows"],
        json!([["Alpha", 4], ["Beta", 4], ["null", 4]])
    );
    for engine in ["", "SET useMultistageEngine=true; "] {
        engine_answers(&site, engine).await?;
    }
    // A new version of the segment under its name, and a segment beside it.
    site.rows("teams", "more.csv", "id,name,tags\nC,Gamma,5\nB,Beth,3\n")
        .await?;
    site.wait(
        &format!("SELECT n, {name} FROM games WHERE n IN (0, 2) ORDER BY n"),
        &json!([[0, "Alpha"], [2, "Gamma"]]),
    )
    .await
}
