//! One room: the people in it, what they say, and their tables.
//!
//! Why: all of a room is in one value on one thread, so nothing in it needs a lock.
//! Owns: players and their stays, the chat, the tables, and the word of who came and went. Does not own who may enter (the door).
//! A stay: `Entered`, then every chat from there on, until `Left`. A player whose connection drops while
//! seated stays, absent, for `seat_grace`; the stay goes on when a connection of the same or a newer login
//! comes for it. Who drops without a seat is gone.
//! Invariants: one player an account; a player has a seat exactly when that seat has the player; the present
//! are those in the room's group.
//! Limits: people by the door, chats kept by `replay_max`, texts by `CHAT_BYTES_MAX`.
//! Read next: [`super::tables`].

use super::alarms::{Alarm, Alarms};
use super::asks::Asker;
use super::chat::ChatLog;
use super::comings::{Comings, everybody};
use super::cost::Cost;
use super::step::{Rules, Step};
use super::table::Sitter;
use super::tables::Tables;
use crate::room::{DOOR, RoomNote, RoomSpec, Seen, game_id};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_proto::limits::CHAT_BYTES_MAX;
use usher_proto::machine::{Answer, Question};
use usher_proto::message::{
    Act, ActDenial, ActDenied, Chat, ChatAccepted, ChatDenial, ChatDenied, CloseReason, Entered, SeatNo, Sit,
    SitDenial, SitDenied, Stood, TableChat, TableDenial, TableDenied, TableRules, TableSaid, Unwatched,
    WatchDenial, WatchDenied,
};
use usher_proto::{AccountId, ConnId, Generation, GroupId, Identity, Output, RoomNo, TableNo, Time};

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
}

/// A room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) rules: Rules,
    pub(super) cost: Cost,
    name: String,
    chat: ChatLog,
    players: HashMap<AccountId, Player, FixedState>,
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
            players: HashMap::with_hasher(FixedState::with_seed(seed)),
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
                step.out.close(conn, CloseReason::Draining);
                return self.tell_gone(identity, conn, step);
            }
            None => {
                let player =
                    Player { identity, conn, seat: None, absent_until: None, looks_on: false, watches: None };
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
            self.at(table, step, |table, step| table.come_back(seat, conn, seen.hand, step));
        }
    }

    pub(super) fn chat(&mut self, account: AccountId, conn: ConnId, chat: Chat, step: &mut Step<'_>) {
        let Chat { request, text } = chat;
        if text.is_empty() || text.len() > CHAT_BYTES_MAX {
            return step.out.send(conn, ChatDenied { request, reason: ChatDenial::Length });
        }
        step.counts.chats += 1;
        let said = self.chat.say(account, text);
        step.out.send(conn, ChatAccepted { request, seq: said.seq });
        step.out.publish(self.group(), said, None);
    }

    /// To who sits at the same table, and to nobody else.
    pub(super) fn table_chat(
        &mut self,
        account: AccountId,
        conn: ConnId,
        chat: TableChat,
        step: &mut Step<'_>,
    ) {
        let TableChat { request, text } = chat;
        let reason = match self.seat_of(account) {
            _ if text.is_empty() || text.len() > CHAT_BYTES_MAX => ChatDenial::Length,
            None => ChatDenial::NotSeated,
            Some(SeatNo { table, .. }) => {
                step.counts.chats += 1;
                let said = TableSaid { from: account, text };
                return self.at(table, step, |table, step| table.tell(said, step));
            }
        };
        step.out.send(conn, ChatDenied { request, reason });
    }

    pub(super) fn sit(&mut self, account: AccountId, conn: ConnId, wish: &Sit, step: &mut Step<'_>) {
        let found = match self.seat_of(account) {
            Some(_) => Err(SitDenial::AlreadySeated),
            None => self.tables.find(wish),
        };
        let at = match found {
            Ok(at) => at,
            Err(reason) => return step.out.send(conn, SitDenied { reason }),
        };
        self.stop_watching(account);
        self.set_seat(account, Some(at));
        self.at(at.table, step, |table, step| table.sit(at.seat, account, conn, step));
        self.ask_score(at, step);
    }

    pub(super) fn watch(&mut self, account: AccountId, conn: ConnId, table: TableNo, step: &mut Step<'_>) {
        self.stop_watching(account);
        let reason = if self.seat_of(account).is_some() {
            WatchDenial::Seated
        } else if !self.tables.has(table) {
            WatchDenial::NoSuchTable
        } else {
            let mut watched = Ok(());
            self.at(table, step, |table, step| watched = table.watch(conn, step));
            let Err(reason) = watched else {
                self.players.entry(account).and_modify(|player| player.watches = Some(table));
                return;
            };
            reason
        };
        step.out.send(conn, WatchDenied { reason });
    }

    pub(super) fn unwatch(&mut self, account: AccountId, conn: ConnId, step: &mut Step<'_>) {
        let table = self.stop_watching(account);
        step.out.send(conn, Unwatched { table });
    }

    /// Takes a player off the watchers of a table; which that was.
    fn stop_watching(&mut self, account: AccountId) -> Option<TableNo> {
        let player = self.players.get_mut(&account)?;
        let (table, conn) = (player.watches.take()?, player.conn);
        self.tables.unwatch(table, conn);
        Some(table)
    }

    pub(super) fn stand(&mut self, account: AccountId, conn: ConnId, step: &mut Step<'_>) {
        self.stand_up(account, conn, false, step);
    }

    fn stand_up(&mut self, account: AccountId, conn: ConnId, dismissed: bool, step: &mut Step<'_>) {
        let from = self.give_up_seat(account, step);
        step.out.send(conn, Stood { from, dismissed });
        if step.draining {
            self.end_stay(account, Some(CloseReason::Draining), step);
        }
    }

    pub(super) fn ready(&mut self, account: AccountId, conn: ConnId, ready: bool, step: &mut Step<'_>) {
        match self.seat_of(account) {
            Some(SeatNo { table, seat }) => {
                self.at(table, step, |table, step| table.ready(seat, ready, step));
            }
            None => step.out.send(conn, TableDenied { reason: TableDenial::NotSeated }),
        }
    }

    /// The owner of a table lays down its rules. Where nobody may watch any more, nobody does.
    pub(super) fn rule(&mut self, account: AccountId, conn: ConnId, rules: TableRules, step: &mut Step<'_>) {
        let mut done = Err(TableDenial::NotSeated);
        if let Some(SeatNo { table, seat }) = self.seat_of(account) {
            let may_close = self.tables.may_close();
            self.at(table, step, |table, step| done = table.rule(seat, rules, may_close, step));
            if done.is_ok() && rules.private {
                self.send_watchers_away(table, step);
            }
        }
        if let Err(reason) = done {
            step.out.send(conn, TableDenied { reason });
        }
    }

    fn send_watchers_away(&mut self, table: TableNo, step: &mut Step<'_>) {
        for conn in self.tables.watchers(table) {
            step.out.send(conn, Unwatched { table: Some(table) });
        }
        for player in self.players.values_mut() {
            if let Some(table) = player.watches.take_if(|watched| *watched == table) {
                self.tables.unwatch(table, player.conn);
            }
        }
    }

    /// The owner of a table has somebody stand up; who is away loses the seat that was kept.
    pub(super) fn dismiss(&mut self, account: AccountId, conn: ConnId, seat: u8, step: &mut Step<'_>) {
        let found = self.seat_of(account).ok_or(TableDenial::NotSeated).and_then(|own| {
            let table = self.tables.get(own.table);
            table.may_dismiss(own.seat, seat)?;
            table.sitter(seat).ok_or(TableDenial::NoSuchSeat)
        });
        match found.map(|sitter| (sitter.account, sitter.conn)) {
            Ok((account, Some(conn))) => self.stand_up(account, conn, true, step),
            Ok((account, None)) => self.end_stay(account, None, step),
            Err(reason) => step.out.send(conn, TableDenied { reason }),
        }
    }

    pub(super) fn act(&mut self, account: AccountId, conn: ConnId, act: &Act, step: &mut Step<'_>) {
        let Some(SeatNo { table, seat }) = self.seat_of(account) else {
            let reason = ActDenial::NotSeated;
            return step.out.send(conn, ActDenied { hand: act.hand, turn: act.turn, reason });
        };
        self.at(table, step, |table, step| table.act(seat, act, step));
    }

    /// The player goes back to the door, standing up first.
    pub(super) fn leave(&mut self, account: AccountId, step: &mut Step<'_>) {
        let Some(Player { identity, conn, looks_on, .. }) = self.remove(account, step) else { return };
        step.out.push(Output::Leave(conn, self.group()));
        if looks_on {
            step.out.push(Output::Leave(conn, self.lookers_on()));
        }
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
        self.players.entry(account).and_modify(|player| player.absent_until = Some(until));
        self.absent += 1;
        self.at(table, step, |table, step| table.drop_out(seat, step));
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
        self.at(table, step, |table, step| table.answered(id, answer, step));
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
            self.at(at.table, step, |table, step| table.scored(at.seat, score, step));
        }
    }

    /// This connection is told who is here, and from now on who comes and goes.
    pub(super) fn who_is_here(&mut self, account: AccountId, conn: ConnId, step: &mut Step<'_>) {
        for here in everybody(self.players.keys().copied(), self.players.len() as u32) {
            step.out.send(conn, here);
        }
        let player = self.players.get_mut(&account).filter(|player| !player.looks_on);
        if let Some(player) = player {
            player.looks_on = true;
            step.out.push(Output::Join(conn, self.lookers_on()));
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
        self.at(table, step, super::table::Table::alarm);
    }

    /// Shows out everybody who is not in a hand; the others follow when theirs ends.
    pub(super) fn drain(&mut self, step: &mut Step<'_>) {
        let idle = |player: &&Player| player.seat.is_none_or(|at| !self.tables.get(at.table).is_playing());
        let idle: Vec<_> = self.players.values().filter(idle).map(|player| player.identity.account).collect();
        for account in idle {
            self.end_stay(account, Some(CloseReason::Draining), step);
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

    /// Takes a player out of seat and room.
    fn remove(&mut self, account: AccountId, step: &mut Step<'_>) -> Option<Player> {
        self.stop_watching(account);
        let player = self.players.remove(&account)?;
        self.absent -= usize::from(player.absent_until.is_some());
        self.note(account, false, step);
        step.alarms.move_to(Alarm::Grace(self.rules.room, account), player.absent_until, None);
        if let Some(SeatNo { table, seat }) = player.seat {
            self.at(table, step, |table, step| table.stand(seat, step));
        }
        Some(player)
    }

    fn give_up_seat(&mut self, account: AccountId, step: &mut Step<'_>) -> Option<SeatNo> {
        let from = self.seat_of(account)?;
        self.set_seat(account, None);
        self.at(from.table, step, |table, step| table.stand(from.seat, step));
        Some(from)
    }

    /// Does something at a table. On a draining floor, who sits at it goes when its hand is over.
    fn at(
        &mut self,
        no: TableNo,
        step: &mut Step<'_>,
        act: impl FnOnce(&mut super::table::Table, &mut Step<'_>),
    ) {
        let is_playing = self.tables.at(no, step, act);
        if step.draining && !is_playing {
            let sitters: Vec<_> = self.tables.get(no).sitters().collect();
            for sitter in sitters {
                self.end_stay(sitter.account, Some(CloseReason::Draining), step);
            }
        }
    }

    fn seat_of(&self, account: AccountId) -> Option<SeatNo> {
        self.players.get(&account)?.seat
    }

    fn set_seat(&mut self, account: AccountId, seat: Option<SeatNo>) {
        self.players.entry(account).and_modify(|player| player.seat = seat);
    }

    fn lookers_on(&self) -> GroupId {
        GroupId(1 << 32 | u64::from(self.rules.room.0))
    }

    fn group(&self) -> GroupId {
        GroupId(u64::from(self.rules.room.0))
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
        for (&account, player) in &self.players {
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
