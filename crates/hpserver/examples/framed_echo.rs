//! A measuring station: layer 2 with the plainest codec and no deadlines.
//!
//! Every frame (`u16` big-endian length, then that many bytes) comes back as it was; with `--broadcast` it
//! goes to everyone connected, the sender too. Prints the address it listens on, and at the end of
//! `--for SECONDS` its counters.
//! Read next: `servers/echo`, the same as a tutorial.
#![forbid(unsafe_code)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use usher_hpserver::{
    Actions, Bytes, Config, Event, Framed, Limits, ListenerConfig, NoChannel, Server, Service,
    completion::Engine,
};

const USAGE: &str = "usage: framed_echo --listen ADDR [--engine auto|mio] [--workers N] [--receive-threads N]
    [--logic-threads N] [--send-threads N] [--broadcast] [--for SECONDS]";

const EVERYONE: u64 = 0;

struct Echo {
    broadcast: bool,
}

impl Service for Echo {
    type Packet = Bytes;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        match event {
            Event::Opened { conn, .. } if self.broadcast => out.join(conn, EVERYONE),
            Event::Packet { packet, .. } if self.broadcast => out.publish(EVERYONE, packet, None),
            Event::Packet { conn, packet } => out.send(conn, packet),
            _ => {}
        }
    }
}

struct Arguments {
    listen: SocketAddr,
    config: Config,
    broadcast: bool,
    seconds: Option<u64>,
}

fn main() {
    let arguments = parse(std::env::args().skip(1)).unwrap_or_else(|error| {
        eprintln!("{error}\n{USAGE}");
        std::process::exit(2);
    });
    if let Err(error) = run(arguments) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run(arguments: Arguments) -> std::io::Result<()> {
    let never = Duration::MAX;
    let listener = ListenerConfig {
        name: "echo".into(),
        address: Some(arguments.listen),
        codec: Arc::new(Framed::default()),
        channel: Arc::new(NoChannel),
        limits: Limits {
            connections_max: usize::MAX,
            first_message_deadline: never,
            ping_interval: never,
            ..Limits::default()
        },
        link: false,
        door: 0,
    };
    let broadcast = arguments.broadcast;
    let server = Server::start(arguments.config, vec![listener], |_| Echo { broadcast })?;
    for (_, address) in server.addresses() {
        println!("{address}");
    }
    match arguments.seconds {
        Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
        None => loop {
            std::thread::park();
        },
    }
    println!("{:#?}", server.shutdown(Duration::from_secs(1)).metrics);
    Ok(())
}

fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut listen, mut config, mut broadcast, mut seconds) = (None, Config::default(), false, None);
    while let Some(name) = given.next() {
        if name == "--broadcast" {
            broadcast = true;
            continue;
        }
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--listen" => listen = Some(value.parse().map_err(|error| format!("{name} {value}: {error}"))?),
            "--engine" => config.completion.engine = engine(&value)?,
            "--workers" => config.completion.workers = number()?,
            "--receive-threads" => config.receive_threads = number()?,
            "--logic-threads" => config.logic_threads = number()?,
            "--send-threads" => config.send_threads = number()?,
            "--for" => seconds = Some(number()? as u64),
            _ => return Err(format!("unknown: {name}")),
        }
    }
    Ok(Arguments { listen: listen.ok_or("--listen is missing")?, config, broadcast, seconds })
}

fn engine(name: &str) -> Result<Engine, String> {
    match name {
        "auto" => Ok(Engine::Auto),
        "uring" => Ok(Engine::Uring),
        "mio" => Ok(Engine::Mio),
        _ => Err(format!("unknown engine: {name}")),
    }
}
