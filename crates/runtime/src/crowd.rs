//! Runs a machine that only dials: simulated players on real sockets.
//!
//! Why: client-sim uses the same layer 2 as the servers, so a thousand players cost one thread.
//! Owns: starting and stopping; what the players do is their machine's.
//! Read next: [`crate::host`].

use crate::answers::World;
use crate::call::LoginKeys;
use crate::clock::Clock;
use crate::codec::{Native, Side};
use crate::host::{Host, HostNote, HostParts};
use crate::metrics::Shown;
use crate::tend::Order;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use usher_hpserver::{
    Config, Limits, ListenerConfig, ListenerId, Metrics, NoChannel, Remote, Server, ShutdownReport,
    completion,
};
use usher_proto::{Machine, ShardId};

/// What a crowd is run with.
#[derive(Clone, Copy, Debug)]
pub struct CrowdLimits {
    /// Connections at once.
    pub connections_max: usize,
    /// How long a connect may take.
    pub connect_timeout: Duration,
}

/// A crowd at work.
pub struct RunningCrowd<M: Machine + Send + 'static> {
    server: Server<Host<M>>,
    remote: Remote<Host<M>>,
    shown: Arc<Shown>,
    /// Unix milliseconds at the machine's time zero.
    pub started_unix_ms: u64,
}

impl<M: Machine + Send + 'static> RunningCrowd<M> {
    /// Starts `machine` on one thread; `answers` is for what it asks. It speaks to login servers that prove one of
    /// `login_keys`; without any, to everybody in clear.
    pub fn start(
        machine: M,
        answers: Option<Box<dyn World>>,
        limits: CrowdLimits,
        login_keys: &Arc<LoginKeys>,
    ) -> io::Result<Self> {
        let config = Config {
            completion: completion::Config {
                workers: 1,
                connections_max: limits.connections_max,
                connect_timeout: limits.connect_timeout,
                ..completion::Config::default()
            },
            ..Config::default()
        };
        let dials = ListenerConfig {
            name: "players".into(),
            address: None,
            codec: Arc::new(Native::new(Side::Client)),
            channel: Arc::new(NoChannel), // who dials makes its own offer
            limits: Limits {
                connections_max: limits.connections_max,
                // The server asks for signs of life; a player that waits long for its answer is patient.
                ping_interval: Duration::MAX,
                first_message_deadline: Duration::MAX,
                ..Limits::default()
            },
            link: false,
            carries: None,
            tells_blocked: false,
            door: 0,
        };
        let (mut machine, mut answers) = (Some(machine), answers);
        let clock = Clock::start();
        let shown = Arc::new(Shown::default());
        let server = Server::start(config, vec![dials], |_| {
            Host::new(HostParts {
                machine: machine.take().expect("invariant: a crowd has one shard"),
                clock,
                answers: answers.take(),
                shard: ShardId(0),
                dials: ListenerId(0),
                link: None,
                login_keys: Arc::clone(login_keys),
                says_why: false,
                keeps_tickets: false,
                trunks: None,
                exempt: Vec::new(),
                shown: Arc::clone(&shown),
                steps: Arc::default(),
            })
        })?;
        let remote = server.remote();
        let _ = remote.tell(0, HostNote::Start); // the first note finds a place
        Ok(Self { server, remote, shown, started_unix_ms: clock.started_unix_ms })
    }

    /// Whether the machine has said that everyone is done.
    pub fn is_done(&self) -> bool {
        self.shown.drained.load(Ordering::Acquire)
    }

    /// One of the machine's figures, a fraction of a second old; 0 before the first.
    pub fn figure(&self, series: &str) -> u64 {
        self.shown.figure(series)
    }

    /// Says [`usher_proto::Input::Drain`] to the machine: everyone leaves. False: it has too much to hear now; say it
    /// again.
    pub fn drain(&self) -> bool {
        self.remote.tell(0, Order::Drain.into()).is_ok()
    }

    /// Says this to the machine, as [`usher_proto::Input::Told`]. False: it has too much to hear now.
    pub fn tell(&self, note: M::Note) -> bool {
        self.remote.tell(0, HostNote::Machine(note)).is_ok()
    }

    /// Layer 2's counters.
    pub fn metrics(&self) -> Metrics {
        self.remote.metrics()
    }

    /// Closes everything.
    pub fn stop(self, within: Duration) -> ShutdownReport {
        self.server.shutdown(within)
    }
}
