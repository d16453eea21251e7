//! Names of connections and listeners.
//!
//! A [`ConnId`] says where its connection is, so a completion needs no map look-up, and which use of that
//! place it means, so that an id kept too long reaches nobody.
//! Read next: `context.rs`, where slots and generations live.

use std::fmt;

/// Workers an id can tell apart.
pub(crate) const WORKERS_MAX: usize = 1 << 8;
/// Slots of one worker an id can tell apart.
pub(crate) const SLOTS_MAX: usize = 1 << 24;

/// A connection: `worker:8 | slot:24 | generation:32`. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

impl ConnId {
    /// Nobody's id: it names the last use of the last slot of the last worker, which is never reached.
    pub(crate) const NONE: ConnId = ConnId(u64::MAX);

    #[inline]
    pub(crate) fn new(worker: usize, slot: u32, generation: u32) -> ConnId {
        debug_assert!(worker < WORKERS_MAX && (slot as usize) < SLOTS_MAX);
        ConnId((worker as u64) << 56 | u64::from(slot) << 32 | u64::from(generation))
    }

    /// The worker the connection lives on, for life.
    #[inline]
    pub fn worker(self) -> usize {
        (self.0 >> 56) as usize
    }

    /// The place of its context on that worker; free for another connection after `disconnected`.
    #[inline]
    pub fn slot(self) -> u32 {
        (self.0 >> 32) as u32 & (SLOTS_MAX as u32 - 1)
    }

    /// Which use of the slot this is; never zero.
    #[inline]
    pub fn generation(self) -> u32 {
        self.0 as u32
    }

    /// The id as one number, for a table or a wire of the caller's.
    #[inline]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The id that `to_bits` gave. Any other number makes an id that is stale or another connection's.
    #[inline]
    pub fn from_bits(bits: u64) -> ConnId {
        ConnId(bits)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.worker(), self.slot(), self.generation())
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({self})")
    }
}

/// A listener of this server; never used again after `unlisten`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(crate) u32);

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listener {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_parts_keep_apart() {
        for (worker, slot, generation) in
            [(0, 0, 1), (255, (1 << 24) - 1, u32::MAX), (1, 2, 3), (255, 0, 1), (0, (1 << 24) - 1, 1)]
        {
            let conn = ConnId::new(worker, slot, generation);
            assert_eq!((conn.worker(), conn.slot(), conn.generation()), (worker, slot, generation));
            assert_eq!(ConnId::from_bits(conn.to_bits()), conn);
        }
        assert_eq!(ConnId::new(1, 2, 3).to_string(), "1/2#3");
    }
}
