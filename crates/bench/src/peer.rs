//! What the peers share so that each shows only its own way of echoing: command line, listener, end.
//!
//! - Invariants: the bound address is the first line on stdout, so that port 0 works; without `--for` there is no
//!   thread but those that serve (with a second one, glibc's `recv` and `send` take the longer way of a process
//!   whose threads may be cancelled: 50 instructions each).
//! - Limit: 4,096 connections wait to be accepted.
//!
//! Read next: `bin/bare_mio.rs`, `bin/bare_uring.rs`, `bin/tokio_echo.rs`, `bin/tokio_framed.rs`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};
use rustix::process::{Signal, set_parent_process_death_signal};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio_util::codec::LengthDelimitedCodec;

const BACKLOG: i32 = 4096;

/// The command line of a peer.
#[derive(Debug, Parser)]
pub struct Peer {
    /// Where to listen; the bound address is printed, so port 0 works.
    #[arg(value_name = "ADDR")]
    address: SocketAddr,
    /// Threads that serve connections.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Ends after this time, and not before; without it, runs until it is killed.
    #[arg(long = "for", value_name = "SECONDS")]
    run_for: Option<u64>,
    /// Ends with the process that started it, however that ends.
    #[arg(long)]
    with_parent: bool,
}

impl Peer {
    /// Reads the command line; ends the process with a message if it is wrong.
    pub fn parse_as(name: &'static str, about: &'static str) -> Self {
        let matches = Self::command().name(name).about(about).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Threads that serve connections, at least one.
    pub fn threads(&self) -> usize {
        usize::from(self.threads)
    }

    /// Listens, says where, and lets the time run. Accepted connections inherit `TCP_NODELAY` from the listener.
    pub fn open(&self) -> io::Result<TcpListener> {
        if let Some(seconds) = self.run_for {
            exit_after(Duration::from_secs(seconds))?;
        }
        if self.with_parent {
            set_parent_process_death_signal(Some(Signal::KILL))?;
        }
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        println!("{}", listener.local_addr()?);
        Ok(listener)
    }
}

/// The current-thread runtime for one thread, else the multi-thread one.
pub fn runtime(threads: usize) -> io::Result<Runtime> {
    match threads {
        1 => Builder::new_current_thread().enable_io().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).enable_io().build(),
    }
}

/// The frames of layer 2's station: `u16` length, big-endian, then that many bytes.
pub fn frames() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().length_field_type::<u16>().max_frame_length(u16::MAX.into()).new_codec()
}

fn exit_after(time: Duration) -> io::Result<()> {
    let wait = move || {
        thread::sleep(time);
        std::process::exit(0);
    };
    thread::Builder::new().name("end".into()).spawn(wait).map(drop)
}
