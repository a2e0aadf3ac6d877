//! Rows that a client hands over: INSERT and COPY FROM STDIN, each value checked against its column.
//!
//! Must not know: messages, who keeps rows. Invariants: rows are handed on all or none; a value that does not fit is named with its row and
//! its column.

mod copy;
mod insert;
mod lines;
mod value;

use common::schema::FieldSpec;
use sqlparser::ast::ObjectName;

pub(crate) use copy::Copy;
pub(crate) use insert::insert;

use super::failed::{Failed, NOT_OFFERED};
use crate::source::{Insert, Row, Table};

/// The state of a text that cannot be read.
const SYNTAX: &str = "42601";

/// A table and the columns that values are for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    table: String,
    fields: Vec<FieldSpec>,
}

fn names(name: &ObjectName) -> Vec<String> {
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    parts.map(|ident| ident.value.clone()).collect()
}

impl Target {
    /// A table as written, with the columns that are written, or all of them.
    fn of(name: &ObjectName, columns: &[String], tables: &[Table]) -> Result<Self, Failed> {
        let parts = names(name);
        let plain = match parts.as_slice() {
            [schema, name] if schema.eq_ignore_ascii_case("public") => name.clone(),
            all => all.join("."),
        };
        let exact = tables.iter().find(|t| t.name == plain);
        let found = exact.or_else(|| tables.iter().find(|t| t.name.eq_ignore_ascii_case(&plain)));
        let table = found.ok_or_else(|| {
            let why = format!("there is no table `{plain}`, or it may not be read");
            Failed::new("42P01", why)
        })?;
        let all = || table.schema.fields.iter().map(|(_, field)| field);
        let field = |name: &String| {
            let exact = all().find(|field| field.name == *name);
            let found = exact.or_else(|| all().find(|f| f.name.eq_ignore_ascii_case(name)));
            found.cloned().ok_or_else(|| {
                let why = format!("column `{name}` of table `{plain}` does not exist");
                Failed::new("42703", why)
            })
        };
        let fields = if columns.is_empty() {
            all().cloned().collect()
        } else {
            columns.iter().map(field).collect::<Result<Vec<_>, _>>()?
        };
        Ok(Self {
            table: table.name.clone(),
            fields,
        })
    }

    /// Values of one row, the first is 1, under the names of their columns.
    fn row(&self, number: usize, cells: Vec<value::Cell>) -> Result<Row, Failed> {
        if cells.len() != self.fields.len() {
            return Err(Failed::new(
                SYNTAX,
                format!(
                    "row {number} has {} values for {} columns",
                    cells.len(),
                    self.fields.len()
                ),
            ));
        }
        let pairs = self.fields.iter().zip(cells);
        pairs
            .map(|(field, cell)| Ok((field.name.clone(), value::json(cell, field, number)?)))
            .collect()
    }

    fn rows(self, rows: Vec<Row>) -> Insert {
        Insert {
            table: self.table,
            rows,
        }
    }
}

fn not_offered(what: &str) -> Failed {
    Failed::new(NOT_OFFERED, format!("{what} is not offered"))
}

fn syntax(error: impl std::fmt::Display) -> Failed {
    Failed::new(SYNTAX, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::Schema;
    use serde_json::{Value as Json, json};

    use super::{Copy, insert};
    use crate::source::{Insert, Table};

    type Fallible = Result<(), Box<dyn std::error::Error>>;

    fn tables() -> Result<Vec<Table>, serde_json::Error> {
        let schema: Schema = serde_json::from_str(
            r#"{"schemaName":"t","dimensionFieldSpecs":[{"name":"city","dataType":"STRING"},{"name":"n","dataType":"INT"},
                {"name":"ok","dataType":"BOOLEAN"},{"name":"at","dataType":"TIMESTAMP"},{"name":"raw","dataType":"BYTES"},
                {"name":"tags","dataType":"STRING","singleValueField":false}],
                "metricFieldSpecs":[{"name":"total","dataType":"DOUBLE"}]}"#,
        )?;
        let schema = Arc::new(schema);
        let name = "t".to_owned();
        Ok(vec![Table { name, schema }])
    }

    fn shown(insert: &Insert) -> Vec<Json> {
        let row = |row: &Vec<(String, Json)>| Json::Object(row.iter().cloned().collect());
        insert.rows.iter().map(row).collect()
    }

    #[test]
    fn values_of_a_statement_are_rows() -> Fallible {
        let tables = tables()?;
        let of = |sql: &str| insert(sql, &tables).map_err(|f| f.message);
        let made = of(
            "INSERT INTO public.t (City, n, ok, at, raw, tags, total) VALUES ('it''s', -7, 't', '2023-11-14 22:13:20.123+00', \
             '\\x00FF', ARRAY['a', 'b'], 1.5), (NULL, '8'::int, false, '1970-01-01', '0a', '{x,\"y z\"}'::text[], 2)",
        )?;
        assert_eq!(made.table, "t");
        assert_eq!(
            shown(&made),
            [
                json!({"city": "it's", "n": -7, "ok": true, "at": 1_700_000_000_123_i64, "raw": "00ff", "tags": ["a", "b"], "total": 1.5}),
                json!({"city": null, "n": 8, "ok": false, "at": 0, "raw": "0a", "tags": ["x", "y z"], "total": 2.0}),
            ]
        );
        for (sql, named) in [
            ("INSERT INTO t (n) VALUES (1), ('x')", "row 2, column `n`"),
            ("INSERT INTO t (n) VALUES (3000000000)", "row 1, column `n`"),
            (
                "INSERT INTO t (n, city) VALUES (1)",
                "row 1 has 1 values for 2 columns",
            ),
            ("INSERT INTO t (m) VALUES (1)", "column `m`"),
            ("INSERT INTO u (n) VALUES (1)", "table `u`"),
            ("INSERT INTO t (n) SELECT 1", "not offered"),
            ("INSERT INTO t (n) VALUES (1) RETURNING n", "not offered"),
            (
                "INSERT INTO t (n) VALUES (1) ON CONFLICT DO NOTHING",
                "not offered",
            ),
            ("INSERT INTO t (n) VALUES (1 + 1)", "row 1, column `n`"),
            ("INSERT INTO t (raw) VALUES ('0')", "row 1, column `raw`"),
            ("INSERT INTO t (at) VALUES ('soon')", "row 1, column `at`"),
        ] {
            let why = of(sql).err().unwrap_or_default();
            assert!(why.contains(named), "{sql}: {why}");
        }
        Ok(())
    }

    fn copied(sql: &str, parts: &[&str]) -> Result<Vec<Json>, String> {
        let tables = tables().map_err(|e| e.to_string())?;
        let mut copy = Copy::of(sql, &tables).map_err(|f| f.message)?;
        for part in parts {
            copy.take(part.as_bytes()).map_err(|f| f.message)?;
        }
        copy.rows().map(|i| shown(&i)).map_err(|f| f.message)
    }

    #[test]
    fn text_is_read() {
        let rows = copied(
            "COPY t (city, n, tags) FROM STDIN",
            &[
                "a\\tb\\\\\t1\t{x}\n\\",
                "N\t2\t\\N\n",
                "last\t3\t{}\n\\.\nignored",
            ],
        );
        let wanted = vec![
            json!({"city": "a\tb\\", "n": 1, "tags": ["x"]}),
            json!({"city": null, "n": 2, "tags": null}),
            json!({"city": "last", "n": 3, "tags": []}),
        ];
        assert_eq!(rows, Ok(wanted));
        let why = copied("COPY t (n) FROM STDIN", &["1\nx\n"]).err();
        assert!(why.is_some_and(|why| why.contains("row 2, column `n`")));
    }

    #[test]
    fn csv_is_read() {
        let rows = copied(
            "COPY t (city, n) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';')",
            &["city;n\r\n\"a;\"\"b\"\"\nc\";1\r\n", ";2\n\"\";3"],
        );
        let wanted = vec![
            json!({"city": "a;\"b\"\nc", "n": 1}),
            json!({"city": null, "n": 2}),
            json!({"city": "", "n": 3}),
        ];
        assert_eq!(rows, Ok(wanted));
        assert_eq!(
            copied("COPY t (n) FROM STDIN CSV HEADER", &["n\n5\n"]),
            Ok(vec![json!({"n": 5})])
        );
        for (sql, data, named) in [
            ("COPY t (city) FROM STDIN CSV", "\"open", "does not end"),
            (
                "COPY t (city, n) FROM STDIN CSV",
                "a\n",
                "row 1 has 1 values",
            ),
            ("COPY t FROM STDIN (FORMAT binary)", "", "not offered"),
            ("COPY t TO STDOUT", "", "not offered"),
            ("COPY t FROM '/etc/passwd'", "", "not offered"),
        ] {
            let why = copied(sql, &[data]).err().unwrap_or_default();
            assert!(why.contains(named), "{sql}: {why}");
        }
    }
}
