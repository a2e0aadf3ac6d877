//! Casts of literals, which drivers write behind every value.
//!
//! Must not know: columns. Invariant: only a cast of a literal to a plain type goes; what it says is in the literal then.

use super::scan::{Piece, pieces};

const NUMBERS: &[&str] = &[
    "SMALLINT", "INTEGER", "INT", "BIGINT", "INT2", "INT4", "INT8", "REAL", "FLOAT", "FLOAT4",
    "FLOAT8", "DOUBLE", "NUMERIC", "DECIMAL",
];
const OTHERS: &[&str] = &[
    "TEXT",
    "VARCHAR",
    "CHAR",
    "CHARACTER",
    "BPCHAR",
    "BOOLEAN",
    "BOOL",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "UUID",
    "UNKNOWN",
];
/// Words that go on with a type.
const MORE_WORDS: &[&str] = &["PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE"];

/// The text with `5::INTEGER` as `5`, `'5'::INTEGER` as well, and `'a'::VARCHAR(60)` as `'a'`.
pub(crate) fn without_literal_casts(text: &str) -> String {
    let all: Vec<Piece<'_>> = pieces(text).collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(piece) = all.get(at) {
        match cast_behind(&all, at) {
            Some((end, is_number)) if is_literal(*piece) => {
                let digits = match piece {
                    Piece::Text(quoted) => quoted.trim_matches('\'').trim(),
                    _ => "",
                };
                if is_number && digits.parse::<f64>().is_ok_and(f64::is_finite) {
                    out.push_str(digits);
                } else {
                    piece.push_to(&mut out);
                }
                at = end;
            }
            _ => {
                piece.push_to(&mut out);
                at += 1;
            }
        }
    }
    out
}

fn is_literal(piece: Piece<'_>) -> bool {
    match piece {
        Piece::Text(_) => true,
        Piece::Word(word) => {
            word.starts_with(|c: char| c.is_ascii_digit())
                || ["TRUE", "FALSE", "NULL"]
                    .iter()
                    .any(|w| word.eq_ignore_ascii_case(w))
        }
        _ => false,
    }
}

/// Where a cast behind that piece ends, and whether it is to a number.
fn cast_behind(all: &[Piece<'_>], at: usize) -> Option<(usize, bool)> {
    let colons = all.get(at + 1..at + 3)?;
    if colons != [Piece::Sign(':'), Piece::Sign(':')] {
        return None;
    }
    let Piece::Word(word) = all.get(at + 3)? else {
        return None;
    };
    let upper = word.to_uppercase();
    let is_number = NUMBERS.contains(&upper.as_str());
    if !is_number && !OTHERS.contains(&upper.as_str()) {
        return None;
    }
    let mut end = at + 4;
    loop {
        let next = end + usize::from(matches!(all.get(end), Some(Piece::Blank(_))));
        match all.get(next) {
            Some(Piece::Word(more)) if MORE_WORDS.iter().any(|w| more.eq_ignore_ascii_case(w)) => {
                end = next + 1;
            }
            Some(Piece::Sign('(')) => {
                let length = all
                    .get(next..)?
                    .iter()
                    .position(|p| *p == Piece::Sign(')'))?;
                end = next + length + 1;
            }
            // An array.
            Some(Piece::Sign('[')) => return None,
            _ => return Some((end, is_number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_literal_casts;

    #[test]
    fn casts_of_literals_go() {
        for (from, to) in [
            ("LIMIT 5::INTEGER", "LIMIT 5"),
            ("a = 'x'::VARCHAR(60) AND b = '5'::int", "a = 'x' AND b = 5"),
            (
                "t > '2020-01-01'::timestamp without time zone AND x",
                "t > '2020-01-01' AND x",
            ),
            ("1.5::double precision)", "1.5)"),
            ("a::INTEGER", "a::INTEGER"),
            ("'t'::regclass", "'t'::regclass"),
            ("'{1}'::int[]", "'{1}'::int[]"),
            ("'a::int'", "'a::int'"),
        ] {
            assert_eq!(without_literal_casts(from), to);
        }
    }
}
