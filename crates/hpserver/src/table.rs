//! Connections by slot: where a lane keeps what it knows of each, without a map.
//!
//! It exists because a completion carries worker and slot, and an index is all that is needed.
//!
//! Invariants: an entry answers only to its whole id, generation included. A slot's older tenant may still
//! be here when the next comes (links overtake the rest): it is put aside and answers as before.
//! Limit: as many slots as layer 1 has connections, and as trunks carry.
//! Read next: `receive` and `send`, which keep one table a lane.

use usher_completion::ConnId;
use usher_steady::SteadyMap;

/// How connections are spread over the lanes of a stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) workers: usize,
    pub(crate) lanes: usize,
    /// The stage is inline: lane and worker are one.
    pub(crate) by_worker: bool,
}

impl Spread {
    pub(crate) fn new(workers: usize, threads: usize) -> Self {
        let by_worker = threads == 0;
        Self { workers, lanes: if by_worker { workers } else { threads }, by_worker }
    }

    /// The lane of a connection, for life.
    pub(crate) fn lane(self, conn: ConnId) -> usize {
        if self.by_worker {
            conn.worker() % self.lanes
        } else {
            (conn.worker() + conn.slot() as usize) % self.lanes
        }
    }

    /// Where in its lane's table: no two slots of a worker share a place, and few places stay empty.
    fn place(self, conn: ConnId) -> usize {
        if self.by_worker { conn.slot() as usize } else { conn.slot() as usize / self.lanes }
    }
}

pub(crate) trait Tenant {
    fn id(&self) -> ConnId;
}

pub(crate) struct Table<T> {
    spread: Spread,
    workers: Vec<Vec<Option<T>>>,
    aside: SteadyMap<ConnId, T>,
}

impl<T: Tenant> Table<T> {
    pub(crate) fn new(spread: Spread) -> Self {
        // Virtual connections are on workers of their own.
        let workers = std::iter::repeat_with(Vec::new).take(2 * spread.workers).collect();
        Self { spread, workers, aside: SteadyMap::default() }
    }

    pub(crate) fn insert(&mut self, tenant: T) {
        let conn = tenant.id();
        let slots = &mut self.workers[conn.worker()];
        let place = self.spread.place(conn);
        if slots.len() <= place {
            slots.resize_with(place + 1, || None);
        }
        if let Some(older) = slots[place].replace(tenant) {
            self.aside.insert(older.id(), older);
        }
    }

    pub(crate) fn get(&mut self, conn: ConnId) -> Option<&mut T> {
        let place = self.spread.place(conn);
        match self.workers.get_mut(conn.worker()).and_then(|slots| slots.get_mut(place)) {
            Some(Some(tenant)) if tenant.id() == conn => Some(tenant),
            _ if self.aside.is_empty() => None,
            _ => self.aside.get_mut(&conn),
        }
    }

    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<T> {
        let place = self.spread.place(conn);
        let slot = self.workers.get_mut(conn.worker())?.get_mut(place)?;
        if slot.as_ref().is_some_and(|tenant| tenant.id() == conn) {
            return slot.take();
        }
        self.aside.remove(&conn)
    }

    pub(crate) fn ids(&self) -> Vec<ConnId> {
        let here = self.workers.iter().flatten().flatten().map(Tenant::id);
        here.chain(self.aside.keys().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name(ConnId);

    impl Tenant for Name {
        fn id(&self) -> ConnId {
            self.0
        }
    }

    fn conn(worker: u64, slot: u64, generation: u64) -> ConnId {
        ConnId::from_bits(worker << 56 | slot << 32 | generation)
    }

    #[test]
    fn every_connection_has_a_place_of_its_own() {
        for (workers, threads) in [(1, 0), (3, 0), (1, 1), (2, 3), (3, 2)] {
            let spread = Spread::new(workers, threads);
            let mut tables: Vec<_> = (0..spread.lanes).map(|_| Table::new(spread)).collect();
            let conns: Vec<_> =
                (0..workers as u64).flat_map(|w| (0..50).map(move |slot| conn(w, slot, 1))).collect();
            for id in &conns {
                tables[spread.lane(*id)].insert(Name(*id));
            }
            assert_eq!(tables.iter().map(|table| table.ids().len()).sum::<usize>(), conns.len());
            assert!(
                tables.iter().all(|table| table.aside.is_empty()),
                "{workers} workers, {threads} threads"
            );
            for id in conns {
                assert_eq!(tables[spread.lane(id)].remove(id).unwrap().0, id);
            }
        }
    }

    #[test]
    fn a_stale_id_finds_nothing_and_an_older_tenant_is_still_found() {
        let mut table = Table::new(Spread::new(1, 0));
        table.insert(Name(conn(0, 3, 1)));
        assert!(table.get(conn(0, 3, 2)).is_none());
        assert!(table.get(conn(9, 3, 1)).is_none());
        table.insert(Name(conn(0, 3, 2)));
        assert!(table.get(conn(0, 3, 1)).is_some());
        assert!(table.get(conn(0, 3, 2)).is_some());
        assert!(table.remove(conn(0, 3, 1)).is_some());
        assert!(table.get(conn(0, 3, 1)).is_none());
        assert!(table.remove(conn(0, 3, 2)).is_some());
        assert!(table.ids().is_empty());
    }
}
