//! The ring's own table of sockets: descriptors that no limit of the process counts.
//!
//! It exists so that one process holds more connections than `RLIMIT_NOFILE`. A socket comes as an ordinary one, so
//! that its addresses can be read; then it moves here and its ordinary descriptor is closed.
//!
//! Invariant: a slot is given out again only after the operation that closes it was posted, hence behind it.
//! Limits: as many slots as the config says, and the kernel allows no more than `RLIMIT_NOFILE` a ring. A socket that
//! finds the table full stays an ordinary one.
//! Read next: `mod.rs`, `attach` and `close`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::ring::Ring;
use super::source::Descriptor;

pub(super) struct Files {
    free: Vec<u32>,
}

impl Files {
    pub(super) fn new(ring: &Ring, slots: usize) -> io::Result<Files> {
        if slots > 0 {
            ring.submitter().register_files_sparse(slots as u32).map_err(|error| {
                let why = format!("direct_descriptors = {slots}: {error} (at most RLIMIT_NOFILE of them)");
                io::Error::new(error.kind(), why)
            })?;
        }
        Ok(Files { free: (0..slots as u32).rev().collect() })
    }

    /// Moves a socket into the table, if there is room.
    pub(super) fn install(&mut self, ring: &mut Ring, socket: OwnedFd) -> Descriptor {
        let Some(slot) = self.free.pop() else { return Descriptor::Ordinary(socket) };
        // A close of the slot's last socket may be posted and not handed over yet.
        let installed =
            ring.submit().and_then(|()| ring.submitter().register_files_update(slot, &[socket.as_raw_fd()]));
        match installed {
            Ok(_) => Descriptor::Direct(slot),
            Err(error) => {
                tracing::warn!(%error, "a socket could not be moved into the ring's table");
                self.free.push(slot);
                Descriptor::Ordinary(socket)
            }
        }
    }

    pub(super) fn give_back(&mut self, slot: u32) {
        self.free.push(slot);
    }
}
