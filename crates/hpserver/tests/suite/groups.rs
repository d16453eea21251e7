//! What one step asks for, for members of groups: everybody hears his share, in the order of asking.
//!
//! The steps are random and what is to be heard is worked out beside them, by the plainest means. Members are on
//! three listeners, two of which share a codec.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use usher_hpserver::{
    Actions, BadFrame, Bytes, BytesMut, Codec, ConnId, Decoded, Frame, Framed, GroupId, ListenerConfig,
    Partial, Shared, TooLarge,
};

use crate::{
    client::Client,
    protocol::{Lines, Talk},
    rig::{Probe, Random, Rig, Shape, listener, shapes},
};

/// A codec that counts what it encodes.
struct Counting<C> {
    codec: C,
    encoded: Arc<AtomicU64>,
}

impl<C: Codec<Bytes>> Codec<Bytes> for Counting<C> {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        self.codec.frame(bytes)
    }

    fn decode(&self, partial: &mut Partial, body: &[u8]) -> Result<Decoded<Bytes>, BadFrame> {
        self.codec.decode(partial, body)
    }

    fn encode(&self, packet: &Bytes, out: &mut BytesMut) -> Result<(), TooLarge> {
        self.encoded.fetch_add(1, Relaxed);
        self.codec.encode(packet, out)
    }
}

/// A listener whose codec counts, and the count.
fn counting(codec: impl Codec<Bytes>) -> (ListenerConfig<Probe>, Arc<AtomicU64>) {
    let encoded = Arc::new(AtomicU64::new(0));
    (listener(Counting { codec, encoded: Arc::clone(&encoded) }), encoded)
}

/// One thing a step asks for; members by their place in the list.
#[derive(Debug, Clone)]
enum Ask {
    Send(usize, Bytes),
    Share(Vec<usize>, Bytes),
    Join(usize, GroupId),
    Leave(usize, GroupId),
    Publish(GroupId, Bytes, Option<usize>),
    Close(usize, Bytes),
}

impl Ask {
    fn random(random: &mut Random, members: usize, packet: Bytes) -> Self {
        let member = random.below(members);
        let group = random.below(2) as GroupId;
        match random.below(40) {
            0 => Self::Close(member, packet),
            1..4 => Self::Join(member, group),
            4..6 => Self::Leave(member, group),
            6..16 => Self::Send(member, packet),
            16..18 => Self::Share((0..members).filter(|_| random.below(2) == 0).collect(), packet),
            18..23 => Self::Publish(group, packet, Some(member)),
            _ => Self::Publish(group, packet, None),
        }
    }

    fn ask(self, conns: &[ConnId], out: &mut Actions<Probe>) {
        match self {
            Self::Send(member, packet) => out.send(conns[member], packet),
            Self::Share(members, packet) => {
                let packet = Arc::new(Shared::new(packet));
                for member in members {
                    out.send_shared(conns[member], Arc::clone(&packet));
                }
            }
            Self::Join(member, group) => out.join(conns[member], group),
            Self::Leave(member, group) => out.leave(conns[member], group),
            Self::Publish(group, packet, except) => {
                out.publish(group, packet, except.map(|member| conns[member]));
            }
            Self::Close(member, packet) => out.close(conns[member], Some(packet)),
        }
    }
}

/// What a member is to hear, as far as has been asked.
#[derive(Debug, Default)]
struct Member {
    codec: usize,
    groups: BTreeSet<GroupId>,
    closed: bool,
    hears: Vec<Bytes>,
}

/// What everybody is to hear, and how often each codec is to encode.
struct Expected {
    members: Vec<Member>,
    encoded: [u64; 2],
}

impl Expected {
    fn new(codecs: impl Iterator<Item = usize>) -> Self {
        let members = codecs.map(|codec| Member { codec, ..Member::default() }).collect();
        Self { members, encoded: [0; 2] }
    }

    fn ask(&mut self, ask: &Ask) {
        match ask {
            Ask::Join(member, group) => _ = self.members[*member].groups.insert(*group),
            Ask::Leave(member, group) => _ = self.members[*member].groups.remove(group),
            Ask::Send(member, packet) => self.hear(packet, |index, _| index == *member),
            Ask::Share(members, packet) => self.hear(packet, |index, _| members.contains(&index)),
            Ask::Publish(group, packet, except) => {
                self.hear(packet, |index, member| member.groups.contains(group) && Some(index) != *except);
            }
            Ask::Close(member, packet) => {
                self.hear(packet, |index, _| index == *member);
                self.members[*member].closed = true;
            }
        }
    }

    /// A packet that these members hear, unless they were closed: encoded once for each codec of theirs.
    fn hear(&mut self, packet: &Bytes, hears: impl Fn(usize, &Member) -> bool) {
        let mut codecs = BTreeSet::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            if !member.closed && hears(index, member) {
                member.hears.push(packet.clone());
                codecs.insert(member.codec);
            }
        }
        for codec in codecs {
            self.encoded[codec] += 1;
        }
    }
}

/// Listeners 0 and 2 have one codec, listener 1 another.
fn start(shape: Shape) -> (Rig, [Arc<AtomicU64>; 2]) {
    let (talk, talk_encoded) = counting(Talk::default());
    let (lines, lines_encoded) = counting(Lines);
    let same = ListenerConfig { codec: Arc::clone(&talk.codec), ..listener(Talk::default()) };
    (Rig::new(shape.config(1), vec![talk, lines, same]), [talk_encoded, lines_encoded])
}

#[test]
fn everybody_hears_his_share_in_the_order_of_asking_and_it_is_encoded_once_a_codec() {
    for (seed, shape) in (1..).zip(shapes()) {
        let (rig, encoded) = start(shape);
        let mut random = Random(seed);
        let members = 9;
        let listeners = (0..members).map(|index| index % 3);
        let (mut clients, conns): (Vec<Client>, Vec<ConnId>) =
            listeners.clone().map(|listener| rig.known_client(listener as u16)).unzip();
        let mut expected = Expected::new(listeners.map(|listener| usize::from(listener == 1)));
        let mut packets = (0_u64..).map(|number| Bytes::from(number.to_string()));
        for step in 0..20 {
            let count = random.below(100);
            let mut asks: Vec<Ask> = packets
                .by_ref()
                .take(count)
                .map(|packet| Ask::random(&mut random, members, packet))
                .collect();
            if step == 19 {
                asks.extend(
                    (0..members).zip(packets.by_ref()).map(|(member, last)| Ask::Close(member, last)),
                );
            }
            for ask in &asks {
                expected.ask(ask);
            }
            let conns = conns.clone();
            rig.ask(0, move |out| asks.into_iter().for_each(|ask| ask.ask(&conns, out)));
        }
        for (client, member) in clients.iter_mut().zip(&expected.members) {
            for packet in &member.hears {
                assert_eq!(client.recv(), packet, "{member:?}");
            }
            client.expect_end();
        }
        drop(clients);
        rig.finish();
        assert_eq!(encoded.map(|count| count.load(Relaxed)), expected.encoded);
    }
}

#[test]
fn a_packet_too_large_for_one_codec_reaches_the_members_of_the_other() {
    for shape in shapes() {
        let rig = Rig::new(shape.config(1), vec![listener(Talk::default()), listener(Framed::default())]);
        let [(mut talk, talk_conn), (mut framed, framed_conn)] = [0, 1].map(|id| rig.known_client(id));
        let large = Bytes::from(vec![b'-'; 70_000]);
        let packet = large.clone();
        rig.ask(0, move |out| {
            out.join(talk_conn, 1);
            out.join(framed_conn, 1);
            out.publish(1, "before".into(), None);
            out.publish(1, packet.clone(), None);
            out.publish(1, "between".into(), None);
            out.send(framed_conn, packet.clone());
            out.send_shared(framed_conn, Arc::new(Shared::new(packet)));
            out.publish(1, "after".into(), None);
        });
        for packet in ["before".into(), large, "between".into(), "after".into()] {
            assert_eq!(talk.recv(), packet);
        }
        for packet in ["before", "between", "after"] {
            assert_eq!(framed.recv(), packet);
        }
        let metrics = rig.finish().metrics;
        assert_eq!(
            (metrics.too_large, metrics.deliveries),
            (3, 4 + 3),
            "what was not sent was not delivered"
        );
    }
}
