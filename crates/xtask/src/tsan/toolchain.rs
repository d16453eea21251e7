//! A compiler that instruments, and the linker told where the standard library is to be heard.
//!
//! - Owns: the flags, the seams in the linker's words, and the program that checks both.
//! - Invariant: whatever this toolchain lacks is named here, before anything is built with it.
//! - Limit: the library's functions have mangled names that change with every release. They are found by how they
//!   end, in the library's own symbol table; one that is not found is an error and never left out.
//!
//! Read next: `../../tsan/seams.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{ask_rustc, host, rustc, succeed};

/// A function of `tsan/seams.rs` and the one it stands for, as its mangled name ends.
const SEAMS: &[(&str, &str)] = &[
    ("lock_contended", "_3std3sys4sync5mutex5futexNtB2_5Mutex14lock_contended"),
    ("condvar_wait", "_3std3sys4sync7condvar5futexNtB2_7Condvar4wait"),
    ("condvar_wait_timeout", "_3std3sys4sync7condvar5futexNtB2_7Condvar12wait_timeout"),
    ("once_call", "_3std3sys4sync4once5futexNtB5_4Once4call"),
    ("scope_leave", "_3std6thread6scopedNtB2_9ScopeData29decrement_num_running_threads"),
];
/// The one that the sanitizer brings, whose name is plain.
const FETCH_SUB: (&str, &str) = ("fetch_sub", "__tsan_atomic64_fetch_sub");

/// The library is not instrumented, and the compiler would not link what is with what is not.
const INSTRUMENT: [&str; 2] = ["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer"];

#[derive(Clone)]
pub(super) struct Toolchain {
    host: String,
    folder: PathBuf,
    flags: Vec<String>,
}

impl Toolchain {
    /// Builds the seams and the check from `sources`, below `folder`.
    pub(super) fn prepare(sources: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let host = host()?;
        let library = Library::read(&host)?;
        let mut toolchain = Toolchain { host, folder: folder.to_owned(), flags: Vec::new() };
        toolchain.compile(&sources.join("seams.rs"), &seams(folder), &["--crate-type=lib", "--emit=obj"])?;
        toolchain.flags = INSTRUMENT.map(str::to_owned).to_vec();
        toolchain.flags.push(format!("-Clink-arg={}", seams(folder).display()));
        for (ours, theirs) in library.seams()? {
            let names = [format!("__wrap_{theirs}=seam_{ours}"), format!("std_{ours}=__real_{theirs}")];
            toolchain
                .flags
                .push(format!("-Clink-arg=-Wl,--wrap={theirs},--defsym={}", names.join(",--defsym=")));
        }
        toolchain.compile(&sources.join("check.rs"), &toolchain.check(), &["-Cdebuginfo=1"])?;
        Ok(toolchain)
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn flags(&self) -> &[String] {
        &self.flags
    }

    /// The program that shows whether the sanitizer works.
    pub(super) fn check(&self) -> PathBuf {
        self.folder.join("check")
    }

    fn compile(&self, source: &Path, product: &Path, more: &[&str]) -> Result<()> {
        let mut command = Command::new(rustc());
        command
            .args(["--edition=2024", "-Copt-level=1", "--target", &self.host])
            .args(more)
            .args(&self.flags);
        command.arg("-o").arg(product).arg(source).env("RUSTC_BOOTSTRAP", "1");
        succeed(&mut command).with_context(|| format!("building {} for the sanitizer", source.display()))
    }
}

fn seams(folder: &Path) -> PathBuf {
    folder.join("seams.o")
}

/// The standard library as the toolchain brings it.
struct Library {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Library {
    fn read(host: &str) -> Result<Self> {
        let folder = PathBuf::from(ask_rustc(&["--print", "target-libdir"])?.trim());
        let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        let names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ensure!(
            names.iter().any(|name| name.ends_with("_rt.tsan.a")),
            "this toolchain brings no ThreadSanitizer for {host}; one for x86_64-unknown-linux-gnu does"
        );
        let name = names.iter().find(|name| name.starts_with("libstd-") && is_archive(name));
        let path = folder.join(name.with_context(|| format!("no libstd-*.rlib in {}", folder.display()))?);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Library { path, bytes })
    }

    /// Each seam's name and the symbol it stands for.
    fn seams(&self) -> Result<Vec<(&'static str, String)>> {
        let mut seams = vec![(FETCH_SUB.0, FETCH_SUB.1.to_owned())];
        for (ours, ending) in SEAMS {
            let Some(symbol) = symbol_ending(&self.bytes, ending) else {
                bail!("no symbol in {} ends in {ending}: look for what became of it", self.path.display());
            };
            seams.push((ours, symbol));
        }
        Ok(seams)
    }
}

fn is_archive(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "rlib")
}

/// The first mangled name in a table of names, each ended by a zero, that ends so.
fn symbol_ending(table: &[u8], ending: &str) -> Option<String> {
    let ends = format!("{ending}\0");
    let symbol = |at: usize| {
        let start = table[..at].iter().rposition(|byte| !is_of_name(*byte)).map_or(0, |before| before + 1);
        let name = str::from_utf8(&table[start..at + ending.len()]).ok()?;
        name.starts_with("_R").then(|| name.to_owned())
    };
    let found = table.windows(ends.len()).enumerate().filter(|(_, window)| *window == ends.as_bytes());
    found.map(|(at, _)| at).find_map(symbol)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names by what the table holds.
    #[test]
    fn a_symbol_is_found_by_its_end() {
        let end = "_3std4wait";
        for (table, found) in [
            (&b"\0_RNvCsAb_3std4wait\0"[..], Some("_RNvCsAb_3std4wait")),
            (b"_RNvCsAb_3std4wait\0", Some("_RNvCsAb_3std4wait")),
            (b"x\0_RNvCsAb_3std4waiter\0_RNvCsCd_3std4wait\0", Some("_RNvCsCd_3std4wait")),
            (b"\0notes_3std4wait\0_RNvCsCd_3std4wait\0", Some("_RNvCsCd_3std4wait")),
            (b"\0_RNvCsAb_3std4wait", None),
            (b"", None),
        ] {
            assert_eq!(symbol_ending(table, end).as_deref(), found, "{table:?}");
        }
    }
}
