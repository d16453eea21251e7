//! A server under test: hooks that report everything to the test, and react as it says.
//!
//! The test's thread is the only judge: it waits for events with a deadline and never sleeps.
//! Read next: `../conformance/main.rs`.
#![allow(dead_code)] // Each test binary uses its part.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::SockRef;
use usher_completion::{
    Chunk, Config, ConnId, Engine, Fault, Handle, Hooks, Io, ListenerId, Opened, Reason, Sent, Server, Stats,
};

/// Ends a test that would otherwise hang; no test depends on its length.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What a hook was told.
#[derive(Debug)]
pub(crate) enum Event {
    Connected(ConnId, Opened),
    Received(ConnId, Chunk),
    Finished(ConnId),
    Sent(ConnId, Sent),
    Disconnected(ConnId, Reason),
    Fault(Fault),
    TurnEnded(usize),
}

/// What a hook does about it, on the worker.
pub(crate) type React = Arc<dyn Fn(&mut Io<'_>, &Event) + Send + Sync>;

pub(crate) fn react(f: impl Fn(&mut Io<'_>, &Event) + Send + Sync + 'static) -> React {
    Arc::new(f)
}

pub(crate) fn nothing() -> React {
    react(|_, _| {})
}

pub(crate) fn echo() -> React {
    react(|io, event| match event {
        Event::Received(conn, chunk) => io.send(*conn, Bytes::copy_from_slice(chunk)),
        Event::Finished(conn) => io.close(*conn),
        _ => {}
    })
}

struct Recorder {
    events: Sender<Event>,
    react: React,
    extras: Extras,
}

/// What is reported beside the ordinary.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras {
    /// Every end of a turn.
    pub(crate) turns: bool,
    /// Received chunks themselves, not copies: the test holds the server's buffers.
    pub(crate) buffers: bool,
    /// Received chunks are sent back as they are, after the reaction.
    pub(crate) sent_on: bool,
}

impl Recorder {
    fn record(&self, io: &mut Io<'_>, mut event: Event) {
        (self.react)(io, &event);
        if let Event::Received(conn, chunk) = &mut event
            && !self.extras.buffers
        {
            let copy = Chunk::from(chunk.to_vec());
            let received = std::mem::replace(chunk, copy);
            if self.extras.sent_on {
                io.send(*conn, received);
            }
        }
        // The test may have seen enough and gone.
        let _ = self.events.send(event);
    }
}

impl Hooks for Recorder {
    fn connected(&mut self, io: &mut Io<'_>, conn: ConnId, opened: Opened) {
        self.record(io, Event::Connected(conn, opened));
    }

    fn received(&mut self, io: &mut Io<'_>, conn: ConnId, chunk: Chunk) {
        let event = if chunk.is_empty() { Event::Finished(conn) } else { Event::Received(conn, chunk) };
        self.record(io, event);
    }

    fn sent(&mut self, io: &mut Io<'_>, conn: ConnId, sent: Sent) {
        self.record(io, Event::Sent(conn, sent));
    }

    fn disconnected(&mut self, io: &mut Io<'_>, conn: ConnId, reason: Reason) {
        self.record(io, Event::Disconnected(conn, reason));
    }

    fn error(&mut self, io: &mut Io<'_>, fault: Fault) {
        self.record(io, Event::Fault(fault));
    }

    fn turn_ended(&mut self, io: &mut Io<'_>) {
        if self.extras.turns {
            let worker = io.worker();
            self.record(io, Event::TurnEnded(worker));
        }
    }
}

/// A running server, its events, one listener.
pub(crate) struct Station {
    pub(crate) server: Server,
    pub(crate) events: Receiver<Event>,
    pub(crate) listener: ListenerId,
    pub(crate) address: SocketAddr,
}

impl Station {
    pub(crate) fn start(config: Config, react: &React) -> Station {
        Self::start_with(config, react, Extras::default())
    }

    pub(crate) fn start_with(config: Config, react: &React, extras: Extras) -> Station {
        let (sender, events) = mpsc::channel();
        let factory = |_| Recorder { events: sender.clone(), react: Arc::clone(react), extras };
        let server = Server::start(config, factory).unwrap();
        drop(sender);
        let (listener, address) = server.handle().listen("127.0.0.1:0".parse().unwrap()).unwrap();
        Station { server, events, listener, address }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.server.handle()
    }

    /// The next event, whatever it is.
    pub(crate) fn next(&self) -> Event {
        self.events.recv_timeout(DEADLINE).expect("an event within the deadline")
    }

    /// The first event that `pick` takes; others are passed over.
    pub(crate) fn find<T>(&self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(&self.next()) {
                return found;
            }
        }
    }

    pub(crate) fn connected(&self) -> (ConnId, Opened) {
        self.find(|event| match event {
            Event::Connected(conn, opened) => Some((*conn, *opened)),
            _ => None,
        })
    }

    pub(crate) fn disconnected(&self) -> (ConnId, Reason) {
        self.find(|event| match event {
            Event::Disconnected(conn, reason) => Some((*conn, *reason)),
            _ => None,
        })
    }

    pub(crate) fn finished(&self) -> ConnId {
        self.find(|event| match event {
            Event::Finished(conn) => Some(*conn),
            _ => None,
        })
    }

    /// Waits until the socket has refused bytes.
    pub(crate) fn refused(&self) -> Sent {
        self.find(|event| match event {
            Event::Sent(_, sent) if sent.waiting > 0 => Some(*sent),
            _ => None,
        })
    }

    /// The next chunk, as the server gave it.
    pub(crate) fn find_chunk(&self) -> Chunk {
        loop {
            if let Event::Received(_, chunk) = self.next() {
                return chunk;
            }
        }
    }

    /// The next `len` received bytes.
    pub(crate) fn received(&self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            if let Event::Received(_, chunk) = self.next() {
                bytes.extend_from_slice(&chunk);
            }
        }
        bytes
    }

    /// Looks at the counters until they are as they should be.
    pub(crate) fn until(&self, wanted: impl Fn(&Stats) -> bool) {
        let deadline = now() + DEADLINE;
        while !wanted(&self.handle().stats()) {
            assert!(now() < deadline, "{:?}", self.handle().stats());
            std::thread::yield_now();
        }
    }

    pub(crate) fn client(&self) -> TcpStream {
        client(self.address)
    }

    /// A client and its connection on this side; for tests with one client at a time.
    pub(crate) fn pair(&self) -> (TcpStream, ConnId) {
        let client = self.client();
        (client, self.connected().0)
    }

    /// Stops the server, proves as `shutdown` does, and gives what was told and not yet looked at. That the list
    /// ends proves that the hooks, which hold its sending side, are gone.
    pub(crate) fn shutdown_with_events(self) -> Vec<Event> {
        let handle = self.handle().clone();
        self.server.shutdown();
        let mut left: Vec<Event> = self.events.iter().collect();
        for event in &mut left {
            if let Event::Received(_, chunk) = event {
                *chunk = Chunk::from(chunk.to_vec());
            }
        }
        let stats = handle.stats();
        assert_eq!(stats.contexts.in_use(), 0, "{stats:?}");
        assert_eq!(stats.buffers.in_use(), 0, "{stats:?}");
        assert_eq!(stats.connected, stats.disconnected, "{stats:?}");
        assert_eq!(handle.connections(), 0);
        left
    }

    /// Stops the server and proves that nothing leaked and that the hooks are gone.
    pub(crate) fn shutdown(self) -> Stats {
        let handle = self.handle().clone();
        self.shutdown_with_events();
        handle.stats()
    }
}

/// A plain client with deadlines.
pub(crate) fn client(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Goes away with a reset.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

pub(crate) fn write(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

pub(crate) fn read(mut stream: &TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

pub(crate) fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Bytes in which every place can be told from its neighbours.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// Every engine there is, in ordinary and in the smallest of sizes; and io_uring with a socket table of its own and with
/// turns that are coalesced.
pub(crate) fn configs() -> Vec<Config> {
    let ordinary = Config { workers: 2, linger_timeout: DEADLINE, ..Config::default() };
    let tiny =
        Config { receive_buffer_bytes: 64, socket_buffer_bytes: Some(4096), workers: 1, ..ordinary.clone() };
    let mut engines = vec![Engine::Mio];
    if cfg!(target_os = "linux") {
        engines.push(Engine::Uring);
    }
    let sizes = |engine| [Config { engine, ..ordinary.clone() }, Config { engine, ..tiny.clone() }];
    let mut configs: Vec<Config> = engines.into_iter().flat_map(sizes).collect();
    if cfg!(target_os = "linux") {
        configs.push(Config { engine: Engine::Uring, direct_descriptors: 256, ..ordinary.clone() });
        configs.push(Config { engine: Engine::Uring, turns_per_second_max: 1_000, ..ordinary.clone() });
    }
    configs
}

/// Never read to find something slow.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
