//! The tables of one room, and which of them somebody may sit down at.
//!
//! Why: whoever wants to sit anywhere should meet somebody who waits, and be seated without a search.
//! Owns: the tables, and the open ones ordered by how well they suit.
//! Invariants: seats for everybody the room lets in, so "sit anywhere" fails only where owners keep theirs closed; a table stands in the
//! order exactly when it has a free seat that anybody may take.
//! Limits: choosing costs O(log tables), or [`LOOK_AT_MAX`] looks when only one seat number will do, and a look at each
//! table where there is none to choose or one is to be closed;
//! a [`CLOSED_SHARE`]th of the tables may be closed.
//! Read next: [`super::table`].

use super::step::Step;
use super::table::{Rank, Table};
use super::watch::Watch;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use usher_proto::message::{SeatNo, Sit, SitDenial};
use usher_proto::{ConnId, TableNo};

/// Tables looked at for a certain seat number before an empty table is taken.
const LOOK_AT_MAX: usize = 16;
/// One of so many tables may be closed by its owner.
const CLOSED_SHARE: usize = 4;

/// A room's tables.
#[derive(Debug)]
pub(super) struct Tables {
    all: Vec<Table>,
    ranks: Vec<Option<Rank>>,
    open: BTreeSet<(Rank, TableNo)>,
    seats: u8,
}

impl Tables {
    pub(super) fn new(count: u32, seats: u8) -> Self {
        let all: Vec<_> = (0..count).map(|no| Table::new(TableNo(no as u16), seats)).collect();
        let ranks: Vec<_> = all.iter().map(Table::rank).collect();
        let open = ranks.iter().zip(0..).filter_map(|(rank, no)| Some(((*rank)?, TableNo(no)))).collect();
        Self { all, ranks, open, seats }
    }

    /// The seat a wish leads to.
    pub(super) fn find(&self, wish: &Sit) -> Result<SeatNo, SitDenial> {
        if wish.seat.is_some_and(|seat| seat >= self.seats) {
            return Err(SitDenial::NoSuchSeat);
        }
        let found = |table: TableNo| {
            let seat = self.all[usize::from(table.0)].free_seat(wish.seat)?;
            Some(SeatNo { table, seat })
        };
        match wish.table {
            Some(table) if usize::from(table.0) >= self.all.len() => Err(SitDenial::NoSuchSeat),
            Some(table) if self.get(table).rules.closed => Err(SitDenial::Closed),
            Some(table) => found(table).ok_or(SitDenial::Taken),
            None => self.candidates().find_map(found).ok_or_else(|| self.why_nowhere(wish.seat)),
        }
    }

    fn why_nowhere(&self, seat: Option<u8>) -> SitDenial {
        let mut closed = self.all.iter().filter(|table| table.rules.closed);
        let is_kept = closed.any(|table| table.free_seat(seat).is_some());
        if is_kept { SitDenial::Closed } else { SitDenial::Taken }
    }

    /// The best tables, then an empty one, where every seat is free.
    fn candidates(&self) -> impl Iterator<Item = TableNo> {
        let empty = self.open.range((Rank::Empty, TableNo(0))..).take(1);
        self.open.iter().take(LOOK_AT_MAX).chain(empty).map(|&(_, table)| table)
    }

    /// Does something at a table, and puts it where it then belongs.
    pub(super) fn at(
        &mut self,
        table: TableNo,
        step: &mut Step<'_>,
        act: impl FnOnce(&mut Table, &mut Step<'_>),
    ) {
        let index = usize::from(table.0);
        act(&mut self.all[index], step);
        let rank = self.all[index].rank();
        let before = core::mem::replace(&mut self.ranks[index], rank);
        if before != rank {
            before.map(|before| self.open.remove(&(before, table)));
            rank.map(|rank| self.open.insert((rank, table)));
        }
    }

    /// Whether there is such a table.
    pub(super) fn has(&self, table: TableNo) -> bool {
        usize::from(table.0) < self.all.len()
    }

    /// Whether one more table may be closed.
    pub(super) fn may_close(&self) -> bool {
        let closed = self.all.iter().filter(|table| table.rules.closed).count();
        closed < self.all.len() / CLOSED_SHARE
    }

    /// Who watches a table.
    pub(super) fn watchers(&self, table: TableNo) -> Vec<ConnId> {
        self.get(table).watch.as_deref().map_or(Vec::new(), Watch::watchers)
    }

    /// Takes somebody off a table's watchers, which changes nothing else about it.
    pub(super) fn unwatch(&mut self, table: TableNo, conn: ConnId) {
        self.all[usize::from(table.0)].unwatch(conn);
    }

    pub(super) fn get(&self, table: TableNo) -> &Table {
        &self.all[usize::from(table.0)]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Table> {
        self.all.iter()
    }

    pub(super) fn check_invariants(&self) {
        for ((table, rank), no) in self.all.iter().zip(&self.ranks).zip(0..) {
            assert_eq!(table.rank(), *rank, "table {no} stands wrong");
            assert!(rank.is_none_or(|rank| self.open.contains(&(rank, TableNo(no)))));
        }
        assert_eq!(self.open.len(), self.ranks.iter().flatten().count());
    }
}
