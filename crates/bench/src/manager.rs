//! `bench manager`: what the manager's machine alone costs: arbitrations a second, and memory for each player online.
//!
//! The machine is called as its server calls it, without a socket: a question, the seal that it asks for, the answer;
//! then the place is redeemed. Reports come in between, as each server sends one a second.
//!
//! - Owns: the cluster that is put before the machine, the two cases.
//! - Limits: one thread; memory is the growth of this process's resident memory, so the cases run one at a time.
//!
//! Read next: `crates/logic/src/manager/arbitration.rs` and `presence.rs`, which are measured.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use usher_logic::manager::{Config, Manager};
use usher_proto::machine::{Answer, Peer, Question};
use usher_proto::message::{Arbitrate, Claim, Claimed, Load, Redeemed, Register, RoomReport, Verdict};
use usher_proto::{
    AccountId, Address, ConnId, GameId, Generation, Identity, Input, Machine, Message, Outbox, Output,
    ReservationId, RoomNo, ServerKind, SessionId, Time, WorldId,
};

use crate::cases::{self, Choice};
use crate::clock::Clock;
use crate::finding::{self, Finding, Goal};
use crate::interval::Interval;
use crate::journal::Journal;
use crate::process;

const SERVERS: u32 = 1_000;
const OUTSTANDING: usize = 10_000;
const SLICE: u64 = 100_000;
const SLICES: usize = 15;
/// Virtual time between two questions: so many come in a second.
const QUESTIONS_PER_SECOND: u64 = 300_000;
const PLAYERS: u64 = 10_000_000;
const WORLD: WorldId = WorldId(1);
const GAME: GameId = GameId(1);

/// The manager's machine alone, as its server calls it: no socket, one thread.
///
/// `arbitrations`: 1,000 logins, 10,000 reservations outstanding, each server reporting its load once a second.
/// `presence`: 10,000,000 players in rooms of 500 servers, resident bytes for each.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    choice: Choice,
    /// A smoke: a tenth of the players, fewer slices.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Arbitrations,
    Presence,
}

impl cases::Case for Case {
    fn name(&self) -> String {
        match self {
            Self::Arbitrations => "arbitrations",
            Self::Presence => "presence",
        }
        .into()
    }
}

/// Runs the chosen cases.
pub fn run(options: &Options) -> Result<()> {
    let cases = [Case::Arbitrations, Case::Presence];
    let chosen: Vec<_> = cases.into_iter().filter(|case| options.choice.holds(case)).collect();
    let quick = options.quick;
    options.choice.run("manager", &chosen, "less than a minute", |case, journal: &mut Journal| {
        let findings = match case {
            Case::Arbitrations => vec![arbitrations(if quick { 3 } else { SLICES })?],
            Case::Presence => presence(if quick { PLAYERS / 10 } else { PLAYERS })?,
        };
        finding::report(&cases::Case::name(case), &findings, journal)
    })
}

/// A manager, its time, and the links it has.
struct Desk {
    manager: Manager,
    now: Time,
    out: Outbox<Infallible>,
}

impl Desk {
    fn new(config: Config) -> Self {
        Self { manager: Manager::new(config, 1), now: Time(0), out: Outbox::default() }
    }

    fn step(&mut self, input: Input<Infallible>) -> impl Iterator<Item = Output<Infallible>> {
        self.manager.handle(self.now, input, &mut self.out);
        self.out.drain()
    }

    fn say(&mut self, server: u32, message: impl Into<Message>) {
        let input = Input::Message { conn: conn_of(server), message: message.into() };
        self.step(input).for_each(drop);
    }

    /// A server of that kind is up.
    fn server(&mut self, kind: ServerKind, server: u32) {
        let (name, conn) = (format!("{}-{server}", kind.as_str()), conn_of(server));
        let peer = Peer::Server(name.as_str().into());
        self.step(Input::Knock { conn, peer, reservation: None, address: None }).for_each(drop);
        let room = RoomReport {
            room: RoomNo(0),
            name: name.as_str().into(),
            game: GAME,
            population: 0,
            capacity: 20_000,
        };
        let facts = Register {
            kind,
            incarnation: 1,
            world: WORLD,
            address: name.as_str().into(),
            name: name.as_str().into(),
            clock_unix_ms: self.now.as_millis(),
            serve_max: 1_000,
            serve_per_second_max: 1_000,
            connections_max: 1_250,
            rooms: if kind == ServerKind::Room { vec![room] } else { Vec::new() },
            players: 0,
            inner: Address::default(),
        };
        self.say(server, facts);
        self.report(server);
    }

    /// As loaded as most servers of a busy evening: half, and not all alike.
    fn report(&mut self, server: u32) {
        let serving = 400 + server % 200;
        let load = Load { serving, served_per_second: serving, draining: false, rooms: Vec::new() };
        self.say(server, load);
    }

    /// One question and its answer; the place that was kept, and at which server.
    fn arbitrate(&mut self, asker: u32, request: u64) -> Option<(ReservationId, u32)> {
        let question = Arbitrate { request, session: Some(SessionId(request)), hops_left: 3 };
        let input = Input::Message { conn: conn_of(asker), message: question.into() };
        let to_seal = self.step(input).find_map(|output| match output {
            Output::Ask { id, question: Question::SealReservation { reservation, .. } } => {
                Some((id, reservation))
            }
            _ => None,
        });
        let (id, reservation) = to_seal?;
        let sealed = Answer::Reservation(id.to_be_bytes().to_vec());
        let answered = self.step(Input::Answer { id, answer: sealed }).count();
        let target = reservation.target.0.rsplit_once('-')?.1.parse().ok()?;
        (answered == 1).then_some((reservation.id, target))
    }
}

fn conn_of(server: u32) -> ConnId {
    ConnId(server.into())
}

fn arbitrations(slices: usize) -> Result<Finding> {
    let mut desk = Desk::new(Config::default());
    (0..SERVERS).for_each(|server| desk.server(ServerKind::Login, server));
    let (mut kept, mut request) = (VecDeque::new(), 0);
    let mut rates = Vec::new();
    // The first slice fills the places; it is not counted.
    for slice in 0..=slices {
        let clock = Clock::start();
        for _ in 0..SLICE {
            turn(&mut desk, &mut kept, request)?;
            request += 1;
        }
        if slice > 0 {
            rates.push(SLICE as f64 / (clock.nanoseconds() as f64 / 1e9));
        }
    }
    desk.manager.check_invariants();
    ensure!(kept.len() == OUTSTANDING, "{} reservations are outstanding", kept.len());
    let goal = Goal::AtLeast(300_000.0);
    Ok(Finding::within("arbitrations, one core", Interval::of_median(&rates), "1/s").with(goal))
}

/// One question, one report when it is due, and the oldest place redeemed.
fn turn(desk: &mut Desk, kept: &mut VecDeque<(ReservationId, u32)>, request: u64) -> Result<()> {
    desk.now = desk.now + Duration::from_nanos(1_000_000_000 / QUESTIONS_PER_SECOND);
    let server = (request % u64::from(SERVERS)) as u32;
    if request.is_multiple_of(QUESTIONS_PER_SECOND / u64::from(SERVERS)) {
        let reporter = request / (QUESTIONS_PER_SECOND / u64::from(SERVERS));
        desk.report((reporter % u64::from(SERVERS)) as u32);
    }
    let place = desk.arbitrate(server, request);
    kept.push_back(place.ok_or_else(|| anyhow::anyhow!("nobody took client {request}"))?);
    if kept.len() > OUTSTANDING
        && let Some((reservation, target)) = kept.pop_front()
    {
        desk.say(target, Redeemed { reservations: vec![reservation] });
    }
    Ok(())
}

fn presence(players: u64) -> Result<Vec<Finding>> {
    let config = Config { presence_max: players as u32, ..Config::default() };
    let mut desk = Desk::new(config);
    let servers = SERVERS / 2;
    (0..servers).for_each(|server| desk.server(ServerKind::Room, server));
    let resident = || process::memory(std::process::id()).map(|memory| memory.resident);
    let (before, clock) = (resident()?, Clock::start());
    let mut worst = 0.0_f64;
    for player in 0..players {
        desk.now = desk.now + Duration::from_nanos(10);
        let server = (player % u64::from(servers)) as u32;
        ensure!(is_granted(&mut desk, server, player), "player {player} was not let in");
        // Tables grow by doubling, so it is dearest right after: looked at all the way, once there are many.
        if player >= players / 10 && player.is_multiple_of(players / 100) {
            worst = worst.max((resident()?.saturating_sub(before)) as f64 / player as f64);
        }
    }
    let rate = players as f64 / (clock.nanoseconds() as f64 / 1e9);
    let at_end = resident()?.saturating_sub(before) as f64 / players as f64;
    desk.manager.check_invariants();
    Ok(vec![
        Finding::new("memory a player online", at_end, "bytes").with(Goal::AtMost(200.0)),
        Finding::new("the most on the way there", worst, "bytes").with(Goal::AtMost(200.0)),
        Finding::new("claims, one core", rate, "1/s"),
    ])
}

fn is_granted(desk: &mut Desk, server: u32, player: u64) -> bool {
    // Accounts of guests are numbers at random.
    let account = AccountId(player.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63);
    let identity =
        Identity { world: WORLD, account, session: SessionId(player), generation: Generation(player) };
    let claim = Claim { request: player, identity, game: GAME, room: RoomNo(0) };
    let input = Input::Message { conn: conn_of(server), message: claim.into() };
    desk.step(input).any(|output| {
        matches!(output, Output::Send(_, Message::Claimed(Claimed { verdict: Verdict::Granted, .. })))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoke_of_both_cases() {
        arbitrations(1).unwrap();
        assert_eq!(presence(20_000).unwrap().len(), 3);
    }
}
