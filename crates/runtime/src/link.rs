//! The link to the manager, from the server's side: dialled, kept, dialled again.
//!
//! Why: no server needs its manager to serve, and every server must find it again within seconds when it is
//! back, without all of them coming at once.
//! Owns: when to dial next. Does not own: what is said on the link; that is the machine's.
//! Limits: a pause of [`PAUSE_MIN`] that doubles up to [`PAUSE_MAX`], each with up to half of it as jitter.
//! Read next: [`crate::host`].

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use usher_proto::ConnId;

/// The first pause after a broken link.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Where the manager is, and how the link to it stands.
#[derive(Debug)]
pub struct Link {
    /// The manager's link listener.
    pub manager: SocketAddr,
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
    pub fn new(manager: SocketAddr, now: Instant) -> Self {
        Self { manager, state: State::Waiting { until: now }, pause: PAUSE_MIN }
    }

    /// When to dial, if it is to be dialled.
    pub fn dial_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// The dial is under way.
    pub fn dialling(&mut self) {
        self.state = State::Dialling;
    }

    /// The manager took the link; whether it takes the server is not said yet.
    pub fn up(&mut self, conn: ConnId) {
        self.state = State::Up(conn);
    }

    /// The manager took the server: the next pause is a short one again.
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
        let now = crate::clock::instant();
        let mut link = Link::new("127.0.0.1:1".parse().unwrap(), now);
        assert_eq!(link.dial_at(), Some(now));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            link.dialling();
            assert_eq!(link.dial_at(), None);
            link.down(now);
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
