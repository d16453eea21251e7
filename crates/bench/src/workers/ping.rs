//! A bare ping-pong over a Unix socket with a process of its own: the least that a round trip between two costs.
//!
//! - Owns: both ends; the far one is this program again, which ends with the socket.
//! - Limit: one message in flight, as a call waits for its answer.
//!
//! Read next: `host.rs`, its opponent.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Parser;

use crate::account::{Account, Limit};
use crate::orders;
use crate::slice::Slice;

/// Sends messages over a Unix socket to a process that sends them back, one at a time.
#[derive(Debug, Parser)]
#[command(name = "unix_ping")]
pub struct Ping {
    /// Bytes of what is sent.
    #[arg(long)]
    request: usize,
    /// Bytes of what comes back.
    #[arg(long)]
    reply: usize,
    /// Be the far end: answer what comes on descriptor 0.
    #[arg(long)]
    pong: bool,
}

impl Ping {
    /// Pings as ordered on stdin; or answers until the socket ends.
    pub fn run(&self) -> Result<()> {
        if self.pong {
            return self.answer(UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?));
        }
        let (mut ours, theirs) = UnixStream::pair()?;
        let program = std::env::current_exe().context("finding this program")?;
        let sizes = [format!("--request={}", self.request), format!("--reply={}", self.reply)];
        let mut pong =
            Command::new(program).args(sizes).arg("--pong").stdin(OwnedFd::from(theirs)).spawn()?;
        let (mut account, mut buffer) = (Account::new()?, vec![0; self.request.max(self.reply)]);
        let done = orders::obey(|limit| self.slice(&mut ours, &mut account, &mut buffer, limit));
        drop(ours);
        pong.wait()?;
        done
    }

    fn slice(
        &self,
        socket: &mut UnixStream,
        account: &mut Account,
        buffer: &mut [u8],
        limit: Limit,
    ) -> Result<Slice> {
        let mut now = account.start(limit);
        while account.grant(1, now) == 1 {
            account.in_flight += 1;
            socket.write_all(&buffer[..self.request])?;
            socket.read_exact(&mut buffer[..self.reply])?;
            let sent = std::mem::replace(&mut now, account.now());
            account.came_back(sent, now, 1);
        }
        Ok(account.slice())
    }

    fn answer(&self, mut socket: UnixStream) -> Result<()> {
        let mut buffer = vec![0; self.request.max(self.reply)];
        loop {
            match socket.read_exact(&mut buffer[..self.request]) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            }
            socket.write_all(&buffer[..self.reply])?;
        }
    }
}
