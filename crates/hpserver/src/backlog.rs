//! What waits for a connection whose socket refused bytes.
//!
//! It exists so that the two policies for slow consumers are one list: what must arrive waits in order; of what is
//! only worth its latest value (quotes, positions), a newer packet takes the place of the one that waits under the
//! same key.
//!
//! Invariants: what leaves is a subsequence of what was sent, in the order it was sent: a newer packet goes to the
//! end, the older is struck out. No part pins more memory than its own bytes, or bytes that others share too.
//! Limits: whoever owns it closes the connection over `high_water_bytes`; struck-out parts never outnumber the
//! others by more than `DEAD_MIN`.
//! Read next: `send`.

use std::collections::VecDeque;

use bytes::Bytes;
use usher_steady::SteadyMap;

/// So many struck-out parts are not worth a sweep.
const DEAD_MIN: usize = 16;
/// What a part weighs beside its bytes; layer 1 counts the same.
const PART_OVERHEAD_BYTES: usize = 64;

#[derive(Default)]
pub(crate) struct Backlog {
    parts: VecDeque<Part>,
    /// Parts that have left.
    left: usize,
    /// Where the packet of a key waits, in all parts there ever were.
    keys: SteadyMap<u64, usize>,
    bytes: usize,
    dead: usize,
}

struct Part {
    /// Empty: struck out.
    bytes: Bytes,
    key: Option<u64>,
}

impl Backlog {
    /// Adds whole frames; true: they took the place of older ones under the same key.
    pub(crate) fn push(&mut self, bytes: Bytes, key: Option<u64>) -> bool {
        let older = key.and_then(|key| self.keys.insert(key, self.left + self.parts.len()));
        self.bytes += bytes.len() + PART_OVERHEAD_BYTES;
        self.parts.push_back(Part { bytes, key });
        if let Some(older) = older {
            let older = &mut self.parts[older - self.left];
            self.bytes -= std::mem::take(&mut older.bytes).len() + PART_OVERHEAD_BYTES;
            self.dead += 1;
            self.sweep();
        }
        older.is_some()
    }

    /// What waits, in bytes, each part with its overhead.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What waits longest.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        loop {
            let Part { bytes, key } = self.parts.pop_front()?;
            self.left += 1;
            if bytes.is_empty() {
                self.dead -= 1;
                continue;
            }
            if let Some(key) = key {
                self.keys.remove(&key);
            }
            self.bytes -= bytes.len() + PART_OVERHEAD_BYTES;
            return Some(bytes);
        }
    }

    /// Everything, in order.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = Bytes> {
        self.parts.into_iter().map(|part| part.bytes).filter(|bytes| !bytes.is_empty())
    }

    fn sweep(&mut self) {
        if self.dead <= self.parts.len() / 2 + DEAD_MIN {
            return;
        }
        self.parts.retain(|part| !part.bytes.is_empty());
        (self.dead, self.left) = (0, 0);
        let keyed = self.parts.iter().enumerate().filter_map(|(at, part)| Some((part.key?, at)));
        self.keys.clear();
        for (key, at) in keyed {
            self.keys.insert(key, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn left(backlog: Backlog) -> String {
        backlog.into_parts().flat_map(|bytes| String::from_utf8(bytes.to_vec())).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_latest_of_a_key_goes_to_the_end_and_nothing_else_is_lost() {
        let mut backlog = Backlog::default();
        let pushes = [
            ("a1", Some(1), false),
            ("x", None, false),
            ("b1", Some(2), false),
            ("a2", Some(1), true),
            ("y", None, false),
            ("b2", Some(2), true),
            ("a3", Some(1), true),
        ];
        for (text, key, conflated) in pushes {
            assert_eq!(backlog.push(part(text), key), conflated, "{text}");
        }
        assert_eq!(backlog.bytes(), 6 + 4 * PART_OVERHEAD_BYTES);
        assert_eq!(left(backlog), "x y b2 a3");
    }

    #[test]
    fn what_is_popped_is_in_order_and_a_key_that_left_strikes_nothing_out() {
        let mut backlog = Backlog::default();
        backlog.push(part("a1"), Some(1));
        backlog.push(part("b1"), Some(2));
        backlog.push(part("x"), None);
        backlog.push(part("a2"), Some(1));
        assert_eq!(backlog.pop(), Some(part("b1")), "a1 was struck out");
        assert!(!backlog.push(part("b2"), Some(2)), "the older one has left");
        assert!(backlog.push(part("a3"), Some(1)));
        assert_eq!(backlog.bytes(), 5 + 3 * PART_OVERHEAD_BYTES);
        assert_eq!(left(backlog), "x b2 a3");
    }

    #[test]
    fn a_million_quotes_of_few_keys_stay_few() {
        let mut backlog = Backlog::default();
        backlog.push(part("instruction"), None);
        for round in 0..100_000 {
            backlog.push(part(&format!("{:06}", round / 10)), Some(round % 10));
            assert!(backlog.parts.len() <= 2 * (11 + DEAD_MIN), "{}", backlog.parts.len());
        }
        assert_eq!(backlog.bytes(), "instruction".len() + 10 * 6 + 11 * PART_OVERHEAD_BYTES);
        assert_eq!(left(backlog), format!("instruction{}", " 009999".repeat(10)));
    }
}
