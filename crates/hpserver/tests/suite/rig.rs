//! The server under test: a service that does as its packets say, a ledger of every connection, clients.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Condvar, Mutex, mpsc},
    time::{Duration, Instant},
};

use usher_hpserver::{
    Actions, Bytes, CloseReason, Codec, Config, ConnId, DialError, Event, Limits, ListenerConfig, ListenerId,
    Metrics, NoChannel, Remote, Server, Service, ShardId, ShutdownReport, completion,
};

use crate::{client::Client, protocol::Talk};

/// Nothing in this suite takes so long, unless it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the suite is run for: threads of the three stages, and the length of every queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) threads: (usize, usize, usize),
    pub(crate) queue: usize,
}

/// More than any test sends to a client that does not read.
pub(crate) const MUCH_BYTES: usize = 64 << 20;

pub(crate) fn shapes() -> impl Iterator<Item = Shape> {
    let threads = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1), (2, 2, 2)];
    let shapes = threads.into_iter().flat_map(|threads| [1, 4096].map(|queue| Shape { threads, queue }));
    shapes.inspect(|shape| eprintln!("{shape:?}"))
}

impl Shape {
    /// With room for [`MUCH_BYTES`] behind each socket.
    pub(crate) fn config(self, shards: usize) -> Config {
        Config {
            completion: completion::Config {
                workers: 2,
                linger_timeout: Duration::from_millis(20),
                send_queue_bytes_max: MUCH_BYTES,
                ..completion::Config::default()
            },
            receive_threads: self.threads.0,
            logic_threads: self.threads.1,
            send_threads: self.threads.2,
            shards,
            queue_items_max: self.queue,
            batch_items_max: 16,
            handshakes_per_turn_max: 3,
        }
    }

    /// Sockets that soon are full: of one segment of the loopback. With less, TCP waits for 200 ms now and then.
    pub(crate) fn small_sockets(self, shards: usize) -> Config {
        let mut config = self.config(shards);
        config.completion.socket_buffer_bytes = Some(64 * 1024);
        config
    }
}

pub(crate) fn listener(codec: impl Codec<Bytes>) -> ListenerConfig<Probe> {
    let never = Duration::MAX;
    ListenerConfig {
        name: "test".into(),
        address: Some("127.0.0.1:0".parse().unwrap()),
        codec: Arc::new(codec),
        channel: Arc::new(NoChannel),
        limits: Limits { first_message_deadline: never, ping_interval: never, ..Limits::default() },
        link: false,
        carries: None,
        tells_blocked: false,
        door: 0,
    }
}

/// What the service saw, as a test waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Knock(ConnId, String),
    Opened(ConnId, SocketAddr),
    Dialed(u64, ConnId),
    DialFailed(u64, DialError<Bytes>),
    Packet(ShardId, Bytes),
    Closed(ConnId, CloseReason),
    Blocked(ConnId),
    Drained(ConnId),
    Told(ShardId, Bytes),
    Deadline(ShardId),
    /// A shard that stands still until the gate is opened.
    AtGate(ShardId),
}

/// What a step asks for.
type Ask = dyn FnOnce(&mut Actions<Probe>) + Send;

pub(crate) enum Note {
    Say(Bytes),
    SendTo(ConnId, Bytes),
    /// Ask for all of that in one step.
    Ask(Box<Ask>),
    /// Let in who has knocked.
    Admit(ConnId),
    /// What a connection takes along: nothing but that it came.
    Here,
    /// Call back at that time.
    WakeAt(Instant),
}

/// What all shards and the test share.
#[derive(Default)]
pub(crate) struct Ledger {
    lives: Mutex<BTreeMap<ConnId, Life>>,
    violations: Mutex<Vec<String>>,
    gate: Mutex<bool>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct Life {
    owner: ShardId,
    closed: u32,
    next: u64,
}

impl Ledger {
    fn violation(&self, what: String) {
        self.violations.lock().unwrap().push(what);
    }

    pub(crate) fn close_gate(&self) {
        *self.gate.lock().unwrap() = true;
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.lock().unwrap() = false;
        self.opened.notify_all();
    }
}

/// Does as its packets say: first byte the verb, the rest its argument.
pub(crate) struct Probe {
    shard: ShardId,
    ledger: Arc<Ledger>,
    seen: mpsc::Sender<Seen>,
    deadline: Option<Instant>,
    members: BTreeSet<ConnId>,
}

impl Probe {
    fn see(&self, seen: Seen) {
        let _ = self.seen.send(seen);
    }

    /// Stands still while the gate is closed: a service that is slow.
    fn pass_gate(&self) {
        self.see(Seen::AtGate(self.shard));
        let gate = self.ledger.gate.lock().unwrap();
        let _open = self.ledger.opened.wait_while(gate, |closed| *closed).unwrap();
    }

    /// An event about `conn` reached this shard: is it the owner, and is the connection alive?
    fn check(&self, conn: ConnId, what: &str) {
        match self.ledger.lives.lock().unwrap().get(&conn) {
            Some(life) if life.owner == self.shard && life.closed == 0 => {}
            life => self.ledger.violation(format!("{what} of {conn} at shard {}: {life:?}", self.shard)),
        }
    }

    fn begin(&self, conn: ConnId) {
        let life = Life { owner: self.shard, ..Life::default() };
        if self.ledger.lives.lock().unwrap().insert(conn, life).is_some() {
            self.ledger.violation(format!("{conn} began twice"));
        }
    }

    fn obey(&mut self, conn: ConnId, packet: &Bytes, out: &mut Actions<Self>) {
        let Some((verb, rest)) = packet.split_first() else { return out.send(conn, packet.clone()) };
        let rest = packet.slice_ref(rest);
        let group = || u64::from(rest[0]);
        match verb {
            b'j' => out.join(conn, group()),
            b'l' => out.leave(conn, group()),
            b'p' => out.publish(group(), rest.slice(1..), None),
            b'x' => out.publish(group(), rest.slice(1..), Some(conn)),
            b'c' => out.close(conn, Some(rest)),
            b'q' => out.close(conn, None),
            b'a' => out.abort(conn),
            b'!' => panic!("asked to"),
            b'h' => self.hand_over(conn, usize::from(rest[0]), out),
            b'n' => self.numbered(conn, packet, out),
            b'm' => (0..u64::from_be_bytes(rest[..8].try_into().unwrap()))
                .for_each(|index| out.send(conn, answer(index))),
            b'g' => {
                self.pass_gate();
                out.send(conn, packet.clone());
            }
            b's' => self.see(Seen::Packet(self.shard, rest)),
            b't' => out.tell(usize::from(rest[0]), Note::Say(rest.slice(1..))),
            _ => out.send(conn, packet.clone()),
        }
    }

    fn hand_over(&self, conn: ConnId, to: ShardId, out: &mut Actions<Self>) {
        if let Some(life) = self.ledger.lives.lock().unwrap().get_mut(&conn) {
            life.owner = to;
        }
        out.hand_over(conn, to, Note::Here);
    }

    /// A packet that carries its number: it must be the next, whichever shard sees it.
    fn numbered(&self, conn: ConnId, packet: &Bytes, out: &mut Actions<Self>) {
        let number = u64::from_be_bytes(packet[1..9].try_into().unwrap());
        if let Some(life) = self.ledger.lives.lock().unwrap().get_mut(&conn) {
            if life.next != number {
                self.ledger.violation(format!("{conn}: {number} came instead of {}", life.next));
            }
            life.next = number + 1;
        }
        out.send(conn, packet.clone());
    }
}

/// The `index`th answer to `m`: 1,000 bytes that tell it.
pub(crate) fn answer(index: u64) -> Bytes {
    let mut bytes = vec![b'-'; 1000];
    bytes[..8].copy_from_slice(&index.to_be_bytes());
    bytes.into()
}

impl Service for Probe {
    type Packet = Bytes;
    type Greeting = String;
    type Note = Note;

    fn handle(&mut self, event: Event<Self>, out: &mut Actions<Self>) {
        match event {
            Event::Knock { conn, greeting, .. } => {
                self.begin(conn);
                match greeting.as_str() {
                    "nobody" => out.refuse(conn, Bytes::from_static(b"full")),
                    "wait" => {}
                    "gate" => {
                        self.pass_gate();
                        out.admit(conn);
                    }
                    "elsewhere" => {
                        out.admit(conn);
                        self.hand_over(conn, 1, out);
                    }
                    _ => out.admit(conn),
                }
                self.see(Seen::Knock(conn, greeting));
            }
            Event::Opened { conn, peer, .. } => {
                let knocked = self.ledger.lives.lock().unwrap().contains_key(&conn);
                if !knocked {
                    self.begin(conn);
                }
                self.check(conn, "opened");
                self.members.insert(conn);
                self.see(Seen::Opened(conn, peer));
            }
            Event::Dialed { token, conn } => {
                self.begin(conn);
                self.see(Seen::Dialed(token, conn));
            }
            Event::DialFailed { token, why } => self.see(Seen::DialFailed(token, why)),
            Event::Packet { conn, packet } => {
                self.check(conn, "packet");
                self.obey(conn, &packet, out);
            }
            Event::Closed { conn, reason } => {
                self.check(conn, "closed");
                if let Some(life) = self.ledger.lives.lock().unwrap().get_mut(&conn) {
                    life.closed += 1;
                }
                self.see(Seen::Closed(conn, reason));
            }
            Event::Blocked { conn } => {
                self.check(conn, "blocked");
                self.see(Seen::Blocked(conn));
            }
            Event::Drained { conn } => {
                self.check(conn, "drained");
                self.see(Seen::Drained(conn));
            }
            Event::HandedOver { conn, .. } => self.check(conn, "handed over"),
            Event::Told { note: Note::SendTo(conn, packet), .. } => out.send(conn, packet),
            Event::Told { note: Note::Ask(ask), .. } => ask(out),
            Event::Told { note: Note::Admit(conn), .. } => out.admit(conn),
            Event::Told { note: Note::WakeAt(at), .. } => self.deadline = Some(at),
            Event::Told { note: Note::Say(bytes), .. } => self.see(Seen::Told(self.shard, bytes)),
            Event::Told { note: Note::Here, .. } => {}
            Event::Deadline => {
                self.deadline = None;
                self.see(Seen::Deadline(self.shard));
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Dropped first of all: a failed test must not wait for a service that stands at the gate.
struct OpensGate(Arc<Ledger>);

impl Drop for OpensGate {
    fn drop(&mut self) {
        self.0.open_gate();
    }
}

pub(crate) struct Rig {
    _gate: OpensGate,
    server: Server<Probe>,
    pub(crate) ledger: Arc<Ledger>,
    seen: Mutex<mpsc::Receiver<Seen>>,
    codecs: Vec<Arc<dyn Codec<Bytes>>>,
}

impl Rig {
    pub(crate) fn new(config: Config, listeners: Vec<ListenerConfig<Probe>>) -> Self {
        let codecs = listeners.iter().map(|listener| Arc::clone(&listener.codec)).collect();
        let ledger = Arc::new(Ledger::default());
        let (sender, seen) = mpsc::channel();
        let probe = |shard| Probe {
            shard,
            ledger: Arc::clone(&ledger),
            seen: sender.clone(),
            deadline: None,
            members: BTreeSet::new(),
        };
        let server = Server::start(config, listeners, probe).unwrap();
        Self { _gate: OpensGate(Arc::clone(&ledger)), server, ledger, seen: Mutex::new(seen), codecs }
    }

    /// One listener with `Talk`, and one shard.
    pub(crate) fn talk(shape: Shape) -> Self {
        Self::new(shape.config(1), vec![listener(Talk::default())])
    }

    pub(crate) fn address(&self, listener: u16) -> SocketAddr {
        let addresses = self.server.addresses();
        addresses.into_iter().find(|(id, _)| *id == ListenerId(listener)).unwrap().1
    }

    pub(crate) fn remote(&self) -> Remote<Probe> {
        self.server.remote()
    }

    /// Tells a shard, as soon as it has a place.
    pub(crate) fn tell(&self, shard: ShardId, note: Note) {
        let told = Cell::new(Some(note));
        self.until(|| {
            let note = told.take().expect("it comes back");
            self.remote().tell(shard, note).map_err(|note| told.set(Some(note))).is_ok()
        });
    }

    /// Sends past the services, as soon as there is a place.
    pub(crate) fn send(&self, conn: ConnId, packet: &Bytes) {
        self.until(|| self.remote().send(conn, packet.clone()));
    }

    /// Has a shard ask for all of that in one step.
    pub(crate) fn ask(&self, shard: ShardId, ask: impl FnOnce(&mut Actions<Probe>) + Send + 'static) {
        self.tell(shard, Note::Ask(Box::new(ask)));
    }

    /// A client of that listener.
    pub(crate) fn client(&self, listener: u16) -> Client {
        let codec = Arc::clone(&self.codecs[usize::from(listener)]);
        Client::new(TcpStream::connect(self.address(listener)).unwrap(), codec)
    }

    /// A client of that listener, over a socket of its own making.
    #[cfg(target_os = "linux")]
    pub(crate) fn client_over(&self, listener: u16, stream: TcpStream) -> Client {
        Client::new(stream, Arc::clone(&self.codecs[usize::from(listener)]))
    }

    /// A client, and the id of its connection.
    pub(crate) fn known_client(&self, listener: u16) -> (Client, ConnId) {
        let client = self.client(listener);
        let here = client.stream.local_addr().unwrap();
        let conn = self.wait(|seen| match seen {
            Seen::Opened(conn, peer) if *peer == here => Some(*conn),
            _ => None,
        });
        (client, conn)
    }

    /// Waits for the first thing seen that `pick` picks; what comes before is forgotten.
    pub(crate) fn wait<T>(&self, pick: impl Fn(&Seen) -> Option<T>) -> T {
        loop {
            let seen = self.seen.lock().unwrap().recv_timeout(PATIENCE).expect("nothing like that was seen");
            if let Some(found) = pick(&seen) {
                return found;
            }
        }
    }

    /// What was seen by now, and not waited for.
    pub(crate) fn seen_by_now(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().try_iter().collect()
    }

    pub(crate) fn wait_for(&self, wanted: &Seen) {
        self.wait(|seen| (seen == wanted).then_some(()));
    }

    pub(crate) fn wait_closed(&self) -> CloseReason {
        self.wait(|seen| match seen {
            Seen::Closed(_, reason) => Some(*reason),
            _ => None,
        })
    }

    /// Waits until the counters are as wanted.
    pub(crate) fn wait_metrics(&self, wanted: impl Fn(&Metrics) -> bool) {
        self.until(|| wanted(&self.remote().metrics()));
    }

    fn until(&self, done: impl Fn() -> bool) {
        let deadline = now() + PATIENCE;
        while !done() {
            assert!(now() < deadline, "{:#?}", self.remote().metrics());
            std::thread::yield_now();
        }
    }

    /// Shuts down in good order and checks what must always hold.
    pub(crate) fn finish(self) -> ShutdownReport {
        self.finish_within(PATIENCE)
    }

    pub(crate) fn finish_within(self, within: Duration) -> ShutdownReport {
        self.ledger.open_gate();
        let Self { server, ledger, .. } = self;
        let report = server.shutdown(within);
        assert_eq!(*ledger.violations.lock().unwrap(), Vec::<String>::new());
        for (conn, life) in ledger.lives.lock().unwrap().iter() {
            assert_eq!(life.closed, 1, "{conn}: {life:?}");
        }
        let stats = report.metrics.completion;
        assert_eq!(stats.contexts.in_use(), 0, "{stats:?}");
        assert_eq!(stats.buffers.in_use(), 0, "{stats:?}");
        assert_eq!(stats.connected, stats.disconnected);
        for listener in &report.metrics.listeners {
            assert_eq!(listener.connections, 0, "{listener:?}");
            assert!(listener.states.iter().all(|(_, count)| *count == 0), "{listener:?}");
            assert_eq!(listener.closed.values().sum::<u64>(), listener.connections_total, "{listener:?}");
        }
        let stages = [report.metrics.receive, report.metrics.logic, report.metrics.send];
        assert!(stages.iter().all(|stage| stage.length == 0), "{stages:?}");
        // The first item of each lane is timed.
        assert!(stages.iter().all(|stage| (stage.items > 0) == (stage.delays.count() > 0)), "{stages:?}");
        report
    }
}

/// The time, for deadlines.
#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seeded randomness (xorshift64*): a failing test says its seed by being deterministic.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

pub(crate) fn numbered(number: u64) -> Vec<u8> {
    [&b"n"[..], &number.to_be_bytes()].concat()
}
