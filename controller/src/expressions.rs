//! Expressions of table configs: are they any, and which columns do they read.
//!
//! Must not know: evaluation. Invariant: what passes here can be compiled by ingestion.

/// The columns that an expression reads, each once, in order.
///
/// # Errors
/// Where the text is no expression.
pub(crate) fn arguments(text: &str) -> Result<Vec<String>, String> {
    let unparsable = || format!("Caught exception while parsing expression: {text}");
    let mut open = 0_i32;
    let mut columns: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted(rest, '\'').ok_or_else(unparsable)?,
            '"' => {
                let length = quoted(rest, '"').ok_or_else(unparsable)?;
                let name = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
                note(&mut columns, name);
                length
            }
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let length = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$' || c == '.'))
                    .unwrap_or(rest.len());
                let (word, after) = rest.split_at(length);
                let called = after.trim_start().starts_with('(');
                if !called && !KEYWORDS.contains(&word.to_ascii_uppercase().as_str()) {
                    note(&mut columns, word);
                }
                length
            }
            c => {
                match c {
                    '(' => open += 1,
                    ')' => open -= 1,
                    _ => {}
                }
                c.len_utf8()
            }
        };
        if open < 0 {
            return Err(unparsable());
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    if open == 0 && !text.trim().is_empty() {
        Ok(columns)
    } else {
        Err(unparsable())
    }
}

const KEYWORDS: &[&str] = &[
    "AND",
    "OR",
    "NOT",
    "NULL",
    "TRUE",
    "FALSE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AS",
    "IS",
    "IN",
    "LIKE",
    "BETWEEN",
    "CAST",
    "DISTINCT",
    "FROM",
    "INT",
    "LONG",
    "FLOAT",
    "DOUBLE",
    "STRING",
    "BOOLEAN",
    "TIMESTAMP",
    "VARCHAR",
    "INTEGER",
    "BIGINT",
    "JSON",
    "BYTES",
];

fn note(columns: &mut Vec<String>, name: &str) {
    if !columns.iter().any(|c| c == name) {
        columns.push(name.to_owned());
    }
}

/// Bytes of a quoted text with its quotes; a doubled quote is one.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return Some(index + quote.len_utf8());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::arguments;

    #[test]
    fn columns_of_expressions() {
        assert_eq!(
            arguments("concat(a, 'b(''', \"c d\")"),
            Ok(vec!["a".to_owned(), "c d".to_owned()])
        );
        assert!(arguments("upper(x").is_err());
        assert!(arguments("upper('x)").is_err());
        assert!(arguments(")(").is_err());
    }
}
