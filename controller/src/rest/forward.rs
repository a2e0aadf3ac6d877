//! What another controller decides goes to it: a controller that does not lead passes requests on.
//!
//! Must not know: what a request asks for. Invariants: a request is passed on once at most; one that only looks is answered from this
//! controller's copy where nobody leads; one that changes something is repeated only where it cannot have been taken.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Refusal, Shared, access};
use crate::core::Core;

/// Marks what was passed on, and the answer of somebody who does not lead either.
const PASSED_ON: HeaderName = HeaderName::from_static("x-touriga-passed-on");
/// How long a change of the leader may take.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(200);
/// Bodies up to here are kept, so that they can be sent again.
const KEPT_BYTES: usize = 1 << 20;
/// Paths about this very process, and questions that its copy answers as well.
const OWN: &[&str] = &[
    "/metrics",
    "/version",
    "/uptime",
    "/start-time",
    "/appconfigs",
    "/loggers",
    "/sql",
];
/// Headers that belong to one connection.
const OF_CONNECTION: &[HeaderName] = &[
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
];

fn is_own(path: &str) -> bool {
    let own = |own: &&str| {
        path.strip_prefix(*own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    OWN.iter().any(own) || access::is_open(path)
}

/// A request that is sent on.
struct Passed {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Kept,
}

enum Kept {
    Whole(Bytes),
    Once(Option<Body>),
}

enum Outcome {
    Answered(Box<Response>),
    /// Nobody has taken it.
    NotTaken(String),
    Lost(String),
}

/// Passes a request on where this controller does not lead.
pub(super) async fn to_leader(State(core): Shared, request: Request, next: Next) -> Response {
    let Some(seat) = core.seat.clone() else {
        return next.run(request).await;
    };
    if core.leads() || request.method() == Method::OPTIONS || is_own(request.uri().path()) {
        return next.run(request).await;
    }
    if request.headers().contains_key(PASSED_ON) {
        return nobody("the one that was taken for the leader is none", true);
    }
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let (parts, body) = request.into_parts();
    let mut passed = match Passed::of(&parts, body, looks).await {
        Ok(passed) => passed,
        Err(refusal) => return refusal.into_response(),
    };
    let until = Instant::now() + PATIENCE;
    loop {
        if core.leads() {
            return next.run(passed.again(parts)).await;
        }
        let outcome = match seat.leader() {
            Some(leader) => passed.send(&core, &leader.url).await,
            None => Outcome::NotTaken("no controller leads now".to_owned()),
        };
        match outcome {
            Outcome::Answered(response) => return *response,
            Outcome::NotTaken(_) | Outcome::Lost(_) if looks && seat.is_copied() => {
                return next.run(passed.again(parts)).await;
            }
            Outcome::NotTaken(why) if Instant::now() >= until || passed.is_spent() => {
                return nobody(&why, false);
            }
            Outcome::NotTaken(_) => seat.changed(RETRY).await,
            Outcome::Lost(why) => {
                return Refusal::new(
                    503,
                    format!("{why}; whether it was done is not known, look before it is repeated"),
                )
                .into_response();
            }
        }
    }
}

fn nobody(why: &str, passed_on: bool) -> Response {
    let text = format!("{why}; ask again in a few seconds");
    let mut response = Refusal::new(503, text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    if passed_on {
        headers.insert(PASSED_ON, HeaderValue::from_static("nobody"));
    }
    response
}

impl Passed {
    async fn of(parts: &Parts, body: Body, looks: bool) -> Result<Self, Refusal> {
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let body = if looks || length.is_some_and(|length| length <= KEPT_BYTES) {
            let whole = to_bytes(body, KEPT_BYTES).await;
            Kept::Whole(whole.map_err(|error| Refusal::invalid(error.to_string()))?)
        } else {
            Kept::Once(Some(body))
        };
        let mut headers = parts.headers.clone();
        for name in OF_CONNECTION {
            headers.remove(name);
        }
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(PASSED_ON, HeaderValue::from_static("once"));
        let path = parts.uri.path_and_query();
        Ok(Self {
            method: parts.method.clone(),
            path: path.map_or_else(|| "/".to_owned(), ToString::to_string),
            headers,
            body,
        })
    }

    /// The request for this very controller.
    fn again(self, parts: Parts) -> Request {
        let body = match self.body {
            Kept::Whole(bytes) => Body::from(bytes),
            Kept::Once(body) => body.unwrap_or_default(),
        };
        Request::from_parts(parts, body)
    }

    fn is_spent(&self) -> bool {
        matches!(self.body, Kept::Once(None))
    }

    async fn send(&mut self, core: &Core, leader: &str) -> Outcome {
        let body = match &mut self.body {
            Kept::Whole(bytes) => reqwest::Body::from(bytes.clone()),
            Kept::Once(body) => {
                let stream = body.take().unwrap_or_default().into_data_stream();
                reqwest::Body::wrap_stream(stream)
            }
        };
        let sent = core
            .controllers
            .request(self.method.clone(), format!("{leader}{}", self.path))
            .headers(self.headers.clone())
            .body(body)
            .send()
            .await;
        match sent {
            Ok(answer) if answer.headers().contains_key(PASSED_ON) => {
                Outcome::NotTaken("no controller leads now".to_owned())
            }
            Ok(answer) => Outcome::Answered(Box::new(answered(answer))),
            Err(error) if error.is_connect() => {
                Outcome::NotTaken(format!("the leading controller cannot be reached: {error}"))
            }
            Err(error) => Outcome::Lost(format!("the leading controller did not answer: {error}")),
        }
    }
}

fn answered(answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn what_is_about_this_process_stays() {
        assert!(is_own("/metrics") && is_own("/health/readiness") && is_own("/console.js"));
        assert!(is_own("/loggers/root") && is_own("/sql"));
        assert!(!is_own("/tables") && !is_own("/sqlx") && !is_own("/instances/Server_h_1"));
    }
}
