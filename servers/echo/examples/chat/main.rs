//! A chat: people on `nc`, programs in frames, and everybody hears everybody. Steps 4 to 6 of `docs/tutorial.md`.
//!
//! Read next: `chat.rs`, the rules; `frames.rs`, how programs speak.
#![forbid(unsafe_code)]

mod chat;
mod frames;
#[path = "../lines/lines.rs"]
mod lines;
#[cfg(test)]
mod tests;

use std::{error::Error, io, net::SocketAddr, time::Duration};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use usher_hpserver::{Codec, Config, Framed, Limits, ListenerConfig, Server};

use crate::{chat::Chat, frames::Frames, lines::Lines};

/// Longest thing that is said, in bytes.
const SAID_BYTES_MAX: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = std::env::args().skip(1);
    let people = addresses.next().unwrap_or("127.0.0.1:7001".into()).parse()?;
    let programs = addresses.next().unwrap_or("127.0.0.1:7002".into()).parse()?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let server = start(Config::default(), &limits(), people, programs)?;
    for (_, address) in server.addresses() {
        println!("listening on {address}");
    }
    signals.forever().next();
    for listener in server.shutdown(Duration::from_secs(5)).metrics.listeners {
        let ended: Vec<_> = listener.closed.iter().filter(|(_, count)| **count > 0).collect();
        println!("{}: {} came, {ended:?}", listener.name, listener.connections_total);
    }
    Ok(())
}

fn limits() -> Limits {
    Limits { connections_max: 100, first_message_deadline: Duration::from_secs(60), ..Limits::default() }
}

fn start(
    config: Config,
    limits: &Limits,
    people: SocketAddr,
    programs: SocketAddr,
) -> io::Result<Server<Chat>> {
    let listeners = vec![
        listener("people", people, Lines { line_bytes_max: SAID_BYTES_MAX }, limits),
        listener("programs", programs, Frames(Framed { frame_bytes_max: SAID_BYTES_MAX }), limits),
    ];
    Server::start(config, listeners, |_shard| Chat::default())
}

fn listener(
    name: &str,
    address: SocketAddr,
    codec: impl Codec<String>,
    limits: &Limits,
) -> ListenerConfig<Chat> {
    ListenerConfig { limits: limits.clone(), ..ListenerConfig::new(name, address, codec) }
}
