//! A response as one Arrow record batch.
//!
//! Must not know: how a query is answered. Invariant: a response that says what went wrong is an error, also where it has rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use broker::BrokerResponse;

use crate::error::{ErrorKind, TourigaError};

/// The rows of a response that is no failure.
///
/// # Errors
/// Where the response says what went wrong.
pub(crate) fn batch(response: &BrokerResponse) -> Result<RecordBatch, TourigaError> {
    if let Some(failure) = response.failures.first() {
        return Err(TourigaError::told(
            ErrorKind::Refused,
            failure.message.clone(),
        ));
    }
    let Some(table) = &response.table else {
        return Ok(RecordBatch::new_empty(Arc::new(Schema::empty())));
    };
    wire::arrow_table::batch(&table.names, &table.types, &table.rows)
        .map_err(|e| TourigaError::new(ErrorKind::Internal, "cannot build the batch", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_an_error() {
        let failure = broker::Failure::plain(common::QueryException::new(
            common::ErrorCode::SqlParsing,
            "no",
        ));
        assert!(batch(&BrokerResponse::failed(failure)).is_err());
        assert!(batch(&BrokerResponse::default()).is_ok_and(|b| b.num_rows() == 0));
    }
}
