//! Any machine of the stack, behind one face.
//!
//! Why: machines differ in what their shards tell each other; only a room server has more than one shard, so
//! here every note is a [`RoomNote`] and the others' can not exist.
//! Owns: the translation, and the guard that catches a game's panic.
//! Read next: `process.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use usher_logic::gateway::Gateway;
use usher_logic::hall::Hall;
use usher_logic::hand::words;
use usher_logic::login::Login;
use usher_logic::manager::Manager;
use usher_logic::room::{RoomNote, RoomServer, Tools};
use usher_player::{Crowd, Tally};
use usher_proto::{Figures, Input, Machine, Outbox, Output, Time};

pub(crate) type In = Input<RoomNote>;
pub(crate) type Out = Output<RoomNote>;

/// One shard of one process.
#[derive(Debug)]
pub(crate) enum AnyMachine {
    Manager(Box<Manager>),
    Login(Box<Login>),
    Hall(Box<Hall>),
    Room(Box<RoomServer>),
    Gateway(Box<Gateway>),
    Crowd(Box<Crowd<Tally>>),
}

impl AnyMachine {
    pub(crate) fn handle(&mut self, now: Time, input: In) -> Vec<Out> {
        match self {
            Self::Manager(machine) => step(machine.as_mut(), now, input),
            Self::Login(machine) => step(machine.as_mut(), now, input),
            Self::Hall(machine) => step(machine.as_mut(), now, input),
            Self::Gateway(machine) => step(machine.as_mut(), now, input),
            Self::Crowd(machine) => step(machine.as_mut(), now, input),
            Self::Room(machine) => {
                let mut out = Outbox::default();
                machine.handle(now, input, &mut out);
                out.drain().collect()
            }
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Manager(machine) => machine.next_timeout(),
            Self::Login(machine) => machine.next_timeout(),
            Self::Hall(machine) => machine.next_timeout(),
            Self::Room(machine) => machine.next_timeout(),
            Self::Gateway(machine) => machine.next_timeout(),
            Self::Crowd(machine) => machine.next_timeout(),
        }
    }

    pub(crate) fn check_invariants(&self) {
        match self {
            Self::Manager(machine) => machine.check_invariants(),
            Self::Login(machine) => machine.check_invariants(),
            Self::Hall(machine) => machine.check_invariants(),
            Self::Room(machine) => machine.check_invariants(),
            Self::Gateway(machine) => machine.check_invariants(),
            Self::Crowd(machine) => machine.check_invariants(),
        }
    }

    /// If it is a gateway's.
    pub(crate) fn gateway(&mut self) -> Option<&mut Gateway> {
        if let Self::Gateway(machine) = self { Some(machine) } else { None }
    }

    pub(crate) fn figures(&self, figures: &mut Figures) {
        match self {
            Self::Manager(machine) => machine.figures(figures),
            Self::Login(machine) => machine.figures(figures),
            Self::Hall(machine) => machine.figures(figures),
            Self::Room(machine) => machine.figures(figures),
            Self::Gateway(machine) => machine.figures(figures),
            Self::Crowd(machine) => machine.figures(figures),
        }
    }
}

fn step<M: Machine>(machine: &mut M, now: Time, input: In) -> Vec<Out> {
    alone(|out| machine.handle(now, input_of(input), out))
}

/// A step of a machine of one shard: nobody tells it anything, and it hands nothing over.
pub(crate) fn alone<N>(step: impl FnOnce(&mut Outbox<N>)) -> Vec<Out> {
    let mut out = Outbox::default();
    step(&mut out);
    out.drain().map(output_of).collect()
}

fn input_of<N>(input: In) -> Input<N> {
    match input {
        Input::Knock { conn, peer, reservation, address } => {
            Input::Knock { conn, peer, reservation, address }
        }
        Input::Connected { conn, peer } => Input::Connected { conn, peer },
        Input::Message { conn, message } => Input::Message { conn, message },
        Input::Disconnected { conn } => Input::Disconnected { conn },
        Input::LinkUp { conn } => Input::LinkUp { conn },
        Input::LinkDown => Input::LinkDown,
        Input::Answer { id, answer } => Input::Answer { id, answer },
        Input::Dialed { token, conn } => Input::Dialed { token, conn },
        Input::DialFailed { token, why } => Input::DialFailed { token, why },
        Input::Timeout => Input::Timeout,
        Input::Drain => Input::Drain,
        Input::DrainServer { name } => Input::DrainServer { name },
        Input::Revoke { account } => Input::Revoke { account },
        Input::Announce { text } => Input::Announce { text },
        Input::HandedOver { .. } | Input::Told { .. } => {
            unreachable!("a machine of one shard is told nothing")
        }
    }
}

fn output_of<N>(output: Output<N>) -> Out {
    match output {
        Output::Admit(conn) => Output::Admit(conn),
        Output::Refuse(conn, message) => Output::Refuse(conn, message),
        Output::Send(conn, message) => Output::Send(conn, message),
        Output::SendShared(conn, message) => Output::SendShared(conn, message),
        Output::Join(conn, group) => Output::Join(conn, group),
        Output::Leave(conn, group) => Output::Leave(conn, group),
        Output::Publish { group, message, except } => Output::Publish { group, message, except },
        Output::PublishShared(group, message) => Output::PublishShared(group, message),
        Output::Close(conn, reason) => Output::Close(conn, reason),
        Output::Ask { id, question } => Output::Ask { id, question },
        Output::Dial { token, address, hello } => Output::Dial { token, address, hello },
        Output::HandFailed(failure) => Output::HandFailed(failure),
        Output::Show(view) => Output::Show(view),
        Output::Drained => Output::Drained,
        Output::HandOver { .. } | Output::Tell(..) => {
            panic!("a machine of one shard hands over a connection or tells another shard something")
        }
    }
}

/// What a room server is lent here: virtual time stands still during a step.
pub(crate) const TOOLS: Tools = Tools { guard, stopwatch: || 0 };

/// Runs a call into a game; a panic in it ends the call and nothing else.
fn guard(call: &mut dyn FnMut()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(words)
}
