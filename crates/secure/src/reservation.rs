//! Reservations, sealed: a place that the manager kept at one server for one redirected client.
//!
//! Why: the client carries it, so the target need not be told; the seal makes it good there alone.
//! Owns: the seal, and the checks of target, session and expiry. Does not own "good once": the target's
//! machine remembers which ones were used.
//! Limits: [`RESERVATION_BYTES_MAX`] sealed.
//! Read next: `usher-logic`'s `admission`.

use crate::keys::TicketKeys;
use crate::seal::{self, OpenError, SealError};
use serde::{Deserialize, Serialize};
use usher_proto::limits::RESERVATION_BYTES_MAX;
use usher_proto::{Reservation, ReservationId, ServerName, SessionId};

const PURPOSE: &str = "usher/1 reservation";

/// Why a reservation was refused: its holder's fault, each. A client with a bad one is as one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ReservationError {
    /// Not a reservation at all.
    #[error("not a reservation")]
    Malformed,
    /// Its key is not among ours.
    #[error("sealed with a key that is not known here")]
    UnknownKey,
    /// Altered, or sealed by somebody who does not have the key, or for another purpose.
    #[error("the seal does not hold")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// For another server.
    #[error("for another server")]
    WrongTarget,
    /// For another client.
    #[error("for another session")]
    WrongSession,
}

/// Where a reservation is shown, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedFor<'a> {
    /// The server it is shown to.
    pub server: &'a ServerName,
    /// The session in the ticket beside it; nothing at a login server.
    pub session: Option<SessionId>,
}

/// The payload: an array in this order.
#[derive(Serialize, Deserialize)]
struct Payload(ReservationId, ServerName, Option<SessionId>, u8, u64);

/// Seals a reservation that is good until `expires_unix_ms`.
pub fn seal(
    reservation: &Reservation,
    expires_unix_ms: u64,
    keys: &TicketKeys,
) -> Result<Vec<u8>, SealError> {
    let Reservation { id, target, session, hops_left } = reservation.clone();
    let payload = Payload(id, target, session, hops_left, expires_unix_ms);
    seal::seal(keys, PURPOSE, RESERVATION_BYTES_MAX, &payload)
}

/// Opens a sealed reservation and checks that it is good here, now, for this client. One that names no
/// session is good for anybody.
pub fn open(
    sealed: &[u8],
    keys: &TicketKeys,
    shown: SealedFor<'_>,
    now_unix_ms: u64,
) -> Result<Reservation, ReservationError> {
    let Payload(id, target, session, hops_left, expires_unix_ms) =
        seal::open(keys, PURPOSE, RESERVATION_BYTES_MAX, sealed)?;
    if target != *shown.server {
        Err(ReservationError::WrongTarget)
    } else if session.is_some() && session != shown.session {
        Err(ReservationError::WrongSession)
    } else if expires_unix_ms <= now_unix_ms {
        Err(ReservationError::Expired)
    } else {
        Ok(Reservation { id, target, session, hops_left })
    }
}

impl From<OpenError> for ReservationError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed => Self::Malformed,
            OpenError::UnknownKey => Self::UnknownKey,
            OpenError::Forged => Self::Forged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Ticket, TicketPolicy};
    use core::time::Duration;
    use usher_proto::limits::NAME_BYTES_MAX;
    use usher_proto::{AccountId, Generation, Identity, WorldId};

    const NOW_UNIX_MS: u64 = 1_800_000_000_000;
    const EXPIRES_UNIX_MS: u64 = NOW_UNIX_MS + 5_000;

    fn place(session: Option<u64>) -> Reservation {
        Reservation {
            id: ReservationId(9),
            target: "hall-2".into(),
            session: session.map(SessionId),
            hops_left: 2,
        }
    }

    fn open_at(
        sealed: &[u8],
        keys: &TicketKeys,
        server: &str,
        session: Option<u64>,
        now_unix_ms: u64,
    ) -> Result<Reservation, ReservationError> {
        let server = server.into();
        open(sealed, keys, SealedFor { server: &server, session: session.map(SessionId) }, now_unix_ms)
    }

    #[test]
    fn good_at_its_target_for_its_session_until_it_expires() {
        use ReservationError::{Expired, WrongSession, WrongTarget};
        let keys = TicketKeys::generate();
        let cases = [
            (Some(7), "hall-2", Some(7), NOW_UNIX_MS, None),
            (Some(7), "hall-2", Some(7), EXPIRES_UNIX_MS - 1, None),
            (Some(7), "hall-2", Some(7), EXPIRES_UNIX_MS, Some(Expired)),
            (Some(7), "hall-2", Some(8), NOW_UNIX_MS, Some(WrongSession)),
            (Some(7), "hall-2", None, NOW_UNIX_MS, Some(WrongSession)),
            (Some(7), "hall-1", Some(7), NOW_UNIX_MS, Some(WrongTarget)),
            (Some(7), "", Some(7), NOW_UNIX_MS, Some(WrongTarget)),
            (None, "hall-2", None, NOW_UNIX_MS, None),
            (None, "hall-2", Some(7), NOW_UNIX_MS, None),
            (None, "hall-3", None, NOW_UNIX_MS, Some(WrongTarget)),
        ];
        for (session, server, shown, now_unix_ms, expected) in cases {
            let sealed = seal(&place(session), EXPIRES_UNIX_MS, &keys).unwrap();
            let opened = open_at(&sealed, &keys, server, shown, now_unix_ms);
            match expected {
                None => assert_eq!(opened, Ok(place(session)), "{server} {shown:?}"),
                Some(error) => assert_eq!(opened, Err(error), "{server} {shown:?}"),
            }
        }
    }

    #[test]
    fn a_reservation_with_any_bit_flipped_is_refused() {
        let keys = TicketKeys::generate();
        let sealed = seal(&place(Some(7)), EXPIRES_UNIX_MS, &keys).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open_at(&altered, &keys, "hall-2", Some(7), NOW_UNIX_MS).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_ticket_is_not_a_reservation_and_another_key_opens_nothing() {
        let keys = TicketKeys::generate();
        let identity = Identity {
            world: WorldId(1),
            account: AccountId(1),
            session: SessionId(7),
            generation: Generation(1),
        };
        let ticket = Ticket {
            cluster: "local".into(),
            identity,
            session_key: [0; 32],
            issued_unix_ms: NOW_UNIX_MS,
            expires_unix_ms: EXPIRES_UNIX_MS,
        };
        let sealed = ticket.seal(&keys).unwrap();
        let policy = TicketPolicy { cluster: "local".into(), clock_skew_max: Duration::ZERO };
        assert!(Ticket::open(&sealed, &keys, &policy, NOW_UNIX_MS).is_ok());
        assert_eq!(open_at(&sealed, &keys, "hall-2", Some(7), NOW_UNIX_MS), Err(ReservationError::Forged));
        let sealed = seal(&place(None), EXPIRES_UNIX_MS, &TicketKeys::generate()).unwrap();
        assert_eq!(open_at(&sealed, &keys, "hall-2", None, NOW_UNIX_MS), Err(ReservationError::UnknownKey));
    }

    #[test]
    fn the_largest_reservation_fits_the_wire() {
        let keys = TicketKeys::generate();
        let largest = Reservation {
            id: ReservationId(u64::MAX),
            target: ServerName::from("x".repeat(NAME_BYTES_MAX)),
            session: Some(SessionId(u64::MAX)),
            hops_left: u8::MAX,
        };
        let sealed = seal(&largest, u64::MAX, &keys).unwrap();
        assert_eq!(open_at(&sealed, &keys, &largest.target.0, Some(u64::MAX), 0), Ok(largest.clone()));
    }
}
