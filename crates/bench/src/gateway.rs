//! `bench gateway`: our gateway against HAProxy in TCP mode, the same echo behind both.
//!
//! What is compared is the relay: its CPU a round trip, the bytes it carries, and the latency at a rate that is half of
//! what HAProxy carries on two cores with the echo and the load beside it.
//!
//! - Owns: the list of cases.
//! - Limit: without HAProxy only the contests with itself are left; that is said.
//!
//! Read next: `relay.rs`, what is started; `bout.rs`.

use anyhow::Result;
use clap::Args;

use crate::bout::{Bout, Bouts, Goals};
use crate::contest::Metric;
use crate::finding::Goal;
use crate::relay::Relay;
use crate::station::{Engine, Station};
use crate::traffic::{Echo, Traffic};

/// Players, and half of the messages a second that HAProxy carries for them.
const PLAYERS: [(u32, u32); 3] = [(100, 40_000), (1_000, 30_000), (4_000, 24_000)];
/// Of the gateway.
const TRUNKS: u16 = 1;
const LONG: Echo = Echo::framed(100, 1).of_bytes(16 * 1024);
const CPU: Goals = &[(Metric::Cpu, Goal::AtMost(0.6))];
const THROUGHPUT: Goals = &[(Metric::Throughput, Goal::AtLeast(1.0))];
const LATENCY: Goals = &[(Metric::P99, Goal::AtMost(1.0))];
const HAPROXY: Station = Station::Relay(Relay::HaProxy(1));

/// CPU of the process, throughput and latency of a gateway that carries an echo, side by side with HAProxy.
///
/// A case is `gateway-ENGINE-TRUNKS/LOAD/OPPONENT`: engine `uring` or `mio`, a load as players x messages in flight (100x1,
/// 1000x1, 4000x1; 100x1-of-16384: messages of 16 KiB) or players and messages a second (1000-at-30000), opponent
/// `haproxy` (one thread, TCP mode), or `self` (the same program again: the noise). Everything in clear. Ratios are ours by
/// theirs, and of the relay alone: the echo behind it and the load have the rest of the machine.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    bouts: Bouts,
}

/// Runs the chosen cases; says first how long that takes.
pub fn run(options: &Options) -> Result<()> {
    let mut bouts = bouts();
    if let Err(error) = Relay::find_haproxy() {
        eprintln!("{error}; its cases are left out");
        bouts.retain(|bout| bout.theirs != HAPROXY);
    }
    options.bouts.run("gateway", &bouts)
}

fn bouts() -> Vec<Bout> {
    let loads = PLAYERS.into_iter().flat_map(|(players, rate)| {
        let echo = Echo::framed(players, 1);
        [(echo, CPU), (echo.at_rate(rate), LATENCY)]
    });
    let loads: Vec<_> = loads.chain([(LONG, THROUGHPUT)]).collect();
    let on = |engine| {
        let ours = Station::Relay(Relay::Gateway(engine, TRUNKS));
        let meet = move |(echo, goals)| {
            let bout = |theirs| Bout::new(ours, theirs, Traffic::Echo(echo));
            [bout(HAPROXY).wanting(goals), bout(ours)]
        };
        loads.clone().into_iter().flat_map(meet)
    };
    [Engine::Uring, Engine::Mio].into_iter().flat_map(on).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cases::Case;

    #[test]
    fn every_load_meets_haproxy_and_itself() {
        let names: Vec<String> = bouts().iter().map(Case::name).collect();
        assert_eq!(names.len(), 2 * 7 * 2);
        assert_eq!(names[0], "gateway-uring-1/100x1/haproxy");
        assert_eq!(names[3], "gateway-uring-1/100-at-40000/self");
        assert_eq!(names[12], "gateway-uring-1/100x1-of-16384/haproxy");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
