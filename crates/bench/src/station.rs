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

/// One server, with so many threads that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Station {
    RawEcho(Engine, u16),
    Bare(Engine, u16),
    Tokio(u16),
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RawEcho(engine, threads) => write!(f, "raw_echo-{engine}-{threads}"),
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

    /// What makes `io_uring` wait where valgrind can see it.
    pub(crate) fn patient_ring(&self) -> PathBuf {
        self.folder.join("examples").join("libpatient_ring.so")
    }

    /// The command that starts a server on a free port. `at_most` is how long it could be needed.
    pub(crate) fn server(&self, station: Station, at_most: Duration) -> Vec<String> {
        let (program, threads) = match station {
            Station::RawEcho(_, threads) => ("examples/raw_echo".into(), threads),
            Station::Bare(engine, threads) => (format!("bare_{engine}"), threads),
            Station::Tokio(threads) => ("tokio_echo".into(), threads),
        };
        let mut words = vec![self.folder.join(program).display().to_string(), "127.0.0.1:0".into()];
        if let Station::RawEcho(engine, _) = station {
            let seconds = at_most.as_secs().to_string();
            words.extend(["--engine", &engine.to_string(), "--for", &seconds, "--workers"].map(Into::into));
        } else {
            words.extend(["--with-parent", "--threads"].map(Into::into));
        }
        words.push(threads.to_string());
        words
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(programs: &Programs, station: Station, at_most: Duration) -> Result<Self> {
        let words = programs.server(station, at_most);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
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
        let programs = Programs { folder: "/t".into() };
        let words = |station| programs.server(station, Duration::from_secs(9)).join(" ");
        assert_eq!(
            words(Station::RawEcho(Engine::Uring, 2)),
            "/t/examples/raw_echo 127.0.0.1:0 --engine uring --for 9 --workers 2"
        );
        assert_eq!(words(Station::Bare(Engine::Mio, 1)), "/t/bare_mio 127.0.0.1:0 --with-parent --threads 1");
        assert_eq!(words(Station::Tokio(2)), "/t/tokio_echo 127.0.0.1:0 --with-parent --threads 2");
    }

    #[test]
    fn names() {
        let stations = [Station::RawEcho(Engine::Mio, 1), Station::Bare(Engine::Uring, 2), Station::Tokio(1)];
        assert_eq!(stations.map(|one| one.to_string()), ["raw_echo-mio-1", "bare_uring-2", "tokio_echo-1"]);
    }
}
