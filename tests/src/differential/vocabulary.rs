//! The tables, columns and expressions that random queries are made of.
//!
//! In a template `{n}` stands for a number, `{i}` for a whole number, `{t}` for a text, `{d}` for a time in milliseconds,
//! `{c}` for a condition, `{m}` for an array of numbers. Must not know: what anything answers.
//! Invariant: every template is valid SQL of the single-stage engine for some arguments.

use super::node::Kind;

/// A column with literals that it may be compared with.
pub(super) struct Column {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) literals: &'static [&'static str],
}

/// A table with the column that orders its rows, and the table that holds the same rows behind other indexes.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) twin: Option<&'static str>,
    pub(super) columns: &'static [Column],
}

pub(super) const fn column(
    kind: Kind,
    name: &'static str,
    literals: &'static [&'static str],
) -> Column {
    Column {
        kind,
        name,
        literals,
    }
}

const ALL_TYPES: &[Column] = &[
    column(Kind::Whole, "pk", &["0", "17", "600", "3999", "-1"]),
    column(
        Kind::Whole,
        "int_col",
        &["15", "2", "0", "-41", "2147483647"],
    ),
    column(
        Kind::Whole,
        "long_col",
        &["292162581840", "6", "-1", "860183849956"],
    ),
    column(Kind::Number, "float_col", &["0.5", "-2.5", "100"]),
    column(Kind::Number, "double_col", &["-1", "0.25", "1000.5", "12"]),
    column(Kind::Number, "lat", &["0", "-23.5", "45.25"]),
    column(Kind::Number, "lon", &["0", "-46.5", "120"]),
    column(Kind::Text, "low_col", &["'v0'", "'v3'", "'v9'", "''"]),
    column(
        Kind::Text,
        "str_col",
        &["'Gama'", "'alfa'", "'x'", "'zeta'"],
    ),
    column(Kind::Text, "day_str", &["'2025-12-01'", "'2024-02-29'"]),
    column(
        Kind::Time,
        "ts_col",
        &["1786676693953", "0", "1740723283312"],
    ),
    column(Kind::Numbers, "mv_int", &["1", "8", "50"]),
    column(Kind::Numbers, "mv_long", &["2", "40", "1000000"]),
    column(Kind::Numbers, "mv_double", &["0.5", "10", "-3.25"]),
];

const SALES: &[Column] = &[
    column(Kind::Whole, "quantidade", &["1", "3", "5", "0"]),
    column(Kind::Whole, "cliente_id", &["100", "7", "999"]),
    column(Kind::Number, "preco_unitario", &["100", "49.9", "1500.5"]),
    column(Kind::Number, "desconto", &["0", "0.1", "0.25"]),
    column(Kind::Number, "valor_total", &["100", "0", "2500.75"]),
    column(
        Kind::Text,
        "categoria",
        &["'Moda'", "'Livros'", "'Beleza'", "'x'"],
    ),
    column(Kind::Text, "estado", &["'SP'", "'RJ'", "'PR'"]),
    column(
        Kind::Text,
        "cidade",
        &["'Curitiba'", "'Rio de Janeiro'", "'Recife'"],
    ),
    column(Kind::Text, "canal", &["'site'", "'app'", "'loja'"]),
    column(
        Kind::Time,
        "data_venda",
        &["1764547200000", "1750000000000", "0"],
    ),
];

const CLIENTS: &[Column] = &[
    column(Kind::Whole, "id_cliente", &["1", "500", "1000"]),
    column(Kind::Whole, "idade", &["18", "40", "77"]),
    column(Kind::Text, "nome", &["'Ana'", "'Bruno'"]),
    column(Kind::Text, "cidade", &["'Curitiba'", "'Recife'"]),
    column(Kind::Text, "estado", &["'SP'", "'MG'"]),
    column(
        Kind::Time,
        "data_cadastro",
        &["1713538731156", "1746794923541"],
    ),
];

const TRANSACTIONS: &[Column] = &[
    column(Kind::Whole, "id_transacao", &["1", "579", "9000"]),
    column(Kind::Whole, "id_cliente", &["1", "500", "1000"]),
    column(Kind::Number, "valor", &["0", "66.65", "500"]),
    column(Kind::Text, "tipo", &["'debito'", "'credito'", "'pix'"]),
    column(Kind::Text, "categoria", &["'Moda'", "'Livros'"]),
    column(Kind::Text, "moeda", &["'BRL'", "'USD'"]),
    column(
        Kind::Time,
        "data_transacao",
        &["1713538731156", "1746794923541"],
    ),
];

/// What is asked.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "alltypes_nulls",
        key: "pk",
        twin: Some("alltypes_idx"),
        columns: ALL_TYPES,
    },
    Table {
        name: "vendas",
        key: "id_venda",
        twin: Some("vendas_idx"),
        columns: SALES,
    },
    Table {
        name: "alltypes",
        key: "pk",
        twin: None,
        columns: ALL_TYPES,
    },
    Table {
        name: "clientes",
        key: "id_cliente",
        twin: None,
        columns: CLIENTS,
    },
    Table {
        name: "transacoes",
        key: "id_transacao",
        twin: None,
        columns: TRANSACTIONS,
    },
];

/// Expressions that both engines answer alike.
pub(super) const PORTABLE: &[(Kind, &str)] = &[
    (Kind::Number, "{n} + {n}"),
    (Kind::Number, "{n} - {n}"),
    (Kind::Number, "abs({n})"),
    (Kind::Number, "ceil({n})"),
    (Kind::Number, "floor({n})"),
    (Kind::Number, "CAST({n} AS DOUBLE)"),
    (Kind::Number, "CASE WHEN {c} THEN {n} ELSE {n} END"),
    (Kind::Whole, "length({t})"),
    (Kind::Whole, "strpos({t}, 'a', 1)"),
    (Kind::Whole, "year({d})"),
    (Kind::Whole, "month({d})"),
    (Kind::Whole, "hour({d})"),
    (Kind::Whole, "dayOfWeek({d})"),
    (Kind::Text, "upper({t})"),
    (Kind::Text, "lower({t})"),
    (Kind::Text, "reverse({t})"),
    (Kind::Text, "concat({t}, {t}, '-')"),
    (Kind::Text, "substr({t}, 1, 3)"),
    (Kind::Text, "replace({t}, 'a', 'o')"),
    (Kind::Text, "CASE WHEN {c} THEN {t} ELSE 'other' END"),
    (Kind::Condition, "{c} AND {c}"),
    (Kind::Condition, "({c} OR {c})"),
    (Kind::Condition, "NOT ({c})"),
];

/// Further expressions: the engines may differ in type, rounding or refusal.
pub(super) const FURTHER: &[(Kind, &str)] = &[
    (Kind::Number, "{n} * {n}"),
    (Kind::Number, "{n} / {n}"),
    (Kind::Number, "{i} % {i}"),
    (Kind::Number, "mod({n}, 7)"),
    (Kind::Number, "sqrt(abs({n}))"),
    (Kind::Number, "exp({n})"),
    (Kind::Number, "ln(abs({n}))"),
    (Kind::Number, "power({n}, 2)"),
    (Kind::Number, "sign({n})"),
    (Kind::Number, "roundDecimal({n}, 2)"),
    (Kind::Number, "truncate({n}, 1)"),
    (Kind::Number, "least({n}, {n})"),
    (Kind::Number, "greatest({n}, {n})"),
    (Kind::Number, "coalesce({n}, 0)"),
    (Kind::Number, "CAST({n} AS BIG_DECIMAL)"),
    (Kind::Number, "arraySum({m})"),
    (Kind::Number, "arrayMax({m})"),
    (Kind::Number, "arrayAverage({m})"),
    (Kind::Whole, "CAST({n} AS INT)"),
    (Kind::Whole, "CAST({n} AS LONG)"),
    (Kind::Whole, "arrayLength({m})"),
    (Kind::Whole, "cardinality({m})"),
    (Kind::Whole, "toEpochDays({d})"),
    (Kind::Whole, "toEpochHoursBucket({d}, 6)"),
    (Kind::Whole, "week({d})"),
    (Kind::Whole, "dayOfYear({d})"),
    (Kind::Whole, "quarter({d})"),
    (Kind::Whole, "EXTRACT(DAY FROM {d})"),
    (Kind::Whole, "hammingDistance({t}, {t})"),
    (Kind::Whole, "levenshteinDistance({t}, {t})"),
    (Kind::Whole, "codepoint({t})"),
    (Kind::Time, "dateTrunc('MONTH', {d})"),
    (
        Kind::Time,
        "dateTrunc('week', {d}, 'MILLISECONDS', 'America/Sao_Paulo')",
    ),
    (Kind::Time, "TIMESTAMPADD(DAY, 3, {d})"),
    (Kind::Time, "dateAdd('HOUR', -5, {d})"),
    (Kind::Time, "fromEpochDays(toEpochDays({d}))"),
    (
        Kind::Time,
        "fromDateTime(toDateTime({d}, 'yyyy-MM-dd'), 'yyyy-MM-dd')",
    ),
    (
        Kind::Text,
        "dateTimeConvert({d}, '1:MILLISECONDS:EPOCH', '1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd tz(Asia/Kolkata)', '1:DAYS')",
    ),
    (Kind::Text, "toIso8601({d})"),
    (
        Kind::Whole,
        "dateTimeConvert({d}, '1:MILLISECONDS:EPOCH', '1:HOURS:EPOCH', '1:HOURS')",
    ),
    (Kind::Whole, "timeConvert({d}, 'MILLISECONDS', 'DAYS')"),
    (Kind::Whole, "dateDiff('DAY', {d}, 1764547200000)"),
    (Kind::Whole, "hour({d}, 'America/Sao_Paulo')"),
    (Kind::Whole, "second({d})"),
    (Kind::Whole, "yearOfWeek({d})"),
    (
        Kind::Time,
        "dateTimeConvert({d}, '1:MILLISECONDS:EPOCH', '1:MILLISECONDS:EPOCH', '1:DAYS')",
    ),
    (Kind::Text, "toDateTime({d}, 'yyyy-MM-dd HH:mm')"),
    (Kind::Text, "CAST({n} AS STRING)"),
    (Kind::Text, "trim({t})"),
    (Kind::Text, "lpad({t}, 6, '*')"),
    (Kind::Text, "splitPart({t}, 'a', 0)"),
    (Kind::Text, "md5(toUtf8({t}))"),
    (Kind::Text, "regexpReplace({t}, '[aeiou]', '#')"),
    (Kind::Text, "regexpExtract({t}, '([a-z]+)', 1)"),
    (Kind::Text, "toBase64(toUtf8({t}))"),
    (Kind::Text, "encodeUrl({t})"),
    (Kind::Text, "coalesce({t}, 'none')"),
    (Kind::Text, "arrayToString({m}, '|')"),
    (Kind::Condition, "{n} > {n}"),
    (Kind::Condition, "{i} = {i}"),
    (Kind::Condition, "{t} <= {t}"),
    (Kind::Condition, "startsWith({t}, 'v')"),
    (Kind::Condition, "REGEXP_LIKE({t}, '^[a-m]')"),
    (Kind::Condition, "{n} IS DISTINCT FROM {n}"),
    (Kind::Condition, "({c}) = true"),
    (Kind::Condition, "{n} BETWEEN {n} AND {n}"),
    (Kind::Condition, "{t} IN ('v1', 'alfa', '')"),
    (Kind::Condition, "NOT ({i} IN (1, 2, 99999999999))"),
    (Kind::Condition, "{i} <> 2.5"),
    (Kind::Condition, "{t} IS NULL"),
    (Kind::Condition, "{i} IS NOT NULL"),
    (Kind::Text, "leftSubStr({t}, 2)"),
    (Kind::Text, "repeat({t}, 2, '-')"),
    (Kind::Text, "initcap({t})"),
    (Kind::Text, "sha256(toUtf8({t}))"),
    (Kind::Text, "bytesToHex(toUtf8({t}))"),
    (Kind::Text, "urlPath(concat('http://a.b/', {t}))"),
    (Kind::Text, "CASE {t} WHEN 'v1' THEN 'one' ELSE {t} END"),
    (Kind::Whole, "crc32(toUtf8({t}))"),
    (Kind::Whole, "murmurHash2(toUtf8({t}))"),
    (Kind::Whole, "vectorDims({m})"),
    (Kind::Whole, "intDiv({n}, 7)"),
    (Kind::Whole, "positiveModulo({i}, 7)"),
    (Kind::Number, "arrayMin({m})"),
    (Kind::Number, "vectorNorm({m})"),
    (Kind::Number, "CEIL({i} / 6.0)"),
    (Kind::Number, "CAST({t} AS DOUBLE)"),
    (Kind::Number, "cosineDistance({m}, {m}, 0)"),
    (
        Kind::Number,
        "ST_Distance(ST_Point({n}, {n}), ST_Point(1, 2))",
    ),
    (Kind::Number, "atan2({n}, {n})"),
    (Kind::Number, "degrees({n})"),
    (Kind::Numbers, "arrayReverseInt(mv_int)"),
    (Kind::Numbers, "valueIn(mv_int, 1, 2, 3)"),
    (Kind::Numbers, "arrayDistinctInt(mv_int)"),
];

/// Aggregations that both engines answer alike where there are rows.
pub(super) const PORTABLE_AGGREGATES: &[&str] = &[
    "COUNT(*)",
    "SUM({n})",
    "MIN({n})",
    "MAX({n})",
    "AVG({n})",
    "DISTINCTCOUNT({t})",
    "SUM({n}) FILTER (WHERE {c})",
    "COUNT(*) FILTER (WHERE {c})",
];

/// Further aggregations.
pub(super) const FURTHER_AGGREGATES: &[&str] = &[
    "COUNT({n})",
    "COUNT({t})",
    "MINMAXRANGE({n})",
    "DISTINCTSUM({i})",
    "DISTINCTAVG({i})",
    "DISTINCTCOUNT({n})",
    "DISTINCTCOUNTHLL({t})",
    "VARPOP({n})",
    "STDDEV_SAMP({n})",
    "SKEWNESS({n})",
    "COVAR_POP({n}, {n})",
    "MODE({i})",
    "PERCENTILE({n}, 50)",
    "PERCENTILE({n}, 95)",
    "SUMPRECISION({n})",
    "SUMLONG({i})",
    "BOOL_AND({c})",
    "BOOL_OR({c})",
    "MINSTRING({t})",
    "MAXSTRING({t})",
    "FIRSTWITHTIME({n}, {i}, 'DOUBLE')",
    "LASTWITHTIME({i}, {d}, 'LONG')",
    "SUMMV({m})",
    "MAXMV({m})",
    "COUNTMV({m})",
    "DISTINCTCOUNTMV({m})",
    "SUM(CASE WHEN {c} THEN {i} ELSE 0 END)",
    "COUNT(CASE WHEN {c} THEN 1 END)",
    "DISTINCTCOUNTBITMAP({i})",
    "DISTINCTCOUNTULL({t})",
    "DISTINCTCOUNTTHETASKETCH({t})",
    "DISTINCTCOUNTCPCSKETCH({i})",
    "DISTINCTCOUNTHLLPLUS({i})",
    "DISTINCTCOUNTSMARTHLL({t})",
    "SEGMENTPARTITIONEDDISTINCTCOUNT({i})",
    "PERCENTILEEST({i}, 75)",
    "KURTOSIS({n})",
    "VAR_SAMP({n}) FILTER (WHERE {c})",
    "SUMARRAYDOUBLE({m})",
    "HISTOGRAM({n}, 0, 1000, 4)",
    "LISTAGG({t}, ',')",
    "MINMV({m})",
    "AVGMV({m})",
    "DISTINCTSUMMV({m})",
    "FUNNELCOUNT(STEPS({c}, {c}), CORRELATEBY({i}))",
    "FUNNELMAXSTEP({d}, 100000000, 2, {c}, {c})",
    "ANYVALUE({i}) - ANYVALUE({i})",
    "AVG({n}) FILTER (WHERE {c})",
    "MAX({n}) - MIN({n})",
    "SUM({n}) / COUNT(*)",
];
