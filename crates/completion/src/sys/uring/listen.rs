//! Listeners over io_uring: one standing accept each.
//!
//! A standing accept completes once for each connection. It says its last word at an error (no descriptor left, for
//! one); it is posted anew when the rest that calls for is over.
//!
//! Invariant: whoever was accepted and not given away is closed with the descriptor that holds it.
//! Limit: the completions of one ring a turn.
//! Read next: `../../accept.rs`, which owns one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use io_uring::opcode::{AcceptMulti, AsyncCancel};
use io_uring::types::Fd;

use super::bell::Bell;
use super::ring::{Completion, Ring};
use crate::id::ListenerId;
use crate::sys::{Listening, Socket, Waker, is_about_one_connection};

const BELL: u64 = u64::MAX;
const CANCEL: u64 = u64::MAX - 1;

pub(crate) struct Listeners {
    ring: Ring,
    bell: Bell,
    listens: bool,
    open: Vec<Listener>,
    completions: Vec<Completion>,
}

struct Listener {
    id: ListenerId,
    socket: TcpListener,
    accepting: bool,
}

impl Listening for Listeners {
    fn new() -> io::Result<(Listeners, Waker)> {
        let bell = Bell::new()?;
        let listeners = Listeners {
            ring: Ring::new()?,
            bell: bell.clone(),
            listens: false,
            open: Vec::new(),
            completions: Vec::new(),
        };
        Ok((listeners, Waker::Uring(bell)))
    }

    fn add(&mut self, id: ListenerId, socket: TcpListener) -> io::Result<()> {
        socket.set_nonblocking(false)?;
        self.open.push(Listener { id, socket, accepting: false });
        Ok(())
    }

    fn remove(&mut self, id: ListenerId) {
        let name = u64::from(id.0);
        self.open.retain(|listener| listener.id != id);
        let cancel = AsyncCancel::new(name).build().user_data(CANCEL);
        // SAFETY: a cancel names no memory. If it cannot be posted the next wait fails, too.
        let _ = unsafe { self.ring.push(&cancel) };
    }

    fn wait(&mut self, timeout: Option<Duration>, rests: bool) -> io::Result<()> {
        if !std::mem::replace(&mut self.listens, true) {
            self.bell.listen(&mut self.ring, BELL)?;
        }
        if !rests {
            self.accept_more()?;
        }
        self.ring.wait(timeout)?;
        self.completions.extend(self.ring.completions());
        Ok(())
    }

    fn accept(
        &mut self,
        mut accepted: impl FnMut(ListenerId, Socket, io::Result<SocketAddr>),
    ) -> Result<(), (ListenerId, io::Error)> {
        let mut outcome = Ok(());
        for completion in std::mem::take(&mut self.completions) {
            if completion.user_data == BELL {
                self.listens = completion.has_more();
            }
            if completion.user_data >= CANCEL {
                continue;
            }
            let id = ListenerId(completion.user_data as u32);
            let listener = self.open.iter_mut().find(|listener| listener.id == id);
            match socket(completion) {
                Ok(socket) if listener.is_some() => {
                    let peer = socket.peer_addr();
                    accepted(id, socket, peer);
                }
                Ok(_late) => {}
                Err(error) if listener.is_none() || is_about_one_connection(&error) => {}
                Err(error) => outcome = Err((id, error)),
            }
            if let Some(listener) = listener {
                listener.accepting = completion.has_more();
            }
        }
        outcome
    }
}

impl Listeners {
    /// Posts an accept for every listener that has none.
    fn accept_more(&mut self) -> io::Result<()> {
        for listener in self.open.iter_mut().filter(|listener| !listener.accepting) {
            let accept = AcceptMulti::new(Fd(listener.socket.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
            // SAFETY: asked for no address, it names no memory.
            unsafe { self.ring.push(&accept.user_data(u64::from(listener.id.0)))? };
            listener.accepting = true;
        }
        Ok(())
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.ring.cancel_all(|completion| self.completions.push(completion));
        let mine = |completion: &Completion| completion.user_data < CANCEL;
        self.completions.drain(..).filter(mine).for_each(|completion| drop(socket(completion)));
    }
}

/// What a completed accept brought.
fn socket(completion: Completion) -> io::Result<Socket> {
    match completion.error() {
        Some(error) => Err(error),
        // SAFETY: the kernel has just made this descriptor and told nobody else of it; each completion is asked once.
        None => Ok(unsafe { OwnedFd::from_raw_fd(completion.result) }.into()),
    }
}
