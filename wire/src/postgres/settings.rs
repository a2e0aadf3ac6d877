//! Parameters of a session: those that Postgres has, and the query options that SET keeps.
//!
//! Must not know: connections. Invariant: a name that is no parameter of Postgres' is a query option, and goes with every query.

use std::collections::BTreeMap;

use crate::syntax::without_namespace;

/// The version that clients are told; catalog and messages are those of it.
pub(crate) const VERSION: &str = "15.0";

/// Parameters with their defaults.
const PARAMETERS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lc_messages", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("row_security", "on"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", VERSION),
    ("server_version_num", "150000"),
    ("session_authorization", ""),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronize_seqscans", "on"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
    ("work_mem", "4MB"),
];

/// Parameters that clients are told at the start and when they change, as they spell them.
const TOLD: &[&str] = &[
    "server_version",
    "server_encoding",
    "client_encoding",
    "application_name",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "is_superuser",
    "session_authorization",
    "default_transaction_read_only",
    "in_hot_standby",
];

/// Parameters that are what they are, whatever a client asks for.
const FIXED: &[&str] = &[
    "client_encoding",
    "server_version",
    "server_encoding",
    "is_superuser",
    "session_authorization",
];

/// The parameters of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    own: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
}

impl Settings {
    /// Those of a session that begins.
    pub(crate) fn of(user: &str) -> Self {
        let mut settings = Self::default();
        settings
            .own
            .insert("session_authorization".to_owned(), user.to_owned());
        settings
    }

    /// What a parameter or a query option is; `None` where it is neither.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let lower = name.to_lowercase();
        let lower = match lower.as_str() {
            "transaction isolation level" => "transaction_isolation",
            "time zone" => "timezone",
            other => other,
        };
        let default = || {
            PARAMETERS
                .iter()
                .find(|(n, _)| *n == lower)
                .map(|(_, value)| (*value).to_owned())
        };
        let option = || {
            self.options
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.clone())
        };
        self.own
            .get(lower)
            .cloned()
            .or_else(default)
            .or_else(option)
    }

    /// Sets one; the name to be told to the client where it is one of those.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Option<&'static str> {
        let lower = name.to_lowercase();
        if FIXED.contains(&lower.as_str()) {
            return None;
        }
        if PARAMETERS.iter().any(|(n, _)| *n == lower) {
            self.own.insert(lower, value.to_owned());
            return TOLD
                .iter()
                .find(|told| told.eq_ignore_ascii_case(name))
                .copied();
        }
        self.options.retain(|n, _| !n.eq_ignore_ascii_case(name));
        self.options.insert(name.to_owned(), value.to_owned());
        None
    }

    /// Back to the default; everything where no name is given.
    pub(crate) fn reset(&mut self, name: &str) {
        if name.is_empty() || name.eq_ignore_ascii_case("all") {
            self.own.retain(|n, _| n == "session_authorization");
            self.options.clear();
        } else {
            self.own.remove(&name.to_lowercase());
            self.options.retain(|n, _| !n.eq_ignore_ascii_case(name));
        }
    }

    /// What a client is told at the start.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&'static str, String)> {
        TOLD.iter()
            .map(|name| (*name, self.get(name).unwrap_or_default()))
    }

    /// The query options.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        self.options
            .iter()
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }

    /// Everything, by name.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let parameters = PARAMETERS
            .iter()
            .map(|(n, _)| ((*n).to_owned(), self.get(n).unwrap_or_default()));
        parameters.chain(self.options()).collect()
    }
}

/// Name and value of a SET without its first word; `None` where nothing is to be kept.
pub(crate) fn assignment(text: &str) -> Option<(String, String)> {
    let mut rest = text.trim();
    for word in ["session ", "local "] {
        if rest.len() > word.len()
            && rest
                .get(..word.len())
                .is_some_and(|w| w.eq_ignore_ascii_case(word))
        {
            rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        }
    }
    let upper = rest.to_uppercase();
    if upper.starts_with("TRANSACTION ")
        || upper.starts_with("CHARACTERISTICS ")
        || upper.starts_with("NAMES ")
    {
        return None;
    }
    if let Some(zone) = upper.strip_prefix("TIME ZONE ") {
        let zone = rest.get(rest.len() - zone.len()..).unwrap_or_default();
        return Some(("timezone".to_owned(), unquoted(zone)));
    }
    let to = upper.find(" TO ").map(|at| (at, at + 4));
    let sign = rest.find('=').map(|at| (at, at + 1));
    let (end, begin) = match (sign, to) {
        (Some(sign), Some(to)) => sign.min(to),
        (one, other) => one.or(other)?,
    };
    let name = without_namespace(rest.get(..end)?, "pg_catalog");
    Some((unquoted(&name), unquoted(rest.get(begin..)?)))
}

/// A text without blanks and quotes around it.
pub(crate) fn unquoted(text: &str) -> String {
    let text = text.trim();
    for quote in ['\'', '"'] {
        let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
        if let Some(inner) = inner {
            let twice = format!("{quote}{quote}");
            return inner.replace(&twice, &quote.to_string());
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Settings, assignment};

    #[test]
    fn options_are_what_postgres_does_not_know() {
        let mut settings = Settings::of("me");
        assert_eq!(settings.set("TimeZone", "UTC"), Some("TimeZone"));
        assert_eq!(settings.set("client_encoding", "LATIN1"), None);
        assert_eq!(settings.set("useMultistageEngine", "true"), None);
        assert_eq!(settings.get("client_encoding").as_deref(), Some("UTF8"));
        assert_eq!(settings.get("usemultistageengine").as_deref(), Some("true"));
        assert_eq!(settings.options().len(), 1);
        settings.reset("ALL");
        assert!(settings.options().is_empty());
        assert_eq!(settings.get("session_authorization").as_deref(), Some("me"));
        assert_eq!(settings.get("nothing"), None);
    }

    #[test]
    fn assignments_are_read() {
        let read = |text| assignment(text);
        let some = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(
            read("useMultistageEngine=true"),
            some("useMultistageEngine", "true")
        );
        assert_eq!(
            read("session extra_float_digits TO 3"),
            some("extra_float_digits", "3")
        );
        assert_eq!(read("a = 'it''s to = it'"), some("a", "it's to = it"));
        assert_eq!(read("TIME ZONE 'UTC'"), some("timezone", "UTC"));
        assert_eq!(
            read("SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
            None
        );
    }
}
