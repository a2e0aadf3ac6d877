//! Who calls: by basic or bearer credentials, or by a token of a handshake.
//!
//! Must not know: calls. Invariants: a token is random, lasts a day at most, and stands for exactly one caller; credentials are never logged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::source::{Caller, Source};
use crate::status::of_stranger;

/// Tokens that are kept; those that come after drive out the oldest.
const MOST: usize = 10_000;
/// How long a token lasts.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// Lets callers in.
pub(super) struct Doorkeeper {
    source: Arc<dyn Source>,
    tokens: Mutex<HashMap<String, (Caller, Instant)>>,
}

fn shown(metadata: &MetadataMap) -> Option<&str> {
    metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok())
}

impl Doorkeeper {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            tokens: Mutex::default(),
        }
    }

    /// Who calls.
    pub(super) async fn caller(&self, metadata: &MetadataMap) -> Result<Caller, Status> {
        let header = shown(metadata);
        if let Some(known) = header.and_then(|header| self.known(header)) {
            return Ok(known);
        }
        self.source.who(header).await.map_err(of_stranger)
    }

    fn known(&self, header: &str) -> Option<Caller> {
        let tokens = self.tokens.lock();
        let (caller, since) = tokens.get(header)?;
        (since.elapsed() < LASTS).then(|| caller.clone())
    }

    /// The header by which later calls are known.
    pub(super) async fn handshake(&self, metadata: &MetadataMap) -> Result<String, Status> {
        let caller = self.caller(metadata).await?;
        let secret: [u8; 32] = rand::random();
        let token: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        let header = format!("Bearer {token}");
        let mut tokens = self.tokens.lock();
        if tokens.len() >= MOST {
            tokens.retain(|_, (_, since)| since.elapsed() < LASTS);
        }
        if tokens.len() >= MOST {
            let oldest = tokens
                .iter()
                .min_by_key(|(_, (_, since))| *since)
                .map(|(h, _)| h.clone());
            oldest.map(|oldest| tokens.remove(&oldest));
        }
        tokens.insert(header.clone(), (caller, Instant::now()));
        Ok(header)
    }
}
