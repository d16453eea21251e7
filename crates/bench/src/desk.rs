//! The load of a push server: a controller instructs terminals, another sets quotes, on command.
//!
//! Without a rate it is a closed loop: a terminal has one instruction in flight, and the next is written when it came.
//! At a rate it is an open one: instruction n is due n / rate seconds after the start, to the terminals in turn, and
//! latency counts from then. One process is all of them, because it must know when each instruction arrives.
//!
//! - Owns: the command line.
//! - Invariants: it is ready when every terminal hears; each instruction arrives once, in the order of its number, and
//!   its controller is told that number, or the load fails (when terminals come and go, what is lost or doubled is
//!   counted instead). A quote never goes back to an older one.
//! - Limits: a thousand terminals; a minute of silence ends it.
//!
//! Read next: `orders.rs`, `desk/floor.rs`.

mod controller;
mod floor;
mod line;
mod pace;
mod parties;
pub(crate) mod quotes;
mod returns;
mod terminal;

use std::net::SocketAddr;

use anyhow::Result;
use clap::Parser;

use self::floor::Floor;
pub use self::returns::Returns;
use crate::{files, orders};

/// Instructs the terminals of a push server and times the arrival.
///
/// Prints `ready`, then obeys lines on stdin: `run MILLIS` and `count MESSAGES` answer with one line of JSON, whose
/// messages are instructions. `quit` ends it. With `--returns` it takes no orders and prints one line about those.
#[derive(Clone, Debug, Parser)]
#[command(name = "desk")]
pub struct Desk {
    /// Where terminals connect.
    #[arg(value_name = "TERMINALS")]
    terminals_at: SocketAddr,
    /// Where controllers connect.
    #[arg(value_name = "CONTROLLERS")]
    controllers_at: SocketAddr,
    /// Terminals that are instructed.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    terminals: u16,
    /// Instructions a second; without it, one in flight to each terminal.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Write each instruction by itself, as soon as its terminal is free; without it, one write for all that are due
    /// or free after a turn of the loop.
    #[arg(long)]
    singly: bool,
    /// Quotes a second, in a topic that all terminals hear, of 64 keys.
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u32).range(1..))]
    quotes: Option<u32>,
    /// Terminals that leave at random moments and come back, in all; needs a rate.
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    returns: Option<u32>,
    /// What decides who leaves, when and for how long.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Desk {
    /// Connects all, then obeys until `quit` or the end of stdin.
    pub fn run(self) -> Result<()> {
        files::allow_most();
        let mut floor = Floor::open(&self)?;
        match self.returns {
            Some(count) => {
                println!("{}", serde_json::to_string(&floor.come_and_go(count, self.seed)?)?);
                Ok(())
            }
            None => orders::obey(|limit| floor.slice(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_goes_needs_a_rate() {
        let parse = |words: &[&str]| {
            Desk::try_parse_from([&["desk", "127.0.0.1:1", "127.0.0.1:2"], words].concat()).is_ok()
        };
        assert!(
            parse(&[])
                && parse(&["--rate", "9", "--quotes", "3"])
                && parse(&["--returns", "5", "--rate", "9"])
        );
        assert!(!parse(&["--returns", "5"]) && !parse(&["--rate", "0"]) && !parse(&["--terminals", "0"]));
    }
}
