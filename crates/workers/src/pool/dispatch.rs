//! Which worker gets a request: the least busy, a key's home, or one that is kept for a suspect.
//!
//! Invariants: a suspect is alone where it is, so a worker that is kept for one gets it when it has nothing else, and
//! nothing else until that is settled.
//! Limits: `PoolConfig::in_flight_max` at one worker; as many kept for suspects as the head of `pool.rs` says.
//! Read next: `waiting.rs`, `instance.rs`.

use super::{At, Awaited, Effect, Pool, RequestId};
use usher_proto::Time;

impl Pool {
    /// A worker that was kept for a suspect and has answered it is everybody's again.
    pub(super) fn release(&mut self, instance: usize) {
        let it = &mut self.instances[instance];
        let is_over = it.kept_for.is_some_and(|suspect| !self.requests.contains_key(&suspect));
        if is_over && it.flights.is_empty() {
            it.kept_for = None;
        }
    }

    /// Gives out what can be given out.
    pub(super) fn dispatch(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.keep_for_suspects();
        for instance in 0..self.instances.len() {
            let it = &self.instances[instance];
            if let Some(suspect) = it.kept_for
                && it.is_up()
                && it.flights.is_empty()
            {
                self.send(now, instance, suspect, out);
            }
        }
        let max = self.config.in_flight_max;
        loop {
            let open = self.instances.iter().enumerate();
            let open = open.filter(|(at, it)| it.takes(max) && self.waiting.has_for(*at));
            let Some((least, _)) = open.min_by_key(|(_, it)| (it.flights.len(), it.sent)) else { return };
            let Some(request) = self.waiting.pop_for(least) else { return };
            self.send(now, least, request, out);
        }
    }

    /// Keeps workers for those that must be alone: whoever showed last that it works.
    fn keep_for_suspects(&mut self) {
        while self.waiting.has_suspect() {
            let (up, kept) = self
                .instances
                .iter()
                .filter(|it| it.is_up())
                .fold((0, 0), |(up, kept), it| (up + 1, kept + usize::from(it.kept_for.is_some())));
            let free = self.instances.iter().enumerate();
            let free = free.filter(|(_, it)| it.is_up() && it.kept_for.is_none() && !it.is_late());
            let last_heard = free.max_by_key(|(_, it)| (it.heard, usize::MAX - it.flights.len()));
            let Some((instance, _)) = last_heard.filter(|_| kept < (up / 2).max(1)) else { return };
            let Some(suspect) = self.waiting.pop_suspect() else { return };
            self.instances[instance].kept_for = Some(suspect);
            if let Some(request) = self.requests.get_mut(&suspect) {
                request.at = At::Kept(instance);
            }
        }
    }

    fn send(&mut self, now: Time, instance: usize, id: RequestId, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        self.sent += 1;
        let number = self.sent;
        request.at = At::InFlight { instance, number };
        let it = &mut self.instances[instance];
        it.flights.insert(number, Awaited::Request(id));
        it.sent = number;
        out.push(Effect::Send { instance, number, request: id, left: request.deadline - now });
    }
}
