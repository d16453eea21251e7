//! Echo, in lines that are numbered. Steps 2 and 3 of `docs/tutorial.md`.
//!
//! Read next: `lines.rs`, the codec.
#![forbid(unsafe_code)]

mod lines;

use std::{collections::BTreeMap, error::Error, io, net::SocketAddr, time::Duration};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use usher_hpserver::{Actions, Config, ConnId, Event, Limits, ListenerConfig, Server, Service};

use crate::lines::Lines;

/// Sends each line back with its number.
#[derive(Default)]
struct Numbered {
    lines: BTreeMap<ConnId, u64>,
}

impl Service for Numbered {
    type Packet = String;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        match event {
            Event::Packet { conn, packet } => {
                let number = self.lines.entry(conn).or_default();
                *number += 1;
                out.send(conn, format!("{number} {packet}"));
            }
            Event::Closed { conn, .. } => _ = self.lines.remove(&conn),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7001".into());
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let server = start(address.parse()?)?;
    println!("listening on {}", server.addresses()[0].1);
    signals.forever().next();
    server.shutdown(Duration::from_secs(5));
    Ok(())
}

fn start(address: SocketAddr) -> io::Result<Server<Numbered>> {
    let limits = Limits { first_message_deadline: Duration::from_secs(60), ..Limits::default() };
    let codec = Lines { line_bytes_max: 512 };
    let listener = ListenerConfig { limits, ..ListenerConfig::new("lines", address, codec) };
    Server::start(Config::default(), vec![listener], |_shard| Numbered::default())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Shutdown, TcpStream},
    };

    use usher_hpserver::{Action, CloseReason};

    use super::*;

    #[test]
    fn each_connection_counts_for_itself_and_is_forgotten() {
        let (mut service, mut out) = (Numbered::default(), Actions::new(0));
        let [ann, bob] = [1, 2].map(ConnId::from_bits);
        for conn in [ann, bob, ann] {
            service.handle(Event::Packet { conn, packet: "hello".into() }, &mut out);
        }
        let said = out.drain().filter_map(|action| match action {
            Action::Send(conn, line, _) => Some((conn, line)),
            _ => None,
        });
        let line = |text: &str| text.to_string();
        assert!(said.eq([(ann, line("1 hello")), (bob, line("1 hello")), (ann, line("2 hello"))]));
        service.handle(Event::Closed { conn: ann, reason: CloseReason::PeerClosed }, &mut out);
        assert_eq!(service.lines, BTreeMap::from([(bob, 1)]));
    }

    /// Everything the server says to somebody who says this, then ends.
    fn answer_to(said: &[u8]) -> String {
        let server = start("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut client = TcpStream::connect(server.addresses()[0].1).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client.write_all(said).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn lines_come_back_with_their_numbers() {
        assert_eq!(answer_to(b"hello\nagain\r\n"), "1 hello\n2 again\n");
    }

    #[test]
    fn a_line_too_long_is_answered_with_why() {
        let mut said = b"hello\n".to_vec();
        said.extend([b'x'; 513]);
        assert_eq!(answer_to(&said), "1 hello\nbye: line_too_long\n");
    }
}
