//! What a room costs: the time of its logic, and the messages it hears and sends.
//!
//! Why: rooms share a thread, so only they themselves can tell which of them keeps it busy.
//! Owns: [`Cost`], one room's sums since the server started; how they and the room's people are stated by room.
//! What time it is: that which the logic thread spent in the room's code, and so also while something else had the
//! processor. What layer 2 spends on a room is not in it; the send stage's share follows the messages sent.
//! Invariants: every call into a room is on its account; a message is counted once for each connection it goes to.
//! Read next: `Floor::with`, which measures.

use super::room::Room;
use crate::room::RoomNote;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use usher_proto::{Figures, Output, RoomNo};

/// One room's sums.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Time its logic ran.
    pub(super) nanoseconds: u64,
    /// Messages of its players.
    pub(super) received: u64,
    /// Messages to its players.
    pub(super) sent: u64,
}

/// How many messages a step of a room comes to, one for each connection that gets it.
pub(super) fn deliveries(caused: &[Output<RoomNote>], room: &Room) -> u64 {
    let deliveries = |output: &Output<RoomNote>| match output {
        Output::Send(..) | Output::SendShared(..) => 1,
        Output::Publish { group, except, .. } => room.hearers(*group).saturating_sub(except.is_some().into()),
        _ => 0,
    };
    caused.iter().map(deliveries).sum()
}

/// States what each room costs, and who is in it.
pub(super) fn figures(rooms: &BTreeMap<RoomNo, Room>, figures: &mut Figures) {
    let cost = |of: fn(&Cost) -> u64| rooms.iter().map(move |(no, room)| (*no, of(&room.cost)));
    let counts: Vec<_> = rooms.iter().map(|(no, room)| (*no, room.counts())).collect();
    let count = |at: usize| counts.iter().map(move |(no, counts)| (*no, counts[at]));
    let logic = "Time a room's logic ran on its thread.";
    figures.times("usher_room_logic_seconds_total", logic, "room", cost(|cost| cost.nanoseconds));
    let received = "Messages that a room heard from its players.";
    figures.counters("usher_room_messages_received_total", received, "room", cost(|cost| cost.received));
    let sent = "Messages that a room sent, one for each connection it went to.";
    figures.counters("usher_room_messages_sent_total", sent, "room", cost(|cost| cost.sent));
    figures.gauges("usher_room_players", "Players in a room, seated or not.", "room", count(0));
    figures.gauges("usher_room_players_seated", "Players of a room who have a seat.", "room", count(2));
    figures.gauges("usher_room_hands_playing", "Hands being played in a room.", "room", count(3));
}
