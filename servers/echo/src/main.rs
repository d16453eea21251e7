//! The smallest real server on layer 2: every packet comes back to whoever sent it.
//!
//! Read it as the tutorial. A server is three things: a `Service` (what happens on an event), a listener
//! (how packets lie in the stream, how connections begin, what they may do), and `Server::start`.
//! Try it: `usher-echo --listen 127.0.0.1:7000`, then `printf '\0\5hello' | nc -q1 127.0.0.1 7000 | xxd`.
#![forbid(unsafe_code)]

use std::{error::Error, net::SocketAddr, sync::Arc};

use usher_hpserver::{
    Actions, Bytes, Config, Event, Framed, Limits, ListenerConfig, NoChannel, Server, Service,
};

/// One value for each shard; this one remembers nothing.
struct Echo;

impl Service for Echo {
    /// What the codec makes of a frame: here simply its bytes.
    type Packet = Bytes;
    /// There is no first frame to greet with, and shards have nothing to tell each other.
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        if let Event::Packet { conn, packet } = event {
            out.send(conn, packet);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = ListenerConfig {
        name: "echo".into(),
        address: Some(listen_address()?),
        codec: Arc::new(Framed::default()),
        channel: Arc::new(NoChannel),
        limits: Limits::default(),
        link: false,
        door: 0,
    };
    let server = Server::start(Config::default(), vec![listener], |_shard| Echo)?;
    for (_, address) in server.addresses() {
        println!("listening on {address}");
    }
    loop {
        std::thread::park();
    }
}

fn listen_address() -> Result<SocketAddr, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--listen", address] => Ok(address.parse()?),
        _ => Err("usage: usher-echo --listen ADDR".into()),
    }
}
