//! Taking text apart: split, split_part, prefixes, suffixes, n-grams.
//!
//! Must not know: regular expressions. Invariant: splitting is by the whole delimiter; neighbouring delimiters are one.

use std::collections::HashSet;

use common::{Block, TextVec};

use super::lift::{Int, Rows, Text, arrays};
use super::text::{Answer, TEXT, TEXTS, check_size, length, row, slice, write_text, write_texts};
use super::{Family, NullRule, Params, ScalarFunction, param};
use crate::FunctionError;

const TEXT_INT: Params = Params::Fixed(&[param::TEXT, param::INT]);
const TEXT_INT_TEXT: Params = Params::Fixed(&[param::TEXT, param::INT, param::TEXT]);

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "Text: taking apart",
    functions: &[
        row(
            &["split", "stringtoarray"],
            Params::Fixed(&[param::TEXT, param::TEXT]),
            TEXTS,
            "The parts between delimiters.",
            ("split('a,b,c', ',')", "[a,b,c]"),
            |a, _| split(a),
        ),
        row(
            &["split", "stringtoarray"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::INT]),
            TEXTS,
            "At most that many parts, the last of which is the rest.",
            ("split('a-b-c', '-', 2)", "[a,b-c]"),
            |a, _| split(a),
        ),
        row(
            &["splitpart"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::INT]),
            TEXT,
            "One part, counted from 0, negative from the end; the text null where there is none.",
            ("splitPart('a,b,c', ',', -1)", "c"),
            |a, _| split_part(a, None, 2),
        ),
        row(
            &["splitpart"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::INT, param::INT]),
            TEXT,
            "One part of at most that many, counted from 0, negative from the end.",
            ("split_part('a-b-c', '-', 2, 1)", "b-c"),
            |a, _| split_part(a, Some(2), 3),
        ),
        row(
            &["prefixes"],
            TEXT_INT,
            TEXTS,
            "All starts of up to that length.",
            ("prefixes('abc', 2)", "[a,ab]"),
            |a, _| ends(a, true),
        ),
        row(
            &["suffixes"],
            TEXT_INT,
            TEXTS,
            "All ends of up to that length.",
            ("suffixes('abc', 2)", "[c,bc]"),
            |a, _| ends(a, false),
        ),
        ScalarFunction {
            nulls: NullRule::Sees,
            ..row(
                &["prefixeswithprefix"],
                TEXT_INT_TEXT,
                TEXTS,
                "All starts of up to that length, each after a marker.",
                ("prefixesWithPrefix('abc', 2, '^')", "[^a,^ab]"),
                |a, _| null_text(a, ends(a, true)),
            )
        },
        ScalarFunction {
            nulls: NullRule::Sees,
            ..row(
                &["suffixeswithsuffix"],
                TEXT_INT_TEXT,
                TEXTS,
                "All ends of up to that length, each before a marker.",
                ("suffixesWithSuffix('abc', 2, '$')", "[c$,bc$]"),
                |a, _| null_text(a, ends(a, false)),
            )
        },
        row(
            &["uniquengrams", "generateuniquengrams"],
            TEXT_INT,
            TEXTS,
            "The different parts of that length.",
            ("uniqueNgrams('abab', 2)", "[ab,ba]"),
            |a, _| ngrams(a),
        ),
        row(
            &["uniquengrams", "generateuniquengrams"],
            Params::Fixed(&[param::TEXT, param::INT, param::INT]),
            TEXTS,
            "The different parts of lengths between two bounds.",
            ("uniqueNgrams('abc', 1, 2)", "[a,b,c,ab,bc]"),
            |a, _| ngrams(a),
        ),
        row(
            &["uniquengramsmv", "generateuniquengramsmv"],
            Params::Fixed(&[param::TEXTS, param::INT]),
            TEXTS,
            "The different parts of that length of all texts.",
            ("", ""),
            |a, _| ngrams_of_arrays(a),
        ),
        row(
            &["uniquengramsmv", "generateuniquengramsmv"],
            Params::Fixed(&[param::TEXTS, param::INT, param::INT]),
            TEXTS,
            "The different parts of lengths between two bounds, of all texts.",
            ("", ""),
            |a, _| ngrams_of_arrays(a),
        ),
    ],
};

/// The parts of a text; `limit` 0 and below is no limit.
fn parts<'a>(text: &'a str, delimiter: &str, limit: i32) -> Vec<&'a str> {
    let mut out = Vec::new();
    if text.is_empty() {
        return out;
    }
    if delimiter.is_empty() {
        return words(text, limit);
    }
    let mut begin = 0;
    // An empty rest after the last delimiter counts as one part, unless the text is used up inside a run of them.
    loop {
        let Some(at) = text[begin..].find(delimiter).map(|at| begin + at) else {
            out.push(&text[begin..]);
            return out;
        };
        if at > begin {
            if limit > 0 && out.len() + 1 == limit as usize {
                out.push(&text[begin..]);
                return out;
            }
            out.push(&text[begin..at]);
        }
        begin = at + delimiter.len();
    }
}

/// An empty delimiter means white space.
fn words(text: &str, limit: i32) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if limit > 0 && out.len() + 1 == limit as usize {
            out.push(rest);
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        out.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    out
}

fn split(args: &[Block]) -> Answer {
    let (text, delimiter) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let limit = args.get(2).map(Rows::<Int>::of).transpose()?;
    write_texts(args, |row, items| {
        let limit = limit.as_ref().map_or(0, |l| l.get(row));
        for part in parts(text.get(row), delimiter.get(row), limit) {
            items.push(part);
        }
        Ok(())
    })
}

fn split_part(args: &[Block], limit: Option<usize>, index: usize) -> Answer {
    let (text, delimiter) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let limit = limit.map(|l| Rows::<Int>::of(&args[l])).transpose()?;
    let index = Rows::<Int>::of(&args[index])?;
    write_text(args, |row, out| {
        let limit = limit.as_ref().map_or(0, |l| l.get(row));
        let parts = parts(text.get(row), delimiter.get(row), limit);
        let index = i64::from(index.get(row));
        let index = if index < 0 {
            index + parts.len() as i64
        } else {
            index
        };
        let part = usize::try_from(index).ok().and_then(|i| parts.get(i));
        out.push_str(part.copied().unwrap_or("null"));
        Ok(())
    })
}

/// Null where the text or the length is; a null marker counts as none.
fn null_text(args: &[Block], answer: Answer) -> Answer {
    let block = answer?;
    let nulls = (0..block.rows())
        .map(|row| args[0].is_null(row) || args[1].is_null(row))
        .collect();
    Ok(block.with_nulls(Some(nulls)))
}

fn ends(args: &[Block], start: bool) -> Answer {
    let (text, most) = (Rows::<Text>::of(&args[0])?, Rows::<Int>::of(&args[1])?);
    let marker = args.get(2).map(Rows::<Text>::of).transpose()?;
    write_texts(args, |row, items| {
        let text = text.get(row);
        let marker = marker.as_ref().map_or("", |m| m.get(row));
        let length = length(text);
        let most = length.min(usize::try_from(most.get(row)).unwrap_or(0));
        check_size(most.saturating_mul(most + marker.len()))?;
        for count in 1..=most {
            if start {
                items.push(&format!("{marker}{}", slice(text, 0, count)));
            } else {
                items.push(&format!("{}{marker}", slice(text, length - count, length)));
            }
        }
        Ok(())
    })
}

/// The lengths that the second argument, or the second and third, ask for.
fn lengths(args: &[Block]) -> Result<impl Fn(usize) -> (i32, i32) + '_, FunctionError> {
    let least = Rows::<Int>::of(&args[1])?;
    let most = args.get(2).map(Rows::<Int>::of).transpose()?;
    Ok(move |row| {
        let least = least.get(row);
        (least, most.as_ref().map_or(least, |m| m.get(row)))
    })
}

fn push_ngrams(
    text: &str,
    (least, most): (i32, i32),
    seen: &mut HashSet<String>,
    items: &mut TextVec,
) -> Result<(), FunctionError> {
    let length = length(text);
    let most = length.min(usize::try_from(most).unwrap_or(0));
    for size in usize::try_from(least.max(1)).unwrap_or(1)..=most {
        check_size(
            items
                .data()
                .len()
                .saturating_add(size.saturating_mul(length - size + 1)),
        )?;
        for begin in 0..=length - size {
            let gram = slice(text, begin, begin + size);
            if !seen.contains(&gram) {
                items.push(&gram);
                seen.insert(gram);
            }
        }
    }
    Ok(())
}

fn ngrams(args: &[Block]) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    let lengths = lengths(args)?;
    let mut seen = HashSet::new();
    write_texts(args, |row, items| {
        seen.clear();
        push_ngrams(text.get(row), lengths(row), &mut seen, items)
    })
}

fn ngrams_of_arrays(args: &[Block]) -> Answer {
    let column = arrays(&args[0])?;
    let common::Values::Text(texts) = column.items.as_ref() else {
        return Err(FunctionError::Evaluation(
            "expected an array of text".to_owned(),
        ));
    };
    let lengths = lengths(args)?;
    let mut seen = HashSet::new();
    write_texts(args, |row, items| {
        seen.clear();
        for item in column.range(args[0].at(row)) {
            push_ngrams(texts.get(item), lengths(row), &mut seen, items)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_is_by_whole_delimiters() {
        assert_eq!(parts("https://a/b", "/", 0), ["https:", "a", "b"]);
        assert_eq!(parts("a,b,", ",", 0), ["a", "b", ""]);
        assert_eq!(parts(",", ",", 0), [""]);
        assert_eq!(parts("2026-08-14", "-", 2), ["2026", "08-14"]);
        assert_eq!(parts("", ",", 0), Vec::<&str>::new());
        assert_eq!(parts(" a  b ", "", 0), ["a", "b"]);
        assert_eq!(parts("axxb", "xx", 1), ["axxb"]);
    }

    #[test]
    fn ngrams_are_distinct_and_in_order() -> Result<(), FunctionError> {
        let mut items = TextVec::default();
        push_ngrams("abc", (1, 3), &mut HashSet::new(), &mut items)?;
        assert_eq!(
            items.iter().collect::<Vec<_>>(),
            ["a", "b", "c", "ab", "bc", "abc"]
        );
        let mut items = TextVec::default();
        push_ngrams("ab", (5, 5), &mut HashSet::new(), &mut items)?;
        assert!(items.is_empty());
        Ok(())
    }
}
