//! What is asked of a server, and the load that asks it.
//!
//! - Invariant: a load started here has had an answer on each of its connections.
//! - Limits: [`CONNECT_MAX`], [`VISITS_MAX`].
//!
//! Read next: `load.rs`, `audience.rs`, `storm.rs`: the loads.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::child::Child;
use crate::station::{Programs, Server, Station};
use crate::storm::Visits;

const CONNECT_MAX: Duration = Duration::from_secs(120);
const VISITS_MAX: Duration = Duration::from_secs(90);
/// Of an echo, unless said otherwise.
const MESSAGE_BYTES: u32 = 64;
/// Who hear a broadcast, its sender among them.
pub(crate) const MEMBERS: u32 = 400;
/// Who are instructed.
const TERMINALS: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Connections that keep messages in flight.
    Echo(Echo),
    /// One who speaks, at this pace, and [`MEMBERS`] who hear it.
    Broadcast(Pace),
    /// One in flight to each of [`TERMINALS`]. Who knows none echoes a message on each of as many connections.
    Instructions(Writes),
}

impl Traffic {
    pub(crate) fn start(self, programs: &Programs, server: &mut Server, station: Station) -> Result<Child> {
        match self {
            Self::Echo(echo) => echo.start(programs, server),
            Self::Broadcast(pace) => Audience { members: MEMBERS, pace }.start(programs, server, station),
            Self::Instructions(writes) if server.ports.is_some() => {
                Instructing::closed(TERMINALS, writes).start(programs, server)
            }
            Self::Instructions(_) => Echo::plain(TERMINALS, 1).start(programs, server),
        }
    }

    pub(crate) fn connections(self) -> u32 {
        match self {
            Self::Echo(echo) => echo.connections,
            Self::Broadcast(_) => MEMBERS,
            Self::Instructions(_) => TERMINALS,
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(echo) => echo.fmt(f),
            Self::Broadcast(pace) => pace.fmt(f),
            Self::Instructions(Writes::Together) => f.write_str("instruction"),
            Self::Instructions(Writes::Singly) => f.write_str("instruction-singly"),
        }
    }
}

/// What each connection of a load does, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) connections: u32,
    pub(crate) depth: u32,
    pub(crate) framed: bool,
    pub(crate) bytes: u32,
    /// Messages a second over all of them, whatever comes back; none: as many as do.
    pub(crate) rate: Option<u32>,
}

impl Echo {
    pub(crate) const fn plain(connections: u32, depth: u32) -> Self {
        Self { connections, depth, framed: false, bytes: MESSAGE_BYTES, rate: None }
    }

    /// Every message is a frame, of the same size as a plain one.
    pub(crate) const fn framed(connections: u32, depth: u32) -> Self {
        Self { framed: true, ..Self::plain(connections, depth) }
    }

    /// Of that size, its header included.
    pub(crate) const fn of_bytes(self, bytes: u32) -> Self {
        Self { bytes, ..self }
    }

    /// So many messages a second.
    pub(crate) const fn at_rate(self, rate: u32) -> Self {
        Self { rate: Some(rate), ..self }
    }

    pub(crate) fn start(self, programs: &Programs, server: &mut Server) -> Result<Child> {
        start(&programs.load(), &self.arguments(server.address), server)
    }

    /// At another address of the same server.
    pub(crate) fn start_at(
        self,
        programs: &Programs,
        server: &mut Server,
        address: SocketAddr,
    ) -> Result<Child> {
        start(&programs.load(), &self.arguments(address), server)
    }

    /// With its own source address, 127.0.0.`source`, and so with its own ports.
    pub(crate) fn start_from(self, programs: &Programs, server: &mut Server, source: u8) -> Result<Child> {
        let mut arguments = self.arguments(server.address);
        arguments.push(format!("--first-source={source}"));
        start(&programs.load(), &arguments, server)
    }

    fn arguments(self, address: SocketAddr) -> Vec<String> {
        let Self { connections, depth, framed, bytes, rate } = self;
        let mut arguments = vec![address.to_string(), format!("--connections={connections}")];
        arguments.push(rate.map_or(format!("--depth={depth}"), |rate| format!("--rate={rate}")));
        arguments.extend((bytes != MESSAGE_BYTES).then(|| format!("--size={bytes}")));
        arguments.extend(framed.then(|| "--framed".to_owned()));
        arguments
    }
}

impl fmt::Display for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, depth, bytes, rate, .. } = self;
        match rate {
            None => write!(f, "{connections}x{depth}")?,
            Some(rate) => write!(f, "{connections}-at-{rate}")?,
        }
        if *bytes == MESSAGE_BYTES { Ok(()) } else { write!(f, "-of-{bytes}") }
    }
}

/// How often one speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    PerSecond(u32),
    /// As soon as the messages before are heard by all, but for a window.
    Flat,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}-a-second"),
            Self::Flat => f.write_str("flat-out"),
        }
    }
}

/// One who speaks, and who hears it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audience {
    pub(crate) members: u32,
    pub(crate) pace: Pace,
}

impl Audience {
    pub(crate) fn start(self, programs: &Programs, server: &mut Server, station: Station) -> Result<Child> {
        let mut arguments = vec![
            server.address.to_string(),
            format!("--members={}", self.members),
            format!("--protocol={}", station.protocol()),
        ];
        if let Pace::PerSecond(rate) = self.pace {
            arguments.push(format!("--rate={rate}"));
        }
        start(&programs.audience(), &arguments, server)
    }
}

/// How a controller writes what it has to say at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Together,
    Singly,
}

/// Who instructs the terminals of a push server, and who sets quotes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instructing {
    pub(crate) terminals: u32,
    /// Instructions a second; none: one in flight to each terminal.
    pub(crate) rate: Option<u32>,
    pub(crate) writes: Writes,
    /// Quotes a second.
    pub(crate) quotes: Option<u32>,
}

impl Instructing {
    const fn closed(terminals: u32, writes: Writes) -> Self {
        Self { terminals, rate: None, writes, quotes: None }
    }

    pub(crate) fn start(self, programs: &Programs, server: &mut Server) -> Result<Child> {
        start(&programs.desk(), &self.arguments(server.address, server.ports()?.controllers), server)
    }

    pub(crate) fn arguments(self, terminals_at: SocketAddr, controllers_at: SocketAddr) -> Vec<String> {
        let Self { terminals, rate, writes, quotes } = self;
        let mut arguments =
            vec![terminals_at.to_string(), controllers_at.to_string(), format!("--terminals={terminals}")];
        arguments.extend((writes == Writes::Singly).then(|| "--singly".to_owned()));
        arguments.extend(rate.map(|rate| format!("--rate={rate}")));
        arguments.extend(quotes.map(|quotes| format!("--quotes={quotes}")));
        arguments
    }
}

/// Visitors who come at a steady rate, each for one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomers {
    pub(crate) rate: u32,
    pub(crate) visits: u32,
    pub(crate) framed: bool,
}

impl Newcomers {
    /// Waits until the last has left.
    pub(crate) fn visit(self, programs: &Programs, server: &mut Server) -> Result<Visits> {
        let Self { rate, visits, framed } = self;
        let mut arguments =
            vec![server.address.to_string(), format!("--rate={rate}"), format!("--visits={visits}")];
        arguments.extend(framed.then(|| "--framed".to_owned()));
        let mut storm = Child::start(&programs.storm(), &arguments)?;
        storm.answer(VISITS_MAX).with_context(|| server.child.state())
    }
}

/// The server may be why a load is not ready.
fn start(program: &Path, arguments: &[String], server: &mut Server) -> Result<Child> {
    let mut load = Child::start(program, arguments)?;
    let line = load.line(CONNECT_MAX).with_context(|| server.child.state())?;
    ensure!(line == "ready", "the load said `{line}`");
    Ok(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_has_a_short_name() {
        let names = [
            Traffic::Echo(Echo::plain(1_000, 16)),
            Traffic::Broadcast(Pace::PerSecond(50)),
            Traffic::Broadcast(Pace::Flat),
            Traffic::Instructions(Writes::Singly),
        ];
        assert_eq!(
            names.map(|traffic| traffic.to_string()),
            ["1000x16", "50-a-second", "flat-out", "instruction-singly"]
        );
    }

    #[test]
    fn a_load_is_told_to_frame() {
        let address = "127.0.0.1:9".parse().unwrap();
        let words = |echo: Echo| echo.arguments(address).join(" ");
        assert_eq!(words(Echo::plain(3, 2)), "127.0.0.1:9 --connections=3 --depth=2");
        assert_eq!(words(Echo::framed(3, 2)), "127.0.0.1:9 --connections=3 --depth=2 --framed");
    }
}
