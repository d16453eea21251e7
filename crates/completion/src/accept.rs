//! The accept thread: all listeners, one poll, independent of how busy the workers are.
//!
//! Owns the listening sockets. Each new connection is counted, given to the worker with the fewest, and
//! forgotten here. Readiness suffices for a handful of listeners, whichever backend the workers use.
//!
//! Limits: at most `ACCEPTS_PER_TURN_MAX` a listener and turn, so that one in a storm does not shut the others
//! out; at the limit of accepted connections accept and close; out of descriptors rest for `REST`, since the kernel
//! reports the same connection again and again.
//! Read next: `load.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::command::{Command, Signal};
use crate::handle::{Handle, Shared};
use crate::hooks::{Fault, Origin};
use crate::id::ListenerId;
use crate::load::Way;
use crate::stats::AcceptCounters;
use crate::sys;
use crate::vital::Vital;

const BACKLOG: i32 = 4096;
const ACCEPTS_PER_TURN_MAX: usize = 256;
const REST: Duration = Duration::from_millis(10);
const WAKE: Token = Token(usize::MAX);

/// The accept thread as others see it.
pub(crate) struct Door {
    asks: Mutex<Asks>,
    signal: Signal,
    listener_next: AtomicU32,
    counters: AcceptCounters,
}

#[derive(Default)]
struct Asks {
    waiting: Vec<Ask>,
    closed: bool,
}

enum Ask {
    Listen(ListenerId, TcpListener),
    Unlisten(ListenerId),
    Stop,
}

/// Makes the thread's two ends; nothing runs yet.
pub(crate) fn prepare() -> io::Result<(Door, Acceptor)> {
    let poll = Poll::new()?;
    let signal = Signal::new(Waker::new(poll.registry(), WAKE)?);
    let counters = AcceptCounters::default();
    let door = Door { asks: Mutex::default(), signal, listener_next: AtomicU32::new(0), counters };
    let acceptor =
        Acceptor { poll, events: Events::with_capacity(64), listeners: Vec::new(), resting_until: None };
    Ok((door, acceptor))
}

impl Door {
    pub(crate) fn listen(
        &self,
        addr: SocketAddr,
        buffer_bytes: Option<usize>,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        self.begin(bind(addr, buffer_bytes)?)
    }

    /// A socket that listens already: its waiting connections are kept, its backlog becomes ours.
    pub(crate) fn listen_on(&self, socket: std::net::TcpListener) -> io::Result<(ListenerId, SocketAddr)> {
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).listen(BACKLOG)?;
        self.begin(TcpListener::from_std(socket))
    }

    fn begin(&self, listener: TcpListener) -> io::Result<(ListenerId, SocketAddr)> {
        let local = listener.local_addr()?;
        let id = ListenerId(self.listener_next.fetch_add(1, Ordering::Relaxed));
        if self.ask(Ask::Listen(id, listener)) {
            Ok((id, local))
        } else {
            Err(io::Error::new(io::ErrorKind::NotConnected, "the server has stopped"))
        }
    }

    pub(crate) fn unlisten(&self, listener: ListenerId) {
        self.ask(Ask::Unlisten(listener));
    }

    pub(crate) fn stop(&self) {
        self.ask(Ask::Stop);
    }

    pub(crate) fn counters(&self) -> &AcceptCounters {
        &self.counters
    }

    fn ask(&self, ask: Ask) -> bool {
        let mut asks = self.lock();
        if asks.closed {
            return false;
        }
        asks.closed = matches!(ask, Ask::Stop);
        asks.waiting.push(ask);
        drop(asks);
        self.signal.ring();
        true
    }

    fn take(&self) -> Vec<Ask> {
        self.signal.heard();
        std::mem::take(&mut self.lock().waiting)
    }

    /// A list of asks is whole between any two of its operations, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Asks> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Buffer sizes are set here because accepted sockets inherit them, before the handshake fixes the window.
fn bind(addr: SocketAddr, buffer_bytes: Option<usize>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere than on Unix this option lets two processes share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    sys::set_buffers(&(&socket).into(), buffer_bytes)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// The accept thread itself.
pub(crate) struct Acceptor {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    resting_until: Option<Instant>,
}

struct Listener {
    id: ListenerId,
    socket: TcpListener,
    /// Edge-triggered: connections may be waiting until `accept` says otherwise.
    ready: bool,
}

impl Acceptor {
    pub(crate) fn run(mut self, handle: &Handle) {
        let _vital = Vital;
        let door = &handle.shared().door;
        loop {
            self.wait(door);
            for ask in door.take() {
                match ask {
                    Ask::Listen(id, socket) => self.add(id, socket, handle),
                    Ask::Unlisten(id) => self.listeners.retain(|listener| listener.id != id),
                    Ask::Stop => return,
                }
            }
            if self.resting_until.is_none() {
                self.accept_ready(handle);
            }
        }
    }

    fn wait(&mut self, door: &Door) {
        let timeout = match self.resting_until {
            _ if !door.signal.fall_asleep() => Some(Duration::ZERO),
            Some(until) => Some(until.saturating_duration_since(clock())),
            None => self.listeners.iter().any(|listener| listener.ready).then_some(Duration::ZERO),
        };
        if let Err(error) = self.poll.poll(&mut self.events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%error, "polling the listeners failed");
            self.resting_until = Some(clock() + REST);
            return;
        }
        for event in &self.events {
            let mut listeners = self.listeners.iter_mut();
            if let Some(listener) = listeners.find(|listener| token(listener.id) == event.token()) {
                listener.ready = true;
            }
        }
        self.resting_until = self.resting_until.filter(|until| *until > clock());
    }

    fn add(&mut self, id: ListenerId, mut socket: TcpListener, handle: &Handle) {
        match self.poll.registry().register(&mut socket, token(id), Interest::READABLE) {
            Ok(()) => self.listeners.push(Listener { id, socket, ready: true }),
            Err(error) => handle.inbox(0).report(Fault::Accept { listener: id, error }),
        }
    }

    fn accept_ready(&mut self, handle: &Handle) {
        for listener in self.listeners.iter_mut().filter(|listener| listener.ready) {
            if let Err(error) = listener.accept_some(handle) {
                handle.shared().door.counters.errors.add(1);
                handle.inbox(0).report(Fault::Accept { listener: listener.id, error });
                self.resting_until = Some(clock() + REST);
                return;
            }
        }
    }
}

impl Listener {
    /// Accepts until there is nobody left or the turn's share is used up. An error calls for a rest.
    fn accept_some(&mut self, handle: &Handle) -> io::Result<()> {
        let mut full = false;
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            match self.socket.accept() {
                Ok((socket, peer)) => full |= !self.hand_on(socket, peer, handle),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.ready = false;
                        break;
                    }
                    // The one connection is gone, or a signal came; neither says anything about the next.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset => {}
                    _ => return Err(error),
                },
            }
        }
        if full {
            handle.inbox(0).report(Fault::ConnectionsFull { listener: self.id });
        }
        Ok(())
    }

    /// `false`: accepted connections have all their places already, this one is closed.
    fn hand_on(&self, socket: mio::net::TcpStream, peer: SocketAddr, handle: &Handle) -> bool {
        let Shared { load, door, .. } = handle.shared();
        door.counters.accepted.add(1);
        let Some(worker) = load.admit(Way::In) else {
            door.counters.refused_full.add(1);
            return false;
        };
        // Fails only on a connection that is gone already, which its worker will find out.
        let _ = socket.set_nodelay(true);
        let origin = Origin::Accepted { listener: self.id };
        handle.post_admitted(worker, Command::Open { socket, origin, peer });
        true
    }
}

fn token(id: ListenerId) -> Token {
    Token(id.0 as usize)
}

/// This thread owns its clock: only a rest needs it.
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}
