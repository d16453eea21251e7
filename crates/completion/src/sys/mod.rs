//! The boundary to the kernel: what a backend must do.
//!
//! A backend turns posted operations into completions and calls [`Core`] with them from `deliver`. Checklist:
//! 1. `wait` waits for completions, a wake or the timeout, and nothing else does; never with work in hand.
//! 2. `open` and `connect` attach a socket to an id; `receive`, `send`, `finish_sending` post; `release` ends.
//! 3. Receiving is a standing order (`Receive`); `Off` holds no buffer. A hook may change it: whoever could read on asks
//!    `new_order` first, and what the kernel fills until it hears of it (at most what is posted ahead; once the next
//!    turn is over, nothing) is delivered. The peer's end comes once, after all bytes.
//! 4. One send is under way at most. It takes from the front of the queue what it sends: at once (`Took`), or what
//!    it owns until it is complete (`Pending`, then `Core::sent` or `Core::refused`). After `Refused` and
//!    `Core::refused` comes `Core::writable` when the socket takes bytes again.
//! 5. An error is delivered once, after the bytes that came before it, and even while receiving is off.
//! 6. After `release` nothing is delivered for that id, whatever is still in flight: compare the generation.
//! 7. No receive buffer free: remember who starves, and end `deliver` with `Stock::await_one`, so that there is a turn
//!    when there is one; go on then, longest first.
//! 8. One connection must not hold up the others: bounded work each, then the next one's turn.
//! 9. Dropping the backend cancels what is in flight and gives every buffer back.
//!
//! Portability traps are written where they are met, in the backends. `unsafe` is allowed below this module only.
#![allow(unsafe_code)]

pub(crate) mod mio;
mod sources;
#[cfg(target_os = "linux")]
pub(crate) mod uring;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{SockAddr, SockRef, Type};

use crate::config::Config;
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::{ConnId, ListenerId};
use crate::pool::Stock;
use crate::send_queue::SendQueue;

/// A connected stream socket on its way to a worker, Nagle off. Whether it blocks is the backend's affair. It need not be
/// TCP's: nothing is asked of it here that a Unix one could not do.
pub(crate) type Socket = TcpStream;

/// Wakes a thread out of its backend's `wait`.
pub(crate) enum Waker {
    Mio(::mio::Waker),
    #[cfg(target_os = "linux")]
    Uring(uring::Bell),
}

impl Waker {
    pub(crate) fn wake(&self) -> io::Result<()> {
        match self {
            Waker::Mio(waker) => waker.wake(),
            #[cfg(target_os = "linux")]
            Waker::Uring(bell) => bell.ring(),
        }
    }
}

/// What to do with bytes that arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receive {
    /// Leave them in the kernel.
    Off,
    /// Hand them to [`Core::received`].
    Deliver,
    /// Throw them away, so that the peer can come to its end.
    Discard,
}

/// What became of a posted send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// The socket took this many bytes, more than 0, and they are off the queue.
    Took(usize),
    /// [`Core::sent`] or [`Core::refused`] will say.
    Pending,
    /// The socket took nothing; [`Core::writable`] will say when it does.
    Refused,
}

/// How a socket is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What the kernel has taken is still delivered.
    Plain,
    /// The peer sees a reset.
    Reset,
}

/// The operations of one worker's sockets, each named by its connection.
pub(crate) trait Backend: Sized + Send + 'static {
    /// What the accept thread of this backend's servers waits on.
    type Listeners: Listening;

    /// A backend and what wakes it out of `wait`. It may be made on another thread than it runs on.
    fn new(config: &Config) -> io::Result<(Self, Waker)>;

    /// Takes over a connected socket and says its local address; receiving is off.
    fn open(&mut self, conn: ConnId, socket: Socket) -> io::Result<SocketAddr>;

    /// Begins to connect; `Core::connected` or `Core::connect_failed` follows, unless this fails.
    fn connect(&mut self, conn: ConnId, to: SocketAddr) -> io::Result<()>;

    /// Sets the standing order. Repeating it costs nothing.
    fn receive(&mut self, conn: ConnId, receive: Receive);

    /// Sends from the front of `queue`, which is not empty. Chunks that are sent go to `stock`.
    fn send(&mut self, conn: ConnId, queue: &mut SendQueue, stock: &mut Stock) -> io::Result<Posted>;

    /// Ends our half.
    fn finish_sending(&mut self, conn: ConnId) -> io::Result<()>;

    /// Gives the socket up. An id that was never attached, or no longer is, is ignored.
    fn release(&mut self, conn: ConnId, ending: Ending);

    /// Waits until something is complete. What rings from its return on has the next turn.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Delivers what is complete.
    fn deliver<H: Hooks>(&mut self, core: &mut Core<H>);
}

/// The listening sockets of one accept thread.
pub(crate) trait Listening: Sized + Send + 'static {
    /// Nobody listens yet; and what wakes it out of `wait`.
    fn new() -> io::Result<(Self, Waker)>;

    /// Begins to accept.
    fn add(&mut self, id: ListenerId, socket: TcpListener) -> io::Result<()>;

    /// Closes a listener; what it accepted and did not give yet is closed too.
    fn remove(&mut self, id: ListenerId);

    /// Waits until somebody may have come. `rests`: do not accept now, even if somebody has.
    fn wait(&mut self, timeout: Option<Duration>, rests: bool) -> io::Result<()>;

    /// Gives each connection that came, with its peer's address unless it is gone already. An error names its
    /// listener; it calls for a rest.
    fn accept(
        &mut self,
        accepted: impl FnMut(ListenerId, Socket, io::Result<SocketAddr>),
    ) -> Result<(), (ListenerId, io::Error)>;
}

/// The one connection is gone, or a signal came; neither says anything about the next.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected)
}

/// Makes a foreign socket one of ours.
pub(crate) fn adopt(
    socket: socket2::Socket,
    buffer_bytes: Option<usize>,
) -> io::Result<(Socket, SocketAddr)> {
    let peer = socket.peer_addr()?;
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a stream socket"));
    }
    if peer.as_socket().is_some() {
        socket.set_tcp_nodelay(true)?;
    }
    set_buffers(&SockRef::from(&socket), buffer_bytes)?;
    Ok((socket.into(), ip_address(&peer)))
}

/// The unspecified address where there is none of IP.
fn ip_address(address: &SockAddr) -> SocketAddr {
    address.as_socket().unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into())
}

/// Our side's address of a socket that is to be opened.
fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    SockRef::from(socket).local_addr().map(|address| ip_address(&address))
}

/// Makes a socket that has just been connected one of ours: peer and local address. Not connected is an error.
fn established(socket: &SockRef<'_>) -> io::Result<(SocketAddr, SocketAddr)> {
    let address = |address: SockAddr| address.as_socket().ok_or(io::ErrorKind::Unsupported);
    let (peer, local) = (address(socket.peer_addr()?)?, address(socket.local_addr()?)?);
    if peer == local {
        // TCP's simultaneous open with oneself: happens when nobody listens on an ephemeral port and
        // the kernel picks that very port for our side.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    socket.set_tcp_nodelay(true)?;
    Ok((peer, local))
}

/// Sets both kernel buffers of a socket, if the config says so.
pub(crate) fn set_buffers(socket: &SockRef<'_>, bytes: Option<usize>) -> io::Result<()> {
    let Some(bytes) = bytes else { return Ok(()) };
    socket.set_send_buffer_size(bytes)?;
    socket.set_recv_buffer_size(bytes)
}
