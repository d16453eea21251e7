//! Values by name, at most so many: the topics, the terminals, the controllers.
//!
//! Why: names come from clients, so each table of them has a limit, and a way to stay below it that loses nothing
//! anybody could miss.
//! Invariants: a value that is not [`Dispensable`] stays until it is removed.
//! Limits: that of each call of [`Named::open`]; beyond it the most dispensable value makes room, else the new name is
//! refused.
//! Read next: [`super::topic`], [`super::controller`].

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// There are as many as there may be, and none is dispensable.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// A value that may have to make room.
pub(super) trait Dispensable {
    /// The lowest goes first; none: not this one.
    fn rank(&self) -> Option<u64>;
}

/// Values by name.
#[derive(Debug)]
pub(super) struct Named<T> {
    by_name: BTreeMap<Arc<str>, T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new() }
    }
}

impl<T: Dispensable> Named<T> {
    /// The value of that name, made if there is none, and the name to keep.
    pub(super) fn open(
        &mut self,
        name: &str,
        entries_max: usize,
        make: impl FnOnce() -> T,
    ) -> Result<(Arc<str>, &mut T), Full> {
        if !self.by_name.contains_key(name) {
            self.make_room(entries_max)?;
            self.by_name.insert(name.into(), make());
        }
        let (name, _) = self.by_name.get_key_value(name).expect("invariant: it was there, or was just made");
        let name = Arc::clone(name);
        let value = self.by_name.get_mut(&name).expect("invariant: it was just found");
        Ok((name, value))
    }

    fn make_room(&mut self, entries_max: usize) -> Result<(), Full> {
        if self.by_name.len() < entries_max {
            return Ok(());
        }
        let dispensable = self.by_name.iter().filter_map(|(name, value)| Some((value.rank()?, name)));
        let (_, first) = dispensable.min_by_key(|(rank, _)| *rank).ok_or(Full)?;
        let first = Arc::clone(first);
        self.by_name.remove(&first);
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.by_name.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.by_name.get_mut(name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.by_name.values()
    }

    /// By name, from behind `name`.
    pub(super) fn after(&self, name: &str) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.by_name.range::<str, _>((Excluded(name), Unbounded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Dispensable for Option<u64> {
        fn rank(&self) -> Option<u64> {
            *self
        }
    }

    #[test]
    fn the_most_dispensable_makes_room_and_nothing_else() {
        let mut named = Named::default();
        for (name, rank) in [("a", Some(3)), ("b", None), ("c", Some(1))] {
            named.open(name, 3, || rank).unwrap();
        }
        assert_eq!(*named.open("b", 3, || Some(9)).unwrap().1, None, "it was there");
        named.open("d", 3, || None).unwrap();
        assert_eq!(named.after("").map(|(name, _)| &**name).collect::<Vec<_>>(), ["a", "b", "d"]);
        named.open("e", 3, || None).unwrap();
        assert_eq!(named.after("a").map(|(name, _)| &**name).collect::<Vec<_>>(), ["b", "d", "e"]);
        assert_eq!(named.open("f", 3, || None), Err(Full));
        named.remove("d");
        assert_eq!((named.len(), named.open("f", 3, || None).is_ok()), (2, true));
    }
}
