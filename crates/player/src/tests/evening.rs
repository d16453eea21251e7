//! After its hands: another table, another room, home and back, a dropped connection.
//!
//! Read next: `../evening.rs`.

use super::*;
use crate::delivery::text;
use crate::{After, Deed, Evening, Step};

const TABLE: After = After { another_table: 1, another_room: 0, leave: 0, drop: 0 };
const ROOM: After = After { another_table: 0, another_room: 1, leave: 0, drop: 0 };
const LEAVE: After = After { another_table: 0, another_room: 0, leave: 1, drop: 0 };
const DROP: After = After { another_table: 0, another_room: 0, leave: 0, drop: 1 };

/// A player of Gomoku who after one hand does this, for an hour.
fn evening(after: After) -> Config {
    let back_after = Some((Duration::from_secs(5), Duration::from_secs(9)));
    let evening = Some(Evening { hands: (1, 1), after, back_after });
    let plan =
        Plan { play: Play::Game, chat_interval: Duration::from_secs(9000), evening, ..Plan::default() };
    Config { mix: plan.into(), play_for: Duration::from_secs(3600), ..one_player(Play::Game) }
}

/// At a table where five hands were played before.
fn at_a_table(config: Config) -> (Stage, ConnId) {
    let (mut stage, conn) = Stage::seated(config);
    stage.say(conn, table_after(5));
    (stage, conn)
}

fn table_after(hand: u64) -> TableState {
    TableState {
        table: SEAT.table,
        hand,
        playing: false,
        turn: 0,
        seats: vec![None, Some(ACCOUNT)],
        to_act: None,
        turn_left_ms: 0,
        view: vec![].into(),
        scores: vec![],
        owner: None,
        rules: TableRules::default(),
        ready: 0,
    }
}

fn hand_ended(hand: u64) -> HandEnded {
    HandEnded {
        hand,
        scores: vec![1, -1],
        reason: "five".into(),
        totals: vec![],
        seed: None,
        left: 0,
        seats: Vec::new(),
    }
}

fn chat_said(seq: u64) -> ChatSaid {
    ChatSaid { seq, from: ACCOUNT, text: text(ACCOUNT, 1) }
}

impl Stage {
    /// Its hand ends, and it stands up at once.
    fn stood_after_a_hand(&mut self, conn: ConnId) {
        let before = self.now;
        self.say(conn, hand_ended(6));
        assert_eq!(self.heard(conn), Stand {}.into());
        assert_eq!(self.now, before, "before the next hand begins");
        self.say(conn, Stood { from: Some(SEAT), dismissed: false });
    }

    fn left_after_a_hand(&mut self, conn: ConnId, seq: u64) {
        self.stood_after_a_hand(conn);
        assert_eq!(self.heard(conn), Leave {}.into());
        self.say(conn, Left { seq });
    }

    /// The table that is asked for, if it is a certain one.
    fn heard_sit(&mut self, conn: ConnId) -> Option<TableNo> {
        match self.heard(conn) {
            Message::Sit(Sit { table, seat: None }) => table,
            other => panic!("not Sit but {other:?}"),
        }
    }

    fn did(&self, deed: Deed) -> u64 {
        self.tally().count(deed)
    }
}

#[test]
fn after_its_hands_a_player_sits_down_at_another_table() {
    let (mut stage, conn) = at_a_table(evening(TABLE));
    stage.say(conn, chat_said(1));
    stage.say(conn, hand_ended(5));
    assert_eq!((stage.did(Deed::Hand), stage.said.len()), (0, 0), "that hand was others'");
    stage.stood_after_a_hand(conn);
    let stood_at = stage.now;
    stage.say(conn, chat_said(2));
    let table = stage.heard_sit(conn).expect("a certain table");
    assert!(table != SEAT.table && within(stage.now - stood_at, 500, 1500));
    stage.say(conn, Seated { at: SeatNo { table, seat: 0 } });
    assert_eq!((stage.did(Deed::Hand), stage.did(Deed::Table)), (1, 1));
    stage.say(conn, chat_said(3));
    stage.crowd.stop();
    stage.out(conn, 3);
    let tally = stage.tally();
    assert_eq!((tally.seated, tally.failed(), tally.reconnects), (1, 0, 0));
    assert_eq!((tally.steps[&Step::Stand], tally.steps[&Step::Leave], tally.steps[&Step::Sit]), (2, 1, 1));
    assert_eq!((tally.delivery.expected, tally.delivery.received), (3, 3));
}

#[test]
fn taken_tables_are_tried_one_by_one_and_then_any_will_do() {
    let denied = |reason| SitDenied { reason };
    let (mut stage, conn) = at_a_table(evening(TABLE));
    stage.stood_after_a_hand(conn);
    for _ in 0..8 {
        assert!(stage.heard_sit(conn).is_some());
        stage.say(conn, denied(SitDenial::Taken));
    }
    assert_eq!(stage.heard_sit(conn), None);
    stage.say(conn, Seated { at: SEAT });
    assert_eq!((stage.did(Deed::Table), stage.failure()), (0, None), "it was the old one again");

    let (mut stage, conn) = at_a_table(evening(TABLE));
    stage.stood_after_a_hand(conn);
    stage.heard_sit(conn);
    stage.say(conn, denied(SitDenial::NotInside));
    assert_eq!(stage.failure(), Some("sit_denied"));
}

#[test]
fn another_room_is_any_of_that_server_or_one_of_the_halls() {
    let (mut by_server, mut by_hall) = (0, 0);
    for seed in 0..8 {
        let (mut stage, conn) = at_a_table(Config { seed, ..evening(ROOM) });
        stage.say(conn, chat_said(1));
        stage.left_after_a_hand(conn, 1);
        let left_at = stage.now;
        while stage.dials.is_empty() && stage.said.is_empty() {
            stage.tick();
        }
        assert!(within(stage.now - left_at, 500, 1500));
        let conn = if stage.dials.is_empty() {
            by_server += 1;
            let anywhere = Enter { game: GameId(1), room: None, last_seq: None, last_hand: None };
            assert_eq!(stage.heard(conn), anywhere.into());
            conn
        } else {
            by_hall += 1;
            assert!(stage.closed.contains(&conn));
            stage.hall(&[("room-1", 3), ("room-1", 4)]);
            let (conn, enter) = stage.knock_room("room-1");
            assert_eq!((enter.room, enter.last_seq), (Some(RoomNo(4)), None), "not the same again");
            conn
        };
        stage.seat(conn, 4, 40);
        stage.say(conn, chat_said(41));
        stage.crowd.stop();
        stage.out(conn, 41);
        let tally = stage.tally();
        assert_eq!((stage.did(Deed::Room), tally.seated, tally.failed()), (1, 1, 0));
        assert_eq!((tally.delivery.expected, tally.delivery.received), (2, 2), "two stays, each whole");
    }
    assert!(by_server > 0 && by_hall > 0, "{by_server} and {by_hall}");
}

#[test]
fn who_left_comes_back_as_if_for_the_first_time() {
    let (mut stage, conn) = at_a_table(evening(LEAVE));
    stage.left_after_a_hand(conn, 0);
    assert!(stage.closed.contains(&conn));
    let left_at = stage.now;
    let dial = stage.dial_to("login-1");
    assert!(within(stage.now - left_at, 5000, 9000) && dial.hello.ticket.is_empty());
    stage.login_at(&dial);
    stage.hall(&[("room-2", 0)]);
    let (conn, enter) = stage.knock_room("room-2");
    assert_eq!(enter.last_seq, None);
    stage.seat(conn, 0, 7);
    assert_eq!((stage.did(Deed::Leave), stage.did(Deed::Return)), (1, 1));
    stage.crowd.stop();
    stage.out(conn, 7);
    let tally = stage.tally();
    assert_eq!((tally.seated, tally.failed(), tally.steps[&Step::Login]), (1, 0, 1), "one journey");
}

#[test]
fn who_leaves_for_good_is_done() {
    let mut config = evening(LEAVE);
    let plan = config.mix.plan(0);
    let evening = plan.evening.map(|evening| Evening { back_after: None, ..evening });
    config.mix = Plan { evening, ..plan }.into();
    let (mut stage, conn) = at_a_table(config);
    stage.left_after_a_hand(conn, 0);
    assert!(stage.crowd.is_done() && stage.closed.contains(&conn));
    assert_eq!((stage.did(Deed::Leave), stage.did(Deed::Return), stage.failure()), (1, 0, None));
}

#[test]
fn a_drop_after_the_hands_comes_back_to_the_seat() {
    let (mut stage, conn) = at_a_table(evening(DROP));
    stage.say(conn, hand_ended(6));
    let (again, enter) = stage.knock_room("room-1");
    assert!(stage.closed.contains(&conn));
    assert_eq!((enter.room, enter.last_seq), (Some(RoomNo(3)), Some(0)));
    stage.say(again, entered(3, 0, Some(SEAT)));
    assert_eq!((stage.did(Deed::Drop), stage.tally().reconnects), (1, 1));
    stage.say(again, table_after(6));
    stage.say(again, hand_ended(7));
    stage.knock_room("room-1");
    assert_eq!((stage.did(Deed::Hand), stage.did(Deed::Drop)), (2, 2), "and so on");
    assert!(stage.tally().drops.is_empty());
}

#[test]
fn nobody_waits_alone_all_night() {
    let (mut stage, conn) = at_a_table(evening(LEAVE));
    let sat_at = stage.now;
    assert_eq!(stage.heard(conn), Stand {}.into());
    assert!(within(stage.now - sat_at, 8_000, 16_000));
    stage.say(conn, Stood { from: Some(SEAT), dismissed: false });
    assert_eq!(stage.heard_sit(conn), None, "wherever somebody waits");
    let at = SeatNo { table: TableNo(7), seat: 0 };
    stage.say(conn, Seated { at });
    assert_eq!((stage.did(Deed::Table), stage.did(Deed::Leave)), (1, 0));
}

#[test]
fn when_it_is_time_to_go_nothing_else_is_begun() {
    // While it stands up, while it strolls, while it asks for a table, while it leaves, before it comes back.
    let hurried = |after| Stage::seated(Config { play_for: Duration::from_secs(3600), ..evening(after) });
    let (mut standing, conn) = hurried(TABLE);
    standing.say(conn, table_after(5));
    standing.say(conn, hand_ended(6));
    standing.crowd.stop();
    standing.input(Input::Timeout);
    standing.out(conn, 0);

    let (mut strolling, conn) = hurried(TABLE);
    strolling.say(conn, table_after(5));
    strolling.stood_after_a_hand(conn);
    strolling.crowd.stop();
    assert_eq!(strolling.heard(conn), Leave {}.into());
    strolling.say(conn, Left { seq: 0 });

    let (mut looking, conn) = hurried(TABLE);
    looking.say(conn, table_after(5));
    looking.stood_after_a_hand(conn);
    looking.heard_sit(conn);
    looking.crowd.stop();
    looking.input(Input::Timeout);
    looking.say(conn, SitDenied { reason: SitDenial::Taken });
    assert_eq!(looking.heard(conn), Leave {}.into());
    looking.say(conn, Left { seq: 0 });

    let (mut leaving, conn) = hurried(ROOM);
    leaving.say(conn, table_after(5));
    leaving.stood_after_a_hand(conn);
    assert_eq!(leaving.heard(conn), Leave {}.into());
    leaving.crowd.stop();
    leaving.input(Input::Timeout);
    leaving.say(conn, Left { seq: 0 });

    let (mut away, conn) = Stage::seated(Config { play_for: Duration::from_secs(1), ..evening(LEAVE) });
    away.say(conn, table_after(5));
    away.left_after_a_hand(conn, 0);
    away.tick();
    assert_eq!(away.now.as_millis(), 1000);

    for stage in [standing, strolling, looking, leaving, away] {
        assert!(stage.crowd.is_done() && stage.dials.is_empty());
        assert_eq!((stage.failure(), stage.tally().seated), (None, 1));
    }
}

#[test]
fn a_connection_lost_on_the_way_out_is_a_drop_unless_it_was_going() {
    for after in [TABLE, ROOM] {
        let (mut stage, conn) = at_a_table(evening(after));
        stage.say(conn, hand_ended(6));
        assert_eq!(stage.heard(conn), Stand {}.into());
        stage.cut(conn);
        stage.hall(&[("room-2", 0)]);
        let (conn, _) = stage.knock_room("room-2");
        stage.seat(conn, 0, 0);
        assert_eq!((stage.tally().drops["closed"], stage.tally().reconnects), (1, 1));
    }
    let (mut stage, conn) = at_a_table(evening(LEAVE));
    stage.stood_after_a_hand(conn);
    stage.cut(conn);
    assert_eq!((stage.did(Deed::Leave), stage.tally().drops.len()), (1, 0));
    stage.dial_to("login-1");
}

#[test]
fn what_is_not_answered_or_not_wanted_is_a_failure() {
    let (mut stage, conn) = at_a_table(evening(TABLE));
    stage.say(conn, hand_ended(6));
    stage.heard(conn);
    stage.tick();
    assert_eq!(stage.failure(), Some("leave_timeout"));

    let (mut stage, conn) = at_a_table(evening(TABLE));
    stage.stood_after_a_hand(conn);
    stage.say(conn, Left { seq: 0 });
    assert_eq!(stage.failure(), Some("unexpected_message"));
}

#[test]
fn players_without_an_evening_count_their_hands_and_stay() {
    let plan = Plan { play: Play::Game, ..Plan::default() };
    let (mut stage, conn) = at_a_table(Config { mix: plan.into(), ..one_player(Play::Game) });
    for hand in 6..20 {
        stage.say(conn, hand_ended(hand));
    }
    assert_eq!((stage.did(Deed::Hand), stage.crowd.progress().in_seat), (14, 1));
    stage.out(conn, 0);
    assert_eq!(stage.now.as_millis(), 10_000);
}

fn ruled(begin: HandBegin, owner: u8) -> TableRuled {
    TableRuled { table: SEAT.table, owner: Some(owner), rules: TableRules { begin, ..Default::default() } }
}

#[test]
fn a_player_is_ready_whenever_the_owner_asks() {
    let (mut stage, conn) = at_a_table(one_player(Play::Game));
    stage.say(conn, ruled(HandBegin::AllReady, 0));
    assert_eq!(stage.heard(conn), Ready { ready: true }.into());
    stage.say(conn, hand_ended(6));
    assert_eq!(stage.heard(conn), Ready { ready: true }.into(), "for the next one, too");
    stage.say(conn, ruled(HandBegin::OwnerReady, 0));
    stage.say(conn, ruled(HandBegin::AtOnce, 0));
    assert!(stage.said.is_empty(), "others say when");
    stage.say(conn, ruled(HandBegin::OwnerReady, SEAT.seat));
    assert_eq!(stage.heard(conn), Ready { ready: true }.into(), "its own table by now");
    assert_eq!(stage.failure(), None);
}

#[test]
fn who_is_dismissed_sits_down_at_another_table() {
    let (mut stage, conn) = at_a_table(evening(TABLE));
    stage.say(conn, Stood { from: Some(SEAT), dismissed: true });
    let table = stage.heard_sit(conn).expect("a certain table");
    assert_ne!(table, SEAT.table);
    stage.say(conn, SitDenied { reason: SitDenial::Closed });
    stage.heard_sit(conn);
    assert_eq!(stage.failure(), None);
}

#[test]
fn a_hand_that_ends_twice_is_a_failure() {
    let (mut stage, conn) = at_a_table(one_player(Play::Game));
    stage.say(conn, hand_ended(6));
    stage.say(conn, hand_ended(6));
    assert_eq!(stage.failure(), Some("hand_ended_twice"));
}
