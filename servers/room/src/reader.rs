//! Who reads the scores: a thread of its own, so that nobody's play waits for a disk.
//!
//! Owns: the thread and its queue. Does not own where scores are kept (`usher_store::hands`), nor whose are asked for
//! (`usher_logic::room`).
//! Invariants: questions are answered in the order they came in, each once; after `close` none is.
//! Limits: as many wait as it was started for; one more is not taken.
//! Read next: `results.rs`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use usher_proto::{AccountId, GameId};
use usher_runtime::answers::Scored;

struct Ask {
    account: AccountId,
    game: GameId,
    done: Scored,
}

/// A thread that reads.
#[derive(Debug)]
pub(crate) struct Reader {
    queue: SyncSender<Box<Ask>>,
    thread: JoinHandle<()>,
    is_closing: Arc<AtomicBool>,
}

impl Reader {
    /// Starts it, with place for so many questions to wait. `read` may take its time.
    pub(crate) fn start(
        asks_max: usize,
        read: impl FnMut(AccountId, GameId) -> Option<i64> + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, asks) = sync_channel(asks_max);
        let is_closing = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&is_closing);
        let thread = Builder::new().name("scores".into()).spawn(move || answer(&asks, &closing, read))?;
        Ok(Self { queue, thread, is_closing })
    }

    /// Takes a question, and never waits; false: not taken.
    pub(crate) fn ask(&self, account: AccountId, game: GameId, done: Scored) -> bool {
        self.queue.try_send(Box::new(Ask { account, game, done })).is_ok()
    }

    /// Waits for what is read just now, and for nothing else.
    pub(crate) fn close(self) {
        self.is_closing.store(true, Ordering::Relaxed);
        drop(self.queue);
        let _ = self.thread.join(); // its panic has been printed
    }
}

fn answer(
    asks: &Receiver<Box<Ask>>,
    is_closing: &AtomicBool,
    mut read: impl FnMut(AccountId, GameId) -> Option<i64>,
) {
    for ask in asks {
        if is_closing.load(Ordering::Relaxed) {
            return;
        }
        let Ask { account, game, done } = *ask;
        done(read(account, game));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    const GAME: GameId = GameId(1);
    const DEADLINE: Duration = Duration::from_secs(60);

    /// A reader whose disk answers when it is told a score to answer with, and says whom it reads.
    fn slow(asks_max: usize) -> (Reader, impl Fn(i64), Receiver<AccountId>) {
        let (disk, scores) = channel();
        let (began, reads) = channel();
        let read = move |account, _| {
            began.send(account).unwrap();
            scores.recv_timeout(DEADLINE).ok()
        };
        (Reader::start(asks_max, read).unwrap(), move |score| disk.send(score).unwrap(), reads)
    }

    #[test]
    fn a_slow_disk_holds_up_nobody_who_asks_and_too_many_are_not_taken() {
        let (reader, disk, reads) = slow(2);
        let (told, answers) = channel();
        let ask = |account| {
            let told = told.clone();
            let done = Box::new(move |score| told.send((account, score)).unwrap());
            reader.ask(AccountId(account), GAME, done)
        };
        assert!(ask(1));
        assert_eq!(reads.recv_timeout(DEADLINE), Ok(AccountId(1)));
        // One is read and two wait, and this thread goes on.
        assert_eq!([2, 3, 4].map(ask), [true, true, false]);
        assert!(answers.try_recv().is_err());
        [10, 20, 30].into_iter().for_each(disk);
        let answered = [(); 3].map(|()| answers.recv_timeout(DEADLINE).unwrap());
        assert_eq!(answered, [(1, Some(10)), (2, Some(20)), (3, Some(30))]);
        assert!(ask(5), "there is room again");
        reader.close();
    }

    #[test]
    fn closed_it_reads_to_the_end_what_it_had_begun_and_nothing_else() {
        let (reader, disk, reads) = slow(100);
        let (told, answers) = channel();
        for account in 1..=100 {
            let told = told.clone();
            assert!(reader.ask(AccountId(account), GAME, Box::new(move |score| told.send(score).unwrap())));
        }
        assert_eq!(reads.recv_timeout(DEADLINE), Ok(AccountId(1)));
        reader.is_closing.store(true, Ordering::Relaxed);
        disk(7);
        reader.close();
        drop(told);
        assert_eq!(answers.iter().collect::<Vec<_>>(), [Some(7)]);
    }
}
