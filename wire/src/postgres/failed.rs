//! Failures as Postgres tells them: a SQLSTATE, and the text.
//!
//! Must not know: sessions. Invariant: Pinot's code is in the text, so that users find it where they know it from.

use common::ErrorCode;
use pgwire::messages::response::ErrorResponse;

use crate::source::Refusal;

/// The state of what is not offered.
pub(crate) const NOT_OFFERED: &str = "0A000";
/// The state of a broken message.
pub(crate) const PROTOCOL: &str = "08P01";
/// The state of a name of a statement or portal that is not known.
pub(crate) const NO_STATEMENT: &str = "26000";
/// The state of a parameter that cannot be used.
pub(crate) const BAD_PARAMETER: &str = "22023";

/// Why a statement has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// SQLSTATE.
    pub(crate) state: &'static str,
    /// What happened.
    pub(crate) message: String,
}

impl Failed {
    pub(crate) fn new(state: &'static str, message: impl Into<String>) -> Self {
        Self {
            state,
            message: message.into(),
        }
    }

    /// As a message; a fatal one ends the connection.
    pub(crate) fn told(&self, severity: &str) -> ErrorResponse {
        ErrorResponse::new(vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.state.to_owned()),
            (b'M', self.message.replace('\0', "")),
        ])
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let message = format!("{} (code {})", refusal.message, refusal.code.number());
        Self::new(state(refusal.code), message)
    }
}

fn state(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::SqlParsing | ErrorCode::JsonParsing | ErrorCode::TimeSeriesParsing => "42601",
        ErrorCode::AccessDenied => "42501",
        ErrorCode::TableDoesNotExist => "42P01",
        ErrorCode::UnknownColumn => "42703",
        ErrorCode::QueryValidation | ErrorCode::QueryPlanning => "42000",
        ErrorCode::ExecutionTimeout
        | ErrorCode::BrokerTimeout
        | ErrorCode::QuerySchedulingTimeout
        | ErrorCode::QueryCancellation => "57014",
        ErrorCode::TooManyRequests => "53400",
        ErrorCode::ServerOutOfCapacity | ErrorCode::ServerResourceLimitExceeded => "53200",
        ErrorCode::ServerShuttingDown => "57P01",
        ErrorCode::TableIsDisabled
        | ErrorCode::ServerTableMissing
        | ErrorCode::ServerSegmentMissing
        | ErrorCode::BrokerSegmentUnavailable
        | ErrorCode::BrokerResourceMissing
        | ErrorCode::BrokerInstanceMissing
        | ErrorCode::BrokerRequestSend
        | ErrorCode::ServerNotResponding => "55000",
        ErrorCode::QueryExecution | ErrorCode::SqlRuntime => "22000",
        ErrorCode::Internal | ErrorCode::MergeResponse | ErrorCode::Unknown => "XX000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_the_text() {
        let refusal = Refusal {
            code: ErrorCode::TableDoesNotExist,
            message: "TableDoesNotExistError: no `t`".to_owned(),
        };
        let failed = Failed::from(refusal);
        assert_eq!(failed.state, "42P01");
        assert_eq!(failed.message, "TableDoesNotExistError: no `t` (code 190)");
    }
}
