//! Signatures of tokens, checked by `ring`.
//!
//! Must not know: claims. Invariant: only signatures by a private key are known; one by a shared secret never holds.

use jsonwebtoken::crypto::{CryptoProvider, JwkUtils, JwtSigner, JwtVerifier};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as Wrong, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{self as ways, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};

/// Kinds of signatures that are taken.
pub(super) const TAKEN: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    jwk_utils: JwkUtils::new_unimplemented(),
};

/// Makes this process check signatures in this way, unless it has another one already.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    Err(Error::from(ErrorKind::InvalidAlgorithm))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let rsa = rsa_way(*algorithm);
    let fixed = fixed_way(*algorithm);
    let check = match (key.kind(), rsa, fixed) {
        (DecodingKeyKind::RsaModulusExponent { n, e }, Some(way), _) => Check::Rsa {
            way,
            n: without_zeros(n),
            e: without_zeros(e),
        },
        (DecodingKeyKind::SecretOrDer(bytes), _, Some(way)) => Check::Fixed {
            way,
            key: bytes.clone(),
        },
        _ => return Err(Error::from(ErrorKind::InvalidAlgorithm)),
    };
    Ok(Box::new(By {
        algorithm: *algorithm,
        check,
    }))
}

fn rsa_way(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &ways::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &ways::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &ways::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &ways::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &ways::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &ways::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn fixed_way(algorithm: Algorithm) -> Option<&'static dyn ways::VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::ES256 => &ways::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ways::ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA => &ways::ED25519,
        _ => return None,
    })
}

/// Some issuers put a zero in front of a number, which is none for `ring`.
fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().skip_while(|byte| **byte == 0);
    digits.copied().collect()
}

enum Check {
    Rsa {
        way: &'static RsaParameters,
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Fixed {
        way: &'static dyn ways::VerificationAlgorithm,
        key: Vec<u8>,
    },
}

struct By {
    algorithm: Algorithm,
    check: Check,
}

impl JwtVerifier for By {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for By {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Wrong> {
        let checked = match &self.check {
            Check::Rsa { way, n, e } => {
                RsaPublicKeyComponents { n, e }.verify(way, message, signature)
            }
            Check::Fixed { way, key } => {
                UnparsedPublicKey::new(*way, key).verify(message, signature)
            }
        };
        checked.map_err(|_| Wrong::new())
    }
}
