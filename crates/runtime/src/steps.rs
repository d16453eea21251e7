//! The steps of each player: one line a step, at debug level, so that a session can be followed from login to room.
//!
//! Why: a machine writes nothing down, and an operator who is asked about one player wants that player's way. A server
//! with thousands of them would write too much, so it is off unless `log.level` lets the target [`TARGET`] at debug.
//! Owns: the lines, and who is behind a connection while they are written.
//! Invariants: every line of a proven player has `session` and `account`; no line has a ticket, a key or a word of
//! a proof. The lines of who has proven itself are never left out ([`crate::logs`]); who is refused at the door, or
//! denied a login, may be anybody, and those lines are limited like all others.
//! Limits: one entry a connection; none while it is off.
//! Read next: [`crate::host`], which says each step.

use hashbrown::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::Level;
use usher_proto::machine::{Answer, Peer};
use usher_proto::message::CloseReason;
use usher_proto::{ConnId, Identity, Message};

/// What these lines are filtered by: `level = "info,usher::steps=debug"`.
pub const TARGET: &str = "usher::steps";

type Who = HashMap<ConnId, Identity, foldhash::fast::RandomState>;

/// Writes steps down, or does nothing.
#[derive(Debug, Default)]
pub struct Steps {
    /// Who is behind the connections of this process, over all its shards.
    who: Option<Mutex<Who>>,
}

/// A line about somebody who is known.
macro_rules! step {
    ($who:expr, $($rest:tt)+) => {
        tracing::debug!(target: TARGET, session = %$who.session, account = $who.account.0, $($rest)+)
    };
}

impl Steps {
    /// As logging was set up.
    pub fn as_logged() -> Self {
        Self { who: tracing::enabled!(target: TARGET, Level::DEBUG).then(Mutex::default) }
    }

    fn who(&self) -> Option<MutexGuard<'_, Who>> {
        Some(self.who.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self, conn: ConnId) -> Option<Identity> {
        self.who()?.get(&conn).copied()
    }

    /// What a machine asked is answered.
    pub(crate) fn answered(&self, answer: Option<&Answer>) {
        match answer {
            _ if self.who.is_none() => {}
            Some(Answer::LogIn(Ok(grant))) => {
                step!(grant.identity, world = grant.identity.world.0, "logged in");
            }
            Some(Answer::LogIn(Err(reason))) => tracing::debug!(?reason, "login denied"),
            _ => {}
        }
    }

    /// Somebody was admitted and has proven who it is.
    pub(crate) fn arrived(&self, conn: ConnId, peer: &Peer) {
        if let (Some(mut known), Peer::Player(who)) = (self.who(), peer) {
            known.insert(conn, *who);
            step!(who, %conn, "arrived");
        }
    }

    /// Whoever knocked is not let in.
    pub(crate) fn refused(&self, conn: ConnId, peer: Option<&Peer>, last_word: &Message) {
        if let (true, Some(Peer::Player(who))) = (self.who.is_some(), peer) {
            let to = if let Message::Redirect(redirect) = last_word { &redirect.address.0 } else { "" };
            let (session, account, with) = (who.session, who.account.0, last_word.spec().name);
            tracing::debug!(%session, account, %conn, with, to, "refused");
        }
    }

    /// Something is said to a player: some of it ends a step.
    pub(crate) fn told(&self, conn: ConnId, message: &Message) {
        if self.who.is_none() || !ends_a_step(message) {
            return;
        }
        let Some(who) = self.known(conn) else { return };
        match message {
            Message::Entered(entered) => {
                step!(who, %conn, room = entered.room.0, "entered");
            }
            Message::Seated(seated) => {
                step!(who, %conn, table = seated.at.table.0, seat = seated.at.seat, "seated");
            }
            Message::Left(_) => {
                step!(who, %conn, "left");
            }
            _ => {
                step!(who, %conn, "shown the directory");
            }
        }
    }

    /// The machine closes a connection.
    pub(crate) fn closed(&self, conn: ConnId, reason: CloseReason) {
        if let Some(who) = self.known(conn) {
            step!(who, %conn, reason = reason.as_str(), "closed");
        }
    }

    /// A connection is no more.
    pub(crate) fn gone(&self, conn: ConnId, reason: &'static str) {
        if let Some(who) = self.who().and_then(|mut who| who.remove(&conn)) {
            step!(who, %conn, reason, "gone");
        }
    }
}

fn ends_a_step(message: &Message) -> bool {
    matches!(message, Message::Directory(_) | Message::Entered(_) | Message::Seated(_) | Message::Left(_))
}
