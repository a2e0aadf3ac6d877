//! Why a function answers less than ten million rows a second on one core.
//!
//! Must not know: how a function is measured. Invariant: a name stands below one reason; what has none is told as such.

/// Rows a second on one core that a function is to reach where nothing in [`REASONS`] stands against it.
pub const GOAL: f64 = 10_000_000.0;

/// Reasons with the beginnings of the names they hold for.
#[rustfmt::skip]
const REASONS: &[(&str, &[&str])] = &[
    ("the hash itself takes that long", &["md2", "md5", "sha"]),
    ("a sketch per row is read, merged or written", &[
        "tohll", "toull", "tocpc", "totheta", "tointeger", "cpcsketch", "thetasketch", "getcpc", "gettheta", "getinttuple",
        "intsum", "intmin", "intmax", "distinctcounthllplus", "distinctcountrawhllplus", "frequent",
    ]),
    ("JSON is read or written per row", &["json", "tojson"]),
    ("a geometry or a cell of H3 is read, computed or written per row", &["st", "geotoh3", "grid", "encodegeohash", "decodegeohash"]),
    ("a regular expression runs per row", &["regexp", "like"]),
    ("long or many texts are written per row", &[
        "repeat", "lpad", "rpad", "prefixes", "suffixes", "uniquengrams", "ngrams", "split", "listagg", "clpdecode", "bytestohex", "normalize",
        "levenshtein", "strpos",
    ]),
    ("an address of the web or the net is taken apart per row", &["ip", "issubnet", "cut", "url", "extracturl"]),
    ("values of a list are compared or collected per row", &["array", "valuein"]),
    ("a list of times per row: each is written, read or cut by a calendar with zones", &[
        "fromdatetime", "todatetime", "datetrunc", "fromiso8601", "toiso8601", "weekmv", "yearofweekmv", "dayofyearmv",
    ]),
    ("exact decimals", &["sumprecision", "rounddecimal", "truncate"]),
    ("one group that holds every row: its steps are kept in order of time", &["funnel"]),
    ("numbers are compared as their texts, which are written per row", &["anyvalue", "least", "greatest"]),
];

/// Why the function of that name is slow, if it is known.
#[must_use]
pub fn reason(name: &str) -> Option<&'static str> {
    REASONS
        .iter()
        .find(|(_, names)| names.iter().any(|start| name.starts_with(start)))
        .map(|(reason, _)| *reason)
}
