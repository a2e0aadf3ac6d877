//! Text queries in Lucene's classic syntax: words, "phrases", prefix*, w?ldcards, /patterns/, fuzzy~, AND, OR, NOT, + and -.
//!
//! Must not know: indexes. Invariant: a value matches as its words do; a query that cannot be read is an error.

use regex::Regex;

use super::words;

/// A query.
#[derive(Debug, Clone)]
pub struct TextQuery {
    root: Clause,
}

/// A part of a query.
#[derive(Debug, Clone)]
pub enum Clause {
    /// This word.
    Word(String),
    /// These words one after the other, with at most so many others in all between them.
    Phrase(Vec<String>, u32),
    /// A word that begins so.
    Prefix(String),
    /// A word that a pattern accepts as a whole.
    Pattern(Regex),
    /// A word that differs by at most so many letters.
    Fuzzy(String, usize),
    /// `*:*` and `*`.
    Everything,
    /// Conditions together.
    Bool {
        /// All of them.
        must: Vec<Clause>,
        /// Any of them, where none must.
        should: Vec<Clause>,
        /// None of them.
        must_not: Vec<Clause>,
    },
}

impl TextQuery {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, at: 0 };
        let root = parser.clauses(0)?;
        if parser.at < parser.tokens.len() {
            return Err(format!("`{text}` has a closing parenthesis too many"));
        }
        Ok(Self { root })
    }

    /// The outermost part.
    #[must_use]
    pub fn root(&self) -> &Clause {
        &self.root
    }

    /// True where a value matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.root.holds(&words::placed(text))
    }
}

impl Clause {
    /// True where a single word is one that a word, prefix, pattern or fuzzy part looks for.
    #[must_use]
    pub fn accepts_word(&self, word: &str) -> bool {
        match self {
            Self::Word(wanted) => wanted == word,
            Self::Prefix(prefix) => word.starts_with(prefix.as_str()),
            Self::Pattern(pattern) => pattern.is_match(word),
            Self::Fuzzy(wanted, most) => within(wanted, word, *most),
            _ => false,
        }
    }

    fn holds(&self, value: &[(u32, String)]) -> bool {
        match self {
            Self::Phrase(wanted, slop) => phrase(wanted, *slop, value),
            Self::Everything => true,
            Self::Bool {
                must,
                should,
                must_not,
            } => {
                must.iter().all(|one| one.holds(value))
                    && !must_not.iter().any(|one| one.holds(value))
                    && (!must.is_empty() || should.iter().any(|one| one.holds(value)))
            }
            single => value.iter().any(|(_, word)| single.accepts_word(word)),
        }
    }
}

/// True where the words follow one another, leaving out at most `slop` positions.
fn phrase(wanted: &[String], slop: u32, value: &[(u32, String)]) -> bool {
    let Some((first, rest)) = wanted.split_first() else {
        return false;
    };
    value.iter().enumerate().any(|(at, (start, word))| {
        if word != first {
            return false;
        }
        let mut from = at + 1;
        let mut last = *start;
        for next in rest {
            let found = value[from..].iter().position(|(_, word)| word == next);
            let Some(found) = found else {
                return false;
            };
            last = value[from + found].0;
            from += found + 1;
        }
        last - start <= rest.len() as u32 + slop
    })
}

/// True where two words are at most so many insertions, deletions, changes or swaps apart.
fn within(a: &str, b: &str, most: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let mut rows: [Vec<usize>; 3] = [vec![0; b.len() + 1], (0..=b.len()).collect(), Vec::new()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = rows[1][j] + usize::from(x != y);
            let mut best = changed.min(rows[1][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(rows[0][j - 1] + 1);
            }
            row.push(best);
        }
        rows.swap(0, 1);
        rows[1] = row;
    }
    rows[1][b.len()] <= most
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Plus,
    Minus,
    /// Text, whether it has unescaped wildcards.
    Word(String, bool),
    Quoted(String, u32),
    Regex(String),
    Fuzzy(String, usize),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        at += 1;
        match c {
            c if c.is_whitespace() => {}
            '(' => out.push(Token::Open),
            ')' => out.push(Token::Close),
            '+' => out.push(Token::Plus),
            '-' | '!' => out.push(if c == '-' { Token::Minus } else { Token::Not }),
            '&' if chars.get(at) == Some(&'&') => {
                at += 1;
                out.push(Token::And);
            }
            '|' if chars.get(at) == Some(&'|') => {
                at += 1;
                out.push(Token::Or);
            }
            '"' => {
                let quoted = until(&chars, &mut at, '"')
                    .ok_or_else(|| format!("`{text}` has a quote that is not closed"))?;
                let slop = number_after(&chars, &mut at, '~').unwrap_or(0.0) as u32;
                number_after(&chars, &mut at, '^');
                out.push(Token::Quoted(quoted, slop));
            }
            '/' => {
                let pattern = until(&chars, &mut at, '/')
                    .ok_or_else(|| format!("`{text}` has a pattern that is not closed"))?;
                out.push(Token::Regex(pattern));
            }
            _ => {
                at -= 1;
                out.push(word(&chars, &mut at));
            }
        }
    }
    Ok(out)
}

/// Text up to a closing character; a backslash keeps the next character.
fn until(chars: &[char], at: &mut usize, close: char) -> Option<String> {
    let mut out = String::new();
    while let Some(c) = chars.get(*at) {
        *at += 1;
        if *c == close {
            return Some(out);
        }
        if *c == '\\' && close == '"' {
            out.extend(chars.get(*at));
            *at += 1;
        } else {
            out.push(*c);
        }
    }
    None
}

/// A number behind a mark; 2 where the mark stands alone.
fn number_after(chars: &[char], at: &mut usize, mark: char) -> Option<f64> {
    if chars.get(*at) != Some(&mark) {
        return None;
    }
    *at += 1;
    let start = *at;
    while chars
        .get(*at)
        .is_some_and(|c| c.is_ascii_digit() || *c == '.')
    {
        *at += 1;
    }
    let text: String = chars[start..*at].iter().collect();
    Some(text.parse().unwrap_or(2.0))
}

fn word(chars: &[char], at: &mut usize) -> Token {
    let mut out = String::new();
    let mut wild = false;
    while let Some(c) = chars.get(*at) {
        match c {
            c if c.is_whitespace() => break,
            '(' | ')' | '"' | '~' | '^' => break,
            '\\' => {
                *at += 1;
                if let Some(escaped) = chars.get(*at) {
                    // An escaped wildcard is a plain character: no word has it.
                    out.push(*escaped);
                }
            }
            '*' | '?' => {
                wild = true;
                out.push(*c);
            }
            c => out.push(*c),
        }
        *at += 1;
    }
    let fuzzy = number_after(chars, at, '~');
    number_after(chars, at, '^');
    if let Some(most) = fuzzy {
        // Shares below one are an older spelling of two letters.
        let most = if most < 1.0 { 2.0 } else { most.min(2.0) };
        return Token::Fuzzy(out, most as usize);
    }
    match out.as_str() {
        "AND" => Token::And,
        "OR" => Token::Or,
        "NOT" => Token::Not,
        _ => Token::Word(out, wild),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// How a clause takes part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Must,
    Should,
    MustNot,
}

/// Parentheses may not nest deeper.
const DEEPEST: usize = 64;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn clauses(&mut self, depth: usize) -> Result<Clause, String> {
        if depth > DEEPEST {
            return Err(format!("parentheses nest deeper than {DEEPEST}"));
        }
        let mut parts: Vec<(Part, Clause)> = Vec::new();
        while let Some(token) = self.peek() {
            let mut joined = false;
            match token {
                Token::Close => break,
                Token::And => {
                    self.at += 1;
                    joined = true;
                    // What AND joins is required on both sides.
                    if let Some((part, _)) = parts.last_mut()
                        && *part == Part::Should
                    {
                        *part = Part::Must;
                    }
                }
                Token::Or => self.at += 1,
                _ => {}
            }
            let mut part = if joined { Part::Must } else { Part::Should };
            match self.peek() {
                Some(Token::Plus) => {
                    self.at += 1;
                    part = Part::Must;
                }
                Some(Token::Minus | Token::Not) => {
                    self.at += 1;
                    part = Part::MustNot;
                }
                _ => {}
            }
            let clause = self.clause(depth)?;
            parts.extend(clause.map(|clause| (part, clause)));
        }
        Ok(combined(parts))
    }

    /// `None` for words that are not looked for.
    fn clause(&mut self, depth: usize) -> Result<Option<Clause>, String> {
        let token = self.peek().cloned();
        self.at += 1;
        Ok(match token {
            Some(Token::Open) => {
                let inner = self.clauses(depth + 1)?;
                if self.peek() != Some(&Token::Close) {
                    return Err("a parenthesis is not closed".to_owned());
                }
                self.at += 1;
                Some(inner)
            }
            Some(Token::Word(text, wild)) => simple(&text, wild)?,
            Some(Token::Fuzzy(text, most)) => Some(Clause::Fuzzy(text.to_lowercase(), most)),
            Some(Token::Quoted(text, slop)) => phrase_of(&text, slop),
            Some(Token::Regex(pattern)) => {
                let pattern = Regex::new(&format!("^(?:{pattern})$"))
                    .map_err(|error| format!("`{pattern}` is no pattern: {error}"))?;
                Some(Clause::Pattern(pattern))
            }
            Some(other) => return Err(format!("{other:?} stands where a word was expected")),
            None => return Err("a word was expected at the end".to_owned()),
        })
    }
}

fn combined(mut parts: Vec<(Part, Clause)>) -> Clause {
    if parts.len() == 1 && parts[0].0 != Part::MustNot {
        return parts.remove(0).1;
    }
    let (mut must, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
    for (part, clause) in parts {
        match part {
            Part::Must => must.push(clause),
            Part::Should => should.push(clause),
            Part::MustNot => must_not.push(clause),
        }
    }
    Clause::Bool {
        must,
        should,
        must_not,
    }
}

fn phrase_of(text: &str, slop: u32) -> Option<Clause> {
    let mut words = words::of(text);
    match words.len() {
        0 => None,
        1 => words.pop().map(Clause::Word),
        _ => {
            // Words that are not looked for still take a place.
            let placed = words::placed(text);
            let gaps = match (placed.first(), placed.last()) {
                (Some((first, _)), Some((last, _))) => last - first + 1 - words.len() as u32,
                _ => 0,
            };
            Some(Clause::Phrase(words, slop + gaps))
        }
    }
}

fn simple(text: &str, wild: bool) -> Result<Option<Clause>, String> {
    if text == "*" || text == "*:*" {
        return Ok(Some(Clause::Everything));
    }
    if !wild {
        return Ok(phrase_of(text, 0));
    }
    let lower = text.to_lowercase();
    if lower.starts_with(['*', '?']) {
        return Err(format!(
            "'{}' not allowed as first character in WildcardQuery",
            &lower[..1]
        ));
    }
    if let Some(prefix) = lower.strip_suffix('*')
        && !prefix.contains(['*', '?'])
    {
        return Ok(Some(Clause::Prefix(prefix.to_owned())));
    }
    let pattern: String = lower
        .chars()
        .map(|c| match c {
            '*' => ".*".to_owned(),
            '?' => ".".to_owned(),
            c => regex::escape(c.encode_utf8(&mut [0; 4])),
        })
        .collect();
    Regex::new(&format!("^(?s:{pattern})$"))
        .map(|pattern| Some(Clause::Pattern(pattern)))
        .map_err(|error| format!("`{text}` is no pattern: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(query: &str, text: &str) -> bool {
        TextQuery::parse(query).unwrap().matches(text)
    }

    #[test]
    fn queries_read_as_lucene_reads_them() {
        let text = "Distributed systems, Java and C++; machine learning";
        assert!(matches("java", text));
        assert!(matches("java python", text));
        assert!(!matches("java AND python", text));
        assert!(matches("java AND (python OR learning)", text));
        assert!(matches("\"machine learning\"", text));
        assert!(!matches("\"learning machine\"", text));
        assert!(!matches("\"distributed java\"", text));
        assert!(matches("\"distributed java\"~1", text));
        assert!(matches("distrib*", text));
        assert!(matches("sys?ems", text));
        assert!(matches("/sys.*s/", text));
        assert!(matches("systens~1", text));
        assert!(matches("java -python", text));
        assert!(!matches("java NOT learning", text));
        assert!(matches("+machine +java", text));
        assert!(!matches("NOT java", text));
    }

    #[test]
    fn broken_queries_are_refused() {
        for query in ["\"open", "(a", "a)", "/x", "*abc", "a AND"] {
            assert!(TextQuery::parse(query).is_err(), "{query}");
        }
    }
}
