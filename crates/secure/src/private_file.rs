//! Files that only their owner may read: key files, the account database, the journal of hands.
//!
//! Why: a secret that anybody on the machine can read is none, and a server that starts anyway hides it.
//! Owns: the check of a file's mode on the way in, its mode on the way out.
//! Invariants: a file readable by group or others is not read; an existing file is overwritten by `replace`
//! alone, or by who opened it to write.
//! Limits: [`FILE_BYTES_MAX`] for what is read whole; larger files are refused.
//! Read next: [`crate::keys`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a private file was not read or written: the operator's to mend, each.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The system said no.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{0}: readable by others than its owner (mode {mode:03o}); run `chmod 600 {0}`", file.display())]
    Mode {
        /// Which file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("{}: larger than {FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
}

/// Opens a file that only its owner may read.
pub fn open(path: &Path) -> Result<File, PrivateFileError> {
    open_with(path, OpenOptions::new().read(true))
}

/// Opens a file that only its owner may read, to write to it too.
pub fn open_to_write(path: &Path) -> Result<File, PrivateFileError> {
    open_with(path, OpenOptions::new().read(true).write(true))
}

fn open_with(path: &Path, options: &OpenOptions) -> Result<File, PrivateFileError> {
    let io = |source| PrivateFileError::Io { file: path.to_owned(), source };
    let file = options.open(path).map_err(io)?;
    // Of the open file and not of its name: what was checked is what is read.
    check_mode(path, &file.metadata().map_err(io)?)?;
    Ok(file)
}

/// Makes an empty file that only its owner may read. An existing one is left alone: an error.
pub fn create(path: &Path) -> Result<File, PrivateFileError> {
    create_new(path).map_err(|source| PrivateFileError::Io { file: path.to_owned(), source })
}

/// Reads a text file that only its owner may read.
pub fn read(path: &Path) -> Result<String, PrivateFileError> {
    let io = |source| PrivateFileError::Io { file: path.to_owned(), source };
    let file = open(path)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(PrivateFileError::TooLarge(path.to_owned()));
    }
    Ok(text)
}

/// Writes a new text file that only its owner may read. An existing file is left alone: an error. The file
/// appears whole: whoever finds it may read it.
pub fn write(path: &Path, text: &str) -> Result<(), PrivateFileError> {
    let draft = draft_of(path);
    let written = write_new(&draft, text).and_then(|()| fs::hard_link(&draft, path));
    // A draft that could not be removed is as private as the file itself.
    let _ = fs::remove_file(&draft);
    written.map_err(|source| PrivateFileError::Io { file: path.to_owned(), source })
}

/// Puts a text in the place of a private file, at once whole: whoever reads finds the old one or the new one.
pub fn replace(path: &Path, text: &str) -> Result<(), PrivateFileError> {
    let draft = draft_of(path);
    let written = write_new(&draft, text).and_then(|()| fs::rename(&draft, path));
    written.map_err(|source| PrivateFileError::Io { file: path.to_owned(), source })
}

/// Beside the file, so that it can be linked; one for each process.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), PrivateFileError> {
    let mode = std::os::unix::fs::MetadataExt::mode(metadata) & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Mode { file: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), PrivateFileError> {
    Ok(())
}

#[cfg(all(test, unix))]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A folder of this test's own, gone with it.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("usher-secure-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_written_is_private_and_is_read() {
        let folder = Folder::new("private-round-trip");
        let path = folder.0.join("file");
        write(&path, "secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap(), "secret");
    }

    #[test]
    fn an_existing_file_is_left_alone() {
        let folder = Folder::new("private-existing");
        let path = folder.0.join("file");
        write(&path, "first").unwrap();
        let error = write(&path, "second").unwrap_err();
        assert!(
            matches!(error, PrivateFileError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
        );
        assert_eq!(read(&path).unwrap(), "first");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let folder = Folder::new("private-mode");
        let path = folder.0.join("file");
        write(&path, "secret").unwrap();
        for (mode, refused) in
            [(0o600, false), (0o400, false), (0o700, false), (0o640, true), (0o604, true), (0o620, true)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(text) => assert!(!refused && text == "secret", "{mode:o}"),
                Err(error) => {
                    assert!(refused, "{mode:o}: {error}");
                    assert!(
                        error.to_string().ends_with(&format!("`chmod 600 {}`", path.display())),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nowhere/keys")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/keys: "), "{error}");
    }
}
