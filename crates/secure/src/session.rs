//! How a login's numbers are made: session id, generation, session key.
//!
//! Why: two logins of an account are always ordered, without a store or a manager taking part, and across
//! every restart: the generation begins with the login server's clock.
//! Owns: the layout of a generation, and [`os_rng`], the only source of secrets.
//! Invariants: session key and session id come whole from the generator; `Debug` never shows the key.
//! Read next: [`crate::ticket`].

use core::fmt;
use rand::CryptoRng;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use usher_proto::{Generation, SessionId};

/// A session key, in bytes.
pub const SESSION_KEY_BYTES: usize = 32;

/// The numbers of a fresh login.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its place in the order of its account's logins.
    pub generation: Generation,
    /// What proves it later.
    pub key: [u8; SESSION_KEY_BYTES],
}

impl fmt::Debug for Session {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Makes the numbers of a login that happens now.
pub fn fresh_session(now_unix_ms: u64, rng: &mut impl CryptoRng) -> Session {
    let mut key = [0; SESSION_KEY_BYTES];
    rng.fill_bytes(&mut key);
    let random = u64::from(rng.next_u32() >> (u32::BITS - Generation::RANDOM_BITS));
    Session {
        id: SessionId(rng.next_u64()),
        generation: Generation(Generation::first_at(now_unix_ms).0 | random),
        key,
    }
}

/// When the login of that generation was, unix milliseconds.
pub fn started_unix_ms(generation: Generation) -> u64 {
    generation.0 >> Generation::RANDOM_BITS
}

/// The operating system's generator. Panics if the system has none, which no server outlives anyway.
pub fn os_rng() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_login_has_a_higher_generation() {
        let mut before = fresh_session(1_800_000_000_000, &mut os_rng());
        for later_ms in 1..100 {
            let session = fresh_session(1_800_000_000_000 + later_ms, &mut os_rng());
            assert!(session.generation > before.generation);
            assert_eq!(started_unix_ms(session.generation), 1_800_000_000_000 + later_ms);
            before = session;
        }
    }

    #[test]
    fn sessions_of_the_same_millisecond_differ() {
        let sessions: Vec<Session> = (0..100).map(|_| fresh_session(7, &mut os_rng())).collect();
        for (at, a) in sessions.iter().enumerate() {
            for b in &sessions[at + 1..] {
                assert_ne!(a.id, b.id);
                assert_ne!(a.key, b.key);
            }
        }
        assert!(sessions.iter().any(|it| it.generation != sessions[0].generation));
    }

    #[test]
    fn debug_hides_the_key() {
        let session = Session { id: SessionId(1), generation: Generation(2), key: [0xab; 32] };
        assert_eq!(format!("{session:?}"), "Session { id: SessionId(1), generation: Generation(2), .. }");
    }
}
