//! Gomoku, free style: five **or more** in a row win, in any of four directions; no opening rule.
//!
//! A board game in which all is open. The seed decides which seat is black; black begins.
//!
//! - Action, 1 byte: a cell 0..=224 (`row * 15 + column`), or [`RESIGN`]; both only on one's turn.
//! - Event, 2 bytes, public: the seat, and its action, or [`TIMED_OUT`], or [`ABANDONED`].
//! - View, the same for everybody: see `view.rs`. All is public, so a client's state is this very type.
//! - A full board without a row is a draw. Whose clock runs out, or who leaves, loses.
//! - Invariant: stones lie alternately, black first, so the count of stones says who is to move.
//! - Limit: 225 moves; then the hand is over.
//!
//! Read next: `gomoku/board.rs` for the lines, `gomoku/bot.rs` for a player.

mod board;
mod bot;
mod view;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub use self::board::{Board, CELLS, ROW_TO_WIN, SIDE, Stone};
pub use self::view::VIEW_BYTES;
use crate::Rules;
use crate::game::{
    ABANDONED, Action, BadView, EndReason, Event, Game, Illegal, Outcome, Seat, Seats, TIMED_OUT,
};

/// The action, and the event, of giving up.
pub const RESIGN: u8 = 255;

const SEATS: u8 = Gomoku::SEATS;

/// One hand of Gomoku.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gomoku {
    black: Seat,
    board: Board,
    stones: u8,
    last: Option<u8>,
    end: Option<End>,
}

/// How it ended, and for whom; a draw has no winner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    reason: EndReason,
    winner: Option<Seat>,
}

impl End {
    /// The seat whose player left, if that is how it ended.
    fn left(self) -> Seats {
        let loser = self.winner.filter(|_| self.reason == EndReason::Abandoned).map(opponent);
        loser.map_or(Seats::NONE, Seats::one)
    }
}

impl Gomoku {
    fn with_black(black: Seat) -> Self {
        Self { black, board: Board::EMPTY, stones: 0, last: None, end: None }
    }

    /// The stones.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The cell played last.
    pub fn last(&self) -> Option<u8> {
        self.last
    }

    /// The seat to move, while the hand lasts.
    pub fn to_move(&self) -> Option<Seat> {
        self.end.is_none().then(|| self.next_seat())
    }

    /// The colour a seat plays.
    pub fn stone_of(&self, seat: Seat) -> Stone {
        if seat == self.black { Stone::Black } else { Stone::White }
    }

    fn next_seat(&self) -> Seat {
        if self.stones.is_multiple_of(2) { self.black } else { opponent(self.black) }
    }

    /// The one byte of a legal action.
    fn check(&self, seat: Seat, action: &[u8]) -> Result<u8, Illegal> {
        self.on_turn(seat)?;
        let &[what] = action else { return Err(Illegal::Malformed) };
        match what {
            RESIGN => Ok(what),
            CELLS.. => Err(Illegal::OffBoard),
            cell if self.board.at(cell).is_some() => Err(Illegal::Occupied),
            cell => Ok(cell),
        }
    }

    fn place(&mut self, seat: Seat, cell: u8) {
        let stone = self.stone_of(seat);
        self.board.put(cell, stone);
        self.stones += 1;
        self.last = Some(cell);
        if self.board.wins(cell, stone) {
            self.end = Some(End { reason: EndReason::Won, winner: Some(seat) });
        } else if self.stones == CELLS {
            self.end = Some(End { reason: EndReason::Draw, winner: None });
        }
    }

    fn lose(&mut self, loser: Seat, reason: EndReason) {
        self.end = Some(End { reason, winner: Some(opponent(loser)) });
    }
}

impl Game for Gomoku {
    fn turn(&self) -> u32 {
        let by_a_stone =
            matches!(self.end, None | Some(End { reason: EndReason::Won | EndReason::Draw, .. }));
        u32::from(self.stones) + u32::from(!by_a_stone)
    }

    fn to_act(&self) -> Seats {
        self.to_move().map_or(Seats::NONE, Seats::one)
    }

    fn act(&mut self, seat: Seat, action: &[u8]) -> Result<Vec<Event>, Illegal> {
        let what = self.check(seat, action)?;
        match what {
            RESIGN => self.lose(seat, EndReason::Resigned),
            cell => self.place(seat, cell),
        }
        Ok(told(seat, what))
    }

    fn timeout(&mut self) -> Vec<Event> {
        let Some(seat) = self.to_move() else { return Vec::new() };
        self.lose(seat, EndReason::TimedOut);
        told(seat, TIMED_OUT)
    }

    fn abandon(&mut self, seat: Seat) -> Vec<Event> {
        if self.end.is_some() || seat.0 >= SEATS {
            return Vec::new();
        }
        self.lose(seat, EndReason::Abandoned);
        told(seat, ABANDONED)
    }

    fn outcome(&self) -> Option<Outcome> {
        let end @ End { reason, winner } = self.end?;
        let score = |seat| winner.map_or(0, |winner| if seat == winner { 1 } else { -1 });
        let scores = (0..SEATS).map(|seat| score(Seat(seat))).collect();
        Some(Outcome { scores, reason, left: end.left() })
    }

    fn legal_actions(&self, seat: Seat) -> Vec<Action> {
        if self.to_move() != Some(seat) {
            return Vec::new();
        }
        self.board.empty_cells().chain([RESIGN]).map(|byte| vec![byte]).collect()
    }

    /// Every move is one.
    fn is_between_tricks(&self) -> bool {
        true
    }

    fn view(&self, _seat: Option<Seat>) -> Vec<u8> {
        view::write(self)
    }
}

impl Rules for Gomoku {
    const NAME: &'static str = "gomoku";
    const TITLE: &'static str = "Gomoku";
    const VERSION: u16 = 1;
    const SEATS: u8 = 2;
    const TURN_TIME_MS: u32 = 30_000;

    /// One bit drawn from the seed says which seat is black.
    fn new(seed: [u8; 32]) -> Self {
        let bit = ChaCha8Rng::from_seed(seed).next_u32() & 1;
        Self::with_black(Seat(bit as u8))
    }

    fn from_view(view: &[u8]) -> Result<Self, BadView> {
        view::read(view)
    }

    /// A cell as players write it, `a1` in the lower left corner and `h8` in the middle.
    fn describe(action: &[u8]) -> String {
        match action {
            [RESIGN] => "resign".into(),
            &[cell @ 0..CELLS] => format!("{}{}", char::from(b'a' + cell % SIDE), SIDE - cell / SIDE),
            bytes => format!("{bytes:02x?}"),
        }
    }

    fn choose(view: &[u8], seat: Seat, rng: &mut dyn Rng) -> Option<Action> {
        bot::choose(view, seat, rng)
    }
}

fn opponent(seat: Seat) -> Seat {
    Seat(1 - seat.0)
}

fn told(seat: Seat, what: u8) -> Vec<Event> {
    vec![Event::public(vec![seat.0, what])]
}

#[cfg(test)]
mod tests;
