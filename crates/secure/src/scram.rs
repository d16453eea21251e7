//! SCRAM-SHA-256: a password is proven and never sent, nor kept by the server.
//!
//! Why: a stolen account table lets nobody in, and a login costs the server a few hashes; what is slow
//! (PBKDF2) is the client's, which may keep the result ([`ClientKeys`]).
//! The exchange: [`client_first`] -> [`challenge`] -> [`client_final`] -> [`check`], whose answer the client
//! compares with the one it expects ([`ClientFinal::server_final`]). No step keeps anything: the texts so far
//! are handed back in, so whoever runs the exchange needs no table of open ones.
//! Owns: keys and verifiers, the texts. Does not own accounts, nor the channel: there is no channel binding
//! (`n,,`), because the handshake below has proven the server already.
//! Invariants: secrets are wiped when dropped, compared in constant time and shown by no `Debug`. Names and
//! passwords go through `SASLprep` ([`prepare`]): control characters and what Unicode 3.2 does not know are
//! refused, compatible forms are one.
//! Limits: [`ITERATIONS_MIN`] to [`ITERATIONS_MAX`]; texts of `SCRAM_BYTES_MAX`.
//! Read next: `scram/text.rs`, the grammar; RFC 5802, RFC 7677.

mod client;
pub mod key_file;
mod server;
mod text;

pub use client::{ClientFinal, client_final, client_first};
pub use server::{challenge, check};
pub use text::{ClientFirst, ServerFirst};

use base64ct::{Base64, Encoding};
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use usher_proto::AccountId;
use usher_proto::limits::{NAME_BYTES_MAX, PASSWORD_BYTES_MAX};
use zeroize::Zeroize;

/// What RFC 7677 asks for at least.
pub const ITERATIONS_MIN: u32 = 4_096;
/// More would let whoever answers keep a client busy for seconds.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// Of accounts made here: some 10 ms of a client's time.
pub const ITERATIONS_DEFAULT: u32 = 15_000;
/// A fresh salt, in bytes.
pub const SALT_BYTES: usize = 16;
/// A salt, in bytes.
pub const SALT_BYTES_MAX: usize = 64;
/// Either side's share of a nonce, in random bytes; a third more as text.
pub const NONCE_BYTES: usize = 18;

/// A key, and the hash it is made with, in bytes.
const KEY_BYTES: usize = 32;

/// Why an exchange went no further. The peer's fault, each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// That part of a text is missing or is not as the RFC has it.
    #[error("SCRAM: {0} is not as RFC 5802 has it")]
    Malformed(&'static str),
    /// It wants an extension that nobody here knows.
    #[error("SCRAM: an extension is demanded that is not known here")]
    Extension,
    /// The nonce is not the one of this exchange, or nothing was added to it.
    #[error("SCRAM: the nonce is not this exchange's")]
    Nonce,
    /// So many iterations are not taken.
    #[error("SCRAM: {0} iterations; {ITERATIONS_MIN} to {ITERATIONS_MAX} are taken")]
    Iterations(u32),
    /// The client's ready keys were made with another salt or count: the password was changed.
    #[error("SCRAM: the keys are of an older password")]
    StaleKeys,
    /// The proof does not prove the password.
    #[error("SCRAM: wrong password")]
    WrongProof,
}

/// 32 secret bytes.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// These bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Fresh ones.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; KEY_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The bytes, for whoever stores them.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn hmac(&self, parts: &[&[u8]]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("invariant: HMAC takes any key");
        for part in parts {
            mac.update(part);
        }
        Self(mac.finalize().into_bytes().into())
    }

    fn hash(&self) -> Self {
        Self(Sha256::digest(self.0).into())
    }

    fn xor(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|at| self.0[at] ^ other.0[at]))
    }
}

impl PartialEq for Key {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    /// That it is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a client needs to log in: made from the password, or kept from an earlier time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeys {
    /// Proves the client.
    pub client_key: Key,
    /// Recognises the server.
    pub server_key: Key,
    /// What they were made with.
    pub salt: Vec<u8>,
    /// And how often.
    pub iterations: u32,
}

impl ClientKeys {
    /// The keys of a password: slow, by design.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Result<Self, ScramError> {
        let mut password = prepare("password", password, PASSWORD_BYTES_MAX)?;
        let salted =
            Key(pbkdf2::pbkdf2_hmac_array::<Sha256, KEY_BYTES>(password.as_bytes(), salt, iterations));
        password.zeroize();
        Ok(Self {
            client_key: salted.hmac(&[b"Client Key"]),
            server_key: salted.hmac(&[b"Server Key"]),
            salt: salt.to_vec(),
            iterations,
        })
    }

    /// Keys that belong to no password, for accounts that only tests log in to: fast.
    pub fn generate(iterations: u32, rng: &mut impl CryptoRng) -> Self {
        let (client_key, server_key) = (Key::generate(rng), Key::generate(rng));
        Self { client_key, server_key, salt: fresh_salt(rng), iterations }
    }
}

/// What a server keeps of a password: it checks one, and logs nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Told to the client.
    pub salt: Vec<u8>,
    /// Told to the client.
    pub iterations: u32,
    /// Checks a client's proof.
    pub stored_key: Key,
    /// Proves the server.
    pub server_key: Key,
}

impl Verifier {
    /// Of a password, with a fresh salt: slow, by design.
    pub fn of_password(
        password: &str,
        iterations: u32,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ScramError> {
        Ok(Self::of_keys(&ClientKeys::derive(password, &fresh_salt(rng), iterations)?))
    }

    /// Of a client's keys.
    pub fn of_keys(keys: &ClientKeys) -> Self {
        Self {
            salt: keys.salt.clone(),
            iterations: keys.iterations,
            stored_key: keys.client_key.hash(),
            server_key: keys.server_key.clone(),
        }
    }

    /// What is asked of who names an account that is not there: the same each time, and no password fits.
    pub fn decoy(secret: &Key, name: &str, iterations: u32) -> Self {
        let salt = secret.hmac(&[b"salt ", name.as_bytes()]);
        Self {
            salt: salt.0[..SALT_BYTES].to_vec(),
            iterations,
            stored_key: secret.hmac(&[b"stored ", name.as_bytes()]),
            server_key: secret.hmac(&[b"server ", name.as_bytes()]),
        }
    }
}

/// What a store says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number, whether or not it is there.
    pub id: AccountId,
    /// What checks its password.
    pub verifier: Verifier,
    /// Whether its password would let it in.
    pub standing: Standing,
}

/// Whether a right password lets an account in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Good,
    /// It does not: said only to who has proven the password.
    Disabled,
    /// There is no such account, and so no right password; never said.
    Unknown,
}

/// A name or password as it is hashed and looked up: through `SASLprep` (RFC 4013).
pub fn prepare(what: &'static str, text: &str, bytes_max: usize) -> Result<String, ScramError> {
    let prepared = stringprep::saslprep(text).map_err(|_| ScramError::Malformed(what))?;
    if prepared.is_empty() || prepared.len() > bytes_max {
        return Err(ScramError::Malformed(what));
    }
    Ok(prepared.into_owned())
}

/// An account's name; one that `SASLprep` would change names nobody.
pub fn check_name(name: &str) -> Result<(), ScramError> {
    let prepared = prepare("the name", name, NAME_BYTES_MAX)?;
    if prepared == name { Ok(()) } else { Err(ScramError::Malformed("the name")) }
}

/// A fresh share of a nonce, as text.
pub fn fresh_nonce(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; NONCE_BYTES];
    rng.fill_bytes(&mut bytes);
    Base64::encode_string(&bytes)
}

fn fresh_salt(rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut salt = vec![0; SALT_BYTES];
    rng.fill_bytes(&mut salt);
    salt
}

#[cfg(all(test, unix))]
mod tests;
