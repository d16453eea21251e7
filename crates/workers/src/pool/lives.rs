//! The lives of a pool's workers: started, up, renewed, ended; and what a death does to what it had.
//!
//! Invariants: a worker is renewed when the one before it is up again, so that a version that does not come up stops the
//! reload at the first. Who was in flight at a death that we did not cause has a strike.
//! Read next: `instance.rs`.

use super::instance::{Awaited, END_MAX, End, START_MAX, State};
use super::{At, Cause, Effect, Pool, PoolConfig, RequestId, STRIKES_MAX, home};
use rand::RngExt;
use usher_proto::Time;
use usher_proto::message::NotDone;

impl Pool {
    /// A worker said hello.
    pub fn said_hello(&mut self, now: Time, instance: usize, out: &mut Vec<Effect>) {
        let it = &mut self.instances[instance];
        if !matches!(it.state, State::Starting { .. }) {
            return;
        }
        it.said_hello(now);
        self.rehome();
        if self.renewing == Some(instance) {
            self.renewing = None;
            self.counts.reloads += 1;
        }
        self.settle_lives(now, out);
        self.dispatch(now, out);
    }

    /// A worker's life is over: nothing will be heard of it any more.
    pub fn gone(&mut self, now: Time, instance: usize, out: &mut Vec<Effect>) {
        let it = &mut self.instances[instance];
        let state = it.state;
        if matches!(state, State::Resting { .. } | State::Over) {
            return;
        }
        let flights = std::mem::take(&mut it.flights);
        let pause = it.died(now);
        let why = if let State::Ending { why, .. } = state { why } else { End::Failed };
        let until = if why == End::Wanted { now } else { now + pause + self.jitter(pause) };
        let it = &mut self.instances[instance];
        it.state = State::Resting { until };
        if why == End::Wanted {
            it.is_proven();
        } else if it.begins_to_loop() {
            out.push(Effect::Looping(instance));
        }
        let was_alive = !(self.config.is_remote && matches!(state, State::Starting { .. }));
        self.counts.deaths += u64::from(why == End::Failed && was_alive);
        self.rehome();
        self.unkeep(instance);
        self.instances[instance].kept_for = None;
        for awaited in flights.into_values() {
            if let Awaited::Request(request) = awaited {
                self.strike(request, out);
            }
        }
        self.settle_lives(now, out);
        self.time_lives(now, out);
        self.dispatch(now, out);
    }

    /// Renews one worker after the other. Said again, it begins again.
    pub fn reload(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.to_renew = (0..self.instances.len()).collect();
        self.settle_lives(now, out);
        self.dispatch(now, out);
    }

    fn jitter(&mut self, pause: std::time::Duration) -> std::time::Duration {
        pause.mul_f64(self.rng.random_range(0.0..0.5))
    }

    pub(super) fn rehome(&mut self) {
        let Self { waiting, instances, .. } = self;
        waiting.rehome(|key| home(instances, key));
    }

    /// A worker gets nothing more.
    pub(super) fn leave(&mut self, instance: usize, why: End) {
        let it = &mut self.instances[instance];
        if it.is_up() {
            it.state = State::Leaving { why };
            self.rehome();
            self.unkeep(instance);
        }
    }

    /// Whoever waits for this worker alone waits for another.
    fn unkeep(&mut self, instance: usize) {
        let suspect = self.instances[instance].kept_for;
        let at = suspect.and_then(|suspect| self.requests.get(&suspect)).map(|suspect| suspect.at);
        if let Some(suspect) = suspect.filter(|_| at == Some(At::Kept(instance))) {
            self.instances[instance].kept_for = None;
            self.wait(suspect);
        }
    }

    /// Its worker ended while it had this request.
    fn strike(&mut self, id: RequestId, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.strikes += 1;
        let strikes = request.strikes;
        if request.ask.is_repeatable && strikes < STRIKES_MAX {
            self.counts.retried += 1;
            return self.wait(id);
        }
        let why = if request.ask.is_repeatable {
            out.push(Effect::DeadLetter(id, strikes));
            self.counts.set_aside += 1;
            NotDone::SetAside
        } else {
            NotDone::WorkerDied
        };
        self.forget(id);
        out.push(Effect::Settle(id, why));
    }

    /// What is due in the lives of its workers.
    pub(super) fn time_lives(&mut self, now: Time, out: &mut Vec<Effect>) {
        let PoolConfig { in_flight_max, deadline, .. } = self.config;
        for (at, it) in self.instances.iter_mut().enumerate() {
            if it.proven_at().is_some_and(|proven_at| proven_at <= now) {
                it.is_proven();
            }
            if it.stuck_at(in_flight_max, deadline).is_some_and(|stuck_at| stuck_at <= now) {
                it.state = State::Ending { kill_at: None, why: End::Failed };
                out.push(Effect::Kill(at, Cause::Stuck));
            }
            match it.state {
                State::Resting { until } if until <= now => {
                    it.state = State::Starting { until: now + START_MAX };
                    out.push(Effect::Start(at));
                }
                State::Starting { until } if until <= now => {
                    it.state = State::Ending { kill_at: None, why: End::Failed };
                    out.push(Effect::Kill(at, Cause::NoHello));
                }
                State::Ending { kill_at: Some(kill_at), why } if kill_at <= now => {
                    it.state = State::Ending { kill_at: None, why };
                    out.push(Effect::Kill(at, Cause::Stays));
                }
                _ => {}
            }
        }
    }

    /// Ends whoever is to end and has answered all, and begins the next renewal.
    pub(super) fn settle_lives(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.renew_next(now, out);
        let is_empty = self.is_draining && self.requests.is_empty();
        for (at, it) in self.instances.iter_mut().enumerate() {
            let why = match it.state {
                State::Leaving { why } if is_empty || !it.is_awaited() => why,
                State::Up | State::Starting { .. } if is_empty => End::Wanted,
                State::Resting { .. } if is_empty => {
                    it.state = State::Over;
                    continue;
                }
                _ => continue,
            };
            it.state = State::Ending { kill_at: Some(now + END_MAX), why };
            out.push(Effect::End(at));
        }
    }

    fn renew_next(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.is_draining {
            self.to_renew.clear();
        }
        while self.renewing.is_none()
            && let Some(next) = self.to_renew.pop_front()
        {
            let it = &mut self.instances[next];
            match it.state {
                State::Up => self.leave(next, End::Wanted),
                // Not said hello yet: it may be of the version before.
                State::Starting { .. } => {
                    it.state = State::Ending { kill_at: None, why: End::Wanted };
                    out.push(Effect::Kill(next, Cause::Reload));
                }
                State::Resting { .. } => {
                    it.state = State::Resting { until: now };
                    self.time_lives(now, out);
                }
                State::Leaving { .. } | State::Ending { .. } => {}
                State::Over => continue,
            }
            self.renewing = Some(next);
        }
    }
}
