//! What is said, as all hear it: the bytes of each message, and when it was due.
//!
//! All members hear the same bytes, so there is one tape, and each member has a place on it.
//!
//! - Invariant: all messages have the same size, so that a place in bytes is one in messages.
//! - Limit: it keeps what somebody has not heard yet, and at most as much again.
//!
//! Read next: `member.rs`.

use std::ops::Range;

pub(super) struct Tape {
    message_bytes: usize,
    /// How many messages are forgotten.
    first: u64,
    bytes: Vec<u8>,
    times: Vec<u64>,
}

impl Tape {
    pub(super) fn new(message_bytes: usize) -> Self {
        Self { message_bytes, first: 0, bytes: Vec::new(), times: Vec::new() }
    }

    pub(super) fn append(&mut self, message: &[u8], due: u64) {
        assert_eq!(message.len(), self.message_bytes, "all messages have the same size");
        self.bytes.extend_from_slice(message);
        self.times.push(due);
    }

    /// How many messages were ever said.
    pub(super) fn messages(&self) -> u64 {
        self.first + self.times.len() as u64
    }

    /// The place behind the last of them, in bytes.
    pub(super) fn end(&self) -> u64 {
        self.messages() * self.message_bytes as u64
    }

    /// The messages that are whole before this place.
    pub(super) fn whole(&self, place: u64) -> u64 {
        place / self.message_bytes as u64
    }

    pub(super) fn is_between_messages(&self, place: u64) -> bool {
        place.is_multiple_of(self.message_bytes as u64)
    }

    /// So many bytes from this place on, or as many as there are.
    pub(super) fn stretch(&self, place: u64, length: usize) -> &[u8] {
        let at = (place - self.first * self.message_bytes as u64) as usize;
        &self.bytes[at..self.bytes.len().min(at + length)]
    }

    /// When these messages were due.
    pub(super) fn times(&self, messages: Range<u64>) -> &[u64] {
        &self.times[(messages.start - self.first) as usize..(messages.end - self.first) as usize]
    }

    /// All have heard the messages before this one. What is kept is moved only when it is the smaller part.
    pub(super) fn forget(&mut self, before: u64) {
        let count = (before - self.first) as usize;
        if count * 2 > self.times.len() {
            self.times.drain(..count);
            self.bytes.drain(..count * self.message_bytes);
            self.first = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape() -> Tape {
        let mut tape = Tape::new(2);
        for (message, due) in [(b"aa", 10), (b"bb", 10), (b"cc", 20)] {
            tape.append(message, due);
        }
        tape
    }

    #[test]
    fn places_are_bytes_and_messages() {
        let tape = tape();
        assert_eq!((tape.messages(), tape.end()), (3, 6));
        assert_eq!([0, 1, 2, 5].map(|place| tape.whole(place)), [0, 0, 1, 2]);
        assert_eq!([0, 1, 2].map(|place| tape.is_between_messages(place)), [true, false, true]);
        assert_eq!(
            (tape.stretch(1, 3), tape.stretch(5, 9), tape.stretch(6, 9)),
            (&b"abb"[..], &b"c"[..], &b""[..])
        );
        assert_eq!(tape.times(1..3), [10, 20]);
    }

    #[test]
    fn what_all_have_heard_is_forgotten_in_time() {
        let mut tape = tape();
        tape.forget(1);
        assert_eq!(tape.stretch(0, 6), b"aabbcc");
        tape.forget(2);
        assert_eq!((tape.messages(), tape.end(), tape.bytes.len()), (3, 6, 2));
        assert_eq!((tape.stretch(4, 6), tape.times(2..3)), (&b"cc"[..], &[20][..]));
    }
}
