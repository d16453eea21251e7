//! What waits to be sent to one socket.
//!
//! The first payload has its place in the queue itself, so that one message at a time, which is nearly all of them,
//! needs no list. Memory for a list is lent to a queue by `context.rs` while it needs one.
//!
//! Invariants: no payload is empty but `first`, and that one only when nothing waits; `bytes` is their sum; after the
//! socket refused, no payload holds a receive buffer.
//! Limit: `send_queue_bytes_max` of `weight_bytes`, which `core.rs` keeps.
//! Read next: `payload.rs`; `sys/uring/send.rs`, which takes from it.

use std::collections::VecDeque;

use crate::payload::Payload;
use crate::pool::Stock;

/// What a queued part costs beside its bytes, counted against the wall so that many tiny parts reach it too.
const PART_OVERHEAD_BYTES: usize = 64;

/// Payloads from the front; the first has its place here.
#[derive(Default)]
pub(crate) struct SendQueue {
    first: Payload,
    bytes: usize,
    rest: VecDeque<Payload>,
}

impl SendQueue {
    /// From the front.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Payload> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The only payload, if there is just one.
    #[inline]
    pub(crate) fn single(&self) -> Option<&Payload> {
        self.rest.is_empty().then_some(&self.first)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// What the queue holds in memory, roughly.
    #[inline]
    pub(crate) fn weight_bytes(&self) -> usize {
        self.bytes + self.rest.len() * PART_OVERHEAD_BYTES
    }

    /// The first payload of an empty queue.
    #[inline]
    pub(crate) fn begin(&mut self, payload: Payload) {
        debug_assert!(self.is_empty());
        self.bytes = payload.len();
        // An empty payload owns nothing: there is nothing to drop.
        std::mem::forget(std::mem::replace(&mut self.first, payload));
    }

    /// Behind what waits already.
    pub(crate) fn push(&mut self, payload: Payload) {
        if self.is_empty() {
            self.begin(payload);
        } else {
            self.bytes += payload.len();
            self.rest.push_back(payload);
        }
    }

    /// Takes the only payload out, unless there are several.
    #[inline]
    pub(crate) fn take_single(&mut self) -> Option<Payload> {
        if !self.rest.is_empty() {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.first))
    }

    /// Takes the first payload out, but not more than so many bytes: of a larger one only its beginning.
    pub(crate) fn pop_at_most(&mut self, bytes: usize) -> Option<Payload> {
        let payload = if self.first.len() <= bytes {
            let second = self.rest.pop_front().unwrap_or_default();
            std::mem::replace(&mut self.first, second)
        } else {
            self.first.split_to(bytes)
        };
        self.bytes -= payload.len();
        (!payload.is_empty()).then_some(payload)
    }

    /// The opposite of popping.
    pub(crate) fn put_back(&mut self, payload: Payload) {
        let is_behind = !self.is_empty();
        self.bytes += payload.len();
        let second = std::mem::replace(&mut self.first, payload);
        if is_behind {
            self.rest.push_front(second);
        }
    }

    /// Forgets the first bytes: they are sent.
    #[inline(always)]
    #[allow(clippy::inline_always)] // Once a message.
    pub(crate) fn advance(&mut self, bytes: usize, stock: &mut Stock) {
        debug_assert!(bytes <= self.bytes);
        if bytes != self.bytes || !self.rest.is_empty() {
            return self.advance_among(bytes, stock);
        }
        self.bytes = 0;
        match self.first.spend(stock) {
            Some(buffer) => stock.put(buffer),
            None => self.first = Payload::default(),
        }
    }

    fn advance_among(&mut self, mut bytes: usize, stock: &mut Stock) {
        while bytes > 0
            && let Some(mut payload) = self.pop_at_most(bytes)
        {
            bytes -= payload.len();
            payload.spend(stock).into_iter().for_each(|buffer| stock.put(buffer));
        }
    }

    /// The socket refused: what waits may wait long, and must hold no receive buffer meanwhile.
    pub(crate) fn detach(&mut self) {
        std::iter::once(&mut self.first).chain(&mut self.rest).for_each(Payload::detach);
    }

    /// Whether it has memory for further payloads.
    #[inline]
    pub(crate) fn has_list(&self) -> bool {
        self.rest.capacity() > 0
    }

    /// Whether it has such memory and does not need it now.
    #[inline]
    pub(crate) fn has_empty_list(&self) -> bool {
        self.has_list() && self.rest.is_empty()
    }

    /// Gives it memory for further payloads.
    pub(crate) fn lend_list(&mut self, list: VecDeque<Payload>) {
        debug_assert!(!self.has_list() && list.is_empty());
        self.rest = list;
    }

    /// Takes that memory, with what may still be in it.
    pub(crate) fn take_list(&mut self) -> VecDeque<Payload> {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::command::Signal;
    use crate::pool::Pool;
    use crate::sys::Waker;

    fn stock() -> Stock {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        Stock::new(Pool::new(1, 1, Arc::new(Signal::new(Waker::Mio(waker)))))
    }

    fn three_parts() -> SendQueue {
        let mut queue = SendQueue::default();
        for part in [&b"ab"[..], b"c", b"def"] {
            queue.push(Bytes::from_static(part).into());
        }
        queue
    }

    fn queued(queue: &SendQueue) -> (Vec<u8>, usize) {
        (queue.parts().flat_map(|part| part.iter().copied()).collect(), queue.bytes())
    }

    #[test]
    fn a_queue_advances_at_every_byte() {
        for cut in 0..=6 {
            let mut queue = three_parts();
            queue.advance(cut, &mut stock());
            assert_eq!(queued(&queue), (b"abcdef"[cut..].to_vec(), 6 - cut));
        }
    }

    #[test]
    fn what_is_put_back_comes_first_again() {
        let mut queue = three_parts();
        let taken = [queue.pop_at_most(9).unwrap(), queue.pop_at_most(9).unwrap()];
        assert_eq!((queue.bytes(), queue.is_empty()), (3, false));
        for payload in taken.into_iter().rev() {
            queue.put_back(payload);
        }
        assert_eq!(queued(&queue), (b"abcdef".to_vec(), 6));
    }
}
