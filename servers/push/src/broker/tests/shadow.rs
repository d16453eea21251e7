//! Long runs by chance: terminals come and go as they please, and each has every instruction exactly once.
//!
//! Invariants: a run is one seed; a failed one says it. What a terminal has not heard when it goes is lost.
//! Read next: [`super::subscribing`], the rules one by one.

use super::Stage;
use crate::client::Positions;
use crate::config::Limits;
use rand::RngExt as _;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use usher_proto::message::{
    ControllerHello, Counts, Instruct, Port, PortionTaken, Position, Since, Subscribe, TerminalHello, To,
    Unsubscribe,
};
use usher_proto::{ConnId, Message};

const SEEDS: u64 = 40;
const STEPS: u32 = 2_000;
const TERMINALS: usize = 4;
const TOPICS: [&str; 3] = ["gold", "iron", "lead"];
/// Who was never told anything wants all there ever was.
const NOTHING: Since = Since::After(Position { log: 0, seq: 0 });

/// A terminal over all its connections.
#[derive(Default)]
struct Terminal {
    conn: Option<ConnId>,
    positions: Positions,
    /// Topics it has asked for, until it has heard that they are left; whether it has asked to leave.
    topics: BTreeMap<String, bool>,
    /// On the way to it.
    inbox: VecDeque<Message>,
    owes_portion: bool,
    /// How often it was told each number, in an instruction or a gap.
    told: BTreeMap<To, BTreeMap<u64, u32>>,
}

struct World {
    stage: Stage,
    rng: ChaCha8Rng,
    terminals: Vec<Terminal>,
    controller: ConnId,
    request: u64,
    /// The last number that was acknowledged, by log.
    last: BTreeMap<To, u64>,
}

fn name(index: usize) -> String {
    format!("t{index}")
}

impl World {
    fn new(seed: u64) -> Self {
        let limits = Limits {
            log_entries_max: 12,
            own_log_entries_max: 6,
            portion_bytes_max: 500,
            answers_max: 4,
            ..Limits::default()
        };
        let mut stage = Stage::with(limits);
        let controller = stage.controller("desk");
        let terminals = std::iter::repeat_with(Terminal::default).take(TERMINALS).collect();
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { stage, rng, terminals, controller, request: 0, last: BTreeMap::new() }
    }

    fn step(&mut self) {
        let index = self.rng.random_range(0..TERMINALS);
        let topic = TOPICS[self.rng.random_range(0..TOPICS.len())];
        match self.rng.random_range(0..20) {
            0 => self.come(index),
            1 => self.go(index),
            2..=4 => self.subscribe(index, topic),
            5 => self.unsubscribe(index, topic),
            6..=10 => self.take(index),
            11 => self.controller_returns(),
            12..=13 => self.instruct(&To::Terminal(name(index))),
            _ => self.instruct(&To::Topic(topic.into())),
        }
        self.listen();
    }

    /// A newer connection may come while the older one is still there.
    fn come(&mut self, index: usize) {
        let conn = self.stage.connect(Port::Terminals);
        let terminal = &mut self.terminals[index];
        let older = terminal.lose(Some(conn));
        let since = terminal.positions.since(&To::Terminal(name(index)), NOTHING);
        self.stage.say(conn, TerminalHello { name: name(index), generation: 0, since });
        if let Some(older) = older {
            self.stage.leave(older);
        }
    }

    fn go(&mut self, index: usize) {
        if let Some(conn) = self.terminals[index].lose(None) {
            self.stage.leave(conn);
        }
    }

    fn subscribe(&mut self, index: usize, topic: &str) {
        let terminal = &mut self.terminals[index];
        if terminal.conn.is_some() && !terminal.topics.contains_key(topic) {
            terminal.topics.insert(topic.into(), false);
            let since = terminal.positions.since(&To::Topic(topic.into()), NOTHING);
            self.say(index, Subscribe { topic: topic.into(), since });
        }
    }

    fn unsubscribe(&mut self, index: usize, topic: &str) {
        if let Some(is_leaving @ false) = self.terminals[index].topics.get_mut(topic) {
            *is_leaving = true;
            self.say(index, Unsubscribe { topic: topic.into() });
        }
    }

    fn say(&mut self, index: usize, message: impl Into<Message>) {
        if let Some(conn) = self.terminals[index].conn {
            self.stage.say(conn, message);
        }
    }

    fn take(&mut self, index: usize) {
        if std::mem::take(&mut self.terminals[index].owes_portion) {
            self.say(index, PortionTaken {});
        }
    }

    fn controller_returns(&mut self) {
        self.stage.leave(self.controller);
        self.controller = self.stage.connect(Port::Controllers);
        self.stage.say(self.controller, ControllerHello { name: "desk".into(), generation: 0 });
        self.stage.heard(self.controller);
    }

    /// A controller that heard no answer asks again.
    fn instruct(&mut self, to: &To) {
        self.request += 1;
        for _ in 0..self.rng.random_range(1..=3) {
            let instruct = Instruct { request: self.request, to: to.clone(), payload: "do".into() };
            self.stage.say(self.controller, instruct);
            match self.stage.heard(self.controller).pop() {
                Some(Message::Instructed(answer)) => _ = self.last.insert(to.clone(), answer.seq),
                Some(Message::InstructDenied(_)) => {} // nobody of that name has been here yet
                other => panic!("{other:?}"),
            }
        }
    }

    /// Each terminal hears some of what is on the way to it.
    fn listen(&mut self) {
        for terminal in &mut self.terminals {
            let Some(conn) = terminal.conn else { continue };
            terminal.inbox.extend(self.stage.heard(conn));
            let count = self.rng.random_range(0..=terminal.inbox.len());
            terminal.hear(count);
            assert_eq!(self.stage.reason(conn), None);
        }
    }

    /// Everybody comes back, hears every topic to its end, and has it all.
    fn settle(&mut self) {
        for index in 0..TERMINALS {
            self.come(index);
            for topic in TOPICS {
                self.subscribe(index, topic);
            }
        }
        loop {
            self.listen();
            (0..TERMINALS).for_each(|index| self.take(index));
            let quiet =
                self.terminals.iter().all(|terminal| terminal.inbox.is_empty() && !terminal.owes_portion);
            if quiet && self.stage.heard.is_empty() {
                break;
            }
        }
        for (index, terminal) in self.terminals.iter().enumerate() {
            for (to, last) in &self.last {
                if matches!(to, To::Terminal(own) if *own != name(index)) {
                    continue;
                }
                let once: BTreeMap<_, _> = (1..=*last).map(|seq| (seq, 1)).collect();
                assert_eq!(terminal.told.get(to), Some(&once), "{} of {to:?}", name(index));
            }
        }
    }
}

impl Terminal {
    /// Gives up its connection for another, and what was on the way.
    fn lose(&mut self, newer: Option<ConnId>) -> Option<ConnId> {
        self.inbox.clear();
        self.topics.clear();
        self.owes_portion = false;
        std::mem::replace(&mut self.conn, newer)
    }

    fn hear(&mut self, count: usize) {
        for message in self.inbox.drain(..count).collect::<Vec<_>>() {
            self.positions.note(&message).unwrap_or_else(|error| panic!("{error:?}"));
            match &message {
                Message::Instruction(it) => self.told(&it.to, it.seq..=it.seq),
                Message::Gap(it) => self.told(&it.to, it.from..=it.until),
                Message::PortionSent(_) => self.owes_portion = true,
                Message::Unsubscribed(it) => _ = self.topics.remove(&it.topic),
                Message::Subscribed(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn told(&mut self, to: &To, seqs: std::ops::RangeInclusive<u64>) {
        let told = self.told.entry(to.clone()).or_default();
        seqs.for_each(|seq| *told.entry(seq).or_default() += 1);
    }
}

fn run(seed: u64) -> Counts {
    let mut world = World::new(seed);
    (0..STEPS).for_each(|_| world.step());
    world.settle();
    world.stage.broker.counts()
}

#[test]
fn every_instruction_comes_once_or_is_named_in_a_gap() {
    for seed in 0..SEEDS {
        let counts = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed}"));
        assert!(counts.gaps_total > 0 && counts.replayed_total > 0, "seed {seed} was too kind: {counts:?}");
    }
}
