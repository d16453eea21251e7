//! Tests of the room server's machine: all shards together, in a house that delivers between them.
//!
//! Read next: `house.rs`, then any of the stories.

mod announcing;
mod churn;
mod coming;
mod coming_back;
mod costing;
mod draining;
mod entering;
mod evicting;
mod house;
mod idling;
mod link;
mod manager;
mod owning;
mod play;
mod playing_on;
mod records;
mod returning;
pub(super) mod rigged;
mod secrecy;
mod sitting;
mod talking;
mod watching;
mod working;
