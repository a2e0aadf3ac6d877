//! Signatures of requests, AWS's version 4.
//!
//! Must not know: which request, the network. Invariant: the same request, time and secret give the same signature.

use ring::{digest, hmac};

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) token: Option<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// A request as it is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// Percent-encoded, with its slash.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, String)],
    /// Names in lower case.
    pub(super) headers: Vec<(&'static str, String)>,
    /// SHA-256 of the body, hexadecimal.
    pub(super) body_hash: &'a str,
}

/// Where and when.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// `20260131T235959Z`.
    pub(super) at: &'a str,
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// SHA-256, hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Percent-encodes everything but letters, digits and `-._~`, and slashes where they are kept.
pub(super) fn encoded(text: &str, keep_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            b'/' if keep_slashes => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The query of a request, encoded and in order.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let mut encoded: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            format!(
                "{}={}",
                self::encoded(name, false),
                self::encoded(value, false)
            )
        })
        .collect();
    encoded.sort();
    encoded.join("&")
}

/// The headers that a request is sent with, its signature among them.
pub(super) fn signed(
    request: &Request<'_>,
    identity: &Identity,
    scope: &Scope<'_>,
) -> Vec<(&'static str, String)> {
    let mut headers = request.headers.clone();
    headers.push(("x-amz-date", scope.at.to_owned()));
    if scope.service == "s3" {
        headers.push(("x-amz-content-sha256", request.body_hash.to_owned()));
    }
    if let Some(token) = &identity.token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    let mut all = headers.clone();
    all.push(("host", request.host.to_owned()));
    all.sort();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = all
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method,
        request.path,
        query(request.query),
        request.body_hash
    );
    let day = scope.at.get(..8).unwrap_or_default();
    let credential = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{credential}\n{}",
        scope.at,
        sha256(canonical.as_bytes())
    );
    let keyed = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
    };
    let mut key = keyed(format!("AWS4{}", identity.secret_key).as_bytes(), day);
    for part in [scope.region, scope.service, "aws4_request"] {
        key = keyed(key.as_ref(), part);
    }
    let signature = hex(keyed(key.as_ref(), &to_sign).as_ref());
    headers.push((
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{credential}, SignedHeaders={names}, Signature={signature}",
            identity.access_key
        ),
    ));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The GET of an object in AWS's documentation of the signature.
    #[test]
    fn the_documented_request() {
        let identity = Identity {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let empty = sha256(b"");
        let request = Request {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            query: &[],
            headers: vec![("range", "bytes=0-9".to_owned())],
            body_hash: &empty,
        };
        let scope = Scope {
            region: "us-east-1",
            service: "s3",
            at: "20130524T000000Z",
        };
        let headers = signed(&request, &identity, &scope);
        let authorization = headers
            .iter()
            .find(|(name, _)| *name == "authorization")
            .unwrap();
        assert!(
            authorization.1.ends_with(
                "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{}",
            authorization.1
        );
    }

    #[test]
    fn encoding() {
        assert_eq!(encoded("a b/é~", true), "a%20b/%C3%A9~");
        assert_eq!(
            query(&[("b", "1/2".to_owned()), ("a", String::new())]),
            "a=&b=1%2F2"
        );
    }
}
