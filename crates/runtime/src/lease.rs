//! A server's lease at its manager: renewed, and presented anew after a sleep.
//!
//! Why: the manager believes in a server as long as it hears of it, so the signs of life come from the process's own
//! timer and past its machines: an overloaded one keeps its lease.
//! Owns: when to renew, and what a renewal says. Does not own the link.
//! Invariants: [`RENEWALS_PER_LEASE`] in a lease while the process runs. One that slept for half a lease says so to its
//! machine before anything else is renewed.
//! Read next: [`crate::tend`].

use crate::clock;
use crate::metrics::Shown;
use crate::pace::Pace;
use crate::process;
use std::time::{Duration, Instant};
use usher_hpserver::{ConnId, Remote, Service};
use usher_proto::Message;
use usher_proto::message::{Delay, Renew};

/// How often the lease is renewed while it runs.
pub const RENEWALS_PER_LEASE: u32 = 4;

/// When the lease was renewed, and when somebody last looked after it.
pub struct Lease {
    every: Duration,
    sleep_min: Duration,
    renewed: Instant,
    looked: Instant,
    /// It slept, and its machine was not told yet.
    untold: bool,
    pace: Pace,
}

impl Lease {
    /// Of that length.
    pub fn new(lease: Duration) -> Self {
        let (every, now) = (lease / RENEWALS_PER_LEASE, clock::instant());
        Self {
            every,
            sleep_min: every + lease / 2,
            renewed: now,
            looked: now,
            untold: false,
            pace: Pace::new(now),
        }
    }

    /// How long nobody looked, if that is so long that the process must have slept.
    fn slept(&mut self, now: Instant) -> Option<Duration> {
        let unseen = now - std::mem::replace(&mut self.looked, now);
        (unseen > self.sleep_min).then_some(unseen)
    }

    fn are_due(&mut self, now: Instant) -> bool {
        let due = now - self.renewed >= self.every;
        if due {
            self.renewed = now;
        }
        due
    }

    /// How often to call [`Lease::keep`].
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Renews the lease when it is time; after a sleep has the machine present itself anew (`wake`; false: it could not be
    /// told). `packet` is what the link carries for a message.
    pub fn keep<S: Service>(
        &mut self,
        remote: &Remote<S>,
        shown: &Shown,
        packet: impl Fn(Message) -> S::Packet,
        wake: impl FnOnce() -> bool,
    ) {
        let now = clock::instant();
        if let Some(slept) = self.slept(now) {
            tracing::warn!(?slept, "this process slept: it presents itself anew");
            self.untold = true;
        }
        if self.untold {
            self.untold = !wake();
        }
        if self.are_due(now)
            && let Some(conn) = shown.link()
        {
            self.renew(remote, ConnId::from_bits(conn.0), packet);
        }
    }

    fn renew<S: Service>(&mut self, remote: &Remote<S>, link: ConnId, packet: impl Fn(Message) -> S::Packet) {
        let metrics = remote.metrics();
        let usage = process::usage();
        let players = metrics.listeners.iter().filter(|listener| !listener.link);
        let connections = players.map(|listener| listener.connections).sum::<u64>();
        let renew = Renew {
            connections: connections as u32,
            connections_peak: metrics.connections_peak as u32,
            cpu_ms: usage.cpu_ms,
            rss_kib: usage.rss_kib,
            rss_kib_peak: usage.rss_kib_peak,
        };
        let delay = Delay { logic_delay_us: self.pace.logic_delay_us(clock::instant(), &metrics.logic) };
        if !remote.send(link, packet(renew.into())) || !remote.send(link, packet(delay.into())) {
            tracing::warn!("the lease could not be renewed: the send queue of links is full");
        }
    }
}
