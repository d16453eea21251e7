//! What the standard library does out of ThreadSanitizer's sight, said to it.
//!
//! The library that comes with a stable toolchain is not instrumented. Most of what orders threads in it is inline or
//! generic, hence built with its user and seen; some is not. Each function here is linked in the place of one that is
//! not (`../src/tsan/seams.rs` tells the linker), calls it, and says which memory it acquired or released. So a lock
//! that was waited for orders what it guards, and no suppression has to name functions of ours.
//!
//! - Invariant: nothing is said that the function does not promise: an edge too many hides races.
//! - Limit: `fetch_sub`. The sanitizer knows no fences, and `Arc` gives up its count by a release and, if it was the
//!   last, an acquire fence. Here every releasing `fetch_sub` acquires too, so a forgotten fence goes unseen.
//! - Built by `rustc` alone, for `cargo xtask tsan`; no package knows it. Signatures are those of the library.
//!
//! Read next: `check.rs`, which shows that it is enough and not too much.

use std::ffi::c_void;
use std::sync::OnceState;
use std::time::Duration;

/// A lock, a count: whatever threads meet at.
type Place = *const c_void;

/// As C and the sanitizer number the memory orders.
const RELEASE: i32 = 3;
const ACQUIRE_AND_RELEASE: i32 = 4;

/// The words of a scope's shared state, one of which counts its threads. Which one is the compiler's choice.
const SCOPE_WORDS: usize = 2;

unsafe extern "C" {
    fn __tsan_acquire(place: Place);
    fn __tsan_release(place: Place);
    fn std_fetch_sub(count: Place, less: u64, order: i32) -> u64;
}

#[allow(improper_ctypes, reason = "between Rust and Rust")]
unsafe extern "Rust" {
    fn std_lock_contended(mutex: Place);
    fn std_condvar_wait(condvar: Place, mutex: Place);
    fn std_condvar_wait_timeout(condvar: Place, mutex: Place, timeout: Duration) -> bool;
    fn std_once_call(once: Place, ignore_poison: bool, init: &mut dyn FnMut(&OnceState));
    fn std_scope_leave(scope: Place, panicked: bool);
}

/// `Mutex::lock` that had to wait. One that did not is inline, and so is every unlock.
#[unsafe(no_mangle)]
fn seam_lock_contended(mutex: Place) {
    // SAFETY: the caller's arguments, passed on; the sanitizer only looks at the address.
    unsafe {
        std_lock_contended(mutex);
        __tsan_acquire(mutex);
    }
}

/// `Condvar::wait`: lets go of the mutex and takes it again.
#[unsafe(no_mangle)]
fn seam_condvar_wait(condvar: Place, mutex: Place) {
    // SAFETY: as above.
    unsafe {
        __tsan_release(mutex);
        std_condvar_wait(condvar, mutex);
        __tsan_acquire(mutex);
    }
}

/// `Condvar::wait_timeout`: the same.
#[unsafe(no_mangle)]
fn seam_condvar_wait_timeout(condvar: Place, mutex: Place, timeout: Duration) -> bool {
    // SAFETY: as above.
    unsafe {
        __tsan_release(mutex);
        let in_time = std_condvar_wait_timeout(condvar, mutex, timeout);
        __tsan_acquire(mutex);
        in_time
    }
}

/// `OnceLock` and its like, the first time: what was made is released before anybody is told that it is there.
#[unsafe(no_mangle)]
fn seam_once_call(once: Place, ignore_poison: bool, init: &mut dyn FnMut(&OnceState)) {
    // SAFETY: as above.
    unsafe {
        std_once_call(once, ignore_poison, &mut |state| {
            init(state);
            __tsan_release(once);
        });
        __tsan_acquire(once);
    }
}

/// The end of a scoped thread, which its scope waits for.
#[unsafe(no_mangle)]
fn seam_scope_leave(scope: Place, panicked: bool) {
    // SAFETY: as above.
    unsafe {
        for word in 0..SCOPE_WORDS {
            __tsan_release(scope.wrapping_byte_add(word * size_of::<usize>()));
        }
        std_scope_leave(scope, panicked);
    }
}

/// What an instrumented `fetch_sub` of a word is compiled to.
#[unsafe(no_mangle)]
extern "C" fn seam_fetch_sub(count: Place, less: u64, order: i32) -> u64 {
    let order = if order == RELEASE { ACQUIRE_AND_RELEASE } else { order };
    // SAFETY: as above; a stronger order is always allowed.
    unsafe { std_fetch_sub(count, less, order) }
}
