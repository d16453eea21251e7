//! What is told to who proves an account, and to who does not.

use super::*;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use usher_secure::scram::{ClientKeys, Key, Verifier};

const WORLD: WorldId = WorldId(1);
const NOW_MS: u64 = 1_800_000_000_000;

fn keys() -> ClientKeys {
    ClientKeys::generate(4_096, &mut os_rng())
}

/// `ada` may log in, `bob` is disabled.
struct House {
    answers: Answers,
    keys: BTreeMap<&'static str, ClientKeys>,
}

impl House {
    fn new() -> Self {
        let keys = BTreeMap::from([("ada", keys()), ("bob", keys())]);
        let verifiers: BTreeMap<_, _> =
            keys.iter().map(|(name, keys)| (*name, Verifier::of_keys(keys))).collect();
        let secret = Key::generate(&mut os_rng());
        let find = move |name: &str| {
            let id = AccountId(name.len() as u64);
            let Some(verifier) = verifiers.get(name).cloned() else {
                let verifier = Verifier::decoy(&secret, name, 4_096);
                return Ok(Account { id, verifier, standing: Standing::Unknown });
            };
            let standing = if name == "bob" { Standing::Disabled } else { Standing::Good };
            Ok(Account { id, verifier, standing })
        };
        let seals = Seals {
            keys: ArcSwap::from_pointee(TicketKeys::generate()),
            policy: TicketPolicy { cluster: "test".into(), clock_skew_max: Duration::from_secs(2) },
            ticket_ttl: Duration::from_secs(60),
            session_max: Duration::from_secs(600),
        };
        let accounts = Accounts { find: Some(Box::new(find)), guest: None };
        Self { answers: Answers::new(Arc::new(seals), accounts), keys }
    }

    fn challenge(&mut self, client_first: &str) -> Result<Challenge, LogInDenial> {
        let question = Question::LogInFirst { client_first: client_first.into() };
        match self.answers.answer(1, question, None, NOW_MS) {
            Some(Answer::Challenge(challenge)) => challenge,
            other => panic!("{other:?}"),
        }
    }

    /// A whole exchange of somebody who has these keys, but for the salt, which it takes as told.
    fn log_in(&mut self, name: &str, keys: &ClientKeys) -> (Exchange, Result<Grant, LogInDenial>) {
        let client_first = scram::client_first(name, &scram::fresh_nonce(&mut os_rng())).unwrap();
        let server_first = self.challenge(&client_first).unwrap().server_first;
        let salt = scram::ServerFirst::parse(&server_first).unwrap().salt;
        let keys = ClientKeys { salt, ..keys.clone() };
        let proof = scram::client_final(&client_first, &server_first, &keys).unwrap();
        let exchange = Exchange { client_first, server_first };
        let question =
            Question::LogInFinal { world: WORLD, exchange: exchange.clone(), client_final: proof.text };
        let Some(Answer::LogIn(granted)) = self.answers.answer(1, question, None, NOW_MS) else { panic!() };
        if let Ok(grant) = &granted {
            assert_eq!(grant.server_final, Some(proof.server_final));
        }
        (exchange, granted)
    }
}

#[test]
fn the_right_password_is_granted_a_session() {
    let mut house = House::new();
    let (_, granted) = house.log_in("ada", &house.keys["ada"].clone());
    assert_eq!(granted.unwrap().identity.account, AccountId(3));
}

#[test]
fn a_wrong_password_an_unknown_name_and_a_disabled_account_look_alike() {
    let mut house = House::new();
    let denied = ["ada", "bob", "eve"].map(|name| house.log_in(name, &keys()));
    for (_, denied) in &denied {
        assert_eq!(denied.as_ref().unwrap_err(), &LogInDenial::WrongCredentials);
    }
    let lengths: Vec<_> = denied.iter().map(|(exchange, _)| exchange.server_first.len()).collect();
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    let again = house.log_in("eve", &keys()).0;
    let salt = |exchange: &Exchange| scram::ServerFirst::parse(&exchange.server_first).unwrap().salt;
    assert_eq!(salt(&denied[2].0), salt(&again), "asked twice, the salt of nobody is the same");
}

#[test]
fn that_an_account_is_disabled_is_told_to_its_owner_alone() {
    let mut house = House::new();
    let (_, denied) = house.log_in("bob", &house.keys["bob"].clone());
    assert_eq!(denied.unwrap_err(), LogInDenial::Disabled);
}

#[test]
fn texts_that_are_none_are_malformed() {
    let mut house = House::new();
    for text in ["", "hello", "n,,n=,r=x", "p=tls-unique,,n=ada,r=x"] {
        assert_eq!(house.challenge(text), Err(LogInDenial::Malformed), "{text:?}");
    }
    let exchange =
        Exchange { client_first: "n,,n=ada,r=x".into(), server_first: "r=xy,s=AAAA,i=4096".into() };
    for client_final in ["", "c=biws,r=xy", "c=biws,r=xz,p=AAAA"] {
        let proven = house.answers.prove(&exchange, client_final);
        assert_eq!(proven, Err(LogInDenial::Malformed), "{client_final:?}");
    }
}

#[test]
fn guests_come_in_only_where_they_may_and_named_accounts_only_where_there_are_any() {
    let mut house = House::new();
    let ask =
        |house: &mut House| match house.answers.answer(1, Question::LogInGuest { world: WORLD }, None, 1) {
            Some(Answer::LogIn(granted)) => granted.map(|grant| grant.identity.account),
            other => panic!("{other:?}"),
        };
    assert_eq!(ask(&mut house), Err(LogInDenial::NoGuests));
    house.answers.accounts = Accounts { find: None, guest: Some(Box::new(|| AccountId(9))) };
    assert_eq!(ask(&mut house), Ok(AccountId(9)));
    assert_eq!(house.challenge("n,,n=ada,r=x"), Err(LogInDenial::WrongCredentials));
}

/// Records whose disk has not answered yet: what waits for it.
#[derive(Default)]
struct Slow {
    waiting: Mutex<Vec<Scored>>,
    max: usize,
}

impl Records for Slow {
    fn record(&self, _: HandRecord, _: Recorded) -> bool {
        false
    }

    fn score(&self, _: AccountId, _: GameId, done: Scored) -> bool {
        let mut waiting = self.waiting.lock().unwrap();
        let has_room = waiting.len() < self.max;
        if has_room {
            waiting.push(done);
        }
        has_room
    }

    fn close(&self) {}
}

#[test]
fn a_score_is_answered_when_it_is_read_and_at_once_where_it_cannot_be() {
    let question = || Question::Score { account: AccountId(7), game: GameId(1) };
    let mut house = House::new();
    assert_eq!(house.answers.answer(1, question(), None, NOW_MS), Some(Answer::Score(None)), "none are kept");
    let records = Arc::new(Slow { max: 2, ..Slow::default() });
    let (told, answers) = channel();
    let later: Later = Arc::new(move |id, answer| told.send((id, answer)).unwrap());
    house.answers = house.answers.recording(Arc::clone(&records) as Arc<dyn Records>, later);
    for (id, answer) in [(2, None), (3, None), (4, Some(Answer::Score(None)))] {
        assert_eq!(house.answers.answer(id, question(), None, NOW_MS), answer);
    }
    assert!(answers.try_recv().is_err(), "told before it was read");
    let waiting = std::mem::take(&mut *records.waiting.lock().unwrap());
    for (done, score) in waiting.into_iter().zip([Some(-5), None]) {
        done(score);
    }
    let answers: Vec<_> = answers.try_iter().collect();
    assert_eq!(answers, [(2, Answer::Score(Some(-5))), (3, Answer::Score(None))]);
}
