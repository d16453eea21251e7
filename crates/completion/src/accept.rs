//! The accept thread: all listeners at once, independent of how busy the workers are.
//!
//! Each new connection is counted, given to the worker with the fewest, and forgotten here. How one waits on
//! listeners is the backend's (`sys/mio/listen.rs`, `sys/uring/listen.rs`).
//!
//! Limits: at the limit of accepted connections accept and close; out of descriptors rest for `REST`, since the
//! kernel reports the same connection again and again.
//! Read next: `load.rs`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::coalesce::Coalescing;
use crate::command::{Command, Signal};
use crate::handle::{Handle, Shared};
use crate::hooks::{Fault, Origin};
use crate::id::ListenerId;
use crate::load::Way;
use crate::stats::AcceptCounters;
use crate::sys::{self, Listening};
use crate::vital::Vital;

const BACKLOG: i32 = 4096;
const REST: Duration = Duration::from_millis(10);

/// The part of the accept thread that other threads may touch.
pub(crate) struct AcceptShare {
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
pub(crate) fn prepare<L: Listening>(turns_per_second_max: u32) -> io::Result<(AcceptShare, Acceptor<L>)> {
    let (listeners, waker) = L::new()?;
    let signal = Signal::new(waker);
    let counters = AcceptCounters::default();
    let share = AcceptShare { asks: Mutex::default(), signal, listener_next: AtomicU32::new(0), counters };
    Ok((
        share,
        Acceptor { listeners, resting_until: None, coalescing: Coalescing::new(turns_per_second_max) },
    ))
}

impl AcceptShare {
    /// A socket that listens already: its waiting connections are kept, its backlog becomes ours.
    pub(crate) fn listen_on(
        &self,
        socket: TcpListener,
        buffer_bytes: Option<usize>,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let listening = SockRef::from(&socket);
        // Who connects from now on inherits them before the handshake fixes the window.
        sys::set_buffers(&listening, buffer_bytes)?;
        listening.listen(BACKLOG)?;
        self.begin(socket)
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

/// How often a taken port is tried, and how long after each time. A process that held a ring and was killed keeps its
/// port for some milliseconds more: the kernel takes rings apart behind its back.
const BIND_TRIES: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket for [`Handle::listen_on`], so that its port is known before there is a server. A port that is
/// taken is tried again for a second, in which the caller waits: whoever was killed and is started again finds it free
/// by then.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    for _ in 1..BIND_TRIES {
        match bind_once(addr) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(BIND_PAUSE),
            outcome => return outcome,
        }
    }
    bind_once(addr)
}

/// As [`bind`], and a port that is taken is an error at once: nobody waits.
pub fn bind_once(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere than on Unix this option lets two processes share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The accept thread itself.
pub(crate) struct Acceptor<L> {
    listeners: L,
    resting_until: Option<Instant>,
    coalescing: Coalescing,
}

impl<L: Listening> Acceptor<L> {
    pub(crate) fn run(mut self, handle: &Handle) {
        let _vital = Vital;
        let share = &handle.shared().accept;
        loop {
            self.wait(share);
            for ask in share.take() {
                match ask {
                    Ask::Listen(id, socket) => {
                        if let Err(error) = self.listeners.add(id, socket) {
                            handle.inbox(0).report(Fault::Accept { listener: id, error });
                        }
                    }
                    Ask::Unlisten(id) => self.listeners.remove(id),
                    Ask::Stop => return,
                }
            }
            if self.resting_until.is_none() {
                self.accept(handle);
            }
        }
    }

    fn wait(&mut self, share: &AcceptShare) {
        self.coalescing.rest();
        let timeout = match self.resting_until {
            _ if !share.signal.fall_asleep() => Some(Duration::ZERO),
            Some(until) => Some(until.saturating_duration_since(clock())),
            None => None,
        };
        if let Err(error) = self.listeners.wait(timeout, self.resting_until.is_some()) {
            tracing::error!(%error, "waiting for connections failed");
            self.resting_until = Some(clock() + REST);
            return;
        }
        self.coalescing.begin();
        self.resting_until = self.resting_until.filter(|until| *until > clock());
    }

    fn accept(&mut self, handle: &Handle) {
        let counters = &handle.shared().accept.counters;
        let mut full = None;
        let outcome = self.listeners.accept(|listener, socket, peer| {
            counters.accepted.add(1);
            let Ok(peer) = peer else { return counters.vanished.add(1) };
            if !hand_on(listener, socket, peer, handle) && full.replace(listener) != Some(listener) {
                handle.inbox(0).report(Fault::ConnectionsFull { listener });
            }
        });
        if let Err((listener, error)) = outcome {
            counters.errors.add(1);
            handle.inbox(0).report(Fault::Accept { listener, error });
            self.resting_until = Some(clock() + REST);
        }
    }
}

/// `false`: accepted connections have all their places already, this one is closed.
fn hand_on(listener: ListenerId, socket: sys::Socket, peer: SocketAddr, handle: &Handle) -> bool {
    let Shared { load, accept, config, .. } = handle.shared();
    let Some(worker) = load.admit(Way::In) else {
        accept.counters.refused_full.add(1);
        return false;
    };
    // Both fail only on a connection that is gone already, which its worker will find out. Who waited before the
    // listener was ours inherited no sizes from it.
    let _ = socket.set_nodelay(true);
    let _ = sys::set_buffers(&SockRef::from(&socket), config.socket_buffer_bytes);
    let origin = Origin::Accepted { listener };
    handle.post_admitted(worker, Command::Open { socket, origin, peer });
    true
}

/// This thread owns its clock: only a rest needs it.
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}
