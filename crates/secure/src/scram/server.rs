//! The server's half: a challenge, and the check of a proof.
//!
//! Why: two calls, each of a few hashes, that keep nothing between them.
//! Invariants: an unknown account costs what a wrong password costs.
//! Read next: [`super::client`].

use super::text::{ClientFirst, ClientProof, ServerFirst};
use super::{Key, ScramError, Verifier};
use base64ct::{Base64, Encoding};

/// The answer to a client's first text, with a fresh share of the nonce.
pub fn challenge(first: &ClientFirst<'_>, verifier: &Verifier, nonce: &str) -> String {
    let salt = Base64::encode_string(&verifier.salt);
    format!("r={}{nonce},s={salt},i={}", first.nonce, verifier.iterations)
}

/// Checks a client's proof; what to answer, so that the client knows the server.
pub fn check(
    client_first: &str,
    server_first: &str,
    client_final: &str,
    verifier: &Verifier,
) -> Result<String, ScramError> {
    let first = ClientFirst::parse(client_first)?;
    let proven = ClientProof::parse(client_final)?;
    if proven.binding != Base64::encode_string(first.header.as_bytes()) {
        return Err(ScramError::Malformed("the channel binding"));
    }
    if proven.nonce != ServerFirst::parse(server_first)?.nonce {
        return Err(ScramError::Nonce);
    }
    let signed = Signed { client_first: first.bare, server_first, client_final: proven.without_proof };
    let client_key = proven.proof.xor(&signed.by(&verifier.stored_key));
    if client_key.hash() != verifier.stored_key {
        return Err(ScramError::WrongProof);
    }
    Ok(server_final(&signed, &verifier.server_key))
}

/// What both sides sign: the RFC's `AuthMessage`.
pub(super) struct Signed<'a> {
    pub(super) client_first: &'a str,
    pub(super) server_first: &'a str,
    pub(super) client_final: &'a str,
}

impl Signed<'_> {
    pub(super) fn by(&self, key: &Key) -> Key {
        let parts = [self.client_first, ",", self.server_first, ",", self.client_final];
        key.hmac(&parts.map(str::as_bytes))
    }
}

pub(super) fn server_final(signed: &Signed<'_>, server_key: &Key) -> String {
    format!("v={}", Base64::encode_string(signed.by(server_key).bytes()))
}
