//! A peer: the framed echo in three stages, in the classic shape on tokio: a task that receives for each connection, a
//! channel, one task of logic, a channel, one task that sends to all.
//!
//! The measure of what three stages cost when they are written the obvious way: each frame crosses both channels by
//! itself and is written by itself.
//!
//! - Owns: the writing halves, in the sending task, by the number of their connection.
//! - Invariant: a connection's beginning and end cross the channels in order with its frames.
//! - Limits: [`QUEUE_ITEMS_MAX`]; a client that does not read holds up all others.
//!
//! Read next: `tokio_framed.rs`, the same without the stages.
#![forbid(unsafe_code)]

use std::io;

use foldhash::fast::RandomState;
use futures_util::{SinkExt, StreamExt};
use hashbrown::HashMap;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::bytes::Bytes;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use usher_bench::peer::{Peer, frames, runtime};

const QUEUE_ITEMS_MAX: usize = 4096;

/// What happened to a connection, or is to happen to it.
enum Event {
    Opened(OwnedWriteHalf),
    Frame(Bytes),
    Closed,
}

type Events = Receiver<(u64, Event)>;

fn main() -> io::Result<()> {
    let peer = Peer::parse_as("tokio_stages", "Echoes every frame, on tokio, in three stages");
    let listener = peer.open()?;
    listener.set_nonblocking(true)?;
    runtime(peer.threads())?.block_on(serve(listener))
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (to_logic, received) = channel(QUEUE_ITEMS_MAX);
    let (to_send, decided) = channel(QUEUE_ITEMS_MAX);
    tokio::spawn(decide(received, to_send));
    tokio::spawn(send(decided));
    for conn in 0.. {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(receive(conn, stream, to_logic.clone()))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn receive(conn: u64, stream: TcpStream, to_logic: Sender<(u64, Event)>) {
    let (reader, writer) = stream.into_split();
    if to_logic.send((conn, Event::Opened(writer))).await.is_err() {
        return;
    }
    let mut frames: FramedRead<OwnedReadHalf, _> = FramedRead::new(reader, frames());
    while let Some(Ok(frame)) = frames.next().await {
        if to_logic.send((conn, Event::Frame(frame.freeze()))).await.is_err() {
            return;
        }
    }
    // When the logic is gone, so is the process.
    let _ = to_logic.send((conn, Event::Closed)).await;
}

/// The logic of an echo.
async fn decide(mut received: Events, to_send: Sender<(u64, Event)>) {
    while let Some(event) = received.recv().await {
        if to_send.send(event).await.is_err() {
            return;
        }
    }
}

async fn send(mut decided: Events) {
    let mut writers: HashMap<u64, FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>, RandomState> =
        HashMap::default();
    while let Some((conn, event)) = decided.recv().await {
        match event {
            Event::Opened(writer) => drop(writers.insert(conn, FramedWrite::new(writer, frames()))),
            Event::Closed => drop(writers.remove(&conn)),
            Event::Frame(frame) => {
                let Some(writer) = writers.get_mut(&conn) else { continue };
                if writer.send(frame).await.is_err() {
                    writers.remove(&conn);
                }
            }
        }
    }
}
