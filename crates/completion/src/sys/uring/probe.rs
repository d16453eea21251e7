//! Whether this machine has the io_uring we need: found out by trying, not by version numbers.
//!
//! A kernel may be too old, a sandbox may forbid the system calls, an administrator may have turned them off; each is
//! told apart, so that a log line says what to do about it.
//! Read next: `../../server.rs`, which chooses the engine.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::opcode::{RecvMulti, Send};
use io_uring::squeue::Flags;
use io_uring::types::Fd;

use super::buffers::{Buffers, GROUP};
use super::ring::Ring;
use super::send::FLAGS as SEND_FLAGS;
use crate::pool::Buffer;

/// Why io_uring cannot be used here.
#[derive(Debug)]
pub(crate) enum Missing {
    /// The kernel has none.
    NotBuiltIn,
    /// `kernel.io_uring_disabled` says so: 1 = only for a group, 2 = for nobody.
    TurnedOff(String),
    /// Something forbids it, a seccomp filter most likely.
    Forbidden,
    /// It lacks an operation or a feature.
    TooOld(&'static str),
    Failed(io::Error),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::NotBuiltIn => write!(f, "this kernel has no io_uring"),
            Missing::TurnedOff(value) => {
                write!(f, "io_uring is turned off: kernel.io_uring_disabled = {value} (sysctl)")
            }
            Missing::Forbidden => write!(f, "io_uring is forbidden here, by a seccomp filter most likely"),
            Missing::TooOld(lacks) => write!(f, "this kernel's io_uring lacks {lacks}; Linux 6.1 has it"),
            Missing::Failed(error) => write!(f, "io_uring failed: {error}"),
        }
    }
}

/// Sends a byte to itself in just the way the backend does it.
pub(crate) fn probe() -> Result<(), Missing> {
    let mut ring = Ring::new().map_err(because)?;
    if !ring.has_features() {
        return Err(Missing::TooOld("completions that may be skipped"));
    }
    let mut buffers = Buffers::new(&ring, 1).map_err(|error| lacking(error, "rings of provided buffers"))?;
    let unposted = buffers.post(Buffer::loose(16));
    debug_assert!(unposted.is_none(), "invariant: an empty ring of buffers has room");
    buffers.publish();
    let outcome = converse(&mut ring).map_err(|error| lacking(error, "receives that stand"));
    ring.cancel_all(|_| {});
    buffers.close(&ring);
    outcome
}

fn converse(ring: &mut Ring) -> io::Result<()> {
    let (here, there) = UnixStream::pair()?;
    let word = b"?";
    let receive = RecvMulti::new(Fd(here.as_raw_fd()), GROUP).build().user_data(1);
    let send = Send::new(Fd(there.as_raw_fd()), word.as_ptr(), word.len() as u32);
    let send = send.flags(SEND_FLAGS).build().flags(Flags::SKIP_SUCCESS).user_data(2);
    // SAFETY: the word outlives the wait below, which completes the send; the receive fills a posted buffer.
    unsafe {
        ring.push(&receive)?;
        ring.push(&send)?;
    }
    ring.wait(Some(Duration::from_secs(1)))?;
    let completions: Vec<_> = ring.completions().collect();
    match completions[..] {
        [only] if only.user_data == 1 && only.result == 1 && only.has_more() => Ok(()),
        ref others => Err(others
            .iter()
            .find_map(|other| other.error())
            .unwrap_or_else(|| io::ErrorKind::Unsupported.into())),
    }
}

/// Why a ring cannot even be made.
fn because(error: io::Error) -> Missing {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => Missing::NotBuiltIn,
        Some(libc::EPERM | libc::EACCES) => {
            match std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled") {
                Ok(value) if value.trim() != "0" => Missing::TurnedOff(value.trim().to_owned()),
                _ => Missing::Forbidden,
            }
        }
        Some(libc::EINVAL) => Missing::TooOld("rings for one thread"),
        _ => Missing::Failed(error),
    }
}

fn lacking(error: io::Error, what: &'static str) -> Missing {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Missing::TooOld(what),
        _ => Missing::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_told_apart() {
        for (errno, says) in [
            (libc::ENOSYS, "has no io_uring"),
            (libc::EPERM, "forbidden"),
            (libc::EINVAL, "lacks"),
            (libc::ENOMEM, "failed"),
        ] {
            let said = because(io::Error::from_raw_os_error(errno)).to_string();
            assert!(said.contains(says) || said.contains("turned off"), "{errno}: {said}");
        }
    }
}
