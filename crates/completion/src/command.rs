//! What other threads ask of a worker, and the bell that tells it so.
//!
//! A list under a lock, swapped out whole each turn: one short critical section a batch on either side.
//!
//! Invariant (no command is stranded): a poster appends, *then* looks whether the worker sleeps, and wakes it
//! if so; the worker says that it sleeps, *then* looks at the list once more. The list's lock orders the two: one
//! of them sees the other. So posting to a worker that is awake costs no system call.
//! Limits: `commands_max` waiting sends, then [`Refused::Busy`]; as many faults, then they are dropped; as many verbs,
//! then those that a later one or an earlier one makes needless are forgotten, which leaves at most three for each
//! connection that is named. Sockets to open and to connect have been admitted (`connections_max`); `Stop` comes once.
//! Read next: `signal.rs`, when a wake is needed; `worker.rs`, which runs the commands.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::handle::Refused;
use crate::hooks::{Fault, Origin, Verb};
use crate::id::ConnId;
use crate::load::Way;
use crate::payload::Payload;
use crate::signal::Sleep;
use crate::sys::{Socket, Waker};

/// One thing to do on a worker's thread.
pub(crate) enum Command {
    Send {
        conn: ConnId,
        payload: Payload,
    },
    Act {
        conn: ConnId,
        verb: Verb,
    },
    /// An established connection, admitted to this worker.
    Open {
        socket: Socket,
        origin: Origin,
        peer: SocketAddr,
    },
    /// A connection to establish, admitted to this worker.
    Connect {
        to: SocketAddr,
        token: u64,
    },
    /// A fault found elsewhere, to be told to the hooks here.
    Report(Fault),
    Stop,
}

impl Command {
    /// The way of the connection that was admitted for it.
    pub(crate) fn way(&self) -> Option<Way> {
        match self {
            Command::Open { origin, .. } => Some(Way::of(*origin)),
            Command::Connect { .. } => Some(Way::Out),
            Command::Send { .. } | Command::Act { .. } | Command::Report(_) | Command::Stop => None,
        }
    }
}

/// Wakes a worker out of its poll, once for many who ask.
pub(crate) struct Signal {
    waker: Waker,
    sleep: Sleep,
}

impl Signal {
    pub(crate) fn new(waker: Waker) -> Signal {
        Signal { waker, sleep: Sleep::new() }
    }

    /// A turn will begin after this call, or one that has begun has not yet called [`Signal::heard`].
    pub(crate) fn ring(&self) {
        if self.sleep.ring()
            && let Err(error) = self.waker.wake()
        {
            self.sleep.not_woken();
            tracing::error!(%error, "a worker could not be woken");
        }
    }

    /// The worker will look at its commands after this call.
    fn nudge(&self) {
        if self.sleep.is_asleep() {
            self.ring();
        }
    }

    /// A turn has begun: who rang before is served by it.
    pub(crate) fn heard(&self) {
        self.sleep.heard();
    }

    /// From now on a wake is needed; `false`: a turn was asked for, there is no sleep.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.sleep.fall_asleep()
    }
}

/// The commands waiting at one worker.
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    /// Something may be in it: the worker need not lock it to find nothing. Written under the lock.
    filled: AtomicBool,
    signal: Arc<Signal>,
    /// Sends, faults and verbs, each by itself.
    each_max: usize,
}

#[derive(Default)]
struct Waiting {
    commands: Vec<Command>,
    sends: usize,
    faults: usize,
    verbs: Verbs,
    refused_busy: u64,
    closed: bool,
}

/// How many verbs wait.
#[derive(Default)]
struct Verbs {
    count: usize,
    /// Of them, those that were there after the needless ones were forgotten.
    needed: usize,
}

impl Waiting {
    /// Counts one more verb. Needless ones are looked for when as many have come as may wait, and then not before
    /// those that stayed have doubled.
    fn count_verb(&mut self, verbs_max: usize) {
        self.verbs.count += 1;
        if self.verbs.count >= verbs_max.max(2 * self.verbs.needed) {
            self.forget_needless_verbs();
        }
    }

    /// The first of `Close` and of `Abort` and the last word about reading decide.
    fn forget_needless_verbs(&mut self) {
        let mut named = BTreeSet::new();
        let mut retain_first = |commands: &mut Vec<Command>, about_reading: bool| {
            commands.retain(|command| match command {
                Command::Act { conn, verb } if verb.is_about_reading() == about_reading => {
                    named.insert((*conn, (!about_reading).then_some(*verb)))
                }
                _ => true,
            });
        };
        retain_first(&mut self.commands, false);
        self.commands.reverse();
        retain_first(&mut self.commands, true);
        self.commands.reverse();
        self.verbs.count = named.len();
        self.verbs.needed = named.len();
    }
}

impl Inbox {
    pub(crate) fn new(each_max: usize, signal: Arc<Signal>) -> Inbox {
        Inbox { waiting: Mutex::default(), filled: AtomicBool::new(false), signal, each_max }
    }

    pub(crate) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Goes through whatever waits already. `false`: the worker has stopped; the command is dropped.
    pub(crate) fn post(&self, command: Command) -> bool {
        self.push(self.lock(), command)
    }

    /// As `post`, for what may be asked again and again.
    pub(crate) fn post_verb(&self, conn: ConnId, verb: Verb) {
        let mut waiting = self.lock();
        waiting.count_verb(self.each_max);
        self.push(waiting, Command::Act { conn, verb });
    }

    /// Told if there is room, else dropped.
    pub(crate) fn report(&self, fault: Fault) {
        let mut waiting = self.lock();
        if waiting.faults < self.each_max {
            waiting.faults += 1;
            self.push(waiting, Command::Report(fault));
        } else {
            drop(waiting);
            tracing::warn!(%fault, "too many faults wait to be told; this one is dropped");
        }
    }

    fn push(&self, mut waiting: MutexGuard<'_, Waiting>, command: Command) -> bool {
        if waiting.closed {
            return false;
        }
        waiting.commands.push(command);
        self.filled.store(true, Ordering::Release);
        drop(waiting);
        self.signal.nudge();
        true
    }

    /// All or nothing: refused once `commands_max` wait, so the limit is passed by less than one batch.
    pub(crate) fn post_sends<P: Into<Payload>>(
        &self,
        sends: impl IntoIterator<Item = (ConnId, P)>,
    ) -> Result<(), Refused> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Refused::Stopped);
        }
        if waiting.sends >= self.each_max {
            waiting.refused_busy += 1;
            return Err(Refused::Busy);
        }
        let before = waiting.commands.len();
        waiting
            .commands
            .extend(sends.into_iter().map(|(conn, payload)| Command::Send { conn, payload: payload.into() }));
        let posted = waiting.commands.len() - before;
        waiting.sends += posted;
        self.filled.store(true, Ordering::Release);
        drop(waiting);
        if posted > 0 {
            self.signal.nudge();
        }
        Ok(())
    }

    /// Whether the worker may wait in its poll: nobody asked for a turn, and no command is here.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.signal.fall_asleep() && self.lock().commands.is_empty()
    }

    /// Whether there is nothing, for the worker, without the lock. What is posted meanwhile is found before it sleeps.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.filled.load(Ordering::Acquire)
    }

    /// Takes everything, leaving the empty `into`'s memory for the next ones.
    pub(crate) fn take(&self, into: &mut Vec<Command>) {
        debug_assert!(into.is_empty());
        let mut waiting = self.lock();
        self.filled.store(false, Ordering::Release);
        (waiting.sends, waiting.faults, waiting.verbs) = (0, 0, Verbs::default());
        std::mem::swap(&mut waiting.commands, into);
    }

    /// Nothing is taken any more; what waits is handed over for cleaning up.
    pub(crate) fn close(&self) -> Vec<Command> {
        let mut waiting = self.lock();
        waiting.closed = true;
        std::mem::take(&mut waiting.commands)
    }

    pub(crate) fn refused_busy(&self) -> u64 {
        self.lock().refused_busy
    }

    /// A list of commands is whole between any two of its operations, so a poisoned lock is still sound.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn inbox(each_max: usize) -> (mio::Poll, Inbox) {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let signal = Signal::new(Waker::Mio(waker));
        (poll, Inbox::new(each_max, Arc::new(signal)))
    }

    fn send() -> (ConnId, Bytes) {
        (ConnId::new(0, 0, 1), Bytes::from_static(b"x"))
    }

    #[test]
    fn sends_are_bounded_and_other_commands_pass_them() {
        let (_poll, inbox) = inbox(2);
        assert!(inbox.post_sends([send(), send()]).is_ok());
        assert_eq!(inbox.post_sends([send()]), Err(Refused::Busy));
        assert!(inbox.post(Command::Act { conn: send().0, verb: Verb::Close }));
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 3);
        assert!(inbox.post_sends([send()]).is_ok());
        assert_eq!(inbox.refused_busy(), 1);
    }

    #[test]
    fn faults_that_nobody_hears_are_bounded() {
        let (_poll, inbox) = inbox(2);
        let fault = || Fault::Connect { token: 1, error: std::io::ErrorKind::QuotaExceeded.into() };
        (0..5).for_each(|_| inbox.report(fault()));
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 2);
        taken.clear();
        inbox.report(fault());
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 1);
    }

    /// Many more verbs than may wait, for two connections: what decides stays, in its order among the sends.
    #[test]
    fn verbs_said_again_and_again_are_bounded() {
        let (_poll, inbox) = inbox(16);
        let (one, two) = (ConnId::new(0, 1, 1), ConnId::new(0, 2, 1));
        inbox.post_sends([(one, Bytes::from_static(b"before"))]).unwrap();
        inbox.post_verb(one, Verb::Close);
        inbox.post_sends([(one, Bytes::from_static(b"too late"))]).unwrap();
        for round in 0..1000 {
            inbox.post_verb(one, Verb::Close);
            inbox.post_verb(two, Verb::PauseReading);
            inbox.post_verb(two, if round < 999 { Verb::ResumeReading } else { Verb::PauseReading });
            assert!(inbox.lock().commands.len() <= 2 + 16);
        }
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        let word = |command: &Command| match command {
            Command::Send { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
            Command::Act { conn, verb } => format!("{verb:?} {conn}"),
            _ => String::new(),
        };
        let words: Vec<String> = taken.iter().map(word).collect();
        assert_eq!(words[..3], ["before", "Close 0/1#1", "too late"]);
        assert_eq!(words.iter().rfind(|word| word.ends_with("0/2#1")).unwrap(), "PauseReading 0/2#1");
    }

    #[test]
    fn verbs_for_more_connections_than_may_wait_all_go_through() {
        let (_poll, inbox) = inbox(4);
        (0..100).for_each(|slot| inbox.post_verb(ConnId::new(0, slot, 1), Verb::Abort));
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 100);
    }

    #[test]
    fn a_closed_inbox_takes_nothing() {
        let (_poll, inbox) = inbox(2);
        assert!(inbox.post(Command::Stop));
        assert_eq!(inbox.close().len(), 1);
        assert!(!inbox.post(Command::Stop));
        assert_eq!(inbox.post_sends([send()]), Err(Refused::Stopped));
    }

    /// Posters and a worker at full speed: every command is taken although the worker, whenever it may sleep, polls
    /// without a timeout it could fall back on (the one given here only ends a failed test).
    #[test]
    fn no_command_is_stranded() {
        const POSTERS: usize = 4;
        const EACH: usize = 20_000;
        let (mut poll, inbox) = inbox(usize::MAX);
        std::thread::scope(|scope| {
            for _ in 0..POSTERS {
                scope.spawn(|| (0..EACH).for_each(|_| inbox.post_sends([send()]).unwrap()));
            }
            let (mut batch, mut taken) = (Vec::new(), 0);
            while taken < POSTERS * EACH {
                assert!(turn_comes(&mut poll, &inbox), "stranded after {taken}");
                // As a worker does: at the beginning of a turn, and again at its end.
                for _ in 0..2 {
                    inbox.take(&mut batch);
                    taken += batch.len();
                    batch.clear();
                }
            }
        });
    }

    /// As a worker waits for its turn; `false`: none came.
    fn turn_comes(poll: &mut mio::Poll, inbox: &Inbox) -> bool {
        let mut events = mio::Events::with_capacity(4);
        let sleeps = inbox.fall_asleep();
        poll.poll(&mut events, Some(Duration::from_secs(if sleeps { 20 } else { 0 }))).unwrap();
        inbox.signal().heard();
        !sleeps || !events.is_empty()
    }

    /// A desk beside the inbox, as layers above keep one: what is put there before a ring is found after it.
    #[test]
    fn no_ring_is_lost() {
        const RINGS: usize = 40_000;
        let (mut poll, inbox) = inbox(usize::MAX);
        let desk = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..RINGS {
                    desk.fetch_add(1, Ordering::Relaxed);
                    inbox.signal().ring();
                }
            });
            let mut found = 0;
            while found < RINGS {
                assert!(turn_comes(&mut poll, &inbox), "lost after {found}");
                found += desk.swap(0, Ordering::Relaxed);
            }
        });
    }

    #[test]
    fn whoever_is_awake_is_not_woken() {
        let (mut poll, inbox) = inbox(usize::MAX);
        let mut events = mio::Events::with_capacity(4);
        inbox.post_sends([send()]).unwrap();
        inbox.signal().ring();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        assert!(!inbox.fall_asleep(), "a turn is asked for");
        inbox.signal().heard();
        assert!(!inbox.fall_asleep(), "a command is here");
        inbox.post_sends([send()]).unwrap();
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "whoever sleeps is woken");
    }
}
