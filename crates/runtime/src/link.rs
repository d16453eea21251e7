//! A link to the manager, or to a server behind a gateway, from the side that dials: made, kept, made again.
//!
//! Why: no server needs its manager to serve, and every server must find it again within seconds when it is
//! back, without all of them coming at once.
//! Owns: when to dial next. Does not own: what is said on the link; that is the machine's.
//! Limits: a pause of [`PAUSE_MIN`] that doubles up to [`PAUSE_MAX`], each with up to half of it as jitter.
//! Read next: [`crate::host`].

use crate::call::{Call, Knowing};
use crate::clock;
use crate::metrics::Shown;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use usher_hpserver::CloseReason;
use usher_proto::first_frame::{FirstFrame, Role};
use usher_proto::{ConnId, Message};
use usher_secure::LinkKey;

/// The first pause after a broken link.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The token of a link's dials to the manager; other dials of the same shard are numbered from 0.
pub const LINK_TOKEN: u64 = u64::MAX;

/// What a link to the manager begins with.
#[derive(Clone, Debug)]
pub struct LinkParts {
    /// This server's name, as the first frame says it.
    pub name: String,
    /// Where the manager is.
    pub manager: SocketAddr,
    /// What proves this server; nothing on a plain channel.
    pub key: Option<LinkKey>,
}

impl LinkParts {
    /// This side of the beginning of one link.
    pub fn call(&self) -> Call {
        call(Role::Link, &self.name, self.key.as_ref())
    }
}

/// This side of the beginning of a connection between servers: a link to a manager, or a trunk of a gateway's.
pub fn call(role: Role, name: &str, key: Option<&LinkKey>) -> Call {
    let frame = FirstFrame { role, ticket: name.as_bytes(), reservation: b"", noise: b"" };
    Call::new(&frame, key.cloned().map_or(Knowing::Nothing, Knowing::Link))
}

/// Where the other end is, and how the link to it stands.
#[derive(Debug)]
pub struct Link {
    /// Where it is dialled next.
    pub address: SocketAddr,
    state: State,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Dialling,
    Up(ConnId),
}

impl Link {
    /// A link that is to be dialled at once.
    pub fn new(address: SocketAddr, now: Instant) -> Self {
        Self { address, state: State::Waiting { until: now }, pause: PAUSE_MIN }
    }

    /// When to dial, if it is to be dialled.
    pub fn dial_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// Whether it is to be dialled now; it counts as dialled then.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.dial_at().is_some_and(|at| at <= now);
        if is_due {
            self.state = State::Dialling;
        }
        is_due
    }

    /// The other end took the link; whether it takes the server is not said yet.
    pub fn up(&mut self, conn: ConnId) {
        self.state = State::Up(conn);
    }

    /// Whether the manager takes this server, or wants it empty, is the machine's to act on, and the process's to know.
    pub fn overhear(&mut self, conn: ConnId, message: &Message, shown: &Shown) {
        if self.conn() != Some(conn) {
            return;
        }
        match message {
            Message::Registered(_) => {
                self.registered();
                shown.link_is(Some(conn));
            }
            Message::DrainOrder(_) => {
                tracing::info!("the manager wants this server empty");
                shown.ordered_to_drain.store(true, Ordering::Release);
            }
            Message::RegisterDenied(denied) => {
                tracing::error!(reason = ?denied.reason, "the manager does not take this server");
            }
            _ => {}
        }
    }

    /// The other end took this server: the next pause is a short one again.
    pub fn registered(&mut self) {
        self.pause = PAUSE_MIN;
    }

    /// The link's connection, while it is up.
    pub fn conn(&self) -> Option<ConnId> {
        match self.state {
            State::Up(conn) => Some(conn),
            _ => None,
        }
    }

    /// The link to the manager was closed: as [`Link::broke`], and it is said why.
    pub fn closed(&mut self, reason: CloseReason, shown: &Shown) {
        if reason != CloseReason::Shutdown {
            tracing::warn!(reason = reason.name(), "link to the manager is down; dialling again");
        }
        self.broke(shown);
    }

    /// As [`Link::down`], of the link to the manager: this server is registered nowhere.
    pub fn broke(&mut self, shown: &Shown) {
        shown.link_is(None);
        self.down(clock::instant());
    }

    /// The link broke or the dial failed: wait, then dial again.
    pub fn down(&mut self, now: Instant) {
        let jitter = self.pause.mul_f64(rand::random_range(0.0..0.5));
        self.state = State::Waiting { until: now + self.pause + jitter };
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_link_is_dialled_again_ever_more_slowly_until_it_is_up() {
        let now = clock::instant();
        let mut link = Link::new("127.0.0.1:1".parse().unwrap(), now);
        assert_eq!(link.dial_at(), Some(now));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let due = link.dial_at().unwrap();
            assert!(link.take_due(due));
            assert!(!link.take_due(due), "the dial is under way");
            link.down(now);
            assert!(!link.take_due(now), "it is not time yet");
            pauses.push(link.dial_at().unwrap() - now);
        }
        assert!(pauses[0] >= PAUSE_MIN && pauses[0] <= PAUSE_MIN * 3 / 2);
        assert!(pauses[5] >= PAUSE_MAX && pauses[5] <= PAUSE_MAX * 3 / 2);
        link.up(ConnId(7));
        assert_eq!((link.conn(), link.dial_at()), (Some(ConnId(7)), None));
        link.down(now);
        assert!(link.dial_at().unwrap() - now >= PAUSE_MAX, "a server that is denied does not come at once");
        link.up(ConnId(8));
        link.registered();
        link.down(now);
        assert!(link.dial_at().unwrap() - now <= PAUSE_MIN * 3 / 2);
    }
}
