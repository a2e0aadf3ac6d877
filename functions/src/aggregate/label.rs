//! Column names of aggregates in the single-stage engine.
//!
//! Must not know: SQL. Invariant: pure text; the canonical name comes first.

use common::java_text::double_text;

/// `name(a, b)`: all arguments, comma and space.
pub(crate) fn all(name: &str, arguments: &[String]) -> String {
    format!("{name}({})", arguments.join(", "))
}

/// `name(a,b)`: all arguments, comma only.
pub(crate) fn tight(name: &str, arguments: &[String]) -> String {
    format!("{name}({})", arguments.join(","))
}

/// `name(a)`: the parameters of the function are not shown.
pub(crate) fn first(name: &str, arguments: &[String]) -> String {
    all(name, arguments.get(..1).unwrap_or_default())
}

/// `namemv(a)` where the argument is a multi-value, `name(a)` elsewhere.
pub(crate) fn first_multi(name: &str, arguments: &[String], multi: bool) -> String {
    if multi && !name.ends_with("mv") {
        first(&format!("{name}mv"), arguments)
    } else {
        first(name, arguments)
    }
}

/// `name(a, 50.0)`, or `name99(a)` where the number is in the name.
pub(crate) fn percentile(name: &str, arguments: &[String], percentile: f64) -> String {
    match arguments {
        [argument] => format!("{name}({argument})"),
        [argument, ..] => format!("{name}({argument}, {})", double_text(percentile)),
        [] => format!("{name}()"),
    }
}
