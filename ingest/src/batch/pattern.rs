//! Patterns of file names, `glob:**/*.csv` and `regex:.*\.csv`, as Java's path matchers read them.
//!
//! Must not know: files. Invariant: a pattern is matched against the whole path, and against the path below the folder that was searched.

use regex::Regex;

use crate::error::ConfigError;

/// A pattern.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern; without `glob:` or `regex:` it is a glob.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (kind, body) = text.split_once(':').unwrap_or(("glob", text));
        let expression = match kind {
            "glob" => glob(body),
            "regex" => body.to_owned(),
            _ => {
                return Err(ConfigError::Invalid(format!(
                    "file name pattern `{text}` begins with `{kind}:`, expected glob: or regex:"
                )));
            }
        };
        Regex::new(&format!("^(?:{expression})$"))
            .map(Self)
            .map_err(|error| ConfigError::Invalid(format!("file name pattern `{text}`: {error}")))
    }

    /// True where a path fits; `below` is the part of it that lies below the folder.
    #[must_use]
    pub fn fits(&self, path: &str, below: &str) -> bool {
        let name = below.rsplit_once('/').map_or(below, |(_, name)| name);
        [path, below, name].iter().any(|text| self.0.is_match(text))
    }
}

/// `*` is any text within a folder, `**` any text, `?` a character, `[a-c]` one of several, `{a,b}` one of several texts.
fn glob(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut depth = 0_u32;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                // `**/` is also no folder at all.
                if chars.peek() == Some(&'/') {
                    chars.next();
                    out.push_str("(?:.*/)?");
                } else {
                    out.push_str(".*");
                }
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => {
                out.push('[');
                if chars.peek() == Some(&'!') {
                    chars.next();
                    out.push('^');
                }
                for inner in chars.by_ref() {
                    match inner {
                        ']' => break,
                        '\\' | '[' | '&' | '~' => out.extend(['\\', inner]),
                        _ => out.push(inner),
                    }
                }
                out.push(']');
            }
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            '\\' => {
                if let Some(next) = chars.next() {
                    out.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
                }
            }
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let fits = |pattern: &str, path: &str| {
            let below = path.strip_prefix("/data/").unwrap_or(path);
            Pattern::parse(pattern).is_ok_and(|p| p.fits(path, below))
        };
        assert!(fits("glob:**/*.csv", "/data/a/b.csv") && fits("glob:**/*.csv", "/data/b.csv"));
        assert!(
            fits("glob:*.{csv,json}", "/data/b.json") && !fits("glob:*.{csv,json}", "/data/b.avro")
        );
        assert!(
            fits("glob:b[0-9].csv", "/data/b3.csv") && !fits("glob:b[!0-9].csv", "/data/b3.csv")
        );
        assert!(fits("regex:.*\\.csv", "/data/x.csv") && !fits("glob:?.csv", "/data/xy.csv"));
        assert!(fits("*.csv", "s3://bucket/x.csv"));
        assert!(Pattern::parse("path:x").is_err() && Pattern::parse("regex:(").is_err());
    }
}
