//! Whole statements of families that a list of expressions over one table does not reach: windows, set operations, joins,
//! subqueries, groups of arrays, gaps, and statements with a mistake in them.
//!
//! In a template, beside the places of the vocabulary: `{key}`, `{table}`, `{text}`, `{whole}` for the table's own names.
//! Must not know: what anything answers. Invariant: every statement orders its rows wholly, by single values.

use super::generator::Generator;
use super::node::{Kind, Node};
use super::vocabulary::{Column, Table};
use super::wide;

/// A statement over one table.
#[derive(Clone)]
pub(super) struct Statement {
    pub(super) table: &'static Table,
    pub(super) node: Node,
    /// Only that it is refused, or is not, is compared: its rows have no order.
    pub(super) refusal: bool,
}

impl Statement {
    /// Statements that ask a little less.
    pub(super) fn shrunk(&self) -> Vec<Self> {
        let smaller = self.node.shrunk().into_iter();
        smaller
            .map(|node| Self {
                node,
                ..self.clone()
            })
            .collect()
    }
}

const FRAMES: &[&str] = &[
    "",
    "",
    "",
    " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    " ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING",
    " ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING",
    " ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
];

/// Functions that take a frame.
const FRAMED: &[&str] = &[
    "SUM({n})",
    "SUM({i})",
    "AVG({n})",
    "MIN({n})",
    "MAX({i})",
    "COUNT(*)",
    "COUNT({t})",
    "COUNT({n})",
    "FIRST_VALUE({t})",
    "FIRST_VALUE({n})",
    "LAST_VALUE({i})",
    "LAST_VALUE({d})",
    "FIRST_VALUE({n}) IGNORE NULLS",
    "LAST_VALUE({t}) IGNORE NULLS",
    "BOOL_AND({c})",
    "BOOL_OR({c})",
    "SUM(CASE WHEN {c} THEN 1 ELSE 0 END)",
];

/// Functions that take none.
const RANKS: &[&str] = &[
    "ROW_NUMBER()",
    "RANK()",
    "DENSE_RANK()",
    "NTILE(3)",
    "LAG({n})",
    "LAG({t}, 2)",
    "LAG({i}, 1, -1)",
    "LEAD({t}, 1, 'none')",
    "LEAD({n}, 3)",
    "LEAD({d})",
];

/// Statements of the multi-stage engine.
const MULTI: &[&str] = &[
    "SELECT {i} AS v FROM {table} WHERE {c} UNION SELECT {i} FROM {table} WHERE {c} ORDER BY 1 LIMIT 30",
    "SELECT {t} AS v FROM {table} WHERE {c} UNION ALL SELECT {t} FROM {table} WHERE {c} ORDER BY 1 LIMIT 30",
    "SELECT {i} AS v, {text} FROM {table} WHERE {c} INTERSECT SELECT {i}, {text} FROM {table} WHERE {c} ORDER BY 1, 2 LIMIT 30",
    "SELECT {text}, {whole} FROM {table} WHERE {c} EXCEPT SELECT {text}, {whole} FROM {table} WHERE {c} ORDER BY 1, 2 LIMIT 30",
    "SELECT {text} FROM {table} WHERE {c} INTERSECT ALL SELECT {text} FROM {table} WHERE {c} ORDER BY 1 LIMIT 30",
    "SELECT {text} FROM {table} WHERE {c} EXCEPT ALL SELECT {text} FROM {table} WHERE {c} ORDER BY 1 LIMIT 30",
    "SELECT {n} AS v FROM {table} WHERE {c} UNION SELECT {n} FROM {table} WHERE {c} ORDER BY 1 LIMIT 30",
    "SELECT {table}.{key}, b.v FROM {table} JOIN (SELECT {key}, {n} AS v FROM {table} WHERE {c}) AS b ON {table}.{key} = b.{key} ORDER BY 1 LIMIT 30",
    "SELECT {table}.{key}, b.v FROM {table} LEFT JOIN (SELECT {key}, {t} AS v FROM {table} WHERE {c}) AS b ON {table}.{key} = b.{key} ORDER BY 1 LIMIT 30",
    "SELECT a.k, a.n, b.v FROM (SELECT {text} AS k, COUNT(*) AS n FROM {table} WHERE {c} GROUP BY {text}) AS a FULL JOIN (SELECT {text} AS k, MAX({i}) AS v FROM {table} WHERE {c} GROUP BY {text}) AS b ON a.k = b.k ORDER BY 1, 2, 3 LIMIT 30",
    "SELECT a.k, b.v FROM (SELECT {i} AS k FROM {table} WHERE {c} GROUP BY 1) AS a RIGHT JOIN (SELECT {i} AS k, COUNT(*) AS v FROM {table} WHERE {c} GROUP BY 1) AS b ON a.k = b.k ORDER BY 1, 2 LIMIT 30",
    "SELECT COUNT(*), {x} FROM {table} WHERE {text} IN (SELECT {text} FROM {table} WHERE {c} GROUP BY {text} HAVING COUNT(*) > 5)",
    "SELECT {key}, {t} FROM {table} WHERE {key} NOT IN (SELECT {key} FROM {table} WHERE {c}) AND {c} ORDER BY {key} LIMIT 20",
    "SELECT {key}, {n} FROM {table} WHERE {n} > (SELECT AVG({n}) FROM {table} WHERE {c}) ORDER BY {key} LIMIT 20",
    "SELECT {key} FROM {table} AS a WHERE EXISTS (SELECT 1 FROM {table} AS b WHERE a.{key} = b.{key} AND b.{whole} > 3) ORDER BY {key} LIMIT 20",
    "WITH p AS (SELECT {key}, {text}, {n} AS v, {t} AS s FROM {table} WHERE {c}) SELECT s, COUNT(*), SUM(v), MIN(v) FROM p GROUP BY s ORDER BY s LIMIT 20",
    "WITH p AS (SELECT {text} AS k, {x} AS v FROM {table} WHERE {c} GROUP BY {text}) SELECT k, v FROM p ORDER BY k LIMIT 20",
    "SELECT {text}, {x} AS v, RANK() OVER (ORDER BY COUNT(*) DESC) FROM {table} WHERE {c} GROUP BY {text} ORDER BY {text} LIMIT 20",
    "SELECT {text}, SUM(SUM({i})) OVER (ORDER BY {text}) FROM {table} WHERE {c} GROUP BY {text} ORDER BY {text} LIMIT 20",
    "SELECT k, v, COUNT(*) FROM (SELECT {t} AS k, {i} AS v FROM {table} WHERE {c} ORDER BY {key} LIMIT 200) GROUP BY k, v ORDER BY k, v LIMIT 20",
    "SELECT {key}, {n} FROM (SELECT * FROM {table} WHERE {c} ORDER BY {key} LIMIT 100) WHERE {c} ORDER BY {key} LIMIT 20",
    "SELECT {text}, {x}, {x} FROM (SELECT * FROM {table} ORDER BY {key} LIMIT 500) WHERE {c} GROUP BY {text} ORDER BY {text} LIMIT 20",
    "SELECT {x}, {x} FROM (SELECT * FROM {table} WHERE {c} ORDER BY {key} LIMIT 300)",
    "SELECT pos, {text}, {key} FROM (SELECT {key}, {text}, ROW_NUMBER() OVER (PARTITION BY {text} ORDER BY {key} DESC) AS pos FROM {table} WHERE {c}) WHERE pos <= 2 ORDER BY {text}, pos LIMIT 30",
];

/// Statements of the single-stage engine, and where it can, of the other one.
const SINGLE: &[&str] = &[
    "SELECT {m} AS g, COUNT(*), {x} FROM {table} WHERE {c} GROUP BY {=0} ORDER BY {=0} LIMIT 20",
    "SELECT {texts}, COUNT(*) FROM {table} WHERE {c} GROUP BY {texts} ORDER BY {texts} LIMIT 20",
    "SELECT {texts}, {text}, {x} FROM {table} WHERE {c} GROUP BY {texts}, {text} ORDER BY {texts}, {text} LIMIT 20",
    "SELECT DISTINCT {t} AS v, {i} FROM {table} WHERE {c} ORDER BY {=0}, {=1} LIMIT 20",
    "SELECT {t}, {x} FROM {table} WHERE {c} GROUP BY {=0} ORDER BY {=1} DESC, {=0} LIMIT 20",
    "SELECT {key}, {t} FROM {table} WHERE {c} ORDER BY {n} DESC, {key} LIMIT 20",
    "SELECT {key}, {i} FROM {table} WHERE {c} ORDER BY {t} NULLS LAST, {key} DESC LIMIT 20",
    "SELECT {key}, {n} FROM {table} WHERE IN_SUBQUERY({whole}, 'SELECT ID_SET({whole}) FROM {table} WHERE {key} < 300') = 1 ORDER BY {key} LIMIT 20",
    "SELECT {text}, {x} FROM {table} WHERE {c} GROUP BY {text} HAVING {x} > 2 ORDER BY {text} LIMIT 20",
    "SELECT {text}, CASE WHEN {x} > 10 THEN 'many' ELSE 'few' END FROM {table} WHERE {c} GROUP BY {text} ORDER BY {text} LIMIT 20",
    "SELECT {x} + {x}, {x} FROM {table} WHERE {c}",
];

/// Statements with a mistake, or near one.
const MISTAKEN: &[&str] = &[
    "SELECT {key}, nope({n}) FROM {table} LIMIT 3",
    "SELECT {n}, {x} FROM {table} LIMIT 3",
    "SELECT {n} FROM {table} WHERE {x} > 1 LIMIT 3",
    "SELECT {text} FROM {table} GROUP BY {whole} LIMIT 3",
    "SELECT {n} + {t} FROM {table} WHERE {c} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {t} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {n} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {n} = {t} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {t} > {n} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {n} = 'abc' LIMIT 3",
    "SELECT {t} FROM {table} WHERE {i} LIKE 'a%' LIMIT 3",
    "SELECT SUM({t}) FROM {table} WHERE {c}",
    "SELECT AVG({c}) FROM {table}",
    "SELECT MAX({t}), MIN({m}) FROM {table}",
    "SELECT SUM({x}) FROM {table}",
    "SELECT {c} AND {n} FROM {table} LIMIT 3",
    "SELECT {t}, COUNT(*) FROM {table} GROUP BY {t} HAVING {n} > 1 LIMIT 3",
    "SELECT {n} FROM {table} ORDER BY {m} LIMIT 3",
    "SELECT abs({t}), {i} FROM {table} LIMIT 3",
    "SELECT upper({n}) FROM {table} LIMIT 3",
    "SELECT upper({m}) FROM {table} LIMIT 3",
    "SELECT abs({m}) FROM {table} LIMIT 3",
    "SELECT {m} + 1 FROM {table} LIMIT 3",
    "SELECT year({t}) FROM {table} LIMIT 3",
    "SELECT substr({t}) FROM {table} LIMIT 3",
    "SELECT length({t}, 1) FROM {table} LIMIT 3",
    "SELECT dateTrunc('NOPE', {d}) FROM {table} LIMIT 3",
    "SELECT CASE WHEN {c} THEN {n} ELSE {t} END FROM {table} LIMIT 3",
    "SELECT coalesce({n}, {t}) FROM {table} LIMIT 3",
    "SELECT CAST({m} AS INT) FROM {table} LIMIT 3",
    "SELECT CAST({t} AS TIMESTAMP) FROM {table} LIMIT 3",
    "SELECT CAST({d} AS BOOLEAN), CAST({n} AS BOOLEAN) FROM {table} LIMIT 3",
    "SELECT greatest({n}, {t}) FROM {table} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {t} BETWEEN {n} AND {n} LIMIT 3",
    "SELECT {t} FROM {table} WHERE {n} IN (1, 'a') LIMIT 3",
    "SELECT {t} FROM {table} WHERE {d} > '2024-01-01' LIMIT 3",
    "SELECT {t} FROM {table} WHERE {m} = {n} LIMIT 3",
    "SELECT PERCENTILE({n}, 101) FROM {table}",
    "SELECT DISTINCT {n}, {x} FROM {table} LIMIT 3",
    "SELECT DISTINCT {text} FROM {table} GROUP BY {whole} LIMIT 3",
    "SELECT {x} FROM {table} GROUP BY {x} LIMIT 3",
    "SELECT DISTINCT {text} FROM {table} ORDER BY {whole} LIMIT 3",
    "SELECT -{t}, -{m} FROM {table} LIMIT 3",
    "SELECT {t} || {n} FROM {table} LIMIT 3",
];

/// The table's first column of a kind that is not its key.
fn first(table: &'static Table, kind: Kind) -> Option<&'static str> {
    let fits = |column: &&Column| column.kind == kind && column.name != table.key;
    wide::columns(table, true)
        .find(fits)
        .map(|column| column.name)
}

/// A template with the table's own names in their places.
fn named(template: &str, table: &'static Table) -> String {
    let texts = first(table, Kind::Texts).unwrap_or(table.key);
    template
        .replace("{key}", table.key)
        .replace("{table}", table.name)
        .replace("{text}", first(table, Kind::Text).unwrap_or(table.key))
        .replace("{whole}", first(table, Kind::Whole).unwrap_or(table.key))
        .replace("{texts}", texts)
}

impl Generator {
    /// A statement of one of the families, for one engine or the other.
    pub(super) fn statement(&mut self, multi: bool) -> Statement {
        let table = self.table();
        match self.below(8) {
            0 if multi => self.window(table),
            1 if multi && self.further_statements().is_empty() => self.window(table),
            1 if multi => self.made(table, self.further_statements(), false),
            0 if !self.further_statements().is_empty() => {
                self.made(table, self.further_statements(), false)
            }
            0 => self.made(table, SINGLE, false),
            1 | 2 => self.made(table, MISTAKEN, true),
            3..=6 if multi => self.made(table, MULTI, false),
            _ => self.made(table, SINGLE, false),
        }
    }

    fn made(&mut self, table: &'static Table, from: &[&'static str], refusal: bool) -> Statement {
        let offered: Vec<&'static str> = from.iter().copied().filter(|t| self.offers(t)).collect();
        let template = named(self.pick(&offered), table);
        Statement {
            table,
            node: self.filled(Kind::Statement, &template, 2),
            refusal,
        }
    }

    fn window(&mut self, table: &'static Table) -> Statement {
        let framed = self.below(2) == 0;
        let (function, frame) = match framed {
            true => (self.pick(FRAMED), self.pick(FRAMES)),
            false => (self.pick(RANKS), ""),
        };
        let part = self.pick(&[
            "PARTITION BY {t} ",
            "PARTITION BY {i} ",
            "",
            "PARTITION BY {text} ",
        ]);
        // Frames of rows, and functions of positions, need one order.
        let tied = frame.starts_with(" RANGE") && !function.contains("_VALUE");
        let order = match tied {
            true => self.pick(&["ORDER BY {i}", "ORDER BY {text} DESC", "ORDER BY {n}"]),
            false => self.pick(&[
                "ORDER BY {key}",
                "ORDER BY {key} DESC",
                "ORDER BY {n}, {key}",
                "ORDER BY {text} DESC, {key}",
                "ORDER BY {i} NULLS FIRST, {key}",
            ]),
        };
        let template = format!(
            "SELECT {{key}}, {function} OVER ({part}{order}{frame}) AS w FROM {{table}} WHERE {{c}} ORDER BY {{key}} LIMIT 40"
        );
        let node = self.filled(Kind::Statement, &named(&template, table), 2);
        Statement {
            table,
            node,
            refusal: false,
        }
    }
}
