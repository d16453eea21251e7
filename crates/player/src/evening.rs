//! What a player turns to after its hands: another table, another room, home, or away and back.
//!
//! Why: nobody sits at one table all night, and places that are given up and taken again are where servers err.
//! The way: its hands -> stand -> a pause -> sit at another table; or -> stand -> leave -> a pause -> another room, any
//! that its server chooses or one of the hall's; or -> stand -> leave -> a longer pause -> log in anew. A connection that
//! is dropped on purpose comes back like one that was lost (`play.rs`).
//! Owns: [`Course`]; standing up and leaving, and what comes after. Does not own: shares and ranges (`mix.rs`), the way in.
//! Invariants: hands are counted from the one after sitting down; a player stands up as soon as its last is over, never
//! in one; a stay ends before the next begins; once it is time to go nothing else is begun.
//! Limits: [`LOOKS_MAX`] tables are tried, then any will do; so it is for who found no company within [`PATIENCE`].
//! Read next: `mix.rs`, `journey.rs`.

use crate::alarms::Alarm;
use crate::config::Config;
use crate::ledger::{Deed, Ledger, Step};
use crate::mix::{Change, Evening, Plan, Play};
use crate::player::{Next, Phase, Place, Player};
use crate::rules::{LOOKS_MAX, PATIENCE};
use crate::turn::Turn;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::message::{Enter, HandBegin, Leave, Ready, SeatNo, SitDenial, Stand, TableRules};
use usher_proto::{GameId, ServerKind, TableNo};

/// How far a player's evening has come.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// What it turns to, until it has a seat again.
    pub(crate) change: Option<Change>,
    /// Which room and table it had before that.
    from: Option<Place>,
    from_table: TableNo,
    /// Tables it has asked for by number.
    looks: u8,
    /// People in its room when it entered.
    pub(crate) population: u32,
    /// Hands it will play where it sits.
    hands_left: u32,
    /// The last hand of its table that was not its own, once that is known.
    pub(crate) since_hand: Option<u64>,
    /// The last hand of its table that it knows is over; the one before the first that it saw, until then.
    pub(crate) last_hand: Option<u64>,
    /// Whether the next hand waits for its word.
    pub(crate) is_asked: bool,
}

impl Player {
    /// What players of its kind do.
    pub(crate) fn plan(&self, config: &Config) -> Plan {
        config.mix.plan(self.kind)
    }

    /// The number of the game it plays.
    pub(crate) fn game<L>(&self, turn: &Turn<'_, L>) -> GameId {
        GameId(self.plan(&turn.shared.config).game.id())
    }

    fn evening(&self, config: &Config) -> Option<Evening> {
        self.plan(config).evening
    }

    /// What it turns to, unless it is time to go.
    pub(crate) fn turning_to(&self) -> Option<Change> {
        self.course.change.filter(|_| !self.going)
    }

    /// The room that it wants another one than.
    pub(crate) fn tired_of(&self) -> Option<Place> {
        self.course.from.filter(|_| self.course.change == Some(Change::Room))
    }
}

/// In the seat.
impl Player {
    /// It has a seat: whatever it turned to is done, and its hands begin.
    pub(crate) fn settle_down<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, seat: SeatNo) {
        let same_room = self.place == self.course.from;
        let deed = match self.course.change.take() {
            Some(Change::Table) if same_room && seat.table != self.course.from_table => Some(Deed::Table),
            Some(Change::Room) if !same_room => Some(Deed::Room),
            Some(Change::Leave) => Some(Deed::Return),
            _ => None,
        };
        if let Some(deed) = deed {
            turn.ledger().did(deed);
        }
        if let Some(Evening { hands, .. }) = self.evening(&turn.shared.config) {
            if self.course.hands_left == 0 {
                self.course.hands_left = turn.shared.dice.among(hands);
            }
            self.await_company(turn);
        }
    }

    /// Others are to sit down too; some time it waits for them.
    fn await_company<L: Ledger>(&self, turn: &mut Turn<'_, L>) {
        if self.plan(&turn.shared.config).play == Play::Game {
            turn.alarm_within(Alarm::Patience, PATIENCE);
        }
    }

    pub(crate) fn on_patience_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if self.phase == Phase::Playing && self.hand.is_none() {
            self.turn_to(turn, Change::Table);
            self.course.looks = LOOKS_MAX;
        }
    }

    /// Of each hand's end it is told once, however often its connection was lost.
    pub(crate) fn on_hand_ended<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, hand: u64) {
        if self.course.last_hand.replace(hand).is_some_and(|last| hand <= last) {
            return self.fail(turn, "hand_ended_twice");
        }
        self.lay_hand_down(turn);
        self.hand_over(turn, hand);
        self.say_ready(turn);
    }

    /// A bot is always ready.
    pub(crate) fn say_ready<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if let (Some(conn), Phase::Playing, true) = (self.conn, self.phase, self.course.is_asked) {
            turn.send(conn, Ready { ready: true });
        }
    }

    /// What the table's owner wants of it, when there is no hand.
    pub(crate) fn heed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, owner: Option<u8>, rules: TableRules) {
        self.course.is_asked = match rules.begin {
            HandBegin::AtOnce => false,
            HandBegin::AllReady => true,
            HandBegin::OwnerReady => owner.is_some() && owner == self.seat.map(|at| at.seat),
        };
        if self.hand.is_none() {
            self.say_ready(turn);
        }
    }

    /// The table's owner wants it gone.
    pub(crate) fn on_dismissed<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let Some(SeatNo { table, .. }) = self.seat else { return };
        let course = &mut self.course;
        (course.change, course.from, course.from_table) = (Some(Change::Table), self.place, table);
        course.looks = 0;
        self.put_play_down(turn);
        self.stroll(turn);
    }

    /// A hand is over and written down; after its last the player turns to something else.
    fn hand_over<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, hand: u64) {
        if self.phase != Phase::Playing || self.course.since_hand.is_none_or(|since| hand <= since) {
            return;
        }
        turn.ledger().did(Deed::Hand);
        let Some(Evening { hands, after, .. }) = self.evening(&turn.shared.config) else { return };
        self.course.hands_left = self.course.hands_left.saturating_sub(1);
        self.await_company(turn);
        if self.course.hands_left > 0 {
            return;
        }
        match after.draw(&mut turn.shared.dice) {
            Some(change) => self.turn_to(turn, change),
            None => self.course.hands_left = turn.shared.dice.among(hands),
        }
    }

    fn turn_to<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, change: Change) {
        let Some(SeatNo { table, .. }) = self.seat else { return };
        if change == Change::Drop {
            return turn.alarm(Alarm::Drop, Duration::ZERO);
        }
        let course = &mut self.course;
        (course.change, course.from, course.from_table, course.looks) = (Some(change), self.place, table, 0);
        self.stand(turn);
    }
}

/// When it is time to go, and how: out of the seat, out of the room.
impl Player {
    pub(crate) fn on_leave_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        match self.phase {
            Phase::Playing => self.stand(turn),
            Phase::Strolling => self.leave(turn),
            // It has left before the others, and need not come back for their leaving.
            Phase::Waiting(_) if self.course.change == Some(Change::Leave) => self.finish(turn),
            _ => self.going = true,
        }
    }

    /// Everyone is to leave now; whoever is not in a room simply goes.
    pub(crate) fn go_home<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        match self.phase {
            Phase::Playing => self.stand(turn),
            Phase::Strolling => self.leave(turn),
            Phase::Sitting | Phase::Standing | Phase::Leaving => self.going = true,
            Phase::Done => {}
            _ => self.finish(turn),
        }
    }

    pub(crate) fn stand<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let Some(conn) = self.conn else { return };
        self.put_play_down(turn);
        (self.phase, self.step_from) = (Phase::Standing, turn.now);
        turn.alarm_overdue(Alarm::Journey);
        turn.send(conn, Stand {});
    }

    pub(crate) fn leave<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let Some(conn) = self.conn else { return };
        (self.phase, self.step_from) = (Phase::Leaving, turn.now);
        turn.alarm_overdue(Alarm::Journey);
        turn.send(conn, Leave {});
    }

    fn time_departure<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, step: Step) {
        let took = turn.now - self.step_from;
        turn.ledger().step(step, took);
    }
}

/// To another table.
impl Player {
    pub(crate) fn on_stood<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.time_departure(turn, Step::Stand);
        if self.turning_to() != Some(Change::Table) {
            return self.leave(turn);
        }
        self.stroll(turn);
    }

    fn stroll<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.phase = Phase::Strolling;
        let think = self.plan(&turn.shared.config).think;
        turn.alarm_within(Alarm::Journey, think);
    }

    pub(crate) fn sit_elsewhere<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let table = (self.course.looks < LOOKS_MAX).then(|| self.another_table(turn));
        self.course.looks += 1;
        self.sit(turn, table);
    }

    /// Any but the one it comes from, as many as its room has people for, and the next, where it will be the first.
    fn another_table<L: Ledger>(&self, turn: &mut Turn<'_, L>) -> TableNo {
        let seats = self.plan(&turn.shared.config).game.seats();
        let others = self.course.population.div_ceil(seats.into()).clamp(1, u16::MAX.into());
        let table = turn.shared.dice.below(others.into()) as u16;
        TableNo(table + u16::from(table >= self.course.from_table.0))
    }

    pub(crate) fn on_sit_denied<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: SitDenial) {
        let asked_for_one = self.course.change == Some(Change::Table) && self.course.looks <= LOOKS_MAX;
        match reason {
            SitDenial::NotInside | SitDenial::AlreadySeated => self.fail(turn, "sit_denied"),
            _ if !asked_for_one => self.fail(turn, "sit_denied"),
            _ if self.going => self.leave(turn),
            _ => self.sit_elsewhere(turn),
        }
    }
}

/// To another room, or home.
impl Player {
    pub(crate) fn on_left<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, seq: u64) {
        self.time_departure(turn, Step::Leave);
        self.settle_stay(turn, Some(seq));
        match self.turning_to() {
            Some(Change::Room) => self.go_to_another_room(turn),
            Some(Change::Leave) => self.end_visit(turn),
            _ => self.finish(turn),
        }
    }

    /// The server at hand may choose, or the hall shows what else there is.
    fn go_to_another_room<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let think = self.plan(&turn.shared.config).think;
        if turn.shared.dice.below(2) == 0 {
            return self.wait(turn, think, Next::Visit(ServerKind::Hall));
        }
        self.phase = Phase::Waiting(Next::AnyRoom);
        turn.alarm_within(Alarm::Journey, think);
    }

    pub(crate) fn enter_any_room<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let Some(conn) = self.conn else { return self.visit(turn, ServerKind::Hall) };
        self.phase = Phase::Entering;
        (self.full_rooms, self.others) = (0, Vec::new());
        turn.alarm_overdue(Alarm::Journey);
        let game = self.game(turn);
        turn.send(conn, Enter { game, room: None, last_seq: None, last_hand: None });
    }

    /// It is out; for good, or until it comes as anybody would who was not here before.
    fn end_visit<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        turn.ledger().did(Deed::Leave);
        let Some(pause) = self.evening(&turn.shared.config).and_then(|evening| evening.back_after) else {
            return self.finish(turn);
        };
        (self.place, self.kept, self.avoid, self.cut_off) = (None, None, None, false);
        turn.clear(Alarm::Drop);
        self.wait(turn, pause, Next::Visit(ServerKind::Login));
    }

    /// Its connection is gone while it was on its way out, of the seat or the room.
    pub(crate) fn lost_on_the_way_out<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &'static str) {
        match self.turning_to() {
            None => self.finish(turn),
            Some(Change::Leave) => {
                self.settle_stay(turn, None);
                self.end_visit(turn);
            }
            Some(_) => self.lost_without_a_seat(turn, reason),
        }
    }
}
