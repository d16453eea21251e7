//! Who sent how many clients where.
//!
//! Why: that a kind of server redirects says little; that one of them sends everybody to one other shows who is full.
//! Owns: a count for each pair of servers. Invariant: those counts and [`Flows::unpaired`] are all redirects there were.
//! Limits: [`FLOWS_MAX`] pairs. What a further pair sends, and what a pair had sent when one of the two was gone, is counted
//! under no pair.
//! Read next: [`super::view`].

use alloc::collections::BTreeMap;
use usher_proto::ServerName;

/// Pairs counted, at most: servers of one kind and world that redirect to each other, 32 of them all to all.
pub(super) const FLOWS_MAX: usize = 1_024;

/// Redirects, by who sent and who was sent to.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pairs: BTreeMap<ServerName, BTreeMap<ServerName, u64>>,
    len: usize,
    unpaired: u64,
}

impl Flows {
    /// One more client was sent.
    pub(super) fn count(&mut self, from: &ServerName, to: &ServerName) {
        if let Some(redirects) = self.pairs.get_mut(from).and_then(|targets| targets.get_mut(to)) {
            *redirects += 1;
        } else if self.len < FLOWS_MAX {
            self.len += 1;
            self.pairs.entry(from.clone()).or_default().insert(to.clone(), 1);
        } else {
            self.unpaired += 1;
        }
    }

    /// A server is gone. Another of its name begins anew.
    pub(super) fn forget(&mut self, name: &ServerName) {
        let sent = self.pairs.remove(name).unwrap_or_default();
        let taken = self.pairs.values_mut().filter_map(|targets| targets.remove(name));
        for redirects in sent.into_values().chain(taken) {
            self.unpaired += redirects;
            self.len -= 1;
        }
        self.pairs.retain(|_, targets| !targets.is_empty());
    }

    /// From, to, and how many, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ServerName, &ServerName, u64)> {
        self.pairs
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(move |(to, count)| (from, to, *count)))
    }

    /// How many are counted under no pair.
    pub(super) fn unpaired(&self) -> u64 {
        self.unpaired
    }

    /// `redirects`: how many there were.
    pub(super) fn check_invariants(&self, redirects: u64) {
        assert_eq!(self.iter().count(), self.len);
        assert!(self.len <= FLOWS_MAX);
        assert_eq!(self.iter().map(|(.., count)| count).sum::<u64>() + self.unpaired, redirects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    fn name(number: usize) -> ServerName {
        format!("s{number}").as_str().into()
    }

    #[test]
    fn beyond_the_limit_what_is_sent_is_counted_under_no_pair() {
        let mut flows = Flows::default();
        for number in 0..FLOWS_MAX + 3 {
            flows.count(&name(number % 7), &name(100 + number));
        }
        flows.count(&name(0), &name(100));
        assert_eq!((flows.iter().count(), flows.unpaired()), (FLOWS_MAX, 3));
        flows.check_invariants(FLOWS_MAX as u64 + 4);
    }

    #[test]
    fn who_is_gone_makes_room_and_its_redirects_stay_counted() {
        let mut flows = Flows::default();
        for (from, to) in [(1, 2), (1, 2), (2, 1), (3, 2), (3, 1)] {
            flows.count(&name(from), &name(to));
        }
        flows.forget(&name(2));
        let left: Vec<_> = flows.iter().map(|(from, to, count)| (from.clone(), to.clone(), count)).collect();
        assert_eq!(left, [(name(3), name(1), 1)]);
        assert_eq!(flows.unpaired(), 4);
        flows.check_invariants(5);
    }
}
