//! `INSERT INTO t (columns) VALUES ..` and `INSERT INTO t FROM FILE '..'`, taken apart.
//!
//! Must not know: what is done with the rows. Invariant: text that is no INSERT is left alone.

use serde_json::{Map, Number, Value as Json};

/// An INSERT.
#[derive(Debug, PartialEq)]
pub(crate) struct Insert {
    /// Table, as written.
    pub(crate) table: String,
    /// What goes in.
    pub(crate) source: Source,
}

/// Where rows come from.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    /// Columns, none where the schema's are meant, and rows.
    Values(Vec<String>, Vec<Vec<Json>>),
    /// Files by URI.
    Files(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Name(String),
    Text(String),
    Mark(char),
}

/// Takes a statement apart; `None` where it is no INSERT.
pub(crate) fn parse(statement: &str) -> Option<Result<Insert, String>> {
    let first = statement.trim_start().get(..6)?;
    if !first.eq_ignore_ascii_case("insert") {
        return None;
    }
    Some(tokens(statement).and_then(|tokens| Parser { tokens, at: 0 }.insert()))
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() || first == ';' {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if matches!(first, '\'' | '"' | '`') {
            let (inner, after) = quoted(&rest[1..], first)?;
            rest = after;
            out.push(match first {
                '\'' => Token::Text(inner),
                _ => Token::Name(inner),
            });
            continue;
        }
        let is_word = |c: char| c.is_alphanumeric() || "_$.+-".contains(c);
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            out.push(Token::Mark(first));
            rest = &rest[first.len_utf8()..];
        } else {
            out.push(Token::Word(rest[..length].to_owned()));
            rest = &rest[length..];
        }
    }
    Ok(out)
}

/// The inside of a quoted text, in which the quote stands twice, and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut inner = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest
            .split_once(quote)
            .ok_or_else(|| format!("a text that begins with {quote} does not end"))?;
        inner.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                inner.push(quote);
                rest = more;
            }
            None => return Ok((inner, after)),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        if self.is_word(word) {
            self.at += 1;
            return Ok(());
        }
        Err(format!("expected {word}, found {}", self.shown()))
    }

    fn mark(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn shown(&self) -> String {
        match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Mark(c)) => format!("`{c}`"),
            Some(Token::Word(t) | Token::Name(t) | Token::Text(t)) => format!("`{t}`"),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek().cloned() {
            Some(Token::Word(name) | Token::Name(name)) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(format!("expected a name, found {}", self.shown())),
        }
    }

    fn insert(mut self) -> Result<Insert, String> {
        self.word("insert")?;
        self.word("into")?;
        let mut table = self.name()?;
        while self.mark('.') {
            table = self.name()?;
        }
        let source = if self.is_word("from") {
            self.files()?
        } else {
            self.values()?
        };
        Ok(Insert { table, source })
    }

    fn files(&mut self) -> Result<Source, String> {
        self.word("from")?;
        let mut files = Vec::new();
        loop {
            self.word("file")?;
            match self.next() {
                Some(Token::Text(uri)) => files.push(uri),
                _ => return Err("expected the file's URI in quotes after FILE".to_owned()),
            }
            if !self.mark(',') {
                return Ok(Source::Files(files));
            }
        }
    }

    fn values(&mut self) -> Result<Source, String> {
        let mut columns = Vec::new();
        if self.mark('(') {
            loop {
                columns.push(self.name()?);
                if !self.mark(',') {
                    break;
                }
            }
            self.end(')')?;
        }
        self.word("values")?;
        let mut rows = Vec::new();
        loop {
            self.end('(')?;
            let row = self.list(')')?;
            if !columns.is_empty() && row.len() != columns.len() {
                return Err(format!(
                    "row {} has {} values for {} columns",
                    rows.len() + 1,
                    row.len(),
                    columns.len()
                ));
            }
            rows.push(row);
            if !self.mark(',') {
                break;
            }
        }
        match self.peek() {
            None => Ok(Source::Values(columns, rows)),
            Some(_) => Err(format!("unexpected {}", self.shown())),
        }
    }

    fn end(&mut self, mark: char) -> Result<(), String> {
        if self.mark(mark) {
            return Ok(());
        }
        Err(format!("expected `{mark}`, found {}", self.shown()))
    }

    fn list(&mut self, close: char) -> Result<Vec<Json>, String> {
        let mut items = Vec::new();
        loop {
            items.push(self.value()?);
            if !self.mark(',') {
                self.end(close)?;
                return Ok(items);
            }
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Json::String(text)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("array") => {
                self.end('[')?;
                Ok(Json::Array(self.list(']')?))
            }
            Some(Token::Word(word)) => literal(&word),
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(format!("expected a literal, found {}", self.shown()))
            }
        }
    }
}

fn literal(word: &str) -> Result<Json, String> {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "null" => Ok(Json::Null),
        "true" => Ok(Json::Bool(true)),
        "false" => Ok(Json::Bool(false)),
        _ => {
            let plain = word.strip_prefix('+').unwrap_or(word);
            if let Ok(integer) = plain.parse::<i64>() {
                return Ok(Json::from(integer));
            }
            let float = plain.parse::<f64>().ok().and_then(Number::from_f64);
            float
                .map(Json::Number)
                .ok_or_else(|| format!("`{word}` is no literal"))
        }
    }
}

/// Rows by column name.
pub(crate) fn rows(columns: &[String], rows: Vec<Vec<Json>>) -> Vec<Map<String, Json>> {
    let row = |values: Vec<Json>| columns.iter().cloned().zip(values).collect();
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn statements() {
        assert_eq!(parse("SELECT 1"), None);
        let insert = parse(
            "INSERT INTO t (a, \"b\", c) VALUES (1, 'it''s', NULL), (-2.5, 'x', ARRAY[1, 2]);",
        );
        assert_eq!(
            insert,
            Some(Ok(Insert {
                table: "t".to_owned(),
                source: Source::Values(
                    ["a", "b", "c"].map(str::to_owned).to_vec(),
                    vec![
                        vec![json!(1), json!("it's"), Json::Null],
                        vec![json!(-2.5), json!("x"), json!([1, 2])]
                    ]
                ),
            }))
        );
        let files = parse("insert into \"t\" from file 'file:///a', file 's3://b'");
        let uris = ["file:///a", "s3://b"].map(str::to_owned).to_vec();
        assert_eq!(
            files.and_then(Result::ok).map(|i| i.source),
            Some(Source::Files(uris))
        );
        assert!(parse("INSERT INTO t VALUES (1,").is_some_and(|r| r.is_err()));
        assert!(parse("INSERT INTO t VALUES ('é").is_some_and(|r| r.is_err()));
    }
}
