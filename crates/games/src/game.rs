//! The trait every game is, and the few nouns it speaks of: seat, action, event, view, outcome.
//!
//! Small on purpose: a room asks who may act, hands over what they sent, tells the seats what came of it and
//! looks whether the hand is over.
//!
//! - Owns: the contract between a room and a game.
//! - Does not own: any rule.
//! - Invariants: `turn` grows by one with each accepted action, timeout or abandonment and never otherwise;
//!   `to_act` is empty exactly when `outcome` is there.
//! - Limits: the constants below; every one is checked for every game by the property tests.
//!
//! Read next: `rules.rs`, what a game is beside its hands; `nim.rs`, the smallest one.

use alloc::vec::Vec;
use core::fmt;

/// Longest action a player may send.
pub const ACTION_BYTES_MAX: usize = 64;
/// Longest event a game emits; most have a few bytes, a worker's has the next view in it.
pub const EVENT_BYTES_MAX: usize = 1280;
/// Longest view a game gives.
pub const VIEW_BYTES_MAX: usize = 1024;
/// Most seats at a table, of any game.
pub const SEATS_MAX: usize = 8;

/// In an event, in place of an action: the seat's clock ran out.
pub const TIMED_OUT: u8 = 254;
/// In an event, in place of an action: the seat's player left.
pub const ABANDONED: u8 = 253;

/// An action as it travels; its layout is the game's.
pub type Action = Vec<u8>;

/// A place at a table, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u8);

impl Seat {
    /// The seat as an index into per-seat lists.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of seats. Most games have one seat to act; some ask several at once (a bid, a doubling).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seats(u8);

impl Seats {
    /// No seat.
    pub const NONE: Self = Self(0);

    /// Just this seat; none if there is no such seat at any table.
    pub const fn one(seat: Seat) -> Self {
        Self(if seat.index() < SEATS_MAX { 1 << seat.0 } else { 0 })
    }

    /// These and those.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the seat is among these.
    pub const fn contains(self, seat: Seat) -> bool {
        self.0 & Self::one(seat).0 != 0
    }

    /// The seats as bits: seat `s` is bit `s`.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The seats that these bits are.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether there is no seat here.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The seats, in order.
    pub fn iter(self) -> impl Iterator<Item = Seat> {
        (0..SEATS_MAX as u8).map(Seat).filter(move |&seat| self.contains(seat))
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every seat, and whoever watches the table.
    Everyone,
    /// This seat alone.
    Only(Seat),
    /// Whoever watches the table, and no seat.
    Spectators,
}

/// Something that happened, for those who may know it; its layout is the game's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who may know.
    pub to: Audience,
    /// What happened; at most [`EVENT_BYTES_MAX`].
    pub bytes: Vec<u8>,
}

impl Event {
    /// An event everyone may know.
    pub fn public(bytes: Vec<u8>) -> Self {
        Self { to: Audience::Everyone, bytes }
    }
}

/// How a hand came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// Won by the rules.
    Won = 1,
    /// Nobody can win any more.
    Draw = 2,
    /// The loser gave up.
    Resigned = 3,
    /// The loser's clock ran out.
    TimedOut = 4,
    /// The loser left the table.
    Abandoned = 5,
}

impl EndReason {
    /// The reason's number in views.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The reason with this number, if there is one.
    pub fn from_id(id: u8) -> Option<Self> {
        [Self::Won, Self::Draw, Self::Resigned, Self::TimedOut, Self::Abandoned]
            .into_iter()
            .find(|reason| reason.id() == id)
    }

    /// The reason of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        (0..=u8::MAX).map_while(|id| Self::from_id(id + 1)).find(|reason| reason.name() == name)
    }

    /// The reason's name, for logs and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Draw => "draw",
            Self::Resigned => "resigned",
            Self::TimedOut => "timed out",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a finished hand is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Points won or lost, by seat; the sum is zero.
    pub scores: Vec<i32>,
    /// How the hand ended.
    pub reason: EndReason,
    /// Whose players left before the end. A game may go on without them and end by its rules all the same.
    pub left: Seats,
}

/// Why an action is refused. The fault is the player's (or their clock's); the hand is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Illegal {
    /// The hand is over.
    Over = 1,
    /// The game has no such seat.
    NoSuchSeat = 2,
    /// Someone else is to act.
    NotYourTurn = 3,
    /// The bytes are no action of this game.
    Malformed = 4,
    /// The place named is not on the board.
    OffBoard = 5,
    /// The place named is taken.
    Occupied = 6,
    /// An action of another stage of the hand.
    NotNow = 7,
    /// A card named is not in the hand.
    NotHeld = 8,
    /// The cards named may not be played together.
    NoCombination = 9,
    /// It is not above what was bid or played before.
    TooLow = 10,
    /// Who leads may not pass.
    MustLead = 11,
}

impl Illegal {
    /// The reason's number on the wire.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The reason in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Over => "the hand is over",
            Self::NoSuchSeat => "no such seat",
            Self::NotYourTurn => "not your turn",
            Self::Malformed => "malformed action",
            Self::OffBoard => "off the board",
            Self::Occupied => "the cell is occupied",
            Self::NotNow => "not at this stage of the hand",
            Self::NotHeld => "a card that is not in the hand",
            Self::NoCombination => "cards that may not be played together",
            Self::TooLow => "not above what was bid or played before",
            Self::MustLead => "who leads may not pass",
        }
    }
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Illegal {}

/// Bytes that are no view of the game, or an event that does not follow from the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadView;

impl fmt::Display for BadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a view of this game, or an event that does not follow from it")
    }
}

impl core::error::Error for BadView {}

/// One hand of a game, from its seed to its outcome.
pub trait Game: fmt::Debug + Send {
    /// How many actions, timeouts and abandonments this hand has seen. An action that names another number
    /// was meant for another state.
    fn turn(&self) -> u32;

    /// The seats that may act now; none once the hand is over.
    fn to_act(&self) -> Seats;

    /// A seat acts. What comes of it, or why it may not.
    fn act(&mut self, seat: Seat, action: &[u8]) -> Result<Vec<Event>, Illegal>;

    /// The clock of those to act ran out. The game decides what that means: the hand may be lost, or go on with
    /// something done for them. Nothing once the hand is over.
    fn timeout(&mut self) -> Vec<Event>;

    /// The player of this seat left and will not come back. The hand may end by that, or go on with the game
    /// acting for the seat, which is then never to act again. Nothing once the hand is over, or for a seat that
    /// was left before.
    fn abandon(&mut self, seat: Seat) -> Vec<Event>;

    /// The result, once the hand is over.
    fn outcome(&self) -> Option<Outcome>;

    /// Everything `act` would accept from this seat now; of actions that differ in nothing the rules look at
    /// (suits), one. For tests, bots and the simulator.
    fn legal_actions(&self, seat: Seat) -> Vec<Action>;

    /// Whether nothing on the table waits for an answer: a trick is over, or none has begun. Spectators are shown a hand
    /// from one such moment to the next.
    fn is_between_tricks(&self) -> bool;

    /// What this seat (or, with `None`, a spectator) may see: the whole of it, to start from. At most
    /// [`VIEW_BYTES_MAX`].
    fn view(&self, seat: Option<Seat>) -> Vec<u8>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_seats_holds_what_was_put_in() {
        let set = Seats::one(Seat(0)).union(Seats::one(Seat(7)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Seat(0), Seat(7)]);
        assert!(!set.contains(Seat(1)));
        assert!(Seats::NONE.is_empty());
        for beyond in [8, 9, 255] {
            assert!(Seats::one(Seat(beyond)).is_empty());
            assert!(!set.contains(Seat(beyond)));
        }
    }

    #[test]
    fn reasons_lead_back_to_their_number() {
        for id in 1..=5 {
            let reason = EndReason::from_id(id);
            assert_eq!(reason.map(EndReason::id), Some(id));
            assert_eq!(reason.and_then(|reason| EndReason::from_name(reason.name())), reason);
        }
        assert_eq!(EndReason::from_name("bored"), None);
        assert_eq!(EndReason::from_id(0), None);
        assert_eq!(EndReason::from_id(6), None);
    }
}
