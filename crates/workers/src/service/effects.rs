//! What a pool wants done, done.
//!
//! Invariants: an effect may cause more; they are carried out until there are none.
//! Read next: `service.rs`.

use super::WorkersService;
use crate::config::Members;
use crate::dead_letters::DeadLetter;
use crate::group::Pending;
use crate::job::Outcome;
use crate::pool::{Effect, RequestId};
use std::time::Duration;
use usher_hpserver::{Actions, Offer};
use usher_proto::first_frame::Role;
use usher_runtime::link::call;

impl WorkersService {
    pub(super) fn carry_out(&mut self, group: usize, actions: &mut Actions<Self>) {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                match effect {
                    Effect::Start(instance) => self.start(group, instance, actions),
                    Effect::End(instance) => self.end(group, instance, actions),
                    Effect::Kill(instance, cause) => {
                        let name = self.parts.groups[group].name;
                        tracing::warn!(
                            group = name,
                            worker = instance,
                            why = cause.as_str(),
                            "a worker is ended"
                        );
                        self.kill(group, instance, actions);
                    }
                    Effect::Send { instance, number, request, left } => {
                        self.send((group, instance), number, request, left, actions);
                    }
                    Effect::Settle(request, why) => {
                        self.settle(group, request, Outcome::Undone(why), actions);
                    }
                    Effect::DeadLetter(request, strikes) => self.dead_letter(group, request, strikes),
                    Effect::Looping(instance) => self.say_looping(group, instance),
                }
            }
        }
    }

    fn say_looping(&self, group: usize, worker: usize) {
        let it = &self.parts.groups[group];
        match it.address(worker) {
            Some(address) => {
                tracing::error!(group = it.name, %address, "a host of workers has been away for a while; it is dialled on");
            }
            None => {
                tracing::error!(
                    group = it.name,
                    worker,
                    "a worker ends as soon as it has begun, again and again"
                );
            }
        }
    }

    fn start(&mut self, group: usize, instance: usize, actions: &mut Actions<Self>) {
        let it = &mut self.parts.groups[group];
        let slot = it.begin(group, instance);
        match &it.config.members {
            Members::Children { .. } => self.parts.orders.start(slot),
            Members::Hosts { addresses, .. } => {
                let offer = call(Role::Workers, &self.parts.name, it.key.as_ref());
                let offer: Option<Box<dyn Offer>> = Some(Box::new(offer));
                actions.dial(it.listener, addresses[instance], slot.token(), offer);
            }
        }
    }

    /// By itself: it sees the end of what it is sent.
    fn end(&mut self, group: usize, instance: usize, actions: &mut Actions<Self>) {
        let it = &mut self.parts.groups[group];
        let slot = it.slot(group, instance);
        let Some(life) = it.life(slot) else { return };
        life.is_ending = true;
        match life.conn {
            Some(conn) => actions.close(conn, None),
            None => self.kill(group, instance, actions),
        }
    }

    fn kill(&mut self, group: usize, instance: usize, actions: &mut Actions<Self>) {
        let it = &mut self.parts.groups[group];
        let slot = it.slot(group, instance);
        let has_process = it.has_children();
        let Some(life) = it.life(slot) else { return };
        life.is_ending = true;
        if !has_process {
            return self.lose(slot, "it was given up", actions);
        }
        if let Some(conn) = life.conn.take() {
            self.peers.remove(&conn);
            actions.abort(conn);
        }
        self.parts.orders.kill(slot);
    }

    fn send(
        &mut self,
        (group, instance): (usize, usize),
        number: u64,
        request: RequestId,
        left: Duration,
        actions: &mut Actions<Self>,
    ) {
        let it = &mut self.parts.groups[group];
        if let (Some(conn), Some(pending)) = (it.lives[instance].conn, it.pending.get(&request)) {
            actions.send(conn, pending.job.clone().message(number, left));
        }
    }

    fn dead_letter(&mut self, group: usize, request: RequestId, strikes: u8) {
        let it = &self.parts.groups[group];
        if let Some(Pending { job, .. }) = it.pending.get(&request) {
            self.parts.orders.letter(DeadLetter { group: it.name, job: job.clone(), strikes });
        }
    }
}
