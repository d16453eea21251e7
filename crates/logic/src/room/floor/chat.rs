//! What was said in one room: numbered, and the last of it kept for who comes back.
//!
//! Why: a client that was away must be able to tell that it missed nothing, or exactly what.
//! Owns: the room's sequence number and the log. Does not own who hears it.
//! Invariants: numbers are 1, 2, 3, ...; the log is the last of them without a hole.
//! Limits: `replay_max` chats; what is older is named as a gap.
//! Read next: [`super::room`].

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use usher_proto::message::{ChatGap, ChatSaid};
use usher_proto::{AccountId, Message};

/// The chat of one room.
#[derive(Debug)]
pub(super) struct ChatLog {
    seq: u64,
    kept: VecDeque<Arc<Message>>,
    kept_max: usize,
}

/// What somebody who enters is told of the past.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    /// The next chat sent is the one after this.
    pub(super) seq: u64,
    /// What cannot be sent any more; it ends at `seq`.
    pub(super) gap: Option<ChatGap>,
    /// What is sent at once.
    pub(super) chats: alloc::collections::vec_deque::Iter<'a, Arc<Message>>,
}

impl ChatLog {
    pub(super) fn new(kept_max: u32) -> Self {
        Self { seq: 0, kept: VecDeque::new(), kept_max: kept_max as usize }
    }

    /// The number of the last chat.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Numbers a chat and keeps it.
    pub(super) fn say(&mut self, from: AccountId, text: String) -> ChatSaid {
        self.seq += 1;
        let said = ChatSaid { seq: self.seq, from, text };
        self.kept.push_back(Arc::new(said.clone().into()));
        if self.kept.len() > self.kept_max {
            self.kept.pop_front();
        }
        said
    }

    /// The past after `last_seq`. Who names none, or one that was never said here, begins now.
    pub(super) fn since(&self, last_seq: Option<u64>) -> Replay<'_> {
        let last = last_seq.filter(|&last| last <= self.seq).unwrap_or(self.seq);
        let before_kept = self.seq - self.kept.len() as u64;
        let seq = last.max(before_kept);
        let gap = (last < seq).then_some(ChatGap { first: last + 1, last: seq });
        Replay { seq, gap, chats: self.kept.range((seq - before_kept) as usize..) }
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.kept.len() <= self.kept_max);
        let first = self.seq - self.kept.len() as u64 + 1;
        for (chat, seq) in self.kept.iter().zip(first..) {
            assert!(matches!(&**chat, Message::ChatSaid(said) if said.seq == seq), "a hole at {seq}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn seqs(replay: Replay<'_>) -> Vec<u64> {
        let seq = |chat: &Arc<Message>| match &**chat {
            Message::ChatSaid(said) => said.seq,
            other => panic!("{other:?}"),
        };
        replay.chats.map(seq).collect()
    }

    #[test]
    fn the_past_is_replayed_as_far_as_it_is_kept() {
        let mut log = ChatLog::new(3);
        for _ in 0..5 {
            log.say(AccountId(1), "x".into());
            log.check_invariants();
        }
        // last_seq, seq, gap, replayed
        let cases: [(_, _, _, &[u64]); 7] = [
            (None, 5, None, &[]),
            (Some(5), 5, None, &[]),
            (Some(4), 4, None, &[5]),
            (Some(2), 2, None, &[3, 4, 5]),
            (Some(1), 2, Some((2, 2)), &[3, 4, 5]),
            (Some(0), 2, Some((1, 2)), &[3, 4, 5]),
            (Some(6), 5, None, &[]),
        ];
        for (last_seq, seq, gap, replayed) in cases {
            let replay = log.since(last_seq);
            assert_eq!(replay.seq, seq, "{last_seq:?}");
            assert_eq!(replay.gap.map(|it| (it.first, it.last)), gap, "{last_seq:?}");
            assert_eq!(seqs(replay), replayed, "{last_seq:?}");
        }
    }

    #[test]
    fn nothing_kept_is_all_gap() {
        let mut log = ChatLog::new(0);
        assert_eq!(log.say(AccountId(1), "x".into()).seq, 1);
        let replay = log.since(Some(0));
        assert_eq!((replay.seq, replay.gap), (1, Some(ChatGap { first: 1, last: 1 })));
        assert!(seqs(replay).is_empty());
    }
}
