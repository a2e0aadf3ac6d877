//! Refusals as gRPC tells them.
//!
//! Must not know: calls. Invariant: Pinot's code is in the text.

use common::ErrorCode;
use tonic::{Code, Status};

use crate::source::{NotLetIn, Refusal};

/// The status of a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> Status {
    let message = format!("{} (code {})", refusal.message, refusal.code.number());
    Status::new(code(refusal.code), message)
}

/// The status for those who are not let in.
pub(crate) fn of_stranger(why: NotLetIn) -> Status {
    match why {
        NotLetIn::Unknown => Status::unauthenticated(why.to_string()),
        NotLetIn::MayNotRead => Status::permission_denied(why.to_string()),
    }
}

fn code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::AccessDenied => Code::PermissionDenied,
        ErrorCode::TableDoesNotExist => Code::NotFound,
        ErrorCode::SqlParsing
        | ErrorCode::JsonParsing
        | ErrorCode::TimeSeriesParsing
        | ErrorCode::UnknownColumn
        | ErrorCode::QueryValidation
        | ErrorCode::QueryPlanning => Code::InvalidArgument,
        ErrorCode::ExecutionTimeout
        | ErrorCode::BrokerTimeout
        | ErrorCode::QuerySchedulingTimeout => Code::DeadlineExceeded,
        ErrorCode::QueryCancellation => Code::Cancelled,
        ErrorCode::TooManyRequests
        | ErrorCode::ServerOutOfCapacity
        | ErrorCode::ServerResourceLimitExceeded => Code::ResourceExhausted,
        ErrorCode::ServerShuttingDown
        | ErrorCode::BrokerSegmentUnavailable
        | ErrorCode::BrokerResourceMissing
        | ErrorCode::BrokerInstanceMissing
        | ErrorCode::BrokerRequestSend
        | ErrorCode::ServerNotResponding
        | ErrorCode::ServerTableMissing
        | ErrorCode::ServerSegmentMissing => Code::Unavailable,
        ErrorCode::TableIsDisabled => Code::FailedPrecondition,
        ErrorCode::QueryExecution
        | ErrorCode::SqlRuntime
        | ErrorCode::Internal
        | ErrorCode::MergeResponse
        | ErrorCode::Unknown => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told() {
        let refusal = Refusal {
            code: ErrorCode::TableDoesNotExist,
            message: "no `t`".to_owned(),
        };
        let status = of_refusal(&refusal);
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "no `t` (code 190)")
        );
    }
}
