//! One table: who sits at it, what they do, and its one clock.
//!
//! Why: everything a hand needs is here, so that a room only has to know which table somebody sits at.
//! Rules: a hand starts when every seat is taken by somebody whose connection is there, the rest after the last
//! hand is over, and those want it whom the owner lets have a say ([`super::owner`]). A player who dropped keeps the seat and a running clock; no new hand
//! starts on an absent one. Standing up in a hand abandons it; if the game goes on without them, somebody else
//! may have the seat, watch, and play the next hand.
//! What seats are told of a change is the game's events for them, in `Acted`: one message an event, an empty
//! one if a seat may not know what happened but that something did.
//! Invariants: a hand always has a deadline; between hands there is one only while a hand is about to start.
//! Read next: [`super::play`], from one hand to the next.

use super::alarms::Alarm;
use super::asking::UNANSWERED;
use super::play::Stage;
use super::step::Step;
use super::watch::Watch;
use crate::hand::{Fault, Hand};
use alloc::boxed::Box;
use alloc::vec::Vec;
use usher_proto::hand::Move;
use usher_proto::message::{
    Act, ActDenial, ActDenied, HandBegin, HandEnded, PlayerSat, PlayerStood, Scored, SeatNo, Seated,
    TableRules, TableState, WatchDenial, Watching,
};
use usher_proto::{AccountId, ConnId, Message, TableNo, Time};

/// Somebody in a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sitter {
    /// Who.
    pub(super) account: AccountId,
    /// Where messages go; nowhere while the seat is only kept.
    pub(super) conn: Option<ConnId>,
    /// Won and lost so far, once that is known.
    pub(super) score: Option<i64>,
    /// Whether they are ready for the next hand.
    pub(super) ready: bool,
}

/// How well a table suits somebody who wants to sit anywhere, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Somebody waits, and so many seats are free.
    Waiting(u8),
    /// Nobody sits there.
    Empty,
    /// A hand will wait for somebody's word.
    WantsAWord,
    /// A hand goes on without somebody who left.
    HandGoesOn,
    /// Nobody who sits there is here.
    OnlyAbsent,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) no: TableNo,
    pub(super) seats: Vec<Option<Sitter>>,
    /// The seat of whoever's table it is.
    pub(super) owner: Option<u8>,
    pub(super) rules: TableRules,
    pub(super) hand_no: u64,
    pub(super) stage: Stage,
    /// How the last hand ended, for those who were away.
    pub(super) last: Option<Box<HandEnded>>,
    pub(super) rest_until: Time,
    alarm: Option<Time>,
    /// Nothing, as long as nobody watches.
    pub(super) watch: Option<Box<Watch>>,
}

impl Table {
    pub(super) fn new(no: TableNo, seats: u8) -> Self {
        let seats = alloc::vec![None; usize::from(seats)];
        Self {
            no,
            seats,
            owner: None,
            rules: TableRules::default(),
            hand_no: 0,
            stage: Stage::Resting,
            last: None,
            rest_until: Time(0),
            alarm: None,
            watch: None,
        }
    }

    /// Whether a hand is played, or not yet written down.
    pub(super) fn is_playing(&self) -> bool {
        matches!(self.stage, Stage::Playing(_) | Stage::Recording(_))
    }

    pub(super) fn hand(&self) -> Option<&Hand> {
        if let Stage::Playing(playing) = &self.stage { Some(&playing.hand) } else { None }
    }

    pub(super) fn sitters(&self) -> impl Iterator<Item = Sitter> {
        self.seats.iter().copied().flatten()
    }

    /// A seat that may be sat down in: this one, or any.
    pub(super) fn free_seat(&self, wish: Option<u8>) -> Option<u8> {
        let mut seats =
            self.seats.iter().zip(0..).filter(|(sitter, _)| sitter.is_none()).map(|(_, seat)| seat);
        seats.find(|&seat| wish.is_none_or(|wish| wish == seat))
    }

    /// Where this table stands among those with a free seat; nowhere if it has none.
    pub(super) fn rank(&self) -> Option<Rank> {
        let free = self.seats.iter().filter(|sitter| sitter.is_none()).count();
        if free == 0 || self.rules.closed {
            return None;
        }
        if self.is_playing() {
            return Some(Rank::HandGoesOn);
        }
        let is_empty = free == self.seats.len();
        let somebody_waits = self.sitters().any(|sitter| sitter.conn.is_some());
        Some(match self.rules.begin {
            _ if is_empty => Rank::Empty,
            _ if !somebody_waits => Rank::OnlyAbsent,
            HandBegin::AtOnce => Rank::Waiting(free as u8),
            HandBegin::AllReady | HandBegin::OwnerReady => Rank::WantsAWord,
        })
    }

    pub(super) fn sit(&mut self, seat: u8, account: AccountId, conn: ConnId, step: &mut Step<'_>) {
        let at = SeatNo { table: self.no, seat };
        self.tell(PlayerSat { at, account }, step);
        self.seats[usize::from(seat)] = Some(Sitter { account, conn: Some(conn), score: None, ready: false });
        self.owner.get_or_insert(seat);
        step.counts.seats_taken += 1;
        step.out.send(conn, Seated { at });
        self.start_if_ready(step);
        self.show(seat, step);
    }

    /// Frees a seat, giving up the hand if one is played there.
    pub(super) fn stand(&mut self, seat: u8, step: &mut Step<'_>) {
        if self.hand().is_some_and(|hand| hand.viewer(seat).is_some()) {
            self.make(Move::Abandon { seat }, step);
        }
        let sitter = self.seats[usize::from(seat)].take();
        let account = sitter.expect("invariant: whoever stands up sat there").account;
        self.forget_if_empty();
        self.tell(PlayerStood { at: SeatNo { table: self.no, seat }, account }, step);
        self.pass_on(seat, step);
        self.start_if_ready(step);
    }

    /// Nobody is left whom the end of the last hand could be news to.
    pub(super) fn forget_if_empty(&mut self) {
        if self.sitters().next().is_none() {
            self.last = None;
        }
    }

    /// The seat is kept, its connection is gone.
    pub(super) fn drop_out(&mut self, seat: u8, step: &mut Step<'_>) {
        self.set_conn(seat, None);
        self.start_if_ready(step);
    }

    /// Whoever sits there has this connection from now on, and knows of every hand up to `last_hand` that it is over.
    pub(super) fn come_back(&mut self, seat: u8, conn: ConnId, last_hand: Option<u64>, step: &mut Step<'_>) {
        self.set_conn(seat, Some(conn));
        if let Some(missed) = last_hand.and_then(|seen| self.missed(seat, seen)) {
            step.out.send(conn, missed.clone());
        }
        self.start_if_ready(step);
        self.show(seat, step);
    }

    /// How the last hand ended, for who played in it and has not seen it end.
    fn missed(&self, seat: u8, seen: u64) -> Option<&HandEnded> {
        let ended = self.last.as_deref()?;
        let sitter = self.sitter(seat)?;
        let played = ended.seats.get(usize::from(seat)) == Some(&sitter.account);
        (played && seen < ended.hand).then_some(ended)
    }

    pub(super) fn act(&mut self, seat: u8, act: &Act, step: &mut Step<'_>) {
        if self.turn() != Some((act.hand, act.turn)) {
            self.deny(seat, (act.hand, act.turn), ActDenial::Stale, step);
            return self.show(seat, step);
        }
        self.make(Move::Act { seat, action: act.action.to_vec() }, step);
        self.start_if_ready(step);
    }

    /// The alarm went off: a clock ran out, a record or an answer takes too long, or the rest is over.
    pub(super) fn alarm(&mut self, step: &mut Step<'_>) {
        self.alarm = None;
        match &self.stage {
            Stage::Recording(_) => return self.announce(None, step),
            Stage::Opening(_) => self.not_opened(UNANSWERED.into(), step),
            Stage::Playing(playing) if playing.asked.is_some() => self.fault(Fault(UNANSWERED.into()), step),
            Stage::Playing(_) => self.make(Move::Timeout, step),
            Stage::Resting | Stage::Dealing(_) => {}
        }
        self.start_if_ready(step);
    }

    pub(super) fn set_alarm(&mut self, at: Option<Time>, step: &mut Step<'_>) {
        step.alarms.move_to(Alarm::Table(step.rules.room, self.no), self.alarm, at);
        self.alarm = at;
    }

    fn set_conn(&mut self, seat: u8, conn: Option<ConnId>) {
        let sitter = self.seats[usize::from(seat)].as_mut();
        sitter.expect("invariant: only who sits there drops out and comes back").conn = conn;
    }

    /// What somebody who sits here had won and lost when they sat down. The end of a hand may have said what is newer.
    pub(super) fn scored(&mut self, seat: u8, score: i64, step: &mut Step<'_>) {
        let sitter = self.seats[usize::from(seat)].as_mut();
        if let Some(sitter) = sitter.filter(|sitter| sitter.score.is_none()) {
            sitter.score = Some(score);
            self.tell(Scored { at: SeatNo { table: self.no, seat }, score }, step);
        }
    }

    fn conn(&self, seat: u8) -> Option<ConnId> {
        self.seats[usize::from(seat)]?.conn
    }

    /// Sends a seat the table as it may see it.
    pub(super) fn show(&mut self, seat: u8, step: &mut Step<'_>) {
        let Some(conn) = self.conn(seat) else { return };
        match self.state(seat, step.now) {
            Ok(state) => step.out.send(conn, state),
            Err(fault) => {
                self.fault(fault, step);
                self.start_if_ready(step);
            }
        }
    }

    /// Whether somebody may watch who does not sit here.
    pub(super) fn may_watch(&self, conn: ConnId) -> Result<(), WatchDenial> {
        let has_room = self.watch.as_ref().is_none_or(|watch| watch.has_room_for(conn));
        match self.rules.private {
            true => Err(WatchDenial::Private),
            false if !has_room => Err(WatchDenial::Full),
            false => Ok(()),
        }
    }

    /// Lets somebody watch who may.
    pub(super) fn watch(&mut self, conn: ConnId, step: &mut Step<'_>) {
        let state = self.outline(step.now);
        let watch = self.watch.get_or_insert_default();
        watch.join(conn);
        step.out.send(conn, Watching { table: self.no });
        step.out.send(conn, watch.first_sight(state));
    }

    pub(super) fn unwatch(&mut self, conn: ConnId) {
        if let Some(watch) = &mut self.watch {
            watch.leave(conn);
        }
        self.watch.take_if(|watch| watch.is_empty());
    }

    fn state(&self, seat: u8, now: Time) -> Result<TableState, Fault> {
        let view = self.hand().map_or(Ok(Vec::new()), |hand| hand.view(seat))?.into();
        Ok(TableState { view, ..self.outline(now) })
    }

    /// The table without what may be seen of its hand.
    pub(super) fn outline(&self, now: Time) -> TableState {
        let hand = self.hand();
        let turn_left = self.turn_left(now);
        TableState {
            table: self.no,
            hand: self.hand_no,
            playing: hand.is_some(),
            turn: hand.map_or(0, Hand::turn),
            seats: self.seats.iter().map(|sitter| sitter.map(|sitter| sitter.account)).collect(),
            to_act: hand.and_then(Hand::first_to_act),
            turn_left_ms: turn_left.map_or(0, |left| left.as_millis() as u32),
            view: Vec::new().into(),
            scores: self.seats.iter().map(|sitter| sitter.and_then(|sitter| sitter.score)).collect(),
            owner: self.owner,
            rules: self.rules,
            ready: self.ready_bits(),
        }
    }

    pub(super) fn deny(&self, seat: u8, (hand, turn): (u64, u32), reason: ActDenial, step: &mut Step<'_>) {
        if let Some(conn) = self.conn(seat) {
            step.out.send(conn, ActDenied { hand, turn, reason });
        }
    }

    pub(super) fn tell(&self, message: impl Into<Message>, step: &mut Step<'_>) {
        let message = message.into();
        for conn in self.sitters().filter_map(|sitter| sitter.conn) {
            step.out.send(conn, message.clone());
        }
    }

    pub(super) fn check_invariants(&self, is_set: impl Fn(Alarm, Time) -> bool, room: usher_proto::RoomNo) {
        if let Some(hand) = self.hand() {
            assert!(hand.outcome().is_none(), "a finished hand is still played at {}", self.no);
            assert!(self.alarm.is_some(), "nobody's clock runs at {}", self.no);
            assert!(!hand.to_act().is_empty());
            let play_on =
                |(sitter, seat): (&Option<Sitter>, u8)| sitter.is_some() || hand.viewer(seat).is_none();
            assert!(self.seats.iter().zip(0..).all(play_on), "a hand waits for nobody at {}", self.no);
        }
        self.check_owner();
        if let Some(watch) = &self.watch {
            watch.check_invariants();
            assert!(!watch.is_empty());
        }
        if let Some(at) = self.alarm {
            assert!(is_set(Alarm::Table(room, self.no), at), "the alarm of {} was forgotten", self.no);
        }
    }

    /// Whether it has an alarm set.
    pub(super) fn has_alarm(&self) -> bool {
        self.alarm.is_some()
    }

    /// Who sits in a seat.
    pub(super) fn sitter(&self, seat: u8) -> Option<Sitter> {
        *self.seats.get(usize::from(seat))?
    }
}
