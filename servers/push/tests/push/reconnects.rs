//! A thousand cut connections, while a controller keeps instructing and loses its own: nothing lost, nothing twice.
//!
//! Invariants: all chance comes from [`SEED`]. A terminal knows only what it has heard; what was on the way is lost.
//! Read next: `usher_push::broker`, whose tests do the same by calls.

use crate::rig::{PATIENCE, Server, Setup};
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::net::sockopt::set_socket_linger;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use usher_proto::Message;
use usher_proto::message::{
    ControllerHello, Instruct, Instruction, Port, PortionTaken, Position, Since, Subscribe, TerminalHello, To,
};
use usher_push::client::{Client, Positions};

const SEED: u64 = 36;
const TERMINALS: usize = 4;
const RECONNECTS: u64 = 1_000;
const TOPICS: [&str; 2] = ["gold", "iron"];
/// Instructions given for each wish of a terminal: so many to each log.
const INSTRUCTIONS_EACH: u64 = 2;
/// Instructions without an answer yet.
const UNANSWERED_MAX: usize = 64;
/// Who was never told anything wants all there ever was.
const NOTHING: Since = Since::After(Position { log: 0, seq: 0 });

fn own(index: usize) -> To {
    To::Terminal(format!("t{index}"))
}

/// Every log there is.
fn logs() -> Vec<To> {
    TOPICS.into_iter().map(|topic| To::Topic(topic.into())).chain((0..TERMINALS).map(own)).collect()
}

/// What both sides may know of each other.
struct Shared {
    /// How often a terminal wanted more to be said.
    wishes: AtomicU64,
    /// Terminals that will want nothing more.
    done: AtomicU64,
    /// The last number of each log that was acknowledged.
    acknowledged: BTreeMap<To, AtomicU64>,
}

impl Shared {
    fn acknowledged(&self, to: &To) -> u64 {
        self.acknowledged[to].load(SeqCst)
    }
}

/// Counts a terminal that is done, also if it has failed.
struct Done<'a>(&'a AtomicU64);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A terminal over all its connections.
struct Terminal<'a> {
    server: &'a Server,
    shared: &'a Shared,
    index: usize,
    rng: ChaCha8Rng,
    client: Option<Client>,
    /// How often it came.
    generation: u64,
    positions: Positions,
    /// What it was told, log by log.
    told: BTreeMap<To, Vec<String>>,
}

impl Terminal<'_> {
    fn logs(&self) -> Vec<To> {
        let topics = TOPICS.into_iter().map(|topic| To::Topic(topic.into()));
        topics.chain([own(self.index)]).collect()
    }

    /// Comes, perhaps while its older connection is still there, and says where it stands.
    fn come(&mut self) {
        self.generation += 1;
        let client = Client::connect(self.server.address(Port::Terminals), PATIENCE).unwrap();
        let to = own(self.index);
        let since = self.positions.since(&to, NOTHING);
        client.say(TerminalHello { name: to.name().into(), generation: self.generation, since }).unwrap();
        for topic in TOPICS {
            let since = self.positions.since(&To::Topic(topic.into()), NOTHING);
            client.say(Subscribe { topic: topic.into(), since }).unwrap();
        }
        self.client = Some(client);
    }

    /// Ends its connection in one of the ways connections end.
    fn go(&mut self) {
        let Some(client) = &self.client else { return };
        match self.rng.random_range(0..4) {
            0 => return, // the next one comes while this one is still there
            1 => set_socket_linger(client.socket(), Some(Duration::ZERO)).unwrap(), // a reset
            2 => client.socket().shutdown(std::net::Shutdown::Write).unwrap(),
            _ => {}
        }
        self.client = None;
    }

    /// Instructions that are surely on their way to it.
    fn waiting(&self) -> u64 {
        let told = |to| self.told.get(to).map_or(0, |told| told.len() as u64);
        self.logs().iter().map(|to| self.shared.acknowledged(to).saturating_sub(told(to))).sum()
    }

    fn hear(&mut self, count: u64) {
        let client = self.client.as_mut().expect("it came before");
        let mut heard = 0;
        while heard < count {
            let message = client.hear().unwrap();
            self.positions.note(&message).unwrap_or_else(|error| panic!("t{}: {error:?}", self.index));
            match message {
                Message::Instruction(Instruction { to, payload, .. }) => {
                    self.told.entry(to).or_default().push(String::from_utf8(payload.to_vec()).unwrap());
                    heard += 1;
                }
                Message::PortionSent(_) => client.say(PortionTaken {}).unwrap(),
                Message::Subscribed(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Comes and goes. When it goes it may have heard all there is, half of it, or nothing.
    fn live(&mut self) {
        let _done = Done(&self.shared.done);
        for _ in 0..RECONNECTS / TERMINALS as u64 {
            self.come();
            self.shared.wishes.fetch_add(1, SeqCst);
            while self.rng.random_bool(0.5) {
                self.hear(self.waiting());
                self.shared.wishes.fetch_add(1, SeqCst);
                self.hear(INSTRUCTIONS_EACH * self.logs().len() as u64);
            }
            let count = self.rng.random_range(0..=self.waiting());
            self.hear(count);
            self.go();
        }
    }

    /// Comes for the last time, and hears the rest.
    fn settle(&mut self) {
        self.come();
        self.hear(self.waiting());
    }
}

/// A controller over all its connections.
struct Controller<'a> {
    server: &'a Server,
    shared: &'a Shared,
    rng: ChaCha8Rng,
    request: u64,
    unanswered: VecDeque<Instruct>,
    /// How many were given to each log: their payloads are these counts.
    given: BTreeMap<To, u64>,
    reconnects: u64,
}

impl Controller<'_> {
    fn connect(&mut self) -> io::Result<Client> {
        self.reconnects += 1;
        let client = Client::connect(self.server.address(Port::Controllers), PATIENCE)?;
        client.say(ControllerHello { name: "desk".into(), generation: self.reconnects })?;
        for instruct in &self.unanswered {
            client.say(instruct.clone())?;
        }
        Ok(client)
    }

    /// Instructs as the terminals wish, until they wish nothing more and everything is answered.
    fn live(&mut self) {
        let mut client = self.connect().unwrap();
        let logs = logs();
        loop {
            let is_last_look = self.shared.done.load(SeqCst) == TERMINALS as u64;
            let wished = self.shared.wishes.load(SeqCst) * INSTRUCTIONS_EACH * logs.len() as u64;
            if self.request < wished && self.unanswered.len() < UNANSWERED_MAX {
                let to = &logs[self.request as usize % logs.len()];
                client.say(self.instruct(to)).unwrap();
            } else if !self.unanswered.is_empty() && self.rng.random_bool(0.01) {
                client = self.connect().unwrap();
            } else if !self.unanswered.is_empty() {
                let message = client.hear().unwrap();
                self.answered(&message);
            } else if is_last_look {
                return;
            } else {
                std::thread::yield_now();
            }
        }
    }

    fn instruct(&mut self, to: &To) -> Instruct {
        self.request += 1;
        let given = self.given.entry(to.clone()).or_default();
        *given += 1;
        let instruct = Instruct { request: self.request, to: to.clone(), payload: given.to_string().into() };
        self.unanswered.push_back(instruct.clone());
        instruct
    }

    fn answered(&mut self, message: &Message) {
        let answer = match message {
            Message::Instructed(answer) => answer,
            Message::ControllerWelcome(_) => return,
            other => panic!("{other:?}"),
        };
        let instruct = self.unanswered.pop_front().expect("one was asked for");
        assert_eq!(answer.request, instruct.request, "answers come in order");
        assert_eq!(answer.seq.to_string().as_bytes(), &*instruct.payload, "a number is given once");
        self.shared.acknowledged[&instruct.to].store(answer.seq, SeqCst);
    }
}

#[test]
fn no_instruction_is_lost_or_doubled_over_a_thousand_reconnects() {
    let rest = "[limits]\nlog_entries_max = 100000\nlog_bytes_max = 10000000\nown_log_entries_max = 100000\n\
                own_log_bytes_max = 10000000\nportion_bytes_max = 4000\n";
    let server = Setup { rest, ..Setup::default() }.start();
    let acknowledged = logs().into_iter().map(|to| (to, AtomicU64::new(0))).collect();
    let shared = Shared { wishes: AtomicU64::new(0), done: AtomicU64::new(0), acknowledged };
    // A terminal is known once it has come; before, nothing can be given to it alone.
    for index in 0..TERMINALS {
        server.terminal(own(index).name());
    }
    let rng = |number| ChaCha8Rng::seed_from_u64(SEED + number);
    let mut controller = Controller {
        server: &server,
        shared: &shared,
        rng: rng(99),
        request: 0,
        unanswered: VecDeque::new(),
        given: BTreeMap::new(),
        reconnects: 0,
    };
    let mut terminals: Vec<_> = (0..TERMINALS)
        .map(|index| Terminal {
            server: &server,
            shared: &shared,
            index,
            rng: rng(index as u64),
            client: None,
            generation: 0,
            positions: Positions::default(),
            told: BTreeMap::new(),
        })
        .collect();
    std::thread::scope(|scope| {
        for terminal in &mut terminals {
            scope.spawn(|| terminal.live());
        }
        controller.live();
    });
    for terminal in &mut terminals {
        terminal.settle();
        for to in terminal.logs() {
            let all: Vec<_> = (1..=shared.acknowledged(&to)).map(|number| number.to_string()).collect();
            assert_eq!(terminal.told[&to], all, "{to:?} of t{}", terminal.index);
        }
    }
    let counts = server.administrator().counts();
    assert_eq!(counts.instructions_total, controller.request);
    assert_eq!(counts.gaps_total, 0);
    let live = server.running().metrics().deliveries;
    println!(
        "{} instructions; sent {live} times when they came and {} times out of a log; {RECONNECTS} reconnects of \
         terminals and {} of the controller: none lost, none twice",
        counts.instructions_total, counts.replayed_total, controller.reconnects
    );
    assert!(controller.reconnects > 100 && counts.replayed_total > 10_000 && live > 1_000);
}
