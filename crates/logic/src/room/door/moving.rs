//! Shown to another room, when this server is emptied: table-mates together, each with a place kept for them there.
//!
//! Why: whoever played here wants to go on playing, with the same people, and not to look for a room in the hall.
//! Order: a floor hands its players back, the members of one party after each other, then says that the party is
//! complete; each is released; the manager is asked which server takes them all; each is sent there and closed. On one
//! link the releases come before the question, so that no other room hears that a player is still here.
//! Invariants: whoever moves is in no room, waits for somebody's word, and is heard only if it is `Leave`.
//! Limits: `claim_timeout`. After it, without a manager, or without a server that has space: closed with `draining`,
//! and the client finds its way by the hall.
//! Read next: `exits.rs`; at the manager, `arbitration/party.rs`.

use super::guests::At;
use super::{Door, Out};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use usher_proto::message::{ArbitrateParty, Arbitrated, CloseReason, Redirect};
use usher_proto::{ConnId, Identity, RoomNo, ShardId, Time};

/// Parties on their way out. Who is gone or closed meanwhile is passed over when the word comes.
#[derive(Debug, Default)]
pub(super) struct Moving {
    /// Handed back by a floor that has not yet said that their party is complete.
    gathering: BTreeMap<ShardId, Vec<ConnId>>,
    /// Who waits for the manager's word, by the number of the question.
    asked: BTreeMap<u64, ConnId>,
}

impl Moving {
    pub(super) fn check_invariants(&self, moves: impl Iterator<Item = ConnId>) {
        for conn in moves {
            let mut waiting = self.asked.values().chain(self.gathering.values().flatten());
            assert!(waiting.any(|it| *it == conn), "{conn} moves and waits for nobody's word");
        }
    }
}

impl Door {
    /// One of a party is at the door again.
    pub(super) fn handed_back_to_move(
        &mut self,
        now: Time,
        conn: ConnId,
        (identity, room): (Identity, RoomNo),
        seq: u64,
        out: &mut Out,
    ) {
        let superseded = self.is_superseded(&identity);
        if self.vacate(&identity, room, conn) {
            self.release_unless_wanted(&identity, room, None, out);
        }
        self.guests.wait(conn, At::Moving { seq }, now + self.config.claim_timeout);
        if superseded {
            self.counts.evicted += 1;
            self.close(conn, CloseReason::Evicted, out);
        } else {
            self.moving.gathering.entry(self.config.floor_of(room)).or_default().push(conn);
        }
        self.review_evictions(identity.account, out);
    }

    /// Everybody of the party has been handed back: who takes them?
    pub(super) fn party_is_complete(&mut self, now: Time, floor: ShardId, room: RoomNo, out: &mut Out) {
        let party = self.moving.gathering.remove(&floor).unwrap_or_default();
        let known =
            party.into_iter().filter_map(|conn| Some((conn, self.guests.get(conn)?.identity.session)));
        let (party, sessions): (Vec<_>, Vec<_>) = known.unzip();
        let (Some(game), true) = (self.places.game_of(room), self.uplink.is_up()) else {
            return self.turn_out(now, party, out);
        };
        let numbers: Vec<_> = party.iter().map(|_| self.uplink.next_request()).collect();
        let Some(&request) = numbers.first() else { return };
        self.moving.asked.extend(numbers.into_iter().zip(party));
        self.uplink.send(ArbitrateParty { request, game, sessions }, out);
    }

    /// The manager's word on one of a party.
    pub(super) fn arbitrated(&mut self, now: Time, answer: Arbitrated, out: &mut Out) {
        let Some(conn) = self.moving.asked.remove(&answer.request) else { return };
        let moves = self.guests.get(conn).is_some_and(|guest| matches!(guest.at, At::Moving { .. }));
        if let (Some((address, reservation)), true) = (answer.to, moves) {
            self.counts.moved += 1;
            out.send(conn, Redirect { address, reservation, room: answer.room });
        }
        self.turn_out(now, [conn], out);
    }

    /// The manager that was asked is away.
    pub(super) fn nobody_says_where_to(&mut self, now: Time, out: &mut Out) {
        let asked = core::mem::take(&mut self.moving.asked);
        self.turn_out(now, asked.into_values(), out);
    }

    /// Nothing keeps them here any longer; who wanted out anyway is told that this is done.
    fn turn_out(&mut self, now: Time, party: impl IntoIterator<Item = ConnId>, out: &mut Out) {
        for conn in party {
            match self.guests.get(conn).map(|guest| guest.at) {
                Some(At::Moving { .. }) => self.close(conn, CloseReason::Draining, out),
                Some(At::Leaving { .. }) => self.say_left(now, conn, out),
                _ => {}
            }
        }
    }
}
