//! A measuring station: sends every byte back, on layer 1 alone.
//!
//! `raw_echo ADDR [--engine auto|uring|mio] [--workers N] [--connections MAX] [--direct SLOTS] [--for SECONDS]` prints
//! the bound address on its first line (port 0 works) and, when its time is over, what it counted. Without `--for` it runs until it is killed.
//! Read next: the hooks of the library; this is the smallest use of them.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use usher_completion::{Chunk, Config, ConnId, Engine, Fault, Hooks, Io, Opened, Reason, Sent, Server};

const USAGE: &str = "usage: raw_echo ADDR [--engine auto|uring|mio] [--workers N] [--connections MAX] [--direct SLOTS] \
     [--for SECONDS]";

/// A connection whose socket has refused this much is not read from until it has taken it.
const UNSENT_MAX_BYTES: usize = 256 * 1024;

/// Who never paused anybody need not ask whether to resume.
#[derive(Default)]
struct Echo {
    has_paused: bool,
}

impl Hooks for Echo {
    fn connected(&mut self, _io: &mut Io<'_>, _conn: ConnId, _opened: Opened) {}

    #[inline]
    fn received(&mut self, io: &mut Io<'_>, conn: ConnId, chunk: Chunk) {
        if chunk.is_empty() {
            io.close(conn);
        } else {
            io.send(conn, chunk);
        }
    }

    #[inline]
    fn sent(&mut self, io: &mut Io<'_>, conn: ConnId, sent: Sent) {
        if sent.waiting > UNSENT_MAX_BYTES {
            self.has_paused = true;
            io.pause_reading(conn);
        } else if sent.waiting == 0 && self.has_paused {
            io.resume_reading(conn);
        }
    }

    fn disconnected(&mut self, _io: &mut Io<'_>, _conn: ConnId, _reason: Reason) {}

    fn error(&mut self, _io: &mut Io<'_>, fault: Fault) {
        tracing::warn!(%fault);
    }
}

struct Args {
    addr: SocketAddr,
    config: Config,
    run_for: Option<Duration>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Args> {
    let addr = words.next()?.parse().ok()?;
    let mut args = Args { addr, config: Config::default(), run_for: None };
    while let Some(flag) = words.next() {
        let value = words.next()?;
        match (flag.as_str(), value.as_str()) {
            ("--engine", "auto") => args.config.engine = Engine::Auto,
            ("--engine", "uring") => args.config.engine = Engine::Uring,
            ("--engine", "mio") => args.config.engine = Engine::Mio,
            ("--workers", _) => args.config.workers = value.parse().ok()?,
            ("--connections", _) => args.config.connections_max = value.parse().ok()?,
            #[cfg(feature = "buffer-ways")]
            ("--buffers", _) => {
                args.config.ways = match value.as_str() {
                    "list" => usher_completion::Ways::List,
                    "operation" => usher_completion::Ways::Operation,
                    "connection" => usher_completion::Ways::Connection,
                    _ => return None,
                }
            }
            ("--direct", _) => args.config.direct_descriptors = value.parse().ok()?,
            ("--for", _) => args.run_for = Some(Duration::from_secs(value.parse().ok()?)),
            _ => return None,
        }
    }
    Some(args)
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Some(args) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raw_echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> std::io::Result<()> {
    let server = Server::start(args.config, |_| Echo::default())?;
    let (_, address) = server.handle().listen(args.addr)?;
    println!("{address}");
    // Nobody ever sends: this waits for the time to be over, or for ever.
    let (_never, over) = mpsc::channel::<()>();
    match args.run_for {
        Some(run_for) => drop(over.recv_timeout(run_for)),
        None => drop(over.recv()),
    }
    println!("{:#?}", server.shutdown());
    Ok(())
}
