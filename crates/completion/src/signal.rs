//! Whether a thread sleeps, and whether a turn is asked of it: one byte that its ringers and it agree on.
//!
//! It is the one lock-free piece of this crate, and apart from the waker so that `tests/signal.rs` can build this
//! file a second time, on loom's atomics, and try every order of things that the memory model allows.
//!
//! - Owns: when a wake is needed. Does not own: the wake itself, nor what the thread is woken for (`command.rs`).
//! - Invariant (no ring is lost): a ring leaves its mark on a thread that is awake too, and the thread does not
//!   sleep with the mark on. It takes the mark off *before* the turn's work, so what rang after it has its own turn.
//! - Invariant: of many rings between two turns, one at most needs a wake.
//!
//! Read next: `command.rs`, which adds the waker and the list of commands.

use super::atomic::{AtomicU8, Ordering};

/// The thread waits in its poll, or is about to: a wake is needed.
const ASLEEP: u8 = 0;
/// It works, and looks at what it was left before it sleeps.
const AWAKE: u8 = 1;
/// A turn is asked for and has not begun.
const RUNG: u8 = 2;

/// One thread's, for any thread.
pub(crate) struct Sleep(AtomicU8);

impl Sleep {
    pub(crate) fn new() -> Sleep {
        Sleep(AtomicU8::new(AWAKE))
    }

    /// Asks for a turn. `true`: the caller must wake the thread now, or say [`Sleep::not_woken`].
    pub(crate) fn ring(&self) -> bool {
        self.0.swap(RUNG, Ordering::AcqRel) == ASLEEP
    }

    /// The next ringer tries again; without this it would trust a wake that never came.
    pub(crate) fn not_woken(&self) {
        self.0.store(ASLEEP, Ordering::Release);
    }

    /// `false`: the thread will look at what it was left before this call.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Acquire) == ASLEEP
    }

    /// A turn has begun: who rang before is served by it.
    pub(crate) fn heard(&self) {
        self.0.swap(AWAKE, Ordering::AcqRel);
    }

    /// From now on a wake is needed; `false`: a turn was asked for, there is no sleep.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.0.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
