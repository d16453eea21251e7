//! Answers that took their time, on their way back to the shard that asked.
//!
//! Why: whoever has an answer (a disk's thread, the thread of workers' pools) has more to do than to wait for a shard whose
//! queue is full. A thread that has nothing else waits.
//! Invariants: whoever gives an answer never waits. The machine goes on without an answer that does not come.
//! Limits: [`WAITING_MAX`] answers that wait; each is offered [`TRIES_MAX`] times. What finds no place is given up, and that
//! is said.
//! Read next: [`crate::answers`].

use crate::answers::Later;
use crate::host::{Host, HostNote};
use arc_swap::ArcSwapOption;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Builder};
use std::time::Duration;
use usher_hpserver::Remote;
use usher_proto::Machine;

/// Answers that may wait for a place.
const WAITING_MAX: usize = 16_384;
/// How often one is offered to a shard whose queue is full, and how long after each time.
const TRIES_MAX: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(2);

/// Who is told; nobody before the server is up and after it has stopped.
pub(crate) type Asked<M> = ArcSwapOption<Remote<Host<M>>>;

/// An answer, and for which shard.
type Letter<M> = (usize, HostNote<<M as Machine>::Note>);

/// Starts the thread that waits; it ends with the last of those who have answers.
pub(crate) fn start<M: Machine + Send + 'static>(asked: Arc<Asked<M>>) -> io::Result<SyncSender<Letter<M>>> {
    let (late, letters) = sync_channel(WAITING_MAX);
    Builder::new().name("late".into()).spawn(move || wait(&asked, &letters))?;
    Ok(late)
}

/// How a shard is told.
pub(crate) fn later<M: Machine + Send + 'static>(
    asked: Arc<Asked<M>>,
    shard: usize,
    late: SyncSender<Letter<M>>,
) -> Later {
    Arc::new(move |id, answer| {
        let Some(remote) = asked.load_full() else { return };
        if let Err(note) = remote.tell(shard, HostNote::Answered(id, answer))
            && late.try_send((shard, note)).is_err()
        {
            give_up(shard);
        }
    })
}

fn wait<M: Machine + Send + 'static>(asked: &Asked<M>, letters: &Receiver<Letter<M>>) {
    for (shard, mut note) in letters {
        let mut tries = 0;
        while let Some(remote) = asked.load_full()
            && let Err(back) = remote.tell(shard, note)
        {
            note = back;
            tries += 1;
            if tries == TRIES_MAX {
                give_up(shard);
                break;
            }
            thread::sleep(PAUSE);
        }
    }
}

fn give_up(shard: usize) {
    tracing::warn!(shard, "an answer found no place and was given up");
}
