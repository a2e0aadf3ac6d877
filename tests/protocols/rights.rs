//! Who may ask what, over both protocols.
//!
//! Must not know: how rights are decided. Invariant: what HTTP refuses is refused here.

use arrow_flight::sql::client::FlightSqlServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::error::SqlState;

use crate::flight::{asked, channel};
use crate::world::{Fallible, World, connect, world};

pub(crate) const PRINCIPALS: &[(&str, &str)] = &[
    ("access.control.principals", "admin,reader,writer,robot"),
    ("access.control.principals.admin.password", "secret"),
    (
        "access.control.principals.reader.password",
        "{SHA-256}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    ),
    ("access.control.principals.reader.tables", "sales"),
    ("access.control.principals.reader.permissions", "READ"),
    ("access.control.principals.writer.password", "secret"),
    ("access.control.principals.writer.permissions", "CREATE"),
    ("access.control.principals.robot.token", "t0k3n"),
    (
        "access.control.principals.robot.sales.rls",
        "city = 'Recife'",
    ),
];

async fn state(world: &World, user: &str, password: &str) -> Option<SqlState> {
    let mut config = world.postgres();
    config.user(user).password(password);
    let error = config.connect(tokio_postgres::NoTls).await.err()?;
    error.code().cloned()
}

/// How the server asks a user for proof, as the number of its message.
async fn asked_how(world: &World, user: &str) -> Fallible<u32> {
    let port = world.cluster.postgres_port().unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let begin = format!("\0\x03\0\0user\0{user}\0\0");
    stream.write_u32(u32::try_from(begin.len() + 4)?).await?;
    stream.write_all(begin.as_bytes()).await?;
    assert_eq!(stream.read_u8().await?, b'R');
    stream.read_u32().await?;
    Ok(stream.read_u32().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_proven_where_they_are_known() -> Fallible {
    let world = world(PRINCIPALS).await?;
    // 10 asks for a proof, 3 for the password itself.
    for (user, how) in [("admin", 10), ("nobody", 10), ("reader", 3), ("token", 3)] {
        assert_eq!(asked_how(&world, user).await?, how, "{user}");
    }
    let mut config = world.postgres();
    let admin = connect(config.user("admin").password("secret")).await?;
    let sql = "SELECT n FROM sales LIMIT 9";
    assert_eq!(admin.query(sql, &[]).await?.len(), 3);
    // What was proven is enough to add rows too.
    let sql = "INSERT INTO cities VALUES ('Olinda', 'PE')";
    assert_eq!(admin.execute(sql, &[]).await?, 1);
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_asks_who_it_is() -> Fallible {
    let world = world(PRINCIPALS).await?;
    assert!(world.connect().await.is_err(), "without a password");
    assert_eq!(
        state(&world, "admin", "wrong").await,
        Some(SqlState::INVALID_PASSWORD)
    );
    assert_eq!(
        state(&world, "nobody", "secret").await,
        Some(SqlState::INVALID_PASSWORD)
    );
    assert_eq!(
        state(&world, "token", "wrong").await,
        Some(SqlState::INVALID_PASSWORD)
    );
    assert_eq!(
        state(&world, "writer", "secret").await,
        Some(SqlState::INSUFFICIENT_PRIVILEGE)
    );
    let mut config = world.postgres();
    let reader = connect(config.user("reader").password("secret")).await?;
    assert_eq!(
        reader
            .query("SELECT n FROM sales LIMIT 9", &[])
            .await?
            .len(),
        3
    );
    for sql in [
        "SELECT state FROM cities",
        "SELECT s.city FROM sales s JOIN cities c ON s.city = c.city",
        "SELECT city FROM sales WHERE city IN (SELECT city FROM public.cities)",
    ] {
        let refused = reader
            .query(sql, &[])
            .await
            .err()
            .and_then(|e| e.code().cloned());
        assert_eq!(refused, Some(SqlState::INSUFFICIENT_PRIVILEGE), "{sql}");
    }
    let listed = reader.query("SELECT relname FROM pg_class", &[]).await?;
    assert_eq!(
        listed.len(),
        1,
        "a table that may not be read is not listed"
    );
    let mut config = world.postgres();
    let robot = connect(config.user("token").password("t0k3n")).await?;
    assert_eq!(
        robot.query("SELECT n FROM sales LIMIT 9", &[]).await?.len(),
        1,
        "rows are filtered"
    );
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_asks_who_it_is() -> Fallible {
    let world = world(PRINCIPALS).await?;
    let channel = channel(&world).await?;
    let mut stranger = FlightSqlServiceClient::new(channel.clone());
    assert!(asked(&mut stranger, "SELECT n FROM sales").await.is_err());
    assert!(
        stranger
            .prepare("SELECT n FROM sales".to_owned(), None)
            .await
            .is_err()
    );
    assert!(stranger.handshake("admin", "wrong").await.is_err());
    assert!(stranger.handshake("writer", "secret").await.is_err());
    let mut reader = FlightSqlServiceClient::new(channel.clone());
    reader.handshake("reader", "secret").await?;
    let rows: usize = asked(&mut reader, "SELECT n FROM sales LIMIT 9")
        .await?
        .iter()
        .map(|b| b.num_rows())
        .sum();
    assert_eq!(rows, 3);
    let refused = asked(&mut reader, "SELECT state FROM cities").await;
    assert!(refused.is_err_and(|e| e.to_string().contains("no access to table")));
    let mut robot = FlightSqlServiceClient::new(channel);
    robot.set_token("t0k3n".to_owned());
    let rows: usize = asked(&mut robot, "SELECT n FROM sales LIMIT 9")
        .await?
        .iter()
        .map(|b| b.num_rows())
        .sum();
    assert_eq!(rows, 1, "rows are filtered");
    world.cluster.shutdown().await;
    Ok(())
}
