//! Every endpoint of every role refuses who has no rights; rights over tables, rows and queries a second hold end to end.
//!
//! Must not know: how access is decided. Invariant: the list of endpoints is read from the sources, so that none is forgotten.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value as Json, json};
use touriga::{Cluster, Settings};

type Fallible = Result<(), Box<dyn std::error::Error>>;

/// Endpoints that answer everybody.
const OPEN: &[&str] = &[
    "/",
    "/help",
    "/{file}",
    "/health",
    "/health/liveness",
    "/health/readiness",
    "/auth/info",
    "/auth/verify",
    "/auth/verify/v2",
    "/pinot-controller/admin",
];

struct Running {
    cluster: Cluster,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

async fn start() -> Result<Running, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut settings = Settings::default();
    for (name, value) in [
        ("", "admin,reader,robot,local"),
        (".admin.password", "secret"),
        (
            ".reader.password",
            "{SHA-256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        ),
        (".reader.tables", "sales"),
        (".reader.permissions", "READ"),
        (".robot.token", "t0k3n"),
        (".robot.tables", "other"),
        (".local.token", "recife"),
        (".local.sales.rls", "city = 'Recife'"),
    ] {
        settings.set(format!("access.control.principals{name}"), value);
    }
    let cluster = Cluster::builder()
        .data_dir(folder.path())
        .any_ports()
        .settings(settings)
        .build()
        .await?;
    cluster.ready().await;
    Ok(Running {
        cluster,
        client: reqwest::Client::new(),
        folder,
    })
}

impl Running {
    fn controller(&self) -> String {
        format!(
            "http://127.0.0.1:{}",
            self.cluster.controller_port().unwrap_or_default()
        )
    }

    fn broker(&self) -> String {
        format!(
            "http://127.0.0.1:{}",
            self.cluster.broker_port().unwrap_or_default()
        )
    }

    fn server(&self) -> String {
        format!(
            "http://127.0.0.1:{}",
            self.cluster.server_admin_port().unwrap_or_default()
        )
    }

    async fn status(&self, method: Method, url: &str, who: Who<'_>) -> Result<u16, reqwest::Error> {
        let request = self.client.request(method, url);
        Ok(who.shown(request).send().await?.status().as_u16())
    }

    async fn post(
        &self,
        path: &str,
        body: &Json,
        who: Who<'_>,
    ) -> Result<(u16, String), reqwest::Error> {
        let request = self
            .client
            .post(format!("{}{path}", self.controller()))
            .json(body);
        let answer = who.shown(request).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn query(&self, sql: &str, who: Who<'_>) -> Result<(u16, Json), reqwest::Error> {
        let request = self
            .client
            .post(format!("{}/query/sql", self.broker()))
            .json(&json!({ "sql": sql }));
        let answer = who.shown(request).send().await?;
        Ok((
            answer.status().as_u16(),
            answer.json().await.unwrap_or_default(),
        ))
    }

    /// A table of three rows, once it answers.
    async fn sales(&self, config: Json) -> Fallible {
        let schema = json!({"schemaName": "sales", "dimensionFieldSpecs": [
            {"name": "city", "dataType": "STRING"}, {"name": "n", "dataType": "INT"}
        ]});
        let mut table = json!({"tableName": "sales", "tableType": "OFFLINE", "segmentsConfig": {"replication": "1"}, "tenants": {},
            "tableIndexConfig": {}, "metadata": {}});
        if let (Some(table), Json::Object(more)) = (table.as_object_mut(), config) {
            table.extend(more);
        }
        for (path, body) in [("/schemas", &schema), ("/tables", &table)] {
            let (status, text) = self.post(path, body, ADMIN).await?;
            assert_eq!(status, 200, "{path}: {text}");
        }
        let rows = "{\"city\":\"Recife\",\"n\":1}\n{\"city\":\"Rio\",\"n\":2}\n{\"city\":\"Natal\",\"n\":3}\n";
        let part = reqwest::multipart::Part::bytes(rows.as_bytes()).file_name("rows.json");
        let url = format!(
            "{}/ingestFromFile?tableNameWithType=sales_OFFLINE&batchConfigMapStr=%7B%22inputFormat%22:%22json%22%7D",
            self.controller()
        );
        let form = reqwest::multipart::Form::new().part("file", part);
        let answer = ADMIN
            .shown(self.client.post(url).multipart(form))
            .send()
            .await?;
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await?);
        for _ in 0..200 {
            let (_, answer) = self.query("SELECT COUNT(*) FROM sales", ADMIN).await?;
            if answer["resultTable"]["rows"][0][0] == 3 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err("the rows do not answer".into())
    }
}

#[derive(Clone, Copy)]
enum Who<'a> {
    Nobody,
    User(&'a str, &'a str),
    Token(&'a str),
}

const ADMIN: Who<'static> = Who::User("admin", "secret");
const READER: Who<'static> = Who::User("reader", "secret");

impl Who<'_> {
    fn shown(self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self {
            Self::Nobody => request,
            Self::User(name, password) => request.basic_auth(name, Some(password)),
            Self::Token(token) => request.bearer_auth(token),
        }
    }
}

/// `.route("/path", get(..).post(..))` of every source below a folder.
fn endpoints(folder: &str) -> Result<Vec<(String, Method)>, std::io::Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut out = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            for call in text.split(".route(").skip(1) {
                let Some(route) = call
                    .split('"')
                    .nth(1)
                    .filter(|_| call.trim_start().starts_with('"'))
                else {
                    continue;
                };
                let rest = call.get(route.len() + 2..).unwrap_or_default();
                let end = rest
                    .find(".route(")
                    .or_else(|| rest.find("\n}"))
                    .unwrap_or(rest.len());
                let handlers = rest.get(..end).unwrap_or_default();
                for (word, method) in [
                    ("get(", Method::GET),
                    ("post(", Method::POST),
                    ("put(", Method::PUT),
                    ("delete(", Method::DELETE),
                    ("single(", Method::POST),
                    ("multi(", Method::POST),
                ] {
                    if handlers.contains(word) {
                        out.push((route.to_owned(), method));
                    }
                }
            }
        }
    }
    Ok(out)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_endpoint_refuses_without_rights() -> Fallible {
    let running = start().await?;
    let mut asked = 0;
    for (folder, url) in [
        ("controller/src/rest", running.controller()),
        ("broker/src/rest", running.broker()),
        ("server/src/admin", running.server()),
    ] {
        let found = endpoints(folder)?;
        assert!(found.len() >= 10, "{folder}: {found:?}");
        for (route, method) in found {
            if OPEN.contains(&route.as_str()) {
                continue;
            }
            let path = route.replace(['{', '}'], "");
            for who in [
                Who::Nobody,
                Who::User("admin", "wrong"),
                Who::User("nobody", ""),
                Who::Token("wrong"),
            ] {
                let status = running
                    .status(method.clone(), &format!("{url}{path}"), who)
                    .await?;
                assert_eq!(status, 401, "{method} {route} of {folder}");
            }
            // Changing anything is refused to one who may only read one table.
            if method != Method::GET
                && folder == "controller/src/rest"
                && !["/sql"].contains(&route.as_str())
                && !route.ends_with("/validate")
            {
                let status = running
                    .status(method.clone(), &format!("{url}{path}"), READER)
                    .await?;
                assert_eq!(status, 403, "{method} {route} of {folder}");
            }
            asked += 1;
        }
    }
    assert!(asked > 120, "only {asked} endpoints were asked");
    for path in ["/health", "/auth/info", "/"] {
        assert_eq!(
            running
                .status(
                    Method::GET,
                    &format!("{}{path}", running.controller()),
                    Who::Nobody
                )
                .await?,
            200
        );
    }
    running.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_elsewhere_need_the_token() -> Fallible {
    use proto::ControllerService;
    let running = start().await?;
    let stranger = proto::grpc::GrpcController::connect(&running.controller(), None)?;
    assert!(stranger.watch("Broker_x_1", 0).await.is_err());
    let limited =
        proto::grpc::GrpcController::connect(&running.controller(), Some("Bearer t0k3n"))?;
    assert!(limited.watch("Broker_x_1", 0).await.is_err());
    let known = proto::grpc::GrpcController::connect(
        &running.controller(),
        Some("Basic YWRtaW46c2VjcmV0"),
    )?;
    assert!(known.watch("Broker_x_1", 0).await.is_ok());
    running.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_rows_are_kept_apart() -> Fallible {
    let running = start().await?;
    running.sales(json!({})).await?;
    let rows = |answer: &Json| answer["resultTable"]["rows"].clone();
    let (status, answer) = running.query("SELECT COUNT(*) FROM sales", READER).await?;
    assert_eq!((status, rows(&answer)), (200, json!([[3]])));
    // Not its table: refused with Pinot's code, also inside of another query.
    let (status, answer) = running
        .query("SELECT COUNT(*) FROM sales", Who::Token("t0k3n"))
        .await?;
    assert_eq!(
        (status, &answer["exceptions"][0]["errorCode"]),
        (403, &json!(180)),
        "{answer}"
    );
    // Its rows only.
    for _ in 0..2 {
        let (status, answer) = running
            .query(
                "SELECT COUNT(*), MAX(n) FROM sales WHERE n < 5",
                Who::Token("recife"),
            )
            .await?;
        assert_eq!(
            (status, rows(&answer)),
            (200, json!([[1, 1.0]])),
            "{answer}"
        );
    }
    let (_, answer) = running
        .query("SELECT COUNT(*), MAX(n) FROM sales WHERE n < 5", ADMIN)
        .await?;
    assert_eq!(rows(&answer), json!([[3, 3.0]]));
    // Through the controller the rights are those of who asks.
    let (status, text) = running
        .post(
            "/sql",
            &json!({"sql": "SELECT COUNT(*) FROM sales"}),
            READER,
        )
        .await?;
    assert!(status == 200 && text.contains("[[3]]"), "{status} {text}");
    let (status, text) = running
        .post(
            "/sql",
            &json!({"sql": "SELECT COUNT(*) FROM sales"}),
            Who::Token("t0k3n"),
        )
        .await?;
    assert!(text.contains("180"), "{status} {text}");
    nothing_goes_around_them(&running).await?;
    running.cluster.shutdown().await;
    Ok(())
}

/// Inner queries, INSERT, segments, messages and sizes ask for the same rights.
async fn nothing_goes_around_them(running: &Running) -> Fallible {
    let rows = |answer: &Json| answer["resultTable"]["rows"].clone();
    // A query inside of another has the same rights, in both engines.
    for sql in [
        "SELECT COUNT(*) FROM sales WHERE IN_SUBQUERY(n, 'SELECT ID_SET(n) FROM sales') = 1",
        "SET useMultistageEngine = true; SELECT COUNT(*) FROM (SELECT n FROM sales) AS s",
    ] {
        let (_, answer) = running.query(sql, Who::Token("recife")).await?;
        assert_eq!(rows(&answer), json!([[1]]), "{sql}: {answer}");
        let (_, answer) = running.query(sql, Who::Token("t0k3n")).await?;
        assert_eq!(answer["exceptions"][0]["errorCode"], 180, "{sql}: {answer}");
    }
    // A statement that adds rows is no reading, whatever its path.
    let insert = json!({"sql": "INSERT INTO sales (city, n) VALUES ('Recife', 9)"});
    for (path, who) in [("/sql", READER), ("/sql", Who::Token("t0k3n"))] {
        let (_, text) = running.post(path, &insert, who).await?;
        assert!(text.contains("180"), "{text}");
    }
    // Rows that a filter hides are not in a segment or topic either.
    for path in ["/segments/sales/x", "/messages/sales"] {
        let url = format!("{}{path}", running.controller());
        assert_eq!(
            running
                .status(Method::GET, &url, Who::Token("recife"))
                .await?,
            403
        );
    }
    // The controller asks the server on behalf of the reader.
    let size = format!("{}/tables/sales/size", running.controller());
    assert_eq!(running.status(Method::GET, &size, READER).await?, 200);
    assert_eq!(
        running
            .status(Method::GET, &size, Who::Token("t0k3n"))
            .await?,
        403
    );
    assert!(running.folder.path().exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_bounds_queries_a_second() -> Fallible {
    let running = start().await?;
    running
        .sales(json!({"quota": {"maxQueriesPerSecond": "20"}}))
        .await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut refused = 0;
    for _ in 0..40 {
        let (_, answer) = running.query("SELECT COUNT(*) FROM sales", ADMIN).await?;
        refused += usize::from(answer["exceptions"][0]["errorCode"] == 429);
    }
    assert!((10..=25).contains(&refused), "{refused} of 40 were refused");
    running.cluster.shutdown().await;
    Ok(())
}
