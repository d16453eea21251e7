//! The chat at work, on port 0, with deadlines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use usher_hpserver::completion;

use super::*;

fn open(config: Config, limits: &Limits) -> Server<Chat> {
    let free = "127.0.0.1:0".parse().unwrap();
    start(config, limits, free, free).unwrap()
}

fn connect(server: &Server<Chat>, listener: usize) -> TcpStream {
    let client = TcpStream::connect(server.addresses()[listener].1).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
}

struct Person(BufReader<TcpStream>);

impl Person {
    fn come(server: &Server<Chat>) -> Self {
        Self(BufReader::new(connect(server, 0)))
    }

    /// Comes and is in; `others` are there already.
    fn enter(server: &Server<Chat>, name: &str, others: usize) -> Self {
        let mut person = Self::come(server);
        person.hears("your name?");
        person.says(name);
        person.hears(&format!("* {name} is here"));
        person.hears(&format!("* {} here", others + 1));
        person
    }

    fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    fn hears(&mut self, line: &str) {
        assert_eq!(self.hear(), line);
    }
}

#[test]
fn people_and_programs_hear_each_other_in_every_arrangement() {
    for (receive_threads, logic_threads, send_threads) in [(0, 0, 0), (0, 1, 0), (1, 1, 1), (2, 2, 2)] {
        let config = Config { receive_threads, logic_threads, send_threads, ..Config::default() };
        let server = open(config, &limits());
        let mut ann = Person::enter(&server, "ann", 0);
        let mut program = connect(&server, 1);
        program.write_all(b"\0\x03bot\0\x05hello").unwrap();
        for line in ["* bot is here", "* 2 here", "bot: hello"] {
            ann.hears(line);
        }
        ann.says("hi");
        let mut heard = [0; 34];
        program.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"\0\x0d* bot is here\0\x08* 2 here\0\x07ann: hi");
    }
}

#[test]
fn a_taken_name_is_asked_again() {
    let server = open(Config::default(), &limits());
    let _ann = Person::enter(&server, "ann", 0);
    let mut other = Person::come(&server);
    other.hears("your name?");
    other.says("ann");
    other.hears("not \"ann\", please; your name?");
}

#[test]
fn one_more_than_connections_max_is_told_so() {
    let server = open(Config::default(), &Limits { connections_max: 1, ..limits() });
    let _ann = Person::enter(&server, "ann", 0);
    Person::come(&server).hears("bye: connections_full");
}

#[test]
fn who_does_not_read_is_cut_and_holds_up_nobody() {
    let small = completion::Config { socket_buffer_bytes: Some(4096), ..completion::Config::default() };
    let config = Config { completion: small, ..Config::default() };
    let server = open(config, &Limits { high_water_bytes: 16 * 1024, ..limits() });
    let _slow = Person::enter(&server, "slow", 0);
    let mut ann = Person::enter(&server, "ann", 1);
    let mut bob = Person::enter(&server, "bob", 2);
    let line = "x".repeat(500);
    let cut = (0..100_000).any(|_| {
        ann.says(&line);
        bob.hear() == "* slow left"
    });
    assert!(cut);
    assert_eq!(server.remote().metrics().listeners[0].closed["slow_consumer"], 1);
}
