//! What a player has at hand while it handles one event: the time, the crowd's shared things, the outbox.
//!
//! Why: players are many and small; what they share (dice, ledger, alarms, addresses, the map from
//! connections to players) is passed to them for the moment they need it.
//! Owns: dial tokens, and the map from connections to players.
//! Invariants: a connection is in the map exactly while its player holds it; what comes on any other is
//! stale, and ignored.
//! Read next: `crowd.rs`, `player.rs`.

use crate::addresses::{AddressNo, Addresses};
use crate::alarms::{Alarm, Alarms};
use crate::config::Config;
use crate::dice::Dice;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::time::Duration;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_proto::first_frame::Role;
use usher_proto::machine::{Hello, Question};
use usher_proto::message::CloseReason;
use usher_proto::{Address, ConnId, Message, Outbox, Output, ServerKind, Time};

/// Which of a player's two connections: the way to its seat, or the short visit for a fresh directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Journey,
    Refresh,
}

/// Whose a connection or an attempt to connect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) index: u32,
    pub(crate) errand: Errand,
}

/// A dial's token: player, errand, and which attempt of it, so that a late answer is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) caller: Caller,
    pub(crate) attempt: u16,
}

impl Token {
    pub(crate) fn to_u64(self) -> u64 {
        let errand = u64::from(self.caller.errand == Errand::Refresh);
        u64::from(self.caller.index) << 32 | errand << 16 | u64::from(self.attempt)
    }

    pub(crate) fn from_u64(token: u64) -> Self {
        let errand = if token >> 16 & 1 == 1 { Errand::Refresh } else { Errand::Journey };
        Self { caller: Caller { index: (token >> 32) as u32, errand }, attempt: token as u16 }
    }
}

/// What all players of a crowd share.
#[derive(Debug)]
pub(crate) struct Shared<L> {
    pub(crate) config: Config,
    pub(crate) ledger: L,
    pub(crate) dice: Dice,
    pub(crate) alarms: Alarms,
    pub(crate) addresses: Addresses,
    pub(crate) logins: Vec<AddressNo>,
    pub(crate) callers: HashMap<ConnId, Caller, FixedState>,
    /// Players seated at least once, or failed, or sent home before either.
    pub(crate) settled: u32,
    /// Players done for good.
    pub(crate) finished: u32,
}

/// One player's turn.
pub(crate) struct Turn<'a, L> {
    pub(crate) now: Time,
    pub(crate) index: u32,
    pub(crate) shared: &'a mut Shared<L>,
    pub(crate) out: &'a mut Outbox<Infallible>,
}

impl<L> Turn<'_, L> {
    pub(crate) fn ledger(&mut self) -> &mut L {
        &mut self.shared.ledger
    }

    pub(crate) fn send(&mut self, conn: ConnId, message: impl Into<Message>) {
        self.out.send(conn, message);
    }

    /// Asks for a connection; `hello` without a reservation goes to a server as anybody would.
    pub(crate) fn dial(&mut self, errand: Errand, attempt: u16, to: AddressNo, hello: Hello) {
        let token = Token { caller: Caller { index: self.index, errand }, attempt };
        let address = self.shared.addresses.text(to).clone();
        self.out.push(Output::Dial { token: token.to_u64(), address, hello });
    }

    /// Asks the world on behalf of a journey's attempt.
    pub(crate) fn ask(&mut self, attempt: u16, question: Question) {
        let token = Token { caller: Caller { index: self.index, errand: Errand::Journey }, attempt };
        self.out.push(Output::Ask { id: token.to_u64(), question });
    }

    /// From now on what comes on this connection is this player's.
    pub(crate) fn hold(&mut self, conn: ConnId, errand: Errand) {
        self.shared.callers.insert(conn, Caller { index: self.index, errand });
    }

    /// Closes a connection and forgets it; what still comes on it is nobody's.
    pub(crate) fn hang_up(&mut self, conn: &mut Option<ConnId>) {
        if let Some(conn) = conn.take() {
            self.shared.callers.remove(&conn);
            self.out.close(conn, CloseReason::Finished);
        }
    }

    pub(crate) fn number(&mut self, address: &Address) -> Option<AddressNo> {
        self.shared.addresses.number(address)
    }

    pub(crate) fn alarm(&mut self, alarm: Alarm, after: Duration) {
        self.shared.alarms.set(self.index, alarm, self.now + after);
    }

    pub(crate) fn alarm_within(&mut self, alarm: Alarm, range: (Duration, Duration)) {
        let after = self.shared.dice.within(range);
        self.alarm(alarm, after);
    }

    /// An answer is due within the step timeout.
    pub(crate) fn alarm_overdue(&mut self, alarm: Alarm) {
        self.alarm(alarm, self.shared.config.step_timeout);
    }

    pub(crate) fn clear(&mut self, alarm: Alarm) {
        self.shared.alarms.clear(self.index, alarm);
    }
}

/// The role a first frame names for a kind of server.
pub(crate) fn role_of(kind: ServerKind) -> Role {
    match kind {
        ServerKind::Login => Role::Login,
        ServerKind::Hall => Role::Hall,
        ServerKind::Room => Role::Room,
        ServerKind::Manager | ServerKind::Gateway => Role::Link,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_caller() {
        for index in [0, 1, u32::MAX] {
            for errand in [Errand::Journey, Errand::Refresh] {
                for attempt in [0, 1, u16::MAX] {
                    let token = Token { caller: Caller { index, errand }, attempt };
                    assert_eq!(Token::from_u64(token.to_u64()), token);
                }
            }
        }
    }
}
