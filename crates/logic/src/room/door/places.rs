//! Who has a place in which room: residents, and those whose claim to it waits.
//!
//! Why: capacity is enforced here and nowhere else; a place exists from the claim to the leaving.
//! Owns: the rooms' numbers, names and capacities, the places, which rooms have space, what to report.
//! Does not own: what people do in a room; connections and requests are only named.
//! Invariants: one place an account and room, however many connections want it; a room's count is the number
//! of its places and moves only when one is really made or really goes; an empty place does not exist.
//! Limits: a room's capacity. Finding a room with space is O(log rooms).
//! Read next: [`super::requests`].

use super::super::{RoomConfig, game_id};
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use usher_proto::message::{PlayerPresent, RoomReport};
use usher_proto::{AccountId, ConnId, GameId, Identity, RoomNo};

/// Somebody who is in a room, perhaps only by the seat that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resident {
    /// Who.
    pub(super) identity: Identity,
    /// The connection of this stay; may be gone while the seat is kept.
    pub(super) conn: ConnId,
    /// When, unix milliseconds.
    pub(super) entered_unix_ms: u64,
}

#[derive(Debug, Default)]
struct Place {
    resident: Option<Resident>,
    claims: Vec<u64>,
}

#[derive(Debug)]
struct Book {
    name: Arc<str>,
    game: GameId,
    capacity: u32,
    taken: u32,
}

/// Every place of this server.
#[derive(Debug)]
pub(super) struct Places {
    books: Vec<Book>,
    held: BTreeMap<(AccountId, RoomNo), Place>,
    /// Rooms with space, by game and then by how much.
    open: BTreeSet<(GameId, u32, RoomNo)>,
    changed: BTreeSet<RoomNo>,
}

impl Places {
    pub(super) fn new(config: &RoomConfig) -> Self {
        let book = |spec: &super::super::RoomSpec| Book {
            name: spec.name.as_str().into(),
            game: game_id(spec.game),
            capacity: spec.capacity,
            taken: 0,
        };
        let books: Vec<_> = config.rooms.iter().map(book).collect();
        let numbered = books.iter().zip(0..);
        let open =
            numbered.filter(|(it, _)| it.capacity > 0).map(|(it, no)| (it.game, it.capacity, RoomNo(no)));
        Self { open: open.collect(), books, held: BTreeMap::new(), changed: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What a room plays, if there is such a room.
    pub(super) fn game_of(&self, room: RoomNo) -> Option<GameId> {
        self.books.get(usize::from(room.0)).map(|book| book.game)
    }

    pub(super) fn is_played(&self, game: GameId) -> bool {
        self.books.iter().any(|book| book.game == game)
    }

    pub(super) fn has_space(&self, room: RoomNo) -> bool {
        self.books.get(usize::from(room.0)).is_some_and(|book| book.taken < book.capacity)
    }

    /// The fullest room of a game that still has space.
    pub(super) fn fullest(&self, game: GameId) -> Option<RoomNo> {
        self.open_rooms(game).next()
    }

    /// Rooms of a game with space, those with most first.
    pub(super) fn emptiest(&self, game: GameId, count_max: usize) -> Vec<RoomNo> {
        self.open_rooms(game).rev().take(count_max).collect()
    }

    fn open_rooms(&self, game: GameId) -> impl DoubleEndedIterator<Item = RoomNo> {
        let range = (game, 0, RoomNo(0))..=(game, u32::MAX, RoomNo(u16::MAX));
        self.open.range(range).map(|&(_, _, room)| room)
    }

    /// Whether this account has a place in the room already.
    pub(super) fn has(&self, account: AccountId, room: RoomNo) -> bool {
        self.held.contains_key(&(account, room))
    }

    pub(super) fn resident(&self, account: AccountId, room: RoomNo) -> Option<Resident> {
        self.held.get(&(account, room))?.resident
    }

    /// The claims that wait for a place.
    pub(super) fn claims(&self, account: AccountId, room: RoomNo) -> &[u64] {
        self.held.get(&(account, room)).map_or(&[], |place| &place.claims)
    }

    /// The rooms an account is in.
    pub(super) fn residences(&self, account: AccountId) -> impl Iterator<Item = (RoomNo, Resident)> {
        let range = (account, RoomNo(0))..=(account, RoomNo(u16::MAX));
        self.held.range(range).filter_map(|(&(_, room), place)| Some((room, place.resident?)))
    }

    /// Everybody who is in a room.
    pub(super) fn residents(&self) -> impl Iterator<Item = PlayerPresent> {
        self.held.iter().filter_map(|(&(_, room), place)| {
            let Resident { identity, entered_unix_ms, .. } = place.resident?;
            let game = self.books[usize::from(room.0)].game;
            Some(PlayerPresent { identity, game, room, entered_unix_ms })
        })
    }

    /// Holds a place for a claim.
    pub(super) fn claim(&mut self, account: AccountId, room: RoomNo, request: u64) {
        self.place(account, room).claims.push(request);
    }

    /// The claim waits no longer; the place goes with it unless something else holds it.
    pub(super) fn end_claim(&mut self, account: AccountId, room: RoomNo, request: u64) {
        self.change(account, room, |place| place.claims.retain(|&it| it != request));
    }

    /// Who is in the place from now on; replaces who was.
    pub(super) fn settle(&mut self, room: RoomNo, resident: Resident) {
        self.place(resident.identity.account, room).resident = Some(resident);
    }

    /// Nobody is in the place any more.
    pub(super) fn vacate(&mut self, account: AccountId, room: RoomNo) {
        self.change(account, room, |place| place.resident = None);
    }

    fn place(&mut self, account: AccountId, room: RoomNo) -> &mut Place {
        if !self.has(account, room) {
            self.recount(room, |taken| taken + 1);
        }
        self.held.entry((account, room)).or_default()
    }

    fn change(&mut self, account: AccountId, room: RoomNo, change: impl FnOnce(&mut Place)) {
        let Entry::Occupied(mut entry) = self.held.entry((account, room)) else { return };
        change(entry.get_mut());
        if entry.get().resident.is_none() && entry.get().claims.is_empty() {
            entry.remove();
            self.recount(room, |taken| taken - 1);
        }
    }

    /// Moves a room's count, and the room to where it belongs among those with space.
    fn recount(&mut self, room: RoomNo, count: impl FnOnce(u32) -> u32) {
        let book = &mut self.books[usize::from(room.0)];
        self.open.remove(&(book.game, book.capacity - book.taken, room));
        book.taken = count(book.taken);
        if book.taken < book.capacity {
            self.open.insert((book.game, book.capacity - book.taken, room));
        }
        self.changed.insert(room);
    }

    /// Every room as the manager is told of it.
    pub(super) fn reports(&self) -> Vec<RoomReport> {
        let report = |(book, no): (&Book, u16)| RoomReport {
            room: RoomNo(no),
            name: book.name.clone(),
            game: book.game,
            population: book.taken,
            capacity: book.capacity,
        };
        self.books.iter().zip(0..).map(report).collect()
    }

    /// Rooms whose population changed since this was last asked, with their population.
    pub(super) fn take_changed(&mut self) -> Vec<(RoomNo, u32)> {
        let changed = core::mem::take(&mut self.changed);
        changed.into_iter().map(|room| (room, self.books[usize::from(room.0)].taken)).collect()
    }

    pub(super) fn check_invariants(&self) {
        let mut taken = alloc::vec![0; self.books.len()];
        for ((account, room), place) in &self.held {
            taken[usize::from(room.0)] += 1;
            assert!(place.resident.is_some() || !place.claims.is_empty(), "an empty place of {account}");
        }
        for ((book, taken), no) in self.books.iter().zip(taken).zip(0..) {
            assert_eq!(book.taken, taken, "room {no} counts its places wrong");
            assert!(taken <= book.capacity, "room {no} is over its capacity");
            let open = self.open.contains(&(book.game, book.capacity - taken, RoomNo(no)));
            assert_eq!(open, taken < book.capacity, "room {no} is listed wrong among those with space");
        }
        let with_space = self.books.iter().filter(|book| book.taken < book.capacity).count();
        assert_eq!(self.open.len(), with_space);
    }
}
