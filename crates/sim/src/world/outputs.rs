//! What machines cause, carried out in order.
//!
//! Why: the other half of the transport: messages on their way, groups, closes, hand-overs, answers.
//! Invariants: nothing is sent on a connection that its machine has closed; a connection is handed over by its
//! owner alone, and not after it was told that it is gone.
//! Read next: `../shadow.rs`, which listens in.

use super::World;
use crate::machine::Out;
use crate::network::{Packet, State, across, is_caller};
use crate::process::Place;
use crate::results;
use crate::scenario::unix_ms;
use crate::schedule::Event;
use crate::vault;
use rand_core::Rng;
use std::sync::Arc;
use std::time::Duration;
use usher_logic::room::RoomNote;
use usher_proto::machine::{Answer, Peer, Question};
use usher_proto::message::{CloseReason, Closing};
use usher_proto::{ConnId, GroupId, Message, Output, ShardId};

/// How long a manager believes in a server it does not hear of; by default, as in every scenario.
const LEASE: Duration = Duration::from_secs(4);

impl World {
    pub(super) fn carry_out(&mut self, by: Place, output: Out) {
        match output {
            Output::Admit(conn) => self.admit(conn),
            Output::Refuse(conn, message) => self.refuse(conn, message),
            Output::Send(conn, message) => self.say(by, conn, Arc::new(message)),
            Output::SendShared(conn, message) => self.say(by, conn, message),
            Output::Join(conn, group) => self.join(by, conn, group),
            Output::Leave(conn, group) => self.leave(by, conn, group),
            Output::Publish { group, message, except } => self.publish(by, group, &Arc::new(message), except),
            Output::PublishShared(group, message) => self.publish(by, group, &message, None),
            Output::Close(conn, reason) => self.close(conn, reason),
            Output::HandOver { conn, to, note } => self.hand_over(by, conn, to, note),
            Output::Tell(to, note) => {
                let at = Place { shard: to, ..by };
                self.between_shards(at, Event::Told { at, from: by.shard, note });
            }
            Output::Ask { id, question } => self.answer(by, id, question),
            Output::Dial { token, address, hello } => self.dial(by, token, &address, hello),
            Output::HandFailed(_) => {} // its record and the figures say so too
            Output::Show(view) => self.processes[by.process.0].view = Some(view),
            Output::Drained => {
                let process = &mut self.processes[by.process.0];
                process.drained = true;
                if process.kind.is_some() {
                    self.schedule.plan(self.now, Event::Emptied { process: by.process });
                }
            }
        }
    }

    fn admit(&mut self, conn: ConnId) {
        let end = self.network.end(conn);
        if end.state == State::Knocking {
            end.state = State::Admitted;
            self.send(across(conn), Packet::Admitted);
        }
    }

    fn refuse(&mut self, conn: ConnId, message: Message) {
        let end = self.network.end(conn);
        if end.state == State::Knocking {
            end.state = State::Closing;
            if let Message::Redirect(redirect) = &message {
                self.check_hops(conn, &redirect.reservation);
            }
            self.send(across(conn), Packet::Refused(message));
        }
    }

    /// A client that is redirected may be redirected less often than before.
    fn check_hops(&mut self, conn: ConnId, reservation: &[u8]) {
        let before = self.network.wire(conn).hops_left;
        let hops_left = self.vault.open_reservation(self.now, reservation).map(|kept| kept.hops_left);
        let is_fewer = hops_left.is_none_or(|hops_left| hops_left < before);
        assert!(is_fewer, "after a redirect a client may be given {hops_left:?} more, before it {before}");
    }

    fn say(&mut self, by: Place, conn: ConnId, message: Arc<Message>) {
        if !matches!(self.network.end(conn).state, State::Admitted | State::Open) {
            return;
        }
        let identity = match self.network.wire(conn).peer {
            Peer::Player(identity) => Some(identity),
            Peer::Stranger | Peer::Server(_) => None,
        };
        if let Message::RegisterDenied(_) = *message {
            self.network.wire(conn).is_denied = true;
        }
        self.shadow.said(self.now, by.process, conn, identity, &message);
        self.send(across(conn), Packet::Said(message));
    }

    fn join(&mut self, by: Place, conn: ConnId, group: GroupId) {
        if self.network.end(conn).state != State::Gone {
            self.processes[by.process.0].groups.join(conn, group);
        }
    }

    fn leave(&mut self, by: Place, conn: ConnId, group: GroupId) {
        self.processes[by.process.0].groups.leave(conn, group);
    }

    fn publish(&mut self, by: Place, group: GroupId, message: &Arc<Message>, except: Option<ConnId>) {
        let members: Vec<ConnId> = self.processes[by.process.0].groups.members(group).collect();
        for conn in members.into_iter().filter(|conn| Some(*conn) != except) {
            self.say(by, conn, Arc::clone(message));
        }
    }

    /// A server says why; a caller just goes.
    fn close(&mut self, conn: ConnId, reason: CloseReason) {
        let before = self.network.end(conn).state;
        self.check_close(conn, before, reason);
        let packet = match before {
            State::Knocking => Packet::Refused(last_word(reason)),
            State::Admitted | State::Open => Packet::Closed,
            State::Calling | State::Closing | State::Gone => return,
        };
        if !is_caller(conn) && matches!(packet, Packet::Closed) {
            self.send(across(conn), Packet::Said(Arc::new(last_word(reason))));
        }
        self.send(across(conn), packet);
        self.network.end(conn).state = State::Closing;
        self.shadow.left(conn);
    }

    /// Who is shown out has given cause for it.
    fn check_close(&mut self, conn: ConnId, state: State, reason: CloseReason) {
        let process = self.network.end(conn).process;
        let wire = self.network.wire(conn);
        match (reason, &wire.peer) {
            (CloseReason::Evicted, Peer::Player(identity)) => self.shadow.shown_out(identity),
            (CloseReason::Replaced, Peer::Player(identity)) if state == State::Open => {
                self.shadow.replaced(process, identity);
            }
            (CloseReason::NotRegistered, Peer::Server(name)) if state == State::Open && !wire.is_denied => {
                let silent = wire.silence(self.now);
                assert!(
                    silent >= LEASE / 2,
                    "{name} is given up after a silence of {silent:?} at {:?}",
                    self.now
                );
            }
            _ => {}
        }
    }

    fn hand_over(&mut self, by: Place, conn: ConnId, to: ShardId, note: RoomNote) {
        let end = self.network.end(conn);
        assert!(end.state != State::Gone, "{conn} is handed over after it was gone");
        assert_eq!(end.place(), by, "{conn} is handed over by who does not own it");
        end.shard = to;
        end.in_transit = true;
        let at = end.place();
        self.between_shards(at, Event::HandedOver { at, conn, note });
    }

    /// What shards tell each other takes a moment, and keeps its order.
    fn between_shards(&mut self, at: Place, event: Event) {
        let moment = Duration::from_nanos(u64::from(self.dice.next_u32() % 50_000));
        let shard = &mut self.processes[at.process.0].shards[usize::from(at.shard.0)];
        shard.clear_at = shard.clear_at.max(self.now + moment);
        self.schedule.plan(shard.clear_at, event);
    }

    /// The world's answer, right after the step that asked.
    fn answer(&mut self, at: Place, id: u64, question: Question) {
        let (now, dice) = (self.now, &mut self.dice);
        let unix_ms = unix_ms(now, self.processes[at.process.0].skew_ms);
        let answer = match question {
            Question::LogInGuest { world } => {
                Answer::LogIn(Ok(self.vault.log_in_guest(now, unix_ms, world, dice)))
            }
            Question::LogInFirst { client_first } => {
                Answer::Challenge(self.vault.challenge(&client_first, dice))
            }
            Question::LogInFinal { world, exchange, client_final } => {
                let said = (&exchange, client_final.as_str());
                Answer::LogIn(self.vault.log_in(now, unix_ms, world, said, dice))
            }
            Question::ClientFirst { account } => {
                Answer::ClientFirst(Some(vault::client_first(account, dice)))
            }
            Question::ClientFinal { account, exchange } => {
                Answer::ClientFinal(Some(vault::client_final(account, &exchange)))
            }
            Question::RenewTicket { conn } => Answer::Ticket(match self.network.wire(conn).peer {
                Peer::Player(identity) => Some(self.vault.seal_ticket(now, unix_ms, identity)),
                Peer::Stranger | Peer::Server(_) => None,
            }),
            Question::SealReservation { reservation, ttl } => {
                self.shadow.reserved(now, &reservation, ttl);
                Answer::Reservation(self.vault.seal_reservation(now + ttl, &reservation))
            }
            Question::Play(play) => {
                let (played, takes) = self.scenario.workers.play(&play, dice);
                return self
                    .schedule
                    .plan(now + takes, Event::Answered { at, id, answer: Answer::Played(played) });
            }
            Question::HandSeed => Answer::HandSeed(results::seed(dice)),
            Question::RecordHand(record) => Answer::HandRecorded(Some(self.results.record(&record))),
            Question::Score { account, game } => Answer::Score(Some(self.results.score(account, game))),
        };
        if let Answer::LogIn(Ok(grant)) = &answer {
            self.shadow.logged_in(&grant.identity);
        }
        self.schedule.plan(now, Event::Answered { at, id, answer });
    }
}

/// What a server says before it closes a connection to whom it let in.
pub(super) fn last_word(reason: CloseReason) -> Message {
    Closing { reason }.into()
}
