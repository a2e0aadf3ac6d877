//! The body of a query request.
//!
//! Must not know: SQL. Invariant: keys that are not known are ignored, as older clients send many.

use std::sync::Arc;

use cluster::Principal;
use serde_json::Value as Json;
use sql::Options;

/// What a client asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryInput {
    /// The text.
    pub sql: String,
    /// Options beside the text; those in the text win.
    pub options: Options,
    /// Database of table names without one.
    pub database: Option<String>,
    /// Asked for a trace.
    pub trace: bool,
    /// Asked for the multi-stage engine by path.
    pub multi_stage: bool,
    /// Who asks; `None` where nobody is asked who they are.
    pub principal: Option<Arc<Principal>>,
}

impl QueryInput {
    /// A query without options.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            ..Self::default()
        }
    }

    /// A query inside of this one: the same database, and the same rights.
    #[must_use]
    pub(crate) fn inner(&self, sql: &str, options: &Options) -> Self {
        Self {
            sql: sql.to_owned(),
            options: options.clone(),
            database: self.database.clone(),
            principal: self.principal.clone(),
            ..Self::default()
        }
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// With the text of the bare JSON string that is answered with status 500.
    pub(crate) fn from_body(body: &[u8]) -> Result<Self, String> {
        let missing = || "Payload is missing the query string field 'sql'".to_owned();
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(missing());
        }
        let json: Json = serde_json::from_slice(body).map_err(|error| unreadable(body, &error))?;
        let sql = match json.get("sql") {
            Some(Json::String(sql)) => sql.clone(),
            Some(Json::Null) | None => return Err(missing()),
            Some(other) => other.to_string(),
        };
        let mut input = Self::new(sql);
        if let Some(text) = json.get("queryOptions").and_then(Json::as_str) {
            input.options.read(text, &[';']);
        }
        input.trace = json.get("trace").is_some_and(is_true);
        Ok(input)
    }
}

fn is_true(json: &Json) -> bool {
    match json {
        Json::Bool(value) => *value,
        Json::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Words and place of what is not JSON, as Pinot answers them.
fn unreadable(body: &[u8], error: &serde_json::Error) -> String {
    let text = String::from_utf8_lossy(body);
    let token: String = text
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$')
        .collect();
    let what = if token.is_empty() {
        error.to_string()
    } else {
        format!(
            "Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
             'false')"
        )
    };
    format!(
        "{what}\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {}, column: {}]",
        error.line(),
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use super::QueryInput;

    #[test]
    fn bodies_of_old_clients_are_read() -> Result<(), String> {
        let body = br#"{"sql":"SELECT 1","trace":"true","groupByMode":"sql","queryOptions":";timeoutMs=5000;useMultistageEngine=true"}"#;
        let input = QueryInput::from_body(body)?;
        assert_eq!(input.sql, "SELECT 1");
        assert!(input.trace && input.options.is_true("usemultistageengine"));
        assert_eq!(input.options.number("TIMEOUTMS"), Some(5000));
        Ok(())
    }

    #[test]
    fn what_is_no_query_is_said() {
        let missing = Err("Payload is missing the query string field 'sql'".to_owned());
        assert_eq!(QueryInput::from_body(b""), missing);
        assert_eq!(QueryInput::from_body(br#"{"query":"SELECT 1"}"#), missing);
        assert!(
            QueryInput::from_body(b"SELECT 1")
                .is_err_and(|e| e.starts_with("Unrecognized token 'SELECT': was expecting"))
        );
    }
}
