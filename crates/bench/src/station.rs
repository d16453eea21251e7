//! The servers that are measured, ours and the peers: their names, where they are, how they are started.
//!
//! - Invariant: a server started here ends with its handle, or soon after the bench if that is killed.
//!
//! Read next: `broker.rs` for those that are not built here, `contest.rs`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::audience::Protocol;
use crate::broker::{self, Broker};
use crate::child::Child;
use crate::push::server::{self as push, Logs};
use crate::relay::Relay;

/// Valgrind takes a while to begin.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);
/// A server started for one case that is still up after this ends by itself.
pub(crate) const CASE_MAX: Duration = Duration::from_secs(600);
/// The kernel chooses the port.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Engine {
    Uring,
    Mio,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uring => "uring",
            Self::Mio => "mio",
        })
    }
}

/// Who has the receive buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    List,
    Operation,
    Connection,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Operation => "operation",
            Self::Connection => "connection",
        })
    }
}

/// The threads of each stage of layer 2; a stage without any runs inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stages {
    pub(crate) receive: u16,
    pub(crate) logic: u16,
    pub(crate) send: u16,
}

impl Stages {
    pub(crate) const INLINE: Self = Self::new(0, 0, 0);
    pub(crate) const DEFAULT: Self = Self::new(0, 1, 0);
    pub(crate) const ALL: Self = Self::new(1, 1, 1);

    pub(crate) const fn new(receive: u16, logic: u16, send: u16) -> Self {
        Self { receive, logic, send }
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.receive, self.logic, self.send)
    }
}

/// Layer 2's station: what is below its stages, and their threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Framed {
    pub(crate) engine: Engine,
    pub(crate) workers: u16,
    pub(crate) stages: Stages,
}

impl Framed {
    /// With one worker.
    pub(crate) const fn on(engine: Engine, stages: Stages) -> Self {
        Self { engine, workers: 1, stages }
    }

    fn options(self) -> String {
        let Self { engine, workers, stages: Stages { receive, logic, send } } = self;
        format!(
            "--engine {engine} --workers {workers} \
             --receive-threads {receive} --logic-threads {logic} --send-threads {send}"
        )
    }
}

impl fmt::Display for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}/{}", self.engine, self.workers, self.stages)
    }
}

/// One server, with so many threads that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Station {
    RawEcho(Engine, u16),
    FramedEcho(Framed),
    /// What one says goes to all.
    FramedBroadcast(Framed),
    /// The same behind the encrypted channel.
    SealedBroadcast(Framed),
    /// `raw_echo` with a choice of ways, on mio, one thread.
    Buffers(Way),
    /// The push server, as it is delivered.
    Push(Engine, Logs),
    Bare(Engine, u16),
    Tokio(u16),
    TokioFramed(u16),
    TokioStages(u16),
    Broker(Broker),
    /// Something with an echo behind it.
    Relay(Relay),
}

impl Station {
    /// How its parts are arranged, in the names of cases.
    pub(crate) fn arrangement(self) -> String {
        match self {
            Self::RawEcho(engine, workers) => format!("{engine}-{workers}"),
            Self::FramedEcho(framed) | Self::FramedBroadcast(framed) | Self::SealedBroadcast(framed) => {
                framed.to_string()
            }
            Self::Push(engine, _) => engine.to_string(),
            other => other.to_string(),
        }
    }

    /// What it is called as an opponent.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::RawEcho(..) => "raw",
            Self::FramedEcho(_) => "framed",
            Self::FramedBroadcast(_) => "plain",
            Self::SealedBroadcast(_) => "sealed",
            Self::Buffers(_) => "buffers",
            Self::Push(_, Logs::Default) => "push",
            Self::Push(_, Logs::OfOne) => "log-1",
            Self::Bare(..) => "bare",
            Self::Tokio(_) => "tokio",
            Self::TokioFramed(_) => "tokio-framed",
            Self::TokioStages(_) => "tokio-stages",
            Self::Broker(Broker::Redis) => "redis",
            Self::Broker(Broker::Nats) => "nats",
            Self::Relay(Relay::Gateway(..) | Relay::GatewayBroadcast(..)) => "gateway",
            Self::Relay(Relay::HaProxy(_)) => "haproxy",
        }
    }

    /// How its clients speak, where there is a choice.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::SealedBroadcast(_) => Protocol::Sealed,
            Self::Broker(Broker::Redis) => Protocol::Redis,
            Self::Broker(Broker::Nats) => Protocol::Nats,
            _ => Protocol::Framed,
        }
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RawEcho(engine, threads) => write!(f, "raw_echo-{engine}-{threads}"),
            Self::FramedEcho(framed) => write!(f, "framed_echo-{framed}"),
            Self::FramedBroadcast(framed) => write!(f, "framed_broadcast-{framed}"),
            Self::SealedBroadcast(framed) => write!(f, "sealed_broadcast-{framed}"),
            Self::Buffers(way) => write!(f, "raw_echo-{way}"),
            Self::Push(engine, Logs::Default) => write!(f, "push-{engine}"),
            Self::Push(engine, Logs::OfOne) => write!(f, "push-{engine}-log-1"),
            Self::Bare(engine, threads) => write!(f, "bare_{engine}-{threads}"),
            Self::Tokio(threads) => write!(f, "tokio_echo-{threads}"),
            Self::TokioFramed(threads) => write!(f, "tokio_framed-{threads}"),
            Self::TokioStages(threads) => write!(f, "tokio_stages-{threads}"),
            Self::Broker(broker) => broker.fmt(f),
            Self::Relay(relay) => relay.fmt(f),
        }
    }
}

/// Where the release binaries are: beside this one.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    pub(crate) fn locate() -> Result<Self> {
        let own = std::env::current_exe().context("finding this program")?;
        let folder = own.parent().context("this program lies in no folder")?.to_owned();
        Ok(Self { folder })
    }

    /// A program of this crate.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn load(&self) -> PathBuf {
        self.folder.join("load")
    }

    pub(crate) fn audience(&self) -> PathBuf {
        self.folder.join("audience")
    }

    pub(crate) fn desk(&self) -> PathBuf {
        self.folder.join("desk")
    }

    pub(crate) fn storm(&self) -> PathBuf {
        self.folder.join("storm")
    }

    pub(crate) fn gateway(&self) -> PathBuf {
        self.folder.join("examples").join("framed_gateway")
    }

    fn push(&self) -> PathBuf {
        self.folder.join("usher-push")
    }

    /// What makes `io_uring` wait where valgrind can see it.
    pub(crate) fn patient_ring(&self) -> PathBuf {
        self.folder.join("examples").join("libpatient_ring.so")
    }

    /// Built with other features, so in a target folder of its own.
    fn ways(&self) -> PathBuf {
        self.folder.with_file_name("ways").join("release").join("examples").join("raw_echo")
    }

    /// The command that starts a server at this address. `at_most` is how long it could be needed.
    pub(crate) fn server(&self, station: Station, at_most: Duration, address: SocketAddr) -> Vec<String> {
        let seconds = at_most.as_secs();
        let example = |name| self.folder.join("examples").join(name);
        let peer = |name: &str, threads| {
            (self.folder.join(name), format!("{address} --with-parent --threads {threads}"))
        };
        let layer2 = |framed: Framed| format!("--listen {address} --for {seconds} {}", framed.options());
        let (program, options) = match station {
            Station::RawEcho(engine, threads) => (
                example("raw_echo"),
                format!("{address} --engine {engine} --for {seconds} --workers {threads}"),
            ),
            Station::FramedEcho(framed) => (example("framed_echo"), layer2(framed)),
            Station::FramedBroadcast(framed) => (example("framed_echo"), layer2(framed) + " --broadcast"),
            Station::SealedBroadcast(framed) => (self.folder.join("sealed_room"), layer2(framed)),
            Station::Buffers(way) => {
                (self.ways(), format!("{address} --buffers {way} --engine mio --for {seconds} --workers 1"))
            }
            Station::Bare(engine, threads) => peer(&format!("bare_{engine}"), threads),
            Station::Tokio(threads) => peer("tokio_echo", threads),
            Station::TokioFramed(threads) => peer("tokio_framed", threads),
            Station::TokioStages(threads) => peer("tokio_stages", threads),
            Station::Broker(broker) => return broker.command(address),
            // It has a config and no options: `push/server.rs`.
            Station::Push(..) => (self.push(), String::new()),
            // It is two processes: `relay.rs`.
            Station::Relay(_) => (self.gateway(), String::new()),
        };
        let options = options.split(' ').map(ToOwned::to_owned);
        [program.display().to_string()].into_iter().chain(options).collect()
    }
}

fn command(words: &[String], more: &[&str]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(more);
    command
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// Of a push server.
    pub(crate) ports: Option<push::Ports>,
    /// What a relay stands before.
    pub(crate) inner: Option<Box<Server>>,
}

impl Server {
    pub(crate) fn at(child: Child, address: SocketAddr) -> Self {
        Self { child, address, ports: None, inner: None }
    }

    pub(crate) fn start(programs: &Programs, station: Station, at_most: Duration) -> Result<Self> {
        Self::start_with(programs, station, at_most, &[])
    }

    /// With more on its command line.
    pub(crate) fn start_with(
        programs: &Programs,
        station: Station,
        at_most: Duration,
        more: &[&str],
    ) -> Result<Self> {
        let started = match station {
            Station::Push(engine, logs) => push::start(&programs.push(), engine, logs),
            Station::Relay(relay) => relay.start(programs, at_most),
            Station::Broker(broker) => {
                let address = broker::free_address()?;
                broker.spawn(command(&programs.server(station, at_most, address), more), address)
            }
            _ => Self::spawn(command(&programs.server(station, at_most, ANY_PORT), more)),
        };
        started.with_context(|| format!("starting {station}"))
    }

    /// Its first line is its address.
    pub(crate) fn spawn(command: Command) -> Result<Self> {
        let mut child = Child::spawn(command)?;
        let address = Self::announced(&mut child)?;
        Ok(Self::at(child, address))
    }

    /// The other ports of a push server.
    pub(crate) fn ports(&self) -> Result<push::Ports> {
        self.ports.context("this server is no push server")
    }

    /// Where else it listens, if that is its next line.
    pub(crate) fn next_address(&mut self) -> Result<SocketAddr> {
        Self::announced(&mut self.child)
    }

    fn announced(child: &mut Child) -> Result<SocketAddr> {
        let line = child.line(START_MAX)?;
        line.parse().with_context(|| format!("`{line}` is no address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: Stages = Stages::new(1, 0, 2);

    #[test]
    fn command_lines() {
        let programs = Programs { folder: "/t/release".into() };
        let words = |station| programs.server(station, Duration::from_secs(9), ANY_PORT).join(" ");
        assert_eq!(
            words(Station::RawEcho(Engine::Uring, 2)),
            "/t/release/examples/raw_echo 127.0.0.1:0 --engine uring --for 9 --workers 2"
        );
        let options = "--listen 127.0.0.1:0 --for 9 --engine mio --workers 1 \
                       --receive-threads 1 --logic-threads 0 --send-threads 2";
        let framed = Framed::on(Engine::Mio, STAGES);
        let echo = format!("/t/release/examples/framed_echo {options}");
        assert_eq!(words(Station::FramedEcho(framed)), echo);
        assert_eq!(words(Station::FramedBroadcast(framed)), format!("{echo} --broadcast"));
        assert_eq!(words(Station::SealedBroadcast(framed)), format!("/t/release/sealed_room {options}"));
        assert_eq!(
            words(Station::Buffers(Way::Operation)),
            "/t/ways/release/examples/raw_echo 127.0.0.1:0 --buffers operation --engine mio --for 9 --workers 1"
        );
        assert_eq!(
            words(Station::Bare(Engine::Mio, 1)),
            "/t/release/bare_mio 127.0.0.1:0 --with-parent --threads 1"
        );
        assert_eq!(words(Station::Tokio(2)), "/t/release/tokio_echo 127.0.0.1:0 --with-parent --threads 2");
    }

    #[test]
    fn names() {
        let framed = Framed::on(Engine::Uring, STAGES);
        for (station, name) in [
            (Station::RawEcho(Engine::Mio, 1), "raw_echo-mio-1"),
            (Station::Bare(Engine::Uring, 2), "bare_uring-2"),
            (Station::Tokio(1), "tokio_echo-1"),
            (Station::TokioStages(2), "tokio_stages-2"),
            (Station::FramedEcho(framed), "framed_echo-uring-1/1-0-2"),
            (Station::FramedBroadcast(framed), "framed_broadcast-uring-1/1-0-2"),
            (Station::SealedBroadcast(framed), "sealed_broadcast-uring-1/1-0-2"),
            (Station::Broker(Broker::Nats), "nats-server"),
        ] {
            assert_eq!(station.to_string(), name);
        }
    }
}
