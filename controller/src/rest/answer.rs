//! Answers and refusals, and the parameters that a path carries after `?`.
//!
//! Must not know: resources. Invariant: numbers and keys are written in the order they are given.

use std::collections::HashMap;

use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::TableType;
use serde_json::{Value as Json, json};

use crate::error::ControllerError;
use crate::periodic::deleted_period;

/// What a handler gives.
pub(crate) type Answer = Result<Response, Refusal>;

/// Parameters by name.
pub(crate) type Parameters = Query<HashMap<String, String>>;

/// An error as Pinot answers it.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: u16,
    error: String,
}

impl Refusal {
    /// HTTP status.
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    pub(crate) fn new(code: u16, error: impl Into<String>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.error
    }

    pub(crate) fn invalid(error: impl Into<String>) -> Self {
        Self::new(400, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::new(404, error)
    }
}

impl From<ControllerError> for Refusal {
    fn from(error: ControllerError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(&json!({"code": self.code, "error": self.error}));
        *response.status_mut() = code;
        response
    }
}

/// A JSON answer.
pub(crate) fn json(body: &Json) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// `{"status": text}`.
pub(crate) fn status(text: impl Into<String>) -> Response {
    json(&json!({"status": text.into()}))
}

/// A plain text answer.
pub(crate) fn text(body: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], body.into()).into_response()
}

/// A parameter that says true.
pub(crate) fn flag(parameters: &Parameters, name: &str, default: bool) -> bool {
    parameters
        .get(name)
        .map_or(default, |value| value.eq_ignore_ascii_case("true"))
}

/// How long deleted segments are kept, milliseconds: the parameter `retention`, `7d`; as their table says where it is absent.
///
/// # Errors
/// Where it is no period.
pub(crate) fn retention(parameters: &Parameters) -> Result<Option<i64>, Refusal> {
    match parameters.get("retention").map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => deleted_period(text).map(Some).map_err(|error| {
            Refusal::invalid(format!("Invalid retention period '{text}': {error}"))
        }),
    }
}

/// The table type that a parameter names.
///
/// # Errors
/// Where it is none.
pub(crate) fn table_type(
    parameters: &Parameters,
    name: &str,
) -> Result<Option<TableType>, Refusal> {
    match parameters
        .get(name)
        .map(|value| value.to_ascii_uppercase())
        .as_deref()
    {
        None | Some("") => Ok(None),
        Some("OFFLINE") => Ok(Some(TableType::Offline)),
        Some("REALTIME") => Ok(Some(TableType::Realtime)),
        Some(other) => Err(Refusal::invalid(format!("Illegal table type '{other}'"))),
    }
}
