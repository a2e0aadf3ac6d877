//! The words of queries as users write them: tables that share a person, expressions, aggregations and windows.
//!
//! In a template `{n}` stands for a number, `{i}` for a whole number, `{t}` for a text, `{d}` for a time, `{c}` for a condition,
//! `{unique}` for the columns that tell rows apart. Must not know: what anything answers. Invariant: an aggregation answers
//! the same whatever the order of rows.

use super::super::node::Kind;

/// A table of the own data sets with its column that names a person.
pub(super) struct Source {
    pub(super) table: &'static str,
    pub(super) person: &'static str,
}

/// What is asked.
pub(super) const SOURCES: &[Source] = &[
    Source {
        table: "vendas",
        person: "cliente_id",
    },
    Source {
        table: "clientes",
        person: "id_cliente",
    },
    Source {
        table: "transacoes",
        person: "id_cliente",
    },
    Source {
        table: "alltypes_nulls",
        person: "pk",
    },
];

/// Expressions.
pub(super) const EXPRESSIONS: &[(Kind, &str)] = &[
    (Kind::Number, "{n} * {n}"),
    (Kind::Number, "{n} + {i}"),
    (Kind::Number, "{n} - {n}"),
    (Kind::Number, "{i} / {i}"),
    (Kind::Number, "{i} * 1.0 / {i}"),
    (Kind::Number, "{n} * 100.0 / {n}"),
    (Kind::Number, "{n} / 4 * 9"),
    (Kind::Number, "roundDecimal({n}, 2)"),
    (Kind::Number, "ROUND({n}, 10)"),
    (Kind::Number, "ABS({n})"),
    (Kind::Number, "CEIL({n} / 10)"),
    (Kind::Number, "FLOOR({n})"),
    (Kind::Number, "SQRT(ABS({n}))"),
    (Kind::Number, "POWER({n}, 2)"),
    (Kind::Number, "GREATEST({n}, {n})"),
    (Kind::Number, "LEAST({i}, 100)"),
    (Kind::Number, "COALESCE({n}, 0)"),
    (Kind::Number, "NULLIF({n}, 0)"),
    (Kind::Number, "{n} / NULLIF({i}, 0)"),
    (Kind::Number, "CASE WHEN {c} THEN {n} ELSE 0 END"),
    (Kind::Number, "CASE WHEN {c} THEN {n} END"),
    (
        Kind::Number,
        "CASE WHEN {c} THEN {n} WHEN {c} THEN {i} ELSE {n} END",
    ),
    (Kind::Number, "CAST({i} AS DOUBLE)"),
    (Kind::Number, "-({n})"),
    (Kind::Whole, "{i} % 10"),
    (Kind::Whole, "MOD({i}, 7)"),
    (Kind::Whole, "{i} + {i}"),
    (Kind::Whole, "{i} * 2 - 1"),
    (Kind::Whole, "{i} / 10"),
    (Kind::Whole, "CAST({n} AS BIGINT)"),
    (Kind::Whole, "CAST({n} AS INT)"),
    (Kind::Whole, "LENGTH({t})"),
    (Kind::Whole, "YEAR({d})"),
    (Kind::Whole, "MONTH({d})"),
    (Kind::Whole, "HOUR({d})"),
    (Kind::Whole, "CASE WHEN {c} THEN 1 ELSE 0 END"),
    (Kind::Whole, "CASE WHEN {c} THEN {i} END"),
    (Kind::Whole, "COALESCE({i}, -1)"),
    (Kind::Whole, "NULLIF({i}, 3)"),
    (Kind::Whole, "ABS({i})"),
    (Kind::Whole, "SIGN({i})"),
    (Kind::Text, "UPPER({t})"),
    (Kind::Text, "LOWER({t})"),
    (Kind::Text, "SUBSTR({t}, 0, 2)"),
    (Kind::Text, "SUBSTRING({t}, 1, 3)"),
    (Kind::Text, "CONCAT({t}, {t}, '-')"),
    (Kind::Text, "{t} || '/' || {t}"),
    (Kind::Text, "REPLACE({t}, 'a', 'o')"),
    (Kind::Text, "TRIM({t})"),
    (Kind::Text, "COALESCE({t}, '?')"),
    (Kind::Text, "NULLIF({t}, 'SP')"),
    (Kind::Text, "CAST({i} AS VARCHAR)"),
    (Kind::Text, "CASE WHEN {c} THEN {t} ELSE 'outros' END"),
    (
        Kind::Text,
        "CASE WHEN {c} THEN 'a' WHEN {c} THEN 'b' ELSE 'c' END",
    ),
    (Kind::Text, "CASE WHEN {c} THEN {t} END"),
    (
        Kind::Text,
        "CASE {t} WHEN 'SP' THEN 'Sampa' WHEN 'site' THEN 'web' ELSE {t} END",
    ),
    (Kind::Text, "ToDateTime({d}, 'yyyy-MM')"),
    (Kind::Text, "ToDateTime({d}, 'yyyy-MM-dd')"),
    (
        Kind::Text,
        "DATETIMECONVERT({d}, '1:MILLISECONDS:EPOCH', '1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd', '1:DAYS')",
    ),
    (Kind::Time, "DATETRUNC('DAY', {d})"),
    (Kind::Time, "DATETRUNC('MONTH', {d})"),
    (Kind::Time, "DATETRUNC('WEEK', {d})"),
    (Kind::Condition, "{c} AND {c}"),
    (Kind::Condition, "({c} OR {c})"),
    (Kind::Condition, "NOT ({c})"),
    (Kind::Condition, "{n} > {n}"),
    (Kind::Condition, "{i} = {i}"),
    (Kind::Condition, "{i} <> {i}"),
    (Kind::Condition, "{n} >= 10"),
    (Kind::Condition, "{n} BETWEEN 1 AND 200"),
    (Kind::Condition, "{i} IN (1, 2, 3, 5, 8)"),
    (Kind::Condition, "{i} NOT IN (1, 4)"),
    (Kind::Condition, "{t} IN ('SP', 'site', 'Moda', 'v1')"),
    (Kind::Condition, "{t} NOT IN ('RJ', 'loja')"),
    (Kind::Condition, "{t} LIKE '%o%'"),
    (Kind::Condition, "{t} NOT LIKE 'S%'"),
    (Kind::Condition, "{t} > 'M'"),
    (Kind::Condition, "{t} <> ''"),
    (Kind::Condition, "{n} IS NOT NULL"),
    (Kind::Condition, "{t} IS NULL"),
    (Kind::Condition, "{i} IS NULL"),
];

/// Aggregations.
pub(super) const AGGREGATES: &[(Kind, &str)] = &[
    (Kind::Whole, "COUNT(*)"),
    (Kind::Whole, "COUNT(*)"),
    (Kind::Whole, "COUNT({n})"),
    (Kind::Whole, "COUNT({t})"),
    (Kind::Whole, "COUNT(DISTINCT {t})"),
    (Kind::Whole, "COUNT(DISTINCT {i})"),
    (Kind::Whole, "COUNT(CASE WHEN {c} THEN 1 END)"),
    (Kind::Whole, "COUNT(*) FILTER (WHERE {c})"),
    (Kind::Whole, "DISTINCTCOUNT({i})"),
    (Kind::Whole, "MAX({i})"),
    (Kind::Whole, "MIN({i})"),
    (Kind::Whole, "SUM({i})"),
    (Kind::Whole, "SUM(CASE WHEN {c} THEN 1 ELSE 0 END)"),
    (Kind::Number, "SUM({n})"),
    (Kind::Number, "SUM({n})"),
    (Kind::Number, "AVG({n})"),
    (Kind::Number, "AVG({i})"),
    (Kind::Number, "MIN({n})"),
    (Kind::Number, "MAX({n})"),
    (Kind::Number, "SUM({n}) / COUNT(*)"),
    (Kind::Number, "SUM({n}) * 100.0 / SUM({n} + 1)"),
    (Kind::Number, "SUM({n} * {i})"),
    (Kind::Number, "SUM(CASE WHEN {c} THEN {n} ELSE 0 END)"),
    (Kind::Number, "AVG(CASE WHEN {c} THEN {n} END)"),
    (Kind::Number, "SUM({n}) FILTER (WHERE {c})"),
    (Kind::Number, "MAX({n}) - MIN({n})"),
    (Kind::Number, "COALESCE(SUM({n}), 0)"),
    (Kind::Number, "ROUND(AVG({n}), 1)"),
    (Kind::Number, "STDDEV_SAMP({n})"),
    (Kind::Number, "VAR_POP({n})"),
    (Kind::Number, "COUNT(*) * 1.0 / COUNT(DISTINCT {t})"),
    (
        Kind::Number,
        "CASE WHEN COUNT(*) > 5 THEN SUM({n}) ELSE 0 END",
    ),
    (Kind::Number, "CAST(SUM({n}) AS BIGINT)"),
];

/// Windows, each of one answer for each row.
pub(super) const WINDOWS: &[(Kind, &str)] = &[
    (
        Kind::Whole,
        "ROW_NUMBER() OVER (PARTITION BY {t} ORDER BY {n} DESC, {unique})",
    ),
    (Kind::Whole, "ROW_NUMBER() OVER (ORDER BY {unique})"),
    (Kind::Whole, "RANK() OVER (ORDER BY {i} DESC)"),
    (Kind::Whole, "RANK() OVER (PARTITION BY {t} ORDER BY {i})"),
    (Kind::Whole, "DENSE_RANK() OVER (ORDER BY {t})"),
    (Kind::Whole, "NTILE(4) OVER (ORDER BY {n}, {unique})"),
    (Kind::Whole, "COUNT(*) OVER (PARTITION BY {t})"),
    (Kind::Whole, "COUNT({n}) OVER (PARTITION BY {i})"),
    (Kind::Number, "SUM({n}) OVER (PARTITION BY {t})"),
    (Kind::Number, "SUM({n}) OVER (ORDER BY {unique})"),
    (
        Kind::Number,
        "SUM({i}) OVER (PARTITION BY {t} ORDER BY {unique} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
    ),
    (Kind::Number, "AVG({n}) OVER (PARTITION BY {t})"),
    (Kind::Number, "MAX({n}) OVER (PARTITION BY {i})"),
    (Kind::Number, "MIN({n}) OVER ()"),
    (Kind::Number, "{n} * 100.0 / SUM({n}) OVER ()"),
    (Kind::Number, "{n} - AVG({n}) OVER (PARTITION BY {t})"),
    (Kind::Number, "LAG({n}) OVER (ORDER BY {unique})"),
    (
        Kind::Number,
        "{n} - LAG({n}, 1) OVER (PARTITION BY {t} ORDER BY {unique})",
    ),
    (
        Kind::Number,
        "LEAD({n}, 2) OVER (PARTITION BY {t} ORDER BY {unique})",
    ),
    (
        Kind::Number,
        "FIRST_VALUE({n}) OVER (PARTITION BY {t} ORDER BY {unique})",
    ),
    (
        Kind::Text,
        "LAST_VALUE({t}) OVER (PARTITION BY {i} ORDER BY {unique} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    ),
    (Kind::Text, "LAG({t}) OVER (ORDER BY {unique})"),
];

/// Kinds of joins.
pub(super) const JOINS: &[&str] = &[
    "JOIN",
    "JOIN",
    "LEFT JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
];

/// Orders of texts by what is computed of them.
pub(super) const TEXT_ORDERS: &[&str] = &[
    "LENGTH({}) > 5",
    "CASE WHEN LENGTH({}) < 6 THEN 0 ELSE 1 END DESC",
    "CASE WHEN {} >= 'M' THEN 0 ELSE 1 END",
    "UPPER({}) DESC",
];

/// Orders of numbers by what is computed of them.
pub(super) const NUMBER_ORDERS: &[&str] = &[
    "ABS({}) > 10",
    "CASE WHEN ABS({}) > 10 THEN 0 ELSE 1 END",
    "CASE WHEN {} > 3 THEN 'a' ELSE 'b' END DESC",
    "SIGN({})",
];
