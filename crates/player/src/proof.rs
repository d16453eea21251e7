//! Logging in to a named account: the player carries texts between its server and its world.
//!
//! Why: who knows a password (or keys made of it) is the world the player runs in; the player only passes on
//! what each of the two says, and believes no server that has not proven itself.
//! The way: the world's first text -> `LogIn`; `LogInChallenge` -> the world's proof -> `LogInProof`; `LoggedIn`
//! with the very answer that the world expects.
//! Invariants: one exchange a visit; what the world answers to an earlier attempt is stale, and ignored.
//! Read next: `journey.rs`.

use crate::config::Accounts;
use crate::ledger::Ledger;
use crate::player::{Phase, Player};
use crate::turn::Turn;
use alloc::boxed::Box;
use alloc::string::String;
use usher_proto::ConnId;
use usher_proto::machine::{Answer, ClientProof, Exchange, Question};
use usher_proto::message::{Credentials, LogIn, LogInChallenge, LogInProof, LoggedIn};

/// What was said last in a proof.
#[derive(Debug)]
pub(crate) enum Proof {
    /// The first text; a challenge is to come.
    First(String),
    /// The proof; this is to come.
    Final { server_final: String },
}

impl Player {
    pub(crate) fn introduce<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, conn: ConnId) {
        match turn.shared.config.account(turn.index) {
            Some(account) => turn.ask(self.attempt, Question::ClientFirst { account }),
            None => say_who(turn, conn, Credentials::Guest),
        }
    }

    /// What the world answers.
    pub(crate) fn on_answer<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, attempt: u16, answer: Answer) {
        let Some(conn) = self.conn.filter(|_| attempt == self.attempt && self.phase == Phase::LoggingIn)
        else {
            return;
        };
        match answer {
            Answer::ClientFirst(Some(client_first)) => {
                self.proof = Some(Box::new(Proof::First(client_first.clone())));
                say_who(turn, conn, Credentials::Scram { client_first });
            }
            Answer::ClientFinal(Some(ClientProof { client_final, server_final })) => {
                self.proof = Some(Box::new(Proof::Final { server_final }));
                turn.send(conn, LogInProof { client_final });
            }
            Answer::ClientFirst(None) => self.fail(turn, "no_account"),
            Answer::ClientFinal(None) => self.fail(turn, "bad_challenge"),
            // Servers ask for the rest.
            _ => {}
        }
    }

    pub(crate) fn on_challenge<L: Ledger>(&mut self, turn: &mut Turn<'_, L>, challenge: LogInChallenge) {
        let (said, account) = (self.proof.take(), turn.shared.config.account(turn.index));
        match (said.map(|said| *said), account) {
            (Some(Proof::First(client_first)), Some(account)) => {
                let exchange = Exchange { client_first, server_first: challenge.server_first };
                turn.ask(self.attempt, Question::ClientFinal { account, exchange });
            }
            _ => self.fail(turn, "unexpected_message"),
        }
    }

    /// Whether the server is who the player wanted to log in to.
    pub(crate) fn is_proven<L: Ledger>(&mut self, turn: &Turn<'_, L>, granted: &LoggedIn) -> bool {
        let expected = self.proof.take().map(|said| *said);
        match (turn.shared.config.accounts, expected) {
            (Accounts::Guests, _) => true,
            (_, Some(Proof::Final { server_final })) => {
                granted.server_final.as_deref() == Some(server_final.as_str())
            }
            _ => false,
        }
    }
}

fn say_who<L: Ledger>(turn: &mut Turn<'_, L>, conn: ConnId, credentials: Credentials) {
    let world = turn.shared.config.world;
    turn.send(conn, LogIn { world, credentials });
}
