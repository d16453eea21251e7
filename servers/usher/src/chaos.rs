//! `usher demo --chaos`: servers are killed by their pid while everybody plays, one after the other.
//!
//! Why: that a crash harms nobody is shown by crashes, in an order that a seed repeats.
//! Owns: who is killed when, how long it stays away, and the start after that. Does not own what must hold all the same;
//! that is `checks`.
//! Invariants: never more than one is away, and the next is killed only when the cluster is whole again; the same seed
//! draws the same victims and times. A sort of victim is drawn first, then one of it: of many rooms none hides another
//! sort.
//! Limits: [`WHOLE_MAX`] to be whole again.
//! Read next: `cluster`, which starts a server where it was.

use crate::cluster::Cluster;
use crate::process::kill;
use anyhow::bail;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};
use usher_runtime::config::Kind;
use usher_runtime::process::{children_of, is_running};
use usher_runtime::{clock, say};

/// How long everybody plays on after the last kill: leases end, and who was cut off is back.
pub(crate) const CALM: Duration = Duration::from_secs(20);
/// How long the cluster is whole before the next kill, in milliseconds.
const PAUSE_MS: Range<u64> = 500..4_000;
/// How long a server is away, in milliseconds; a lease ends after 4,000.
const AWAY_MS: Range<u64> = 0..6_000;
/// How long it may take until all is as before, once everything is started.
const WHOLE_MAX: Duration = Duration::from_secs(20);

/// A sort of process that is killed.
#[derive(Clone, Copy, Debug)]
enum Sort {
    Servers(Kind),
    /// Those that play a room's games beside it; their room starts them again.
    Workers,
}

/// All of them, and how often each is drawn: those that players at their tables hang on more often.
const SORTS: [(Sort, u32); 6] = [
    (Sort::Servers(Kind::Manager), 2),
    (Sort::Servers(Kind::Room), 3),
    (Sort::Servers(Kind::Gateway), 3),
    (Sort::Servers(Kind::Hall), 1),
    (Sort::Servers(Kind::Login), 1),
    (Sort::Workers, 3),
];

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// By its place in the cluster.
    Server(usize),
    Worker {
        room: usize,
        pid: u32,
    },
}

impl Sort {
    fn victims(self, cluster: &Cluster) -> Vec<Victim> {
        let of_kind =
            |kind| cluster.servers.iter().enumerate().filter(move |(_, server)| server.kind == kind);
        match self {
            Self::Servers(kind) => of_kind(kind).map(|(at, _)| Victim::Server(at)).collect(),
            Self::Workers => {
                let workers = of_kind(Kind::Room).map(|(room, server)| (room, children_of(server.pid())));
                let victims = |(room, pids): (usize, Vec<u32>)| {
                    pids.into_iter().map(move |pid| Victim::Worker { room, pid })
                };
                workers.flat_map(victims).collect()
            }
        }
    }
}

/// What was killed, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kill {
    /// Since the first was due, seconds.
    at_s: f64,
    name: String,
    pid: u32,
    /// Until it was started again, seconds.
    away_s: f64,
    /// And until the cluster was whole, seconds; nothing if that was not seen.
    whole_s: Option<f64>,
}

/// What is due next.
#[derive(Debug)]
enum Due {
    Kill { at: Instant },
    Start { at: Instant, server: usize },
    Whole { since: Instant },
    Nothing,
}

/// The killing.
#[derive(Debug)]
pub(crate) struct Chaos {
    dice: ChaCha8Rng,
    began: Instant,
    lasts: Duration,
    due: Due,
    /// Children of a server that was killed: they are to end with it.
    orphans: Vec<u32>,
    kills: Vec<Kill>,
}

impl Chaos {
    /// From now on for so long. The cluster is whole.
    pub(crate) fn begin(seed: u64, lasts: Duration) -> Self {
        say!(
            "\n  Chaos for {lasts:?} from here, seed {seed}: one is killed, comes back, and the next is killed\n"
        );
        let began = clock::instant();
        let mut chaos = Self {
            dice: ChaCha8Rng::seed_from_u64(seed),
            began,
            lasts,
            due: Due::Nothing,
            orphans: Vec::new(),
            kills: Vec::new(),
        };
        chaos.pause(began);
        chaos
    }

    /// Whether it is over, and everything is back.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.due, Due::Nothing)
    }

    pub(crate) fn kills(&self) -> &[Kill] {
        &self.kills
    }

    /// Does what is due. An error: the cluster does not come back.
    pub(crate) fn step(&mut self, cluster: &mut Cluster) -> anyhow::Result<()> {
        let now = clock::instant();
        match self.due {
            Due::Kill { .. } if now >= self.began + self.lasts => self.due = Due::Nothing,
            Due::Kill { at } if now >= at => self.kill(now, cluster),
            Due::Start { at, server } if now >= at => {
                cluster.servers[server].start_again()?;
                self.due = Due::Whole { since: now };
            }
            Due::Whole { since } if self.is_whole(cluster) => {
                if let Some(kill) = self.kills.last_mut() {
                    kill.whole_s = Some((now - since).as_secs_f64());
                }
                self.pause(now);
            }
            Due::Whole { since } if now > since + WHOLE_MAX => {
                let killed = self.kills.last().map_or("nobody", |kill| &kill.name);
                bail!("the cluster is not whole again {WHOLE_MAX:?} after {killed} was killed");
            }
            _ => {}
        }
        Ok(())
    }

    fn pause(&mut self, now: Instant) {
        self.due = Due::Kill { at: now + millis(self.dice.random_range(PAUSE_MS)) };
    }

    fn kill(&mut self, now: Instant, cluster: &mut Cluster) {
        let victim = draw(&mut self.dice, &SORTS.map(|(sort, weight)| (sort.victims(cluster), weight)));
        let away = millis(self.dice.random_range(AWAY_MS));
        let kill = match victim {
            Victim::Server(at) => {
                let server = &mut cluster.servers[at];
                let pid = server.pid();
                self.orphans = children_of(pid);
                server.kill();
                self.due = Due::Start { at: now + away, server: at };
                Kill::of(server.ready.name.clone(), pid, now - self.began, away)
            }
            Victim::Worker { room, pid } => {
                kill(pid);
                self.due = Due::Whole { since: now };
                let name = format!("{}/worker", cluster.servers[room].ready.name);
                Kill::of(name, pid, now - self.began, Duration::ZERO)
            }
        };
        say!("  {kill}");
        self.kills.push(kill);
    }

    /// The cluster is, and the workers of a killed room have gone with it.
    fn is_whole(&self, cluster: &Cluster) -> bool {
        !self.orphans.iter().any(|&pid| is_running(pid)) && cluster.is_whole()
    }
}

/// One of those that there are, by the weight of its sort.
fn draw(dice: &mut ChaCha8Rng, sorts: &[(Vec<Victim>, u32)]) -> Victim {
    let weight = |(victims, weight): &(Vec<_>, u32)| if victims.is_empty() { 0 } else { *weight };
    let (victims, _) = sorts.choose_weighted(dice, weight).expect("invariant: a cluster has a manager");
    *victims.choose(dice).expect("invariant: a sort without victims weighs nothing")
}

impl Kill {
    fn of(name: String, pid: u32, at: Duration, away: Duration) -> Self {
        Self { at_s: at.as_secs_f64(), name, pid, away_s: away.as_secs_f64(), whole_s: None }
    }

    /// Until the cluster was whole, once everything was started.
    pub(crate) fn whole_s(&self) -> Option<f64> {
        self.whole_s
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_s, name, pid, away_s, .. } = self;
        write!(f, "{at_s:>7.1} s  kill -9 {pid:<8} {name:<16} for {away_s:.1} s")
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn victims(seed: u64, count: usize) -> Vec<Victim> {
        let sorts = [
            (vec![Victim::Server(0)], 2),
            (vec![Victim::Server(1), Victim::Server(2)], 3),
            (Vec::new(), 5),
            (vec![Victim::Worker { room: 1, pid: 7 }], 3),
        ];
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| draw(&mut dice, &sorts)).collect()
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_does_not() {
        assert_eq!(victims(1, 50), victims(1, 50));
        assert_ne!(victims(1, 50), victims(2, 50));
    }

    #[test]
    fn each_is_drawn_by_the_weight_of_its_sort_and_a_sort_that_nobody_is_of_never() {
        let mut drawn = BTreeMap::new();
        for victim in victims(3, 8_000) {
            *drawn.entry(format!("{victim:?}")).or_insert(0) += 1;
        }
        let wanted = [
            ("Server(0)", 2_000),
            ("Server(1)", 1_500),
            ("Server(2)", 1_500),
            ("Worker { room: 1, pid: 7 }", 3_000),
        ];
        assert_eq!(drawn.len(), wanted.len(), "{drawn:?}");
        for (victim, about) in wanted {
            assert!((about - 200..about + 200).contains(&drawn[victim]), "{victim}: {drawn:?}");
        }
    }
}
