//! What a server of a cluster is given while it runs, until it is empty: its lease, its signs of life, its drain.
//!
//! Why: servers with machines ([`crate::server`]) and gateways have other shards and other work between two looks, and the
//! same way to an end.
//! Owns: when the lease is renewed, the ticket keys are read again, and shards are asked whether they are alive or told to
//! drain. Does not own the process: [`crate::life`].
//! Invariants: the lease is renewed from the thread that calls this, never from a machine's.
//! Limits: a drain takes at most `drain_timeout`; a second signal ends it at once.
//! Read next: [`crate::lease`], [`crate::pulse`].

use crate::admin::AdminState;
use crate::answers::Seals;
use crate::clock;
use crate::config::Common;
use crate::lease::Lease;
use crate::life::{self, DRAIN_LOOK_EVERY};
use crate::metrics::Shown;
use crate::notify::Notify;
use crate::pulse::Pulse;
use crate::server::reload_keys;
use crate::signals::StopRequested;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use usher_hpserver::{Remote, Service};
use usher_proto::Message;

/// What the process has its shards do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Become empty.
    Drain,
    /// The process slept: the first shard breaks the link and presents itself anew.
    Woke,
    /// Show that this shard is alive.
    Beat,
}

/// At which look a server does what is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It serves.
    Serving,
    /// It is to become empty, and its shards are told next.
    DrainBegins,
    /// It is becoming empty.
    Draining,
}

/// A server that is tended.
pub struct Tended<S: Service> {
    /// Its config.
    pub common: Common,
    /// Its lease's length.
    pub lease: Duration,
    /// Its shards are told through this.
    pub remote: Remote<S>,
    /// How many these are.
    pub shards: usize,
    /// The keys that SIGHUP has read again.
    pub seals: Arc<Seals>,
    /// What its hosts show.
    pub shown: Arc<Shown>,
    /// Its admin port.
    pub admin: Arc<AdminState>,
    /// Where it says how it is.
    pub notify: Notify,
}

impl<S: Service> Tended<S>
where
    S::Note: From<Order>,
    S::Packet: From<Message>,
{
    /// Tends it until somebody, or the manager, wants an end, and then until it is empty or takes too long. While it serves
    /// it is looked at once in `look_every`, or more often; `each` is done at every look. Whether nobody asked a second time.
    pub fn work(
        &self,
        stops: &Receiver<StopRequested>,
        look_every: Duration,
        mut each: impl FnMut(Turn),
    ) -> bool {
        let mut lease = Lease::new(self.lease);
        let mut pulse = Pulse::default();
        if self.common.manager.is_some() {
            self.notify.waiting("waiting for the manager");
        }
        let was_ordered = life::wait(stops, look_every.min(lease.every()), None, || {
            self.keep(&mut lease);
            each(Turn::Serving);
            reload_keys(&self.common, &self.seals);
            pulse.say_ready(&self.admin, &self.notify);
            self.say_alive(&mut pulse);
            self.shown.ordered_to_drain.load(Ordering::Acquire)
        });
        tracing::info!("draining; a second signal stops at once");
        self.admin.draining.store(true, Ordering::Release);
        self.notify.stopping();
        each(Turn::DrainBegins);
        let mut untold: Vec<usize> = (0..self.shards).collect();
        let end = clock::instant() + Duration::from_secs(self.common.sections.limits.drain_timeout_s);
        let mut drain = || {
            life::wait(stops, DRAIN_LOOK_EVERY, Some(end), || {
                self.keep(&mut lease);
                each(Turn::Draining);
                self.say_alive(&mut pulse);
                // A shard whose queue of notes is full is told at the next look.
                untold.retain(|shard| !self.order(*shard, Order::Drain));
                self.shown.drained.load(Ordering::Acquire)
            })
        };
        // Who stops a server that the manager has ordered to drain asks for the first time.
        drain() || was_ordered && drain()
    }

    /// Renews the lease when it is time; presents anew after a sleep.
    fn keep(&self, lease: &mut Lease) {
        lease.keep(&self.remote, &self.shown, S::Packet::from, || self.order(0, Order::Woke));
    }

    fn say_alive(&self, pulse: &mut Pulse) {
        pulse.say_alive((&self.shown, &self.notify), self.shards, |shard| self.order(shard, Order::Beat));
    }

    /// Whether the shard could be told.
    fn order(&self, shard: usize, order: Order) -> bool {
        self.remote.tell(shard, order.into()).is_ok()
    }
}
