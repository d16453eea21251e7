//! A game where no hand of it lies on a table: its name and seats, how a hand begins, how a client keeps up with one.
//!
//! Why: a room plays one hand and knows [`Game`] alone. The rest is asked by those who have only the game's number (a
//! config, a client, a bot), and is one type's here, so that a new game answers it in its own file.
//!
//! - Owns: what a type must say of itself to be a [`GameKind`](crate::GameKind).
//! - Invariant: `from_view`, `apply` and `to_view` lead from a view, by an event, to the bytes of the next view.
//!
//! Read next: `nim.rs`, the smallest game there is; `kind.rs`, the list of all.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use rand_core::Rng;

use crate::game::{ABANDONED, Action, BadView, Event, Game, Illegal, Seat, TIMED_OUT};

/// A game; its type is a hand, or what somebody knows of one.
pub trait Rules: Game + Sized + 'static {
    /// The name in configs, logs and command lines: lower case, one word.
    const NAME: &'static str;
    /// The name for people.
    const TITLE: &'static str;
    /// The version of the rules: records of hands name it, and it grows when the same moves may come to something else.
    const VERSION: u16;
    /// Seats at a table, at most [`SEATS_MAX`](crate::SEATS_MAX). A hand needs all of them taken.
    const SEATS: u8;
    /// Time to act, in milliseconds, where a room's config names none.
    const TURN_TIME_MS: u32;

    /// A new hand, all of whose chance is in the seed.
    fn new(seed: [u8; 32]) -> Self;

    /// What is known by a view. Strict: bytes that no hand could have shown are refused.
    fn from_view(view: &[u8]) -> Result<Self, BadView>;

    /// All that is known here; of what `from_view` read, the same bytes. Where all is open, what a spectator sees.
    fn to_view(&self) -> Vec<u8> {
        self.view(None)
    }

    /// Brings what a client knows up to date with an event the server sent. After an error it may be in between.
    ///
    /// As it is here, for open games: an event is the seat and its action, or [`TIMED_OUT`], or [`ABANDONED`]; a client
    /// does the same, and must come to the same event.
    fn apply(&mut self, event: &[u8]) -> Result<(), BadView> {
        let (&seat, what) = event.split_first().ok_or(BadView)?;
        let told = match *what {
            [TIMED_OUT] if self.to_act().contains(Seat(seat)) => self.timeout(),
            [ABANDONED] => self.abandon(Seat(seat)),
            _ => self.act(Seat(seat), what).map_err(|_| BadView)?,
        };
        if told == [Event::public(event.into())] { Ok(()) } else { Err(BadView) }
    }

    /// Whether this seat may act now: what every `act` asks first.
    fn on_turn(&self, seat: Seat) -> Result<(), Illegal> {
        match self.to_act() {
            _ if seat.0 >= Self::SEATS => Err(Illegal::NoSuchSeat),
            seats if seats.is_empty() => Err(Illegal::Over),
            seats if !seats.contains(seat) => Err(Illegal::NotYourTurn),
            _ => Ok(()),
        }
    }

    /// An action in the words of those who play; no two legal actions are called the same. Bytes that are none are shown
    /// as they are.
    fn describe(action: &[u8]) -> String;

    /// What an event says its seat did, in words. As it is here, for events as in `apply`.
    fn tell(event: &[u8]) -> String {
        match event {
            [_, TIMED_OUT] => "ran out of time".into(),
            [_, ABANDONED] => "left".into(),
            [_, action @ ..] => format!("played {}", Self::describe(action)),
            [] => "did nothing".into(),
        }
    }

    /// The table in words, for screens that know the game by its number alone.
    fn show(&self) -> String {
        format!("{self:?}")
    }

    /// A simulated player's action in the state this view shows; `None` if it is not this seat's turn, or the bytes are
    /// no view. Any legal one, where a game has no better bot.
    fn choose(view: &[u8], seat: Seat, rng: &mut dyn Rng) -> Option<Action> {
        let mut actions = Self::from_view(view).ok()?.legal_actions(seat);
        let at = rng.next_u32().checked_rem(actions.len() as u32)?;
        Some(actions.swap_remove(at as usize))
    }
}
