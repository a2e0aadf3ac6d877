//! The outer form of a request: SET statements before or after, the old `OPTION(..)` suffix, EXPLAIN, one statement.
//!
//! Must not know: what options mean. Invariant: the remaining text has the statement at its original line and column.

use std::collections::BTreeMap;

use crate::SqlError;

/// Query options, keys in lower case (they are case-insensitive).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Sets an option; a later one of the same name wins.
    pub fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_lowercase(), value.to_owned());
    }

    /// An option's text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&key.to_lowercase()).map(String::as_str)
    }

    /// True where the option is `true`.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A numeric option.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(|value| value.trim().parse().ok())
    }

    /// Reads `k=v;k2=v2`, empty parts allowed, as `queryOptions` and `OPTION(..)` (with commas) carry them.
    pub fn read(&mut self, text: &str, separators: &[char]) {
        for part in text.split(separators) {
            if let Some((key, value)) = part.split_once('=') {
                self.set(key.trim(), unquoted(value.trim()));
            }
        }
    }

    /// Every option.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix(['\'', '"'])
        .and_then(|t| t.strip_suffix(['\'', '"']));
    inner.unwrap_or(text)
}

/// A request's text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement itself, everything else blanked out.
    pub sql: String,
    /// Options of the text over those of the request.
    pub options: Options,
    /// EXPLAIN PLAN FOR.
    pub explain: bool,
}

impl Statement {
    /// Takes a request apart. `defaults` are the options that came beside the text; those inside it win.
    ///
    /// # Errors
    /// Where there is no statement, more than one, or a SET without `=`.
    pub fn split(text: &str, defaults: &Options) -> Result<Self, SqlError> {
        let mut options = defaults.clone();
        let blanked = without_comments(text);
        let mut found: Option<(usize, &str)> = None;
        for (start, part) in parts(&blanked) {
            let body = part.trim();
            if body.is_empty() {
                continue;
            }
            if let Some(assignment) = strip_word(body, "SET") {
                let (key, value) = assignment.split_once('=').ok_or_else(|| {
                    parse_error(
                        text,
                        &format!("`{body}` is no option: expected SET key = value"),
                    )
                })?;
                options.set(unquoted(key.trim()), unquoted(value.trim()));
            } else if found.is_some() {
                return Err(parse_error(
                    text,
                    "SqlNode with executable statement already exist with type: DQL",
                ));
            } else {
                found = Some((start, part));
            }
        }
        let (start, part) = found
            .ok_or_else(|| parse_error(text, "SqlNode with executable statement not found!"))?;
        let mut sql: String = text[..start]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        let part = strip_option_suffix(part, &mut options)?;
        sql.push_str(part);
        let (sql, explained) = strip_explain(sql);
        if explained == Some(Explained::Implementation) {
            options.set(EXPLAIN_IMPLEMENTATION, "true");
        }
        Ok(Self {
            sql,
            options,
            explain: explained.is_some(),
        })
    }
}

fn parse_error(text: &str, what: &str) -> SqlError {
    SqlError::Parse(format!(
        "Caught exception while parsing query: {text}: {what}"
    ))
}

/// The option that EXPLAIN IMPLEMENTATION PLAN FOR sets: operators are wanted, not the logical plan.
pub const EXPLAIN_IMPLEMENTATION: &str = "explainImplementation";

/// What an EXPLAIN wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Explained {
    Plan,
    Implementation,
}

/// What may stand between PLAN and FOR, in this order.
const EXPLAIN_FORMS: [&[&[&str]]; 3] = [
    &[
        &["EXCLUDING", "ATTRIBUTES"],
        &["INCLUDING", "ALL", "ATTRIBUTES"],
        &["INCLUDING", "ATTRIBUTES"],
    ],
    &[
        &["WITH", "TYPE"],
        &["WITH", "IMPLEMENTATION"],
        &["WITHOUT", "IMPLEMENTATION"],
    ],
    &[&["AS", "XML"], &["AS", "JSON"], &["AS", "DOT"]],
];

fn strip_words<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words
        .iter()
        .try_fold(text, |rest, word| strip_word(rest, word))
}

/// Blanks out `EXPLAIN .. FOR`, keeping columns in place.
fn strip_explain(sql: String) -> (String, Option<Explained>) {
    let trimmed = sql.trim_start();
    let lead = sql.len() - trimmed.len();
    let plan = strip_words(trimmed, &["EXPLAIN", "PLAN"]).map(|rest| (rest, Explained::Plan));
    let implementation = || {
        strip_words(trimmed, &["EXPLAIN", "IMPLEMENTATION", "PLAN"])
            .map(|rest| (rest, Explained::Implementation))
    };
    let Some((mut rest, explained)) = plan.or_else(implementation) else {
        return (sql, None);
    };
    for forms in EXPLAIN_FORMS {
        let after = forms.iter().find_map(|words| strip_words(rest, words));
        rest = after.unwrap_or(rest);
    }
    let Some(rest) = strip_word(rest, "FOR") else {
        return (sql, None);
    };
    let skipped = lead + (trimmed.len() - rest.len());
    (format!("{}{rest}", " ".repeat(skipped)), Some(explained))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace))
        .then(|| rest.trim_start())
}

/// `... OPTION(k=v, k2='v2')` at the end, as old clients write it.
fn strip_option_suffix<'a>(part: &'a str, options: &mut Options) -> Result<&'a str, SqlError> {
    let Some((before, inner)) = option_suffix(part) else {
        return Ok(part);
    };
    if let Some(wrong) = inner.split(',').find(|option| !is_assignment(option)) {
        return Err(parse_error(
            part,
            &format!("`{}` in OPTION is no `key=value`", wrong.trim()),
        ));
    }
    options.read(inner, &[',']);
    // Several suffixes may follow each other.
    strip_option_suffix(before, options)
}

/// What stands before the last OPTION and between its parentheses.
fn option_suffix(part: &str) -> Option<(&str, &str)> {
    let inner_end = part.trim_end().strip_suffix(')')?;
    let open = inner_end.rfind('(')?;
    let head = inner_end[..open].trim_end();
    let word_at = head.len().checked_sub("OPTION".len())?;
    let (before, word) = (head.get(..word_at)?, head.get(word_at..)?);
    let inner = &inner_end[open + 1..];
    let found = word.eq_ignore_ascii_case("OPTION")
        && before.ends_with(|c: char| c.is_whitespace() || c == ')')
        && !inner.is_empty();
    found.then_some((before, inner))
}

/// One `=` with something on both sides.
fn is_assignment(option: &str) -> bool {
    matches!(option.trim().split('=').collect::<Vec<_>>()[..], [key, value] if !key.is_empty() && !value.is_empty())
}

/// What the scanner is inside of.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Nothing,
    Quotes(char),
    LineComment,
    BlockComment,
}

/// Splits at semicolons outside quotes and comments: (start, text) each.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let (mut out, mut start) = (Vec::new(), 0);
    scan(text, |at, c, inside| {
        if inside == Inside::Nothing && c == ';' {
            out.push((start, &text[start..at]));
            start = at + 1;
        }
    });
    out.push((start, &text[start..]));
    out
}

/// The text with comments as blanks, so that lines and columns stay.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    scan(text, |_, c, inside| {
        let comment = matches!(inside, Inside::LineComment | Inside::BlockComment);
        out.push(if comment && c != '\n' { ' ' } else { c });
    });
    out
}

fn scan(text: &str, mut f: impl FnMut(usize, char, Inside)) {
    let mut inside = Inside::Nothing;
    let bytes = text.as_bytes();
    for (at, c) in text.char_indices() {
        let next = bytes.get(at + 1).copied();
        match inside {
            Inside::Nothing => match (c, next) {
                ('\'' | '"' | '`', _) => inside = Inside::Quotes(c),
                ('-', Some(b'-')) => inside = Inside::LineComment,
                ('/', Some(b'*')) => inside = Inside::BlockComment,
                _ => {}
            },
            Inside::Quotes(quote) if c == quote => {
                f(at, c, inside);
                inside = Inside::Nothing;
                continue;
            }
            Inside::LineComment if c == '\n' => inside = Inside::Nothing,
            Inside::BlockComment if c == '/' && at > 0 && bytes[at - 1] == b'*' => {
                f(at, c, inside);
                inside = Inside::Nothing;
                continue;
            }
            _ => {}
        }
        f(at, c, inside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Statement, SqlError> {
        Statement::split(text, &Options::default())
    }

    #[test]
    fn options_come_from_everywhere() -> Result<(), SqlError> {
        let statement = split(
            "SET useMultistageEngine=true;\nSELECT 1 FROM t WHERE a = ';' OPTION(timeoutMs=5); SET x='y'",
        )?;
        assert!(statement.options.is_true("usemultistageENGINE"));
        assert_eq!(statement.options.number("timeoutms"), Some(5));
        assert_eq!(statement.options.get("x"), Some("y"));
        assert_eq!(statement.sql.trim(), "SELECT 1 FROM t WHERE a = ';'");
        Ok(())
    }

    #[test]
    fn comments_and_explain_are_understood() -> Result<(), SqlError> {
        let statement = split("-- why; not\nEXPLAIN PLAN FOR SELECT 1 /* a;b */;")?;
        assert!(statement.explain);
        assert_eq!(split("SELECT 1; ")?.sql.trim(), "SELECT 1");
        assert!(split("-- nothing").is_err());
        assert!(split("SELECT 1; SELECT 2").is_err());
        Ok(())
    }
}
