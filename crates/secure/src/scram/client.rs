//! The client's half: who it is, its proof, and what the server must answer.
//!
//! Why: a client needs the password once; afterwards its keys do.
//! Invariants: keys prove nothing to a server that asks with another salt or count than theirs.
//! Read next: [`super::text`].

use super::server::{Signed, server_final};
use super::text::{ClientFirst, ServerFirst, escaped};
use super::{ClientKeys, ScramError, check_name};
use base64ct::{Base64, Encoding};

/// A client's last text, and what the server answers if it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFinal {
    /// To the server.
    pub text: String,
    /// From the server, to the letter.
    pub server_final: String,
}

/// A client's first text, with its share of the nonce.
pub fn client_first(name: &str, nonce: &str) -> Result<String, ScramError> {
    check_name(name)?;
    Ok(format!("n,,n={},r={nonce}", escaped(name)))
}

/// A client's proof, for the server's answer to its first text.
pub fn client_final(
    client_first: &str,
    server_first: &str,
    keys: &ClientKeys,
) -> Result<ClientFinal, ScramError> {
    let (first, asked) = (ClientFirst::parse(client_first)?, ServerFirst::parse(server_first)?);
    if asked.nonce.strip_prefix(first.nonce).is_none_or(str::is_empty) {
        return Err(ScramError::Nonce);
    }
    if (&asked.salt, asked.iterations) != (&keys.salt, keys.iterations) {
        return Err(ScramError::StaleKeys);
    }
    let without_proof = format!("c={},r={}", Base64::encode_string(first.header.as_bytes()), asked.nonce);
    let signed = Signed { client_first: first.bare, server_first, client_final: &without_proof };
    let proof = keys.client_key.xor(&signed.by(&keys.client_key.hash()));
    Ok(ClientFinal {
        text: format!("{without_proof},p={}", Base64::encode_string(proof.bytes())),
        server_final: server_final(&signed, &keys.server_key),
    })
}
