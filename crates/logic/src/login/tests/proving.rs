//! Proofs of accounts: the way to a session, what is out of order, and who has to wait.

use super::*;

const FIRST: &str = "n,,n=ada,r=abc";
const CHALLENGE: &str = "r=abcdef,s=c2FsdA==,i=4096";
const ADA: AccountId = AccountId(5);

fn named() -> LogIn {
    LogIn { world: WorldId(1), credentials: Credentials::Scram { client_first: FIRST.into() } }
}

fn proof() -> LogInProof {
    LogInProof { client_final: "c=biws,r=abcdef,p=AA==".into() }
}

fn challenged(account: AccountId) -> Answer {
    Answer::Challenge(Ok(Challenge { account, server_first: CHALLENGE.into() }))
}

fn proven() -> Answer {
    match granted() {
        Answer::LogIn(Ok(grant)) => Answer::LogIn(Ok(Grant { server_final: Some("v=AA==".into()), ..grant })),
        other => other,
    }
}

impl Bench<Login> {
    fn connect_from(&mut self, conn: u64, last: u8) {
        let address = IpAddr::from([203, 0, 113, last]);
        let knock = Input::Knock {
            conn: ConnId(conn),
            peer: Peer::Stranger,
            reservation: None,
            address: Some(address),
        };
        assert!(self.step(knock).admitted(conn));
        self.step(Input::Connected { conn: ConnId(conn), peer: Peer::Stranger });
    }

    /// As far as the challenge.
    fn challenge(&mut self, conn: u64, last: u8, account: AccountId) -> Option<LogInDenial> {
        self.connect_from(conn, last);
        let caused = self.say(conn, named());
        let Some((id, asked)) = caused.asked() else { return Some(denial(&caused.to(conn))) };
        assert_eq!(asked, Question::LogInFirst { client_first: FIRST.into() });
        let said = self.step(Input::Answer { id, answer: challenged(account) }).to(conn);
        if said == [LogInChallenge { server_first: CHALLENGE.into() }.into()] {
            None
        } else {
            Some(denial(&said))
        }
    }

    /// The proof, and what the world makes of it.
    fn prove(&mut self, conn: u64, answer: Answer) -> Result<LoggedIn, LogInDenial> {
        let caused = self.say(conn, proof());
        let caused = match caused.asked() {
            Some((id, asked)) => {
                let exchange = Exchange { client_first: FIRST.into(), server_first: CHALLENGE.into() };
                let LogInProof { client_final } = proof();
                assert_eq!(asked, Question::LogInFinal { world: WorldId(1), exchange, client_final });
                self.step(Input::Answer { id, answer })
            }
            None => caused,
        };
        assert_eq!(caused.closed(conn), Some(CloseReason::Finished));
        match &caused.to(conn)[..] {
            [Message::LoggedIn(logged_in)] => Ok(logged_in.clone()),
            said => Err(denial(said)),
        }
    }

    /// A whole visit with a wrong password.
    fn fail(&mut self, conn: u64, last: u8, account: AccountId) -> LogInDenial {
        match self.challenge(conn, last, account) {
            Some(denied) => denied,
            None => self.prove(conn, Answer::LogIn(Err(LogInDenial::WrongCredentials))).unwrap_err(),
        }
    }
}

fn denial(said: &[Message]) -> LogInDenial {
    match said {
        [Message::LogInDenied(denied)] => denied.reason,
        other => panic!("{other:?}"),
    }
}

const WRONG: LogInDenial = LogInDenial::WrongCredentials;

fn later(retry_after_ms: u32) -> LogInDenial {
    LogInDenial::TryLater { retry_after_ms }
}

#[test]
fn a_proven_account_is_logged_in_and_told_the_servers_proof() {
    let mut bench = bench(10);
    assert_eq!(bench.challenge(1, 1, ADA), None);
    let logged_in = bench.prove(1, proven()).unwrap();
    assert_eq!((logged_in.identity, logged_in.server_final), (player(), Some("v=AA==".into())));
    assert_eq!(bench.figure("usher_logins_total{result=\"granted\"}"), 1);
    assert_eq!(bench.figure("usher_login_proofs_awaited"), 0);
}

#[test]
fn what_is_out_of_order_closes() {
    let messages: [Message; 2] = [named().into(), proof().into()];
    for message in messages {
        let mut bench = bench(10);
        if message == proof().into() {
            bench.connect_from(1, 1);
            assert_eq!(bench.say(1, message.clone()).closed(1), Some(CloseReason::Unexpected), "unasked");
        }
        bench.connect_from(2, 1);
        bench.say(2, named());
        assert_eq!(bench.say(2, message.clone()).closed(2), Some(CloseReason::Unexpected), "too early");
        assert!(bench.step(Input::Answer { id: 2, answer: challenged(ADA) }).is_nothing());
        assert_eq!(bench.challenge(3, 1, ADA), None);
        if message == named().into() {
            assert_eq!(bench.say(3, message.clone()).closed(3), Some(CloseReason::Unexpected), "twice");
        } else {
            bench.say(3, proof());
            assert_eq!(bench.say(3, message).closed(3), Some(CloseReason::Unexpected), "twice");
        }
        assert!(bench.step(Input::Answer { id: 3, answer: proven() }).is_nothing());
    }
}

#[test]
fn an_answer_to_something_else_changes_nothing() {
    let mut bench = bench(10);
    bench.connect_from(1, 1);
    bench.say(1, named());
    assert!(bench.step(Input::Answer { id: 1, answer: proven() }).is_nothing());
    assert!(!bench.step(Input::Answer { id: 1, answer: challenged(ADA) }).to(1).is_empty());
    assert!(bench.step(Input::Answer { id: 1, answer: challenged(ADA) }).is_nothing());
    assert!(bench.prove(1, proven()).is_ok());
}

#[test]
fn a_proof_that_does_not_come_is_not_waited_for_long() {
    let mut bench = bench(10);
    assert_eq!(bench.challenge(1, 1, ADA), None);
    assert_eq!(bench.pass(4_999).closed(1), None);
    assert_eq!(bench.pass(1).closed(1), Some(CloseReason::Idle));
    assert!(bench.say(1, proof()).is_nothing());
    assert_eq!(bench.figure("usher_login_proof_timeouts_total"), 1);
    assert_eq!(bench.challenge(2, 1, ADA), None);
    bench.disconnect(2);
    assert_eq!(bench.figure("usher_login_proofs_awaited"), 0);
}

#[test]
fn a_proof_of_a_wrong_length_is_not_asked_about() {
    for length in [0, SCRAM_BYTES_MAX + 1] {
        let mut bench = bench(10);
        assert_eq!(bench.challenge(1, 1, ADA), None);
        let caused = bench.say(1, LogInProof { client_final: "p".repeat(length) });
        assert!(caused.asked().is_none());
        assert_eq!(denial(&caused.to(1)), LogInDenial::Malformed);
    }
}

#[test]
fn an_account_is_held_after_wrong_passwords_but_not_where_it_logged_in_last() {
    let mut bench = bench(100);
    assert_eq!(bench.challenge(1, 1, ADA), None);
    bench.prove(1, proven()).unwrap();
    for guess in 0..4 {
        assert_eq!(bench.fail(10 + guess, 2, ADA), WRONG);
    }
    assert_eq!(bench.fail(20, 2, ADA), later(501));
    assert_eq!(bench.fail(21, 3, ADA), later(501), "from elsewhere too");
    assert_eq!(bench.fail(22, 2, AccountId(6)), WRONG, "another account is not");
    assert_eq!(bench.challenge(23, 1, ADA), None, "its owner, at home");
    bench.prove(23, proven()).unwrap();
    bench.pass(500);
    assert_eq!(bench.challenge(24, 3, ADA), None, "its owner, elsewhere, a moment later");
    bench.prove(24, proven()).unwrap();
    assert_eq!(bench.figure("usher_logins_held_total{by=\"account\"}"), 2);
    assert_eq!(bench.figure("usher_logins_denied_total{reason=\"try_later\"}"), 2);
    assert_eq!(bench.figure("usher_logins_denied_total{reason=\"wrong_credentials\"}"), 5);
}

#[test]
fn an_address_is_held_before_the_world_is_asked() {
    let mut bench = bench(100);
    for guess in 0..11 {
        assert_eq!(bench.fail(guess, 1, AccountId(100 + guess)), WRONG);
    }
    bench.connect_from(50, 1);
    let caused = bench.say(50, named());
    assert!(caused.asked().is_none());
    assert_eq!(denial(&caused.to(50)), later(1_001));
    assert_eq!(bench.challenge(51, 2, ADA), None);
    assert_eq!(bench.figure("usher_logins_held_total{by=\"address\"}"), 1);
    bench.connect_from(52, 1);
    assert!(bench.say(52, guest()).asked().is_some(), "a guest guesses nothing");
}

#[test]
fn exchanges_opened_at_once_get_no_more_guesses_than_one_after_the_other() {
    let mut bench = bench(100);
    for conn in 1..=50 {
        assert_eq!(bench.challenge(conn, conn as u8, ADA), None);
    }
    let wrong = || Answer::LogIn(Err(WRONG));
    let outcomes: Vec<_> = (1..=50).map(|conn| bench.prove(conn, wrong()).unwrap_err()).collect();
    assert_eq!(outcomes.iter().filter(|it| **it == WRONG).count(), 4, "{outcomes:?}");
}

#[test]
fn a_disabled_account_and_a_failing_store_count_as_no_guess() {
    let mut bench = bench(100);
    for (conn, reason) in (1..=20).zip([LogInDenial::Disabled, later(1_000)].into_iter().cycle()) {
        assert_eq!(bench.challenge(conn, 1, ADA), None);
        assert_eq!(bench.prove(conn, Answer::LogIn(Err(reason))), Err(reason));
    }
    bench.connect_from(50, 1);
    bench.say(50, named());
    let answer = Answer::Challenge(Err(later(1_000)));
    assert_eq!(denial(&bench.step(Input::Answer { id: 50, answer }).to(50)), later(1_000));
    assert_eq!(bench.figure("usher_login_failures_remembered{of=\"account\"}"), 0);
}
