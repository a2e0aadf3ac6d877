//! Pinot's gRPC service of the broker: a query in, and blocks out: what is known of the answer, its schema, its rows.
//!
//! Must not know: brokers, segments. Invariant: what HTTP answers is answered here, with the same text for each value.

mod blocks;
mod compression;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use crate::asking;
use crate::source::{Ask, Source};
use crate::status::of_stranger;
use blocks::{Blocks, Form};
use messages::pinot_query_broker_server::{PinotQueryBroker, PinotQueryBrokerServer};
use messages::{BrokerRequest, BrokerResponse};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated from broker.proto"
)]
pub mod messages {
    tonic::include_proto!("org.apache.pinot.common.proto");
}

/// Where the service's method is.
const PATH: &str = "/org.apache.pinot.common.proto.PinotQueryBroker/{*method}";
/// Bytes of a query.
const MESSAGE_BYTES: usize = 16 << 20;
const AUTHORIZATION: &str = "authorization";

/// The service as routes of an HTTP/2 server.
pub fn router(source: Arc<dyn Source>) -> axum::Router {
    let service = PinotQueryBrokerServer::new(Service(source))
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(usize::MAX);
    axum::Router::new().route_service(PATH, service)
}

struct Service(Arc<dyn Source>);

#[tonic::async_trait]
impl PinotQueryBroker for Service {
    type SubmitStream = Pin<Box<dyn Stream<Item = Result<BrokerResponse, Status>> + Send>>;

    async fn submit(
        &self,
        request: Request<BrokerRequest>,
    ) -> Result<Response<Self::SubmitStream>, Status> {
        let header = request.metadata().get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        let header = header.map(str::to_owned);
        let BrokerRequest { metadata, sql } = request.into_inner();
        let shown = header
            .as_deref()
            .or_else(|| member(&metadata, AUTHORIZATION));
        let caller = self.0.who(shown).await.map_err(of_stranger)?;
        let form = Form::of(&metadata).map_err(Status::invalid_argument)?;
        let answer = self.0.whole(&caller, asked(sql, &metadata)).await;
        let blocks = Blocks::new(answer, form).map(|block| block.map_err(broken));
        Ok(Response::new(Box::pin(stream::iter(blocks))))
    }
}

fn broken(error: std::io::Error) -> Status {
    Status::internal(format!("rows cannot be compressed: {error}"))
}

/// A member of the request; clients write its name as they write headers.
fn member<'m>(metadata: &'m HashMap<String, String>, name: &str) -> Option<&'m str> {
    let found = metadata.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn asked(sql: String, metadata: &HashMap<String, String>) -> Ask {
    let mut options = asking::options(member(metadata, "queryOptions").unwrap_or_default());
    if let Some(trace) = member(metadata, "trace") {
        options.push(("trace".to_owned(), trace.to_owned()));
    }
    Ask {
        sql,
        options,
        database: member(metadata, "database").map(str::to_owned),
        id: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_what_a_body_holds() {
        let metadata = [
            ("queryOptions", ";timeoutMs=5; useMultistageEngine=true"),
            ("Database", "d"),
        ];
        let metadata = metadata.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let ask = asked("SELECT 1".to_owned(), &metadata.into());
        let expected = [("timeoutMs", "5"), ("useMultistageEngine", "true")];
        assert_eq!(
            ask.options,
            expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        assert_eq!(
            (ask.database.as_deref(), ask.sql.as_str()),
            (Some("d"), "SELECT 1")
        );
    }
}
