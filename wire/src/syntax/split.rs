//! Several statements in one text.
//!
//! Must not know: what statements do. Invariant: a `;` in quotes or comments ends nothing.

use super::scan::{Piece, pieces};

/// The statements of a text, without the semicolons; what is only blanks and comments is none.
pub(crate) fn statements(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut one = String::new();
    let mut says_something = false;
    for piece in pieces(text) {
        match piece {
            Piece::Sign(';') => {
                if says_something {
                    all.push(one.trim().to_owned());
                }
                one.clear();
                says_something = false;
                continue;
            }
            Piece::Blank(_) | Piece::Comment(_) => {}
            _ => says_something = true,
        }
        piece.push_to(&mut one);
    }
    if says_something {
        all.push(one.trim().to_owned());
    }
    all
}

/// The first word, in upper case; empty where the text begins with none.
pub(crate) fn first_word(text: &str) -> String {
    let said =
        pieces(text).find(|p| !matches!(p, Piece::Blank(_) | Piece::Comment(_) | Piece::Sign('(')));
    match said {
        Some(Piece::Word(word)) => word.to_uppercase(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{first_word, statements};

    #[test]
    fn semicolons_end_statements() {
        assert_eq!(
            statements("SET a=1; SELECT ';' -- ;\n FROM t;; "),
            ["SET a=1", "SELECT ';' -- ;\n FROM t"]
        );
        assert!(statements(" ; -- nothing").is_empty());
        assert_eq!(first_word("/* x */ (select 1)"), "SELECT");
        assert_eq!(first_word("'x'"), "");
    }
}
