//! The texts of SCRAM: any client that is understood can finish its exchange, and no other proof is taken.
//!
//! The bytes are up to three lines: a client's first text, a server's, a client's proof.
//! Read next: `usher_secure::scram`; RFC 5802.

use usher_proto::limits::SCRAM_BYTES_MAX;
use usher_secure::scram::{
    ClientFirst, ClientKeys, ITERATIONS_MAX, ITERATIONS_MIN, Key, SALT_BYTES_MAX, ServerFirst, Verifier,
    challenge, check, check_name, client_final, client_first,
};

const SERVER_NONCE: &str = "c2VydmVyJ3Mgc2hhcmUgb2Yg";

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let [client, server, proof] = [(); 3].map(|()| lines.next().unwrap_or_default());
    if let Ok(first) = ClientFirst::parse(client) {
        check_client_first(&first);
        check_exchange(client, &first, proof);
    }
    if let Ok(first) = ServerFirst::parse(server) {
        assert!((1..=SALT_BYTES_MAX).contains(&first.salt.len()));
        assert!((ITERATIONS_MIN..=ITERATIONS_MAX).contains(&first.iterations));
        let asked = keys(first.salt, first.iterations);
        let answered = client_final(client, server, &asked);
        let taken = check(client, server, proof, &Verifier::of_keys(&asked));
        if let Ok(taken) = taken {
            assert_eq!(answered.map(|answer| (answer.text, answer.server_final)), Ok((proof.into(), taken)));
        }
    }
}

fn check_client_first(first: &ClientFirst<'_>) {
    check_name(&first.name).expect("the name of an account");
    let again = client_first(&first.name, "nonce").expect("that name again");
    assert_eq!(ClientFirst::parse(&again).map(|first| first.name).as_ref(), Ok(&first.name));
}

/// The exchange as a server and a client of ours have it, with the proof that was shown beside the right one.
fn check_exchange(client: &str, first: &ClientFirst<'_>, proof: &str) {
    let keys = keys(b"0123456789abcdef".to_vec(), ITERATIONS_MIN);
    let verifier = Verifier::of_keys(&keys);
    let server = challenge(first, &verifier, SERVER_NONCE);
    let asked = ServerFirst::parse(&server).expect("our own challenge");
    assert_eq!((asked.salt, asked.iterations), (keys.salt.clone(), keys.iterations));
    let answer = client_final(client, &server, &keys).expect("a proof of what was asked");
    assert!(answer.text.len() <= SCRAM_BYTES_MAX && answer.server_final.len() <= SCRAM_BYTES_MAX);
    assert_eq!(check(client, &server, &answer.text, &verifier).as_ref(), Ok(&answer.server_final));
    assert_eq!(check(client, &server, proof, &verifier).is_ok(), proof == answer.text);
}

fn keys(salt: Vec<u8>, iterations: u32) -> ClientKeys {
    ClientKeys { client_key: Key::new([1; 32]), server_key: Key::new([2; 32]), salt, iterations }
}
