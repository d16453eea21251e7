//! Keys that everybody knows, and what was sealed with them: what is found once is found again.
//!
//! Invariants: no server is ever given these. The seals do not expire before 2100.
//! Read next: `targets/ticket.rs`, `targets/greeting.rs`.

use std::path::Path;
use std::time::Duration;
use usher_proto::{
    AccountId, Generation, Identity, Reservation, ReservationId, ServerName, SessionId, WorldId,
};
use usher_secure::{LinkSecret, LoginKey, Ticket, TicketKeys, TicketPolicy};

/// A time at which both seals are good.
pub const NOW_UNIX_MS: u64 = 1_800_000_000_000;
/// When they stop being good.
pub const EXPIRES_UNIX_MS: u64 = 4_102_444_800_000;
/// The key of the ticket's session.
pub const SESSION_KEY: [u8; 32] = [3; 32];
/// The ticket, sealed.
pub const SEALED_TICKET: &str = include_str!("../seeds/ticket");
/// The reservation, sealed.
pub const SEALED_RESERVATION: &str = include_str!("../seeds/reservation");

/// What opens the seals.
pub fn ticket_keys() -> TicketKeys {
    let line = format!("{} {}", "5".repeat(16), "7".repeat(64));
    TicketKeys::parse(Path::new("fixed.key"), &line).expect("a line of a key file")
}

/// What a login server proves itself by.
pub fn login_key() -> LoginKey {
    LoginKey::from_private([1; 32])
}

/// What a manager makes link keys from.
pub fn link_secret() -> LinkSecret {
    LinkSecret::from_bytes([2; 32])
}

/// Against what the ticket is checked.
pub fn policy() -> TicketPolicy {
    TicketPolicy { cluster: "fixed".into(), clock_skew_max: Duration::from_secs(2) }
}

/// What the sealed ticket says.
pub fn ticket() -> Ticket {
    let identity = Identity {
        world: WorldId(1),
        account: AccountId(7),
        session: SessionId(9),
        generation: Generation(1 << 16),
    };
    Ticket {
        cluster: policy().cluster,
        identity,
        session_key: SESSION_KEY,
        issued_unix_ms: 1_000,
        expires_unix_ms: EXPIRES_UNIX_MS,
    }
}

/// The server that the reservation is for.
pub fn server() -> ServerName {
    "hall-1".into()
}

/// What the sealed reservation says.
pub fn reservation() -> Reservation {
    let session = Some(ticket().identity.session);
    Reservation { id: ReservationId(4), target: server(), session, hops_left: 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_secure::{SealedFor, reservation as places};

    #[test]
    fn the_fixed_seals_open() {
        let keys = ticket_keys();
        let opened = Ticket::open(SEALED_TICKET.as_bytes(), &keys, &policy(), NOW_UNIX_MS);
        assert_eq!(opened, Ok(ticket()));
        let shown = SealedFor { server: &server(), session: Some(ticket().identity.session) };
        let place = places::open(SEALED_RESERVATION.as_bytes(), &keys, shown, NOW_UNIX_MS);
        assert_eq!(place, Ok(reservation()));
    }
}
