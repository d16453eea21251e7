//! The servers of others that are measured as they are packaged: Redis and NATS, started to keep nothing on disk.
//!
//! - Invariant: they end with their handle, or with the bench if that is killed (`setpriv` sees to it).
//! - Limits: they print no address, so a free port is chosen first; somebody may take it in between.
//!
//! Read next: `station.rs`, `broadcast.rs`.

use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::child::Child;
use crate::clock::now;
use crate::station::{ANY_PORT, START_MAX, Server};

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Where servers are that an ordinary user's `PATH` may not name.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broker {
    Redis,
    Nats,
}

impl Broker {
    pub(crate) const ALL: [Self; 2] = [Self::Redis, Self::Nats];

    /// Program and Debian package have the same name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        }
    }

    /// Refuses with what to do when it is not installed.
    pub(crate) fn find(self) -> Result<()> {
        let name = self.name();
        ensure!(self.path().is_some(), "{name} is not here (Debian: apt-get install {name})");
        Ok(())
    }

    fn path(self) -> Option<PathBuf> {
        path_of(self.name())
    }

    pub(crate) fn command(self, address: SocketAddr) -> Vec<String> {
        let path = self.path().unwrap_or_else(|| Path::new(self.name()).to_owned());
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let own: &[&str] = match self {
            Self::Redis => &[
                "--port",
                &port,
                "--bind",
                &host,
                "--save",
                "",
                "--appendonly",
                "no",
                "--daemonize",
                "no",
                "--loglevel",
                "warning",
            ],
            Self::Nats => &["-a", &host, "-p", &port, "-l", "/dev/null"],
        };
        dying_with_us(&path, own)
    }

    /// Waits until it listens there.
    pub(crate) fn spawn(self, command: Command, address: SocketAddr) -> Result<Server> {
        spawn(self.name(), command, address)
    }
}

/// Where a program of that name is.
pub(crate) fn path_of(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&paths).chain(MORE_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// `setpriv` becomes the program, so the process is its own.
pub(crate) fn dying_with_us(program: &Path, arguments: &[&str]) -> Vec<String> {
    let program = program.display().to_string();
    let words = ["setpriv", "--pdeathsig", "KILL", &program];
    words.iter().chain(arguments).map(ToString::to_string).collect()
}

/// A program that prints no address: waits until it listens there.
pub(crate) fn spawn(name: &'static str, command: Command, address: SocketAddr) -> Result<Server> {
    let mut child = Child::spawn_as(name, command)?;
    let started = now();
    while TcpStream::connect(address).is_err() {
        ensure!(child.runs()?, "{}", child.state());
        ensure!(started.elapsed() < START_MAX, "{name} does not listen on {address}");
        thread::sleep(POLL_INTERVAL);
    }
    Ok(Server::at(child, address))
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(ANY_PORT)?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_keep_nothing() {
        let words = |broker: Broker| broker.command("127.0.0.1:77".parse().unwrap()).join(" ");
        let redis = words(Broker::Redis);
        assert!(redis.starts_with("setpriv --pdeathsig KILL "), "{redis}");
        assert!(redis.contains("--port 77 --bind 127.0.0.1 --save  --appendonly no"), "{redis}");
        assert!(words(Broker::Nats).ends_with("nats-server -a 127.0.0.1 -p 77 -l /dev/null"));
    }

    #[test]
    fn who_does_not_listen_is_an_error() {
        let error = Broker::Redis.spawn(Command::new("true"), ANY_PORT).unwrap_err();
        assert!(error.to_string().starts_with("redis-server has ended"), "{error:#}");
    }
}
