//! Trunks: many connections over one, each as if it had a socket of its own.
//!
//! The suite plays the gateway with a plain client that speaks in records.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use usher_hpserver::{
    Bytes, CloseReason, ConnId, Limits, ListenerConfig, ListenerId, Rate, Rates,
    trunk::{self, Ended, NOBODY, Records, TrunkCodec, TrunkFrame, VirtualId, WINDOW_BYTES},
};

use crate::{
    client::Client,
    protocol::{Names, Talk, frame},
    rig::{Probe, Rig, Seen, Shape, answer, listener, numbered, shapes},
};

const PLAYERS: u16 = 0;
const TRUNKS: u16 = 1;

/// A listener of players that trunks carry, and that of the trunks.
fn carried(mut players: ListenerConfig<Probe>) -> Vec<ListenerConfig<Probe>> {
    players.address = None;
    let trunks = ListenerConfig {
        name: "trunks".into(),
        codec: Arc::new(TrunkCodec),
        carries: Some(ListenerId(PLAYERS)),
        link: true,
        limits: Limits { first_frame_bytes_max: 70_000, ..listener(Talk::default()).limits },
        ..listener(Talk::default())
    };
    vec![players, trunks]
}

fn start(shape: Shape, shards: usize) -> Rig {
    Rig::new(shape.config(shards), carried(listener(Talk::default())))
}

/// What a server says on a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Pong,
    Admit,
    Refuse(Bytes),
    Data(Bytes),
    Credit(u32),
    Join(u64),
    Leave(u64),
    Cast(u64, Bytes),
    Close(Ended),
    Reset(Ended),
}

/// A gateway's end of a trunk.
struct Trunk {
    client: Client,
    heard: VecDeque<(VirtualId, Said)>,
    records: usize,
}

impl Trunk {
    fn new(rig: &Rig) -> Self {
        Self { client: rig.client(TRUNKS), heard: VecDeque::new(), records: 0 }
    }

    fn say(&mut self, id: VirtualId, frame: &TrunkFrame<'_>) {
        let record = trunk::record(id, frame);
        self.client.write(&record);
    }

    /// Somebody comes, from that address.
    fn open(&mut self, id: VirtualId, peer: &str, first_frame: &[u8]) {
        self.say(id, &TrunkFrame::Open { peer: peer.parse().unwrap(), first_frame });
    }

    /// As `open`, where nobody greets: he is in at once.
    fn enter(&mut self, rig: &Rig, id: VirtualId) -> ConnId {
        let peer: SocketAddr = format!("192.0.2.{}:{}", id % 250, 1000 + id).parse().unwrap();
        self.open(id, &peer.to_string(), b"");
        assert_eq!(self.next(), (id, Said::Admit));
        rig.wait(|seen| match seen {
            Seen::Opened(conn, from) if *from == peer => Some(*conn),
            _ => None,
        })
    }

    fn packet(&mut self, id: VirtualId, packet: &[u8]) {
        self.say(id, &TrunkFrame::Data(&frame(b'.', packet)));
    }

    fn next(&mut self) -> (VirtualId, Said) {
        loop {
            if let Some(said) = self.heard.pop_front() {
                return said;
            }
            let body = self.client.hear_raw();
            self.records += 1;
            for said in trunk::frames(&body) {
                let (id, said) = said.unwrap();
                let said = match said {
                    TrunkFrame::Ping => continue,
                    TrunkFrame::Pong => Said::Pong,
                    TrunkFrame::Admit => Said::Admit,
                    TrunkFrame::Refuse(bytes) => Said::Refuse(body.slice_ref(bytes)),
                    TrunkFrame::Data(bytes) => Said::Data(body.slice_ref(bytes)),
                    TrunkFrame::Credit(bytes) => Said::Credit(bytes),
                    TrunkFrame::Join(group) => Said::Join(group),
                    TrunkFrame::Leave(group) => Said::Leave(group),
                    TrunkFrame::Cast { group, bytes } => Said::Cast(group, body.slice_ref(bytes)),
                    TrunkFrame::Close(ended) => Said::Close(ended),
                    TrunkFrame::Reset(ended) => Said::Reset(ended),
                    TrunkFrame::Open { .. } | TrunkFrame::Part(_) => panic!("{said:?} from a server"),
                };
                self.heard.push_back((id, said));
            }
        }
    }

    /// The next thing about one of them; what is said about others meanwhile is kept for them.
    fn next_of(&mut self, id: VirtualId) -> Said {
        let mut others = VecDeque::new();
        loop {
            match self.next() {
                (of, said) if of == id => {
                    others.extend(self.heard.drain(..));
                    self.heard = others;
                    return said;
                }
                other => others.push_back(other),
            }
        }
    }

    fn expect_packet(&mut self, id: VirtualId, packet: &[u8]) {
        assert_eq!(self.next_of(id), Said::Data(frame(b'.', packet)));
    }

    fn echo(&mut self, id: VirtualId, packet: &[u8]) {
        self.packet(id, packet);
        self.expect_packet(id, packet);
    }

    /// The gateway's last word, and the server's answer.
    fn leave(&mut self, id: VirtualId) {
        self.say(id, &TrunkFrame::Close(Ended::Finished));
        assert_eq!(self.next_of(id), Said::Close(Ended::Finished));
    }
}

#[test]
fn who_rides_is_a_connection_like_any_other() {
    for shape in shapes() {
        let rig = start(shape, 2);
        let mut trunk = Trunk::new(&rig);
        let conns: Vec<_> = (0..5).map(|id| trunk.enter(&rig, id)).collect();
        for id in 0..5 {
            trunk.echo(id, b"ehello");
        }
        assert_eq!(rig.remote().online(ListenerId(PLAYERS)).len(), 5);
        // Said past the services, said by another shard, said in the middle of a move to another.
        rig.send(conns[1], &"past".into());
        trunk.expect_packet(1, b"past");
        let to = conns[2];
        rig.ask(1, move |out| out.send(to, "from elsewhere".into()));
        trunk.expect_packet(2, b"from elsewhere");
        trunk.packet(3, b"h\x01");
        for number in 0..200 {
            trunk.packet(3, &numbered(number));
        }
        for number in 0..200 {
            trunk.expect_packet(3, &numbered(number));
        }
        trunk.packet(3, b"shere");
        rig.wait_for(&Seen::Packet(1, "here".into()));
        trunk.leave(3);
        rig.wait_for(&Seen::Closed(conns[3], CloseReason::PeerClosed));
        trunk.echo(4, b"eand the others stay");
        drop(trunk);
        for _ in 0..4 {
            let (conn, reason) = rig.wait(|seen| match seen {
                Seen::Closed(conn, reason) if conns.contains(conn) => Some((*conn, *reason)),
                _ => None,
            });
            assert_eq!(reason, CloseReason::TrunkDown, "{conn}");
        }
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[0].connections_total, 5);
        assert_eq!(report.metrics.listeners[0].closed["trunk_down"], 4);
    }
}

#[test]
fn a_frame_may_come_in_any_pieces() {
    for shape in shapes() {
        let rig = start(shape, 1);
        let mut trunk = Trunk::new(&rig);
        trunk.enter(&rig, 7);
        let wire = [frame(b'.', b"eone"), frame(b'+', b"etw"), frame(b'.', b"o")].concat();
        for byte in wire.chunks(1) {
            trunk.say(7, &TrunkFrame::Part(byte));
        }
        trunk.expect_packet(7, b"eone");
        trunk.expect_packet(7, b"etwo");
        // And a record too.
        let record = trunk::record(7, &TrunkFrame::Data(&frame(b'.', b"ethree")));
        for byte in record.chunks(1) {
            trunk.client.write(byte);
        }
        trunk.expect_packet(7, b"ethree");
        rig.finish();
    }
}

#[test]
fn whoever_greets_is_open_with_his_first_packet_and_not_before() {
    for shape in shapes() {
        let players = ListenerConfig { channel: Arc::new(Names), ..listener(Talk::default()) };
        let rig = Rig::new(shape.config(2), carried(players));
        let mut trunk = Trunk::new(&rig);
        trunk.open(0, "192.0.2.1:1", b"friend");
        assert_eq!(trunk.next_of(0), Said::Admit);
        trunk.open(1, "192.0.2.1:2", b"nobody");
        assert_eq!(trunk.next_of(1), Said::Refuse(frame(b'.', b"full")));
        assert_eq!(trunk.next_of(1), Said::Close(Ended::Finished));
        trunk.open(2, "192.0.2.1:3", b"stranger");
        assert_eq!(trunk.next_of(2), Said::Refuse(frame(b'~', b"who?")));
        assert_eq!(trunk.next_of(2), Said::Close(Ended::Finished));
        let opened = rig
            .seen_by_now()
            .iter()
            .any(|seen| matches!(seen, Seen::Opened(_, peer) if !peer.ip().is_loopback()));
        assert!(!opened, "nobody has said anything");
        trunk.echo(0, b"efirst");
        rig.wait(|seen| {
            matches!(seen, Seen::Opened(_, peer) if *peer == "192.0.2.1:1".parse().unwrap()).then_some(())
        });
        trunk.open(3, "192.0.2.1:4", b"elsewhere");
        assert_eq!(trunk.next_of(3), Said::Admit);
        trunk.echo(3, b"eat once with another shard");
        // An id whose end the server has said is free when the gateway has said it, too.
        trunk.say(1, &TrunkFrame::Close(Ended::Finished));
        trunk.open(1, "192.0.2.1:5", b"friend");
        assert_eq!(trunk.next_of(1), Said::Admit);
        trunk.echo(1, b"eanother");
        trunk.say(2, &TrunkFrame::Reset(Ended::Broken));
        drop(trunk);
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[0].closed["greeting_refused"], 1);
    }
}

#[test]
fn what_is_published_crosses_once() {
    for shape in shapes() {
        let rig = start(shape, 1);
        let mut trunks = [Trunk::new(&rig), Trunk::new(&rig)];
        for trunk in &mut trunks {
            for id in 0..40 {
                trunk.enter(&rig, id);
                trunk.packet(id, b"j\x05");
                assert_eq!(trunk.next_of(id), Said::Join(5));
                trunk.echo(id, b"e");
            }
        }
        let [first, second] = &mut trunks;
        first.packet(0, b"p\x05all");
        assert_eq!(first.next(), (NOBODY, Said::Cast(5, frame(b'.', b"all"))));
        assert_eq!(second.next(), (NOBODY, Said::Cast(5, frame(b'.', b"all"))));
        first.packet(0, b"x\x05the others");
        assert_eq!(first.next(), (0, Said::Cast(5, frame(b'.', b"the others"))));
        assert_eq!(second.next(), (NOBODY, Said::Cast(5, frame(b'.', b"the others"))));
        // In order with what each is sent by himself, and to nobody who has left.
        second.packet(3, b"eone");
        second.packet(3, b"p\x05two");
        second.packet(3, b"ethree");
        second.packet(3, b"l\x05");
        assert_eq!(second.next_of(3), Said::Data(frame(b'.', b"eone")));
        assert_eq!(second.next(), (NOBODY, Said::Cast(5, frame(b'.', b"two"))));
        assert_eq!(second.next_of(3), Said::Data(frame(b'.', b"ethree")));
        assert_eq!(second.next_of(3), Said::Leave(5));
        assert_eq!(first.next(), (NOBODY, Said::Cast(5, frame(b'.', b"two"))));
        assert_eq!(rig.finish().metrics.deliveries, 80 + 79 + 80);
    }
}

#[test]
fn a_window_holds_one_back_and_nobody_else() {
    for shape in shapes() {
        let rig = start(shape, 1);
        let mut trunk = Trunk::new(&rig);
        trunk.enter(&rig, 0);
        trunk.enter(&rig, 1);
        for id in [0, 1] {
            trunk.packet(id, b"j\x09");
            assert_eq!(trunk.next_of(id), Said::Join(9));
        }
        trunk.packet(0, &[b"m", &200_u64.to_be_bytes()[..]].concat());
        let (mut came, mut left) = (Vec::new(), 0);
        while left == 0 {
            match trunk.next_of(0) {
                Said::Data(bytes) => came.extend(bytes),
                Said::Leave(9) => left += 1,
                said => panic!("{said:?}"),
            }
        }
        let packet_bytes = frame(b'.', &answer(0)).len();
        assert!(came.len() < WINDOW_BYTES as usize + packet_bytes, "{}", came.len());
        // He hears what is published when he can; the other at once.
        trunk.packet(1, b"p\x09news");
        assert_eq!(trunk.next(), (NOBODY, Said::Cast(9, frame(b'.', b"news"))));
        trunk.echo(1, b"enothing to wait for");
        let whole: Vec<u8> = (0..200).flat_map(|index| frame(b'.', &answer(index))).collect();
        let whole = [&whole[..], &frame(b'.', b"news")].concat();
        let mut credits = 0;
        while came.len() < whole.len() {
            let window = WINDOW_BYTES / 2;
            trunk.say(0, &TrunkFrame::Credit(window));
            credits += window as usize;
            let due = whole.len().min(credits + WINDOW_BYTES as usize);
            while came.len() < due {
                match trunk.next_of(0) {
                    Said::Data(bytes) => came.extend(bytes),
                    said => panic!("{said:?}"),
                }
            }
            assert!(came.len() < due + packet_bytes, "{} of {due}", came.len());
        }
        assert!(came == whole, "something was lost, doubled or out of order");
        trunk.say(0, &TrunkFrame::Credit(WINDOW_BYTES));
        assert_eq!(trunk.next_of(0), Said::Join(9));
        trunk.packet(1, b"p\x09again");
        assert_eq!(trunk.next(), (NOBODY, Said::Cast(9, frame(b'.', b"again"))));
        rig.finish();
    }
}

#[test]
fn who_takes_nothing_is_cut_off_and_the_reason_is_his_own() {
    for shape in shapes() {
        let rig = start(shape, 1);
        let mut trunk = Trunk::new(&rig);
        let slow = trunk.enter(&rig, 0);
        trunk.enter(&rig, 1);
        trunk.packet(0, &[b"m", &400_u64.to_be_bytes()[..]].concat());
        let cut = loop {
            match trunk.next_of(0) {
                Said::Data(_) => {}
                said => break said,
            }
        };
        assert_eq!(cut, Said::Reset(Ended::SlowConsumer));
        trunk.echo(1, b"estill here");
        trunk.say(0, &TrunkFrame::Reset(Ended::Broken));
        rig.wait_for(&Seen::Closed(slow, CloseReason::SlowConsumer));
        rig.finish();
    }
}

#[test]
fn who_waits_for_a_shard_waits_alone_and_is_given_no_credit() {
    // A thread for each shard, and queues that are soon full.
    for shape in shapes().filter(|shape| shape.threads.1 == 2 && shape.queue == 1) {
        let rig = start(shape, 2);
        let mut trunk = Trunk::new(&rig);
        trunk.enter(&rig, 0);
        trunk.enter(&rig, 1);
        trunk.packet(1, b"h\x01");
        trunk.echo(1, b"emoved");
        rig.ledger.close_gate();
        trunk.packet(0, b"g");
        rig.wait_for(&Seen::AtGate(0));
        let packet = frame(b'.', &[b"e", &[7; 900][..]].concat());
        let many = WINDOW_BYTES as usize / packet.len();
        (0..many).for_each(|_| trunk.say(0, &TrunkFrame::Data(&packet)));
        trunk.echo(1, b"enot my shard");
        assert!(!trunk.heard.iter().any(|(id, _)| *id == 0), "{:?}", trunk.heard);
        rig.ledger.open_gate();
        assert_eq!(trunk.next_of(0), Said::Data(frame(b'.', b"g")));
        let (mut echoes, mut credit) = (0, 0);
        while echoes < many || credit < WINDOW_BYTES / 2 {
            match trunk.next_of(0) {
                Said::Data(bytes) => {
                    echoes += 1;
                    assert_eq!(bytes, packet);
                }
                Said::Credit(bytes) => credit += bytes,
                said => panic!("{said:?}"),
            }
        }
        rig.finish();
    }
}

#[test]
fn a_gateway_that_does_not_keep_to_the_rules_loses_its_trunk() {
    type Break = fn(&mut Trunk);
    let breaks: [(&str, Break); 4] = [
        ("an id twice", |trunk| trunk.open(0, "192.0.2.9:9", b"")),
        ("an id too high", |trunk| trunk.open(trunk::VIRTUAL_MAX, "192.0.2.9:9", b"")),
        ("a server's frame", |trunk| trunk.say(0, &TrunkFrame::Join(1))),
        ("no frame", |trunk| trunk.client.write(&[0, 2, 99, 0])),
    ];
    for shape in shapes() {
        for (what, break_it) in breaks {
            let rig = start(shape, 1);
            let mut trunk = Trunk::new(&rig);
            let conn = trunk.enter(&rig, 0);
            break_it(&mut trunk);
            rig.wait_for(&Seen::Closed(conn, CloseReason::TrunkDown));
            let report = rig.finish();
            assert_eq!(report.metrics.listeners[1].closed["bad_frame"], 1, "{what}");
        }
    }
}

#[test]
fn who_is_sent_far_past_his_window_is_closed_and_nobody_else_on_the_trunk() {
    // With a thread of its own a shard that stands still holds up nobody but its players.
    for shape in shapes().filter(|shape| shape.threads.1 > 0 && shape.queue == 1) {
        let rig = start(shape, 1);
        rig.ledger.close_gate();
        let mut trunk = Trunk::new(&rig);
        let hasty = trunk.enter(&rig, 0);
        trunk.enter(&rig, 1);
        trunk.packet(0, b"g");
        rig.wait_for(&Seen::AtGate(0));
        let packet = frame(b'.', &[b"s", &[7; 900][..]].concat());
        let many = 4 * WINDOW_BYTES as usize / packet.len();
        (0..many).for_each(|_| trunk.say(0, &TrunkFrame::Data(&packet)));
        rig.wait_metrics(|metrics| metrics.listeners[1].bytes_in >= (many * packet.len()) as u64);
        rig.ledger.open_gate();
        rig.wait_for(&Seen::Closed(hasty, CloseReason::BadFrame("window")));
        assert_eq!(trunk.next_of(0), Said::Data(frame(b'.', b"g")));
        assert_eq!(trunk.next_of(0), Said::Data(frame(b'~', b"bad_frame")));
        assert_eq!(trunk.next_of(0), Said::Close(Ended::Finished));
        trunk.say(0, &TrunkFrame::Close(Ended::Finished));
        trunk.echo(1, b"estill here");
        let report = rig.finish();
        let bad = report.metrics.listeners.iter().map(|listener| listener.closed["bad_frame"]);
        assert_eq!(bad.collect::<Vec<_>>(), [1, 0]);
    }
}

#[test]
fn limits_are_those_of_the_player_and_not_of_the_gateway() {
    for shape in shapes() {
        let mut players = listener(Talk::default());
        players.limits.connections_max = 3;
        players.limits.addresses.connections_max = 2;
        players.limits.rates = Rates { messages: Rate { per_second: 1, burst: 3 }, bytes: Rate::ANY };
        let rig = Rig::new(shape.config(1), carried(players));
        let mut trunk = Trunk::new(&rig);
        let turned_away = |trunk: &mut Trunk, id| {
            assert!(matches!(trunk.next_of(id), Said::Refuse(_)));
            assert_eq!(trunk.next_of(id), Said::Close(Ended::Full));
            trunk.say(id, &TrunkFrame::Close(Ended::Finished));
        };
        for (id, peer) in ["192.0.2.1:1", "192.0.2.1:2"].into_iter().enumerate() {
            trunk.open(id as u32, peer, b"");
            assert_eq!(trunk.next_of(id as u32), Said::Admit);
        }
        trunk.open(2, "192.0.2.1:3", b"");
        turned_away(&mut trunk, 2);
        trunk.open(2, "192.0.2.2:1", b"");
        assert_eq!(trunk.next_of(2), Said::Admit);
        trunk.open(3, "192.0.2.3:1", b"");
        turned_away(&mut trunk, 3);
        (0..4).for_each(|_| trunk.packet(2, b"e"));
        (0..3).for_each(|_| trunk.expect_packet(2, b"e"));
        assert_eq!(trunk.next_of(2), Said::Data(frame(b'~', b"rate_limited")));
        assert_eq!(trunk.next_of(2), Said::Close(Ended::Finished));
        trunk.echo(1, b"eas ever");
        drop(trunk);
        let report = rig.finish();
        let closed = &report.metrics.listeners[0].closed;
        assert_eq!((closed["address_full"], closed["connections_full"], closed["rate_limited"]), (1, 1, 1));
    }
}

#[test]
fn a_trunk_cut_in_the_middle_of_a_frame_delivers_nothing_of_it() {
    for shape in shapes() {
        let rig = start(shape, 1);
        let mut trunk = Trunk::new(&rig);
        let conns = [0, 1].map(|id| trunk.enter(&rig, id));
        trunk.echo(0, b"e");
        let record = trunk::record(0, &TrunkFrame::Data(&frame(b'.', b"snever")));
        trunk.client.write(&record[..record.len() - 1]);
        drop(trunk);
        for conn in conns {
            rig.wait_for(&Seen::Closed(conn, CloseReason::TrunkDown));
        }
        let never = Seen::Packet(0, "never".into());
        assert!(!rig.seen_by_now().contains(&never));
        let mut again = Trunk::new(&rig);
        again.enter(&rig, 0);
        again.echo(0, b"eon another trunk");
        rig.finish();
    }
}

#[test]
fn a_server_that_stops_tells_everybody_before_the_trunk_ends() {
    for shape in shapes() {
        let rig = start(shape, 1);
        let mut trunk = Trunk::new(&rig);
        (0..20).for_each(|id| _ = trunk.enter(&rig, id));
        let gateway = std::thread::Builder::new().name("gateway".into());
        let gateway = gateway.spawn(move || {
            for id in 0..20 {
                assert_eq!(trunk.next_of(id), Said::Data(frame(b'~', b"shutdown")));
                assert_eq!(trunk.next_of(id), Said::Close(Ended::Finished));
                trunk.say(id, &TrunkFrame::Close(Ended::Finished));
            }
            trunk.client.expect_end();
        });
        let gateway = gateway.unwrap();
        let report = rig.finish();
        gateway.join().unwrap();
        assert!(report.flushed);
        assert_eq!(report.metrics.listeners[0].closed["shutdown"], 20);
        assert_eq!(report.metrics.listeners[1].closed["shutdown"], 1);
    }
}

#[test]
fn a_ping_is_answered() {
    let rig = start(Shape { threads: (0, 1, 0), queue: 16 }, 1);
    let mut trunk = Trunk::new(&rig);
    trunk.say(NOBODY, &TrunkFrame::Ping);
    assert_eq!(trunk.next(), (NOBODY, Said::Pong));
    let mut records = Records::default();
    records.put(NOBODY, &TrunkFrame::Pong);
    trunk.client.write(&records.take());
    trunk.enter(&rig, 0);
    rig.finish();
}

/// Others, who came later and said nothing, have met their deadline on every lane before the trunk speaks again.
#[test]
fn a_quiet_trunk_has_met_its_first_deadline_with_one_whole_record() {
    for shape in shapes() {
        let mut listeners = carried(listener(Talk::default()));
        listeners[1].limits.first_message_deadline = Duration::from_secs(1);
        let rig = Rig::new(shape.config(1), listeners);
        let mut trunk = Trunk::new(&rig);
        trunk.enter(&rig, 0);
        let mut silent: Vec<_> = (0..8).map(|_| rig.client(TRUNKS)).collect();
        silent.iter_mut().for_each(Client::expect_end);
        trunk.echo(0, b"estill here");
        let report = rig.finish();
        assert_eq!(report.metrics.listeners[1].closed["first_message_deadline"], 8);
    }
}

#[test]
fn a_service_may_want_nothing_of_one_for_a_while_and_hear_that_his_socket_is_full() {
    for shape in shapes() {
        let tells = ListenerConfig { tells_blocked: true, ..listener(Talk::default()) };
        let mut config = shape.small_sockets(1);
        config.completion.send_queue_bytes_max = crate::rig::MUCH_BYTES;
        let mut tells = tells;
        tells.limits.high_water_bytes = crate::rig::MUCH_BYTES;
        let rig = Rig::new(config, vec![tells]);
        let (mut client, conn) = rig.known_client(0);
        rig.ask(0, move |out| out.pause(conn));
        let (mut other, _) = rig.known_client(0);
        client.send(b"slate");
        other.echo(b"eothers are read");
        let late = Seen::Packet(0, "late".into());
        assert!(!rig.seen_by_now().contains(&late));
        rig.ask(0, move |out| out.resume(conn));
        rig.wait_for(&late);
        client.send(&[b"m", &20_000_u64.to_be_bytes()[..]].concat());
        rig.wait_for(&Seen::Blocked(conn));
        (0..20_000).for_each(|index| assert_eq!(client.recv(), answer(index)));
        rig.wait_for(&Seen::Drained(conn));
        rig.finish();
    }
}
