//! A server's side of its link to the manager: presents the server, reports its load, numbers its requests.
//!
//! Why: login, hall, room and gateway hold the same conversation with the manager; what is special to each (claims,
//! arbitration) it sends itself through [`Uplink::send`].
//! Owns: whether the link is up, the request counter, what was last reported and when to report again, and which
//! logins are over.
//! Does not own: lease renewals, which are the transport's timer, so that a busy machine keeps its lease.
//! Invariants: request numbers are never repeated while this process lives; `Register` is a link's first
//! message; load is reported each [`REPORT_INTERVAL`], and at once when it changed by a twentieth.
//! Read next: `manager`, the other side.

use crate::admission::Admission;
use crate::revocations::Revocations;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::NodeConfig;
use usher_proto::message::{Load, Redeemed, Register, Revoked};
use usher_proto::{ConnId, Identity, Message, Outbox, RoomNo, Time};

/// Load is reported this often even when nothing changed.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A change of this part of a limit is reported at once.
const CHANGE_PART: u32 = 20;

/// The link to the manager, as its server's machine sees it.
#[derive(Debug)]
pub struct Uplink {
    conn: Option<ConnId>,
    requests: u64,
    serving_change: u32,
    rate_change: u32,
    reported: Reported,
    report_at: Time,
    revocations: Revocations,
}

#[derive(Debug, Default)]
struct Reported {
    serving: u32,
    served_per_second: u32,
    draining: bool,
}

impl Uplink {
    /// A link that is not up yet.
    pub fn new(config: &NodeConfig) -> Self {
        Self {
            conn: None,
            requests: 0,
            serving_change: (config.serve_max / CHANGE_PART).max(1),
            rate_change: (config.serve_per_second_max / CHANGE_PART).max(1),
            reported: Reported::default(),
            report_at: Time(0),
            revocations: Revocations::new(config.started_unix_ms),
        }
    }

    /// On `LinkUp`: presents this server, and says whose logins are over. What depends on it (players present, open requests) is sent after.
    pub fn up<N>(&mut self, now: Time, conn: ConnId, register: Register, out: &mut Outbox<N>) {
        self.conn = Some(conn);
        self.reported = Reported::default();
        self.report_at = now;
        out.send(conn, register);
        for revoked in self.revocations.messages() {
            out.send(conn, revoked);
        }
    }

    /// The manager says whose logins are over.
    pub fn revoked(&mut self, now: Time, said: &Revoked) {
        for (account, below) in &said.logins {
            self.revocations.add(now, *account, *below);
        }
    }

    /// Whether an operator has ended this login.
    pub fn is_over(&self, login: &Identity) -> bool {
        self.revocations.is_over(login)
    }

    /// On `LinkDown`, on the link's `Disconnected`, and on `RegisterDenied`: as if there were no link.
    pub fn down(&mut self) {
        self.conn = None;
    }

    /// Whether there is a link on which this server has presented itself.
    pub fn is_up(&self) -> bool {
        self.conn.is_some()
    }

    /// The link's connection, while it is up.
    pub fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    /// Whether this is the link's connection.
    pub fn is_link(&self, conn: ConnId) -> bool {
        self.conn == Some(conn)
    }

    /// A number for a request, never used before.
    pub fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// Sends to the manager; false if the link is down.
    pub fn send<N>(&self, message: impl Into<Message>, out: &mut Outbox<N>) -> bool {
        if let Some(conn) = self.conn {
            out.send(conn, message);
        }
        self.is_up()
    }

    /// At the end of every step: reports redeemed reservations at once, and load when it is due. `rooms` is
    /// asked only then: the rooms whose population changed since it was last asked.
    pub fn end_step<N>(
        &mut self,
        now: Time,
        admission: &mut Admission,
        (serving, draining): (u32, bool),
        rooms: impl FnOnce() -> Vec<(RoomNo, u32)>,
        out: &mut Outbox<N>,
    ) {
        let Some(conn) = self.conn else { return };
        loop {
            let reservations = admission.take_redeemed();
            if reservations.is_empty() {
                break;
            }
            out.send(conn, Redeemed { reservations });
        }
        self.report(now, (serving, admission.served_per_second(now), draining), rooms, out);
    }

    /// Reports the load when it is due. For who admits nobody by itself; the others end their steps.
    pub fn report<N>(
        &mut self,
        now: Time,
        (serving, served_per_second, draining): (u32, u32, bool),
        rooms: impl FnOnce() -> Vec<(RoomNo, u32)>,
        out: &mut Outbox<N>,
    ) {
        let Some(conn) = self.conn else { return };
        let load = Reported { serving, served_per_second, draining };
        if now < self.report_at && !self.has_changed(&load) {
            return;
        }
        out.send(conn, Load { serving, served_per_second, draining, rooms: rooms() });
        self.reported = load;
        self.report_at = now + REPORT_INTERVAL;
    }

    /// When [`Uplink::end_step`] has something to report again.
    pub fn next_timeout(&self) -> Option<Time> {
        self.conn.map(|_| self.report_at)
    }

    fn has_changed(&self, load: &Reported) -> bool {
        load.serving.abs_diff(self.reported.serving) >= self.serving_change
            || load.served_per_second.abs_diff(self.reported.served_per_second) >= self.rate_change
            || load.draining != self.reported.draining
    }
}

#[cfg(test)]
mod tests;
