//! Who is where: one entry per account of a world, its newest login, at most one room per game.
//!
//! Why: an account plays once. Whoever logs in last wins, whichever of two logins gets here first.
//! The rules are (a) to (h) of the design; [`Presence::claim`] decides a player who wants in,
//! [`Presence::present`] one who is in already, by the word of a server that (re)joined.
//! Owns: entries and their order. Does not own servers: a place whose [`ServerId`] is dead is no place.
//! Invariants: every place of an entry belongs to its newest login. Nothing is remembered about evictions: a
//! server that comes back is judged anew by what it presents, so a lost order is given again.
//! Shelves: entries lie on 256 maps, so that neither growing one nor sweeping out a gone server's places is
//! long work in one step.
//! Limits: `presence_max` entries; beyond it the oldest fence goes, and without one a newcomer is refused.
//! A *fence* is the entry of an account that is nowhere: it keeps older logins out for `fence_ttl`, and at
//! most `fences_max` of them are kept.
//! Read next: [`super::registry`].

use super::registry::{Registry, ServerId};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_proto::message::{Claim, Evict, PlayerPresent, Release, SeatKept, Verdict};
use usher_proto::{AccountId, GameId, Generation, Identity, RoomNo, SessionId, Time, WorldId};

const SHELVES: usize = 256;
/// Fences forgotten in one step, at most.
const FORGET_MAX: usize = 1000;

type Key = (WorldId, AccountId);

/// How a place came about, in the order in which (h) believes it: whatever this manager granted came later
/// than what a server presents without the manager knowing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    /// A server said so: unix milliseconds by its clock.
    Presented(u64),
    /// Claimed here.
    Granted,
    /// Claimed here, where an older login sat, which goes when the room takes its seat over.
    TookOver,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    server: ServerId,
    game: GameId,
    room: RoomNo,
    since: Since,
}

impl Place {
    fn is_at(&self, registry: &Registry, server: ServerId, room: RoomNo) -> bool {
        registry.current(self.server) == Some(server) && self.room == room
    }
}

/// An entry as it lies on its shelf. One place, the usual case, needs no memory of its own.
#[derive(Debug)]
struct Entry {
    session: SessionId,
    generation: Generation,
    stay: Stay,
}

#[derive(Debug)]
enum Stay {
    Nowhere { since: Time },
    One(Place),
    Several(Vec<Place>),
}

impl Entry {
    fn places(&self) -> &[Place] {
        match &self.stay {
            Stay::Nowhere { .. } => &[],
            Stay::One(place) => core::slice::from_ref(place),
            Stay::Several(places) => places,
        }
    }

    fn identity(&self, (world, account): Key) -> Identity {
        Identity { world, account, session: self.session, generation: self.generation }
    }
}

/// An entry taken off its shelf, to be changed and put back.
#[derive(Debug)]
struct Player {
    identity: Identity,
    places: Vec<Place>,
}

/// Tell this server so.
pub(super) type Eviction = (ServerId, Evict);

impl Player {
    /// The order to show out what is older than the newest login, or this very login by (h).
    fn eviction(&self, older: Generation) -> Evict {
        let below = Generation(self.identity.generation.0.max(older.0.saturating_add(1)));
        Evict { world: self.identity.world, account: self.identity.account, below }
    }

    /// A newer login takes the entry; returns the places of the older one.
    fn advance(&mut self, identity: &Identity) -> Vec<Place> {
        if !identity.is_newer_than(&self.identity) {
            return Vec::new();
        }
        self.identity = *identity;
        core::mem::take(&mut self.places)
    }

    fn place_in(&mut self, game: GameId) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.game == game)
    }

    /// (c), (d): this login enters; the entry is its own already.
    fn enter(&mut self, registry: &Registry, entered: Place) -> Verdict {
        let Some(place) = self.place_in(entered.game) else {
            self.places.push(entered);
            return Verdict::Granted;
        };
        if place.is_at(registry, entered.server, entered.room) {
            place.server = entered.server;
            return Verdict::Granted;
        }
        match registry.get(place.server) {
            Some(server) if server.conn.is_some() => {
                Verdict::Elsewhere { address: server.facts.address.clone(), room: place.room }
            }
            _ => {
                *place = entered;
                Verdict::Granted
            }
        }
    }

    /// (h): a server says this login is there. If it is elsewhere too, the later place stays, and every place
    /// at the loser's server goes: an order to evict does not name a room. A server's own latest word about
    /// itself is taken as it is.
    fn settle(&mut self, registry: &Registry, said: Place) -> Option<Eviction> {
        let Some(place) = self.place_in(said.game) else {
            self.places.push(said);
            return None;
        };
        if registry.current(place.server) == Some(said.server) {
            let since = if place.room == said.room { place.since.max(said.since) } else { said.since };
            *place = Place { since, ..said };
            return None;
        }
        let loser = if said.since > place.since { core::mem::replace(place, said) } else { said };
        let server = registry.current(loser.server)?;
        self.places.retain(|place| registry.current(place.server) != Some(server));
        Some((server, self.eviction(self.identity.generation)))
    }
}

/// How many of what presence holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Accounts in at least one room.
    pub(super) players: usize,
    /// Places: accounts times games.
    pub(super) places: usize,
}

/// What a claim came to.
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// To be sent after the verdict: a seat in the claimed room is taken over first.
    pub(super) evictions: Vec<Eviction>,
}

/// The bounds of presence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) presence_max: usize,
    pub(super) fence_ttl: Duration,
    pub(super) fences_max: usize,
}

/// Everybody who is somewhere, or was lately.
#[derive(Debug)]
pub(super) struct Presence {
    bounds: Bounds,
    shelves: Vec<HashMap<Key, Entry, FixedState>>,
    /// Who went nowhere, oldest first. Who has come back since, or gone again, is told by the time.
    fences: VecDeque<(Time, Key)>,
    held: Held,
    /// Shelves that may still hold places of dead ids.
    unswept: usize,
}

impl Presence {
    pub(super) fn new(bounds: Bounds, seed: u64) -> Self {
        let shelf = || HashMap::with_hasher(FixedState::with_seed(seed));
        Self {
            bounds,
            shelves: core::iter::repeat_with(shelf).take(SHELVES).collect(),
            fences: VecDeque::new(),
            held: Held::default(),
            unswept: 0,
        }
    }

    pub(super) fn held(&self) -> Held {
        self.held
    }

    /// Entries, those of accounts that are nowhere included.
    pub(super) fn len(&self) -> usize {
        self.shelves.iter().map(HashMap::len).sum()
    }

    /// (a) to (e): may this player enter? Returns nothing when presence is full.
    pub(super) fn claim(
        &mut self,
        now: Time,
        registry: &Registry,
        server: ServerId,
        claim: &Claim,
    ) -> Option<Ruling> {
        let Claim { identity, game, room, .. } = *claim;
        if self.newest(&identity).is_some_and(|newest| newest.is_newer_than(&identity)) {
            return Some(Ruling { verdict: Verdict::Superseded, evictions: Vec::new() });
        }
        let mut player = self.take(registry, &identity)?;
        let older_generation = player.identity.generation;
        let older = player.advance(&identity);
        let (taken_over, left): (Vec<Place>, Vec<Place>) =
            older.into_iter().partition(|place| place.is_at(registry, server, room));
        let since = if taken_over.is_empty() { Since::Granted } else { Since::TookOver };
        let evictions = evictions(registry, &left, player.eviction(older_generation));
        let verdict = player.enter(registry, Place { server, game, room, since });
        self.put(now, player);
        Some(Ruling { verdict, evictions })
    }

    /// A player is in a room, says its server. What contradicts that is settled by generation, then by (h).
    pub(super) fn present(
        &mut self,
        now: Time,
        registry: &Registry,
        server: ServerId,
        present: &PlayerPresent,
    ) -> Vec<Eviction> {
        let PlayerPresent { identity, game, room, entered_unix_ms } = *present;
        if let Some(newest) = self.newest(&identity).filter(|newest| newest.is_newer_than(&identity)) {
            let newest = Player { identity: newest, places: Vec::new() };
            return vec![(server, newest.eviction(identity.generation))];
        }
        let Some(mut player) = self.take(registry, &identity) else { return Vec::new() };
        let older_generation = player.identity.generation;
        let older = player.advance(&identity);
        let mut evictions = evictions(registry, &older, player.eviction(older_generation));
        let since = Since::Presented(entered_unix_ms);
        evictions.extend(player.settle(registry, Place { server, game, room, since }));
        self.put(now, player);
        evictions
    }

    /// (f): a player has left. If its login took a seat over it may have left before the room knew of it, and
    /// the older login may sit there still: then the room is told to show it out.
    pub(super) fn release(
        &mut self,
        now: Time,
        registry: &Registry,
        server: ServerId,
        release: &Release,
    ) -> Option<Evict> {
        let Release { identity, game, room, .. } = *release;
        let left = |place: &Place| place.game == game && place.is_at(registry, server, room);
        let entry = self.entry(&identity).filter(|_| self.newest(&identity) == Some(identity))?;
        let since = entry.places().iter().find(|place| left(place))?.since;
        let mut player = self.take(registry, &identity)?;
        player.places.retain(|place| !left(place));
        self.put(now, player);
        (since == Since::TookOver).then_some(Evict {
            world: identity.world,
            account: identity.account,
            below: identity.generation,
        })
    }

    /// Every login of this account up to that one is over.
    pub(super) fn revoke(&mut self, now: Time, registry: &Registry, revoked: &Identity) -> Vec<Eviction> {
        let Some(mut player) = self.take(registry, revoked) else { return Vec::new() };
        let older_generation = player.identity.generation;
        let left = player.advance(revoked);
        let evictions = evictions(registry, &left, player.eviction(older_generation));
        self.put(now, player);
        evictions
    }

    /// Where this login still has a seat that it can go back to.
    pub(super) fn locate(&self, registry: &Registry, identity: &Identity) -> Vec<SeatKept> {
        if self.newest(identity) != Some(*identity) {
            return Vec::new();
        }
        let places = self.entry(identity).map_or(&[][..], Entry::places);
        let seats = places.iter().filter_map(|place| {
            let server = registry.get(place.server).filter(|server| server.takes_clients())?;
            Some(SeatKept { address: server.facts.address.clone(), room: place.room, game: place.game })
        });
        seats.collect()
    }

    /// Ids have died: their places are to be swept out, a shelf at a time.
    pub(super) fn sweep(&mut self) {
        self.unswept = SHELVES;
    }

    pub(super) fn is_swept(&self) -> bool {
        self.unswept == 0
    }

    /// Sweeps one shelf, if one is due.
    pub(super) fn sweep_shelf(&mut self, now: Time, registry: &Registry) {
        let Some(at) = self.unswept.checked_sub(1) else { return };
        self.unswept = at;
        let is_dead = |place: &Place| registry.current(place.server).is_none();
        let stricken: Vec<Identity> = self.shelves[at]
            .iter()
            .filter(|(_, entry)| entry.places().iter().any(is_dead))
            .map(|(key, entry)| entry.identity(*key))
            .collect();
        for identity in stricken {
            let player = self.take(registry, &identity).expect("invariant: a known account finds room");
            self.put(now, player);
        }
    }

    /// When the oldest fence is over.
    pub(super) fn next_forgetting(&self) -> Option<Time> {
        self.fences.front().map(|(since, _)| *since + self.bounds.fence_ttl)
    }

    /// Forgets fences that are over, a bounded number in one step.
    pub(super) fn forget_due(&mut self, now: Time) {
        for _ in 0..FORGET_MAX {
            if self.next_forgetting().is_none_or(|due| due > now) {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((left_at, key)) = self.fences.pop_front() else { return };
        let entries = &mut self.shelves[shelf_of(&key)];
        let is_fence = |entry: &Entry| matches!(entry.stay, Stay::Nowhere { since } if since == left_at);
        if entries.get(&key).is_some_and(is_fence) {
            entries.remove(&key);
        }
    }

    fn entry(&self, identity: &Identity) -> Option<&Entry> {
        let key = (identity.world, identity.account);
        self.shelves[shelf_of(&key)].get(&key)
    }

    /// The newest login of that account.
    fn newest(&self, identity: &Identity) -> Option<Identity> {
        Some(self.entry(identity)?.identity((identity.world, identity.account)))
    }

    /// Takes an account's entry off its shelf, without its places at dead ids; a fresh one for a newcomer.
    fn take(&mut self, registry: &Registry, identity: &Identity) -> Option<Player> {
        let key = (identity.world, identity.account);
        let Some(entry) = self.shelves[shelf_of(&key)].remove(&key) else {
            return self.has_space().then(|| Player { identity: *identity, places: Vec::new() });
        };
        self.held.players -= usize::from(!entry.places().is_empty());
        self.held.places -= entry.places().len();
        let identity = entry.identity(key);
        let is_alive = |place: &Place| registry.current(place.server).is_some();
        let places = entry.places().iter().copied().filter(is_alive).collect();
        Some(Player { identity, places })
    }

    /// Puts an entry back: the only way in, so that what is held is counted in one place.
    fn put(&mut self, now: Time, player: Player) {
        let Player { identity: Identity { world, account, session, generation }, mut places } = player;
        let key = (world, account);
        self.held.players += usize::from(!places.is_empty());
        self.held.places += places.len();
        let stay = match places.len() {
            0 => self.fence(now, key),
            1 => Stay::One(places.remove(0)),
            _ => Stay::Several(places),
        };
        self.shelves[shelf_of(&key)].insert(key, Entry { session, generation, stay });
    }

    fn fence(&mut self, now: Time, key: Key) -> Stay {
        if self.fences.len() >= self.bounds.fences_max {
            self.forget_oldest();
        }
        self.fences.push_back((now, key));
        Stay::Nowhere { since: now }
    }

    /// Whether one more account finds room, at the price of the oldest fence.
    fn has_space(&mut self) -> bool {
        while self.len() >= self.bounds.presence_max && !self.fences.is_empty() {
            self.forget_oldest();
        }
        self.len() < self.bounds.presence_max
    }

    pub(super) fn check_invariants(&self, registry: &Registry) {
        assert!(self.len() <= self.bounds.presence_max);
        assert!(self.fences.len() <= self.bounds.fences_max.max(1));
        assert!(self.fences.iter().map(|(since, _)| since).is_sorted());
        let mut held = Held::default();
        for entry in self.shelves.iter().flat_map(HashMap::values) {
            held.players += usize::from(!entry.places().is_empty());
            held.places += entry.places().len();
            entry.check_invariants(registry, self.is_swept());
        }
        assert_eq!(held, self.held, "what is counted is what is there");
    }
}

impl Entry {
    fn check_invariants(&self, registry: &Registry, is_swept: bool) {
        let mut games: Vec<_> = self.places().iter().map(|place| place.game).collect();
        games.sort_unstable();
        assert!(games.windows(2).all(|pair| pair[0] != pair[1]), "one room per game");
        for place in self.places() {
            assert!(!is_swept || registry.current(place.server).is_some(), "no place at a gone server");
        }
    }
}

/// One order for each server of these places.
fn evictions(registry: &Registry, places: &[Place], order: Evict) -> Vec<Eviction> {
    let mut servers: Vec<_> = places.iter().filter_map(|place| registry.current(place.server)).collect();
    servers.sort_unstable();
    servers.dedup();
    servers.into_iter().map(|server| (server, order)).collect()
}

/// Accounts are numbered one after the other or at random; both spread evenly by Fibonacci hashing.
fn shelf_of((_, AccountId(account)): &Key) -> usize {
    (account.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}
