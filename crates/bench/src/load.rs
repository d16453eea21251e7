//! The load generator: connections that keep messages in flight, on command.
//!
//! Closed loop: every connection sends its next message when one came back. With a rate, open loop: messages are due at
//! even times, on one connection after the other, and their time counts from when they were due. A slice ends with nothing in flight, so
//! that the other server has the machine to itself in the next. All figures come from this side.
//!
//! - Owns: the command line.
//! - Invariants: it is ready when every connection had an answer, so none is still being accepted; every byte that
//!   comes back is checked.
//! - Limits: open files (the soft limit is raised to the hard one); a minute of silence ends it.
//!
//! Read next: `orders.rs`, `load/crowd.rs`.

mod connection;
mod crowd;
mod pattern;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use clap::Parser;

use self::crowd::Crowd;
use self::pattern::FRAME_HEADER_BYTES;
use crate::{files, orders};

/// One source address has 28,000 ports to connect from.
const CONNECTIONS_PER_SOURCE_MAX: usize = 25_000;

/// Keeps messages in flight to an echo server and times their return.
///
/// Prints `ready`, then obeys lines on stdin: `run MILLIS` and `count MESSAGES` answer with one line of JSON,
/// `quit` ends it.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub struct Load {
    /// The server.
    #[arg(value_name = "ADDR")]
    address: SocketAddr,
    /// Connections to open and keep.
    #[arg(long, value_name = "N", default_value_t = 100)]
    connections: usize,
    /// Messages each connection keeps in flight.
    #[arg(long, value_name = "D", default_value_t = 1)]
    depth: usize,
    /// Bytes of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: usize,
    /// Messages a second, over all connections, whatever comes back; in place of a depth.
    #[arg(long, value_name = "R", conflicts_with = "depth")]
    rate: Option<u32>,
    /// Each message is a frame: two bytes that say how many follow, big-endian, and those. Its size is that of both.
    #[arg(long)]
    framed: bool,
    /// Source addresses to connect from; by default one for each 25,000 connections.
    #[arg(long, value_name = "K")]
    sources: Option<u8>,
    /// The first source address is 127.0.0.F, the others follow it; loads with their own do not share ports.
    #[arg(long, value_name = "F", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    first_source: u8,
}

impl Load {
    /// Connects, then obeys until `quit` or the end of stdin.
    pub fn run(&self) -> Result<()> {
        self.check()?;
        files::allow_most();
        let mut crowd = Crowd::connect(self)?;
        orders::obey(|limit| crowd.slice(limit))
    }

    fn check(&self) -> Result<()> {
        let all = self.connections > 0 && self.depth > 0 && self.size > 0;
        ensure!(all, "connections, depth and size must not be 0");
        let sizes = FRAME_HEADER_BYTES + 1..=FRAME_HEADER_BYTES + usize::from(u16::MAX);
        ensure!(!self.framed || sizes.contains(&self.size), "a frame has {sizes:?} bytes");
        Ok(())
    }

    fn sources(&self) -> usize {
        self.sources
            .map_or(self.connections.div_ceil(CONNECTIONS_PER_SOURCE_MAX), |sources| sources.max(1).into())
    }

    /// Where a connection comes from; `None` leaves it to the kernel, which takes 127.0.0.1.
    fn source(&self, connection: usize) -> Option<Ipv4Addr> {
        let sources = self.sources();
        let offset = connection % sources + usize::from(self.first_source) - 1;
        let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset as u32);
        (sources > 1 || self.first_source > 1).then_some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(words: &[&str]) -> Load {
        Load::parse_from([&["load", "127.0.0.1:1"], words].concat())
    }

    #[test]
    fn sources_grow_with_the_connections() {
        let of = |words: &[&str]| load(words).sources();
        assert_eq!(of(&[]), 1);
        assert_eq!(of(&["--connections", "25000"]), 1);
        assert_eq!(of(&["--connections", "25001"]), 2);
        assert_eq!(of(&["--sources", "7"]), 7);
    }

    #[test]
    fn loads_may_have_their_own_sources() {
        let of = |words: &[&str], connection| load(words).source(connection).map(|source| source.to_string());
        assert_eq!(of(&[], 9), None);
        assert_eq!(of(&["--first-source", "3"], 9).as_deref(), Some("127.0.0.3"));
        assert_eq!(of(&["--first-source", "3", "--sources", "2"], 9).as_deref(), Some("127.0.0.4"));
        assert_eq!(of(&["--sources", "2"], 0).as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for (words, good) in [
            (&["--size", "1"][..], true),
            (&["--size", "0"], false),
            (&["--depth", "0"], false),
            (&["--connections", "0"], false),
            (&["--framed", "--size", "2"], false),
            (&["--framed", "--size", "3"], true),
            (&["--framed", "--size", "65537"], true),
            (&["--framed", "--size", "65538"], false),
        ] {
            assert_eq!(load(words).check().is_ok(), good, "{words:?}");
        }
    }
}
