//! Who may come in now: a server's three limits and the places kept for redirected clients.
//!
//! Why: login, hall and room decide this for every knock, before anything that costs; the decision must be
//! cheap and the same everywhere.
//! The rule: below `serve_max` and within the rate everybody is served; an unused reservation is served above
//! both, up to `connections_max`; the rest is redirected while the client has hops left, else told Busy.
//! Rate: GCRA (ITU-T I.371) with a burst of a tenth of a second's worth. A reserved client uses up rate too,
//! so that reservations and walk-ins together stay near the limit.
//! Owns: the rate, the ids of used reservations. Does not own who is being served: callers count that.
//! Invariants: no reservation is honoured twice while its seal may still be good.
//! Limits: [`USED_MAX`] used reservations remembered, beyond which a reservation counts as none.
//! Read next: [`crate::uplink`], which reports what was redeemed.

use crate::recent_rate::RecentRate;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::NodeConfig;
use usher_proto::limits::REDEEMED_MAX;
use usher_proto::{Reservation, ReservationId, Time};
use usher_steady::SteadyMap;

/// Used reservations that are remembered; over it, a reservation is treated as none.
pub const USED_MAX: usize = 65_536;
const SECOND_NS: u64 = 1_000_000_000;
/// What to do with a client that knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Let it in.
    Serve,
    /// Ask the manager who takes it.
    Redirect {
        /// Redirects it may still be given, this one included: at least 1.
        hops_left: u8,
        /// Why.
        cause: Cause,
    },
    /// Tell it to come back later.
    Busy,
}

/// Which limit a client is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// As many are served as may be at once.
    Full,
    /// As many were begun to be served lately as may be.
    Rate,
}

/// The limits of one server and the reservations used there.
#[derive(Debug)]
pub struct Admission {
    serve_max: u32,
    connections_max: u32,
    redirects_max: u8,
    remembered_for: Duration,
    rate: Rate,
    served: RecentRate,
    used: SteadyMap<ReservationId, ()>,
    /// The same ids, oldest first, with the time each may be forgotten.
    forget: VecDeque<(Time, ReservationId)>,
    redeemed: VecDeque<ReservationId>,
}

impl Admission {
    /// The limits of this server, with nobody served yet.
    pub fn new(config: &NodeConfig) -> Self {
        Self {
            serve_max: config.serve_max,
            connections_max: config.connections_max,
            redirects_max: config.redirects_max,
            // Twice, because a seal's expiry is by the manager's clock and ours may run behind it.
            remembered_for: config.reservation_ttl.saturating_mul(2),
            rate: Rate::new(config.serve_per_second_max),
            served: RecentRate::default(),
            used: SteadyMap::new(config.started_unix_ms),
            forget: VecDeque::new(),
            redeemed: VecDeque::new(),
        }
    }

    /// What to do with a client that knocks while `serving` are served. `Serve` counts it against the rate
    /// and uses its reservation up, so ask once a client.
    pub fn decide(&mut self, now: Time, serving: u32, reservation: Option<&Reservation>) -> Decision {
        self.forget_old(now);
        let reservation =
            reservation.filter(|it| !self.used.contains_key(&it.id) && self.used.len() < USED_MAX);
        if serving < self.connections_max {
            if let Some(reservation) = reservation {
                self.redeem(now, reservation.id);
                self.rate.force(now);
                self.served.count(now);
                return Decision::Serve;
            }
            if serving < self.serve_max && self.rate.take(now) {
                self.served.count(now);
                return Decision::Serve;
            }
        }
        let is_full = serving >= self.serve_max.min(self.connections_max);
        match reservation.map_or(self.redirects_max, |it| it.hops_left) {
            0 => Decision::Busy,
            hops_left => {
                Decision::Redirect { hops_left, cause: if is_full { Cause::Full } else { Cause::Rate } }
            }
        }
    }

    /// How many clients it begins to serve a second, of late.
    pub fn served_per_second(&mut self, now: Time) -> u32 {
        self.served.per_second(now)
    }

    /// Reservations redeemed and not taken by this yet: at most [`REDEEMED_MAX`], the oldest first.
    pub fn take_redeemed(&mut self) -> Vec<ReservationId> {
        let count = self.redeemed.len().min(REDEEMED_MAX);
        self.redeemed.drain(..count).collect()
    }

    /// Panics if what is remembered does not agree with itself.
    pub fn check_invariants(&self) {
        assert_eq!(self.used.len(), self.forget.len(), "used reservations and their times differ");
        assert!(self.used.len() <= USED_MAX);
        assert!(self.redeemed.len() <= USED_MAX);
        assert!(self.forget.iter().is_sorted_by_key(|(at, _)| at));
    }

    fn redeem(&mut self, now: Time, id: ReservationId) {
        self.used.insert(id, ());
        self.forget.push_back((now + self.remembered_for, id));
        // Without a link nobody takes these: then the oldest, long expired, make room.
        if self.redeemed.len() == USED_MAX {
            self.redeemed.pop_front();
        }
        self.redeemed.push_back(id);
    }

    fn forget_old(&mut self, now: Time) {
        while let Some(&(at, id)) = self.forget.front() {
            if at > now {
                break;
            }
            self.forget.pop_front();
            self.used.remove(&id);
        }
    }
}

/// GCRA: a theoretical arrival time that each client pushes one interval ahead, at most a burst beyond now.
#[derive(Debug)]
struct Rate {
    interval_ns: Option<u64>,
    tolerance_ns: u64,
    arrival: Time,
}

impl Rate {
    fn new(per_second_max: u32) -> Self {
        let interval_ns = SECOND_NS.checked_div(u64::from(per_second_max));
        let burst = u64::from(per_second_max / 10).max(1);
        Self { interval_ns, tolerance_ns: (burst - 1) * interval_ns.unwrap_or(0), arrival: Time(0) }
    }

    fn take(&mut self, now: Time) -> bool {
        let Some(interval_ns) = self.interval_ns else { return false };
        if self.arrival.0 > now.0.saturating_add(self.tolerance_ns) {
            return false;
        }
        self.arrival = Time(self.arrival.max(now).0.saturating_add(interval_ns));
        true
    }

    /// Counts a client that comes in whatever the rate says. The debt stops at an empty bucket.
    fn force(&mut self, now: Time) {
        let interval_ns = self.interval_ns.unwrap_or(0);
        let pushed = self.arrival.max(now).0.saturating_add(interval_ns);
        let empty = now.0.saturating_add(self.tolerance_ns).saturating_add(interval_ns);
        self.arrival = self.arrival.max(Time(pushed.min(empty)));
    }
}

#[cfg(test)]
mod tests;
