//! Queries by `tokio-postgres`: both protocols, types, parameters, failures, cancelling, parameters of the session.
//!
//! Must not know: the catalog. Invariant: what is expected is what the rows of the tables say.

use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::world::{Fallible, world};

fn texts(answer: Vec<SimpleQueryMessage>) -> Vec<Vec<Option<String>>> {
    answer
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|at| row.get(at).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_both_protocols() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let rows = client
        .simple_query("SELECT * FROM sales ORDER BY n LIMIT 1")
        .await?;
    let SimpleQueryMessage::RowDescription(columns) = &rows[0] else {
        return Err("no description".into());
    };
    let names: Vec<String> = columns.iter().map(|c| c.name().to_owned()).collect();
    let said = texts(rows);
    let cell = |name: &str| {
        let at = names.iter().position(|n| *n == name)?;
        said[0][at].clone()
    };
    for (name, value) in [
        ("city", "Recife"),
        ("big", "5000000000"),
        ("ok", "t"),
        ("at", "2023-11-14 22:13:20.123"),
        ("exact", "12345.678"),
        ("raw", "\\x00ff"),
        ("tags", "{x,\"y z\"}"),
        ("total", "9.5"),
        ("rate", "0.5"),
    ] {
        assert_eq!(cell(name).as_deref(), Some(value), "{name}");
    }
    let sql = "SELECT city, n, big, ok, at, raw, tags, total, rate FROM sales WHERE n = $1";
    let statement = client.prepare(sql).await?;
    assert_eq!(statement.params(), [Type::INT4]);
    let row = client.query_one(&statement, &[&1_i32]).await?;
    assert_eq!(row.get::<_, &str>(0), "Recife");
    assert_eq!(
        (row.get::<_, i32>(1), row.get::<_, i64>(2)),
        (1, 5_000_000_000)
    );
    assert!(row.get::<_, bool>(3));
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    assert_eq!(row.get::<_, SystemTime>(4), at);
    assert_eq!(row.get::<_, Vec<u8>>(5), [0, 255]);
    assert_eq!(row.get::<_, Vec<String>>(6), ["x", "y z"]);
    assert_eq!((row.get::<_, f64>(7), row.get::<_, f32>(8)), (9.5, 0.5));
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_take_the_types_of_columns() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let sql = "SELECT COUNT(*) FROM sales WHERE city = $1 OR total < $2 AND n IN ($3, $4)";
    let statement = client.prepare(sql).await?;
    assert_eq!(
        statement.params(),
        [Type::TEXT, Type::FLOAT8, Type::INT4, Type::INT4]
    );
    assert_eq!(statement.columns()[0].type_(), &Type::INT8);
    let rows = client
        .query(&statement, &[&"D'Oeste", &4.0_f64, &2_i32, &9_i32])
        .await?;
    assert_eq!(rows[0].get::<_, i64>(0), 2);
    let quoted = client
        .query_one("SELECT n FROM sales WHERE city = $1", &[&"' OR '1'='1"])
        .await;
    assert!(quoted.is_err(), "no row, as no city is called so");
    let one_of = "SELECT COUNT(*) FROM sales WHERE city = ANY($1) AND n <> ALL($2)";
    let cities = vec!["D'Oeste", "Recife", "q\""];
    let counted = client.query_one(one_of, &[&cities, &vec![3_i32]]).await?;
    assert_eq!(counted.get::<_, i64>(0), 1);
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    let recent = client
        .query(
            "SELECT city FROM sales WHERE at >= $1 ORDER BY at",
            &[&since],
        )
        .await?;
    assert_eq!(recent.len(), 2);
    let limited = client
        .query("SELECT city FROM sales ORDER BY n LIMIT $1", &[&2_i64])
        .await?;
    assert_eq!(limited.len(), 2);
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_are_read_in_parts() -> Fallible {
    let world = world(&[]).await?;
    let mut client = world.connect().await?;
    let transaction = client.transaction().await?;
    let portal = transaction
        .bind("SELECT n FROM sales ORDER BY n LIMIT 10", &[])
        .await?;
    let first = transaction.query_portal(&portal, 2).await?;
    let second = transaction.query_portal(&portal, 2).await?;
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(second[0].get::<_, i32>(0), 3);
    transaction.commit().await?;
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_answer() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let joined = "SELECT s.city, c.state FROM public.sales s JOIN public.cities c ON s.city = c.city ORDER BY c.state";
    let rows = client.query(joined, &[]).await?;
    let states: Vec<String> = rows.iter().map(|r| r.get(1)).collect();
    assert_eq!(states, ["PA", "PE"]);
    client
        .simple_query("SET useMultistageEngine = false")
        .await?;
    assert!(client.query(joined, &[]).await.is_err());
    let shown = texts(client.simple_query("SHOW useMultistageEngine").await?);
    assert_eq!(shown, [[Some("false".to_owned())]]);
    client.simple_query("RESET ALL; SELECT 1").await?;
    assert_eq!(client.query(joined, &[]).await?.len(), 2);
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_state_and_a_code() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    for (sql, state, code) in [
        (
            "SELECT COUNT(*) FROM nothing",
            SqlState::UNDEFINED_TABLE,
            "190",
        ),
        (
            "SELECT nothing FROM sales",
            SqlState::UNDEFINED_COLUMN,
            "710",
        ),
        ("SELEC 1", SqlState::SYNTAX_ERROR, "150"),
    ] {
        for error in [
            client.query(sql, &[]).await.err(),
            client.simple_query(sql).await.err(),
        ] {
            let error = error.ok_or("an answer")?;
            assert_eq!(error.code(), Some(&state), "{sql}");
            let told = error
                .as_db_error()
                .map(|e| e.message().to_owned())
                .unwrap_or_default();
            assert!(told.contains(code), "{sql}: {told}");
        }
    }
    let several = client
        .simple_query("SELECT 1; SELECT nothing FROM sales; SELECT 2")
        .await;
    assert!(several.is_err());
    let delete = client.simple_query("DELETE FROM sales WHERE n = 1").await;
    assert!(delete.is_err());
    assert!(
        client
            .query("SELECT COUNT(*) FROM sales", &[])
            .await
            .is_ok()
    );
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_words() -> Fallible {
    let world = world(&[]).await?;
    let mut client = world.connect().await?;
    let transaction = client.transaction().await?;
    assert_eq!(
        transaction
            .query("SELECT n FROM sales LIMIT 5", &[])
            .await?
            .len(),
        3
    );
    transaction.commit().await?;
    let transaction = client.transaction().await?;
    assert!(
        transaction
            .query("SELECT nothing FROM sales", &[])
            .await
            .is_err()
    );
    transaction.rollback().await?;
    let shown = client
        .query("SHOW transaction isolation level", &[])
        .await?;
    assert_eq!(shown[0].get::<_, &str>(0), "read committed");
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_by_another_connection() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let token = client.cancel_token();
    client
        .simple_query("SET maxRowsInJoin = 2000000000")
        .await?;
    // Many rows out of few, for as long as nobody cancels.
    let copies = |depth: usize| {
        (0..depth).fold("sales a0".to_owned(), |from, at| {
            format!("{from} CROSS JOIN sales b{at}")
        })
    };
    let sql = format!(
        "SELECT COUNT(*), SUM(a0.total) FROM {} WHERE a0.total + b1.total > -1",
        copies(18)
    );
    let began = std::time::Instant::now();
    let running = tokio::spawn(async move { client.simple_query(&sql).await.map(|_| ()) });
    tokio::time::sleep(Duration::from_millis(500)).await;
    token.cancel_query(NoTls).await?;
    let ended = running.await?;
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        ended.err().and_then(|e| e.code().cloned()),
        Some(SqlState::QUERY_CANCELED)
    );
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_messages_end_their_connection_alone() -> Fallible {
    let world = world(&[]).await?;
    let port = world.cluster.postgres_port().unwrap_or_default();
    let start = &b"\0\0\0\x15\0\x03\0\0user\0someon\0\0"[..];
    let all: [&[u8]; 6] = [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\xff\xff\xff\xff\0\x03\0\0",
        b"\0\0\0\x08\0\0\0\0",
        &[start, &b"B\0\0\0\x08\0\0\xff\xff"[..]].concat(),
        &[start, &b"Q\x7f\xff\xff\xff"[..]].concat(),
        &[start, &b"\0\0\0\0\0"[..]].concat(),
    ];
    for broken in all {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(broken).await?;
        stream.shutdown().await?;
        let mut rest = Vec::new();
        let read =
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection stays open after {broken:?}");
    }
    let client = world.connect().await?;
    assert_eq!(
        client
            .query("SELECT n FROM sales LIMIT 5", &[])
            .await?
            .len(),
        3
    );
    world.cluster.shutdown().await;
    Ok(())
}
