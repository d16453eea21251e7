//! What somebody in a room says, and what the room does about it.
//!
//! Why: one place where every word a player may say in a room is answered; comings and goings are the room's own.
//! Owns: who may say how much, who sits, stands and watches where. Does not own what happens at a table ([`Table`]).
//! Invariants: every word is answered or changes something, but for one that asks for what is so already; what is denied
//! has changed nothing.
//! Limits: a text has `CHAT_BYTES_MAX` bytes; one person says `chats_per_second_max` in the long run, and [`CHATS_BURST`]
//! at once, in the room and at the table together.
//! Read next: [`super::super::table`].

use super::super::step::Step;
use super::super::table::Table;
use super::Room;
use core::time::Duration;
use usher_proto::limits::CHAT_BYTES_MAX;
use usher_proto::message::{
    Act, ActDenial, ActDenied, Chat, ChatAccepted, ChatDenial, ChatDenied, EnterDenial, EnterDenied, SeatNo,
    Sit, SitDenial, SitDenied, Stood, TableChat, TableDenial, TableDenied, TableRules, TableSaid, Unwatched,
    WatchDenial, WatchDenied,
};
use usher_proto::{AccountId, ConnId, Message, Output, TableNo};

/// Chats that one person may say at once.
const CHATS_BURST: u32 = 10;

/// Somebody who is in the room, and by which connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::room::floor) struct Guest {
    pub(in crate::room::floor) account: AccountId,
    pub(in crate::room::floor) conn: ConnId,
}

impl Room {
    /// A player says something; false if that has no place in a room.
    pub(in crate::room::floor) fn hear(&mut self, who: Guest, message: Message, step: &mut Step<'_>) -> bool {
        self.cost.received += 1;
        match message {
            Message::Enter(_) => {
                step.out.send(who.conn, EnterDenied { reason: EnterDenial::AlreadyInside });
            }
            Message::Leave(_) => self.leave(who.account, step),
            Message::WhoIsHere(_) => self.who_is_here(who, step),
            Message::Chat(chat) => self.chat(who, chat, step),
            Message::TableChat(chat) => self.table_chat(who, chat, step),
            Message::Sit(sit) => self.sit(who, &sit, step),
            Message::Stand(_) => self.stand_up(who, false, step),
            Message::Watch(watch) => self.watch(who, watch.table, step),
            Message::Unwatch(_) => {
                let table = self.stop_watching(who.account);
                step.out.send(who.conn, Unwatched { table });
            }
            Message::Ready(said) => self.ready(who, said.ready, step),
            Message::SetTableRules(set) => self.rule(who, set.rules, step),
            Message::Dismiss(dismiss) => self.dismiss(who, dismiss.seat, step),
            Message::Act(act) => self.act(who, &act, step),
            _ => return false,
        }
        true
    }

    /// This connection is told who is here, and from now on who comes and goes; once, for the list is long.
    fn who_is_here(&mut self, who: Guest, step: &mut Step<'_>) {
        let Some(player) = self.players.get_mut(&who.account).filter(|player| !player.looks_on) else {
            return;
        };
        player.looks_on = true;
        for here in self.comings.everybody(self.players.keys().copied(), self.players.len() as u32) {
            step.out.send(who.conn, here);
        }
        step.out.push(Output::Join(who.conn, self.lookers_on()));
    }
}

/// Talking.
impl Room {
    fn chat(&mut self, who: Guest, chat: Chat, step: &mut Step<'_>) {
        let Chat { request, text } = chat;
        if let Err(reason) = self.may_say(who, &text, step) {
            return step.out.send(who.conn, ChatDenied { request, reason });
        }
        let said = self.chat.say(who.account, text);
        step.out.send(who.conn, ChatAccepted { request, seq: said.seq });
        step.out.publish(self.group(), said, None);
    }

    /// To who sits at the same table, and to nobody else.
    fn table_chat(&mut self, who: Guest, chat: TableChat, step: &mut Step<'_>) {
        let TableChat { request, text } = chat;
        let at = self.seat_of(who.account).ok_or(ChatDenial::NotSeated);
        match at.and_then(|at| self.may_say(who, &text, step).map(|()| at.table)) {
            Ok(table) => {
                let said = TableSaid { from: who.account, text };
                self.with_table(table, step, |table, step| table.tell(said, step));
            }
            Err(reason) => step.out.send(who.conn, ChatDenied { request, reason }),
        }
    }

    /// Counts a text against its speaker's rate (GCRA), unless it may not be said.
    fn may_say(&mut self, who: Guest, text: &str, step: &mut Step<'_>) -> Result<(), ChatDenial> {
        if text.is_empty() || text.len() > CHAT_BYTES_MAX {
            return Err(ChatDenial::Length);
        }
        let rate = step.config.chats_per_second_max;
        if let (Some(player), true) = (self.players.get_mut(&who.account), rate > 0) {
            let each = Duration::from_secs(1) / rate;
            let paid_until = player.chats_paid_until.max(step.now);
            if paid_until - step.now > each * (CHATS_BURST - 1) {
                return Err(ChatDenial::TooFast);
            }
            player.chats_paid_until = paid_until + each;
        }
        step.counts.chats += 1;
        Ok(())
    }
}

/// Sitting, standing, watching.
impl Room {
    fn sit(&mut self, who: Guest, wish: &Sit, step: &mut Step<'_>) {
        let found = match self.seat_of(who.account) {
            Some(_) => Err(SitDenial::AlreadySeated),
            None => self.tables.find(wish),
        };
        let at = match found {
            Ok(at) => at,
            Err(reason) => return step.out.send(who.conn, SitDenied { reason }),
        };
        self.stop_watching(who.account);
        self.set_seat(who.account, Some(at));
        self.with_table(at.table, step, |table, step| table.sit(at.seat, who.account, who.conn, step));
        self.ask_score(at, step);
    }

    fn stand_up(&mut self, who: Guest, dismissed: bool, step: &mut Step<'_>) {
        let from = self.give_up_seat(who.account, step);
        step.out.send(who.conn, Stood { from, dismissed });
        if step.draining {
            self.show_out(&[who.account], step);
        }
    }

    fn watch(&mut self, who: Guest, table: TableNo, step: &mut Step<'_>) {
        if let Err(reason) = self.may_watch(who, table) {
            return step.out.send(who.conn, WatchDenied { reason });
        }
        self.stop_watching(who.account);
        if let Some(player) = self.players.get_mut(&who.account) {
            player.watches = Some(table);
        }
        self.with_table(table, step, |table, step| table.watch(who.conn, step));
    }

    fn may_watch(&self, who: Guest, table: TableNo) -> Result<(), WatchDenial> {
        if self.seat_of(who.account).is_some() {
            Err(WatchDenial::Seated)
        } else if !self.tables.has(table) {
            Err(WatchDenial::NoSuchTable)
        } else {
            self.tables.get(table).may_watch(who.conn)
        }
    }

    /// Takes a player off the watchers of a table; which that was.
    pub(super) fn stop_watching(&mut self, account: AccountId) -> Option<TableNo> {
        let player = self.players.get_mut(&account)?;
        let (table, conn) = (player.watches.take()?, player.conn);
        self.tables.unwatch(table, conn);
        Some(table)
    }
}

/// At a table.
impl Room {
    fn act(&mut self, who: Guest, act: &Act, step: &mut Step<'_>) {
        let Some(SeatNo { table, seat }) = self.seat_of(who.account) else {
            let reason = ActDenial::NotSeated;
            return step.out.send(who.conn, ActDenied { hand: act.hand, turn: act.turn, reason });
        };
        self.with_table(table, step, |table, step| table.act(seat, act, step));
    }

    fn ready(&mut self, who: Guest, ready: bool, step: &mut Step<'_>) {
        match self.seat_of(who.account) {
            Some(SeatNo { table, seat }) => {
                self.with_table(table, step, |table, step| table.ready(seat, ready, step));
            }
            None => step.out.send(who.conn, TableDenied { reason: TableDenial::NotSeated }),
        }
    }

    /// The owner of a table lays down its rules. Where nobody may watch any more, nobody does.
    fn rule(&mut self, who: Guest, rules: TableRules, step: &mut Step<'_>) {
        if let Err(reason) = self.may_rule(who, rules) {
            return step.out.send(who.conn, TableDenied { reason });
        }
        let Some(SeatNo { table, .. }) = self.seat_of(who.account) else { return };
        self.with_table(table, step, |table, step| table.rule(rules, step));
        if rules.private {
            self.send_watchers_away(table, step);
        }
    }

    fn may_rule(&self, who: Guest, rules: TableRules) -> Result<(), TableDenial> {
        let table = self.own_table(who)?;
        if rules.closed && !table.rules.closed && !self.tables.may_close() {
            return Err(TableDenial::TooManyClosed);
        }
        Ok(())
    }

    fn send_watchers_away(&mut self, table: TableNo, step: &mut Step<'_>) {
        for conn in self.tables.watchers(table) {
            step.out.send(conn, Unwatched { table: Some(table) });
            self.tables.unwatch(table, conn);
            let watcher = self.players.values_mut().find(|player| player.conn == conn);
            watcher.map(|player| player.watches.take());
        }
    }

    /// The owner of a table has somebody stand up; who is away loses the seat that was kept.
    fn dismiss(&mut self, who: Guest, seat: u8, step: &mut Step<'_>) {
        let sitter = self.own_table(who).and_then(|table| table.may_dismiss(seat));
        match sitter.map(|sitter| (sitter.account, sitter.conn)) {
            Ok((account, Some(conn))) => self.stand_up(Guest { account, conn }, true, step),
            Ok((account, None)) => self.end_stay(account, None, step),
            Err(reason) => step.out.send(who.conn, TableDenied { reason }),
        }
    }

    /// The table that is this player's to decide about.
    fn own_table(&self, who: Guest) -> Result<&Table, TableDenial> {
        let SeatNo { table, seat } = self.seat_of(who.account).ok_or(TableDenial::NotSeated)?;
        Some(self.tables.get(table)).filter(|table| table.owner == Some(seat)).ok_or(TableDenial::NotOwner)
    }
}
