//! Who is shown out at the door of a hall and a room, and with what word.
//!
//! Read next: `usher_runtime::door`.

use crate::cluster::{Cluster, NAME};
use crate::page::{closed, until};
use crate::secrets;
use crate::wire::{Heard, Wire, first_frame, greet, log_in};
use usher_proto::first_frame::{PROTOCOL_VERSION, Role};
use usher_proto::limits::TICKET_BYTES_MAX;
use usher_proto::message::{CloseReason, Closing, Credentials, Refused};
use usher_proto::{Identity, Message, WorldId};
use usher_runtime::clock;
use usher_secure::{Ticket, TicketKeys};

const SESSION_KEY: [u8; 32] = [7; 32];
const MINUTE_MS: u64 = 60_000;

/// A ticket as a login server would seal it, but for what `change` does to it.
fn sealed(identity: Identity, keys: &TicketKeys, change: impl FnOnce(&mut Ticket)) -> Vec<u8> {
    let now = clock::unix_ms();
    let mut ticket = Ticket {
        cluster: NAME.into(),
        identity,
        session_key: SESSION_KEY,
        issued_unix_ms: now - MINUTE_MS,
        expires_unix_ms: now + MINUTE_MS,
    };
    change(&mut ticket);
    ticket.seal(keys).unwrap()
}

#[test]
fn who_has_no_good_ticket_is_shown_out_with_the_reason() {
    let cluster = Cluster::one_of_each();
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    let (identity, good) = (guest.identity, guest.ticket.to_vec());
    let keys = TicketKeys::load(&cluster.folder.0.join("cluster.key")).unwrap();
    let now = clock::unix_ms();
    let expired = sealed(identity, &keys, |it| it.expires_unix_ms = now - 1);
    let forged = sealed(identity, &TicketKeys::generate(), |_| {});
    let foreign = sealed(identity, &keys, |it| it.cluster = "another".into());
    let future = sealed(identity, &keys, |it| it.issued_unix_ms = now + MINUTE_MS);
    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    let long = vec![b'x'; TICKET_BYTES_MAX + 1];

    for (name, role, other) in [("hall", Role::Hall, Role::Room), ("room", Role::Room, Role::Hall)] {
        let mut of_version_9 = first_frame(role, &good);
        of_version_9[0] = 9;
        let mut of_role_77 = first_frame(role, &good);
        of_role_77[1] = 77;
        let closing = |reason| Message::from(Closing { reason });
        let cases = [
            ("no ticket", first_frame(role, b""), closing(CloseReason::NoTicket)),
            ("an expired ticket", first_frame(role, &expired), closing(CloseReason::TicketExpired)),
            ("another key's", first_frame(role, &forged), closing(CloseReason::TicketInvalid)),
            ("another cluster's", first_frame(role, &foreign), closing(CloseReason::TicketInvalid)),
            ("one of the future", first_frame(role, &future), closing(CloseReason::TicketInvalid)),
            ("an altered one", first_frame(role, &altered), closing(CloseReason::TicketInvalid)),
            ("none at all", first_frame(role, b"rubbish"), closing(CloseReason::TicketInvalid)),
            ("too long a one", first_frame(role, &long), closing(CloseReason::BadFrame)),
            ("meant for a login", first_frame(Role::Login, b""), closing(CloseReason::WrongRole)),
            ("meant for a manager", first_frame(Role::Link, b"room-9"), closing(CloseReason::WrongRole)),
            ("meant for another", first_frame(other, &good), closing(CloseReason::WrongRole)),
            ("meant for nobody", of_role_77, closing(CloseReason::WrongRole)),
            ("half a frame", first_frame(role, &good)[..20].to_vec(), closing(CloseReason::BadFrame)),
            ("an empty frame", Vec::new(), closing(CloseReason::BadFrame)),
            ("a version", of_version_9, Refused { versions: vec![PROTOCOL_VERSION] }.into()),
        ];
        let shown_out = cases.len() as u64;
        for (what, frame, expected) in cases {
            let mut wire = Wire::connect(cluster.address(name));
            wire.write(&crate::wire::framed(&frame));
            let said = wire.hear();
            assert!(matches!(&said, Heard::Said(said) if *said == expected), "{name}, {what}: {said:?}");
            let end = wire.hear();
            assert!(matches!(end, Heard::Ended), "{name}, {what}: {end:?}");
        }
        let admin = cluster.admin(name);
        until("all counted", || (closed(admin, "players", "greeting_refused")? == shown_out).then_some(()));
        println!(
            "{name}: {shown_out} of {shown_out} shown out with the stated word, then the end, all counted"
        );
    }
}

#[test]
fn a_ticket_of_another_world_opens_no_door() {
    let cluster = Cluster::one_of_each();
    let guest = log_in(cluster.address("login"), Credentials::Guest);
    let keys = TicketKeys::load(&cluster.folder.0.join("cluster.key")).unwrap();
    let ticket = sealed(guest.identity, &keys, |it| it.identity.world = WorldId(2));
    for (name, role) in [("hall", Role::Hall), ("room", Role::Room)] {
        secrets::remember(&ticket, SESSION_KEY);
        let refused = Err(Closing { reason: CloseReason::WrongWorld }.into());
        assert_eq!(greet(cluster.address(name), role, &ticket).map(|_| ()), refused, "{name}");
    }
}
