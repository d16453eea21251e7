//! What a backend keeps of each connection, by slot: parallel to the contexts of `context.rs`, and as small.
//!
//! Invariant: an entry is found by the id it was attached with, and by no other use of its slot.
//! Read next: the backends.

use crate::id::ConnId;

pub(super) struct Sources<S> {
    by_slot: Vec<Option<Entry<S>>>,
}

struct Entry<S> {
    conn: ConnId,
    source: S,
}

impl<S> Default for Sources<S> {
    fn default() -> Self {
        Sources { by_slot: Vec::new() }
    }
}

impl<S> Sources<S> {
    pub(super) fn insert(&mut self, conn: ConnId, source: S) {
        let slot = conn.slot() as usize;
        if slot >= self.by_slot.len() {
            self.by_slot.resize_with(slot + 1, || None);
        }
        debug_assert!(self.by_slot[slot].is_none(), "invariant: a slot is released before it is used again");
        self.by_slot[slot] = Some(Entry { conn, source });
    }

    #[inline]
    pub(super) fn get(&mut self, conn: ConnId) -> Option<&mut S> {
        let entry = self.by_slot.get_mut(conn.slot() as usize)?.as_mut()?;
        (entry.conn == conn).then_some(&mut entry.source)
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<S> {
        self.get(conn)?;
        self.by_slot[conn.slot() as usize].take().map(|entry| entry.source)
    }

    /// Whoever has this slot now.
    #[inline]
    pub(super) fn occupant(&mut self, slot: u32) -> Option<(ConnId, &mut S)> {
        let entry = self.by_slot.get_mut(slot as usize)?.as_mut()?;
        Some((entry.conn, &mut entry.source))
    }

    /// What an idle connection costs here, in bytes.
    #[cfg(test)]
    pub(super) const fn entry_bytes() -> usize {
        size_of::<Option<Entry<S>>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_use_of_a_slot_finds_nobody() {
        let (old, new) = (ConnId::new(1, 5, 7), ConnId::new(1, 5, 8));
        let mut sources = Sources::default();
        sources.insert(old, "old");
        assert!(sources.remove(new).is_none());
        assert_eq!(sources.remove(old), Some("old"));
        assert!(sources.occupant(5).is_none());
        sources.insert(new, "new");
        assert!(sources.get(old).is_none());
        assert_eq!(sources.occupant(5), Some((new, &mut "new")));
        assert!(sources.occupant(6).is_none());
    }
}
