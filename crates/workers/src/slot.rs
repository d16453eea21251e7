//! Which life of which worker is spoken of, among all groups of a process.
//!
//! Why: what is heard of a life that is over must not be taken for the next one's.
//! Read next: [`crate::service`], [`crate::supervisor`].

use std::fmt;

/// One life of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) group: u16,
    pub(crate) instance: u16,
    pub(crate) life: u32,
}

impl Slot {
    /// As a number, for layer 2 to give back.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.group) << 48 | u64::from(self.instance) << 32 | u64::from(self.life)
    }

    pub(crate) fn of(token: u64) -> Self {
        Self { group: (token >> 48) as u16, instance: (token >> 32) as u16, life: token as u32 }
    }

    /// Whether it is a life of the same worker.
    pub(crate) fn is_of(self, other: Self) -> bool {
        (self.group, self.instance) == (other.group, other.instance)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.instance, self.life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_its_token() {
        for slot in [
            Slot { group: 0, instance: 0, life: 0 },
            Slot { group: 1, instance: 2, life: 3 },
            Slot { group: u16::MAX, instance: u16::MAX, life: u32::MAX },
        ] {
            assert_eq!(Slot::of(slot.token()), slot);
        }
    }
}
