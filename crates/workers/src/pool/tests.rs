//! The rules one by one, and all of them at once under seeds, against a model that knows nothing of how.

use super::*;
use rand::RngExt;

const CONFIG: PoolConfig = PoolConfig {
    instances: 2,
    in_flight_max: 2,
    queue_max: 4,
    deadline: Duration::from_secs(10),
    is_remote: false,
    seed: 7,
};
const FREE: Ask = Ask { key: None, is_repeatable: true, within: None };
const ONCE: Ask = Ask { is_repeatable: false, ..FREE };

/// A pool and what it wants done.
struct Bench {
    pool: Pool,
    now: Time,
    out: Vec<Effect>,
}

impl Bench {
    /// With all its workers up.
    fn new(config: PoolConfig) -> Self {
        let mut bench = Self::resting(config);
        bench.at(0);
        assert_eq!(bench.take(), (0..config.instances).map(Effect::Start).collect::<Vec<_>>());
        (0..config.instances).for_each(|it| bench.hello(it));
        bench
    }

    fn resting(config: PoolConfig) -> Self {
        Self { pool: Pool::new(config, Time(0)), now: Time(0), out: Vec::new() }
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.out)
    }

    /// Lets time pass until so many milliseconds after the start.
    fn at(&mut self, millis: u64) {
        let end = Time::from_millis(millis);
        while let Some(next) = self.pool.next_timeout()
            && next <= end
        {
            self.now = self.now.max(next);
            self.pool.timeout(self.now, &mut self.out);
        }
        self.now = end;
    }

    fn ask(&mut self, ask: Ask) -> RequestId {
        self.pool.ask(self.now, ask, &mut self.out)
    }

    fn hello(&mut self, instance: usize) {
        self.pool.said_hello(self.now, instance, &mut self.out);
    }

    fn gone(&mut self, instance: usize) {
        self.pool.gone(self.now, instance, &mut self.out);
    }

    fn answer(&mut self, instance: usize, number: u64) -> Option<RequestId> {
        self.pool.answered(self.now, instance, number, &mut self.out)
    }

    /// What was sent: instance, number, request.
    fn sent(&mut self) -> Vec<(usize, u64, u64)> {
        let sent = self.take().into_iter().filter_map(|effect| match effect {
            Effect::Send { instance, number, request, .. } => Some((instance, number, request.0)),
            _ => None,
        });
        sent.collect()
    }
}

#[test]
fn the_least_in_flight_wins_and_the_queue_has_an_end() {
    let mut bench = Bench::new(CONFIG);
    for _ in 0..8 {
        bench.ask(FREE);
    }
    assert_eq!(bench.sent(), [(0, 1, 1), (1, 2, 2), (0, 3, 3), (1, 4, 4)]);
    let ninth = bench.ask(FREE);
    assert_eq!(bench.take(), [Effect::Settle(ninth, NotDone::Full)]);
    assert_eq!(bench.answer(1, 2), Some(RequestId(2)));
    assert_eq!(bench.sent(), [(1, 5, 5)], "who waited longest is next");
    assert_eq!((bench.pool.in_flight(), bench.pool.waiting()), (4, 3));
}

#[test]
fn an_answer_counts_once_and_where_it_was_asked() {
    let mut bench = Bench::new(CONFIG);
    let first = bench.ask(FREE);
    assert_eq!(bench.answer(1, 1), None, "another was asked");
    assert_eq!(bench.answer(0, 2), None, "nobody asked that");
    assert_eq!(bench.answer(0, 1), Some(first));
    assert_eq!(bench.answer(0, 1), None, "twice");
    assert_eq!(bench.pool.counts().stray, 3);
}

#[test]
fn a_worker_that_answers_what_nobody_asked_is_ended_in_the_end() {
    let mut bench = Bench::new(CONFIG);
    let asked = bench.ask(FREE);
    bench.take();
    for _ in 1..STRAYS_MAX {
        assert_eq!(bench.answer(0, u64::MAX), None);
    }
    assert!(bench.take().is_empty());
    assert_eq!(bench.answer(0, u64::MAX), None);
    assert_eq!(bench.take(), [Effect::Kill(0, Cause::Strays)]);
    bench.gone(0);
    assert_eq!(bench.sent(), [(1, 2, asked.0)]);
}

#[test]
fn what_a_worker_does_not_take_is_anothers_whatever_it_is() {
    let mut bench = Bench::new(CONFIG);
    let (first, once) = (bench.ask(FREE), bench.ask(ONCE));
    assert_eq!(bench.sent(), [(0, 1, first.0), (1, 2, once.0)]);
    bench.pool.not_taken(bench.now, 1, 2, &mut bench.out);
    assert_eq!(bench.take()[..1], [Effect::End(1)], "it has nothing else");
    assert_eq!(bench.pool.in_flight(), 2, "and the first has both");
    assert_eq!((bench.answer(0, 1), bench.answer(0, 3)), (Some(first), Some(once)));
    bench.gone(1);
    assert_eq!(bench.pool.counts().deaths, 0, "nobody is to blame");
}

#[test]
fn a_worker_that_holds_what_nobody_waits_for_is_ended_too() {
    let mut bench = Bench::new(PoolConfig { instances: 1, in_flight_max: 1, ..CONFIG });
    let first = bench.ask(FREE);
    bench.take();
    bench.at(1_000);
    bench.pool.withdraw(bench.now, first, &mut bench.out);
    bench.at(10_999);
    assert!(bench.take().is_empty());
    bench.at(11_000);
    assert_eq!(bench.take(), [Effect::Kill(0, Cause::Stuck)]);
}

#[test]
fn a_key_has_one_home_and_waits_for_it() {
    let mut bench = Bench::new(PoolConfig { instances: 4, ..CONFIG });
    let keyed = |key| Ask { key: Some(key), ..FREE };
    let homes: Vec<usize> = (0..32).map(|key| home(&bench.pool.instances, key).unwrap()).collect();
    assert!((0..4).all(|instance| homes.contains(&instance)), "{homes:?}");
    for _ in 0..3 {
        bench.ask(keyed(5));
    }
    let sent = bench.sent();
    assert_eq!(sent.iter().map(|it| it.0).collect::<Vec<_>>(), [homes[5]; 2], "the third waits");
    bench.gone(homes[5]);
    let moved = (0..32).filter(|key| homes[*key as usize] != home(&bench.pool.instances, *key).unwrap());
    assert!(moved.into_iter().all(|key| homes[key as usize] == homes[5]), "nobody else's key moves");
    assert!(bench.sent().iter().all(|it| it.0 != homes[5]));
}

#[test]
fn what_may_be_repeated_is_and_what_may_not_is_told() {
    let mut bench = Bench::new(CONFIG);
    let (again, once) = (bench.ask(FREE), bench.ask(ONCE));
    bench.take();
    bench.gone(1);
    assert_eq!(bench.take(), [Effect::Settle(once, NotDone::WorkerDied)]);
    bench.gone(0);
    assert!(bench.take().is_empty(), "nobody is up");
    bench.at(200);
    assert_eq!(bench.take().len(), 2, "both are started again");
    bench.hello(1);
    assert_eq!(bench.sent(), [(1, 3, again.0)]);
}

#[test]
fn a_suspect_is_tried_alone_and_set_aside_after_three() {
    let mut bench = Bench::new(PoolConfig { in_flight_max: 4, ..CONFIG });
    let poison = bench.ask(FREE);
    let innocent = bench.ask(FREE);
    let (third, fourth) = (bench.ask(FREE), bench.ask(FREE));
    assert_eq!(bench.sent(), [(0, 1, 1), (1, 2, 2), (0, 3, 3), (1, 4, 4)]);
    bench.gone(0);
    assert!(bench.sent().is_empty(), "worker 1 is to be alone with it, and has others");
    let fifth = bench.ask(FREE);
    assert!(bench.sent().is_empty(), "and gets nothing more meanwhile");
    assert_eq!((bench.answer(1, 2), bench.answer(1, 4)), (Some(innocent), Some(fourth)));
    assert_eq!(bench.sent(), [(1, 5, poison.0)]);
    bench.gone(1);
    bench.at(400);
    bench.take();
    bench.hello(0);
    assert_eq!(bench.sent(), [(0, 6, poison.0)]);
    bench.hello(1);
    // The first worker is kept for the poison; half of two may be kept, so the other suspect waits.
    assert_eq!(bench.sent(), [(1, 7, fifth.0)]);
    bench.gone(0);
    let out = bench.take();
    assert_eq!(out, [Effect::DeadLetter(poison, 3), Effect::Settle(poison, NotDone::SetAside)]);
    assert_eq!(bench.answer(1, 7), Some(fifth));
    assert_eq!(bench.sent(), [(1, 8, third.0)]);
    assert_eq!(bench.answer(1, 8), Some(third));
    assert_eq!((bench.pool.counts().deaths, bench.pool.counts().set_aside), (3, 1));
}

#[test]
fn after_its_time_a_request_is_late_and_its_place_stays_taken() {
    let mut bench = Bench::new(PoolConfig { instances: 1, in_flight_max: 1, ..CONFIG });
    let (first, second) =
        (bench.ask(Ask { within: Some(Duration::from_millis(50)), ..FREE }), bench.ask(FREE));
    assert_eq!(bench.sent(), [(0, 1, first.0)]);
    bench.at(60);
    assert_eq!(bench.take(), [Effect::Settle(first, NotDone::Late)]);
    assert_eq!(bench.pool.in_flight(), 1);
    assert_eq!(bench.answer(0, 1), None);
    assert_eq!((bench.pool.counts().late, bench.pool.counts().stray), (1, 0));
    assert_eq!(bench.sent(), [(0, 2, second.0)]);
    bench.at(10_000);
    assert_eq!(bench.take(), [Effect::Settle(second, NotDone::Late)]);
    bench.at(19_999);
    assert!(bench.take().is_empty());
    bench.at(20_000);
    assert_eq!(
        bench.take(),
        [Effect::Kill(0, Cause::Stuck)],
        "it has held all it may have for as long again"
    );
}

#[test]
fn pauses_double_and_a_crash_loop_is_told_once() {
    let mut bench = Bench::resting(PoolConfig { instances: 1, ..CONFIG });
    let mut pauses = Vec::new();
    for life in 0..10 {
        bench.at(bench.pool.next_timeout().unwrap().as_millis() + 1);
        assert_eq!(bench.take(), [Effect::Start(0)]);
        bench.gone(0);
        let told = bench.take().contains(&Effect::Looping(0));
        assert_eq!(told, life == 4, "after life {life}");
        pauses.push(bench.pool.next_timeout().unwrap() - bench.now);
    }
    let bases = (0..10).map(|doublings| (PAUSE_MIN * (1 << doublings)).min(PAUSE_MAX));
    for (pause, base) in pauses.iter().zip(bases) {
        assert!((base..base.mul_f64(1.5)).contains(pause), "{pauses:?}");
    }
    assert_eq!(bench.pool.looping(), 1);
    bench.at(bench.pool.next_timeout().unwrap().as_millis() + 1);
    bench.hello(0);
    bench.at(bench.now.as_millis() + 999);
    assert_eq!(bench.pool.looping(), 1);
    bench.at(bench.now.as_millis() + 2);
    assert_eq!(bench.pool.looping(), 0, "a second is enough");
    bench.gone(0);
    assert!(bench.pool.next_timeout().unwrap() - bench.now < PAUSE_MIN.mul_f64(1.5));
}

#[test]
fn a_start_that_says_nothing_is_ended() {
    let mut bench = Bench::resting(PoolConfig { instances: 1, ..CONFIG });
    bench.at(9_999);
    assert_eq!(bench.take(), [Effect::Start(0)]);
    bench.at(10_000);
    assert_eq!(bench.take(), [Effect::Kill(0, Cause::NoHello)]);
    bench.hello(0);
    assert_eq!(bench.pool.up(), 0, "too late");
}

#[test]
fn a_reload_renews_one_after_the_other_and_loses_nothing() {
    let mut bench = Bench::new(CONFIG);
    let first = bench.ask(FREE);
    assert_eq!(bench.sent(), [(0, 1, first.0)]);
    bench.pool.reload(bench.now, &mut bench.out);
    assert!(bench.take().is_empty(), "it answers first");
    let second = bench.ask(FREE);
    assert_eq!(bench.sent(), [(1, 2, second.0)]);
    assert_eq!(bench.answer(0, 1), Some(first));
    assert_eq!(bench.take(), [Effect::End(0)]);
    bench.at(4_999);
    assert!(bench.take().is_empty());
    bench.at(5_000);
    assert_eq!(bench.take(), [Effect::Kill(0, Cause::Stays)]);
    bench.gone(0);
    assert_eq!(bench.take(), [Effect::Start(0)], "without a pause");
    assert_eq!(bench.answer(1, 2), Some(second));
    assert!(bench.take().is_empty(), "the next waits until that one is up");
    bench.hello(0);
    assert_eq!(bench.take(), [Effect::End(1)]);
    bench.gone(1);
    bench.hello(1);
    assert_eq!((bench.pool.counts().reloads, bench.pool.counts().deaths), (2, 0));
    assert_eq!((bench.pool.renewing, bench.pool.to_renew.len()), (None, 0));
}

#[test]
fn a_version_that_does_not_come_up_stops_the_reload() {
    let mut bench = Bench::new(CONFIG);
    bench.pool.reload(bench.now, &mut bench.out);
    bench.gone(0);
    bench.take();
    for _ in 0..20 {
        bench.gone(0);
        bench.at(bench.now.as_millis() + 15_000);
    }
    assert!(!bench.take().contains(&Effect::End(1)));
    assert_eq!((bench.pool.up(), bench.pool.looping()), (1, 1));
}

#[test]
fn drained_it_answers_what_it_has_and_ends() {
    let mut bench = Bench::new(PoolConfig { instances: 1, in_flight_max: 1, ..CONFIG });
    let (first, second) = (bench.ask(FREE), bench.ask(FREE));
    bench.take();
    bench.pool.drain(bench.now, &mut bench.out);
    let third = bench.ask(FREE);
    assert_eq!(bench.take(), [Effect::Settle(third, NotDone::NoWorker)]);
    assert_eq!(bench.answer(0, 1), Some(first));
    assert_eq!(bench.sent(), [(0, 2, second.0)]);
    assert_eq!(bench.answer(0, 2), Some(second));
    assert_eq!(bench.take(), [Effect::End(0)]);
    assert!(!bench.pool.is_over());
    bench.gone(0);
    assert!(bench.pool.is_over() && bench.take().is_empty());
}

#[test]
fn who_leaves_answers_what_it_has_and_comes_back_after_a_pause() {
    let mut bench = Bench::new(PoolConfig { instances: 1, ..CONFIG });
    let first = bench.ask(FREE);
    bench.at(2_000);
    bench.take();
    bench.pool.leaving(bench.now, 0, &mut bench.out);
    let second = bench.ask(FREE);
    assert!(bench.take().is_empty());
    assert_eq!(bench.answer(0, 1), Some(first));
    assert_eq!(bench.take(), [Effect::End(0)]);
    bench.gone(0);
    assert!(bench.take().is_empty(), "not at once");
    bench.at(2_150);
    assert_eq!(bench.take(), [Effect::Start(0)]);
    bench.hello(0);
    assert_eq!(bench.sent(), [(0, 2, second.0)]);
    assert_eq!((bench.pool.counts().deaths, bench.pool.counts().reloads), (0, 0));
}

#[test]
fn a_host_that_is_not_reached_has_not_died_and_is_told_of_once() {
    let mut bench = Bench::resting(PoolConfig { instances: 1, is_remote: true, ..CONFIG });
    let mut told = 0;
    for _ in 0..8 {
        bench.at(bench.pool.next_timeout().unwrap().as_millis() + 1);
        bench.gone(0);
        told += usize::from(bench.take().contains(&Effect::Looping(0)));
    }
    assert_eq!((bench.pool.counts().deaths, told), (0, 1));
    bench.at(bench.pool.next_timeout().unwrap().as_millis() + 1);
    bench.hello(0);
    bench.gone(0);
    assert_eq!(bench.pool.counts().deaths, 1);
}

#[test]
fn stopped_it_says_of_what_is_begun_that_nobody_knows() {
    let mut bench = Bench::new(PoolConfig { instances: 1, ..CONFIG });
    let (once, again, waits) = (bench.ask(ONCE), bench.ask(FREE), bench.ask(ONCE));
    assert_eq!(bench.sent().len(), 2);
    bench.pool.stop(bench.now, &mut bench.out);
    let settled = [(once, NotDone::WorkerDied), (again, NotDone::NoWorker), (waits, NotDone::NoWorker)];
    let settled = settled.map(|(request, why)| Effect::Settle(request, why));
    assert_eq!(bench.take(), [settled.as_slice(), &[Effect::End(0)]].concat());
}

/// It was kept by the one that did not take it and by the next, which then waited for ever.
#[test]
fn a_suspect_that_is_not_taken_is_kept_by_one_other() {
    let mut bench = Bench::new(PoolConfig { in_flight_max: 1, ..CONFIG });
    let (suspect, other) = (bench.ask(FREE), bench.ask(FREE));
    assert_eq!(bench.sent(), [(0, 1, suspect.0), (1, 2, other.0)]);
    bench.gone(0);
    bench.at(200);
    bench.hello(0);
    bench.take();
    assert_eq!(bench.answer(1, 2), Some(other));
    let at = bench.pool.instances.iter().position(|it| it.kept_for == Some(suspect)).unwrap();
    let third = bench.ask(FREE);
    let sent = bench.sent();
    assert_eq!(sent, [(at, 3, suspect.0), (1 - at, 4, third.0)]);
    bench.pool.not_taken(bench.now, at, 3, &mut bench.out);
    bench.gone(at);
    assert_eq!(bench.answer(1 - at, 4), Some(third));
    assert_eq!(bench.sent(), [(1 - at, 5, suspect.0)], "alone");
    assert_eq!(bench.answer(1 - at, 5), Some(suspect));
    let last = bench.ask(FREE);
    assert_eq!(bench.sent(), [(1 - at, 6, last.0)]);
}

/// What the model knows of a request.
#[derive(Debug, Default)]
struct Known {
    is_repeatable: bool,
    given: u32,
    settled: u32,
    withdrawn: bool,
    deaths: u8,
}

/// What the model knows of a worker.
#[derive(Debug, Default)]
struct Life {
    runs: bool,
    is_up: bool,
    is_ending: bool,
    has: Vec<(u64, RequestId)>,
}

struct Model {
    bench: Bench,
    config: PoolConfig,
    requests: BTreeMap<RequestId, Known>,
    lives: Vec<Life>,
    numbers: BTreeSet<u64>,
    rng: SmallRng,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let config = PoolConfig {
            instances: rng.random_range(1..5),
            in_flight_max: rng.random_range(1..5),
            queue_max: rng.random_range(1..20),
            deadline: Duration::from_millis(rng.random_range(50..5_000)),
            is_remote: rng.random_bool(0.5),
            seed,
        };
        let lives = (0..config.instances).map(|_| Life::default()).collect();
        let (requests, numbers) = (BTreeMap::new(), BTreeSet::new());
        Self { bench: Bench::resting(config), config, requests, lives, numbers, rng }
    }

    /// Does as the pool says, and judges it.
    fn obey(&mut self) {
        for effect in self.bench.take() {
            match effect {
                Effect::Start(at) => {
                    assert!(!self.lives[at].runs, "started twice");
                    self.lives[at] = Life { runs: true, ..Life::default() };
                }
                Effect::End(at) | Effect::Kill(at, _) => {
                    assert!(self.lives[at].runs);
                    self.lives[at].is_ending = true;
                }
                Effect::Send { instance, number, request, left } => {
                    let life = &mut self.lives[instance];
                    assert!(life.is_up && !life.is_ending);
                    assert!(self.numbers.insert(number), "a number is given once");
                    let known = self.requests.get_mut(&request).expect("it was asked");
                    known.given += 1;
                    assert!(known.settled == 0 && !known.withdrawn && !left.is_zero());
                    assert!(known.is_repeatable || known.given == 1, "given twice");
                    assert!(known.deaths == 0 || life.has.is_empty(), "a suspect is alone");
                    let others = life.has.iter().filter_map(|(_, other)| self.requests.get(other));
                    assert!(others.clone().all(|other| other.deaths == 0), "and stays so");
                    life.has.push((number, request));
                    assert!(life.has.len() <= self.config.in_flight_max);
                }
                Effect::Settle(request, why) => self.settle(request, &why),
                Effect::DeadLetter(request, strikes) => {
                    assert_eq!((strikes, self.requests[&request].deaths), (STRIKES_MAX, STRIKES_MAX));
                }
                Effect::Looping(_) => {}
            }
        }
        self.look();
    }

    /// Who waits, and who is kept for whom, is said alike on both sides.
    fn look(&self) {
        let pool = &self.bench.pool;
        for (at, it) in pool.instances.iter().enumerate() {
            let Some(suspect) = it.kept_for else { continue };
            let is_there = |request: &Request| match request.at {
                At::Kept(instance) | At::InFlight { instance, .. } => instance == at,
                At::Waiting => false,
            };
            let owes = !it.flights.is_empty();
            assert!(pool.requests.get(&suspect).map_or(owes, is_there), "{at} is kept for nobody: {pool:#?}");
        }
        for (id, request) in &pool.requests {
            if let At::Kept(at) = request.at {
                assert_eq!(pool.instances[at].kept_for, Some(*id));
            }
        }
    }

    fn settle(&mut self, request: RequestId, why: &NotDone) {
        let known = self.requests.entry(request).or_default();
        known.settled += 1;
        assert!(!known.withdrawn, "nobody waits");
        assert_eq!(known.settled, 1, "{request:?} is settled twice, now as {why:?}");
        match why {
            NotDone::SetAside => assert_eq!(known.deaths, STRIKES_MAX),
            NotDone::WorkerDied => assert!(!known.is_repeatable && known.given == 1),
            NotDone::Full => assert_eq!(known.given, 0),
            _ => {}
        }
    }

    fn ask(&mut self) {
        let key = self.rng.random_bool(0.5).then(|| self.rng.random_range(0..6));
        let is_repeatable = self.rng.random_bool(0.7);
        let within = self.rng.random_bool(0.3).then(|| Duration::from_millis(self.rng.random_range(1..500)));
        let next = RequestId(self.bench.pool.asked + 1);
        self.requests.insert(next, Known { is_repeatable, ..Known::default() });
        assert_eq!(self.bench.ask(Ask { key, is_repeatable, within }), next);
    }

    fn answer(&mut self, at: usize) {
        let life = &mut self.lives[at];
        if !life.is_up || life.has.is_empty() {
            return;
        }
        let (number, request) = life.has.swap_remove(self.rng.random_range(0..life.has.len()));
        let known = self.requests.get_mut(&request).unwrap();
        let is_awaited = known.settled == 0 && !known.withdrawn;
        known.settled += u32::from(is_awaited);
        assert_eq!(self.bench.answer(at, number), is_awaited.then_some(request));
    }

    /// As a host that is being emptied.
    fn does_not_take(&mut self, at: usize) {
        let life = &mut self.lives[at];
        if !life.is_up || life.has.is_empty() {
            return;
        }
        let (number, request) = life.has.swap_remove(0);
        self.requests.get_mut(&request).unwrap().given -= 1;
        self.bench.pool.not_taken(self.bench.now, at, number, &mut self.bench.out);
    }

    fn leaves(&mut self, at: usize) {
        if self.lives[at].is_up {
            self.bench.pool.leaving(self.bench.now, at, &mut self.bench.out);
        }
    }

    fn gone(&mut self, at: usize) {
        let life = std::mem::take(&mut self.lives[at]);
        if !life.runs {
            return;
        }
        for (_, request) in life.has {
            self.requests.get_mut(&request).unwrap().deaths += 1;
        }
        self.bench.gone(at);
    }

    fn step(&mut self) {
        let at = self.rng.random_range(0..self.config.instances);
        match self.rng.random_range(0..100_u64) {
            0..30 => self.ask(),
            30..60 => self.answer(at),
            60..75 => self.hello(at),
            75..80 => self.gone(at),
            80..82 => assert_eq!(self.bench.answer(at, u64::MAX), None),
            82..84 => self.bench.pool.reload(self.bench.now, &mut self.bench.out),
            84..87 => self.withdraw(),
            87 if self.rng.random() => self.does_not_take(at),
            87 => self.leaves(at),
            span => self.pass((span - 88) * 25),
        }
        self.obey();
    }

    fn hello(&mut self, at: usize) {
        let life = &mut self.lives[at];
        if life.runs && !life.is_ending && !life.is_up {
            life.is_up = true;
            self.bench.hello(at);
        }
    }

    fn withdraw(&mut self) {
        let open = self.requests.iter().find(|(_, known)| known.settled == 0 && !known.withdrawn);
        let Some(request) = open.map(|(request, _)| *request) else { return };
        self.requests.get_mut(&request).unwrap().withdrawn = true;
        self.bench.pool.withdraw(self.bench.now, request, &mut self.bench.out);
    }

    /// Time passes, in steps in which the model keeps up.
    fn pass(&mut self, millis: u64) {
        let end = self.bench.now.as_millis() + millis;
        while let Some(next) = self.bench.pool.next_timeout()
            && next <= Time::from_millis(end)
        {
            self.bench.now = self.bench.now.max(next);
            self.bench.pool.timeout(self.bench.now, &mut self.bench.out);
            self.obey();
        }
        self.bench.now = Time::from_millis(end);
    }

    fn finish(mut self) -> Counts {
        self.bench.pool.drain(self.bench.now, &mut self.bench.out);
        self.obey();
        for _ in 0..10_000 {
            if self.bench.pool.is_over() {
                break;
            }
            for at in 0..self.config.instances {
                self.hello(at);
                self.obey();
                self.answer(at);
                self.obey();
                if self.lives[at].is_ending {
                    self.gone(at);
                    self.obey();
                }
            }
            self.pass(100);
        }
        let pool = &self.bench.pool;
        assert!(pool.is_over(), "{pool:#?}");
        assert_eq!((pool.waiting(), pool.requests.len(), pool.deadlines.len()), (0, 0, 0));
        for (request, known) in &self.requests {
            assert_eq!(known.settled == 1, !known.withdrawn, "{request:?}: {known:?}");
        }
        *pool.counts()
    }
}

#[test]
fn whatever_happens_each_request_is_settled_once() {
    let mut sum = Counts::default();
    for seed in 0..400 {
        eprintln!("seed {seed}");
        let mut model = Model::new(seed);
        (0..600).for_each(|_| model.step());
        let counts = model.finish();
        sum.retried += counts.retried;
        sum.late += counts.late;
        sum.set_aside += counts.set_aside;
        sum.reloads += counts.reloads;
    }
    // What the seeds are for did happen.
    assert!(sum.retried > 100 && sum.late > 100 && sum.set_aside > 10 && sum.reloads > 100, "{sum:?}");
}
