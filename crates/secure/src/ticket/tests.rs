//! Tickets that open, and every way in which one must not.

use super::*;
use crate::reservation;
use usher_proto::limits::NAME_BYTES_MAX;
use usher_proto::{Reservation, ReservationId};

const NOW_UNIX_MS: u64 = 1_800_000_000_000;

fn policy() -> TicketPolicy {
    TicketPolicy { cluster: "local".into(), clock_skew_max: Duration::from_secs(2) }
}

fn ticket() -> Ticket {
    Ticket {
        cluster: "local".into(),
        identity: Identity {
            world: WorldId(1),
            account: AccountId(42),
            session: SessionId(0x1234_5678_9abc_def0),
            generation: Generation(NOW_UNIX_MS << 16),
        },
        session_key: [0xa5; 32],
        issued_unix_ms: NOW_UNIX_MS,
        expires_unix_ms: NOW_UNIX_MS + 7_200_000,
    }
}

fn open(sealed: &[u8], keys: &TicketKeys) -> Result<Ticket, TicketError> {
    Ticket::open(sealed, keys, &policy(), NOW_UNIX_MS)
}

#[test]
fn what_is_sealed_opens_as_it_was() {
    let keys = TicketKeys::generate();
    assert_eq!(open(&ticket().seal(&keys).unwrap(), &keys), Ok(ticket()));
}

#[test]
fn two_seals_of_one_ticket_differ() {
    let keys = TicketKeys::generate();
    assert_ne!(ticket().seal(&keys).unwrap(), ticket().seal(&keys).unwrap());
}

#[test]
fn the_largest_ticket_fits_the_wire() {
    let keys = TicketKeys::generate();
    let largest = Ticket {
        cluster: "x".repeat(NAME_BYTES_MAX),
        identity: Identity {
            world: WorldId(u16::MAX),
            account: AccountId(u64::MAX),
            session: SessionId(u64::MAX),
            generation: Generation(u64::MAX),
        },
        session_key: [0xff; 32],
        issued_unix_ms: u64::MAX,
        expires_unix_ms: u64::MAX,
    };
    let sealed = largest.seal(&keys).unwrap();
    let policy = TicketPolicy { cluster: largest.cluster.clone(), ..policy() };
    assert_eq!(Ticket::open(&sealed, &keys, &policy, u64::MAX - 1), Ok(largest));
}

#[test]
fn a_cluster_name_beyond_reason_is_not_sealed() {
    let long = Ticket { cluster: "x".repeat(400), ..ticket() };
    let error = long.seal(&TicketKeys::generate()).unwrap_err();
    assert!(matches!(error, SealError::TooLong { bytes_max: TICKET_BYTES_MAX, .. }), "{error}");
}

#[test]
fn a_ticket_with_any_bit_flipped_is_refused() {
    let keys = TicketKeys::generate();
    let sealed = ticket().seal(&keys).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let error = open(&altered, &keys).expect_err(&format!("bit {bit} flipped and still a ticket"));
        assert!(
            matches!(error, TicketError::Malformed | TicketError::UnknownKey | TicketError::Forged),
            "{error}"
        );
    }
}

#[test]
fn a_ticket_cut_or_lengthened_anywhere_is_refused() {
    let keys = TicketKeys::generate();
    let mut sealed = ticket().seal(&keys).unwrap();
    for cut in 0..sealed.len() {
        assert!(open(&sealed[..cut], &keys).is_err(), "cut at {cut}");
    }
    sealed.push(b'A');
    assert!(open(&sealed, &keys).is_err());
    assert_eq!(open(&[b'v'; TICKET_BYTES_MAX + 1], &keys), Err(TicketError::Malformed));
    assert_eq!(open(&[0xff; 40], &keys), Err(TicketError::Malformed));
}

#[test]
fn times_and_cluster_are_checked_to_the_millisecond() {
    let keys = TicketKeys::generate();
    let cases = [
        (Ticket { expires_unix_ms: NOW_UNIX_MS + 1, ..ticket() }, None),
        (Ticket { expires_unix_ms: NOW_UNIX_MS, ..ticket() }, Some(TicketError::Expired)),
        (Ticket { expires_unix_ms: 0, ..ticket() }, Some(TicketError::Expired)),
        (Ticket { issued_unix_ms: NOW_UNIX_MS + 2_000, ..ticket() }, None),
        (Ticket { issued_unix_ms: NOW_UNIX_MS + 2_001, ..ticket() }, Some(TicketError::FromFuture)),
        (Ticket { issued_unix_ms: u64::MAX, ..ticket() }, Some(TicketError::FromFuture)),
        (Ticket { cluster: "remote".into(), ..ticket() }, Some(TicketError::WrongCluster)),
        (Ticket { cluster: String::new(), ..ticket() }, Some(TicketError::WrongCluster)),
    ];
    for (ticket, expected) in cases {
        assert_eq!(open(&ticket.seal(&keys).unwrap(), &keys).err(), expected, "{ticket:?}");
    }
}

#[test]
fn another_clusters_key_is_unknown_and_its_id_alone_does_not_help() {
    let (ours, theirs) = (TicketKeys::generate(), TicketKeys::generate());
    let sealed = ticket().seal(&theirs).unwrap();
    assert_eq!(open(&sealed, &ours), Err(TicketError::UnknownKey));

    let footer = |sealed: &[u8]| sealed.rsplit(|&byte| byte == b'.').next().unwrap().to_vec();
    let ours_footer = footer(&ticket().seal(&ours).unwrap());
    let mut relabelled = sealed[..sealed.len() - footer(&sealed).len()].to_vec();
    relabelled.extend(ours_footer);
    assert_eq!(open(&relabelled, &ours), Err(TicketError::Forged));
}

#[test]
fn an_older_key_still_opens_and_the_new_one_seals() {
    let mut keys = TicketKeys::generate();
    let old = ticket().seal(&keys).unwrap();
    keys.add_next().unwrap();
    assert!(keys.use_next());
    assert_eq!(open(&old, &keys), Ok(ticket()));
    let new = ticket().seal(&keys).unwrap();
    assert_eq!(open(&new, &keys), Ok(ticket()));
    assert_ne!(old.rsplit(|&byte| byte == b'.').next(), new.rsplit(|&byte| byte == b'.').next());
}

#[test]
fn a_reservation_is_not_a_ticket() {
    let keys = TicketKeys::generate();
    let place = Reservation {
        id: ReservationId(1),
        target: "hall-1".into(),
        session: Some(SessionId(1)),
        hops_left: 2,
    };
    let sealed = reservation::seal(&place, NOW_UNIX_MS + 5_000, &keys).unwrap();
    assert_eq!(open(&sealed, &keys), Err(TicketError::Forged));
}

#[test]
fn debug_hides_the_session_key() {
    let text = format!("{:?}", ticket());
    assert!(text.contains("local") && !text.contains("165") && !text.contains("a5a5"), "{text}");
}

#[test]
fn a_renewed_ticket_is_the_same_session_until_that_is_over() {
    let (ttl, session_max) = (Duration::from_secs(7_200), Duration::from_secs(86_400));
    let (ttl_ms, session_max_ms) = (7_200_000, 86_400_000);
    for (after_ms, expires_after_ms) in [
        (0, Some(ttl_ms)),
        (1_000, Some(1_000 + ttl_ms)),
        (session_max_ms - ttl_ms, Some(session_max_ms)),
        (session_max_ms - 1, Some(session_max_ms)),
        (session_max_ms, None),
        (session_max_ms * 2, None),
    ] {
        let now_unix_ms = NOW_UNIX_MS + after_ms;
        let expected = expires_after_ms.map(|after_ms: u64| Ticket {
            issued_unix_ms: now_unix_ms,
            expires_unix_ms: NOW_UNIX_MS + after_ms,
            ..ticket()
        });
        assert_eq!(ticket().renewed(now_unix_ms, ttl, session_max), expected, "after {after_ms} ms");
    }
}
