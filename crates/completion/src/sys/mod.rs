//! The boundary to the kernel: what a backend must do.
//!
//! A backend turns posted operations into completions and calls [`Core`] with them from `turn`. Checklist:
//!
//! 1. `turn` waits for completions, a wake or the timeout, and nowhere else; it never waits with work in hand.
//! 2. `open` and `connect` attach a socket to an id; `receive`, `send`, `finish_sending` post; `release` ends.
//! 3. Receiving is a standing order (`Receive`). `Core::received` answers with the order from now on and is
//!    obeyed before the next buffer. `Off` holds no buffer. The peer's end is delivered once, after all bytes.
//! 4. One send is under way at most. It takes from the front of the queue; it answers at once (`Took`) or later
//!    (`Pending`, then `Core::sent`). A backend that keeps parts beyond the call keeps clones of the `Bytes`.
//! 5. An error is delivered once, after the bytes that came before it, and even while receiving is off.
//! 6. After `release` nothing is delivered for that id, whatever is still in flight: compare the generation.
//! 7. No receive buffer free: remember who starves, go on when the pool wakes the worker, longest first.
//! 8. One connection must not hold up the others: bounded work each, then the next one's turn.
//! 9. Dropping the backend cancels what is in flight and gives every buffer back.
//!
//! Portability traps are written where they are met, in the backends. `unsafe` is allowed below this module only.

pub(crate) mod mio;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;

use crate::config::Config;
use crate::core::Core;
use crate::hooks::Hooks;
use crate::id::ConnId;

/// A connected socket on its way to a worker: non-blocking, Nagle off.
pub(crate) type Socket = ::mio::net::TcpStream;

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
    /// The socket took this many bytes, more than 0.
    Took(usize),
    /// [`Core::sent`] will say.
    Pending,
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
    /// A backend and what wakes its `turn`.
    fn new(config: &Config) -> io::Result<(Self, ::mio::Waker)>;

    /// Takes over a connected socket and says its local address; receiving is off.
    fn open(&mut self, conn: ConnId, socket: Socket) -> io::Result<SocketAddr>;

    /// Begins to connect; `Core::connected` or `Core::connect_failed` follows, unless this fails.
    fn connect(&mut self, conn: ConnId, to: SocketAddr) -> io::Result<()>;

    /// Sets the standing order. Repeating it costs nothing.
    fn receive(&mut self, conn: ConnId, receive: Receive);

    /// Sends from the front of `parts`.
    fn send(&mut self, conn: ConnId, parts: &VecDeque<Bytes>) -> io::Result<Posted>;

    /// Ends our half.
    fn finish_sending(&mut self, conn: ConnId) -> io::Result<()>;

    /// Gives the socket up. An id that was never attached, or no longer is, is ignored.
    fn release(&mut self, conn: ConnId, ending: Ending);

    /// Waits, then delivers what is complete.
    fn turn<H: Hooks>(&mut self, core: &mut Core<H>, timeout: Option<Duration>) -> io::Result<()>;
}

/// Makes a foreign socket one of ours.
pub(crate) fn adopt(stream: TcpStream, buffer_bytes: Option<usize>) -> io::Result<(Socket, SocketAddr)> {
    let peer = stream.peer_addr()?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    set_buffers(&SockRef::from(&stream), buffer_bytes)?;
    Ok((Socket::from_std(stream), peer))
}

/// Sets both kernel buffers of a socket, if the config says so.
pub(crate) fn set_buffers(socket: &SockRef<'_>, bytes: Option<usize>) -> io::Result<()> {
    let Some(bytes) = bytes else { return Ok(()) };
    socket.set_send_buffer_size(bytes)?;
    socket.set_recv_buffer_size(bytes)
}
