//! Room servers elsewhere, which have their work done here.
//!
//! Invariants: each request of theirs is answered under the number that they gave it. What no group does is answered at
//! once; that a host leaves is said in other words, for then another host may do it.
//! Read next: `service.rs`.

use super::{Peer, WorkersService, tell};
use crate::config::group_for;
use crate::inbox::Asked;
use crate::job::{Asker, Job, Outcome};
use crate::pool::RequestId;
use std::collections::BTreeSet;
use std::time::Duration;
use usher_hpserver::{Actions, ConnId};
use usher_proto::Message;
use usher_proto::message::{HostHello, NotDone, WORKER_VERSION, WorkerHello, WorkerLeaving};

impl WorkersService {
    pub(super) fn room_said(&mut self, conn: ConnId, message: Message, actions: &mut Actions<Self>) {
        let (id, left_ms, job, group) = match message {
            Message::PlayHand(it) => {
                let group =
                    self.parts.groups.iter().position(|group| group.config.games.contains(&it.play.game));
                (it.id, it.left_ms, Job::Hand(it.play), group)
            }
            Message::Work(it) => {
                let groups = self.parts.groups.iter().map(|group| &group.config);
                let group = group_for(groups, &it.kind);
                (it.id, it.left_ms, Job::Work { kind: it.kind, key: it.key, body: it.body }, group)
            }
            Message::HostHello(HostHello { version }) => {
                if version != WORKER_VERSION {
                    tracing::error!(version, "a room server speaks another version, and will go");
                }
                return;
            }
            _ => return actions.close(conn, None),
        };
        let asker = Asker::Room { conn, id };
        match group {
            Some(group) => {
                let within = Some(Duration::from_millis(left_ms.into()));
                self.ask(Asked { group, job, asker, within }, actions);
            }
            // Not `NoWorker`: of a host that leaves.
            None => tell(asker, Outcome::Undone(NotDone::Failed("no group here does that".into())), actions),
        }
    }

    /// A room server elsewhere wants workers.
    pub(super) fn room_came(&mut self, conn: ConnId, actions: &mut Actions<Self>) {
        if self.is_draining {
            return actions.close(conn, None);
        }
        self.peers.insert(conn, Peer::Room(BTreeSet::new()));
        actions.send(conn, WorkerHello { version: WORKER_VERSION, name: self.parts.name.clone() }.into());
    }

    /// Nobody waits for what it asked.
    pub(super) fn room_went(&mut self, asked: BTreeSet<(usize, RequestId)>, actions: &mut Actions<Self>) {
        let now = self.now();
        for (group, request) in asked {
            let it = &mut self.parts.groups[group];
            it.pending.remove(&request);
            it.pool.withdraw(now, request, &mut self.effects);
            self.carry_out(group, actions);
        }
    }

    /// They are to ask others, and to go when they have what they asked for.
    pub(super) fn tell_rooms_to_leave(&self, actions: &mut Actions<Self>) {
        for (conn, peer) in &self.peers {
            if let Peer::Room(_) = peer {
                actions.send(*conn, WorkerLeaving {}.into());
            }
        }
    }

    /// Whether one of them may still have something to say.
    pub(super) fn has_room(&self) -> bool {
        self.peers.values().any(|peer| matches!(peer, Peer::Room(_)))
    }
}
