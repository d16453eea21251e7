//! What the service manager is told: that this server is ready, that it is going, that it is alive.
//!
//! Why: `systemctl start` is to return when a server serves, and a server that hangs is to be started again.
//! Owns: the datagrams of `sd_notify(3)` to the socket that `NOTIFY_SOCKET` names; without one, nothing is said.
//! Invariants: "ready" is said once, when `/readyz` says it; "alive" when every shard has answered since it was
//! last said. A socket that takes nothing holds nothing up.
//! Read next: [`crate::server`], which tells it.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, io, process};

/// The way to whoever started this process, if that listens.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    is_watched: bool,
}

impl Notify {
    /// As the environment says.
    pub fn from_env() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        match connect(&name) {
            Ok(socket) => Self { socket: Some(socket), is_watched: is_watched() },
            Err(error) => {
                tracing::warn!(?name, %error, "the service manager cannot be told anything");
                Self::default()
            }
        }
    }

    /// Whether it waits for signs of life.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// It serves.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// It does not serve yet, and why.
    pub fn waiting(&self, why: &str) {
        self.tell(&format!("STATUS={why}"));
    }

    /// It serves nobody new.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    /// It is alive.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, what: &str) {
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(what.as_bytes())) {
            tracing::debug!(%error, what, "the service manager was not told");
        }
    }
}

/// A path, or behind an `@` a name that is none.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// It may be that another process of this environment is meant.
fn is_watched() -> bool {
    let is_meant = env::var("WATCHDOG_PID").map_or(true, |pid| pid.parse() == Ok(process::id()));
    is_meant && env::var("WATCHDOG_USEC").is_ok_and(|span| span.parse::<u64>().is_ok_and(|span| span > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram, name: &OsStr) -> String {
        let notify = Notify { socket: Some(connect(name).unwrap()), is_watched: false };
        notify.ready();
        let mut said = [0; 64];
        let count = listener.recv(&mut said).unwrap();
        String::from_utf8(said[..count].into()).unwrap()
    }

    #[test]
    fn a_socket_is_found_by_its_path_and_by_a_name_that_is_none() {
        let path = env::temp_dir().join(format!("usher-notify-{}", process::id()));
        let by_path = UnixDatagram::bind(&path).unwrap();
        assert_eq!(heard(&by_path, path.as_os_str()), "READY=1\nSTATUS=serving");
        std::fs::remove_file(&path).unwrap();
        let name = format!("usher-notify-{}", process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        assert_eq!(heard(&by_name, OsStr::new(&format!("@{name}"))), "READY=1\nSTATUS=serving");
        assert!(connect(path.as_os_str()).is_err(), "nobody listens there any more");
    }
}
