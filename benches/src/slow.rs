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
        "tohll", "toull", "tocpc", "totheta", "tointegersum", "cpcsketch", "thetasketch", "getcpc", "getinttuple", "intsumtuple", "intmintuple",
        "intmaxtuple", "distinctcounthllplus", "distinctcountrawhllplus", "frequentstrings",
    ]),
    ("JSON is read or written per row", &["json"]),
    ("a geometry or a cell of H3 is read, computed or written per row", &["stas", "stgeo", "geotoh3", "grid", "encodegeohash"]),
    ("a regular expression runs per row", &["regexp"]),
    ("long or many texts are written per row", &["prefixes", "suffixes", "listagg", "clpdecode"]),
    ("an address of the web or the net is taken apart per row", &["ipsubnet", "cut"]),
    ("values of a list are compared or collected per row", &["array"]),
    ("a list of times per row: each is written, read or cut by a calendar with zones", &["fromdatetime", "datetruncmv", "fromiso8601"]),
    ("exact decimals", &["sumprecision"]),
    ("one group that holds every row: its steps are kept in order of time", &["funnel"]),
];

/// Why the function of that name is slow, if it is known.
#[must_use]
pub fn reason(name: &str) -> Option<&'static str> {
    REASONS
        .iter()
        .find(|(_, names)| names.iter().any(|start| name.starts_with(start)))
        .map(|(reason, _)| *reason)
}
