//! A floor of a room server: the shard that has some of the rooms, and everybody in them.
//!
//! Why: rooms do not know each other, so they may be spread over threads; a floor is what one thread runs.
//! Owns: its rooms ([`room`]), which connection is in which of them, everything that is due ([`alarms`]), and what
//! each room costs ([`cost`]).
//! Does not own: who may enter and what the manager believes; it tells the door of every stay that ends and
//! of every connection that is gone.
//! Invariants: a connection is handed over before anything is said on it; what comes from a connection whose
//! player is not in the room by it any more (replaced, evicted) changes nothing; what is due is done before
//! the input that finds it due.
//! Limits: the door's; a floor never has more people than its rooms have capacity.
//! Read next: [`room`], then `table.rs`, `play.rs` and [`crate::hand`].

mod alarms;
mod asking;
mod asks;
mod chat;
mod comings;
mod cost;
mod owner;
mod play;
mod room;
mod step;
mod table;
mod tables;
mod watch;

use super::{DOOR, EVICTED, REPLACED, RoomConfig, RoomNote, Tools};
use alarms::{Alarm, Alarms};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use asks::{Asker, Asks};
use room::{Guest, Room};
use step::{Counts, Step};
use usher_proto::machine::Answer;
use usher_proto::message::CloseReason;
use usher_proto::{AccountId, ConnId, Figures, Input, Message, Outbox, Output, RoomNo, ShardId, Time};
use usher_steady::SteadyMap;

type Out = Outbox<RoomNote>;

/// Any shard but the first of a room server.
#[derive(Debug)]
pub struct Floor {
    rooms: BTreeMap<RoomNo, Room>,
    /// Every connection this floor was handed, until it leaves or is gone.
    here: SteadyMap<ConnId, (RoomNo, AccountId)>,
    shared: Shared,
}

/// What the rooms of a floor have in common.
#[derive(Debug)]
struct Shared {
    config: Arc<RoomConfig>,
    alarms: Alarms,
    asks: Asks,
    counts: Counts,
    tools: Tools,
    draining: bool,
}

impl Floor {
    pub(super) fn new(config: &Arc<RoomConfig>, shard: ShardId, seed: u64, tools: Tools) -> Self {
        let room = |(no, spec)| (no, Room::new(no, spec, config.replay_max, seed));
        Self {
            rooms: config.rooms_of(shard).map(room).collect(),
            here: SteadyMap::new(seed),
            shared: Shared {
                config: Arc::clone(config),
                alarms: Alarms::default(),
                asks: Asks::default(),
                counts: Counts::default(),
                tools,
                draining: false,
            },
        }
    }

    pub(super) fn handle(&mut self, now: Time, input: Input<RoomNote>, out: &mut Out) {
        self.do_what_is_due(now, out);
        match input {
            Input::HandedOver { conn, note } => self.handed_over(now, conn, note, out),
            Input::Message { conn, message } => self.player_said(now, conn, message, out),
            Input::Disconnected { conn } => {
                self.drop_out(now, conn, out);
                out.push(Output::Tell(DOOR, RoomNote::Dropped { conn }));
            }
            Input::Told { note: RoomNote::Evict { account, room, below }, .. } => {
                self.with(room, now, out, |room, step| room.evict(account, below, step));
            }
            Input::Told { note: RoomNote::Drain, .. } | Input::Drain => self.drain(now, out),
            Input::Answer { id, answer } => self.answered(now, id, answer, out),
            _ => {}
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.shared.alarms.next()
    }

    fn do_what_is_due(&mut self, now: Time, out: &mut Out) {
        while let Some(alarm) = self.shared.alarms.take_due(now) {
            match alarm {
                Alarm::Table(room, table) => {
                    self.with(room, now, out, |room, step| room.table_alarm(table, step));
                }
                Alarm::Presence(room) => self.with(room, now, out, Room::say_who_came),
                Alarm::Grace(room, account) => {
                    self.with(room, now, out, |room, step| room.grace_over(account, step));
                }
            }
        }
    }

    fn answered(&mut self, now: Time, id: u64, answer: Answer, out: &mut Out) {
        match self.shared.asks.close(id) {
            Some(Asker::Table(room, table)) => {
                self.with(room, now, out, |room, step| room.table_answered(table, id, answer, step));
            }
            Some(Asker::Seat(room, at)) => {
                self.with(room, now, out, |room, step| room.seat_answered(at, &answer, step));
            }
            None => {}
        }
    }

    fn handed_over(&mut self, now: Time, conn: ConnId, note: RoomNote, out: &mut Out) {
        let RoomNote::Enter { identity, room, seen } = note else { return };
        self.here.insert(conn, (room, identity.account));
        self.with(room, now, out, |room, step| room.enter(conn, identity, seen, step));
    }

    fn player_said(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Out) {
        let Some((room, account)) = self.present(conn) else { return };
        let mut is_understood = true;
        self.with(room, now, out, |room, step| {
            is_understood = room.hear(Guest { account, conn }, message, step);
        });
        if !is_understood {
            out.close(conn, CloseReason::Unexpected);
            self.drop_out(now, conn, out);
        }
    }

    /// Whose connection this is, if the player is in the room by it.
    fn present(&self, conn: ConnId) -> Option<(RoomNo, AccountId)> {
        let &(room, account) = self.here.get(&conn)?;
        self.rooms.get(&room)?.is_present(account, conn).then_some((room, account))
    }

    fn drop_out(&mut self, now: Time, conn: ConnId, out: &mut Out) {
        if let Some((room, account)) = self.present(conn) {
            self.with(room, now, out, |room, step| room.drop_out(account, step));
        }
        self.here.remove(&conn);
    }

    fn drain(&mut self, now: Time, out: &mut Out) {
        self.shared.draining = true;
        let rooms: Vec<_> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.with(room, now, out, Room::drain);
        }
    }

    fn with(&mut self, room: RoomNo, now: Time, out: &mut Out, act: impl FnOnce(&mut Room, &mut Step<'_>)) {
        let Some(room) = self.rooms.get_mut(&room) else { return };
        let caused = out.len();
        self.shared.call(room, now, out, act);
        for output in out.since(caused) {
            if let Output::HandOver { conn, .. } = output {
                self.here.remove(conn);
            }
        }
    }

    pub(super) fn check_invariants(&self) {
        let set: usize = self.rooms.values().map(|room| room.check_invariants(&self.shared.alarms)).sum();
        assert_eq!(set, self.shared.alarms.len(), "an alarm that nobody remembers is set");
        assert!(self.here.values().all(|(room, _)| self.rooms.contains_key(room)));
    }

    pub(super) fn figures(&self, figures: &mut Figures) {
        let sum = |sum: [u64; 4], room: &Room| {
            let counts = room.counts();
            core::array::from_fn(|at| sum[at] + counts[at])
        };
        let [players, absent, seated, playing] = self.rooms.values().fold([0; 4], sum);
        let counts = &self.shared.counts;
        figures.gauge("usher_players", "Players in rooms, seated or not.", players);
        figures.gauge("usher_players_absent", "Players without a connection whose seat is kept.", absent);
        figures.gauge("usher_players_seated", "Players who have a seat.", seated);
        figures.gauge("usher_hands_playing", "Hands being played.", playing);
        figures.counter("usher_chats_total", "Chats said in rooms and at tables.", counts.chats);
        figures.counter("usher_hands_started_total", "Hands begun.", counts.hands_started);
        figures.counter("usher_hands_ended_total", "Hands that came to an end.", counts.hands_ended);
        figures.counter(
            "usher_hands_unrecorded_total",
            "Hands announced before they were known to be written down.",
            counts.hands_unrecorded,
        );
        figures.counter(
            "usher_hands_unopened_total",
            "Hands that did not begin because no worker answered.",
            counts.hands_unopened,
        );
        figures.counter(
            "usher_game_faults_total",
            "Games that panicked, or whose worker did not answer as a game does.",
            counts.faults,
        );
        figures.counter("usher_evicted_total", EVICTED, counts.evicted);
        figures.counter("usher_replaced_total", REPLACED, counts.replaced);
        figures.counter("usher_seats_taken_total", "Players who sat down.", counts.seats_taken);
        figures.counter(
            "usher_seats_given_up_total",
            "Kept seats whose player did not come back.",
            counts.seats_given_up,
        );
        cost::figures(&self.rooms, figures);
    }
}

impl Shared {
    /// Every call into a room: what it costs is put on the room's account.
    fn call(
        &mut self,
        room: &mut Room,
        now: Time,
        out: &mut Out,
        act: impl FnOnce(&mut Room, &mut Step<'_>),
    ) {
        let stopwatch = self.tools.stopwatch;
        let caused = out.len();
        let began = stopwatch();
        act(room, &mut self.step(room, now, out));
        room.cost.nanoseconds += stopwatch().saturating_sub(began);
        room.cost.sent += cost::deliveries(out.since(caused), room);
    }

    fn step<'a>(&'a mut self, room: &Room, now: Time, out: &'a mut Out) -> Step<'a> {
        Step {
            now,
            out,
            alarms: &mut self.alarms,
            asks: &mut self.asks,
            counts: &mut self.counts,
            config: &self.config,
            rules: room.rules,
            guard: self.tools.guard,
            draining: self.draining,
        }
    }
}
