//! The RFC's own exchange, and what becomes of it when anybody alters a part.

use super::key_file::NamedKeys;
use super::*;
use crate::os_rng;
use crate::private_file::{self, tests::Folder};

// RFC 7677, section 3.
const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const CHALLENGE: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn keys() -> ClientKeys {
    let asked = ServerFirst::parse(CHALLENGE).unwrap();
    ClientKeys::derive("pencil", &asked.salt, asked.iterations).unwrap()
}

fn verifier() -> Verifier {
    Verifier::of_keys(&keys())
}

#[test]
fn the_exchange_of_rfc_7677() {
    assert_eq!(client_first("user", "rOprNGfwEbeRWgbNEkqO").unwrap(), FIRST);
    let first = ClientFirst::parse(FIRST).unwrap();
    assert_eq!(first.name, "user");
    assert_eq!(challenge(&first, &verifier(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"), CHALLENGE);
    let proven = client_final(FIRST, CHALLENGE, &keys()).unwrap();
    assert_eq!((proven.text.as_str(), proven.server_final.as_str()), (FINAL, SERVER_FINAL));
    assert_eq!(check(FIRST, CHALLENGE, FINAL, &verifier()).unwrap(), SERVER_FINAL);
}

#[test]
fn every_altered_attribute_ends_the_exchange_at_the_server() {
    let malformed = ScramError::Malformed;
    let cases = [
        (FIRST, "n=user", "n=usor", ScramError::WrongProof),
        (FIRST, "n=user", "n=", malformed("the name")),
        (FIRST, "n=user", "n=us=er", malformed("the name")),
        (FIRST, "n=user", "n=us\u{7}er", malformed("the name")),
        (FIRST, "n=user", "x=user", malformed("the name")),
        (FIRST, "n=user", "m=1,n=user", ScramError::Extension),
        (FIRST, "r=rO", "r=ro", ScramError::WrongProof),
        (FIRST, "n,,", "y,,", malformed("the channel binding")),
        (FIRST, "n,,", "p=tls-exporter,,", malformed("the header")),
        (FIRST, "n,,", "n,a=root,", malformed("the header")),
        (CHALLENGE, "r=rO", "r=ro", ScramError::Nonce),
        (CHALLENGE, "s=W2", "s=W3", ScramError::WrongProof),
        (CHALLENGE, "i=4096", "i=4097", ScramError::WrongProof),
        (FINAL, "c=biws", "c=eSws", malformed("the channel binding")),
        (FINAL, "r=rO", "r=ro", ScramError::Nonce),
        (FINAL, "$k0,", "$k0x,", ScramError::Nonce),
        (FINAL, "$k0,", "$k0,x=1,", ScramError::WrongProof),
        (FINAL, "$k0,", "$k0,m=1,", ScramError::Extension),
        (FINAL, "p=dHz", "p=dHy", ScramError::WrongProof),
        (FINAL, "AndVQ=", "AndVQ", malformed("the proof")),
        (FINAL, ",p=", ",q=", malformed("the proof")),
    ];
    for (text, from, to, expected) in cases {
        assert!(text.contains(from), "{from}");
        let altered = text.replacen(from, to, 1);
        let said = [FIRST, CHALLENGE, FINAL].map(|it| if it == text { altered.as_str() } else { it });
        assert_eq!(check(said[0], said[1], said[2], &verifier()), Err(expected), "{said:?}");
    }
}

#[test]
fn a_client_proves_nothing_to_a_challenge_that_is_not_its_own() {
    let malformed = ScramError::Malformed;
    let cases = [
        ("r=rO", "r=ro", ScramError::Nonce),
        ("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "", ScramError::Nonce),
        ("s=W2", "s=W3", ScramError::StaleKeys),
        ("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s=", malformed("the salt")),
        ("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s=?", malformed("the salt")),
        ("i=4096", "i=4097", ScramError::StaleKeys),
        ("i=4096", "i=4095", ScramError::Iterations(4095)),
        ("i=4096", "i=1000001", ScramError::Iterations(1_000_001)),
        ("i=4096", "i=04096", malformed("the iterations")),
        ("i=4096", "i=+4096", malformed("the iterations")),
        ("i=4096", "i=99999999999", malformed("the iterations")),
        ("r=rO", "m=1,r=rO", ScramError::Extension),
        ("i=4096", "i=4096,m=1", ScramError::Extension),
    ];
    for (from, to, expected) in cases {
        let altered = CHALLENGE.replacen(from, to, 1);
        assert_eq!(client_final(FIRST, &altered, &keys()), Err(expected), "{altered}");
    }
    let with_extension = format!("{CHALLENGE},x=1");
    assert!(client_final(FIRST, &with_extension, &keys()).is_ok());
}

#[test]
fn an_exchange_cut_at_any_byte_is_no_exchange() {
    for text in [FIRST, CHALLENGE, FINAL] {
        for end in 0..text.len() {
            let said = [FIRST, CHALLENGE, FINAL].map(|it| if it == text { &text[..end] } else { it });
            let ended = check(said[0], said[1], said[2], &verifier());
            assert!(ended.is_err(), "{said:?}");
        }
    }
    for end in 0..CHALLENGE.len() {
        assert!(client_final(FIRST, &CHALLENGE[..end], &keys()).is_err(), "{end}");
    }
}

#[test]
fn a_text_over_its_limit_is_not_read() {
    let long = format!("{FINAL}{}", "A".repeat(usher_proto::limits::SCRAM_BYTES_MAX));
    assert_eq!(check(FIRST, CHALLENGE, &long, &verifier()), Err(ScramError::Malformed("the length")));
    let nonce = "r".repeat(65);
    let first = format!("n,,n=user,r={nonce}");
    assert_eq!(ClientFirst::parse(&first), Err(ScramError::Malformed("the nonce")));
}

#[test]
fn names_with_commas_and_equals_signs_are_escaped() {
    for name in ["a,b", "a=b", "=2C", ",=,", "übung"] {
        let text = client_first(name, "nonce").unwrap();
        assert_eq!(ClientFirst::parse(&text).unwrap().name, name, "{text}");
    }
    assert!(client_first("a,=b", "nonce").unwrap().contains("n=a=2C=3Db,"));
    for name in ["n=a=2cb", "n=a=", "n=a=4D"] {
        let text = format!("n,,{name},r=nonce");
        assert_eq!(ClientFirst::parse(&text), Err(ScramError::Malformed("the name")), "{text}");
    }
}

#[test]
fn names_and_passwords_are_prepared_as_rfc_4013_has_it() {
    let cases = [
        ("I\u{ad}X", Some("IX")),
        ("user", Some("user")),
        ("\u{aa}", Some("a")),
        ("\u{2168}", Some("IX")),
        ("\u{7}", None),
        ("\u{627}1", None),
        ("", None),
        ("\u{ad}", None),
    ];
    for (text, expected) in cases {
        assert_eq!(prepare("it", text, 32).ok().as_deref(), expected, "{text:?}");
    }
    assert!(check_name("\u{2168}").is_err() && check_name("IX").is_ok());
    assert!(check_name(&"n".repeat(NAME_BYTES_MAX + 1)).is_err());
    let of = |password| ClientKeys::derive(password, b"salt", ITERATIONS_MIN);
    assert_eq!(of("I\u{ad}X").unwrap(), of("\u{2168}").unwrap());
    assert!(of("").is_err() && of("bell\u{7}").is_err() && of(&"p".repeat(PASSWORD_BYTES_MAX + 1)).is_err());
}

#[test]
fn generated_keys_log_in_where_their_verifier_stands_and_nowhere_else() {
    let (ours, theirs) =
        (ClientKeys::generate(4096, &mut os_rng()), ClientKeys::generate(4096, &mut os_rng()));
    let first = client_first("player", &fresh_nonce(&mut os_rng())).unwrap();
    let parsed = ClientFirst::parse(&first).unwrap();
    let verifier = Verifier::of_keys(&ours);
    let asked = challenge(&parsed, &verifier, &fresh_nonce(&mut os_rng()));
    let proven = client_final(&first, &asked, &ours).unwrap();
    assert_eq!(check(&first, &asked, &proven.text, &verifier).unwrap(), proven.server_final);
    assert_eq!(client_final(&first, &asked, &theirs), Err(ScramError::StaleKeys));
    let liar = ClientKeys { salt: ours.salt.clone(), ..theirs };
    let wrong = client_final(&first, &asked, &liar).unwrap();
    assert_eq!(check(&first, &asked, &wrong.text, &verifier), Err(ScramError::WrongProof));
}

#[test]
fn a_decoy_is_the_same_each_time_and_another_for_each_name_and_secret() {
    let (secret, other) = (Key::new([1; 32]), Key::new([2; 32]));
    let decoy = Verifier::decoy(&secret, "nobody", 4096);
    assert_eq!(decoy, Verifier::decoy(&secret, "nobody", 4096));
    assert_ne!(decoy.salt, Verifier::decoy(&secret, "nobody2", 4096).salt);
    assert_ne!(decoy.salt, Verifier::decoy(&other, "nobody", 4096).salt);
    assert_eq!(decoy.salt.len(), SALT_BYTES);
}

#[test]
fn debug_shows_no_secret() {
    let text = format!("{:?} {:?}", keys(), verifier());
    assert_eq!(text.matches("Key(..)").count(), 4, "{text}");
}

#[test]
fn a_file_of_keys_is_read_back_from_anywhere_in_it() {
    let folder = Folder::new("scram-keys");
    let path = folder.0.join("players.keys");
    let account = |name: &str| NamedKeys {
        name: name.into(),
        keys: ClientKeys::generate(ITERATIONS_MIN, &mut os_rng()),
    };
    let accounts = [account("ada"), account("a,b"), account("zoë")];
    key_file::write(&path, &accounts).unwrap();
    assert_eq!(key_file::read(&path, 0, 9).unwrap(), accounts);
    assert_eq!(key_file::read(&path, 1, 1).unwrap(), accounts[1..2]);
    assert!(key_file::write(&path, &accounts).unwrap_err().to_string().contains("players.keys: "));
}

#[test]
fn a_line_that_is_no_account_is_named() {
    let folder = Folder::new("scram-key-lines");
    let key = Base64::encode_string(&[0x5a; 32]);
    let salt = Base64::encode_string(&[7; 16]);
    let cases = [
        ("ada".into(), "expected name,client key,server key,salt,iterations"),
        (format!("\u{7},{key},{key},{salt},4096"), "the name is not one an account can have"),
        (format!("ada,{key},{},{salt},4096", &key[1..]), "a key is not 32 bytes in base64"),
        (format!("ada,{key},{key},?,4096"), "the salt is not base64"),
        (format!("ada,{key},{key},,4096"), "the salt is empty or too long"),
        (format!("ada,{key},{key},{salt},many"), "the iterations are no number"),
        (format!("ada,{key},{key},{salt},1"), "the iterations are out of range"),
    ];
    for (at, (line, what)) in cases.into_iter().enumerate() {
        let path = folder.0.join(at.to_string());
        private_file::write(&path, &format!("# keys\n\n{line}\n")).unwrap();
        let error = key_file::read(&path, 0, 9).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:3: {what}; ", path.display())), "{error}");
        assert!(!error.contains("WlpaWl"), "{error}");
    }
}
