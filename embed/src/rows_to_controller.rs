//! Rows that came by a protocol of their own go to the controller, as `POST /tables/{table}/rows` takes them.
//!
//! Must not know: protocols. Invariants: rows are sent once, never again after a failure; the controller judges who sends them.

use cluster::Dial;
use common::ErrorCode;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value as Json};
use wire::{Insert, Refusal};

use crate::error::{ErrorKind, TourigaError};

/// The way to the controller.
pub(crate) struct RowsToController {
    client: reqwest::Client,
    scheme: &'static str,
}

fn refusal(code: ErrorCode, message: impl Into<String>) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

impl RowsToController {
    pub(crate) fn by(dial: &Dial) -> Result<Self, TourigaError> {
        let made = dial.http().build();
        let client = made
            .map_err(|e| TourigaError::new(ErrorKind::Settings, "cannot make an HTTP client", e))?;
        Ok(Self {
            client,
            scheme: dial.scheme(),
        })
    }

    /// Hands rows on; they are durable when it returns.
    pub(crate) async fn take(
        &self,
        address: Option<String>,
        authorization: Option<&str>,
        insert: &Insert,
    ) -> Result<(), Refusal> {
        let Some(address) = address else {
            let why = "no controller is known that could take rows";
            return Err(refusal(ErrorCode::BrokerInstanceMissing, why));
        };
        let mut body = Vec::new();
        for row in &insert.rows {
            let row: Map<String, Json> = row.iter().cloned().collect();
            serde_json::to_writer(&mut body, &row)
                .map_err(|e| refusal(ErrorCode::Internal, e.to_string()))?;
            body.push(b'\n');
        }
        let url = format!("{}://{address}/tables/{}/rows", self.scheme, insert.table);
        let mut request = self.client.post(url).body(body);
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some(shown) = authorization {
            request = request.header(AUTHORIZATION, shown);
        }
        let lost = |e: reqwest::Error| {
            let why = format!(
                "controller {address}: {e}; whether the rows were taken is not known, look before they are sent again"
            );
            refusal(ErrorCode::BrokerRequestSend, why)
        };
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        let told = serde_json::from_str::<Json>(&text).ok();
        let told = told.and_then(|json| json["error"].as_str().map(str::to_owned));
        Err(refusal(code(status), told.unwrap_or(text)))
    }
}

fn code(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorCode::AccessDenied,
        StatusCode::NOT_FOUND => ErrorCode::TableDoesNotExist,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::BrokerRequestSend,
        status if status.is_client_error() => ErrorCode::QueryValidation,
        _ => ErrorCode::QueryExecution,
    }
}
