//! A properties file: `key = value` lines, lists with commas, escapes with backslashes.
//!
//! Must not know: which keys there are. Invariant: a key that stands several times holds all its values.

use std::collections::HashMap;

/// The properties.
pub(super) struct Properties(HashMap<String, Vec<String>>);

impl Properties {
    pub(super) fn parse(text: &str) -> Self {
        let mut out: HashMap<String, Vec<String>> = HashMap::new();
        for line in text.lines() {
            let line = line.trim_start();
            if line.starts_with(['#', '!']) {
                continue;
            }
            if let Some((key, value)) = line.split_once('=') {
                let value = value.strip_prefix(' ').unwrap_or(value);
                let values = out.entry(unescaped(key.trim_end())).or_default();
                values.push(value.to_owned());
            }
        }
        Self(out)
    }

    /// The value of a key, without surrounding blanks.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.first()?;
        Some(value.trim())
    }

    /// The elements of a list.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let values = self.0.get(key).into_iter().flatten();
        let mut out = Vec::new();
        for value in values {
            let mut element = String::new();
            let mut escaped = false;
            for c in value.chars() {
                match c {
                    '\\' if !escaped => {
                        escaped = true;
                        continue;
                    }
                    ',' if !escaped => out.push(std::mem::take(&mut element)),
                    c => element.push(c),
                }
                escaped = false;
            }
            out.push(element);
        }
        out.into_iter()
            .map(|element| element.trim().to_owned())
            .filter(|element| !element.is_empty())
            .collect()
    }
}

fn unescaped(text: &str) -> String {
    text.replace("\\:", ":")
        .replace("\\=", "=")
        .replace("\\ ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_values() {
        let text = "a = 1\nb = x,y\\,z\nb = w\n# c = 3\nd=\n";
        let properties = Properties::parse(text);
        assert_eq!(properties.get("a"), Some("1"));
        assert_eq!(properties.list("b"), ["x", "y,z", "w"]);
        assert_eq!(properties.get("c"), None);
        assert!(properties.list("d").is_empty());
    }
}
