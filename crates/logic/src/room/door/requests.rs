//! Claims and releases that the manager has not answered yet.
//!
//! Why: the manager may be away; what was asked waits and is asked again, with the same number and in the same
//! order, so that a release can never undo the claim that came after it.
//! Owns: the pending requests and the deadlines of claims. Does not own their numbers (the uplink counts).
//! Invariants: numbers grow, so the order of numbers is the order of asking.
//! Limits: `claims_pending_max` for new claims; a claim that ends becomes at most one release, and residents
//! are bounded by the rooms, so releases need no bound of their own.
//! Read next: [`super`].

use crate::room::Seen;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use usher_proto::message::{Claim, Release};
use usher_proto::{ConnId, GameId, Identity, Message, RoomNo, Time};

/// One question to the manager.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Who.
    pub(super) identity: Identity,
    /// What the room plays.
    pub(super) game: GameId,
    /// Which room.
    pub(super) room: RoomNo,
    /// What about it.
    pub(super) what: What,
    /// Whether any manager may have seen it.
    pub(super) sent: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// May this connection's player enter?
    Claim {
        /// Who waits.
        conn: ConnId,
        /// What it has seen before.
        seen: Seen,
    },
    /// The player has left; this connection, if any, waits to hear that it is settled.
    Release {
        /// Who waits.
        conn: Option<ConnId>,
    },
}

impl Request {
    fn message(&self, request: u64) -> Message {
        let Self { identity, game, room, .. } = *self;
        match self.what {
            What::Claim { .. } => Claim { request, identity, game, room }.into(),
            What::Release { .. } => Release { request, identity, game, room }.into(),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: BTreeMap<u64, Request>,
    deadlines: VecDeque<(Time, u64)>,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn get(&self, request: u64) -> Option<&Request> {
        self.pending.get(&request)
    }

    /// Adds a request; a claim is given up at its deadline. The message to send now, if the link is up.
    pub(super) fn add(&mut self, number: u64, request: Request, deadline: Option<Time>) -> Message {
        self.deadlines.extend(deadline.map(|deadline| (deadline, number)));
        let message = request.message(number);
        self.pending.insert(number, request);
        message
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Request> {
        self.pending.remove(&number)
    }

    /// Everything that waits, in order, to be said on a new link.
    pub(super) fn resend(&mut self) -> impl Iterator<Item = Message> {
        self.pending.iter_mut().map(|(&number, request)| {
            request.sent = true;
            request.message(number)
        })
    }

    /// The connections that wait for a release, which from now on they do not.
    pub(super) fn take_leaving(&mut self) -> Vec<ConnId> {
        let waiting = self.pending.values_mut().filter_map(|request| match &mut request.what {
            What::Release { conn } => conn.take(),
            What::Claim { .. } => None,
        });
        waiting.collect()
    }

    /// Numbers of the claims whose time is over.
    pub(super) fn expired(&mut self, now: Time) -> Vec<u64> {
        let mut expired = Vec::new();
        while let Some(&(deadline, number)) = self.deadlines.front() {
            let waits = self.pending.contains_key(&number);
            if waits && deadline > now {
                break;
            }
            self.deadlines.pop_front();
            expired.extend(waits.then_some(number));
        }
        expired
    }

    /// The deadline of the oldest claim.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.deadlines.front().map(|&(deadline, _)| deadline)
    }

    /// How many claims and how many releases wait.
    pub(super) fn counts(&self) -> (u64, u64) {
        let claims = self.pending.values().filter(|it| matches!(it.what, What::Claim { .. })).count() as u64;
        (claims, self.pending.len() as u64 - claims)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Request)> {
        self.pending.iter().map(|(&number, request)| (number, request))
    }
}
