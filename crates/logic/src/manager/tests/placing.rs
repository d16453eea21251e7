//! Gateways: which of them a server's clients come through, and who is told.
//!
//! Read next: [`super::super::placement`].

use super::super::HallsOrder;
use super::*;
use usher_proto::ServerName;
use usher_proto::limits::FRONTS_MAX;
use usher_proto::message::{
    Arbitrate, Arbitrated, Before, DrainOrder, Front, Halls, Inner, InnerServer, Locate, Located, Placed,
    RoomsOf,
};

const GATEWAYS: [&str; 2] = ["gateway-1", "gateway-2"];

/// Where clients find a server at a gateway.
fn front(gateway: &str, server: &str) -> Address {
    format!("{gateway}/{server}").as_str().into()
}

fn own(server: &str) -> Address {
    address_of(server).as_str().into()
}

fn before(gateway: &str, servers: &[&str]) -> Before {
    let servers =
        servers.iter().map(|server| Front { server: (*server).into(), address: front(gateway, server) });
    Before { servers: servers.collect() }
}

impl Cluster {
    /// A gateway of 1,000 connections that stands before these and serves so many.
    fn gateway(&mut self, name: &str, servers: &[&str], serving: u32) -> ConnId {
        let facts = Register { serve_max: 1_000, ..self.facts(ServerKind::Gateway, name) };
        let conn = self.join(facts);
        self.say(conn, before(name, servers));
        self.say(conn, load(serving, 0));
        self.run(250);
        conn
    }

    /// A room server that lets gateways in.
    fn inner_room(&mut self, name: &str) -> ConnId {
        let facts =
            Register { inner: format!("{name}/inner").as_str().into(), ..self.facts(ServerKind::Room, name) };
        self.join(facts)
    }

    /// Where this server's clients are sent, and through which gateway.
    fn way(&self, server: &str) -> (Address, Option<ServerName>) {
        let id = self.manager.registry.named(&server.into()).expect("it is known");
        let server = self.manager.registry.get(id).expect("it is known");
        (server.facts.address.clone(), server.way.through().cloned())
    }

    fn is_straight(&self, server: &str) -> bool {
        self.way(server) == (own(server), None)
    }

    fn is_through(&self, server: &str, gateway: &str) -> bool {
        self.way(server) == (front(gateway, server), Some(gateway.into()))
    }

    /// How many of these are reached through a gateway.
    fn behind(&self, gateway: &str, servers: &[&str]) -> usize {
        servers.iter().filter(|server| self.is_through(server, gateway)).count()
    }

    /// What a server was told of its own address since it was asked last.
    fn placed(&mut self, conn: ConnId) -> Vec<Address> {
        let placed =
            |message| if let Message::Placed(Placed { address }) = message { Some(address) } else { None };
        self.heard(conn).into_iter().filter_map(placed).collect()
    }

    /// The servers that a gateway was told of last, if it was told of any.
    fn told_inner(&mut self, conn: ConnId) -> Option<Vec<InnerServer>> {
        let inner =
            |message| if let Message::Inner(Inner { servers }) = message { Some(servers) } else { None };
        self.heard(conn).into_iter().filter_map(inner).next_back()
    }
}

fn address_in_rooms_of(message: Message) -> Option<Address> {
    if let Message::RoomsOf(RoomsOf { address, .. }) = message { Some(address) } else { None }
}

#[test]
fn whoever_names_a_server_names_its_gateway() {
    let mut cluster = Cluster::new();
    let room = cluster.room("room-1");
    let [hall, other_hall] = ["hall-1", "hall-2"].map(|name| cluster.server(ServerKind::Hall, name));
    let login = cluster.server(ServerKind::Login, "login-1");
    cluster.run(2_000);
    cluster.inbox.clear();
    cluster.gateway("gateway-1", &["room-1", "hall-2"], 0);

    assert_eq!(cluster.placed(room), [front("gateway-1", "room-1")]);
    let told: Vec<_> = cluster.heard(hall).into_iter().filter_map(address_in_rooms_of).collect();
    assert_eq!(told, [front("gateway-1", "room-1")], "at once");
    cluster.run(2_000);
    let halls = Halls { addresses: vec![own("hall-1"), front("gateway-1", "hall-2")] };
    assert_eq!(cluster.told_halls(login).pop(), Some(halls.into()));

    cluster.claim(room, player(1, 1), 1);
    let second = cluster.room("room-2");
    assert_eq!(
        cluster.claim(second, player(1, 1), 0),
        Verdict::Elsewhere { address: front("gateway-1", "room-1"), room: RoomNo(1) }
    );
    cluster.heard(hall);
    cluster.say(hall, Locate { request: 1, identity: player(1, 1) });
    let Some(Message::Located(Located { seats, .. })) = cluster.heard(hall).pop() else {
        panic!("it is answered")
    };
    assert_eq!(seats[0].address, front("gateway-1", "room-1"));
    cluster.say(other_hall, load(0, 0));
    cluster.say(hall, Arbitrate { request: 2, session: Some(SessionId(5)), hops_left: 3 });
    let answer = cluster.heard(hall).pop();
    assert!(
        matches!(&answer, Some(Message::Arbitrated(Arbitrated { to: Some((to, _)), .. })) if *to == front("gateway-1", "hall-2")),
        "{answer:?}"
    );
}

#[test]
fn a_list_of_halls_has_a_straight_way_too() {
    const HALLS: [&str; 4] = ["hall-1", "hall-2", "hall-3", "hall-4"];
    let told = |halls: usize, behind: usize| {
        let mut cluster = Cluster::with(Config { halls_order: HallsOrder::Name, ..Config::default() });
        for name in &HALLS[..halls] {
            cluster.server(ServerKind::Hall, name);
        }
        cluster.gateway("gateway-1", &HALLS[..behind], 0);
        let login = cluster.server(ServerKind::Login, "login-1");
        let Some(Message::Halls(Halls { addresses })) = cluster.told_halls(login).pop() else {
            panic!("a login is told")
        };
        addresses
    };
    let [first, second] = [0, 1].map(|number: usize| front("gateway-1", HALLS[number]));
    assert_eq!(told(1, 1), [first.clone(), own("hall-1")]);
    assert_eq!(told(2, 2), [first.clone(), second.clone(), own("hall-1")]);
    assert_eq!(told(4, 4), [first.clone(), second.clone(), own("hall-3")]);
    assert_eq!(told(4, 1), [first, own("hall-2"), own("hall-3")]);
    assert_eq!(told(2, 0), [own("hall-1"), own("hall-2")]);
}

#[test]
fn a_gateway_that_is_not_fit_is_left_at_once_for_another_or_for_none() {
    let unfit: [fn(&mut Cluster, ConnId); 4] = [
        |cluster, gateway| cluster.cut(gateway),
        |cluster, gateway| cluster.say(gateway, Load { draining: true, ..load(0, 0) }),
        |cluster, _| cluster.step(Input::DrainServer { name: "gateway-1".into() }),
        |cluster, gateway| cluster.say(gateway, before("gateway-1", &[])),
    ];
    for (number, become_unfit) in unfit.into_iter().enumerate() {
        let mut cluster = Cluster::new();
        let room = cluster.room("room-1");
        let first = cluster.gateway("gateway-1", &["room-1"], 0);
        let second = cluster.gateway("gateway-2", &["room-1"], 0);
        let hall = cluster.server(ServerKind::Hall, "hall-1");
        assert!(cluster.is_through("room-1", "gateway-1"), "{number}");
        cluster.inbox.clear();
        become_unfit(&mut cluster, first);
        assert!(cluster.is_through("room-1", "gateway-2"), "{number}");
        assert_eq!(cluster.placed(room), [front("gateway-2", "room-1")], "{number}");
        let told: Vec<_> = cluster.heard(hall).into_iter().filter_map(address_in_rooms_of).collect();
        assert_eq!(told, [front("gateway-2", "room-1")], "{number}");
        cluster.cut(second);
        assert!(cluster.is_straight("room-1"), "{number}");
        assert_eq!(cluster.placed(room), [own("room-1")], "{number}");
    }
}

#[test]
fn a_silent_gateway_is_left_when_its_lease_ends() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    let gateway = cluster.gateway("gateway-1", &["room-1"], 0);
    cluster.renewing.remove(&gateway);
    cluster.run(LEASE_MS - 500);
    assert!(cluster.is_through("room-1", "gateway-1"));
    cluster.run(750);
    assert!(cluster.is_straight("room-1"));
    assert_eq!(cluster.state("gateway-1"), "gone");
}

#[test]
fn a_full_gateway_and_one_that_has_not_reported_are_not_fit() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    let facts = Register { serve_max: 1_000, ..cluster.facts(ServerKind::Gateway, "gateway-1") };
    let gateway = cluster.join(facts);
    cluster.say(gateway, before("gateway-1", &["room-1"]));
    assert!(cluster.is_straight("room-1"), "it may be full");
    for (serving, is_through) in [(0, true), (999, true), (1_000, false), (1_200, false), (999, true)] {
        cluster.say(gateway, load(serving, 0));
        cluster.run(250);
        assert_eq!(cluster.is_through("room-1", "gateway-1"), is_through, "{serving} of 1,000");
    }
}

#[test]
fn servers_are_spread_over_gateways_by_their_free_places_and_come_back_to_one_that_does() {
    const ROOMS: [&str; 6] = ["room-1", "room-2", "room-3", "room-4", "room-5", "room-6"];
    let mut cluster = Cluster::new();
    let first = cluster.gateway("gateway-1", &ROOMS, 0);
    cluster.gateway("gateway-2", &ROOMS, 0);
    for name in ROOMS {
        cluster.room(name);
    }
    assert_eq!(GATEWAYS.map(|name| cluster.behind(name, &ROOMS)), [3, 3]);
    cluster.cut(first);
    assert_eq!(GATEWAYS.map(|name| cluster.behind(name, &ROOMS)), [0, 6]);
    cluster.gateway("gateway-1", &ROOMS, 0);
    assert_eq!(GATEWAYS.map(|name| cluster.behind(name, &ROOMS)), [3, 3]);
}

#[test]
fn a_gateway_is_kept_until_another_is_clearly_better_and_nothing_flaps() {
    const ROOMS: [&str; 4] = ["room-1", "room-2", "room-3", "room-4"];
    let mut cluster = Cluster::new();
    let gateways = GATEWAYS.map(|name| cluster.gateway(name, &ROOMS, 0));
    for name in ROOMS {
        cluster.room(name);
    }
    let placements = cluster.figure("usher_placements_total");
    // A tenth fuller than the other, in turns.
    for turn in 0..40 {
        cluster.say(gateways[turn % 2], load(100, 0));
        cluster.say(gateways[(turn + 1) % 2], load(0, 0));
        cluster.run(250);
    }
    assert_eq!(cluster.figure("usher_placements_total"), placements);
    assert_eq!(cluster.figure("usher_servers_placed"), 4);
    cluster.say(gateways[0], load(900, 0));
    cluster.run(250);
    assert_eq!(GATEWAYS.map(|name| cluster.behind(name, &ROOMS)), [0, 4]);
    let placements = cluster.figure("usher_placements_total");
    cluster.run(5_000);
    assert_eq!(cluster.figure("usher_placements_total"), placements, "nothing more to gain");
}

#[test]
fn a_server_that_presents_itself_anew_is_placed_anew() {
    let mut cluster = Cluster::new();
    let room = cluster.room("room-1");
    cluster.gateway("gateway-1", &["room-1"], 0);
    cluster.cut(room);
    let room = cluster.room("room-1");
    assert_eq!(cluster.placed(room), [front("gateway-1", "room-1")]);
    cluster.cut(room);
    let facts = Register { incarnation: 2, ..cluster.facts(ServerKind::Room, "room-1") };
    let room = cluster.join(facts);
    assert_eq!(cluster.placed(room), [front("gateway-1", "room-1")]);
}

#[test]
fn another_process_of_a_gateway_stands_before_nobody_until_it_says_so() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    let gateway = cluster.gateway("gateway-1", &["room-1"], 0);
    cluster.cut(gateway);
    let facts = Register { incarnation: 2, ..cluster.facts(ServerKind::Gateway, "gateway-1") };
    let gateway = cluster.join(facts);
    cluster.say(gateway, load(0, 0));
    cluster.run(250);
    assert!(cluster.is_straight("room-1"));
    cluster.say(gateway, before("gateway-1", &["room-1"]));
    assert!(cluster.is_through("room-1", "gateway-1"));
}

#[test]
fn a_gateway_is_for_halls_and_rooms_of_its_world() {
    let mut cluster = Cluster::new();
    let facts = Register { world: WorldId(2), ..cluster.facts(ServerKind::Room, "room-2") };
    cluster.join(facts);
    cluster.server(ServerKind::Login, "login-1");
    let second = cluster.gateway("gateway-2", &[], 0);
    let first = cluster.gateway("gateway-1", &["room-2", "login-1", "gateway-2", "nobody"], 0);
    for name in ["room-2", "login-1", "gateway-2"] {
        assert!(cluster.is_straight(name), "{name}");
    }
    // Nor is it sent anybody as the halls and logins are.
    cluster.say(first, Arbitrate { request: 1, session: None, hops_left: 3 });
    assert_eq!(cluster.closed.pop(), Some((first, CloseReason::Unexpected)));
    let front =
        |number: usize| Front { server: format!("room-{number}").as_str().into(), address: own("any") };
    let too_many = Before { servers: (0..=FRONTS_MAX).map(front).collect() };
    let nameless = Before { servers: vec![Front { server: "".into(), address: own("any") }] };
    let nowhere = Before { servers: vec![Front { server: "room-1".into(), address: "".into() }] };
    let room = cluster.room("room-1");
    cluster.say(room, before("room-1", &["room-1"]));
    assert_eq!(cluster.closed.pop(), Some((room, CloseReason::Unexpected)), "a room is no gateway");
    cluster.cut(second);
    for unheard_of in [too_many, nameless, nowhere] {
        let conn = cluster.gateway("gateway-2", &[], 0);
        cluster.say(conn, unheard_of);
        assert_eq!(cluster.closed.pop(), Some((conn, CloseReason::Unexpected)));
    }
}

#[test]
fn gateways_are_told_who_lets_them_in_at_once_and_then_once_a_second() {
    let inner = |name: &str| InnerServer {
        server: name.into(),
        kind: ServerKind::Room,
        address: format!("{name}/inner").as_str().into(),
    };
    let mut cluster = Cluster::new();
    let first = cluster.inner_room("room-1");
    cluster.room("room-9");
    let login = Register { inner: "login/inner".into(), ..cluster.facts(ServerKind::Login, "login-1") };
    cluster.join(login);
    let gateway = cluster.gateway("gateway-1", &[], 0);
    assert_eq!(cluster.told_inner(gateway), Some(vec![inner("room-1")]));
    let second = cluster.inner_room("room-2");
    cluster.inner_room("room-3");
    cluster.run(1_250);
    assert_eq!(cluster.told_inner(gateway), Some(["room-1", "room-2", "room-3"].map(inner).into()));
    cluster.cut(first);
    cluster.say(second, Load { draining: true, ..load(0, 0) });
    cluster.run(2_000);
    assert_eq!(cluster.told_inner(gateway), None, "players are there still");
    cluster.run(LEASE_MS);
    assert_eq!(cluster.told_inner(gateway), Some(["room-2", "room-3"].map(inner).into()), "it is gone");
    let other_world = Register { world: WorldId(2), ..cluster.facts(ServerKind::Gateway, "gateway-2") };
    let other = cluster.join(other_world);
    assert_eq!(cluster.told_inner(other), Some(Vec::new()));
}

#[test]
fn a_gateway_that_was_ordered_to_drain_is_told_again_and_stays_out_of_use() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    let gateway = cluster.gateway("gateway-1", &["room-1"], 0);
    cluster.cut(gateway);
    cluster.step(Input::DrainServer { name: "gateway-1".into() });
    let gateway = cluster.gateway("gateway-1", &["room-1"], 0);
    assert!(cluster.heard(gateway).contains(&DrainOrder {}.into()));
    assert!(cluster.is_straight("room-1"));
}

#[test]
fn the_page_shows_who_is_reached_through_whom() {
    let mut cluster = Cluster::new();
    cluster.room("room-1");
    cluster.gateway("gateway-1", &["room-1"], 7);
    cluster.run(1_500);
    let shown =
        cluster.view.servers.iter().map(|it| (&*it.name.0, it.kind, &it.address, it.through.as_ref()));
    let gateway = ServerName::from("gateway-1");
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            ("gateway-1", "gateway", &own("gateway-1"), None),
            ("room-1", "room", &front("gateway-1", "room-1"), Some(&gateway)),
        ]
    );
    assert_eq!(cluster.view.servers[0].serving, 7);
}
