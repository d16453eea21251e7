//! The vocabulary that servers and players share: identities, messages, limits, and the shape of a machine.
//!
//! Why: one place that says what may be said. A server and a player agree by using the same types, another
//! language by following `docs/wire.md` and the opcodes in [`message`].
//! Owns: message types and their opcodes, the first frame, the [`Machine`] trait with its inputs and outputs.
//! Does not own: sockets, clocks, keys, rules. It decides nothing.
//! Invariants: `no_std` unless the feature `codec` is on (bytes in, messages out; machines never enable it).
//! Limits: every one of the wire is a constant in [`limits`], with its unit in its name.
//! Read next: [`machine`] for how logic is written, [`message`] for what is said, [`first_frame`] for how a
//! connection begins.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "codec")]
extern crate std;

#[cfg(feature = "codec")]
pub mod codec;
pub mod figures;
pub mod first_frame;
pub mod hand;
pub mod ids;
pub mod limits;
#[cfg(feature = "codec")]
pub mod lines;
pub mod machine;
pub mod message;
pub mod node;
pub mod payload;
#[cfg(feature = "codec")]
mod shape;

pub use figures::Figures;
pub use hand::{BadHandId, HandId, HandRecord};
pub use ids::{
    AccountId, Address, ConnId, GameId, Generation, GroupId, Identity, Reservation, ReservationId, RoomNo,
    ServerKind, ServerName, SessionId, ShardId, TableNo, WorldId,
};
pub use machine::{Input, Machine, Outbox, Output, Time};
pub use message::Message;
pub use node::NodeConfig;
pub use payload::Payload;
