//! SIGTERM and Ctrl-C: the first asks for an orderly end, the second ends at once. SIGHUP asks to read the keys again.
//!
//! Why: a player in the middle of a hand deserves `drain_timeout`; an operator in a hurry deserves an end.
//! Owns: one thread that waits for signals and passes them on as words.
//! Read next: [`crate::server`].

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};

/// Somebody wants this process to end. The second one is not to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRequested;

static RELOAD: AtomicBool = AtomicBool::new(false);

/// Whether SIGHUP came since this was last asked.
pub fn reload_requested() -> bool {
    RELOAD.swap(false, Relaxed)
}

/// Begins to listen; each SIGTERM or SIGINT becomes one [`StopRequested`].
pub fn listen() -> io::Result<Receiver<StopRequested>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                RELOAD.store(true, Relaxed);
            } else if sender.send(StopRequested).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
