//! Logging in to a named account, against servers that are who they say and servers that are not.

use super::*;
use crate::Accounts;
use usher_proto::machine::{ClientProof, Exchange};

const FIRST: &str = "n,,n=ada,r=abc";
const CHALLENGE: &str = "r=abcdef,s=c2FsdA==,i=4096";

fn stage() -> Stage {
    let accounts = Accounts::Numbered(|number| number + 5);
    Stage::new(Config { accounts, ..one_player(Play::Idle) })
}

/// As far as the first text.
fn introduced(stage: &mut Stage) -> ConnId {
    let dial = stage.dial_to("login-1");
    let conn = stage.accept(&dial);
    let (id, question) = stage.asked();
    assert_eq!(question, Question::ClientFirst { account: 5 });
    stage.answer(id, Answer::ClientFirst(Some(FIRST.into())));
    let credentials = Credentials::Scram { client_first: FIRST.into() };
    assert_eq!(stage.heard(conn), LogIn { world: WorldId(1), credentials }.into());
    conn
}

/// As far as the proof.
fn proven(stage: &mut Stage) -> ConnId {
    let conn = introduced(stage);
    stage.say(conn, LogInChallenge { server_first: CHALLENGE.into() });
    let (id, question) = stage.asked();
    let exchange = Exchange { client_first: FIRST.into(), server_first: CHALLENGE.into() };
    assert_eq!(question, Question::ClientFinal { account: 5, exchange });
    let proof = ClientProof { client_final: "p=1".into(), server_final: "v=1".into() };
    stage.answer(id, Answer::ClientFinal(Some(proof)));
    assert_eq!(stage.heard(conn), LogInProof { client_final: "p=1".into() }.into());
    conn
}

#[test]
fn a_player_proves_itself_and_goes_on_to_a_hall() {
    let mut stage = stage();
    let conn = proven(&mut stage);
    stage.say(conn, LoggedIn { server_final: Some("v=1".into()), ..logged_in() });
    assert!(stage.closed.contains(&conn));
    stage.hall(&[("room-1", 3)]);
    assert_eq!(stage.failure(), None);
}

#[test]
fn a_server_that_has_not_proven_itself_is_not_believed() {
    for server_final in [None, Some("v=2".into()), Some("".into())] {
        let mut stage = stage();
        let conn = proven(&mut stage);
        stage.say(conn, LoggedIn { server_final, ..logged_in() });
        assert_eq!(stage.failure(), Some("server_not_proven"));
    }
    let mut stage = stage();
    let conn = introduced(&mut stage);
    stage.say(conn, LoggedIn { server_final: Some("v=1".into()), ..logged_in() });
    assert_eq!(stage.failure(), Some("server_not_proven"), "it asked for no proof");
}

#[test]
fn a_challenge_that_is_none_or_comes_twice_ends_it() {
    let mut first = stage();
    let conn = introduced(&mut first);
    first.say(conn, LogInChallenge { server_first: "r=other".into() });
    let (id, _) = first.asked();
    first.answer(id, Answer::ClientFinal(None));
    assert_eq!(first.failure(), Some("bad_challenge"));

    let mut second = stage();
    let conn = proven(&mut second);
    second.say(conn, LogInChallenge { server_first: CHALLENGE.into() });
    assert_eq!(second.failure(), Some("unexpected_message"));

    let mut guest = Stage::new(one_player(Play::Idle));
    let dial = guest.dial();
    let conn = guest.accept(&dial);
    assert!(matches!(guest.heard(conn), Message::LogIn(LogIn { credentials: Credentials::Guest, .. })));
    guest.say(conn, LogInChallenge { server_first: CHALLENGE.into() });
    assert_eq!(guest.failure(), Some("unexpected_message"));
}

#[test]
fn a_player_without_an_account_in_the_list_fails() {
    let mut stage = stage();
    let dial = stage.dial();
    stage.accept(&dial);
    let (id, _) = stage.asked();
    stage.answer(id, Answer::ClientFirst(None));
    assert_eq!(stage.failure(), Some("no_account"));
}

#[test]
fn what_is_answered_to_an_earlier_attempt_is_ignored() {
    let mut stage = stage();
    let dial = stage.dial_to("login-1");
    let conn = stage.accept(&dial);
    let (earlier, _) = stage.asked();
    stage.cut(conn);
    let dial = stage.dial_to("login-2");
    stage.accept(&dial);
    stage.answer(earlier, Answer::ClientFirst(Some(FIRST.into())));
    assert!(stage.said.is_empty());
    let (id, _) = stage.asked();
    stage.answer(id, Answer::ClientFirst(Some(FIRST.into())));
    assert_eq!(stage.said.len(), 1);
}

#[test]
fn who_is_to_try_later_does_and_a_disabled_account_gives_up() {
    let mut held = stage();
    let conn = proven(&mut held);
    let before = held.now;
    let reason = LogInDenial::TryLater { retry_after_ms: 2_000 };
    held.say(conn, LogInDenied { reason });
    introduced(&mut held);
    assert!(within(held.now - before, 2_000, 3_000), "{:?}", held.now - before);

    let mut disabled = stage();
    let conn = proven(&mut disabled);
    disabled.say(conn, LogInDenied { reason: LogInDenial::Disabled });
    assert_eq!(disabled.failure(), Some("account_disabled"));
}
