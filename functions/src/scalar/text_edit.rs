//! Whole texts: case, order, joining, replacing, normal forms; and how texts compare.
//!
//! Must not know: regular expressions. Invariant: case mapping is Unicode's, without a locale.

use common::Block;
use unicode_normalization::UnicodeNormalization;

use super::lift::{Int, Rows, Text, binary, ternary, unary};
use super::text::{Answer, BOOLEAN, INT, TEXT, byte_of, length, row, write_text};
use super::{Family, Params, param};
use crate::FunctionError;

const ONE: Params = Params::Fixed(&[param::TEXT]);
const TWO: Params = Params::Fixed(&[param::TEXT, param::TEXT]);
const THREE: Params = Params::Fixed(&[param::TEXT, param::TEXT, param::TEXT]);
const TWO_AND_INT: Params = Params::Fixed(&[param::TEXT, param::TEXT, param::INT]);

/// Functions that make a text of texts.
pub(crate) static FAMILY: Family = Family {
    title: "Text: case, joining, replacing",
    functions: &[
        row(
            &["upper"],
            ONE,
            TEXT,
            "In upper case.",
            ("upper('ção ß')", "ÇÃO SS"),
            |a, _| {
                map(a, |text, out| {
                    if text.is_ascii() {
                        out.extend(text.chars().map(|c| c.to_ascii_uppercase()));
                    } else {
                        out.push_str(&text.to_uppercase());
                    }
                })
            },
        ),
        row(
            &["lower"],
            ONE,
            TEXT,
            "In lower case.",
            ("lower('aB1')", "ab1"),
            |a, _| {
                map(a, |text, out| {
                    if text.is_ascii() {
                        out.extend(text.chars().map(|c| c.to_ascii_lowercase()));
                    } else {
                        out.push_str(&text.to_lowercase());
                    }
                })
            },
        ),
        row(
            &["reverse"],
            ONE,
            TEXT,
            "From the last character to the first.",
            ("reverse('abc')", "cba"),
            |a, _| map(a, |text, out| out.extend(text.chars().rev())),
        ),
        row(
            &["initcap"],
            ONE,
            TEXT,
            "Every word with a capital, the rest in lower case.",
            ("initcap('olá MUNDO')", "Olá Mundo"),
            |a, _| map(a, capitalize),
        ),
        row(
            &["concat"],
            TWO,
            TEXT,
            "Both texts in one.",
            ("concat('a', 'b')", "ab"),
            |a, _| join(a, [0, 1], None),
        ),
        row(
            &["concat"],
            THREE,
            TEXT,
            "Both texts with the third between.",
            ("concat('a', 'b', ', ')", "a, b"),
            |a, _| join(a, [0, 1], Some(2)),
        ),
        row(
            &["concatws"],
            THREE,
            TEXT,
            "The last two with the first between.",
            ("concat_ws(',', 'a', 'b')", "a,b"),
            |a, _| join(a, [1, 2], Some(0)),
        ),
        row(
            &["replace"],
            THREE,
            TEXT,
            "Every occurrence of the second replaced by the third.",
            ("replace('hello', 'l', 'L')", "heLLo"),
            |a, _| replace(a),
        ),
        row(
            &["remove"],
            TWO,
            TEXT,
            "Without any occurrence of the second.",
            ("remove('hello', 'l')", "heo"),
            |a, _| replace(a),
        ),
        row(
            &["normalize"],
            ONE,
            TEXT,
            "Unicode normal form C.",
            ("normalize('e')", "e"),
            |a, _| map(a, |text, out| out.extend(text.nfc())),
        ),
        row(
            &["normalize"],
            TWO,
            TEXT,
            "A Unicode normal form: NFC, NFD, NFKC or NFKD.",
            ("normalize('ﬁ', 'NFKC')", "fi"),
            |a, _| {
                let (text, form) = (Rows::<Text>::of(&a[0])?, Rows::<Text>::of(&a[1])?);
                write_text(a, |row, out| normalize(text.get(row), form.get(row), out))
            },
        ),
        row(
            &["chr"],
            Params::Fixed(&[param::INT]),
            TEXT,
            "The character of a code point.",
            ("chr(937)", "Ω"),
            |a, _| {
                let code = Rows::<Int>::of(&a[0])?;
                write_text(a, |row, out| {
                    out.push(character(code.get(row))?);
                    Ok(())
                })
            },
        ),
    ],
};

/// Functions that measure and compare.
pub(crate) static MEASURES: Family = Family {
    title: "Text: measuring and searching",
    functions: &[
        row(
            &["length"],
            ONE,
            INT,
            "Number of UTF-16 units.",
            ("length('olá')", "3"),
            |a, _| unary::<Text, Vec<i32>, _>(a, INT, |text| Ok(length(text) as i32)),
        ),
        row(
            &["codepoint"],
            ONE,
            INT,
            "Code point of the first character.",
            ("codepoint('Ω')", "937"),
            |a, _| {
                unary::<Text, Vec<i32>, _>(a, INT, |text| {
                    text.chars().next().map(|c| c as i32).ok_or_else(|| {
                        FunctionError::Evaluation("codepoint of an empty text".to_owned())
                    })
                })
            },
        ),
        row(
            &["strpos"],
            TWO,
            INT,
            "Position of the first occurrence, from 0; -1 where there is none.",
            ("strpos('hello', 'l')", "2"),
            |a, _| {
                binary::<Text, Text, Vec<i32>, _>(a, INT, |text, find| {
                    Ok(position(text, text.find(find)))
                })
            },
        ),
        row(
            &["strpos"],
            TWO_AND_INT,
            INT,
            "Position of the n-th occurrence, from 0; -1 where there is none.",
            ("strpos('hello', 'l', 2)", "3"),
            |a, _| {
                ternary::<Text, Text, Int, Vec<i32>, _>(a, INT, |text, find, nth| {
                    Ok(position(text, nth_occurrence(text, find, nth)))
                })
            },
        ),
        row(
            &["strrpos"],
            TWO,
            INT,
            "Position of the last occurrence, from 0; -1 where there is none.",
            ("strrpos('hello', 'l')", "3"),
            |a, _| {
                binary::<Text, Text, Vec<i32>, _>(a, INT, |text, find| {
                    Ok(position(text, text.rfind(find)))
                })
            },
        ),
        row(
            &["strrpos"],
            TWO_AND_INT,
            INT,
            "Position of the last occurrence that starts at or before a position.",
            ("strrpos('hello', 'l', 2)", "2"),
            |a, _| {
                ternary::<Text, Text, Int, Vec<i32>, _>(a, INT, |text, find, start| {
                    Ok(position(text, last_occurrence(text, find, start)))
                })
            },
        ),
        row(
            &["startswith"],
            TWO,
            BOOLEAN,
            "True where the text starts with the other.",
            ("startsWith('hello', 'he')", "true"),
            |a, _| {
                binary::<Text, Text, Vec<i32>, _>(a, BOOLEAN, |text, with| {
                    Ok(text.starts_with(with))
                })
            },
        ),
        row(
            &["endswith"],
            TWO,
            BOOLEAN,
            "True where the text ends with the other.",
            ("endsWith('hello', 'lo')", "true"),
            |a, _| {
                binary::<Text, Text, Vec<i32>, _>(a, BOOLEAN, |text, with| Ok(text.ends_with(with)))
            },
        ),
        row(
            &["contains"],
            TWO,
            BOOLEAN,
            "True where the text contains the other.",
            ("contains('hello', 'ELL')", "false"),
            |a, _| {
                binary::<Text, Text, Vec<i32>, _>(a, BOOLEAN, |text, part| Ok(text.contains(part)))
            },
        ),
        row(
            &["strcmp"],
            TWO,
            INT,
            "Difference of the first units that differ, or of the lengths.",
            ("strcmp('', 'abc')", "-3"),
            |a, _| binary::<Text, Text, Vec<i32>, _>(a, INT, |x, y| Ok(difference(x, y))),
        ),
        row(
            &["hammingdistance"],
            TWO,
            INT,
            "Number of units that differ; -1 for texts of different length.",
            ("hammingDistance('abc', 'abd')", "1"),
            |a, _| {
                binary::<Text, Text, Vec<i32>, _>(a, INT, |x, y| {
                    if length(x) != length(y) {
                        return Ok(-1);
                    }
                    let pairs = x.encode_utf16().zip(y.encode_utf16());
                    Ok(pairs.filter(|(p, q)| p != q).count() as i32)
                })
            },
        ),
        row(
            &["levenshteindistance"],
            TWO,
            INT,
            "Fewest insertions, deletions and substitutions.",
            ("levenshteinDistance('kitten', 'sitting')", "3"),
            |a, _| binary::<Text, Text, Vec<i32>, _>(a, INT, |x, y| Ok(edits(x, y))),
        ),
    ],
};

fn map(args: &[Block], kernel: impl Fn(&str, &mut String)) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    write_text(args, |row, out| {
        kernel(text.get(row), out);
        Ok(())
    })
}

fn capitalize(text: &str, out: &mut String) {
    let mut first = true;
    for c in text.chars() {
        if first {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        first = c.is_whitespace();
    }
}

fn join(args: &[Block], [first, second]: [usize; 2], separator: Option<usize>) -> Answer {
    let (a, b) = (
        Rows::<Text>::of(&args[first])?,
        Rows::<Text>::of(&args[second])?,
    );
    let separator = separator.map(|s| Rows::<Text>::of(&args[s])).transpose()?;
    write_text(args, |row, out| {
        out.push_str(a.get(row));
        if let Some(separator) = &separator {
            out.push_str(separator.get(row));
        }
        out.push_str(b.get(row));
        Ok(())
    })
}

/// Replaces by the third argument, by nothing where there is none.
fn replace(args: &[Block]) -> Answer {
    let (text, find) = (Rows::<Text>::of(&args[0])?, Rows::<Text>::of(&args[1])?);
    let with = args.get(2).map(Rows::<Text>::of).transpose()?;
    write_text(args, |row, out| {
        let (text, find) = (text.get(row), find.get(row));
        let with = with.as_ref().map_or("", |w| w.get(row));
        if find.is_empty() {
            out.push_str(text);
            return Ok(());
        }
        let mut rest = 0;
        for (at, _) in text.match_indices(find) {
            out.push_str(&text[rest..at]);
            out.push_str(with);
            rest = at + find.len();
        }
        out.push_str(&text[rest..]);
        Ok(())
    })
}

fn normalize(text: &str, form: &str, out: &mut String) -> Result<(), FunctionError> {
    match form {
        "NFC" => out.extend(text.nfc()),
        "NFD" => out.extend(text.nfd()),
        "NFKC" => out.extend(text.nfkc()),
        "NFKD" => out.extend(text.nfkd()),
        _ => {
            return Err(FunctionError::Evaluation(format!(
                "`{form}` is no normal form, expected NFC, NFD, NFKC or NFKD"
            )));
        }
    }
    Ok(())
}

fn character(code: i32) -> Result<char, FunctionError> {
    match u32::try_from(code) {
        // A lone surrogate has no UTF-8.
        Ok(0xD800..=0xDFFF) => Ok('?'),
        code => code.ok().and_then(char::from_u32).ok_or_else(|| {
            FunctionError::Evaluation(format!(
                "Not a valid Unicode code point: 0x{:X}",
                code.unwrap_or(0)
            ))
        }),
    }
}

/// A byte position as UTF-16 position, -1 for none.
fn position(text: &str, byte: Option<usize>) -> i32 {
    byte.map_or(-1, |byte| length(&text[..byte]) as i32)
}

/// Occurrences may overlap; an empty text is found at the start.
fn nth_occurrence(text: &str, find: &str, nth: i32) -> Option<usize> {
    if nth <= 0 {
        return None;
    }
    if find.is_empty() {
        return Some(0);
    }
    let mut from = 0;
    let mut found = None;
    for _ in 0..nth {
        let at = from + text[from..].find(find)?;
        found = Some(at);
        from = at + text[at..].chars().next().map_or(1, char::len_utf8);
    }
    found
}

fn last_occurrence(text: &str, find: &str, start: i32) -> Option<usize> {
    let start = byte_of(text, usize::try_from(start).ok()?);
    let end = (start + find.len()).min(text.len());
    // A match that starts at or before `start` ends at or before `end`.
    let mut end = end;
    while !text.is_char_boundary(end) {
        end += 1;
    }
    text[..end].rfind(find).filter(|at| *at <= start)
}

/// `String.compareTo`.
fn difference(x: &str, y: &str) -> i32 {
    for (p, q) in x.encode_utf16().zip(y.encode_utf16()) {
        if p != q {
            return i32::from(p) - i32::from(q);
        }
    }
    length(x) as i32 - length(y) as i32
}

fn edits(x: &str, y: &str) -> i32 {
    let y: Vec<u16> = y.encode_utf16().collect();
    let mut costs: Vec<usize> = (0..=y.len()).collect();
    for (i, p) in x.encode_utf16().enumerate() {
        let mut diagonal = std::mem::replace(&mut costs[0], i + 1);
        for (j, q) in y.iter().enumerate() {
            let substituted = diagonal + usize::from(p != *q);
            diagonal = costs[j + 1];
            costs[j + 1] = substituted.min(diagonal + 1).min(costs[j] + 1);
        }
    }
    costs[y.len()] as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searching_counts_units() {
        assert_eq!(position("é/a", "é/a".find('/')), 1);
        assert_eq!(nth_occurrence("aaa", "aa", 2), Some(1));
        assert_eq!(nth_occurrence("abc", "z", 1), None);
        assert_eq!(last_occurrence("hello", "l", 2), Some(2));
        assert_eq!(last_occurrence("hello", "l", -1), None);
        assert_eq!(last_occurrence("é", "é", 0), Some(0));
        assert_eq!(difference("Ω", "a"), 840);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn characters_and_words() {
        assert_eq!(character(128_512), Ok('😀'));
        assert!(character(-1).is_err());
        let mut out = String::new();
        capitalize("a-b c_d", &mut out);
        assert_eq!(out, "A-b C_d");
    }
}
