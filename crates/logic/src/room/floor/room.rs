//! One room: the people in it, what they say, and their tables.
//!
//! Why: all of a room is in one value on one thread, so nothing in it needs a lock.
//! Owns: players and their stays, and the word of who came and went. Does not own what players say in it (`manners.rs`),
//! nor who may enter (the door).
//! A stay: `Entered`, then every chat from there on, until `Left`. A player whose connection drops while
//! seated stays, absent, for `seat_grace`; the stay goes on when a connection of the same or a newer login
//! comes for it. Who drops without a seat is gone.
//! Invariants: one player an account; a player has a seat exactly when that seat has the player; the present
//! are those in the room's group.
//! Limits: people by the door, chats kept by `replay_max`.
//! Read next: `manners.rs`, then [`super::tables`].

mod manners;

pub(super) use manners::Guest;

use super::alarms::{Alarm, Alarms};
use super::asks::Asker;
use super::chat::ChatLog;
use super::comings::Comings;
use super::cost::Cost;
use super::step::{Rules, Step};
use super::table::Sitter;
use super::tables::Tables;
use crate::room::{DOOR, RoomNote, RoomSpec, Seen, game_id, group_of};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use usher_proto::machine::{Answer, Question};
use usher_proto::message::{CloseReason, Entered, SeatNo};
use usher_proto::{AccountId, ConnId, Generation, GroupId, Identity, Output, RoomNo, TableNo, Time};
use usher_steady::SteadyMap;

/// Somebody in the room.
#[derive(Clone, Copy, Debug)]
struct Player {
    identity: Identity,
    /// Of this stay; gone if the player is absent.
    conn: ConnId,
    seat: Option<SeatNo>,
    /// Until when the seat is kept for a player who is absent.
    absent_until: Option<Time>,
    /// Whether this connection is told who comes and goes.
    looks_on: bool,
    /// The table that this connection watches.
    watches: Option<TableNo>,
    /// Until when what they have said uses their rate up.
    chats_paid_until: Time,
}

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) rules: Rules,
    pub(super) cost: Cost,
    name: String,
    chat: ChatLog,
    players: SteadyMap<AccountId, Player>,
    /// Players whose connection is gone.
    absent: usize,
    tables: Tables,
    comings: Comings,
}

impl Room {
    pub(super) fn new(room: RoomNo, spec: &RoomSpec, replay_max: u32, seed: u64) -> Self {
        Self {
            rules: Rules { room, kind: spec.game, turn_time: spec.turn_time() },
            cost: Cost::default(),
            name: spec.name.clone(),
            chat: ChatLog::new(replay_max),
            players: SteadyMap::new(seed),
            absent: 0,
            tables: Tables::new(spec.tables(), spec.game.seats()),
            comings: Comings::default(),
        }
    }

    /// Whether this connection is the one by which the account is here.
    pub(super) fn is_present(&self, account: AccountId, conn: ConnId) -> bool {
        let player = self.players.get(&account);
        player.is_some_and(|player| player.conn == conn && player.absent_until.is_none())
    }

    pub(super) fn enter(&mut self, conn: ConnId, identity: Identity, seen: Seen, step: &mut Step<'_>) {
        let account = identity.account;
        match self.players.get(&account) {
            Some(player) if player.identity.is_newer_than(&identity) => {
                return step.out.close(conn, CloseReason::Evicted);
            }
            Some(_) => self.take_over(conn, identity, step),
            None if step.draining => {
                self.hand_back(conn, identity, step);
                return self.party_is_complete(step);
            }
            None => {
                let player = Player {
                    identity,
                    conn,
                    seat: None,
                    absent_until: None,
                    looks_on: false,
                    watches: None,
                    chats_paid_until: Time(0),
                };
                self.players.insert(account, player);
                self.note(account, true, step);
            }
        }
        self.welcome(conn, account, seen, step);
    }

    /// The player's stay goes on with this connection and login.
    fn take_over(&mut self, conn: ConnId, identity: Identity, step: &mut Step<'_>) {
        self.stop_watching(identity.account);
        let Some(player) = self.players.get_mut(&identity.account) else { return };
        let before = core::mem::replace(
            player,
            Player { conn, identity, absent_until: None, looks_on: false, ..*player },
        );
        let grace = Alarm::Grace(self.rules.room, identity.account);
        step.alarms.move_to(grace, before.absent_until, None);
        if before.absent_until.is_some() {
            self.absent -= 1;
            return;
        }
        if before.identity == identity {
            step.counts.replaced += 1;
            step.out.close(before.conn, CloseReason::Replaced);
        } else {
            step.counts.evicted += 1;
            step.out.close(before.conn, CloseReason::Evicted);
        }
    }

    /// Says where the stay begins, replays what was missed, and from then on everything said is heard.
    fn welcome(&mut self, conn: ConnId, account: AccountId, seen: Seen, step: &mut Step<'_>) {
        let seat = self.seat_of(account);
        let replay = self.chat.since(seen.chat);
        let (room, name) = (self.rules.room, self.name.clone());
        let population = self.players.len() as u32;
        step.out.send(conn, Entered { room, name, seq: replay.seq, population, seat });
        if let Some(gap) = replay.gap {
            step.out.send(conn, gap);
        }
        for chat in replay.chats {
            step.out.push(Output::SendShared(conn, Arc::clone(chat)));
        }
        step.out.push(Output::Join(conn, self.group()));
        if let Some(SeatNo { table, seat }) = seat {
            self.with_table(table, step, |table, step| table.come_back(seat, conn, seen.hand, step));
        }
    }

    /// The player goes back to the door, standing up first.
    pub(super) fn leave(&mut self, account: AccountId, step: &mut Step<'_>) {
        let Some(Player { identity, conn, looks_on, .. }) = self.remove(account, step) else { return };
        self.leave_groups(conn, looks_on, step);
        let note = RoomNote::Left { identity, room: self.rules.room, seq: self.chat.seq() };
        step.out.push(Output::HandOver { conn, to: DOOR, note });
    }

    /// The player's connection is gone: a seat is kept, everything else is over.
    pub(super) fn drop_out(&mut self, account: AccountId, step: &mut Step<'_>) {
        let Some(SeatNo { table, seat }) = self.seat_of(account) else {
            return self.end_stay(account, None, step);
        };
        let until = step.now + step.config.seat_grace;
        step.alarms.move_to(Alarm::Grace(self.rules.room, account), None, Some(until));
        if let Some(player) = self.players.get_mut(&account) {
            player.absent_until = Some(until);
        }
        self.absent += 1;
        self.with_table(table, step, |table, step| table.drop_out(seat, step));
    }

    /// The seat is not kept any longer.
    pub(super) fn grace_over(&mut self, account: AccountId, step: &mut Step<'_>) {
        step.counts.seats_given_up += 1;
        self.end_stay(account, None, step);
    }

    pub(super) fn evict(&mut self, account: AccountId, below: Generation, step: &mut Step<'_>) {
        if self.players.get(&account).is_some_and(|player| player.identity.generation < below) {
            step.counts.evicted += 1;
            self.end_stay(account, Some(CloseReason::Evicted), step);
        }
    }

    pub(super) fn table_answered(&mut self, table: TableNo, id: u64, answer: Answer, step: &mut Step<'_>) {
        self.with_table(table, step, |table, step| table.answered(id, answer, step));
    }

    fn ask_score(&self, at: SeatNo, step: &mut Step<'_>) {
        let (room, game) = (self.rules.room, game_id(self.rules.kind));
        let Some(Sitter { account, score: None, .. }) = self.tables.get(at.table).sitter(at.seat) else {
            return;
        };
        if step.asks.take_seat(room, at) {
            step.ask(Asker::Seat(room, at), Question::Score { account, game });
        }
    }

    /// The score of a seat is known. Who sat down there meanwhile is asked for now.
    pub(super) fn seat_answered(&mut self, at: SeatNo, answer: &Answer, step: &mut Step<'_>) {
        if step.asks.is_outdated(self.rules.room, at) {
            self.ask_score(at, step);
        } else if let Answer::Score(Some(score)) = *answer {
            self.with_table(at.table, step, |table, step| table.scored(at.seat, score, step));
        }
    }

    /// Somebody came or went: who looks on is told when the moment is over.
    fn note(&mut self, account: AccountId, came: bool, step: &mut Step<'_>) {
        let interval = step.config.presence_interval;
        if interval.is_zero() {
            return;
        }
        self.comings.note(account, came);
        if self.comings.say_at.is_none() {
            self.comings.say_at = Some(step.now + interval);
            step.alarms.move_to(Alarm::Presence(self.rules.room), None, self.comings.say_at);
        }
    }

    pub(super) fn say_who_came(&mut self, step: &mut Step<'_>) {
        self.comings.say_at = None;
        for presence in self.comings.take(self.players.len() as u32) {
            step.out.publish(self.lookers_on(), presence, None);
        }
    }

    pub(super) fn table_alarm(&mut self, table: TableNo, step: &mut Step<'_>) {
        self.with_table(table, step, super::table::Table::alarm);
    }

    /// Shows out everybody who is not in a hand, table by table; the others follow when theirs ends.
    pub(super) fn drain(&mut self, step: &mut Step<'_>) {
        let mut standing = Vec::new();
        let mut tables = BTreeSet::new();
        for (&account, player) in self.players.iter() {
            match player.seat {
                Some(at) => _ = tables.insert(at.table),
                None => standing.push(account),
            }
        }
        for table in tables {
            self.show_out_when_over(table, step);
        }
        for account in standing {
            self.show_out(&[account], step);
        }
    }

    /// These go to another server's room, together. Whose seat was only kept finds another way.
    fn show_out(&mut self, party: &[AccountId], step: &mut Step<'_>) {
        for &account in party {
            match self.take_out(account, step) {
                Some(Player { identity, conn, absent_until: Some(_), .. }) => {
                    self.tell_gone(identity, conn, step);
                }
                Some(Player { identity, conn, looks_on, .. }) => {
                    self.leave_groups(conn, looks_on, step);
                    self.hand_back(conn, identity, step);
                }
                None => {}
            }
        }
        self.party_is_complete(step);
    }

    fn hand_back(&self, conn: ConnId, identity: Identity, step: &mut Step<'_>) {
        let note = RoomNote::ShownOut { identity, room: self.rules.room, seq: self.chat.seq() };
        step.out.push(Output::HandOver { conn, to: DOOR, note });
    }

    fn party_is_complete(&self, step: &mut Step<'_>) {
        step.out.push(Output::Tell(DOOR, RoomNote::PartyIsComplete { room: self.rules.room }));
    }

    fn leave_groups(&self, conn: ConnId, looks_on: bool, step: &mut Step<'_>) {
        step.out.push(Output::Leave(conn, self.group()));
        if looks_on {
            step.out.push(Output::Leave(conn, self.lookers_on()));
        }
    }

    /// The player is not here any more; a connection that still is, is closed with the reason.
    fn end_stay(&mut self, account: AccountId, reason: Option<CloseReason>, step: &mut Step<'_>) {
        let Some(Player { identity, conn, absent_until, .. }) = self.remove(account, step) else { return };
        if let (Some(reason), None) = (reason, absent_until) {
            step.out.close(conn, reason);
        }
        self.tell_gone(identity, conn, step);
    }

    fn tell_gone(&self, identity: Identity, conn: ConnId, step: &mut Step<'_>) {
        step.out.push(Output::Tell(DOOR, RoomNote::Gone { identity, room: self.rules.room, conn }));
    }

    /// Takes a player out of seat and room. On a draining floor that may have been the end of a hand.
    fn remove(&mut self, account: AccountId, step: &mut Step<'_>) -> Option<Player> {
        let player = self.take_out(account, step)?;
        if let Some(SeatNo { table, .. }) = player.seat {
            self.show_out_when_over(table, step);
        }
        Some(player)
    }

    fn take_out(&mut self, account: AccountId, step: &mut Step<'_>) -> Option<Player> {
        self.stop_watching(account);
        let player = self.players.remove(&account)?;
        self.absent -= usize::from(player.absent_until.is_some());
        self.note(account, false, step);
        step.alarms.move_to(Alarm::Grace(self.rules.room, account), player.absent_until, None);
        if let Some(SeatNo { table, seat }) = player.seat {
            self.tables.at(table, step, |table, step| table.stand(seat, step));
        }
        Some(player)
    }

    fn give_up_seat(&mut self, account: AccountId, step: &mut Step<'_>) -> Option<SeatNo> {
        let from = self.seat_of(account)?;
        self.set_seat(account, None);
        self.with_table(from.table, step, |table, step| table.stand(from.seat, step));
        Some(from)
    }

    /// Does something at a table. On a draining floor, who sits at it goes when its hand is over.
    fn with_table(
        &mut self,
        no: TableNo,
        step: &mut Step<'_>,
        act: impl FnOnce(&mut super::table::Table, &mut Step<'_>),
    ) {
        self.tables.at(no, step, act);
        self.show_out_when_over(no, step);
    }

    fn show_out_when_over(&mut self, table: TableNo, step: &mut Step<'_>) {
        let table = self.tables.get(table);
        if step.draining && !table.is_playing() {
            let party: Vec<_> = table.sitters().map(|sitter| sitter.account).collect();
            if !party.is_empty() {
                self.show_out(&party, step);
            }
        }
    }

    fn seat_of(&self, account: AccountId) -> Option<SeatNo> {
        self.players.get(&account)?.seat
    }

    fn set_seat(&mut self, account: AccountId, seat: Option<SeatNo>) {
        if let Some(player) = self.players.get_mut(&account) {
            player.seat = seat;
        }
    }

    fn lookers_on(&self) -> GroupId {
        GroupId(1 << 32 | u64::from(self.rules.room.0))
    }

    fn group(&self) -> GroupId {
        group_of(self.rules.room)
    }

    /// How many connections hear what is published to a group of this room.
    pub(super) fn hearers(&self, group: GroupId) -> u64 {
        if group == self.group() {
            return (self.players.len() - self.absent) as u64;
        }
        let looks_on = |player: &&Player| player.looks_on && player.absent_until.is_none();
        self.players.values().filter(looks_on).count() as u64
    }

    /// Players, of them absent, of them seated, and hands being played.
    pub(super) fn counts(&self) -> [u64; 4] {
        let seated = self.players.values().filter(|player| player.seat.is_some()).count();
        let playing = self.tables.iter().filter(|table| table.is_playing()).count();
        [self.players.len(), self.absent, seated, playing].map(|count| count as u64)
    }

    /// How many alarms this room has set.
    pub(super) fn check_invariants(&self, alarms: &Alarms) -> usize {
        self.chat.check_invariants();
        self.tables.check_invariants();
        let absent = self.players.values().filter(|player| player.absent_until.is_some());
        assert_eq!(absent.count(), self.absent);
        let mut set = usize::from(self.comings.say_at.is_some());
        assert!(self.comings.say_at.is_none_or(|at| alarms.is_set(Alarm::Presence(self.rules.room), at)));
        assert!(self.comings.is_empty() || self.comings.say_at.is_some(), "nobody will be told who came");
        for (&account, player) in self.players.iter() {
            assert_eq!(account, player.identity.account);
            if let Some(at) = player.seat {
                let sitter =
                    self.tables.get(at.table).sitter(at.seat).expect("a seated player's seat is empty");
                let conn = player.absent_until.is_none().then_some(player.conn);
                assert_eq!((sitter.account, sitter.conn), (account, conn));
            }
            if let Some(at) = player.absent_until {
                assert!(player.seat.is_some(), "{account} is absent without a seat");
                assert!(alarms.is_set(Alarm::Grace(self.rules.room, account), at));
                set += 1;
            }
        }
        for table in self.tables.iter() {
            table.check_invariants(|alarm, at| alarms.is_set(alarm, at), self.rules.room);
            set += usize::from(table.has_alarm());
            assert!(table.sitters().all(|sitter| self.seat_of(sitter.account).is_some()));
        }
        set
    }
}
