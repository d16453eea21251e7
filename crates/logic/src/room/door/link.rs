//! What the door and the manager say to each other.
//!
//! Why: the manager may vanish and come back knowing nothing; all that it must know is said again here.
//! Order on a new link: the registration with the rooms, everybody present, then what was asked and not
//! answered, in the order it was asked.
//! Invariants: a verdict on a claim that nobody waits for any more changes nothing; a release follows it.
//! Limits: `PRESENT_PLAYERS_MAX` players a message.
//! Read next: `manager`, the other side.

use super::guests::At;
use super::places::Resident;
use super::requests::{Request, What};
use super::{Door, Out};
use crate::room::group_of;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use usher_proto::limits::PRESENT_PLAYERS_MAX;
use usher_proto::message::{
    Announce, Announced, CloseReason, EnterDenial, Evict, Evicted, Placed, Present, Verdict,
};
use usher_proto::{ConnId, Message, Output, Time};

impl Door {
    pub(super) fn link_up(&mut self, now: Time, conn: ConnId, out: &mut Out) {
        let players: Vec<_> = self.places.residents().collect();
        let register = self.config.node.register(now, self.places.reports(), players.len() as u32);
        // The registration says every population.
        self.places.take_changed();
        self.uplink.up(now, conn, register, out);
        for players in players.chunks(PRESENT_PLAYERS_MAX) {
            out.send(conn, Present { players: players.to_vec() });
        }
        for message in self.requests.resend() {
            out.send(conn, message);
        }
    }

    /// Also when the manager does not want this server: it goes on as if there were no link.
    pub(super) fn link_down(&mut self, now: Time, out: &mut Out) {
        self.uplink.down();
        for conn in self.requests.take_leaving() {
            self.say_left(now, conn, out);
        }
        self.nobody_says_where_to(now, out);
        // A manager that still wants them out says so again.
        for waits in self.evictions.values_mut() {
            *waits = false;
        }
    }

    pub(super) fn manager_said(&mut self, now: Time, message: Message, out: &mut Out) {
        match message {
            Message::Registered(_) => self.address = self.config.node.address.clone(),
            Message::Placed(Placed { address }) => self.address = address,
            Message::Closing(_) => {}
            Message::RegisterDenied(_) => self.link_down(now, out),
            Message::Claimed(claimed) => self.claimed(now, claimed.request, claimed.verdict, out),
            Message::Arbitrated(answer) => self.arbitrated(now, answer, out),
            Message::Released(released) => self.released(now, released.request, out),
            Message::Evict(order) => {
                if order.world == self.config.node.world {
                    self.evict(order.account, order.below, true, out);
                } else {
                    let Evict { world, account, below } = order;
                    self.uplink.send(Evicted { world, account, below }, out);
                }
            }
            Message::DrainOrder(_) => self.drain(out),
            Message::Revoked(said) => self.uplink.revoked(now, &said),
            Message::Announce(Announce { text }) => self.announce(text, out),
            _ => {
                if let Some(conn) = self.uplink.conn() {
                    out.close(conn, CloseReason::Unexpected);
                }
            }
        }
    }

    /// To everybody who is in a room. Who stands at the door has nowhere to see it, and is soon gone or inside.
    fn announce(&self, text: String, out: &mut Out) {
        let announced = Arc::new(Announced { text }.into());
        for (room, _) in self.config.numbered() {
            out.push(Output::PublishShared(group_of(room), Arc::clone(&announced)));
        }
    }

    fn claimed(&mut self, now: Time, number: u64, verdict: Verdict, out: &mut Out) {
        let Some(&Request { identity, room, what: What::Claim { conn, seen }, .. }) =
            self.requests.get(number)
        else {
            return;
        };
        self.requests.remove(number);
        let is_granted = verdict == Verdict::Granted;
        let denial = match verdict {
            Verdict::Granted if self.is_superseded(&identity) => EnterDenial::Superseded,
            Verdict::Granted => {
                self.counts.entered += 1;
                let entered_unix_ms = self.config.node.unix_ms(now);
                self.hand_over(room, Resident { identity, conn, entered_unix_ms }, seen, out);
                self.places.end_claim(identity.account, room, number);
                self.review_evictions(identity.account, out);
                return;
            }
            Verdict::Superseded => EnterDenial::Superseded,
            Verdict::Elsewhere { address, room } => EnterDenial::Elsewhere { address, room },
        };
        self.places.end_claim(identity.account, room, number);
        if is_granted {
            self.release_unless_wanted(&identity, room, None, out);
        }
        self.guests.put(conn, At::Door);
        self.deny(conn, denial, out);
    }

    fn released(&mut self, now: Time, number: u64, out: &mut Out) {
        let Some(&Request { what: What::Release { conn }, .. }) = self.requests.get(number) else { return };
        self.requests.remove(number);
        if let Some(conn) = conn {
            self.say_left(now, conn, out);
        }
    }
}
