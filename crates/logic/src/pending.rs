//! Questions to the manager that wait for an answer, each for one connection and only so long.
//!
//! Why: an answer may never come, and the connection may be gone before it does; both must be forgotten.
//! Owns: request to connection, connection to request, what is remembered of each (`T`), and the deadlines.
//! Invariants: one question a connection; requests are numbered upwards and all wait equally long, so the
//! order of the numbers is the order of the deadlines.
//! Limits: what its owner lets in; [`Pending::len`] is there to ask.
//! Read next: [`crate::front`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use usher_proto::{ConnId, Time};
use usher_steady::SteadyMap;

/// Questions that wait, by request.
#[derive(Debug)]
pub(crate) struct Pending<T = ()> {
    timeout: Duration,
    by_request: BTreeMap<u64, (Time, ConnId, T)>,
    by_conn: SteadyMap<ConnId, u64>,
}

impl<T> Pending<T> {
    /// Nothing waits; whatever will, waits `timeout`.
    pub(crate) fn new(timeout: Duration, seed: u64) -> Self {
        let by_conn = SteadyMap::new(seed);
        Self { timeout, by_request: BTreeMap::new(), by_conn }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.by_request.len()
    }

    /// This connection waits for the answer to this request, the highest number yet.
    pub(crate) fn insert(&mut self, now: Time, request: u64, conn: ConnId, of: T) {
        self.forget(conn);
        self.by_request.insert(request, (now + self.timeout, conn, of));
        self.by_conn.insert(conn, request);
    }

    /// The answer is here: for this connection, if it still waits.
    pub(crate) fn answered(&mut self, request: u64) -> Option<(ConnId, T)> {
        let (_, conn, of) = self.by_request.remove(&request)?;
        self.by_conn.remove(&conn);
        Some((conn, of))
    }

    /// The connection is gone; whether it waited.
    pub(crate) fn forget(&mut self, conn: ConnId) -> bool {
        self.by_conn.remove(&conn).and_then(|request| self.by_request.remove(&request)).is_some()
    }

    /// One connection that has waited too long; call until there is none.
    pub(crate) fn pop_expired(&mut self, now: Time) -> Option<ConnId> {
        let (&request, &(deadline, ..)) = self.by_request.first_key_value()?;
        if deadline > now { None } else { self.answered(request).map(|(conn, _)| conn) }
    }

    /// Everybody who waits, in order of asking; nobody does any more.
    pub(crate) fn take_all(&mut self) -> Vec<ConnId> {
        self.by_conn.clear();
        core::mem::take(&mut self.by_request).into_values().map(|(_, conn, _)| conn).collect()
    }

    /// When the first one has waited too long.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.by_request.first_key_value().map(|(_, &(deadline, ..))| deadline)
    }

    /// Panics if both directions do not say the same.
    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.by_request.len(), self.by_conn.len());
        for (request, (_, conn, _)) in &self.by_request {
            assert_eq!(self.by_conn.get(conn), Some(request), "{conn:?} waits for another request");
        }
        assert!(self.by_request.values().is_sorted_by_key(|(deadline, ..)| deadline));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    fn two() -> Pending<char> {
        let mut pending = Pending::new(Duration::from_millis(10), 7);
        pending.insert(Time::from_millis(0), 1, A, 'a');
        pending.insert(Time::from_millis(5), 2, B, 'b');
        pending.check_invariants();
        pending
    }

    #[test]
    fn an_answer_finds_its_connection_once() {
        let mut pending = two();
        assert_eq!(pending.answered(2), Some((B, 'b')));
        assert_eq!(pending.answered(2), None);
        assert_eq!(pending.answered(99), None);
        assert_eq!(pending.len(), 1);
        pending.check_invariants();
    }

    #[test]
    fn deadlines_come_in_order_and_each_once() {
        let mut pending = two();
        assert_eq!(pending.next_timeout(), Some(Time::from_millis(10)));
        assert_eq!(pending.pop_expired(Time::from_millis(9)), None);
        assert_eq!(pending.pop_expired(Time::from_millis(10)), Some(A));
        assert_eq!(pending.pop_expired(Time::from_millis(10)), None);
        assert_eq!(pending.next_timeout(), Some(Time::from_millis(15)));
        assert_eq!(pending.pop_expired(Time::from_millis(99)), Some(B));
        assert_eq!(pending.next_timeout(), None);
    }

    #[test]
    fn who_is_gone_waits_no_more() {
        let mut pending = two();
        assert!(pending.forget(A));
        assert!(!pending.forget(A));
        assert_eq!(pending.answered(1), None);
        assert_eq!(pending.take_all(), [B]);
        assert_eq!((pending.len(), pending.next_timeout()), (0, None));
        pending.check_invariants();
    }

    #[test]
    fn a_second_question_of_a_connection_replaces_its_first() {
        let mut pending = two();
        pending.insert(Time::from_millis(6), 3, A, 'c');
        pending.check_invariants();
        assert_eq!(pending.answered(1), None);
        assert_eq!(pending.answered(3), Some((A, 'c')));
    }
}
