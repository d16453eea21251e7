//! Echo, in lines that are numbered. Steps 2 and 3 of `docs/tutorial.md`.
//!
//! Read next: `lines.rs`, the codec.
#![forbid(unsafe_code)]

mod lines;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, error::Error, io, net::SocketAddr, time::Duration};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use usher_hpserver::{Actions, Config, ConnId, Event, Limits, ListenerConfig, Server, Service};

use crate::lines::Lines;

/// Sends each line back with its number.
#[derive(Default)]
struct Numbered {
    lines: BTreeMap<ConnId, u64>,
}

impl Service for Numbered {
    type Packet = String;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        match event {
            Event::Packet { conn, packet } => {
                let number = self.lines.entry(conn).or_default();
                *number += 1;
                out.send(conn, format!("{number} {packet}"));
            }
            Event::Closed { conn, .. } => _ = self.lines.remove(&conn),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7001".into());
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let server = start(address.parse()?)?;
    println!("listening on {}", server.addresses()[0].1);
    signals.forever().next();
    server.shutdown(Duration::from_secs(5));
    Ok(())
}

fn start(address: SocketAddr) -> io::Result<Server<Numbered>> {
    let limits = Limits { first_message_deadline: Duration::from_secs(60), ..Limits::default() };
    let codec = Lines { line_bytes_max: 512 };
    let listener = ListenerConfig { limits, ..ListenerConfig::new("lines", address, codec) };
    Server::start(Config::default(), vec![listener], |_shard| Numbered::default())
}
