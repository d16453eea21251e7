//! A manager reduced to presence on one server: enough to answer claims as the real one does.
//!
//! Read next: `house.rs`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use usher_proto::message::{ArbitrateParty, Arbitrated, Claimed, Evict, Registered, Released, Verdict};
use usher_proto::{AccountId, Address, Identity, Message, RoomNo};

/// Who is where, by what this manager was told since it started.
#[derive(Default)]
pub(super) struct Presence {
    newest: BTreeMap<AccountId, Identity>,
    pub(super) rooms: BTreeMap<AccountId, (Identity, RoomNo)>,
    /// Whose newest login was granted the room where the older one sat, which goes when it is taken over.
    took_over: BTreeSet<AccountId>,
    /// Whether another server has space.
    pub(super) takes_parties: bool,
    /// Those for whom that was asked.
    pub(super) parties: Vec<ArbitrateParty>,
}

impl Presence {
    pub(super) fn answer(&mut self, message: &Message) -> Vec<Message> {
        match message {
            Message::Register(_) => {
                self.rooms.clear();
                self.took_over.clear();
                alloc::vec![Registered { lease_ms: 4000 }.into()]
            }
            Message::Present(present) => {
                present.players.iter().filter_map(|it| self.settle(it.identity, it.room)).collect()
            }
            Message::Claim(claim) => {
                let (verdict, evict) = self.claim(claim.identity, claim.room);
                let claimed = Claimed { request: claim.request, verdict }.into();
                core::iter::once(claimed).chain(evict).collect()
            }
            Message::Release(release) => {
                let released = Released { request: release.request }.into();
                core::iter::once(released).chain(self.release(release.identity, release.room)).collect()
            }
            Message::ArbitrateParty(party) => self.arbitrate(party),
            _ => Vec::new(),
        }
    }

    fn arbitrate(&mut self, party: &ArbitrateParty) -> Vec<Message> {
        self.parties.push(party.clone());
        let numbered = party.sessions.iter().zip(party.request..);
        let placed = numbered.map(|(session, request)| {
            let to = self
                .takes_parties
                .then(|| (Address::from("other:1"), session.0.to_be_bytes().to_vec().into()));
            Arbitrated { request, room: to.is_some().then_some(RoomNo(9)), to }.into()
        });
        placed.collect()
    }

    fn claim(&mut self, identity: Identity, room: RoomNo) -> (Verdict, Option<Message>) {
        let account = identity.account;
        if self.newest.get(&account).is_some_and(|newest| newest.is_newer_than(&identity)) {
            return (Verdict::Superseded, None);
        }
        match self.rooms.get(&account) {
            Some(&(there, other)) if there == identity && other != room => {
                let elsewhere = Verdict::Elsewhere { address: Address::from("room:1"), room: other };
                (elsewhere, None)
            }
            _ => (Verdict::Granted, self.settle(identity, room)),
        }
    }

    /// A login that took a seat over may have left before the room knew of it; the older one goes too.
    fn release(&mut self, identity: Identity, room: RoomNo) -> Option<Message> {
        let account = identity.account;
        if self.rooms.get(&account) != Some(&(identity, room)) {
            return None;
        }
        self.rooms.remove(&account);
        self.took_over.remove(&account).then(|| evict(identity))
    }

    /// Presence says so; whichever login of the account is older is shown out if it is in another room.
    fn settle(&mut self, identity: Identity, room: RoomNo) -> Option<Message> {
        let account = identity.account;
        let newest = *self.newest.entry(account).or_insert(identity);
        if newest.is_newer_than(&identity) {
            return Some(evict(newest));
        }
        self.newest.insert(account, identity);
        let before = self.rooms.insert(account, (identity, room));
        match before {
            Some((older, there)) if there == room && identity.is_newer_than(&older) => {
                self.took_over.insert(account);
            }
            Some((same, there)) if (same, there) == (identity, room) => {}
            _ => {
                self.took_over.remove(&account);
            }
        }
        before
            .filter(|&(older, other)| other != room && identity.is_newer_than(&older))
            .map(|_| evict(identity))
    }
}

fn evict(newer: Identity) -> Message {
    Evict { world: newer.world, account: newer.account, below: newer.generation }.into()
}
