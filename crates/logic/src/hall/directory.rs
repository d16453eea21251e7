//! The rooms of a world as a hall offers them, put into a few shared answers.
//!
//! Why: thousands ask within a second; they are given the same message, made and encoded once.
//! Owns: the rooms by server as the manager said them, which of them a new link has not confirmed, and the
//! answers. Does not guess: a population is what was said last.
//! Order: rooms with space, fullest first below 80 % of their capacity, then the rest emptiest first: rooms
//! fill up one after another and nobody is sent where there will be no place on arrival.
//! Limits: `servers_max` servers, `rooms_max` rooms; what is beyond is not taken and counted. An answer holds
//! `directory_rooms_max` rooms and [`TOTALS_MAX`] games.
//! Read next: [`crate::hall`].

use super::HallConfig;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::limits::ROOMS_MAX;
use usher_proto::message::{Directory as Answer, GameTotal, Message, RoomEntry, RoomReport, RoomsOf};
use usher_proto::{Address, GameId, ServerName, Time};

/// Games whose totals are told: those with the lowest numbers.
pub const TOTALS_MAX: usize = 256;

/// Every room a hall knows.
#[derive(Debug)]
pub(crate) struct Directory {
    servers: BTreeMap<ServerName, Offer>,
    servers_max: usize,
    rooms_max: usize,
    answer_rooms_max: usize,
    rebuild_interval: Duration,
    lease: Duration,
    /// When servers that a new link has not confirmed are forgotten.
    forget_at: Option<Time>,
    answers: Answers,
    refused: u64,
}

/// What one server offers.
#[derive(Debug)]
struct Offer {
    address: Address,
    rooms: Vec<RoomReport>,
    confirmed: bool,
}

/// Which rooms an answer holds. Games that nobody plays share one answer, whatever number a client makes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Filter {
    All,
    Game(GameId),
    UnknownGame,
}

#[derive(Debug, Default)]
struct Answers {
    good_until: Time,
    totals: Vec<GameTotal>,
    by_filter: BTreeMap<Filter, Arc<Message>>,
}

impl Directory {
    pub(crate) fn new(config: &HallConfig) -> Self {
        Self {
            servers: BTreeMap::new(),
            servers_max: config.servers_max as usize,
            rooms_max: config.rooms_max as usize,
            answer_rooms_max: config.directory_rooms_max as usize,
            rebuild_interval: config.directory_interval,
            lease: config.node.lease,
            forget_at: None,
            answers: Answers::default(),
            refused: 0,
        }
    }

    /// All rooms of one server, replacing what was said before.
    pub(crate) fn replace(&mut self, said: RoomsOf) {
        let RoomsOf { server, address, mut rooms } = said;
        rooms.truncate(ROOMS_MAX);
        let before = self.servers.get(&server).map(|it| it.rooms.len());
        let is_new = before.is_none();
        let rooms_after = self.rooms() - before.unwrap_or(0) + rooms.len();
        if rooms_after > self.rooms_max || (is_new && self.servers.len() >= self.servers_max) {
            self.refused += 1;
            return;
        }
        self.servers.insert(server, Offer { address, rooms, confirmed: true });
        if is_new {
            self.answers.outdate();
        }
    }

    /// This server's rooms are not to be offered.
    pub(crate) fn remove(&mut self, server: &ServerName) {
        if self.servers.remove(server).is_some() {
            self.answers.outdate();
        }
    }

    /// A manager will say everything anew, within one lease.
    pub(crate) fn link_up(&mut self, now: Time) {
        self.servers.values_mut().for_each(|it| it.confirmed = false);
        self.forget_at = Some(now + self.lease);
    }

    /// Nobody confirms anything now; what is known is still offered.
    pub(crate) fn link_down(&mut self) {
        self.forget_at = None;
    }

    /// Forgets what the manager did not say again in time.
    pub(crate) fn forget_unconfirmed(&mut self, now: Time) {
        if self.forget_at.is_none_or(|at| at > now) {
            return;
        }
        self.forget_at = None;
        let known = self.servers.len();
        self.servers.retain(|_, it| it.confirmed);
        if self.servers.len() != known {
            self.answers.outdate();
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.forget_at
    }

    /// The answer for one game, or for all; made at most once in an interval and when a server comes or goes.
    pub(crate) fn answer(&mut self, now: Time, game: Option<GameId>) -> Arc<Message> {
        if now >= self.answers.good_until {
            let good_until = now + self.rebuild_interval;
            self.answers = Answers { good_until, totals: self.totals(), by_filter: BTreeMap::new() };
        }
        let filter = match game {
            None => Filter::All,
            Some(game) if self.answers.totals.iter().any(|it| it.game == game) => Filter::Game(game),
            Some(_) => Filter::UnknownGame,
        };
        if let Some(made) = self.answers.by_filter.get(&filter) {
            return Arc::clone(made);
        }
        let rooms = if filter == Filter::UnknownGame { Vec::new() } else { self.offer(game) };
        let made = Arc::new(Message::Directory(Answer { rooms, totals: self.answers.totals.clone() }));
        self.answers.by_filter.insert(filter, Arc::clone(&made));
        made
    }

    /// Rooms known.
    pub(crate) fn rooms(&self) -> usize {
        self.servers.values().map(|it| it.rooms.len()).sum()
    }

    /// Servers known.
    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// Reports not taken for lack of space.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.servers.len() <= self.servers_max);
        assert!(self.rooms() <= self.rooms_max);
        assert!(self.answers.totals.len() <= TOTALS_MAX);
        assert!(self.answers.by_filter.len() <= TOTALS_MAX + 2);
    }

    fn reports(&self) -> impl Iterator<Item = (&Address, &RoomReport)> {
        self.servers.values().flat_map(|server| server.rooms.iter().map(|room| (&server.address, room)))
    }

    fn totals(&self) -> Vec<GameTotal> {
        let mut totals: BTreeMap<GameId, GameTotal> = BTreeMap::new();
        for (_, room) in self.reports() {
            let game = room.game;
            let total =
                totals.entry(game).or_insert(GameTotal { game, rooms: 0, population: 0, capacity: 0 });
            total.rooms += 1;
            total.population = total.population.saturating_add(room.population);
            total.capacity = total.capacity.saturating_add(room.capacity);
        }
        totals.into_values().take(TOTALS_MAX).collect()
    }

    fn offer(&self, game: Option<GameId>) -> Vec<RoomEntry> {
        let wanted = |room: &RoomReport| game.is_none_or(|it| it == room.game);
        let open = self.reports().filter(|(_, room)| wanted(room) && room.population < room.capacity);
        // Equally attractive rooms stay in the order of server and room.
        let mut rooms: Vec<_> = open.zip(0_usize..).map(|(at, number)| ((rank(at.1), number), at)).collect();
        if rooms.len() > self.answer_rooms_max {
            rooms.select_nth_unstable_by_key(self.answer_rooms_max, |(rank, _)| *rank);
            rooms.truncate(self.answer_rooms_max);
        }
        rooms.sort_unstable_by_key(|(rank, _)| *rank);
        rooms.into_iter().map(|(_, (address, room))| entry(address, room)).collect()
    }
}

impl Answers {
    fn outdate(&mut self) {
        self.good_until = Time(0);
    }
}

/// The lower, the more attractive: fuller rooms first, but nearly full ones last and the fullest of them at the end.
fn rank(room: &RoomReport) -> u64 {
    let fill = (u64::from(room.population) << 32) / u64::from(room.capacity).max(1);
    let is_nearly_full = u64::from(room.population) * 5 >= u64::from(room.capacity) * 4;
    if is_nearly_full { (1 << 33) + fill } else { (1 << 32) - fill }
}

fn entry(address: &Address, room: &RoomReport) -> RoomEntry {
    RoomEntry {
        address: address.clone(),
        room: room.room,
        name: room.name.clone(),
        game: room.game,
        population: room.population,
        capacity: room.capacity,
    }
}

#[cfg(test)]
mod tests;
