//! Whether the disk under the target folder has room for what the steps build.
//!
//! Why: where it has not, a linker dies of a bus error, or a test of whatever it could not write; neither says why.
//!
//! - Owns: how much is needed, and what is said of it.
//! - Limit: it is advice. A folder that is built already needs less, so a full run is tried all the same.

use std::path::Path;

use rustix::fs::statvfs;

/// What all steps leave in a target folder that was empty, without incremental builds: 8.3 GB, and a little.
const NEEDED_BYTES: u64 = 10 * GIB;
/// With less than this left after a failure, the disk is likely to be its cause.
const FULL_BYTES: u64 = GIB;
const GIB: u64 = 1 << 30;

/// What to say before the steps.
pub(super) fn warning(target: &Path) -> Option<String> {
    free(target).and_then(|free| too_little(target, free))
}

/// What to say of a step that has failed.
pub(super) fn suspicion(target: &Path) -> Option<String> {
    free(target).and_then(|free| full(target, free))
}

/// Bytes that are free where the target folder is, or will be; nothing if the system does not say.
fn free(target: &Path) -> Option<u64> {
    let there = target.ancestors().find(|folder| folder.exists())?;
    statvfs(there).ok().map(|stat| stat.f_bavail * stat.f_frsize)
}

fn too_little(target: &Path, free: u64) -> Option<String> {
    let (target, has, needs) = (target.display(), shown(free), shown(NEEDED_BYTES));
    let too_little = free < NEEDED_BYTES;
    too_little.then(|| format!("{target} has {has} left, and from a clean clone the steps need {needs}"))
}

fn full(target: &Path, free: u64) -> Option<String> {
    let (target, has) = (target.display(), shown(free));
    let is_full = free < FULL_BYTES;
    is_full.then(|| format!("{target} has {has} left: make room by `cargo clean`, or set CARGO_TARGET_DIR"))
}

fn shown(bytes: u64) -> String {
    let tenths = bytes / (GIB / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_too_small_is_said_before_and_after() {
        let target = Path::new("/t");
        assert_eq!(too_little(target, NEEDED_BYTES), None);
        let said = too_little(target, 9 * GIB).unwrap();
        assert!(said.starts_with("/t has 9.0 GiB left, and"), "{said}");
        assert_eq!(full(target, FULL_BYTES), None);
        let said = full(target, 0).unwrap();
        assert!(said.starts_with("/t has 0.0 GiB left: make room"), "{said}");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_it_will_be_in() {
        assert!(free(Path::new("/proc/self/no/such/folder")).is_some());
        assert!(free(&std::env::temp_dir().join("not-there/target")).is_some_and(|free| free > 0));
    }
}
