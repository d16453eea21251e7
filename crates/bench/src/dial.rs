//! How loads connect: at once or not at all, without Nagle, from an address of their choice.
//!
//! - Limit: [`CONNECT_TIMEOUT`].
//!
//! Read next: `load/crowd.rs`, `audience/room.rs`.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};

/// A full backlog makes the kernel try again after a second, and after two more, and four.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that still blocks; without a source the kernel chooses one.
pub(crate) fn dial(server: SocketAddr, source: Option<Ipv4Addr>) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        bind(&socket, server, source)?;
    }
    socket.connect_timeout(&server.into(), CONNECT_TIMEOUT).context("connecting")?;
    Ok(socket.into())
}

/// The kernel picks a port that nobody bound at this source.
fn bind(socket: &Socket, server: SocketAddr, source: Ipv4Addr) -> Result<()> {
    ensure!(server.ip().is_loopback() && server.is_ipv4(), "other sources are for a server on 127.0.0.0/8");
    socket.bind(&SocketAddr::from((source, 0)).into()).with_context(|| format!("binding to {source}"))
}
