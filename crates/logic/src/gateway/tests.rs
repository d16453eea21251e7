//! What a gateway says to its manager, and whom it wants to stand before.

use super::*;
use crate::bench::LINK;
use alloc::format;
use alloc::vec;
use usher_proto::message::{DrainOrder, Inner, Load, RegisterDenial, RegisterDenied, Registered};

/// What one step caused.
type Caused = Vec<Output<Infallible>>;

/// A gateway and its time.
struct Side {
    gateway: Gateway,
    now: Time,
}

impl Side {
    fn new(servers: Vec<InnerServer>, follow: bool) -> Self {
        let node = NodeConfig { serve_max: 100, ..NodeConfig::new(ServerKind::Gateway) };
        Self { gateway: Gateway::new(GatewayConfig { node, servers, follow }), now: Time(0) }
    }

    fn step(&mut self, act: impl FnOnce(&mut Gateway, Time, &mut Out)) -> Caused {
        let mut out = Out::default();
        act(&mut self.gateway, self.now, &mut out);
        self.gateway.check_invariants();
        out.drain().collect()
    }

    fn handle(&mut self, input: Input<Infallible>) -> Caused {
        self.step(|gateway, now, out| gateway.handle(now, input, out))
    }

    fn link_up(&mut self) -> Vec<Message> {
        said(self.handle(Input::LinkUp { conn: LINK }))
    }

    fn manager_says(&mut self, message: impl Into<Message>) -> Caused {
        self.handle(Input::Message { conn: LINK, message: message.into() })
    }

    fn serves(&mut self, connections: u32) -> Caused {
        self.step(|gateway, now, out| gateway.serves(now, connections, out))
    }

    fn stands_before(&mut self, servers: &[&str]) -> Vec<Message> {
        let fronts = fronts(servers);
        said(self.step(|gateway, now, out| gateway.stands_before(now, fronts, out)))
    }

    /// The names of those that are wanted, if that is news.
    fn news(&mut self) -> Option<Vec<&str>> {
        Some(self.gateway.take_wanted()?.iter().map(|it| &*it.server.0).collect())
    }
}

fn said(outputs: Caused) -> Vec<Message> {
    let said = outputs.into_iter().map(|output| match output {
        Output::Send(LINK, message) => message,
        other => panic!("{other:?}"),
    });
    said.collect()
}

fn fronts(servers: &[&str]) -> Vec<Front> {
    let front =
        |server: &&str| Front { server: (*server).into(), address: format!("out/{server}").as_str().into() };
    servers.iter().map(front).collect()
}

fn before(servers: &[&str]) -> Message {
    Before { servers: fronts(servers) }.into()
}

fn inner(server: &str) -> InnerServer {
    InnerServer {
        server: server.into(),
        kind: ServerKind::Room,
        address: format!("{server}/inner").as_str().into(),
    }
}

fn named(servers: &[&str]) -> Inner {
    Inner { servers: servers.iter().copied().map(inner).collect() }
}

fn load(serving: u32, served_per_second: u32, draining: bool) -> Message {
    Load { serving, served_per_second, draining, rooms: Vec::new() }.into()
}

#[test]
fn it_presents_itself_and_says_whom_it_stands_before_and_how_full_it_is() {
    let mut side = Side::new(Vec::new(), true);
    assert_eq!(side.stands_before(&["room-1"]), [], "to nobody yet");
    let said = side.link_up();
    assert!(
        matches!(&said[0], Message::Register(register) if register.kind == ServerKind::Gateway),
        "{said:?}"
    );
    assert_eq!(said[1..], [before(&["room-1"]), load(0, 0, false)]);
    assert_eq!(side.stands_before(&["room-1"]), [], "it was said");
    assert_eq!(side.stands_before(&["room-1", "room-2"]), [before(&["room-1", "room-2"])]);
    assert_eq!(side.stands_before(&[]), [before(&[])]);
    side.manager_says(Registered { lease_ms: 4_000 });
    assert!(side.handle(Input::LinkDown).is_empty());
    assert_eq!(side.stands_before(&["room-3"]), []);
    assert_eq!(side.link_up()[1], before(&["room-3"]), "again on each link");
}

#[test]
fn connections_are_reported_by_the_second_or_when_a_twentieth_changed() {
    let mut side = Side::new(Vec::new(), true);
    side.link_up();
    assert_eq!(said(side.serves(4)), []);
    assert_eq!(said(side.serves(5)), [load(5, 5, false)]);
    assert_eq!(said(side.serves(1)), []);
    assert_eq!(side.gateway.next_timeout(), Some(Time::from_millis(1_000)));
    side.now = Time::from_millis(1_000);
    assert_eq!(said(side.handle(Input::Timeout)), [load(1, 2, false)], "of five, a second ago");
}

#[test]
fn those_of_the_config_are_wanted_and_those_that_are_named_if_it_follows() {
    let mut side = Side::new(vec![inner("room-1")], true);
    assert_eq!(side.news(), Some(vec!["room-1"]));
    assert_eq!(side.news(), None);
    side.link_up();
    side.manager_says(named(&["room-0", "room-1", "room-2"]));
    assert_eq!(side.news(), Some(vec!["room-1", "room-0", "room-2"]));
    side.manager_says(named(&["room-0", "room-1", "room-2"]));
    assert_eq!(side.news(), None, "the same");
    side.manager_says(Inner { servers: vec![InnerServer { address: "other".into(), ..inner("room-0") }] });
    assert_eq!(side.news(), Some(vec!["room-1", "room-0"]), "found elsewhere");

    let mut side = Side::new(vec![inner("room-1")], false);
    side.news();
    side.link_up();
    side.manager_says(named(&["room-2"]));
    assert_eq!(side.news(), None);

    let mut side = Side::new(vec![inner("mine")], true);
    side.link_up();
    let many: Vec<_> = (0..FRONTS_MAX + 3).map(|number| format!("room-{number}")).collect();
    side.manager_says(Inner { servers: many.iter().map(|name| inner(name)).collect() });
    let wanted = side.news().unwrap();
    assert_eq!((wanted.len(), wanted[0], wanted[1]), (FRONTS_MAX, "mine", "room-0"));
}

#[test]
fn a_server_that_is_named_no_more_is_wanted_until_its_trunk_breaks() {
    let mut side = Side::new(Vec::new(), true);
    side.link_up();
    side.manager_says(named(&["room-1", "room-2"]));
    side.stands_before(&["room-1"]);
    side.news();
    side.manager_says(named(&[]));
    assert_eq!(side.news(), Some(vec!["room-1"]), "its players are on that trunk");
    side.stands_before(&[]);
    assert_eq!(side.news(), Some(vec![]));
}

#[test]
fn it_drains_by_its_operators_word_or_the_managers_and_says_when_nobody_is_left() {
    let drain: [fn(&mut Side) -> Caused; 2] =
        [|side| side.handle(Input::Drain), |side| side.manager_says(DrainOrder {})];
    for drain in drain {
        let mut side = Side::new(Vec::new(), true);
        side.link_up();
        side.serves(2);
        assert!(!side.gateway.is_draining());
        assert_eq!(said(drain(&mut side)), [load(2, 2, true)], "at once");
        assert!(side.gateway.is_draining());
        assert!(side.serves(1).iter().all(|it| !matches!(it, Output::Drained)));
        let drained = |outputs: &[Output<Infallible>]| {
            outputs.iter().filter(|it| matches!(it, Output::Drained)).count()
        };
        assert_eq!(drained(&side.serves(0)), 1);
        assert_eq!(drained(&side.handle(Input::Timeout)), 0, "once");
    }
}

#[test]
fn a_manager_that_does_not_want_it_is_as_none_and_what_it_should_not_say_ends_the_link() {
    let mut side = Side::new(Vec::new(), true);
    side.link_up();
    side.manager_says(RegisterDenied { reason: RegisterDenial::NameTaken });
    assert_eq!(side.stands_before(&["room-1"]), []);
    side.link_up();
    let outputs = side.manager_says(Registered { lease_ms: 4_000 });
    assert!(outputs.is_empty(), "{outputs:?}");
    let outputs = side.manager_says(usher_proto::message::Placed { address: "me".into() });
    assert!(matches!(outputs[..], [Output::Close(LINK, CloseReason::Unexpected)]), "{outputs:?}");
}
