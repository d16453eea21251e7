//! A measuring station: layer 2 with the plainest codec and no deadlines.
//!
//! Every frame (`u16` big-endian length, then that many bytes) comes back as it was; with `--broadcast` it
//! goes to everyone connected, the sender too. With `--busy MILLIS` there is a second listener, with a shard of its
//! own that needs so long for each frame. With `--trunk ADDR` a third lets gateways in, and who comes through one is
//! served as everybody is. Prints the address of each listener, and at the end of `--for SECONDS` its counters.
//! Read next: `servers/echo`, the same as a tutorial.
#![forbid(unsafe_code)]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use usher_hpserver::{
    Actions, Bytes, Config, Event, Framed, Limits, ListenerConfig, ListenerId, Server, Service,
    completion::Engine,
    trunk::{RECORD_BYTES_MAX, TrunkCodec},
};

const USAGE: &str = "usage: framed_echo --listen ADDR [--engine auto|uring|mio] [--workers N]
    [--receive-threads N] [--logic-threads N] [--send-threads N] [--broadcast] [--busy MILLIS] [--direct N]
    [--trunk ADDR] [--for SECONDS]";

const EVERYONE: u64 = 0;
/// What may wait for a gateway that does not read.
const TRUNK_HIGH_WATER_BYTES: usize = 64 << 20;
/// A long record comes in one.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
const RECEIVE_BUFFERS_MAX: usize = 256;

struct Echo {
    broadcast: bool,
    /// How long it works on each frame.
    busy: Duration,
}

impl Service for Echo {
    type Packet = Bytes;
    type Greeting = ();
    type Note = ();

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        if !self.busy.is_zero() && matches!(event, Event::Packet { .. }) {
            work(self.busy);
        }
        match event {
            Event::Opened { conn, .. } if self.broadcast => out.join(conn, EVERYONE),
            Event::Packet { packet, .. } if self.broadcast => out.publish(EVERYONE, packet, None),
            Event::Packet { conn, packet } => out.send(conn, packet),
            _ => {}
        }
    }
}

/// Keeps a processor busy.
#[allow(clippy::disallowed_methods, reason = "a station measures, and so reads the clock")]
fn work(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

struct Arguments {
    listen: SocketAddr,
    config: Config,
    broadcast: bool,
    busy: Option<Duration>,
    trunk: Option<SocketAddr>,
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
    let Arguments { listen, mut config, broadcast, busy, trunk, seconds } = arguments;
    let mut listeners = vec![listener("echo", listen, 0)];
    if busy.is_some() {
        config.shards = 2;
        listeners.push(listener("busy", SocketAddr::new(listen.ip(), 0), 1));
    }
    if let Some(address) = trunk {
        config.completion.send_queue_bytes_max = TRUNK_HIGH_WATER_BYTES;
        config.completion.receive_buffer_bytes = RECEIVE_BUFFER_BYTES;
        config.completion.receive_buffers_max = RECEIVE_BUFFERS_MAX;
        listeners.push(trunks(address));
    }
    let busy = |shard| busy.filter(|_| shard == 1).unwrap_or_default();
    let server = Server::start(config, listeners, |shard| Echo { broadcast, busy: busy(shard) })?;
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

/// Without deadlines; its connections go to this shard.
fn listener(name: &str, address: SocketAddr, door: usize) -> ListenerConfig<Echo> {
    let limits = Limits {
        connections_max: usize::MAX,
        first_message_deadline: Duration::MAX,
        ping_interval: Duration::MAX,
        ..Limits::default()
    };
    ListenerConfig { limits, door, ..ListenerConfig::new(name, address, Framed::default()) }
}

/// Its trunks carry connections of the first listener.
fn trunks(address: SocketAddr) -> ListenerConfig<Echo> {
    let plain = listener("trunks", address, 0);
    let limits = Limits {
        first_frame_bytes_max: RECORD_BYTES_MAX,
        high_water_bytes: TRUNK_HIGH_WATER_BYTES,
        ..plain.limits.clone()
    };
    ListenerConfig { limits, codec: Arc::new(TrunkCodec), carries: Some(ListenerId(0)), link: true, ..plain }
}

fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut listen, mut config, mut broadcast) = (None, Config::default(), false);
    let (mut busy, mut trunk, mut seconds) = (None, None, None);
    while let Some(name) = given.next() {
        if name == "--broadcast" {
            broadcast = true;
            continue;
        }
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{name} {value}: {error}"));
        match name.as_str() {
            "--listen" => listen = Some(value.parse().map_err(|error| format!("{name} {value}: {error}"))?),
            "--trunk" => trunk = Some(value.parse().map_err(|error| format!("{name} {value}: {error}"))?),
            "--engine" => config.completion.engine = engine(&value)?,
            "--workers" => config.completion.workers = number()?,
            "--receive-threads" => config.receive_threads = number()?,
            "--logic-threads" => config.logic_threads = number()?,
            "--send-threads" => config.send_threads = number()?,
            "--direct" => config.completion.direct_descriptors = number()?,
            "--busy" => busy = Some(Duration::from_millis(number()? as u64)),
            "--for" => seconds = Some(number()? as u64),
            _ => return Err(format!("unknown: {name}")),
        }
    }
    Ok(Arguments { listen: listen.ok_or("--listen is missing")?, config, broadcast, busy, trunk, seconds })
}

fn engine(name: &str) -> Result<Engine, String> {
    match name {
        "auto" => Ok(Engine::Auto),
        "uring" => Ok(Engine::Uring),
        "mio" => Ok(Engine::Mio),
        _ => Err(format!("unknown engine: {name}")),
    }
}
