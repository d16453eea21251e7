//! The smallest real server on layer 2: every packet comes back to whoever sent it.
//!
//! A server is three things: a `Service` (what happens on an event), listeners (how packets lie in the stream,
//! how connections begin, what they may do), and `Server::start`. The rest is what any process has: an argument,
//! errors, an end.
//! Read next: `docs/tutorial.md`, which begins with this file and goes on from it.
#![forbid(unsafe_code)]

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use usher_hpserver::{Actions, Bytes, Config, Event, Framed, ListenerConfig, Server, Service};

const USAGE: &str = "usage: usher-echo --listen ADDRESS
  ADDRESS is an IP address and a port: 127.0.0.1:7000, [::1]:7000; port 0 takes a free one";
/// How long clients have, at the end, to take what is queued for them.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Remembers nothing.
struct Echo;

impl Service for Echo {
    type Packet = Bytes;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        if let Event::Packet { conn, packet } = event {
            out.send(conn, packet);
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let address = match &arguments[..] {
        [option, address] if option == "--listen" => address.parse().ok(),
        _ => None,
    };
    let Some(address) = address else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Err(error) = serve(address) {
        eprintln!("usher-echo: {error}");
        if error.kind() == io::ErrorKind::AddrInUse {
            eprintln!("another program listens there: end it, or take another port");
        }
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn serve(address: SocketAddr) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listener = ListenerConfig::new("echo", address, Framed::default());
    let server = Server::start(Config::default(), vec![listener], |_shard| Echo)?;
    for (_, address) in server.addresses() {
        println!("listening on {address}");
    }
    signals.forever().next();
    if !server.shutdown(FLUSH_MAX).flushed {
        eprintln!("usher-echo: clients that did not take what was theirs in {FLUSH_MAX:?} were cut");
    }
    Ok(())
}
