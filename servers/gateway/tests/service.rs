//! A shard of a gateway by itself: what it asks of layer 2 while the test is its players and the server behind it.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use usher_gateway::codec::{Packet, Players};
use usher_gateway::service::{FrontConfig, Gateway, Note, Parts};
use usher_hpserver::trunk::{Ended, TrunkFrame, VirtualId, record};
use usher_hpserver::{Action, Actions, Bytes, CloseReason, ConnId, DialError, Event, ListenerId, Service};
use usher_proto::message::Front;

const FRONT: ListenerId = ListenerId(0);
const TRUNKS: ListenerId = ListenerId(1);

struct Rig {
    gateway: Gateway,
    players: Arc<AtomicU32>,
    conns: u64,
    /// What is dialled.
    token: u64,
}

impl Rig {
    /// It stands before a server, to which no trunk is up.
    fn new() -> Self {
        Self::shard(0)
    }

    fn shard(shard: usize) -> Self {
        let players = Arc::default();
        let gateway = Gateway::new(Parts {
            shard,
            trunks: TRUNKS,
            offer: Box::new(|| None),
            words: Players::default(),
            control: None,
            shown: Arc::default(),
            players: Arc::clone(&players),
        });
        let mut rig = Self { gateway, players, conns: 0, token: 0 };
        rig.tell(Note::Stand(front()));
        let dialled = rig.event(Event::Deadline);
        let [Action::Dial(dial)] = &dialled[..] else { panic!("one trunk is to be dialled") };
        assert_eq!((dial.listener, dial.addr), (TRUNKS, front().inner));
        rig.token = dial.token;
        rig
    }

    /// What comes of an event, the only one of its batch.
    fn event(&mut self, event: Event<Gateway>) -> Vec<Action<Gateway>> {
        let mut actions = Actions::new(0);
        self.gateway.handle(event, &mut actions);
        self.gateway.batch_ended(&mut actions);
        actions.drain().collect()
    }

    fn tell(&mut self, note: Note) -> Vec<Action<Gateway>> {
        self.event(Event::Told { from: None, note })
    }

    fn conn(&mut self) -> ConnId {
        self.conns += 1;
        ConnId::from_bits(self.conns)
    }

    /// The server takes a dial.
    fn trunk(&mut self) -> ConnId {
        let conn = self.conn();
        self.event(Event::Dialed { token: self.token, conn });
        conn
    }

    /// A player comes, and the server hears of him under this id.
    fn player(&mut self, id: VirtualId) -> ConnId {
        let conn = self.conn();
        let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let actions = self.event(Event::Opened { conn, listener: FRONT, peer });
        assert_eq!(to_server(&actions), record(id, &TrunkFrame::Open { peer, first_frame: b"" }));
        conn
    }

    fn says(&mut self, player: ConnId, frame: &'static [u8]) -> Bytes {
        to_server(&self.event(Event::Packet { conn: player, packet: Packet::Frames(frame.into()) }))
    }

    /// The server says something of a player.
    fn said(&mut self, trunk: ConnId, id: VirtualId, frame: &TrunkFrame<'_>) -> Vec<Action<Gateway>> {
        let packet = Packet::Records(record(id, frame).slice(2..));
        self.event(Event::Packet { conn: trunk, packet })
    }

    fn closed(&mut self, conn: ConnId) -> Vec<Action<Gateway>> {
        self.event(Event::Closed { conn, reason: CloseReason::PeerClosed })
    }

    fn players(&self) -> u32 {
        self.players.load(Ordering::Relaxed)
    }
}

fn front() -> FrontConfig {
    FrontConfig {
        front: Front { server: "room-1".into(), address: "192.0.2.7:7400".into() },
        listener: FRONT,
        inner: "127.0.0.1:7350".parse().unwrap(),
        trunks: 1,
    }
}

/// All that is sent on trunks.
fn to_server(actions: &[Action<Gateway>]) -> Bytes {
    let records = actions.iter().filter_map(|action| match action {
        Action::Send(_, Packet::Records(records), _) => Some(&records[..]),
        _ => None,
    });
    records.collect::<Vec<_>>().concat().into()
}

/// Who is closed, in order.
fn shown_out(actions: &[Action<Gateway>]) -> Vec<ConnId> {
    let closed = actions.iter().filter_map(|action| match action {
        Action::Close(conn, _) | Action::Refuse(conn, _) => Some(*conn),
        _ => None,
    });
    closed.collect()
}

#[test]
fn whom_the_server_closed_before_its_trunk_broke_speaks_for_nobody_on_the_next() {
    let mut rig = Rig::new();
    let trunk = rig.trunk();
    let (ann, ben) = (rig.player(0), rig.player(1));
    let close = TrunkFrame::Close(Ended::Finished);
    assert_eq!(shown_out(&rig.said(trunk, 0, &close)), [ann]);
    assert_eq!(shown_out(&rig.closed(trunk)), [ben], "the other was shown out before");
    assert_eq!(rig.players(), 0);
    rig.trunk();
    let cid = rig.player(0);
    assert_eq!(rig.says(ann, b"\0\x01a"), Bytes::new());
    for gone in [ann, ben] {
        assert_eq!(to_server(&rig.closed(gone)), Bytes::new());
    }
    assert_eq!(rig.says(cid, b"\0\x01c"), record(0, &TrunkFrame::Data(b"\0\x01c")));
    assert_eq!(rig.players(), 1);
}

#[test]
fn whom_the_server_closed_before_it_was_given_up_is_counted_no_more() {
    let mut rig = Rig::new();
    let trunk = rig.trunk();
    let (ann, ben) = (rig.player(0), rig.player(1));
    rig.said(trunk, 0, &TrunkFrame::Close(Ended::Finished));
    assert_eq!(shown_out(&rig.tell(Note::Give(FRONT))), [trunk, ben]);
    for gone in [ann, ben, trunk] {
        rig.closed(gone);
    }
    assert_eq!(rig.players(), 0);
}

/// What a player is sent.
fn to_player(actions: &[Action<Gateway>]) -> Vec<u8> {
    let frames = actions.iter().filter_map(|action| match action {
        Action::Send(_, Packet::Frames(frames), _) => Some(&frames[..]),
        _ => None,
    });
    frames.collect::<Vec<_>>().concat()
}

#[test]
fn a_server_that_says_what_are_no_frames_loses_its_trunk() {
    let long = [vec![0xff, 0xf0], vec![0; 0xfff0]].concat(); // a tag has no room
    let wrong: [&[TrunkFrame<'_>]; 7] = [
        &[TrunkFrame::Data(b"\0\x04abc")],
        &[TrunkFrame::Data(b"\0")],
        &[TrunkFrame::Part(b"\0\x04a"), TrunkFrame::Data(b"bc")],
        &[TrunkFrame::Part(&long[..60_000])],
        &[TrunkFrame::Refuse(b"\0\x01")],
        &[TrunkFrame::Cast { group: 7, bytes: b"\0\x01ab" }],
        &[TrunkFrame::Cast { group: 7, bytes: b"\0\x01a\0" }],
    ];
    for frames in wrong {
        let mut rig = Rig::new();
        let trunk = rig.trunk();
        rig.player(0);
        rig.said(trunk, 0, &TrunkFrame::Join(7));
        let actions: Vec<_> = frames.iter().flat_map(|frame| rig.said(trunk, 0, frame)).collect();
        assert_eq!(to_player(&actions), b"");
        assert!(actions.iter().any(|action| matches!(action, Action::Abort(conn) if *conn == trunk)));
    }
}

#[test]
fn what_comes_in_parts_goes_on_by_frames_and_only_half_a_frame_is_kept() {
    let mut rig = Rig::new();
    let trunk = rig.trunk();
    rig.player(0);
    let frame = [vec![0x75, 0x30], vec![7; 30_000]].concat();
    let stream = frame.repeat(10);
    let chunks: Vec<_> = stream.chunks(50_000).collect();
    let (last, parts) = chunks.split_last().unwrap();
    let (mut said, mut heard) = (0, Vec::new());
    for part in parts {
        heard.extend(to_player(&rig.said(trunk, 0, &TrunkFrame::Part(part))));
        said += part.len();
        assert_eq!(heard.len(), said - said % frame.len());
    }
    heard.extend(to_player(&rig.said(trunk, 0, &TrunkFrame::Data(last))));
    assert!(heard == stream, "{} of {} bytes, or others", heard.len(), stream.len());
}

#[test]
fn of_two_dials_to_a_server_that_was_given_up_and_wanted_again_one_is_the_trunk() {
    let mut rig = Rig::new();
    rig.tell(Note::Give(FRONT));
    rig.tell(Note::Stand(front()));
    assert!(matches!(rig.event(Event::Deadline)[..], [Action::Dial(_)]));
    let trunk = rig.trunk();
    let second = rig.conn();
    let actions = rig.event(Event::Dialed { token: rig.token, conn: second });
    assert!(matches!(actions[..], [Action::Abort(conn)] if conn == second));
    rig.closed(second);
    rig.event(Event::DialFailed { token: rig.token, why: DialError::Closed });
    assert!(rig.gateway.next_deadline().is_none(), "it is up and is not dialled again");
    let ann = rig.player(0);
    let actions = rig.event(Event::Packet { conn: ann, packet: Packet::Frames(Bytes::from_static(b"\0\0")) });
    assert!(matches!(actions[..], [Action::Send(conn, ..)] if conn == trunk));
}

#[test]
fn where_players_reach_a_server_is_told_with_its_trunk_and_taken_back_with_it() {
    let mut rig = Rig::shard(3);
    let conn = rig.conn();
    let up = rig.event(Event::Dialed { token: rig.token, conn });
    let down = rig.closed(conn);
    for (actions, there) in [(up, Some(front().front)), (down, None)] {
        let told = actions.into_iter().find_map(|action| match action {
            Action::Tell(0, Note::Reaches(FRONT, front)) => Some(front),
            _ => None,
        });
        assert_eq!(told, Some(there));
    }
}
