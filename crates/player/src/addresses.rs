//! Server addresses as small numbers.
//!
//! Why: thousands of players remember the same few addresses; each text is kept once.
//! Limits: [`ADDRESSES_MAX`]; a crowd that meets more treats the address as one that does not answer.
//! Read next: `player.rs`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use usher_proto::Address;

/// Addresses a crowd remembers; far more than a cluster has servers, restarts included.
const ADDRESSES_MAX: usize = u16::MAX as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressNo(u16);

#[derive(Debug, Default)]
pub(crate) struct Addresses {
    texts: Vec<Address>,
    numbers: BTreeMap<Address, AddressNo>,
}

impl Addresses {
    /// The number of this address; nothing if there is no room for another.
    pub(crate) fn number(&mut self, address: &Address) -> Option<AddressNo> {
        if let Some(&number) = self.numbers.get(address) {
            return Some(number);
        }
        if self.texts.len() >= ADDRESSES_MAX {
            return None;
        }
        let number = AddressNo(self.texts.len() as u16);
        self.texts.push(address.clone());
        self.numbers.insert(address.clone(), number);
        Some(number)
    }

    pub(crate) fn text(&self, number: AddressNo) -> &Address {
        &self.texts[usize::from(number.0)]
    }
}
