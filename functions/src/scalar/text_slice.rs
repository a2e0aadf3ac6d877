//! Cutting and filling text: substr, substring, left, right, trim, pad, repeat.
//!
//! Must not know: SQL's forms of TRIM and SUBSTRING; they arrive as plain calls.
//! Invariant: positions are UTF-16 units; sizes are checked before memory is taken.

use common::Block;

use super::lift::{Int, Rows, Text};
use super::text::{
    Answer, TEXT, byte_of, check_size, length, push_counted, push_slice, row, write_text,
};
use super::{Family, Params, param};

const ONE: Params = Params::Fixed(&[param::TEXT]);
const WITH_INT: Params = Params::Fixed(&[param::TEXT, param::INT]);
const WITH_INTS: Params = Params::Fixed(&[param::TEXT, param::INT, param::INT]);
const PAD: Params = Params::Fixed(&[param::TEXT, param::INT, param::TEXT]);

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "Text: cutting and filling",
    functions: &[
        row(
            &["substr"],
            WITH_INT,
            TEXT,
            "From a position counted from 0; negative counts from the end.",
            ("substr('hello', 2)", "llo"),
            |a, _| cut(a, |begin, _| (begin, None)),
        ),
        row(
            &["substr"],
            WITH_INTS,
            TEXT,
            "From a position counted from 0 up to another, which is excluded; -1 is the end of the text.",
            ("substr('hello', 0, 2)", "he"),
            |a, _| cut(a, |begin, end| (begin, (end != -1).then_some(end))),
        ),
        row(
            &["substring"],
            WITH_INT,
            TEXT,
            "From a position counted from 1.",
            ("substring('hello', 2)", "ello"),
            |a, _| cut(a, |begin, _| (begin.wrapping_sub(1), None)),
        ),
        row(
            &["substring"],
            WITH_INTS,
            TEXT,
            "That many units from a position counted from 1.",
            ("substring('hello', 1, 2)", "he"),
            |a, _| {
                cut(a, |first, count| {
                    let begin = first.wrapping_sub(1);
                    (begin, Some(begin.wrapping_add(count)))
                })
            },
        ),
        row(
            &["left", "leftsubstr"],
            WITH_INT,
            TEXT,
            "The first units.",
            ("left('hello', 2)", "he"),
            |a, _| {
                let (text, count) = (Rows::<Text>::of(&a[0])?, Rows::<Int>::of(&a[1])?);
                write_text(a, |row, out| {
                    push_slice(out, text.get(row), 0, count.get(row).max(0) as usize);
                    Ok(())
                })
            },
        ),
        row(
            &["right", "rightsubstr"],
            WITH_INT,
            TEXT,
            "The last units.",
            ("right('hello', 2)", "lo"),
            |a, _| {
                let (text, count) = (Rows::<Text>::of(&a[0])?, Rows::<Int>::of(&a[1])?);
                write_text(a, |row, out| {
                    let (text, count) = (text.get(row), count.get(row).max(0) as usize);
                    push_slice(out, text, length(text).saturating_sub(count), usize::MAX);
                    Ok(())
                })
            },
        ),
        row(
            &["trim"],
            ONE,
            TEXT,
            "Without spaces and control characters at both ends.",
            ("trim('  x ')", "x"),
            |a, _| {
                let text = Rows::<Text>::of(&a[0])?;
                write_text(a, |row, out| {
                    out.push_str(text.get(row).trim_matches(|c| c <= ' '));
                    Ok(())
                })
            },
        ),
        row(
            &["trim"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::TEXT]),
            TEXT,
            "Arguments: BOTH, LEADING or TRAILING, the characters to drop, the text.",
            ("TRIM(LEADING 'v' FROM 'v0')", "0"),
            |a, _| trim_characters(a),
        ),
        row(
            &["ltrim"],
            ONE,
            TEXT,
            "Without white space at the start.",
            ("ltrim('  x ')", "x "),
            |a, _| {
                let text = Rows::<Text>::of(&a[0])?;
                write_text(a, |row, out| {
                    out.push_str(text.get(row).trim_start_matches(is_space));
                    Ok(())
                })
            },
        ),
        row(
            &["rtrim"],
            ONE,
            TEXT,
            "Without white space at the end.",
            ("rtrim(' x  ')", " x"),
            |a, _| {
                let text = Rows::<Text>::of(&a[0])?;
                write_text(a, |row, out| {
                    out.push_str(text.get(row).trim_end_matches(is_space));
                    Ok(())
                })
            },
        ),
        row(
            &["lpad"],
            PAD,
            TEXT,
            "Filled on the left to a length.",
            ("lpad('v0', 5, 'ab')", "abav0"),
            |a, _| pad(a, true),
        ),
        row(
            &["rpad"],
            PAD,
            TEXT,
            "Filled on the right to a length.",
            ("rpad('hi', 5, 'xy')", "hixyx"),
            |a, _| pad(a, false),
        ),
        row(
            &["repeat"],
            WITH_INT,
            TEXT,
            "The text that many times.",
            ("repeat('ab', 3)", "ababab"),
            |a, _| {
                let (text, count) = (Rows::<Text>::of(&a[0])?, Rows::<Int>::of(&a[1])?);
                write_text(a, |row, out| repeat(out, text.get(row), "", count.get(row)))
            },
        ),
        row(
            &["repeat"],
            Params::Fixed(&[param::TEXT, param::TEXT, param::INT]),
            TEXT,
            "The text that many times, with a separator.",
            ("repeat('a', ',', 2)", "a,a"),
            |a, _| {
                let (text, separator) = (Rows::<Text>::of(&a[0])?, Rows::<Text>::of(&a[1])?);
                let count = Rows::<Int>::of(&a[2])?;
                write_text(a, |row, out| {
                    repeat(out, text.get(row), separator.get(row), count.get(row))
                })
            },
        ),
    ],
};

/// The white space of `\s`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Cuts by bounds that `bounds` makes of the two numbers (the second is 0 where there is none).
/// Positions are Java's INT, which wraps.
fn cut(args: &[Block], bounds: impl Fn(i32, i32) -> (i32, Option<i32>)) -> Answer {
    let (text, first) = (Rows::<Text>::of(&args[0])?, Rows::<Int>::of(&args[1])?);
    let second = args.get(2).map(Rows::<Int>::of).transpose()?;
    write_text(args, |row, out| {
        let second = second.as_ref().map_or(0, |s| s.get(row));
        let (begin, end) = bounds(first.get(row), second);
        push_counted(out, text.get(row), begin.into(), end.map(i64::from));
        Ok(())
    })
}

fn trim_characters(args: &[Block]) -> Answer {
    let (side, set) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let text = Rows::<Text>::of(&args[2])?;
    write_text(args, |row, out| {
        let (side, set, mut text) = (side.get(row), set.get(row), text.get(row));
        if side != "TRAILING" {
            text = text.trim_start_matches(|c| set.contains(c));
        }
        if side != "LEADING" {
            text = text.trim_end_matches(|c| set.contains(c));
        }
        out.push_str(text);
        Ok(())
    })
}

fn pad(args: &[Block], left: bool) -> Answer {
    let (text, size) = (Rows::<Text>::of(&args[0])?, Rows::<Int>::of(&args[1])?);
    let filler = Rows::<Text>::of(&args[2])?;
    write_text(args, |row, out| {
        let (text, size) = (text.get(row), size.get(row).max(0) as usize);
        let filler = match filler.get(row) {
            "" => " ",
            filler => filler,
        };
        let missing = size.saturating_sub(length(text));
        check_size(missing.saturating_mul(4))?;
        if !left {
            out.push_str(text);
        }
        let unit = length(filler);
        (0..missing / unit).for_each(|_| out.push_str(filler));
        out.push_str(&filler[..byte_of(filler, missing % unit)]);
        if left {
            out.push_str(text);
        }
        Ok(())
    })
}

fn repeat(
    out: &mut String,
    text: &str,
    separator: &str,
    count: i32,
) -> Result<(), crate::FunctionError> {
    let count = count.max(0) as usize;
    check_size(count.saturating_mul(text.len() + separator.len()))?;
    for index in 0..count {
        if text.is_empty() && separator.is_empty() {
            break;
        }
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeat_is_bounded() -> Result<(), crate::FunctionError> {
        let mut out = String::new();
        assert!(repeat(&mut out, "abc", "", i32::MAX).is_err());
        repeat(&mut out, "", "", i32::MAX)?;
        repeat(&mut out, "a", ",", -1)?;
        assert_eq!(out, "");
        repeat(&mut out, "", ",", 2)?;
        assert_eq!(out, ",");
        Ok(())
    }
}
