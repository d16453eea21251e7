//! Who came into a room and who went, gathered up so that it is said together.
//!
//! Why: four hundred who come in a second would be a hundred and sixty thousand messages, each about one of them;
//! gathered they are a few for each.
//! Owns: what the room has not been told yet. Does not own when: its room sets the alarm.
//! Invariants: whoever came and went between two sayings was never there, unless a list of everybody was given in
//! between: what may be known is said, again or for the first time.
//! Limits: `PRESENCE_MAX` names a message; as many messages as it takes.
//! Read next: [`super::room`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use usher_proto::limits::PRESENCE_MAX;
use usher_proto::message::Presence;
use usher_proto::{AccountId, Time};

#[derive(Debug, Default)]
pub(super) struct Comings {
    untold: BTreeMap<AccountId, Untold>,
    /// Lists of everybody that were given.
    lists: u64,
    /// When it is said.
    pub(super) say_at: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Untold {
    came: bool,
    /// How many lists had been given before.
    lists: u64,
}

impl Comings {
    /// Somebody came, or went.
    pub(super) fn note(&mut self, account: AccountId, came: bool) {
        let lists = self.lists;
        match self.untold.get_mut(&account) {
            Some(untold) if untold.lists == lists => drop(self.untold.remove(&account)),
            Some(untold) => untold.came = came,
            None => drop(self.untold.insert(account, Untold { came, lists })),
        }
    }

    /// Everybody who is here, for a newcomer.
    pub(super) fn everybody(
        &mut self,
        here: impl Iterator<Item = AccountId>,
        population: u32,
    ) -> Vec<Presence> {
        self.lists += 1;
        let mut here: Vec<_> = here.collect();
        here.sort_unstable();
        let part = |part: &[AccountId]| Presence { came: part.to_vec(), left: Vec::new(), population };
        here.chunks(PRESENCE_MAX).map(part).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.untold.is_empty()
    }

    /// All that was gathered.
    pub(super) fn take(&mut self, population: u32) -> Vec<Presence> {
        let untold: Vec<_> = core::mem::take(&mut self.untold).into_iter().collect();
        let part = |part: &[(AccountId, Untold)]| {
            let those =
                |wanted| part.iter().filter(move |(_, it)| it.came == wanted).map(|(account, _)| *account);
            Presence { came: those(true).collect(), left: those(false).collect(), population }
        };
        untold.chunks(PRESENCE_MAX).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_came_and_went_was_never_there() {
        let mut comings = Comings::default();
        comings.note(AccountId(1), true);
        comings.note(AccountId(2), false);
        comings.note(AccountId(1), false);
        comings.note(AccountId(3), true);
        let told = comings.take(7);
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].came[..], &told[0].left[..]), (&[AccountId(3)][..], &[AccountId(2)][..]));
        assert_eq!(told[0].population, 7);
        assert!(comings.is_empty() && comings.take(7).is_empty());
    }

    #[test]
    fn whoever_a_list_named_or_left_out_is_told_of_what_came_after_it() {
        let mut comings = Comings::default();
        comings.note(AccountId(1), true);
        comings.note(AccountId(2), false);
        assert_eq!(comings.everybody([AccountId(1)].into_iter(), 1).len(), 1);
        comings.note(AccountId(1), false);
        comings.note(AccountId(2), true);
        let told = comings.take(1);
        assert_eq!((&told[0].came[..], &told[0].left[..]), (&[AccountId(2)][..], &[AccountId(1)][..]));
        comings.note(AccountId(1), true);
        comings.everybody([AccountId(1), AccountId(2)].into_iter(), 2);
        comings.note(AccountId(1), false);
        comings.note(AccountId(1), true);
        assert_eq!(comings.take(2)[0].came, [AccountId(1)], "others have not heard of it");
    }

    #[test]
    fn a_message_names_so_many() {
        let mut comings = Comings::default();
        (0..2_500).for_each(|account| comings.note(AccountId(account), account % 2 == 0));
        let told = comings.take(9);
        assert_eq!(
            told.iter().map(|it| it.came.len() + it.left.len()).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
        assert_eq!(comings.everybody((0..1_001).map(AccountId), 9).len(), 2);
    }
}
