//! One trunk: the connection to a server that carries many players, and who travels on it.
//!
//! Why: everything a gateway does for a player it does here: his virtual connection, his windows, his groups.
//! Owns: virtual ids, what has been gathered for the server, and what either end may still send. Does not own sockets:
//! what is to happen it asks of layer 2.
//! Invariants: an id is free again when both ends have closed it. A player is read no further while his window to the
//! server is used up, and no credit is given for him while his socket refuses bytes: nobody else on the trunk notices
//! either. What is published comes once and is multiplied here.
//! Limits: `VIRTUAL_MAX` players; [`WINDOW_BYTES`] each way for each; of what a server says to one, a frame that is not
//! whole is kept here, the rest is layer 2's.
//! Read next: `usher_hpserver::trunk`, the frames; [`crate::service`].

use crate::codec::{Packet, whole_frames};
use crate::service::Gateway;
use bytes::{Bytes, BytesMut};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;
use std::net::SocketAddr;
use std::time::Instant;
use usher_hpserver::trunk::{
    Ended, NOBODY, Records, TrunkFrame, VIRTUAL_MAX, VirtualId, WINDOW_BYTES, Window, frames,
};
use usher_hpserver::{Actions, BadFrame, CloseReason, ConnId, GroupId};
use usher_runtime::link::Link;

/// Credit is given for so much at once.
const CREDIT_BYTES: usize = WINDOW_BYTES as usize / 2;
/// What is cast to a group is counted for its members when it is so much: with `CREDIT_BYTES` less than a window.
const CAST_BYTES: usize = WINDOW_BYTES as usize / 4;

/// A frame of a player's ends before it is whole.
const HALF: BadFrame = BadFrame("half_a_frame");

/// One trunk, up or not.
pub struct Trunk {
    /// When it is dialled.
    pub link: Link,
    conn: Option<ConnId>,
    out: Records,
    riders: Slab<Rider>,
    groups: HashMap<GroupId, Group, FixedState>,
}

/// One player.
struct Rider {
    conn: ConnId,
    /// His connection takes packets; before, he has only knocked.
    is_in: bool,
    /// What is on its way to the server.
    window: Window,
    /// His socket refuses bytes.
    blocked: bool,
    /// Bytes that he was sent and that no credit was given for.
    owed: usize,
    /// The beginning of a frame whose end is still to come; or what he is told when he is refused.
    part: BytesMut,
    /// The server's groups that he is in.
    groups: Vec<GroupId>,
    /// Which end has said its last, if one has.
    left: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Player,
    Server,
}

struct Group {
    /// Its number in this process.
    local: GroupId,
    members: Vec<VirtualId>,
    /// What was cast since it was counted for the members, and whom some of it left out.
    cast: usize,
    left_out: Vec<(VirtualId, usize)>,
}

/// Somebody who rode on a trunk that broke.
#[derive(Clone, Copy)]
pub struct Stranded {
    /// His connection.
    pub conn: ConnId,
    /// Whether it takes packets.
    pub is_in: bool,
    /// Whether one end has said its last: then he is told nothing more.
    pub has_left: bool,
}

impl Trunk {
    /// Not up yet; to be dialled at once.
    pub fn new(server: SocketAddr, now: Instant) -> Self {
        Self {
            link: Link::new(server, now),
            conn: None,
            out: Records::default(),
            riders: Slab::new(),
            groups: HashMap::default(),
        }
    }

    /// It is up. What is said at once proves this gateway, for the server waits for that only so long.
    pub fn up(&mut self, conn: ConnId) {
        self.conn = Some(conn);
        self.out.put(NOBODY, &TrunkFrame::Ping);
        self.link.up(usher_proto::ConnId(conn.to_bits()));
        self.link.registered();
    }

    /// It is down: everybody on it, once.
    pub fn down(&mut self, now: Instant) -> Vec<Stranded> {
        self.conn = None;
        self.out = Records::default();
        self.groups.clear();
        self.link.down(now);
        let riders = std::mem::take(&mut self.riders).into_iter();
        let stranded = riders.map(|(_, rider)| {
            let has_left = rider.left.is_some();
            Stranded { conn: rider.conn, is_in: rider.is_in, has_left }
        });
        stranded.collect()
    }

    /// Whether players can travel on it.
    pub fn is_up(&self) -> bool {
        self.conn.is_some()
    }

    /// How many do.
    pub fn riders(&self) -> usize {
        self.riders.len()
    }

    /// Somebody came. None: there is no id left.
    pub fn board(
        &mut self,
        conn: ConnId,
        (peer, first_frame): (SocketAddr, &[u8]),
        is_in: bool,
    ) -> Option<VirtualId> {
        if self.riders.len() as u32 >= VIRTUAL_MAX {
            return None;
        }
        let id = self.riders.insert(Rider {
            conn,
            is_in,
            window: Window::default(),
            blocked: false,
            owed: 0,
            part: BytesMut::new(),
            groups: Vec::new(),
            left: None,
        });
        let id = id as VirtualId;
        self.out.put(id, &TrunkFrame::Open { peer, first_frame });
        Some(id)
    }

    /// Whether a player's connection takes packets.
    pub fn is_in(&self, id: VirtualId) -> bool {
        self.riders.get(id as usize).is_some_and(|rider| rider.is_in)
    }

    /// A frame of a player.
    pub fn forward(&mut self, id: VirtualId, frame: &[u8], actions: &mut Actions<Gateway>) {
        let Some(rider) = self.riders.get_mut(id as usize).filter(|rider| rider.left.is_none()) else {
            return;
        };
        self.out.put_data(id, frame);
        let was_spent = rider.window.is_spent();
        if !rider.window.take(frame.len()) && !was_spent {
            actions.pause(rider.conn);
        }
    }

    /// A player's socket refuses bytes, or has taken them all.
    pub fn blocked(&mut self, id: VirtualId, blocked: bool) {
        let Some(rider) = self.riders.get_mut(id as usize) else { return };
        rider.blocked = blocked;
        credit(id, rider, &mut self.out);
    }

    /// A player is gone.
    pub fn left(&mut self, id: VirtualId, reason: CloseReason) {
        if self.riders.contains(id as usize) {
            self.out.put(id, &TrunkFrame::Close(Ended::from(reason)));
            self.ended(id, End::Player);
        }
    }

    /// What the server said.
    pub fn said(
        &mut self,
        records: &Bytes,
        next_group: &mut GroupId,
        actions: &mut Actions<Gateway>,
    ) -> Result<(), BadFrame> {
        for frame in frames(records) {
            let (id, frame) = frame?;
            match frame {
                TrunkFrame::Ping => self.out.put(NOBODY, &TrunkFrame::Pong),
                TrunkFrame::Pong => {}
                TrunkFrame::Cast { group, bytes } => {
                    self.cast(group, id, all_whole(records, bytes)?, actions);
                }
                TrunkFrame::Join(group) => self.join(id, group, next_group, actions),
                TrunkFrame::Leave(group) => self.leave(id, group, actions),
                TrunkFrame::Open { .. } => return Err(BadFrame("trunk_side")),
                TrunkFrame::Admit
                | TrunkFrame::Refuse(_)
                | TrunkFrame::Part(_)
                | TrunkFrame::Data(_)
                | TrunkFrame::Credit(_)
                | TrunkFrame::Close(_)
                | TrunkFrame::Reset(_) => self.about(id, &frame, records, actions)?,
            }
        }
        Ok(())
    }

    /// A frame about one player, if he is still there.
    fn about(
        &mut self,
        id: VirtualId,
        frame: &TrunkFrame<'_>,
        records: &Bytes,
        actions: &mut Actions<Gateway>,
    ) -> Result<(), BadFrame> {
        let Some(rider) = self.riders.get_mut(id as usize) else { return Ok(()) };
        let conn = rider.conn;
        match *frame {
            TrunkFrame::Close(_) | TrunkFrame::Reset(_) => {
                match frame {
                    _ if rider.left.is_some() => {}
                    TrunkFrame::Close(_) if rider.is_in => actions.close(conn, None),
                    TrunkFrame::Close(_) => actions.refuse(conn, Packet::Frames(rider.part.split().freeze())),
                    _ => actions.abort(conn),
                }
                self.ended(id, End::Server);
                return Ok(());
            }
            _ if rider.left.is_some() => {}
            TrunkFrame::Admit => {
                rider.is_in = true;
                actions.admit(conn);
            }
            TrunkFrame::Refuse(words) if rider.is_in => {
                actions.send(conn, Packet::Frames(all_whole(records, words)?));
            }
            // Said when `Close` comes, which ends it.
            TrunkFrame::Refuse(words) => rider.part = BytesMut::from(words),
            TrunkFrame::Part(bytes) | TrunkFrame::Data(bytes) => {
                let whole = rider.whole(records.slice_ref(bytes))?;
                if !rider.part.is_empty() && matches!(frame, TrunkFrame::Data(_)) {
                    return Err(HALF);
                }
                if !whole.is_empty() {
                    actions.send(conn, Packet::Frames(whole));
                }
            }
            TrunkFrame::Credit(bytes) => {
                let was_spent = rider.window.is_spent();
                rider.window.credit(bytes);
                if was_spent && !rider.window.is_spent() {
                    actions.resume(conn);
                }
            }
            _ => {}
        }
        credit(id, rider, &mut self.out);
        Ok(())
    }

    fn join(
        &mut self,
        id: VirtualId,
        group: GroupId,
        next_group: &mut GroupId,
        actions: &mut Actions<Gateway>,
    ) {
        self.count_cast(group);
        let Some(rider) = self.riders.get_mut(id as usize).filter(|rider| rider.left.is_none()) else {
            return;
        };
        if rider.groups.contains(&group) {
            return;
        }
        rider.groups.push(group);
        let group = self.groups.entry(group).or_insert_with(|| {
            *next_group += 1;
            Group { local: *next_group, members: Vec::new(), cast: 0, left_out: Vec::new() }
        });
        group.members.push(id);
        actions.join(rider.conn, group.local);
    }

    fn leave(&mut self, id: VirtualId, group: GroupId, actions: &mut Actions<Gateway>) {
        self.count_cast(group);
        let Some(rider) = self.riders.get_mut(id as usize) else { return };
        rider.groups.retain(|joined| *joined != group);
        if let Some(group) = self.groups.get(&group) {
            actions.leave(rider.conn, group.local);
        }
        self.forget_member(id, group);
    }

    fn forget_member(&mut self, id: VirtualId, group_id: GroupId) {
        let Some(group) = self.groups.get_mut(&group_id) else { return };
        if let Some(at) = group.members.iter().position(|member| *member == id) {
            group.members.swap_remove(at);
        }
        if group.members.is_empty() {
            self.groups.remove(&group_id);
        }
    }

    fn cast(&mut self, group_id: GroupId, except: VirtualId, bytes: Bytes, actions: &mut Actions<Gateway>) {
        let Some(group) = self.groups.get_mut(&group_id) else { return };
        group.cast += bytes.len();
        let is_due = group.cast >= CAST_BYTES;
        let left_out = self.riders.get(except as usize).filter(|rider| rider.groups.contains(&group_id));
        let left_out = left_out.map(|rider| {
            group.left_out.push((except, bytes.len()));
            rider.conn
        });
        actions.publish(group.local, Packet::Frames(bytes), left_out);
        if is_due {
            self.count_cast(group_id);
        }
    }

    /// Counts what was cast to a group for each who was a member all the while.
    fn count_cast(&mut self, group: GroupId) {
        let Some(group) = self.groups.get_mut(&group).filter(|group| group.cast > 0) else { return };
        let cast = std::mem::take(&mut group.cast);
        for id in &group.members {
            if let Some(rider) = self.riders.get_mut(*id as usize) {
                rider.owed += cast;
            }
        }
        for (id, bytes) in group.left_out.drain(..) {
            if let Some(rider) = self.riders.get_mut(id as usize) {
                rider.owed -= bytes;
            }
        }
        for id in &group.members {
            if let Some(rider) = self.riders.get_mut(*id as usize) {
                credit(*id, rider, &mut self.out);
            }
        }
    }

    /// One end has done with an id; it is free when the other has, too.
    fn ended(&mut self, id: VirtualId, end: End) {
        let Some(rider) = self.riders.get_mut(id as usize) else { return };
        if *rider.left.get_or_insert(end) == end {
            return;
        }
        for group in std::mem::take(&mut rider.groups) {
            self.count_cast(group);
            self.forget_member(id, group);
        }
        self.riders.remove(id as usize);
    }

    /// What was gathered for the server, if there is something and it can be sent.
    pub fn flush(&mut self, actions: &mut Actions<Gateway>) {
        if let Some(conn) = self.conn.filter(|_| !self.out.is_empty()) {
            actions.send(conn, Packet::Records(self.out.take()));
        }
    }
}

impl Rider {
    /// The next bytes of his stream: what is whole of it now. The beginning of another frame is kept.
    fn whole(&mut self, bytes: Bytes) -> Result<Bytes, BadFrame> {
        self.owed += bytes.len();
        let mut stream = bytes;
        if !self.part.is_empty() {
            self.part.extend_from_slice(&stream);
            stream = std::mem::take(&mut self.part).freeze();
        }
        let rest = stream.split_off(whole_frames(&stream)?);
        self.part.extend_from_slice(&rest);
        Ok(stream)
    }
}

/// `bytes`, which lie in `records`, if they are whole frames and nothing else.
fn all_whole(records: &Bytes, bytes: &[u8]) -> Result<Bytes, BadFrame> {
    if whole_frames(bytes)? < bytes.len() {
        return Err(HALF);
    }
    Ok(records.slice_ref(bytes))
}

/// Says how much a player has taken, once it is worth a frame.
fn credit(id: VirtualId, rider: &mut Rider, out: &mut Records) {
    if rider.owed >= CREDIT_BYTES && !rider.blocked && rider.left.is_none() {
        out.put(id, &TrunkFrame::Credit(rider.owed as u32));
        rider.owed = 0;
    }
}
