//! Dou Dizhu: three seats, 54 cards, one landlord against two peasants; whose hand is empty first wins.
//!
//! The seed deals 17 cards each and says who bids first. Each seat bids once (`doudizhu/auction.rs`); the
//! winner takes the three bottom cards, which all then see, and leads. What beats what is in
//! `doudizhu/combination.rs`; after two passes whoever played last leads. `docs/games/doudizhu.md` is the book.
//!
//! - Action: `action.rs`. Event, one a change and public: `event.rs`. View, each seat's own: `view.rs`.
//! - A client's state is this very type, knowing less: hands it may not see are `None`.
//! - If all pass nobody wins, which is a draw; the room deals again.
//! - When a clock runs out a *trustee* acts once: it passes where it may, in the bidding too, and else leads the
//!   lowest card. For who leaves it acts at once from then on; the outcome says who left.
//! - Invariants: every card is in one place; scores sum to zero; nobody who left is to act.
//! - Limit: 54 plays, each followed by at most two passes.
//!
//! Read next: `doudizhu/cards.rs`, then `doudizhu/combination.rs`.

mod action;
mod auction;
mod bot;
mod cards;
mod check;
mod combination;
mod event;
mod legal;
mod seen;
mod view;

use alloc::string::String;
use alloc::vec::Vec;

use rand_core::Rng;

use self::action::Step;
pub use self::action::{BID, PASS};
use self::auction::Auction;
pub use self::auction::BID_MAX;
pub use self::cards::{BOTTOM, CARDS, Cards, DEALT, Deal, RANKS, Rank, Ranks, SET_BYTES};
pub use self::combination::{Combination, HAND_MAX, Shape, Wings};
pub use self::event::ACTED;
pub use self::legal::plays;
pub use self::view::VIEW_BYTES;
use crate::Rules;
use crate::game::{
    ABANDONED, Action, BadView, EndReason, Event, Game, Illegal, Outcome, Seat, Seats, TIMED_OUT,
};

const SEATS: usize = DouDizhu::SEATS as usize;

/// One hand of Dou Dizhu, or what somebody knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DouDizhu {
    turn: u8,
    auction: Auction,
    to_move: Option<Seat>,
    left: Seats,
    hands: [Option<Cards>; SEATS],
    bottom: Option<Cards>,
    played: [Cards; SEATS],
    /// Bombs and rockets played.
    doublings: u8,
    /// How often the landlord played: after a single time there may be an anti-spring.
    landlord_plays: u8,
    /// What is to be beaten, and whose it is.
    on_table: Option<(Seat, Cards)>,
}

/// What a step led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    GoesOn,
    /// The bidding is over: the bottom is to be shown.
    LandlordFound,
    /// The hand is over: all hands are to be shown.
    Over,
}

/// Play by the rules.
impl DouDizhu {
    /// A new hand of these cards.
    pub fn dealt(deal: Deal) -> Self {
        Self {
            turn: 0,
            auction: Auction::new(deal.first),
            to_move: Some(deal.first),
            left: Seats::NONE,
            hands: deal.hands.map(Some),
            bottom: Some(deal.bottom),
            played: [Cards::NONE; SEATS],
            doublings: 0,
            landlord_plays: 0,
            on_table: None,
        }
    }

    /// Who plays alone, once the bidding is over.
    pub fn landlord(&self) -> Option<Seat> {
        self.auction.landlord()
    }

    /// How many cards a seat holds.
    pub fn count(&self, seat: Seat) -> u8 {
        let bottom = if self.landlord() == Some(seat) { BOTTOM } else { 0 };
        DEALT + bottom - self.played[seat.index()].len()
    }

    /// What is to be beaten; nothing for who leads.
    pub fn to_beat(&self) -> Option<Combination> {
        self.on_table.and_then(|(_, cards)| Combination::read(&cards.ranks()))
    }

    /// The step that an action is, if it may be taken now.
    fn check(&self, seat: Seat, action: &[u8]) -> Result<Step, Illegal> {
        self.on_turn(seat)?;
        let step = Step::read(action).ok_or(Illegal::Malformed)?;
        match (step, self.landlord()) {
            (Step::Pass, None) => {}
            (Step::Pass, Some(_)) => self.on_table.map(|_| ()).ok_or(Illegal::MustLead)?,
            (Step::Bid(bid), None) if self.auction.offers().contains(&bid) => {}
            (Step::Bid(_), None) => return Err(Illegal::TooLow),
            (Step::Bid(_), Some(_)) | (Step::Play(_), None) => return Err(Illegal::NotNow),
            (Step::Play(cards), Some(_)) => self.check_play(seat, cards)?,
        }
        Ok(step)
    }

    fn check_play(&self, seat: Seat, cards: Cards) -> Result<(), Illegal> {
        if !self.may_hold(seat, cards) {
            return Err(Illegal::NotHeld);
        }
        let play = Combination::read(&cards.ranks()).ok_or(Illegal::NoCombination)?;
        let beats = self.to_beat().is_none_or(|to_beat| play.beats(to_beat));
        if beats { Ok(()) } else { Err(Illegal::TooLow) }
    }

    /// Takes a step that may be taken.
    fn take(&mut self, step: Step) -> Turn {
        let seat = self.to_move.expect("invariant: a step is taken by the seat to move");
        match step {
            Step::Play(cards) => self.play(seat, cards),
            Step::Bid(bid) => self.speak(bid),
            Step::Pass if self.landlord().is_none() => self.speak(0),
            Step::Pass => self.pass(seat),
        }
    }

    fn speak(&mut self, bid: u8) -> Turn {
        self.auction.speak(bid);
        let (speaker, landlord) = (self.auction.speaker(), self.landlord());
        self.to_move = speaker.or(landlord);
        match (speaker, landlord) {
            (Some(_), _) => Turn::GoesOn,
            (None, Some(_)) => Turn::LandlordFound,
            (None, None) => Turn::Over,
        }
    }

    fn pass(&mut self, seat: Seat) -> Turn {
        let next = next(seat);
        self.to_move = Some(next);
        if self.on_table.is_some_and(|(played, _)| played == next) {
            self.on_table = None;
        }
        Turn::GoesOn
    }

    fn play(&mut self, seat: Seat, cards: Cards) -> Turn {
        let hand = &mut self.hands[seat.index()];
        *hand = hand.map(|hand| hand.without(cards));
        self.played[seat.index()] = self.played[seat.index()].with(cards);
        self.on_table = Some((seat, cards));
        self.doublings += u8::from(self.to_beat().is_some_and(Combination::doubles));
        self.landlord_plays += u8::from(self.landlord() == Some(seat));
        let is_out = self.count(seat) == 0;
        self.to_move = (!is_out).then(|| next(seat));
        if is_out { Turn::Over } else { Turn::GoesOn }
    }

    /// Gives the landlord the bottom cards.
    fn show_bottom(&mut self, bottom: Cards) {
        self.bottom = Some(bottom);
        if let Some(landlord) = self.landlord() {
            let hand = &mut self.hands[landlord.index()];
            *hand = hand.map(|hand| hand.with(bottom));
        }
    }

    /// What the trustee does for the seat to move, if there is one.
    fn trustee(&self) -> Option<Step> {
        let hand = self.hands[self.to_move?.index()]?;
        let leads = self.landlord().is_some() && self.on_table.is_none();
        let lowest = hand.iter().next().filter(|_| leads);
        Some(lowest.map_or(Step::Pass, |card| Step::Play(Cards::one(card))))
    }

    /// Takes this step, then the trustee's for as long as those to move have left.
    fn go_on(&mut self, seat: Seat, what: u8, first: Option<Step>) -> Vec<Event> {
        self.turn += 1;
        let mut told = event::Writer::new(seat, what);
        let mut step = first.or_else(|| self.for_who_left());
        while let Some(taken) = step {
            let turn = self.take(taken);
            if turn == Turn::LandlordFound {
                self.show_bottom(self.bottom.expect("invariant: who deals knows the bottom"));
            }
            told.step(taken, turn, self);
            step = self.for_who_left();
        }
        debug_assert!(self.is_coherent(), "{self:?}");
        told.done()
    }

    fn for_who_left(&self) -> Option<Step> {
        self.trustee().filter(|_| self.to_move.is_some_and(|seat| self.left.contains(seat)))
    }
}

/// What it is worth.
impl DouDizhu {
    /// Who was out first.
    fn first_out(&self) -> Option<Seat> {
        seats().find(|&seat| self.count(seat) == 0)
    }

    /// What is played for: the bid, doubled for each bomb and rocket, and for a spring of either kind.
    fn stake(&self) -> i32 {
        let doublings = self.doublings + u8::from(self.is_spring());
        i32::from(self.auction.highest()) << doublings
    }

    /// Whether the losers played nothing, or, if that is the landlord, nothing after the first lead.
    fn is_spring(&self) -> bool {
        let landlord = self.landlord();
        let mut peasants = seats().filter(|&seat| landlord != Some(seat));
        match self.first_out() {
            None => false,
            out if out == landlord => peasants.all(|seat| self.played[seat.index()].is_empty()),
            Some(_) => self.landlord_plays == 1,
        }
    }

    fn scores(&self) -> [i32; SEATS] {
        let (Some(out), Some(landlord)) = (self.first_out(), self.landlord()) else { return [0; SEATS] };
        let peasant = if out == landlord { -self.stake() } else { self.stake() };
        let mut scores = [peasant; SEATS];
        scores[landlord.index()] = -2 * peasant;
        scores
    }
}

impl Game for DouDizhu {
    fn turn(&self) -> u32 {
        self.turn.into()
    }

    fn to_act(&self) -> Seats {
        self.to_move.map_or(Seats::NONE, Seats::one)
    }

    fn act(&mut self, seat: Seat, action: &[u8]) -> Result<Vec<Event>, Illegal> {
        let step = self.check(seat, action)?;
        Ok(self.go_on(seat, ACTED, Some(step)))
    }

    fn timeout(&mut self) -> Vec<Event> {
        let Some(seat) = self.to_move else { return Vec::new() };
        self.go_on(seat, TIMED_OUT, self.trustee())
    }

    fn abandon(&mut self, seat: Seat) -> Vec<Event> {
        if self.to_move.is_none() || seat.index() >= SEATS || self.left.contains(seat) {
            return Vec::new();
        }
        self.left = self.left.union(Seats::one(seat));
        self.go_on(seat, ABANDONED, None)
    }

    fn outcome(&self) -> Option<Outcome> {
        if self.to_move.is_some() {
            return None;
        }
        let reason = if self.first_out().is_some() { EndReason::Won } else { EndReason::Draw };
        Some(Outcome { scores: self.scores().into(), reason, left: self.left })
    }

    fn legal_actions(&self, seat: Seat) -> Vec<Action> {
        let hand = self.hands.get(seat.index()).copied().flatten();
        let Some(hand) = hand.filter(|_| self.to_move == Some(seat)) else { return Vec::new() };
        let mut steps = Vec::new();
        if self.landlord().is_none() {
            steps.push(Step::Pass);
            steps.extend(self.auction.offers().map(Step::Bid));
        } else {
            let plays = plays(&hand.ranks(), self.to_beat());
            steps.extend(self.on_table.map(|_| Step::Pass));
            steps.extend(plays.iter().filter_map(|(_, ranks)| hand.pick(ranks)).map(Step::Play));
        }
        steps.into_iter().map(Step::to_bytes).collect()
    }

    fn is_between_tricks(&self) -> bool {
        self.on_table.is_none()
    }

    fn view(&self, seat: Option<Seat>) -> Vec<u8> {
        self.seen_by(seat).to_view()
    }
}

impl Rules for DouDizhu {
    const NAME: &'static str = "doudizhu";
    const TITLE: &'static str = "Dou Dizhu";
    const VERSION: u16 = 1;
    const SEATS: u8 = 3;
    const TURN_TIME_MS: u32 = 20_000;

    fn new(seed: [u8; 32]) -> Self {
        Self::dealt(Deal::new(seed))
    }

    fn from_view(view: &[u8]) -> Result<Self, BadView> {
        view::read(view)
    }

    fn to_view(&self) -> Vec<u8> {
        view::write(self)
    }

    fn apply(&mut self, event: &[u8]) -> Result<(), BadView> {
        self.follow(event)
    }

    fn describe(action: &[u8]) -> String {
        action::describe(action)
    }

    fn choose(view: &[u8], seat: Seat, _rng: &mut dyn Rng) -> Option<Action> {
        bot::choose(view, seat)
    }
}

/// The seat after this one.
fn next(seat: Seat) -> Seat {
    Seat((seat.0 + 1) % SEATS as u8)
}

fn seats() -> impl Iterator<Item = Seat> {
    (0..SEATS as u8).map(Seat)
}

#[cfg(test)]
mod tests;
