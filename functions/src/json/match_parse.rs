//! The text of a JSON_MATCH filter: SQL conditions whose identifiers are paths.
//!
//! Must not know: documents. Invariant: nesting is bounded; what does not parse is an error, never a partial filter.

use super::match_filter::{Bound, Node, Test};

/// A word of the filter.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// An identifier: bare or in double quotes or backticks.
    Name(String),
    /// A bare word that may be a keyword, as written.
    Word(String),
    /// Text in single quotes.
    Text(String),
    /// A number as written.
    Number(String),
    /// Punctuation.
    Sign(&'static str),
}

const SIGNS: &[&str] = &[
    "<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", "-", "+",
];
const MAX_DEPTH: usize = 100;

/// The tree of a filter; `None` where the text is none.
pub(super) fn parse(text: &str) -> Option<Node> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0 };
    let node = parser.any(0)?;
    (parser.at == parser.tokens.len()).then_some(node)
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '\'' => {
                let (text, length) = quoted(rest, '\'')?;
                (Token::Text(text), length)
            }
            '"' | '`' => {
                let (name, length) = quoted(rest, first)?;
                (Token::Name(name), length)
            }
            '0'..='9' | '.' => {
                let length = number_length(rest);
                rest[..length].parse::<f64>().ok()?;
                (Token::Number(rest[..length].to_owned()), length)
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = rest
                    .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$')))
                    .unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// Length of digits, point, and exponent at the start.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while length < bytes.len() {
        let exponent_sign = matches!(bytes[length], b'+' | b'-')
            && length > 0
            && matches!(bytes[length - 1], b'e' | b'E');
        if !(bytes[length].is_ascii_alphanumeric() || bytes[length] == b'.' || exponent_sign) {
            break;
        }
        length += 1;
    }
    length
}

/// Text between quotes, where a doubled quote stands for one, and its length with quotes.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            out.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            chars.next();
            out.push(quote);
        } else {
            return Some((out, at + quote.len_utf8()));
        }
    }
    None
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// A literal: its text, and whether it was written as a number.
struct Literal {
    text: String,
    numeric: bool,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Option<Node> {
        let mut nodes = vec![self.all(depth)?];
        while self.keyword("OR") {
            nodes.push(self.all(depth)?);
        }
        Some(if nodes.len() == 1 {
            nodes.pop()?
        } else {
            Node::Or(nodes)
        })
    }

    fn all(&mut self, depth: usize) -> Option<Node> {
        let mut nodes = vec![self.not(depth)?];
        while self.keyword("AND") {
            nodes.push(self.not(depth)?);
        }
        Some(if nodes.len() == 1 {
            nodes.pop()?
        } else {
            Node::And(nodes)
        })
    }

    fn not(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.keyword("NOT") {
            return Some(Node::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.sign("(") {
            let node = self.any(depth + 1)?;
            return self.sign(")").then_some(node);
        }
        self.condition()
    }

    fn condition(&mut self) -> Option<Node> {
        if matches!(self.peek(), Some(Token::Word(word))
            if crate::canonical_name(word) == "regexplike"
            && self.tokens.get(self.at + 1) == Some(&Token::Sign("(")))
        {
            return self.regexp();
        }
        let Some(path) = self.path() else {
            return self.flipped();
        };
        let negated = self.keyword("NOT");
        let test = if self.keyword("BETWEEN") {
            let low = self.literal()?;
            if !self.keyword("AND") {
                return None;
            }
            let high = self.literal()?;
            range(Some((low, true)), Some((high, true)))
        } else if self.keyword("IN") {
            let values = self.list()?;
            return Some(Node::Test(
                path,
                if negated {
                    Test::NotIn(values)
                } else {
                    Test::In(values)
                },
            ));
        } else if self.keyword("LIKE") {
            Test::like(&self.literal()?.text)?
        } else if negated {
            return None;
        } else if self.keyword("IS") {
            let not = self.keyword("NOT");
            if !self.keyword("NULL") {
                return None;
            }
            if not { Test::IsNotNull } else { Test::IsNull }
        } else {
            match self.comparison() {
                Some(sign) => comparison(sign, self.literal()?)?,
                // A path alone is a condition: it has to be true.
                None => Test::In(vec!["true".to_owned()]),
            }
        };
        let node = Node::Test(path, test);
        Some(if negated {
            Node::Not(Box::new(node))
        } else {
            node
        })
    }

    /// `5 < "$.n"`.
    fn flipped(&mut self) -> Option<Node> {
        let literal = self.literal()?;
        let sign = match self.comparison()? {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            same => same,
        };
        let path = self.path()?;
        Some(Node::Test(path, comparison(sign, literal)?))
    }

    fn regexp(&mut self) -> Option<Node> {
        self.at += 2;
        let path = self.path()?;
        if !self.sign(",") {
            return None;
        }
        let pattern = self.literal()?.text;
        let flags = if self.sign(",") {
            self.literal()?.text
        } else {
            String::new()
        };
        if !self.sign(")") {
            return None;
        }
        Some(Node::Test(
            path,
            Test::regexp(&pattern, flags.contains('i'))?,
        ))
    }

    fn comparison(&mut self) -> Option<&'static str> {
        match self.peek() {
            Some(Token::Sign(sign @ ("=" | "<>" | "!=" | "<" | "<=" | ">" | ">="))) => {
                let sign = *sign;
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn path(&mut self) -> Option<String> {
        let path = match self.peek()? {
            Token::Name(name) => name.clone(),
            Token::Word(word) if !is_reserved(word) => word.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(path)
    }

    fn literal(&mut self) -> Option<Literal> {
        let negative = self.sign("-");
        if !negative {
            self.sign("+");
        }
        let literal = match self.peek()? {
            Token::Number(number) => Literal {
                text: number_text(number, negative),
                numeric: true,
            },
            Token::Text(text) if !negative => Literal {
                text: text.clone(),
                numeric: false,
            },
            Token::Word(word)
                if !negative
                    && (word.eq_ignore_ascii_case("true")
                        || word.eq_ignore_ascii_case("false")) =>
            {
                Literal {
                    text: word.to_lowercase(),
                    numeric: false,
                }
            }
            _ => return None,
        };
        self.at += 1;
        Some(literal)
    }

    fn list(&mut self) -> Option<Vec<String>> {
        if !self.sign("(") {
            return None;
        }
        let mut values = vec![self.literal()?.text];
        while self.sign(",") {
            values.push(self.literal()?.text);
        }
        self.sign(")").then_some(values)
    }
}

fn is_reserved(word: &str) -> bool {
    [
        "AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "BETWEEN", "TRUE", "FALSE",
    ]
    .iter()
    .any(|reserved| word.eq_ignore_ascii_case(reserved))
}

/// A number as SQL literals print: whole numbers as they are, others as doubles.
fn number_text(number: &str, negative: bool) -> String {
    let sign = if negative { "-" } else { "" };
    match number.parse::<i64>() {
        Ok(whole) => format!("{sign}{whole}"),
        Err(_) => match number.parse::<f64>() {
            Ok(value) if number.contains(['.', 'e', 'E']) => {
                format!("{sign}{}", common::java_text::double_text(value))
            }
            _ => format!("{sign}{number}"),
        },
    }
}

fn comparison(sign: &str, literal: Literal) -> Option<Test> {
    Some(match sign {
        "=" => Test::In(vec![literal.text]),
        "<>" | "!=" => Test::NotIn(vec![literal.text]),
        "<" => range(None, Some((literal, false))),
        "<=" => range(None, Some((literal, true))),
        ">" => range(Some((literal, false)), None),
        ">=" => range(Some((literal, true)), None),
        _ => return None,
    })
}

/// Compares as numbers where every bound is one.
fn range(low: Option<(Literal, bool)>, high: Option<(Literal, bool)>) -> Test {
    let numeric = [&low, &high]
        .into_iter()
        .flatten()
        .all(|(literal, _)| literal.numeric);
    let bound =
        |(literal, inclusive): (Literal, bool)| Bound::new(literal.text, inclusive, numeric);
    Test::Range(low.map(bound), high.map(bound))
}
