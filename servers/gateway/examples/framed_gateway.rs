//! A measuring station: a gateway in clear before one server of the plainest protocol.
//!
//! Players speak frames (`u16` big-endian length, then that many bytes) without a first frame; each comes out at
//! `--inner`, a listener of trunks (`framed_echo --trunk`), as a connection of its own. What it measures is the way of the
//! bytes and nothing else: no tickets, no channel, no manager, no deadlines. Prints its address, and at the end of
//! `--for SECONDS` its counters.
//! Read next: `usher_gateway::service`.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use usher_gateway::codec::{Players, Trunks};
use usher_gateway::service::{FrontConfig, Gateway, Note, Parts};
use usher_hpserver::completion::Engine;
use usher_hpserver::trunk::RECORD_BYTES_MAX;
use usher_hpserver::{Config, Limits, ListenerConfig, ListenerId, NoChannel, Server};
use usher_proto::message::Front;

const USAGE: &str = "usage: framed_gateway --listen ADDR --inner ADDR [--trunks N] [--engine auto|uring|mio]
    [--workers N] [--receive-threads N] [--logic-threads N] [--send-threads N] [--direct N] [--for SECONDS]";

const PLAYERS: ListenerId = ListenerId(0);
const TRUNKS: ListenerId = ListenerId(1);
/// What may wait for a server that does not read.
const TRUNK_HIGH_WATER_BYTES: usize = 64 << 20;

/// A long frame comes in one.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
const RECEIVE_BUFFERS_MAX: usize = 256;

struct Arguments {
    listen: SocketAddr,
    inner: SocketAddr,
    trunks: usize,
    config: Config,
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
    let Arguments { listen, inner, trunks, mut config, seconds } = arguments;
    config.completion.send_queue_bytes_max = TRUNK_HIGH_WATER_BYTES;
    let server = Server::start(config, listeners(listen), |shard| {
        Gateway::new(Parts {
            shard,
            trunks: TRUNKS,
            offer: Box::new(|| None),
            words: Players::default(),
            control: None,
            shown: Arc::default(),
            players: Arc::new(AtomicU32::new(0)),
        })
    })?;
    let front = Front { server: "inner".into(), address: listen.to_string().into() };
    let stand = Note::Stand(FrontConfig { front, listener: PLAYERS, inner, trunks });
    let _ = server.remote().tell(0, stand); // the first note finds a place
    while server.remote().metrics().listeners[TRUNKS.0 as usize].connections < trunks as u64 {
        std::thread::sleep(Duration::from_millis(1)); // players without a trunk would be shown out
    }
    for (_, address) in server.addresses() {
        println!("{address}");
    }
    match seconds {
        Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
        None => loop {
            std::thread::park();
        },
    }
    println!("{:#?}", server.shutdown(Duration::from_secs(1)).metrics);
    Ok(())
}

fn listeners(listen: SocketAddr) -> Vec<ListenerConfig<Gateway>> {
    let never = Duration::MAX;
    let limits = Limits {
        connections_max: usize::MAX,
        first_message_deadline: never,
        ping_interval: never,
        ..Limits::default()
    };
    let trunk_limits = Limits {
        first_frame_bytes_max: RECORD_BYTES_MAX,
        high_water_bytes: TRUNK_HIGH_WATER_BYTES,
        ..limits.clone()
    };
    let players = ListenerConfig {
        limits,
        tells_blocked: true,
        ..ListenerConfig::new("players", listen, Players::default())
    };
    let trunks = ListenerConfig {
        name: "trunks".into(),
        address: None,
        codec: Arc::new(Trunks),
        channel: Arc::new(NoChannel),
        limits: trunk_limits,
        link: true,
        tells_blocked: false,
        ..players.clone()
    };
    vec![players, trunks]
}

fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut listen, mut inner, mut trunks, mut seconds) = (None, None, 1, None);
    let mut config = Config { logic_threads: 0, ..Config::default() };
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{name} {value}: {error}"));
        let address = || value.parse::<SocketAddr>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--listen" => listen = Some(address()?),
            "--inner" => inner = Some(address()?),
            "--trunks" => trunks = number()?,
            "--engine" => config.completion.engine = engine(&value)?,
            "--workers" => config.completion.workers = number()?,
            "--receive-threads" => config.receive_threads = number()?,
            "--logic-threads" => config.logic_threads = number()?,
            "--send-threads" => config.send_threads = number()?,
            "--direct" => config.completion.direct_descriptors = number()?,
            "--for" => seconds = Some(number()? as u64),
            _ => return Err(format!("unknown: {name}")),
        }
    }
    config.completion.receive_buffer_bytes = RECEIVE_BUFFER_BYTES;
    config.completion.receive_buffers_max = RECEIVE_BUFFERS_MAX;
    config.completion.connections_max = config.completion.connections_max.max(50_000);
    let (listen, inner) = (listen.ok_or("--listen is missing")?, inner.ok_or("--inner is missing")?);
    Ok(Arguments { listen, inner, trunks, config, seconds })
}

fn engine(name: &str) -> Result<Engine, String> {
    match name {
        "auto" => Ok(Engine::Auto),
        "uring" => Ok(Engine::Uring),
        "mio" => Ok(Engine::Mio),
        _ => Err(format!("unknown engine: {name}")),
    }
}
