//! The servers that are measured, ours and the peers: their names, where they are, how they are started.
//!
//! - Invariant: a server started here ends with its handle, or soon after the bench if that is killed.
//!
//! Read next: `contest.rs`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::Child;

/// Valgrind takes a while to begin.
const START_MAX: Duration = Duration::from_secs(30);

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

/// One server, with so many threads that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Station {
    RawEcho(Engine, u16),
    /// `raw_echo` with a choice of ways, on mio, one thread.
    Buffers(Way),
    Bare(Engine, u16),
    Tokio(u16),
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RawEcho(engine, threads) => write!(f, "raw_echo-{engine}-{threads}"),
            Self::Buffers(way) => write!(f, "raw_echo-{way}"),
            Self::Bare(engine, threads) => write!(f, "bare_{engine}-{threads}"),
            Self::Tokio(threads) => write!(f, "tokio_echo-{threads}"),
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

    pub(crate) fn load(&self) -> PathBuf {
        self.folder.join("load")
    }

    pub(crate) fn storm(&self) -> PathBuf {
        self.folder.join("storm")
    }

    /// What makes `io_uring` wait where valgrind can see it.
    pub(crate) fn patient_ring(&self) -> PathBuf {
        self.folder.join("examples").join("libpatient_ring.so")
    }

    /// Built with other features, so in a target folder of its own.
    fn ways(&self) -> PathBuf {
        self.folder.with_file_name("ways").join("release").join("examples").join("raw_echo")
    }

    /// The command that starts a server on a free port. `at_most` is how long it could be needed.
    pub(crate) fn server(&self, station: Station, at_most: Duration) -> Vec<String> {
        let seconds = at_most.as_secs();
        let (program, options) = match station {
            Station::RawEcho(engine, threads) => (
                self.folder.join("examples").join("raw_echo"),
                format!("--engine {engine} --for {seconds} --workers {threads}"),
            ),
            Station::Buffers(way) => {
                (self.ways(), format!("--buffers {way} --engine mio --for {seconds} --workers 1"))
            }
            Station::Bare(engine, threads) => {
                (self.folder.join(format!("bare_{engine}")), format!("--with-parent --threads {threads}"))
            }
            Station::Tokio(threads) => {
                (self.folder.join("tokio_echo"), format!("--with-parent --threads {threads}"))
            }
        };
        let options = options.split(' ').map(ToOwned::to_owned);
        [program.display().to_string(), "127.0.0.1:0".into()].into_iter().chain(options).collect()
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
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
        let words = programs.server(station, at_most);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(more);
        Self::spawn(command).with_context(|| format!("starting {station}"))
    }

    /// Its first line is its address.
    pub(crate) fn spawn(command: Command) -> Result<Self> {
        let mut child = Child::spawn(command)?;
        let line = child.line(START_MAX)?;
        let address = line.parse().with_context(|| format!("`{line}` is no address"))?;
        Ok(Self { child, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let programs = Programs { folder: "/t/release".into() };
        let words = |station| programs.server(station, Duration::from_secs(9)).join(" ");
        assert_eq!(
            words(Station::RawEcho(Engine::Uring, 2)),
            "/t/release/examples/raw_echo 127.0.0.1:0 --engine uring --for 9 --workers 2"
        );
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
        let stations = [Station::RawEcho(Engine::Mio, 1), Station::Bare(Engine::Uring, 2), Station::Tokio(1)];
        assert_eq!(stations.map(|one| one.to_string()), ["raw_echo-mio-1", "bare_uring-2", "tokio_echo-1"]);
    }
}
