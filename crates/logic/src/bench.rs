//! A machine on the bench: inputs in, what one step caused out, invariants checked after each.
//!
//! Why: tests of login and hall read as a story of a few connections.
//! Read next: `login/tests.rs`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use usher_proto::machine::{Peer, Question};
use usher_proto::message::{CloseReason, Message};
use usher_proto::{ConnId, Figures, Input, Machine, Outbox, Output, Reservation, ReservationId, Time};

/// The manager's link.
pub(crate) const LINK: ConnId = ConnId(1_000_000);

/// One machine and its virtual time.
pub(crate) struct Bench<M> {
    pub(crate) machine: M,
    pub(crate) now_ms: u64,
    /// Where everybody comes from.
    pub(crate) address: Option<IpAddr>,
}

/// What one step caused.
pub(crate) struct Caused(pub(crate) Vec<Output<()>>);

impl<M: Machine<Note = ()>> Bench<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self { machine, now_ms: 0, address: None }
    }

    pub(crate) fn step(&mut self, input: Input<()>) -> Caused {
        let mut out = Outbox::default();
        self.machine.handle(Time::from_millis(self.now_ms), input, &mut out);
        self.machine.check_invariants();
        Caused(out.drain().collect())
    }

    pub(crate) fn knock(&mut self, conn: u64, peer: Peer, reservation: Option<Reservation>) -> Caused {
        let address = self.address;
        self.step(Input::Knock { conn: ConnId(conn), peer, reservation, address })
    }

    pub(crate) fn connect(&mut self, conn: u64, peer: Peer) {
        assert!(self.knock(conn, peer.clone(), None).admitted(conn));
        assert!(self.step(Input::Connected { conn: ConnId(conn), peer }).to(conn).is_empty());
    }

    pub(crate) fn say(&mut self, conn: u64, message: impl Into<Message>) -> Caused {
        self.step(Input::Message { conn: ConnId(conn), message: message.into() })
    }

    pub(crate) fn manager_says(&mut self, message: impl Into<Message>) -> Caused {
        self.say(LINK.0, message)
    }

    pub(crate) fn link_up(&mut self) -> Caused {
        self.step(Input::LinkUp { conn: LINK })
    }

    pub(crate) fn disconnect(&mut self, conn: u64) -> Caused {
        self.step(Input::Disconnected { conn: ConnId(conn) })
    }

    /// Lets time pass; every due timeout is given at its time. A machine that asks for a time in the past, or
    /// for the same one over and over, fails here.
    pub(crate) fn pass(&mut self, millis: u64) -> Caused {
        let until_ms = self.now_ms + millis;
        let mut caused = Vec::new();
        let mut turns = 0;
        while let Some(at) = self.machine.next_timeout().filter(|at| *at <= Time::from_millis(until_ms)) {
            turns += 1;
            assert!(turns <= 10_000, "the machine spins");
            self.now_ms = self.now_ms.max(at.0.div_ceil(1_000_000));
            caused.extend(self.step(Input::Timeout).0);
        }
        self.now_ms = until_ms;
        Caused(caused)
    }

    pub(crate) fn figure(&self, name: &str) -> u64 {
        let mut figures = Figures::default();
        self.machine.figures(&mut figures);
        let stated = figures.iter().filter(|figure| figure.to_string() == name);
        assert_eq!(stated.count(), 1, "{name} is stated once");
        figures.value(name).expect(name)
    }
}

impl Caused {
    pub(crate) fn admitted(&self, conn: u64) -> bool {
        self.0.iter().any(|it| matches!(it, Output::Admit(c) if c.0 == conn))
    }

    pub(crate) fn refused(&self, conn: u64) -> Option<Message> {
        self.0.iter().find_map(|it| match it {
            Output::Refuse(c, message) if c.0 == conn => Some(message.clone()),
            _ => None,
        })
    }

    pub(crate) fn told_busy(&self, conn: u64) -> bool {
        matches!(self.refused(conn), Some(Message::Busy(_)))
    }

    /// What a connection was sent, shared or not.
    pub(crate) fn to(&self, conn: u64) -> Vec<Message> {
        let sent = self.0.iter().filter_map(|it| match it {
            Output::Send(c, message) if c.0 == conn => Some(message.clone()),
            Output::SendShared(c, message) if c.0 == conn => Some((**message).clone()),
            _ => None,
        });
        sent.collect()
    }

    pub(crate) fn to_manager(&self) -> Vec<Message> {
        self.to(LINK.0)
    }

    pub(crate) fn closed(&self, conn: u64) -> Option<CloseReason> {
        self.0.iter().find_map(|it| match it {
            Output::Close(c, reason) if c.0 == conn => Some(*reason),
            _ => None,
        })
    }

    pub(crate) fn asked(&self) -> Option<(u64, Question)> {
        self.0.iter().find_map(|it| match it {
            Output::Ask { id, question } => Some((*id, question.clone())),
            _ => None,
        })
    }

    pub(crate) fn drained(&self) -> usize {
        self.0.iter().filter(|it| matches!(it, Output::Drained)).count()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// A reservation for anybody, as the world hands it to a machine.
pub(crate) fn reservation(id: u64, hops_left: u8) -> Reservation {
    Reservation { id: ReservationId(id), target: "here".into(), session: None, hops_left }
}
