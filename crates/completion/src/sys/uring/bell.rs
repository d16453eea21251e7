//! What wakes a thread that waits on a ring: an eventfd that the ring polls.
//!
//! The poll stands for good and completes at each write, so the number in the eventfd is never read: writing more
//! often than 2^64 times would take some centuries.
//! Read next: `mod.rs` and `listen.rs`, which have one each.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::opcode::PollAdd;
use io_uring::types::Fd;
use rustix::event::{EventfdFlags, eventfd};

use super::ring::Ring;

#[derive(Clone)]
pub(crate) struct Bell(Arc<File>);

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        Ok(Bell(Arc::new(File::from(eventfd(0, EventfdFlags::CLOEXEC)?))))
    }

    /// Completes an operation of this name at the ring that listens.
    pub(crate) fn ring(&self) -> io::Result<()> {
        (&*self.0).write_all(&1u64.to_ne_bytes())
    }

    /// From now on the bell completes an operation named `user_data` here, each time somebody rings it.
    pub(super) fn listen(&self, ring: &mut Ring, user_data: u64) -> io::Result<()> {
        let poll = PollAdd::new(Fd(self.0.as_raw_fd()), libc::POLLIN as u32).multi(true).build();
        // SAFETY: a poll reads and writes no memory of ours.
        unsafe { ring.push(&poll.user_data(user_data)) }
    }
}
