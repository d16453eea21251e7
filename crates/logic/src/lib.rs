//! Layer 3: what each server of the cluster decides, as machines without sockets, clocks or threads.
//!
//! Why: the same logic runs behind real sockets (`usher-runtime`) and by the million in virtual time
//! (`usher-sim`), and any run can be repeated from its seed.
//! The machines: [`login`] checks who somebody is and shows the way to a hall; [`hall`] hands out the room
//! directory; [`room`] is where people stay, talk and play; [`manager`] knows everybody, arbitrates redirects
//! and decides who may be where; [`gateway`] is what a gateway and its manager say to each other. [`admission`] and
//! [`uplink`] are what servers share.
//! Two are no machines: [`hand`] drives a game, and [`playback`] holds what a room wrote down against the rules.
//! The law: one input in, its outputs out, in order; nothing blocks, nothing fails, no peer's input panics.
//! Arrows: depends on `usher-proto` and `usher-games` only; never on `usher-hpserver`, nor it on this.
//! Invariants: `no_std`; no clock, no random-keyed map, no secret: what needs one is asked of the world.
//! Limits: every table has a bound named in its machine's config, and a stated answer when it is full.
//! Read next: [`login`], the smallest machine, then [`hall`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod admission;
mod asked_for;
pub mod back_off;
#[cfg(test)]
mod bench;
pub mod front;
pub mod gateway;
pub mod hall;
pub mod hand;
pub mod login;
pub mod manager;
mod moves;
mod pending;
pub mod playback;
mod recent;
mod recent_rate;
pub mod revocations;
pub mod room;
pub mod stand_in;
pub mod uplink;
