//! A table whose rules are a worker's: what happens until the answer is here, and when none is.
//!
//! Read next: `../floor/asking.rs`; `../../stand_in.rs`, which answers.

use super::house::{House, Way, config, who};
use super::sitting::Sitting;
use crate::room::RoomConfig;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use usher_games::{GameKind, WorkerGame};
use usher_proto::hand::{FAULT, Move};
use usher_proto::limits::MOVES_MAX;
use usher_proto::machine::Played;
use usher_proto::message::{
    Act, ActDenial, Acted, Deed, HandEnd, HandEnded, Look, NotDone, Sight, Sit, Stand, TableState,
};
use usher_proto::{AccountId, Message, ShardId, TableNo};

/// The floor of the one room.
const WORKERS: Way = Way::Workers(ShardId(1));
const ANSWER_MAX_MS: u64 = 20_000;
const UNOPENED_REST_MS: u64 = 5_000;

fn nim() -> RoomConfig {
    let mut config = config(1, 4);
    config.rooms[0].game = GameKind::Worker(WorkerGame::named("nim").unwrap());
    config
}

fn two_at_a_table() -> Sitting {
    let table = Sitting::begin(House::open(nim()));
    assert_eq!((table.state(0).hand, table.state(0).turn_left_ms), (1, 30_000));
    table
}

fn undone(why: NotDone) -> Played {
    Played::Undone(why)
}

fn other(seat: u8) -> u8 {
    1 - seat
}

/// What a connection was told, of a kind.
fn heard<T>(table: &mut Sitting, seat: u8, pick: impl Fn(&Message) -> Option<T>) -> Vec<T> {
    table.house.heard(table.conns[usize::from(seat)]).iter().filter_map(pick).collect()
}

fn denial(message: &Message) -> Option<ActDenial> {
    if let Message::ActDenied(denied) = message { Some(denied.reason.clone()) } else { None }
}

fn ended(message: &Message) -> Option<HandEnded> {
    if let Message::HandEnded(ended) = message { Some(ended.clone()) } else { None }
}

fn shown(message: &Message) -> Option<TableState> {
    if let Message::TableState(state) = message { Some(state.clone()) } else { None }
}

/// What the operator was told: of which hand, whether it had begun, and why.
fn told(table: &Sitting) -> Vec<(String, bool, &str)> {
    let told = table.house.failures.iter().map(|it| (it.hand.to_string(), it.had_begun, &*it.why));
    told.collect()
}

#[test]
fn hands_are_played_to_their_end_and_the_log_goes_along() {
    let mut table = two_at_a_table();
    for hand in 1..4 {
        let ended = table.play_to_the_end();
        assert_eq!((ended.hand, &*ended.reason, ended.scores.iter().sum::<i32>()), (hand, "won", 0));
        table.house.pass(3_000);
        table.listen();
    }
    let plays = &table.house.records.plays;
    let first: Vec<_> = plays.iter().filter(|play| play.hand.ends_with("/1")).collect();
    assert_eq!((first[0].moves.len(), &first[0].next), (0, &None));
    for (before, after) in first.iter().zip(&first[1..]) {
        let all: Vec<_> = before.moves.iter().chain(&before.next).cloned().collect();
        assert_eq!(after.moves, all);
        assert!(after.next.is_some());
    }
}

#[test]
fn nobody_acts_and_no_clock_runs_until_the_answer_is_here() {
    let mut table = two_at_a_table();
    let (choice, seat) = (table.choice(), table.to_act().unwrap());
    table.house.hold(WORKERS);
    table.post(&choice);
    table.house.settle();
    for who in [seat, other(seat)] {
        let act = Act { hand: 1, turn: 0, action: b"a1".to_vec().into() };
        table.house.say(table.conns[usize::from(who)], act);
        let told = table.house.heard(table.conns[usize::from(who)]);
        assert_eq!(told.iter().find_map(denial), Some(ActDenial::Stale));
        assert_eq!(told.iter().find_map(shown).unwrap().turn, 0);
    }
    table.house.pass(ANSWER_MAX_MS - 1);
    assert_eq!(table.house.records.plays.len(), 2, "nobody is asked in vain");
    table.house.say(table.conns[usize::from(seat)], Act { hand: 1, turn: 7, action: b"a1".to_vec().into() });
    let left = heard(&mut table, seat, shown).remove(0).turn_left_ms;
    assert_eq!(left, 30_000, "no clock runs");
    table.house.let_go();
    table.listen();
    assert_eq!((table.state(seat).turn, table.to_act()), (1, Some(other(seat))));
    assert_eq!(&*table.play_to_the_end().reason, "won");
}

#[test]
fn what_is_refused_leaves_turn_and_clock_as_they_were() {
    let mut table = two_at_a_table();
    let seat = table.to_act().unwrap();
    table.house.pass(10_000);
    let acts = [
        (seat, &b"z9"[..], ActDenial::Illegal("malformed action".into())),
        (other(seat), b"a1", ActDenial::NotYourTurn),
        (seat, b"\xff", ActDenial::Illegal("malformed action".into())),
        (seat, b"", ActDenial::Illegal("malformed action".into())),
        (seat, &[b'a'; 65], ActDenial::Illegal("malformed action".into())),
    ];
    let asked = table.house.records.plays.len();
    for (seat, action, reason) in acts {
        let action = action.to_vec().into();
        table.house.say(table.conns[usize::from(seat)], Act { hand: 1, turn: 0, action });
        assert_eq!(heard(&mut table, seat, denial), [reason]);
    }
    assert_eq!(
        table.house.records.plays.len(),
        asked + 1,
        "what is no text, or out of turn, is not asked about"
    );
    table.house.hold(WORKERS);
    table.house.say(table.conns[usize::from(seat)], Act { hand: 1, turn: 0, action: b"z9".to_vec().into() });
    table.house.pass(15_000);
    table.house.let_go();
    assert_eq!(heard(&mut table, seat, denial).len(), 1);
    table.house.pass(19_999);
    table.listen();
    assert!(table.ends[0].is_none(), "nobody loses time by a worker's thinking");
    table.house.pass(1);
    table.listen();
    let end = table.ends[0].take().expect("the clock ran out when it would have").ended;
    assert_eq!((&*end.reason, end.scores[usize::from(seat)]), ("timed out", -1));
}

#[test]
fn who_stands_up_while_a_worker_thinks_has_left_when_it_answers() {
    let mut table = two_at_a_table();
    let (choice, seat) = (table.choice(), table.to_act().unwrap());
    table.house.hold(WORKERS);
    table.post(&choice);
    table.house.settle();
    let leaver = other(seat);
    table.house.say(table.conns[usize::from(leaver)], Stand {});
    // Somebody takes the seat, as a spectator of this hand.
    table.house.arrive(50, who(50, 1), 0);
    table.house.say(50, Sit { table: Some(TableNo(0)), seat: Some(leaver) });
    let seen = table.house.heard(50).iter().find_map(shown).unwrap();
    assert!(seen.playing && seen.view[0] == 0, "a spectator may do nothing");
    table.house.let_go();
    let end = heard(&mut table, seat, ended).remove(0);
    assert_eq!((&*end.reason, end.left, end.scores[usize::from(leaver)]), ("abandoned", 1 << leaver, -1));
    assert_eq!(end.seats[usize::from(leaver)], AccountId(u64::from(leaver) + 1));
    let record = &table.house.records.hands[0];
    assert_eq!(record.moves, [choice, Move::Abandon { seat: leaver }]);
}

/// Seed 3 of the simulator: whoever took the seat of one who had left before his turn was told that it is his.
#[test]
fn nobody_is_to_act_in_the_place_of_who_stood_up_in_his_turn() {
    let mut table = two_at_a_table();
    let seat = table.to_act().unwrap();
    table.house.hold(WORKERS);
    table.house.say(table.conns[usize::from(seat)], Stand {});
    table.house.arrive(50, who(50, 1), 0);
    table.house.say(50, Sit { table: Some(TableNo(0)), seat: Some(seat) });
    let seen = table.house.heard(50).iter().find_map(shown).unwrap();
    assert_eq!((seen.playing, seen.to_act), (true, None));
}

#[test]
fn who_comes_back_while_a_worker_thinks_sees_the_hand_as_it_is() {
    let mut table = two_at_a_table();
    let (choice, seat) = (table.choice(), table.to_act().unwrap());
    table.house.hold(WORKERS);
    table.post(&choice);
    table.house.settle();
    let before = table.state(other(seat)).view.clone();
    table.drop(other(seat));
    table.come(other(seat), true);
    assert_eq!((table.state(other(seat)).view.clone(), table.state(other(seat)).turn), (before, 0));
    table.house.let_go();
    table.listen();
    assert_eq!(&*table.play_to_the_end().reason, "won");
}

#[test]
fn a_hand_ends_as_a_fault_where_no_worker_can_say_what_comes_of_a_move() {
    let good = Look { to_act: vec![0], views: vec![Sight::default(); 3], ..Look::default() };
    let look = |look| Played::Look(Box::new(look));
    let cases = [
        (undone(NotDone::SetAside), "set_aside"),
        (undone(NotDone::Failed("boom".into())), "failed: boom"),
        (
            look(Look { views: Vec::new(), ..good.clone() }),
            "a worker shows a hand to other seats than it has",
        ),
        (
            look(Look { to_act: Vec::new(), ..good }),
            "a worker's hand is over and somebody is to act, or neither",
        ),
    ];
    for (said, why) in cases {
        let mut table = two_at_a_table();
        table.house.records.said.push_back(said);
        table.step();
        let end = table.ends[0].take().expect("the hand ended").ended;
        assert_eq!((&*end.reason, &end.scores[..]), (FAULT, &[0, 0][..]), "{why}");
        assert_eq!(table.house.figure("usher_game_faults_total"), 1);
        assert_eq!(told(&table), [("room/0/0/0/1".into(), true, why)]);
        table.house.pass(3_000);
        table.listen();
        assert_eq!(table.state(0).hand, 2, "and then the next one begins");
    }
}

#[test]
fn a_hand_that_is_over_before_anybody_acts_is_none_and_the_next_one_begins() {
    let end = Some(HandEnd { scores: vec![1, -1], reason: "won".into() });
    let over = Look { views: vec![Sight::default(); 3], end, ..Look::default() };
    let mut house = House::open(nim());
    house.records.said.push_back(Played::Look(Box::new(over)));
    let mut table = Sitting::begin(house);
    let end = table.ends[0].take().expect("it is not played").ended;
    assert_eq!((end.hand, &*end.reason, &end.scores[..]), (1, FAULT, &[0, 0][..]));
    assert_eq!(table.house.figure("usher_game_faults_total"), 1);
    assert!(told(&table)[0].2.ends_with("before anybody has acted"));
    table.house.pass(3_000);
    table.listen();
    assert_eq!(table.state(0).hand, 2);
    assert_eq!(&*table.play_to_the_end().reason, "won");
}

#[test]
fn a_hand_that_is_not_over_when_its_record_is_full_ends_as_a_fault() {
    let go_on = Look {
        to_act: vec![0],
        views: vec![Sight { actions: vec!["on".to_string()], ..Sight::default() }; 3],
        ..Look::default()
    };
    let end = Some(HandEnd { scores: vec![1, -1], reason: "won".into() });
    let over = Look { to_act: Vec::new(), end, ..go_on.clone() };
    for (last, reason) in [(go_on.clone(), FAULT), (over, "won")] {
        let mut table = two_at_a_table();
        let looks = vec![go_on.clone(); MOVES_MAX - 1].into_iter().chain([last]);
        table.house.records.said.extend(looks.map(|look| Played::Look(Box::new(look))));
        for _ in 0..MOVES_MAX {
            assert!(table.ends[0].is_none());
            table.step();
        }
        let end = table.ends[0].take().expect("no move is left to it").ended;
        let record = &table.house.records.hands[0];
        assert_eq!((&*end.reason, &*record.reason, record.moves.len()), (reason, reason, MOVES_MAX));
        let why = told(&table).first().map(|told| told.2);
        assert_eq!(why, (reason == FAULT).then_some("it is not over after 1024 moves"));
    }
}

#[test]
fn an_answer_that_does_not_come_ends_the_hand_and_changes_nothing_when_it_does() {
    let mut table = two_at_a_table();
    table.house.hold(WORKERS);
    table.step();
    table.house.pass(ANSWER_MAX_MS);
    table.listen();
    assert_eq!(&*table.ends[0].take().unwrap().ended.reason, FAULT);
    assert_eq!(told(&table)[0].2, "no worker answered in time");
    let hands = table.house.records.hands.len();
    table.house.let_go();
    table.listen();
    assert_eq!((table.house.records.hands.len(), table.ends[0].is_none()), (hands, true));
    table.house.pass(3_000);
    table.listen();
    assert_eq!(&*table.play_to_the_end().reason, "won");
}

#[test]
fn no_hand_begins_without_a_worker_and_the_table_asks_again() {
    let mut house = House::open(nim());
    house.records.said.extend([undone(NotDone::NoWorker), Played::Refused("no".to_string())]);
    let mut table = Sitting::begin(house);
    assert!(table.views.iter().all(Option::is_none));
    for opened in [false, true] {
        table.house.pass(UNOPENED_REST_MS);
        table.listen();
        assert_eq!(table.views.iter().all(Option::is_some), opened);
    }
    assert_eq!(table.house.figure("usher_hands_unopened_total"), 2);
    let hand = "room/0/0/0/1";
    assert_eq!(told(&table), [(hand.into(), false, "no_worker"), (hand.into(), false, "no")]);
    assert_eq!((table.state(0).hand, table.house.records.hands.len()), (1, 0));
    assert_eq!(&*table.play_to_the_end().reason, "won");
}

#[test]
fn a_hand_that_was_asked_for_does_not_begin_without_its_players() {
    let mut house = House::open(nim());
    house.hold(WORKERS);
    let mut table = Sitting::begin(house);
    table.house.say(table.conns[0], Stand {});
    table.house.arrive(50, who(50, 1), 0);
    table.house.say(50, Sit { table: Some(TableNo(0)), seat: Some(0) });
    table.house.let_go();
    let state = table.house.heard(50).iter().rfind(|it| shown(it).is_some()).and_then(shown).unwrap();
    assert_eq!((state.playing, state.hand, state.seats[0]), (true, 1, Some(AccountId(50))));
    let seeds: Vec<_> = table.house.records.plays.iter().map(|play| play.seed).collect();
    assert_ne!(seeds[0], seeds[1], "it is another hand");
}

#[test]
fn every_seat_is_told_its_own_view_in_one_message() {
    let mut table = two_at_a_table();
    let choice = table.choice();
    let Move::Act { seat, action } = &choice else { panic!("{choice:?}") };
    let (seat, action) = (*seat, action.clone());
    table.house.say(table.conns[usize::from(seat)], Act { hand: 1, turn: 0, action: action.clone().into() });
    let acted = |message: &Message| if let Message::Acted(it) = message { Some(it.clone()) } else { None };
    let told: Vec<Acted> = [0, 1].into_iter().flat_map(|seat| heard(&mut table, seat, acted)).collect();
    assert_eq!(told.len(), 2);
    let (theirs, others) = (&told[usize::from(seat)].action, &told[usize::from(other(seat))].action);
    assert_ne!(theirs, others, "who is to act is told what may be done");
    let words = core::str::from_utf8(&action).unwrap().to_string();
    assert_eq!(table.kind.tell(theirs), alloc::format!("played {words}"));
    let next = table.house.records.plays.last().unwrap().next.clone();
    assert_eq!(next, Some(Deed::Act { seat, action: words }));
}
