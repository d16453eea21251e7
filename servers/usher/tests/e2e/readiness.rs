//! `/healthz` and `/readyz`: what a load balancer and an operator may rely on.
//!
//! Read next: `links.rs`, for a server that the manager does not take; `crashes.rs`, for a manager that is away later.

use crate::cluster::{Cluster, Folder, GUESTS, ROOMS};
use crate::page::{get, state, until};
use crate::wire::{log_in, seat_guest, visit_hall};
use usher_proto::ServerKind;
use usher_proto::message::{CloseReason, Credentials, Leave};

#[test]
fn who_is_ready_was_taken_by_the_manager_and_is_not_being_emptied() {
    let mut cluster = Cluster::in_folder(Folder::new());
    cluster.add(ServerKind::Room, "early", "127.0.0.1:0", ROOMS); // its manager is nowhere
    let early = cluster.admin("early");
    let page = |admin, path: &str| get(admin, path).unwrap();
    assert_eq!(page(early, "/healthz"), (200, "ok\n".into()));
    assert_eq!(page(early, "/readyz"), (503, "not registered with the manager\n".into()));

    cluster.add_all(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    assert_eq!(page(manager, "/readyz"), (200, "ready\n".into()), "it needs nobody");
    until("the manager takes it", || (get(room, "/readyz")? == (200, "ready\n".into())).then_some(()));
    until("it is shown as up", || (state(manager, "room")? == "up").then_some(()));
    assert_eq!(page(early, "/readyz").0, 503, "nobody has taken that one");

    until("the way to a room", || {
        let guest = log_in(cluster.address("login"), Credentials::Guest);
        let (_, directory) = visit_hall(&guest.halls.first()?.0, &guest.ticket);
        (!directory.rooms.is_empty()).then_some(())
    });
    let mut players = [(); 2].map(|()| seat_guest(cluster.address("login")));
    for wire in &mut players {
        wire.await_hand();
    }
    cluster.server("room").terminate();
    until("it drains", || (get(room, "/readyz")? == (503, "draining\n".into())).then_some(()));
    assert_eq!(page(room, "/healthz"), (200, "ok\n".into()), "a hand is played to its end");
    players[0].say(Leave {});
    assert_eq!(players[1].last_word(), Some(CloseReason::Draining));
    assert!(cluster.server("room").ended().0.success());
}
