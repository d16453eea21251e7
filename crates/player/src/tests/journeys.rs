//! The way to the seat: what a player does with each answer of login, hall and room.
//!
//! Read next: `playing.rs`.

use super::*;
use crate::rules::REDIRECTS_MAX;
use usher_proto::ServerKind;

#[test]
fn the_straight_way_is_timed_from_the_schedule_and_ends_clean() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    assert_eq!(stage.crowd.progress().in_seat, 1);
    stage.out(conn, 0);
    assert!(stage.crowd.is_done());
    assert_eq!(stage.drained, 1);
    let tally = stage.tally();
    assert_eq!((tally.seated, tally.failed()), (1, 0));
    assert_eq!(
        tally.steps.values().copied().collect::<Vec<_>>(),
        [1; 6],
        "each step of the way, and out of seat and room"
    );
    assert_eq!(stage.crowd.next_timeout(), None);
}

#[test]
fn a_redirect_is_followed_with_its_reservation_and_counted_by_kind() {
    let mut stage = Stage::new(one_player(Play::Idle));
    let dial = stage.dial_to("login-1");
    assert!(dial.hello.reservation.is_empty() && dial.hello.ticket.is_empty());
    stage.refuse(&dial, redirect("login-9"));
    let dial = stage.dial_to("login-9");
    assert_eq!(dial.hello.reservation, b"place");
    stage.login_at(&dial);
    let dial = stage.dial_to("hall-1");
    stage.refuse(&dial, redirect("hall-9"));
    let dial = stage.dial_to("hall-9");
    stage.hall_at(&dial, &[("room-1", 0)], vec![]);
    stage.knock_room("room-1");
    let redirects = &stage.tally().redirects;
    assert_eq!((redirects[&ServerKind::Login], redirects[&ServerKind::Hall]), (1, 1));
}

#[test]
fn a_silent_target_sends_back_to_the_next_address_of_the_list() {
    let mut stage = Stage::new(one_player(Play::Idle));
    let dial = stage.dial_to("login-1");
    stage.refuse(&dial, redirect("login-9"));
    let dial = stage.dial_to("login-9");
    stage.miss(&dial);
    let missed_at = stage.now;
    let dial = stage.dial_to("login-2");
    assert!(dial.hello.reservation.is_empty());
    assert!(within(stage.now - missed_at, 100, 300));
    // A second answer to the same dial is stale.
    let conn = stage.accept(&dial);
    let late = stage.accept(&dial);
    assert!(stage.closed.contains(&late) && !stage.closed.contains(&conn));
}

#[test]
fn an_answer_after_the_step_timeout_is_stale() {
    let mut stage = Stage::new(one_player(Play::Idle));
    let silent = stage.dial_to("login-1");
    let next = stage.dial_to("login-2");
    assert!(stage.now.as_millis() >= 30_000);
    let late = stage.accept(&silent);
    assert!(stage.closed.contains(&late));
    stage.login_at(&next);
    assert_eq!(stage.dial().address, "hall-1".into());
}

#[test]
fn redirects_and_misses_are_bounded() {
    type Answer = fn(&mut Stage, &Dial);
    let table: [(&str, Answer); 3] = [
        ("redirects", |stage, dial| stage.refuse(dial, redirect("login-9"))),
        ("login_unreachable", |stage, dial| stage.miss(dial)),
        ("handshake_failed", |stage, dial| stage.refuse(dial, closing(CloseReason::HandshakeFailed))),
    ];
    for (reason, answer) in table {
        let mut stage = Stage::new(one_player(Play::Idle));
        let mut dials = 0;
        while !stage.crowd.is_done() {
            let dial = stage.dial();
            dials += 1;
            answer(&mut stage, &dial);
        }
        assert_eq!(stage.failure(), Some(reason));
        assert_eq!(dials, 6, "three more than the list is long, and the first");
        assert_eq!(stage.tally().failed(), 1);
    }
}

#[test]
fn busy_is_waited_for_ten_times() {
    let mut stage = Stage::new(one_player(Play::Idle));
    for _ in 0..9 {
        let dial = stage.dial_to("login-1");
        stage.refuse(&dial, Busy { retry_after_ms: 500 });
        let told_at = stage.now;
        let again = stage.dial_to("login-1");
        assert!(within(stage.now - told_at, 500, 750));
        stage.dials.push_front(again);
    }
    let dial = stage.dial();
    stage.refuse(&dial, Busy { retry_after_ms: 500 });
    assert_eq!(stage.failure(), Some("busy"));
    assert_eq!(stage.tally().busy[&ServerKind::Login], 10);
}

#[test]
fn a_login_that_names_no_hall_is_as_busy() {
    let no_halls = || LoggedIn { halls: [].into(), ..logged_in() };
    let mut stage = Stage::new(one_player(Play::Idle));
    for _ in 0..9 {
        let dial = stage.dial_to("login-1");
        let conn = stage.accept(&dial);
        assert!(matches!(stage.heard(conn), Message::LogIn(_)));
        stage.say(conn, no_halls());
        assert!(stage.closed.contains(&conn));
        let told_at = stage.now;
        let again = stage.dial_to("login-1");
        assert!(within(stage.now - told_at, 500, 750));
        stage.dials.push_front(again);
    }
    assert_eq!((stage.failure(), stage.tally().steps.len()), (None, 0));
    let dial = stage.dial();
    let conn = stage.accept(&dial);
    stage.heard(conn);
    stage.say(conn, no_halls());
    assert_eq!(stage.failure(), Some("busy"), "the tenth in a row");
}

#[test]
fn a_full_room_leads_to_its_neighbours_and_then_to_the_hall() {
    let mut stage = Stage::new(one_player(Play::Idle));
    stage.login();
    stage.hall(&[("room-1", 3)]);
    let (conn, enter) = stage.knock_room("room-1");
    assert_eq!(enter.room, Some(RoomNo(3)));
    let full = |rooms: &[u16]| EnterDenied {
        reason: EnterDenial::Full(rooms.iter().copied().map(RoomNo).collect()),
    };
    stage.say(conn, full(&[5, 6]));
    let mut tried = vec![];
    for _ in 0..2 {
        let Message::Enter(enter) = stage.heard(conn) else { panic!("another room is tried") };
        tried.extend(enter.room.map(|room| room.0));
        // What else has space is said again, and not asked again.
        stage.say(conn, full(&[5, 6]));
    }
    tried.sort_unstable();
    assert_eq!(tried, [5, 6]);
    assert!(stage.closed.contains(&conn));
    stage.hall(&[("room-2", 0)]);
    let (conn, _) = stage.knock_room("room-2");
    stage.seat(conn, 0, 0);
    assert_eq!(stage.tally().seated, 1);
    assert_eq!(stage.tally().steps[&crate::Step::Hall], 1, "only the first attempt is timed");
}

#[test]
fn elsewhere_is_where_the_player_goes() {
    let mut stage = Stage::new(one_player(Play::Idle));
    stage.login();
    stage.hall(&[("room-1", 3)]);
    let (conn, _) = stage.knock_room("room-1");
    let reason = EnterDenial::Elsewhere { address: "room-2".into(), room: RoomNo(8) };
    stage.say(conn, EnterDenied { reason });
    let (conn, enter) = stage.knock_room("room-2");
    assert_eq!(enter.room, Some(RoomNo(8)));
    stage.say(conn, entered(8, 4, Some(SEAT)));
    assert_eq!(stage.tally().seated, 1, "the seat that was kept is a seat");
}

#[test]
fn what_ends_a_journey_is_named() {
    let denied = |reason| Message::from(EnterDenied { reason });
    let table = [
        (denied(EnterDenial::Superseded), "evicted"),
        (closing(CloseReason::Evicted).into(), "evicted"),
        (closing(CloseReason::WrongWorld).into(), "wrong_world"),
        (denied(EnterDenial::AlreadyInside), "already_inside"),
        (Refused { versions: vec![2] }.into(), "protocol_version"),
        (Left { seq: 0 }.into(), "unexpected_message"),
    ];
    for (message, reason) in table {
        let mut stage = Stage::new(one_player(Play::Idle));
        stage.login();
        stage.hall(&[("room-1", 3)]);
        let (conn, _) = stage.knock_room("room-1");
        stage.say(conn, message);
        assert_eq!(stage.failure(), Some(reason));
        assert!(stage.crowd.is_done() && stage.closed.contains(&conn));
    }
}

#[test]
fn a_refused_ticket_is_got_anew_once() {
    for reason in [CloseReason::NoTicket, CloseReason::TicketExpired, CloseReason::TicketInvalid] {
        let mut stage = Stage::new(one_player(Play::Idle));
        stage.login();
        let dial = stage.dial_to("hall-1");
        stage.refuse(&dial, closing(reason));
        let dial = stage.dial_to("login-1");
        stage.login_at(&dial);
        let dial = stage.dial_to("hall-1");
        stage.refuse(&dial, closing(reason));
        assert_eq!(stage.failure(), Some(reason.as_str()));
    }
}

#[test]
fn who_finds_no_hall_is_named_others_by_a_new_login_once() {
    let mut stage = Stage::new(one_player(Play::Idle));
    for _ in 0..2 {
        let dial = stage.dial_to("login-1");
        stage.login_at(&dial);
        for _ in 0..=REDIRECTS_MAX + 2 {
            assert_eq!(stage.failure(), None);
            let dial = stage.dial();
            assert!(dial.address.0.starts_with("hall-"), "{}", dial.address.0);
            stage.miss(&dial);
        }
    }
    assert_eq!(stage.failure(), Some("hall_unreachable"));
}

#[test]
fn a_seat_makes_up_for_former_refusals() {
    let expired = || closing(CloseReason::TicketExpired);
    let config = Config { play_for: Duration::from_secs(1000), ..one_player(Play::Idle) };
    let mut stage = Stage::new(config);
    for _ in 0..3 {
        for _ in 0..9 {
            let dial = stage.dial_to("login-1");
            stage.refuse(&dial, Busy { retry_after_ms: 500 });
        }
        stage.login();
        stage.hall(&[("room-1", 3)]);
        let (conn, _) = stage.knock_room("room-1");
        stage.seat(conn, 3, 0);
        stage.cut(conn);
        let dial = stage.dial_to("room-1");
        stage.refuse(&dial, expired());
    }
    assert_eq!(stage.failure(), None, "each evening its ticket may expire");
    stage.login();
    let dial = stage.dial_to("hall-1");
    stage.refuse(&dial, expired());
    assert_eq!(stage.failure(), Some("ticket_expired"), "but not the fresh one");
}

#[test]
fn a_hall_without_rooms_is_asked_again_but_not_for_ever() {
    let mut stage = Stage::new(one_player(Play::Idle));
    stage.login();
    for _ in 0..21 {
        stage.hall(&[]);
    }
    assert_eq!(stage.failure(), Some("no_room"));
    assert!(within(stage.now - Time(0), 20 * 500, 20 * 1000));
}

#[test]
fn arrivals_wait_for_nobody() {
    let config = Config { players: 100, rate_per_s: 100.0, ..one_player(Play::Idle) };
    let mut stage = Stage::new(config);
    for index in 0..100 {
        let dial = stage.dial_to("login-1");
        assert_eq!(dial.token >> 32, index);
        assert_eq!(stage.now.as_millis(), index * 10);
    }
    assert_eq!(stage.crowd.progress().arrived, 100);
}

#[test]
fn everyone_stays_until_the_last_has_arrived_and_leaves_after_the_play() {
    let config = Config { players: 2, rate_per_s: 0.1, ..one_player(Play::Idle) };
    let (mut stage, first) = Stage::seated(config);
    let dial = stage.dial_to("login-1");
    assert_eq!(stage.now.as_millis(), 10_000);
    let refusal = Refused { versions: vec![] };
    stage.refuse(&dial, refusal);
    stage.out(first, 0);
    assert_eq!(stage.now.as_millis(), 20_000, "ten seconds of play after the last one failed");
    assert!(stage.crowd.is_done());
    assert_eq!(stage.tally().failed(), 1);
}

#[test]
fn stop_sends_everyone_home_from_where_they_are() {
    let config = Config { players: 4, rate_per_s: 1.0, ..one_player(Play::Idle) };
    let (mut stage, seated) = Stage::seated(config);
    let _dialing = stage.dial_to("login-1");
    let dial = stage.dial_to("login-1");
    let logging_in = stage.accept(&dial);
    assert!(matches!(stage.heard(logging_in), Message::LogIn(_)));
    stage.crowd.stop();
    let stopped_at = stage.now;
    stage.out(seated, 0);
    assert_eq!(stage.now, stopped_at);
    assert!(stage.closed.contains(&logging_in));
    assert!(stage.crowd.is_done());
    assert_eq!((stage.tally().failed(), stage.drained), (0, 1));
}

#[test]
fn who_is_shown_out_of_an_emptied_room_goes_on_in_the_other_with_its_place() {
    let (mut stage, mut conn) = Stage::seated(one_player(Play::Idle));
    // More often than a visit may be redirected, for each is another.
    for room in 10..20 {
        let to = Redirect { room: Some(RoomNo(room)), ..redirect("room-9") };
        stage.say(conn, to);
        assert!(stage.closed.contains(&conn));
        let dial = stage.dial_to("room-9");
        assert_eq!(dial.hello.reservation, b"place");
        conn = stage.accept(&dial);
        let Message::Enter(enter) = stage.heard(conn) else { panic!("it enters") };
        assert_eq!((enter.room, enter.last_seq), (Some(RoomNo(room)), None));
        stage.seat(conn, room, 5);
    }
    let tally = stage.tally();
    assert_eq!((tally.redirects[&ServerKind::Room], tally.failed()), (10, 0));
    assert!(tally.drops.is_empty(), "it lost nothing");
    stage.out(conn, 5);
    assert!(stage.crowd.is_done());
}

#[test]
fn who_cannot_go_where_it_is_shown_finds_a_room_by_the_hall() {
    for with_room in [true, false] {
        let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
        stage.say(conn, Redirect { room: with_room.then_some(RoomNo(4)), ..redirect("room-9") });
        if with_room {
            let dial = stage.dial_to("room-9");
            stage.miss(&dial);
        }
        stage.hall(&[("room-2", 0)]);
        let (conn, _) = stage.knock_room("room-2");
        stage.seat(conn, 0, 0);
        stage.out(conn, 0);
        assert_eq!(stage.failure(), None);
    }
}

#[test]
fn who_is_on_the_way_out_when_shown_to_another_room_is_out() {
    let (mut stage, conn) = Stage::seated(one_player(Play::Idle));
    stage.crowd.stop();
    assert_eq!(stage.heard(conn), Stand {}.into());
    stage.say(conn, Redirect { room: Some(RoomNo(4)), ..redirect("room-9") });
    assert!(stage.crowd.is_done());
    assert_eq!(stage.failure(), None);
}
