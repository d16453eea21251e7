//! A measuring station: what layer 2's `framed_echo --broadcast` is, behind the encrypted channel.
//!
//! What it takes more than that one is what encryption costs: a Noise handshake for each connection, then each frame
//! sealed for each member. Threads, codec and limits are the same. Prints its address, and at the end of `--for
//! SECONDS` its counters. It is here because layer 2 knows no cipher.
//!
//! - Invariant: nobody hears anything, or is heard, before a frame of his has opened.
//! - Limits: the key is public; a first message fits layer 2's `first_frame_bytes_max`.
//!
//! Read next: `usher_runtime::sealed`; `audience/channel.rs`, the other end.
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use usher_bench::audience::ROOM_KEY;
use usher_hpserver::completion::Engine;
use usher_hpserver::{
    Actions, Bytes, Channel, Config, Event, Framed, Greeted, Handshake, Keys, Limits, ListenerConfig,
    Refusal, Server, Service,
};
use usher_runtime::sealed::{framed, keys};
use usher_secure::noise::{Proof, respond};

const EVERYONE: u64 = 0;

/// Says to all what one says, sealed for each.
#[derive(Parser)]
#[command(name = "sealed_room")]
struct Options {
    /// Where to listen; the bound address is printed, so port 0 works.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// `auto`, `uring` or `mio`.
    #[arg(long, value_parser = engine, default_value = "auto")]
    engine: Engine,
    /// Layer 1's threads.
    #[arg(long, value_name = "N", default_value_t = Config::default().completion.workers)]
    workers: usize,
    /// Threads that open frames.
    #[arg(long, value_name = "N", default_value_t = Config::default().receive_threads)]
    receive_threads: usize,
    /// Threads that run the service.
    #[arg(long, value_name = "N", default_value_t = Config::default().logic_threads)]
    logic_threads: usize,
    /// Threads that seal and send.
    #[arg(long, value_name = "N", default_value_t = Config::default().send_threads)]
    send_threads: usize,
    /// Ends after this time; without it, runs until it is killed.
    #[arg(long = "for", value_name = "SECONDS")]
    run_for: Option<u64>,
}

impl Options {
    fn config(&self) -> Config {
        let mut config = Config {
            receive_threads: self.receive_threads,
            logic_threads: self.logic_threads,
            send_threads: self.send_threads,
            ..Config::default()
        };
        config.completion.engine = self.engine;
        config.completion.workers = self.workers;
        config
    }
}

fn engine(name: &str) -> Result<Engine, &'static str> {
    match name {
        "auto" => Ok(Engine::Auto),
        "uring" => Ok(Engine::Uring),
        "mio" => Ok(Engine::Mio),
        _ => Err("no such engine"),
    }
}

struct Room;

impl Service for Room {
    type Packet = Bytes;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        match event {
            Event::Knock { conn, .. } => out.admit(conn),
            Event::Opened { conn, .. } => out.join(conn, EVERYONE),
            Event::Packet { packet, .. } => out.publish(EVERYONE, packet, None),
            _ => {}
        }
    }
}

/// Whoever comes is greeted; who has not the key gets no further than his own first frame.
struct Sealed;

impl Channel<Bytes, ()> for Sealed {
    fn greets(&self) -> bool {
        true
    }

    fn greet(&self, first_frame: &[u8], _: SocketAddr) -> Result<Greeted<()>, Refusal> {
        Ok(Greeted { greeting: (), handshake: Some(Box::new(FirstMessage(first_frame.into()))) })
    }

    fn welcome(&self) -> Bytes {
        Bytes::new() // the handshake says it
    }

    fn refusal(&self, _: &Bytes) -> Bytes {
        Bytes::new() // nobody is refused
    }
}

/// The whole of a first frame: the handshake's first message.
struct FirstMessage(Box<[u8]>);

impl Handshake for FirstMessage {
    fn accept(self: Box<Self>) -> Result<(Bytes, Keys), &'static str> {
        let (answer, split) =
            respond(Proof::Shared(&ROOM_KEY), b"", &self.0).map_err(|_| "handshake_failed")?;
        Ok((framed(&answer).freeze(), keys(split)))
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let server = Server::start(options.config(), vec![listener(options.listen)], |_| Room)?;
    for (_, address) in server.addresses() {
        println!("{address}");
    }
    match options.run_for {
        Some(seconds) => thread::sleep(Duration::from_secs(seconds)),
        None => loop {
            thread::park();
        },
    }
    println!("{:#?}", server.shutdown(Duration::from_secs(1)).metrics);
    Ok(())
}

/// Without deadlines, as the plain room has none.
fn listener(address: SocketAddr) -> ListenerConfig<Room> {
    let limits = Limits {
        connections_max: usize::MAX,
        first_message_deadline: Duration::MAX,
        ping_interval: Duration::MAX,
        ..Limits::default()
    };
    let channel = Arc::new(Sealed);
    ListenerConfig { limits, channel, ..ListenerConfig::new("room", address, Framed::default()) }
}
