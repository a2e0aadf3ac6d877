//! SCRAM-SHA-256 as messages: a password is proven, and never sent.
//!
//! Must not know: passwords. Invariant: whatever a client sends is answered alike where it does not prove the password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use rand::distr::{Alphanumeric, SampleString};

use crate::source::Scram;

/// The name that clients know it by.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
const NONCE: usize = 24;

/// What was said so far.
pub(super) struct Exchange {
    /// What the client says of its channel.
    header: String,
    client_first: String,
    pub(super) server_first: String,
    nonce: String,
}

impl Exchange {
    /// Of the first message, which names the mechanism.
    pub(super) fn begin(mut said: Bytes, scram: &dyn Scram) -> Option<Self> {
        let end = said.iter().position(|byte| *byte == 0)?;
        let mechanism = said.split_to(end);
        if mechanism != MECHANISM.as_bytes() || said.len() < 5 {
            return None;
        }
        said.advance(1);
        let length = usize::try_from(said.get_i32()).ok()?;
        let first = std::str::from_utf8(said.get(..length)?).ok()?;
        let (channel, rest) = first.split_once(',')?;
        let (_, bare) = rest.split_once(',')?;
        // Binding to a channel was not offered.
        if !matches!(channel, "n" | "y") || bare.starts_with("m=") {
            return None;
        }
        let header = first.strip_suffix(bare)?.to_owned();
        let own = bare.split(',').find_map(|part| part.strip_prefix("r="))?;
        let nonce = format!(
            "{own}{}",
            Alphanumeric.sample_string(&mut rand::rng(), NONCE)
        );
        let salt = STANDARD.encode(scram.salt());
        Some(Self {
            server_first: format!("r={nonce},s={salt},i={}", scram.iterations()),
            client_first: bare.to_owned(),
            header,
            nonce,
        })
    }

    /// The server's last word, and the header that proves the same, where the client's last one proves the password.
    pub(super) fn end(&self, said: &[u8], scram: &dyn Scram) -> Option<(String, String)> {
        let last = std::str::from_utf8(said).ok()?;
        let (unproven, proof) = last.rsplit_once(",p=")?;
        let mut parts = unproven.split(',');
        let channel = parts.next()?.strip_prefix("c=")?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        if STANDARD.decode(channel).ok()? != self.header.as_bytes() || nonce != self.nonce {
            return None;
        }
        let messages = format!("{},{},{unproven}", self.client_first, self.server_first);
        let proof = STANDARD.decode(proof).ok()?;
        let (signature, authorization) = scram.proven(messages.as_bytes(), &proof)?;
        Some((format!("v={}", STANDARD.encode(signature)), authorization))
    }
}
