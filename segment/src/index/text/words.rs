//! Words of a text, as Lucene's standard analyser finds them: runs of letters and digits in lower case, without the most
//! common English words.
//!
//! Must not know: queries. Invariant: queries and values are taken apart the same way.

/// Words that are not looked for.
const COMMON: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it",
    "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "to", "was", "will", "with",
];
/// Longer words are cut into pieces.
const LONGEST: usize = 255;

/// True for words that are not looked for.
#[must_use]
pub fn is_common(word: &str) -> bool {
    COMMON.binary_search(&word).is_ok()
}

/// The words of a text that are looked for, in order.
#[must_use]
pub fn of(text: &str) -> Vec<String> {
    placed(text).into_iter().map(|(_, word)| word).collect()
}

/// The same with their positions; words that are not looked for take a position, too.
#[must_use]
pub fn placed(text: &str) -> Vec<(u32, String)> {
    let lower = split(text).into_iter().map(|word| word.to_lowercase());
    (0..)
        .zip(lower)
        .filter(|(_, word)| !is_common(word))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Joiner,
    /// A word of its own.
    Ideograph,
    Other,
}

fn kind(c: char) -> Kind {
    match c {
        '_' => Kind::Joiner,
        '\u{3040}'..='\u{309F}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' => {
            Kind::Ideograph
        }
        c if c.is_alphabetic() => Kind::Letter,
        c if c.is_numeric() => Kind::Digit,
        '\u{300}'..='\u{36F}' => Kind::Letter,
        _ => Kind::Other,
    }
}

/// True where a character between two others keeps them one word: `can't`, `3.14`, `a.b`.
fn joins(before: Kind, c: char, after: Kind) -> bool {
    match (before, after) {
        (Kind::Letter, Kind::Letter) => matches!(c, '\'' | '\u{2019}' | '.' | ':' | '\u{B7}'),
        (Kind::Digit, Kind::Digit) => matches!(c, '\'' | '\u{2019}' | '.' | ',' | ';'),
        _ => false,
    }
}

fn split(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut word = String::new();
    let mut has_content = false;
    let mut length = 0;
    let mut end = |word: &mut String, has_content: &mut bool, length: &mut usize| {
        if *has_content {
            out.push(std::mem::take(word));
        }
        word.clear();
        (*has_content, *length) = (false, 0);
    };
    for (at, c) in chars.iter().enumerate() {
        match kind(*c) {
            Kind::Ideograph => {
                end(&mut word, &mut has_content, &mut length);
                word.push(*c);
                has_content = true;
                end(&mut word, &mut has_content, &mut length);
            }
            Kind::Letter | Kind::Digit => {
                if length == LONGEST {
                    end(&mut word, &mut has_content, &mut length);
                }
                word.push(*c);
                has_content = true;
                length += 1;
            }
            Kind::Joiner => {
                word.push(*c);
                length += 1;
            }
            Kind::Other => {
                let before = at.checked_sub(1).map_or(Kind::Other, |i| kind(chars[i]));
                let after = chars.get(at + 1).map_or(Kind::Other, |c| kind(*c));
                if joins(before, *c, after) {
                    word.push(*c);
                    length += 1;
                } else {
                    end(&mut word, &mut has_content, &mut length);
                }
            }
        }
    }
    end(&mut word, &mut has_content, &mut length);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fall_into_words() {
        assert_eq!(
            of("The Quick-brown FOX, can't pay $3.14 to foo_bar!"),
            ["quick", "brown", "fox", "can't", "pay", "3.14", "foo_bar"]
        );
        assert_eq!(placed("fox and hound")[1], (2, "hound".to_owned()));
        assert!(of("___ -- ").is_empty());
        assert!(COMMON.is_sorted());
    }
}
