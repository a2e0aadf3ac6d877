//! A secret that is compared and never shown: plain, or a hash of it.
//!
//! Must not know: whose it is. Invariant: comparing takes the same time wherever two texts differ.

use sha2::{Digest, Sha256};

/// A password or token as settings hold it: plain, `{SHA-256}` with hex digits behind, or bcrypt (`$2b$...`).
#[derive(Clone)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

const SHA_256: &str = "{SHA-256}";
const BCRYPT: &[&str] = &["$2a$", "$2b$", "$2x$", "$2y$"];

impl Secret {
    /// Takes it over.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, to be sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text where settings hold it plainly.
    #[must_use]
    pub(super) fn plain(&self) -> Option<&str> {
        let hashed = self.0.starts_with(SHA_256) || BCRYPT.iter().any(|p| self.0.starts_with(p));
        (!hashed).then_some(&self.0)
    }

    /// True where `shown` is the secret.
    #[must_use]
    pub fn matches(&self, shown: &str) -> bool {
        if let Some(wanted) = self.0.strip_prefix(SHA_256) {
            let digest = Sha256::digest(shown.as_bytes());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            return same(
                hex.as_bytes(),
                wanted.trim().to_ascii_lowercase().as_bytes(),
            );
        }
        if BCRYPT.iter().any(|prefix| self.0.starts_with(prefix)) {
            return bcrypt::verify(shown, &self.0).unwrap_or(false);
        }
        // Digests, so that neither length nor place of a difference shows in the time.
        same(
            &Sha256::digest(shown.as_bytes()),
            &Sha256::digest(self.0.as_bytes()),
        )
    }
}

pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn hashes_and_plain_texts_match() -> Result<(), bcrypt::BcryptError> {
        assert!(Secret::new("a").matches("a") && !Secret::new("a").matches("b"));
        let hashed = Secret::new(&bcrypt::hash("a", 4)?);
        assert!(hashed.matches("a") && !hashed.matches("b"));
        let sha = Secret::new(
            "{SHA-256}CA978112CA1BBDCAFAC231B39A23DC4DA786EFF8147C4E72B9807785AFEE48BB",
        );
        assert!(sha.matches("a") && !sha.matches("A"));
        assert_eq!(format!("{:?}", Secret::new("hidden")), "***");
        Ok(())
    }
}
