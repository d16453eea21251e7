//! Those who watch a table without sitting at it: they see it as a spectator may, and one trick late.
//!
//! Why: somebody who watches may sit beside somebody who plays, in another window or another house; what a spectator may
//! see says less when it comes a trick late.
//! The way: between two tricks the table is looked at as a spectator sees it. What watchers have is the look before the
//! last; what has happened since lies here until the next trick is over, or the hand.
//! Owns: who watches, and what they are still to see. Does not own the hand.
//! Invariants: what is told follows from what was shown before it; nothing lies here while nobody watches.
//! Limits: [`WATCHERS_MAX`] a table, [`CHANGES_MAX`] between two tricks. Who begins to watch in the middle of a hand sees it from the trick after the next.
//! Read next: [`super::play`].

use super::step::Step;
use crate::hand::{Fault, Hand};
use alloc::vec::Vec;
use usher_proto::message::{Acted, TableState};
use usher_proto::{ConnId, Message};

/// Who may watch one table at a time.
pub(super) const WATCHERS_MAX: usize = 64;

/// Changes kept for them between two tricks. With more they see nothing of the hand until after the next.
pub(super) const CHANGES_MAX: usize = 256;

/// The watchers of one table.
#[derive(Debug, Default)]
pub(super) struct Watch {
    watchers: Vec<ConnId>,
    /// What they have been shown.
    shown: Option<Look>,
    /// What led from there to `next`.
    before: Vec<Acted>,
    /// The look between the last two tricks.
    next: Option<Look>,
    /// What has happened since.
    since: Vec<Acted>,
}

/// A hand as a spectator sees it.
#[derive(Clone, Debug)]
pub(super) struct Look {
    view: Vec<u8>,
    turn: u32,
    to_act: Option<u8>,
}

impl Look {
    pub(super) fn at(hand: &Hand) -> Result<Self, Fault> {
        Ok(Self { view: hand.seen_from_outside()?, turn: hand.turn(), to_act: hand.first_to_act() })
    }

    /// The table with the hand as it was then.
    fn in_place_of(&self, state: TableState) -> TableState {
        let view = self.view.clone().into();
        TableState { turn: self.turn, to_act: self.to_act, turn_left_ms: 0, view, ..state }
    }
}

impl Watch {
    pub(super) fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    pub(super) fn watchers(&self) -> Vec<ConnId> {
        self.watchers.clone()
    }

    /// Whether this connection may be one of them.
    pub(super) fn has_room_for(&self, conn: ConnId) -> bool {
        self.watchers.len() < WATCHERS_MAX || self.watchers.contains(&conn)
    }

    /// One more.
    pub(super) fn join(&mut self, conn: ConnId) {
        self.watchers.push(conn);
    }

    pub(super) fn leave(&mut self, conn: ConnId) {
        self.watchers.retain(|watcher| *watcher != conn);
        if self.watchers.is_empty() {
            *self = Self::default();
        }
    }

    /// What a newcomer is shown: the table, without the hand where nobody has seen it yet.
    pub(super) fn first_sight(&self, state: TableState) -> TableState {
        match &self.shown {
            Some(look) => look.in_place_of(state),
            None => TableState { turn: 0, to_act: None, turn_left_ms: 0, view: Vec::new().into(), ..state },
        }
    }

    /// A hand begins, in which nothing has happened.
    pub(super) fn begin(&mut self, look: Look, state: TableState, step: &mut Step<'_>) {
        self.tell(look.in_place_of(state), step);
        (self.shown, self.next) = (Some(look.clone()), Some(look));
    }

    /// Something happened, seen from outside.
    pub(super) fn note(&mut self, acted: Acted) {
        if self.next.is_none() {
            return;
        }
        if self.since.len() == CHANGES_MAX {
            *self = Self { watchers: core::mem::take(&mut self.watchers), ..Self::default() };
        } else {
            self.since.push(acted);
        }
    }

    /// A trick is over: the one before it is told.
    pub(super) fn trick_over(&mut self, look: Look, state: TableState, step: &mut Step<'_>) {
        let was_shown = self.shown.is_some();
        self.flush_before(step);
        self.before = core::mem::take(&mut self.since);
        self.shown = self.next.replace(look);
        if let (false, Some(shown)) = (was_shown, &self.shown) {
            let sight = shown.in_place_of(state);
            self.tell(sight, step);
        }
    }

    /// The hand is over: all of it is told.
    pub(super) fn end(&mut self, step: &mut Step<'_>) {
        self.flush_before(step);
        if self.shown.take().is_some() {
            self.before = core::mem::take(&mut self.since);
            self.flush_before(step);
        }
        self.next = None;
        self.since.clear();
    }

    fn flush_before(&mut self, step: &mut Step<'_>) {
        for acted in core::mem::take(&mut self.before) {
            self.tell(acted, step);
        }
    }

    pub(super) fn tell(&self, message: impl Into<Message>, step: &mut Step<'_>) {
        let message = message.into();
        for conn in &self.watchers {
            step.out.send(*conn, message.clone());
        }
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.watchers.len() <= WATCHERS_MAX);
        let is_idle =
            self.shown.is_none() && self.next.is_none() && self.before.is_empty() && self.since.is_empty();
        assert!(!self.watchers.is_empty() || is_idle, "something is kept for nobody");
    }
}
