//! A password that is proven without being sent: SCRAM-SHA-256 (RFC 7677), of passwords that settings hold plainly.
//!
//! Must not know: messages. Invariants: neither a password nor its keys are shown; one whom nobody knows is answered as one with another
//! password.

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};

/// How often a password is hashed, as Postgres does.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);
const SALT_BYTES: usize = 16;

/// What checks a proof.
pub struct Scram {
    salt: Vec<u8>,
    stored_key: digest::Digest,
    server_key: hmac::Key,
    /// The header that proves the same; none where nobody has this name.
    authorization: Option<String>,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scram")
    }
}

impl Scram {
    /// Of a user and a password; the salt is the same each time, as long as the process lives.
    pub(super) fn of(
        secret: &hmac::Key,
        user: &str,
        password: &str,
        authorization: Option<String>,
    ) -> Self {
        let salted = hmac::sign(secret, user.as_bytes());
        let salt = salted
            .as_ref()
            .iter()
            .take(SALT_BYTES)
            .copied()
            .collect::<Vec<u8>>();
        let mut hashed = [0; digest::SHA256_OUTPUT_LEN];
        let by = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(by, ITERATIONS, &salt, password.as_bytes(), &mut hashed);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &hashed);
        let client_key = hmac::sign(&key, b"Client Key");
        let server_key = hmac::sign(&key, b"Server Key");
        Self {
            salt,
            stored_key: digest::digest(&digest::SHA256, client_key.as_ref()),
            server_key: hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref()),
            authorization,
        }
    }

    /// The salt of the password.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How often the password is hashed.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        ITERATIONS.get()
    }

    /// Where the proof over the messages holds: the signature by which the client knows the server, and the header that proves the same.
    #[must_use]
    pub fn proven(&self, messages: &[u8], proof: &[u8]) -> Option<(Vec<u8>, String)> {
        let stored = hmac::Key::new(hmac::HMAC_SHA256, self.stored_key.as_ref());
        let signature = hmac::sign(&stored, messages);
        if proof.len() != signature.as_ref().len() {
            return None;
        }
        let pairs = proof.iter().zip(signature.as_ref());
        let client_key: Vec<u8> = pairs.map(|(a, b)| a ^ b).collect();
        let shown = digest::digest(&digest::SHA256, &client_key);
        if !super::secret::same(shown.as_ref(), self.stored_key.as_ref()) {
            return None;
        }
        let signed = hmac::sign(&self.server_key, messages);
        Some((signed.as_ref().to_vec(), self.authorization.clone()?))
    }
}

#[cfg(test)]
mod tests {
    use ring::hmac;

    use super::Scram;

    /// The example of RFC 7677, its salt put in place of ours.
    #[test]
    fn the_example_of_the_standard_is_proven() -> Result<(), Box<dyn std::error::Error>> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==")?;
        let mut hashed = [0; 32];
        let by = ring::pbkdf2::PBKDF2_HMAC_SHA256;
        ring::pbkdf2::derive(by, super::ITERATIONS, &salt, b"pencil", &mut hashed);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &hashed);
        let client_key = hmac::sign(&key, b"Client Key");
        let server_key = hmac::sign(&key, b"Server Key");
        let scram = Scram {
            salt,
            stored_key: ring::digest::digest(&ring::digest::SHA256, client_key.as_ref()),
            server_key: hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref()),
            authorization: Some("Basic x".to_owned()),
        };
        let messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")?;
        let (signature, _) = scram
            .proven(messages.as_bytes(), &proof)
            .ok_or("not proven")?;
        assert_eq!(
            STANDARD.encode(signature),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        assert!(scram.proven(b"other", &proof).is_none());
        assert!(scram.proven(messages.as_bytes(), b"short").is_none());
        Ok(())
    }
}
