//! How things are called on the screen, and how a person's words become actions.
//!
//! Why: what is shown and what is typed are one notation, so that whatever stands on the screen can be typed back.
//! Invariants: [`cell_name`] and [`cell`], [`ranks_name`] and [`ranks`] lead back to each other.
//! Read next: `table.rs`.

use super::evening::printable;
use usher_games::doudizhu::{self, Cards, DouDizhu, RANKS, Rank, Ranks};
use usher_games::{ABANDONED, GameKind, Seat, TIMED_OUT, gomoku};
use usher_proto::{AccountId, GameId};

/// Ranks from the lowest; `s` and `b` are the small and the big joker.
const RANK_NAMES: [char; RANKS as usize] =
    ['3', '4', '5', '6', '7', '8', '9', 'T', 'J', 'Q', 'K', 'A', '2', 's', 'b'];
/// Guests have the top bit set.
const GUEST: u64 = 1 << 63;

/// Somebody's name, as far as a client knows it: the end of the account's number.
pub(super) fn who(account: AccountId) -> String {
    let what = if account.0 & GUEST == 0 { "player" } else { "guest" };
    format!("{what} {:04x}", account.0 & 0xffff)
}

/// A game's name for people. Of a worker's game the number does not say it; its rooms' names will.
pub(super) fn game_name(game: GameId) -> String {
    match GameKind::from_id(game.0) {
        Some(GameKind::Worker(_)) | None => "another game".into(),
        Some(kind) => kind.title().into(),
    }
}

/// A cell: column a-o from the left, row 1-15 from below.
pub(super) fn cell_name(cell: u8) -> String {
    let column = char::from(b'a' + cell % gomoku::SIDE);
    format!("{column}{}", gomoku::SIDE - cell / gomoku::SIDE)
}

/// The cell that is called so.
pub(super) fn cell(text: &str) -> Option<u8> {
    let mut chars = text.trim().chars();
    let column = chars.next()?.to_ascii_lowercase();
    let row: u8 = chars.as_str().parse().ok()?;
    let is_there = ('a'..='o').contains(&column) && (1..=gomoku::SIDE).contains(&row);
    is_there.then(|| (gomoku::SIDE - row) * gomoku::SIDE + (column as u8 - b'a'))
}

/// Cards by their ranks, from the lowest.
pub(super) fn cards_name(cards: Cards) -> String {
    ranks_name(&cards.ranks())
}

fn ranks_name(ranks: &Ranks) -> String {
    let each = Rank::all().zip(RANK_NAMES);
    let names = each.flat_map(|(rank, name)| (0..ranks.of(rank)).map(move |_| String::from(name)));
    names.collect::<Vec<_>>().join(" ")
}

/// The ranks that were typed, in any order; `10` and `0` are the ten too.
pub(super) fn ranks(text: &str) -> Option<Ranks> {
    let mut ranks = Ranks::NONE;
    let text = text.replace("10", "T").replace('0', "T");
    for char in text.chars().filter(|char| !char.is_whitespace()) {
        let is_it = |name: &char| name.eq_ignore_ascii_case(&char);
        let at = RANK_NAMES.iter().position(is_it)?;
        ranks.add(Rank(at as u8), 1);
    }
    (!ranks.is_empty()).then_some(ranks)
}

/// The Gomoku action that was typed.
pub(super) fn gomoku_action(text: &str) -> Result<Vec<u8>, String> {
    match cell(text) {
        Some(cell) => Ok(vec![cell]),
        None => Err(format!("`{text}` is no cell: a letter a-o and a number 1-15, as h8")),
    }
}

/// The Dou Dizhu action that was typed: a bid while there is no landlord, else cards; `p` passes.
pub(super) fn doudizhu_action(text: &str, hand: &DouDizhu, seat: Seat) -> Result<Vec<u8>, String> {
    let word = text.trim();
    if word.eq_ignore_ascii_case("p") {
        return Ok(vec![doudizhu::PASS]);
    }
    if hand.landlord().is_none() {
        return match word.parse::<u8>() {
            Ok(0) => Ok(vec![doudizhu::PASS]),
            Ok(bid @ 1..=doudizhu::BID_MAX) => Ok(vec![doudizhu::BID + bid]),
            _ => Err(format!("`{word}` is no bid: 1, 2 or 3, or p to pass")),
        };
    }
    let Some(wanted) = ranks(word) else {
        return Err(format!("`{word}` are no cards: ranks as 3 4 T J Q K A 2, s and b the jokers; p passes"));
    };
    let picked = hand.hand(seat).and_then(|held| held.pick(&wanted));
    match picked {
        Some(cards) => Ok(cards.iter().collect()),
        None => Err(format!("you do not hold {}", ranks_name(&wanted))),
    }
}

/// An action as it would be typed.
pub(super) fn action_name(kind: GameKind, action: &[u8]) -> String {
    match (kind, action) {
        (GameKind::Gomoku, [gomoku::RESIGN]) => "resigns".into(),
        (GameKind::Gomoku, &[cell, ..]) => cell_name(cell),
        (GameKind::DouDizhu, [doudizhu::PASS]) => "p".into(),
        (GameKind::DouDizhu, &[bid]) if bid > doudizhu::BID && bid <= doudizhu::BID + doudizhu::BID_MAX => {
            (bid - doudizhu::BID).to_string()
        }
        (GameKind::DouDizhu, cards) => cards_name(cards.iter().copied().collect()),
        _ => kind.describe(action),
    }
}

/// What a seat did, by the event that was told; `bidding`: before there is a landlord.
pub(super) fn deed(kind: GameKind, event: &[u8], bidding: bool) -> String {
    match (kind, event) {
        (GameKind::Gomoku, &[_, TIMED_OUT]) => "ran out of time".into(),
        (GameKind::Gomoku, &[_, ABANDONED]) => "left".into(),
        (GameKind::Gomoku, &[_, gomoku::RESIGN]) => "gave up".into(),
        (GameKind::Gomoku, &[_, cell]) => format!("played {}", cell_name(cell)),
        (GameKind::DouDizhu, &[_, ABANDONED, ..]) => "left; the trustee plays on".into(),
        (GameKind::DouDizhu, &[_, what, length, ref rest @ ..]) => {
            let action = rest.get(..usize::from(length)).unwrap_or_default();
            let late = if what == TIMED_OUT { "ran out of time: " } else { "" };
            let name = action_name(kind, action);
            match action {
                [doudizhu::PASS] => format!("{late}passed"),
                _ if bidding => format!("{late}bid {name}"),
                _ => format!("{late}played {name}"),
            }
        }
        (GameKind::Gomoku | GameKind::DouDizhu, _) => "did something".into(),
        _ => printable(&kind.tell(event)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_games::{Game, Rules};

    #[test]
    fn a_cell_has_one_name() {
        for at in 0..gomoku::CELLS {
            assert_eq!(cell(&cell_name(at)), Some(at));
        }
        assert_eq!((cell("a15"), cell("H8"), cell("o1")), (Some(0), Some(112), Some(224)));
        for wrong in ["", "h", "8", "p8", "h0", "h16", "h-1", "88", "hh"] {
            assert_eq!(cell(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cards_are_typed_as_they_are_shown() {
        let all = Cards::DECK;
        assert_eq!(ranks(&cards_name(all)), Some(all.ranks()));
        assert_eq!(ranks("10 0 t"), ranks("TTT"));
        assert_eq!(ranks("33445"), ranks("5 4 4 3 3"));
        for wrong in ["", "1", "x", "3z", "p"] {
            assert_eq!(ranks(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_typed_is_a_bid_and_then_cards() {
        let mut hand = DouDizhu::new([3; 32]);
        let seat = hand.to_move().unwrap();
        assert_eq!(doudizhu_action("p", &hand, seat), Ok(vec![doudizhu::PASS]));
        assert_eq!(doudizhu_action("0", &hand, seat), Ok(vec![doudizhu::PASS]));
        assert!(doudizhu_action("4", &hand, seat).unwrap_err().contains("no bid"));
        let action = doudizhu_action("3", &hand, seat).unwrap();
        let events = hand.act(seat, &action).unwrap();
        assert_eq!(deed(GameKind::DouDizhu, &events[0].bytes, true), "bid 3");
        let held = hand.hand(seat).unwrap();
        let low = Cards::one(held.iter().next().unwrap());
        let action = doudizhu_action(&cards_name(low).to_lowercase(), &hand, seat).unwrap();
        let events = hand.act(seat, &action).unwrap();
        let played = format!("played {}", cards_name(low));
        assert_eq!(deed(GameKind::DouDizhu, &events[0].bytes, false), played);
        assert!(doudizhu_action("33333", &hand, seat).unwrap_err().starts_with("you do not hold 3 3 3"));
        assert!(doudizhu_action("hello", &hand, seat).unwrap_err().contains("no cards"));
    }

    #[test]
    fn people_are_told_apart() {
        assert_eq!(who(AccountId(7)), "player 0007");
        assert_eq!(who(AccountId(GUEST | 0xab_cdef)), "guest cdef");
    }
}
