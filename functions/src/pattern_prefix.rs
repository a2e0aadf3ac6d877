//! What every text that a pattern matches begins with, so that a sorted list need not be read to its end.
//!
//! Must not know: columns, indexes. Invariant: a text that matches begins with one of the prefixes.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, Look};

use super::translate;

/// Prefixes kept at most.
const MOST: usize = 250;

/// The prefixes of a regular expression in Java's syntax that is anchored at its start; `None` where it is not, or where
/// nothing is known of the first characters.
#[must_use]
pub fn prefixes(expression: &str, ignore_case: bool) -> Option<Vec<String>> {
    let translated = translate(expression);
    let mut parser = ParserBuilder::new().case_insensitive(ignore_case).build();
    let hir: Hir = parser.parse(&translated).ok()?;
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return None;
    }
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_total(MOST);
    let found = extractor.extract(&hir);
    let mut texts = Vec::new();
    for literal in found.literals()? {
        let text = std::str::from_utf8(literal.as_bytes()).ok()?;
        if text.is_empty() {
            return None;
        }
        texts.push(text.to_owned());
    }
    texts.sort_unstable();
    texts.dedup();
    // What begins with a longer one begins with the shorter one too.
    texts.dedup_by(|later, kept| later.starts_with(kept.as_str()));
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_anchored_patterns_have_prefixes() {
        let of = |pattern: &str, ignore_case| prefixes(pattern, ignore_case);
        let texts = |list: &[&str]| Some(list.iter().map(|t| (*t).to_owned()).collect());
        assert_eq!(of("^abc.*", false), texts(&["abc"]));
        assert_eq!(of("^(ab|cd)x", false), texts(&["abx", "cdx"]));
        assert_eq!(of("^ab", true), texts(&["AB", "Ab", "aB", "ab"]));
        assert_eq!(of("abc", false), None);
        assert_eq!(of("^.*abc", false), None);
        assert_eq!(of("^a|b", false), None);
        assert_eq!(of("^(?=a)b", false), None);
        assert_eq!(of("^\\Qa.b\\E", false), texts(&["a.b"]));
        let long = of("^abcdefghijkl", true).unwrap();
        assert!(
            long.iter()
                .all(|p| "abcdefghijkl".starts_with(&p.to_lowercase()))
        );
        for text in ["", "x", "a"] {
            assert_eq!(of(&format!("^{text}*"), false), None, "{text}");
        }
    }
}
