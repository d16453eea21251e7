//! Hands that are over: a journal of them, and the scores summed from it.
//!
//! Why: what somebody won is on the disk before anybody is told, is counted once however often it is told, and can
//! be played back when it is disputed.
//! Owns: the journal ([`Journal`]), a line of it ([`line`](mod@line)), the sums beside it ([`Scores`]). Does not own the record
//! (`usher_proto::hand`), nor how it is played back (`usher replay`).
//! Invariants: the journal is the truth. The scores are made of it alone, know how far they have counted it, and are
//! made again where they are missing; a hand counts by its name, the first time it is told.
//! Limits: as many hands wait as the journal was opened for, one more is handed back; [`BATCH_MAX`] go into one write and one sync. Both files
//! grow with every hand: a disk that is full is an error of the hands that do not fit.
//! Read next: [`line`](mod@line), then [`journal`].

mod file;
pub mod journal;
pub mod line;
mod recorder;
pub mod records;
pub mod scores;
mod tally;

pub use journal::{BATCH_MAX, Counts, Full, Journal, QUEUE_MAX};
pub use line::LineError;
pub use recorder::{Done, Recorded};
pub use records::Records;
pub use scores::Scores;

#[cfg(all(test, unix))]
mod tests;
