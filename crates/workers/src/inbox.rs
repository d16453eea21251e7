//! What other threads have for the service of the pools, in order.
//!
//! Why: an ask is never refused because a queue of layer 2 is full, and many asks are one wake.
//! Invariants: whoever puts the first note wakes the service; after [`Inbox::close`] nothing is put.
//! Limits: [`ASKS_MAX`] requests at once; one more comes back.
//! Read next: [`crate::service`].

use crate::job::{Asker, Job};
use crate::slot::Slot;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Requests that may wait to be seen by the service. It sees all of them in one go.
pub(crate) const ASKS_MAX: usize = 65_536;

/// A request for a group.
pub(crate) struct Asked {
    pub(crate) group: usize,
    pub(crate) job: Job,
    pub(crate) asker: Asker,
    pub(crate) within: Option<Duration>,
}

/// What is said to the service.
pub(crate) enum Note {
    Ask(Box<Asked>),
    /// The process of that life has ended, or could not be started.
    Ended(Slot),
    Reload,
    Drain,
    Stop {
        at_once: bool,
    },
}

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    notes: Vec<Note>,
    is_closed: bool,
}

impl Inbox {
    /// Puts a note; whether the service is to be woken. The note comes back if it is not taken.
    pub(crate) fn put(&self, note: Note) -> Result<bool, Note> {
        let mut state = self.lock();
        let is_full = matches!(note, Note::Ask(_)) && state.notes.len() >= ASKS_MAX;
        if state.is_closed || is_full {
            return Err(note);
        }
        state.notes.push(note);
        Ok(state.notes.len() == 1)
    }

    pub(crate) fn take(&self) -> Vec<Note> {
        mem::take(&mut self.lock().notes)
    }

    /// Takes nothing more; what is there is given back.
    pub(crate) fn close(&self) -> Vec<Note> {
        let mut state = self.lock();
        state.is_closed = true;
        mem::take(&mut state.notes)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
