//! Simulated players' play: one honest, quick move for a view.
//!
//! A bot gets what a player gets, the bytes of a view, and answers with the bytes of an action; it cannot see
//! more than the seat it plays for.
//!
//! - Does not own: how a game is played ([`Rules::choose`](crate::Rules::choose)), pace (a player machine waits as a person would) or chance (the caller's generator).
//! - Invariant: what is chosen is legal in the state the view shows.
//!
//! Read next: `gomoku/bot.rs`, `doudizhu/bot.rs`.

use rand_core::Rng;

use crate::GameKind;
use crate::game::{Action, Seat};

/// What this seat does next; `None` if it is not its turn, or the bytes are no view of the game.
pub fn choose(kind: GameKind, view: &[u8], seat: Seat, rng: &mut impl Rng) -> Option<Action> {
    (kind.entry().choose)(view, seat, rng)
}
