//! What is hidden in a hand never leaves the server: everything that anybody is sent is read, byte by byte.
//!
//! Shown twice. Two hands that differ in two hidden cards alone, with the same moves: whoever sees neither card is sent
//! the same bytes, as long as neither is played. And of every message: no hidden card is in what a client makes of it, and
//! nothing of the chance is in its bytes before the hand is over.
//! Who is sent something: the seats, by all their connections; those who watch; those who are in the room; the manager.
//! Read next: `rigged.rs`; on the game alone, `crates/games/src/doudizhu/tests/sight.rs`.

use super::house::{House, LINK, config, who};
use super::rigged::{deal, new_hand, swapped};
use super::sitting::{NEXT_CONN, Sitting};
use crate::hand::make;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use usher_games::doudizhu::{CARDS, Cards, Deal, DouDizhu, PASS};
use usher_games::{GameKind, Rules, Seat};
use usher_proto::codec::{Form, encode};
use usher_proto::hand::{Move, Seed};
use usher_proto::message::{Act, Chat, TableChat, Watch, WhoIsHere};
use usher_proto::{ConnId, Message, TableNo};

/// They watch, one from the beginning, one from the middle of the hand; the others look on in the room.
const WATCHERS: [u64; 2] = [11, 12];
const LOOKER: u64 = 13;
/// So much of a seed says too much.
const WINDOW: usize = 8;

/// A seed as the world would give it.
fn seed(number: u64) -> Seed {
    let mut seed = [0; 32];
    ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut seed);
    seed
}

/// Plays a hand of this seed with these moves; without, as the bots do, to its end. What else happens is the same in every
/// hand.
fn play(kind: GameKind, seed: Seed, moves: Option<&[Move]>) -> Sitting {
    let mut config = config(1, 9);
    config.rooms[0].game = kind;
    config.presence_interval = Duration::from_secs(1);
    let mut house = House::open(config);
    house.records.seeds.push_back(seed);
    house.arrive(WATCHERS[0], who(WATCHERS[0], 1), 0);
    house.say(WATCHERS[0], Watch { table: TableNo(0) });
    house.arrive(LOOKER, who(LOOKER, 1), 0);
    house.say(LOOKER, WhoIsHere {});
    let mut table = Sitting::begin(house);
    for number in 0_u32.. {
        let done = match moves {
            Some(moves) => moves.get(number as usize).cloned(),
            None => table.to_act().map(|_| choice(&table, number)),
        };
        let Some(done) = done else { break };
        disturb(&mut table, number);
        table.make(&done);
    }
    table
}

/// The bot's choice; now and then none in time, where the trustee's does not depend on what is hidden.
fn choice(table: &Sitting, number: u32) -> Move {
    let is_lead = |hand: DouDizhu| hand.landlord().is_some() && hand.on_table().is_none();
    let seen = table.views.iter().flatten().find_map(|state| DouDizhu::from_view(&state.view).ok());
    let is_late = number % 8 == 5 && seen.is_some_and(|hand| !is_lead(hand));
    if is_late { Move::Timeout } else { table.choice() }
}

/// Everything that makes a room show a hand to somebody, and talk.
fn disturb(table: &mut Sitting, number: u32) {
    let seat = (number % table.conns.len() as u32) as u8;
    match number % 6 {
        0 => {
            table.drop(seat);
            table.come(seat, number.is_multiple_of(12));
        }
        1 => table.come(seat, number % 12 == 1),
        2 => {
            for conn in table.conns.clone() {
                table.house.say(conn, Act { hand: 9, turn: 9, action: [PASS].to_vec().into() });
            }
        }
        3 => table.house.say(LOOKER, Chat { request: number, text: number.to_string() }),
        4 => {
            let conn = table.conns[usize::from(seat)];
            table.house.say(conn, TableChat { request: number, text: number.to_string() });
        }
        _ => {}
    }
    if number == 4 {
        table.house.arrive(WATCHERS[1], who(WATCHERS[1], 1), 0);
        table.house.say(WATCHERS[1], Watch { table: TableNo(0) });
    }
    table.listen();
}

fn bytes(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    let frame = |header: [u8; 3], body: &[u8]| bytes.extend(header.iter().chain(body));
    encode(Form::MessagePack, message, frame).expect("a message");
    bytes
}

/// Whose connection it is, over all they had; the manager is 0.
fn person(conn: ConnId) -> u64 {
    if conn == LINK { 0 } else { conn.0 % NEXT_CONN }
}

/// All that everybody was sent, as it goes over the wire.
fn told(sent: &[(ConnId, Message)]) -> BTreeMap<u64, Vec<u8>> {
    let mut told = BTreeMap::<_, Vec<u8>>::new();
    for (conn, message) in sent {
        told.entry(person(*conn)).or_default().extend(bytes(message));
    }
    told
}

/// By card, the move with which everybody learns where it was dealt to, at the latest.
fn shown_with(seed: Seed, moves: &[Move]) -> [usize; CARDS as usize] {
    let mut game = new_hand(GameKind::DouDizhu, seed).unwrap();
    let mut shown = [moves.len() - 1; CARDS as usize];
    for (number, done) in moves.iter().enumerate() {
        make(game.as_mut(), done).expect("it was legal");
        let bottom = DouDizhu::from_view(&game.view(None)).expect("a view").bottom().unwrap_or_default();
        let action = if let Move::Act { action, .. } = done { &action[..] } else { &[] };
        let played: Cards = action.iter().copied().collect();
        for card in bottom.with(played).iter() {
            let first = &mut shown[usize::from(card)];
            *first = number.min(*first);
        }
    }
    shown
}

/// Of every two piles, which two cards change places: those that are shown last, and any two. Pile 3 is the bottom.
fn exchanges(deal: Deal, shown: &[usize], dice: &mut impl Rng) -> Vec<([usize; 2], [u8; 2])> {
    let [first, second, third] = deal.hands;
    let cards = [first, second, third, deal.bottom].map(|pile| pile.iter().collect::<Vec<_>>());
    let last = |pile: usize| cards[pile].iter().copied().max_by_key(|card| shown[usize::from(*card)]);
    let mut exchanges = Vec::new();
    for piles in [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]] {
        exchanges.push((piles, piles.map(|pile| last(pile).expect("a card"))));
        exchanges.push((piles, piles.map(|pile| cards[pile][dice.next_u32() as usize % cards[pile].len()])));
    }
    exchanges
}

#[test]
fn whoever_sees_neither_of_two_cards_is_told_the_same_wherever_they_are() {
    let kind = GameKind::DouDizhu;
    let dice = &mut ChaCha8Rng::seed_from_u64(3);
    let (mut compared, mut longest) = (0, 0);
    for number in 0..24 {
        let seed = swapped(seed(number), [0, 0]);
        let whole = play(kind, seed, None);
        let moves = &whole.house.records.hands[0].moves;
        let shown = shown_with(seed, moves);
        for (piles, cards) in exchanges(deal(seed), &shown, dice) {
            let until = cards.map(|card| shown[usize::from(card)]).into_iter().min().unwrap_or(0);
            let told = |seed| told(&play(kind, seed, Some(&moves[..until])).house.sent);
            let (here, there) = (told(seed), told(swapped(seed, cards)));
            assert!(here.keys().eq(there.keys()));
            for (&person, told) in &here {
                let holds_one = piles.iter().any(|&pile| pile < 3 && person == pile as u64 + 1);
                let differs = *told != there[&person];
                assert_eq!(
                    differs, holds_one,
                    "hand {number}, cards {cards:?}, {person} before move {until}"
                );
                compared += 1;
            }
            longest = longest.max(until);
        }
    }
    assert!(compared > 1_500 && longest > 40, "{compared} streams of {longest} moves at most");
}

/// Where all is open, what is dealt is who begins.
#[test]
fn two_seeds_of_gomoku_with_the_same_beginning_are_told_the_same_until_the_end() {
    let kind = GameKind::Gomoku;
    let first = |number| new_hand(kind, seed(number)).unwrap().to_act();
    let mut compared = 0;
    for number in 0..4 {
        let whole = play(kind, seed(number), None);
        let moves = &whole.house.records.hands[0].moves;
        let other = (number + 1..99).find(|other| first(*other) == first(number)).expect("one in two");
        let again = play(kind, seed(other), Some(moves));
        let [here, there] = [&whole, &again].map(|table| told(before_the_end(&table.house.sent)));
        assert_eq!(here, there);
        compared += here.len();
    }
    assert!(compared >= 4 * 5);
}

fn before_the_end(sent: &[(ConnId, Message)]) -> &[(ConnId, Message)] {
    let end = sent.iter().position(|(_, message)| matches!(message, Message::HandEnded(_)));
    &sent[..end.expect("the hand ended")]
}

#[test]
fn nothing_of_the_chance_is_told_before_the_hand_is_over_and_then_all_of_it() {
    for kind in GameKind::ALL {
        for number in 0..20 {
            let seed = seed(number);
            let sent = play(*kind, seed, None).house.sent;
            let windows: BTreeSet<_> = seed.windows(WINDOW).collect();
            let early = before_the_end(&sent);
            for (conn, message) in early {
                let says = bytes(message).windows(WINDOW).any(|window| windows.contains(window));
                assert!(!says, "{conn} was told of the chance: {message:?}");
            }
            let knows = |(conn, message): &(ConnId, Message)| {
                let holds = bytes(message).windows(seed.len()).any(|window| window == seed);
                holds.then_some(person(*conn))
            };
            let know: BTreeSet<_> = sent[early.len()..].iter().filter_map(knows).collect();
            let seats = 1..=u64::from(kind.seats());
            assert!(know.into_iter().eq(seats.chain(WATCHERS)), "{kind}");
        }
    }
}

/// A client that keeps a view, and finds in it what it may know.
struct Client {
    seat: Option<Seat>,
    view: Option<Vec<u8>>,
    looks: u32,
}

impl Client {
    fn hear(&mut self, message: &Message) {
        match message {
            Message::TableState(state) => {
                self.view = Some(state.view.to_vec()).filter(|view| !view.is_empty());
            }
            Message::Acted(acted) => {
                let view = self.view.as_mut().expect("a hand that was shown");
                GameKind::DouDizhu.apply(view, &acted.action).expect("it follows");
            }
            _ => return,
        }
        if let Some(view) = &self.view {
            self.looks += 1;
            self.look(&DouDizhu::from_view(view).expect("a view"));
        }
    }

    fn look(&self, hand: &DouDizhu) {
        if hand.to_move().is_none() {
            return;
        }
        assert_eq!(hand.bottom().is_some(), hand.landlord().is_some(), "the bottom is the landlord's");
        for seat in (0..3).map(Seat) {
            assert_eq!(hand.hand(seat).is_some(), self.seat == Some(seat), "{:?} sees {hand:?}", self.seat);
        }
    }
}

#[test]
fn a_seat_sees_its_own_cards_who_watches_none_and_the_rest_of_the_room_nothing() {
    for number in 0..20 {
        let seed = seed(number);
        let table = play(GameKind::DouDizhu, seed, None);
        let mut clients = BTreeMap::new();
        for (conn, message) in &table.house.sent {
            let person = person(*conn);
            let seat = (1..=3).contains(&person).then(|| Seat(person as u8 - 1));
            let client = clients.entry(person).or_insert(Client { seat, view: None, looks: 0 });
            client.hear(message);
        }
        let looked: Vec<_> = clients.into_iter().filter(|(_, it)| it.looks > 0).collect();
        assert!(looked.iter().map(|(person, _)| *person).eq((1..=3).chain(WATCHERS)));
        let ends = table.ends.iter().flatten().map(|end| end.view.as_ref());
        assert!(
            ends.chain(looked.iter().map(|(_, it)| it.view.as_ref())).all(|view| view == ends_with(&table))
        );
    }
}

/// At the end everybody has seen the same.
fn ends_with(table: &Sitting) -> Option<&Vec<u8>> {
    table.ends[0].as_ref()?.view.as_ref()
}
