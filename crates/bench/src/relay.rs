//! What stands between players and a server: our gateway, and HAProxy in TCP mode.
//!
//! Each has an echo of layer 2 behind it, the same program: HAProxy reaches it by a connection for each player, the
//! gateway by a trunk. The echo ends with its relay.
//!
//! - Owns: how the two are started. HAProxy wants a file; it has read it when it listens.
//! - Limit: the echo's own CPU is nobody's here.
//!
//! Read next: `gateway.rs`, the cases.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::broker::{self, dying_with_us, free_address, path_of};
use crate::station::{Engine, Framed, Programs, Server, Stages, Station};

const HAPROXY: &str = "haproxy";
/// Behind each relay.
const INNER: Station = Station::FramedEcho(Framed::on(Engine::Uring, Stages::INLINE));
const INNER_ROOM: Station = Station::FramedBroadcast(Framed::on(Engine::Uring, Stages::INLINE));

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relay {
    /// One worker, stages inline, so many trunks.
    Gateway(Engine, u16),
    /// The same; what one player says goes to all.
    GatewayBroadcast(Engine, u16),
    /// So many threads.
    HaProxy(u16),
}

impl Relay {
    /// Starts it with an echo behind it.
    pub(crate) fn start(self, programs: &Programs, at_most: Duration) -> Result<Server> {
        let inner = if let Self::GatewayBroadcast(..) = self { INNER_ROOM } else { INNER };
        let mut inner = Server::start_with(programs, inner, at_most, &["--trunk", "127.0.0.1:0"])?;
        let mut relay = match self {
            Self::Gateway(engine, trunks) | Self::GatewayBroadcast(engine, trunks) => {
                let trunk = inner.next_address()?;
                let mut command = Command::new(programs.gateway());
                command.args(["--listen", "127.0.0.1:0", "--inner", &trunk.to_string()]);
                command.args([
                    "--engine",
                    &engine.to_string(),
                    "--trunks",
                    &trunks.to_string(),
                    "--workers",
                    "1",
                ]);
                command.args(["--for", &at_most.as_secs().to_string()]);
                Server::spawn(command)?
            }
            Self::HaProxy(threads) => haproxy(threads, inner.address)?,
        };
        relay.inner = Some(Box::new(inner));
        Ok(relay)
    }

    /// Refuses with what to do when HAProxy is not installed.
    pub(crate) fn find_haproxy() -> Result<()> {
        ensure!(path_of(HAPROXY).is_some(), "{HAPROXY} is not here (Debian: apt-get install {HAPROXY})");
        Ok(())
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(engine, trunks) => write!(f, "gateway-{engine}-{trunks}"),
            Self::GatewayBroadcast(engine, trunks) => write!(f, "gateway_broadcast-{engine}-{trunks}"),
            Self::HaProxy(threads) => write!(f, "haproxy-{threads}"),
        }
    }
}

fn haproxy(threads: u16, inner: SocketAddr) -> Result<Server> {
    let path = path_of(HAPROXY).context("haproxy is not here")?;
    let address = free_address()?;
    let file =
        std::env::temp_dir().join(format!("usher-bench-{}-{}.cfg", std::process::id(), address.port()));
    fs::write(&file, config(threads, address, inner))?;
    let words = dying_with_us(&path, &["-db", "-q", "-f", &file.display().to_string()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let server = broker::spawn(HAPROXY, command, address);
    fs::remove_file(&file)?;
    server
}

/// As its documentation has it for TCP, with deadlines that no bench meets.
fn config(threads: u16, address: SocketAddr, inner: SocketAddr) -> String {
    format!(
        "global\n  nbthread {threads}\n  maxconn {CONNECTIONS_MAX}\n\
         defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n\
         listen echo\n  bind {address}\n  server inner {inner}\n"
    )
}

/// Two sockets each, of the 20,000 files a process may have.
const CONNECTIONS_MAX: u32 = 9_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_the_config() {
        assert_eq!(Relay::Gateway(Engine::Mio, 4).to_string(), "gateway-mio-4");
        assert_eq!(Relay::HaProxy(1).to_string(), "haproxy-1");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let config = config(2, at(7), at(8));
        assert!(config.contains("nbthread 2\n") && config.contains("bind 127.0.0.1:7\n"), "{config}");
        assert!(config.contains("server inner 127.0.0.1:8\n") && config.contains("mode tcp\n"), "{config}");
    }
}
