//! Queries by Arrow's own client of Flight SQL.
//!
//! Must not know: how the service works. Invariant: what is expected is what the rows of the tables say.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, TimeUnit};
use arrow_flight::FlightInfo;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables, SqlInfo};
use futures::TryStreamExt;
use tonic::transport::{Channel, Endpoint};

use crate::world::{Fallible, World, world};

type Client = FlightSqlServiceClient<Channel>;

/// A connection to the port of Flight SQL.
pub(crate) async fn channel(world: &World) -> Fallible<Channel> {
    let at = format!(
        "http://127.0.0.1:{}",
        world.cluster.flight_port().unwrap_or_default()
    );
    let to = Endpoint::from_shared(at)?.connect_timeout(Duration::from_secs(5));
    Ok(to.connect().await?)
}

async fn client(world: &World) -> Fallible<Client> {
    Ok(FlightSqlServiceClient::new(channel(world).await?))
}

/// The batches of what is told where they are.
async fn fetched(client: &mut Client, info: FlightInfo) -> Fallible<Vec<RecordBatch>> {
    let ticket = info
        .endpoint
        .into_iter()
        .next()
        .and_then(|e| e.ticket)
        .ok_or("no ticket")?;
    Ok(client.do_get(ticket).await?.try_collect().await?)
}

/// The batches of a query.
pub(crate) async fn asked(client: &mut Client, sql: &str) -> Fallible<Vec<RecordBatch>> {
    let info = client.execute(sql.to_owned(), None).await?;
    fetched(client, info).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_as_arrow() -> Fallible {
    let world = world(&[]).await?;
    let mut client = client(&world).await?;
    let batches = asked(
        &mut client,
        "SELECT city, n, big, total, at, tags, ok FROM public.sales ORDER BY n",
    )
    .await?;
    let batch = &batches[0];
    assert_eq!(batch.num_rows(), 3);
    assert_eq!(batch.column(0).as_string::<i32>().value(1), "Belém");
    assert_eq!(
        batch
            .column(1)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec(),
        [1, 2, 3]
    );
    assert_eq!(
        batch.column(2).as_primitive::<Int64Type>().value(0),
        5_000_000_000
    );
    assert_eq!(batch.column(3).as_primitive::<Float64Type>().value(0), 9.5);
    assert!(matches!(
        batch.column(4).data_type(),
        DataType::Timestamp(TimeUnit::Millisecond, _)
    ));
    assert_eq!(
        batch
            .column(5)
            .as_list::<i32>()
            .value(0)
            .as_string::<i32>()
            .value(1),
        "y z"
    );
    assert!(batch.column(6).as_boolean().value(0));
    let joined = "SELECT c.state, COUNT(*) AS n FROM sales s JOIN cities c ON s.city = c.city GROUP BY c.state ORDER BY 1;";
    assert_eq!(asked(&mut client, joined).await?[0].num_rows(), 2);
    let none = asked(&mut client, "SELECT city, n FROM sales WHERE n > 100").await?;
    assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    for (sql, wanted) in [
        ("SELECT COUNT(*) FROM nothing", "190"),
        ("SELECT nothing FROM sales", "710"),
        ("SELEC 1", "150"),
        ("INSERT INTO sales (city) VALUES ('x')", "HTTP"),
    ] {
        let error = asked(&mut client, sql).await.err().ok_or("an answer")?;
        assert!(error.to_string().contains(wanted), "{sql}: {error}");
    }
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_prepared() -> Fallible {
    let world = world(&[]).await?;
    let mut client = client(&world).await?;
    let sql = "SELECT city, total FROM sales WHERE n > ? AND city <> ? ORDER BY n";
    let mut prepared = client.prepare(sql.to_owned(), None).await?;
    let parameters = prepared.parameter_schema()?;
    let kinds: Vec<_> = parameters
        .fields()
        .iter()
        .map(|f| f.data_type().clone())
        .collect();
    assert_eq!(kinds, [DataType::Int32, DataType::Utf8]);
    let columns: Vec<_> = prepared
        .dataset_schema()?
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(columns, ["city", "total"]);
    for (n, city, rows) in [(0, "D'Oeste", 2), (1, "x", 2), (2, "D'Oeste", 0)] {
        let values: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![n])),
            Arc::new(StringArray::from(vec![city])),
        ];
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int32, true),
            Field::new("b", DataType::Utf8, true),
        ]);
        prepared.set_parameters(RecordBatch::try_new(Arc::new(schema), values)?)?;
        let info = prepared.execute().await?;
        let batches = fetched(&mut client, info).await?;
        assert_eq!(
            batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
            rows
        );
    }
    prepared.close().await?;
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_told() -> Fallible {
    let world = world(&[]).await?;
    let mut client = client(&world).await?;
    let wanted = CommandGetTables {
        table_name_filter_pattern: Some("sal%".to_owned()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = client.get_tables(wanted).await?;
    let tables = fetched(&mut client, info).await?;
    assert_eq!(tables[0].num_rows(), 1);
    assert_eq!(tables[0].column(2).as_string::<i32>().value(0), "sales");
    let info = client
        .get_db_schemas(CommandGetDbSchemas::default())
        .await?;
    let schemas = fetched(&mut client, info).await?;
    assert_eq!(schemas[0].column(1).as_string::<i32>().value(0), "public");
    let info = client.get_catalogs().await?;
    assert_eq!(fetched(&mut client, info).await?[0].num_rows(), 1);
    let info = client.get_table_types().await?;
    assert_eq!(
        fetched(&mut client, info).await?[0]
            .column(0)
            .as_string::<i32>()
            .value(0),
        "TABLE"
    );
    let info = client
        .get_sql_info(vec![SqlInfo::FlightSqlServerName])
        .await?;
    assert_eq!(fetched(&mut client, info).await?[0].num_rows(), 1);
    let keys = CommandGetPrimaryKeys {
        table: "sales".to_owned(),
        ..CommandGetPrimaryKeys::default()
    };
    let info = client.get_primary_keys(keys).await?;
    assert_eq!(
        fetched(&mut client, info)
            .await?
            .iter()
            .map(RecordBatch::num_rows)
            .sum::<usize>(),
        0
    );
    world.cluster.shutdown().await;
    Ok(())
}
