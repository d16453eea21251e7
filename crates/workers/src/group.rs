//! A group of workers as the service has it: its pool, the lives in it, and what its requests say.
//!
//! Invariants: a pending request is one that its pool has not settled.
//! Read next: [`crate::service`].

use crate::config::{GroupConfig, Members};
use crate::job::{Asker, Job};
use crate::pool::{Pool, RequestId};
use crate::slot::Slot;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use usher_hpserver::{ConnId, ListenerId};
use usher_proto::Time;
use usher_secure::LinkKey;

/// The life that a worker has now, or had last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Life {
    pub(crate) number: u32,
    pub(crate) conn: Option<ConnId>,
    pub(crate) said_hello: bool,
    /// It was told to end.
    pub(crate) is_ending: bool,
    pub(crate) is_over: bool,
}

/// A request that is not answered yet.
pub(crate) struct Pending {
    /// For whoever gets it next, if its worker does not take it or ends.
    pub(crate) job: Job,
    pub(crate) asker: Asker,
}

pub(crate) struct Group {
    /// As figures show it: there are as many as the config has, for the life of the process.
    pub(crate) name: &'static str,
    pub(crate) config: GroupConfig,
    /// Under which listener's protocol its connections are.
    pub(crate) listener: ListenerId,
    /// What proves this process to hosts.
    pub(crate) key: Option<LinkKey>,
    pub(crate) pool: Pool,
    pub(crate) lives: Vec<Life>,
    pub(crate) pending: BTreeMap<RequestId, Pending>,
}

impl Group {
    pub(crate) fn new(
        config: &GroupConfig,
        (name, listener): (&'static str, ListenerId),
        key: Option<LinkKey>,
        (seed, now): (u64, Time),
    ) -> Self {
        let pool = config.pool(seed);
        Self {
            name,
            listener,
            key,
            lives: vec![Life { is_over: true, ..Life::default() }; pool.instances],
            pool: Pool::new(pool, now),
            pending: BTreeMap::new(),
            config: config.clone(),
        }
    }

    pub(crate) fn has_children(&self) -> bool {
        matches!(self.config.members, Members::Children { .. })
    }

    /// Where a worker is that is dialled.
    pub(crate) fn address(&self, instance: usize) -> Option<SocketAddr> {
        match &self.config.members {
            Members::Children { .. } => None,
            Members::Hosts { addresses, .. } => addresses.get(instance).copied(),
        }
    }

    /// A new life for a worker.
    pub(crate) fn begin(&mut self, group: usize, instance: usize) -> Slot {
        let number = self.lives[instance].number.wrapping_add(1);
        self.lives[instance] = Life { number, ..Life::default() };
        Slot { group: group as u16, instance: instance as u16, life: number }
    }

    /// The life that is spoken of, while it lasts.
    pub(crate) fn life(&mut self, slot: Slot) -> Option<&mut Life> {
        let life = &mut self.lives[usize::from(slot.instance)];
        (life.number == slot.life && !life.is_over).then_some(life)
    }

    /// The life that a worker has now.
    pub(crate) fn slot(&self, group: usize, instance: usize) -> Slot {
        Slot { group: group as u16, instance: instance as u16, life: self.lives[instance].number }
    }
}
