//! What the manager is told, and when.

use super::*;
use crate::bench::reservation;
use alloc::vec;
use usher_proto::{Output, ReservationId, ServerKind};

const LINK: ConnId = ConnId(9);

struct Side {
    node: NodeConfig,
    uplink: Uplink,
    admission: Admission,
}

impl Side {
    fn new() -> Self {
        let node =
            NodeConfig { serve_max: 100, serve_per_second_max: 1_000, ..NodeConfig::new(ServerKind::Login) };
        Self { uplink: Uplink::new(&node), admission: Admission::new(&node), node }
    }

    fn up(&mut self, now_ms: u64) -> Vec<Message> {
        let now = Time::from_millis(now_ms);
        let mut out = Outbox::<()>::default();
        self.uplink.up(now, LINK, self.node.register(now, Vec::new(), 0), &mut out);
        sent(&mut out)
    }

    fn end_step(&mut self, now_ms: u64, serving: u32, draining: bool) -> Vec<Message> {
        let mut out = Outbox::<()>::default();
        let rooms = || vec![(RoomNo(1), serving)];
        let now = Time::from_millis(now_ms);
        self.uplink.end_step(now, &mut self.admission, (serving, draining), rooms, &mut out);
        sent(&mut out)
    }
}

fn sent(out: &mut Outbox<()>) -> Vec<Message> {
    let messages = out.drain().map(|it| match it {
        Output::Send(LINK, message) => message,
        other => panic!("{other:?}"),
    });
    messages.collect()
}

fn load(serving: u32, served_per_second: u32, draining: bool) -> Message {
    Load { serving, served_per_second, draining, rooms: vec![(RoomNo(1), serving)] }.into()
}

#[test]
fn presents_itself_first_and_reports_at_once() {
    let mut side = Side::new();
    assert!(!side.uplink.is_up());
    assert!(side.end_step(0, 3, false).is_empty());
    assert!(matches!(side.up(5)[..], [Message::Register(_)]));
    assert!(side.uplink.is_link(LINK) && side.uplink.conn() == Some(LINK));
    assert_eq!(side.end_step(5, 3, false), [load(3, 0, false)]);
}

#[test]
fn reports_each_second_or_when_a_twentieth_changed() {
    let mut side = Side::new();
    side.up(0);
    side.end_step(0, 50, false);
    for (now_ms, serving, draining, reported) in [
        (10, 54, false, false),
        (20, 55, false, true),
        (30, 51, false, false),
        (40, 50, false, true),
        (50, 50, true, true),
        (60, 50, true, false),
        (1_049, 50, true, false),
        (1_050, 50, true, true),
    ] {
        let messages = side.end_step(now_ms, serving, draining);
        let expected = if reported { vec![load(serving, 0, draining)] } else { vec![] };
        assert_eq!(messages, expected, "at {now_ms} ms");
    }
    assert_eq!(side.uplink.next_timeout(), Some(Time::from_millis(2_050)));
}

#[test]
fn a_changed_rate_is_reported_too() {
    let mut side = Side::new();
    side.up(0);
    side.end_step(0, 0, false);
    for _ in 0..49 {
        side.admission.decide(Time(0), 0, None);
    }
    assert_eq!(side.end_step(1, 0, false), []);
    side.admission.decide(Time(0), 0, None);
    assert_eq!(side.end_step(2, 0, false), [load(0, 50, false)]);
}

#[test]
fn redeemed_reservations_go_out_at_the_end_of_the_step() {
    let mut side = Side::new();
    side.up(0);
    side.end_step(0, 0, false);
    side.admission.decide(Time(0), 0, Some(&reservation(3, 1)));
    let redeemed = Message::from(Redeemed { reservations: vec![ReservationId(3)] });
    assert_eq!(side.end_step(1, 1, false), [redeemed]);
    assert_eq!(side.end_step(2, 1, false), []);
}

#[test]
fn a_broken_link_sends_nothing_and_a_new_one_begins_anew() {
    let mut side = Side::new();
    side.up(0);
    side.end_step(0, 50, false);
    assert_eq!((side.uplink.next_request(), side.uplink.next_request()), (1, 2));
    side.uplink.down();
    assert!(!side.uplink.is_up() && side.uplink.next_timeout().is_none());
    let mut out = Outbox::<()>::default();
    assert!(!side.uplink.send(Redeemed { reservations: vec![] }, &mut out));
    assert!(out.is_empty());
    assert!(side.end_step(500, 90, true).is_empty());
    side.up(600);
    assert_eq!(side.end_step(600, 50, false), [load(50, 0, false)], "even what was just reported");
    assert_eq!(side.uplink.next_request(), 3, "request numbers go on");
}
