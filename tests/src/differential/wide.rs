//! What queries beside a real Pinot have besides the common vocabulary: further columns, functions, formats and aggregations.
//!
//! Places of templates beside those of the vocabulary: `{s}` an array of texts, `{j}` JSON, `{b}` bytes, `{key}` the table's
//! key; `{format}`, `{grain}`, `{unit}`, `{zone}`, `{pattern}`, `{path}`, `{rank}` one of the lists of that name. Must not
//! know: what anything answers. Invariant: every template is valid SQL of the single-stage engine for some arguments.

use super::node::Kind;
use super::vocabulary::{Column, Table, column};

/// Further columns of the tables with all types.
const COLUMNS: &[Column] = &[
    column(
        Kind::Number,
        "big_col",
        &["0", "12.5", "-3", "1194043046214858337313.49"],
    ),
    column(Kind::Whole, "day_epoch", &["20679", "20137", "0"]),
    column(Kind::Whole, "hour_epoch", &["496299", "483534"]),
    column(Kind::Condition, "bool_col", &["true", "false"]),
    column(
        Kind::Text,
        "url_col",
        &["'https://exemplo.com.br/alfa?q=0&r=a%20b'", "'x'"],
    ),
    column(Kind::Bytes, "bytes_col", &["X'1e'", "X'aa07d1'", "X''"]),
    column(Kind::Json, "json_col", &["'x'"]),
    column(Kind::Texts, "mv_str", &["'iota'", "'null'", "'Gama'"]),
];

/// The columns of a table, with its further ones where it has them and they are `wanted`.
pub(super) fn columns(
    table: &'static Table,
    wanted: bool,
) -> impl Iterator<Item = &'static Column> {
    let all_types = wanted && table.name.starts_with("alltypes");
    let further = if all_types { COLUMNS } else { &[] };
    table.columns.iter().chain(further)
}

/// Templates of the common vocabulary that are not asked: Pinot's single-stage engine takes no columns for the bounds of
/// BETWEEN and subtracts texts that it compares in WHERE; times of FIRSTWITHTIME that are equal leave the answer to the
/// order of rows, as ANYVALUE does; a server that answers alone has leftovers where a FILTER skips a whole group.
pub(super) const LEFT_OUT: &[&str] = &[
    "NOT ({i} IN (1, 2, 99999999999))",
    "repeat({t}, 2, '-')",
    "{t} <= {t}",
    "{n} BETWEEN {n} AND {n}",
    "MINSTRING({t})",
    "FIRSTWITHTIME({n}, {i}, 'DOUBLE')",
    "LASTWITHTIME({i}, {d}, 'LONG')",
    "VAR_SAMP({n}) FILTER (WHERE {c})",
    "ANYVALUE({i}) - ANYVALUE({i})",
];

/// Further expressions.
pub(super) const EXPRESSIONS: &[(Kind, &str)] = &[
    (Kind::Condition, "{t} <= 'k'"),
    (Kind::Condition, "{n} BETWEEN -5 AND 700"),
    (Kind::Condition, "NOT ({i} IN (1, 2, 9999))"),
    (Kind::Text, "repeat({t}, '-', 2)"),
    (
        Kind::Text,
        "jsonExtractScalar({j}, '{path}', 'STRING', 'none')",
    ),
    (Kind::Whole, "jsonExtractScalar({j}, '{path}', 'INT', 0)"),
    (Kind::Whole, "jsonExtractScalar({j}, '{path}', 'LONG', -1)"),
    (
        Kind::Number,
        "jsonExtractScalar({j}, '{path}', 'DOUBLE', 0.5)",
    ),
    (Kind::Text, "jsonPathString({j}, '{path}', 'none')"),
    (Kind::Whole, "jsonPathLong({j}, '{path}', 7)"),
    (Kind::Number, "jsonPathDouble({j}, '{path}', -1)"),
    (Kind::Text, "jsonFormat({j})"),
    (Kind::Condition, "jsonPathExists({j}, '{path}')"),
    (Kind::Condition, "JSON_MATCH({j}, '\"$.n\" > 50')"),
    (
        Kind::Condition,
        "JSON_MATCH({j}, '\"$.name\" = ''eta'' AND \"$.nested.k\" < 3')",
    ),
    (
        Kind::Condition,
        "JSON_MATCH({j}, '\"$.nested.list[*]\" IN (1, 7)')",
    ),
    (Kind::Condition, "JSON_MATCH({j}, '\"$.flag\" IS NOT NULL')"),
    (Kind::Text, "toDateTime({d}, '{pattern}')"),
    (Kind::Text, "toDateTime({d}, '{pattern}', '{zone}')"),
    (
        Kind::Text,
        "dateTimeConvert({d}, '1:MILLISECONDS:EPOCH', '{format}', '{grain}')",
    ),
    (
        Kind::Text,
        "dateTimeConvert({d}, 'TIMESTAMP', '{format}', '{grain}')",
    ),
    (Kind::Time, "dateTrunc('{unit}', {d})"),
    (
        Kind::Time,
        "dateTrunc('{unit}', {d}, 'MILLISECONDS', '{zone}')",
    ),
    (
        Kind::Whole,
        "dateTrunc('{unit}', {d}, 'MILLISECONDS', '{zone}', 'SECONDS')",
    ),
    (Kind::Time, "timestampAdd({unit}, 2, {d})"),
    (Kind::Whole, "timestampDiff({unit}, {d}, 1764547200000)"),
    (Kind::Whole, "EXTRACT({unit} FROM {d})"),
    (Kind::Whole, "dayOfMonth({d}, '{zone}')"),
    (Kind::Whole, "month({d}, '{zone}')"),
    (Kind::Whole, "toEpochMinutesRounded({d}, 90)"),
    (Kind::Whole, "timeConvert({d}, 'MILLISECONDS', 'MINUTES')"),
    (Kind::Condition, "{s} = 'iota'"),
    (Kind::Condition, "{s} <> 'iota'"),
    (Kind::Condition, "{s} IN ('Gama', 'eta')"),
    (Kind::Condition, "{s} NOT IN ('Gama', 'eta', 'null')"),
    (Kind::Condition, "{s} LIKE '%ta'"),
    (Kind::Condition, "REGEXP_LIKE({s}, '^[a-f]')"),
    (Kind::Condition, "{m} > 5"),
    (Kind::Condition, "{m} NOT IN (1, 2, 3)"),
    (Kind::Condition, "arrayLength({s}) > 2"),
    (Kind::Condition, "arrayContainsInt(mv_int, {i})"),
    (Kind::Condition, "arrayContainsString({s}, 'eta')"),
    (Kind::Whole, "arrayIndexOfString({s}, 'eta')"),
    (Kind::Text, "arrayToString({s}, '-')"),
    (Kind::Texts, "arrayDistinctString({s})"),
    (Kind::Whole, "length({b})"),
    (Kind::Text, "bytesToHex({b})"),
    (Kind::Text, "md5({b})"),
    (Kind::Text, "toBase64({b})"),
    (Kind::Condition, "{b} <> X'1e'"),
    (Kind::Text, "CAST({c} AS STRING)"),
    (Kind::Text, "CAST({d} AS STRING)"),
    (
        Kind::Number,
        "CASE {t} WHEN 'v1' THEN 1 WHEN 'v2' THEN {n} ELSE 0 END",
    ),
    (Kind::Number, "nullIf({n}, 1)"),
    (Kind::Text, "nullIf({t}, 'v1')"),
    (Kind::Number, "ifNotFinite({n}, 0)"),
    (Kind::Text, "rpad({t}, 5, 'x')"),
    (Kind::Text, "ltrim({t})"),
    (Kind::Text, "rightSubStr({t}, 2)"),
    (Kind::Text, "remove({t}, 'a')"),
    (Kind::Text, "{t} || '-' || {t}"),
    (Kind::Text, "substring({t}, 2)"),
    (Kind::Condition, "contains({t}, 'a')"),
    (Kind::Condition, "endsWith({t}, 'a')"),
    (Kind::Condition, "{t} LIKE '_a%'"),
    (Kind::Condition, "{t} NOT LIKE '%a%'"),
    (Kind::Condition, "regexpLikeVar({t}, 'a.*')"),
    (Kind::Condition, "{t} IS NOT DISTINCT FROM {t}"),
    (Kind::Condition, "({c}) IS NOT TRUE"),
    (Kind::Condition, "({c}) IS FALSE"),
    (Kind::Condition, "{i} IN (7, 15, 100)"),
    (Kind::Condition, "{n} NOT BETWEEN -10 AND 10"),
    (Kind::Condition, "CASE WHEN {c} THEN {c} ELSE false END"),
    (Kind::Condition, "{d} > '2025-06-01 00:00:00'"),
    (
        Kind::Condition,
        "{d} BETWEEN 1740723283312 AND 1764547200000",
    ),
];

/// Formats that times are written in.
pub(super) const OUTPUT_FORMATS: &[&str] = &[
    "1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd",
    "1:HOURS:SIMPLE_DATE_FORMAT:yyyyMMddHH",
    "1:DAYS:SIMPLE_DATE_FORMAT:dd/MM/yy tz(America/Sao_Paulo)",
    "1:SECONDS:SIMPLE_DATE_FORMAT:yyyy-MM-dd''T''HH:mm:ss",
    "SIMPLE_DATE_FORMAT|yyyy-MM|Asia/Tokyo",
    "1:MILLISECONDS:SIMPLE_DATE_FORMAT:EEE, d MMM yyyy HH:mm:ss.SSS",
    "EPOCH|DAYS",
    "EPOCH|MINUTES|5",
    "5:MINUTES:EPOCH",
    "1:SECONDS:TIMESTAMP",
    "TIMESTAMP",
    "7:DAYS:SIMPLE_DATE_FORMAT:xxxx-ww",
];
/// Granularities of conversions.
pub(super) const GRAINS: &[&str] = &[
    "1:MILLISECONDS",
    "1:MINUTES",
    "15:MINUTES",
    "6:HOURS",
    "1:DAYS",
    "7:DAYS",
    "DAYS|1",
];
/// Units of time.
pub(super) const UNITS: &[&str] = &[
    "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND",
];
/// Time zones.
pub(super) const ZONES: &[&str] = &[
    "UTC",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "+05:30",
];
/// Patterns of dates.
pub(super) const PATTERNS: &[&str] = &[
    "yyyy-MM-dd",
    "yyyyMMddHH",
    "HH:mm:ss.SSS",
    "EEEE d MMMM yyyy",
    "yyyy-MM-dd hh:mm a",
    "DDD-yy",
    "xxxx-ww-e",
    "yyyy-MM-dd''T''HH:mm:ssZ",
    "yyyy-MM-dd HH:mm:ss ZZ",
];
/// Paths into JSON.
pub(super) const PATHS: &[&str] = &[
    "$.n",
    "$.name",
    "$.nested.k",
    "$.nested.list[0]",
    "$.nested.list[1]",
    "$.nope",
    "$.nested.nope.x",
];
/// Percentiles.
pub(super) const RANKS: &[&str] = &["0", "5", "50", "90", "99.9", "100"];

/// Further aggregations. Left out are those whose bytes depend on a clock, on the order of a hash table or on chance, and
/// what answers no rows with an error of the response's form.
pub(super) const AGGREGATES: &[&str] = &[
    "FIRSTWITHTIME({n}, {key}, 'DOUBLE')",
    "LASTWITHTIME({i}, {key}, 'LONG')",
    "VAR_SAMP({n})",
    "PERCENTILE({n}, {rank})",
    "PERCENTILETDIGEST({n}, {rank})",
    "PERCENTILETDIGEST({n}, {rank}, 500)",
    "PERCENTILEEST({i}, {rank})",
    "PERCENTILESMARTTDIGEST({n}, {rank})",
    "PERCENTILEMV({m}, {rank})",
    "DISTINCTCOUNTRAWHLL({t})",
    "DISTINCTCOUNTOFFHEAP({t})",
    "DISTINCTCOUNTHLL({i}, 8)",
    "DISTINCTCOUNTHLLMV({m})",
    "DISTINCTCOUNTBITMAPMV({m})",
    "DISTINCTAVGMV({m})",
    "MINMAXRANGEMV({m})",
    "SUMARRAYLONG(mv_long)",
    "ARRAY_AGG({i}, 'INT', true)",
    "LISTAGG({t}, '|', true)",
    "DISTINCTCOUNT({s})",
    "DISTINCTCOUNT({d})",
    "MODE({n}, 'MIN')",
    "MODE({i}, 'MAX')",
    "MODE({i}, 'AVG')",
    "COVAR_SAMP({n}, {n})",
    "CORR({n}, {n})",
    "STDDEV_POP({n})",
    "EXPR_MAX({t}, {i})",
    "IDSET({i})",
    "SUM0({i})",
    "MIN({d})",
    "MAX({d})",
    "MAX({i}) FILTER (WHERE {c})",
    "DISTINCTCOUNT({t}) FILTER (WHERE {c})",
    "AVG({i}) FILTER (WHERE {c})",
    "COUNT(DISTINCT {t})",
    "COUNT(DISTINCT {i})",
    "STUNION(ST_Point(1, 2))",
    "FUNNELCOMPLETECOUNT({d}, 100000000, 2, {c}, {c})",
    "FUNNELMATCHSTEP({d}, 100000000, 2, {c}, {c})",
    "LASTWITHTIME({t}, {key}, 'STRING')",
];
