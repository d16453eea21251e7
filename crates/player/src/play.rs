//! What a seated player does: chats, plays, loses or drops its connection and comes back.
//!
//! Why: servers are judged under play, and what they send is checked while it lasts.
//! Owns: pace (from the crowd's dice), the hand as this seat sees it, the check of chats and moves.
//! Does not own: the choice of a move (`usher_games::bot`, from the view alone), chat counts (`delivery.rs`).
//! Invariants: at most one chat and one move are in flight; an answer that does not come within the step timeout is
//! a failure; nothing is in flight when a connection is dropped on purpose.
//! Read next: `delivery.rs`, `refresh.rs`.

use crate::alarms::Alarm;
use crate::delivery::text;
use crate::ledger::{Deed, Ledger, Step};
use crate::mix::Play;
use crate::player::{Next, Phase, Player};
use crate::rules::{DROP_AGAIN, DROP_WITHIN, NEXT_ADDRESS_WAIT};
use crate::turn::Turn;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::{GameKind, Seat, bot};
use usher_proto::message::{Act, ActDenial, Acted, Chat, ChatAccepted, TableState};
use usher_proto::{Message, Time};

/// A hand being played, as this player sees it.
#[derive(Debug)]
pub(crate) struct Hand {
    number: u64,
    turn: u32,
    view: Vec<u8>,
    acted: Option<Time>,
}

/// Beginning, ending, and what comes in between.
impl Player {
    pub(crate) fn take_play_up<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if self.refresh_s > 0 {
            turn.alarm(Alarm::Refresh, Duration::from_secs(self.refresh_s.into()));
        }
        let plan = self.plan(&turn.shared.config);
        if plan.play != Play::Idle {
            // The first one anywhere in the interval, so that a crowd that came together does not talk together.
            turn.alarm_within(Alarm::Chat, (Duration::ZERO, plan.chat_interval));
        }
    }

    /// Nothing is in flight and nothing planned any more: the seat is out of reach.
    pub(crate) fn put_play_down<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.chat_sent = None;
        self.hand = None;
        self.seat = None;
        turn.clear(Alarm::Move);
        turn.clear(Alarm::Chat);
        turn.clear(Alarm::Patience);
        self.end_refresh(turn);
    }

    pub(crate) fn on_room_message<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, message: Message) {
        match message {
            Message::ChatSaid(said) => {
                if let Some((_, stay)) = &mut self.stay {
                    stay.said(&said);
                }
            }
            Message::ChatGap(gap) => {
                if let Some((_, stay)) = &mut self.stay {
                    stay.gap(&gap);
                }
            }
            Message::ChatAccepted(accepted) => self.on_chat_accepted(turn, &accepted),
            Message::ChatDenied(_) => self.fail(turn, "chat_denied"),
            Message::TableState(state) => self.on_table_state(turn, state),
            Message::Acted(acted) => self.on_acted(turn, &acted),
            Message::ActDenied(denied) => self.on_act_denied(turn, &denied.reason),
            Message::HandEnded(ended) => self.on_hand_ended(turn, ended.hand),
            Message::TableRuled(ruled) => self.heed(turn, ruled.owner, ruled.rules),
            Message::Stood(stood) if stood.dismissed => self.on_dismissed(turn),
            Message::Announced(_) => turn.ledger().announced(),
            Message::Presence(_)
            | Message::TableSaid(_)
            | Message::PlayerSat(_)
            | Message::PlayerStood(_)
            | Message::PlayerReady(_)
            | Message::Scored(_) => {}
            _ => self.fail(turn, "unexpected_message"),
        }
    }
}

/// Chatting.
impl Player {
    fn plan_chat<L: Ledger>(&self, turn: &mut Turn<'_, L>) {
        let interval = self.plan(&turn.shared.config).chat_interval;
        let pause = turn.shared.dice.around(interval);
        turn.alarm(Alarm::Chat, pause);
    }

    /// A chat is due; or, while one is in flight, its answer overdue.
    pub(crate) fn on_chat_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let Some(conn) = self.conn.filter(|_| self.phase == Phase::Playing) else { return };
        if self.chat_sent.is_some() {
            return self.fail(turn, "chat_unanswered");
        }
        self.chats += 1;
        self.chat_sent = Some(turn.now);
        turn.alarm_overdue(Alarm::Chat);
        turn.send(conn, Chat { request: self.chats, text: text(self.account, self.chats) });
    }

    /// An answer to a chat sent before leaving began may come after; it is counted like any other.
    fn on_chat_accepted<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, accepted: &ChatAccepted) {
        if accepted.request != self.chats {
            return self.fail(turn, "chat_mismatch");
        }
        if let Some(place) = self.place {
            let shared = &mut *turn.shared;
            let address = shared.addresses.text(place.address);
            shared.ledger.acknowledged(address, place.room, accepted.seq);
        }
        let sent = self.chat_sent.take();
        if let Some(sent) = sent.filter(|_| self.plan(&turn.shared.config).play == Play::Chat) {
            let took = turn.now - sent;
            turn.ledger().step(Step::Action, took);
        }
        if self.phase == Phase::Playing {
            self.plan_chat(turn);
        }
    }
}

/// Playing at the table.
impl Player {
    fn on_table_state<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, state: TableState) {
        if self.plan(&turn.shared.config).play != Play::Game || self.phase != Phase::Playing {
            return;
        }
        self.course.since_hand.get_or_insert(state.hand);
        self.course.last_hand.get_or_insert(state.hand.saturating_sub(1));
        if !state.playing {
            self.lay_hand_down(turn);
            return self.heed(turn, state.owner, state.rules);
        }
        let hand = Hand { number: state.hand, turn: state.turn, view: state.view.into_vec(), acted: None };
        self.hand = Some(Box::new(hand));
        turn.clear(Alarm::Patience);
        self.heed(turn, state.owner, state.rules);
        self.consider(turn, state.to_act);
    }

    /// Thinks about a move if it is this player's.
    fn consider<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, to_act: Option<u8>) {
        if to_act.is_some() && to_act == self.seat.map(|at| at.seat) {
            let think = self.plan(&turn.shared.config).think;
            turn.alarm_within(Alarm::Move, think);
        } else {
            turn.clear(Alarm::Move);
        }
    }

    /// The move is thought out; or, while one is in flight, its answer overdue.
    pub(crate) fn on_move_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if self.phase != Phase::Playing {
            return;
        }
        let kind = self.plan(&turn.shared.config).game;
        let (Some(conn), Some(seat), Some(hand)) = (self.conn, self.seat, self.hand.as_mut()) else { return };
        if hand.acted.is_some() {
            return self.fail(turn, "action_unanswered");
        }
        let Some(action) = bot::choose(kind, &hand.view, Seat(seat.seat), &mut turn.shared.dice.0) else {
            return self.fail(turn, "no_move");
        };
        hand.acted = Some(turn.now);
        let act = Act { hand: hand.number, turn: hand.turn, action: action.into() };
        turn.alarm_overdue(Alarm::Move);
        turn.send(conn, act);
    }

    fn on_acted<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, acted: &Acted) {
        let game = self.plan(&turn.shared.config).game;
        let Some(hand) = self.hand.as_mut().filter(|hand| hand.number == acted.hand) else { return };
        if acted.turn < hand.turn {
            return;
        }
        if acted.turn > hand.turn {
            return self.fail(turn, "missed_action");
        }
        if !follow(game, &mut hand.view, acted) {
            return self.fail(turn, "bad_event");
        }
        hand.turn += 1;
        let own = self.seat.is_some_and(|at| at.seat == acted.seat);
        if let Some(sent) = hand.acted.take().filter(|_| own) {
            let took = turn.now - sent;
            turn.ledger().step(Step::Action, took);
        }
        self.consider(turn, acted.to_act);
    }

    /// A stale turn is answered with the state, which follows; standing up, an action may come too late.
    fn on_act_denied<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, reason: &ActDenial) {
        match reason {
            ActDenial::Stale | ActDenial::NotSeated => {}
            ActDenial::NotYourTurn => self.fail(turn, "not_your_turn"),
            ActDenial::Illegal(_) => self.fail(turn, "illegal_action"),
        }
    }

    pub(crate) fn lay_hand_down<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        if self.hand.take().is_some() {
            turn.clear(Alarm::Move);
        }
    }
}

/// Brings a view up to date with what a seat did.
fn follow(game: GameKind, view: &mut Vec<u8>, acted: &Acted) -> bool {
    game.apply(view, &acted.action).is_ok()
}

/// Some of the players, drawn by the dice, will drop their connection once.
pub(crate) fn plan_drop<L: Ledger>(turn: &mut Turn<'_, L>) {
    if turn.shared.dice.below(1000) < u64::from(turn.shared.config.reconnect_per_mille) {
        turn.alarm_within(Alarm::Drop, DROP_WITHIN);
    }
}

/// Dropping the connection on purpose, and coming back on the ticket.
impl Player {
    pub(crate) fn on_drop_alarm<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        let acting = self.hand.as_ref().is_some_and(|hand| hand.acted.is_some());
        if self.phase != Phase::Playing || self.chat_sent.is_some() || acting {
            return turn.alarm_within(Alarm::Drop, DROP_AGAIN);
        }
        turn.ledger().did(Deed::Drop);
        self.cut_off = true;
        self.resume_later(turn);
    }

    /// Back to its seat, which is kept for a while, on a new connection.
    pub(crate) fn resume_later<L: Ledger>(&mut self, turn: &mut Turn<'_, L>) {
        self.put_play_down(turn);
        turn.hang_up(&mut self.conn);
        self.phase = Phase::Waiting(Next::Resume);
        turn.alarm_within(Alarm::Journey, NEXT_ADDRESS_WAIT);
    }
}
