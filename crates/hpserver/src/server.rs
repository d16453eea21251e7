//! Starting, reaching and stopping a server.
//!
//! It exists so that an embedding program holds one value. `Server` owns every thread; `Remote` is the way in
//! for the rest of the process.
//!
//! Stopping, in order: 1. nobody new is let in; 2. every connection is ended behind what is queued for it, as
//! long as the time allows; 3. layer 1 cuts the rest and ends; 4. each stage's threads end, in the order of
//! the stages; 5. what is left in any lane is run here, so that every connection gets its `Closed`.
//!
//! Invariants: after `shutdown`, or a drop, no thread of this server runs. Until then all of them do: a panic on
//! one ends the process.
//! Limits: `Config`.
//! Read next: `fabric`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use usher_completion::{ConnId, Vital};
use usher_steady::SteadyMap;

use crate::{
    Config, DialError, Limits, ListenerConfig, ListenerId, Metrics, Offer, Online, Rate, Rates, Service,
    ShardId, StageMetrics,
    fabric::{Dial, Fabric, Totals, WorkerDesk, lock},
    hook::{Hook, Sockets},
    lane::{Class, Lane, LaneCounts},
    listener::Listener,
    logic::{LogicItem, Shard},
    open::Open,
    outbox::Outbox,
    outputs::Outputs,
    pool::Pool,
    ready::Stage,
    receive::{ReceiveItem, Receiver},
    send::{SendItem, Sender},
    slots::stride,
    table::{Spread, Table},
    timer::{Timer, now},
};

/// A running server. Dropping it cuts every connection.
pub struct Server<S: Service> {
    fabric: Arc<Fabric<S>>,
    sockets: Arc<Sockets>,
    addresses: Vec<(ListenerId, SocketAddr)>,
    completion: Option<usher_completion::Server>,
    /// By stage.
    pools: [Vec<JoinHandle<()>>; 3],
    timer: Option<JoinHandle<()>>,
}

impl<S: Service> Server<S> {
    /// Starts every thread and listens; `shard` makes each shard's service.
    pub fn start(
        config: Config,
        listeners: Vec<ListenerConfig<S>>,
        shard: impl FnMut(ShardId) -> S,
    ) -> io::Result<Self> {
        check(&config, &listeners)?;
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address).collect();
        let fabric = Arc::new(fabric(&config, listeners, shard));
        let sockets = Arc::new(Sockets::default());
        let completion = usher_completion::Server::start(config.completion, |worker| {
            Hook::new(Arc::clone(&fabric), Arc::clone(&sockets), worker)
        })?;
        let _ = fabric.handle.set(completion.handle().clone());
        let mut server = Self {
            fabric,
            sockets,
            addresses: Vec::new(),
            completion: Some(completion),
            pools: Default::default(),
            timer: None,
        };
        server.start_threads()?;
        server.listen(&addresses)?;
        Ok(server)
    }

    fn start_threads(&mut self) -> io::Result<()> {
        for stage in Stage::ALL {
            self.pools[stage as usize] = Pool::start(&self.fabric, stage)?;
        }
        for lane in &self.fabric.logic {
            lane.state().set_deadline(&self.fabric);
        }
        let fabric = Arc::clone(&self.fabric);
        let run = move || {
            let _vital = Vital;
            fabric.timer.run(|cell| fabric.tick(cell));
        };
        self.timer = Some(Builder::new().name("timer".into()).spawn(run)?);
        Ok(())
    }

    fn listen(&mut self, addresses: &[Option<SocketAddr>]) -> io::Result<()> {
        for (index, address) in addresses.iter().enumerate() {
            let Some(address) = address else { continue };
            let listener = ListenerId(index as u16);
            let socket = usher_completion::bind(*address).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{} at {address}: {error}", self.fabric.listeners[index].name),
                )
            })?;
            self.listen_on(listener, socket)?;
        }
        Ok(())
    }

    /// Begins to accept for `listener`, configured without an address, on a socket that listens already: one
    /// whose port had to be known before the start, or one that was inherited.
    pub fn listen_on(&mut self, listener: ListenerId, socket: TcpListener) -> io::Result<()> {
        if listener.index() >= self.fabric.listeners.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no such listener"));
        }
        let mut sockets = lock(&self.sockets);
        let (socket, address) = self.fabric.handle().listen_on(socket)?;
        sockets.push((socket, listener));
        self.addresses.push((listener, address));
        Ok(())
    }

    /// Where it listens, with the ports that were found for port 0.
    pub fn addresses(&self) -> Vec<(ListenerId, SocketAddr)> {
        self.addresses.clone()
    }

    /// A way to reach the server from any thread.
    pub fn remote(&self) -> Remote<S> {
        Remote { fabric: Arc::clone(&self.fabric) }
    }

    /// Closes the listening sockets; connections stay.
    pub fn stop_accepting(&self) {
        for (socket, _) in lock(&self.sockets).iter() {
            self.fabric.handle().unlisten(*socket);
        }
    }

    /// Ends every connection behind what is queued for it, waits for that at most `within`, then cuts.
    pub fn shutdown(mut self, within: Duration) -> ShutdownReport {
        self.fabric.draining.store(true, SeqCst);
        self.stop_accepting();
        for lane in 0..self.fabric.receive.len() {
            self.fabric.to_receive_from_outside(lane, Class::Rest, ReceiveItem::Shutdown);
        }
        let flushed = self.fabric.open.wait_for_none(now() + within);
        self.stop();
        ShutdownReport { flushed, metrics: self.remote().metrics() }
    }

    fn stop(&mut self) {
        let Some(completion) = self.completion.take() else { return };
        self.fabric.draining.store(true, SeqCst);
        completion.shutdown();
        if let Some(timer) = self.timer.take() {
            self.fabric.timer.stop(timer.thread());
            join(timer);
        }
        for stage in Stage::ALL {
            self.fabric.pool(stage).stop();
            self.pools[stage as usize].drain(..).for_each(join);
        }
        self.fabric.run_out();
        self.fabric.stopped.store(true, SeqCst);
    }
}

impl<S: Service> Drop for Server<S> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reaches a running server from any thread.
pub struct Remote<S: Service> {
    fabric: Arc<Fabric<S>>,
}

impl<S: Service> Clone for Remote<S> {
    fn clone(&self) -> Self {
        Self { fabric: Arc::clone(&self.fabric) }
    }
}

impl<S: Service> Remote<S> {
    /// Tells a shard something (`Event::Told`, from outside), ahead of the packets that wait there. If
    /// `queue_items_max` notes wait already, there is no such shard or the server has stopped, the note
    /// comes back.
    pub fn tell(&self, shard: ShardId, note: S::Note) -> Result<(), S::Note> {
        let stopped = self.fabric.stopped.load(SeqCst);
        match self.fabric.logic.get(shard) {
            Some(lane) if !stopped && lane.places(Class::Link).reserve_ahead(1) > 0 => {}
            _ => return Err(note),
        }
        self.fabric.to_logic_from_outside(shard, Class::Link, LogicItem::Told { from: None, note });
        Ok(())
    }

    /// Sends one packet past the services, first in line at the send stage: a sign of life leaves even when
    /// every shard is busy. `false`: the queue is full, or the server has stopped.
    pub fn send(&self, conn: ConnId, packet: S::Packet) -> bool {
        let stopped = self.fabric.stopped.load(SeqCst);
        match self.fabric.send_lane(conn) {
            Some(lane) if !stopped && self.fabric.send[lane].places(Class::Link).reserve_ahead(1) > 0 => {
                let item = SendItem::Send { conn, packet, key: None };
                self.fabric.to_send_from_outside(lane, Class::Link, item);
                true
            }
            _ => false,
        }
    }

    /// Opens an outgoing connection that belongs to `shard`, where `Dialed` or `DialFailed` answers. See
    /// `Actions::dial`.
    pub fn dial(
        &self,
        shard: ShardId,
        listener: ListenerId,
        addr: SocketAddr,
        token: u64,
        offer: Option<Box<dyn Offer>>,
    ) {
        self.begin(Dial { shard, listener, token, offer }, |dial| self.fabric.dial(addr, dial));
    }

    /// Takes over one end of a connection that was made elsewhere, as to a child of this process: from here on it is one
    /// that was dialled. `Dialed` or `DialFailed` answers at `shard`.
    #[cfg(unix)]
    pub fn adopt(
        &self,
        shard: ShardId,
        listener: ListenerId,
        stream: std::os::unix::net::UnixStream,
        token: u64,
        offer: Option<Box<dyn Offer>>,
    ) {
        self.begin(Dial { shard, listener, token, offer }, |dial| self.fabric.adopt(stream, dial));
    }

    /// Begins an outgoing connection, if its shard is there and it may be.
    fn begin(&self, dial: Dial, begin: impl FnOnce(Dial)) {
        if dial.shard >= self.fabric.logic.len() {
            return self.fabric.stale();
        }
        match self.fabric.may_dial(&dial) {
            Ok(()) => begin(dial),
            Err(why) => self.dial_failed(&dial, why),
        }
    }

    fn dial_failed(&self, dial: &Dial, why: DialError<S::Packet>) {
        let item = LogicItem::DialFailed { token: dial.token, why };
        self.fabric.to_logic_from_outside(dial.shard, Class::Rest, item);
    }

    /// Who is connected through `listener`, in no order; empty if there is no such listener.
    pub fn online(&self, listener: ListenerId) -> Vec<Online> {
        self.fabric.listeners.get(listener.index()).map_or(Vec::new(), |listener| listener.online.list())
    }

    /// Every counter.
    pub fn metrics(&self) -> Metrics {
        let fabric = &*self.fabric;
        let totals = &fabric.totals;
        Metrics {
            receive: stage(fabric, Stage::Receive, fabric.receive.iter().map(Lane::counts)),
            logic: stage(fabric, Stage::Logic, fabric.logic.iter().map(Lane::counts)),
            send: stage(fabric, Stage::Send, fabric.send.iter().map(Lane::counts)),
            listeners: fabric.listeners.iter().map(Listener::metrics).collect(),
            connections_peak: Listener::connections_peak(&fabric.listeners),
            publishes: totals.publishes.load(Relaxed),
            deliveries: totals.deliveries.load(Relaxed),
            hand_overs: totals.hand_overs.load(Relaxed),
            stale_actions: totals.stale_actions.load(Relaxed),
            too_large: totals.too_large.load(Relaxed),
            conflated: totals.conflated.load(Relaxed),
            completion: fabric.handle().stats(),
        }
    }
}

/// What a shutdown left behind.
#[derive(Debug, Clone, Default)]
pub struct ShutdownReport {
    /// Whether every connection was flushed and closed within the time; if not, the rest was cut.
    pub flushed: bool,
    /// The last counters, layer 1's pools among them.
    pub metrics: Metrics,
}

/// Refuses what cannot work, naming the field.
fn check<S: Service>(config: &Config, listeners: &[ListenerConfig<S>]) -> io::Result<()> {
    let wrong = if config.shards == 0 {
        "shards must be at least 1"
    } else if config.queue_items_max == 0 {
        "queue_items_max must be at least 1"
    } else if config.batch_items_max == 0 {
        "batch_items_max must be at least 1"
    } else if config.handshakes_per_turn_max == 0 {
        "handshakes_per_turn_max must be at least 1"
    } else if listeners.len() > usize::from(u16::MAX) {
        "at most 65535 listeners"
    } else if listeners.iter().any(|listener| listener.door >= config.shards) {
        "a listener's door must be a shard"
    } else if listeners.iter().any(|listener| !carries_well(listener, listeners)) {
        "what a listener carries must be another listener, which carries nothing"
    } else if listeners.iter().any(|listener| listener.carries.is_some()) && config.completion.workers > 128 {
        "a server with trunks has at most 128 workers"
    } else if listeners.iter().any(|listener| listener.limits.first_message_deadline.is_zero()) {
        "first_message_deadline must not be 0"
    } else if listeners.iter().any(|listener| listener.limits.ping_interval.is_zero()) {
        "ping_interval must not be 0"
    } else if listeners
        .iter()
        .any(|listener| listener.limits.high_water_bytes > config.completion.send_queue_bytes_max)
    {
        "high_water_bytes must not be more than layer 1's send_queue_bytes_max: it would cut what was kept"
    } else if let Some(wrong) = listeners.iter().find_map(|listener| wrong_rate(config, &listener.limits)) {
        wrong
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, wrong))
}

fn carries_well<S: Service>(trunks: &ListenerConfig<S>, listeners: &[ListenerConfig<S>]) -> bool {
    trunks
        .carries
        .is_none_or(|carried| listeners.get(carried.index()).is_some_and(|carried| carried.carries.is_none()))
}

fn wrong_rate(config: &Config, limits: &Limits) -> Option<&'static str> {
    let Rates { messages, bytes } = limits.rates;
    let is_empty = |rate: Rate| rate.per_second > 0 && rate.burst == 0;
    if [messages, bytes, limits.addresses.connects].into_iter().any(is_empty) {
        return Some("the burst of a rate must not be 0");
    }
    let is_short = bytes.per_second > 0 && (bytes.burst as usize) < config.completion.receive_buffer_bytes;
    is_short.then_some("the burst of rates.bytes must be at least receive_buffer_bytes")
}

pub(crate) fn fabric<S: Service>(
    config: &Config,
    listeners: Vec<ListenerConfig<S>>,
    mut shard: impl FnMut(ShardId) -> S,
) -> Fabric<S> {
    let listeners = Listener::list(listeners);
    let codecs = listeners.iter().map(|listener| listener.codec_index + 1).max().unwrap_or(0);
    let (workers, shards) = (config.completion.workers, config.shards);
    let receive_spread = Spread::new(workers, config.receive_threads);
    let send_spread = Spread::new(workers, config.send_threads);
    let (receivers, senders) = (receive_spread.lanes, send_spread.lanes);
    let items_max = config.queue_items_max;
    let receiver = |index| Receiver::new(index, Table::new(receive_spread), shards, senders, listeners.len());
    let sender = |index| Sender::new(index, Table::new(send_spread), Outbox::new(workers, listeners.len()));
    Fabric {
        receive: (0..receivers).map(|index| Lane::new(items_max, receiver(index))).collect(),
        logic: (0..shards)
            .map(|id| {
                Lane::new(items_max, Shard::new(id, shard(id), Outputs::new(receivers, shards, senders)))
            })
            .collect(),
        send: (0..senders).map(|index| Lane::new(items_max, sender(index))).collect(),
        receive_spread,
        send_spread,
        slot_stride: stride(config.receive_threads, config.send_threads),
        batch_items_max: config.batch_items_max,
        handshakes_per_turn_max: config.handshakes_per_turn_max,
        timer: Timer::new(receivers + shards),
        totals: Totals::default(),
        open: Open::default(),
        draining: AtomicBool::new(false),
        stopped: AtomicBool::new(false),
        dials: Mutex::new(SteadyMap::default()),
        pools: [config.receive_threads, config.logic_threads, config.send_threads].map(Pool::new),
        workers: std::iter::repeat_with(WorkerDesk::default).take(workers).collect(),
        handle: std::sync::OnceLock::new(),
        dial_next: AtomicU64::new(0),
        codecs,
        listeners,
    }
}

fn stage<S: Service>(
    fabric: &Fabric<S>,
    stage: Stage,
    lanes: impl Iterator<Item = LaneCounts>,
) -> StageMetrics {
    let (handoffs_queue, handoffs_inline) = fabric.handoffs(stage);
    let start = StageMetrics { handoffs_queue, handoffs_inline, ..StageMetrics::default() };
    lanes.fold(start, |sum, lane| StageMetrics {
        items: sum.items + lane.items,
        batches: sum.batches + lane.batches,
        length: sum.length + lane.length,
        length_peak: sum.length_peak.max(lane.length_peak),
        waits: sum.waits + lane.waits,
        delays: sum.delays.plus(&lane.delays),
        ..sum
    })
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the server had panicked");
    }
}
