//! SIGTERM: everybody is told, hands are played to their end, and every pool gets everything back.
//!
//! Read next: `usher_runtime::server`.

use crate::cluster::Cluster;
use crate::page::{get, until};
use crate::wire::{Heard, seat_guest};
use serde_json::Value;
use usher_proto::Message;
use usher_proto::message::{CloseReason, Closing};

fn assert_balanced(last: &Value) {
    for pool in ["contexts", "buffers"] {
        let pool = &last["pools"][pool];
        assert!(pool["taken"].is_u64() && pool["taken"] == pool["returned"], "{last}");
    }
}

#[test]
fn an_idle_player_is_told_and_every_server_ends_well_with_its_pools_balanced() {
    let mut cluster = Cluster::one_of_each();
    let mut idle = seat_guest(cluster.address("login"));
    for name in ["room", "hall", "login", "manager"] {
        cluster.server(name).terminate();
        let (status, last) = cluster.server(name).ended();
        assert!(status.success(), "{name}: {status}");
        assert_eq!(last["stopped"], *name);
        assert_balanced(&last);
        println!("{name}: exit 0, {}", last["pools"]);
    }
    assert_eq!(idle.last_word(), Some(CloseReason::Draining));
}

#[test]
fn a_hand_is_waited_for_and_a_second_signal_is_not() {
    let mut cluster = Cluster::one_of_each();
    let mut players = [(); 2].map(|()| seat_guest(cluster.address("login")));
    for wire in &mut players {
        wire.await_hand();
    }
    cluster.server("room").terminate();
    let admin = cluster.admin("room");
    until("it drains", || (get(admin, "/readyz")?.1 == "draining\n").then_some(()));
    players[0].chat("the hand goes on");
    players[1].hear_chat("the hand goes on");
    assert!(cluster.server("room").is_running());
    cluster.server("room").terminate();
    for wire in &mut players {
        loop {
            match wire.hear() {
                Heard::Said(Message::Closing(Closing { reason })) => {
                    assert_eq!(reason, CloseReason::ServerStopping);
                }
                Heard::Said(_) => {}
                Heard::Ended => break,
                Heard::Reset => panic!("reset"),
            }
        }
    }
    let (status, last) = cluster.server("room").ended();
    assert!(status.success(), "{status}");
    assert_balanced(&last);
}
