//! INSERT and COPY by `tokio-postgres`: what was taken is there, and what does not fit is named.
//!
//! Must not know: how rows are kept. Invariant: a statement that failed has taken nothing.

use std::time::{Duration, Instant};

use futures::SinkExt;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::world::{Fallible, connect, world};

/// Waits until so many rows answer.
async fn rows(client: &Client, wanted: i64) -> Fallible {
    let began = Instant::now();
    loop {
        let row = client.query_one("SELECT COUNT(*) FROM cities", &[]).await?;
        let count: i64 = row.get(0);
        if count == wanted {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(20) {
            return Err(format!("{count} rows, {wanted} expected").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_taken_in_both_protocols() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let sql = "INSERT INTO cities (city, state) VALUES ('Olinda', 'PE'), ('D''Oeste', NULL)";
    client.batch_execute(sql).await?;
    rows(&client, 4).await?;
    let insert = client
        .prepare("INSERT INTO public.cities VALUES ($1, $2)")
        .await?;
    assert_eq!(client.execute(&insert, &[&"Ananindeua", &"PA"]).await?, 1);
    rows(&client, 5).await?;
    let typed = "INSERT INTO sales (city, n, big, ok, raw, tags, total) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let typed = client.prepare(typed).await?;
    let (raw, tags) = (vec![1_u8, 255], vec!["a b", "\"c\""]);
    let taken = client
        .execute(
            &typed,
            &[
                &"Natal",
                &9_i32,
                &(1_i64 << 40),
                &true,
                &raw,
                &tags,
                &2.5_f64,
            ],
        )
        .await?;
    assert_eq!(taken, 1);
    let began = Instant::now();
    let found = loop {
        let sql = "SELECT big, ok, raw, tags, total FROM sales WHERE n = 9";
        if let Some(found) = client.query_opt(sql, &[]).await? {
            break found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no row");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(
        (found.get::<_, i64>(0), found.get::<_, bool>(1)),
        (1 << 40, true)
    );
    assert_eq!(found.get::<_, Vec<u8>>(2), raw);
    assert_eq!(found.get::<_, Vec<String>>(3), tags);
    let refused = client
        .simple_query("INSERT INTO sales (n) VALUES (1), ('x')")
        .await;
    let error = refused.err().ok_or("it was taken")?;
    assert_eq!(error.code(), Some(&SqlState::INVALID_TEXT_REPRESENTATION));
    let told = error.as_db_error().map(|e| e.message().to_owned());
    assert!(told.is_some_and(|told| told.contains("row 2, column `n`")));
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_copied() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let sink = client
        .copy_in("COPY cities (state, city) FROM STDIN")
        .await?;
    futures::pin_mut!(sink);
    for part in ["PE\tOlinda\nP", "B\tCampina Grande\n\\N\tNowhere\n"] {
        sink.send(bytes::Bytes::from_static(part.as_bytes()))
            .await?;
    }
    assert_eq!(sink.as_mut().finish().await?, 3);
    rows(&client, 5).await?;
    let sink = client
        .copy_in("COPY cities FROM STDIN WITH (FORMAT csv, HEADER)")
        .await?;
    futures::pin_mut!(sink);
    let csv = "city,state\n\"a, \"\"b\"\"\",PE\n";
    sink.send(bytes::Bytes::from_static(csv.as_bytes())).await?;
    assert_eq!(sink.as_mut().finish().await?, 1);
    rows(&client, 6).await?;
    let found = client
        .query_one("SELECT state FROM cities WHERE city = 'a, \"b\"'", &[])
        .await?;
    assert_eq!(found.get::<_, &str>(0), "PE");
    // One that is broken takes nothing, and the session goes on.
    let sink = client.copy_in("COPY cities FROM STDIN").await?;
    futures::pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"a\tPE\nb\n")).await?;
    let error = sink.as_mut().finish().await.err().ok_or("it was taken")?;
    let told = error.as_db_error().map(|e| e.message().to_owned());
    assert!(told.is_some_and(|told| told.contains("row 2 has 1 values for 2 columns")));
    {
        let sink = client
            .copy_in::<_, bytes::Bytes>("COPY cities FROM STDIN")
            .await?;
        drop(sink);
    }
    rows(&client, 6).await?;
    world.cluster.shutdown().await;
    Ok(())
}

const PRINCIPALS: &[(&str, &str)] = &[
    ("access.control.principals", "admin,reader,loader"),
    ("access.control.principals.admin.password", "secret"),
    ("access.control.principals.reader.password", "secret"),
    ("access.control.principals.reader.permissions", "READ"),
    ("access.control.principals.loader.password", "secret"),
    ("access.control.principals.loader.tables", "sales,cities"),
    (
        "access.control.principals.loader.permissions",
        "READ,CREATE",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_adds_rows() -> Fallible {
    let world = world(PRINCIPALS).await?;
    let mut config = world.postgres();
    let reader = connect(config.user("reader").password("secret")).await?;
    let loader = connect(config.user("loader").password("secret")).await?;
    let sql = "INSERT INTO cities VALUES ('Olinda', 'PE')";
    let refused = reader.execute(sql, &[]).await.err().ok_or("it was taken")?;
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    assert_eq!(loader.execute(sql, &[]).await?, 1);
    rows(&loader, 3).await?;
    world.cluster.shutdown().await;
    Ok(())
}
