//! URIs as `java.net.URI` reads and writes them (RFC 2396 with Java's deviations), and form encoding.
//!
//! Must not know: functions. Invariant: what does not parse in Java does not parse here; nothing is normalised.

use std::borrow::Cow;
use std::fmt::Write;

/// A parsed URI; all parts as written, percent-escapes included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Uri<'a> {
    pub(crate) scheme: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<u32>,
    /// `None` for an opaque URI such as `mailto:a@b`.
    pub(crate) path: Option<&'a str>,
    pub(crate) query: Option<&'a str>,
    pub(crate) fragment: Option<&'a str>,
}

const UNRESERVED: &str = "_-!.~'()*";
const PATH: &str = ":@&=+$,;/";
const QUERY: &str = ";/?:@&=+$,[]";
const USER: &str = ";:&=+$,";
const REGISTRY: &str = "$,;:@&=+";

fn allowed(c: char, more: &str) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || UNRESERVED.contains(c) || more.contains(c)
    } else {
        !c.is_control() && !c.is_whitespace()
    }
}

/// True where every character may stand in that part, escapes being whole.
fn legal(text: &str, more: &str) -> bool {
    let bytes = text.as_bytes();
    text.char_indices().all(|(at, c)| match c {
        '%' => bytes
            .get(at + 1..at + 3)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        c => allowed(c, more),
    })
}

impl<'a> Uri<'a> {
    /// Reads a URI; `None` where Java throws.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (before, fragment) = match text.split_once('#') {
            Some((before, fragment)) => (before, Some(fragment)),
            None => (text, None),
        };
        if !fragment.is_none_or(|f| legal(f, QUERY)) {
            return None;
        }
        let mut uri = Self {
            fragment,
            ..Self::default()
        };
        let stop = before.find(['/', '?', ':']);
        let rest = match stop.filter(|at| before.as_bytes()[*at] == b':') {
            Some(at) => {
                let scheme = &before[..at];
                let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
                if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    || !scheme.bytes().all(letters)
                {
                    return None;
                }
                uri.scheme = Some(scheme);
                &before[at + 1..]
            }
            None => before,
        };
        if uri.scheme.is_some() && !rest.starts_with('/') {
            return (!rest.is_empty() && legal(rest, QUERY)).then_some(uri);
        }
        uri.hierarchy(rest)?;
        Some(uri)
    }

    fn hierarchy(&mut self, text: &'a str) -> Option<()> {
        let mut rest = text;
        if let Some(after) = text.strip_prefix("//") {
            let end = after.find(['/', '?']).unwrap_or(after.len());
            if end > 0 {
                self.authority(&after[..end])?;
            } else if after.is_empty() && self.fragment.is_none() {
                return None;
            }
            rest = &after[end..];
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        self.path = Some(path);
        self.query = query;
        (legal(path, PATH) && query.is_none_or(|q| legal(q, QUERY))).then_some(())
    }

    /// `user@host:port`, or a registry name, of which no part is known.
    fn authority(&mut self, text: &'a str) -> Option<()> {
        if self.server(text).is_none() {
            (self.user, self.host, self.port) = (None, None, None);
            return (legal(text, REGISTRY)).then_some(());
        }
        Some(())
    }

    fn server(&mut self, text: &'a str) -> Option<()> {
        let rest = match text.split_once('@') {
            Some((user, rest)) => {
                self.user = Some(user).filter(|u| legal(u, USER));
                self.user?;
                rest
            }
            None => text,
        };
        let end = if rest.starts_with('[') {
            let end = rest.find(']')? + 1;
            let address = rest[1..end - 1].split('%').next()?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            end
        } else {
            let end = rest.find(':').unwrap_or(rest.len());
            if !is_host(&rest[..end]) {
                return None;
            }
            end
        };
        self.host = Some(&rest[..end]);
        match rest[end..].strip_prefix(':') {
            Some("") => Some(()),
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                self.port = Some(port.parse().ok().filter(|p| *p <= i32::MAX as u32)?);
                Some(())
            }
            None if end == rest.len() => Some(()),
            _ => None,
        }
    }

    /// Writes the URI of decoded parts; `None` where Java throws or the result would not parse.
    pub(crate) fn compose(parts: &Parts<'_>) -> Option<String> {
        let mut out = String::new();
        if let Some(scheme) = parts.scheme {
            if parts
                .path
                .as_ref()
                .is_some_and(|p| !p.is_empty() && !p.starts_with('/'))
            {
                return None;
            }
            let _ = write!(out, "{scheme}:");
        }
        if let Some(host) = parts.host {
            out.push_str("//");
            if let Some(user) = &parts.user {
                quote(&mut out, user, USER);
                out.push('@');
            }
            out.push_str(host);
            if let Some(port) = parts.port {
                let _ = write!(out, ":{port}");
            }
        } else if parts.user.is_some() || parts.port.is_some() {
            return None;
        }
        if let Some(path) = &parts.path {
            quote(&mut out, path, PATH);
        }
        if let Some(query) = &parts.query {
            out.push('?');
            quote(&mut out, query, QUERY);
        }
        if let Some(fragment) = &parts.fragment {
            out.push('#');
            quote(&mut out, fragment, QUERY);
        }
        Uri::parse(&out)?;
        Some(out)
    }

    /// The parts, decoded.
    pub(crate) fn parts(&self) -> Parts<'a> {
        Parts {
            scheme: self.scheme,
            user: self.user.map(decode),
            host: self.host,
            port: self.port,
            path: self.path.map(decode),
            query: self.query.map(decode),
            fragment: self.fragment.map(decode),
        }
    }
}

/// The decoded parts of a URI.
#[derive(Debug, Clone)]
pub(crate) struct Parts<'a> {
    pub(crate) scheme: Option<&'a str>,
    pub(crate) user: Option<Cow<'a, str>>,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<u32>,
    pub(crate) path: Option<Cow<'a, str>>,
    pub(crate) query: Option<Cow<'a, str>>,
    pub(crate) fragment: Option<Cow<'a, str>>,
}

/// An IPv4 address, or labels of letters, digits and inner hyphens, the last of which starts with a letter.
fn is_host(text: &str) -> bool {
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = labels.rsplit('.').next().unwrap_or_default();
    labels.split('.').all(label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Percent-escapes as UTF-8; malformed sequences become U+FFFD.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = unescape(text.as_bytes(), false).unwrap_or_else(|| text.as_bytes().to_vec());
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn unescape(text: &[u8], plus: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'%' => {
                let digits = text.get(at + 1..at + 3)?;
                out.extend(hex::decode(digits).ok()?);
                at += 3;
            }
            b'+' if plus => {
                out.push(b' ');
                at += 1;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Some(out)
}

fn quote(out: &mut String, text: &str, more: &str) {
    for c in text.chars() {
        if c != '%' && allowed(c, more) {
            out.push(c);
        } else {
            escape(out, c);
        }
    }
}

fn escape(out: &mut String, c: char) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        let _ = write!(out, "%{byte:02X}");
    }
}

/// `URLEncoder.encode` in UTF-8.
pub(crate) fn form_encode(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            ' ' => out.push('+'),
            c if c.is_ascii_alphanumeric() || "-_.*".contains(c) => out.push(c),
            c => escape(out, c),
        }
    }
}

/// `URLDecoder.decode` in UTF-8; `None` for an escape that is none.
pub(crate) fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let bytes = unescape(text.as_bytes(), true)?;
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_java_parses() {
        let uri =
            Uri::parse("https://user:pw@www.a.co.uk:8080/a/b%20c?x=1&z#f?y").unwrap_or_default();
        assert_eq!(uri.user, Some("user:pw"));
        assert_eq!((uri.host, uri.port), (Some("www.a.co.uk"), Some(8080)));
        assert_eq!(
            (uri.path, uri.query, uri.fragment),
            (Some("/a/b%20c"), Some("x=1&z"), Some("f?y"))
        );
        for wrong in [
            "not a url",
            "http://",
            "a:",
            ":a",
            "http://x/%zz",
            "1a:b",
            "http://a/{b}",
        ] {
            assert_eq!(Uri::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Uri::parse("").map(|u| u.path), Some(Some("")));
        assert_eq!(Uri::parse("mailto:a@b.com").map(|u| u.path), Some(None));
        assert_eq!(Uri::parse("http://a_b.c/p").map(|u| u.host), Some(None));
        assert_eq!(
            Uri::parse("http://[::1]:80/").and_then(|u| u.host),
            Some("[::1]")
        );
        assert_eq!(
            Uri::parse("//example.com/p;q").and_then(|u| u.host),
            Some("example.com")
        );
        assert!(Uri::parse("https://exemplo.com.br/épsilon?q=5").is_some());
    }

    #[test]
    fn form_encoding_is_that_of_java() {
        let mut out = String::new();
        form_encode("a b&c=é~-_.*", &mut out);
        assert_eq!(out, "a+b%26c%3D%C3%A9%7E-_.*");
        assert_eq!(form_decode("a%20b%C3%A9+c").as_deref(), Some("a bé c"));
        assert_eq!(form_decode("%zz"), None);
        assert_eq!(form_decode("%4"), None);
    }
}
