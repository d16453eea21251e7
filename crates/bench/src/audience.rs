//! The load of a broadcast: one speaks, all members hear it, on command.
//!
//! At a rate it is an open loop: message n is due n / rate seconds after the start, and latency counts from then,
//! whatever kept it. Flat out it is a closed one: so many messages are on their way to whoever has heard least, so
//! that nobody lags without bound. One process does it all, because it must know when the last member has heard.
//!
//! - Owns: the command line.
//! - Invariants: it is ready when every member hears what is said; each hears every message once, in order, to the
//!   byte, or the load fails, as it does when one is closed on.
//! - Limits: a thousand members, each of whom joins by itself; a minute of silence ends it. One thread reads it all:
//!   how far a server outruns it shows in the server's CPU a delivery, not in deliveries a second.
//!
//! Read next: `orders.rs`, `audience/room.rs`.

mod channel;
mod member;
mod protocol;
mod room;
mod tape;

use std::net::SocketAddr;

use anyhow::Result;
use clap::Parser;

pub use self::channel::ROOM_KEY;
pub(crate) use self::protocol::Protocol;
use self::room::Room;
use crate::{files, orders};

/// Says messages to members that all hear them, and times their arrival.
///
/// Prints `ready`, then obeys lines on stdin: `run MILLIS` and `count MESSAGES` answer with one line of JSON, whose
/// messages are deliveries: one for each member. `quit` ends it.
#[derive(Debug, Parser)]
#[command(name = "audience")]
pub struct Audience {
    /// The server.
    #[arg(value_name = "ADDR")]
    address: SocketAddr,
    /// How they speak: `framed` (what one says, all hear), `sealed` (the same, encrypted), `redis` or `nats` (publish
    /// and subscribe).
    #[arg(long, value_enum, value_name = "PROTOCOL", default_value_t = Protocol::Framed)]
    protocol: Protocol,
    /// Connections that hear. The first of them speaks; with redis, one more does.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u16).range(1..=1000))]
    members: u16,
    /// Messages a second; without it, as fast as they are heard.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Messages on their way to who has heard least, if there is no rate.
    #[arg(long, value_name = "W", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    window: u16,
    /// Bytes of a message, without what its protocol adds; sealing adds 16 to a frame.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u16).range(16..=65_519))]
    size: u16,
}

impl Audience {
    /// Joins, then obeys until `quit` or the end of stdin.
    pub fn run(self) -> Result<()> {
        files::allow_most();
        let mut room = Room::open(self)?;
        orders::obey(|limit| room.slice(limit))
    }
}
