//! The list of games, each with its number on the wire; and those that are in no list, because a worker has their rules.
//!
//! A new game is a variant of [`GameKind`], its place in [`GameKind::ALL`] and its line in the only `match` there is.
//! All else is asked of the game's own type ([`Rules`]). A game in a worker ([`WorkerGame`]) needs no line here.
//!
//! Invariant: an id, once given, is never used for another game.
//!
//! Read next: `rules.rs`, `nim.rs`; `worker.rs`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use rand_core::Rng;

use crate::Rules;
use crate::doudizhu::DouDizhu;
use crate::game::{Action, BadView, Game, Seat};
use crate::gomoku::Gomoku;
use crate::nim::Nim;
use crate::worker::{self, WORKER, WorkerGame};

/// A game that can be played at a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GameKind {
    /// Five in a row on 15 x 15, two seats.
    Gomoku,
    /// One landlord against two peasants with 54 cards, three seats.
    DouDizhu,
    /// Heaps of stones, who takes the last one loses, two seats.
    Nim,
    /// A game whose rules are in a worker.
    Worker(WorkerGame),
}

impl GameKind {
    /// Every game whose rules are here, by id.
    pub const ALL: &'static [Self] = &[Self::Gomoku, Self::DouDizhu, Self::Nim];

    /// The game's own answers.
    pub(crate) const fn entry(&self) -> Entry<'_> {
        match self {
            Self::Gomoku => Entry::of::<Gomoku>(1),
            Self::DouDizhu => Entry::of::<DouDizhu>(2),
            Self::Nim => Entry::of::<Nim>(3),
            Self::Worker(game) => Entry::of_worker(game),
        }
    }
}

/// Starts a hand of a game, from its seed.
type NewHand = fn([u8; 32]) -> Box<dyn Game>;

/// What the type of a game says of it, where the type is not known.
pub(crate) struct Entry<'a> {
    id: u16,
    name: &'a str,
    title: &'a str,
    rules: u16,
    seats: u8,
    turn_time_ms: u32,
    new_hand: Option<NewHand>,
    legal_actions: fn(&[u8], Seat) -> Result<Vec<Action>, BadView>,
    apply: fn(&mut Vec<u8>, &[u8]) -> Result<(), BadView>,
    describe: fn(&[u8]) -> String,
    tell: fn(&[u8]) -> String,
    show: fn(&[u8]) -> Result<String, BadView>,
    pub(crate) choose: fn(&[u8], Seat, &mut dyn Rng) -> Option<Action>,
}

impl<'a> Entry<'a> {
    const fn of<G: Rules>(id: u16) -> Self {
        Self {
            id,
            name: G::NAME,
            title: G::TITLE,
            rules: G::VERSION,
            seats: G::SEATS,
            turn_time_ms: G::TURN_TIME_MS,
            new_hand: Some(|seed| Box::new(G::new(seed))),
            legal_actions: |view, seat| Ok(G::from_view(view)?.legal_actions(seat)),
            apply: |view, event| {
                let mut hand = G::from_view(view)?;
                hand.apply(event)?;
                *view = hand.to_view();
                Ok(())
            },
            describe: G::describe,
            tell: G::tell,
            show: |view| Ok(G::from_view(view)?.show()),
            choose: G::choose,
        }
    }

    const fn of_worker(game: &'a WorkerGame) -> Self {
        Self {
            id: game.id(),
            name: game.name(),
            title: game.name(),
            rules: game.rules,
            seats: game.seats,
            turn_time_ms: game.turn_time_ms,
            new_hand: None,
            legal_actions: worker::legal_actions,
            apply: worker::apply,
            describe: worker::describe,
            tell: worker::tell,
            show: worker::show,
            choose: worker::choose,
        }
    }
}

/// What everybody may ask of a game.
impl GameKind {
    /// The game's number on the wire and in tables of results.
    pub const fn id(self) -> u16 {
        self.entry().id
    }

    /// The game with this number, if there is one. Of a worker's game a number does not say the name.
    pub fn from_id(id: u16) -> Option<Self> {
        let listed = Self::ALL.iter().copied().find(|kind| kind.id() == id);
        listed.or_else(|| WorkerGame::numbered(id).map(Self::Worker))
    }

    /// The game's name; without [`WORKER`] before it, if it is a worker's.
    pub const fn name(&self) -> &str {
        self.entry().name
    }

    /// The game that is called so in configs and command lines, as it is displayed; if there is such a game.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix(WORKER) {
            Some(name) => WorkerGame::named(name).map(Self::Worker),
            None => Self::ALL.iter().copied().find(|kind| kind.name() == name),
        }
    }

    /// The game's name for people.
    pub const fn title(&self) -> &str {
        self.entry().title
    }

    /// The version of its rules: records of hands name it, and it grows when the same moves may come to something else.
    pub const fn rules(self) -> u16 {
        self.entry().rules
    }

    /// Seats at a table. A hand needs all of them taken.
    pub const fn seats(self) -> u8 {
        self.entry().seats
    }

    /// Time to act, in milliseconds, where a room's config names none.
    pub const fn turn_time_ms(self) -> u32 {
        self.entry().turn_time_ms
    }

    /// Starts a hand. All its chance (who is first, what is dealt) comes from `seed`, which therefore stays
    /// with the server. None: the rules are not here.
    pub fn new_hand(self, seed: [u8; 32]) -> Option<Box<dyn Game>> {
        self.entry().new_hand.map(|new_hand| new_hand(seed))
    }

    /// An action in the words of those who play, for people. Bytes that are none are shown as they are.
    pub fn describe(self, action: &[u8]) -> String {
        (self.entry().describe)(action)
    }

    /// What an event says its seat did, in words.
    pub fn tell(self, event: &[u8]) -> String {
        (self.entry().tell)(event)
    }

    /// What a client does with an event: brings its `view` of the hand up to date. The result is, byte for
    /// byte, the view the server would send now. On an error the view is as it was; ask for a new one.
    pub fn apply(self, view: &mut Vec<u8>, event: &[u8]) -> Result<(), BadView> {
        (self.entry().apply)(view, event)
    }

    /// The table that a view shows, in words.
    pub fn show(self, view: &[u8]) -> Result<String, BadView> {
        (self.entry().show)(view)
    }

    /// What this seat may do in the state that a view of its own shows.
    pub fn legal_actions(self, view: &[u8], seat: Seat) -> Result<Vec<Action>, BadView> {
        (self.entry().legal_actions)(view, seat)
    }
}

impl fmt::Display for GameKind {
    /// As configs and command lines call it: its name, or `worker:NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::Worker(_)) {
            f.write_str(WORKER)?;
        }
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_and_names_lead_back_to_their_game() {
        for &kind in GameKind::ALL {
            assert_eq!(GameKind::from_id(kind.id()), Some(kind));
            assert_eq!(GameKind::from_name(kind.name()), Some(kind));
            assert!(usize::from(kind.seats()) <= crate::SEATS_MAX);
        }
        assert_eq!(GameKind::from_id(0), None);
        assert_eq!(GameKind::from_id(4), None);
        assert_eq!(GameKind::from_name("Gomoku"), None);
        assert_eq!(GameKind::from_name("worker:"), None);
        let reversi = GameKind::from_name("worker:reversi").expect("a worker's game has any name");
        assert_eq!(reversi.to_string(), "worker:reversi");
        assert_eq!(GameKind::from_id(reversi.id()), Some(reversi));
    }

    #[test]
    fn games_keep_their_numbers() {
        assert_eq!(GameKind::ALL.iter().map(|kind| kind.id()).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
