//! SIGTERM and Ctrl-C: the first asks for an orderly end, the second ends at once. SIGHUP ends nothing.
//!
//! Why: a player in the middle of a hand deserves `drain_timeout`; an operator in a hurry deserves an end.
//! Owns: one thread that waits for signals and passes them on as words.
//! Read next: [`crate::server`].

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::{Receiver, channel};

/// Somebody wants this process to end. The second one is not to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRequested;

/// Begins to listen; each SIGTERM or SIGINT becomes one [`StopRequested`].
pub fn listen() -> io::Result<Receiver<StopRequested>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                tracing::info!("SIGHUP changes nothing: a config is read at the start");
            } else if sender.send(StopRequested).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
