//! Processes that are stopped and go on (SIGSTOP, SIGCONT): nobody pays for a sleep that was not theirs.
//!
//! Read next: `usher_logic::manager`, on time that jumps; `usher_runtime::server`, on a server that slept.

use crate::cluster::{Cluster, GUESTS, ROOMS};
use crate::page::{closed, cluster as view, connections, metric, state, until, until_in_rooms};
use crate::wire::{log_in, seat_guest, visit_hall};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use usher_proto::ServerKind;
use usher_proto::message::Credentials;
use usher_runtime::clock;

/// `lease_ms`, as it is by default.
const LEASE: Duration = Duration::from_secs(4);
/// `first_message_deadline_ms` of [`Cluster::impatient`], and longer than a busy machine may be late.
const DEADLINE_AND_MORE: Duration = Duration::from_millis(2_500);

/// Stops a server for so long.
fn sleep(cluster: &mut Cluster, name: &str, span: Duration, meanwhile: impl FnOnce()) {
    cluster.server(name).signal(Signal::STOP);
    let stopped = clock::instant();
    until("it has slept long enough", || (clock::instant() - stopped > span).then_some(()));
    meanwhile();
    cluster.server(name).signal(Signal::CONT);
}

#[test]
fn nobody_who_plays_notices_that_the_manager_slept() {
    let mut cluster = Cluster::one_of_each();
    let login = cluster.address("login").to_string();
    let [mut ann, mut ben] = [(); 2].map(|()| seat_guest(&login));
    let (manager, room) = (cluster.admin("manager"), cluster.admin("room"));
    until_in_rooms(manager, 2);
    sleep(&mut cluster, "manager", LEASE * 3 / 2, || ());
    let jumped = || (metric(manager, "usher_time_jumps_total")? > 0).then_some(());
    until("the manager notices that it slept", jumped);
    ann.chat("did anything happen");
    ben.hear_chat("did anything happen");
    until("every server is up", || {
        let are_up =
            ["room", "hall", "login"].iter().all(|name| state(manager, name).as_deref() == Some("up"));
        are_up.then_some(())
    });
    let counts = ["usher_leases_ended_total", "usher_evictions_total"].map(|it| metric(manager, it).unwrap());
    assert_eq!(counts, [0, 0], "nobody's lease ended by the manager's sleep");
    assert_eq!(view(manager).unwrap()["players_in_rooms"], 2);
    assert_eq!(metric(room, "usher_link_up"), Some(1));
    let _third = seat_guest(&login);
    until_in_rooms(manager, 3);
}

#[test]
fn players_of_a_room_server_that_slept_past_its_lease_are_in_their_room_again() {
    let mut cluster = Cluster::start(&[
        (ServerKind::Manager, "manager", ""),
        (ServerKind::Room, "room", ROOMS),
        (ServerKind::Hall, "hall", ""),
        (ServerKind::Login, "login", GUESTS),
    ]);
    let login = cluster.address("login").to_string();
    let [mut ann, mut ben] = [(); 2].map(|()| seat_guest(&login));
    let manager = cluster.admin("manager");
    until_in_rooms(manager, 2);
    let asker = log_in(&login, Credentials::Guest);
    let hall = cluster.address("hall").to_string();
    sleep(&mut cluster, "room", LEASE * 3 / 2, || {
        until("its lease ends", || (metric(manager, "usher_leases_ended_total")? == 1).then_some(()));
        until("its rooms are offered to nobody", || {
            visit_hall(&hall, &asker.ticket).1.rooms.is_empty().then_some(())
        });
    });
    until("it is up again", || (state(manager, "room")? == "up").then_some(()));
    until_in_rooms(manager, 2);
    ann.chat("are you still there");
    ben.hear_chat("are you still there");
    assert_eq!(metric(manager, "usher_evictions_total"), Some(0));
}

#[test]
fn a_first_frame_that_came_while_the_server_slept_is_in_time() {
    let mut cluster = Cluster::impatient();
    let admin = cluster.admin("login");
    until("nobody is there", || (connections(admin, "players")? == 0).then_some(()));
    let mut wire = TcpStream::connect(cluster.address("login")).unwrap();
    until("it is accepted", || (connections(admin, "players")? == 1).then_some(()));
    // Not a first frame of any version, and answered: whoever came too late would hear of the deadline.
    sleep(&mut cluster, "login", DEADLINE_AND_MORE, || wire.write_all(&[0, 2, 99, 1]).unwrap());
    let mut answer = Vec::new();
    wire.read_to_end(&mut answer).unwrap();
    assert!(!answer.is_empty(), "it is told which versions there are");
    assert_eq!(closed(admin, "players", "first_message_deadline"), Some(0));
}
