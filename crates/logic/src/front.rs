//! What login and hall do at their door: let in, send on to another server, or turn away.
//!
//! Why: both are visited briefly by everybody, so both shed the same way and through the same manager.
//! Owns: admission, the link, the arbitrations that wait, whether the server is being emptied, and the
//! figures of all that. Does not own the visits: its machine counts them and says so in each call.
//! Invariants: every knock is answered by one `Admit` or one `Refuse`, at once or within the arbitration
//! timeout.
//! Limits: `arbitrations_max` knocks wait for the manager, `reservations_per_address_max` places were asked for
//! strangers of one address within the life of a reservation; beyond them, without a link, when the manager does
//! not answer, or when a login knows no hall, a client is told Busy.
//! Read next: [`crate::admission`], [`crate::login`].

use crate::admission::{Admission, Cause, Decision};
use crate::asked_for::AskedFor;
use crate::pending::Pending;
use crate::uplink::Uplink;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use usher_proto::NodeConfig;
use usher_proto::message::{Arbitrate, Arbitrated, Busy, CloseReason, Closing, Message, Redirect};
use usher_proto::{ConnId, Figures, Outbox, Output, Reservation, SessionId, Time};

/// How many knocks wait for the manager, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArbitrationConfig {
    /// Knocks that wait at once; one more is told Busy.
    pub arbitrations_max: u32,
    /// After so long without an answer a knock is told Busy.
    pub timeout: Duration,
}

impl Default for ArbitrationConfig {
    fn default() -> Self {
        Self { arbitrations_max: 4096, timeout: Duration::from_secs(1) }
    }
}

/// Somebody at the door.
pub(crate) struct Caller {
    pub(crate) conn: ConnId,
    pub(crate) session: Option<SessionId>,
    /// Where from, as its host counts it (a /64 of IPv6 is one); none: limits by address do not hold.
    pub(crate) address: Option<IpAddr>,
    pub(crate) reservation: Option<Reservation>,
}

/// The door of a login or hall server.
#[derive(Debug)]
pub(crate) struct Front {
    node: NodeConfig,
    arbitrations_max: u32,
    admission: Admission,
    pub(crate) uplink: Uplink,
    arbitrations: Pending<Cause>,
    strangers: AskedFor,
    rng: ChaCha8Rng,
    draining: bool,
    drained: bool,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    admitted: u64,
    redirected_full: u64,
    redirected_rate: u64,
    busy_hops: u64,
    busy_link: u64,
    busy_full: u64,
    busy_address: u64,
    busy_nobody: u64,
    busy_timeout: u64,
    busy_halls: u64,
    draining: u64,
}

impl Front {
    pub(crate) fn new(node: NodeConfig, arbitration: ArbitrationConfig, seed: u64) -> Self {
        Self {
            arbitrations_max: arbitration.arbitrations_max,
            admission: Admission::new(&node),
            uplink: Uplink::new(&node),
            arbitrations: Pending::new(arbitration.timeout, seed),
            strangers: AskedFor::new(node.reservation_ttl, node.reservations_per_address_max),
            rng: ChaCha8Rng::seed_from_u64(seed),
            draining: false,
            drained: false,
            counts: Counts::default(),
            node,
        }
    }

    /// What this server knows of itself.
    pub(crate) fn node(&self) -> &NodeConfig {
        &self.node
    }

    /// Answers a knock while `serving` visits are on. True if it was let in.
    pub(crate) fn knock<N>(&mut self, now: Time, caller: &Caller, serving: u32, out: &mut Outbox<N>) -> bool {
        let conn = caller.conn;
        if self.turn_away_if_draining(conn, out) {
            return false;
        }
        match self.admission.decide(now, serving, caller.reservation.as_ref()) {
            Decision::Serve => {
                self.counts.admitted += 1;
                out.push(Output::Admit(conn));
                return true;
            }
            Decision::Redirect { hops_left, cause } => self.arbitrate(now, caller, (hops_left, cause), out),
            Decision::Busy => {
                self.counts.busy_hops += 1;
                self.refuse_busy(conn, out);
            }
        }
        false
    }

    /// Answers a knock at a server that knows no hall to send anybody on to: nobody is let in yet.
    pub(crate) fn knock_without_halls<N>(&mut self, conn: ConnId, out: &mut Outbox<N>) {
        if !self.turn_away_if_draining(conn, out) {
            self.counts.busy_halls += 1;
            self.refuse_busy(conn, out);
        }
    }

    /// The manager's answer to an arbitration; one that waits no more is ignored.
    pub(crate) fn arbitrated<N>(&mut self, answer: Arbitrated, out: &mut Outbox<N>) {
        let Some((conn, cause)) = self.arbitrations.answered(answer.request) else { return };
        let Some((address, reservation)) = answer.to else {
            self.counts.busy_nobody += 1;
            return self.refuse_busy(conn, out);
        };
        match cause {
            Cause::Full => self.counts.redirected_full += 1,
            Cause::Rate => self.counts.redirected_rate += 1,
        }
        out.push(Output::Refuse(conn, Redirect { address, reservation, room: None }.into()));
    }

    /// A connection is gone, whoever it was.
    pub(crate) fn disconnected<N>(&mut self, conn: ConnId, out: &mut Outbox<N>) {
        self.arbitrations.forget(conn);
        if self.uplink.is_link(conn) {
            self.link_down(out);
        }
    }

    /// Presents this server: without rooms, without players.
    pub(crate) fn link_up<N>(&mut self, now: Time, conn: ConnId, out: &mut Outbox<N>) {
        self.refuse_waiting(out);
        self.uplink.up(now, conn, self.node.register(now, Vec::new(), 0), out);
    }

    /// Nobody will answer what was asked on that link.
    pub(crate) fn link_down<N>(&mut self, out: &mut Outbox<N>) {
        self.uplink.down();
        self.refuse_waiting(out);
    }

    /// Admits nobody from now on.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// At the end of every step of the machine.
    pub(crate) fn end_step<N>(&mut self, now: Time, serving: u32, out: &mut Outbox<N>) {
        while let Some(conn) = self.arbitrations.pop_expired(now) {
            self.counts.busy_timeout += 1;
            self.refuse_busy(conn, out);
        }
        let load = (serving, self.draining);
        self.uplink.end_step(now, &mut self.admission, load, Vec::new, out);
        if self.draining && !self.drained && serving == 0 && self.arbitrations.len() == 0 {
            self.drained = true;
            out.push(Output::Drained);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        [self.uplink.next_timeout(), self.arbitrations.next_timeout()].into_iter().flatten().min()
    }

    /// A time spread evenly by so many percent to either side; saturates.
    pub(crate) fn jittered(&mut self, base: Duration, percent: u32) -> Duration {
        let spread = u64::from(2 * percent + 1);
        let part = u64::from(self.rng.next_u32()) * spread / (1 << u32::BITS);
        base.saturating_mul(100 - percent + part as u32) / 100
    }

    pub(crate) fn check_invariants(&self, serving: u32) {
        self.admission.check_invariants();
        self.arbitrations.check_invariants();
        self.strangers.check_invariants();
        assert!(serving <= self.node.connections_max, "{serving} are served: more than connections_max");
        assert!(self.arbitrations.len() <= self.arbitrations_max as usize);
        assert!(self.uplink.is_up() || self.arbitrations.len() == 0, "a question waits without a link");
    }

    pub(crate) fn figures(&self, figures: &mut Figures) {
        let counts = &self.counts;
        let busy = [
            ("hops", counts.busy_hops),
            ("link", counts.busy_link),
            ("full", counts.busy_full),
            ("address", counts.busy_address),
            ("nobody", counts.busy_nobody),
            ("timeout", counts.busy_timeout),
            ("halls", counts.busy_halls),
        ];
        let waiting = self.arbitrations.len() as u64;
        figures.counter("usher_admitted_total", "Who knocked and was let in.", counts.admitted);
        figures.counters(
            "usher_redirects_total",
            "Who knocked and was sent to another server, by the limit that was reached here.",
            "cause",
            [("full", counts.redirected_full), ("rate", counts.redirected_rate)],
        );
        figures.counters(
            "usher_busy_total",
            "Who knocked and was told to come later, by cause.",
            "cause",
            busy,
        );
        figures.counter(
            "usher_draining_refused_total",
            "Who knocked while this server drained.",
            counts.draining,
        );
        figures.gauge(
            "usher_arbitrations_waiting",
            "Who knocked and waits for the manager to choose a server.",
            waiting,
        );
    }

    /// Whether this server is being emptied; who knocks is told so.
    fn turn_away_if_draining<N>(&mut self, conn: ConnId, out: &mut Outbox<N>) -> bool {
        if self.draining {
            self.counts.draining += 1;
            out.push(Output::Refuse(conn, Closing { reason: CloseReason::Draining }.into()));
        }
        self.draining
    }

    fn arbitrate<N>(
        &mut self,
        now: Time,
        caller: &Caller,
        (hops_left, cause): (u8, Cause),
        out: &mut Outbox<N>,
    ) {
        let Caller { conn, session, .. } = *caller;
        if !self.uplink.is_up() {
            self.counts.busy_link += 1;
            return self.refuse_busy(conn, out);
        }
        if self.arbitrations.len() >= self.arbitrations_max as usize {
            self.counts.busy_full += 1;
            return self.refuse_busy(conn, out);
        }
        if let (None, Some(address)) = (session, caller.address)
            && !self.strangers.ask(now, address)
        {
            self.counts.busy_address += 1;
            return self.refuse_busy(conn, out);
        }
        let request = self.uplink.next_request();
        self.arbitrations.insert(now, request, conn, cause);
        self.uplink.send(Arbitrate { request, session, hops_left }, out);
    }

    fn refuse_waiting<N>(&mut self, out: &mut Outbox<N>) {
        for conn in self.arbitrations.take_all() {
            self.counts.busy_link += 1;
            self.refuse_busy(conn, out);
        }
    }

    /// Half of the configured wait to half as much again, so that those turned away do not return together.
    fn refuse_busy<N>(&mut self, conn: ConnId, out: &mut Outbox<N>) {
        let retry_after = self.jittered(self.node.busy_retry, 50);
        let retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
        out.push(Output::Refuse(conn, Message::from(Busy { retry_after_ms })));
    }
}
