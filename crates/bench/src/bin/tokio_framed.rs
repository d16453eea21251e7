//! A peer: the framed echo as it is written on tokio when one task a connection will do: the codec of `tokio-util`.
//!
//! The measure of what layer 2's stages cost where nothing is handed to anybody: a task, a codec and its buffers for
//! each connection; frames that came together leave together.
//!
//! Limit: open files; an accept that fails for want of one ends the process.
//!
//! Read next: `tokio_stages.rs`, the same with tasks for the logic and for sending.
#![forbid(unsafe_code)]

use std::io;

use futures_util::{StreamExt, TryStreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{FramedRead, FramedWrite};
use usher_bench::peer::{Peer, frames, runtime};

fn main() -> io::Result<()> {
    let peer = Peer::parse_as("tokio_framed", "Echoes every frame, on tokio");
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
async fn echo(stream: TcpStream) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let received = FramedRead::new(reader, frames()).map_ok(BytesMut::freeze);
    received.forward(FramedWrite::new(writer, frames())).await
}
