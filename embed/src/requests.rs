//! Requests to the roles of this process, over their own ports.
//!
//! Must not know: what is posted. Invariant: an answer that is no success is an error with the controller's own words.

use crate::error::{ErrorKind, TourigaError};

/// Who asks.
pub(crate) struct Requests {
    client: reqwest::Client,
    authorization: Option<String>,
}

impl Requests {
    pub(crate) fn new(authorization: Option<&str>) -> Self {
        Self {
            // A proxy of the environment has no business between this process and itself.
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .unwrap_or_default(),
            authorization: authorization.map(str::to_owned),
        }
    }

    /// What is shown.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// The body of an answer that is a success.
    pub(crate) async fn get(&self, port: u16, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let request = self.authorized(self.client.get(&url));
        let answer = request.send().await.ok()?;
        if answer.status().is_success() {
            answer.text().await.ok()
        } else {
            None
        }
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.authorization {
            Some(authorization) => request.header("Authorization", authorization),
            None => request,
        }
    }

    /// The body of the answer.
    pub(crate) async fn post(
        &self,
        port: u16,
        path: &str,
        body: Vec<u8>,
    ) -> Result<String, TourigaError> {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let request = self.client.post(&url).body(body);
        let request = self.authorized(request.header("Content-Type", "application/json"));
        let unreachable =
            |e| TourigaError::new(ErrorKind::Unreachable, format!("cannot ask `{url}`"), e);
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(text);
        }
        Err(TourigaError::told(
            ErrorKind::Refused,
            format!("`{path}` was answered {status}: {text}"),
        ))
    }
}
