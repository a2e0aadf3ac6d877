//! Text patterns: regular expressions in Java's syntax and LIKE patterns, compiled once and matched often.
//!
//! Compiles with the linear-time engine where that knows the syntax, else with the backtracking one (look-around,
//! back-references, possessive quantifiers). Must not know: columns, predicates.
//! Invariant: matching never fails; an expression that exhausts the backtracking limit does not match.

use std::borrow::Cow;
use std::ops::Range;

use crate::FunctionError;

#[path = "pattern_prefix.rs"]
mod prefix;

pub use prefix::prefixes;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    engine: Engine,
}

#[derive(Debug, Clone)]
enum Engine {
    /// A LIKE pattern that is plain text but for `%` at its ends.
    Plain(Plain),
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// Text that must occur in one place, compared without case; ASCII only.
#[derive(Debug, Clone)]
struct Plain {
    lower: Vec<u8>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Whole,
    Start,
    End,
    Anywhere,
}

/// Where the groups of a match lie, in bytes; group 0 is the whole match.
pub type Captured = Vec<Option<Range<usize>>>;

impl Pattern {
    /// Compiles a regular expression in the syntax of `java.util.regex`.
    ///
    /// # Errors
    /// Where the expression is malformed.
    pub fn regex(expression: &str, ignore_case: bool) -> Result<Self, FunctionError> {
        let mut translated = translate(expression);
        if ignore_case {
            translated = Cow::Owned(format!("(?i){translated}"));
        }
        Self::compile(&translated, expression)
    }

    /// Compiles a LIKE pattern: `%` any text, `_` one character, `escape` (backslash by default) before a character that
    /// stands for itself. Matches the whole text, without regard to case.
    ///
    /// # Errors
    /// Where the pattern is too large.
    pub fn like(pattern: &str, escape: Option<char>) -> Result<Self, FunctionError> {
        let escape = escape.unwrap_or('\\');
        if let Some(plain) = Plain::of(pattern, escape) {
            return Ok(Self {
                engine: Engine::Plain(plain),
            });
        }
        Self::compile(&format!("(?is){}", like_to_regex(pattern, escape)), pattern)
    }

    /// Compiles the pattern and flags of `REGEXP_LIKE`: `i` ignores case, `c` does not.
    ///
    /// # Errors
    /// Where the expression is malformed or a flag unknown.
    pub fn regexp_like(expression: &str, flags: &str) -> Result<Self, FunctionError> {
        match flags {
            "" | "c" => Self::regex(expression, false),
            "i" => Self::regex(expression, true),
            _ => Err(FunctionError::Argument(format!(
                "Unsupported match parameter: '{flags}'"
            ))),
        }
    }

    fn compile(translated: &str, shown: &str) -> Result<Self, FunctionError> {
        if let Ok(regex) = regex::Regex::new(translated) {
            return Ok(Self {
                engine: Engine::Linear(regex),
            });
        }
        match fancy_regex::Regex::new(translated) {
            Ok(regex) => Ok(Self {
                engine: Engine::Backtracking(Box::new(regex)),
            }),
            Err(error) => Err(FunctionError::Argument(format!(
                "`{shown}` is not a regular expression: {error}"
            ))),
        }
    }

    /// True where the pattern occurs in the text (LIKE patterns are anchored at both ends).
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Plain(plain) => plain.is_match(text),
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// The first match at or after byte `from`, with its groups.
    #[must_use]
    pub fn captures_from(&self, text: &str, from: usize) -> Option<Captured> {
        match &self.engine {
            Engine::Plain(plain) => {
                (from == 0 && plain.is_match(text)).then(|| vec![Some(0..text.len())])
            }
            Engine::Linear(regex) => regex
                .captures_at(text, from)
                .map(|c| c.iter().map(|g| g.map(|g| g.range())).collect()),
            Engine::Backtracking(regex) => regex
                .captures_from_pos(text, from)
                .ok()
                .flatten()
                .map(|c| c.iter().map(|g| g.map(|g| g.range())).collect()),
        }
    }

    /// The number of a named group.
    #[must_use]
    pub fn group_named(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Plain(_) => None,
            Engine::Linear(regex) => regex.capture_names().position(|n| n == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|n| n == Some(name)),
        }
    }
}

impl Plain {
    fn of(pattern: &str, escape: char) -> Option<Self> {
        if !pattern.is_ascii() || pattern.contains(['_', escape]) {
            return None;
        }
        let (open_start, open_end) = (pattern.starts_with('%'), pattern.ends_with('%'));
        let middle = pattern.trim_matches('%');
        // The case folding of K and S reaches beyond ASCII (Kelvin sign, long s).
        if middle.contains(['%', 'k', 'K', 's', 'S']) {
            return None;
        }
        Some(Self {
            lower: middle.to_ascii_lowercase().into_bytes(),
            place: match (open_start, open_end) {
                (false, false) => Place::Whole,
                (false, true) => Place::Start,
                (true, false) => Place::End,
                (true, true) => Place::Anywhere,
            },
        })
    }

    fn is_match(&self, text: &str) -> bool {
        let (text, wanted) = (text.as_bytes(), self.lower.as_slice());
        match self.place {
            Place::Whole => text.eq_ignore_ascii_case(wanted),
            Place::Start => text
                .get(..wanted.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(wanted)),
            Place::End => text
                .len()
                .checked_sub(wanted.len())
                .is_some_and(|at| text[at..].eq_ignore_ascii_case(wanted)),
            Place::Anywhere => {
                wanted.is_empty()
                    || text
                        .windows(wanted.len())
                        .any(|window| window.eq_ignore_ascii_case(wanted))
            }
        }
    }
}

/// The regular expression of a LIKE pattern, anchored at both ends.
#[must_use]
pub fn like_to_regex(pattern: &str, escape: char) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    out.push('^');
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            c if c == escape => {
                let literal = characters.next().unwrap_or(escape);
                push_literal(&mut out, literal);
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            c => push_literal(&mut out, c),
        }
    }
    out.push('$');
    out
}

fn push_literal(out: &mut String, c: char) {
    let mut buffer = [0; 4];
    out.push_str(&regex::escape(c.encode_utf8(&mut buffer)));
}

/// Rewrites what Java spells differently: `\Q..\E`, ASCII classes `\d \w \s \b`, `\h`, `\R`, `\Z`, `\p{Alpha}`, `\p{IsX}`.
fn translate(java: &str) -> Cow<'_, str> {
    if !java.contains(['\\', '[']) {
        return Cow::Borrowed(java);
    }
    let mut out = String::with_capacity(java.len() + 16);
    let mut rest = java;
    let mut depth = 0usize;
    // Groups opened so far, as many as the expression can refer back to.
    let mut groups = 0usize;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        if c == '\\' {
            rest = translate_escape(tail, depth > 0, groups, &mut out);
            continue;
        }
        match c {
            // Inside a class Rust reserves `--`, `~~`, and needs `[` of a nested class only; Java's unions are the same.
            '[' => {
                depth += 1;
                out.push('[');
                rest = leading_bracket(tail, &mut out);
                continue;
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(']');
            }
            '(' if depth == 0 && opens_group(tail) => {
                groups += 1;
                out.push('(');
            }
            '~' if depth > 0 => out.push_str("\\~"),
            c => out.push(c),
        }
        rest = tail;
    }
    Cow::Owned(out)
}

/// True where what follows `(` makes it a capturing group: `(a`, `(?<name>a`, and not `(?:a`, `(?<=a`, `(?<!a`.
fn opens_group(tail: &str) -> bool {
    match tail.strip_prefix('?') {
        None => true,
        Some(rest) => rest.starts_with('<') && !rest.starts_with("<=") && !rest.starts_with("<!"),
    }
}

/// `]` right after the start of a class stands for itself.
fn leading_bracket<'a>(tail: &'a str, out: &mut String) -> &'a str {
    let negated = tail.strip_prefix('^');
    if negated.is_some() {
        out.push('^');
    }
    let tail = negated.unwrap_or(tail);
    match tail.strip_prefix(']') {
        Some(rest) => {
            out.push_str("\\]");
            rest
        }
        None => tail,
    }
}

/// Translates what follows a backslash and answers the rest.
fn translate_escape<'a>(tail: &'a str, in_class: bool, groups: usize, out: &mut String) -> &'a str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let rest = &tail[c.len_utf8()..];
    let class = |out: &mut String, set: &str| {
        if in_class {
            out.push_str(&set[1..set.len() - 1]);
        } else {
            out.push_str(set);
        }
    };
    match c {
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        'E' => {}
        'd' => class(out, "[0-9]"),
        'w' => class(out, "[a-zA-Z_0-9]"),
        's' => class(out, "[ \\t\\n\\x0B\\f\\r]"),
        'h' => class(
            out,
            "[ \\t\\xA0\\u1680\\u180e\\u2000-\\u200a\\u202f\\u205f\\u3000]",
        ),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^a-zA-Z_0-9]"),
        'S' => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
        'R' => out.push_str("(?:\\r\\n|[\\n\\x0B\\f\\r\\u0085\\u2028\\u2029])"),
        'Z' => out.push_str("(?:\\n?\\z)"),
        // A group that is not there matches nothing.
        '1'..='9' if !in_class && c.to_digit(10).is_some_and(|n| n as usize > groups) => {
            out.push_str("(?!)");
        }
        'e' => out.push_str("\\x1B"),
        'p' | 'P' => return translate_property(c, rest, out),
        // Java takes a backslash before any character that is no letter; Rust before ASCII punctuation only.
        c if !c.is_ascii() || c == ' ' || c == '<' || c == '>' => push_literal(out, c),
        c => {
            out.push('\\');
            out.push(c);
        }
    }
    rest
}

fn translate_property<'a>(letter: char, rest: &'a str, out: &mut String) -> &'a str {
    let Some((name, after)) = rest.strip_prefix('{').and_then(|r| r.split_once('}')) else {
        out.push('\\');
        out.push(letter);
        return rest;
    };
    let posix = match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => "\\x00-\\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => "!-/:-@\\[-`{-\\~",
        "Graph" => "!-\\~",
        "Print" => " -\\~",
        "Blank" => " \\t",
        "Cntrl" => "\\x00-\\x1F\\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => " \\t\\n\\x0B\\f\\r",
        _ => "",
    };
    if posix.is_empty() {
        let name = name
            .strip_prefix("Is")
            .or(name.strip_prefix("java"))
            .unwrap_or(name);
        out.push_str(&format!("\\{letter}{{{name}}}"));
    } else {
        let not = if letter == 'P' { "^" } else { "" };
        out.push_str(&format!("[{not}{posix}]"));
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(expression: &str, text: &str) -> Result<bool, FunctionError> {
        Ok(Pattern::regex(expression, false)?.is_match(text))
    }

    #[test]
    fn java_syntax_compiles() -> Result<(), FunctionError> {
        assert!(find("^a", "alfa")?);
        assert!(!find("q=[12]$", "q=12x")?);
        assert!(find("a\\.b", "a.b")?);
        assert!(find("\\Qa.b\\E+", "a.bb")?);
        assert!(!find("^\\d+$", "٣")?, "digits are ASCII in Java");
        assert!(find("^[\\w&&[^_]]+$", "ab1")?);
        assert!(find("(?=.*\\d)(?=.*[a-z]).+", "a1")?);
        assert!(find("(a)\\1", "aa")?);
        assert!(!find("(.)\\7", "aa")?);
        assert!(find("\\p{Alpha}\\p{L}", "aé")?);
        assert!(find("[]a]", "]")?);
        assert!(find("é|Ω", "xΩ")?);
        assert!(find("(unclosed", "x").is_err());
        assert!(Pattern::regexp_like("GAMA", "i")?.is_match("Gama"));
        assert!(Pattern::regexp_like("a", "x").is_err());
        Ok(())
    }

    #[test]
    fn like_is_anchored_and_ignores_case() -> Result<(), FunctionError> {
        for (pattern, text, expected) in [
            ("h%", "Hello", true),
            ("_b_", "abc", true),
            ("a\\%b", "a%b", true),
            ("a\\%b", "axb", false),
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("%LL%", "hello", true),
            ("%lo", "hello", true),
            ("lo%", "hello", false),
            ("a.c", "abc", false),
            ("a%c", "a\nc", true),
            ("É%", "ébano", true),
            ("kelvin", "\u{212A}elvin", true),
        ] {
            assert_eq!(
                Pattern::like(pattern, None)?.is_match(text),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(Pattern::like("a!%%", Some('!'))?.is_match("a%b"));
        assert!(!Pattern::like("a!%%", Some('!'))?.is_match("ab"));
        Ok(())
    }

    #[test]
    fn groups_are_found_from_a_position() -> Result<(), FunctionError> {
        let pattern = Pattern::regex("([a-z])=([0-9])", false)?;
        let groups = pattern.captures_from("a=1,b=2", 3).unwrap_or_default();
        assert_eq!(groups, [Some(4..7), Some(4..5), Some(6..7)]);
        Ok(())
    }
}
