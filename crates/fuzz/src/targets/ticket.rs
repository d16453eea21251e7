//! Sealed tickets and reservations: what was altered never opens, and neither opens as the other.
//!
//! An even first byte: the rest is shown as it is. An odd one: a good seal is edited by what follows, three bytes an
//! edit.
//! Read next: `usher_secure::ticket`, `usher_secure::reservation`.

use crate::fixed;
use std::sync::LazyLock;
use usher_secure::{SealedFor, Ticket, TicketKeys, TicketPolicy, reservation};

static KEYS: LazyLock<TicketKeys> = LazyLock::new(fixed::ticket_keys);
static POLICY: LazyLock<TicketPolicy> = LazyLock::new(fixed::policy);

pub(super) fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind % 2 == 0 {
        return show(rest);
    }
    let good = if kind & 2 == 0 { fixed::SEALED_TICKET } else { fixed::SEALED_RESERVATION };
    show(&edited(good, rest));
}

fn show(sealed: &[u8]) {
    match Ticket::open(sealed, &KEYS, &POLICY, fixed::NOW_UNIX_MS) {
        Ok(ticket) => {
            assert_eq!(sealed, fixed::SEALED_TICKET.as_bytes());
            assert!(ticket == fixed::ticket());
        }
        Err(_) => assert_ne!(sealed, fixed::SEALED_TICKET.as_bytes()),
    }
    let (server, session) = (fixed::server(), Some(fixed::ticket().identity.session));
    match reservation::open(sealed, &KEYS, SealedFor { server: &server, session }, fixed::NOW_UNIX_MS) {
        Ok(reservation) => {
            assert_eq!(sealed, fixed::SEALED_RESERVATION.as_bytes());
            assert_eq!(reservation, fixed::reservation());
        }
        Err(_) => assert_ne!(sealed, fixed::SEALED_RESERVATION.as_bytes()),
    }
}

/// Each edit is what is done, where, and with which byte.
fn edited(good: &str, edits: &[u8]) -> Vec<u8> {
    let mut sealed = good.as_bytes().to_vec();
    for edit in edits.chunks_exact(3) {
        let (what, byte) = (edit[0], edit[2]);
        let at = (usize::from(what >> 2) << 8 | usize::from(edit[1])) % (sealed.len() + 1);
        match what & 3 {
            0 => sealed.insert(at, byte),
            1 => sealed.truncate(at),
            2 if at < sealed.len() => sealed[at] = byte,
            _ if at < sealed.len() => drop(sealed.remove(at)),
            _ => sealed.push(byte),
        }
    }
    sealed
}
