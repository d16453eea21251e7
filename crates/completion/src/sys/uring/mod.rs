//! True completions over io_uring: one ring a worker.
//!
//! A turn enters the kernel once. That hands over everything the last turn has posted, waits if there is nothing to
//! do, and brings back what is complete. Sends come first, so that their buffers are free for what is received.
//!
//! Owns: the ring, the posted receive buffers, sends under way, the sockets.
//! Invariants: an operation's name says its connection and kind, and one whose connection was released finds
//! nobody; a socket is closed by the ring, behind what was posted for it.
//! Traps: a socket must block, or `O_NONBLOCK` makes a receive answer `EAGAIN` instead of waiting. A closed
//! descriptor lives on while an operation holds it, hence every release cancels first. Cancelling by descriptor
//! searches all operations; by name it is one look-up.
//! Limits: those of `ring.rs`, `buffers.rs`, `files.rs`.
//! Read next: `receive.rs`, `send.rs`.

mod bell;
mod buffers;
mod files;
mod listen;
mod probe;
mod receive;
mod ring;
mod send;
mod source;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use io_uring::opcode::{Close, Connect, SetSockOpt};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd, Fixed};
use socket2::{Domain, SockAddr, SockRef, Type};

pub(crate) use self::bell::Bell;
use self::buffers::Buffers;
use self::files::Files;
use self::listen::Listeners;
pub(crate) use self::probe::probe;
use self::ring::{Completion, Ring};
use self::send::Sends;
use self::source::{Descriptor, Kind, Receiving, Source, conn};
use super::sources::Sources;
use super::{Backend, Ending, Posted, Receive, Socket, Waker, established, local_address, set_buffers};
use crate::config::Config;
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;
use crate::pool::Stock;
use crate::send_queue::SendQueue;

/// Closing with this throws away what is not sent and resets.
static RESET: libc::linger = libc::linger { l_onoff: 1, l_linger: 0 };

pub(crate) struct Uring {
    /// Before anything here goes, `drop` cancels all operations and takes the posted buffers from the kernel. After
    /// that it uses no memory of ours, so the order of the fields does not matter; the ring's own mapping goes first.
    ring: Ring,
    buffers: Buffers,
    sends: Sends,
    sources: Sources<Source>,
    files: Files,
    starving: VecDeque<ConnId>,
    /// What the last enter brought.
    completions: Vec<Completion>,
    /// Why nothing could be posted; `wait` says it.
    failed: Option<io::Error>,
    bell: Bell,
    listens: bool,
    socket_buffer_bytes: Option<usize>,
}

impl Backend for Uring {
    type Listeners = Listeners;

    fn new(config: &Config) -> io::Result<(Uring, Waker)> {
        let ring = Ring::new()?;
        let files = Files::new(&ring, config.direct_descriptors)?;
        let bell = Bell::new()?;
        // Last of what may fail: from here on `drop` takes its registration back.
        let buffers = Buffers::new(&ring, config.buffers_per_worker())?;
        let uring = Uring {
            ring,
            buffers,
            sends: Sends::default(),
            sources: Sources::default(),
            files,
            starving: VecDeque::new(),
            completions: Vec::new(),
            failed: None,
            bell: bell.clone(),
            listens: false,
            socket_buffer_bytes: config.socket_buffer_bytes,
        };
        Ok((uring, Waker::Uring(bell)))
    }

    fn open(&mut self, conn: ConnId, socket: Socket) -> io::Result<SocketAddr> {
        let local = local_address(&socket)?;
        socket.set_nonblocking(false)?;
        self.attach(conn, socket.into());
        Ok(local)
    }

    fn connect(&mut self, conn: ConnId, to: SocketAddr) -> io::Result<()> {
        let socket = socket2::Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        set_buffers(&SockRef::from(&socket), self.socket_buffer_bytes)?;
        let address = SockAddr::from(to);
        let connect = Connect::new(Fd(socket.as_raw_fd()), address.as_ptr().cast(), address.len());
        // SAFETY: the kernel reads the address when the operation is handed over, which happens here.
        unsafe { self.ring.push(&connect.build().user_data(Kind::Connect.by(conn)))? };
        self.ring.submit()?;
        self.sources.insert(conn, Source::new(Descriptor::Ordinary(socket.into()), true));
        Ok(())
    }

    fn receive(&mut self, conn: ConnId, receive: Receive) {
        self.order(conn, receive);
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    fn send(&mut self, conn: ConnId, queue: &mut SendQueue, _stock: &mut Stock) -> io::Result<Posted> {
        self.post_send(conn, queue).map(|()| Posted::Pending)
    }

    fn finish_sending(&mut self, conn: ConnId) -> io::Result<()> {
        let source = self.sources.get(conn).ok_or(io::ErrorKind::NotConnected)?;
        match &source.descriptor {
            Descriptor::Ordinary(fd) => SockRef::from(fd).shutdown(Shutdown::Write),
            Descriptor::Direct(slot) => {
                let shutdown = io_uring::opcode::Shutdown::new(Fixed(*slot), libc::SHUT_WR).build();
                self.post(&shutdown.flags(Flags::SKIP_SUCCESS).user_data(Kind::Verdict.by(conn)));
                Ok(())
            }
        }
    }

    fn release(&mut self, conn: ConnId, ending: Ending) {
        let Some(source) = self.sources.remove(conn) else { return };
        let is_receiving = matches!(source.receiving, Receiving::Standing | Receiving::Discarding);
        let under_way = [
            (is_receiving, Kind::Receive),
            (source.watched, Kind::Watch),
            (source.refused, Kind::Writable),
            (source.connecting, Kind::Connect),
        ];
        for (_, kind) in under_way.into_iter().filter(|(is_under_way, _)| *is_under_way) {
            self.cancel(kind, conn);
        }
        self.close(source.descriptor, ending);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if !std::mem::replace(&mut self.listens, true) {
            self.bell.listen(&mut self.ring, Kind::Bell.numbered(0))?;
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.buffers.publish();
        // Posted sends are complete, without a word, as soon as they are handed over. And whoever starves while there
        // are buffers has its turn.
        let is_due = !self.sends.is_empty() || !self.starving.is_empty() && self.buffers.count() > 0;
        self.ring.wait(if is_due { Some(Duration::ZERO) } else { timeout })?;
        self.collect();
        // The completion of a refused send that found no place must be heard before this turn's sends count as taken.
        while !self.sends.is_empty() && self.ring.keeps_completions() {
            self.ring.wait(Some(Duration::ZERO))?;
            self.collect();
        }
        Ok(())
    }

    fn deliver<H: Hooks>(&mut self, core: &mut Core<H>) {
        self.complete_sends(core);
        let mut completions = std::mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            if Kind::Receive.names(completion.user_data) {
                self.handle_receive(core, completion);
            } else {
                self.handle(core, completion);
            }
        }
        self.completions = completions;
        self.feed(core);
    }
}

impl Uring {
    /// Takes what is complete from the ring.
    fn collect(&mut self) {
        for completion in self.ring.completions() {
            if Kind::Send.names(completion.user_data) {
                self.sends.note(completion);
            } else {
                self.completions.push(completion);
            }
        }
    }

    /// What is not a receive, and therefore rare.
    #[cold]
    fn handle<H: Hooks>(&mut self, core: &mut Core<H>, completion: Completion) {
        match Kind::of(completion.user_data) {
            Kind::Writable => self.handle_writable(core, completion),
            Kind::Watch => self.handle_watch(core, completion),
            Kind::Connect => self.handle_connect(core, completion),
            Kind::Verdict => {
                if let Some(error) = completion.error() {
                    core.failed(conn(completion.user_data, core.state.worker), &error);
                }
            }
            Kind::Bell => self.listens = completion.has_more(),
            Kind::Receive | Kind::Send | Kind::Forgotten => {}
        }
    }

    /// Posts an operation that names no memory.
    fn post(&mut self, entry: &Entry) {
        // SAFETY: the operations that come here (receives into posted buffers or nowhere, polls, cancels, closes,
        // shutdowns, sends of nothing, options from a static) name no memory that could go away.
        if let Err(error) = unsafe { self.ring.push(entry) } {
            self.failed.get_or_insert(error);
        }
    }

    fn attach(&mut self, conn: ConnId, socket: OwnedFd) {
        let descriptor = self.files.install(&mut self.ring, socket);
        self.sources.insert(conn, Source::new(descriptor, false));
    }

    fn handle_connect<H: Hooks>(&mut self, core: &mut Core<H>, completion: Completion) {
        let conn = conn(completion.user_data, core.state.worker);
        let Some(source) = self.sources.get(conn) else { return };
        source.connecting = false;
        let Descriptor::Ordinary(fd) = &source.descriptor else { return };
        let outcome = match completion.error() {
            Some(error) => Err(error),
            None => established(&SockRef::from(fd)),
        };
        match outcome {
            Ok((peer, local)) => {
                if let Some(Source { descriptor: Descriptor::Ordinary(fd), .. }) = self.sources.remove(conn) {
                    self.attach(conn, fd);
                }
                core.connected(conn, peer, local);
            }
            Err(error) => core.connect_failed(conn, error),
        }
    }

    /// Posts an operation whose success nobody waits for, nor its failure.
    fn post_unheard(&mut self, entry: Entry) {
        self.post(&entry.flags(Flags::SKIP_SUCCESS).user_data(Kind::Forgotten.numbered(0)));
    }

    /// Behind all that was posted for it.
    fn close(&mut self, descriptor: Descriptor, ending: Ending) {
        match descriptor {
            Descriptor::Ordinary(fd) => {
                if ending == Ending::Reset {
                    // Fails only on a socket that is dead already, which needs no reset.
                    let _ = SockRef::from(&fd).set_linger(Some(Duration::ZERO));
                }
                self.post_unheard(Close::new(Fd(fd.into_raw_fd())).build());
            }
            Descriptor::Direct(slot) => {
                if ending == Ending::Reset {
                    let (level, name) = (libc::SOL_SOCKET as u32, libc::SO_LINGER as u32);
                    let (value, len) = ((&raw const RESET).cast(), size_of_val(&RESET) as u32);
                    self.post_unheard(SetSockOpt::new(Fixed(slot), level, name, value, len).build());
                }
                self.post_unheard(Close::new(Fixed(slot)).build());
                self.files.give_back(slot);
            }
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        self.ring.cancel_all(|_| {});
        self.buffers.close(&self.ring);
    }
}
