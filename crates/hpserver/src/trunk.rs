//! How many connections travel on one: the frames of a trunk, and the records they are gathered in.
//!
//! A trunk is a connection between a gateway, which dialled it, and a server. What it carries are *virtual connections*:
//! each belongs to a player whose own connection ends at the gateway. To the server's service a virtual connection is a
//! connection.
//!
//! A record is `u16` big-endian length and so many bytes (sealed, where the trunk has keys), which are one or more whole
//! frames. A frame is `u8` kind, `u32` virtual id, `u16` length of what follows; all integers big-endian. The gateway
//! chooses an id with `Open`; it is free again when both ends have said `Close` or `Reset` of it.
//!
//! Architecture Invariant: one virtual connection never makes another wait. Each direction of each has a window of
//! `WINDOW_BYTES`: bytes that its other end has not taken. Who has used it up sends no more of that one until `Credit`.
//! Limits: `PAYLOAD_BYTES_MAX` a frame; what is longer goes as `Part`s and a last `Data`.
//! Read next: `carry`, a server's receiving half; `carriage`, its sending half; `docs/wire.md`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use crate::{BadFrame, CloseReason, Codec, Decoded, Frame, Framed, GroupId, Partial, TooLarge};

/// A virtual connection of one trunk: the gateway's choice, below `VIRTUAL_MAX`.
pub type VirtualId = u32;

/// Nobody's id: in a `Cast`, nobody is left out.
pub const NOBODY: VirtualId = u32::MAX;
/// Virtual connections of one trunk, those included whose end one side has not said yet.
pub const VIRTUAL_MAX: u32 = 1 << 17;
/// Bytes of a virtual connection's `Part`, `Data` and `Cast` that its other end has not given credit for. The last
/// frame may go over it; to a server also what the gateway had read of the player by then, three windows in all.
pub const WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes that may follow a frame's head: a record with this and a tag of 16 bytes fits a length of 16 bits.
pub const PAYLOAD_BYTES_MAX: usize = 65_535 - 16 - HEAD_BYTES;

/// The longest record on the wire, sealed, its length included.
pub const RECORD_BYTES_MAX: usize = LENGTH_BYTES + 65_535;

const LENGTH_BYTES: usize = 2;
const HEAD_BYTES: usize = 7;
/// A record is closed when it has so much.
const RECORD_BYTES_FULL: usize = 16 * 1024;

/// One frame of a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrunkFrame<'a> {
    /// Either end, of no virtual connection: are you there?
    Ping,
    /// The answer to it.
    Pong,
    /// The gateway: somebody came. His address, and his first frame's body without what concerns the channel.
    Open {
        /// Whose.
        peer: SocketAddr,
        /// As `Channel::greet` takes it; nothing where the listener does not greet.
        first_frame: &'a [u8],
    },
    /// The server: let him in.
    Admit,
    /// The server, instead: tell him this in clear. `Close` follows.
    Refuse(&'a [u8]),
    /// Either end: bytes of his stream, in clear; the next frame of this trunk has more of the same frame of his.
    Part(&'a [u8]),
    /// Either end: bytes of his stream, up to the end of a frame of his.
    Data(&'a [u8]),
    /// Either end: so many bytes of `Part`, `Data` and `Cast` were taken.
    Credit(u32),
    /// The server: he hears what is cast to this group.
    Join(GroupId),
    /// The server: no longer.
    Leave(GroupId),
    /// The server, to a group: whole frames for each member but the one whose id the frame has.
    Cast {
        /// To whom.
        group: GroupId,
        /// What.
        bytes: &'a [u8],
    },
    /// Either end: nothing more of him comes; what came before is still to be delivered.
    Close(Ended),
    /// Either end: he is to be cut off at once, or was.
    Reset(Ended),
}

/// Why one side ended a virtual connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ended {
    /// The player finished, or the server did.
    Finished = 0,
    /// The player's connection was reset, or failed.
    Broken = 1,
    /// Bytes that were no frames, or a handshake that failed.
    BadFrame = 2,
    /// More waited for him than may.
    SlowConsumer = 3,
    /// He said too much.
    RateLimited = 4,
    /// No sign of life.
    Silent = 5,
    /// The side that says it is stopping.
    Stopping = 6,
    /// There is no place for him.
    Full = 7,
}

impl Ended {
    const ALL: [Self; 8] = [
        Self::Finished,
        Self::Broken,
        Self::BadFrame,
        Self::SlowConsumer,
        Self::RateLimited,
        Self::Silent,
        Self::Stopping,
        Self::Full,
    ];
}

impl From<CloseReason> for Ended {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::PeerClosed | CloseReason::Local => Self::Finished,
            CloseReason::PeerReset | CloseReason::Failed(_) | CloseReason::TrunkDown => Self::Broken,
            CloseReason::BadFrame(_)
            | CloseReason::GreetingRefused(_)
            | CloseReason::DialRefused
            | CloseReason::KeySpent => Self::BadFrame,
            CloseReason::SlowConsumer => Self::SlowConsumer,
            CloseReason::RateLimited => Self::RateLimited,
            CloseReason::FirstMessageDeadline | CloseReason::PingTimeout => Self::Silent,
            CloseReason::Shutdown => Self::Stopping,
            CloseReason::ConnectionsFull | CloseReason::AddressFull | CloseReason::AddressRate => Self::Full,
        }
    }
}

impl From<Ended> for CloseReason {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Finished => Self::PeerClosed,
            Ended::Broken => Self::PeerReset,
            Ended::BadFrame => Self::BadFrame("at_gateway"),
            Ended::SlowConsumer => Self::SlowConsumer,
            Ended::RateLimited => Self::RateLimited,
            Ended::Silent => Self::PingTimeout,
            Ended::Stopping => Self::Shutdown,
            Ended::Full => Self::ConnectionsFull,
        }
    }
}

impl<'a> TrunkFrame<'a> {
    fn kind(&self) -> u8 {
        match self {
            Self::Ping => 0,
            Self::Pong => 1,
            Self::Open { .. } => 2,
            Self::Admit => 3,
            Self::Refuse(_) => 4,
            Self::Part(_) => 5,
            Self::Data(_) => 6,
            Self::Credit(_) => 7,
            Self::Join(_) => 8,
            Self::Leave(_) => 9,
            Self::Cast { .. } => 10,
            Self::Close(_) => 11,
            Self::Reset(_) => 12,
        }
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::Ping | Self::Pong | Self::Admit => 0,
            Self::Open { peer, first_frame } => 1 + if peer.is_ipv4() { 6 } else { 18 } + first_frame.len(),
            Self::Refuse(bytes) | Self::Part(bytes) | Self::Data(bytes) => bytes.len(),
            Self::Credit(_) => 4,
            Self::Join(_) | Self::Leave(_) => 8,
            Self::Cast { bytes, .. } => 8 + bytes.len(),
            Self::Close(_) | Self::Reset(_) => 1,
        }
    }

    fn put_payload(&self, out: &mut BytesMut) {
        match self {
            Self::Ping | Self::Pong | Self::Admit => {}
            Self::Open { peer, first_frame } => {
                put_address(*peer, out);
                out.put_slice(first_frame);
            }
            Self::Refuse(bytes) | Self::Part(bytes) | Self::Data(bytes) => out.put_slice(bytes),
            Self::Credit(bytes) => out.put_u32(*bytes),
            Self::Join(group) | Self::Leave(group) => out.put_u64(*group),
            Self::Cast { group, bytes } => {
                out.put_u64(*group);
                out.put_slice(bytes);
            }
            Self::Close(ended) | Self::Reset(ended) => out.put_u8(*ended as u8),
        }
    }

    fn parse(kind: u8, payload: &'a [u8]) -> Option<Self> {
        Some(match kind {
            0 if payload.is_empty() => Self::Ping,
            1 if payload.is_empty() => Self::Pong,
            2 => {
                let (peer, first_frame) = address(payload)?;
                Self::Open { peer, first_frame }
            }
            3 if payload.is_empty() => Self::Admit,
            4 => Self::Refuse(payload),
            5 => Self::Part(payload),
            6 => Self::Data(payload),
            7 => Self::Credit(u32::from_be_bytes(payload.try_into().ok()?)),
            8 => Self::Join(u64::from_be_bytes(payload.try_into().ok()?)),
            9 => Self::Leave(u64::from_be_bytes(payload.try_into().ok()?)),
            10 => {
                let (group, bytes) = payload.split_first_chunk()?;
                Self::Cast { group: u64::from_be_bytes(*group), bytes }
            }
            11 => Self::Close(ended(payload)?),
            12 => Self::Reset(ended(payload)?),
            _ => return None,
        })
    }
}

fn ended(payload: &[u8]) -> Option<Ended> {
    let [number] = payload else { return None };
    Ended::ALL.get(usize::from(*number)).copied()
}

fn put_address(address: SocketAddr, out: &mut BytesMut) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.put_u8(4);
            out.put_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.put_u8(6);
            out.put_slice(&ip.octets());
        }
    }
    out.put_u16(address.port());
}

fn address(bytes: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (family, bytes) = bytes.split_first()?;
    let (ip, bytes): (IpAddr, _) = match family {
        4 => bytes.split_first_chunk::<4>().map(|(ip, rest)| (Ipv4Addr::from(*ip).into(), rest))?,
        6 => bytes.split_first_chunk::<16>().map(|(ip, rest)| (Ipv6Addr::from(*ip).into(), rest))?,
        _ => return None,
    };
    let (port, bytes) = bytes.split_first_chunk()?;
    Some((SocketAddr::new(ip, u16::from_be_bytes(*port)), bytes))
}

/// The frames in the bodies of whole records, one after the other. After an error there are none.
pub fn frames(records: &[u8]) -> impl Iterator<Item = Result<(VirtualId, TrunkFrame<'_>), BadFrame>> {
    let mut rest = records;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let frame = next(&mut rest);
        if frame.is_none() {
            rest = &[];
        }
        Some(frame.ok_or(BadFrame("trunk")))
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<(VirtualId, TrunkFrame<'a>)> {
    let (head, behind) = rest.split_first_chunk::<HEAD_BYTES>()?;
    let [kind, id @ .., _, _] = *head;
    let length = usize::from(u16::from_be_bytes([head[5], head[6]]));
    let (payload, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some((u32::from_be_bytes(id), TrunkFrame::parse(kind, payload)?))
}

/// Frames on their way out, gathered in whole records.
#[derive(Debug, Default)]
pub struct Records {
    bytes: BytesMut,
    /// Where the record under way begins, if one is.
    open: Option<usize>,
}

impl Records {
    /// Adds a frame whose payload is at most `PAYLOAD_BYTES_MAX`.
    pub fn put(&mut self, id: VirtualId, frame: &TrunkFrame<'_>) {
        let length = frame.payload_bytes();
        assert!(length <= PAYLOAD_BYTES_MAX, "invariant: who makes a frame bounds it");
        if self.open.is_some_and(|start| self.bytes.len() - start + length > RECORD_BYTES_FULL) {
            self.close_record();
        }
        self.bytes.reserve(LENGTH_BYTES + HEAD_BYTES + length);
        if self.open.is_none() {
            self.open = Some(self.bytes.len());
            self.bytes.put_u16(0);
        }
        self.bytes.put_u8(frame.kind());
        self.bytes.put_u32(id);
        self.bytes.put_u16(length as u16);
        frame.put_payload(&mut self.bytes);
    }

    /// Adds whole frames of a virtual connection's stream.
    pub fn put_data(&mut self, id: VirtualId, mut bytes: &[u8]) {
        while bytes.len() > PAYLOAD_BYTES_MAX {
            let (part, rest) = bytes.split_at(PAYLOAD_BYTES_MAX);
            self.put(id, &TrunkFrame::Part(part));
            bytes = rest;
        }
        self.put(id, &TrunkFrame::Data(bytes));
    }

    /// As `put_data`, of frames that `write` writes; how many bytes. None, and nothing is added: it could not.
    pub fn put_written(&mut self, id: VirtualId, write: impl FnOnce(&mut BytesMut) -> bool) -> Option<usize> {
        if self.open.is_some_and(|start| self.bytes.len() - start > RECORD_BYTES_FULL) {
            self.close_record();
        }
        let (before, was_open) = (self.bytes.len(), self.open);
        self.put(id, &TrunkFrame::Data(b""));
        let payload = self.bytes.len();
        let written = write(&mut self.bytes);
        let (start, length) = (self.open.unwrap_or(before), self.bytes.len() - payload);
        let fits = self.bytes.len() - start - LENGTH_BYTES <= HEAD_BYTES + PAYLOAD_BYTES_MAX;
        if written && fits {
            self.bytes[payload - LENGTH_BYTES..payload].copy_from_slice(&(length as u16).to_be_bytes());
            return Some(length);
        }
        let long = self.bytes.split_off(payload);
        self.bytes.truncate(before);
        self.open = was_open;
        written.then(|| self.put_data(id, &long))?;
        Some(length)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Everything, as whole records.
    pub fn take(&mut self) -> Bytes {
        self.close_record();
        self.bytes.split().freeze()
    }

    fn close_record(&mut self) {
        let Some(start) = self.open.take() else { return };
        let length = self.bytes.len() - start - LENGTH_BYTES;
        self.bytes[start..start + LENGTH_BYTES].copy_from_slice(&(length as u16).to_be_bytes());
    }
}

/// What one end of a virtual connection has sent, and the other has not taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    used: usize,
}

impl Window {
    /// So much was sent. Whether more may be.
    pub fn take(&mut self, bytes: usize) -> bool {
        self.used += bytes;
        !self.is_spent()
    }

    /// So much was taken at the other end.
    pub fn credit(&mut self, bytes: u32) {
        self.used = self.used.saturating_sub(bytes as usize);
    }

    /// Whether nothing more may be sent for now.
    pub fn is_spent(&self) -> bool {
        self.used >= WINDOW_BYTES as usize
    }
}

/// One frame as a record of its own.
pub fn record(id: VirtualId, frame: &TrunkFrame<'_>) -> Bytes {
    let mut records = Records::default();
    records.put(id, frame);
    records.take()
}

/// The codec of a listener of trunks: it finds records; what they say is for those they carry.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrunkCodec;

impl<P> Codec<P> for TrunkCodec {
    fn frame(&self, bytes: &[u8]) -> Result<Option<Frame>, BadFrame> {
        Framed::default().frame(bytes)
    }

    /// A trunk has no packets.
    fn decode(&self, _partial: &mut Partial, _body: &[u8]) -> Result<Decoded<P>, BadFrame> {
        Err(BadFrame("trunk"))
    }

    /// A trunk has no packets.
    fn encode(&self, _packet: &P, _out: &mut BytesMut) -> Result<(), TooLarge> {
        Err(TooLarge { bytes: 0 })
    }

    fn ping(&self) -> Option<Bytes> {
        Some(record(NOBODY, &TrunkFrame::Ping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<(VirtualId, TrunkFrame<'static>)> {
        let peers: [SocketAddr; 2] =
            ["192.0.2.1:80".parse().unwrap(), "[2001:db8::1]:65535".parse().unwrap()];
        let mut all = vec![
            (NOBODY, TrunkFrame::Ping),
            (NOBODY, TrunkFrame::Pong),
            (0, TrunkFrame::Open { peer: peers[0], first_frame: b"" }),
            (1, TrunkFrame::Open { peer: peers[1], first_frame: b"hello" }),
            (1, TrunkFrame::Admit),
            (0, TrunkFrame::Refuse(b"full")),
            (1, TrunkFrame::Part(b"ab")),
            (1, TrunkFrame::Data(b"")),
            (1, TrunkFrame::Credit(70_000)),
            (VIRTUAL_MAX, TrunkFrame::Join(u64::MAX)),
            (1, TrunkFrame::Leave(7)),
            (NOBODY, TrunkFrame::Cast { group: 7, bytes: b"x" }),
        ];
        all.extend(Ended::ALL.iter().map(|ended| (2, TrunkFrame::Close(*ended))));
        all.extend(Ended::ALL.iter().map(|ended| (3, TrunkFrame::Reset(*ended))));
        all
    }

    /// The bodies of the records in `wire`, one after the other, as a receiver takes them.
    fn bodies(wire: &[u8]) -> (Vec<u8>, usize) {
        let (mut rest, mut bodies, mut count) = (wire, Vec::new(), 0);
        while let Some(frame) = Framed::default().frame(rest).unwrap() {
            bodies.extend(&rest[frame.body]);
            rest = &rest[frame.end..];
            count += 1;
        }
        assert_eq!(rest, b"", "half a record");
        (bodies, count)
    }

    #[test]
    fn what_was_put_is_what_is_read() {
        let mut records = Records::default();
        for (id, frame) in every_kind() {
            records.put(id, &frame);
        }
        let (bodies, count) = bodies(&records.take());
        assert_eq!(count, 1);
        let read: Result<Vec<_>, _> = frames(&bodies).collect();
        assert_eq!(read.unwrap(), every_kind());
        assert!(records.is_empty());
    }

    #[test]
    fn the_records_of_the_page_are_what_this_build_says() {
        let ping = [0, 4, 0, 1, 0, 0x90];
        let mut said = Records::default();
        let peer = "192.0.2.1:40000".parse().unwrap();
        said.put(0, &TrunkFrame::Open { peer, first_frame: &[1, 3, 0, 0, 0, 0] });
        said.put_data(0, &ping);
        let mut answered = Records::default();
        answered.put(0, &TrunkFrame::Admit);
        answered.put(NOBODY, &TrunkFrame::Cast { group: 7, bytes: &ping });
        let page = include_str!("../../../docs/wire.md");
        let byte = |word| u8::from_str_radix(word, 16).ok();
        let lines: Vec<Vec<u8>> =
            page.lines().filter_map(|line| line.split_whitespace().map(byte).collect()).collect();
        for records in [said.take(), answered.take()] {
            assert!(lines.contains(&records.to_vec()), "docs/wire.md does not have {records:02x?}");
        }
    }

    #[test]
    fn a_record_cut_anywhere_but_between_frames_is_refused() {
        let mut records = Records::default();
        for (id, frame) in every_kind() {
            records.put(id, &frame);
        }
        let (bodies, _) = bodies(&records.take());
        let whole: Vec<usize> = every_kind()
            .iter()
            .scan(0, |end, (_, frame)| {
                *end += HEAD_BYTES + frame.payload_bytes();
                Some(*end)
            })
            .collect();
        for cut in 1..bodies.len() {
            let last = frames(&bodies[..cut]).last().unwrap();
            assert_eq!(last.is_ok(), whole.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_that_is_none_ends_the_reading() {
        let good = record(1, &TrunkFrame::Admit);
        let wrong: [&[u8]; 7] = [
            &[13, 0, 0, 0, 1, 0, 0],         // no such kind
            &[3, 0, 0, 0, 1, 0, 1, 9],       // a payload where there is none
            &[7, 0, 0, 0, 1, 0, 2, 0, 1],    // a credit of two bytes
            &[11, 0, 0, 0, 1, 0, 1, 8],      // no such reason
            &[2, 0, 0, 0, 1, 0, 2, 4, 127],  // half an address
            &[2, 0, 0, 0, 1, 0, 3, 5, 1, 2], // an address of no family
            &[10, 0, 0, 0, 1, 0, 1, 0],      // a cast to half a group
        ];
        for bytes in wrong {
            let stream = [&good[LENGTH_BYTES..], bytes, &good[LENGTH_BYTES..]].concat();
            let read: Vec<_> = frames(&stream).collect();
            assert_eq!(read, [Ok((1, TrunkFrame::Admit)), Err(BadFrame("trunk"))], "{bytes:?}");
        }
    }

    #[test]
    fn long_data_is_cut_into_parts_and_many_frames_into_records() {
        let long: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
        let mut records = Records::default();
        records.put_data(5, &long);
        (0..3_000).for_each(|_| records.put(6, &TrunkFrame::Credit(1)));
        let (bodies, count) = bodies(&records.take());
        assert_eq!(count, 6, "three full ones, and 36,464 bytes");
        let mut joined = Vec::new();
        let mut lasts = 0;
        for frame in frames(&bodies) {
            match frame.unwrap() {
                (5, TrunkFrame::Part(part)) => joined.extend(part),
                (5, TrunkFrame::Data(last)) => {
                    joined.extend(last);
                    lasts += 1;
                }
                (id, frame) => assert_eq!((id, frame), (6, TrunkFrame::Credit(1))),
            }
        }
        assert_eq!((joined, lasts), (long, 1));
    }

    #[test]
    fn what_is_written_in_place_is_as_if_it_had_been_put() {
        let sizes = [0, 1, 500, RECORD_BYTES_FULL, 60_000, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1, 200_000];
        let (mut put, mut written) = (Records::default(), Records::default());
        for (id, size) in sizes.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..size).map(|at| at as u8).collect();
            let id = id as VirtualId;
            put.put_data(id, &bytes);
            let write = |out: &mut BytesMut| {
                out.put_slice(&bytes);
                true
            };
            assert_eq!(written.put_written(id, write), Some(size));
            let refuse = |out: &mut BytesMut| {
                out.put_slice(b"half");
                false
            };
            assert_eq!(written.put_written(id, refuse), None);
        }
        assert_eq!(bodies(&written.take()).0, bodies(&put.take()).0);
    }
}
