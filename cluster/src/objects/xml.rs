//! The little XML that stores of objects answer with: elements by name, entities.
//!
//! Must not know: requests. Invariant: text that is no XML gives nothing, and no panic.

/// The texts of every element of a name, in their order; elements of the same name are not within each other.
pub(super) fn all<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(&open) {
        rest = &rest[at + open.len()..];
        // `<Key>`, `<Key a="b">`, but not `<KeyCount>`.
        let Some(end) = rest.find('>') else { break };
        let attributes = &rest[..end];
        if !(attributes.is_empty() || attributes.starts_with([' ', '/', '\n', '\t'])) {
            continue;
        }
        rest = &rest[end + 1..];
        if attributes.ends_with('/') {
            found.push("");
            continue;
        }
        let Some(length) = rest.find(&close) else {
            break;
        };
        found.push(&rest[..length]);
        rest = &rest[length + close.len()..];
    }
    found
}

/// The text of the first element of a name, without entities.
pub(super) fn first(text: &str, name: &str) -> Option<String> {
    all(text, name).first().map(|inner| plain(inner))
}

/// A text without entities.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').map(|end| (&rest[1..end], end + 1));
        let Some((found, length)) = entity.and_then(|(name, length)| Some((meant(name)?, length)))
        else {
            out.push('&');
            rest = &rest[1..];
            continue;
        };
        out.push(found);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

fn meant(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_entities() {
        let text = "<R><KeyCount>2</KeyCount><C><Key>a&amp;b&#233;</Key></C><C><Key x=\"1\">c</Key></C><Token/></R>";
        assert_eq!(all(text, "C").len(), 2);
        assert_eq!(first(text, "Key").as_deref(), Some("a&bé"));
        assert_eq!(first(text, "Token").as_deref(), Some(""));
        assert_eq!(first(text, "KeyCount").as_deref(), Some("2"));
        assert!(all("<Key>never", "Key").is_empty() && all("<Key", "Key").is_empty());
        assert_eq!(plain("a&b;c&"), "a&b;c&");
    }
}
