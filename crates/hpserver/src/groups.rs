//! Groups: which connections of one send lane hear what is published to a number.
//!
//! It exists so that a publish walks a plain list of members. Each send lane keeps its own members; a
//! publish goes to every lane.
//!
//! Invariants: a connection is in a group at most once; a group without members takes no memory.
//! Limit: members are open connections; how many groups one joins is the service's to bound.
//! Read next: `send`, which owns it.

use usher_completion::ConnId;
use usher_steady::SteadyMap;

use crate::GroupId;

#[derive(Default)]
pub(crate) struct Groups {
    groups: SteadyMap<GroupId, Group>,
}

#[derive(Default)]
struct Group {
    members: Vec<ConnId>,
    places: SteadyMap<ConnId, usize>,
}

impl Groups {
    /// False: it was in already.
    pub(crate) fn join(&mut self, group: GroupId, conn: ConnId) -> bool {
        let group = self.groups.get_or_insert_default(group);
        if group.places.contains_key(&conn) {
            return false;
        }
        group.places.insert(conn, group.members.len());
        group.members.push(conn);
        true
    }

    pub(crate) fn leave(&mut self, id: GroupId, conn: ConnId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(place) = group.places.remove(&conn) else { return };
        group.members.swap_remove(place);
        if let Some(moved) = group.members.get(place) {
            group.places.insert(*moved, place);
        }
        if group.members.is_empty() {
            self.groups.remove(&id);
        }
    }

    pub(crate) fn members(&self, group: GroupId) -> &[ConnId] {
        self.groups.get(&group).map_or(&[], |group| &group.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go_in_any_order() {
        let conn = ConnId::from_bits;
        let mut groups = Groups::default();
        for id in 1..=4 {
            assert!(groups.join(9, conn(id)));
            assert!(!groups.join(9, conn(id)));
        }
        groups.leave(9, conn(1));
        groups.leave(9, conn(1));
        groups.leave(9, conn(4));
        let mut left: Vec<_> = groups.members(9).iter().map(|conn| conn.to_bits()).collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
        groups.leave(9, conn(2));
        groups.leave(9, conn(3));
        assert!(groups.groups.is_empty());
        assert!(groups.members(9).is_empty());
    }
}
