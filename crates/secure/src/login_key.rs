//! The key that login servers prove themselves by, and the file it lives in.
//!
//! Why: a client that is to send a proof of its password must know first whom it talks to.
//! The private file: one line, `<64 hex digits>`, readable by its owner alone. What clients are told is the public
//! key, 64 hex digits too; a client may know several, so that the key can be changed.
//! Owns: the pair and its text forms.
//! Invariants: the private key is wiped when it goes, and never shown.
//! Read next: [`crate::noise`].

use crate::cipher::KEY_BYTES;
use crate::hex;
use crate::keys::{self, KeyFileError};
use crate::session::os_rng;
use core::fmt;
use core::str::FromStr;
use curve25519_dalek::montgomery::MontgomeryPoint;
use rand::Rng;
use std::path::Path;
use zeroize::Zeroizing;

/// A login server's private key (X25519, RFC 7748).
#[derive(Clone)]
pub struct LoginKey(Zeroizing<[u8; KEY_BYTES]>);

/// Its public half.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoginPublicKey(pub(crate) [u8; KEY_BYTES]);

impl LoginKey {
    /// A fresh key from the operating system's generator.
    pub fn generate() -> Self {
        let mut key = [0; KEY_BYTES];
        os_rng().fill_bytes(&mut key);
        Self::from_private(key)
    }

    /// This key; for test vectors.
    pub fn from_private(key: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Reads the private file; see the module head for its form.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        keys::load_one(path).map(Self)
    }

    /// Writes a new private file. An existing one is left alone: an error.
    pub fn write_file(&self, path: &Path) -> Result<(), KeyFileError> {
        keys::write_one(path, &self.0)
    }

    /// What clients are told.
    pub fn public(&self) -> LoginPublicKey {
        LoginPublicKey(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }

    pub(crate) fn private(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for LoginKey {
    /// The public half.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginKey({})", self.public())
    }
}

impl fmt::Display for LoginPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for LoginPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LoginPublicKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text.trim()).map(Self).ok_or("a login key is 64 hexadecimal digits")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::private_file::{self, tests::Folder};

    #[test]
    fn a_written_key_loads_and_its_public_half_is_what_x25519_says() {
        let folder = Folder::new("login-key");
        let path = folder.0.join("login.key");
        // RFC 7748, section 5.2: after one iteration.
        let private = hex::decode(&("09".to_owned() + &"00".repeat(31))).unwrap();
        let public = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
        LoginKey::from_private(private).write_file(&path).unwrap();
        let key = LoginKey::load(&path).unwrap();
        assert_eq!(format!("{key:?}"), format!("LoginKey({public})"));
        assert_eq!(public.parse(), Ok(key.public()));
        assert!(public[1..].parse::<LoginPublicKey>().is_err());
    }

    #[test]
    fn a_file_that_is_no_key_is_named_and_not_shown() {
        let folder = Folder::new("login-key-bad");
        let path = folder.0.join("login.key");
        private_file::write(&path, "5a5a\n").unwrap();
        let error = LoginKey::load(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{}:1: the key is not 64 hexadecimal digits", path.display()));
    }
}
