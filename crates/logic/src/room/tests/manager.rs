//! A manager reduced to presence on one server: enough to answer claims as the real one does.
//!
//! Read next: `house.rs`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use usher_proto::message::{Claimed, Evict, Registered, Released, Verdict};
use usher_proto::{AccountId, Address, Identity, Message, RoomNo};

/// Who is where, by what this manager was told since it started.
#[derive(Default)]
pub(super) struct Presence {
    newest: BTreeMap<AccountId, Identity>,
    pub(super) rooms: BTreeMap<AccountId, (Identity, RoomNo)>,
}

impl Presence {
    pub(super) fn answer(&mut self, message: &Message) -> Vec<Message> {
        match message {
            Message::Register(_) => {
                self.rooms.clear();
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
                if self.rooms.get(&release.identity.account) == Some(&(release.identity, release.room)) {
                    self.rooms.remove(&release.identity.account);
                }
                alloc::vec![Released { request: release.request }.into()]
            }
            _ => Vec::new(),
        }
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

    /// Presence says so; whichever login of the account is older is shown out if it is in another room.
    fn settle(&mut self, identity: Identity, room: RoomNo) -> Option<Message> {
        let account = identity.account;
        let newest = *self.newest.entry(account).or_insert(identity);
        if newest.is_newer_than(&identity) {
            return Some(evict(newest));
        }
        self.newest.insert(account, identity);
        let before = self.rooms.insert(account, (identity, room));
        before
            .filter(|&(older, other)| other != room && identity.is_newer_than(&older))
            .map(|_| evict(identity))
    }
}

fn evict(newer: Identity) -> Message {
    Evict { world: newer.world, account: newer.account, below: newer.generation }.into()
}
