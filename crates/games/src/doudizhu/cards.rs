//! The 54 cards, sets of them, and how many cards of each rank a set has.
//!
//! A set is one bit a card, so that whose card it is, and whether it was played, is a mask and no list. The
//! rules look at ranks alone: suits are told apart only to name cards.
//!
//! - Owns: the numbers of cards and ranks, and the deal.
//! - Does not own: what cards are worth together (`combination.rs`).
//! - Invariants: a set holds none but the 54 cards; a deal gives each of them to one place.
//! - Limit: 54 cards.
//!
//! Read next: `combination.rs`.

use core::fmt;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::SEATS;
use crate::game::Seat;

/// Cards in the deck. Card `c` is of rank `c / 4` and suit `c % 4`; 52 is the small joker, 53 the big one.
pub const CARDS: u8 = 54;
/// Ranks there are, jokers included.
pub const RANKS: u8 = 15;
/// Cards dealt to each seat.
pub const DEALT: u8 = 17;
/// Cards kept for the landlord.
pub const BOTTOM: u8 = 3;
/// Bytes of a set of cards: card `c` is bit `c % 8` of byte `c / 8`.
pub const SET_BYTES: usize = CARDS.div_ceil(8) as usize;

const SUITS: u8 = 4;
const BIG_JOKER: u8 = CARDS - 1;

/// What cards are compared by, from 0: 3, 4 and so on to 10, then J, Q, K, A, 2, small joker, big joker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u8);

impl Rank {
    /// The highest rank of a chain.
    pub const ACE: Self = Self(11);
    /// Beaten by jokers alone, and in no chain.
    pub const TWO: Self = Self(12);
    /// There is one of it.
    pub const SMALL_JOKER: Self = Self(13);
    /// There is one of it, and it is the highest.
    pub const BIG_JOKER: Self = Self(14);

    /// Every rank, from the lowest.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..RANKS).map(Self)
    }

    /// The rank of a card.
    pub const fn of(card: u8) -> Self {
        if card == BIG_JOKER { Self::BIG_JOKER } else { Self(card / SUITS) }
    }

    /// The rank as players write it.
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; RANKS as usize] =
            ["3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A", "2", "joker", "JOKER"];
        NAMES[self.0 as usize]
    }

    /// The bits of this rank's cards.
    const fn mask(self) -> u64 {
        match self {
            Self::BIG_JOKER => 1 << BIG_JOKER,
            Self::SMALL_JOKER => 1 << (BIG_JOKER - 1),
            Self(rank) => 0b1111 << (rank * SUITS),
        }
    }
}

/// A set of cards.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cards(u64);

impl Cards {
    /// No card.
    pub const NONE: Self = Self(0);
    /// Every card.
    pub const DECK: Self = Self((1 << CARDS) - 1);

    /// Just this card; none if there is no such card.
    pub const fn one(card: u8) -> Self {
        Self(if card < CARDS { 1 << card } else { 0 })
    }

    /// How many.
    pub const fn len(self) -> u8 {
        self.0.count_ones() as u8
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of those are among these.
    pub const fn holds(self, those: Self) -> bool {
        self.0 & those.0 == those.0
    }

    /// Whether any of those is among these.
    pub const fn meets(self, those: Self) -> bool {
        self.0 & those.0 != 0
    }

    /// These and those.
    pub const fn with(self, those: Self) -> Self {
        Self(self.0 | those.0)
    }

    /// These but not those.
    pub const fn without(self, those: Self) -> Self {
        Self(self.0 & !those.0)
    }

    /// The cards, the lowest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..CARDS).filter(move |&card| self.0 >> card & 1 == 1)
    }

    /// How many there are of each rank.
    pub fn ranks(self) -> Ranks {
        let mut ranks = Ranks::NONE;
        for rank in Rank::all() {
            ranks.add(rank, (self.0 & rank.mask()).count_ones() as u8);
        }
        ranks
    }

    /// Cards of these ranks from among these, of each rank the lowest; `None` if there are not so many.
    pub fn pick(self, ranks: &Ranks) -> Option<Self> {
        let mut picked = Self::NONE;
        for rank in Rank::all() {
            let mut cards = Self(self.0 & rank.mask()).iter();
            for _ in 0..ranks.of(rank) {
                picked = picked.with(Self::one(cards.next()?));
            }
        }
        Some(picked)
    }

    /// The set as it is written.
    pub fn to_bytes(self) -> [u8; SET_BYTES] {
        let mut bytes = [0; SET_BYTES];
        bytes.copy_from_slice(&self.0.to_le_bytes()[..SET_BYTES]);
        bytes
    }

    /// The set these bytes are, unless they name a card there is not.
    pub fn from_bytes(bytes: [u8; SET_BYTES]) -> Option<Self> {
        let mut wide = [0; size_of::<u64>()];
        wide[..SET_BYTES].copy_from_slice(&bytes);
        let cards = Self(u64::from_le_bytes(wide));
        Self::DECK.holds(cards).then_some(cards)
    }
}

impl FromIterator<u8> for Cards {
    fn from_iter<T: IntoIterator<Item = u8>>(cards: T) -> Self {
        cards.into_iter().fold(Self::NONE, |set, card| set.with(Self::one(card)))
    }
}

impl fmt::Debug for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How many cards of each rank: a hand or a play, suits forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranks([u8; RANKS as usize]);

impl Ranks {
    /// No card.
    pub const NONE: Self = Self([0; RANKS as usize]);

    /// How many of this rank.
    pub const fn of(&self, rank: Rank) -> u8 {
        self.0[rank.0 as usize]
    }

    /// How many in all.
    pub fn len(&self) -> u8 {
        self.0.iter().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// So many more of a rank.
    pub fn add(&mut self, rank: Rank, count: u8) {
        self.0[usize::from(rank.0)] += count;
    }

    /// What is left of these when those are gone, which must be among them.
    pub fn without(&self, those: &Self) -> Self {
        let mut left = *self;
        for (count, gone) in left.0.iter_mut().zip(those.0) {
            *count -= gone;
        }
        left
    }
}

/// Cards as they are dealt: every one is somewhere, once.
#[derive(Clone, Copy, Debug)]
pub struct Deal {
    /// [`DEALT`] for each seat.
    pub hands: [Cards; SEATS],
    /// The [`BOTTOM`].
    pub bottom: Cards,
    /// Who bids first.
    pub first: Seat,
}

impl Deal {
    /// The deal this seed gives: a shuffle, 17 cards each from the top, three left, and who bids first.
    pub fn new(seed: [u8; 32]) -> Self {
        let rng = &mut ChaCha8Rng::from_seed(seed);
        let mut deck: [u8; CARDS as usize] = core::array::from_fn(|card| card as u8);
        for last in (1..deck.len()).rev() {
            deck.swap(last, below(rng, last as u32 + 1) as usize);
        }
        let mut piles = deck.chunks(usize::from(DEALT)).map(|pile| pile.iter().copied().collect());
        let mut next = || piles.next().expect("invariant: three piles of 17 and a rest of 3 are 54 cards");
        Self { hands: core::array::from_fn(|_| next()), bottom: next(), first: Seat(below(rng, 3) as u8) }
    }
}

/// A number below `limit`, each as likely as the others: draws from the uneven end of the range are thrown away.
fn below(rng: &mut impl Rng, limit: u32) -> u32 {
    let fair = u32::MAX - u32::MAX % limit;
    loop {
        let drawn = rng.next_u32();
        if drawn < fair {
            return drawn % limit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_has_its_rank() {
        let ranks = Cards::DECK.ranks();
        for rank in Rank::all() {
            assert_eq!(ranks.of(rank), if rank < Rank::SMALL_JOKER { 4 } else { 1 });
        }
        assert_eq!([0, 3, 4, 51, 52, 53].map(Rank::of), [0, 0, 1, 12, 13, 14].map(Rank));
        assert_eq!((ranks.len(), Cards::DECK.len()), (CARDS, CARDS));
    }

    #[test]
    fn a_set_is_written_and_read() {
        let cards: Cards = [0, 9, 53].into_iter().collect();
        assert_eq!(cards.to_bytes(), [1, 2, 0, 0, 0, 0, 0b0010_0000]);
        assert_eq!(Cards::from_bytes(cards.to_bytes()), Some(cards));
        assert_eq!(Cards::from_bytes([0, 0, 0, 0, 0, 0, 0b0100_0000]), None);
        assert!(Cards::one(54).is_empty());
    }

    #[test]
    fn the_lowest_cards_of_a_rank_are_picked() {
        let cards: Cards = [1, 2, 3, 52].into_iter().collect();
        let mut ranks = Ranks::NONE;
        ranks.add(Rank(0), 2);
        assert_eq!(cards.pick(&ranks), Some([1, 2].into_iter().collect()));
        ranks.add(Rank(1), 1);
        assert_eq!(cards.pick(&ranks), None);
    }

    #[test]
    fn a_deal_gives_every_card_once_and_anybody_any_card() {
        let mut ever_held = [Cards::NONE; SEATS];
        let mut ever_first = [false; SEATS];
        for byte in 0..=u8::MAX {
            let deal = Deal::new([byte; 32]);
            let all = deal.hands.into_iter().fold(deal.bottom, Cards::with);
            assert_eq!(all, Cards::DECK);
            assert_eq!(deal.hands.map(Cards::len), [DEALT; SEATS]);
            assert_eq!(deal.bottom.len(), BOTTOM);
            for (ever, hand) in ever_held.iter_mut().zip(deal.hands) {
                *ever = ever.with(hand);
            }
            ever_first[deal.first.index()] = true;
        }
        assert_eq!((ever_held, ever_first), ([Cards::DECK; SEATS], [true; SEATS]));
    }
}
