//! `bench broadcast`: one speaks, 400 hear it: layer 2's groups against Redis and NATS, against itself, and
//! encrypted against in clear.
//!
//! Everybody carries the same 100 bytes in messages of its own protocol, and every member is a connection. Who speaks
//! is one of the members, but with Redis, where a subscriber may not publish: there a connection more does.
//!
//! - Owns: the list of cases.
//! - Invariant: a member that misses a message, has one twice or out of order, or is closed on, fails the case.
//! - Limit: cases against a broker that is not installed are left out; that is said.
//!
//! Read next: `audience.rs`, the load; `bout.rs`.

use anyhow::Result;
use clap::Args;

use crate::bout::{Bout, Bouts, Goals};
use crate::broker::Broker;
use crate::contest::Metric;
use crate::finding::Goal;
use crate::station::{Engine, Framed, Stages, Station};
use crate::traffic::{Pace, Traffic};

const PACES: [Pace; 3] = [Pace::PerSecond(50), Pace::PerSecond(500), Pace::Flat];
const DEFAULT: Station = Station::FramedBroadcast(Framed::on(Engine::Uring, Stages::DEFAULT));
const SEALED: Station = Station::SealedBroadcast(Framed::on(Engine::Uring, Stages::DEFAULT));
const THREE: Station = Station::FramedBroadcast(Framed::on(Engine::Uring, Stages::ALL));
const MIO: Station = Station::FramedBroadcast(Framed::on(Engine::Mio, Stages::DEFAULT));
const REDIS: Station = Station::Broker(Broker::Redis);
const NATS: Station = Station::Broker(Broker::Nats);

const P99_BY_REDIS: (Metric, Goal) = (Metric::P99, Goal::AtMost(1.0));
const BY_REDIS_AT_50: Goals = &[(Metric::Cpu, Goal::AtMost(0.6)), P99_BY_REDIS];
const BY_REDIS_AT_500: Goals = &[(Metric::Cpu, Goal::AtMost(0.88)), P99_BY_REDIS];
const BY_REDIS_FLAT_OUT: Goals = &[(Metric::Throughput, Goal::AtLeast(1.5)), P99_BY_REDIS];
const BY_PLAIN_AT_A_PACE: Goals = &[(Metric::Cpu, Goal::AtMost(1.3))];

/// CPU a delivery, latency and deliveries a second of a broadcast to 400 members, side by side with Redis and NATS.
///
/// A case is `ENGINE-1/STAGES/PACE/OPPONENT`: stages as the threads of receive, logic and send (0-1-0), a pace of
/// `50-a-second`, `500-a-second` or `flat-out` (256 messages on their way to who has heard least), opponent `redis`
/// (redis-server, pub/sub), `nats` (nats-server), `self` (the same program again: the noise), or `plain` (ours seals
/// every frame for every member, the opponent is the same room in clear). Messages have 100 bytes. Latency is from when
/// a message was due until a member has it. Ratios are ours by theirs.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    bouts: Bouts,
}

/// Runs the chosen cases against who is here; says first how long that takes.
pub fn run(options: &Options) -> Result<()> {
    let mut bouts = bouts();
    for broker in Broker::ALL {
        if let Err(error) = broker.find() {
            eprintln!("{error}; its cases are left out");
            bouts.retain(|bout| bout.theirs != Station::Broker(broker));
        }
    }
    options.bouts.run("broadcast", &bouts)
}

fn bouts() -> Vec<Bout> {
    let at = |pace| {
        let bout = |ours, theirs| Bout::new(ours, theirs, Traffic::Broadcast(pace));
        [
            bout(DEFAULT, REDIS).wanting(by_redis(pace)),
            bout(DEFAULT, NATS),
            bout(DEFAULT, DEFAULT),
            bout(THREE, REDIS).wanting(by_redis(pace)),
            bout(MIO, REDIS),
            bout(SEALED, DEFAULT).wanting(by_plain(pace)),
        ]
    };
    PACES.into_iter().flat_map(at).collect()
}

fn by_redis(pace: Pace) -> Goals {
    match pace {
        Pace::PerSecond(50) => BY_REDIS_AT_50,
        Pace::PerSecond(_) => BY_REDIS_AT_500,
        Pace::Flat => BY_REDIS_FLAT_OUT,
    }
}

/// Flat out it is only told.
fn by_plain(pace: Pace) -> Goals {
    match pace {
        Pace::PerSecond(_) => BY_PLAIN_AT_A_PACE,
        Pace::Flat => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cases::Case;

    #[test]
    fn every_pace_meets_every_opponent() {
        let names: Vec<String> = bouts().iter().map(Case::name).collect();
        assert_eq!(names.len(), 18);
        assert_eq!(names[0], "uring-1/0-1-0/50-a-second/redis");
        assert_eq!(names[5], "uring-1/0-1-0/50-a-second/plain");
        assert_eq!(names[7], "uring-1/0-1-0/500-a-second/nats");
        assert_eq!(names[14], "uring-1/0-1-0/flat-out/self");
        assert_eq!(names[16], "mio-1/0-1-0/flat-out/redis");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn goals_are_by_redis_and_by_plain() {
        let by =
            |theirs| bouts().into_iter().filter(move |bout| bout.theirs == theirs && !bout.goals.is_empty());
        assert_eq!(by(REDIS).count(), 6);
        let by_plain: Vec<_> = by(DEFAULT).collect();
        assert_eq!(by_plain.len(), 2);
        for bout in by_plain {
            assert_eq!((bout.ours, bout.goals), (SEALED, BY_PLAIN_AT_A_PACE));
            assert!(matches!(bout.traffic, Traffic::Broadcast(Pace::PerSecond(_))));
        }
    }
}
