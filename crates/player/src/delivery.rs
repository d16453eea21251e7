//! Whether a room's chat arrived: nothing lost, doubled, out of order or altered.
//!
//! Why: "every message delivered once" is a claim until the receivers count.
//! Owns: the count of one stay, the text of a simulated chat and its check.
//! Invariants: a stay covers the numbers after `Entered.seq` up to `Left.seq` (the last one seen, where the
//! server vanished without a word); what was said openly to be missing (`ChatGap`) is not expected.
//! Limits: a stay remembers `HOLES_MAX` missing stretches, to tell a late chat from a doubled one; beyond
//! that a late one counts as doubled.
//! Read next: `play.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use usher_proto::AccountId;
use usher_proto::message::{ChatGap, ChatSaid};

/// Missing stretches remembered a stay.
const HOLES_MAX: usize = 16;

/// What came of one stay, or of many added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Chats the stay covers.
    pub expected: u64,
    /// Of those, chats received, each counted once.
    pub received: u64,
    /// Chats received again.
    pub duplicated: u64,
    /// Chats received after a later one, or outside the stay.
    pub out_of_order: u64,
    /// Chats whose text is not what their sender said.
    pub corrupted: u64,
}

impl Delivery {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.corrupted += other.corrupted;
    }

    /// Whether everything expected arrived once, in order and unaltered.
    pub fn is_whole(&self) -> bool {
        self.received == self.expected && self.duplicated + self.out_of_order + self.corrupted == 0
    }
}

/// One stay in a room, which a lost connection may interrupt.
#[derive(Debug, Default)]
pub(crate) struct Stay {
    first: u64,
    last: u64,
    excused: u64,
    holes: Vec<(u64, u64)>,
    counts: Delivery,
}

impl Stay {
    /// Begins with `Entered { seq }`.
    pub(crate) fn new(seq: u64) -> Self {
        Self { first: seq, last: seq, ..Self::default() }
    }

    /// The last number seen.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Goes on after a lost connection, the next chat being the one after `seq`.
    pub(crate) fn go_on(&mut self, seq: u64) {
        if seq > self.last {
            self.skip_to(seq + 1);
            self.last = seq;
        }
    }

    pub(crate) fn said(&mut self, said: &ChatSaid) {
        if said.seq > self.last {
            self.skip_to(said.seq);
            self.last = said.seq;
            self.counts.received += 1;
        } else if self.fill(said.seq, said.seq) == 1 {
            self.counts.received += 1;
            self.counts.out_of_order += 1;
        } else {
            self.counts.duplicated += 1;
        }
        if !is_genuine(said.from, &said.text) {
            self.counts.corrupted += 1;
        }
    }

    /// The server says openly that these are not to be had any more.
    pub(crate) fn gap(&mut self, gap: &ChatGap) {
        self.excused += self.fill(gap.first, gap.last);
        if gap.last > self.last && gap.first <= gap.last {
            let first = gap.first.max(self.last + 1);
            self.skip_to(first);
            self.excused += gap.last - first + 1;
            self.last = gap.last;
        }
    }

    /// What came of the stay; `left` is what the server says was the last chat sent.
    pub(crate) fn end(mut self, left: Option<u64>) -> Delivery {
        if let Some(left) = left {
            self.counts.out_of_order += self.last.saturating_sub(left);
            self.last = self.last.max(left);
        }
        self.counts.expected = (self.last - self.first).saturating_sub(self.excused);
        self.counts
    }

    /// Everything after the last seen and before `next` is missing, for now.
    fn skip_to(&mut self, next: u64) {
        if next > self.last + 1 && self.holes.len() < HOLES_MAX {
            self.holes.push((self.last + 1, next - 1));
        }
    }

    /// Takes `first..=last` out of what is missing; how many of them were.
    fn fill(&mut self, first: u64, last: u64) -> u64 {
        let mut filled = 0;
        for (from, to) in core::mem::take(&mut self.holes) {
            let (low, high) = (from.max(first), to.min(last));
            if low > high {
                self.holes.push((from, to));
                continue;
            }
            filled += high - low + 1;
            let rests = [(from, low.saturating_sub(1)), (high + 1, to)];
            self.holes.extend(rests.into_iter().filter(|(a, b)| a <= b));
        }
        filled
    }
}

/// What player `account` says as its `n`th chat: who, which, and a checksum over both.
pub(crate) fn text(account: AccountId, n: u32) -> String {
    format!("p{account}:{n}:{:08x}", checksum(account.0, n))
}

/// Whether the text is one that this account says.
fn is_genuine(from: AccountId, said: &str) -> bool {
    let n = said.split(':').nth(1).and_then(|n| n.parse().ok());
    n.is_some_and(|n| said == text(from, n))
}

/// FNV-1a over the numbers' bytes, folded.
fn checksum(account: u64, n: u32) -> u32 {
    let bytes = account.to_be_bytes().into_iter().chain(n.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod unit {
    use super::*;

    enum Event {
        Said(&'static [u64]),
        Gap(u64, u64),
        GoOn(u64),
    }
    use Event::{Gap, GoOn, Said};

    fn said(seq: u64) -> ChatSaid {
        ChatSaid { seq, from: AccountId(7), text: text(AccountId(7), 3) }
    }

    #[test]
    fn a_stay_counts_what_it_covers_and_what_came() {
        // events after Entered { seq: 10 }, Left.seq: expected, received, duplicated, out of order
        let table: &[(&[Event], Option<u64>, [u64; 4])] = &[
            (&[], Some(10), [0, 0, 0, 0]),
            (&[Said(&[11, 12, 13])], Some(13), [3, 3, 0, 0]),
            (&[Said(&[11, 12, 13])], None, [3, 3, 0, 0]),
            (&[Said(&[11, 13])], Some(13), [3, 2, 0, 0]),
            (&[Said(&[11, 12])], Some(14), [4, 2, 0, 0]),
            (&[Said(&[11, 11, 12])], Some(12), [2, 2, 1, 0]),
            (&[Said(&[12, 11])], Some(12), [2, 2, 0, 1]),
            (&[Said(&[12, 11, 11])], Some(12), [2, 2, 1, 1]),
            (&[Said(&[10])], Some(10), [0, 0, 1, 0]),
            (&[Said(&[11, 12])], Some(11), [2, 2, 0, 1]),
            (&[Said(&[11]), GoOn(11), Said(&[12])], Some(12), [2, 2, 0, 0]),
            (&[Said(&[11]), GoOn(11), Gap(12, 20), Said(&[21])], Some(21), [2, 2, 0, 0]),
            (&[Said(&[11]), GoOn(20), Gap(12, 20), Said(&[21])], Some(21), [2, 2, 0, 0]),
            (&[Said(&[11]), GoOn(20), Said(&[21])], Some(21), [11, 2, 0, 0]),
            (&[Said(&[11]), GoOn(11), Gap(14, 20), Said(&[21])], Some(21), [4, 2, 0, 0]),
            (&[Said(&[11, 12]), GoOn(12), Said(&[12, 13])], Some(13), [3, 3, 1, 0]),
            (&[Gap(3, 2), Gap(1, 5)], Some(10), [0, 0, 0, 0]),
        ];
        for (at, (events, left, counts)) in table.iter().enumerate() {
            let mut stay = Stay::new(10);
            for event in *events {
                match event {
                    Said(seqs) => seqs.iter().for_each(|&seq| stay.said(&said(seq))),
                    Gap(first, last) => stay.gap(&ChatGap { first: *first, last: *last }),
                    GoOn(seq) => stay.go_on(*seq),
                }
            }
            let [expected, received, duplicated, out_of_order] = *counts;
            let wanted = Delivery { expected, received, duplicated, out_of_order, corrupted: 0 };
            assert_eq!(stay.end(*left), wanted, "row {at}");
        }
    }

    #[test]
    fn a_text_is_its_senders_or_corrupted() {
        let good = text(AccountId(7), 3);
        assert!(is_genuine(AccountId(7), &good));
        assert!(!is_genuine(AccountId(8), &good));
        for bad in ["", "p7", "p7:3:", "p7:4:00000000", &good[..good.len() - 1], &(good.clone() + "0")] {
            assert!(!is_genuine(AccountId(7), bad), "{bad}");
        }
        let mut stay = Stay::new(0);
        stay.said(&ChatSaid { seq: 1, from: AccountId(8), text: good });
        assert_eq!(stay.end(Some(1)).corrupted, 1);
    }
}
