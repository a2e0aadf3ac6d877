//! JSON paths: `$.a.b[0]`, `$['x y']`, `[*]`, `..name`, `[-1]`, `[1:3]`, `[0,2]`, `[?(@.x > 1)]`, and functions at the end.
//!
//! Must not know: documents. Invariant: a path is definite exactly if it can only ever name one value.

use super::filter::{Condition, parse_condition};

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// `.name`, `['name']`, `['a','b']`.
    Fields(Vec<String>),
    /// `[0]`, `[-1]`, `[0,2]`.
    Indexes(Vec<i64>),
    /// `[from:to]`, either side open.
    Slice(Option<i64>, Option<i64>),
    /// `*`.
    Any,
    /// `..`, applies the following step at every depth.
    Deep,
    /// `[?(...)]`.
    Where(Condition),
}

/// A function at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    Length,
    Keys,
    Min,
    Max,
    Sum,
    Average,
    First,
    Last,
}

const TAILS: &[(&str, Tail)] = &[
    ("length", Tail::Length),
    ("size", Tail::Length),
    ("keys", Tail::Keys),
    ("min", Tail::Min),
    ("max", Tail::Max),
    ("sum", Tail::Sum),
    ("avg", Tail::Average),
    ("first", Tail::First),
    ("last", Tail::Last),
];

/// A compiled path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    pub(super) steps: Vec<Step>,
    pub(super) tail: Option<Tail>,
}

/// Text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON path `{path}` at byte {at}: expected {expected}")]
pub struct PathError {
    /// The path.
    pub path: String,
    /// Where.
    pub at: usize,
    /// What was expected there.
    pub expected: &'static str,
}

impl JsonPath {
    /// Compiles a path. A path that starts with neither `$` nor `@` is taken from the root.
    ///
    /// # Errors
    /// Where the text is no path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let trimmed = text.trim();
        let full = if trimmed.starts_with(['$', '@']) {
            trimmed.to_owned()
        } else {
            format!("$.{trimmed}")
        };
        let mut compiler = Compiler { text: &full, at: 1 };
        let path = compiler.path(0)?;
        if compiler.at < full.len() {
            return compiler.fail("`.` or `[`");
        }
        Ok(path)
    }
}

/// True if the steps can only lead to one value.
pub(super) fn definite(steps: &[Step]) -> bool {
    steps.iter().all(|step| match step {
        Step::Fields(names) => names.len() == 1,
        Step::Indexes(indexes) => indexes.len() == 1,
        _ => false,
    })
}

/// How deep filters may nest in filters.
const MAX_DEPTH: usize = 20;

pub(super) struct Compiler<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Compiler<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn fail<T>(&self, expected: &'static str) -> Result<T, PathError> {
        Err(PathError {
            path: self.text.to_owned(),
            at: self.at,
            expected,
        })
    }

    pub(super) fn skip_blank(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    /// Everything after `$` or `@`, up to what can be no step.
    pub(super) fn path(&mut self, depth: usize) -> Result<JsonPath, PathError> {
        if depth > MAX_DEPTH {
            return self.fail("fewer nested filters");
        }
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some(b'.') if self.eat("..") => {
                    steps.push(Step::Deep);
                    match self.peek() {
                        Some(b'[') => steps.push(self.bracket(depth)?),
                        None => steps.push(Step::Any),
                        _ => {
                            if let Some(tail) = self.name(&mut steps)? {
                                return Ok(JsonPath {
                                    steps,
                                    tail: Some(tail),
                                });
                            }
                        }
                    }
                }
                Some(b'.') => {
                    self.at += 1;
                    if self.peek() == Some(b'[') {
                        steps.push(self.bracket(depth)?);
                    } else if let Some(tail) = self.name(&mut steps)? {
                        return Ok(JsonPath {
                            steps,
                            tail: Some(tail),
                        });
                    }
                }
                Some(b'[') => steps.push(self.bracket(depth)?),
                _ => return Ok(JsonPath { steps, tail: None }),
            }
        }
    }

    /// A name, `*`, or a function.
    fn name(&mut self, steps: &mut Vec<Step>) -> Result<Option<Tail>, PathError> {
        if self.eat("**") || self.eat("*") {
            steps.push(Step::Any);
            return Ok(None);
        }
        let rest = &self.text[self.at..];
        let length = rest
            .find([
                '.', '[', ' ', '(', ')', '=', '!', '<', '>', '&', '|', ',', ']', '~',
            ])
            .unwrap_or(rest.len());
        let name = &rest[..length];
        if name.is_empty() {
            return self.fail("a name");
        }
        self.at += length;
        if self.peek() == Some(b'(') {
            let Some((_, tail)) = TAILS.iter().find(|(known, _)| *known == name) else {
                return self.fail("a known function");
            };
            if !self.eat("()") {
                return self.fail("`()`");
            }
            return Ok(Some(*tail));
        }
        steps.push(Step::Fields(vec![name.to_owned()]));
        Ok(None)
    }

    fn bracket(&mut self, depth: usize) -> Result<Step, PathError> {
        self.at += 1;
        self.skip_blank();
        let step = match self.peek() {
            Some(b'*') => {
                self.at += 1;
                Step::Any
            }
            Some(b'\'' | b'"') => {
                let mut names = vec![self.quoted()?];
                self.skip_blank();
                while self.eat(",") {
                    self.skip_blank();
                    if !matches!(self.peek(), Some(b'\'' | b'"')) {
                        return self.fail("a quoted name");
                    }
                    names.push(self.quoted()?);
                    self.skip_blank();
                }
                Step::Fields(names)
            }
            Some(b'?') => {
                self.at += 1;
                self.skip_blank();
                if !self.eat("(") {
                    return self.fail("`(`");
                }
                let condition = parse_condition(self, depth + 1)?;
                self.skip_blank();
                if !self.eat(")") {
                    return self.fail("`)`");
                }
                Step::Where(condition)
            }
            _ => self.numbers()?,
        };
        self.skip_blank();
        if !self.eat("]") {
            return self.fail("`]`");
        }
        Ok(step)
    }

    fn numbers(&mut self) -> Result<Step, PathError> {
        let first = self.integer()?;
        self.skip_blank();
        if self.eat(":") {
            self.skip_blank();
            let to = self.integer()?;
            if first.is_none() && to.is_none() {
                return self.fail("a bound of the slice");
            }
            return Ok(Step::Slice(first, to));
        }
        let Some(first) = first else {
            return self.fail("an index, a name in quotes, `*` or `?(`");
        };
        let mut indexes = vec![first];
        while self.eat(",") {
            self.skip_blank();
            match self.integer()? {
                Some(index) => indexes.push(index),
                None => return self.fail("an index"),
            }
            self.skip_blank();
        }
        Ok(Step::Indexes(indexes))
    }

    fn integer(&mut self) -> Result<Option<i64>, PathError> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest
            .iter()
            .enumerate()
            .take_while(|(i, b)| b.is_ascii_digit() || (*i == 0 && **b == b'-'))
            .count();
        if length == 0 {
            return Ok(None);
        }
        match self.text[self.at..self.at + length].parse::<i32>() {
            Ok(number) => {
                self.at += length;
                Ok(Some(i64::from(number)))
            }
            Err(_) => self.fail("a 32-bit number"),
        }
    }

    /// Text in single or double quotes with `\` escapes.
    pub(super) fn quoted(&mut self) -> Result<String, PathError> {
        let quote = self.peek();
        let start = self.at + 1;
        let mut out = String::new();
        let mut escaped = false;
        for (offset, c) in self.text[start..].char_indices() {
            if escaped {
                out.push(match c {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c.is_ascii() && Some(c as u8) == quote {
                self.at = start + offset + 1;
                return Ok(out);
            } else {
                out.push(c);
            }
        }
        self.fail("the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_definite_or_not() -> Result<(), PathError> {
        for path in [
            "$",
            "$.a",
            "$['x y'][0]",
            "a.b",
            "$.a[-1].b",
            "$.list.length()",
        ] {
            assert!(definite(&JsonPath::parse(path)?.steps), "{path}");
        }
        for path in [
            "$.*",
            "$..a",
            "$[0:2]",
            "$[0,1]",
            "$['a','b']",
            "$[?(@.a)]",
            "$..**",
        ] {
            assert!(!definite(&JsonPath::parse(path)?.steps), "{path}");
        }
        Ok(())
    }

    #[test]
    fn broken_paths_are_refused() {
        for path in [
            "$.",
            "$[",
            "$['a",
            "$[a]",
            "$.a b",
            "$[?(@.a",
            "$.nope()",
            "$[99999999999]",
        ] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
