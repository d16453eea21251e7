//! The numbers of accounts: of a name, and of a guest.
//!
//! Why: every login server gives an account the same number without asking anybody.
//! Invariants: an account's number is made from its name alone (`BLAKE2b`, top bit clear); a guest's is random
//! with the top bit set: they never meet.
//! Read next: [`crate::database`].

use orion::hazardous::hash::blake2::blake2b::Hasher;
use rand::CryptoRng;
use usher_secure::AccountId;

/// Set in a guest's number, clear in a named account's.
const GUEST_BIT: u64 = 1 << 63;

/// A fresh account for one guest's session: 63 random bits, so that no two guests meet.
pub fn guest(rng: &mut impl CryptoRng) -> AccountId {
    AccountId(rng.next_u64() | GUEST_BIT)
}

/// The number of a named account.
pub fn number(name: &str) -> AccountId {
    let digest = Hasher::Blake2b256
        .digest(name.as_bytes())
        .expect("invariant: no input reaches BLAKE2b's limit of 2^128 bytes");
    let first = digest.as_ref().first_chunk().expect("invariant: a digest is 32 bytes");
    AccountId(u64::from_be_bytes(*first) & !GUEST_BIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;
    use usher_secure::os_rng;

    #[test]
    fn numbers_come_from_the_name_alone_and_stay() {
        // BLAKE2b-256 of "ada", first eight bytes, top bit clear.
        assert_eq!(number("ada"), AccountId(0x5407_6bbd_24e6_774a));
    }

    #[test]
    fn guests_and_named_accounts_never_meet() {
        for _ in 0..100 {
            assert_ne!(guest(&mut os_rng()).0 & GUEST_BIT, 0);
            let name = format!("name-{}", os_rng().next_u64());
            assert_eq!(number(&name).0 & GUEST_BIT, 0);
        }
        assert_ne!(guest(&mut os_rng()), guest(&mut os_rng()));
    }
}
