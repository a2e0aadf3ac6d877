//! A text in pieces: what is quoted or commented, and what is code.
//!
//! Must not know: grammar. Invariant: the pieces together are the text.

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// `'..'`, with the quotes.
    Text(&'a str),
    /// `".."` or backticks, with the quotes.
    Name(&'a str),
    /// `-- ..` and `/* .. */`.
    Comment(&'a str),
    /// Letters, digits, `_` and `$` behind a letter.
    Word(&'a str),
    /// Blanks.
    Blank(&'a str),
    /// One character of anything else.
    Sign(char),
}

/// The pieces.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, length) = next(rest)?;
        rest = rest.get(length..).unwrap_or_default();
        Some(piece)
    })
}

fn next(rest: &str) -> Option<(Piece<'_>, usize)> {
    let first = rest.chars().next()?;
    let upto = |length: usize| rest.get(..length).unwrap_or(rest);
    let (piece, length) = match first {
        '\'' => {
            let length = quoted(rest, '\'');
            (Piece::Text(upto(length)), length)
        }
        '"' | '`' => {
            let length = quoted(rest, first);
            (Piece::Name(upto(length)), length)
        }
        '-' if rest.starts_with("--") => {
            let length = rest.find('\n').unwrap_or(rest.len());
            (Piece::Comment(upto(length)), length)
        }
        '/' if rest.starts_with("/*") => {
            let length = rest.find("*/").map_or(rest.len(), |at| at + 2);
            (Piece::Comment(upto(length)), length)
        }
        c if c.is_whitespace() => {
            let length = rest
                .find(|c: char| !c.is_whitespace())
                .unwrap_or(rest.len());
            (Piece::Blank(upto(length)), length)
        }
        c if c.is_alphanumeric() || c == '_' => {
            let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let length = rest.find(|c: char| !part(c)).unwrap_or(rest.len());
            (Piece::Word(upto(length)), length)
        }
        c => (Piece::Sign(c), c.len_utf8()),
    };
    Some((piece, length))
}

/// Bytes of what is quoted at the start of a text; a quote that is doubled does not end it.
fn quoted(text: &str, quote: char) -> usize {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if sign != quote {
            continue;
        }
        match signs.peek() {
            Some((_, next)) if *next == quote => {
                signs.next();
            }
            _ => return at + sign.len_utf8(),
        }
    }
    text.len()
}

impl<'a> Piece<'a> {
    /// The piece as it stands in the text.
    pub(crate) fn push_to(self, out: &mut String) {
        match self {
            Self::Text(t) | Self::Name(t) | Self::Comment(t) | Self::Word(t) | Self::Blank(t) => {
                out.push_str(t);
            }
            Self::Sign(c) => out.push(c),
        }
    }
}

/// The text without `public.` in front of names, which clients put there because the catalog says so.
pub(crate) fn without_namespace(text: &str, namespace: &str) -> String {
    let all: Vec<Piece<'_>> = pieces(text).collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(piece) = all.get(at) {
        let named = match piece {
            Piece::Word(word) => word.eq_ignore_ascii_case(namespace),
            Piece::Name(name) => name.get(1..name.len().saturating_sub(1)) == Some(namespace),
            _ => false,
        };
        let after_dot = at > 0 && all.get(at - 1) == Some(&Piece::Sign('.'));
        let before_name = all.get(at + 1) == Some(&Piece::Sign('.'))
            && matches!(all.get(at + 2), Some(Piece::Word(_) | Piece::Name(_)));
        if named && before_name && !after_dot {
            at += 2;
            continue;
        }
        piece.push_to(&mut out);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces, without_namespace};

    #[test]
    fn pieces_are_the_text() {
        for text in [
            "SELECT 'a''b', \"x\" /* c */ FROM t -- end",
            "'open",
            "\"open",
            "/* open",
            "é$1 ? ;",
            "",
        ] {
            let mut out = String::new();
            pieces(text).for_each(|p| p.push_to(&mut out));
            assert_eq!(out, text);
        }
        let words: Vec<_> = pieces("a 'b;c'").collect();
        assert_eq!(
            words,
            [Piece::Word("a"), Piece::Blank(" "), Piece::Text("'b;c'")]
        );
    }

    #[test]
    fn the_schema_in_front_of_names_goes() {
        let plain = |text| without_namespace(text, "public");
        assert_eq!(plain("SELECT * FROM public.t"), "SELECT * FROM t");
        assert_eq!(
            plain("SELECT \"public\".\"t\".\"a\" FROM \"public\".\"t\""),
            "SELECT \"t\".\"a\" FROM \"t\""
        );
        assert_eq!(
            plain("SELECT 'public.t', x.public.y"),
            "SELECT 'public.t', x.public.y"
        );
    }
}
