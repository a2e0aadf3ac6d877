//! Values in the place of `$1` and `?`.
//!
//! Must not know: types of values. Invariant: what is quoted or commented is left alone, and a value comes as a literal that its writer quoted.

use super::scan::{Piece, pieces};

/// How places are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// `$1`, `$2`.
    Numbered,
    /// `?`, one after the other.
    Question,
}

/// The text with the literal of every place put in; the number of a place counts from 0. `None` leaves a place as it is.
pub(crate) fn filled(
    text: &str,
    mark: Mark,
    mut literal: impl FnMut(usize) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut all = pieces(text).peekable();
    let mut questions = 0;
    while let Some(piece) = all.next() {
        let place = match (mark, piece) {
            (Mark::Question, Piece::Sign('?')) => {
                questions += 1;
                Some(questions - 1)
            }
            (Mark::Numbered, Piece::Sign('$')) => match all.peek() {
                Some(Piece::Word(word)) => word
                    .parse::<usize>()
                    .ok()
                    .and_then(|number| number.checked_sub(1)),
                _ => None,
            },
            _ => None,
        };
        match place.and_then(&mut literal) {
            Some(value) => {
                if mark == Mark::Numbered {
                    all.next();
                }
                out.push_str(&value);
            }
            None => piece.push_to(&mut out),
        }
    }
    out
}

/// How many places there are: the greatest number, or the number of question marks.
pub(crate) fn count(text: &str, mark: Mark) -> usize {
    let mut most = 0;
    filled(text, mark, |at| {
        most = most.max(at + 1);
        None
    });
    most
}

#[cfg(test)]
mod tests {
    use super::{Mark, count, filled};

    #[test]
    fn places_are_filled() {
        let sql = "SELECT '$1', $segmentName, \"?\" FROM t WHERE a=$2 AND b IN ($1,$10)";
        let out = filled(sql, Mark::Numbered, |at| Some(format!("<{at}>")));
        assert_eq!(
            out,
            "SELECT '$1', $segmentName, \"?\" FROM t WHERE a=<1> AND b IN (<0>,<9>)"
        );
        assert_eq!(count(sql, Mark::Numbered), 10);
        assert_eq!(count("? '?' ? -- ?", Mark::Question), 2);
        assert_eq!(
            filled("a = ? AND b = ?", Mark::Question, |at| Some(at.to_string())),
            "a = 0 AND b = 1"
        );
    }
}
