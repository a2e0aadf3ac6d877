//! More of what queries beside a real Pinot have: functions of the recorded suites that the other lists lack, tests of times
//! that an optimizer turns into ranges, and statements with HAVING over what is selected.
//!
//! Places as in `wide` and `families`. Must not know: what anything answers. Invariant: every template is valid SQL of the
//! single-stage engine for some arguments.

use super::node::Kind;

/// Further expressions.
pub(super) const EXPRESSIONS: &[(Kind, &str)] = &[
    (Kind::Number, "negate({n})"),
    (Kind::Number, "moduloOrZero({n}, 7)"),
    (Kind::Number, "sinh({n})"),
    (Kind::Number, "tanh({n})"),
    (Kind::Number, "log2({n})"),
    (Kind::Number, "log10({n})"),
    (Kind::Number, "atan({n})"),
    (Kind::Number, "cos({n})"),
    (Kind::Number, "euclideanDistance(mv_double, mv_double)"),
    (Kind::Condition, "isFinite({n})"),
    (Kind::Condition, "isInfinite({n})"),
    (Kind::Whole, "intDivOrZero({i}, 3)"),
    (Kind::Whole, "gcd({i}, 12)"),
    (Kind::Whole, "strrpos({t}, 'a')"),
    (Kind::Whole, "strcmp({t}, {t})"),
    (Kind::Whole, "adler32(toUtf8({t}))"),
    (Kind::Whole, "cityHash32(toUtf8({t}))"),
    (Kind::Whole, "murmurHash3Bit32(toUtf8({t}), 0)"),
    (Kind::Whole, "millisecond({d})"),
    (Kind::Whole, "toEpochSeconds({d})"),
    (Kind::Whole, "toEpochHoursRounded({d}, 6)"),
    (Kind::Whole, "toEpochDaysBucket({d}, 7)"),
    (Kind::Whole, "arrayElementAtInt(mv_int, 1)"),
    (Kind::Whole, "arrayElementAtLong(mv_long, 2)"),
    (Kind::Whole, "arrayIndexOfInt(mv_int, 3)"),
    (Kind::Numbers, "arraySliceInt(mv_int, 0, 1)"),
    (Kind::Numbers, "arrayConcatInt(mv_int, mv_int)"),
    (Kind::Time, "fromEpochMinutes(toEpochMinutes({d}))"),
    (Kind::Time, "fromEpochSeconds(toEpochSeconds({d}))"),
    (Kind::Text, "right({t}, 2)"),
    (Kind::Text, "toAscii({t})"),
    (Kind::Text, "normalize({t}, 'NFD')"),
    (Kind::Text, "concat_ws('-', {t}, {t})"),
    (Kind::Text, "urlEncode({t})"),
    (Kind::Text, "urlQueryString({t})"),
    (Kind::Text, "cutQueryString({t})"),
    (Kind::Text, "urlProtocol({t})"),
    (Kind::Text, "urlDomain({t})"),
    (Kind::Text, "extractURLParameter({t}, 'q')"),
    (Kind::Text, "fromUtf8(toUtf8({t}))"),
    (Kind::Text, "sha({b})"),
    (Kind::Text, "sha224(toUtf8({t}))"),
    (Kind::Text, "regexpReplaceVar({t}, 'A', 'x', 0, -1, 'i')"),
    (Kind::Text, "arrayElementAtString({s}, 1)"),
    (Kind::Text, "ST_AsText(ST_Point({n}, {n}))"),
    (Kind::Condition, "isJson({t})"),
    (Kind::Condition, "dateTrunc('DAY', {d}) >= 1750032000000"),
    (Kind::Condition, "dateTrunc('HOUR', {d}) < 1750000000001"),
    (Kind::Condition, "dateTrunc('DAY', {d}) = 1750032000000"),
    (
        Kind::Condition,
        "timeConvert({d}, 'MILLISECONDS', 'DAYS') > 20255",
    ),
    (
        Kind::Condition,
        "dateTimeConvert({d}, '1:MILLISECONDS:EPOCH', '1:DAYS:EPOCH', '1:DAYS') BETWEEN 20100 AND 20300",
    ),
    (Kind::Condition, "toEpochDays({d}) <= 20255"),
    (Kind::Condition, "CAST({d} AS LONG) > 1750000000000"),
];

/// Further aggregations.
pub(super) const AGGREGATES: &[&str] = &[
    "MINLONG({i})",
    "MAXLONG({i})",
    "DISTINCTCOUNTSMARTULL({t})",
    "DISTINCTCOUNTHLLPLUSMV({m})",
    "PERCENTILEESTMV({m}, {rank})",
    "PERCENTILETDIGESTMV({m}, {rank})",
    "PERCENTILE({n}, 50) FILTER (WHERE {c})",
    "MIN({i}) FILTER (WHERE {c})",
    "SUM({n} + 1)",
    "MAX(2 * {n})",
    "AVG({i} - 3)",
];

/// Statements of both engines.
pub(super) const STATEMENTS: &[&str] = &[
    "SELECT {text}, {x} FROM {table} WHERE {c} GROUP BY {text} HAVING {=0} > 2 ORDER BY {text} LIMIT 20",
    "SELECT {text}, {x}, {x} FROM {table} WHERE {c} GROUP BY {text} HAVING {=0} > 2 ORDER BY {text} LIMIT 20",
    "SELECT {text}, {whole}, {x} FROM {table} WHERE {c} GROUP BY {text}, {whole} ORDER BY COUNT(*) DESC, {text}, {whole} LIMIT 20 OFFSET 2",
    "SELECT COUNT(*), {x} FROM {table} WHERE {c} OR ({c} AND NOT ({c}))",
    "SELECT {key}, {t} FROM {table} WHERE {c} AND {c} AND {c} ORDER BY {key} LIMIT 20",
    "SELECT {text}, COUNT(*) FROM {table} WHERE {c} GROUP BY {text} HAVING COUNT(*) > 3 AND MAX({i}) > 5 ORDER BY {text} LIMIT 20",
];
