//! The keys of the links between servers and their manager.
//!
//! Why: a server that is taken over must not be able to speak for another. So each has a key of its own, and the
//! manager, which alone holds the secret, makes any of them from its name: HKDF-SHA256 (RFC 5869) with the secret as
//! input, `usher/1 link` as salt and the name as info.
//! The files: one line of 64 hex digits each, readable by their owners alone.
//! Owns: the secret, the derivation.
//! Invariants: secret and keys are wiped when they go, and never shown.
//! Read next: [`crate::noise`].

use crate::cipher::KEY_BYTES;
use crate::keys::{self, KeyFileError};
use crate::session::os_rng;
use core::fmt;
use hkdf::Hkdf;
use rand::Rng;
use sha2::Sha256;
use std::path::Path;
use zeroize::Zeroizing;

const SALT: &[u8] = b"usher/1 link";

/// What the manager alone holds.
#[derive(Clone)]
pub struct LinkSecret(Zeroizing<[u8; KEY_BYTES]>);

/// The key of one server's link.
#[derive(Clone)]
pub struct LinkKey(Zeroizing<[u8; KEY_BYTES]>);

impl LinkSecret {
    /// A fresh secret from the operating system's generator.
    pub fn generate() -> Self {
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        os_rng().fill_bytes(&mut *secret);
        Self(secret)
    }

    /// This secret; for test vectors.
    pub fn from_bytes(secret: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// Reads the manager's file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        keys::load_one(path).map(Self)
    }

    /// Writes a new file. An existing one is left alone: an error.
    pub fn write_file(&self, path: &Path) -> Result<(), KeyFileError> {
        keys::write_one(path, &self.0)
    }

    /// The key of the server of that name.
    pub fn key_of(&self, name: &str) -> LinkKey {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let derived = Hkdf::<Sha256>::new(Some(SALT), &*self.0).expand(name.as_bytes(), &mut *key);
        derived.expect("invariant: one block is not too much");
        LinkKey(key)
    }
}

impl LinkKey {
    /// Reads a server's file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        keys::load_one(path).map(Self)
    }

    /// Writes a new file. An existing one is left alone: an error.
    pub fn write_file(&self, path: &Path) -> Result<(), KeyFileError> {
        keys::write_one(path, &self.0)
    }

    /// For a handshake.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::private_file::tests::Folder;

    #[test]
    fn each_name_has_its_own_key_and_gets_it_again() {
        let secret = LinkSecret::from_bytes([3; KEY_BYTES]);
        let key = |name| *secret.key_of(name).as_bytes();
        assert_eq!(key("room-1"), key("room-1"));
        assert_ne!(key("room-1"), key("room-2"));
        assert_ne!(key("room-1"), *LinkSecret::from_bytes([4; KEY_BYTES]).key_of("room-1").as_bytes());
    }

    #[test]
    fn files_keep_them_and_nothing_shows_them() {
        let folder = Folder::new("link-key");
        let secret = LinkSecret::generate();
        let (secret_at, key_at) = (folder.0.join("link.secret"), folder.0.join("room-1.link"));
        secret.write_file(&secret_at).unwrap();
        secret.key_of("room-1").write_file(&key_at).unwrap();
        let again = LinkSecret::load(&secret_at).unwrap().key_of("room-1");
        assert_eq!(LinkKey::load(&key_at).unwrap().as_bytes(), again.as_bytes());
        assert_eq!(format!("{secret:?} {again:?}"), "LinkSecret(..) LinkKey(..)");
    }
}
