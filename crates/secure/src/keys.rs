//! The cluster's ticket keys: one that seals, older ones that still open, and the file they live in.
//!
//! Why: keys are rotated while tickets sealed with the old one are still good.
//! The file: one line a key, `<16 hex digits: its id> <64 hex digits: the key>`, the sealing key first; empty
//! lines and lines that begin with `#` are skipped. Only its owner may read it.
//! Owns: the keys, their ids, the file's form. Does not own what is sealed.
//! Invariants: ids are unique; `Debug` and errors never show a key.
//! Limits: [`KEYS_MAX`] keys; a file with more is refused.
//! Read next: [`crate::ticket`].

use crate::cipher::KEY_BYTES;
use crate::hex;
use crate::private_file::{self, PrivateFileError};
use crate::session::os_rng;
use core::fmt;
use pasetors::keys::SymmetricKey;
use pasetors::version4::V4;
use rand::Rng;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Keys in one file.
pub const KEYS_MAX: usize = 16;
/// A key's id, in bytes.
pub const KEY_ID_BYTES: usize = 8;

/// Why a key file was not loaded: the operator's to mend, each. Names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file was not read or written.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// A line is not a key.
    #[error("{}:{line}: {what}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no key in it.
    #[error("{}: holds no key", .0.display())]
    Empty(PathBuf),
}

/// One key with its id.
pub(crate) struct TicketKey {
    /// The id as text: what a seal's footer says.
    pub(crate) id: String,
    pub(crate) key: SymmetricKey<V4>,
}

/// The keys that open tickets and reservations; the first one seals them.
pub struct TicketKeys {
    /// Never empty.
    keys: Vec<TicketKey>,
}

impl TicketKeys {
    /// One fresh key from the operating system's generator.
    pub fn generate() -> Self {
        Self { keys: vec![TicketKey::generate()] }
    }

    /// Reads a key file; see the module head for its form.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        Self::parse(path, &private_file::read(path)?)
    }

    /// Writes a new key file that only its owner may read. An existing file is left alone: an error.
    pub fn write_file(&self, path: &Path) -> Result<(), KeyFileError> {
        Ok(private_file::write(path, &self.lines())?)
    }

    /// Adds a fresh key that only opens, until [`Self::use_next`]; refused at [`KEYS_MAX`].
    pub fn add_next(&mut self) -> Result<(), &'static str> {
        if self.keys.len() == KEYS_MAX {
            return Err("there are as many keys as there may be: remove the oldest line");
        }
        self.keys.push(TicketKey::generate());
        Ok(())
    }

    /// The key that was added last seals from now on; the others still open what they sealed. False: there is one key.
    pub fn use_next(&mut self) -> bool {
        self.keys.rotate_right(1);
        self.keys.len() > 1
    }

    /// Writes the file anew, at once whole; it is private as before.
    pub fn replace_file(&self, path: &Path) -> Result<(), KeyFileError> {
        Ok(private_file::replace(path, &self.lines())?)
    }

    fn lines(&self) -> Zeroizing<String> {
        let lines = self.keys.iter().map(|it| [&it.id, " ", &hex::encode(it.key.as_bytes()), "\n"].concat());
        Zeroizing::new(lines.collect())
    }

    /// The key that seals.
    pub(crate) fn current(&self) -> &TicketKey {
        self.keys.first().expect("invariant: there is a sealing key")
    }

    /// The key of that id.
    pub(crate) fn find(&self, id: &[u8]) -> Option<&TicketKey> {
        self.keys.iter().find(|it| it.id.as_bytes() == id)
    }

    /// The keys in the text of a key file; errors name `path`, which is not read.
    pub fn parse(path: &Path, text: &str) -> Result<Self, KeyFileError> {
        let mut keys: Vec<TicketKey> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |what| KeyFileError::Line { file: path.to_owned(), line: at + 1, what };
            let key = TicketKey::parse(line).map_err(refused)?;
            if keys.iter().any(|it| it.id == key.id) {
                return Err(refused("this key id was used above"));
            }
            if keys.len() == KEYS_MAX {
                return Err(refused("too many keys"));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyFileError::Empty(path.to_owned()));
        }
        Ok(Self { keys })
    }
}

/// Reads a file that is one key in one line.
pub(crate) fn load_one(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyFileError> {
    let text = Zeroizing::new(private_file::read(path)?);
    let key = hex::decode(text.trim()).ok_or(KeyFileError::Line {
        file: path.to_owned(),
        line: 1,
        what: "the key is not 64 hexadecimal digits",
    })?;
    Ok(Zeroizing::new(key))
}

/// Writes such a file. An existing one is left alone: an error.
pub(crate) fn write_one(path: &Path, key: &[u8; KEY_BYTES]) -> Result<(), KeyFileError> {
    let text = Zeroizing::new(hex::encode(key) + "\n");
    Ok(private_file::write(path, &text)?)
}

impl fmt::Debug for TicketKeys {
    /// The ids, never the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|it| &it.id)).finish()
    }
}

impl TicketKey {
    fn generate() -> Self {
        let mut bytes = [0; KEY_ID_BYTES + KEY_BYTES];
        os_rng().fill_bytes(&mut bytes);
        let (id, key) = bytes.split_at(KEY_ID_BYTES);
        Self::new(id, key)
    }

    fn parse(line: &str) -> Result<Self, &'static str> {
        let (id, key) = line.split_once(char::is_whitespace).ok_or("expected a key id, a space and a key")?;
        let id = hex::decode::<KEY_ID_BYTES>(id).ok_or("the key id is not 16 hexadecimal digits")?;
        let key = hex::decode::<KEY_BYTES>(key.trim()).ok_or("the key is not 64 hexadecimal digits")?;
        Ok(Self::new(&id, &key))
    }

    fn new(id: &[u8], key: &[u8]) -> Self {
        let key = SymmetricKey::from(key).expect("invariant: a key is 32 bytes");
        Self { id: hex::encode(id), key }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::private_file::tests::Folder;

    fn ids(keys: &TicketKeys) -> Vec<&str> {
        keys.keys.iter().map(|it| it.id.as_str()).collect()
    }

    fn parse(text: &str) -> Result<TicketKeys, String> {
        TicketKeys::parse(Path::new("keys"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_written_file_loads_with_its_keys_in_order() {
        let folder = Folder::new("keys-round-trip");
        let path = folder.0.join("ticket.keys");
        let mut keys = TicketKeys::generate();
        keys.add_next().unwrap();
        keys.write_file(&path).unwrap();
        let loaded = TicketKeys::load(&path).unwrap();
        assert_eq!(ids(&loaded), ids(&keys));
        for (a, b) in loaded.keys.iter().zip(&keys.keys) {
            assert_eq!(a.key.as_bytes(), b.key.as_bytes());
        }
    }

    #[test]
    fn errors_name_file_and_line_and_never_the_key() {
        let (id, key) = ("00112233aabbccdd", "5a".repeat(32));
        let many = (0..=KEYS_MAX).map(|at| format!("{at:016x} {key}")).collect::<Vec<_>>().join("\n");
        let cases = [
            (String::new(), "keys: holds no key"),
            ("# only a comment\n\n".into(), "keys: holds no key"),
            (format!("\n{id}\n"), "keys:2: expected a key id, a space and a key"),
            (format!("short {key}"), "keys:1: the key id is not 16 hexadecimal digits"),
            (format!("{id} {}", &key[1..]), "keys:1: the key is not 64 hexadecimal digits"),
            (format!("{id} {key} more"), "keys:1: the key is not 64 hexadecimal digits"),
            (format!("{id} {key}\n{id} {key}\n"), "keys:2: this key id was used above"),
            (many, "keys:17: too many keys"),
        ];
        for (text, expected) in cases {
            let error = parse(&text).unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            assert!(!error.contains("5a5a"));
        }
    }

    #[test]
    fn comments_empty_lines_and_spacing_are_skipped() {
        let key = "5a".repeat(32);
        let text = format!("# new\n  00000000000000AA \t {key}  \r\n\n# old\n00000000000000bb {key}\n");
        assert_eq!(ids(&parse(&text).unwrap()), ["00000000000000aa", "00000000000000bb"]);
    }

    #[test]
    fn debug_shows_ids_alone() {
        let keys = parse(&format!("00112233aabbccdd {}", "5a".repeat(32))).unwrap();
        assert_eq!(format!("{keys:?}"), r#"["00112233aabbccdd"]"#);
    }

    #[test]
    fn the_next_key_opens_first_and_seals_when_it_is_used() {
        let mut keys = TicketKeys::generate();
        assert!(!keys.use_next());
        let first = keys.current().id.clone();
        keys.add_next().unwrap();
        let next = keys.keys[1].id.clone();
        assert_eq!(keys.current().id, first);
        assert!(keys.use_next());
        assert_eq!(ids(&keys), [&next, &first]);
    }

    #[test]
    fn a_replaced_file_is_private_and_has_room_for_so_many_keys() {
        let folder = Folder::new("keys-replaced");
        let path = folder.0.join("ticket.keys");
        let mut keys = TicketKeys::generate();
        keys.write_file(&path).unwrap();
        (1..KEYS_MAX).for_each(|_| keys.add_next().unwrap());
        assert!(keys.add_next().is_err());
        keys.replace_file(&path).unwrap();
        assert_eq!(ids(&TicketKeys::load(&path).unwrap()), ids(&keys));
    }
}
