//! The moves of a hand, kept as bytes while it is played.
//!
//! Why: a room server keeps those of thousands of hands at once. As values, with a heap block for each action, they were a fifth
//! of its memory; as bytes a move of Gomoku takes eight.
//! Layout: [`ACT`], seat, length (`u32`, little-endian), action; or [`TIMEOUT`]; or [`ABANDON`], seat.
//! Invariant: what comes out is what was put in, in order.
//! Limit: none here; [`crate::hand`] has one.
//! Read next: [`crate::hand`].

use alloc::vec::Vec;
use usher_proto::hand::Move;

const ACT: u8 = 0;
const TIMEOUT: u8 = 1;
const ABANDON: u8 = 2;

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    bytes: Vec<u8>,
    count: usize,
}

impl Moves {
    pub(crate) fn push(&mut self, done: &Move) {
        match done {
            Move::Act { seat, action } => {
                let length = u32::try_from(action.len()).expect("invariant: an action was read from less");
                self.bytes.extend([ACT, *seat]);
                self.bytes.extend(length.to_le_bytes());
                self.bytes.extend(action);
            }
            Move::Timeout => self.bytes.push(TIMEOUT),
            Move::Abandon { seat } => self.bytes.extend([ABANDON, *seat]),
        }
        self.count += 1;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn to_vec(&self) -> Vec<Move> {
        let mut bytes = &self.bytes[..];
        core::iter::from_fn(|| take(&mut bytes)).collect()
    }
}

/// The first of them; nothing at their end.
fn take(bytes: &mut &[u8]) -> Option<Move> {
    let (done, rest) = match *bytes {
        [ACT, seat, a, b, c, d, rest @ ..] => {
            let (action, rest) = rest.split_at(u32::from_le_bytes([*a, *b, *c, *d]) as usize);
            (Move::Act { seat: *seat, action: action.to_vec() }, rest)
        }
        [TIMEOUT, rest @ ..] => (Move::Timeout, rest),
        [ABANDON, seat, rest @ ..] => (Move::Abandon { seat: *seat }, rest),
        _ => return None,
    };
    *bytes = rest;
    Some(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_comes_out_is_what_was_put_in() {
        let all = [
            Move::Act { seat: 0, action: vec![] },
            Move::Timeout,
            Move::Act { seat: u8::MAX, action: vec![TIMEOUT; 64] },
            Move::Abandon { seat: 7 },
            Move::Abandon { seat: 0 },
            Move::Act { seat: 2, action: vec![ABANDON, 1, 0] },
            Move::Act { seat: 1, action: vec![5; 70_000] },
        ];
        let mut moves = Moves::default();
        for count in 0..=all.len() {
            assert_eq!((moves.to_vec(), moves.count()), (all[..count].to_vec(), count));
            all.get(count).into_iter().for_each(|done| moves.push(done));
        }
    }
}
