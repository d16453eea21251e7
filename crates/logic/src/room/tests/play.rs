//! Sitting, hands, turns, clocks, standing up, and a game that panics.

use super::house::{House, Way, config, who};
use super::manager::Presence;
use crate::room::RoomConfig;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use usher_games::gomoku::RESIGN;
use usher_games::{ABANDONED, TIMED_OUT};
use usher_proto::hand::Move;
use usher_proto::message::{
    Act, ActDenial, ActDenied, Acted, HandEnded, Leave, PlayerSat, PlayerStood, Scored, SeatNo, Seated, Sit,
    SitDenial, SitDenied, Stand, Stood, TableState,
};
use usher_proto::{AccountId, ConnId, Message, ShardId, TableNo};

fn at(table: u16, seat: u8) -> SeatNo {
    SeatNo { table: TableNo(table), seat }
}

fn state(heard: &[Message]) -> TableState {
    let mut states =
        heard.iter().filter_map(|it| if let Message::TableState(it) = it { Some(it.clone()) } else { None });
    states.next_back().unwrap_or_else(|| panic!("no state in {heard:?}"))
}

fn ended(heard: &[Message]) -> HandEnded {
    let ended =
        heard.iter().find_map(|it| if let Message::HandEnded(it) = it { Some(it.clone()) } else { None });
    ended.unwrap_or_else(|| panic!("the hand did not end: {heard:?}"))
}

fn is_playing(heard: &[Message]) -> bool {
    heard.iter().any(|it| matches!(it, Message::TableState(state) if state.playing))
}

/// Connections 1 and 2 sit in seats 0 and 1 of table 0, their hand begun. Who is black is returned first.
fn two_at_a_table(config: RoomConfig) -> (House, u64, u64) {
    let mut house = House::open(config);
    house.arrive(1, who(1, 1), 0);
    house.arrive(2, who(2, 1), 0);
    house.sit(1);
    let state = state(&house.sit(2));
    house.heard(1);
    let black = u64::from(state.to_act.expect("somebody begins")) + 1;
    (house, black, 3 - black)
}

fn act(house: &mut House, conn: u64, hand: u64, turn: u32, action: u8) -> Vec<Message> {
    house.say(conn, Act { hand, turn, action: vec![action].into() });
    house.heard(conn)
}

#[test]
fn the_first_hand_starts_when_the_last_seat_is_taken() {
    let mut house = House::open(config(1, 4));
    house.arrive(1, who(1, 1), 0);
    house.arrive(2, who(2, 1), 0);
    let heard = house.sit(1);
    assert_eq!(heard[0], Seated { at: at(0, 0) }.into());
    let waiting = state(&heard);
    assert_eq!((waiting.hand, waiting.playing, waiting.to_act), (0, false, None));
    assert_eq!(waiting.seats, [Some(AccountId(1)), None]);
    assert!(waiting.view.is_empty());

    let heard = house.sit(2);
    assert_eq!(heard[0], Seated { at: at(0, 1) }.into());
    let started = state(&heard);
    assert_eq!((started.hand, started.playing, started.turn), (1, true, 0));
    assert_eq!(started.seats, [Some(AccountId(1)), Some(AccountId(2))]);
    assert_eq!(started.turn_left_ms, 30_000);
    assert!(!started.view.is_empty());
    let heard = house.heard(1);
    assert_eq!(heard[0], PlayerSat { at: at(0, 1), account: AccountId(2) }.into());
    assert_eq!(state(&heard), started);
}

#[test]
fn whoever_may_enter_finds_a_seat_and_waiting_players_first() {
    let mut house = House::open(config(1, 5));
    for conn in 1..=5 {
        house.arrive(conn, who(conn, 1), 0);
    }
    let seat = |heard: Vec<Message>| match &heard[0] {
        Message::Seated(seated) => seated.at,
        other => panic!("{other:?}"),
    };
    assert_eq!(seat(house.sit(1)), at(0, 0));
    assert_eq!(seat(house.sit(2)), at(0, 1));
    house.say(3, Sit { table: Some(TableNo(2)), seat: Some(1) });
    assert_eq!(seat(house.heard(3)), at(2, 1));
    assert_eq!(seat(house.sit(4)), at(2, 0), "somebody waits there");
    assert_eq!(seat(house.sit(5)), at(1, 0));
}

#[test]
fn wishes_that_cannot_be_are_denied() {
    let mut house = House::open(config(1, 4));
    for conn in 1..=3 {
        house.arrive(conn, who(conn, 1), 0);
    }
    house.say(1, Sit { table: Some(TableNo(1)), seat: Some(0) });
    let cases = [
        (1, Some(0), Some(0), SitDenial::AlreadySeated),
        (2, Some(2), None, SitDenial::NoSuchSeat),
        (2, None, Some(2), SitDenial::NoSuchSeat),
        (2, Some(1), Some(0), SitDenial::Taken),
    ];
    house.heard(1);
    for (conn, table, seat, reason) in cases {
        house.say(conn, Sit { table: table.map(TableNo), seat });
        assert_eq!(house.heard(conn), [SitDenied { reason }.into()], "{table:?} {seat:?}");
    }
    house.say(2, Sit { table: None, seat: Some(0) });
    assert_eq!(house.heard(2)[0], Seated { at: at(0, 0) }.into(), "seat 0 of the waiting table is taken");
    house.say(3, Sit { table: Some(TableNo(1)), seat: None });
    house.heard(3);
    house.arrive(4, who(4, 1), 0);
    house.say(4, Sit { table: Some(TableNo(1)), seat: None });
    assert_eq!(house.heard(4), [SitDenied { reason: SitDenial::Taken }.into()]);
}

#[test]
fn a_legal_action_is_told_to_both_and_the_turn_passes() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    let seat = |conn: u64| (conn - 1) as u8;
    let heard = act(&mut house, black, 1, 0, 112);
    let event = vec![seat(black), 112].into();
    let acted = Acted { hand: 1, turn: 0, seat: seat(black), action: event, to_act: Some(seat(white)) };
    assert_eq!(heard, [acted.clone().into()]);
    assert_eq!(house.heard(white), [acted.into()]);
    assert_eq!(act(&mut house, white, 1, 1, 113).len(), 1);
}

#[test]
fn what_does_not_fit_the_turn_changes_nothing() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    act(&mut house, black, 1, 0, 112);
    house.heard(white);
    let cases = [
        (black, 1, 0, 50, ActDenial::Stale),
        (white, 2, 1, 50, ActDenial::Stale),
        (white, 1, 2, 50, ActDenial::Stale),
        (black, 1, 1, 50, ActDenial::NotYourTurn),
        (white, 1, 1, 112, ActDenial::Illegal("the cell is occupied".into())),
        (white, 1, 1, 250, ActDenial::Illegal("off the board".into())),
    ];
    for (conn, hand, turn, action, reason) in cases {
        let heard = act(&mut house, conn, hand, turn, action);
        let is_stale = reason == ActDenial::Stale;
        assert_eq!(heard[0], ActDenied { hand, turn, reason }.into());
        assert_eq!(heard.len(), if is_stale { 2 } else { 1 });
        if is_stale {
            assert_eq!(state(&heard).turn, 1);
        }
    }
    house.arrive(3, who(3, 1), 0);
    assert_eq!(
        act(&mut house, 3, 1, 1, 50),
        [ActDenied { hand: 1, turn: 1, reason: ActDenial::NotSeated }.into()]
    );
    assert_eq!(act(&mut house, white, 1, 1, 50).len(), 1);
}

#[test]
fn a_hand_ends_by_the_rules_and_the_next_begins_after_a_rest() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    act(&mut house, black, 1, 0, RESIGN);
    let scores = if black == 1 { [-1, 1] } else { [1, -1] };
    let record = house.records.hands[0].clone();
    let totals = scores.map(i64::from).into();
    let (seed, seats) = (Some(alloc::boxed::Box::new(record.seed.into())), record.seats.clone());
    let over =
        HandEnded { hand: 1, scores: scores.into(), reason: "resigned".into(), totals, seed, left: 0, seats };
    let heard = house.heard(white);
    assert!(matches!(&heard[0], Message::Acted(acted) if acted.to_act.is_none()));
    assert_eq!(heard[1..], [over.into()]);
    assert_eq!(record.id.to_string(), "room/0/0/0/1");
    assert_eq!(record.seats, [AccountId(1), AccountId(2)]);
    assert_eq!(record.moves, [Move::Act { seat: (black - 1) as u8, action: vec![RESIGN] }]);
    house.pass(2_999);
    assert_eq!(house.heard(white), []);
    let heard = act(&mut house, black, 1, 1, 5);
    assert!(matches!(heard[0], Message::ActDenied(_)), "no hand is played");
    house.pass(1);
    let next = state(&house.heard(white));
    assert_eq!((next.hand, next.turn, next.playing), (2, 0, true));
    assert_eq!(house.figure("usher_hands_started_total"), 2);
    assert_eq!(house.figure("usher_hands_ended_total"), 1);
}

#[test]
fn nothing_is_announced_before_it_is_written_down_and_a_full_disk_is_no_end() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    house.records.is_full = true;
    house.post(black, Act { hand: 1, turn: 0, action: vec![RESIGN].into() });
    let floor = Way::World(ShardId(1));
    while let Some(way) = house.ways().into_iter().find(|way| *way != floor) {
        house.deliver(way);
    }
    let heard = house.heard(white);
    assert!(matches!(heard[..], [Message::Acted(_)]), "{heard:?}");
    house.arrive(3, who(3, 1), 0);
    house.post(3, Sit { table: Some(TableNo(0)), seat: None });
    house.deliver(Way::Client(ConnId(3)));
    assert_eq!(house.heard(3), [SitDenied { reason: SitDenial::Taken }.into()]);
    house.settle();
    let over = ended(&house.heard(white));
    assert_eq!((over.totals, over.seed.is_some()), (vec![], true));
    assert_eq!(house.figure("usher_hands_unrecorded_total"), 1);
    house.pass(3_000);
    assert!(is_playing(&house.heard(white)));
}

#[test]
fn whoever_goes_before_the_cards_are_dealt_is_not_dealt_any() {
    for drops in [false, true] {
        let mut house = House::open(config(1, 4));
        house.arrive(1, who(1, 1), 0);
        house.arrive(2, who(2, 1), 0);
        house.sit(1);
        house.post(2, Sit { table: None, seat: None });
        house.deliver(Way::Client(ConnId(2)));
        if drops {
            house.post_drop(2);
        } else {
            house.post(2, Stand {});
        }
        house.deliver(Way::Client(ConnId(2)));
        house.settle();
        let heard = house.heard(1);
        assert!(!is_playing(&heard), "{heard:?}");
        assert_eq!(house.figure("usher_hands_started_total"), 0);
    }
}

#[test]
fn the_score_of_whoever_sits_down_is_told_and_grows_with_each_hand() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    act(&mut house, black, 1, 0, RESIGN);
    let seat = (white - 1) as u8;
    assert_eq!(ended(&house.heard(white)).totals[usize::from(seat)], 1);
    house.say(white, Stand {});
    house.heard(black);
    house.sit(white);
    assert!(house.heard(black).contains(&Scored { at: at(0, seat), score: 1 }.into()));
    house.pass(3_000);
    let scores = state(&house.heard(black)).scores;
    assert_eq!((scores[usize::from(seat)], scores[usize::from(1 - seat)]), (Some(1), Some(-1)));
}

const SCORES: Way = Way::Scores(ShardId(1));

#[test]
fn a_score_that_comes_after_the_end_of_a_hand_does_not_go_back() {
    let mut house = House::open(config(1, 4));
    house.hold(SCORES);
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    let black = u64::from(state(&house.heard(1)).to_act.expect("somebody begins")) + 1;
    let totals = ended(&act(&mut house, black, 1, 0, RESIGN)).totals;
    assert_eq!((house.records.scores_asked, totals[(black - 1) as usize]), (2, -1));
    house.let_go();
    house.pass(3_000);
    let heard = house.heard(black);
    assert!(!heard.iter().any(|it| matches!(it, Message::Scored(_))), "{heard:?}");
    assert_eq!(state(&heard).scores, totals.into_iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn a_seat_has_one_question_open_and_its_answer_is_nobody_elses() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    act(&mut house, black, 1, 0, RESIGN);
    house.hold(SCORES);
    house.say(white, Stand {});
    house.sit(white);
    house.arrive(3, who(3, 1), 0);
    for _ in 0..10 {
        house.say(white, Stand {});
        house.sit(3);
        house.say(3, Stand {});
        house.sit(white);
    }
    house.say(white, Stand {});
    house.sit(3);
    assert_eq!(house.records.scores_asked, 3, "two sat down before, and one since");
    house.heard(black);
    house.let_go();
    let newcomers = Scored { at: at(0, (white - 1) as u8), score: 0 };
    assert_eq!(house.heard(black), [newcomers.into()], "the score of who sat there before is 1");
    assert_eq!(house.records.scores_asked, 4);
}

#[test]
fn a_clock_that_runs_out_is_the_games_to_judge() {
    let mut config = config(1, 4);
    config.rooms[0].turn_time = Some(Duration::from_secs(5));
    let (mut house, black, white) = two_at_a_table(config);
    house.pass(4_999);
    act(&mut house, black, 1, 0, 0);
    house.heard(white);
    house.pass(4_999);
    assert_eq!(house.heard(black), [], "each turn has the whole time");
    house.pass(1);
    let heard = house.heard(black);
    assert!(matches!(&heard[0], Message::Acted(acted) if acted.action[..] == [(white - 1) as u8, TIMED_OUT]));
    assert_eq!(&*ended(&heard).reason, "timed out");
    assert_eq!(ended(&heard).scores[(white - 1) as usize], -1);
}

#[test]
fn an_action_that_comes_after_its_time_is_stale() {
    let (mut house, black, _) = two_at_a_table(config(1, 4));
    house.now_ms += 30_000;
    let heard = act(&mut house, black, 1, 0, 0);
    assert_eq!(&*ended(&heard).reason, "timed out");
    assert!(heard.iter().any(|it| matches!(it, Message::ActDenied(_))));
}

#[test]
fn standing_up_gives_the_hand_up() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    let seat = (black - 1) as u8;
    house.say(black, Stand {});
    let heard = house.heard(black);
    assert!(matches!(&heard[0], Message::Acted(acted) if acted.action[..] == [seat, ABANDONED]));
    assert_eq!(heard.last(), Some(&Stood { from: Some(at(0, seat)), dismissed: false }.into()));
    let heard = house.heard(white);
    assert!(heard.contains(&PlayerStood { at: at(0, seat), account: AccountId(black) }.into()));
    assert_eq!(&*ended(&heard).reason, "abandoned");
    assert_eq!(house.records.hands[0].moves, [Move::Abandon { seat }]);
    house.pass(10_000);
    assert!(!is_playing(&house.heard(white)), "nobody plays alone");
    house.say(black, Stand {});
    assert_eq!(house.heard(black), [Stood { from: None, dismissed: false }.into()]);
    assert!(is_playing(&house.sit(black)), "the rest is over, so the hand begins at once");
}

#[test]
fn leaving_gives_seat_and_hand_up() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    house.say(black, Leave {});
    assert!(matches!(house.heard(black).last(), Some(Message::Left(_))));
    let heard = house.heard(white);
    assert!(heard.iter().any(|it| matches!(it, Message::PlayerStood(_))));
    assert_eq!(&*ended(&heard).reason, "abandoned");
    assert_eq!((house.figure("usher_players"), house.figure("usher_hands_playing")), (1, 0));
}

#[test]
fn no_hand_starts_on_an_absent_player() {
    let (mut house, black, white) = two_at_a_table(config(1, 4));
    house.drop(white);
    act(&mut house, black, 1, 0, RESIGN);
    house.pass(10_000);
    assert!(!is_playing(&house.heard(black)));
    house.connect(9, who(white, 1));
    assert!(is_playing(&house.enter(9, 0)));
    assert_eq!(state(&house.heard(black)).hand, 2);
}

#[test]
fn many_hands_in_a_row_whatever_is_sent() {
    let (mut house, _, _) = two_at_a_table(config(1, 4));
    let mut current = (1, 0);
    for step in 0_u32..4000 {
        let conn = u64::from(step % 2 + 1);
        let action = (step.wrapping_mul(2_654_435_761) >> 13) as u8;
        house.say(conn, Act { hand: current.0, turn: current.1, action: vec![action].into() });
        if step % 50 == 0 {
            house.pass(3_000);
        }
        for message in house.heard(conn).into_iter().chain(house.heard(3 - conn)) {
            match message {
                Message::Acted(acted) => current = (acted.hand, acted.turn + 1),
                Message::TableState(state) => current = (state.hand, state.turn),
                _ => {}
            }
        }
    }
    assert!(house.figure("usher_hands_ended_total") > 10);
}

static BROKEN: AtomicBool = AtomicBool::new(false);

/// Runs a game unless it is said to be broken; what a panic leaves behind is half done.
fn breakable(call: &mut dyn FnMut()) -> Result<(), String> {
    call();
    if BROKEN.load(Ordering::Relaxed) { Err("broken".into()) } else { Ok(()) }
}

#[test]
fn a_game_that_panics_ends_its_hand_and_nothing_else() {
    let mut house = House::dark(config(1, 4), breakable);
    house.presence = Some(Presence::default());
    house.link_up();
    for conn in 1..=4 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    let black = u64::from(state(&house.heard(1)).to_act.expect("a hand begins")) + 1;
    BROKEN.store(true, Ordering::Relaxed);
    let heard = act(&mut house, black, 1, 0, 7);
    let fault = ended(&heard);
    assert_eq!((&*fault.reason, &fault.scores[..]), ("fault", &[0, 0][..]));
    assert!(house.heard(3 - black).contains(&fault.into()));
    let record = &house.records.hands[0];
    let last = Move::Act { seat: (black - 1) as u8, action: vec![7] };
    assert_eq!((&*record.reason, &record.moves[..]), ("fault", &[last][..]), "what it failed at is kept");
    assert_eq!((house.figure("usher_game_faults_total"), house.figure("usher_hands_playing")), (1, 1));
    house.pass(3_000);
    assert!(house.figure("usher_game_faults_total") > 1, "it is tried again, and still broken");
    BROKEN.store(false, Ordering::Relaxed);
    house.heard(1);
    house.pass(3_000);
    assert!(is_playing(&house.heard(1)));
}

#[test]
fn a_game_that_always_panics_does_not_keep_the_floor_busy() {
    let mut config = config(1, 4);
    config.next_hand_delay = Duration::ZERO;
    let mut house = House::dark(config, |_| Err("broken".into()));
    house.presence = Some(Presence::default());
    house.link_up();
    for conn in 1..=2 {
        house.arrive(conn, who(conn, 1), 0);
        house.sit(conn);
    }
    house.pass(10_000);
    assert_eq!(house.figure("usher_game_faults_total"), 11);
    assert!(house.failures.len() == 11 && house.failures.iter().all(|it| it.had_begun && it.why == "broken"));
    house.say(1, Leave {});
    assert!(matches!(house.heard(1).last(), Some(Message::Left(_))));
}

#[test]
fn without_a_rest_the_next_hand_follows_at_once() {
    let mut config = config(1, 4);
    config.next_hand_delay = Duration::ZERO;
    let (mut house, black, white) = two_at_a_table(config);
    act(&mut house, black, 1, 0, RESIGN);
    assert_eq!(state(&house.heard(white)).hand, 2);
    house.say(white, Stand {});
    assert!(!is_playing(&house.heard(black)));
}
