//! Regular expressions and LIKE as functions.
//!
//! Must not know: the syntax; [`crate::pattern`] does. Invariant: a constant pattern is compiled once per block, a
//! pattern that varies once per change of its text.

use common::Block;

use super::lift::{Int, Rows, Text};
use super::text::{Answer, BOOLEAN, Example, Kernel, Names, TEXT, byte_of, row, write_text};
use super::{Family, Params, ScalarFunction, param};
use crate::FunctionError;
use crate::pattern::{Captured, Pattern};

const TWO: Params = Params::Fixed(&[param::TEXT, param::TEXT]);
const THREE: Params = Params::Fixed(&[param::TEXT, param::TEXT, param::TEXT]);

const fn test(
    names: Names,
    params: Params,
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    row(names, params, BOOLEAN, doc, example, eval)
}

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "Regular expressions",
    functions: &[
        test(
            &["regexplike", "regexplikevar"],
            TWO,
            "True where the expression occurs in the text.",
            ("regexpLike('hello', 'l+')", "true"),
            |a, _| matches(a),
        ),
        test(
            &["regexplike", "regexplikevar"],
            THREE,
            "True where the expression occurs in the text; i ignores case, c does not.",
            ("regexpLike('Hello', 'HELLO', 'i')", "true"),
            |a, _| matches(a),
        ),
        test(
            &["like", "likevar"],
            TWO,
            "True where the text has the form: % any text, _ one character; ignores case.",
            ("like('Hello', 'h%')", "true"),
            |a, _| like(a),
        ),
        test(
            &["like", "likevar"],
            THREE,
            "As like, with another character than backslash to escape.",
            ("like('a%b', 'a!%b', '!')", "true"),
            |a, _| like(a),
        ),
        row(
            &["regexpextract", "regexpextractvar"],
            TWO,
            TEXT,
            "The first match, empty where there is none.",
            ("regexpExtract('foo123', '[0-9]+')", "123"),
            |a, _| extract(a),
        ),
        row(
            &["regexpextract", "regexpextractvar"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::INT]),
            TEXT,
            "A group of the first match, empty where there is none.",
            ("regexpExtract('a=1', '([a-z])=([0-9])', 2)", "1"),
            |a, _| extract(a),
        ),
        row(
            &["regexpextract", "regexpextractvar"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::INT, param::TEXT]),
            TEXT,
            "A group of the first match, or a default.",
            ("regexpExtract('foo', '[0-9]+', 0, 'd')", "d"),
            |a, _| extract(a),
        ),
        row(
            &["regexpreplace", "regexpreplacevar"],
            THREE,
            TEXT,
            "Every match replaced; $1 stands for a group.",
            ("regexpReplace('abc', '(a)(b)', '$2$1')", "bac"),
            |a, _| replace(a),
        ),
        row(
            &["regexpreplace", "regexpreplacevar"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::TEXT, param::INT]),
            TEXT,
            "Every match from a position on replaced.",
            ("regexpReplace('hello', 'l', 'L', 3)", "helLo"),
            |a, _| replace(a),
        ),
        row(
            &["regexpreplace", "regexpreplacevar"],
            Params::Fixed(&[
                param::TEXT,
                param::TEXT,
                param::TEXT,
                param::INT,
                param::INT,
            ]),
            TEXT,
            "One match from a position on replaced, counted from 0; all for -1.",
            ("regexpReplace('hello', 'l', 'L', 0, 1)", "helLo"),
            |a, _| replace(a),
        ),
        row(
            &["regexpreplace", "regexpreplacevar"],
            Params::Fixed(&[
                param::TEXT,
                param::TEXT,
                param::TEXT,
                param::INT,
                param::INT,
                param::TEXT,
            ]),
            TEXT,
            "As before; the flag i ignores case.",
            ("regexpReplace('hello', 'L', 'x', 0, -1, 'i')", "hexxo"),
            |a, _| replace(a),
        ),
    ],
};

/// The compiled pattern of the last row.
struct Compiled<'a> {
    key: Option<(&'a str, &'a str)>,
    pattern: Option<Pattern>,
}

impl<'a> Compiled<'a> {
    fn new() -> Self {
        Self {
            key: None,
            pattern: None,
        }
    }

    /// The pattern of a text and its flags, compiled where they changed.
    fn get(
        &mut self,
        text: &'a str,
        flags: &'a str,
        compile: impl Fn(&str, &str) -> Result<Pattern, FunctionError>,
    ) -> Result<&Pattern, FunctionError> {
        let same = self.key == Some((text, flags));
        let pattern = match self.pattern.take() {
            Some(pattern) if same => pattern,
            _ => compile(text, flags)?,
        };
        self.key = Some((text, flags));
        Ok(self.pattern.insert(pattern))
    }
}

fn matches(args: &[Block]) -> Answer {
    tested(args, Pattern::regexp_like)
}

fn like(args: &[Block]) -> Answer {
    tested(args, |pattern, escape| {
        Pattern::like(pattern, escape.chars().next())
    })
}

fn tested(
    args: &[Block],
    compile: impl Fn(&str, &str) -> Result<Pattern, FunctionError>,
) -> Answer {
    let (text, pattern) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let flags = args.get(2).map(Rows::<Text>::of).transpose()?;
    let mut compiled = Compiled::new();
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        let flags = flags.as_ref().map_or("", |f| f.get(row));
        let pattern = compiled
            .get(pattern.get(row), flags, &compile)
            .map_err(|error| FunctionError::Evaluation(error.to_string()))?;
        out.push(i32::from(pattern.is_match(text.get(row))));
    }
    Ok(Block::new(BOOLEAN, common::Values::Int(out)))
}

fn extract(args: &[Block]) -> Answer {
    let (text, pattern) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let group = args.get(2).map(Rows::<Int>::of).transpose()?;
    let default = args.get(3).map(Rows::<Text>::of).transpose()?;
    let mut compiled = Compiled::new();
    write_text(args, |row, out| {
        let text = text.get(row);
        let group = group.as_ref().map_or(0, |g| g.get(row));
        let found = compiled
            .get(pattern.get(row), "", |p, _| Pattern::regex(p, false))?
            .captures_from(text, 0)
            .and_then(|groups| groups.get(usize::try_from(group).ok()?).cloned());
        match found {
            // A group that took no part in the match is empty.
            Some(range) => out.push_str(range.map_or("", |r| &text[r])),
            None => out.push_str(default.as_ref().map_or("", |d| d.get(row))),
        }
        Ok(())
    })
}

/// Text before the match position stays; `occurrence` counts matches from there.
fn replace(args: &[Block]) -> Answer {
    let (text, pattern) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let with = Rows::<Text>::of(&args[2])?;
    let start = args.get(3).map(Rows::<Int>::of).transpose()?;
    let occurrence = args.get(4).map(Rows::<Int>::of).transpose()?;
    let flags = args.get(5).map(Rows::<Text>::of).transpose()?;
    let mut compiled = Compiled::new();
    write_text(args, |row, out| {
        let flags = flags.as_ref().map_or("", |f| f.get(row));
        let pattern = compiled.get(pattern.get(row), flags, |p, flags| {
            Pattern::regex(p, flags == "i")
        })?;
        let occurrence = occurrence.as_ref().map_or(-1, |o| o.get(row));
        let start = start.as_ref().map_or(0, |s| s.get(row));
        replace_one(
            pattern,
            text.get(row),
            with.get(row),
            (start, occurrence),
            out,
        )
    })
}

fn replace_one(
    pattern: &Pattern,
    text: &str,
    with: &str,
    (start, occurrence): (i32, i32),
    out: &mut String,
) -> Result<(), FunctionError> {
    let from = usize::try_from(start)
        .ok()
        .filter(|start| *start == 0 || *start <= super::text::length(text))
        .ok_or_else(|| {
            FunctionError::Evaluation(format!("start `{start}` lies outside of the text"))
        })?;
    let mut position = byte_of(text, from);
    let mut copied = 0;
    let mut index = 0;
    while let Some(groups) = pattern.captures_from(text, position) {
        let Some(Some(whole)) = groups.first().cloned() else {
            break;
        };
        if occurrence < 0 || index == occurrence {
            out.push_str(&text[copied..whole.start]);
            match occurrence {
                ..0 => expand(pattern, with, text, &groups, out)?,
                // One occurrence is replaced by the text as it is: `$1` is no group.
                _ => out.push_str(with),
            }
            copied = whole.end;
        }
        if index == occurrence {
            break;
        }
        index += 1;
        position = whole.end;
        // An empty match moves on by one character.
        if whole.is_empty() {
            match text[whole.end..].chars().next() {
                Some(c) => position += c.len_utf8(),
                None => break,
            }
        }
    }
    out.push_str(&text[copied..]);
    Ok(())
}

/// `Matcher.appendReplacement`: `$n` and `${name}` are groups, a backslash takes the next character as it is.
fn expand(
    pattern: &Pattern,
    with: &str,
    text: &str,
    groups: &Captured,
    out: &mut String,
) -> Result<(), FunctionError> {
    let wrong = |what: &str| FunctionError::Evaluation(format!("replacement `{with}`: {what}"));
    let mut rest = with;
    while let Some(at) = rest.find(['$', '\\']) {
        out.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if sign == b'\\' {
            let c = rest
                .chars()
                .next()
                .ok_or_else(|| wrong("character to be escaped is missing"))?;
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (group, after) = match rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
            Some((name, after)) => {
                let group = pattern.group_named(name);
                (
                    group.ok_or_else(|| wrong("no group with that name"))?,
                    after,
                )
            }
            None => numbered_group(rest, groups.len())
                .ok_or_else(|| wrong("illegal group reference"))?,
        };
        if group >= groups.len() {
            return Err(wrong(&format!("no group {group}")));
        }
        if let Some(range) = groups[group].clone() {
            out.push_str(&text[range]);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

/// The group number at the start of a text: one digit, and as many more as still name a group.
fn numbered_group(text: &str, count: usize) -> Option<(usize, &str)> {
    let digit = |at: usize| text.as_bytes().get(at).filter(|b| b.is_ascii_digit());
    let mut group = usize::from(digit(0)? - b'0');
    let mut used = 1;
    while let Some(next) = digit(used) {
        let longer = group * 10 + usize::from(next - b'0');
        if longer >= count {
            break;
        }
        group = longer;
        used += 1;
    }
    Some((group, &text[used..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(
        text: &str,
        pattern: &str,
        with: &str,
        at: (i32, i32),
    ) -> Result<String, FunctionError> {
        let mut out = String::new();
        replace_one(&Pattern::regex(pattern, false)?, text, with, at, &mut out)?;
        Ok(out)
    }

    #[test]
    fn replacing_follows_java() -> Result<(), FunctionError> {
        assert_eq!(replaced("hello", "l", "L", (0, -1))?, "heLLo");
        assert_eq!(replaced("hello", "l", "L", (0, 0))?, "heLlo");
        assert_eq!(replaced("hello", "l", "L", (3, -1))?, "helLo");
        assert_eq!(replaced("abc", "(a)(b)", "$2$1", (0, -1))?, "bac");
        assert_eq!(replaced("abc", "(?<x>b)", "[${x}]\\$", (0, -1))?, "a[b]$c");
        assert_eq!(replaced("ab", "x*", "-", (0, -1))?, "-a-b-");
        assert_eq!(replaced("éa", "a", "$01", (0, -1))?, "éa1");
        assert!(replaced("a", "a", "$1", (0, -1)).is_err());
        assert_eq!(replaced("", "a", "b", (0, -1))?, "");
        assert!(replaced("hello", "l", "L", (99, -1)).is_err());
        Ok(())
    }
}
