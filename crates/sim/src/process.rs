//! One process of the cluster (or of players): its shards, its groups, its place in the plan.
//!
//! Why: a crash takes a process with everything in it; a restart makes another one of the same plan.
//! Owns: machines, which timeout is planned for each, groups of connections ([`Groups`]); how fast it is, and what
//! waits for it.
//! Invariants: a process that is not alive has no machine; its number is never used again. What waits is handled in the
//! order it came, but for timeouts, which may come first.
//! Read next: `world.rs`.

use crate::machine::AnyMachine;
use crate::schedule::Event;
use crate::world::Standing;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use usher_proto::machine::ClusterView;
use usher_proto::{Address, ConnId, Figures, GroupId, ServerKind, ServerName, ShardId, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessId(pub(crate) usize);

/// Which connections are in which group, seen from both sides.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    members: BTreeSet<(GroupId, ConnId)>,
    of: BTreeSet<(ConnId, GroupId)>,
}

impl Groups {
    pub(crate) fn join(&mut self, conn: ConnId, group: GroupId) {
        self.members.insert((group, conn));
        self.of.insert((conn, group));
    }

    pub(crate) fn leave(&mut self, conn: ConnId, group: GroupId) {
        self.members.remove(&(group, conn));
        self.of.remove(&(conn, group));
    }

    /// A closed connection leaves its groups by itself.
    pub(crate) fn leave_all(&mut self, conn: ConnId) {
        let groups = self.of.range((conn, GroupId(0))..=(conn, GroupId(u64::MAX)));
        let groups: Vec<GroupId> = groups.map(|(_, group)| *group).collect();
        for group in groups {
            self.leave(conn, group);
        }
    }

    /// In the order of their ids.
    pub(crate) fn members(&self, group: GroupId) -> impl Iterator<Item = ConnId> {
        self.members.range((group, ConnId(0))..=(group, ConnId(u64::MAX))).map(|(_, conn)| *conn)
    }
}

/// One shard of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) process: ProcessId,
    pub(crate) shard: ShardId,
}

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) machine: AnyMachine,
    /// When its timeout is looked at next.
    pub(crate) armed: Option<Time>,
    /// Steps at the same instant, to notice a machine that spins.
    pub(crate) timeouts_at: (Time, u32),
    /// What other shards tell it arrives in order.
    pub(crate) clear_at: Time,
}

/// How fast a process works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Brisk,
    /// Each step takes so long.
    Slow(Duration),
    /// Not at all.
    Stopped,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: ServerName,
    /// What it is in the cluster; nothing, for players.
    pub(crate) kind: Option<ServerKind>,
    pub(crate) address: Option<Address>,
    /// Its machines' time zero.
    pub(crate) born: Time,
    pub(crate) died: Option<Time>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) groups: Groups,
    pub(crate) link: Option<ConnId>,
    pub(crate) view: Option<ClusterView>,
    pub(crate) drained: bool,
    /// A gateway's trunks and players.
    pub(crate) standing: Option<Standing>,
    /// How far its wall clock is off.
    pub(crate) skew_ms: i64,
    pub(crate) pace: Pace,
    /// What has come and waits for it.
    pub(crate) inbox: VecDeque<Event>,
    /// How long whatever it says and hears may take.
    pub(crate) delay_max: Option<Duration>,
    /// Somebody repeats the first frames that are said to it.
    pub(crate) is_echoed: bool,
}

impl Process {
    pub(crate) fn new(
        name: ServerName,
        kind: Option<ServerKind>,
        address: Option<Address>,
        born: Time,
        machines: Vec<AnyMachine>,
    ) -> Self {
        let shard = |machine| Shard { machine, armed: None, timeouts_at: (Time(0), 0), clear_at: Time(0) };
        Self {
            name,
            kind,
            address,
            born,
            died: None,
            shards: machines.into_iter().map(shard).collect(),
            groups: Groups::default(),
            link: None,
            view: None,
            drained: false,
            standing: None,
            skew_ms: 0,
            pace: Pace::Brisk,
            inbox: VecDeque::new(),
            delay_max: None,
            is_echoed: false,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.died.is_none()
    }

    /// The world's time as its machines know it.
    pub(crate) fn local(&self, now: Time) -> Time {
        Time(0) + (now - self.born)
    }

    /// Its machines' time as the world knows it.
    pub(crate) fn global(&self, local: Time) -> Time {
        self.born + Duration::from_nanos(local.0)
    }

    /// How long what waits for it will take.
    pub(crate) fn logic_delay(&self) -> Duration {
        match self.pace {
            Pace::Slow(step) => step * self.inbox.len() as u32,
            Pace::Brisk | Pace::Stopped => Duration::ZERO,
        }
    }

    /// One of its figures, summed over its shards.
    pub(crate) fn figure(&self, name: &str) -> u64 {
        let mut figures = Figures::default();
        for shard in &self.shards {
            shard.machine.figures(&mut figures);
        }
        figures.value(name).unwrap_or(0)
    }
}
