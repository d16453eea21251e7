//! What is played at a table: the rules of each game as a pure, turn-based state.
//!
//! A room knows tables and seats but no game; it drives a `Box<dyn Game>` and passes on opaque bytes. So a
//! new game is one module here and three lines of [`GameKind`], and no server changes; or it is a worker's
//! ([`worker`]), and nothing changes here either.
//!
//! - Owns: the rules, the byte layout of actions, events and views, and a bot for each game.
//! - Does not own: seats' occupants, clocks (a room says when one ran out), accounts, messages.
//! - Invariants: the same seed and the same calls give the same hand; a refused action changes nothing; the
//!   scores of an outcome sum to zero; a view holds nothing its viewer may not see.
//! - Limits: [`ACTION_BYTES_MAX`], [`EVENT_BYTES_MAX`], [`VIEW_BYTES_MAX`], [`SEATS_MAX`]. An action over its
//!   limit is refused as malformed, the others are kept by the games.
//!
//! Read next: `game.rs` and `rules.rs` for the traits, then `nim.rs`; `docs/writing-a-game.md` is the walk.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bot;
pub mod doudizhu;
mod game;
pub mod gomoku;
mod kind;
pub mod nim;
mod rules;
pub mod worker;

pub use game::{
    ABANDONED, ACTION_BYTES_MAX, Action, Audience, BadView, EVENT_BYTES_MAX, EndReason, Event, Game, Illegal,
    Outcome, SEATS_MAX, Seat, Seats, TIMED_OUT, VIEW_BYTES_MAX,
};
pub use kind::GameKind;
pub use rules::Rules;
pub use worker::WorkerGame;
