//! Screens from news and keys, without a terminal and without a cluster.
//!
//! Read next: `../../tests/e2e/play.rs`, the same on a real terminal.

use super::evening::{Evening, Focus};
use super::ink::Ink;
use super::keys::Asked;
use super::screen;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;
use usher_games::{Game, GameKind, Rules, Seat, doudizhu::DouDizhu, gomoku::Gomoku, nim::Nim};
use usher_player::person::{News, Place, Wish};
use usher_proto::message::*;
use usher_proto::{AccountId, GameId, Message, RoomNo, ServerKind, TableNo, WorldId};

const ME: AccountId = AccountId(7);

fn place(kind: GameKind) -> Place {
    Place { address: "room-1".into(), room: RoomNo(3), game: GameId(kind.id()) }
}

fn entered(seat: Option<SeatNo>) -> Entered {
    Entered { room: RoomNo(3), name: "Blue".into(), seq: 10, population: 12, seat }
}

fn rooms() -> News {
    let entry = |number, kind: GameKind, name: &str, population| RoomEntry {
        address: "room-1".into(),
        room: RoomNo(number),
        name: name.into(),
        game: GameId(kind.id()),
        population,
        capacity: 400,
    };
    let total =
        |kind: GameKind| GameTotal { game: GameId(kind.id()), rooms: 1, population: 5, capacity: 400 };
    let directory = Directory {
        rooms: vec![entry(3, GameKind::Gomoku, "Blue", 12), entry(4, GameKind::DouDizhu, "Green", 5)],
        totals: vec![total(GameKind::Gomoku), total(GameKind::DouDizhu)],
    };
    let kept = SeatKept { address: "room-1".into(), room: RoomNo(4), game: GameId(GameKind::DouDizhu.id()) };
    News::Rooms { directory, kept: vec![kept] }
}

fn at_the_list() -> Evening {
    let mut evening = Evening::new();
    evening.on_news(News::LoggedIn(ME));
    evening.on_news(rooms());
    evening
}

fn hear(evening: &mut Evening, message: impl Into<Message>) -> Option<Wish> {
    evening.on_news(News::Heard(message.into()))
}

/// Seated, with this hand dealt.
fn at_a_table(kind: GameKind, hand: &dyn Game) -> Evening {
    let mut evening = at_the_list();
    evening.on_news(News::Entered { place: place(kind), entered: entered(None), away: None });
    hear(&mut evening, Seated { at: SeatNo { table: TableNo(4), seat: 0 } });
    hear(&mut evening, table_state(kind, hand, 1));
    evening
}

fn table_state(kind: GameKind, hand: &dyn Game, number: u64) -> TableState {
    TableState {
        table: TableNo(4),
        hand: number,
        playing: true,
        turn: hand.turn(),
        seats: (0..kind.seats()).map(|seat| Some(AccountId(7 + u64::from(seat)))).collect(),
        to_act: hand.to_act().iter().next().map(|seat| seat.0),
        turn_left_ms: 20_000,
        view: hand.view(Some(Seat(0))).into(),
        scores: vec![Some(5); kind.seats().into()],
        owner: None,
        rules: TableRules::default(),
        ready: 0,
    }
}

fn key(evening: &mut Evening, code: KeyCode) -> Asked {
    evening.on_key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(evening: &mut Evening, text: &str) -> Asked {
    for char in text.chars() {
        assert_eq!(key(evening, KeyCode::Char(char)), Asked::Nothing, "{char}");
    }
    key(evening, KeyCode::Enter)
}

fn screen(evening: &Evening, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(evening, Ink { has_colors: true }, frame)).unwrap();
    terminal.backend().to_string()
}

#[track_caller]
fn shows(evening: &Evening, wanted: &[&str]) {
    let screen = screen(evening, 90, 26);
    for wanted in wanted {
        assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
    }
}

#[test]
fn a_world_is_chosen_with_its_people_in_sight() {
    let entry =
        |world, players| WorldEntry { world: WorldId(world), players, capacity: 4_000, logins: vec![] };
    let mut evening = Evening::new();
    evening.on_news(News::Worlds(vec![entry(1, 3_999), entry(2, 17)]));
    shows(&evening, &["choose a world", "> world 1", "3999 of 4000 playing", "17 of 4000 playing"]);
    for _ in 0..3 {
        key(&mut evening, KeyCode::Down);
    }
    shows(&evening, &["> world 2"]);
    assert_eq!(key(&mut evening, KeyCode::Enter), Asked::Wish(Wish::Choose(WorldId(2))));
}

#[test]
fn rooms_are_listed_filtered_and_entered() {
    let mut evening = at_the_list();
    shows(&evening, &["> Blue", "  12/400", "Green", " your seat ", "Gomoku: 5 of 400 places taken"]);
    key(&mut evening, KeyCode::Char('g'));
    key(&mut evening, KeyCode::Char('g'));
    shows(&evening, &["rooms with space: Dou Dizhu", "> Green"]);
    assert!(!screen(&evening, 90, 26).contains("Blue"));
    let wish = Wish::Enter(Place { room: RoomNo(4), ..place(GameKind::DouDizhu) });
    assert_eq!(key(&mut evening, KeyCode::Enter), Asked::Wish(wish));
    assert_eq!(key(&mut evening, KeyCode::Char('q')), Asked::Quit);
}

#[test]
fn what_is_waited_for_is_said_below_the_list_of_rooms() {
    let mut evening = at_the_list();
    assert_eq!(key(&mut evening, KeyCode::Char('r')), Asked::Wish(Wish::Browse));
    evening.on_news(News::Dialing(ServerKind::Hall));
    shows(&evening, &["> Blue", "asking a hall server"]);
    evening.on_news(News::Waiting { why: "no hall answers", wait: Duration::from_secs(3) });
    shows(&evening, &["> Blue", "no hall answers; again in 3.0 s"]);
    evening.on_news(rooms());
    assert!(!screen(&evening, 90, 26).contains("no hall answers"), "it is over");
}

#[test]
fn who_waits_for_a_hand_of_a_workers_game_is_told_what_it_waits_for() {
    let (reversi, nim) = (GameKind::from_name("worker:reversi").unwrap(), Nim::new([1; 32]));
    for (kind, waits_for) in
        [(reversi, "a worker is asked for the hand"), (GameKind::Nim, "the hand begins in a moment")]
    {
        let mut evening = at_a_table(kind, &nim);
        hear(&mut evening, TableState { playing: false, ..table_state(kind, &nim, 1) });
        shows(&evening, &[waits_for]);
    }
}

#[test]
fn a_stone_is_placed_by_name_or_by_cursor_and_a_refusal_explained() {
    let mut hand = Gomoku::new([1; 32]);
    if hand.to_move() != Some(Seat(0)) {
        hand.act(Seat(1), &[0]).unwrap();
    }
    let mut evening = at_a_table(GameKind::Gomoku, &hand);
    shows(&evening, &["your turn, 20 s", "player 0008", "8 . . . . . . .[.]. .", "arrows or h8", "+5"]);
    let turn = hand.turn();
    let act = |cell: u8| Asked::Wish(Wish::Say(Act { hand: 1, turn, action: vec![cell].into() }.into()));
    assert_eq!(type_in(&mut evening, "a14"), act(15));
    for code in [KeyCode::Right, KeyCode::Down] {
        key(&mut evening, code);
    }
    assert_eq!(key(&mut evening, KeyCode::Enter), act(31));
    assert_eq!(type_in(&mut evening, "h99"), Asked::Nothing);
    shows(&evening, &["`h99` is no cell"]);
    let reason = ActDenial::Illegal("the cell is occupied".into());
    hear(&mut evening, ActDenied { hand: 1, turn, reason });
    shows(&evening, &["! illegal: the cell is occupied"]);
    key(&mut evening, KeyCode::Char('?'));
    assert!(matches!(key(&mut evening, KeyCode::Enter), Asked::Wish(Wish::Say(Message::Act(_)))));
}

#[test]
fn cards_are_shown_bid_for_and_played() {
    let mut hand = (0..=u8::MAX)
        .map(|seed| DouDizhu::new([seed; 32]))
        .find(|hand| hand.to_move() == Some(Seat(0)))
        .unwrap();
    let mut evening = at_a_table(GameKind::DouDizhu, &hand);
    let cards = super::words::cards_name(hand.hand(Seat(0)).unwrap());
    shows(&evening, &["bidding: 0 so far", "your cards (17)", &cards, "17 cards", "p pass"]);
    let asked = type_in(&mut evening, "3");
    let Asked::Wish(Wish::Say(Message::Act(act))) = asked else { panic!("{asked:?}") };
    let event = hand.act(Seat(0), &act.action).unwrap().remove(0);
    let acted = Acted { hand: 1, turn: 0, seat: 0, action: event.bytes.into(), to_act: Some(0) };
    assert_eq!(hear(&mut evening, acted), None);
    shows(
        &evening,
        &[
            "you bid 3",
            "stake: 3 for each peasant",
            "nothing to beat",
            "landlord",
            "bottom cards",
            "your cards (20)",
        ],
    );
    assert_eq!(type_in(&mut evening, "33333"), Asked::Nothing);
    shows(&evening, &["you do not hold 3 3 3 3 3"]);
    let scores = vec![6, -3, -3];
    let (totals, reason) = (vec![11, 2, 2], "won".into());
    let seats = (7..10).map(AccountId).collect();
    hear(&mut evening, HandEnded { hand: 1, scores, reason, totals, seed: None, left: 0, seats });
    shows(&evening, &["hand 1 is over: you win 6 (won)", "+11", "+2"]);
    let odd = Acted { hand: 1, turn: 9, seat: 1, action: vec![1].into(), to_act: None };
    assert!(matches!(hear(&mut evening, odd), Some(Wish::Say(Message::Act(_)))), "the table is asked for");
}

#[test]
fn a_game_without_a_screen_of_its_own_is_played_in_its_words() {
    let mut hand =
        (0..=u8::MAX).map(|seed| Nim::new([seed; 32])).find(|hand| hand.to_act().contains(Seat(0))).unwrap();
    let mut evening = at_a_table(GameKind::Nim, &hand);
    let heap = format!("heap a: {}", hand.view(None)[3]);
    shows(&evening, &[&heap, "who takes the last stone loses", "you may: a1  a2", "a move, Enter"]);
    assert_eq!(type_in(&mut evening, "a11"), Asked::Nothing);
    shows(&evening, &["! `a11` is none of what you may do"]);
    key(&mut evening, KeyCode::Char('?'));
    assert!(hand.legal_actions(Seat(0)).iter().any(|action| Nim::describe(action) == evening.line));
    evening.line.clear();
    let asked = type_in(&mut evening, "B2");
    let Asked::Wish(Wish::Say(Message::Act(act))) = asked else { panic!("{asked:?}") };
    assert_eq!(act.action[..], [1, 2]);
    let event = hand.act(Seat(0), &act.action).unwrap().remove(0);
    let acted = Acted { hand: 1, turn: 0, seat: 0, action: event.bytes.into(), to_act: Some(1) };
    hear(&mut evening, acted);
    shows(&evening, &["* you played b2", &format!("heap b: {}", hand.view(None)[4])]);
    assert!(!screen(&evening, 90, 26).contains("you may:"), "it is not the person's turn");
    for char in ['b', '2'] {
        key(&mut evening, KeyCode::Char(char));
    }
    assert_eq!(evening.line, "2", "no move can be typed; a number may be a seat's");
    assert_eq!(key(&mut evening, KeyCode::Char('q')), Asked::Nothing);
    shows(&evening, &["! that gives the hand up"]);
    let event = hand.timeout().remove(0);
    hear(&mut evening, Acted { hand: 1, turn: 1, seat: 1, action: event.bytes.into(), to_act: None });
    shows(&evening, &["* player 0008 ran out of time"]);
}

#[test]
fn what_was_missed_is_told_once_the_seat_is_back() {
    let mut hand = Gomoku::new([1; 32]);
    let mut evening = at_a_table(GameKind::Gomoku, &hand);
    evening.on_news(News::Lost("closed"));
    shows(&evening, &["connection lost (closed); trying again", "CONNECTION LOST"]);
    let seat = SeatNo { table: TableNo(4), seat: 0 };
    let away = Some(Duration::from_secs(3));
    let news = News::Entered { place: place(GameKind::Gomoku), entered: entered(Some(seat)), away };
    evening.on_news(news);
    hear(&mut evening, ChatGap { first: 11, last: 12 });
    for seq in [13, 14] {
        hear(&mut evening, ChatSaid { seq, from: AccountId(9), text: "so\u{1b}[2J".into() });
    }
    hand.act(hand.to_move().unwrap(), &[0]).unwrap();
    hear(&mut evening, table_state(GameKind::Gomoku, &hand, 1));
    let told = &evening.said.back().unwrap().text;
    assert_eq!(told, "back after 3.0 s; you missed 4 chats: 2 are not kept any more; moves made: 1");
    shows(&evening, &["player 0009: so\u{fffd}[2J"]);
    assert!(!screen(&evening, 90, 26).contains("CONNECTION LOST"));

    evening.on_news(News::Lost("closed"));
    evening.on_news(News::Entered { place: place(GameKind::Gomoku), entered: entered(None), away });
    evening.tick(Duration::from_secs(9));
    shows(&evening, &["your seat was not kept", "your hand ended without you", "You stand in Blue"]);
}

#[test]
fn a_hand_is_given_up_only_when_asked_twice() {
    let hand = Gomoku::new([1; 32]);
    let mut evening = at_a_table(GameKind::Gomoku, &hand);
    for (code, done) in [
        (KeyCode::Char('q'), Asked::Quit),
        (KeyCode::Esc, Asked::Wish(Wish::Leave)),
        (KeyCode::Char('u'), Asked::Wish(Wish::Say(Stand {}.into()))),
    ] {
        assert_eq!(key(&mut evening, code), Asked::Nothing);
        shows(&evening, &["! that gives the hand up; press it again"]);
        assert_eq!(key(&mut evening, code), done);
    }
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(evening.on_key(ctrl_c), Asked::Quit);
}

#[test]
fn a_chat_is_typed_and_said() {
    let mut evening = at_the_list();
    let place = place(GameKind::Gomoku);
    evening.on_news(News::Entered { place, entered: entered(None), away: None });
    key(&mut evening, KeyCode::Tab);
    assert_eq!(evening.focus, Focus::Chat);
    let chat = Chat { request: 1, text: "quite so".into() };
    assert_eq!(type_in(&mut evening, "quite so"), Asked::Wish(Wish::Say(chat.into())));
    for _ in 0..600 {
        key(&mut evening, KeyCode::Char('x'));
    }
    assert_eq!(evening.line.len(), 512);
    shows(&evening, &["say> xxxx"]);
}

#[test]
fn every_screen_fits_every_window() {
    let (gomoku, cards) = (Gomoku::new([1; 32]), DouDizhu::new([1; 32]));
    let mut chatting = at_a_table(GameKind::Gomoku, &gomoku);
    key(&mut chatting, KeyCode::Tab);
    type_in(&mut chatting, "四五六");
    hear(&mut chatting, ChatSaid { seq: 1, from: ME, text: "四五六".repeat(50) });
    let mut worlds = Evening::new();
    let entry =
        |world| WorldEntry { world: WorldId(world), players: u32::MAX, capacity: u32::MAX, logins: vec![] };
    worlds.on_news(News::Worlds((0..64).map(entry).collect()));
    worlds.world_at = 63;
    let evenings = [
        Evening::new(),
        worlds,
        at_the_list(),
        chatting,
        at_a_table(GameKind::DouDizhu, &cards),
        at_a_table(GameKind::Nim, &Nim::new([1; 32])),
    ];
    for evening in &evenings {
        for width in (1..140).step_by(3) {
            for height in (1..50).step_by(3) {
                let shown = screen(evening, width, height);
                let is_small = width < screen::WIDTH_MIN || height < screen::HEIGHT_MIN;
                assert!(!is_small || width < 30 || height < 3 || shown.contains("window"), "{shown}");
            }
        }
    }
}

#[test]
fn a_table_has_an_owner_whose_keys_ask_and_whose_rules_are_shown() {
    let hand = Gomoku::new([1; 32]);
    let mut evening = at_a_table(GameKind::Gomoku, &hand);
    let mine = TableState { owner: Some(0), playing: false, ..table_state(GameKind::Gomoku, &hand, 1) };
    hear(&mut evening, mine);
    shows(&evening, &["table 4, yours"]);
    let rules = TableRules { begin: HandBegin::AllReady, ..TableRules::default() };
    let asked = key(&mut evening, KeyCode::Char('w'));
    assert_eq!(asked, Asked::Wish(Wish::Say(SetTableRules { rules }.into())));
    hear(&mut evening, TableRuled { table: TableNo(4), owner: Some(0), rules });
    shows(&evening, &["hands begin when all", "anybody may sit", "y when you are ready"]);
    let asked = key(&mut evening, KeyCode::Char('y'));
    assert_eq!(asked, Asked::Wish(Wish::Say(Ready { ready: true }.into())));
    let at = |seat| SeatNo { table: TableNo(4), seat };
    hear(&mut evening, PlayerReady { at: at(0), ready: true });
    shows(&evening, &["you are ready", "+1 you", "others are not yet"]);
    assert_eq!(key(&mut evening, KeyCode::Char('y')), Asked::Wish(Wish::Say(Ready { ready: false }.into())));
    assert_eq!(key(&mut evening, KeyCode::Char('z')), Asked::Nothing);
    shows(&evening, &["a seat's number first"]);
    key(&mut evening, KeyCode::Char('2'));
    assert_eq!(key(&mut evening, KeyCode::Char('z')), Asked::Wish(Wish::Say(Dismiss { seat: 1 }.into())));
    hear(&mut evening, TableDenied { reason: TableDenial::HandPlayed });
    shows(&evening, &["! not out of a hand that is played"]);
    hear(&mut evening, PlayerReady { at: at(200), ready: true });
    hear(&mut evening, Stood { from: Some(at(0)), dismissed: true });
    shows(&evening, &["the table's owner had you stand up", "You stand in Blue"]);
}

#[test]
fn the_owner_of_any_table_has_a_seat_stand_up_by_its_number() {
    let out = Asked::Wish(Wish::Say(Dismiss { seat: 1 }.into()));
    for kind in [GameKind::Gomoku, GameKind::DouDizhu, GameKind::Nim] {
        for seed in 0..8 {
            let hand = kind.new_hand([seed; 32]).unwrap(); // one's turn, or not
            for typed in ["2z", "2 z"] {
                for playing in [true, false] {
                    let mut evening = at_a_table(kind, hand.as_ref());
                    let state = table_state(kind, hand.as_ref(), 1);
                    hear(&mut evening, TableState { owner: Some(0), playing, ..state });
                    let mut asked = Asked::Nothing;
                    for char in typed.chars() {
                        assert_eq!(asked, Asked::Nothing, "{kind} {typed:?}");
                        asked = key(&mut evening, KeyCode::Char(char));
                    }
                    assert_eq!((&asked, &*evening.line), (&out, ""), "{kind} {typed:?} {playing}");
                }
            }
        }
    }
}

#[test]
fn the_help_line_says_what_keys_do_now_as_far_as_it_has_room() {
    let hand = Gomoku::new([1; 32]);
    let mut evening = at_a_table(GameKind::Gomoku, &hand);
    let plays = "arrows or h8, Enter  ? hint  r give up  u stand  Tab chat  Esc rooms  q quit";
    assert_eq!(evening.help(80), plays);
    assert_eq!(evening.help(68), "arrows or h8, Enter  ? hint  r give up  u stand  Tab chat  Esc rooms");
    assert_eq!(evening.help(67), "arrows or h8, Enter  ? hint  r give up  u stand  Tab chat");
    let always = "u stand  Tab chat  Esc rooms  q quit";
    let rests = TableState { owner: Some(1), playing: false, ..table_state(GameKind::Gomoku, &hand, 1) };
    hear(&mut evening, rests.clone());
    assert_eq!(evening.help(80), always);
    for (begin, mine, said) in [
        (HandBegin::AllReady, false, "y ready  "),
        (HandBegin::OwnerReady, false, ""),
        (HandBegin::AtOnce, true, "w begin  x close  v hide  2 z out  "),
        (HandBegin::OwnerReady, true, "y ready  w begin  x close  v hide  2 z out  "),
    ] {
        let rules = TableRules { begin, ..TableRules::default() };
        hear(&mut evening, TableState { rules, owner: Some(u8::from(!mine)), ..rests.clone() });
        assert_eq!(evening.help(80), format!("{said}{always}"));
    }
    let rules = TableRules { begin: HandBegin::AllReady, closed: true, private: true };
    hear(&mut evening, TableState { rules, owner: Some(0), ready: 1, ..rests });
    assert_eq!(evening.help(80), format!("y wait  w begin  x open  v show  2 z out  {always}"));
    hear(&mut evening, TableState { owner: Some(0), ..table_state(GameKind::Gomoku, &hand, 1) });
    assert_eq!(evening.help(110), format!("{plays}  w begin  x close  v hide"));
}

#[test]
fn what_is_for_the_table_goes_there_alone() {
    let hand = Gomoku::new([1; 32]);
    let mut evening = at_a_table(GameKind::Gomoku, &hand);
    key(&mut evening, KeyCode::Tab);
    let asked = type_in(&mut evening, "/t well played");
    let Asked::Wish(Wish::Say(Message::TableChat(chat))) = asked else { panic!("{asked:?}") };
    assert_eq!(chat.text, "well played");
    hear(&mut evening, TableSaid { from: AccountId(9), text: "thanks\u{7}".into() });
    shows(&evening, &["player 0009 at your table: thanks\u{fffd}"]);
}

#[test]
fn the_operators_words_stand_out_and_paint_nothing_themselves() {
    let mut evening = at_the_list();
    evening.on_news(News::Entered { place: place(GameKind::Gomoku), entered: entered(None), away: None });
    hear(&mut evening, Announced { text: "Closing at \u{1b}[2Jten.".into() });
    let said = evening.said.back().unwrap();
    assert_eq!(said.text, "operator: Closing at \u{fffd}[2Jten.");
    shows(&evening, &["! operator: Closing at"]);
}
