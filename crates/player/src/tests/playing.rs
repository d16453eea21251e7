//! In the seat: chats, moves, lost connections, fresh directories.
//!
//! Read next: `../play.rs`.

use super::*;
use crate::delivery::text;
use usher_games::{GameKind, Seat};

fn chatting() -> Config {
    let plan = Plan { chat_interval: Duration::from_secs(2), ..Plan::default() };
    Config { mix: plan.into(), play_for: Duration::from_secs(60), ..one_player(Play::Chat) }
}

fn chat_of(message: Message) -> Chat {
    match message {
        Message::Chat(chat) => chat,
        other => panic!("not a chat but {other:?}"),
    }
}

fn said(seq: u64, chat: &Chat) -> ChatSaid {
    ChatSaid { seq, from: ACCOUNT, text: chat.text.clone() }
}

#[test]
fn chats_are_sent_one_at_a_time_and_counted() {
    let (mut stage, conn) = Stage::seated(chatting());
    for n in 1..=5 {
        let before = stage.now;
        let chat = chat_of(stage.heard(conn));
        assert_eq!((chat.request, chat.text.as_str()), (n, text(ACCOUNT, n).as_str()));
        assert!(within(stage.now - before, 1000, 3000));
        stage.say(conn, ChatAccepted { request: n, seq: n.into() });
        stage.say(conn, said(n.into(), &chat));
    }
    stage.crowd.stop();
    stage.out(conn, 5);
    let tally = stage.tally();
    assert!(tally.delivery.is_whole());
    assert_eq!(tally.delivery.expected, 5);
    assert_eq!(tally.steps[&crate::Step::Action], 5);
    let sums = tally.rooms[&("room-1".into(), RoomNo(3))];
    assert_eq!((sums.acknowledged, sums.seq_max), (5, 5));
}

#[test]
fn what_is_wrong_with_a_chat_is_seen() {
    let wrong: [(&[u64], u64, [u64; 4]); 3] =
        [(&[1, 3], 3, [3, 2, 0, 0]), (&[1, 1], 1, [1, 1, 1, 0]), (&[2, 1], 2, [2, 2, 0, 1])];
    for (seqs, left, [expected, received, duplicated, out_of_order]) in wrong {
        let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
        for &seq in seqs {
            stage.say(conn, ChatSaid { seq, from: ACCOUNT, text: text(ACCOUNT, 1) });
        }
        stage.out(conn, left);
        let wanted = crate::Delivery { expected, received, duplicated, out_of_order, corrupted: 0 };
        assert_eq!(stage.tally().delivery, wanted);
        assert!(!stage.tally().delivery.is_whole());
    }
}

#[test]
fn a_chat_without_an_answer_is_a_failure() {
    let (mut stage, conn) = Stage::seated(chatting());
    chat_of(stage.heard(conn));
    stage.tick();
    assert_eq!(stage.failure(), Some("chat_unanswered"));
}

#[test]
fn the_operators_words_are_counted_and_change_nothing() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    stage.say(conn, Announced { text: "Closing at ten.".into() });
    stage.out(conn, 0);
    let tally = stage.tally();
    assert_eq!((tally.announcements, tally.failed()), (1, 0));
    assert_eq!(tally.delivery.expected, 0, "it is no chat");
}

/// Another login of the account has a seat there already.
#[test]
fn a_room_that_has_begun_anew_is_another_stay() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    for seq in 1..=3 {
        stage.say(conn, ChatSaid { seq, from: ACCOUNT, text: text(ACCOUNT, 1) });
    }
    stage.cut(conn);
    let (again, enter) = stage.knock_room("room-1");
    assert_eq!(enter.last_seq, Some(3));
    stage.say(again, entered(3, 1, Some(SEAT)));
    stage.say(again, ChatSaid { seq: 2, from: ACCOUNT, text: text(ACCOUNT, 1) });
    stage.out(again, 2);
    let tally = stage.tally();
    assert!(tally.delivery.is_whole(), "{:?}", tally.delivery);
    assert_eq!(tally.delivery.received, 4);
}

#[test]
fn a_planned_drop_comes_back_on_the_ticket_to_the_same_stay() {
    let (mut stage, conn) = Stage::seated(Config { reconnect_per_mille: 1000, ..one_player(Play::Idle) });
    stage.say(conn, ChatSaid { seq: 1, from: ACCOUNT, text: text(ACCOUNT, 1) });
    let (again, enter) = stage.knock_room("room-1");
    assert!(stage.closed.contains(&conn));
    assert_eq!(enter, Enter { game: GameId(1), room: Some(RoomNo(3)), last_seq: Some(1), last_hand: None });
    stage.say(again, entered(3, 1, Some(SEAT)));
    stage.say(again, ChatSaid { seq: 2, from: ACCOUNT, text: text(ACCOUNT, 2) });
    stage.out(again, 2);
    let tally = stage.tally();
    assert_eq!((tally.reconnects, tally.seated, tally.failed()), (1, 1, 0));
    assert_eq!((tally.delivery.expected, tally.delivery.received), (2, 2));
    assert!(tally.drops.is_empty(), "it was its own doing");
}

#[test]
fn a_vanished_room_leads_through_the_hall_to_another() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    stage.say(conn, ChatSaid { seq: 1, from: ACCOUNT, text: text(ACCOUNT, 1) });
    stage.cut(conn);
    let cut_at = stage.now;
    let dial = stage.dial_to("room-1");
    assert!(within(stage.now - cut_at, 100, 300));
    stage.miss(&dial);
    let missed_at = stage.now;
    let dial = stage.dial_to("hall-1");
    assert!(within(stage.now - missed_at, 500, 1000));
    // The hall has not heard yet, and says the seat is kept there: anywhere else is better.
    let kept = SeatKept { address: "room-1".into(), room: RoomNo(3), game: GameId(1) };
    stage.hall_at(&dial, &[("room-1", 3), ("room-2", 0)], vec![kept]);
    let (conn, enter) = stage.knock_room("room-2");
    assert_eq!(enter.last_seq, None);
    stage.seat(conn, 0, 40);
    stage.out(conn, 40);
    let tally = stage.tally();
    assert_eq!((tally.reconnects, tally.seated, tally.failed()), (1, 1, 0));
    assert_eq!(tally.drops["closed"], 1);
    assert_eq!((tally.delivery.expected, tally.delivery.received), (1, 1));
}

#[test]
fn a_lost_connection_leads_straight_back_to_the_seat_that_is_kept() {
    type Loss = fn(&mut Stage, ConnId);
    let losses: [(&str, Loss); 3] = [
        ("closed", |stage, conn| stage.cut(conn)),
        ("ping_timeout", |stage, conn| stage.say(conn, closing(CloseReason::PingTimeout))),
        ("slow_consumer", |stage, conn| stage.say(conn, closing(CloseReason::SlowConsumer))),
    ];
    for (reason, lose) in losses {
        let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
        stage.say(conn, ChatSaid { seq: 1, from: ACCOUNT, text: text(ACCOUNT, 1) });
        lose(&mut stage, conn);
        let (again, enter) = stage.knock_room("room-1");
        assert_eq!((enter.room, enter.last_seq), (Some(RoomNo(3)), Some(1)));
        stage.say(again, entered(3, 1, Some(SEAT)));
        stage.say(again, ChatSaid { seq: 2, from: ACCOUNT, text: text(ACCOUNT, 2) });
        stage.out(again, 2);
        let tally = stage.tally();
        assert_eq!((tally.reconnects, tally.drops[reason], tally.failed()), (1, 1, 0));
        assert_eq!((tally.delivery.expected, tally.delivery.received), (2, 2));
    }
}

#[test]
fn who_is_turned_out_of_an_emptied_server_goes_elsewhere() {
    for reason in [CloseReason::Draining, CloseReason::ServerStopping] {
        let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
        stage.say(conn, closing(reason));
        stage.hall(&[("room-1", 3), ("room-2", 0)]);
        let (conn, _) = stage.knock_room("room-2");
        stage.seat(conn, 0, 0);
        assert_eq!((stage.tally().reconnects, stage.tally().drops[reason.as_str()]), (1, 1));
    }
}

#[test]
fn sent_back_to_its_own_room_a_player_goes_there_though_it_did_not_answer_before() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    stage.cut(conn);
    let dial = stage.dial_to("room-1");
    stage.miss(&dial);
    stage.hall(&[("room-1", 3), ("room-2", 0)]);
    let (other, _) = stage.knock_room("room-2");
    let reason = EnterDenial::Elsewhere { address: "room-1".into(), room: RoomNo(3) };
    stage.say(other, EnterDenied { reason });
    let (again, enter) = stage.knock_room("room-1");
    assert_eq!((enter.room, enter.last_seq), (Some(RoomNo(3)), Some(0)));
    stage.say(again, entered(3, 0, Some(SEAT)));
    assert_eq!((stage.tally().reconnects, stage.crowd.progress().in_seat), (1, 1));
}

#[test]
fn a_connection_lost_on_the_way_in_does_not_condemn_its_server() {
    for is_inside in [false, true] {
        let mut stage = Stage::new(one_player(Play::Idle));
        stage.login();
        stage.hall(&[("room-1", 3)]);
        let (conn, _) = stage.knock_room("room-1");
        if is_inside {
            stage.say(conn, entered(3, 0, None));
            assert_eq!(stage.heard(conn), Sit { table: None, seat: None }.into());
        }
        stage.cut(conn);
        let kept = SeatKept { address: "room-1".into(), room: RoomNo(3), game: GameId(1) };
        let dial = stage.dial_to("hall-1");
        stage.hall_at(&dial, &[("room-2", 0)], vec![kept]);
        stage.knock_room("room-1");
    }
}

/// By an attacker who repeats its first frame until the door has no place for one more of its like.
#[test]
fn who_is_crowded_out_before_it_is_in_comes_again_and_whose_place_is_taken_does_not() {
    let mut stage = Stage::new(one_player(Play::Idle));
    stage.login();
    stage.hall(&[("room-1", 3)]);
    let dial = stage.dial_to("room-1");
    stage.refuse(&dial, closing(CloseReason::Replaced));
    stage.hall(&[("room-2", 0)]);
    let (conn, _) = stage.knock_room("room-2");
    stage.say(conn, closing(CloseReason::Replaced));
    stage.hall(&[("room-1", 3)]);
    let (conn, _) = stage.knock_room("room-1");
    stage.seat(conn, 3, 0);
    stage.say(conn, closing(CloseReason::Replaced));
    assert_eq!(stage.failure(), Some("replaced"));
}

#[test]
fn a_lost_room_is_given_up_after_twenty_returns() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    stage.cut(conn);
    let dial = stage.dial_to("room-1");
    stage.miss(&dial);
    for _ in 0..20 {
        stage.hall(&[("room-2", 0)]);
        let dial = stage.dial_to("room-2");
        stage.miss(&dial);
    }
    assert_eq!(stage.failure(), Some("room_unreachable"));
}

#[test]
fn eviction_ends_a_player_by_that_name() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    stage.say(conn, closing(CloseReason::Evicted));
    assert_eq!(stage.failure(), Some("evicted"));
    assert!(stage.crowd.is_done());
}

#[test]
fn a_directory_is_refreshed_beside_the_seat() {
    let config = Config { play_for: Duration::from_secs(4000), ..one_player(Play::Idle) };
    let (mut stage, _conn) = Stage::seated(config);
    let dial = stage.dial_to("hall-1");
    assert_eq!(stage.now.as_millis(), 1_800_000);
    stage.refuse(&dial, redirect("hall-9"));
    let dial = stage.dial_to("hall-9");
    assert_eq!(dial.hello.reservation, b"place");
    let hall = stage.accept(&dial);
    assert!(matches!(stage.heard(hall), Message::GetDirectory(_)));
    let ticket = Some(b"fresh!".to_vec().into());
    stage.say(hall, Renewed { ticket, directory_refresh_s: 900, seats: vec![] });
    stage.say(hall, directory(GameId(1), &[]));
    assert!(stage.closed.contains(&hall));
    assert_eq!((stage.tally().refreshes, stage.crowd.progress().in_seat), (1, 1));
    let dial = stage.dial_to("hall-1");
    assert_eq!(stage.now.as_millis(), 2_700_000);
    assert_eq!(dial.hello.ticket, b"fresh!");
    stage.miss(&dial);
    let dial = stage.dial_to("hall-2");
    assert_eq!(dial.hello.reservation, b"");
}

#[test]
fn a_hand_is_played_from_what_the_seat_sees() {
    for &kind in GameKind::ALL {
        play_a_hand(kind);
    }
}

fn play_a_hand(kind: GameKind) {
    let plan = Plan { play: Play::Game, game: kind, ..Plan::default() };
    let config = Config { mix: plan.into(), play_for: Duration::from_secs(4000), ..one_player(Play::Game) };
    let (mut stage, conn) = Stage::seated(config);
    let mut hand = kind.new_hand([7; 32]).unwrap();
    let mut moves = 0;
    let to_act = |hand: &dyn usher_games::Game| hand.to_act().iter().next().map(|seat| seat.0);
    stage.say(
        conn,
        TableState {
            table: SEAT.table,
            hand: 1,
            playing: true,
            turn: 0,
            seats: vec![None, Some(ACCOUNT)],
            to_act: to_act(&*hand),
            turn_left_ms: 30_000,
            view: hand.view(Some(Seat(1))).into(),
            scores: vec![],
            owner: None,
            rules: TableRules::default(),
            ready: 0,
        },
    );
    while let Some(seat) = to_act(&*hand) {
        let action = if seat == SEAT.seat {
            let Message::Act(act) = stage.heard(conn) else { panic!("a move") };
            assert_eq!((act.hand, act.turn), (1, hand.turn()));
            moves += 1;
            act.action.into_vec()
        } else {
            hand.legal_actions(Seat(seat)).swap_remove(0)
        };
        let turn = hand.turn();
        let events = hand.act(Seat(seat), &action).expect("the bot plays by the rules");
        for event in events {
            let (hand_no, action) = (1, event.bytes.into());
            stage.say(conn, Acted { hand: hand_no, turn, seat, action, to_act: to_act(&*hand) });
        }
    }
    let outcome = hand.outcome().expect("the hand is over");
    stage.say(
        conn,
        HandEnded {
            hand: 1,
            scores: outcome.scores,
            reason: outcome.reason.name().into(),
            totals: vec![],
            seed: None,
            left: 0,
            seats: Vec::new(),
        },
    );
    assert!(moves > 3);
    assert_eq!(stage.tally().steps[&crate::Step::Action], moves);
    assert_eq!(stage.failure(), None);
}

#[test]
fn who_looks_asks_who_is_here_each_time_it_enters() {
    let plan = Plan { play: Play::Idle, looks: true, ..Plan::default() };
    let mut stage = Stage::new(Config { mix: plan.into(), ..one_player(Play::Idle) });
    stage.login();
    stage.hall(&[("room-1", 3)]);
    let (conn, _) = stage.knock_room("room-1");
    stage.say(conn, entered(3, 0, None));
    assert_eq!(stage.heard(conn), WhoIsHere {}.into());
    assert_eq!(stage.heard(conn), Sit { table: None, seat: None }.into());
    stage.say(conn, Seated { at: SEAT });
    stage.say(conn, Presence { came: vec![ACCOUNT], left: vec![], population: 1 });
    stage.cut(conn);
    let (conn, _) = stage.knock_room("room-1");
    stage.say(conn, entered(3, 0, Some(SEAT)));
    assert_eq!(stage.heard(conn), WhoIsHere {}.into());
    assert_eq!(stage.failure(), None);
}
