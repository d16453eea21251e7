//! A peer: the echo server as anyone writes it on tokio.
//!
//! The measure of what an asynchronous runtime costs: a task and a buffer for each connection, an accept loop, and
//! nothing clever. One thread is the current-thread runtime, more are the multi-thread one.
//!
//! Limit: open files; an accept that fails for want of one ends the process.
//!
//! Read next: `bare_mio.rs`, what is left of this without the runtime.
#![forbid(unsafe_code)]

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use usher_bench::peer::{Peer, runtime};

const BUFFER_BYTES: usize = 4 * 1024;

fn main() -> io::Result<()> {
    let peer = Peer::parse_as("tokio_echo", "Echoes every byte, on tokio");
    let listener = peer.open()?;
    listener.set_nonblocking(true)?;
    runtime(peer.threads())?.block_on(serve(listener))
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(echo(stream))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// An error ends this connection and nothing else.
async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}
