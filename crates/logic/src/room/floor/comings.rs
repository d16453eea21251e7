//! Who came into a room and who went, gathered up so that it is said together.
//!
//! Why: four hundred who come in a second would be a hundred and sixty thousand messages, each about one of them;
//! gathered they are a few for each.
//! Owns: what the room has not been told yet. Does not own when: its room sets the alarm.
//! Invariant: whoever came and went between two sayings was never there.
//! Limits: `PRESENCE_MAX` names a message; as many messages as it takes.
//! Read next: [`super::room`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use usher_proto::limits::PRESENCE_MAX;
use usher_proto::message::Presence;
use usher_proto::{AccountId, Time};

#[derive(Debug, Default)]
pub(super) struct Comings {
    /// True: came.
    untold: BTreeMap<AccountId, bool>,
    /// When it is said.
    pub(super) say_at: Option<Time>,
}

impl Comings {
    /// Somebody came, or went.
    pub(super) fn note(&mut self, account: AccountId, came: bool) {
        if self.untold.remove(&account).is_none() {
            self.untold.insert(account, came);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.untold.is_empty()
    }

    /// All that was gathered.
    pub(super) fn take(&mut self, population: u32) -> Vec<Presence> {
        let untold: Vec<_> = core::mem::take(&mut self.untold).into_iter().collect();
        let part = |part: &[(AccountId, bool)]| {
            let those =
                |wanted| part.iter().filter(move |(_, came)| *came == wanted).map(|(account, _)| *account);
            Presence { came: those(true).collect(), left: those(false).collect(), population }
        };
        untold.chunks(PRESENCE_MAX).map(part).collect()
    }
}

/// Everybody who is here, for a newcomer.
pub(super) fn everybody(here: impl Iterator<Item = AccountId>, population: u32) -> Vec<Presence> {
    let mut here: Vec<_> = here.collect();
    here.sort_unstable();
    let part = |part: &[AccountId]| Presence { came: part.to_vec(), left: Vec::new(), population };
    here.chunks(PRESENCE_MAX).map(part).collect()
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
    fn a_message_names_so_many() {
        let mut comings = Comings::default();
        (0..2_500).for_each(|account| comings.note(AccountId(account), account % 2 == 0));
        let told = comings.take(9);
        assert_eq!(
            told.iter().map(|it| it.came.len() + it.left.len()).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
        assert_eq!(everybody((0..1_001).map(AccountId), 9).len(), 2);
    }
}
