//! N simulated players as one machine.
//!
//! Why: a load generator that waits for slow answers before it sends the next player measures itself; here
//! arrivals are open-loop: player i sets out at i / rate, whatever became of the others.
//! Owns: the players, their arrivals and their leaving, the routing of what comes in to the player it is for.
//! Does not own: what a player does with it (`player.rs`).
//! Invariants: everyone keeps playing until all have arrived (seated or failed) and `play_for` longer; every
//! player ends; [`Output::Drained`] is said once, when the last one did.
//! Limits: [`BATCH_MAX`] arrivals and alarms a step; the rest at once in the next.
//! Read next: `player.rs`.

use crate::addresses::Addresses;
use crate::alarms::{Alarm, Alarms};
use crate::config::Config;
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::player::Player;
use crate::turn::{Caller, Errand, Shared, Token, Turn};
use alloc::vec::Vec;
use core::convert::Infallible;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_proto::machine::{Answer, DialFailure};
use usher_proto::message::CloseReason;
use usher_proto::{ConnId, Figures, Input, Machine, Message, Outbox, Output, Time};

/// Arrivals and alarms handled in one step.
const BATCH_MAX: usize = 256;

/// How far a crowd has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Players of the crowd.
    pub players: u32,
    /// Players that have set out.
    pub arrived: u32,
    /// Players that have had a seat, or failed.
    pub settled: u32,
    /// Players in a seat now.
    pub in_seat: u32,
    /// Players that are done, well or not.
    pub done: u32,
}

/// Many players; drive it as any [`Machine`]. [`Input::Drain`] sends everyone home, like [`Crowd::stop`].
#[derive(Debug)]
pub struct Crowd<L> {
    shared: Shared<L>,
    players: Vec<Player>,
    arrived: u32,
    leaving: bool,
    stop_asked: bool,
    drained_said: bool,
}

impl<L: Ledger> Crowd<L> {
    /// A crowd that has yet to set out.
    pub fn new(config: Config, ledger: L) -> Self {
        let mut addresses = Addresses::default();
        let logins = config.logins.iter().filter_map(|login| addresses.number(login)).collect();
        let players = (0..config.players).map(|_| Player::default()).collect();
        let shared = Shared {
            ledger,
            dice: Dice::new(config.seed),
            alarms: Alarms::new(config.players),
            addresses,
            logins,
            callers: HashMap::with_hasher(FixedState::with_seed(config.seed)),
            settled: 0,
            finished: 0,
            config,
        };
        Self { shared, players, arrived: 0, leaving: false, stop_asked: false, drained_said: false }
    }

    /// Where everything was reported to.
    pub fn ledger(&self) -> &L {
        &self.shared.ledger
    }

    /// As above, to change it.
    pub fn ledger_mut(&mut self) -> &mut L {
        &mut self.shared.ledger
    }

    /// The ledger of a crowd that is done.
    pub fn into_ledger(self) -> L {
        self.shared.ledger
    }

    /// Whether every player is done.
    pub fn is_done(&self) -> bool {
        self.shared.finished == self.shared.config.players
    }

    /// Everyone leaves now, as far as they have come; nobody counts as failed for it. Takes effect at the
    /// next [`Input::Timeout`], which is due at once.
    pub fn stop(&mut self) {
        self.stop_asked = true;
    }

    /// How far the crowd has come; a walk over all players.
    pub fn progress(&self) -> Progress {
        Progress {
            players: self.shared.config.players,
            arrived: self.arrived,
            settled: self.shared.settled,
            in_seat: self.players.iter().filter(|player| player.is_seated()).count() as u32,
            done: self.shared.finished,
        }
    }

    fn turn<R>(
        &mut self,
        now: Time,
        out: &mut Outbox<Infallible>,
        index: u32,
        act: impl FnOnce(&mut Player, &mut Turn<'_, L>) -> R,
    ) -> Option<R> {
        let player = self.players.get_mut(index as usize)?;
        Some(act(player, &mut Turn { now, index, shared: &mut self.shared, out }))
    }

    fn on_timeout(&mut self, now: Time, out: &mut Outbox<Infallible>) {
        if core::mem::take(&mut self.stop_asked) {
            self.send_home(now, out);
        }
        for _ in 0..BATCH_MAX {
            if self.next_arrival().is_some_and(|at| at <= now) {
                let index = self.arrived;
                self.arrived += 1;
                self.turn(now, out, index, Player::arrive);
            } else if let Some((index, alarm)) = self.shared.alarms.ring(now) {
                self.turn(now, out, index, |player, turn| player.on_alarm(turn, alarm));
            } else {
                break;
            }
        }
    }

    fn next_arrival(&self) -> Option<Time> {
        (self.arrived < self.shared.config.players).then(|| self.shared.config.scheduled(self.arrived))
    }

    fn send_home(&mut self, now: Time, out: &mut Outbox<Infallible>) {
        self.leaving = true;
        self.arrived = self.shared.config.players;
        for index in 0..self.shared.config.players {
            self.turn(now, out, index, Player::go_home);
        }
    }

    /// Once all have arrived: tells everyone when to leave, a little apart from each other.
    fn plan_leaving(&mut self, now: Time) {
        let Shared { config, alarms, settled, .. } = &mut self.shared;
        if self.leaving || *settled < config.players {
            return;
        }
        self.leaving = true;
        for (index, player) in self.players.iter().enumerate() {
            if !player.is_done() {
                let apart = config.leave_within.mul_f64(index as f64 / f64::from(config.players));
                alarms.set(index as u32, Alarm::Leave, now + config.play_for + apart);
            }
        }
    }

    fn on_dialed(&mut self, now: Time, out: &mut Outbox<Infallible>, token: Token, conn: ConnId) {
        let Caller { index, errand } = token.caller;
        let wanted = self.turn(now, out, index, |player, turn| match errand {
            Errand::Journey => player.on_dialed(turn, token.attempt, conn),
            Errand::Refresh => player.on_refresh_dialed(turn, token.attempt, conn),
        });
        if wanted != Some(true) {
            out.close(conn, CloseReason::Finished);
        }
    }

    fn on_dial_failed(&mut self, now: Time, out: &mut Outbox<Infallible>, token: Token, why: DialFailure) {
        let Caller { index, errand } = token.caller;
        self.turn(now, out, index, |player, turn| match errand {
            Errand::Journey => player.on_dial_failed(turn, token.attempt, why),
            Errand::Refresh => player.on_refresh_dial_failed(turn, token.attempt, why),
        });
    }

    fn on_answer(&mut self, now: Time, out: &mut Outbox<Infallible>, token: Token, answer: Answer) {
        self.turn(now, out, token.caller.index, |player, turn| player.on_answer(turn, token.attempt, answer));
    }

    fn on_message(&mut self, now: Time, out: &mut Outbox<Infallible>, conn: ConnId, message: Message) {
        let Some(&Caller { index, errand }) = self.shared.callers.get(&conn) else { return };
        self.turn(now, out, index, |player, turn| match errand {
            Errand::Journey => player.on_message(turn, message),
            Errand::Refresh => player.on_refresh_message(turn, message),
        });
    }

    fn on_disconnected(&mut self, now: Time, out: &mut Outbox<Infallible>, conn: ConnId) {
        let Some(Caller { index, errand }) = self.shared.callers.remove(&conn) else { return };
        self.turn(now, out, index, |player, turn| match errand {
            Errand::Journey => player.on_disconnected(turn),
            Errand::Refresh => player.on_refresh_disconnected(turn),
        });
    }
}

impl<L: Ledger> Machine for Crowd<L> {
    type Note = Infallible;

    fn handle(&mut self, now: Time, input: Input<Infallible>, out: &mut Outbox<Infallible>) {
        match input {
            Input::Timeout => self.on_timeout(now, out),
            Input::Dialed { token, conn } => self.on_dialed(now, out, Token::from_u64(token), conn),
            Input::DialFailed { token, why } => self.on_dial_failed(now, out, Token::from_u64(token), why),
            Input::Message { conn, message } => self.on_message(now, out, conn, message),
            Input::Disconnected { conn } => self.on_disconnected(now, out, conn),
            Input::Answer { id, answer } => self.on_answer(now, out, Token::from_u64(id), answer),
            Input::Drain => self.send_home(now, out),
            // A crowd has no door, no link and no shards.
            Input::Knock { .. }
            | Input::Connected { .. }
            | Input::LinkUp { .. }
            | Input::LinkDown
            | Input::DrainServer { .. }
            | Input::Revoke { .. }
            | Input::Announce { .. }
            | Input::HandedOver { .. }
            | Input::Told { .. } => {}
        }
        self.plan_leaving(now);
        if self.is_done() && !self.drained_said {
            self.drained_said = true;
            out.push(Output::Drained);
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        if self.stop_asked || (self.is_done() && !self.drained_said) {
            return Some(Time::default());
        }
        self.next_arrival().into_iter().chain(self.shared.alarms.next()).min()
    }

    fn check_invariants(&self) {
        self.shared.alarms.check_invariants();
        let held = self.players.iter().map(Player::connections).sum::<usize>();
        assert_eq!(held, self.shared.callers.len(), "every connection in the map is held by its player");
        let done = (0..).zip(&self.players).filter(|(_, player)| player.is_done());
        let idle = done.clone().filter(|&(index, _)| !self.shared.alarms.has_any(index)).count();
        assert_eq!(done.count(), self.shared.finished as usize, "who is done is counted once");
        assert_eq!(idle, self.shared.finished as usize, "who is done has no alarm");
        assert!(self.shared.finished <= self.shared.settled, "who is done has settled");
    }

    fn figures(&self, figures: &mut Figures) {
        let progress = self.progress();
        figures.gauge("usher_players", "Players of this crowd.", progress.players.into());
        figures.counter("usher_players_arrived_total", "Players who have set out.", progress.arrived.into());
        figures.gauge("usher_players_seated", "Players in a seat.", progress.in_seat.into());
        figures.counter(
            "usher_players_done_total",
            "Players who have come to their end.",
            progress.done.into(),
        );
    }
}
