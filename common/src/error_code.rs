//! Pinot's query error codes and the exception that a response carries.
//!
//! Must not know: HTTP servers. Invariant: numbers and names are those of Pinot 1.5.1's `QueryErrorCode`.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $http:literal;)*) => {
        /// A query error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are Pinot's and speak for themselves")]
        pub enum ErrorCode { $($variant,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number in `exceptions[].errorCode`.
            #[must_use]
            pub fn number(self) -> u16 { match self { $(Self::$variant => $number,)* } }

            /// The text before the colon of a message.
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// The HTTP status for clients that ask for it (`Pinot-Use-Http-Status-For-Errors`).
            #[must_use]
            pub fn http_status(self) -> u16 { match self { $(Self::$variant => $http,)* } }
        }
    };
}

codes! {
    JsonParsing = 100, "JsonParsingError", 400;
    SqlParsing = 150, "SQLParsingError", 400;
    TimeSeriesParsing = 155, "TimeseriesParsingError", 400;
    SqlRuntime = 160, "SQLRuntimeError", 500;
    AccessDenied = 180, "AccessDenied", 403;
    TableDoesNotExist = 190, "TableDoesNotExistError", 404;
    TableIsDisabled = 191, "TableIsDisabledError", 404;
    QueryExecution = 200, "QueryExecutionError", 500;
    ServerShuttingDown = 210, "ServerShuttingDown", 503;
    ServerOutOfCapacity = 211, "ServerOutOfCapacity", 503;
    ServerTableMissing = 230, "ServerTableMissing", 404;
    ServerSegmentMissing = 235, "ServerSegmentMissing", 404;
    QuerySchedulingTimeout = 240, "QuerySchedulingTimeoutError", 408;
    ServerResourceLimitExceeded = 245, "ServerResourceLimitExceeded", 503;
    ExecutionTimeout = 250, "ExecutionTimeoutError", 408;
    BrokerSegmentUnavailable = 305, "BrokerSegmentUnavailable", 503;
    BrokerTimeout = 400, "BrokerTimeoutError", 408;
    BrokerResourceMissing = 410, "BrokerResourceMissingError", 503;
    BrokerInstanceMissing = 420, "BrokerInstanceMissingError", 503;
    BrokerRequestSend = 425, "BrokerRequestSend", 503;
    ServerNotResponding = 427, "ServerNotResponding", 503;
    TooManyRequests = 429, "TooManyRequests", 429;
    Internal = 450, "InternalError", 500;
    MergeResponse = 500, "MergeResponseError", 500;
    QueryCancellation = 503, "QueryCancellationError", 503;
    QueryValidation = 700, "QueryValidationError", 400;
    UnknownColumn = 710, "UnknownColumnError", 400;
    QueryPlanning = 720, "QueryPlanningError", 400;
    Unknown = 1000, "UnknownError", 500;
}

impl ErrorCode {
    /// The code with that number, `Unknown` where there is none.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number() == number)
            .unwrap_or(Self::Unknown)
    }
}

/// An error as a query response carries it: a code and a message without the code's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct QueryException {
    /// What kind of error.
    pub code: ErrorCode,
    /// What happened, where, and what was expected.
    pub message: String,
}

impl QueryException {
    /// Makes one.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for QueryException {
    /// `<name>: <message>`, the form of `exceptions[].message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    code: u16,
    message: String,
}

impl Serialize for QueryException {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            code: self.code.number(),
            message: self.message.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for QueryException {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Ok(Self {
            code: ErrorCode::from_number(wire.code),
            message: wire.message,
        })
    }
}
