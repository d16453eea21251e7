//! Ids for virtual connections, which have no socket and so none from layer 1.
//!
//! It exists so that the rest of this layer need not know the difference: an id says worker, slot and generation, and
//! lanes and tables go by these. The workers are ones that layer 1 does not have: virtual worker `n` stands beside `n`.
//!
//! Invariants: an id falls to the receive lane and the send lane of its trunk; a slot is used again only with another
//! generation.
//! Read next: `table`, how ids fall to lanes; `carry`, which takes them.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use usher_completion::ConnId;

/// After so many slots of a worker its lanes begin anew, in both stages.
pub(crate) fn stride(receive_threads: usize, send_threads: usize) -> u32 {
    let (receive, send) = (receive_threads.max(1), send_threads.max(1));
    let common = (1..=receive.min(send)).rev().find(|by| receive % by == 0 && send % by == 0);
    (receive / common.unwrap_or(1) * send) as u32
}

/// Ids for virtual connections: on workers that layer 1 does not have, beside those it has. A slot is found so that an
/// id falls to its trunk's lanes.
#[derive(Default)]
pub(crate) struct Slots {
    /// By virtual worker and remainder: the next slot never used, and those that are free again with their last use.
    kinds: HashMap<(usize, u32), (u32, Vec<ConnId>), FixedState>,
}

impl Slots {
    /// An id for a rider of `trunk`, among `workers` real workers and lanes that repeat every `stride` slots.
    pub(crate) fn take(&mut self, trunk: ConnId, workers: usize, stride: u32) -> ConnId {
        let worker = workers + trunk.worker();
        // (worker + slot) mod lanes is to be the trunk's: see `Spread::lane`.
        let first = (trunk.slot() + stride - workers as u32 % stride) % stride;
        let (next, free) = self.kinds.entry((worker, first)).or_insert((first, Vec::new()));
        if let Some(last) = free.pop() {
            return virtual_conn(worker, last.slot(), last.generation().wrapping_add(1).max(1));
        }
        let slot = *next;
        *next += stride;
        virtual_conn(worker, slot, 1)
    }

    pub(crate) fn give_back(&mut self, conn: ConnId, stride: u32) {
        if let Some((_, free)) = self.kinds.get_mut(&(conn.worker(), conn.slot() % stride)) {
            free.push(conn);
        }
    }
}

fn virtual_conn(worker: usize, slot: u32, generation: u32) -> ConnId {
    ConnId::from_bits((worker as u64) << 56 | u64::from(slot) << 32 | u64::from(generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Spread;
    use std::collections::BTreeSet;

    #[test]
    fn an_id_has_the_lanes_of_its_trunk_and_is_nobody_elses() {
        for (workers, receive, send) in [(1, 0, 0), (2, 0, 0), (2, 0, 3), (2, 2, 0), (3, 2, 3), (2, 4, 6)] {
            let stride = stride(receive, send);
            let spreads = [Spread::new(workers, receive), Spread::new(workers, send)];
            let (mut slots, mut seen) = (Slots::default(), BTreeSet::new());
            for trunk in (0..workers).flat_map(|worker| (0..9).map(move |slot| virtual_conn(worker, slot, 1)))
            {
                for _ in 0..5 {
                    let conn = slots.take(trunk, workers, stride);
                    assert!(seen.insert(conn), "{conn} twice");
                    assert!(conn.worker() >= workers);
                    for spread in spreads {
                        assert_eq!(spread.lane(conn), spread.lane(trunk), "{conn} of {trunk}, {spread:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_slot_is_used_again_as_another() {
        let (mut slots, trunk) = (Slots::default(), virtual_conn(0, 7, 1));
        let first = slots.take(trunk, 2, 6);
        slots.give_back(first, 6);
        let again = slots.take(trunk, 2, 6);
        assert_eq!((again.slot(), again.generation()), (first.slot(), first.generation() + 1));
    }
}
