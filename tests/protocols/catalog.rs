//! What clients ask of the catalog when they connect and list tables.
//!
//! Must not know: how the catalog is made. Invariant: the statements are those that psql, pgjdbc and others send.

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::world::{Fallible, world};

async fn rows(client: &Client, sql: &str) -> Fallible<Vec<Vec<String>>> {
    let answer = client
        .simple_query(sql)
        .await
        .map_err(|e| match e.as_db_error() {
            Some(told) => format!("{sql}: {}", told.message()),
            None => format!("{sql}: {e}"),
        })?;
    let row = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|at| row.get(at).unwrap_or("NULL").to_owned())
                .collect(),
        ),
        _ => None,
    };
    Ok(answer.into_iter().filter_map(row).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_columns_are_listed() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    let listed = rows(
        &client,
        r#"SELECT n.nspname as "Schema", c.relname as "Name",
            CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as "Type",
            pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
        FROM pg_catalog.pg_class c
            LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
        WHERE c.relkind IN ('r','p','') AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast'
            AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid)
        ORDER BY 1,2;"#,
    )
    .await?;
    assert_eq!(
        listed,
        [
            ["public", "cities", "table", "someone"],
            ["public", "sales", "table", "someone"]
        ]
    );
    let found = rows(
        &client,
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname OPERATOR(pg_catalog.~) '^(sales)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) \
         ORDER BY 2, 3;",
    )
    .await?;
    let oid = &found[0][0];
    let columns = rows(
        &client,
        &format!(
            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
             (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d \
              WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, \
             (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t WHERE c.oid = a.attcollation \
              AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation, a.attidentity, a.attgenerated \
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = '{oid}' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;"
        ),
    )
    .await?;
    let told: Vec<(&str, &str)> = columns
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    for wanted in [
        ("city", "text"),
        ("n", "integer"),
        ("big", "bigint"),
        ("ok", "boolean"),
        ("at", "timestamp without time zone"),
        ("exact", "numeric"),
        ("raw", "bytea"),
        ("said", "json"),
        ("tags", "text[]"),
        ("total", "double precision"),
        ("rate", "real"),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} in {told:?}");
    }
    world.cluster.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_questions_are_answered() -> Fallible {
    let world = world(&[]).await?;
    let client = world.connect().await?;
    for (sql, wanted) in [
        ("select pg_catalog.version()", "PostgreSQL 15.0"),
        ("SELECT current_schema()", "public"),
        ("select current_user", "someone"),
        ("SHOW TABLES", "cities"),
        ("DESCRIBE public.sales", "city"),
        ("show standard_conforming_strings", "on"),
        ("SELECT 'sales'::regclass::oid IS NOT NULL", "t"),
        (
            "SELECT CAST('test plain returns' AS VARCHAR(60)) AS anon_1",
            "test plain returns",
        ),
        (
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'",
            "2",
        ),
        (
            "SELECT data_type FROM information_schema.columns WHERE table_name = 'sales' AND column_name = 'n'",
            "integer",
        ),
        ("SELECT typname FROM pg_type WHERE oid = 23", "int4"),
        (
            "SELECT relname FROM pg_class WHERE relkind = ANY (ARRAY['r', 'p']) AND relname LIKE 'sal%'",
            "sales",
        ),
        (
            "SELECT nspname FROM pg_namespace WHERE nspname = ANY (current_schemas(false)) AND nspname <> 'pg_catalog'",
            "public",
        ),
        (
            "SELECT set_config('search_path', 'public', false)",
            "public",
        ),
    ] {
        let answer = rows(&client, sql).await?;
        let first = answer
            .first()
            .and_then(|row| row.first())
            .cloned()
            .unwrap_or_default();
        assert!(first.starts_with(wanted), "{sql}: {first}");
    }
    let by_type = "SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid \
         FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns join \
         (select s.r, (current_schemas(false))[s.r] as nspname from generate_series(1, array_upper(current_schemas(false), 1)) \
         as s(r)) as r using (nspname)) as sp ON sp.nspoid = typnamespace WHERE pg_type.oid = 1007 ORDER BY sp.r, pg_type.oid DESC";
    assert_eq!(rows(&client, by_type).await?, [["t", "b", "_int4", "1007"]]);
    for empty in [
        "SELECT c2.relname, i.indisprimary, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true) FROM pg_catalog.pg_class c, \
         pg_catalog.pg_class c2, pg_catalog.pg_index i WHERE c.oid = 1 AND c.oid = i.indrelid AND i.indexrelid = c2.oid",
        "SELECT pol.polname, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from \
         pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END FROM pg_catalog.pg_policy pol",
        "SELECT a.attname, (i.keys).n FROM pg_catalog.pg_attribute a JOIN (SELECT i.indrelid, \
         information_schema._pg_expandarray(i.indkey) AS keys FROM pg_catalog.pg_index i) i ON a.attrelid = i.indrelid",
    ] {
        assert!(rows(&client, empty).await?.is_empty(), "{empty}");
    }
    world.cluster.shutdown().await;
    Ok(())
}
