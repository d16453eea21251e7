//! Who comes to an evening: kinds of players, and how many of each.
//!
//! Why: servers meet people who play a few hands and change tables beside people who sit all night, in every game at
//! once; what they do is said here, when they do it is the dice's.
//! Invariant: a [`Mix`] has a kind with a share, so that everybody is of some kind.
//! Limits: [`Mix::KINDS_MAX`] kinds.
//! Read next: `evening.rs`, which plays it.

use crate::dice::Dice;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use usher_games::GameKind;

/// What a player does once seated. Every one of them sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Nothing: keeps the connection.
    Idle,
    /// Says something to the room now and then.
    Chat,
    /// Plays the game of its rooms, hand after hand, and says something now and then.
    Game,
}

/// What players of one kind do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What they do in their seats.
    pub play: Play,
    /// The game whose rooms they look for.
    pub game: GameKind,
    /// Each pause before a move, and before a next table, is within this.
    pub think: (Duration, Duration),
    /// Mean pause between two chats of a player, each between half and one and a half of it. At 30 s, 5,000 players
    /// in rooms of 400 cause 67,000 deliveries a second.
    pub chat_interval: Duration,
    /// Whether they ask who is in their room, and so are told who comes and goes.
    pub looks: bool,
    /// What they do after some hands; without it they play on at their tables until they leave with everybody.
    pub evening: Option<Evening>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            play: Play::Chat,
            game: GameKind::Gomoku,
            think: (Duration::from_millis(500), Duration::from_millis(1500)),
            chat_interval: Duration::from_secs(30),
            looks: false,
            evening: None,
        }
    }
}

/// How those who play go from one thing to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evening {
    /// So many hands at a table, the fewest and the most, and then one of `after`.
    pub hands: (u32, u32),
    /// What then, by shares.
    pub after: After,
    /// Who left comes back after a pause within this, and logs in anew; without it, not at all.
    pub back_after: Option<(Duration, Duration)>,
}

/// Shares of what players do after their hands; they need not sum to anything. Without any, they play on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// Stand up, and sit down at another table of the same room.
    pub another_table: u32,
    /// Leave, and enter another room of the game.
    pub another_room: u32,
    /// Leave for good, or for a while.
    pub leave: u32,
    /// Drop the connection, and come back on the ticket.
    pub drop: u32,
}

/// What a player turns to after its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Table,
    Room,
    Leave,
    Drop,
}

impl After {
    pub(crate) fn draw(&self, dice: &mut Dice) -> Option<Change> {
        let shares = [
            (self.another_table, Change::Table),
            (self.another_room, Change::Room),
            (self.leave, Change::Leave),
            (self.drop, Change::Drop),
        ];
        draw(shares, dice)
    }
}

/// Kinds of players by shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(u32, Plan)>);

impl Mix {
    /// Kinds there may be.
    pub const KINDS_MAX: usize = 64;

    /// The mix of these kinds; shares need not sum to anything. None without a share, or with too many kinds.
    pub fn new(kinds: Vec<(u32, Plan)>) -> Option<Self> {
        let good = kinds.len() <= Self::KINDS_MAX && kinds.iter().any(|&(share, _)| share > 0);
        good.then_some(Self(kinds))
    }

    /// The kind of the next player, by its number. Of a single kind the dice are not asked.
    pub(crate) fn draw(&self, dice: &mut Dice) -> u8 {
        match self.0.len() {
            1 => 0,
            _ => draw(self.0.iter().zip(0..).map(|(&(share, _), kind)| (share, kind)), dice).unwrap_or(0),
        }
    }

    pub(crate) fn plan(&self, kind: u8) -> Plan {
        self.0[usize::from(kind)].1
    }
}

impl From<Plan> for Mix {
    fn from(plan: Plan) -> Self {
        Self(vec![(1, plan)])
    }
}

/// One of these, by its share; none if there is no share.
fn draw<T>(shares: impl IntoIterator<Item = (u32, T), IntoIter: Clone>, dice: &mut Dice) -> Option<T> {
    let mut shares = shares.into_iter();
    let total: u64 = shares.clone().map(|(share, _)| u64::from(share)).sum();
    let mut at = dice.below(total);
    let chosen = shares.find(|&(share, _)| {
        let here = at < u64::from(share);
        at = at.saturating_sub(share.into());
        here
    });
    chosen.map(|(_, what)| what)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn everybody_is_of_a_kind_as_often_as_its_share_says() {
        let plan = Plan::default();
        let mix = Mix::new(vec![(0, plan), (1, plan), (3, plan)]).unwrap();
        let mut dice = Dice::new(1);
        let mut count = [0; 3];
        for _ in 0..4000 {
            count[usize::from(mix.draw(&mut dice))] += 1;
        }
        assert_eq!(count[0], 0);
        assert!((900..1100).contains(&count[1]), "{count:?}");
    }

    #[test]
    fn a_mix_of_nobody_or_of_too_many_is_none() {
        let kinds = |count, share| Mix::new(vec![(share, Plan::default()); count]);
        assert_eq!((kinds(0, 1), kinds(3, 0), kinds(Mix::KINDS_MAX + 1, 1)), (None, None, None));
        assert!(kinds(Mix::KINDS_MAX, 1).is_some());
    }

    #[test]
    fn without_shares_nothing_comes_after() {
        let mut dice = Dice::new(1);
        assert_eq!(After::default().draw(&mut dice), None);
        let only = After { leave: 1, ..After::default() };
        assert!((0..100).all(|_| only.draw(&mut dice) == Some(Change::Leave)));
    }
}
